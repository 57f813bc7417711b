"""Work left behind by commits: claimed by one, finished by its holder alone, done or dead in the end."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from deskbell.ids import TenantId, new_id
from deskbell.store import leases, outbox
from deskbell.store.database import Database
from deskbell.store.outbox import Work

NOW = 1_000_000_000
LEASE = 30_000_000
_numbers = itertools.count(1)


@pytest_asyncio.fixture(loop_scope="session")
async def db(store_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(store_url)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def four(store_url: str) -> AsyncIterator[list[Database]]:
    """Four who claim at the same time; on SQLite they are tasks of one process."""
    opened = [await Database.open(store_url) for _ in range(4 if store_url.startswith("postgresql") else 1)]
    yield opened * (4 // len(opened))
    for one in opened:
        await one.close()


class Queue:
    """A queue of one test's own."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.name = f"queue {next(_numbers)} {new_id()}"
        self.tenant = TenantId(new_id())

    async def leave(self, key: str = "", *, due_us: int = NOW, max_attempts: int = 3, priority: int = 0) -> int:
        await self.db.execute(
            "INSERT INTO outbox (tenant_id, queue, key, payload, due_at, created_at, max_attempts, priority)"
            " VALUES ($1,$2,$3,$4,$5,$6,$7,$8)",
            self.tenant, self.name, key, '{"n":1}', due_us, NOW, max_attempts, priority,
        )  # fmt: skip
        return int(await self.db.fetchval("SELECT max(id) FROM outbox WHERE queue = $1", self.name))

    async def claim(self, now_us: int = NOW, limit: int = 10, db: Database | None = None, **options: Any) -> list[Work]:
        return await outbox.claim(db or self.db, self.name, now_us, LEASE, limit, **options)

    async def row(self, id_: int) -> dict[str, Any]:
        found = await self.db.fetchrow("SELECT * FROM outbox WHERE id = $1", id_)
        assert found is not None
        return dict(found.items())

    async def statuses(self) -> Counter[str]:
        return Counter(
            row["status"] for row in await self.db.fetch("SELECT status FROM outbox WHERE queue = $1", self.name)
        )


@pytest.fixture
def queue(db: Database) -> Queue:
    return Queue(db)


async def test_each_piece_of_work_is_claimed_by_one(four: list[Database]) -> None:
    """Four at once, again and again, until nothing is left: each row once."""
    queue = Queue(four[0])
    left = {await queue.leave(f"{n}") for n in range(60)}
    claimed: list[int] = []

    async def worker(db: Database) -> None:
        while found := await queue.claim(limit=3, db=db):
            claimed.extend(work.id for work in found)
            await asyncio.sleep(0)
            for work in found:
                assert work.attempt == 1 and work.fence == 1
                assert await outbox.done(db, work, NOW)

    # Who skips what another has locked may find nothing for a moment: they ask again, as the jobs do.
    async with asyncio.timeout(30):
        while len(claimed) < len(left):
            await asyncio.gather(*(worker(db) for db in four))
    assert Counter(claimed) == Counter(left)
    assert await queue.statuses() == {"done": 60}


async def test_of_one_key_one_piece_of_work_is_held_at_a_time(four: list[Database]) -> None:
    """Whoever holds a room's turn is alone with it; its rows come in their order."""
    queue = Queue(four[0])
    keys = [f"room {n}" for n in range(4)]
    order = {key: [await queue.leave(key) for _ in range(6)] for key in keys}
    held: Counter[str] = Counter()
    done: dict[str, list[int]] = {key: [] for key in keys}

    async def worker(db: Database) -> None:
        for work in await queue.claim(limit=3, db=db, one_per_key=True):
            held[work.key] += 1
            assert held[work.key] == 1
            await asyncio.sleep(random.random() / 500)
            done[work.key].append(work.id)
            held[work.key] -= 1
            assert await outbox.done(db, work, NOW)

    async with asyncio.timeout(30):
        while (await queue.statuses())["pending"]:
            await asyncio.gather(*(worker(db) for db in four))
    assert done == order


async def test_a_key_waits_while_its_first_row_is_put_off_and_other_keys_do_not(queue: Queue) -> None:
    first, second, other = await queue.leave("a"), await queue.leave("a"), await queue.leave("b")
    claimed = await queue.claim(one_per_key=True)
    assert [work.id for work in claimed] == [first, other]
    await outbox.failed(queue.db, claimed[0], "not now", NOW, NOW + 5_000_000)
    assert await queue.claim(one_per_key=True) == []
    (again,) = await queue.claim(NOW + 5_000_000, one_per_key=True)
    assert again.id == first
    await outbox.done(queue.db, again, NOW)
    assert [work.id for work in await queue.claim(NOW + 5_000_000, one_per_key=True)] == [second]


async def test_the_most_urgent_comes_first_and_what_is_not_due_does_not_come(queue: Queue) -> None:
    late, early = await queue.leave(due_us=NOW - 1), await queue.leave(due_us=NOW - 5)
    urgent, future = await queue.leave(priority=2), await queue.leave(due_us=NOW + 1)
    assert [work.id for work in await queue.claim(limit=2)] == [urgent, early]
    assert [work.id for work in await queue.claim()] == [late]
    assert [work.id for work in await queue.claim(NOW + 1)] == [future]


async def test_what_a_holder_left_is_claimed_again_after_its_lease(queue: Queue) -> None:
    await queue.leave()
    (first,) = await queue.claim()
    assert await queue.claim(NOW + LEASE - 1) == []
    (second,) = await queue.claim(NOW + LEASE)
    assert (second.id, second.attempt, second.fence) == (first.id, 2, first.fence + 1)
    assert first.stable_key == second.stable_key == f"{queue.name}:{first.id}"


async def test_a_lease_can_be_made_longer_by_its_holder_alone(queue: Queue) -> None:
    await queue.leave()
    (first,) = await queue.claim()
    assert await outbox.extend(queue.db, first, NOW + 2 * LEASE)
    assert await queue.claim(NOW + LEASE) == []
    (second,) = await queue.claim(NOW + 2 * LEASE)
    assert not await outbox.extend(queue.db, first, NOW + 9 * LEASE)
    assert (await queue.row(second.id))["leased_until"] == NOW + 3 * LEASE


async def test_a_holder_who_was_paused_past_its_lease_changes_nothing(queue: Queue) -> None:
    """Neither by being done, nor by having covered the key's rows, nor by having failed."""
    rows = [await queue.leave("room") for _ in range(3)]
    (paused,) = await queue.claim(one_per_key=True)
    (holder,) = await queue.claim(NOW + LEASE, one_per_key=True)
    before = [await queue.row(row) for row in rows]
    assert not await outbox.done(queue.db, paused, NOW)
    assert not await outbox.failed(queue.db, paused, "late", NOW, NOW)
    spent = Work(**{**_fields(paused), "attempt": paused.max_attempts})
    assert not await outbox.failed(queue.db, spent, "late", NOW, NOW)
    await outbox.done_up_to(queue.db, paused, rows[-1], NOW)
    assert [await queue.row(row) for row in rows] == before
    assert await outbox.done(queue.db, holder, NOW)
    await outbox.done_up_to(queue.db, holder, rows[1], NOW)
    assert await queue.statuses() == {"done": 2, "pending": 1}


def _fields(work: Work) -> dict[str, Any]:
    return {name: getattr(work, name) for name in Work.__dataclass_fields__}


async def test_one_piece_of_work_covers_its_keys_rows_in_one_commit(queue: Queue) -> None:
    """And no others: not later ones, not those of another key, queue or tenant."""
    first, second = await queue.leave("room"), await queue.leave("room")
    other = await queue.leave("another room")
    (work,) = [found for found in await queue.claim(one_per_key=True) if found.key == "room"]
    assert await outbox.last_id(queue.db, queue.tenant, queue.name, "room") == second
    late = await queue.leave("room")
    async with queue.db.transaction() as tx:
        assert await outbox.done(tx, work, NOW)
        await outbox.done_up_to(tx, work, second, NOW)
    assert {(await queue.row(row))["status"] for row in (first, second)} == {"done"}
    assert {(await queue.row(row))["status"] for row in (late, other)} == {"pending"}
    assert await outbox.last_id(queue.db, queue.tenant, queue.name, "room") == late


async def test_work_is_tried_as_often_as_it_may_be_and_then_dead(queue: Queue) -> None:
    row = await queue.leave(max_attempts=3)
    for attempt in (1, 2, 3):
        (work,) = await queue.claim(NOW + attempt)
        assert work.attempt == attempt
        assert await outbox.failed(queue.db, work, f"no. {attempt}", NOW, NOW + attempt + 1) is (attempt == 3)
    assert await queue.claim(NOW * 2) == []
    (dead,) = await outbox.dead(queue.db, queue.tenant, queue.name)
    assert (dead["id"], dead["attempts"], dead["last_error"]) == (row, 3, "no. 3")


async def test_work_whose_holders_never_come_back_is_dead_after_its_last_attempt(queue: Queue) -> None:
    """Work that takes its process down with it must not do so for ever; others are claimed as ever."""
    poison, other = await queue.leave("a", max_attempts=2), await queue.leave("b", max_attempts=9)
    now = NOW
    for _ in range(2):
        assert {work.id for work in await queue.claim(now, one_per_key=True)} == {poison, other}
        now += LEASE
    assert [work.id for work in await queue.claim(now, one_per_key=True)] == [other]
    (dead,) = await outbox.dead(queue.db, queue.tenant, queue.name)
    assert (dead["id"], dead["attempts"], dead["last_error"]) == (poison, 2, outbox.ABANDONED)


async def test_the_last_attempt_is_not_given_up_while_it_is_held(queue: Queue) -> None:
    await queue.leave(max_attempts=1)
    (work,) = await queue.claim()
    assert await queue.claim(NOW + LEASE - 1) == []
    assert await queue.statuses() == {"pending": 1}
    assert await outbox.done(queue.db, work, NOW)


async def test_a_claimer_does_not_wait_for_rows_another_is_just_claiming(shared_postgres_url: str) -> None:
    db = await Database.open(shared_postgres_url, lock_timeout_ms=50)
    try:
        queue = Queue(db)
        first, second = await queue.leave(), await queue.leave()
        over, ready = asyncio.Event(), asyncio.Event()

        async def claim_slowly() -> None:
            async with db.transaction() as tx:
                await tx.fetch("SELECT id FROM outbox WHERE id = $1 FOR UPDATE", first)
                ready.set()
                await over.wait()

        claiming = asyncio.create_task(claim_slowly())
        await ready.wait()
        assert [work.id for work in await queue.claim()] == [second]
        over.set()
        await claiming
    finally:
        await db.close()


async def test_dead_work_can_be_tried_again_with_all_its_attempts(queue: Queue) -> None:
    row = await queue.leave(max_attempts=1)
    (work,) = await queue.claim()
    assert await outbox.failed(queue.db, work, "no", NOW, NOW)
    assert not await outbox.replay(queue.db, TenantId(new_id()), row, NOW), "another tenant's"
    assert await outbox.replay(queue.db, queue.tenant, row, NOW + 7)
    assert not await outbox.replay(queue.db, queue.tenant, row, NOW + 7), "it is no longer dead"
    assert await queue.claim(NOW + 6) == []
    (again,) = await queue.claim(NOW + 7)
    assert (again.attempt, again.fence) == (1, work.fence + 1)
    assert not await outbox.done(queue.db, work, NOW), "who gave it up is not its holder any more"
    assert await outbox.done(queue.db, again, NOW)


async def test_finished_work_is_forgotten_and_dead_work_is_kept(queue: Queue) -> None:
    done, fresh, dead = [await queue.leave(max_attempts=1) for _ in range(3)]
    for work in await queue.claim():
        if work.id == dead:
            await outbox.failed(queue.db, work, "no", NOW, NOW)
        else:
            await outbox.done(queue.db, work, NOW if work.id == done else NOW + 10)
    await outbox.forget_done(queue.db, NOW + 5)
    assert await queue.statuses() == {"done": 1, "dead": 1}
    assert (await queue.row(fresh))["status"] == "done"


async def test_of_those_who_tick_at_once_one_takes_the_slot(four: list[Database]) -> None:
    job = new_id()
    taken = [await asyncio.gather(*(leases.take_slot(db, job, slot) for db in four)) for slot in range(1, 31)]
    assert [sum(slot) for slot in taken] == [1] * 30
    assert await four[0].fetchval("SELECT count(*) FROM job_slots WHERE job = $1", job) <= 11
    assert not await leases.take_slot(four[0], job, 30)
