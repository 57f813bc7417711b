"""uvicorn's sans-I/O WebSocket protocol, made to keep our promises at the socket.

:class:`SocketProtocol` differs from it in this:

- Tokens leave the query string before anything can log it, and nothing of websockets' own
  frame log (which prints addresses and messages) is ever written.
- It offers itself to the app as the handle of an :class:`~deskbell.server.outbound.Outbound`.
- What a peer can make us hold is bounded in both directions, whatever it sends and whatever it
  leaves unread, including answers to pings and fragments.
- A connection that is closing is cut when its peer does not play along; a peer that broke the
  rules is still told why (1002, 1007, 1009), and no traceback is logged for its mistakes.

The receive loop, authentication and what is said are left to others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable, MutableMapping
from typing import Any, Final, cast

import uvicorn
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - a platform without the compiled part
    from websockets.utils import apply_mask

from deskbell.server.inbound import STATE_KEY, split_credentials
from deskbell.server.outbound import (
    CLOSE_TIMEOUT_S,
    DRAIN,
    EPHEMERAL_LIMIT_BYTES,
    EXTENSION,
    HIGH_WATER_BYTES,
    HURRIED_CLOSE_S,
    LOW_WATER_BYTES,
    SERVER_ERROR,
    FrameTransport,
    Outbound,
    clip_reason,
)

MAX_FRAME_BYTES: Final = 64 << 10
WS_MAX_SIZE: Final = MAX_FRAME_BYTES + 1024
"""A little above the protocol's limit, so that a frame just too long gets an error reply, not 1009."""

SEND_BUFFER_BYTES: Final = 128 << 10  # Linux doubles it for its bookkeeping: 256 KiB per socket at most
USER_TIMEOUT_MS: Final = 30_000

INBOUND_MESSAGES: Final = 16
INBOUND_CHARS: Final = 64 << 10
SLICE_BYTES: Final = 4 << 10
DISCARD_BYTES: Final = 1 << 20
WHOLE_TEXT: Final = 0x81  # FIN and the opcode of text: not a fragment, no extension

_protocol_log = logging.getLogger("deskbell.server.websockets")
_protocol_log.setLevel(
    logging.WARNING
)  # below are addresses, headers and messages, and a line for each coming and going


class SocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection. It is the :class:`~deskbell.server.outbound.SocketHandle` of its ``Outbound``."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # Decided when the connection is made and not asked again: with DEBUG on, websockets
        # would write the request line and every message, and both may hold tokens.
        self.conn.debug = False
        self.conn.logger = _protocol_log
        self.app = self._run_app
        self.close_timeout = CLOSE_TIMEOUT_S
        self._outbound: Outbound | None = None
        self._taker: Callable[[str | bytes], bool] | None = None
        self._taker_is_full = False
        self._backlog = b""  # read, but not parsed while the app has enough to take
        self._partial = b""  # the beginning of a frame
        self._through_websockets = False  # all bytes go to websockets from now on
        self._inbound_chars = 0
        self._fragments = bytearray()
        self._broken = False
        self._discarded_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._waiters: list[asyncio.Future[None]] = []

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # uvloop's own low-water mark is 16 bytes (it forgot a factor of 1024): who waits for it
        # would see the socket run dry between any two pages.
        self.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES, low=LOW_WATER_BYTES)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            # A kernel left to itself takes 4 MB for a peer that reads nothing, and our meter,
            # which sees only what the kernel refused, stands still meanwhile.
            _set_option(sock, socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            # And it would keep them for a quarter of an hour when the peer is gone without a word.
            _set_option(sock, socket.IPPROTO_TCP, getattr(socket, "TCP_USER_TIMEOUT", None), USER_TIMEOUT_MS)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._backlog = self._partial = b""
        self._fragments.clear()
        self._over(1006)
        self._outbound = self._taker = None
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def eof_received(self) -> None:
        # The transport closes itself now, but first it waits for a peer that may never read.
        self._over(1006)
        self._cut_after(HURRIED_CLOSE_S)

    def shutdown(self) -> None:
        """End the connection because the server stops."""
        if self.handshake_complete:
            self.finish(DRAIN, "server stops", HURRIED_CLOSE_S)
        else:
            super().shutdown()
        self._cut_after(HURRIED_CLOSE_S)

    # What the app's Outbound asks for.

    @property
    def sink(self) -> FrameTransport:
        return self.transport

    def attach(self, outbound: Outbound) -> None:
        """Make ``outbound`` the writer of this socket; there is one."""
        self._outbound = outbound
        if self.disconnected:
            outbound.lost(1006)
        elif self.handshake_complete and not self.close_sent:
            outbound.opened()

    def listen(self, take: Callable[[str | bytes], bool]) -> bool:
        """Hand messages to ``take`` as they are read, instead of queueing them for ``receive()``.

        ``take`` returns False when that was enough for now; nothing more is read then until
        :meth:`take_more`. False here: some messages are queued still; receive them and ask again.
        """
        if not self.queue.empty():
            return False
        self._taker = take
        return True

    def take_more(self) -> None:
        """Read on, after ``take`` had enough."""
        self._taker_is_full = False
        self._read_on()

    def finish(self, code: int, reason: str, abort_after_s: float) -> None:
        """Send a close frame as the last frame; cut the connection when the peer has not answered in time."""
        if self.close_sent or not self.handshake_complete or self.transport.is_closing():
            return
        try:
            self.conn.send_close(code, clip_reason(reason))
        except InvalidState:
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._over(code)
        # uvicorn closes the transport when the app returns, unless this timer stands.
        self.close_timer = self._cut_after(abort_after_s)
        # The peer's answer stands behind whatever it sent before: read on, dropping messages.
        self._read_on()

    def abort(self) -> None:
        """Cut the connection now; what waits is thrown away, in the kernel too."""
        self._over(1006)
        if self.disconnected:
            return
        sock = self.transport.get_extra_info("socket")
        if sock is not None and self.transport.get_write_buffer_size():
            _set_option(sock, socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def wait_lost(self) -> None:
        """Return when the connection is gone."""
        if not self.disconnected:
            waiter: asyncio.Future[None] = self.loop.create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                with contextlib.suppress(ValueError):
                    self._waiters.remove(waiter)

    def _over(self, code: int) -> None:
        if self._outbound is not None:
            self._outbound.lost(code)
        self.writable.set()  # whoever waits to write may stop waiting

    def _cut_after(self, seconds: float) -> asyncio.TimerHandle:
        standing = self._deadline
        if standing is not None and not standing.cancelled():
            if standing.when() <= self.loop.time() + seconds:
                return standing
            standing.cancel()
        self._deadline = self.loop.call_later(seconds, self.abort)
        return self._deadline

    # Bytes in.

    def data_received(self, data: bytes) -> None:
        if self._broken:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > DISCARD_BYTES:
                self.abort()
        elif self._backlog:
            self._backlog += data  # was on its way when reading stopped
        else:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        # One read brings up to 256 KiB, which may be 40,000 empty messages. So it is parsed in
        # slices, and the rest stays bytes until the app has taken what is there.
        start, size = 0, len(data)
        while start < size and not self._broken and not self.transport.is_closing():
            if self._full():
                self._backlog = data[start:]
                break
            end = start + SLICE_BYTES
            self._parse(data if size <= SLICE_BYTES else data[start:end])
            start = end
        if not self.read_paused and self._full():
            self.read_paused = True
            self.transport.pause_reading()

    def _full(self) -> bool:
        return not self.close_sent and (
            self._taker_is_full
            or self.queue.qsize() >= INBOUND_MESSAGES
            or self._inbound_chars >= INBOUND_CHARS
            or bool(self._backlog)
        )

    def _read_on(self) -> None:
        backlog, self._backlog = self._backlog, b""
        if backlog:
            self._feed(backlog)
        if self.read_paused and not self._full():
            self.read_paused = False
            self.transport.resume_reading()

    def _parse(self, data: bytes) -> None:
        if not self.handshake_complete or self._through_websockets or self.conn.reader.buffer:
            # The handshake, or frames that came with it: websockets has begun with these bytes.
            self._through_websockets = self.handshake_complete
            self._understand(data)
            return
        # Nearly every frame is a whole text message. Those are read here, in a fraction of the time;
        # everything else goes to websockets, frame by frame, so that it always stands between two.
        data = self._partial + data if self._partial else data
        at, size = 0, len(data)
        while size - at >= 6 and not self._broken:
            second = data[at + 1]
            length, head = second & 0x7F, 6
            if length > 125:
                head = 8 if length == 126 else 14
                if size - at < head:
                    break
                length = int.from_bytes(data[at + 2 : at + head - 4], "big")
            if second < 0x80 or length > WS_MAX_SIZE:
                # Against the rules: websockets says which.
                self._through_websockets = True
                self._understand(data[at:])
                at = size
                break
            end = at + head + length
            if end > size:
                break
            if data[at] == WHOLE_TEXT and not self.conn.expect_continuation_frame:
                self.curr_msg_data_type = "text"
                self._deliver(apply_mask(data[at + head : end], data[at + head - 4 : at + head]))
            else:
                self._understand(data[at:end])
            at = end
        self._partial = data[at:] if not self._broken else b""

    def _understand(self, data: bytes) -> None:
        self.conn.receive_data(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self._refuse(b"".join(self.conn.data_to_send()))
            return
        self.handle_events()
        if self.conn.parser_exc is not None and not self._broken:
            self.handle_parser_exception()

    # Events of the protocol.

    def handle_connect(self, event: Request) -> None:
        """Take the secrets out of the request before uvicorn makes a scope and a log line of it."""
        path, mark, query = event.path.partition("?")
        query, credentials = split_credentials(query)
        event.path = f"{path}{mark}{query}"
        super().handle_connect(event)
        if self.close_sent:
            self._cut_after(HURRIED_CLOSE_S)  # not a handshake, answered already
            return
        # The app's task has been made but has not run yet.
        scope = cast("MutableMapping[str, Any]", self.scope)
        scope["state"][STATE_KEY] = credentials
        scope["extensions"][EXTENSION] = self

    def _refuse(self, answer: bytes) -> None:
        # uvicorn forgets these: the peer would wait for an answer for ever.
        self.transport.write(answer or b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self._broken = self.close_sent = self.handshake_complete = True
        self.transport.close()
        self._cut_after(HURRIED_CLOSE_S)

    def handle_text(self, event: Frame) -> None:
        self.curr_msg_data_type = "text"
        self._begin(event)

    def handle_bytes(self, event: Frame) -> None:
        self.curr_msg_data_type = "bytes"
        self._begin(event)

    def _begin(self, event: Frame) -> None:
        if event.fin:
            self._deliver(event.data)
        else:
            self._fragments = bytearray(event.data)

    def handle_cont(self, event: Frame) -> None:
        # Gathered in one buffer, not as a list: a message may come as 65,536 fragments of one
        # byte, or as any number of empty ones.
        self._fragments += event.data
        if event.fin:
            data, self._fragments = bytes(self._fragments), bytearray()
            self._deliver(data)

    def _deliver(self, data: bytes | bytearray | memoryview) -> None:
        if self.close_sent:
            return
        if self.curr_msg_data_type == "text":
            try:
                text = str(data, "utf-8")
            except UnicodeDecodeError as fault:
                self.conn.fail(1007, f"{fault.reason} at position {fault.start}")
                self.handle_parser_exception()
                return
            if self._taker is not None:
                self._taker_is_full = not self._taker(text)
                return
            self._inbound_chars += len(text)
            self.queue.put_nowait({"type": "websocket.receive", "text": text})
        elif self._taker is not None:
            self._taker_is_full = not self._taker(bytes(data))
        else:
            self._inbound_chars += len(data)
            self.queue.put_nowait({"type": "websocket.receive", "bytes": bytes(data)})

    def handle_ping(self) -> None:
        pong = b"".join(self.conn.data_to_send())
        # A peer that pings without reading would have its pongs pile up here.
        if not self.close_sent and self.transport.get_write_buffer_size() <= EPHEMERAL_LIMIT_BYTES:
            self.transport.write(pong)
            if self._outbound is not None:
                self._outbound.also_written(len(pong))

    def handle_pong(self, event: Frame) -> None:
        if self._outbound is not None and self._outbound.on_pong is not None:
            self._outbound.on_pong()

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self._over(self.conn.close_rcvd.code if self.conn.close_rcvd is not None else 1005)
        self._cut_after(HURRIED_CLOSE_S)

    def handle_parser_exception(self) -> None:
        """Tell the peer which rule it broke, and leave it time to hear that."""
        sent = self.conn.close_sent
        code, reason = (sent.code, sent.reason) if sent is not None else (1002, "")
        self._broken = True
        self._over(code)
        answer = b"".join(self.conn.data_to_send())
        if not self.close_sent:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            self.close_sent = True
            self.transport.write(answer)
        # Closing now, with the rest of a message that is too big still unread, would make the
        # kernel send a reset, and the peer would lose the close frame. So: end our direction,
        # read and drop theirs.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.close_timer = self._cut_after(HURRIED_CLOSE_S)
        self._backlog = b""
        self._read_on()

    # The app.

    async def receive(self) -> Any:
        message = await self.queue.get()
        if message["type"] == "websocket.receive":
            self._inbound_chars -= len(message.get("text") or message.get("bytes") or "")
        if self.read_paused and self.queue.empty():
            self._read_on()
        return message

    async def send(self, message: Any) -> None:
        kind = message["type"]
        if self.handshake_complete and self.initial_response is None:
            if kind == "websocket.close":
                # Not waiting until the peer has read: a handler that wants to leave, leaves.
                self.finish(message.get("code") or 1000, message.get("reason") or "", CLOSE_TIMEOUT_S)
                return
            if self.close_sent or self.disconnected:
                raise ClientDisconnected
        await super().send(message)
        if kind == "websocket.accept" and self._outbound is not None:
            self.attach(self._outbound)

    async def _run_app(self, scope: Any, receive: Any, send: Any) -> Any:
        try:
            return await self.config.loaded_app(scope, receive, send)
        except ClientDisconnected:
            raise
        except Exception:
            self.finish(SERVER_ERROR, "server error", CLOSE_TIMEOUT_S)
            raise  # uvicorn logs it


def _set_option(sock: socket.socket, level: int, option: int | None, value: int | bytes) -> None:
    """Set an option where the platform has it and the socket's kind knows it."""
    if option is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(level, option, value)
