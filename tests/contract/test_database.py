"""What the store promises to the rest of the platform, the same on PostgreSQL and SQLite."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tortoise import fields
from tortoise.models import Model

from deskbell.ids import new_id
from deskbell.store import postgres_backend, pulse, sqlite_backend
from deskbell.store.database import (
    Database,
    OutcomeUnknown,
    StoreConflict,
    StoreError,
    StoreIntegrity,
    StoreMisuse,
    StoreUnavailable,
)
from deskbell.store.migrate import migrate, pending, restored
from deskbell.testing.servers import PostgresServer

SCHEMA = """\
CREATE TABLE things (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    key text,
    n bigint NOT NULL DEFAULT 0 CHECK (n >= 0),
    body bytea,
    seen boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX things_key ON things (tenant_id, key) WHERE key IS NOT NULL;
CREATE TABLE parts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL,
    thing_id uuid NOT NULL,
    CONSTRAINT parts_thing FOREIGN KEY (tenant_id, thing_id) REFERENCES things (tenant_id, id)
);
"""
TENANT = new_id()


class Thing(Model):
    """The scratch table for the ORM."""

    id = fields.CharField(36, primary_key=True)
    tenant_id = fields.CharField(36)
    key = fields.CharField(50, null=True)
    n = fields.BigIntField(default=0)
    seen = fields.BooleanField(default=False)

    class Meta:
        table = "things"


async def add(to: Any, *, key: str | None = None, n: int = 0, thing: str | None = None) -> str:
    """Insert one thing by hand-written SQL; its id."""
    thing = thing or new_id()
    await to.execute("INSERT INTO things (tenant_id, id, key, n) VALUES ($1, $2, $3, $4)", TENANT, thing, key, n)
    return thing


async def count(of: Any) -> int:
    return int(await of.fetchval("SELECT count(*) FROM things"))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder of migrations with the scratch schema."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_things.sql").write_text(SCHEMA)
    return folder


Opener = Callable[..., Awaitable[Database]]


@pytest_asyncio.fixture(loop_scope="session")
async def opened(empty_database_url: str, scratch: Path) -> AsyncIterator[Opener]:
    """Opens the test's database, any number of times."""
    await migrate(empty_database_url, folder=scratch)
    databases: list[Database] = []

    async def opener(**settings: Any) -> Database:
        databases.append(await Database.open(empty_database_url, models=__name__, **settings))
        return databases[-1]

    yield opener
    for database in databases:
        await database.close()


@pytest_asyncio.fixture(loop_scope="session")
async def db(opened: Opener) -> Database:
    return await opened()


# One text, two databases


async def test_ids_bytes_and_numbers_come_back_as_they_went_in(db: Database) -> None:
    """Ids are text on both databases, never UUID objects."""
    thing = new_id()
    await db.execute(
        "INSERT INTO things (tenant_id, id, key, n, body, seen) VALUES ($1, $2, $3, $4, $5, $6)",
        TENANT, thing, "ride-1", 2**53 + 1, b"\x00raw", True,
    )  # fmt: skip
    row = await db.fetchrow("SELECT id, key, n, body, seen, NULL AS blank FROM things WHERE id = $1", thing)
    assert row is not None
    assert (row["id"], row["key"], row["n"], row["body"]) == (thing, "ride-1", 2**53 + 1, b"\x00raw")
    assert bool(row["seen"]) is True
    assert row.get("absent", "default") == "default"
    assert "key" in row and "absent" not in row
    assert dict(row)["blank"] is None
    assert dict(row.items()) == dict(row)


async def test_lists_are_parameters(db: Database) -> None:
    first, second, third = [await add(db, n=n) for n in range(3)]
    assert await db.fetchval("SELECT count(*) FROM things WHERE id = ANY($1::uuid[])", [first, third]) == 2
    assert await db.fetchval("SELECT id FROM things WHERE id <> ALL($1::uuid[])", [first, third]) == second
    assert await db.fetchval("SELECT count(*) FROM things WHERE id = ANY($1::uuid[])", []) == 0
    changed = await db.execute(
        "UPDATE things SET n = k.n FROM unnest($1::uuid[], $2::bigint[]) AS k(id, n) WHERE things.id = k.id",
        [first, second],
        [70, 80],
    )
    assert changed == 2
    assert [row["n"] for row in await db.fetch("SELECT n FROM things ORDER BY n")] == [2, 70, 80]


async def test_many_rows_are_inserted_at_once_or_not_at_all(db: Database) -> None:
    columns = {"tenant_id": "uuid", "id": "uuid", "key": "text", "n": "bigint", "body": "bytea", "seen": "boolean"}
    rows = [(TENANT, new_id(), f"k{n}", n, bytes([n]), n % 2 == 0) for n in range(200)]
    await db.insert_many("things", columns, rows)
    assert await count(db) == 200
    assert await db.fetchval("SELECT body FROM things WHERE key = $1", "k7") == b"\x07"
    assert await db.fetchval("SELECT count(*) FROM things WHERE seen") == 100

    more = [(TENANT, new_id(), key, 0, None, False) for key in ("new", "k3")]  # the second is taken
    with pytest.raises(StoreIntegrity):
        await db.insert_many("things", columns, more)
    assert await count(db) == 200
    await db.insert_many("things", columns, [])
    with pytest.raises(StoreMisuse):
        await db.insert_many("things", columns, [(TENANT, new_id())])


async def test_the_number_of_rows_touched_is_told(db: Database) -> None:
    thing = await add(db)
    await add(db)
    assert await db.execute("UPDATE things SET n = 1") == 2
    assert await db.execute("UPDATE things SET n = 1 WHERE id = $1", new_id()) == 0
    assert (
        await db.execute("INSERT INTO things (tenant_id, id) VALUES ($1, $2) ON CONFLICT DO NOTHING", TENANT, thing)
        == 0
    )
    assert await db.fetchval("UPDATE things SET n = n + 1 WHERE id = $1 RETURNING n", thing) == 2
    assert await db.execute("DELETE FROM things") == 2


async def test_the_clock_is_the_databases_and_moves(db: Database) -> None:
    before = await db.now_us()
    async with db.transaction() as tx:
        inside = await tx.now_us()
        assert await db.now_us() >= inside
    assert 1_700_000_000_000_000 < before <= inside


# Transactions


async def test_what_a_block_wrote_is_there_after_it_and_gone_if_it_failed(db: Database) -> None:
    async with db.transaction() as tx:
        await add(tx)
        assert await count(tx) == 1
    assert await count(db) == 1
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            await add(tx)
            raise ZeroDivisionError
    assert await count(db) == 1


async def test_models_take_part_in_the_transaction_they_are_used_in(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            await Thing.create(id=new_id(), tenant_id=TENANT, key="by the model")
            assert await tx.fetchval("SELECT key FROM things") == "by the model"
            raise ZeroDivisionError
    with db.orm():
        assert await Thing.all().count() == 0

    async with db.transaction() as tx:
        thing = await add(tx, key="by hand")
        found = await Thing.get(id=thing)
        found.n = 5
        await found.save()
        await Thing.bulk_create([Thing(id=new_id(), tenant_id=TENANT, n=n) for n in range(3)])
    with db.orm():
        assert (await Thing.filter(id__in=[thing, new_id()]).values("key", "n")) == [{"key": "by hand", "n": 5}]
        assert await Thing.filter(seen=False).count() == 4
        assert await Thing.filter(key__icontains="HAND").exists()
        await Thing.filter(id=thing).delete()
        assert await Thing.get_or_none(id=thing) is None


async def test_models_speak_to_nobody_outside(db: Database) -> None:
    """There is no global default: forgetting to say which database is an error, not a guess."""
    with pytest.raises(RuntimeError, match="TortoiseContext"):
        await Thing.all().count()


async def test_get_or_create_survives_the_row_that_was_there_first(db: Database) -> None:
    """Tortoise tries, fails on the constraint, and looks again; the transaction goes on."""
    async with db.transaction() as tx:
        thing = await add(tx, key="taken")
        with pytest.raises(StoreIntegrity):
            async with tx.savepoint():
                await Thing.create(id=thing, tenant_id=TENANT)
        found, created = await Thing.get_or_create(defaults={"n": 3}, id=thing, tenant_id=TENANT)
        assert (found.key, created) == ("taken", False)
        with pytest.raises(StoreIntegrity):  # the lookup finds nothing, the insert meets the constraint
            await Thing.get_or_create(defaults={"key": "taken"}, id=new_id(), tenant_id=TENANT)
        await add(tx, key="and on")
    assert await count(db) == 2


async def test_of_ten_who_create_the_same_at_once_one_does_and_all_get_it(db: Database) -> None:
    thing = new_id()
    with db.orm():
        found = await asyncio.gather(*(Thing.get_or_create(id=thing, tenant_id=TENANT) for _ in range(10)))
    assert {one.id for one, _ in found} == {thing}
    assert sum(created for _, created in found) == 1


async def test_a_swallowed_error_does_not_become_half_a_commit(db: Database) -> None:
    """PostgreSQL would answer ROLLBACK to the COMMIT without a word, SQLite would commit the rest."""
    with pytest.raises(StoreMisuse, match="caught inside"):
        async with db.transaction() as tx:
            thing = await add(tx)
            with contextlib.suppress(StoreIntegrity):
                await add(tx, thing=thing)
    assert await count(db) == 0
    with pytest.raises(StoreMisuse, match="failed"):
        async with db.transaction() as tx:
            thing = await add(tx)
            try:
                await add(tx, thing=thing)
            except StoreIntegrity:
                await add(tx)


async def test_a_savepoint_undoes_only_itself(db: Database) -> None:
    async with db.transaction() as tx:
        thing = await add(tx, key="kept")
        with pytest.raises(StoreIntegrity):
            async with tx.savepoint():
                await add(tx, key="undone")
                await add(tx, thing=thing)
        async with tx.savepoint():
            await add(tx, key="kept too")
    assert [row["key"] for row in await db.fetch("SELECT key FROM things ORDER BY key")] == ["kept", "kept too"]


async def test_inside_a_transaction_the_database_itself_is_refused(db: Database) -> None:
    """On SQLite it would wait for itself for ever; on PostgreSQL it would not see the changes."""
    async with db.transaction() as tx:
        await add(tx)
        for attempt in (db.fetch("SELECT 1"), add(db), _enter(db.transaction()), _enter(db.snapshot())):
            with pytest.raises(StoreMisuse):
                await attempt
    assert await count(db) == 1


async def _enter(context: Any) -> None:
    async with context:
        pass


async def test_a_task_started_inside_a_transaction_may_outlive_it(db: Database) -> None:
    """It inherits the transaction; once that is over, it speaks to the database."""
    over = asyncio.Event()

    async def later() -> int:
        await over.wait()
        await Thing.create(id=new_id(), tenant_id=TENANT)
        return await count(db)

    async with db.transaction() as tx:
        await add(tx)
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
    over.set()
    assert await task == 2


async def test_tasks_sharing_a_transaction_take_turns(db: Database) -> None:
    async with db.transaction() as tx:
        await asyncio.gather(*(add(tx) for _ in range(10)), *(Thing.all().count() for _ in range(5)))
    assert await count(db) == 10


async def test_a_transaction_cannot_be_used_after_its_end(db: Database) -> None:
    async with db.transaction() as tx:
        await add(tx)
    with pytest.raises(StoreMisuse, match="over"):
        await count(tx)


# Snapshots


async def test_a_snapshot_sees_one_moment(db: Database) -> None:
    await add(db)
    async with db.snapshot() as at:
        await asyncio.create_task(_other_task(add(db)))  # which side this falls on is the database's choice
        before = await count(at)
        await asyncio.create_task(_other_task(add(db)))
        assert await count(at) == before
        assert await Thing.all().count() == before
    assert await count(db) == 3


async def _other_task(work: Awaitable[Any]) -> None:
    await work


async def test_a_snapshot_only_reads(db: Database) -> None:
    async with db.snapshot() as at:
        with pytest.raises(StoreMisuse):
            await add(at)
        with pytest.raises(StoreMisuse):
            await Thing.create(id=new_id(), tenant_id=TENANT)
        assert await count(at) == 0


async def test_readers_do_not_wait_for_a_writer(db: Database) -> None:
    await add(db)

    async def look() -> tuple[int, int]:
        async with db.snapshot() as at:
            return await count(at), await count(db)

    async with db.transaction() as tx:
        await add(tx)
        # A task of its own that did not begin inside: nothing it does belongs to the transaction.
        assert await asyncio.wait_for(asyncio.get_running_loop().create_task(_outside(look)), 5) == (1, 1)


async def _outside(work: Callable[[], Awaitable[Any]]) -> Any:
    from deskbell.store.database import _inside

    _inside.set(())
    return await work()


# What goes wrong, and what it is called


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
    there = await Database.open(url, models=__name__)
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
    for attempt in (count(database), add(database), _enter(database.transaction()), _enter(database.snapshot())):
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


# Cancellation


async def _write(db: Database) -> None:
    await add(db, key=None)
    await db.execute("DELETE FROM things WHERE id = $1", await add(db))


async def _write_many(db: Database) -> None:
    await db.insert_many("things", {"tenant_id": "uuid", "id": "uuid"}, [(TENANT, new_id()) for _ in range(2)])


async def _linger_in_a_transaction(db: Database) -> None:
    async with db.transaction() as tx:
        await add(tx, key=None)
        await asyncio.sleep(0.0005)
        await add(tx, key=None)


async def _use_models(db: Database) -> None:
    async with db.transaction():
        await Thing.create(id=new_id(), tenant_id=TENANT)
        await Thing.bulk_create([Thing(id=new_id(), tenant_id=TENANT)])


async def _use_models_alone(db: Database) -> None:
    with db.orm():
        await Thing.bulk_create([Thing(id=new_id(), tenant_id=TENANT) for _ in range(2)])


async def _fail_in_a_savepoint(db: Database) -> None:
    async with db.transaction() as tx:
        thing = await add(tx)
        with pytest.raises(StoreIntegrity):
            async with tx.savepoint():
                await add(tx, thing=thing)
        await add(tx)


async def _read(db: Database) -> None:
    await count(db)
    async with db.snapshot() as at:
        await count(at)
        await count(at)


async def _ask_something_new(db: Database) -> None:
    await db.fetchval(f"SELECT {next(_numbers)} FROM things")


_numbers = itertools.count(1000)


async def _cancelled_at_answer(number: int, work: Awaitable[None]) -> bool:
    """Cancel ``work`` when an answer it waits for has arrived and it has not yet heard it.

    False if there were fewer answers. This is the moment that chance finds once in a thousand.
    """
    task: Any = asyncio.ensure_future(work)
    heard, answers = None, 0
    while not task.done():
        await asyncio.sleep(0)
        waiting_for = task._fut_waiter
        if waiting_for is not None and waiting_for is not heard and waiting_for.done():
            heard = waiting_for
            if answers == number:
                task.cancel()
            answers += 1
    await asyncio.gather(task, return_exceptions=True)
    return answers > number


@pytest.mark.parametrize(
    "work",
    [_write, _write_many, _linger_in_a_transaction, _use_models, _fail_in_a_savepoint, _read, _ask_something_new],
)
async def test_cancellation_at_each_single_answer_leaves_nothing_behind(
    opened: Opener, work: Callable[[Database], Awaitable[None]]
) -> None:
    """One connection is all there is: were it lost, locked or inside a transaction, the next use would tell."""
    db = await opened(pool_size=1)
    number = 0
    async with asyncio.timeout(60):
        while await _cancelled_at_answer(number, work(db)):
            number += 1
            async with db.snapshot() as at:
                before = await count(at)
            await add(db)
            async with db.transaction() as tx:
                assert await count(tx) == before + 1
    assert number >= 1


@pytest.mark.parametrize(
    ("work", "pairs"),
    [
        (_write, False),
        (_write_many, True),
        (_linger_in_a_transaction, True),
        (_use_models, True),
        (_use_models_alone, True),
        (_fail_in_a_savepoint, True),
        (_read, True),
    ],
)
async def test_cancelled_callers_leave_nothing_behind(
    db: Database, work: Callable[[Database], Awaitable[None]], pairs: bool
) -> None:
    """Whenever they were cancelled: no lock, no half of a transaction, no missing connection."""
    await work(db)  # connections are made, statements prepared: cancellation then meets the work itself
    for round_ in range(10):
        tasks = [asyncio.ensure_future(work(db)) for _ in range(30)]
        for number, task in enumerate(tasks):
            for _ in range((round_ + number) % 4):
                await asyncio.sleep(0)
            if number % 5 == 0:
                await asyncio.sleep(0.0003 * (round_ % 4))
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        strange = [end for end in ends if end is not None and not isinstance(end, asyncio.CancelledError)]
        assert strange == []

    async with asyncio.timeout(30):
        for _ in range(12):  # more than there are connections
            async with db.transaction() as tx:
                await add(tx)
        async with db.snapshot() as at:
            total = await count(at)
        await asyncio.gather(*(work(db) for _ in range(20)))
    if pairs:
        assert total % 2 == 0


async def test_a_caller_cancelled_while_waiting_for_its_turn_never_had_one(opened: Opener) -> None:
    db = await opened(pool_size=1)
    async with db.transaction() as tx:
        waiting = [asyncio.create_task(_outside(lambda: add(db, key=f"waiting {n}"))) for n in range(5)]  # noqa: B023
        waiting += [asyncio.create_task(_outside(lambda: _linger_in_a_transaction(db))) for _ in range(5)]
        await asyncio.sleep(0.01)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await add(tx, key="mine")
    async with asyncio.timeout(10):
        await add(db, key="next")
    assert [row["key"] for row in await db.fetch("SELECT key FROM things ORDER BY key")] == ["mine", "next"]


async def test_a_commit_that_has_begun_is_seen_through(db: Database) -> None:
    """The caller is told it was cancelled only after the store knows how it ended."""
    for _ in range(20):
        thing, leaving = new_id(), asyncio.Event()

        async def write(thing: str = thing, leaving: asyncio.Event = leaving) -> None:
            async with db.transaction() as tx:
                await add(tx, thing=thing)
                leaving.set()  # nothing suspends between here and the COMMIT

        task = asyncio.create_task(write())
        await leaving.wait()
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # impatience changes nothing
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await db.fetchval("SELECT count(*) FROM things WHERE id = $1", thing) == 1


async def test_a_question_nobody_waits_for_any_more_is_dropped(db: Database) -> None:
    """Otherwise three impatient searches would keep SQLite's three readers busy for minutes."""
    long = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 99999999) SELECT max(n) FROM c"
    for ask in (db.fetchval, _in_snapshot(db)):
        tasks = [asyncio.create_task(ask(long)) for _ in range(sqlite_backend.READERS)]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(4):
            assert await count(db) == 0


def _in_snapshot(db: Database) -> Callable[[str], Any]:
    async def ask(sql: str) -> Any:
        async with db.snapshot() as at:
            return await at.fetchval(sql)

    return ask


async def test_a_timeout_inside_a_transaction_rolls_it_back(db: Database) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02), db.transaction() as tx:
            await add(tx)
            await asyncio.sleep(5)
    assert await count(db) == 0
    await add(db)


# PostgreSQL comes and goes


@pytest_asyncio.fixture(loop_scope="session")
async def pg(empty_postgres_url: str, scratch: Path) -> AsyncIterator[Database]:
    await migrate(empty_postgres_url, folder=scratch)
    database = await Database.open(empty_postgres_url, models=__name__)
    yield database
    await database.close()


async def _end_connections(url: str, *, running: str) -> None:
    """Kill, from a connection of one's own, those that run a certain statement."""
    import asyncpg

    con = await asyncpg.connect(url)
    try:
        killed = 0
        while not killed:
            killed = await con.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND state = 'active' AND query LIKE $1",
                running,
            )
            await asyncio.sleep(0.01)
    finally:
        await con.close()


async def test_a_connection_lost_during_commit_leaves_the_outcome_unknown(
    pg: Database, empty_postgres_url: str
) -> None:
    await pg.execute(
        "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(8); RETURN NULL; END $$"
    )
    await pg.execute(
        "CREATE CONSTRAINT TRIGGER dozes AFTER INSERT ON parts DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION doze()"
    )
    killer = asyncio.create_task(_end_connections(empty_postgres_url, running="COMMIT%"))
    with pytest.raises(OutcomeUnknown):
        async with pg.transaction() as tx:
            thing = await add(tx)
            await tx.execute("INSERT INTO parts (tenant_id, thing_id) VALUES ($1, $2)", TENANT, thing)
    await killer
    assert await count(pg) in (0, 1)


async def test_a_connection_lost_before_commit_wrote_nothing(pg: Database, empty_postgres_url: str) -> None:
    killer = asyncio.create_task(_end_connections(empty_postgres_url, running="SELECT pg_sleep%"))
    with pytest.raises(StoreUnavailable):
        async with pg.transaction() as tx:
            await add(tx)
            await tx.fetch("SELECT pg_sleep(8)")
    await killer
    assert await count(pg) == 0


@pytest.mark.parametrize(
    ("sql", "failure"),
    [
        ("SELECT pg_sleep(8)", StoreUnavailable),
        ("UPDATE things SET n = 1 WHERE pg_sleep(8) IS NOT NULL", OutcomeUnknown),
    ],
)
async def test_a_single_statement_cut_off_is_unknown_only_if_it_writes(
    pg: Database, empty_postgres_url: str, sql: str, failure: type[StoreError]
) -> None:
    await add(pg)
    killer = asyncio.create_task(_end_connections(empty_postgres_url, running=sql[:20] + "%"))
    with pytest.raises(failure):
        await pg.execute(sql)
    await killer
    assert await count(pg) == 1


async def test_of_two_in_a_deadlock_one_is_told_to_begin_again(empty_postgres_url: str, scratch: Path) -> None:
    await migrate(empty_postgres_url, folder=scratch)
    db = await Database.open(empty_postgres_url, models=__name__, lock_timeout_ms=5000)
    try:
        things = [await add(db), await add(db)]
        both = asyncio.Barrier(2)

        async def cross(order: list[str]) -> None:
            async with db.transaction() as tx:
                await tx.fetch("SELECT 1 FROM things WHERE id = $1 FOR UPDATE", order[0])
                await both.wait()
                await tx.fetch("SELECT 1 FROM things WHERE id = $1 FOR UPDATE", order[1])

        ends = await asyncio.gather(cross(things), cross(things[::-1]), return_exceptions=True)
        assert [type(end) for end in ends if end is not None] == [StoreConflict]
    finally:
        await db.close()


async def test_a_statement_that_takes_too_long_is_ended(empty_postgres_url: str) -> None:
    db = await Database.open(empty_postgres_url, statement_timeout_ms=50)
    try:
        with pytest.raises(StoreUnavailable):
            await db.fetch("SELECT pg_sleep(8)")
        assert await db.fetchval("SELECT 1") == 1
    finally:
        await db.close()


async def test_an_exhausted_pool_says_so(empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    db = await Database.open(empty_postgres_url, pool_size=1)
    monkeypatch.setattr(postgres_backend, "ACQUIRE_TIMEOUT_S", 0.05)
    try:
        async with db.transaction() as tx:
            waiting = asyncio.create_task(_outside(lambda: db.fetchval("SELECT 1")))
            with pytest.raises(StoreUnavailable, match="no connection"):
                await waiting
            await tx.fetchval("SELECT 1")
        assert await db.fetchval("SELECT 1") == 1
    finally:
        await db.close()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_the_pool_heals_when_postgresql_comes_back(
    own_postgres_server: PostgresServer, scratch: Path, mode: Any
) -> None:
    """No restart of this process: the next statements find the new server, and the old rows."""
    url = own_postgres_server.create_database("heals")
    await migrate(url, folder=scratch)
    db = await Database.open(url, models=__name__, pool_size=5)
    try:
        await asyncio.gather(*(add(db) for _ in range(20)))
        with pytest.raises(StoreUnavailable):
            async with db.transaction() as tx:
                await add(tx)
                await asyncio.to_thread(own_postgres_server.stop, mode)
                await add(tx)
        for attempt in (count(db), _enter(db.transaction()), _enter(db.snapshot())):
            with pytest.raises(StoreUnavailable):
                await attempt
        with pytest.raises((StoreUnavailable, OutcomeUnknown)):
            await add(db)
        with pytest.raises(StoreUnavailable):
            await Database.open(url)

        await asyncio.to_thread(own_postgres_server.start)
        assert await count(db) == 20
        await asyncio.gather(*(add(db) for _ in range(20)))
        async with db.transaction() as tx:
            await Thing.create(id=new_id(), tenant_id=TENANT)
        assert await count(db) == 41
    finally:
        await db.close()


async def test_a_slow_statement_is_no_silent_server(empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it runs the server is asked whether it is there, more than once; it says so, and the statement goes on."""
    monkeypatch.setattr(pulse, "QUIET_S", 0.2)
    asked: list[str] = []
    probe = pulse.Pulse._probe

    async def noted(self: pulse.Pulse) -> Any:
        asked.append(await probe(self))
        return asked[-1]

    monkeypatch.setattr(pulse.Pulse, "_probe", noted)
    db = await Database.open(empty_postgres_url)
    try:
        assert await db.fetchval("SELECT 1 FROM pg_sleep(1.5)") == 1
        assert len(asked) > 1 and set(asked) == {"answers"}
    finally:
        await db.close()


async def test_an_idle_database_is_left_in_peace(empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for anything, so nothing is asked on their behalf."""
    monkeypatch.setattr(pulse, "QUIET_S", 0.05)
    db = await Database.open(empty_postgres_url)
    try:
        await db.fetchval("SELECT 1")
        monkeypatch.setattr(pulse.Pulse, "_probe", None)
        watch = db._backend._pulse._watch  # type: ignore[union-attr]
        assert watch is not None
        await watch
    finally:
        await db.close()


@pytest.mark.parametrize("writes", [False, True])
async def test_what_a_silent_server_was_asked_is_given_up(
    own_postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, writes: bool
) -> None:
    """A read was not answered; of a write nobody knows. A commit that was under way is not known either."""
    monkeypatch.setattr(pulse, "QUIET_S", 0.3)
    monkeypatch.setattr(pulse, "ANSWERS_WITHIN_S", 0.5)
    url = own_postgres_server.create_database(f"silent_{writes}".lower())
    db = await Database.open(url)
    statement = "CREATE TABLE things (n bigint)" if writes else "SELECT 1"
    try:
        async with asyncio.timeout(8):
            with pytest.raises(OutcomeUnknown if writes else StoreUnavailable):
                await asyncio.to_thread(own_postgres_server.pause)
                await db.execute(statement)
            with pytest.raises(StoreUnavailable) as at_once:
                await db.fetchval("SELECT 1")
            assert at_once.value.why == "silent"
        await asyncio.to_thread(own_postgres_server.resume)
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(StoreUnavailable):
                    assert await db.fetchval("SELECT 2") == 2
                    break
                await asyncio.sleep(0.05)
    finally:
        await asyncio.to_thread(own_postgres_server.resume)
        await db.close()


async def test_a_pool_of_broken_connections_costs_nobody_else_an_error(pg: Database, empty_postgres_url: str) -> None:
    """All connections are killed while idle; the next ten callers notice nothing."""
    import asyncpg

    await asyncio.gather(*(pg.fetchval("SELECT pg_sleep(0.05)") for _ in range(10)))
    ours = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = 'deskbell'"
    con = await asyncpg.connect(empty_postgres_url)
    try:
        assert await con.fetchval(f"SELECT count(pg_terminate_backend(pid)) {ours}") >= 5
        while await con.fetchval(f"SELECT count(*) {ours}"):
            await asyncio.sleep(0.01)
    finally:
        await con.close()
    assert await asyncio.gather(*(pg.fetchval("SELECT 1") for _ in range(10))) == [1] * 10


# Migrations


async def test_several_instances_may_migrate_at_once(empty_database_url: str, scratch: Path) -> None:
    (scratch / "0002_more.sql").write_text("ALTER TABLE things ADD COLUMN colour text;")
    assert await pending(empty_database_url, folder=scratch) == ["0001_things", "0002_more"]
    done = await asyncio.gather(*(migrate(empty_database_url, folder=scratch) for _ in range(4)))
    assert sorted(name for names in done for name in names) == ["0001_things", "0002_more"]
    assert await pending(empty_database_url, folder=scratch) == []
    assert await migrate(empty_database_url, folder=scratch) == []
    db = await Database.open(empty_database_url, models=__name__)
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
    db = await Database.open(empty_database_url, models=__name__)
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
    db = await Database.open(empty_postgres_url, models=__name__, lock_timeout_ms=5_000)
    try:
        async with db.transaction() as tx:
            await tx.execute("INSERT INTO things (id, tenant_id) VALUES ($1, $2)", new_id(), TENANT)
            migrating = asyncio.create_task(migrate(empty_postgres_url, folder=scratch))
            for _ in range(5):
                await asyncio.sleep(0.2)
                await _outside(lambda: add(db))
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
    db = await Database.open(empty_database_url, models=__name__)
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
    db = await Database.open(empty_database_url, models=__name__)
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
        again = await Database.open(empty_database_url, models=__name__)
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
