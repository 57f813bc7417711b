"""Every socket of a room hears every change once and in order, whatever the bus loses, doubles or delays."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deskbell.actions import editing, reactions, rooms
from deskbell.hub import healing, streams
from deskbell.store import pages
from deskbell.store.database import StoreUnavailable

from .exchange import Exchange, room_of_two


async def test_every_socket_of_a_room_hears_every_change_once_and_in_order(exchange: Exchange) -> None:
    ana, tom, room = await room_of_two(exchange)
    lines = [await exchange.listener(who, room) for who in (ana, tom, tom)]
    desk, ports = exchange.office.desk, exchange.office.ports

    posted = [await desk.sends(ana, room, f"{n}") for n in range(20)]
    await editing.edit(ports, ana, posted[3].message.id, "three")
    await reactions.react(ports, tom, posted[4].message.id, "👍", on=True)
    await editing.delete(ports, ana, posted[5].message.id)
    await rooms.update(ports, ana, room, name="Kitchen")

    for line in lines:
        await exchange.level(line, room)
        assert line.room(room).new == [f"{n}" for n in range(20)]
        state = line.room(room).state
        assert state is not None
        assert state["name"] == "Kitchen"


async def test_what_comes_too_early_waits_for_what_is_before_it(on_sqlite: Exchange) -> None:
    ana, tom, room = await room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    on_sqlite.keep()
    for n in range(5):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")

    on_sqlite.hand_over(lambda events: events[::-1])

    assert line.room(room).new == ["0", "1", "2", "3", "4"]
    assert on_sqlite.hub.heals == 0, "nothing was missing"
    await on_sqlite.level(line, room)


async def test_what_comes_twice_is_told_once(on_sqlite: Exchange) -> None:
    ana, tom, room = await room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    on_sqlite.meddle = lambda events: [*events, *events]
    for n in range(3):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    await on_sqlite.level(line, room)


# holes


async def test_a_lost_event_is_healed_by_one_read_and_one_frame_for_all(exchange: Exchange) -> None:
    """Everybody in the room gets the very same ``changes``, and the store is asked once."""
    ana, tom, room = await room_of_two(exchange)
    lines = [await exchange.listener(tom, room) for _ in range(5)]
    tip, asked = await exchange.office.tip(room), exchange.hub.reads
    exchange.lose(tip + 1)

    await exchange.office.desk.sends(ana, room, "lost")
    await exchange.office.desk.sends(ana, room, "heard")

    for line in lines:
        await exchange.level(line, room)
        assert [frame["since"] for frame in line.of("changes")] == [tip]
        assert line.room(room).new == ["lost", "heard"]
    assert exchange.hub.reads == asked + 1
    assert len({line.written[-1] for line in lines}) == 1


async def test_the_missing_one_is_waited_for_before_the_store_is_asked(on_sqlite: Exchange) -> None:
    """Two instances' events overtake one another all the time; that must not cost a read each time."""
    ana, tom, room = await room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    asked = on_sqlite.hub.reads
    on_sqlite.keep()
    await on_sqlite.office.desk.sends(ana, room, "first")
    await on_sqlite.office.desk.sends(ana, room, "second")
    first, second = on_sqlite.kept

    on_sqlite.hub.on_events([second])
    await asyncio.sleep(0.01)
    on_sqlite.hub.on_events([first])
    await asyncio.sleep(0.1)

    assert line.room(room).new == ["first", "second"]
    assert on_sqlite.hub.reads == asked
    await on_sqlite.level(line, room)


async def test_a_lost_last_message_is_healed_by_the_tips(exchange: Exchange) -> None:
    """Nothing comes after it that would show the hole; the store's tip does."""
    ana, tom, room = await room_of_two(exchange)
    line = await exchange.listener(tom, room)
    exchange.meddle = lambda events: []
    await exchange.office.desk.sends(ana, room, "the last word")
    await asyncio.sleep(0.1)
    assert line.room(room).new == []

    exchange.hub.on_tips([(exchange.office.tenant, room, await exchange.office.tip(room), 1)])

    await exchange.level(line, room)
    assert line.room(room).new == ["the last word"]


async def test_changes_missed_by_the_hundred_come_in_pages(on_sqlite: Exchange) -> None:
    ana, tom, room = await room_of_two(on_sqlite)
    lines = [await on_sqlite.listener(tom, room) for _ in range(2)]
    on_sqlite.meddle = lambda events: []
    await asyncio.gather(*(on_sqlite.office.desk.sends(ana, room, f"{n}") for n in range(250)))
    on_sqlite.meddle = list
    await on_sqlite.office.desk.sends(ana, room, "and on")

    for line in lines:
        await on_sqlite.level(line, room)
        assert len(line.of("changes")) == 3
        assert [frame["more"] for frame in line.of("changes")] == [True, True, False]


async def test_a_room_that_missed_more_than_a_thousand_changes_starts_anew(on_sqlite: Exchange) -> None:
    ana, tom, room = await room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    on_sqlite.meddle = lambda events: []
    for _ in range(2):
        await asyncio.gather(*(on_sqlite.office.desk.sends(ana, room, f"{n}") for n in range(501)))
    on_sqlite.meddle = list
    await on_sqlite.office.desk.sends(ana, room, "and on")

    await on_sqlite.until(lambda: line.of("reset"), "a reset")
    assert line.frames[-1]["room"] == room
    assert line.of("changes") == []
    assert line.connection.rooms == {}


async def test_while_the_store_is_away_a_hole_stays_open_and_heals_when_it_is_back(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing, "HEAL_AGAIN_S", 0.05)
    ana, tom, room = await room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    on_sqlite.lose(await on_sqlite.office.tip(room) + 1)
    asked: list[int] = []

    async def away(*args: Any) -> None:
        asked.append(1)
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(pages, "changes", away)
        await on_sqlite.office.desk.sends(ana, room, "lost")
        await on_sqlite.office.desk.sends(ana, room, "heard")
        await on_sqlite.until(lambda: len(asked) >= 3, "asking again")
        assert line.room(room).new == []
    await on_sqlite.level(line, room)


async def test_what_waits_behind_a_hole_is_bounded(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a hole cannot be healed, no more than a thousand events are kept; the store has the rest."""
    monkeypatch.setattr(streams, "MAX_HELD", 10)
    monkeypatch.setattr(healing, "REORDER_S", 2.0)  # longer than forty sends take on a busy machine
    ana, tom, room = await room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    subscription = line.connection.rooms[room]
    on_sqlite.lose(await on_sqlite.office.tip(room) + 1)
    for n in range(40):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    assert len(subscription.stream.held) == 10
    await on_sqlite.level(line, room)
    assert len(line.room(room).new) == 40
