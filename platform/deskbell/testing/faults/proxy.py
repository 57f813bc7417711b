"""A TCP link that can be broken: between clients and an instance, an instance and its database, or its bus.

TCP gives a stream: bytes of it can be late, in small pieces, or missing from some point on, never
repeated or out of order. So that is what a :class:`Link` does to them. Repeating and reordering
whole messages is done where there are messages, on the bus: :mod:`deskbell.testing.faults.repeater`.

All chance comes from the random numbers a link is given.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass
from typing import Literal

Direction = Literal["there", "back"]
"""``there``: from who connected to who listens."""

_PIECE = 65_536
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Weather:
    """What a link does to the bytes. The default is nothing."""

    delay_s: float = 0.0
    """Each piece is late by this much."""
    jitter_s: float = 0.0
    """And by up to this much more."""
    piece_bytes: int = 0
    """Pieces are cut to at most this many bytes, of random sizes; 0: as they come."""
    swallow: tuple[Direction, ...] = ()
    """What goes this way is taken and never arrives: one direction is a half-open link, both a black hole."""


class _Pair:
    """One connection through the link: two sockets and what runs between them."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near = near
        self.far = far

    def end(self, *, reset: bool) -> None:
        for writer in (self.near, self.far):
            if reset:
                with contextlib.suppress(OSError):
                    taken: socket.socket | None = writer.get_extra_info("socket")
                    if taken is not None:
                        # Closing with a linger of zero sends RST instead of FIN, and drops what waits.
                        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()
            else:
                writer.close()


class Link:
    """Listens on :attr:`port` and passes on to ``target``, on the loopback.

    Args:
        target: Port of whoever listens at the other end.
        chance: Where jitter and sizes come from.
    """

    def __init__(self, target: int, chance: random.Random) -> None:
        self.target = target
        self.weather = Weather()
        self.port = 0
        self.carried = 0
        """Connections that were passed on so far."""
        self._chance = chance
        self._pairs: set[_Pair] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        """Connections through this link now."""
        return len(self._pairs)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port, limit=_PIECE, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Cut everything and listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut(reset=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self, *, reset: bool, share: float = 1.0) -> int:
        """End connections, all or a random ``share``; how many. ``reset``: with RST, else with FIN."""
        chosen = [pair for pair in self._pairs if share >= 1.0 or self._chance.random() < share]
        for pair in chosen:
            self._pairs.discard(pair)
            pair.end(reset=reset)
        return len(chosen)

    def heal(self) -> None:
        """Fair weather again. A connection that lost bytes is beyond healing: it is cut."""
        lossy = bool(self.weather.swallow)
        self.weather = Weather()
        if lossy:
            self.cut(reset=True)

    async def _take(self, near_in: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if self.weather.swallow == ("there", "back"):
                await self._swallow(near_in, near)
                return
            far_in, far = await asyncio.open_connection("127.0.0.1", self.target, limit=_PIECE)
        except (OSError, asyncio.CancelledError):
            near.transport.abort()
            return
        pair = _Pair(near, far)
        self._pairs.add(pair)
        self.carried += 1
        try:
            await asyncio.gather(self._pump(near_in, far, "there"), self._pump(far_in, near, "back"))
        except asyncio.CancelledError:
            pass
        finally:
            self._pairs.discard(pair)
            pair.end(reset=False)

    async def _swallow(self, near_in: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        """Accept, take all, say nothing, until the link is cut or the other end gives up."""
        pair = _Pair(near, near)
        self._pairs.add(pair)
        try:
            with contextlib.suppress(OSError):
                while await near_in.read(_PIECE):
                    pass
        finally:
            self._pairs.discard(pair)
            near.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, way: Direction) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_PIECE):
                if way in self.weather.swallow:
                    continue
                if not self.weather.piece_bytes and not self.weather.delay_s and not self.weather.jitter_s:
                    to.write(data)
                    await to.drain()
                    continue
                while data:
                    piece, data = self._piece(data)
                    late = self.weather.delay_s + self._chance.random() * self.weather.jitter_s
                    await asyncio.sleep(late)
                    if way in self.weather.swallow:
                        break
                    to.write(piece)
                    await to.drain()
        if way not in self.weather.swallow:
            with contextlib.suppress(OSError):
                to.write_eof()

    def _piece(self, data: bytes) -> tuple[bytes, bytes]:
        most = self.weather.piece_bytes
        size = self._chance.randint(1, most) if most else len(data)
        return data[:size], data[size:]
