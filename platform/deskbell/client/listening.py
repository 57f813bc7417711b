"""Who is told what happens: one function, called at once, and those who would rather iterate."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Self

from deskbell.client.events import Event
from deskbell.errors import Temporary

log = logging.getLogger("deskbell.client")


class EventsLost(Temporary):
    """Whoever read these events was too slow; what the rooms hold now is right in their views."""

    code = "events_lost"
    sentence = "Too many events have gathered unread. Look at the rooms, then listen again."


class Events:
    """An endless iteration over what happens from now on; it ends when the client is closed.

    Raises:
        EventsLost: More than ``limit`` events were not read in time.
    """

    def __init__(self, listeners: set[Events], limit: int) -> None:
        self._listeners = listeners
        self._limit = limit
        self._waiting: deque[Event] = deque()
        self._more = asyncio.Event()
        self._over = False
        self._overflow = False
        listeners.add(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._overflow:
                self.close()
                raise EventsLost
            if self._over:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        return self._waiting.popleft()

    def close(self) -> None:
        """Listen no more."""
        self._over = True
        self._more.set()
        self._listeners.discard(self)

    def put(self, event: Event) -> None:
        """Something has happened."""
        if self._overflow:
            return
        if len(self._waiting) >= self._limit:
            self._waiting.clear()
            self._overflow = True
        else:
            self._waiting.append(event)
        self._more.set()


class Listeners:
    """Tells every event to all of them, in order."""

    def __init__(self, on_event: Callable[[Event], None] | None) -> None:
        self._on_event = on_event
        self._events: set[Events] = set()

    def events(self, limit: int) -> Events:
        """What happens from this call on."""
        return Events(self._events, limit)

    def tell(self, event: Event) -> None:
        if self._on_event is not None:
            try:
                self._on_event(event)
            except Exception:
                log.exception("on_event has failed for %s", type(event).__name__)
        for listener in list(self._events):
            listener.put(event)

    def close(self) -> None:
        """There will be no more events."""
        for listener in list(self._events):
            listener.close()
