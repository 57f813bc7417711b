"""Migrations happen once, as a whole, and beside programs that run."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from deskbell.ids import new_id
from deskbell.store import sqlite_backend
from deskbell.store.database import Database, StoreMisuse, StoreUnavailable
from deskbell.store.migrate import migrate, pending, restored

from .things import MODELS, TENANT, add, count, outside


async def test_several_instances_may_migrate_at_once(empty_database_url: str, scratch: Path) -> None:
    (scratch / "0002_more.sql").write_text("ALTER TABLE things ADD COLUMN colour text;")
    assert await pending(empty_database_url, folder=scratch) == ["0001_things", "0002_more"]
    done = await asyncio.gather(*(migrate(empty_database_url, folder=scratch) for _ in range(4)))
    assert sorted(name for names in done for name in names) == ["0001_things", "0002_more"]
    assert await pending(empty_database_url, folder=scratch) == []
    assert await migrate(empty_database_url, folder=scratch) == []
    db = await Database.open(empty_database_url, models=MODELS)
    try:
        assert await db.fetchval("SELECT count(colour) FROM things") == 0
    finally:
        await db.close()


async def test_asking_what_is_pending_makes_nothing(empty_sqlite_url: str, scratch: Path) -> None:
    await pending(empty_sqlite_url, folder=scratch)
    assert not sqlite_backend.path_of(empty_sqlite_url).exists()


async def test_a_migration_that_fails_has_not_happened(empty_database_url: str, scratch: Path) -> None:
    """And the error names it."""
    await migrate(empty_database_url, folder=scratch)
    bad = scratch / "0002_bad.sql"
    bad.write_text("ALTER TABLE things ADD COLUMN colour text; INSERT INTO absent VALUES (1);")
    with pytest.raises(StoreMisuse, match="0002_bad"):
        await migrate(empty_database_url, folder=scratch)
    assert await pending(empty_database_url, folder=scratch) == ["0002_bad"]
    bad.write_text("ALTER TABLE things ADD COLUMN colour text;")  # would fail, had the first half stayed
    assert await migrate(empty_database_url, folder=scratch) == ["0002_bad"]


async def test_a_program_works_on_a_database_newer_than_itself(empty_database_url: str, scratch: Path) -> None:
    """Migrations only add: what was running before may be started again after one."""
    (scratch / "0002_more.sql").write_text("ALTER TABLE things ADD COLUMN colour text;")
    await migrate(empty_database_url, folder=scratch)
    (scratch / "0002_more.sql").unlink()
    assert await pending(empty_database_url, folder=scratch) == []
    assert await migrate(empty_database_url, folder=scratch) == []


async def test_a_program_refuses_a_database_that_has_taken_away_what_it_needs(
    empty_database_url: str, scratch: Path
) -> None:
    """What a migration says that programs must know, they must know; those that do may still be older than it."""
    (scratch / "0002_more.sql").write_text("ALTER TABLE things ADD COLUMN colour text;")
    (scratch / "0003_less.sql").write_text("-- contracts: 2\nALTER TABLE things DROP COLUMN seen;")
    await migrate(empty_database_url, folder=scratch)
    (scratch / "0003_less.sql").unlink()
    assert await pending(empty_database_url, folder=scratch) == []
    (scratch / "0002_more.sql").unlink()
    with pytest.raises(StoreMisuse, match="must know 2"):
        await migrate(empty_database_url, folder=scratch)
    with pytest.raises(StoreMisuse, match="must know 2"):
        await pending(empty_database_url, folder=scratch)


async def test_a_database_made_before_migrations_said_what_they_ask_is_taken(
    empty_database_url: str, scratch: Path
) -> None:
    await migrate(empty_database_url, folder=scratch)
    db = await Database.open(empty_database_url, models=MODELS)
    try:
        await db.execute("ALTER TABLE schema_version DROP COLUMN oldest")
    finally:
        await db.close()
    (scratch / "0002_more.sql").write_text("ALTER TABLE things ADD COLUMN colour text;")
    assert await pending(empty_database_url, folder=scratch) == ["0002_more"]
    assert await migrate(empty_database_url, folder=scratch) == ["0002_more"]


async def test_a_migration_lets_others_pass_while_it_waits_for_a_lock(empty_postgres_url: str, scratch: Path) -> None:
    """A long transaction of somebody else would otherwise stop everybody: whoever comes after us waits behind us."""
    await migrate(empty_postgres_url, folder=scratch)
    (scratch / "0002_more.sql").write_text("ALTER TABLE things ADD COLUMN colour text;")
    db = await Database.open(empty_postgres_url, models=MODELS, lock_timeout_ms=5_000)
    try:
        async with db.transaction() as tx:
            await tx.execute("INSERT INTO things (id, tenant_id) VALUES ($1, $2)", new_id(), TENANT)
            migrating = asyncio.create_task(migrate(empty_postgres_url, folder=scratch))
            for _ in range(5):
                await asyncio.sleep(0.2)
                await outside(lambda: add(db))
            assert not migrating.done()
        assert await migrating == ["0002_more"]
        assert await count(db) == 6
    finally:
        await db.close()


async def test_what_differs_stands_in_sections(empty_database_url: str, scratch: Path) -> None:
    (scratch / "0002_sections.sql").write_text(
        "CREATE TABLE seen (n bigint);\n"
        "-- postgresql:\nINSERT INTO seen VALUES (1::bigint);\nCREATE INDEX ON seen USING brin (n);\n"
        "-- sqlite:\nINSERT INTO seen VALUES (2);\nCREATE VIRTUAL TABLE words USING fts5 (word);\n"
        "-- end\nINSERT INTO seen VALUES (3);\n"
    )
    await migrate(empty_database_url, folder=scratch)
    db = await Database.open(empty_database_url, models=MODELS)
    try:
        found = [row["n"] for row in await db.fetch("SELECT n FROM seen ORDER BY n")]
        assert found == [1 if db.dialect == "postgresql" else 2, 3]
    finally:
        await db.close()


async def test_a_missing_number_is_noticed_before_anything_runs(empty_database_url: str, scratch: Path) -> None:
    (scratch / "0003_later.sql").write_text("SELECT 1;")
    with pytest.raises(StoreMisuse, match="numbered"):
        await migrate(empty_database_url, folder=scratch)
    (scratch / "0003_later.sql").rename(scratch / "0002-dash.sql")
    with pytest.raises(StoreMisuse, match="named"):
        await migrate(empty_database_url, folder=scratch)


async def test_a_restored_database_is_another_incarnation(empty_database_url: str, scratch: Path) -> None:
    """It stays the same through restarts and migrations, and changes when a restore is declared."""
    with pytest.raises((StoreMisuse, StoreUnavailable)):
        await restored(empty_database_url)
    db = await Database.open(empty_database_url, models=MODELS)
    try:
        assert db.incarnation == ""
        await migrate(empty_database_url, folder=scratch)
        first = await db.read_incarnation()
        await migrate(empty_database_url, folder=scratch)
        assert first
        assert await db.read_incarnation() == first
        fresh = await restored(empty_database_url)
        assert await db.read_incarnation() not in ("", first)
        assert db.incarnation.endswith(fresh)
        again = await Database.open(empty_database_url, models=MODELS)
        try:
            assert again.incarnation == db.incarnation
        finally:
            await again.close()
    finally:
        await db.close()


async def test_the_shipped_schema_fits_both_databases(database_url: str) -> None:
    assert await pending(database_url) == []
    db = await Database.open(database_url)
    try:
        assert db.incarnation
        assert await db.fetchval("SELECT count(*) FROM schema_version") >= 1
    finally:
        await db.close()


async def test_a_new_sqlite_file_is_its_owners_alone(tmp_path: Path) -> None:
    """What people say to each other stands in it, and so do the secrets that sign webhooks."""
    file = tmp_path / "data" / "deskbell.sqlite3"
    await migrate(f"sqlite:///{file}")
    database = await Database.open(f"sqlite:///{file}")
    try:
        await database.execute("UPDATE installation SET created_at = created_at")
        assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in file.parent.iterdir()} == {
            path.name: 0 for path in file.parent.iterdir()
        }
    finally:
        await database.close()
