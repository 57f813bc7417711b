"""Callers that give up leave nothing behind, whenever they do."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from deskbell.ids import new_id
from deskbell.store import sqlite_backend
from deskbell.store.database import Database, StoreIntegrity

from .things import TENANT, Opener, Thing, add, count, linger_in_a_transaction, outside


async def _write(db: Database) -> None:
    await add(db, key=None)
    await db.execute("DELETE FROM things WHERE id = $1", await add(db))


async def _write_many(db: Database) -> None:
    await db.insert_many("things", {"tenant_id": "uuid", "id": "uuid"}, [(TENANT, new_id()) for _ in range(2)])


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
    [_write, _write_many, linger_in_a_transaction, _use_models, _fail_in_a_savepoint, _read, _ask_something_new],
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
        (linger_in_a_transaction, True),
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
        waiting = [asyncio.create_task(outside(lambda: add(db, key=f"waiting {n}"))) for n in range(5)]  # noqa: B023
        waiting += [asyncio.create_task(outside(lambda: linger_in_a_transaction(db))) for _ in range(5)]
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
