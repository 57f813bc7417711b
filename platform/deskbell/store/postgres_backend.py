"""PostgreSQL: one asyncpg pool, shared by hand-written SQL and the ORM.

Promises: a connection that was lost is replaced by itself at the next use; a cancelled caller
leaves no open transaction and no missing connection behind; ids (``uuid`` columns) travel as text.

Nothing here changes the state of a session (no SET, LISTEN or advisory lock), which is why giving
a connection back costs no round trip, unless its statement was cancelled. Whoever needs such state
opens a connection of its own, as the migrations do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient

from deskbell.store.array_literals import bound
from deskbell.store.failures import (
    ConstraintKind,
    OutcomeUnknown,
    Shortage,
    StoreConflict,
    StoreError,
    StoreIntegrity,
    StoreMisuse,
    StoreUnavailable,
)
from deskbell.store.orm import OrmClient
from deskbell.store.pulse import Pulse
from deskbell.store.sessions import Dialect, Row, checked_insert, see_through

log = logging.getLogger(__name__)

T = TypeVar("T")

ACQUIRE_TIMEOUT_S = 5.0
ROLLBACK_TIMEOUT_S = 5.0
IDLE_IN_TRANSACTION_MS = 60_000

_KINDS: dict[str, ConstraintKind] = {
    "23502": "not_null",
    "23503": "foreign_key",
    "23505": "unique",
    "23514": "check",
}
# The server ends the connection with these: administrator, crash, restart, database gone, idle too long.
_LOST = {"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04"}
_CONFLICTS = {"40001", "40P01", "55P03"}
# Out of something, or over the statement timeout: rolled back. Classes 53 and 58 as a whole, and what they are out of.
_SHORTAGES: dict[str, Shortage] = {
    "53100": "disk",
    "53200": "memory",
    "53300": "connections",
    "57014": "slow",
    "28000": "refused",
    "28P01": "refused",
    "3D000": "refused",
    "58030": "disk",
}


def not_connected(error: BaseException) -> StoreUnavailable:
    """Why nobody was reached, or lets us in."""
    why = _SHORTAGES.get(getattr(error, "sqlstate", None) or "", "unreachable")
    if isinstance(error, ValueError):  # of asyncpg, or of what it reads the address with
        return StoreUnavailable(f"This is no address of a PostgreSQL: {error}", why="refused")
    if why == "refused":
        return StoreUnavailable(f"PostgreSQL does not let us in: {error}", why=why)
    said = "no answer in time" if isinstance(error, TimeoutError) else error
    return StoreUnavailable(f"PostgreSQL cannot be reached: {said}", why=why)


def translated(error: BaseException, *, lost: type[StoreError], read_only: bool = False) -> StoreError:
    """The failure in our words. ``lost`` is what losing the connection means at this moment."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        message = f"{error} [{state}]"
        if state.startswith("23"):
            return StoreIntegrity(message, kind=_KINDS.get(state, "other"), constraint=error.constraint_name)
        if state in _CONFLICTS or isinstance(error, asyncpg.InvalidCachedStatementError):
            return StoreConflict(message)
        if state.startswith("08") or state in _LOST or state == "40003":
            return lost(message)
        if state.startswith(("53", "58")) or state == "57014":
            return StoreUnavailable(message, why=_SHORTAGES.get(state, "unreachable"))
        if state == "25006" and not read_only:
            return StoreUnavailable(message, why="read_only")  # this server has become a standby
        return StoreMisuse(message)
    if isinstance(error, asyncpg.OutdatedSchemaCacheError):
        return StoreConflict(str(error))
    if isinstance(error, asyncpg.InterfaceError):
        return StoreMisuse(str(error))
    if isinstance(error, OSError | TimeoutError | EOFError | asyncpg.InternalClientError):
        return lost(f"{type(error).__name__}: {error}")
    return StoreMisuse(f"{type(error).__name__}: {error}")


def affected(status: str) -> int:
    """``"INSERT 0 5"`` and ``"UPDATE 5"`` are 5; ``"CREATE TABLE"`` is 0."""
    last = status.rsplit(" ", 1)[-1]
    return int(last) if last.isdigit() else 0


async def prepare(con: Any) -> None:
    """Make a new connection exchange ids as text."""
    await con.set_type_codec("uuid", encoder=str, decoder=str, schema="pg_catalog", format="text")


async def incarnation_of(con: Any) -> str:
    """The timeline and the random value of the data behind this connection; empty without a schema."""
    if await con.fetchval("SELECT to_regclass('installation')") is None:
        return ""
    value = await con.fetchval("SELECT incarnation FROM installation WHERE id = 1")
    try:
        # A promoted standby continues on a new timeline: it may lack the last transactions.
        timeline = await con.fetchval("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")
    except asyncpg.PostgresError:
        timeline = "0"  # a standby, or a service that keeps its WAL to itself
    return f"{int(timeline, 16):x}-{value or ''}"


def _gone(con: Any) -> bool:
    """Whether a held connection was lost; the pool then takes it out of our hands, and asking raises."""
    try:
        return bool(con.is_closed())
    except asyncpg.InterfaceError:
        return True


def _is_answer(error: BaseException) -> bool:
    """Whether the server said it, rather than asyncpg on losing the connection."""
    return isinstance(error, asyncpg.PostgresError) and not isinstance(error, asyncpg.PostgresConnectionError)


def _drop(con: Any) -> None:
    if not _gone(con):
        con.terminate()


class PostgresSession:
    """One held connection."""

    def __init__(self, con: Any, pulse: Pulse, *, lost: type[StoreError], read_only: bool = False) -> None:
        self._con = con
        self._pulse = pulse
        self._lost = lost
        self._read_only = read_only

    async def _run(self, call: Callable[..., Awaitable[T]], *args: object) -> T:
        answered = False
        self._pulse.asks(self._con)
        try:
            result = await call(*args)
            answered = True
            return result
        except Exception as error:
            answered = _is_answer(error)
            if isinstance(error, asyncpg.InterfaceError) and _gone(self._con):
                raise self._lost(str(error)) from error
            if isinstance(error, TimeoutError | asyncpg.InternalClientError):
                _drop(self._con)  # it stopped answering: what it would say now belongs to nobody
            failure = translated(error, lost=self._lost, read_only=self._read_only)
            if self._pulse.silent and isinstance(failure, StoreUnavailable):
                failure.why = "silent"
            raise failure from error
        finally:
            self._pulse.was_asked(self._con, answered=answered)

    async def fetch(self, sql: str, args: Sequence[object]) -> Sequence[Row]:
        sql, args = bound(sql, args)
        rows: Sequence[Row] = await self._run(self._con.fetch, sql, *args)
        return rows

    async def fetchrow(self, sql: str, args: Sequence[object]) -> Row | None:
        sql, args = bound(sql, args)
        row: Row | None = await self._run(self._con.fetchrow, sql, *args)
        return row

    async def execute(self, sql: str, args: Sequence[object]) -> int:
        sql, args = bound(sql, args)
        return affected(await self._run(self._con.execute, sql, *args))

    async def insert_many(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
        checked_insert(table, columns, rows)
        if not rows:
            return
        arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(columns.values(), 1))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"
        text, values = bound(sql, [list(column) for column in zip(*rows, strict=True)])
        await self._run(self._con.execute, text, *values)

    async def command(self, sql: str) -> None:
        await self._run(self._con.execute, sql)

    async def end_implicit_transaction(self) -> None:
        await self._run(partial(self._con.execute, timeout=ROLLBACK_TIMEOUT_S), "SELECT 1")

    async def incarnation(self) -> str:
        return await self._run(incarnation_of, self._con)

    async def orm_query(self, sql: str, values: Sequence[object]) -> tuple[int, Sequence[Row]]:
        if sql.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE") and " RETURNING " not in sql.upper():
            return affected(await self._run(self._con.execute, sql, *values)), []
        rows: Sequence[Row] = await self._run(self._con.fetch, sql, *values)
        return len(rows), rows

    async def orm_insert(self, sql: str, values: Sequence[object]) -> Any:
        return await self._run(self._con.fetchrow, sql, *values)

    async def orm_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        await self._run(self._con.executemany, sql, rows)


async def _nothing_to_reset(_con: Any) -> None:
    """See the module's docstring; asyncpg itself still rolls back a transaction left open."""


class PostgresBackend:
    """The pool, and transactions that survive cancellation."""

    dialect: Dialect = "postgresql"
    orm_engine = __name__

    def __init__(self, url: str) -> None:
        self._pool: Any = None
        self._incarnation = ""
        self._pulse = Pulse(url, _drop, self._replace_all)

    @classmethod
    async def open(
        cls, url: str, *, pool_size: int, lock_timeout_ms: int, statement_timeout_ms: int
    ) -> PostgresBackend:
        """Connect once, so that a wrong address is known now.

        Raises:
            StoreUnavailable: Nobody answers there, or lets us in.
        """
        self = cls(url)
        try:
            self._pool = await asyncpg.create_pool(
                url,
                min_size=0,  # with a floor, the pool would reconnect in the background, and log each failure
                max_size=pool_size,
                init=self._init_connection,
                reset=_nothing_to_reset,
                timeout=ACQUIRE_TIMEOUT_S,
                # The server's own timeout comes first; this one is for a server that fell silent.
                command_timeout=statement_timeout_ms / 1000 + 5,
                server_settings={
                    "application_name": "deskbell",
                    "lock_timeout": str(lock_timeout_ms),
                    "statement_timeout": str(statement_timeout_ms),
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
                },
            )
            await self.read_incarnation()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            await see_through(self.close())
            raise not_connected(error) from error
        except BaseException:
            await see_through(self.close())
            raise
        return self

    async def _init_connection(self, con: Any) -> None:
        await prepare(con)
        # Asked anew on every connection: after a fail-over or a restored backup all connections are new.
        self._incarnation = await incarnation_of(con)

    @property
    def incarnation(self) -> str:
        return self._incarnation

    async def read_incarnation(self) -> None:
        async with self.once(writes=False) as session:
            self._incarnation = await session.incarnation()

    async def _replace_all(self) -> None:
        if self._pool is not None:
            await self._pool.expire_connections()

    async def _acquire(self) -> Any:
        if self._pool is None:
            raise StoreUnavailable("the store is closed")
        if self._pulse.silent:
            raise StoreUnavailable("PostgreSQL answers nothing", why="silent")
        try:
            async with self._pulse.waiting_for_a_connection(ACQUIRE_TIMEOUT_S):
                return await self._pool.acquire()
        except TimeoutError as error:
            if self._pulse.silent:
                raise StoreUnavailable("PostgreSQL answers nothing", why="silent") from error
            busy = self._pool.get_idle_size() == 0 and self._pool.get_size() == self._pool.get_max_size()
            message = f"no connection became free within {ACQUIRE_TIMEOUT_S:.0f} s"
            raise StoreUnavailable(message, why="pool" if busy else "unreachable") from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, EOFError) as error:
            raise not_connected(error) from error

    async def _release(self, con: Any) -> None:
        lost = _gone(con)
        try:
            await self._pool.release(con, timeout=ROLLBACK_TIMEOUT_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            log.warning("a connection was dropped while it was given back: %s", error)
            lost = True
        if lost and not self._pool.is_closing():
            # Its neighbours probably died with it; each is replaced when it is next taken.
            await self._pool.expire_connections()

    @asynccontextmanager
    async def once(self, *, writes: bool) -> AsyncIterator[PostgresSession]:
        con = await self._acquire()
        try:
            yield PostgresSession(con, self._pulse, lost=OutcomeUnknown if writes else StoreUnavailable)
        except asyncio.CancelledError:
            await see_through(self._synchronise(con))
            raise
        finally:
            await self._release(con)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresSession]:
        con = await self._acquire()
        try:
            session = PostgresSession(con, self._pulse, lost=StoreUnavailable)
            try:
                await see_through(session.command("BEGIN"))
                yield session
            except BaseException:
                await see_through(self._roll_back(con))
                raise
            else:
                await see_through(self._commit(con))
        finally:
            await self._release(con)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresSession]:
        con = await self._acquire()
        try:
            session = PostgresSession(con, self._pulse, lost=StoreUnavailable, read_only=True)
            try:
                await see_through(session.command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
                yield session
            finally:
                await see_through(self._roll_back(con))
        finally:
            await self._release(con)

    async def _commit(self, con: Any) -> None:
        session = PostgresSession(con, self._pulse, lost=OutcomeUnknown)
        try:
            status = await session._run(con.execute, "COMMIT")
        except StoreError:
            await self._roll_back(con)
            raise
        if status != "COMMIT":  # PostgreSQL answers ROLLBACK, and no error, to the COMMIT of a failed transaction
            raise StoreMisuse("the transaction had failed; its error was swallowed inside the block")

    async def _synchronise(self, con: Any) -> None:
        """End what a cancelled statement may have left open. Never raises.

        asyncpg prepares a statement without a Sync message and executes it with one. A caller that
        is cancelled exactly in between leaves the connection inside an implicit transaction, which
        would hold its locks until the next use, and fail the next BEGIN with an isolation level.
        Any simple query ends it.
        """
        if _gone(con):
            return
        try:
            await PostgresSession(con, self._pulse, lost=StoreUnavailable).end_implicit_transaction()
        except Exception as error:
            log.warning("a connection did not recover from a cancelled statement, it is dropped: %s", error)
            _drop(con)

    async def _roll_back(self, con: Any) -> None:
        """Never raises: a connection that cannot even roll back is thrown away."""
        if _gone(con):
            return
        try:
            await con.execute("ROLLBACK", timeout=ROLLBACK_TIMEOUT_S)
        except Exception as error:
            log.warning("a rollback failed, the connection is dropped: %s", error)
            _drop(con)

    async def now_us(self) -> int:
        async with self.once(writes=False) as session:
            row = await session.fetchrow(NOW_US, ())
            assert row is not None
            return int(row["now_us"])

    async def close(self) -> None:
        await self._pulse.close()
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), 10)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("the pool did not close in peace: %s", error)
            pool.terminate()


NOW_US = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us"


class PostgresClient(OrmClient):
    """What Tortoise talks to; the connections are the backend's."""

    query_class = AsyncpgDBClient.query_class
    executor_class = AsyncpgDBClient.executor_class
    schema_generator = AsyncpgDBClient.schema_generator
    capabilities = AsyncpgDBClient.capabilities


client_class = PostgresClient
