"""Pages of a room's records, read once for all sockets that ask for the same at about the same time."""

from __future__ import annotations

import asyncio

import msgspec

from deskbell.errors import NotFound
from deskbell.hub.connection import Stream, Subscription
from deskbell.hub.ground import Ground
from deskbell.ids import UserId
from deskbell.model.policy import Policy
from deskbell.model.records import Membership, Participant, PublicUser
from deskbell.store import pages, rows
from deskbell.store.database import StoreError
from deskbell.wire import frames

SHARED_PAGE_S = 1.0
SHARED_PAGES = 16


class Own:
    """What a page holds for one reader alone: their mark, and their place in a counted roster."""

    def __init__(self, user: PublicUser, member: Membership | None, policy: Policy) -> None:
        self._user = user
        self._member = member
        self._policy = policy

    def among(self, participants: list[Participant], since: int) -> list[Participant]:
        member = self._member
        if member is None or self._policy.roster == "listed" or member.changed_seq <= since:
            return participants
        others = [other for other in participants if other.user.id != self._user.id]
        return [*others, rows.participant(member, self._user)]

    def marks(self, reads: dict[UserId, tuple[int, int]] | None) -> dict[UserId, tuple[int, int]] | msgspec.UnsetType:
        if reads is None:
            return msgspec.UNSET
        if reads or self._member is None:
            return reads
        return {self._user.id: (self._member.last_read_seq, self._member.last_delivered_seq)}


class Reader:
    """Reads pages for the hub's streams. ``reads``: how often the store was asked."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.reads = 0

    async def page(self, subscription: Subscription, since: int | None, tip: int = 0) -> pages.Page:
        """One page, read once for all sockets that ask for the same at about the same time."""
        stream = subscription.stream
        policy = stream.policy
        assert policy is not None
        bound = subscription.visible_from if policy.history == "since_join" else 0
        key = (since, bound)
        shared = stream.pages.get(key)
        # What they wrote on another instance may be in the store before anything is heard of it here.
        needed = max(stream.known, tip)
        if shared is None or not self._still_good(needed, *shared):
            reading = asyncio.create_task(self.read(stream, policy, since, bound), name=f"page {stream.room}")
            self._ground.keep(reading)
            while len(stream.pages) >= SHARED_PAGES:
                del stream.pages[next(iter(stream.pages))]
            shared = stream.pages[key] = (needed, reading)
            asyncio.get_running_loop().call_later(SHARED_PAGE_S, self._forget_page, stream, key, reading)
        # Whoever goes away must not take the page from the others.
        try:
            page = await asyncio.shield(shared[1])
        except StoreError:
            self._forget_page(stream, key, shared[1])
            raise
        if page is None:
            raise NotFound()
        return page

    def _still_good(self, needed: int, known: int, reading: asyncio.Task[pages.Page | None]) -> bool:
        """Whoever asks now must find in a page what there was until now: their own last message, for one."""
        if known >= needed:
            return not reading.cancelled()
        if not reading.done() or reading.cancelled() or reading.exception() is not None:
            return False
        page = reading.result()
        return page is not None and page.room.seq >= needed

    def _forget_page(
        self, stream: Stream, key: tuple[int | None, int], reading: asyncio.Task[pages.Page | None]
    ) -> None:
        shared = stream.pages.get(key)
        if shared is not None and shared[1] is reading:
            del stream.pages[key]

    async def read(self, stream: Stream, policy: Policy, since: int | None, bound: int) -> pages.Page | None:
        self.reads += 1
        if since is None:
            return await pages.first(self._ground.db, stream.tenant, stream.room, policy, bound)
        return await pages.changes(self._ground.db, stream.tenant, stream.room, policy, since, bound)

    def changes(self, page: pages.Page, since: int, own: Own | None = None) -> frames.Changes:
        reads = page.reads if page.reads else msgspec.UNSET
        return frames.Changes(
            room=page.room.id,
            epoch=self._ground.epoch_of(page.room.epoch),
            since=since,
            seq=page.seq,
            floor=page.room.floor,
            messages=page.messages,
            participants=page.participants if own is None else own.among(page.participants, since),
            state=self._ground.state_of(page.room) if page.state else msgspec.UNSET,
            reads=reads if own is None else own.marks(page.reads),
            more=page.more,
        )
