"""The edge of the socket: real uvicorn on a loopback port, real clients, badly behaved ones too."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from quart import Quart, websocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close

from deskbell.server.asgi import Server, build_config, run
from deskbell.server.inbound import CONNECTION_KEY, BoundedWebsocketConnection, split_credentials, take_credentials
from deskbell.server.outbound import (
    EXTENSION,
    MAX_LIVE_BYTES,
    AsgiOutbound,
    Outbound,
    outbound_for,
    payloads,
    prepare,
    prepare_close,
)
from deskbell.server.proxies import TrustedProxies
from deskbell.server.socket_protocol import SocketProtocol

PATIENCE_S = 15.0
"""How long anything may take before the test gives up; nothing here is about speed."""

KIB = 1 << 10


class Desk:
    """A server in a thread of its own, with an app that hands its sockets to the test."""

    def __init__(self) -> None:
        self.outbounds: list[Outbound] = []
        self.protocols: list[SocketProtocol] = []
        self.connections: list[BoundedWebsocketConnection] = []
        self.scopes: list[dict[str, Any]] = []
        self.credentials: list[Any] = []
        self.received: list[str | bytes] = []
        self.overflowed: list[Outbound] = []
        self.left: list[int | None] = []
        self.listening = asyncio.Event()
        self.listening.set()

        self.app = Quart("edge")
        self.app.asgi_websocket_class = BoundedWebsocketConnection
        self.app.websocket("/ws")(self._handle)
        self.app.websocket("/refused")(self._refuse)
        self.app.websocket("/broken")(self._break)
        self.app.websocket("/brief")(self._say_much_and_leave)

        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.server = Server(build_config(self.app))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.loop: asyncio.AbstractEventLoop

    async def _handle(self) -> None:
        socket_ = websocket._get_current_object()  # type: ignore[attr-defined]
        scope: dict[str, Any] = socket_.scope
        self.scopes.append(dict(scope))
        self.credentials.append(take_credentials(scope))
        await socket_.accept()
        outbound = outbound_for(scope, socket_.send, socket_.close, on_overflow=self.overflowed.append)
        connection = scope["extensions"][CONNECTION_KEY]
        self.connections.append(connection)
        self.protocols.append(scope["extensions"][EXTENSION])
        self.outbounds.append(outbound)
        try:
            while True:
                await self.listening.wait()
                self.received.append(await socket_.receive())
        finally:
            self.left.append(connection.close_code)

    async def _refuse(self) -> tuple[str, int]:
        return "not you", 403

    async def _break(self) -> None:
        await websocket.accept()
        raise LookupError("a bug of ours")

    async def _say_much_and_leave(self) -> None:
        await websocket.accept()
        outbound = Outbound(websocket.scope["extensions"][EXTENSION])
        self.outbounds.append(outbound)
        outbound.write(prepare(b"x" * 700 * KIB))

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=self.server.config.get_loop_factory()) as runner:
            self.loop = runner.get_loop()
            runner.run(self.server.serve(sockets=[self._listener]))

    async def start(self) -> None:
        self._thread.start()
        await eventually(lambda: self.server.started)

    async def stop(self) -> None:
        await self.do(self.listening.set)
        self.server.should_exit = True
        await asyncio.to_thread(self._thread.join, PATIENCE_S)
        assert not self._thread.is_alive()

    async def do(self, call: Callable[[], Any]) -> Any:
        """Run ``call`` in the server's loop, and await what it returns if it is awaitable."""

        async def there() -> Any:
            result = call()
            return await result if asyncio.iscoroutine(result) else result

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(), self.loop))

    def url(self, path: str = "/ws") -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    async def peer(self, path: str = "/ws") -> ClientConnection:
        """A well-behaved client whose socket the app has taken."""
        known = len(self.outbounds)
        client = await connect(self.url(path), compression=None, max_size=None, ping_interval=None)
        await eventually(lambda: len(self.outbounds) > known)
        return client

    async def deaf_peer(self, receive_buffer: int = 4 * KIB, path: str = "/ws") -> RawPeer:
        """A client that has shaken hands and from now on does only what the test says."""
        known = len(self.outbounds)
        raw = RawPeer(self.port, receive_buffer)
        await asyncio.to_thread(raw.shake_hands, path)
        await eventually(lambda: len(self.outbounds) > known)
        return raw


class RawPeer:
    """A WebSocket client without a library: it reads only when told to."""

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE_S)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))

    def shake_hands(self, path: str = "/ws", more: bytes = b"") -> bytes:
        self.socket.sendall(
            b"GET " + path.encode("latin-1") + b" HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n" + more + b"\r\n"
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = self.socket.recv(1)
            if not data:
                break
            answer += data
        return answer

    @staticmethod
    def frame(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
        size = len(payload)
        head = bytes([opcode | (0x80 if fin else 0)])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += bytes([0x80 | 126]) + struct.pack("!H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack("!Q", size)
        return head + b"\0\0\0\0" + payload  # a mask of zeros changes nothing

    def send_until_blocked(self, data: bytes, at_most: int) -> int:
        """Send ``data`` again and again until the server stops reading; return the bytes it took."""
        self.socket.setblocking(False)
        sent, rest, idle = 0, data, 0
        while sent < at_most and idle < 25:
            try:
                size = self.socket.send(rest)
            except BlockingIOError:
                idle += 1
                time.sleep(0.02)
                continue
            sent, rest, idle = sent + size, rest[size:] or data, 0
        self.socket.settimeout(PATIENCE_S)
        return sent

    def read_all(self) -> bytes:
        """Read until the connection ends, however it ends."""
        data = b""
        with contextlib.suppress(ConnectionError):
            while piece := self.socket.recv(64 * KIB):
                data += piece
        return data

    def read_to_reset(self) -> bool:
        """Read until the connection ends; True if it was cut rather than closed."""
        try:
            while self.socket.recv(64 * KIB):
                pass
        except ConnectionResetError:
            return True
        return False

    def read_to_end_or_fail(self) -> bytes:
        """Read until the server ends its direction; a reset is a failure."""
        data = b""
        while piece := self.socket.recv(64 * KIB):
            data += piece
        return data

    def say_goodbye(self) -> None:
        """Answer the server's close frame."""
        self.socket.sendall(self.frame(8, struct.pack("!H", 1000)))

    def close(self) -> None:
        self.socket.close()


async def eventually(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.01)


async def within(awaitable: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(awaitable, PATIENCE_S)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    await desk.start()
    yield desk
    await desk.stop()


# What leaves.


def test_joined_frames_come_apart_as_they_were() -> None:
    """Frames of one batch may be written as one."""
    texts = [b"", b"a", b"b" * 125, b"c" * 126, b"d" * 65535, b"e" * 65536, "ä".encode()]
    assert list(payloads(b"".join(map(prepare, texts)))) == texts


def test_a_close_reason_is_cut_between_characters() -> None:
    """Too long a reason must not make the close itself fail."""
    frame = prepare_close(4001, "ö" * 100)
    assert frame[:2] == bytes([0x88, len(frame) - 2]) and len(frame) - 2 <= 125
    assert Close.parse(frame[2:]) == Close(4001, "ö" * 61)


async def test_prepared_frames_arrive_in_the_order_they_were_written(desk: Desk) -> None:
    """Single, joined, ephemeral and closing frames form one sequence."""
    client = await desk.peer()
    outbound = desk.outbounds[0]

    def write() -> None:
        assert outbound.write(prepare(b"1"))
        assert outbound.write(prepare(b"2") + prepare(b"3"))
        assert outbound.write_ephemeral(prepare(b"4"))
        outbound.close(4010, "start over")
        assert not outbound.write(prepare(b"5"))
        outbound.close(4500, "this one comes too late")

    await desk.do(write)
    assert [message async for message in _messages(client)] == ["1", "2", "3", "4"]
    assert (client.close_code, client.close_reason) == (4010, "start over")
    await within(desk.do(outbound.wait_closed))
    assert outbound.closed and outbound.close_code == 4010
    await eventually(lambda: desk.left == [4010])


async def _messages(client: ClientConnection) -> AsyncIterator[str | bytes]:
    with contextlib.suppress(ConnectionClosed):
        while True:
            yield await within(client.recv())


async def test_nothing_is_written_before_the_socket_is_accepted() -> None:
    """A writer made early waits for the accept instead of breaking the handshake."""
    before: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await bare_lifespan(receive, send)
            return
        outbound = Outbound(scope["extensions"][EXTENSION])
        before.append(outbound.write(prepare(b"too early")))
        await send({"type": "websocket.accept"})
        assert outbound.write(prepare(b"welcome"))
        await receive()  # the connect
        await receive()

    async with serving(app) as port, connect(f"ws://127.0.0.1:{port}/", compression=None) as client:
        assert await within(client.recv()) == "welcome"
        assert before == [False]


async def bare_lifespan(receive: Any, send: Any) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


@contextlib.asynccontextmanager
async def serving(app: Any, **settings: Any) -> AsyncIterator[int]:
    """Serve a bare application in this loop; the other of the two loops we run on."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(build_config(app, **settings))
    # Not serve(): signals are pytest's.
    task = asyncio.create_task(server._serve(sockets=[listener]))
    try:
        await eventually(lambda: server.started or task.done())
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await within(task)


async def test_who_does_not_read_costs_the_others_nothing(desk: Desk) -> None:
    """Fifty deaf sockets get 4008 and are cut; the one that reads gets every frame."""
    frames, size = 6000, 8 * KIB
    deaf = [await desk.deaf_peer() for _ in range(50)]
    reader = await desk.peer()
    highest = 0
    before = resident_bytes()

    async def flood() -> None:
        nonlocal highest
        for number in range(frames):
            frame = prepare(b"%08d" % number + os.urandom(size // 2).hex().encode()[: size - 8])
            for outbound in desk.outbounds:
                outbound.write(frame)
                highest = max(highest, outbound.pending_bytes)
            while desk.outbounds[-1].pending_bytes > 256 * KIB:
                await asyncio.sleep(0.001)
            if number % 8 == 0:
                await asyncio.sleep(0)

    flooding = asyncio.ensure_future(desk.do(flood))
    for number in range(frames):
        message = await within(reader.recv())
        assert int(message[:8]) == number
    await within(flooding)

    assert [outbound.close_code for outbound in desk.outbounds] == [4008] * 50 + [None]
    assert desk.overflowed == desk.outbounds[:50]
    assert highest <= MAX_LIVE_BYTES + 128
    assert resident_bytes() - before < frames * size // 2  # what a queue without a bound would have kept
    for outbound in desk.outbounds[:50]:
        await within(desk.do(outbound.wait_closed))
    assert len(desk.server.server_state.connections) == 1
    for peer in deaf:
        peer.close()
    await reader.close()


def resident_bytes() -> int:
    if not Path("/proc/self/statm").exists():
        pytest.skip("the memory of a process is read from /proc")
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_peer_that_reads_nothing_at_all_is_cut(desk: Desk) -> None:
    """Closing politely would wait for it for ever; and the kernel may not hold megabytes for it."""
    peer = await desk.deaf_peer()
    outbound, protocol = desk.outbounds[0], desk.protocols[0]
    frame = prepare(b"x" * 4 * KIB)

    written = 0

    def flood() -> int:
        nonlocal written
        while outbound.write(frame):
            written += len(frame)
        return outbound.pending_bytes

    waiting = await desk.do(flood)
    kernel = written - waiting
    assert kernel < 512 * KIB, "SO_SNDBUF was not set: the meter moved too late"
    option = await desk.do(
        lambda: protocol.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    )
    assert option <= 256 * KIB
    assert outbound.close_code == 4008 and not protocol.disconnected
    await within(desk.do(outbound.wait_closed))
    assert protocol.disconnected
    assert await asyncio.to_thread(peer.read_to_reset), "what waited should have been thrown away"
    await eventually(lambda: desk.left == [4008])
    peer.close()


async def test_a_socket_whose_peer_vanished_says_so(desk: Desk) -> None:
    """A broken connection ends the writer and the handler."""
    peer = await desk.deaf_peer()
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    outbound = desk.outbounds[0]
    await within(desk.do(outbound.wait_closed))
    assert outbound.close_code == 1006 and not await desk.do(lambda: outbound.write(prepare(b"hello?")))
    assert not await desk.do(lambda: outbound.write_paced(prepare(b"hello?")))
    await eventually(lambda: desk.left)


async def test_a_peer_that_half_closes_and_does_not_read_is_cut(desk: Desk) -> None:
    """What still waits for it must not keep the connection open."""
    peer = await desk.deaf_peer()
    outbound = desk.outbounds[0]
    await desk.do(lambda: [outbound.write(prepare(b"x" * 8 * KIB)) for _ in range(100)])
    assert outbound.pending_bytes > 0
    peer.socket.shutdown(socket.SHUT_WR)
    await within(desk.do(outbound.wait_closed))
    await eventually(lambda: desk.left)
    peer.close()


async def test_a_handler_that_leaves_does_not_wait_for_the_reader(desk: Desk) -> None:
    """Its close goes behind what it wrote, and the handler is gone."""
    peer = await desk.deaf_peer(path="/brief")
    await eventually(lambda: not desk.server.server_state.tasks)
    assert desk.outbounds[0].close_code == 1000 and desk.outbounds[0].pending_bytes > 0
    reading = asyncio.ensure_future(asyncio.to_thread(peer.read_all))
    peer.say_goodbye()
    assert (await within(reading)).endswith(prepare_close(1000))
    peer.close()


async def test_typing_is_dropped_while_much_waits(desk: Desk) -> None:
    """Ephemeral frames are only for those who keep up, and come back when they do."""
    peer = await desk.deaf_peer()
    outbound = desk.outbounds[0]

    def fill() -> None:
        while outbound.pending_bytes <= 64 * KIB:
            assert outbound.write(prepare(b"x" * 8 * KIB))

    await desk.do(fill)
    before = outbound.pending_bytes
    assert not await desk.do(lambda: outbound.write_ephemeral(prepare(b"typing")))
    assert outbound.pending_bytes <= before and not outbound.closed
    reading = asyncio.ensure_future(asyncio.to_thread(peer.read_all))
    await eventually(lambda: outbound.pending_bytes == 0)
    assert await desk.do(lambda: outbound.write_ephemeral(prepare(b"typing again")))
    await desk.do(lambda: outbound.close(1000))
    peer.say_goodbye()
    assert b"typing again" in await within(reading)
    peer.close()


async def test_requested_pages_wait_for_the_reader_and_keep_their_place(desk: Desk) -> None:
    """Paced writes stop while 64 KiB wait, live frames go on between them, and none overtakes another."""
    client = await desk.deaf_peer()
    outbound = desk.outbounds[0]
    order: list[bytes] = []
    most = 0

    async def resume() -> None:
        nonlocal most
        for number in range(12):
            assert await outbound.write_paced(prepare(b"page %d " % number + b"p" * 100 * KIB))
            order.append(b"page %d " % number)
            most = max(most, outbound.pending_bytes)

    async def live() -> None:
        for number in range(12):
            assert outbound.write(prepare(b"live %d " % number))
            order.append(b"live %d " % number)
            await asyncio.sleep(0.01)

    both = asyncio.ensure_future(desk.do(lambda: _together(resume(), live())))
    await eventually(lambda: len([name for name in order if name.startswith(b"live")]) == 12)
    assert b"page 11 " not in order, "pages did not wait"
    assert not both.done()

    reading = asyncio.ensure_future(asyncio.to_thread(client.read_all))
    await within(both)
    await desk.do(lambda: outbound.close(1000))
    client.say_goodbye()
    data = await within(reading)
    assert [text[: len(name)] for text, name in zip(payloads(data[:-4]), order, strict=True)] == order
    assert most < 64 * KIB + 101 * KIB
    client.close()


async def _together(*coroutines: Any) -> None:
    await asyncio.gather(*coroutines)


async def test_requested_pages_are_not_held_against_a_slow_reader(desk: Desk) -> None:
    """Only live frames count towards 4008, however many pages stand before them."""
    peer = await desk.deaf_peer()
    outbound = desk.outbounds[0]
    page, frame = prepare(b"p" * 700 * KIB), prepare(b"l" * 16 * KIB)

    async def fill() -> int:
        assert await outbound.write_paced(page)
        count = 0
        while outbound.write(frame):
            count += 1
        return count

    taken = await within(desk.do(fill))
    assert taken == MAX_LIVE_BYTES // len(frame)
    assert outbound.close_code == 4008
    peer.close()


async def test_pages_wait_no_longer_than_the_socket_lives(desk: Desk) -> None:
    """A page for somebody who left is given up, not waited for."""
    peer = await desk.deaf_peer()
    outbound = desk.outbounds[0]

    async def fill() -> None:
        while outbound.pending_bytes <= 64 * KIB:
            assert await outbound.write_paced(prepare(b"x" * 32 * KIB))

    await within(desk.do(fill))
    page = asyncio.ensure_future(desk.do(lambda: outbound.write_paced(prepare(b"page"))))
    await asyncio.sleep(0.1)
    assert not page.done()
    await desk.do(lambda: outbound.close(4001))
    assert await within(page) is False
    assert not desk.protocols[0].disconnected, "it waited for the end of the connection"
    peer.close()


async def test_a_bug_in_the_handler_is_a_server_error_to_the_peer(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """4002 tells the client to come back; the traceback is for us."""
    client = await connect(desk.url("/broken"), compression=None)
    with pytest.raises(ConnectionClosed):
        await within(client.recv())
    assert client.close_code == 4002
    await eventually(lambda: "a bug of ours" in caplog.text)


async def test_a_bug_in_a_bare_application_is_one_too(caplog: pytest.LogCaptureFixture) -> None:
    """The same holds without Quart."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await bare_lifespan(receive, send)
            return
        await send({"type": "websocket.accept"})
        raise LookupError("a bug of ours")

    async with serving(app) as port:
        client = await connect(f"ws://127.0.0.1:{port}/", compression=None)
        with pytest.raises(ConnectionClosed):
            await within(client.recv())
    assert client.close_code == 4002
    assert "a bug of ours" in caplog.text


# What arrives.


async def test_an_empty_binary_message_arrives_as_one(desk: Desk) -> None:
    """Text and binary, empty or not, can be told apart."""
    async with await desk.peer() as client:
        for message in (b"", "", b"\0", "text", [b"", b""], ["te", "xt"]):
            await client.send(message)
        await eventually(lambda: len(desk.received) == 6)
        assert desk.received == [b"", "", b"\0", "text", b"", "text"]


async def test_how_a_peer_left_is_kept(desk: Desk) -> None:
    """The code of the peer's close is known to handler and writer."""
    client = await desk.peer()
    await client.close(4321, "lunch")
    await eventually(lambda: desk.left == [4321])
    assert desk.connections[0].close_reason == "lunch"
    assert desk.outbounds[0].close_code == 4321


@pytest.mark.parametrize("size", [0, 200, 60_000])
async def test_a_flood_costs_a_bounded_amount_and_loses_nothing(desk: Desk, size: int) -> None:
    """While the handler receives nothing we stop reading, and go on where we stopped."""
    await desk.do(desk.listening.clear)
    peer = await desk.deaf_peer()
    protocol, connection = desk.protocols[0], desk.connections[0]
    await asyncio.to_thread(peer.socket.sendall, RawPeer.frame(1, b"first"))  # taken before the handler pauses
    batch = RawPeer.frame(1, b"x" * size) * (1 if size > KIB else 500)
    taken = await asyncio.to_thread(peer.send_until_blocked, batch, 64 << 20)
    assert taken < 64 << 20, "nobody stopped reading"

    held = await desk.do(lambda: protocol.queue.qsize())
    assert held <= 16 + 4 * KIB // 6, "one slice of the smallest frames"
    assert held * size <= 64 * KIB + size
    assert connection.queue.qsize() <= 16
    assert len(protocol._backlog) <= 256 * KIB
    assert not protocol.transport.is_reading()

    await desk.do(desk.listening.set)
    whole = taken // (len(RawPeer.frame(1, b"x" * size)))
    await eventually(lambda: len(desk.received) >= whole + 1)
    assert desk.received[0] == "first" and set(desk.received[1:]) == {"x" * size}
    peer.close()


async def test_a_handler_that_is_stuck_ends_with_its_socket(desk: Desk) -> None:
    """Even while it receives nothing and messages wait before the news."""
    await desk.do(desk.listening.clear)
    peer = await desk.deaf_peer()
    await asyncio.to_thread(peer.send_until_blocked, RawPeer.frame(1, b"x" * 60_000), 64 << 20)
    assert desk.left == []
    await desk.do(desk.outbounds[0].abort)
    await eventually(lambda: desk.left == [1006])
    peer.close()


async def test_fragments_and_pings_without_end_are_bounded(desk: Desk) -> None:
    """Neither empty fragments nor answers to pings may pile up."""
    peer = await desk.deaf_peer()
    protocol, outbound = desk.protocols[0], desk.outbounds[0]
    start = RawPeer.frame(1, b"a", fin=False)
    await asyncio.to_thread(peer.socket.sendall, start + RawPeer.frame(0, fin=False) * 200_000)
    pings = RawPeer.frame(9, b"p" * 120) * 100
    # 12 MB of pings, and none of the pongs is read.
    await asyncio.to_thread(peer.send_until_blocked, pings, 12 << 20)
    assert len(protocol._fragments) == 1
    assert outbound.pending_bytes <= 64 * KIB + 8 * KIB, "and the pongs of one slice"
    reading = asyncio.ensure_future(asyncio.to_thread(peer.read_all))
    await eventually(lambda: outbound.pending_bytes == 0)
    await asyncio.to_thread(peer.socket.sendall, RawPeer.frame(9, b"still there?"))
    await desk.do(lambda: outbound.close(1000))
    peer.say_goodbye()
    assert b"still there?" in await within(reading)
    peer.close()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (RawPeer.frame(1, b"x" * (1 << 20)), 1009),
        (RawPeer.frame(1, b"x" * 40_000, fin=False) + RawPeer.frame(0, b"x" * 40_000), 1009),
        (RawPeer.frame(1, b"\xff\xfe"), 1007),
        (RawPeer.frame(1, b"\xc3", fin=False) + RawPeer.frame(0, b"\x28"), 1007),
        (RawPeer.frame(3, b""), 1002),
        (RawPeer.frame(0, b"nothing to continue"), 1002),
    ],
)
async def test_a_peer_that_breaks_the_rules_is_told_which(
    desk: Desk, data: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Its close frame arrives although we did not read the rest, and our log stays calm."""
    caplog.set_level(logging.WARNING)
    peer = await desk.deaf_peer(64 * KIB)
    await asyncio.to_thread(peer.socket.sendall, RawPeer.frame(1, b"before") + data)
    answer = await within(asyncio.to_thread(peer.read_to_end_or_fail))
    assert answer[0] == 0x88 and Close.parse(answer[2:]).code == code
    peer.close()
    await within(desk.do(desk.outbounds[0].wait_closed))
    await eventually(lambda: desk.left == [code])
    assert desk.outbounds[0].close_code == code
    assert desk.received == ["before"]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/ws?x=\xff\xfe", b"", b"400"),
        ("/ws", b"Cookie: " + b"c" * 9000 + b"\r\n", b"431"),
        ("/ws", b"".join(b"X-%d: y\r\n" % n for n in range(200)), b"431"),
        ("/ws?" + "x" * 9000, b"", b"414"),
        ("/ws", b"Sec-WebSocket-Version: 99\r\n", b"400"),
        ("/refused", b"", b"403"),
    ],
)
async def test_a_handshake_that_fails_gets_an_answer(
    desk: Desk, path: str, more: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Never silence, never a traceback."""
    caplog.set_level(logging.WARNING)
    peer = RawPeer(desk.port)
    answer = await asyncio.to_thread(peer.shake_hands, path, more)
    assert answer.split(b" ")[1:2] == [status]
    await asyncio.to_thread(peer.read_all)
    peer.close()
    await eventually(lambda: not desk.server.server_state.connections)
    assert [record for record in caplog.records if record.exc_info or record.levelno > logging.WARNING] == []


# Secrets.


def test_only_the_secrets_leave_a_query() -> None:
    """Whatever else is in it stays byte for byte; escapes and capitals hide nothing."""
    query, credentials = split_credentials("a=1&token=s%2Bt&b=%20&%74icket=q&Access_Token=z&c&token=again&d=1+2")
    assert query == "a=1&b=%20&c&d=1+2"
    assert (credentials.token, credentials.ticket) == ("s+t", "q")
    assert "s+t" not in repr(credentials) and "token" in repr(credentials)
    assert split_credentials("a=1")[0] == "a=1" and not split_credentials("")[1]


@pytest.mark.parametrize("level", [5, logging.DEBUG, logging.INFO])
async def test_no_secret_is_ever_logged_or_left_in_the_scope(level: int, caplog: pytest.LogCaptureFixture) -> None:
    """Not by uvicorn at any level, not by websockets, not for refused sockets, not from the first frame."""
    for name in (
        "",
        "uvicorn.error",
        "uvicorn.asgi",
        "uvicorn.access",
        "websockets.server",
        "deskbell.server.websockets",
    ):
        caplog.set_level(level, logger=name or None)
    desk = Desk()
    await desk.start()
    try:
        query = "?room=1&token=SECRET&ticket=SECRET-2&%61ccess_token=SECRET-3"
        client = await desk.peer(f"/ws{query}")
        await client.send('{"type": "auth", "token": "SECRET"}')
        await eventually(lambda: desk.received)
        await client.close()
        for path in ("/refused", "/nowhere"):
            peer = RawPeer(desk.port)
            await asyncio.to_thread(peer.shake_hands, path + query)
            peer.close()
        peer = RawPeer(desk.port)
        await asyncio.to_thread(peer.shake_hands, "/ws" + query, b"Sec-WebSocket-Version: 99\r\n")
        peer.close()
    finally:
        await desk.stop()
    assert desk.credentials[0].token == "SECRET" and desk.credentials[0].ticket == "SECRET-2"
    assert desk.scopes[0]["query_string"] == b"room=1"
    assert "SECRET" not in repr(desk.scopes)
    ours = [record for record in caplog.records if not record.name.startswith("websockets.client")]
    assert any("/ws?room=1" in record.getMessage() for record in ours), "the accept line was expected"
    for record in ours:
        assert "SECRET" not in record.getMessage() + repr(record.args) + str(record.exc_info), record.name


def test_under_any_other_server_the_secrets_leave_when_they_are_taken() -> None:
    """The scope holds them no longer than until they are read, and once."""
    scope: dict[str, Any] = {"query_string": b"a=1&token=SECRET"}
    assert take_credentials(scope).token == "SECRET"
    assert scope["query_string"] == b"a=1"
    assert take_credentials(scope).token is None


# Proxies.


@pytest.mark.parametrize(
    ("count", "forwarded", "client"),
    [
        (0, ["6.6.6.6"], "127.0.0.1"),
        (1, ["6.6.6.6, 7.7.7.7"], "7.7.7.7"),
        (1, ["6.6.6.6", "7.7.7.7:4711"], "7.7.7.7"),
        (2, ["6.6.6.6, 7.7.7.7, 8.8.8.8"], "7.7.7.7"),
        (2, ["8.8.8.8"], "127.0.0.1"),
        (1, ["[2001:db8::1]:443"], "2001:db8::1"),
        (1, ["<script>"], "127.0.0.1"),
        (1, [], "127.0.0.1"),
    ],
)
async def test_exactly_the_configured_number_of_proxies_is_believed(
    count: int, forwarded: list[str], client: str
) -> None:
    """What a visitor writes into the header itself is never taken for its address."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await bare_lifespan(receive, send)
            return
        seen.append(scope["client"][0])
        await send({"type": "websocket.close"})

    async with serving(app, trusted_proxies=count) as port:
        peer = RawPeer(port)
        more = b"".join(f"X-Forwarded-For: {value}\r\n".encode() for value in forwarded)
        await asyncio.to_thread(peer.shake_hands, "/", more)
        peer.close()
    assert seen == [client]


@pytest.mark.parametrize(
    ("kind", "proto", "scheme"),
    [
        ("http", b"https", "https"),
        ("websocket", b"https", "wss"),
        ("websocket", b"http", "ws"),
        ("http", b"gopher", "-"),
    ],
)
async def test_the_scheme_is_the_one_the_proxy_was_called_with(kind: str, proto: bytes, scheme: str) -> None:
    """Links and cookies must be made for the address the browser sees."""
    scope: dict[str, Any] = {"type": kind, "scheme": "-", "headers": [(b"x-forwarded-proto", proto)]}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    await TrustedProxies(app, 1)(scope, None, None)
    assert scope["scheme"] == scheme


# Other servers.


async def test_without_our_server_the_same_writer_sends_through_asgi() -> None:
    """Order, joined frames and the close are the same in Quart's test client."""
    app = Quart("fallback")
    app.asgi_websocket_class = BoundedWebsocketConnection
    kinds: list[type] = []

    @app.websocket("/ws")
    async def handle() -> None:
        socket_ = websocket._get_current_object()  # type: ignore[attr-defined]
        await socket_.accept()
        outbound = outbound_for(socket_.scope, socket_.send, socket_.close)
        kinds.append(type(outbound))
        outbound.write(prepare(b"1") + prepare(b"2"))
        assert await outbound.write_paced(prepare(b"3"))
        assert await socket_.receive() == "go on"
        outbound.close(4010, "start over")
        assert not outbound.write(prepare(b"5"))
        await outbound.wait_closed()

    async with app.test_app() as running, running.test_client().websocket("/ws") as client:
        assert [await client.receive() for _ in range(3)] == ["1", "2", "3"]
        await client.send("go on")
        with pytest.raises(Exception, match="4010"):
            await within(client.receive())
    assert kinds == [AsgiOutbound]


async def test_the_writer_over_asgi_has_the_same_bounds() -> None:
    """Typing is dropped, pages wait, and too much ends in 4008, though nothing is taken."""
    gate = asyncio.Event()
    sent: list[str] = []
    overflowed: list[Outbound] = []

    async def send_text(text: str) -> None:
        await gate.wait()
        sent.append(text[:1])

    async def close(code: int, reason: str) -> None:
        sent.append(str(code))

    outbound = AsgiOutbound(send_text, close, on_overflow=overflowed.append)
    assert outbound.write(prepare(b"a" * 80 * KIB))
    assert not outbound.write_ephemeral(prepare(b"typing"))
    page = asyncio.ensure_future(outbound.write_paced(prepare(b"p" * 100 * KIB)))
    await asyncio.sleep(0)
    assert not page.done()
    gate.set()
    assert await within(page)
    await eventually(lambda: outbound.pending_bytes == 0)
    gate.clear()
    while outbound.write(prepare(b"b" * 32 * KIB)):
        assert outbound.pending_bytes <= MAX_LIVE_BYTES
    assert outbound.close_code == 4008 and overflowed == [outbound]
    await within(outbound.wait_closed())
    assert sent == ["a", "p"], "cut while nothing was taken"

    quick = AsgiOutbound(send_text, close)
    gate.set()
    quick.write(prepare(b"c"))
    quick.close(4001)
    await within(quick.wait_closed())
    assert sent[-2:] == ["c", "4001"]


# Stopping.

PROGRAM = """
import asyncio, sys
from quart import Quart, websocket
from deskbell.server.asgi import build_config, run
from deskbell.server.inbound import BoundedWebsocketConnection
from deskbell.server.outbound import outbound_for, prepare

app = Quart("stopping")
app.asgi_websocket_class = BoundedWebsocketConnection
outbounds = []

@app.websocket("/ws")
async def ws():
    socket = websocket._get_current_object()
    await socket.accept()
    outbound = outbound_for(socket.scope, socket.send, socket.close)
    outbounds.append(outbound)
    outbound.write(prepare(b"welcome"))
    while True:
        await socket.receive()

@app.route("/slow")
async def slow():
    print("slow begun", flush=True)
    await asyncio.sleep(1.5)
    return "finished"

@app.after_serving
async def after():
    print("lifespan ended", flush=True)

async def drain():
    print("drain begun", flush=True)
    for outbound in outbounds:
        outbound.write(prepare(b"drain"))
    if sys.argv[2] == "hangs":
        await asyncio.sleep(3600)
    await asyncio.sleep(0.5)
    for outbound in outbounds[:-1]:  # one is forgotten
        outbound.close(4001, "drain")

limit = float(sys.argv[3])
sys.exit(run(build_config(app, port=int(sys.argv[1])), drain=drain, drain_timeout_s=limit))
"""


class Stopping:
    """The server in a process of its own, to be stopped by signals."""

    def __init__(self, port: int, process: subprocess.Popen[str]) -> None:
        self.port = port
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        return str(await within(asyncio.to_thread(self.process.stdout.readline))).strip()

    async def peer(self) -> ClientConnection:
        client = await connect(f"ws://127.0.0.1:{self.port}/ws", compression=None)
        assert await within(client.recv()) == "welcome"
        return client

    def refuses(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S).close()
        except ConnectionRefusedError:
            return True
        return False

    async def status(self) -> int:
        return int(await within(asyncio.to_thread(self.process.wait)))


@pytest.fixture
async def started(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Stopping]]]:
    """Start the program with a drain that ``works`` or ``hangs``, and a limit in seconds."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    processes: list[subprocess.Popen[str]] = []

    def launch(port: int, drain: str, limit_s: float) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(program), str(port), drain, str(limit_s)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        processes.append(process)
        return process

    async def start(drain: str = "works", limit_s: float = 10.0) -> Stopping:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        process = launch(port, drain, limit_s)
        stopping = Stopping(port, process)
        await eventually(lambda: not stopping.refuses())
        return stopping

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def test_told_to_stop_it_drains_first_and_exits_with_0(started: Callable[..., Awaitable[Stopping]]) -> None:
    """Listeners close, clients are told and closed with 4001, a slow request still gets its answer."""
    server = await started()
    clients = [await server.peer() for _ in range(3)]
    request = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    request.request("GET", "/slow")
    assert await server.line() == "slow begun"

    server.process.send_signal(signal.SIGTERM)
    assert await server.line() == "drain begun"
    assert server.refuses()
    for client in clients:
        assert [message async for message in _messages(client)] == ["drain"]
        assert client.close_code == 4001, "even the one the drain forgot"
    response = await asyncio.to_thread(request.getresponse)
    assert (response.status, response.read()) == (200, b"finished")
    request.close()
    assert await server.line() == "lifespan ended"
    assert await server.status() == 0


async def test_a_drain_that_hangs_is_cut_at_its_limit(started: Callable[..., Awaitable[Stopping]]) -> None:
    """A stop always comes to an end, and it is still a clean one."""
    server = await started("hangs", 0.5)
    client = await server.peer()
    server.process.send_signal(signal.SIGTERM)
    assert [message async for message in _messages(client)] == ["drain"]
    assert client.close_code == 1006, "cut, not closed"
    assert await server.line() == "drain begun"
    assert await server.line() == "lifespan ended"
    assert await server.status() == 0


async def test_a_second_interrupt_stops_at_once(started: Callable[..., Awaitable[Stopping]]) -> None:
    """Who presses Ctrl-C twice is not made to wait for the drain."""
    server = await started("hangs", 3600)
    server.process.send_signal(signal.SIGINT)
    assert await server.line() == "drain begun"
    server.process.send_signal(signal.SIGINT)
    assert await server.status() == 130


def test_the_configuration_is_the_one_our_promises_need() -> None:
    """No compression, no keepalive of uvicorn's, no banner, no access log with addresses in it."""
    config = build_config("module:app")
    assert config.ws is SocketProtocol and config.ws_ping_interval is None
    assert not (config.ws_per_message_deflate or config.server_header or config.access_log or config.proxy_headers)
    assert 64 * KIB <= config.ws_max_size <= 66 * KIB and config.lifespan == "on"
    assert isinstance(config, uvicorn.Config)


def test_several_workers_are_not_quietly_one() -> None:
    """Who asks for four processes must not believe to have them."""
    with pytest.raises(ValueError, match="one process"):
        run(build_config("module:app", workers=4))
