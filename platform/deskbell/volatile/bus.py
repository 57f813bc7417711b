"""Fan-out of events between the instances of one installation.

A bus carries each published event to every subscriber of this process at once, and *at most once*
to every other instance that said it is interested in its topic. Events of two instances may
overtake one another. It stores nothing: whoever reads it sees a gap in ``seq`` and asks the store.
That is why losing a bus costs delay, never a message.

:class:`MemoryBus` is for a single process, :class:`deskbell.volatile.redis_bus.RedisBus` for
several. Both pass ``tests/contract/test_bus.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import structlog

from deskbell.ids import TenantId
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)


Subscriber = Callable[[Sequence[Event]], None]
Interest = Literal["room", "typing", "user", "staff"]


class Bus(Protocol):
    """Carries events. ``degraded`` is true while other instances may not be reached."""

    @property
    def degraded(self) -> bool: ...

    def publish(self, events: Sequence[Event]) -> None:
        """Hand over events, local subscribers first. Never blocks, never raises."""
        ...

    def subscribe(self, subscriber: Subscriber) -> None:
        """Be called with all that is published, synchronously, on the loop."""
        ...

    def interest(self, tenant: TenantId, topic: Interest, key: str, on: bool) -> None:
        """Somebody here wants to hear of this topic, or no longer does. Each ``True`` needs one ``False``.

        ``typing`` is the part of a room that nobody needs who does not look at it. ``staff`` has no key.
        """
        ...

    async def listening(self, tenant: TenantId, topic: Interest, key: str) -> None:
        """Wait until a topic of interest is heard of, for a second at most.

        What is published from then on is heard, or missed by a failure. While degraded, return at once.
        """
        ...

    def watch(self, changed: Callable[[bool], None]) -> None:
        """Be called with ``degraded`` whenever it has changed, and when others say that they were cut off."""
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
        hand_over(self._subscribers, events)

    def interest(self, tenant: TenantId, topic: Interest, key: str, on: bool) -> None:
        return None

    async def listening(self, tenant: TenantId, topic: Interest, key: str) -> None:
        return None

    def watch(self, changed: Callable[[bool], None]) -> None:
        return None

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        self._subscribers.clear()


def hand_over(subscribers: Sequence[Subscriber], events: Sequence[Event]) -> None:
    """Call every subscriber, whatever the others do."""
    for subscriber in subscribers:
        try:
            subscriber(events)
        except Exception:
            # One broken listener must not cost the others their events.
            log.exception("bus_subscriber_failed", kinds=sorted({event.kind for event in events}))
