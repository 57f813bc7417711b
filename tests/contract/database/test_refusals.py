"""What goes wrong, and what it is called, is the same on PostgreSQL and SQLite."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from deskbell.ids import new_id
from deskbell.store.database import Database, StoreConflict, StoreIntegrity, StoreMisuse, StoreUnavailable
from deskbell.store.migrate import migrate

from .things import MODELS, TENANT, Opener, Thing, add, count, enter


async def test_a_refused_row_says_which_rule_it_broke(db: Database) -> None:
    thing = await add(db, key="ride-1")

    async def refused(work: Awaitable[Any]) -> StoreIntegrity:
        with pytest.raises(StoreIntegrity) as caught:
            await work
        return caught.value

    assert (await refused(add(db, thing=thing))).kind == "unique"
    taken = await refused(add(db, key="ride-1"))
    assert (taken.kind, taken.constraint) == (
        "unique",
        "things_key" if db.dialect == "postgresql" else "things.tenant_id, things.key",
    )
    orphan = await refused(db.execute("INSERT INTO parts (tenant_id, thing_id) VALUES ($1, $2)", TENANT, new_id()))
    assert orphan.kind == "foreign_key"
    assert (await refused(add(db, n=-1))).kind == "check"
    empty = await refused(db.execute("INSERT INTO things (tenant_id, id) VALUES ($1, NULL)", TENANT))
    assert empty.kind == "not_null"


@pytest.mark.parametrize(
    ("sql", "args"),
    [
        ("SELEKT 1", ()),
        ("SELECT absent FROM things", ()),
        ("SELECT * FROM absent", ()),
        ("UPDATE absent SET n = 1", ()),
        ("SELECT count(*) FROM things WHERE n = $1", ()),
        ("SELECT count(*) FROM things WHERE n = $1", (1, 2)),
        ("SELECT count(*) FROM things WHERE n = $1", (object(),)),
        ("UPDATE things SET n = $1", (2**80,)),
    ],
)
async def test_our_own_mistakes_are_told_from_misfortune(db: Database, sql: str, args: tuple[object, ...]) -> None:
    with pytest.raises(StoreMisuse):
        await db.fetch(sql, *args)
    assert await count(db) == 0


async def test_a_lock_that_is_not_given_in_time_is_a_conflict(opened: Opener) -> None:
    """Repeat, says the exception; and once the other is done, repeating works."""
    first, second = await opened(), await opened(lock_timeout_ms=20)
    thing = await add(first)
    async with first.transaction() as tx:
        await tx.execute("UPDATE things SET n = 1")
        with pytest.raises(StoreConflict):
            async with second.transaction() as other:
                await other.execute("UPDATE things SET n = n + 10")
    async with second.transaction() as other:
        await other.execute("UPDATE things SET n = n + 10")
    assert await first.fetchval("SELECT n FROM things WHERE id = $1", thing) == 11


async def test_two_instances_that_look_and_then_write_lose_nothing(opened: Opener) -> None:
    """On SQLite a transaction that only takes its lock when it writes would fail half of the time."""
    instances = [await opened(lock_timeout_ms=5000) for _ in range(2)]
    thing = await add(instances[0])

    async def count_up(db: Database) -> None:
        for _ in range(50):
            async with db.transaction() as tx:
                n = await tx.fetchval("SELECT n FROM things WHERE id = $1 FOR UPDATE", thing)
                await tx.execute("UPDATE things SET n = $2 WHERE id = $1", thing, n + 1)

    await asyncio.gather(*(count_up(db) for db in instances))
    assert await instances[0].fetchval("SELECT n FROM things") == 100


async def test_sqlite_waits_for_the_disk_before_it_says_committed(empty_sqlite_url: str) -> None:
    """Write-ahead log, and FULL (2): the log is on the disk when COMMIT returns."""
    db = await Database.open(empty_sqlite_url)
    try:
        assert await db.fetchval("PRAGMA journal_mode") == "wal"
        assert await db.fetchval("PRAGMA synchronous") == 2
    finally:
        await db.close()


async def test_two_databases_in_one_process_are_not_mistaken_for_each_other(
    opened: Opener, empty_sqlite_url: str, tmp_path: Path, scratch: Path
) -> None:
    """Not even when the models are used on one, then on the other, of another dialect."""
    here = await opened()
    url = f"sqlite:///{tmp_path / 'other.sqlite3'}"
    await migrate(url, folder=scratch)
    there = await Database.open(url, models=MODELS)
    try:
        for round_ in range(2):
            for database, key in ((there, f"there {round_}"), (here, f"here {round_}")):
                async with database.transaction():
                    thing = await Thing.create(id=new_id(), tenant_id=TENANT, key=key)
                    thing.n = 1
                    await thing.save()
        with here.orm():
            with there.orm():
                assert [thing.key for thing in await Thing.all().order_by("key")] == ["there 0", "there 1"]
            assert [thing.key for thing in await Thing.all().order_by("key")] == ["here 0", "here 1"]
    finally:
        await there.close()


async def test_closing_ends_what_was_opened_and_may_be_repeated(opened: Opener) -> None:
    before = {thread for thread in threading.enumerate() if thread.name.startswith("deskbell-sqlite")}
    database = await opened()
    async with database.snapshot() as at:
        await count(at)
    await add(database)
    await database.close()
    await database.close()
    assert {thread for thread in threading.enumerate() if thread.name.startswith("deskbell-sqlite")} <= before
    for attempt in (count(database), add(database), enter(database.transaction()), enter(database.snapshot())):
        with pytest.raises(StoreUnavailable):
            await attempt


@pytest.mark.parametrize(
    "url", ["mysql://x/y", "sqlite://relative.sqlite3", "sqlite:///", "sqlite:///:memory:", "x.db"]
)
async def test_an_address_of_no_known_kind_is_refused(url: str) -> None:
    with pytest.raises(StoreMisuse):
        await Database.open(url)


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    before = threading.active_count()
    (tmp_path / "letter.txt").write_text("Dear all, this is not a database. " * 100)
    with pytest.raises(StoreUnavailable):
        await Database.open(f"sqlite:///{tmp_path / 'letter.txt'}")
    assert threading.active_count() == before
