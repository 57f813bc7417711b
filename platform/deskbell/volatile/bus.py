"""Fan-out of events between the instances of one installation.

A bus carries each published event to every subscriber of this process at once, and to every
other instance *at most once*. Events of two instances may overtake one another. It stores
nothing: whoever reads it sees a gap in ``seq`` and asks the store. That is why losing a bus
costs delay, never a message.

:class:`MemoryBus` is for a single process. Every bus passes ``tests/contract/test_bus.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from deskbell.wire.events import Event

log = structlog.get_logger(__name__)


Subscriber = Callable[[Sequence[Event]], None]


class Bus(Protocol):
    """Carries events. ``degraded`` is true while other instances may not be reached."""

    degraded: bool

    def publish(self, events: Sequence[Event]) -> None:
        """Hand over events, local subscribers first. Never blocks, never raises."""
        ...

    def subscribe(self, subscriber: Subscriber) -> None:
        """Be called with all that is published, synchronously, on the loop."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class MemoryBus:
    """The bus of a single process: publishing is calling."""

    degraded = False

    def __init__(self) -> None:
        self._subscribers: list[Subscriber] = []

    def subscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.append(subscriber)

    def publish(self, events: Sequence[Event]) -> None:
        for subscriber in self._subscribers:
            try:
                subscriber(events)
            except Exception:
                # One broken listener must not cost the others their events.
                log.exception("bus_subscriber_failed", kinds=sorted({event.kind for event in events}))

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        self._subscribers.clear()
