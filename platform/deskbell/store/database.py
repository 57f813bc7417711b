"""The door to the database: PostgreSQL or a SQLite file behind one face.

SQL is written once, in PostgreSQL's dialect with ``$1`` placeholders; what SQLite reads instead is
told by :mod:`deskbell.store.dialect`. Three ways in::

    await db.fetchrow("SELECT … WHERE id = $1", room_id)      # one statement, committed by itself
    async with db.transaction() as tx:                        # all or nothing
        await tx.execute("UPDATE …")
        await SomeModel.filter(…).update(…)                   # Tortoise runs in the same transaction
    async with db.snapshot() as at:                           # several reads of one moment
        await at.fetch("SELECT …")

Promises, on both databases alike:

- what leaves here as an exception is a :class:`StoreError`, and its class says what to do;
- a cancelled caller leaves nothing behind: no lock, no open transaction, no missing connection;
- a commit that has begun is seen through; its outcome is known, or :class:`OutcomeUnknown` is raised;
- after a statement failed, its transaction can only be rolled back (or back to a savepoint). SQLite
  would go on; it is held to PostgreSQL's rule so that nothing works in one of them only.

Times are microseconds since 1970 in ``bigint``, ids are text in ``uuid``, JSON is ``text``.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, cast

from deskbell.store.dialect import only_reads
from deskbell.store.failures import (
    OutcomeUnknown,
    StoreConflict,
    StoreError,
    StoreIntegrity,
    StoreMisuse,
    StoreUnavailable,
)
from deskbell.store.orm import OrmContext, Speaker
from deskbell.store.postgres_backend import NOW_US, PostgresBackend
from deskbell.store.sessions import Dialect, Row, Session, see_through
from deskbell.store.sqlite_backend import SqliteBackend
from deskbell.store.troubles import Troubles

__all__ = [
    "Database",
    "Dialect",
    "OutcomeUnknown",
    "Queries",
    "Row",
    "Snapshot",
    "StoreConflict",
    "StoreError",
    "StoreIntegrity",
    "StoreMisuse",
    "StoreUnavailable",
    "Transaction",
]

log = logging.getLogger(__name__)

MODELS = "deskbell.store.tables"


class Queries(Protocol):
    """What a database, a transaction and a snapshot have in common."""

    @property
    def dialect(self) -> Dialect: ...

    async def fetch(self, sql: str, *args: object) -> Sequence[Row]: ...
    async def fetchrow(self, sql: str, *args: object) -> Row | None: ...
    async def fetchval(self, sql: str, *args: object) -> Any: ...
    async def execute(self, sql: str, *args: object) -> int: ...
    async def insert_many(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None: ...


class _Asking:
    """The five methods of :class:`Queries`, over whatever session the subclass has."""

    @property
    def dialect(self) -> Dialect:
        """``"postgresql"`` or ``"sqlite"``, for the rare statement that has to differ."""
        raise NotImplementedError

    def session(self, *, writes: bool) -> AbstractAsyncContextManager[Session]:
        raise NotImplementedError

    async def fetch(self, sql: str, *args: object) -> Sequence[Row]:
        """All rows."""
        async with self.session(writes=not only_reads(sql)) as session:
            return await session.fetch(sql, args)

    async def fetchrow(self, sql: str, *args: object) -> Row | None:
        """The first row, or None."""
        async with self.session(writes=not only_reads(sql)) as session:
            return await session.fetchrow(sql, args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """The first column of the first row, or None when there is no row."""
        row = await self.fetchrow(sql, *args)
        return None if row is None else cast(Sequence[Any], row)[0]  # both drivers count columns, too

    async def execute(self, sql: str, *args: object) -> int:
        """Run a statement; the number of rows it inserted, changed, deleted or found."""
        async with self.session(writes=not only_reads(sql)) as session:
            return await session.execute(sql, args)

    async def insert_many(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
        """Insert many rows at once, all or none.

        Args:
            table: A plain table name.
            columns: Column name to PostgreSQL type: uuid, bigint, integer, text, bytea, boolean,
                double precision.
            rows: Values in the order of ``columns``. None of them is fine.
        """
        async with self.session(writes=True) as session:
            await session.insert_many(table, columns, rows)


class Transaction(_Asking):
    """Everything said through it happens together or not at all. Made by ``Database.transaction()``.

    Several tasks may share it; they take turns.
    """

    def __init__(self, database: Database, session: Session) -> None:
        self.finished = False
        self.wrote = False
        self._database = database
        self._session = session
        self._turn = asyncio.Lock()
        self._failed: BaseException | None = None
        self._savepoints = itertools.count(1)

    @property
    def dialect(self) -> Dialect:
        return self._database.dialect

    @property
    def parent(self) -> Database:
        return self._database

    @asynccontextmanager
    async def session(self, *, writes: bool) -> AsyncIterator[Session]:
        async with self._turn:
            if self.finished:
                raise StoreMisuse("this transaction is over")
            if self._failed is not None:
                raise StoreMisuse(f"this transaction has failed and can only be rolled back: {self._failed!r}")
            self.wrote = self.wrote or writes
            try:
                yield self._session
            except BaseException as error:
                self._failed = error
                raise

    async def now_us(self) -> int:
        """The database's clock, in microseconds since 1970; it moves on during the transaction."""
        if self.dialect == "postgresql":
            return int(await self.fetchval(NOW_US))
        return await self._database._backend.now_us()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[Transaction]:
        """What fails inside is undone alone; the transaction goes on if the error is caught outside."""
        name = f"savepoint_{next(self._savepoints)}"
        async with self.session(writes=True) as session:
            await see_through(session.command(f"SAVEPOINT {name}"))
        try:
            yield self
        except BaseException:
            await see_through(self._back_to(name))
            raise
        async with self.session(writes=True) as session:
            await see_through(session.command(f"RELEASE SAVEPOINT {name}"))

    async def _back_to(self, name: str) -> None:
        async with self._turn:
            try:
                await self._session.command(f"ROLLBACK TO SAVEPOINT {name}")
            except StoreError as error:  # the first error is what the caller needs to hear
                log.warning("a savepoint could not be rolled back: %s", error)
                self._failed = self._failed or error
            else:
                self._failed = None

    def nested(self) -> AbstractAsyncContextManager[Transaction]:
        return self.savepoint()

    async def _end(self) -> None:
        async with self._turn:
            self.finished = True
            if self._failed is not None:
                raise StoreMisuse(
                    f"an error was caught inside the transaction, which cannot be committed now: {self._failed!r}; "
                    "put a savepoint() around what may fail"
                ) from self._failed


class Snapshot(_Asking):
    """Reads of one moment. Made by ``Database.snapshot()``; writing raises :class:`StoreMisuse`."""

    def __init__(self, database: Database, session: Session) -> None:
        self.finished = False
        self._database = database
        self._session = session
        self._turn = asyncio.Lock()

    @property
    def dialect(self) -> Dialect:
        return self._database.dialect

    @property
    def parent(self) -> Database:
        return self._database

    @asynccontextmanager
    async def session(self, *, writes: bool) -> AsyncIterator[Session]:
        async with self._turn:
            if self.finished:
                raise StoreMisuse("this snapshot is over")
            if writes:
                raise StoreMisuse("a snapshot only reads")
            yield self._session

    def nested(self) -> AbstractAsyncContextManager[Speaker]:
        raise StoreMisuse("a snapshot only reads")


# The transactions this task is inside of, outermost first; a task started inside inherits them.
_inside: ContextVar[tuple[Transaction, ...]] = ContextVar("deskbell_transactions", default=())


class Database(_Asking):
    """One database. Open it with :meth:`open`, close it with :meth:`close`.

    Used directly, each statement commits by itself. Inside an own transaction only the
    transaction may be spoken to: the database refuses, since it would wait for itself (SQLite)
    or not see what the transaction did (PostgreSQL).
    """

    finished = False

    def __init__(self, backend: PostgresBackend | SqliteBackend) -> None:
        self._backend = backend
        self._orm: OrmContext | None = None
        self.troubles = Troubles()

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        pool_size: int = 10,
        lock_timeout_ms: int = 500,
        statement_timeout_ms: int = 10_000,
        models: str = MODELS,
    ) -> Database:
        """Open ``postgresql://user@host/name`` or ``sqlite:///folder/file.sqlite3``.

        A SQLite file and its folder are created; tables are not, see :mod:`deskbell.store.migrate`.

        Args:
            url: Four slashes make a SQLite path absolute.
            pool_size: The most connections PostgreSQL sees from this process.
            lock_timeout_ms: How long a statement waits for a lock before :class:`StoreConflict`.
                SQLite, whose one lock covers the whole file, waits ten times as long.
            statement_timeout_ms: PostgreSQL ends a longer statement with :class:`StoreUnavailable`.
            models: The module with the Tortoise models.
        Raises:
            StoreUnavailable: Nobody answers there, or the file cannot be opened.
            StoreMisuse: The URL is of no known kind.
        """
        backend: PostgresBackend | SqliteBackend
        if url.startswith(("postgresql://", "postgres://")):
            backend = await PostgresBackend.open(
                url, pool_size=pool_size, lock_timeout_ms=lock_timeout_ms, statement_timeout_ms=statement_timeout_ms
            )
        elif url.startswith("sqlite:"):
            backend = await SqliteBackend.open(url, busy_timeout_ms=lock_timeout_ms * 10)
        else:
            raise StoreMisuse("a database URL begins with postgresql:// or sqlite:///")
        self = cls(backend)
        try:
            self._orm = await OrmContext.of(self, backend.orm_engine, models)
        except BaseException:
            await see_through(backend.close())
            raise
        return self

    async def close(self) -> None:
        """Close every connection, after the transactions under way. Closing twice is fine."""
        await see_through(self._backend.close())

    @property
    def dialect(self) -> Dialect:
        return self._backend.dialect

    @property
    def parent(self) -> Database:
        return self

    @property
    def incarnation(self) -> str:
        """Which life of the data this is: it changes when a backup was restored or a standby promoted.

        Empty while the schema does not exist. On PostgreSQL it is learnt anew with every new connection.
        """
        return self._backend.incarnation

    async def read_incarnation(self) -> str:
        """Ask the database for its incarnation now, after migrating or restoring."""
        await self._backend.read_incarnation()
        return self.incarnation

    def _own_transaction(self) -> Transaction | None:
        for transaction in _inside.get():
            if transaction.parent is self and not transaction.finished:
                return transaction
        return None

    def _refuse_inside(self) -> None:
        if self._own_transaction() is not None:
            raise StoreMisuse("inside a transaction speak through the transaction, not the database")

    @asynccontextmanager
    async def session(self, *, writes: bool) -> AsyncIterator[Session]:
        self._refuse_inside()
        if not writes:
            async with self._backend.once(writes=False) as session:
                yield session
            return
        with self._noting():
            async with self._backend.once(writes=True) as session:
                yield session
            self.troubles.wrote()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Remember what writes are refused for."""
        try:
            yield
        except StoreUnavailable as error:
            self.troubles.note(error.why)
            raise

    async def insert_many(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
        async with self.transaction() as tx:
            await tx.insert_many(table, columns, rows)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Committed at the end of the block, rolled back when an exception leaves it.

        PostgreSQL: READ COMMITTED. SQLite: the file's one write lock is taken at the beginning, so
        never wait for the network or another task's write inside. Tortoise models used inside
        take part.

        Raises:
            StoreConflict: Begin again.
            OutcomeUnknown: The connection was lost during the commit.
            StoreMisuse: Inside another transaction of this database, or an error was swallowed in it.
        """
        self._refuse_inside()
        with self._noting():
            async with self._backend.transaction() as session:
                transaction = Transaction(self, session)
                outer = _inside.get()
                _inside.set((*outer, transaction))
                try:
                    with self._models_speak_through(transaction):
                        yield transaction
                    await transaction._end()
                finally:
                    transaction.finished = True
                    _inside.set(outer)
            if transaction.wrote:
                self.troubles.wrote()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """Several reads that all see the same moment, and no lock that would stop a writer.

        PostgreSQL: REPEATABLE READ, read only. SQLite: a read transaction on a connection of its own.
        """
        self._refuse_inside()
        async with self._backend.snapshot() as session:
            snapshot = Snapshot(self, session)
            try:
                with self._models_speak_through(snapshot):
                    yield snapshot
            finally:
                snapshot.finished = True

    def nested(self) -> AbstractAsyncContextManager[Transaction]:
        return self.transaction()

    @contextmanager
    def _models_speak_through(self, speaker: Transaction | Snapshot) -> Iterator[None]:
        if self._orm is None:
            yield
            return
        with self._orm.entered(self._orm.client(speaker)):
            yield

    @contextmanager
    def orm(self) -> Iterator[None]:
        """Let Tortoise models speak to this database: ``with db.orm(): await Site.get(id=…)``.

        Only ``transaction()`` and ``snapshot()`` do so by themselves. There is no global default, so
        that two databases in one process cannot be mistaken for each other.
        """
        if self._orm is None:
            raise StoreMisuse("this database was opened without models")
        with self._orm.entered():
            yield

    async def now_us(self) -> int:
        """The database's clock, in microseconds since 1970. Windows (edit, delete) are judged by it."""
        own = self._own_transaction()
        return await (self._backend.now_us() if own is None else own.now_us())
