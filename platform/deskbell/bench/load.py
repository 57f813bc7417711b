"""The load: thousands of sockets in one event loop, and two ways to drive them.

:func:`open_all` lets callers in; :class:`Broadcast` keeps a room saturated with a bounded number of
messages under way; :class:`AckedSends` keeps a number of sends per socket in flight, each followed by
the next when its ack comes. Both run until they are stopped by whoever takes the time.

What is said and expected is data (:class:`Caller`, :class:`Speech`), so the same loop talks to the
server and to every peer.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from deskbell.bench import frames
from deskbell.bench.processes import BenchFailed


@dataclass(frozen=True)
class Speech:
    """The words of one protocol, as far as a load client must know them."""

    delivery: bytes
    """Stands near the beginning of every message that reaches a member, and of nothing else."""
    ack: bytes | None
    """How the reply to a send begins; ``None`` where there is none."""
    refusal: bytes
    """How the reply to a refused send begins."""
    heartbeats: dict[bytes, bytes] = field(default_factory=dict)
    """Beginning of a heartbeat -> what to answer."""


@dataclass(frozen=True)
class Step:
    """Wait for a message that begins with ``expect``, then say ``say``."""

    expect: bytes
    say: bytes | None = None


@dataclass(frozen=True)
class Caller:
    """One socket to open: the path, and what is said until it is in its room."""

    path: str
    script: tuple[Step, ...] = ()


class Tally:
    """What all sockets of one measurement have seen together."""

    def __init__(self) -> None:
        self.delivered = 0
        self.delivered_bytes = 0
        self.acked = 0
        self.refused = 0
        self.lost = 0
        self.first_refusal = ""
        self.first_loss = ""
        self.wake_at = 0
        """:attr:`on_wake` is called once :attr:`delivered` has reached this number."""
        self.on_wake: Callable[[], None] | None = None

    def check(self) -> None:
        """Raise :class:`BenchFailed` when a send was refused or a socket was lost."""
        if self.refused:
            raise BenchFailed(f"{self.refused} sends refused, first: {self.first_refusal}")
        if self.lost:
            raise BenchFailed(f"{self.lost} sockets lost, first: {self.first_loss}")


class Socket(asyncio.Protocol):
    """One WebSocket of the load. :attr:`ready` is done when its script is through."""

    def __init__(self, host: str, caller: Caller, speech: Speech, tally: Tally) -> None:
        self._host = host
        self._caller = caller
        self._speech = speech
        self._tally = tally
        self._counter: frames.FrameCounter | None = None
        self._response = b""
        self._step = 0
        self._cutting = False
        self._transport: asyncio.Transport | None = None
        self.ready: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        """Resolves to the last message the script waited for."""
        self.on_ack: Callable[[Socket], None] | None = None
        self.on_text: Callable[[bytes], None] | None = None
        """Is told every other text message that nobody here waited for."""

    # -- speaking

    def say(self, payload: bytes) -> None:
        """Send one text message."""
        assert self._transport is not None
        self._transport.write(frames.client_frame(payload))

    def cut(self) -> None:
        """Drop the connection without a word, as a lost network does; not counted as lost."""
        self._cutting = True
        if self._transport is not None:
            self._transport.abort()

    def hand_over(self) -> socket.socket:
        """Stop hearing through the event loop; whoever takes the socket feeds :meth:`data_received`.

        It is the transport's own descriptor, which the transport closes: detach it instead.
        """
        assert self._transport is not None
        self._transport.pause_reading()
        return socket.socket(fileno=self._transport.get_extra_info("socket").fileno())

    # -- hearing

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class, only by methods
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {self._caller.path} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        counter = self._counter
        if counter is None:
            self._response += data
            head, found, data = self._response.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._give_up(f"no upgrade: {head[:80].decode(errors='replace')}")
                return
            self._response = b""
            counter = self._counter = frames.FrameCounter(self._speech.delivery, self._other)
            if not self._caller.script:
                self.ready.set_result(b"")
            if not data:
                return
        tally = self._tally
        before = counter.delivered_bytes
        found_here = counter.feed(data)
        if found_here:
            tally.delivered += found_here
            tally.delivered_bytes += counter.delivered_bytes - before
            if tally.delivered >= tally.wake_at and tally.on_wake is not None:
                tally.on_wake()

    def _other(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.TEXT:
            self._text(payload)
        elif opcode == frames.PING:
            assert self._transport is not None
            self._transport.write(frames.client_frame(payload, frames.PONG))
        elif opcode == frames.CLOSE:
            code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
            self._give_up(f"closed with {code} {payload[2:].decode(errors='replace')}".rstrip())

    def _text(self, payload: bytes) -> None:
        speech = self._speech
        if speech.ack is not None and payload.startswith(speech.ack):
            self._tally.acked += 1
            if self.on_ack is not None:
                self.on_ack(self)
            return
        for heartbeat, answer in speech.heartbeats.items():
            if payload.startswith(heartbeat):
                self.say(answer)
                return
        script = self._caller.script
        if self._step < len(script) and payload.startswith(script[self._step].expect):
            say = script[self._step].say
            self._step += 1
            if say is not None:
                self.say(say)
            if self._step == len(script) and not self.ready.done():
                self.ready.set_result(payload)
        elif payload.startswith(speech.refusal):
            if not self.ready.done():
                self._give_up(payload[:300].decode(errors="replace"))
            else:
                self._tally.refused += 1
                self._tally.first_refusal = self._tally.first_refusal or payload[:300].decode(errors="replace")
        elif self.on_text is not None:
            self.on_text(payload)

    def connection_lost(self, exc: Exception | None) -> None:
        self._give_up(f"connection lost: {exc or 'by the server'}")

    def _give_up(self, why: str) -> None:
        if self._cutting:
            return
        if not self.ready.done():
            self.ready.set_exception(BenchFailed(why))
        else:
            self._tally.lost += 1
            self._tally.first_loss = self._tally.first_loss or why
        self.cut()


async def open_all(
    ports: Sequence[int],
    callers: Sequence[Caller],
    speech: Speech,
    tally: Tally,
    *,
    at_once: int = 100,
    timeout_s: float = 60,
    opened: Callable[[], None] | None = None,
) -> list[Socket]:
    """Open a socket for every caller, ``at_once`` at a time, and wait until all are in their rooms.

    Args:
        ports: Where callers go in turn, the first to the first.

    Raises:
        BenchFailed: One of them was refused, or the whole took longer than ``timeout_s``.
    """
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(at_once)
    sockets: list[Socket] = []
    inside = 0

    async def enter(caller: Caller, port: int) -> Socket:
        async with gate:
            _, made = await loop.create_connection(
                lambda: Socket(f"127.0.0.1:{port}", caller, speech, tally), "127.0.0.1", port
            )
            sockets.append(made)
            await made.ready
            nonlocal inside
            inside += 1
            if opened is not None:
                opened()
            return made

    try:
        async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as group:
            tasks = [group.create_task(enter(caller, port)) for caller, port in zip(callers, itertools.cycle(ports))]
    except BaseException as failure:
        cut_all(sockets)
        if isinstance(failure, TimeoutError):
            raise BenchFailed(f"only {inside} of {len(callers)} sockets in after {timeout_s:g} s") from None
        if isinstance(failure, BaseExceptionGroup):
            raise BenchFailed(f"could not enter: {failure.exceptions[0]}") from None
        raise
    return [task.result() for task in tasks]


def cut_all(sockets: Sequence[Socket]) -> None:
    """Drop every socket at once."""
    for opened in sockets:
        opened.cut()


class Drain:
    """Reads a crowd of sockets in rounds instead of whenever something comes.

    An event loop wakes for each frame of each socket and would be busier than a fast server. A round
    visits every socket once and takes all that has gathered in the kernel. The sockets are in no
    poll set, so the server's writes wake nobody either: as in reality, where readers are on other
    machines. Between slices of a round the loop serves the senders.
    """

    _SLICE = 100

    def __init__(self, members: Sequence[Socket]) -> None:
        self._readers = [(member.hand_over(), member.data_received) for member in members]
        self._members = members
        # Rounds so far apart that a read finds several frames, near enough that no buffer fills.
        self._every_s = min(0.020, max(0.004, len(members) * 10e-6))
        self._task = asyncio.get_running_loop().create_task(self._rounds())

    async def _rounds(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            next_at = loop.time() + self._every_s
            for index, (reader, hear) in enumerate(self._readers):
                if index % self._SLICE == self._SLICE - 1:
                    await asyncio.sleep(0)
                try:
                    data = reader.recv(65_536)
                except BlockingIOError:
                    continue
                except OSError as failure:
                    self._members[index].connection_lost(failure)
                    continue
                if data:
                    hear(data)
                else:
                    self._members[index].connection_lost(None)
            await asyncio.sleep(max(0.0, next_at - loop.time()))

    async def stop(self) -> None:
        """Read nothing more and give the descriptors back."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for reader, _ in self._readers:
            reader.detach()


class Broadcast:
    """Senders that keep one room saturated.

    A message is under way until every member has been reached and, where the protocol has acks, its
    ack has come. At most ``window`` are under way: enough to keep the server busy, too few to fill
    the buffers of a reader.

    Args:
        senders: Take turns; each is a member as well.
        members: How many sockets each message reaches.
        compose: Makes the payload of the n-th send.
    """

    def __init__(
        self,
        senders: Sequence[Socket],
        tally: Tally,
        *,
        members: int,
        window: int,
        acks: bool,
        compose: Callable[[int], bytes],
    ) -> None:
        self._senders = senders
        self._tally = tally
        self._members = members
        self._window = window
        self._acks = acks
        self._compose = compose
        self._stopped = False
        self._base_delivered = tally.delivered
        self._base_acked = tally.acked
        self.sent = 0

    @property
    def finished(self) -> int:
        """How many sends have reached everybody."""
        reached = (self._tally.delivered - self._base_delivered) // self._members
        return min(reached, self._tally.acked - self._base_acked) if self._acks else reached

    def start(self) -> None:
        self._tally.on_wake = self._pump
        for sender in self._senders:
            sender.on_ack = lambda _: self._pump()
        self._pump()

    def _pump(self) -> None:
        if self._stopped:
            return
        while self.sent - self.finished < self._window:
            self._senders[self.sent % len(self._senders)].say(self._compose(self.sent))
            self.sent += 1
        # The oldest message under way is through when everybody has it.
        self._tally.wake_at = self._base_delivered + (self.sent - self._window + 1) * self._members

    async def stop(self, *, timeout_s: float = 10) -> None:
        """Send nothing more and wait until what is under way has arrived.

        Raises:
            BenchFailed: Some of it never did, or something came twice.
        """
        self._stopped = True
        await until(lambda: self.finished >= self.sent, timeout_s)
        if self.finished < self.sent:
            raise BenchFailed(f"{self.sent - self.finished} of {self.sent} messages did not reach everybody")
        await asyncio.sleep(0.1)  # whatever comes too often
        surplus = self._tally.delivered - self._base_delivered - self.sent * self._members
        if surplus:
            raise BenchFailed(f"{surplus} deliveries more than {self.sent} messages to {self._members} members")


class AckedSends:
    """Every socket keeps ``in_flight`` sends under way, the next leaving when an ack comes."""

    def __init__(
        self, senders: Sequence[Socket], tally: Tally, *, in_flight: int, compose: Callable[[int, int], bytes]
    ) -> None:
        self._senders = senders
        self._tally = tally
        self._in_flight = in_flight
        self._compose = compose
        self._stopped = False
        self._base_acked = tally.acked
        self.sent = 0

    def start(self) -> None:
        for index, sender in enumerate(self._senders):
            sender.on_ack = lambda _, index=index: self._send(index)
        for _ in range(self._in_flight):
            for index in range(len(self._senders)):
                self._send(index)

    def _send(self, index: int) -> None:
        if not self._stopped:
            self._senders[index].say(self._compose(index, self.sent))
            self.sent += 1

    async def stop(self, *, timeout_s: float = 10) -> None:
        """Send nothing more and wait for the acks that are due.

        Raises:
            BenchFailed: Some never came.
        """
        self._stopped = True
        await until(lambda: self._tally.acked - self._base_acked >= self.sent, timeout_s)
        missing = self.sent - (self._tally.acked - self._base_acked)
        if missing:
            raise BenchFailed(f"{missing} of {self.sent} sends were never answered")


async def until(done: Callable[[], bool], timeout_s: float) -> None:
    """Return when ``done`` says so, or the time is over: whoever asks looks again."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not done() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)
