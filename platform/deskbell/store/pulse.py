"""Notices that PostgreSQL has fallen silent: it keeps its connections, takes new ones, and answers nothing.

A process that was stopped, a disk that hangs, a firewall that drops without a word: none of these closes a
connection, so a statement would wait for its own timeout, which has to be longer than the slowest statement may
take. But slow and silent can be told apart. Where nothing at all has been answered for :data:`QUIET_S` though
something was asked, a fresh connection asks ``SELECT 1``. If that, too, is without an answer for
:data:`ANSWERS_WITHIN_S`, every statement under way is given up, and until the server is heard again nobody is
made to wait for it. So nobody waits longer than both together, and a slow statement is left in peace. A server
that refuses connections is not silent: then, too, what is under way is given up, and the next to ask hears it at once.

Nothing is probed while answers come, nor while nobody asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import asyncpg

log = logging.getLogger(__name__)

QUIET_S = 2.0
ANSWERS_WITHIN_S = 2.0
TRY_AGAIN_S = 0.5
_SLICE_S = 0.1


class Pulse:
    """See the module.

    Args:
        url: Where the server is.
        give_up: Called with each connection on which a statement is under way, once nobody answers.
        given_up: Awaited after that: idle connections are worth no more than those.
    """

    def __init__(self, url: str, give_up: Callable[[Any], None], given_up: Callable[[], Awaitable[None]]) -> None:
        self.silent = False
        self._url = url
        self._give_up = give_up
        self._given_up = given_up
        self._asked: set[Any] = set()
        self._acquiring: set[asyncio.Timeout] = set()
        self._unanswered_since: float | None = None
        self._watch: asyncio.Task[None] | None = None

    def asks(self, con: Any) -> None:
        """A statement is sent."""
        self._asked.add(con)
        if self._unanswered_since is None:
            self._begin()

    def was_asked(self, con: Any, *, answered: bool) -> None:
        """It is over, by an answer of the server, or without."""
        self._asked.discard(con)
        if answered:
            self._heard()

    @asynccontextmanager
    async def waiting_for_a_connection(self, timeout_s: float) -> AsyncIterator[None]:
        """Raise :class:`TimeoutError` after that time, or as soon as the server is known to be silent."""
        async with asyncio.timeout(timeout_s) as scope:
            self._acquiring.add(scope)
            if self._unanswered_since is None:
                self._begin()
            try:
                yield
            finally:
                self._acquiring.discard(scope)

    async def close(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    def _heard(self) -> None:
        self._unanswered_since = asyncio.get_running_loop().time() if self._asked or self._acquiring else None

    def _begin(self) -> None:
        self._unanswered_since = asyncio.get_running_loop().time()
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look(), name="postgres-pulse")

    async def _look(self) -> None:
        """While something is unanswered: wait, ask, and give up what gets no answer."""
        now = asyncio.get_running_loop().time
        while (since := self._unanswered_since) is not None:
            if (quiet_s := now() - since) < QUIET_S:
                await asyncio.sleep(QUIET_S - quiet_s)
                continue
            found = await self._probe()
            if found == "answers":
                self._heard()
            elif self._unanswered_since == since:  # else something was answered meanwhile
                self.silent = found == "silent"
                log.warning("PostgreSQL has answered nothing for %.1f s; what is under way is given up", now() - since)
                await self._let_go()
                while self.silent:
                    await asyncio.sleep(TRY_AGAIN_S)
                    self.silent = await self._probe() == "silent"
                self._unanswered_since = None

    async def _let_go(self) -> None:
        for con in list(self._asked):
            self._give_up(con)
        for scope in list(self._acquiring) if self.silent else ():
            scope.reschedule(asyncio.get_running_loop().time())
        await self._given_up()

    async def _probe(self) -> Literal["answers", "refuses", "silent"]:
        """What a connection that is made for this is told. An error is an answer."""
        asking = asyncio.create_task(asyncpg.connect(self._url, timeout=60))
        if not await _done(asking):
            asking.cancel()
        try:
            con = await asking
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return "silent"
        except (OSError, asyncpg.PostgresConnectionError):
            return "refuses"
        except asyncpg.PostgresError:
            return "answers"
        # A pooler lets everybody in, whether or not there is a server behind it.
        hearing = asyncio.create_task(con.execute("SELECT 1"))
        heard = await _done(hearing)
        con.terminate()
        await asyncio.gather(hearing, return_exceptions=True)
        return "answers" if heard else "silent"


async def _done(task: asyncio.Task[Any]) -> bool:
    """Whether it ends in time. In slices: after this process itself stood still, the clock says nothing of others."""
    for _ in range(round(ANSWERS_WITHIN_S / _SLICE_S)):
        await asyncio.wait([task], timeout=_SLICE_S)
        if task.done():
            return True
    return False
