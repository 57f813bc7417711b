"""WebSocket frames as the load client needs them: counted, not understood.

A process that plays two thousand readers cannot afford to parse what they read. A
:class:`FrameCounter` walks the headers of the byte stream and counts each text message that carries a
marker near its beginning; only other frames (replies, heartbeats, closes) are cut out and handed on.
No I/O, no JSON. A reader of our own servers only: extensions and masked server frames are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

CONTINUATION: Final = 0
TEXT: Final = 1
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

MARKER_WITHIN: Final = 64
"""A marker is looked for in this many bytes of a message, counted from its first."""


def client_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """One final client frame.

    The masking key is zero, so the payload stands as it is and frames can be made by joining
    bytes. Masks protect proxies from hostile pages; between two processes of one bench there is
    no proxy, and a server spends the same work on any key.
    """
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65_536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + b"\0\0\0\0" + payload


class FrameCounter:
    """Counts the messages of one byte stream that carry ``marker``.

    Args:
        marker: Bytes that make a text message a delivery; they lie wholly within its first
            :data:`MARKER_WITHIN` bytes. A fragmented message counts once, by its first frame.
        other: Called with opcode and payload of every frame that is no delivery, in order.
    """

    __slots__ = ("_marker", "_other", "_tail", "delivered", "delivered_bytes")

    def __init__(self, marker: bytes, other: Callable[[int, bytes], None]) -> None:
        self._marker = marker
        self._other = other
        self._tail = b""
        self.delivered = 0
        """Deliveries so far."""
        self.delivered_bytes = 0
        """Their size on the wire, headers included."""

    def feed(self, data: bytes) -> int:
        """Take the next bytes of the stream, cut anywhere; return how many deliveries they completed.

        Raises:
            ValueError: A masked frame or one with an extension bit; not a server we asked for.
        """
        if self._tail:
            data = self._tail + data
        marker, find = self._marker, data.find
        at, end, found, size = 0, len(data), 0, 0
        while end - at >= 2:
            length = data[at + 1]
            if length < 126:
                body = at + 2
            elif length == 126:
                if end - at < 4:
                    break
                length = data[at + 2] << 8 | data[at + 3]
                body = at + 4
            elif length == 127:
                if end - at < 10:
                    break
                length = int.from_bytes(data[at + 2 : at + 10], "big")
                body = at + 10
            else:
                raise ValueError("a server frame is masked")
            stop = body + length
            if stop > end:
                break
            first = data[at]
            if first & 0x70:
                raise ValueError("a server frame uses an extension that was not agreed")
            # The search ends inside this frame: a marker in the next one is not ours.
            if first & 15 == TEXT and find(marker, body, min(stop, body + MARKER_WITHIN)) != -1:
                found += 1
                size += stop - at
            else:
                self._other(first & 15, data[body:stop])
            at = stop
        self._tail = data[at:]
        self.delivered += found
        self.delivered_bytes += size
        return found
