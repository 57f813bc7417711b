"""What takes no number: typing, inboxes, tips; and nothing is left of those who have gone."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from deskbell.actions import editing, members, presence, reads
from deskbell.errors import DeskbellError
from deskbell.hub import Hub, reader
from deskbell.server.outbound import prepare
from deskbell.store import rooms as stored_rooms
from deskbell.store.database import StoreUnavailable
from deskbell.wire import frames
from deskbell.wire.events import Event

from .exchange import TWO_INBOXES_S, Exchange, gone, room_of_two


async def test_a_relieved_bot_is_silent_even_before_the_room_has_heard_in_order(on_sqlite: Exchange) -> None:
    """Its deltas are dropped from the moment a later owner is known, though the event waits behind a hole."""
    office = on_sqlite.office
    _ana, tom, room = await room_of_two(on_sqlite)
    line = await on_sqlite.listener(tom, room)
    stream = line.connection.rooms[room].stream
    tip = await office.tip(room)
    state = msgspec.json.decode(msgspec.json.encode(line.of("subscribed")[0]["state"]))

    def delta(owner_version: int) -> Event:
        frame = frames.Delta(room=room, turn="1", owner_version=owner_version, offset=0, text="…")  # type: ignore[arg-type]
        return Event(office.tenant, "room", room, "delta", 0, frames.encode(frame), owner_version=owner_version)

    on_sqlite.hub.on_events([delta(1)])
    taken_over = {"type": "room", "room": room, "seq": tip + 2, "state": {**state, "owner_version": 2}}
    on_sqlite.hub.on_events(
        [Event(office.tenant, "room", room, "room", tip + 2, msgspec.json.encode(taken_over)), delta(1), delta(2)]
    )
    assert [frame["owner_version"] for frame in line.of("delta")] == [1, 2]
    assert stream.seq == tip


async def test_typing_is_told_to_the_others_only(on_sqlite: Exchange) -> None:
    ana, tom, room = await room_of_two(on_sqlite)
    mine, mine_too, other = [await on_sqlite.listener(who, room) for who in (ana, ana, tom)]
    presence.tell_typing(on_sqlite.office.ports, ana, room, on=True)
    assert other.frames[-1] == {"type": "typing", "room": room, "user": ana.id, "on": True}
    assert mine.of("typing") == mine_too.of("typing") == []


# inboxes


async def test_an_inbox_counts_what_others_wrote(exchange: Exchange) -> None:
    """Unread and mentioned come to every socket of a user, subscribed or not; reading takes them back."""
    ana, tom, room = await room_of_two(exchange)
    line, second = exchange.connect(tom, room), exchange.connect(tom, room)
    for n in range(3):
        await exchange.office.desk.sends(ana, room, f"{n}", mentions=[tom.id] if n == 1 else [])
    await exchange.office.desk.sends(tom, room, "mine")
    tip = await exchange.office.tip(room)
    for each in (line, second):
        await exchange.until(lambda each=each: each.of("inbox") and each.of("inbox")[-1]["seq"] == tip, "an inbox")
        told = each.of("inbox")[-1]
        assert (told["unread"], told["mentioned"], told["last"]["content"]) == (3, True, "mine")

    posted = await exchange.office.desk.sends(ana, room, "one more")
    await exchange.until(lambda: line.of("inbox")[-1]["unread"] == 4, "counted on")
    mine = await exchange.office.desk.sends(tom, room, "mine again")
    await exchange.until(lambda: line.of("inbox")[-1]["seq"] == mine.message.seq, "the next inbox")
    assert line.of("inbox")[-1]["unread"] == 4, "one's own are read"
    await editing.delete(exchange.office.ports, ana, posted.message.id)
    await exchange.until(lambda: line.of("inbox")[-1]["unread"] == 3, "a deleted message is not unread")

    await reads.mark_read(exchange.office.ports, reads.Marks(exchange.office.ports), tom, room, 10**6)
    await exchange.until(lambda: line.of("inbox")[-1]["unread"] == 0, "read")
    assert line.of("inbox")[-1]["mentioned"] is False


async def test_a_preview_follows_the_message_it_shows(on_sqlite: Exchange) -> None:
    """What was edited or deleted is not shown as it was."""
    ana, tom, room = await room_of_two(on_sqlite)
    line = on_sqlite.connect(tom, room)
    posted = await on_sqlite.office.desk.sends(ana, room, "regretted")
    await on_sqlite.until(lambda: line.of("inbox"), "an inbox")
    assert line.of("inbox")[-1]["last"]["content"] == "regretted"
    await editing.delete(on_sqlite.office.ports, ana, posted.message.id)
    await on_sqlite.until(lambda: line.of("inbox")[-1]["unread"] == 0, "the next inbox")
    assert (line.of("inbox")[-1]["last"]["content"], line.of("inbox")[-1]["last"]["deleted"]) == ("", True)


async def test_an_inbox_is_gathered(on_sqlite: Exchange) -> None:
    """A burst of messages is one frame, not one each."""
    ana, tom, room = await room_of_two(on_sqlite)
    line = on_sqlite.connect(tom, room)
    await asyncio.gather(*(on_sqlite.office.desk.sends(ana, room, f"{n}") for n in range(50)))
    await on_sqlite.until(lambda: line.of("inbox") and line.of("inbox")[-1]["unread"] == 50, "fifty unread")
    assert len(line.of("inbox")) <= 3


async def test_a_preview_is_never_from_before_one_joined(parlour: Exchange) -> None:
    office, ports = parlour.office, parlour.office.ports
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana)
    parlour.connect(ana, room)
    await office.desk.sends(ana, room, "secret")
    line = parlour.connect(tom)
    await members.add(ports, ana, room, tom.id)
    await reads.mark_read(ports, reads.Marks(ports), tom, room, 10**6)
    await parlour.until(lambda: line.of("inbox"), "an inbox")
    assert "last" not in line.of("inbox")[-1]
    await office.desk.sends(ana, room, "open")
    await parlour.until(lambda: line.of("inbox")[-1].get("last"), "a preview")
    assert line.of("inbox")[-1]["last"]["content"] == "open"
    assert "secret" not in str(line.frames)


async def test_a_preview_that_may_have_changed_unseen_is_not_shown(on_sqlite: Exchange) -> None:
    """The event that deleted it was lost; the store's tip says there was one."""
    ana, tom, room = await room_of_two(on_sqlite)
    line = on_sqlite.connect(tom, room)
    posted = await on_sqlite.office.desk.sends(ana, room, "regretted")
    await on_sqlite.until(lambda: line.of("inbox"), "an inbox")
    end = len(line.frames)
    on_sqlite.meddle = lambda events: []
    await editing.delete(on_sqlite.office.ports, ana, posted.message.id)
    on_sqlite.meddle = list
    on_sqlite.hub.on_tips([(on_sqlite.office.tenant, room, await on_sqlite.office.tip(room), 1)])
    await reads.mark_read(on_sqlite.office.ports, reads.Marks(on_sqlite.office.ports), tom, room, 10**6)
    await on_sqlite.until(lambda: line.frames[end:], "the next inbox")
    assert "regretted" not in str(line.frames[end:])


async def test_an_inbox_survives_a_store_that_was_away(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    ana, tom, room = await room_of_two(on_sqlite)
    bob = await on_sqlite.office.person("Bob")
    other = await on_sqlite.office.room(ana, bob)
    lines = [on_sqlite.connect(tom, room), on_sqlite.connect(bob, other)]
    asked: list[int] = []

    async def away(*args: Any) -> None:
        asked.append(1)
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(stored_rooms, "unread", away)
        await on_sqlite.office.desk.sends(ana, room, "hello")
        await on_sqlite.office.desk.sends(ana, other, "hello")
        await on_sqlite.until(lambda: len(asked) >= 2, "asking again")
    for line in lines:
        await on_sqlite.until(lambda line=line: line.of("inbox"), "an inbox")
        assert line.of("inbox")[-1]["unread"] == 1


async def test_a_message_counted_before_it_was_heard_of_is_counted_once(on_sqlite: Exchange) -> None:
    """The store is ahead of the bus, also when it counts."""
    ana, tom, room = await room_of_two(on_sqlite)
    line = on_sqlite.connect(tom, room)
    await on_sqlite.office.desk.sends(ana, room, "one")
    on_sqlite.keep()
    await on_sqlite.office.desk.sends(ana, room, "two")
    await on_sqlite.until(lambda: line.of("inbox"), "an inbox")
    assert line.of("inbox")[-1]["unread"] == 2
    on_sqlite.hand_over()
    await on_sqlite.until(lambda: len(line.of("inbox")) == 2, "the next inbox")
    assert line.of("inbox")[-1]["unread"] == 2


async def test_a_message_that_comes_while_others_are_counted_is_not_forgotten(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, tom, room = await room_of_two(on_sqlite)
    line = on_sqlite.connect(tom, room)
    count = stored_rooms.unread
    asked: list[int] = []

    async def meanwhile(*args: Any) -> Any:
        answer = await count(*args)
        asked.append(1)
        if len(asked) == 1:
            await on_sqlite.office.desk.sends(ana, room, "two")
        return answer

    monkeypatch.setattr(stored_rooms, "unread", meanwhile)
    await on_sqlite.office.desk.sends(ana, room, "one")
    await on_sqlite.until(lambda: line.of("inbox"), "an inbox")
    assert line.of("inbox")[-1]["unread"] == 2
    assert len(asked) == 2


async def test_what_one_left_while_the_welcome_was_read_stays_left(on_sqlite: Exchange) -> None:
    """The list of rooms was read before the ban; it must not bring the room back."""
    ana, tom, room = await room_of_two(on_sqlite)
    line = on_sqlite.connect(tom)
    await gone(on_sqlite, "ban", ana, tom, room)
    on_sqlite.hub.follow(tom.tenant, tom.id, {room: 3})
    end = len(line.frames)
    await on_sqlite.office.desk.sends(ana, room, "about Tom")
    await asyncio.sleep(TWO_INBOXES_S)
    assert line.frames[end:] == []


async def test_tips_name_the_rooms_that_moved(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    ana, tom, room = await room_of_two(on_sqlite)
    quiet = await on_sqlite.office.room(ana, tom)
    line = await on_sqlite.listener(tom, room)
    await on_sqlite.subscribe(line, quiet)
    await on_sqlite.office.desk.sends(ana, room, "hello")
    await on_sqlite.hub._streams.tell_tips()
    assert line.frames[-1] == {"type": "tips", "rooms": {room: await on_sqlite.office.tip(room)}}
    end = len(line.frames)
    await on_sqlite.hub._streams.tell_tips()
    assert line.frames[end:] == []


async def test_one_odd_socket_does_not_stop_the_heartbeat_of_the_others(on_sqlite: Exchange) -> None:
    """A bug met on the way must not silence the clock, or everybody would be closed as silent."""
    office = on_sqlite.office
    hub = Hub(office.db, office.clock, dict(office.ports.plugins.channels), prepare, heartbeat_s=0.02, silence_s=60)
    on_sqlite.hub, replaced = hub, on_sqlite.hub
    await replaced.close()
    odd, other = [on_sqlite.connect(await office.person(name)) for name in ("Odd", "Other")]

    def fails(frame: bytes) -> bool:
        odd.write_ephemeral = odd.write  # type: ignore[method-assign]
        raise RuntimeError("a bug")

    odd.write_ephemeral = fails  # type: ignore[method-assign]
    hub.start()
    await on_sqlite.until(lambda: len(other.of("ping")) >= 3, "three heartbeats")
    assert len(odd.of("ping")) >= 2


async def test_nothing_is_left_of_those_who_havegone(on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they went: unsubscribed, cut in the middle, thrown out, or with a hole open."""
    monkeypatch.setattr(reader, "SHARED_PAGE_S", 0.05)
    office = on_sqlite.office
    ana, tom, room = await room_of_two(on_sqlite)
    agent = await office.agent("Ada")
    lines = [on_sqlite.connect(who, room) for who in (ana, tom, tom, agent)]
    for line in lines[:3]:
        await on_sqlite.subscribe(line, room)
    on_sqlite.lose(await office.tip(room) + 1)
    for n in range(5):
        await office.desk.sends(ana, room, f"{n}")
    on_sqlite.meddle = list
    on_sqlite.hub.renew(lines[3].connection, lines[3].actor)
    lines[2].gate.clear()
    joining = asyncio.create_task(on_sqlite.subscribe(lines[2], room, since=1))
    await asyncio.sleep(0.02)
    await members.change_place(office.ports, ana, room, tom.id, state="left")
    for line in lines:
        on_sqlite.hub.remove(line.connection)
        line.close(1006)
    with suppress(DeskbellError):
        await joining
    await office.desk.sends(ana, room, "to nobody")
    await asyncio.sleep(TWO_INBOXES_S)
    await on_sqlite.hub._streams.tell_tips()
    hub = on_sqlite.hub
    parts = (hub, hub._ground, hub._inboxes, hub._streams)
    left = {name: kept for part in parts for name, kept in vars(part).items() if isinstance(kept, (dict, set)) and kept}
    assert left.keys() == {"_channels"}
    assert on_sqlite.hub.connection_count == on_sqlite.hub.room_count == 0
