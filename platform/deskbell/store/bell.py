"""Ringing at the other instances through PostgreSQL, while the bus cannot carry what is said here.

An instance that alone is cut off from the bus knows it; the others do not, and would hear of what it
stores only when they next look, which is seldom. So it rings, after each commit but not more often
than every :data:`RING_EVERY_S`, and those who hear it look at once. A ring says nothing but *look*:
one that is lost costs what losing the bus always costs, a delay until the next look.

Every instance listens on one connection of its own, beside the pool (LISTEN belongs to a session).
Behind a pooler that gives sessions away after each transaction nothing is ever heard: then the
others find out by looking, as before.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog

from deskbell.ids import new_id
from deskbell.store.database import Database, StoreError

log = structlog.get_logger(__name__)

CHANNEL = "deskbell_look"
RING_EVERY_S = 0.25
CONNECT_WITHIN_S = 5.0
ASK_EVERY_S = 15.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0


class Bell:
    """See the module.

    Args:
        db: The store, by whose pool is rung.
        url: Where it is, for the connection that listens.
    """

    def __init__(self, db: Database, url: str) -> None:
        self._db = db
        self._url = url
        self._name = new_id()
        self._rung: Callable[[], None] = lambda: None
        self._listening: asyncio.Task[None] | None = None
        self._ringing: asyncio.Task[None] | None = None
        self._again = False
        self._connection: Any = None

    @property
    def hears(self) -> bool:
        """Whether it listens at this moment."""
        return self._connection is not None

    def start(self, rung: Callable[[], None]) -> None:
        """Begin to listen; ``rung`` is called when another instance rings, and when rings may have been missed."""
        self._rung = rung
        self._listening = asyncio.create_task(self._listen(), name="bell")

    async def close(self) -> None:
        tasks = [task for task in (self._listening, self._ringing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def ring(self) -> None:
        """Make the others look. Never waits, never raises; many rings at once are one."""
        self._again = True
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._ring(), name="bell-ring")

    async def _ring(self) -> None:
        while self._again:
            self._again = False
            with contextlib.suppress(StoreError):
                await self._db.fetchval("SELECT pg_notify($1, $2)", CHANNEL, self._name)
            await asyncio.sleep(RING_EVERY_S)

    async def _listen(self) -> None:
        pause_s, before = FIRST_PAUSE_S, False
        while True:
            try:
                await self._hold(before)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                log.info("bell_not_heard", error=type(error).__name__)
            if self.hears:
                pause_s, before, self._connection = FIRST_PAUSE_S, True, None
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _hold(self, before: bool) -> None:
        """Listen until the connection is lost."""
        connection = await asyncpg.connect(
            self._url, timeout=CONNECT_WITHIN_S, server_settings={"application_name": "deskbell"}
        )
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.add_listener(CHANNEL, self._heard)
            self._connection = connection
            if before:
                self._rung()
            while not lost.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), ASK_EVERY_S)
                if not lost.is_set():
                    await connection.execute("SELECT 1", timeout=CONNECT_WITHIN_S)
        finally:
            connection.terminate()

    def _heard(self, connection: Any, pid: int, channel: str, payload: object) -> None:
        if payload != self._name:
            self._rung()
