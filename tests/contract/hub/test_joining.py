"""Who begins to follow a room while it talks misses nothing and hears nothing twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from deskbell.hub import reader, streams
from deskbell.store import pages
from deskbell.store.database import StoreUnavailable
from deskbell.wire.events import Event

from .exchange import Exchange, Line, room_of_two


async def test_joining_at_a_snapshot_the_stream_has_not_reached_misses_nothing(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is ahead of the bus; then the bus brings everything at one stroke, in the wrong order."""
    monkeypatch.setattr(reader, "SHARED_PAGE_S", 0)
    ana, tom, room = await room_of_two(on_sqlite)
    early = await on_sqlite.listener(tom, room)
    on_sqlite.keep()
    await on_sqlite.office.desk.sends(ana, room, "1")
    await on_sqlite.office.desk.sends(ana, room, "2")
    late = await on_sqlite.listener(ana, room)
    await on_sqlite.office.desk.sends(ana, room, "3")

    on_sqlite.hand_over(lambda events: [events[2], events[1], events[0]])

    assert early.room(room).new == ["1", "2", "3"]
    assert late.room(room).new == ["3"]
    await on_sqlite.office.desk.sends(ana, room, "4")
    await on_sqlite.level(early, room)
    await on_sqlite.level(late, room)
    assert not late.of("changes")


async def test_joining_ahead_of_a_hole_that_heals_beyond_misses_nothing(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heal of the room goes further than the snapshot of somebody who waits for it."""
    monkeypatch.setattr(reader, "SHARED_PAGE_S", 0)
    ana, tom, room = await room_of_two(on_sqlite)
    early = await on_sqlite.listener(tom, room)
    on_sqlite.meddle = lambda events: []
    await on_sqlite.office.desk.sends(ana, room, "1")
    late = await on_sqlite.listener(ana, room)
    await on_sqlite.office.desk.sends(ana, room, "2")

    await on_sqlite.level(early, room)
    await on_sqlite.level(late, room)
    assert late.room(room).new == ["2"]


async def test_joining_while_a_page_waits_for_the_socket_misses_nothing(on_sqlite: Exchange) -> None:
    """What is said while a slow socket takes its first page is replayed to it, or comes as a page."""
    ana, tom, room = await room_of_two(on_sqlite)
    witness = await on_sqlite.listener(ana, room)
    slow, slower = on_sqlite.connect(tom), on_sqlite.connect(tom)
    for line in (slow, slower):
        line.gate.clear()
    joining = [asyncio.create_task(on_sqlite.subscribe(line, room)) for line in (slow, slower)]
    await on_sqlite.until(lambda: all(room in line.connection.rooms for line in (slow, slower)), "their places")
    await asyncio.sleep(0.05)

    for n in range(10):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    slow.gate.set()
    await joining[0]
    for n in range(100):
        await on_sqlite.office.desk.sends(ana, room, f"more {n}")
    slower.gate.set()
    await joining[1]

    for line in (witness, slow, slower):
        await on_sqlite.level(line, room)
        assert len(line.room(room).new) == 110
    assert slow.of("changes") == [], "what was told a moment ago is replayed without asking the store"
    assert len(slower.of("changes")) >= 1, "what was told too long ago comes from the store"


async def test_those_who_come_at_once_share_a_page(exchange: Exchange) -> None:
    """A cut brings everybody back in the same second; the store is asked once per room, not per socket."""
    ana, tom, room = await room_of_two(exchange)
    for n in range(5):
        await exchange.office.desk.sends(ana, room, f"{n}")
    lines = [exchange.connect(tom) for _ in range(40)]
    await asyncio.gather(*(exchange.subscribe(line, room) for line in lines))
    assert exchange.hub.reads == 1
    for line in lines:
        await exchange.level(line, room)


async def test_nobody_is_given_a_page_from_before_what_they_know(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read your writes: a page that was being read when I wrote is not good enough for me."""
    ana, tom, room = await room_of_two(on_sqlite)
    read, go_on = pages.first, asyncio.Event()

    async def slowly(*args: Any, **options: Any) -> Any:
        page = await read(*args, **options)
        await go_on.wait()
        return page

    monkeypatch.setattr(pages, "first", slowly)
    early = on_sqlite.connect(tom)
    joining = asyncio.create_task(on_sqlite.subscribe(early, room))
    await on_sqlite.until(lambda: on_sqlite.hub.reads == 1, "the first read")
    await asyncio.sleep(0.05)
    await on_sqlite.office.desk.sends(ana, room, "mine")

    late = on_sqlite.connect(ana)
    joining_late = asyncio.create_task(on_sqlite.subscribe(late, room))
    await asyncio.sleep(0.05)
    go_on.set()
    await asyncio.gather(joining, joining_late)

    (subscribed,) = late.of("subscribed")
    assert [message["content"] for message in subscribed["messages"]] == ["mine"]
    for line in (early, late):
        await on_sqlite.level(line, room)


async def test_pages_read_for_others_are_soon_forgotten(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SHARED_PAGE_S", 0.1)
    ana, tom, room = await room_of_two(on_sqlite)
    for n in range(40):
        await on_sqlite.office.desk.sends(ana, room, f"{n}")
    lines = [await on_sqlite.listener(tom, room, since=since) for since in range(3, 40)]
    stream = lines[0].connection.rooms[room].stream
    assert len(stream.pages) <= reader.SHARED_PAGES
    await on_sqlite.until(lambda: not stream.pages, "no page is kept")


async def test_a_store_that_goes_away_between_two_pages_is_waited_for(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STORE_AGAIN_S", 0.02)
    ana, tom, room = await room_of_two(on_sqlite)
    since = await on_sqlite.office.tip(room)
    await asyncio.gather(*(on_sqlite.office.desk.sends(ana, room, f"{n}") for n in range(150)))
    read, failures = pages.changes, [1, 1, 1]

    async def sometimes(db: Any, tenant: Any, room_id: Any, policy: Any, after: int, bound: int = 0) -> Any:
        if after > since and failures:
            failures.pop()
            raise StoreUnavailable("away")
        return await read(db, tenant, room_id, policy, after, bound)

    monkeypatch.setattr(pages, "changes", sometimes)
    line = on_sqlite.connect(tom)
    line.room(room).position = line.room(room).begun_at = since
    await on_sqlite.subscribe(line, room, since=since)
    assert not failures
    await on_sqlite.level(line, room)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_thousand_sends_while_fifty_sockets_come_and_go(exchange: Exchange, seed: int) -> None:
    """Snapshot and subscription do not race, whatever the bus loses, doubles, delays or reorders.

    A thousand messages while fifty sockets subscribe, leave and resume at random moments, some of
    them slow: in the end each one's picture is the store's, and not one had a hole or a repeat.
    """
    chance = random.Random(seed)
    office = exchange.office
    ana, tom, room = await room_of_two(exchange)
    loop = asyncio.get_running_loop()

    def unreliable(events: Sequence[Event]) -> Sequence[Event]:
        now: list[Event] = []
        for event in events:
            fate = chance.random()
            if fate < 0.02 and event.seq:
                continue
            if fate < 0.12:
                loop.call_later(chance.random() * 0.08, exchange.hub.on_events, [event])
                continue
            now += [event, event] if fate < 0.15 else [event]
        if chance.random() < 0.2:
            chance.shuffle(now)
        return now

    exchange.meddle = unreliable
    sending = True

    async def send() -> None:
        nonlocal sending
        for n in range(0, 1000, 10):
            await asyncio.gather(*(office.desk.sends(chance.choice((ana, tom)), room, f"{n + k}") for k in range(10)))
            await asyncio.sleep(0.002)
        sending = False

    async def come_and_go(line: Line) -> None:
        heard = line.room(room)
        while sending:
            known = {"since": heard.position, "epoch": heard.epoch} if heard.position and chance.random() < 0.7 else {}
            await exchange.subscribe(line, room, **known)
            await asyncio.sleep(chance.random() * 0.15)
            if chance.random() < 0.3:
                line.gate.clear()
                loop.call_later(chance.random() * 0.05, line.gate.set)
            if sending and chance.random() < 0.8:
                exchange.hub.unsubscribe(line.connection, room)

    lines = [exchange.connect(chance.choice((ana, tom))) for _ in range(50)]
    await asyncio.gather(send(), *(come_and_go(line) for line in lines))
    exchange.meddle = list
    await office.desk.sends(ana, room, "the end")
    exchange.hub.on_tips([(office.tenant, room, await office.tip(room), 1)])
    for line in lines:
        if room not in line.connection.rooms:
            heard = line.room(room)
            await exchange.subscribe(line, room, since=heard.position, epoch=heard.epoch)
        await exchange.level(line, room)
        assert line.room(room).resets == 0
    assert exchange.hub.heals > 0, "the bus lost something"
