"""Nobody hears what is not for them: after leaving or a ban, from before they joined, in rooms that only count."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from deskbell.actions import access, editing, members, presence, reactions, reads
from deskbell.errors import Conflict, NotFound
from deskbell.hub import reader
from deskbell.store import pages
from deskbell.wire.events import Event

from .exchange import TWO_INBOXES_S, Exchange, gone, room_of_two


@pytest.mark.parametrize("how", ["leave", "kick", "ban"])
async def test_who_is_no_longer_in_the_room_hears_nothing_more(on_sqlite: Exchange, how: str) -> None:
    ana, tom, room = await room_of_two(on_sqlite)
    line = on_sqlite.connect(tom, room)
    await on_sqlite.subscribe(line, room)
    witness = await on_sqlite.listener(ana, room)

    await gone(on_sqlite, how, ana, tom, room)
    end = len(line.frames)
    await on_sqlite.office.desk.sends(ana, room, "about Tom")
    presence.tell_typing(on_sqlite.office.ports, ana, room, on=True)
    await asyncio.sleep(TWO_INBOXES_S)

    assert line.frames[end:] == []
    assert line.frames[-1]["type"] == "inbox"
    assert line.frames[-1]["removed"] is True
    await on_sqlite.level(witness, room)
    with pytest.raises(NotFound):
        await on_sqlite.subscribe(line, room, since=1)
    assert line.frames[end:] == []


@pytest.mark.parametrize("how", ["leave", "kick", "ban"])
@pytest.mark.parametrize("moment", ["asking", "reading", "waiting for the socket"])
async def test_a_ban_while_somebody_subscribes_wins(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch, how: str, moment: str
) -> None:
    """Wherever the subscription is at that moment, what was said after the ban does not arrive."""
    ana, tom, room = await room_of_two(on_sqlite)
    line = on_sqlite.connect(tom)
    reached, go_on = asyncio.Event(), asyncio.Event()
    target, name = {"asking": (access, "room_for"), "reading": (pages, "first")}.get(moment, (None, ""))
    if target is not None:
        original = getattr(target, name)

        async def slowly(*args: Any, **options: Any) -> Any:
            answer = await original(*args, **options)
            if not go_on.is_set():
                reached.set()
                await go_on.wait()
            return answer

        monkeypatch.setattr(target, name, slowly)
    else:
        line.gate.clear()
        reached.set()
    joining = asyncio.create_task(on_sqlite.subscribe(line, room))
    await reached.wait()
    await asyncio.sleep(0.05)
    if target is not None:
        monkeypatch.undo()

    await gone(on_sqlite, how, ana, tom, room)
    await on_sqlite.office.desk.sends(ana, room, "after the end")
    go_on.set()
    line.gate.set()
    if moment == "waiting for the socket":
        await joining  # it had been answered, and ended there
    else:
        with pytest.raises(NotFound):
            await joining
    await on_sqlite.office.desk.sends(ana, room, "and more")
    await asyncio.sleep(0.1)

    assert line.of("message", "changes", "room") == []
    assert all("after the end" not in str(frame) for frame in line.frames)
    assert line.connection.rooms == {}


async def test_staff_who_leave_a_group_hear_no_more_of_it_than_anybody(on_sqlite: Exchange) -> None:
    """Standing behind the counter of support rooms is no window into the team's other rooms."""
    ana = await on_sqlite.office.person("Ana")
    agent = await on_sqlite.office.agent("Ada")
    room = await on_sqlite.office.room(ana, agent)
    line = on_sqlite.connect(agent, room)
    await on_sqlite.subscribe(line, room)
    await members.leave(on_sqlite.office.ports, agent, room)
    end = len(line.frames)
    await on_sqlite.office.desk.sends(ana, room, "without Ada")
    await asyncio.sleep(0.1)
    assert line.frames[end:] == []


async def test_a_second_subscription_of_a_socket_replaces_the_first(on_sqlite: Exchange) -> None:
    ana, tom, room = await room_of_two(on_sqlite)
    line = on_sqlite.connect(tom)
    line.gate.clear()
    first = asyncio.create_task(on_sqlite.subscribe(line, room))
    await asyncio.sleep(0)
    second = asyncio.create_task(on_sqlite.subscribe(line, room))
    await asyncio.sleep(0.05)
    line.gate.set()
    with pytest.raises(Conflict):
        await first
    await second
    await on_sqlite.office.desk.sends(ana, room, "once")
    assert len(line.of("subscribed")) == 1
    await on_sqlite.level(line, room)


# history since joining


async def test_where_history_begins_with_joining_no_byte_from_before_gets_out(parlour: Exchange) -> None:
    """Not by the first page, not by changes of old messages, not by resuming, not by a heal."""
    office, ports = parlour.office, parlour.office.ports
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana)
    old = [await office.desk.sends(ana, room, f"secret {n}") for n in range(5)]
    witness = await parlour.listener(ana, room)
    await members.add(ports, ana, room, tom.id)
    line = parlour.connect(tom, room)
    await parlour.subscribe(line, room)
    before = line.room(room).position

    await editing.edit(ports, ana, old[0].message.id, "secret, edited")
    await reactions.react(ports, ana, old[1].message.id, "🔥", on=True)
    await office.desk.sends(ana, room, "in the thread", thread=old[2].message.id)
    await office.desk.sends(ana, room, "an answer", reply_to=old[3].message.id)
    await editing.delete(ports, ana, old[4].message.id)
    tip = await office.tip(room)
    assert line.room(room).position == tip
    assert line.room(room).new == ["in the thread", "an answer"]
    assert [frame["type"] for frame in line.frames if "seq" in frame and frame["type"] != "inbox"][1:] == [
        "skip", "skip", "message", "skip", "message", "skip",
    ]  # fmt: skip

    again = await parlour.listener(tom, room, since=before)
    parlour.lose(tip + 1)
    await editing.edit(ports, ana, old[0].message.id, "secret, again")
    await office.desk.sends(ana, room, "open")
    for each in (line, again):
        await parlour.until(lambda each=each: each.room(room).position == tip + 2, "healed")
        assert "secret" not in str(each.frames)
        assert each.room(room).holes == each.room(room).repeats == []
        assert "open" in str(each.frames)
    await parlour.level(witness, room)


async def test_who_has_joined_again_where_history_begins_with_joining_starts_anew(parlour: Exchange) -> None:
    office, ports = parlour.office, parlour.office.ports
    ana, tom = await office.person("Ana"), await office.person("Tom")
    room = await office.room(ana, tom)
    line = await parlour.listener(tom, room)
    position = line.room(room).position
    await members.leave(ports, tom, room)
    await office.desk.sends(ana, room, "secret")
    await members.add(ports, ana, room, tom.id)

    again = await parlour.listener(tom, room, since=position)
    assert [frame["type"] for frame in again.frames] == ["reset"]
    fresh = await parlour.listener(tom, room)
    assert fresh.of("subscribed")[0]["messages"] == []
    assert "secret" not in str(line.frames + again.frames + fresh.frames)


# counted rosters


async def test_in_a_counted_room_coming_and_going_is_silent(
    on_sqlite: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No number, no frame; but a count, those above members, and oneself. And who goes hears no more."""
    monkeypatch.setattr(reader, "SHARED_PAGE_S", 0)
    office, ports = on_sqlite.office, on_sqlite.office.ports
    ada = await office.agent("Ada")
    crowd = [await office.person(f"P{n}") for n in range(8)]
    room = await office.room(ada, channel_type="community")
    witness = await on_sqlite.listener(ada, room)
    tip = await office.tip(room)
    for who in crowd:
        await members.join(ports, who, room)
    line = on_sqlite.connect(crowd[0], room)
    await on_sqlite.subscribe(line, room)

    (subscribed,) = line.of("subscribed")
    assert await office.tip(room) == tip == subscribed["seq"]
    assert subscribed["participant_count"] == 9
    assert {p["user"]["name"] for p in subscribed["participants"]} == {"Ada", "P0"}
    assert subscribed["reads"].keys() <= {crowd[0].id}
    assert witness.of("participant", "presence", "receipt") == []

    for who in crowd:
        presence.tell_typing(ports, who, room, on=True)
    assert [frame["user"] for frame in witness.of("typing")] == [who.id for who in crowd[:5]]
    presence.tell_typing(ports, crowd[0], room, on=False)
    presence.tell_typing(ports, crowd[7], room, on=True)
    assert [(frame["user"], frame["on"]) for frame in witness.of("typing")[5:]] == [
        (crowd[0].id, False), (crowd[7].id, True),
    ]  # fmt: skip
    await presence.announce(ports, office.tenant, crowd[0].id, [room])
    marks = reads.Marks(ports)
    await reads.mark_read(ports, marks, crowd[0], room, tip)
    assert witness.of("presence", "receipt") == []

    await members.leave(ports, crowd[0], room)
    end = len(line.frames)
    await office.desk.sends(ada, room, "to those who stay")
    await asyncio.sleep(TWO_INBOXES_S)
    assert line.frames[end:] == []
    assert witness.room(room).new == ["to those who stay"]


async def test_who_is_no_longer_staff_is_told_no_more_cases(on_sqlite: Exchange) -> None:
    """A new token may say less than the old one."""
    agent = await on_sqlite.office.agent("Ada")
    line = on_sqlite.connect(agent)
    case = Event(on_sqlite.office.tenant, "staff", "support", "case", 0, b'{"type":"case"}')
    on_sqlite.hub.on_events([case])
    on_sqlite.hub.renew(line.connection, msgspec.structs.replace(agent, role=""))
    on_sqlite.hub.on_events([case])
    assert len(line.of("case")) == 1
