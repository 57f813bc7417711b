"""Telling a room's events to all its sockets: few writes for each, and none that holds up other rooms."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from deskbell.hub.connection import Stream, Subscription, Voice
from deskbell.hub.ground import Ground
from deskbell.wire import frames
from deskbell.wire.events import Event

SLICE = 500
JOINED_BYTES = 60_000


class FanOut:
    """``admit`` is called where a large room has been told something, for those who waited for it."""

    def __init__(self, ground: Ground, admit: Callable[[Stream], None]) -> None:
        self._ground = ground
        self._admit = admit
        self.deliveries = 0

    def tell(self, stream: Stream, events: Sequence[Event]) -> None:
        stream.recent.extend(events)
        if stream.writers is None:
            stream.writers = [sub for sub in stream.subscriptions.values() if sub.live]
        if stream.backlog is not None:
            stream.backlog.extend(events)
        elif len(stream.writers) > SLICE:
            stream.backlog = deque(events)
            stream.passing = events[0].seq - 1
            stream.fan_out = self._ground.spawn(self._tell_many(stream), f"fan-out {stream.room}")
        else:
            self.write(stream, stream.writers, self.joined(stream, events), events)

    def joined(self, stream: Stream, events: Sequence[Event]) -> list[bytes] | None:
        """The frames of several events, as few writes as may be; None where viewers differ."""
        if stream.policy is not None and stream.policy.history == "since_join":
            return None
        if len(events) == 1:
            return [self._ground.prepare(events[0].frame)]
        joined: list[bytes] = []
        parts: list[bytes] = []
        size = 0
        for event in events:
            frame = self._ground.prepare(event.frame)
            if parts and size + len(frame) > JOINED_BYTES:
                joined.append(b"".join(parts))
                parts, size = [], 0
            parts.append(frame)
            size += len(frame)
        joined.append(b"".join(parts))
        return joined

    def write(
        self, stream: Stream, to: Sequence[Subscription], joined: list[bytes] | None, events: Sequence[Event]
    ) -> None:
        self.deliveries += len(to) * len(events)
        if stream.dialects:
            to = self._write_dialects(stream, to, events)
        if joined is not None:
            for frame in joined:
                for subscription in to:
                    if subscription.live:
                        subscription.write(frame)
            return
        for event in events:
            whole = self._ground.prepare(event.frame)
            skip = self._ground.framed(frames.Skip(room=stream.room, seq=event.seq)) if event.born else whole
            for subscription in to:
                if subscription.live:
                    hidden = 0 < event.born <= subscription.visible_from
                    subscription.write(skip if hidden else whole)

    def _write_dialects(
        self, stream: Stream, to: Sequence[Subscription], events: Sequence[Event]
    ) -> Sequence[Subscription]:
        """The same to those who speak otherwise; who is left speaks v1."""
        others: list[Subscription] = []
        spoken: dict[Voice, list[bytes]] = {}
        for subscription in to:
            voice = subscription.connection.voice
            if voice is None:
                others.append(subscription)
            elif subscription.live:
                told = spoken.get(voice)
                if told is None:
                    told = spoken[voice] = [voice.durable(stream, event) for event in events]
                for event, frame in zip(events, told, strict=True):
                    if frame and not 0 < event.born <= self._bound(stream, subscription):
                        subscription.write(frame)
        return others

    def _bound(self, stream: Stream, subscription: Subscription) -> int:
        since_join = stream.policy is not None and stream.policy.history == "since_join"
        return subscription.visible_from if since_join else 0

    async def _tell_many(self, stream: Stream) -> None:
        """A large room, in slices, so that one busy room does not hold up the others."""
        assert stream.backlog is not None
        try:
            while stream.backlog:
                events = list(stream.backlog)
                stream.passing = events[-1].seq
                to = [sub for sub in stream.subscriptions.values() if sub.live]
                joined = self.joined(stream, events)
                for start in range(0, len(to), SLICE):
                    self.write(stream, to[start : start + SLICE], joined, events)
                    await asyncio.sleep(0)
                for _ in events:
                    stream.backlog.popleft()
                self._admit(stream)
        finally:
            stream.backlog = stream.fan_out = None
        self._admit(stream)

    async def write_all(self, stream: Stream, page: frames.Page) -> None:
        """To every live socket, in slices; also to those that came to the same place meanwhile."""
        told: set[Subscription] = set()
        spoken: dict[Voice | None, bytes] = {}
        while True:
            to = [sub for sub in stream.subscriptions.values() if sub.live and sub not in told]
            for subscription in to[:SLICE]:
                voice = subscription.connection.voice
                if voice not in spoken:
                    spoken[voice] = self._ground.page(stream, voice, page)
                if spoken[voice]:
                    subscription.write(spoken[voice])
            if len(to) <= SLICE:
                return
            told.update(to[:SLICE])
            await asyncio.sleep(0)
