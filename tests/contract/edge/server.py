"""Real uvicorn on a loopback port, and peers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from quart import Quart, websocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from deskbell.server.asgi import Server, build_config
from deskbell.server.inbound import CONNECTION_KEY, BoundedWebsocketConnection, take_credentials
from deskbell.server.outbound import EXTENSION, Outbound, outbound_for, prepare
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


async def messages(client: ClientConnection) -> AsyncIterator[str | bytes]:
    with contextlib.suppress(ConnectionClosed):
        while True:
            yield await within(client.recv())


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
