"""Holes in a room's stream: what is missing gets 50 ms, then one read of the store heals it for all its sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from deskbell.hub.connection import Stream
from deskbell.hub.ground import Ground
from deskbell.hub.reader import Reader
from deskbell.store import pages
from deskbell.store.database import StoreError

if TYPE_CHECKING:
    from deskbell.hub.streams import Streams

REORDER_S = 0.05
HEAL_AGAIN_S = 0.5


class Healer:
    """``heals``: how many holes it went to mend."""

    def __init__(self, streams: Streams, ground: Ground, reader: Reader) -> None:
        self._streams = streams
        self._ground = ground
        self._reader = reader
        self.heals = 0

    def expect(self, stream: Stream) -> None:
        """Something is missing: give it 50 ms, then ask the store."""
        if stream.timer is None and not stream.healing:
            stream.timer = asyncio.get_running_loop().call_later(REORDER_S, self._start_healing, stream)

    def _start_healing(self, stream: Stream) -> None:
        stream.timer = None
        if stream.seq is not None and (stream.held or stream.tip > stream.seq) and stream.subscriptions:
            self._ground.spawn(self._heal(stream), f"heal {stream.room}")

    async def _heal(self, stream: Stream) -> None:
        """One read of the store for all the room's sockets, sent as ``changes``."""
        if stream.healing:
            return
        stream.healing = True
        self.heals += 1
        again = False
        try:
            if stream.fan_out is not None:
                # What is being told comes first: a page that overtakes it would make new messages look changed.
                await asyncio.wait({stream.fan_out})
            await self._heal_pages(stream)
        except StoreError:
            again = True
        finally:
            stream.healing = False
            if stream.seq is not None and stream.subscriptions:
                self._streams.release(stream)
        if stream.timer is not None or not stream.subscriptions or stream.seq is None:
            return
        if again or stream.held or stream.tip > stream.seq:
            stream.timer = asyncio.get_running_loop().call_later(HEAL_AGAIN_S, self._start_healing, stream)

    async def _heal_pages(self, stream: Stream) -> None:
        while stream.subscriptions and stream.seq is not None:
            policy, since, heard_of = stream.policy, stream.seq, max(stream.held, default=0)
            assert policy is not None
            page = await self._reader.read(stream, policy, since, 0)
            if not stream.subscriptions:
                return
            if page is None or page.room.seq < max(since, heard_of) or page.room.seq - since > pages.MAX_BEHIND:
                # The store has less than was told: it was restored. Or it has far more. Everybody starts anew.
                self._streams.reset(stream, page.room.epoch if page is not None else 0)
                return
            # Who has had to go since is not sent the page any more.
            await self._streams.look_again([(stream.tenant, stream.room, since)])
            if policy.history == "since_join":
                # Each has a bound of their own: they catch up one by one, and come back when level.
                for subscription in [sub for sub in stream.subscriptions.values() if sub.live]:
                    subscription.live = False
                    self._ground.spawn(self._streams.catch_up_from(subscription, since), f"catch up {stream.room}")
            else:
                await self._streams.telling.write_all(stream, self._reader.changes(page, since))
            stream.writers = None
            stream.owner_version = max(stream.owner_version, page.room.owner_version)
            if stream.head is not None and page.room.changed_seq > stream.head.changed_seq:
                stream.head = self._ground.state_of(page.room)
            stream.seq = page.seq
            stream.recent.clear()
            self._streams.healed(stream)
            self._streams.moved.add(stream)
            self._streams.admit(stream)
            if not page.more:
                stream.tip = max(page.room.seq, max(stream.held, default=0))
                return
