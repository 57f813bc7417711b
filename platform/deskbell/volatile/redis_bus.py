"""The bus of several processes, over Redis pub/sub. See :mod:`deskbell.volatile.bus` for what a bus promises.

What is published goes to the subscribers of this process at once. The rest happens behind the caller:
what gathers for one topic while the last pipeline is under way leaves as one PUBLISH, and an instance
drops its own echo. A full line loses events, as a Redis that is away does: that is counted, and
``degraded`` says that the store must be asked instead.

Topics are ``{tenant}:room:{id}``, ``{tenant}:typing:{id}``, ``{tenant}:user:{id}`` and
``{tenant}:staff``. An instance subscribes to those somebody here is interested in, and a little longer,
so that a line that is cut and comes back costs nothing. On a cluster it is the sharded kind, one line
per server. Pub/sub loses silently; a line that says nothing is therefore asked whether it still holds,
and when it is back the watchers are told, so that they compare with the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import structlog
from redis.asyncio.connection import AbstractConnection

from deskbell.ids import TenantId
from deskbell.volatile.bus import Interest, Subscriber, hand_over
from deskbell.volatile.redis_link import FAILURES, FIRST_PAUSE_S, LONGEST_PAUSE_S, Address, Command, Link
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

MARK = b"D1"
"""Begins every payload: ours, and in this form."""
CALL = "deskbell:look"
"""What an instance says that was cut off: others may have missed what it could not publish."""
ORIGIN_BYTES = 8
MAX_OUTGOING = 20_000
MAX_OUTGOING_BYTES = 16 * 1024 * 1024
MAX_PAYLOAD_BYTES = 1024 * 1024
LINGER_S = 10.0
LISTENS_WITHIN_S = 1.0
CHANNELS_AT_ONCE = 500
BREATHE_AFTER = 64

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Event])


class _User(msgspec.Struct):
    id: str


class _Participant(msgspec.Struct):
    user: _User


class _Place(msgspec.Struct):
    """Of a ``participant`` frame, whose place it is about."""

    participant: _Participant


_place = msgspec.json.Decoder(_Place)


def topic_of(event: Event) -> str:
    """The channel of an event."""
    if event.topic == "staff":
        return f"{event.tenant}:staff"
    return channel(event.tenant, "typing" if event.kind == "typing" else event.topic, event.key)


def channel(tenant: TenantId, topic: Interest, key: str) -> str:
    return f"{tenant}:staff" if topic == "staff" else f"{tenant}:{topic}:{key}"


class RedisBus:
    """See the module. ``lost`` counts events that were not published, ``heard`` those that came from elsewhere.

    Args:
        ping_s: A line that has said nothing for this long is asked; twice, and it is given up.
    """

    def __init__(self, link: Link, *, ping_s: float = 1.0, linger_s: float = LINGER_S) -> None:
        self._link = link
        self._ping_s = ping_s
        self._linger_s = linger_s
        self._origin = os.urandom(ORIGIN_BYTES)
        self._head = MARK + self._origin
        self._subscribers: list[Subscriber] = []
        self._watchers: list[Callable[[bool], None]] = []
        self._outgoing: dict[str, list[Event]] = {}
        self._standing = 0
        self._bytes = 0
        self._full = False
        self._interests: Counter[str] = Counter()
        self._lines: dict[Address, _Line] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = False
        self._was_degraded = True
        self._was_up = False
        self.lost = 0
        self.heard = 0
        link.feed(self._parcels)
        link.watch(self._link_turned)

    # the bus

    @property
    def degraded(self) -> bool:
        return (
            self._full or not self._link.up or not self._lines or not all(line.ready for line in self._lines.values())
        )

    def subscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.append(subscriber)

    def publish(self, events: Sequence[Event]) -> None:
        if self._closed:
            return
        hand_over(self._subscribers, events)
        if not self._link.up:
            self.lost += len(events)
            return
        for event in events:
            if self._standing >= MAX_OUTGOING or self._bytes + len(event.frame) > MAX_OUTGOING_BYTES:
                self.lost += 1
                self._full = True
                continue
            self._standing += 1
            self._bytes += len(event.frame)
            self._outgoing.setdefault(topic_of(event), []).append(event)
            if event.kind == "participant":
                # Where they have a socket nobody may know this room yet.
                user = _place.decode(event.frame).participant.user.id
                self._outgoing.setdefault(channel(event.tenant, "user", user), []).append(event)
        if self._full:
            self._changed()
        self._link.wake()

    def interest(self, tenant: TenantId, topic: Interest, key: str, on: bool) -> None:
        name = channel(tenant, topic, key)
        if not on:
            self._interests[name] -= 1
            if self._interests[name] <= 0:
                del self._interests[name]
            return
        self._interests[name] += 1
        line = self._line_for(name)
        if line is not None:
            line.want(name)

    async def listening(self, tenant: TenantId, topic: Interest, key: str) -> None:
        name = channel(tenant, topic, key)
        line = self._line_for(name)
        if line is None or not line.ready or name in line.confirmed:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTENS_WITHIN_S):
                await line.heard_of(name)

    def watch(self, changed: Callable[[bool], None]) -> None:
        self._watchers.append(changed)

    async def start(self) -> None:
        """Begin to listen, and wait a moment until that holds. The link was started before."""
        self._sweeper = asyncio.create_task(self._sweep(), name="bus-sweeper")
        self._link_turned(self._link.up)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTENS_WITHIN_S):
                while self._link.up and self.degraded:
                    await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Tell nobody any more. What was published still leaves with the link's end."""
        self._closed = True
        self._subscribers.clear()
        self._watchers.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        lines, self._lines = self._lines, {}
        for line in lines.values():
            await line.close()

    # going out

    def _parcels(self) -> list[Command]:
        """What has gathered, one command per topic; the link asks when it can take it."""
        outgoing, self._outgoing = self._outgoing, {}
        self._standing = self._bytes = 0
        if self._full:
            self._full = False
            self._changed()
            self._call()
        verb = "SPUBLISH" if self._link.cluster else "PUBLISH"
        return [(verb, name, payload) for name, events in outgoing.items() for payload in self._payloads(events)]

    def _payloads(self, events: list[Event]) -> Iterable[bytes]:
        first = size = 0
        for index, event in enumerate(events):
            if size and size + len(event.frame) > MAX_PAYLOAD_BYTES:
                yield self._head + _encoder.encode(events[first:index])
                first, size = index, 0
            size += len(event.frame)
        yield self._head + _encoder.encode(events[first:])

    # coming in

    def _take(self, name: bytes, payload: bytes) -> None:
        if payload.startswith(self._head) or self._closed:
            return
        if name == CALL.encode():
            log.info("bus_look")
            self._tell(self.degraded)
            return
        if not payload.startswith(MARK):
            log.warning("bus_payload_unknown")  # of another version: the store has it as well
            return
        try:
            events = _decoder.decode(memoryview(payload)[len(self._head) :])
        except msgspec.DecodeError:
            log.warning("bus_payload_unknown")
            return
        if b":user:" in name:
            # Of a room that is listened to here anyway, it comes that way.
            events = [event for event in events if event.topic == "user" or not self._hears(topic_of(event))]
        self.heard += len(events)
        if events:
            hand_over(self._subscribers, events)

    def _hears(self, name: str) -> bool:
        line = self._line_for(name)
        return line is not None and name in line.confirmed

    # whether it holds

    def _link_turned(self, up: bool) -> None:
        if self._closed:
            return
        if not up:
            self.lost += self._standing
            self._outgoing.clear()
            self._standing = self._bytes = 0
            self._full = False
        else:
            self._relay()
            if self._was_up:
                self._call()
            self._was_up = True
        self._changed()

    def _call(self) -> None:
        """Tell the others that they may have missed something of ours."""
        self._link.tell(("SPUBLISH" if self._link.cluster else "PUBLISH", CALL, self._head))

    def _relay(self) -> None:
        """Put every topic on the line of the server that has it now."""
        addresses = self._link.addresses
        for address in [address for address in self._lines if address not in addresses]:
            self._lines.pop(address).stop()
        wanted: dict[Address, set[str]] = {address: set() for address in addresses}
        for name in (CALL, *self._interests):
            has_it = self._link.address_of(name)
            if has_it in wanted:
                wanted[has_it].add(name)
        for address, names in wanted.items():
            if address not in self._lines:
                self._lines[address] = _Line(self, self._link, address, self._ping_s)
            self._lines[address].want_only(names)

    def _line_for(self, name: str) -> _Line | None:
        address = self._link.address_of(name) if self._lines else None
        return self._lines.get(address) if address is not None else None

    def _changed(self) -> None:
        degraded = self.degraded
        if degraded != self._was_degraded:
            self._was_degraded = degraded
            log.warning("bus_degraded") if degraded else log.info("bus_whole")
            self._tell(degraded)

    def _tell(self, degraded: bool) -> None:
        for watcher in self._watchers:
            try:
                watcher(degraded)
            except Exception:
                log.exception("bus_watcher_failed")

    async def _sweep(self) -> None:
        """Let go of topics nobody has been interested in for a while."""
        idle: set[str] = set()
        while True:
            await asyncio.sleep(self._linger_s)
            unwanted = {
                name for line in self._lines.values() for name in line.wanted if name not in self._interests
            } - {CALL}
            for line in self._lines.values():
                line.want_no_more(unwanted & idle)
            idle = unwanted - idle


class _Line:
    """A connection that listens to one server. ``ready``: all that was wanted when it connected is heard of."""

    def __init__(self, bus: RedisBus, link: Link, address: Address, ping_s: float) -> None:
        self._bus = bus
        self._link = link
        self._address = address
        self._ping_s = ping_s
        self._verb = "S" if link.cluster else ""
        self._asked: set[str] = set()
        self._due: set[str] = set()
        self._changed = asyncio.Event()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self.wanted: set[str] = set()
        self.confirmed: set[str] = set()
        self.ready = False
        self._connected = False
        self._task = asyncio.create_task(self._run(), name="bus-line")

    def want(self, name: str) -> None:
        if name not in self.wanted:
            self.wanted.add(name)
            self._changed.set()

    def want_no_more(self, names: set[str]) -> None:
        if names & self.wanted:
            self.wanted -= names
            self._changed.set()

    def want_only(self, names: set[str]) -> None:
        if names != self.wanted:
            self.wanted = set(names)
            self._changed.set()

    async def heard_of(self, name: str) -> None:
        """Wait until the server says that it will tell us; or the line is lost."""
        if name not in self._waiting:
            self._waiting[name] = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._waiting[name])

    def stop(self) -> None:
        self._task.cancel()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            connection = self._link.connection(self._address)
            try:
                await self._hold(connection)
            except FAILURES as error:
                log.warning("bus_line_lost", error=type(error).__name__)
                if self.ready:
                    pause_s = FIRST_PAUSE_S
            except Exception:
                log.exception("bus_line_failed")
            finally:
                self.ready = self._connected = False
                self.confirmed.clear()
                self._asked.clear()
                for waiting in self._waiting.values():
                    if not waiting.done():
                        waiting.set_result(None)
                self._waiting.clear()
                with contextlib.suppress(*FAILURES):
                    await connection.disconnect(nowait=True)
            self._bus._changed()
            if self._link.cluster:
                self._link.reconsider()  # the slots may be elsewhere now
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _hold(self, connection: AbstractConnection) -> None:
        await connection.connect()  # type: ignore[no-untyped-call]
        self._connected = True
        self._due = set(self.wanted)
        self._changed.set()
        tasks = {asyncio.create_task(self._write(connection)), asyncio.create_task(self._read(connection))}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, connection: AbstractConnection) -> None:
        """Say what is wanted, and what no longer is."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            # One server may be asked for many at once; of a shard's topics each has a slot of its own.
            at_once = 1 if self._verb else CHANNELS_AT_ONCE
            for verb, names in (
                (f"{self._verb}SUBSCRIBE", self.wanted - self._asked),
                (f"{self._verb}UNSUBSCRIBE", self._asked - self.wanted),
            ):
                listed = sorted(names)
                commands = [(verb, *listed[at : at + at_once]) for at in range(0, len(listed), at_once)]
                # Noted before it is sent: the answer may be read before sending has returned.
                if verb.endswith("UNSUBSCRIBE"):
                    self._asked -= names
                    self.confirmed -= names
                else:
                    self._asked |= names
                if commands:
                    await connection.send_packed_command(connection.pack_commands(commands))
            self._look()

    async def _read(self, connection: AbstractConnection) -> None:
        asked = False
        count = 0
        while True:
            # A timeout of ours comes back as None; the connection goes on.
            answer: Any = await connection.read_response(timeout=self._ping_s)
            if answer is None:
                if asked:
                    raise TimeoutError("the line is silent")
                asked = True
                await connection.send_packed_command(connection.pack_command("PING"))
                continue
            asked = False
            if isinstance(answer, list) and len(answer) == 3:
                self._take(*answer)
            count += 1
            if count % BREATHE_AFTER == 0:
                await asyncio.sleep(0)  # what is buffered is read without ever waiting

    def _take(self, kind: bytes, name: bytes, rest: Any) -> None:
        if kind in (b"message", b"smessage"):
            self._bus._take(name, rest)
        elif kind in (b"subscribe", b"ssubscribe"):
            text = name.decode()
            if text in self._asked:
                self.confirmed.add(text)
            waiting = self._waiting.pop(text, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
            self._due.discard(text)
            self._look()
        elif kind == b"sunsubscribe" and name is not None and name.decode() in self._asked:
            raise ConnectionError("the slot has moved")

    def _look(self) -> None:
        if not self.ready and self._connected and not self._due & self.wanted:
            self.ready = True
            self._bus._changed()
