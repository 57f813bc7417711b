"""A load that does not depend on the server: so many sends a second, whatever becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Pace:
    """Calls ``send`` with 0, 1, 2… so often a second, from :meth:`start` on until :meth:`stop`.

    What could not leave in time leaves as soon as it can, so the number per second holds also on a
    machine that is busy for a moment.
    """

    def __init__(self, per_s: float, send: Callable[[int], None]) -> None:
        self._gap_s = 1 / per_s
        self._send = send
        self._task: asyncio.Task[None] | None = None
        self.sent = 0

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        while True:
            while next_at <= loop.time():
                self._send(self.sent)
                self.sent += 1
                next_at += self._gap_s
            await asyncio.sleep(max(0.001, next_at - loop.time()))

    async def stop(self) -> None:
        """Send nothing more.

        Raises:
            Exception: What ``send`` raised; then nothing was sent since.
        """
        if self._task is not None:
            self._task.cancel()
            (ended,) = await asyncio.gather(self._task, return_exceptions=True)
            if isinstance(ended, Exception):
                raise ended
