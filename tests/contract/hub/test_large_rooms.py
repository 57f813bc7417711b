"""A large room is told in slices, and neither its order nor other rooms suffer from it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from deskbell.hub import Stream, fan_out, healing, reader
from deskbell.server.outbound import prepare
from deskbell.store import pages
from deskbell.store import rooms as stored_rooms
from deskbell.wire import frames

from .exchange import Exchange, room_of_two


async def test_a_room_of_six_hundred_is_told_in_slices_and_in_order(on_sqlite: Exchange) -> None:
    """Between the slices others have their turn; nobody in the room notices."""
    ana, tom, room = await room_of_two(on_sqlite)
    lines = [await on_sqlite.listener(tom, room) for _ in range(600)]
    for n in range(20):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    for line in (lines[0], lines[299], lines[-1]):
        await on_sqlite.level(line, room)
    assert all(line.room(room).new == [f"{n}" for n in range(20)] for line in lines)


async def test_a_large_room_does_not_hold_up_the_others(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "SLICE", 5)
    ana, tom, room = await room_of_two(on_sqlite)
    other = await on_sqlite.office.room(ana, tom)
    crowd = [await on_sqlite.listener(tom, room) for _ in range(60)]
    elsewhere = await on_sqlite.listener(tom, other)
    on_sqlite.keep()
    await on_sqlite.office.desk.sends(ana, room, "to all")
    await on_sqlite.office.desk.sends(ana, other, "to one")
    to_all, to_one = on_sqlite.kept

    on_sqlite.hub.on_events([to_all])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    on_sqlite.hub.on_events([to_one])

    assert elsewhere.room(other).new == ["to one"]
    assert sum(bool(line.room(room).new) for line in crowd) < 60
    for line in crowd:
        await on_sqlite.level(line, room)


class _Paused:
    """``asyncio`` for the hub, in which the pause between two slices lasts until ``go_on``."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await (asyncio.sleep(seconds) if seconds else self.go_on.wait())


async def test_who_joins_between_two_slices_hears_nothing_twice(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They join where the slices under way will leave everybody, and hear with all others what is still to be told."""
    monkeypatch.setattr(fan_out, "SLICE", 2)
    monkeypatch.setattr(reader, "SHARED_PAGE_S", 0)
    ana, tom, room = await room_of_two(on_sqlite)
    crowd = [await on_sqlite.listener(tom, room) for _ in range(6)]
    paused = _Paused()
    monkeypatch.setattr(fan_out, "asyncio", paused)
    await on_sqlite.office.desk.sends(ana, room, "in the first slices")
    await asyncio.sleep(0.02)
    at_first = on_sqlite.connect(tom)
    at_first.room(room)
    await on_sqlite.subscribe(at_first, room)
    await on_sqlite.office.desk.sends(ana, room, "still to be told")
    ahead = on_sqlite.connect(tom)
    await on_sqlite.subscribe(ahead, room)
    resumed = on_sqlite.connect(tom)
    resumed.room(room).position = resumed.room(room).begun_at = await on_sqlite.office.tip(room) - 2
    await on_sqlite.subscribe(resumed, room, since=resumed.room(room).position)
    assert sum(bool(line.room(room).new) for line in crowd) == 2, "the slices have stopped after the first"

    paused.go_on.set()
    await on_sqlite.office.desk.sends(ana, room, "the end")
    for line in (*crowd, at_first, ahead, resumed):
        await on_sqlite.level(line, room)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_joining_leaving_and_healing_between_the_slices(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """The promise of the room, with slices of two: once, in order, without a hole."""
    monkeypatch.setattr(fan_out, "SLICE", 2)
    monkeypatch.setattr(healing, "REORDER_S", 0.005)
    chance = random.Random(seed)
    ana, tom, room = await room_of_two(on_sqlite)
    on_sqlite.meddle = lambda events: [event for event in events if chance.random() > 0.04]
    lines = [await on_sqlite.listener(tom, room) for _ in range(12)]
    for n in range(100):
        await asyncio.gather(*(on_sqlite.office.desk.sends(ana, room, f"{n}.{k}") for k in range(3)))
        line = chance.choice(lines)
        heard = line.room(room)
        if heard.position and chance.random() < 0.5:
            await on_sqlite.subscribe(line, room, since=heard.position, epoch=heard.epoch)
        elif chance.random() < 0.3:
            lines.append(await on_sqlite.listener(tom, room))
    on_sqlite.meddle = list
    await on_sqlite.office.desk.sends(ana, room, "the end")
    for line in lines:
        await on_sqlite.level(line, room)


async def test_a_heal_does_not_overtake_what_is_being_told(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that came before the slices were through would make new messages look like changed ones."""
    monkeypatch.setattr(fan_out, "SLICE", 1)
    ana, tom, room = await room_of_two(on_sqlite)
    lines = [await on_sqlite.listener(tom, room) for _ in range(400)]
    on_sqlite.keep()
    for n in range(4):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    first, second, _, fourth = on_sqlite.kept
    on_sqlite.meddle = list
    monkeypatch.setattr(healing, "REORDER_S", 0.0)
    policy = on_sqlite.office.ports.plugins.channels["group"].policy
    page = await pages.changes(on_sqlite.office.db, on_sqlite.office.tenant, room, policy, second.seq)

    async def read_at_once(*args: Any) -> Any:
        return page

    async def nobody_left(*args: Any) -> list[Any]:
        return []

    async def write_at_once(stream: Stream, page: frames.Page) -> None:
        for subscription in stream.subscriptions.values():
            if subscription.live:
                subscription.write(prepare(frames.encode(page)))

    # The heal is as quick as can be, and the slices are slow.
    monkeypatch.setattr(pages, "changes", read_at_once)
    monkeypatch.setattr(stored_rooms, "places_since", nobody_left)
    monkeypatch.setattr(on_sqlite.hub._streams.telling, "write_all", write_at_once)
    on_sqlite.hub.on_events([first, second])
    on_sqlite.hub.on_events([fourth])
    await on_sqlite.until(lambda: lines[-1].of("changes"), "the heal")
    monkeypatch.undo()

    for line in lines:
        await on_sqlite.level(line, room)
        assert line.room(room).new == ["0", "1", "2", "3"]
