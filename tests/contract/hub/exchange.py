"""The hub on a real store, with sockets that only write down what they are sent.

The bus lies between the journal and the hub, and here it is in the test's hands: it loses, doubles,
delays and reorders. Whatever it does, every socket's picture of a room ends as the store's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from deskbell.actions import access, members
from deskbell.errors import DeskbellError
from deskbell.hub import Connection, Hub, Subscription
from deskbell.ids import ConnectionId, RoomId, new_id
from deskbell.model.records import Actor
from deskbell.server.outbound import payloads, prepare
from deskbell.testing.heard import Heard, differences, in_store
from deskbell.testing.office import Office
from deskbell.wire.events import Event

PATIENCE_S = 10.0
INBOX_EVERY_S = 0.1
TWO_INBOXES_S = 2.5 * INBOX_EVERY_S


class Line:
    """A socket that writes down what it is sent. ``gate``: while it is clear, requested data waits."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.frames: list[dict[str, Any]] = []
        self.written: list[bytes] = []
        self.closed_with: int | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.connection: Connection
        self.heard: dict[str, Heard] = {}

    def write(self, frame: bytes) -> bool:
        if self.closed_with is not None:
            return False
        self.written.append(frame)
        for payload in payloads(frame):
            decoded = msgspec.json.decode(payload)
            self.frames.append(decoded)
            for heard in self.heard.values():
                heard.take(decoded)
        return True

    def write_ephemeral(self, frame: bytes) -> bool:
        return self.write(frame)

    async def write_paced(self, frame: bytes) -> bool:
        await self.gate.wait()
        return self.write(frame)

    def close(self, code: int, reason: str = "") -> None:
        self.closed_with = code
        self.gate.set()

    @property
    def closed(self) -> bool:
        return self.closed_with is not None

    def of(self, *types: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] in types]

    def room(self, room: RoomId) -> Heard:
        return self.heard.setdefault(room, Heard(room))


class Exchange:
    """An office with a hub in it. ``meddle`` turns what was announced into what the hub hears."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.meddle: Callable[[Sequence[Event]], Sequence[Event]] = list
        self.kept: list[Event] = []
        self.hub = Hub(office.db, office.clock, dict(office.ports.plugins.channels), prepare)
        self.open = True
        office.ports.bus.subscribe(self._hear)

    def _hear(self, events: Sequence[Event]) -> None:
        if self.open:
            self.hub.on_events(self.meddle(events))

    @classmethod
    @asynccontextmanager
    async def at(cls, office: Office) -> AsyncIterator[Exchange]:
        """A hub of one test's own; the office goes on."""
        exchange = cls(office)
        exchange.hub.start()
        try:
            yield exchange
        finally:
            exchange.open = False
            await exchange.hub.close()

    def connect(self, actor: Actor, *rooms: RoomId, tips: int = 0) -> Line:
        """A socket of somebody who is in ``rooms``."""
        line = Line(actor)
        line.connection = Connection(ConnectionId(new_id()), actor, line, asyncio.get_running_loop().time())
        self.hub.add(line.connection)
        self.hub.follow(actor.tenant, actor.id, dict.fromkeys(rooms, tips))
        return line

    async def subscribe(self, line: Line, room: RoomId, **position: Any) -> Subscription:
        """As the edge does it: first the place in the stream, then the question whether it may be taken."""
        line.room(room)
        subscription = self.hub.begin(line.connection, room)
        try:
            place = await access.room_for(self.office.ports, line.actor, room)
            if subscription.over:
                raise subscription.why
            await self.hub.subscribe(
                subscription,
                place.policy,
                place.member,
                since=position.get("since"),
                epoch=position.get("epoch"),
                ref="r",
                tip=place.room.seq,
            )
        except DeskbellError:
            if line.connection.rooms.get(room) is subscription:
                self.hub.unsubscribe(line.connection, room)
            raise
        return subscription

    async def listener(self, actor: Actor, room: RoomId, **position: Any) -> Line:
        line = self.connect(actor)
        await self.subscribe(line, room, **position)
        return line

    def lose(self, *numbers: int) -> None:
        """The bus loses the events with these numbers."""
        self.meddle = lambda events: [event for event in events if event.seq not in numbers]

    def keep(self) -> None:
        """The bus keeps what it is given, until :meth:`hand_over`."""

        def keep(events: Sequence[Event]) -> Sequence[Event]:
            self.kept += events
            return []

        self.meddle = keep

    def hand_over(self, order: Callable[[list[Event]], list[Event]] = list) -> None:
        """Bring what was kept, one by one, and whatever comes from now on."""
        self.meddle = list
        kept, self.kept = self.kept, []
        for event in order(kept):
            self.hub.on_events([event])

    async def until(self, condition: Callable[[], Any], what: str = "") -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"never happened: {what or condition}") from None

    async def level(self, line: Line, room: RoomId) -> None:
        """Wait until the line has heard everything, then compare its picture with the store's."""
        policy = self.office.ports.plugins.channels["group"].policy
        tip = await self.office.tip(room)
        heard = line.room(room)
        await self.until(lambda: heard.position == tip, f"position {tip}")
        assert differences(heard, await in_store(self.office.db, self.office.tenant, room, policy)) == []


async def room_of_two(exchange: Exchange) -> tuple[Actor, Actor, RoomId]:
    ana, tom = await exchange.office.person("Ana"), await exchange.office.person("Tom")
    return ana, tom, await exchange.office.room(ana, tom)


async def gone(exchange: Exchange, how: str, ana: Actor, tom: Actor, room: RoomId) -> None:
    """Tom leaves the room, or Ana puts him out: ``leave``, ``kick``, ``ban``."""
    ports = exchange.office.ports
    if how == "leave":
        await members.leave(ports, tom, room)
    else:
        await members.change_place(ports, ana, room, tom.id, state={"kick": "left", "ban": "banned"}[how])
