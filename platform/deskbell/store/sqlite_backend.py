"""SQLite: one connection that writes, a few that read, each on a thread of its own.

Promises: a write transaction takes the file's lock when it begins (``BEGIN IMMEDIATE``), so it
never fails half-way because somebody else wrote; what was committed survives a power cut
(WAL, ``synchronous=FULL``); readers never wait for the writer; and a caller that is cancelled,
at whatever moment, leaves neither a lock taken nor a transaction open.

Each connection belongs to a one-thread executor. Statements queue there in order, so a rollback
asked for after a cancelled statement runs after it. An idle executor does not keep the interpreter
from ending, as a forgotten ``aiosqlite`` connection would.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from tortoise.backends.sqlite.client import SqliteClient as StockClient

from deskbell.store.dialect import to_sqlite, to_sqlite_value
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
from deskbell.store.sessions import Dialect, Row, checked_insert, see_through

log = logging.getLogger(__name__)

T = TypeVar("T")

READERS = 3
ACQUIRE_TIMEOUT_S = 5.0

_KINDS: dict[str, ConstraintKind] = {
    "SQLITE_CONSTRAINT_UNIQUE": "unique",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "unique",
    "SQLITE_CONSTRAINT_ROWID": "unique",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "foreign_key",
    "SQLITE_CONSTRAINT_NOTNULL": "not_null",
    "SQLITE_CONSTRAINT_CHECK": "check",
}
_FAILED = re.compile(r"constraint failed: (?:index '(?P<index>[^']+)'|(?P<rest>.+))")
_SHORTAGES: dict[str, Shortage] = {
    "SQLITE_FULL": "disk",
    "SQLITE_IOERR": "disk",
    "SQLITE_NOMEM": "memory",
    "SQLITE_CANTOPEN": "unreachable",
    "SQLITE_CORRUPT": "unreachable",
    "SQLITE_NOTADB": "unreachable",
}


def translated(error: BaseException, *, lost: type[StoreError] = StoreUnavailable) -> StoreError:
    """The failure in our words. ``lost`` is what a failing disk means at this moment."""
    name = getattr(error, "sqlite_errorname", "") or ""
    message = f"{error} [{name}]" if name else str(error)
    if isinstance(error, StoreError):
        return error
    if isinstance(error, sqlite3.IntegrityError) and name.startswith("SQLITE_CONSTRAINT"):
        found = _FAILED.search(str(error))
        constraint = (found["index"] or found["rest"]) if found else None
        return StoreIntegrity(message, kind=_KINDS.get(name, "other"), constraint=constraint)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreConflict(message)
    if name.startswith("SQLITE_IOERR") and lost is not StoreUnavailable:
        return lost(message)
    for begin, why in _SHORTAGES.items():
        if name.startswith(begin):
            return StoreUnavailable(message, why=why)
    return StoreMisuse(f"{type(error).__name__}: {message}")


def path_of(url: str) -> Path:
    """The file a URL names: ``sqlite:///data/deskbell.sqlite3`` is relative, ``sqlite:////var/…`` absolute.

    Raises:
        StoreMisuse: No file is named; a database in memory would not be one for several connections.
    """
    name = url.removeprefix("sqlite:///")
    if name == url or not name or name.startswith(":memory:"):
        raise StoreMisuse(f"not the URL of a SQLite file: {url!r}; write sqlite:///folder/name.sqlite3")
    return Path(name)


def write_ahead(raw: sqlite3.Connection, *, patience_ms: int) -> None:
    """Put the file into WAL mode, which it keeps.

    SQLite does not apply its busy timeout to this change: of several processes that open a new file
    at once all but one would fail immediately.
    """
    deadline = time.monotonic() + patience_ms / 1000
    while True:
        try:
            raw.execute("PRAGMA journal_mode = WAL").fetchall()
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def make_file(path: Path) -> None:
    """Make the file where there is none, for its owner alone: what people say to each other stands in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)


class NamedRow(sqlite3.Row):
    """A row with the rest of what asyncpg's rows can do, so that code meets one shape."""

    def get(self, name: str, default: Any = None) -> Any:
        """The column's value, or ``default`` where there is no such column."""
        return self[name] if name in self.keys() else default

    def values(self) -> Iterator[Any]:
        return iter(self)

    def items(self) -> Iterator[tuple[str, Any]]:
        return zip(self.keys(), self, strict=True)

    def __contains__(self, name: object) -> bool:
        return name in self.keys()


class Connection:
    """One ``sqlite3`` connection and the one thread that touches it."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"deskbell-sqlite-{name}")
        self._raw: sqlite3.Connection | None = None

    async def open(self, path: Path, *, busy_timeout_ms: int, writes: bool) -> None:
        try:
            await see_through(self._on_thread(self._open, path, busy_timeout_ms, writes))
        except BaseException:
            await see_through(self.close())
            raise

    def _open(self, path: Path, busy_timeout_ms: int, writes: bool) -> None:
        raw = sqlite3.connect(path, isolation_level=None, timeout=busy_timeout_ms / 1000)
        self._raw = raw
        raw.row_factory = NamedRow
        if writes:
            write_ahead(raw, patience_ms=busy_timeout_ms)
        else:
            raw.execute("PRAGMA query_only = ON")
        raw.execute("PRAGMA synchronous = FULL")
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("PRAGMA journal_size_limit = 16777216")
        raw.execute("PRAGMA temp_store = MEMORY")

    async def _on_thread(self, work: Callable[..., T], *args: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        except sqlite3.Error as error:
            raise translated(error) from error

    async def run(self, work: Callable[..., T], *args: Any, lost: type[StoreError] = StoreUnavailable) -> T:
        """Run ``work(connection, *args)`` on the thread.

        A caller that is cancelled leaves at once; SQLite is told to give the statement up, and
        whatever is asked next waits until it has.
        """
        raw = self._raw
        if raw is None:
            raise StoreUnavailable("the store is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, raw, *args)
        except asyncio.CancelledError:
            # Only the holder's own statement can be running: the next one is queued after this line.
            with contextlib.suppress(sqlite3.ProgrammingError):  # closed meanwhile
                raw.interrupt()
            raise
        except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError) as error:
            raise translated(error, lost=lost) from error

    async def close(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, raw.close)
        self._thread.shutdown()  # nothing is queued any more: the thread ends at once


def _fetch(raw: sqlite3.Connection, sql: str, values: Sequence[Any]) -> tuple[int, list[Any]]:
    cursor = raw.execute(sql, values)
    try:
        rows = cursor.fetchall()
        return max(cursor.rowcount, 0), rows
    finally:
        cursor.close()


def _insert(raw: sqlite3.Connection, sql: str, values: Sequence[Any]) -> Any:
    cursor = raw.execute(sql, values)
    try:
        cursor.fetchall()
        return cursor.lastrowid
    finally:
        cursor.close()


def _many(raw: sqlite3.Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    raw.executemany(sql, rows).close()


def _roll_back(raw: sqlite3.Connection) -> None:
    if raw.in_transaction:
        raw.execute("ROLLBACK")


class SqliteSession:
    """One held connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch(self, sql: str, args: Sequence[object]) -> Sequence[Row]:
        return (await self._connection.run(_fetch, to_sqlite(sql), [to_sqlite_value(arg) for arg in args]))[1]

    async def fetchrow(self, sql: str, args: Sequence[object]) -> Row | None:
        rows = await self.fetch(sql, args)
        return rows[0] if rows else None

    async def execute(self, sql: str, args: Sequence[object]) -> int:
        count, rows = await self._connection.run(_fetch, to_sqlite(sql), [to_sqlite_value(arg) for arg in args])
        return count or len(rows)

    async def insert_many(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
        checked_insert(table, columns, rows)
        if not rows:
            return
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        await self._connection.run(_many, sql, [[to_sqlite_value(value) for value in row] for row in rows])

    async def command(self, sql: str) -> None:
        await self._connection.run(_fetch, sql, ())

    async def orm_query(self, sql: str, values: Sequence[object]) -> tuple[int, Sequence[Row]]:
        count, rows = await self._connection.run(_fetch, sql, values)
        return count or len(rows), rows

    async def orm_insert(self, sql: str, values: Sequence[object]) -> Any:
        return await self._connection.run(_insert, sql, values)

    async def orm_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        await self._connection.run(_many, sql, rows)


class SqliteBackend:
    """The writer, the readers, and who may use them."""

    dialect: Dialect = "sqlite"
    orm_engine = __name__

    def __init__(self, path: Path, busy_timeout_ms: int) -> None:
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms
        self._writer = Connection("writer")
        self._write_lock = asyncio.Lock()
        self._idle: list[Connection] = []
        self._readers: list[Connection] = []
        self._reader_free = asyncio.Semaphore(READERS)
        self._incarnation = ""
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, busy_timeout_ms: int) -> SqliteBackend:
        """Open the file, creating it and its folder where needed.

        Raises:
            StoreUnavailable: The file cannot be opened or is no database.
            StoreMisuse: The URL names no file.
        """
        path = path_of(url)
        try:
            await asyncio.to_thread(make_file, path)
        except OSError as error:
            raise StoreUnavailable(f"the folder of the database cannot be made: {error}") from error
        self = cls(path, busy_timeout_ms)
        await self._writer.open(path, busy_timeout_ms=busy_timeout_ms, writes=True)
        try:
            await self.read_incarnation()
        except BaseException:
            await see_through(self.close())
            raise
        return self

    @property
    def incarnation(self) -> str:
        return self._incarnation

    async def read_incarnation(self) -> None:
        def read(raw: sqlite3.Connection) -> str:
            if not raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'installation'").fetchall():
                return ""
            rows = raw.execute("SELECT incarnation FROM installation WHERE id = 1").fetchall()
            return str(rows[0][0]) if rows else ""

        self._incarnation = await self._writer.run(read)

    @asynccontextmanager
    async def once(self, *, writes: bool) -> AsyncIterator[SqliteSession]:
        if not writes:
            async with self._reader() as reader:
                yield SqliteSession(reader)
            return
        async with self._write_lock:
            yield SqliteSession(self._writer)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqliteSession]:
        async with self._write_lock:
            session = SqliteSession(self._writer)
            try:
                await see_through(session.command("BEGIN IMMEDIATE"))
                yield session
            except BaseException:
                await see_through(self._roll_back(self._writer))
                raise
            else:
                await see_through(self._commit())

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[SqliteSession]:
        async with self._reader() as reader:
            session = SqliteSession(reader)
            try:
                await see_through(session.command("BEGIN"))
                # A deferred transaction sees the moment of its first read; make that moment now.
                await session.command("SELECT 1 FROM sqlite_master LIMIT 1")
                yield session
            finally:
                await see_through(self._roll_back(reader))

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[Connection]:
        try:
            async with asyncio.timeout(ACQUIRE_TIMEOUT_S):
                await self._reader_free.acquire()
        except TimeoutError as error:
            message = f"no reading connection became free within {ACQUIRE_TIMEOUT_S:.0f} s"
            raise StoreUnavailable(message, why="pool") from error
        try:
            reader = self._idle.pop() if self._idle else await self._new_reader()
            try:
                yield reader
            finally:
                self._idle.append(reader)
        finally:
            self._reader_free.release()

    async def _new_reader(self) -> Connection:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        reader = Connection(f"reader-{len(self._readers) + 1}")
        self._readers.append(reader)
        try:
            await reader.open(self._path, busy_timeout_ms=self._busy_timeout_ms, writes=False)
        except BaseException:
            self._readers.remove(reader)
            raise
        return reader

    async def _commit(self) -> None:
        try:
            await self._writer.run(_fetch, "COMMIT", (), lost=OutcomeUnknown)
        except StoreError:
            # A deferred constraint or a full disk leaves the transaction open.
            await self._roll_back(self._writer)
            raise

    async def _roll_back(self, connection: Connection) -> None:
        """Never raises; SQLite cannot refuse a rollback, and a closed connection has none to make."""
        try:
            await connection.run(_roll_back)
        except StoreError as error:
            log.warning("a rollback failed: %s", error)

    async def now_us(self) -> int:
        return time.time_ns() // 1000

    async def close(self) -> None:
        """End every thread. Waits for the write transaction that is under way."""
        self._closed = True
        async with self._write_lock:
            for reader in self._readers:
                await reader.close()
            self._readers.clear()
            self._idle.clear()
            await self._writer.close()


class SqliteClient(OrmClient):
    """What Tortoise talks to; the connections are the backend's."""

    query_class = StockClient.query_class
    executor_class = StockClient.executor_class
    schema_generator = StockClient.schema_generator
    capabilities = StockClient.capabilities


client_class = SqliteClient
