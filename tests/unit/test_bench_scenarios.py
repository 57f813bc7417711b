"""The scenarios of the bench load the server as their tables say."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
import pytest

from deskbell.bench import filling, growth, instances
from deskbell.bench.ear import Ear, percentile
from deskbell.bench.pace import Pace
from deskbell.bench.processes import BenchFailed
from deskbell.bench.stage import Window
from deskbell.store import messages, rooms
from deskbell.testing.office import Office


def window(delivered: int, *cpu_s: float) -> Window:
    return Window(
        elapsed_s=10, cpu_s_of=cpu_s, load_cpu_s=1, delivered=delivered, delivered_bytes=0, acked=0, beside_cpu_s={}
    )


SEATS = range(instances.ROOMS * instances.PROCESSES * instances.MEMBERS)


def seats(*, together: bool) -> Counter[tuple[int, int]]:
    """How many members of each room are at each process."""
    return Counter((instances.room_of(at, together=together), at % instances.PROCESSES) for at in SEATS)


def test_together_every_room_is_spread_evenly_over_both_processes() -> None:
    """A room in one process alone would never cross the bus."""
    rooms_and_processes = {(room, process) for room in range(8) for process in range(2)}
    assert seats(together=True) == dict.fromkeys(rooms_and_processes, instances.MEMBERS // 2)


def test_apart_every_room_is_in_one_process_and_each_has_half_of_them() -> None:
    assert seats(together=False) == {(room, room // instances.ROOMS): instances.MEMBERS for room in range(8)}


@pytest.mark.parametrize("together", [False, True])
def test_one_member_of_each_room_speaks_as_many_at_each_process(together: bool) -> None:
    speaking = instances.senders_of(together=together)
    assert [instances.room_of(at, together=together) for at in speaking] == list(range(8))
    assert Counter(at % 2 for at in speaking) == {0: 4, 1: 4}


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


def heard(ear: Ear, by: int, **frame: object) -> None:
    ear.hear(by, msgspec.json.encode(frame))


def test_an_ear_times_what_others_hear_and_replies_to_the_speaker() -> None:
    """The speaker's own echo is no delivery; whom nobody waited for is not counted."""
    ear = Ear()
    ear.said("message", "7", 0)
    ear.said("ack", 7, 0)
    ear.said("typing", ("r", "u", True), 0)
    ear.said("receipt", ("r", "u", 5), 0)
    ear.said("presence", ("u", "online"), 0)
    for by in (0, 1, 2):
        heard(ear, by, type="message", room="r", message={"content": "7 xxx", "seq": 5})
        heard(ear, by, type="typing", room="r", user="u", on=True)
        heard(ear, by, type="receipt", room="r", user="u", read_seq=5)
        heard(ear, by, type="presence", user="u", status="online")
    heard(ear, 0, type="ack", ref=7)
    heard(ear, 1, type="message", room="r", message={"content": "8 xxx", "seq": 6})
    heard(ear, 1, type="typing", room="r", user="u", on=False)
    heard(ear, 1, type="ok")
    assert {kind: len(found) for kind, found in ear.took.items()} == {
        "message": 2, "typing": 2, "receipt": 2, "presence": 2, "ack": 1,
    }  # fmt: skip
    assert ear.newest == ("r", 6)


def test_what_was_said_before_the_measurement_is_not_in_it() -> None:
    ear = Ear()
    ear.said("ack", 1, 0)
    heard(ear, 0, type="ack", ref=1)
    ear.said("ack", 2, 0)
    ear.forget()
    heard(ear, 0, type="ack", ref=2)
    assert ear.took == {}


def test_a_percentile_is_one_of_the_values() -> None:
    took = [float(n) for n in range(100, 0, -1)]
    assert (percentile(took, 0.5), percentile(took, 0.95), percentile(took, 0.99)) == (51, 96, 100)
    assert percentile([3.0], 0.99) == 3.0


async def test_a_filled_store_is_read_like_any_other(database_url: str) -> None:
    """Rooms and messages that were made by the thousand are found by the platform's own queries, and it goes on."""
    async with Office.open(database_url) as office, filling.door(database_url) as door:
        ana, tom = await office.person("Ana"), await office.person("Tom")
        room = await office.room(ana, tom)
        tip = await office.tip(room)
        await filling.rooms(door, room, 2, 301)
        await filling.history(door, room, ana.id, tip + 1, 500)
        page = await messages.before(office.db, office.tenant, room, 400, 100)
        assert [message.seq for message in page] == list(range(300, 400))
        assert await rooms.moved(office.db, await office.db.now_us() - 3_600_000_000) != []
        assert len(await rooms.moved(office.db, 0, 1_000)) == 301
        await office.desk.sends(ana, room, "Good morning.")
        assert await office.tip(room) == 501


async def test_a_plan_that_reads_a_whole_table_fails_the_measurement(database_url: str) -> None:
    """Growth would show it in the figures only when the table is large."""
    async with Office.open(database_url) as office:
        plans = growth.Plans(office.db)
        await plans.fetch("SELECT * FROM messages WHERE content = $1", "x")
        with pytest.raises(BenchFailed, match="does not use messages_order"):
            plans.must_use("messages_order", "messages")
