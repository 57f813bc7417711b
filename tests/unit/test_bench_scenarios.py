"""The scenarios of the bench load the server as their tables say."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from deskbell.bench import instances
from deskbell.bench.pace import Pace
from deskbell.bench.stage import Window


def window(delivered: int, *cpu_s: float) -> Window:
    return Window(
        elapsed_s=10, cpu_s_of=cpu_s, load_cpu_s=1, delivered=delivered, delivered_bytes=0, acked=0, beside_cpu_s={}
    )


@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_room_is_spread_evenly_over_all_instances(count: int) -> None:
    """Callers reach the instances in turn; a room on one instance alone would never cross the bus."""
    callers = range(instances.ROOMS * count * instances.MEMBERS)
    seats = Counter((instances.room_of(at, count), at % count) for at in callers)
    assert set(seats) == {(room, n) for room in range(instances.ROOMS * count) for n in range(count)}
    assert max(seats.values()) - min(seats.values()) <= 1
    members = Counter(instances.room_of(at, count) for at in callers)
    assert set(members.values()) == {instances.MEMBERS}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_one_member_of_each_room_speaks_as_many_at_each_instance(count: int) -> None:
    speaking = instances.senders_of(count)
    assert [instances.room_of(at, count) for at in speaking] == list(range(instances.ROOMS * count))
    assert set(Counter(at % count for at in speaking).values()) == {instances.ROOMS}


def test_the_busiest_process_sets_the_pace_of_all() -> None:
    """A second process that only looks on would double nothing."""
    alone = instances.capacity(window(1_000_000, 4.0))
    assert instances.capacity(window(1_000_000, 2.0, 2.0)) == 2 * alone
    assert instances.capacity(window(1_000_000, 4.0, 0.1)) == alone


async def test_a_pace_is_kept_whatever_the_machine_does_meanwhile() -> None:
    """What could not leave while the loop was blocked is not forgotten: latency must not lower the load."""
    sent: list[int] = []
    loop = asyncio.get_running_loop()
    pace = Pace(500, sent.append)
    began = loop.time()
    pace.start()
    while loop.time() < began + 0.2:
        pass  # nobody else runs
    async with asyncio.timeout(20):
        while len(sent) < 50:
            await asyncio.sleep(0.001)
    await pace.stop()
    assert sent == list(range(pace.sent))
    assert len(sent) <= (loop.time() - began) * 500 + 1


async def test_a_send_that_fails_ends_the_pace_and_is_told() -> None:
    def send(n: int) -> None:
        raise ValueError(f"socket {n} is gone")

    pace = Pace(1000, send)
    pace.start()
    await asyncio.sleep(0.01)
    with pytest.raises(ValueError, match="socket 0 is gone"):
        await pace.stop()
