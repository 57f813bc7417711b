"""One open socket: frames leave in the order they were said, and silence is noticed.

A :class:`Link` is what outlives it: the way out over whichever socket is open.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from deskbell.clock import Clock
from deskbell.wire.frames import Welcome

log = logging.getLogger("deskbell.client")

WELCOME_S = 15.0


class Line:
    """One open socket. Frames leave in the order they were said."""

    def __init__(self, socket: ClientConnection, clock: Clock) -> None:
        self._clock = clock
        self.socket = socket
        self.heard_at = clock.monotonic()
        self.heard = asyncio.Event()
        self.welcome: Welcome | None = None
        self._out: deque[bytes] = deque()
        self._more = asyncio.Event()

    def say(self, frame: Mapping[str, Any]) -> None:
        self._out.append(msgspec.json.encode(frame))
        self._more.set()

    async def write(self) -> None:
        """Send what is said, until the socket is gone."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._more.wait()
                self._more.clear()
                while self._out:
                    await self.socket.send(self._out.popleft().decode())

    def cut(self) -> None:
        """Drop the socket without waiting for the other side."""
        self.socket.transport.abort()

    async def keep_alive(self) -> None:
        """Ask when the line has gone quiet; drop it when there is no answer."""
        try:
            async with asyncio.timeout(WELCOME_S):
                await self.heard.wait()
        except TimeoutError:
            self.cut()
            return
        assert self.welcome is not None
        beat_s = self.welcome.heartbeat_ms / 1000
        asked = False
        while True:
            quiet_s = self._clock.monotonic() - self.heard_at
            if quiet_s >= 2 * beat_s:
                log.info("no word for %.1f s; connecting again", quiet_s)
                self.cut()
                return
            if quiet_s < 1.5 * beat_s:
                asked = False
                await self._clock.sleep(1.5 * beat_s - quiet_s)
            elif not asked:
                asked = True
                self.say({"type": "ping"})
            else:
                await self._clock.sleep(2 * beat_s - quiet_s)


class Link:
    """The way out: over the open socket once it has been welcomed; nowhere until then."""

    def __init__(self) -> None:
        self.line: Line | None = None
        self._refs = itertools.count(1)

    @property
    def open(self) -> Line | None:
        return self.line if self.line is not None and self.line.welcome is not None else None

    def next_ref(self) -> int:
        """What a frame's answer is known by, on this socket and every later one."""
        return next(self._refs)

    def say(self, frame: Mapping[str, Any]) -> None:
        """Say something that is not worth repeating when it is lost."""
        line = self.open
        if line is not None:
            line.say(frame)
