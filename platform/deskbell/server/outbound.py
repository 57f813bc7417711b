"""What leaves a socket: prepared frames, and the one writer each socket has.

An event is encoded once and framed once, by :func:`prepare`; the same bytes then go to every
member's transport. :class:`Outbound` is the only thing that writes to a socket after it was
accepted, replies and the close frame included, so what was written first arrives first.

It promises a bound: a peer that does not read costs at most :data:`MAX_LIVE_BYTES` of live
frames in this process (and what ``SO_SNDBUF`` allows in the kernel), then it is closed with
4008 and cut off :data:`HURRIED_CLOSE_S` seconds later, whether it reads or not. Requested data
(history, pages of a resume) waits its turn and never counts against the reader.

Encoding events, choosing who gets them and what they may contain is left to the hub.
:class:`AsgiOutbound` behaves the same on servers that do not offer our extension.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final, Protocol

from websockets.frames import Close, Frame, Opcode

EXTENSION: Final = "deskbell.outbound"
"""The key under ``scope["extensions"]`` where a server of ours offers its :class:`SocketHandle`."""

MAX_LIVE_BYTES: Final = 1 << 20
EPHEMERAL_LIMIT_BYTES: Final = 64 << 10
HIGH_WATER_BYTES: Final = 64 << 10
LOW_WATER_BYTES: Final = 32 << 10

DRAIN: Final = 4001
SERVER_ERROR: Final = 4002
TOO_SLOW: Final = 4008

CLOSE_TIMEOUT_S: Final = 10.0
"""How long a peer has to answer our close frame before the connection is cut."""
HURRIED_CLOSE_S: Final = 2.0
"""The same for peers that were too slow, and for all of them while we drain."""
HURRIED_CLOSES: Final = frozenset({DRAIN, TOO_SLOW})

MAX_REASON_BYTES: Final = 123  # a control frame holds 125 bytes, two of them are the code


def prepare(text: bytes) -> bytes:
    """Frame UTF-8 ``text`` as one unmasked text message, ready for any number of sockets.

    Prepared frames may be joined (``b"".join(frames)``) and written as one: a socket that gets
    three events of one batch then costs one system call instead of three.
    """
    return Frame(Opcode.TEXT, text).serialize(mask=False)


def prepare_close(code: int, reason: str = "") -> bytes:
    """Frame a close; a reason of more than 123 bytes of UTF-8 is cut between two characters.

    Raises:
        websockets.exceptions.ProtocolError: ``code`` may not be sent, 1006 for example.
    """
    return Frame(Opcode.CLOSE, Close(code, clip_reason(reason)).serialize()).serialize(mask=False)


def clip_reason(reason: str) -> str:
    """Return as much of ``reason`` as a close frame can carry."""
    return reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")


def payloads(frames: bytes) -> Iterator[bytes]:
    """Take prepared frames apart again: the payload of each text frame, in order."""
    at = 0
    while at < len(frames):
        is_text = frames[at] & 0x0F == Opcode.TEXT
        size, at = frames[at + 1], at + 2
        if size == 126:
            size, at = int.from_bytes(frames[at : at + 2], "big"), at + 2
        elif size == 127:
            size, at = int.from_bytes(frames[at : at + 8], "big"), at + 8
        if is_text:
            yield frames[at : at + size]
        at += size


class FrameTransport(Protocol):
    """The three things asked of an ``asyncio`` transport on the hot path."""

    def write(self, data: bytes, /) -> None: ...
    def is_closing(self) -> bool: ...
    def get_write_buffer_size(self) -> int: ...


class SocketHandle(Protocol):
    """One accepted or soon accepted socket, as its server hands it to :class:`Outbound`."""

    @property
    def writable(self) -> asyncio.Event:
        """Clear while more waits than the high-water mark, until the low-water mark is reached."""

    @property
    def sink(self) -> FrameTransport:
        """Where prepared frames go."""

    def attach(self, outbound: Outbound) -> None:
        """Call ``outbound.opened()`` once frames may be written, and ``outbound.lost(code)`` once they may not."""

    def finish(self, code: int, reason: str, abort_after_s: float) -> None:
        """Send a close frame as the last frame, end the app's receiving, cut the connection after the time."""

    def abort(self) -> None:
        """Cut the connection now; what waits is thrown away."""

    async def wait_lost(self) -> None:
        """Return when the connection is gone, at once if it already is."""


class Outbound:
    """The single writer of one socket.

    It may be made before the socket is accepted; it takes frames from the accept on, until a
    close frame went either way or the connection broke. Not for use from other threads.

    Args:
        handle: What the server offers under :data:`EXTENSION`.
        max_live_bytes: Live bytes that may wait before the peer counts as too slow.
        ephemeral_limit_bytes: Above this, typing and the like are dropped.
        on_overflow: Called once, after the close with 4008 was sent.
    """

    __slots__ = (
        "__weakref__",
        "_buffered",
        "_ephemeral_limit",
        "_handle",
        "_is_closing",
        "_max_live",
        "_on_overflow",
        "_open",
        "_paced",
        "_write",
        "_written",
        "close_code",
        "on_pong",
    )

    def __init__(
        self,
        handle: SocketHandle,
        *,
        max_live_bytes: int = MAX_LIVE_BYTES,
        ephemeral_limit_bytes: int = EPHEMERAL_LIMIT_BYTES,
        on_overflow: Callable[[Outbound], None] | None = None,
    ) -> None:
        self._handle = handle
        # write() runs once per member and event: its three calls are looked up here, once.
        sink = handle.sink
        self._write = sink.write
        self._is_closing = sink.is_closing
        self._buffered = sink.get_write_buffer_size
        self._max_live = max_live_bytes
        self._ephemeral_limit = ephemeral_limit_bytes
        self._on_overflow = on_overflow
        self._open = False
        self._written = 0  # bytes this socket was ever given; minus what waits, it is what the peer's kernel took
        self._paced: list[tuple[int, int]] = []  # requested data that may still wait, as [start, end) of _written
        self.close_code: int | None = None
        """Why the socket ended: our code, the peer's, or 1006 when it broke; None while it lives."""
        self.on_pong: Callable[[], None] | None = None
        """Called with each answer to a ping of ours: a sign of life of clients whose protocol has no word for it."""
        handle.attach(self)

    def write(self, frame: bytes) -> bool:
        """Write a live frame, or several joined ones, now; False if the socket no longer takes any.

        Join at most some 64 KiB: what would make more than ``max_live_bytes`` wait is not
        written but ends the socket with 4008.
        """
        if not self._open or self._is_closing():
            return False
        size = len(frame)
        waiting = self._buffered()
        if waiting + size > self._max_live and self._live(waiting) + size > self._max_live:
            self._overflow()
            return False
        self._written += size
        self._write(frame)
        return True

    def write_ephemeral(self, frame: bytes) -> bool:
        """Write a frame nobody misses; False if it was dropped because enough waits already."""
        if self._buffered() > self._ephemeral_limit:
            return False
        return self.write(frame)

    async def write_paced(self, frame: bytes) -> bool:
        """Write data the peer asked for once it has taken what was written before.

        Waits while more than 64 KiB wait. Never counts as slow reading. Returns False if the
        socket ended meanwhile.
        """
        while self._open and not self._handle.writable.is_set():
            await self._handle.writable.wait()
        if not self._open or self._is_closing():
            return False
        self._forget_taken(self._buffered())
        start, self._written = self._written, self._written + len(frame)
        self._paced.append((start, self._written))
        self._write(frame)
        return True

    @property
    def pending_bytes(self) -> int:
        """Bytes waiting in this process; what the kernel holds for the socket is not counted."""
        return self._buffered()

    @property
    def pending_live_bytes(self) -> int:
        """The same without requested data: what is held against the reader."""
        return self._live(self._buffered())

    @property
    def closed(self) -> bool:
        """Whether the socket has ended, or is about to: nothing written now would arrive."""
        return self.close_code is not None

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame as the last frame. Closing again changes nothing.

        The connection is cut when the peer does not answer within 10 s, or within 2 s when it
        was too slow or we drain. The app's receiving ends at once, as if the peer had left.
        """
        if self.close_code is None:
            self._handle.finish(code, reason, HURRIED_CLOSE_S if code in HURRIED_CLOSES else CLOSE_TIMEOUT_S)

    def abort(self) -> None:
        """Cut the connection now, without a close frame; what waits is thrown away."""
        self._handle.abort()

    async def wait_closed(self) -> None:
        """Return when the connection is gone and its last frame with it."""
        await self._handle.wait_lost()

    # Called by the handle.

    def opened(self) -> None:
        """Take frames from now on: the socket was accepted."""
        self._written = self._buffered()
        self._open = True

    def lost(self, code: int) -> None:
        """Take no more frames; only the first ``code`` is kept."""
        self._open = False
        if self.close_code is None:
            self.close_code = code

    def also_written(self, size: int) -> None:
        """Count bytes the server wrote by itself: the pongs."""
        self._written += size

    # The slow path.

    def _live(self, waiting: int) -> int:
        self._forget_taken(waiting)
        taken = self._written - waiting
        return waiting - sum(end - max(start, taken) for start, end in self._paced)

    def _forget_taken(self, waiting: int) -> None:
        taken = self._written - waiting
        while self._paced and self._paced[0][1] <= taken:
            del self._paced[0]

    def _overflow(self) -> None:
        self.close(TOO_SLOW, "too slow")
        tell, self._on_overflow = self._on_overflow, None
        if tell is not None:
            tell(self)


class AsgiOutbound(Outbound):
    """The same writer over plain ASGI sends, for servers that do not offer :data:`EXTENSION`.

    A queue and one task take the place of the transport. Each frame costs a send of its own, so
    this is for the test client and for small installations. :meth:`abort` can only stop
    sending; the server cuts the connection when the app's handler returns.

    Args:
        send_text: Sends one text message, ``websocket.send`` of Quart for example.
        close: Closes with a code and a reason.
    """

    __slots__ = ()

    def __init__(
        self,
        send_text: Callable[[str], Awaitable[None]],
        close: Callable[[int, str], Awaitable[None]],
        *,
        max_live_bytes: int = MAX_LIVE_BYTES,
        ephemeral_limit_bytes: int = EPHEMERAL_LIMIT_BYTES,
        on_overflow: Callable[[Outbound], None] | None = None,
    ) -> None:
        super().__init__(
            _AsgiSocket(send_text, close),
            max_live_bytes=max_live_bytes,
            ephemeral_limit_bytes=ephemeral_limit_bytes,
            on_overflow=on_overflow,
        )


class _AsgiSocket:
    """Handle and transport in one: a queue that one task empties through ASGI."""

    def __init__(
        self, send_text: Callable[[str], Awaitable[None]], close: Callable[[int, str], Awaitable[None]]
    ) -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self._send_text = send_text
        self._close = close
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._something = asyncio.Event()
        self._last: tuple[int, str] | None = None
        self._outbound: Outbound | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._pump())

    @property
    def sink(self) -> FrameTransport:
        return self

    def write(self, data: bytes, /) -> None:
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > HIGH_WATER_BYTES:
            self.writable.clear()
        self._something.set()

    def is_closing(self) -> bool:
        return self._last is not None or self._task.done()

    def get_write_buffer_size(self) -> int:
        return self._waiting_bytes

    def attach(self, outbound: Outbound) -> None:
        self._outbound = outbound
        outbound.opened()  # ASGI accepts before the app can have anything to send

    def finish(self, code: int, reason: str, abort_after_s: float) -> None:
        if self.is_closing():
            return
        self._last = (code, clip_reason(reason))
        self._something.set()
        self._deadline = self._loop.call_later(abort_after_s, self.abort)
        self._lost(code)

    def abort(self) -> None:
        self._task.cancel()
        self._lost(1006)

    async def wait_lost(self) -> None:
        await asyncio.wait({self._task})

    def _lost(self, code: int) -> None:
        if self._outbound is not None:
            self._outbound.lost(code)
        self.writable.set()

    async def _pump(self) -> None:
        try:
            while True:
                while self._waiting:
                    data = self._waiting[0]
                    for text in payloads(data):
                        await self._send_text(text.decode())
                    self._waiting.popleft()
                    self._waiting_bytes -= len(data)
                    if self._waiting_bytes <= LOW_WATER_BYTES:
                        self.writable.set()
                if self._last is not None:
                    await self._close(*self._last)
                    return
                self._something.clear()
                await self._something.wait()
        except Exception:
            self._lost(1006)  # the peer left: servers say so by raising something of their own
        finally:
            if self._deadline is not None:
                self._deadline.cancel()


def outbound_for(
    scope: MutableMapping[str, Any],
    send_text: Callable[[str], Awaitable[None]],
    close: Callable[[int, str], Awaitable[None]],
    *,
    on_overflow: Callable[[Outbound], None] | None = None,
) -> Outbound:
    """Make the writer of an accepted socket: on the transport if the server offers it, else over ASGI.

    Args:
        scope: The ASGI scope of the socket.
        send_text, close: What to fall back to, see :class:`AsgiOutbound`.
        on_overflow: See :class:`Outbound`.
    """
    handle = (scope.get("extensions") or {}).get(EXTENSION)
    if handle is not None:
        return Outbound(handle, on_overflow=on_overflow)
    return AsgiOutbound(send_text, close, on_overflow=on_overflow)
