"""How late this process's event loop is: what holds one thing up here holds up everything."""

from __future__ import annotations

import asyncio

from deskbell.spread import FAST_S, Spread

EVERY_S = 0.25


class Lag:
    """Asks to be called four times a second, and counts by how much it was called too late."""

    def __init__(self) -> None:
        self.spread = Spread(FAST_S)
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        """Begin, on the running loop. Starting twice changes nothing."""
        if self._timer is None:
            self._again(asyncio.get_running_loop())

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + EVERY_S
        self._timer = loop.call_at(self._due, self._called, loop)

    def _called(self, loop: asyncio.AbstractEventLoop) -> None:
        self.spread.add(max(0.0, loop.time() - self._due))
        self._again(loop)
