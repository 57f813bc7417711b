"""What a transaction wrote is there as a whole or not at all, and a snapshot sees one moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any

import pytest

from deskbell.ids import new_id
from deskbell.store.database import Database, StoreIntegrity, StoreMisuse

from .things import TENANT, Thing, add, count, enter, outside


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
        for attempt in (db.fetch("SELECT 1"), add(db), enter(db.transaction()), enter(db.snapshot())):
            with pytest.raises(StoreMisuse):
                await attempt
    assert await count(db) == 1


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
        assert await asyncio.wait_for(asyncio.get_running_loop().create_task(outside(look)), 5) == (1, 1)
