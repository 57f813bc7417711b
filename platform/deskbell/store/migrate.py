"""Bring a database's schema up to date.

Migrations are the numbered files in ``store/migrations``, written once, in PostgreSQL's dialect;
each runs in one transaction together with the row that records it, so it has happened entirely or
not at all. Several instances may start at once: on PostgreSQL they queue at an advisory lock, on
SQLite at the file's own. Running it again changes nothing.

What cannot be said for both databases stands in a section of its own::

    -- postgresql:
    CREATE INDEX … USING gin (…);
    -- sqlite:
    CREATE VIRTUAL TABLE … USING fts5 (…);
    -- end

A file holds whole statements only, and nothing that PostgreSQL refuses inside a transaction
(``CREATE INDEX CONCURRENTLY``).

The version before runs on while a migration is applied, and may be started again afterwards: a program
works on a schema newer than it knows, as migrations only add. One that takes something away names the
oldest migration a program must know to go on, and older ones refuse to start::

    -- contracts: 12

No migration waits long for a lock on PostgreSQL, as everybody else would wait behind it: it gives up, lets
the others pass, and tries again. The rule in full: ``docs/howto/upgrade.md``. Why not Tortoise's own migrations:
``docs/decisions/0002-migrations-are-sql-files.md``.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import asyncpg

from deskbell.store import postgres_backend, sqlite_backend
from deskbell.store.dialect import ddl_to_sqlite, statements
from deskbell.store.failures import StoreError, StoreMisuse, StoreUnavailable
from deskbell.store.sessions import Dialect, see_through

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_SECTION = re.compile(r"^--\s*(postgresql:|sqlite:|end)\s*$")
_CONTRACTS = re.compile(r"^--\s*contracts:\s*(\d+)\s*$", re.MULTILINE)

# Any number will do, as long as no other program on the same database takes it: "deskbell" in ASCII.
_LOCK = int.from_bytes(b"deskbell", "big")
_CONNECT_TIMEOUT_S = 10.0
_BUSY_TIMEOUT_MS = 60_000
_LOCK_TIMEOUT_MS = 500
_LOCK_PATIENCE_S = 60.0

# ``oldest``: the oldest migration that a program must know to work on this one.
_BOOTSTRAP = (
    "CREATE TABLE IF NOT EXISTS schema_version ("
    " number integer PRIMARY KEY, name text NOT NULL, applied_at bigint NOT NULL, oldest integer NOT NULL DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS installation ("
    " id integer PRIMARY KEY, incarnation text NOT NULL, created_at bigint NOT NULL)",
)


# All columns: in a database that was made before there was an ``oldest``, it is missing.
_APPLIED = "SELECT * FROM schema_version"
_ADD_OLDEST = "ALTER TABLE schema_version ADD COLUMN oldest integer NOT NULL DEFAULT 0"
_RECORD = "INSERT INTO schema_version (number, name, applied_at, oldest) VALUES"


@dataclass(frozen=True)
class Migration:
    """One numbered file. ``name`` is its file name without ``.sql``."""

    number: int
    name: str
    script: str

    @property
    def oldest(self) -> int:
        """The oldest migration a program must know to run on with this one applied; 0: any program may."""
        found = _CONTRACTS.search(self.script)
        return int(found[1]) if found else 0

    def for_dialect(self, dialect: Dialect) -> str:
        """The text for one database: the common part and its own sections, in their order."""
        return "".join(text for section, text in _sections(self.script) if section in (None, dialect))

    def for_sqlite(self) -> Iterator[str]:
        """The single statements for SQLite; its own sections are taken as they are."""
        for section, text in _sections(self.script):
            if section != "postgresql":
                yield from (one if section == "sqlite" else ddl_to_sqlite(one) for one in statements(text))


def _sections(script: str) -> Iterator[tuple[str | None, str]]:
    section: str | None = None
    gathered: list[str] = []
    for line in script.splitlines(keepends=True):
        found = _SECTION.match(line)
        if found is None:
            gathered.append(line)
            continue
        yield section, "".join(gathered)
        section, gathered = (None if found[1] == "end" else found[1].rstrip(":")), []
    yield section, "".join(gathered)


def known(folder: Path | None = None) -> list[Migration]:
    """The migrations of this program, in order.

    Args:
        folder: Another folder than the one that came with the program; for tests.
    Raises:
        StoreMisuse: A number is missing or given twice, or a ``.sql`` file has another kind of name.
    """
    root = resources.files("deskbell.store.migrations") if folder is None else folder
    found: list[Migration] = []
    for entry in root.iterdir():
        if not entry.name.endswith(".sql"):
            continue
        parts = _FILE.fullmatch(entry.name)
        if parts is None:
            raise StoreMisuse(f"a migration is named 0001_what_it_does.sql, not {entry.name}")
        found.append(Migration(int(parts[1]), entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise StoreMisuse(f"migrations are numbered 1, 2, 3 …: {[migration.name for migration in found]}")
    return found


def _missing(migrations: Sequence[Migration], applied: dict[int, int]) -> list[Migration]:
    """What of ``migrations`` is still to be applied. ``applied``: numbers, and the oldest that each asks to be known.

    Raises:
        StoreMisuse: Something this program needs has been taken away.
    """
    last = len(migrations)
    for number, oldest in sorted(applied.items()):
        if number > last and oldest > last:
            raise StoreMisuse(
                f"the database has migration {number}, which this version of the program does not know and which takes"
                f" away what it needs (it knows {last}, and must know {oldest}); start the newer version, or restore a"
                " backup from before"
            )
    return [migration for migration in migrations if migration.number not in applied]


async def migrate(url: str, *, folder: Path | None = None) -> list[str]:
    """Apply what is missing; the names of what was applied.

    Raises:
        StoreUnavailable: The database cannot be reached.
        StoreMisuse: A migration is wrong, or the database is newer than this program.
    """
    migrations = known(folder)
    if _is_sqlite(url):
        return await see_through(asyncio.to_thread(_migrate_sqlite, url, migrations))
    return await _migrate_postgres(url, migrations)


async def pending(url: str, *, folder: Path | None = None) -> list[str]:
    """The names of the migrations that are still missing; changes nothing."""
    migrations = known(folder)
    if _is_sqlite(url):
        applied = await asyncio.to_thread(_applied_sqlite, url)
    else:
        async with _postgres(url) as con:
            exists = await con.fetchval("SELECT to_regclass('schema_version')") is not None
            applied = await _applied_postgres(con) if exists else {}
    return [migration.name for migration in _missing(migrations, applied)]


async def restored(url: str) -> str:
    """Say that this database comes from a backup; its new incarnation.

    To be called after a restore and before the first instance starts. Clients that remember a later
    state than the backup's then start over, instead of taking old numbers for new ones.

    Raises:
        StoreMisuse: The database has no schema yet.
    """
    fresh = _fresh_incarnation()
    change = f"UPDATE installation SET incarnation = '{fresh}' WHERE id = 1"
    if _is_sqlite(url):
        changed = await see_through(asyncio.to_thread(_restored_sqlite, url, change))
    else:
        async with _postgres(url) as con:
            changed = postgres_backend.affected(await con.execute(change))
    if changed != 1:
        raise StoreMisuse("there is no installation in this database; migrate it first")
    return fresh


def _fresh_incarnation() -> str:
    return secrets.token_hex(4)


def _now_us() -> int:
    return time.time_ns() // 1000


def _is_sqlite(url: str) -> bool:
    if url.startswith("sqlite:"):
        return True
    if url.startswith(("postgresql://", "postgres://")):
        return False
    raise StoreMisuse("a database URL begins with postgresql:// or sqlite:///")


# PostgreSQL

_HAS_OLDEST = (
    "SELECT 1 FROM pg_attribute WHERE attrelid = 'schema_version'::regclass AND attname = 'oldest' AND NOT attisdropped"
)


@asynccontextmanager
async def _postgres(url: str) -> AsyncIterator[Any]:
    """A connection of its own: the pool would give the advisory lock back with the connection."""
    try:
        con = await asyncpg.connect(url, timeout=_CONNECT_TIMEOUT_S, server_settings={"application_name": "deskbell"})
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise postgres_backend.not_connected(error) from error
    try:
        yield con
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise postgres_backend.translated(error, lost=StoreUnavailable) from error
    finally:
        # Closing ends the session, and with it a transaction left open and the lock.
        con.terminate() if con.is_in_transaction() else await see_through(con.close(timeout=_CONNECT_TIMEOUT_S))


async def _migrate_postgres(url: str, migrations: Sequence[Migration]) -> list[str]:
    async with _postgres(url) as con:
        await con.execute("SELECT pg_advisory_lock($1)", _LOCK)
        async with con.transaction():
            for statement in _BOOTSTRAP:
                await con.execute(statement)
            await con.execute(
                "INSERT INTO installation (id, incarnation, created_at) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING",
                _fresh_incarnation(),
                _now_us(),
            )
            if await con.fetchval(_HAS_OLDEST) is None:
                await con.execute(_ADD_OLDEST)
        applied = await _applied_postgres(con)
        done: list[str] = []
        for migration in _missing(migrations, applied):
            async with _named(migration):
                await _apply(con, migration)
            done.append(migration.name)
        return done


async def _applied_postgres(con: Any) -> dict[int, int]:
    return {row["number"]: row.get("oldest", 0) for row in await con.fetch(_APPLIED)}


async def _apply(con: Any, migration: Migration) -> None:
    """One migration, as soon as nobody is in its way for long."""
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            async with con.transaction():
                await con.execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")
                await con.execute(migration.for_dialect("postgresql"))
                await con.execute(
                    f"{_RECORD} ($1, $2, $3, $4)", migration.number, migration.name, _now_us(), migration.oldest
                )
            return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if time.monotonic() > deadline:
                raise
        # Those who had to wait behind us go first.
        await asyncio.sleep(_LOCK_TIMEOUT_MS / 1000)


@asynccontextmanager
async def _named(migration: Migration) -> AsyncIterator[None]:
    """Say which migration failed."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        failure = postgres_backend.translated(error, lost=StoreUnavailable)
        raise type(failure)(f"migration {migration.name}: {failure}") from error


# SQLite


@contextmanager
def _sqlite(url: str) -> Iterator[sqlite3.Connection]:
    path = sqlite_backend.path_of(url)
    try:
        sqlite_backend.make_file(path)
        con = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_TIMEOUT_MS / 1000)
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"the database cannot be opened: {error}") from error
    try:
        sqlite_backend.write_ahead(con, patience_ms=_BUSY_TIMEOUT_MS)
        con.execute("PRAGMA synchronous = FULL")
        # Off, so that a table can be rebuilt under its references; checked before each commit instead.
        con.execute("PRAGMA foreign_keys = OFF")
        yield con
    except sqlite3.Error as error:
        raise sqlite_backend.translated(error) from error
    finally:
        con.close()


@contextmanager
def _sqlite_transaction(con: sqlite3.Connection) -> Iterator[None]:
    con.execute("BEGIN IMMEDIATE")
    try:
        yield
        broken = con.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise StoreMisuse(f"rows of {broken[0][0]} would refer to missing rows of {broken[0][2]}")
        con.execute("COMMIT")
    except BaseException:
        if con.in_transaction:
            con.execute("ROLLBACK")
        raise


def _migrate_sqlite(url: str, migrations: Sequence[Migration]) -> list[str]:
    done: list[str] = []
    with _sqlite(url) as con:
        with _sqlite_transaction(con):
            for statement in _BOOTSTRAP:
                con.execute(ddl_to_sqlite(statement))
            con.execute(
                "INSERT INTO installation (id, incarnation, created_at) VALUES (1, ?, ?) ON CONFLICT (id) DO NOTHING",
                (_fresh_incarnation(), _now_us()),
            )
            if not any(name == "oldest" for _, name, *_ in con.execute("PRAGMA table_info(schema_version)")):
                con.execute(_ADD_OLDEST)
        while True:
            with _sqlite_transaction(con):
                # Asked under the lock each time: another process may be doing the same.
                applied = _rows_sqlite(con)
                missing = _missing(migrations, applied)
                if not missing:
                    return done
                migration = missing[0]
                try:
                    for statement in migration.for_sqlite():
                        con.execute(statement)
                except sqlite3.Error as error:
                    failure = sqlite_backend.translated(error)
                    raise type(failure)(f"migration {migration.name}: {failure}") from error
                except StoreError as error:
                    raise type(error)(f"migration {migration.name}: {error}") from error
                con.execute(f"{_RECORD} (?, ?, ?, ?)", (migration.number, migration.name, _now_us(), migration.oldest))
            done.append(migration.name)


def _applied_sqlite(url: str) -> dict[int, int]:
    if not sqlite_backend.path_of(url).exists():
        return {}
    with _sqlite(url) as con:
        if not con.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchall():
            return {}
        return _rows_sqlite(con)


def _rows_sqlite(con: sqlite3.Connection) -> dict[int, int]:
    found = con.execute(_APPLIED)
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found]
    return {row["number"]: row.get("oldest", 0) for row in rows}


def _restored_sqlite(url: str, change: str) -> int:
    if not sqlite_backend.path_of(url).exists():
        return 0
    with _sqlite(url) as con:
        if not con.execute("SELECT 1 FROM sqlite_master WHERE name = 'installation'").fetchall():
            return 0
        return con.execute(change).rowcount
