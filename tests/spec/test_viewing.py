"""Which conversation an agent looks at: colleagues see it while it is so, visitors never."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from deskbell.client import Client, Live, ViewersChanged
from deskbell.hub import Connection, viewers
from deskbell.hub.ground import Ground
from deskbell.hub.viewers import Viewers
from deskbell.ids import ConnectionId, RoomId, TenantId, UserId, new_id
from deskbell.model.records import Actor
from deskbell.server.outbound import payloads, prepare
from deskbell.testing.desk import PASSWORD, Desk, Line
from deskbell.volatile.bus import MemoryBus
from deskbell.wire.events import Event


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


def names(frame: dict[str, Any]) -> set[str]:
    return {user["name"] for user in frame["users"]}


async def sees(line: Line, room: str, *who: str) -> int:
    """Wait until a line was told that just these look at a room; how many frames it had then."""
    await line.find(lambda f: f["type"] == "viewing" and f["room"] == room and names(f) == set(who))
    return len(line.frames)


async def refusal(line: Line, room: str | None) -> str:
    reply = await line.ask({"type": "view", "room": room})
    return str(reply.get("code"))


async def test_agents_see_who_looks_at_what_until_they_look_elsewhere_or_go(desk: Desk) -> None:
    maya, ana, ben = await desk.visitor(), await desk.agent("Ana"), await desk.agent("Ben")
    room, other = await maya.conversation(), await maya.conversation(new=True)
    async with ana.line() as a, ben.line() as b:
        await a.send({"type": "view", "room": None})
        await b.send({"type": "view", "room": room})
        await sees(a, room, "Ben")
        await a.send({"type": "view", "room": room})
        await sees(b, room, "Ana", "Ben")
        mark = len(a.frames)
        await b.send({"type": "view", "room": other})
        await a.find(lambda f: f["type"] == "viewing" and f["room"] == other and names(f) == {"Ben"}, after=mark)
        await a.find(lambda f: f["type"] == "viewing" and f["room"] == room and names(f) == {"Ana"}, after=mark)
        await b.close()
        await a.find(lambda f: f["type"] == "viewing" and f["room"] == other and names(f) == set(), after=mark)


async def test_who_comes_later_is_told_what_the_others_look_at(desk: Desk) -> None:
    maya, ana, ben = await desk.visitor(), await desk.agent("Ana"), await desk.agent("Ben")
    room = await maya.conversation()
    async with ana.line() as a, ben.line() as b:
        await a.send({"type": "view", "room": room})
        await sees(a, room, "Ana")
        assert not [f for f in b.frames if f["type"] == "viewing"], "nobody is told who did not ask for it"
        await b.send({"type": "view", "room": None})
        await sees(b, room, "Ana")


async def test_one_who_looks_with_two_windows_is_one_and_stays_with_the_last(desk: Desk) -> None:
    maya, ana, ben = await desk.visitor(), await desk.agent("Ana"), await desk.agent("Ben")
    room = await maya.conversation()
    async with ana.line() as first, ana.line() as second, ben.line() as b:
        await b.send({"type": "view", "room": None})
        await first.send({"type": "view", "room": room})
        await second.send({"type": "view", "room": room})
        mark = await sees(b, room, "Ana")
        await first.close()
        await asyncio.sleep(2 * viewers.GATHER_S)
        assert not [f for f in b.frames[mark:] if f["type"] == "viewing"]
        await second.send({"type": "view", "room": None})
        await b.find(lambda f: f["type"] == "viewing" and f["users"] == [], after=mark)


async def test_visitors_other_tenants_and_rooms_that_are_none_of_support(desk: Desk) -> None:
    """The visitor whose conversation is looked at hears nothing, and cannot ask."""
    maya, ana, tom = await desk.visitor(), await desk.agent("Ana"), await desk.member("Tom")
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    room, group = await maya.conversation(), await tom.group(ana)
    backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
    async with maya.line() as m, ana.line() as a, tom.line() as t, eve.line() as e:
        await m.subscribe(room)
        await e.send({"type": "view", "room": None})
        for line, where, code in (
            (m, room, "forbidden"),
            (m, None, "forbidden"),
            (t, None, "forbidden"),
            (e, room, "not_found"),
            (a, group, "conflict"),
            (a, backstage, "conflict"),
            (a, "no id", "not_found"),
            (a, new_id(), "not_found"),
        ):
            assert await refusal(line, where) == code
        await a.send({"type": "view", "room": room})
        await sees(a, room, "Ana")
        await asyncio.sleep(2 * viewers.GATHER_S)
        for line in (m, t, e):
            assert not [f for f in line.frames if f["type"] in ("viewing", "looks")]


async def test_a_program_says_what_it_looks_at_and_hears_the_others(desk: Desk) -> None:
    maya, ana, ben = await desk.visitor(), await desk.agent("Ana"), await desk.agent("Ben")
    room = await maya.conversation()
    heard: asyncio.Queue[ViewersChanged] = asyncio.Queue()

    again = asyncio.Event()

    def take(event: Any) -> None:
        if isinstance(event, Live) and event.again:
            again.set()
        if isinstance(event, ViewersChanged) and event.room == room:
            heard.put_nowait(event)

    async with Client.login(desk.url, ana.email, PASSWORD, on_event=take) as client, ben.line() as b:
        await asyncio.wait_for(client.subscribe(room), 10)
        client.looks_at(room)
        await b.send({"type": "view", "room": room})
        while {user.name for user in (await asyncio.wait_for(heard.get(), 10)).users} != {"Ana", "Ben"}:
            pass
        assert {user.name for user in client.viewers[room]} == {"Ana", "Ben"}
        # The network ends the socket: what it looks at is said again.
        for connection in desk.application.edge.hub.connections_of(desk.tenant, ana.id):
            connection.out.close(4002, "server error")
        await asyncio.wait_for(again.wait(), 10)
        await asyncio.sleep(2 * viewers.GATHER_S)
        async with (await desk.agent("Cal")).line() as c:
            await c.send({"type": "view", "room": None})
            await sees(c, room, "Ana", "Ben")
        await desk.until(lambda: {user.name for user in client.viewers.get(room, ())} == {"Ana", "Ben"})


# instances, by hand


class _Out:
    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, frame: bytes) -> bool:
        self.written += payloads(frame)
        return True


class _Instance:
    """A process with one agent's socket, on a bus and a clock in the test's hands."""

    def __init__(self, bus: MemoryBus, name: str) -> None:
        self.now = 0.0
        self.out = _Out()
        self.deaf = False
        self.viewers = Viewers(Ground(cast(Any, None), {}, prepare, bus), lambda: self.now)
        actor = Actor(TenantId("t"), UserId(name), "agent", name, "agent")
        self.socket = Connection(ConnectionId(new_id()), actor, cast(Any, self.out), 0.0)
        bus.subscribe(self._hear)

    def _hear(self, events: Any) -> None:
        event: Event
        for event in events:
            if not self.deaf:
                self.viewers.hear(event)

    async def told(self) -> str:
        await asyncio.sleep(2 * viewers.GATHER_S)
        return self.out.written[-1].decode() if self.out.written else ""


async def test_what_an_instance_no_longer_says_ends_by_itself_and_what_it_says_again_lasts() -> None:
    bus = MemoryBus()
    here, there = _Instance(bus, "ana"), _Instance(bus, "ben")
    here.viewers.look(here.socket, None)
    there.viewers.look(there.socket, RoomId("r"))
    assert "ben" in await here.told()
    for _ in range(4):  # it goes on looking, for longer than one word lasts
        here.now += viewers.RENEW_EVERY_S
        await there.viewers.renew()
        await here.viewers.renew()
    assert "ben" in await here.told() and len(here.out.written) == 1
    here.now += viewers.LASTS_S + 1  # the other one has died
    await here.viewers.renew()
    assert '"users":[]' in await here.told()


async def test_an_instance_that_missed_a_word_learns_it_with_the_next() -> None:
    bus = MemoryBus()
    here, there = _Instance(bus, "ana"), _Instance(bus, "ben")
    here.viewers.look(here.socket, None)
    here.deaf = True
    there.viewers.look(there.socket, RoomId("r"))
    assert await here.told() == ""
    here.deaf = False
    await there.viewers.renew()
    assert "ben" in await here.told()
