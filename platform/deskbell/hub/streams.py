"""One stream per room that anybody here listens to: durable events leave it in order, without a hole.

What is not the next waits at most 50 ms for what is missing; then one read of the store heals the
stream for all its sockets. Who subscribes is sent pages until they are level with the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from deskbell.errors import Conflict, DeskbellError, NotFound
from deskbell.hub import fan_out
from deskbell.hub.connection import Connection, Stream, Subscription
from deskbell.hub.fan_out import FanOut
from deskbell.hub.ground import Ground
from deskbell.hub.healing import Healer
from deskbell.hub.reader import Own, Reader
from deskbell.ids import RoomId, TenantId
from deskbell.model.policy import Policy
from deskbell.model.records import Membership
from deskbell.store import pages, rooms
from deskbell.store.database import StoreError
from deskbell.wire import frames
from deskbell.wire.commands import Ref
from deskbell.wire.events import Event

STORE_AGAIN_S = 0.5
MAX_HELD = 1000

_room_frame = msgspec.json.Decoder(frames.RoomFrame)

Missed = Sequence[tuple[TenantId, RoomId, int]]


class Streams:
    """The rooms somebody here listens to.

    ``look_again`` is asked who had to go from rooms since a number, before a page is shown to all;
    ``healed`` hears of streams that jumped over something.
    """

    def __init__(
        self, ground: Ground, look_again: Callable[[Missed], Awaitable[None]], healed: Callable[[Stream], None]
    ) -> None:
        self._ground = ground
        self.look_again = look_again
        self.healed = healed
        self._reader = Reader(ground)
        self.telling = FanOut(ground, self.admit)
        self.healer = Healer(self, ground, self._reader)
        self._streams: dict[tuple[TenantId, RoomId], Stream] = {}
        self.moved: set[Stream] = set()
        self.resets = 0

    @property
    def reads(self) -> int:
        return self._reader.reads

    def __len__(self) -> int:
        return len(self._streams)

    def get(self, tenant: TenantId, room_id: RoomId) -> Stream | None:
        return self._streams.get((tenant, room_id))

    def close(self) -> None:
        for stream in self._streams.values():
            if stream.timer is not None:
                stream.timer.cancel()

    # subscribing

    def begin(self, connection: Connection, room_id: RoomId) -> Subscription:
        """Make a place in a room's stream, before anybody asks whether it may be taken.

        From now on a leave or a ban ends it. That is why it comes first: what is read from the
        store afterwards is either after the ban, or the ban is heard of here.
        """
        tenant = connection.actor.tenant
        self.unsubscribe(connection, room_id)
        stream = self._streams.get((tenant, room_id))
        if stream is None:
            stream = self._streams[tenant, room_id] = Stream(tenant, room_id)
            self._ground.interest(tenant, "room", room_id, True)
            self._ground.interest(tenant, "typing", room_id, True)
        subscription = Subscription(connection, stream)
        stream.subscriptions[connection.id] = subscription
        stream.dialects += connection.voice is not None
        connection.rooms[room_id] = subscription
        return subscription

    async def subscribe(
        self,
        subscription: Subscription,
        policy: Policy,
        member: Membership | None,
        *,
        since: int | None,
        epoch: str | None,
        ref: Ref,
        tip: int = 0,
    ) -> None:
        """Send what the socket needs to be as far as the stream, then keep it there.

        ``member`` is the reader's own place; None for staff who look on. ``tip``: the room's number
        in the store, read since they asked; no page that reaches less far is shown to them.

        Raises:
            NotFound: The room is gone, or they may no longer be in it; the subscription ended.
            Conflict: The socket itself ended it before it began.
        """
        connection, stream = subscription.connection, subscription.stream
        subscription.visible_from = member.visible_from if member is not None else 0
        subscription.takes_part = member is not None
        stream.policy = policy
        # What the page does not hold yet must be heard of.
        await self._ground.listening(stream.tenant, stream.room)
        page = await self._page(subscription, since, tip)
        count = page.participant_count
        if count is None:
            count = await rooms.participant_count(self._ground.db, stream.tenant, stream.room)
        if subscription.over:
            raise subscription.why
        if since is not None and not self._may_resume(subscription, page, since, epoch):
            self.resets += 1
            self._end(subscription)
            told = frames.Reset(
                ref=frames.reply_ref(ref), room=stream.room, epoch=self._ground.epoch_of(page.room.epoch)
            )
            connection.out.write(self._ground.framed(told))
            return
        stream.epoch = self._ground.epoch_of(page.room.epoch)
        stream.owner_version = max(stream.owner_version, page.room.owner_version)
        own = Own(connection.actor.public(), member, policy)
        first = frames.Subscribed(
            ref=frames.reply_ref(ref),
            room=stream.room,
            epoch=stream.epoch,
            seq=page.seq,
            floor=page.room.floor,
            recovered=since is not None,
            messages=page.messages,
            participants=own.among(page.participants, since or 0),
            participant_count=count,
            state=self._ground.state_of(page.room),
            reads=own.marks(page.reads),
            more=page.more,
        )
        if connection.voice is not None and (stream.head is None or stream.head.changed_seq < page.room.changed_seq):
            stream.head = self._ground.state_of(page.room)
        await self._catch_up(subscription, page, first, own)

    def _may_resume(self, subscription: Subscription, page: pages.Page, since: int, epoch: str | None) -> bool:
        """Whether a position is of this life of the room, and near enough to go on from."""
        policy = subscription.stream.policy
        assert policy is not None
        rejoined = policy.history == "since_join" and subscription.visible_from > since
        honest = epoch is None or epoch == self._ground.epoch_of(page.room.epoch)
        return honest and not rejoined and 0 <= page.room.seq - since <= pages.MAX_BEHIND

    async def _catch_up(
        self, subscription: Subscription, page: pages.Page, frame: frames.Page, own: Own | None = None
    ) -> None:
        """Send page after page, as fast as the socket takes them, until it is level with the stream."""
        connection, stream = subscription.connection, subscription.stream
        while True:
            prepared = self._ground.page(stream, connection.voice, frame)
            if (prepared and not await connection.out.write_paced(prepared)) or subscription.over:
                self._end(subscription)
                return
            # No await between looking at the stream and joining it: nothing can slip through.
            if not page.more and self._go_live(subscription, page.seq):
                return
            since, known = page.seq, stream.known
            next_page = await self._next_page(subscription, since)
            if subscription.over:
                return
            if next_page is None or next_page.seq < since or (not next_page.more and next_page.seq < known):
                # The store has less than was told, or nothing at all any more: it was restored, or purged.
                self.reset(stream, 0 if next_page is None else next_page.room.epoch)
                return
            page = next_page
            frame = self._reader.changes(page, since, own)

    async def catch_up_from(self, subscription: Subscription, since: int) -> None:
        """The same for a socket that was live until ``since``."""
        page = await self._next_page(subscription, since)
        if subscription.over:
            return
        if page is None or page.seq < since:
            self.reset(subscription.stream, 0 if page is None else page.room.epoch)
            return
        await self._catch_up(subscription, page, self._reader.changes(page, since))

    async def _next_page(self, subscription: Subscription, since: int) -> pages.Page | None:
        """A page for somebody who was told they are subscribed: while the store is away, they wait. None: no room."""
        while True:
            try:
                return await self._page(subscription, since)
            except NotFound:
                return None
            except StoreError:
                await asyncio.sleep(STORE_AGAIN_S)
                if subscription.over:
                    return None

    async def _page(self, subscription: Subscription, since: int | None, tip: int = 0) -> pages.Page:
        try:
            return await self._reader.page(subscription, since, tip)
        except NotFound:
            self._end(subscription, NotFound())
            raise

    def _go_live(self, subscription: Subscription, seq: int) -> bool:
        """Join the stream at ``seq``. False: the stream is further by now; read on from there."""
        stream = subscription.stream
        if stream.seq is None:
            if seq < stream.tip:
                return False
            stream.seq = stream.tip = seq
            self.release(stream)
        if seq > stream.seq:
            stream.tip = max(stream.tip, seq)
            self.healer.expect(stream)
        return self._level(subscription, seq)

    def _level(self, subscription: Subscription, seq: int) -> bool:
        """Make a socket live that is at ``seq``, replaying what was told since. False: that is too long ago.

        In a busy room a page is never new enough, so it is the replay that ends the catching up. While
        a large room is being told something, one joins where the slices under way will have left everybody.
        """
        stream = subscription.stream
        told = stream.told
        if seq > told:
            stream.waiting.append((seq, subscription))
            return True
        if seq < told:
            if not stream.recent or stream.recent[0].seq > seq + 1:
                return False
            missed = [event for event in stream.recent if seq < event.seq <= told]
            subscription.live = True
            self.telling.write(stream, [subscription], self.telling.joined(stream, missed), missed)
        subscription.live = True
        stream.writers = None
        return True

    def unsubscribe(self, connection: Connection, room_id: RoomId, why: DeskbellError | None = None) -> None:
        """End a socket's subscription; ``why`` is what one still waiting for its first page is answered."""
        subscription = connection.rooms.get(room_id)
        if subscription is not None:
            self._end(subscription, why)

    def _end(self, subscription: Subscription, why: DeskbellError | None = None) -> None:
        stream, connection = subscription.stream, subscription.connection
        if why is not None and not subscription.over:
            subscription.why = why
        subscription.over = True
        subscription.live = False
        if connection.rooms.get(stream.room) is subscription:
            del connection.rooms[stream.room]
        if stream.subscriptions.get(connection.id) is subscription:
            del stream.subscriptions[connection.id]
            stream.dialects -= connection.voice is not None
            stream.writers = None
        if stream.waiting:
            stream.waiting = [item for item in stream.waiting if item[1] is not subscription]
        if not stream.subscriptions:
            if stream.timer is not None:
                stream.timer.cancel()
            self.moved.discard(stream)
            if self._streams.get((stream.tenant, stream.room)) is stream:
                del self._streams[stream.tenant, stream.room]
                self._ground.interest(stream.tenant, "room", stream.room, False)
                self._ground.interest(stream.tenant, "typing", stream.room, False)

    # what passes

    def durable(self, event: Event, stream: Stream, touched: dict[Stream, list[Event]]) -> None:
        if event.seq > stream.tip:
            stream.tip = event.seq
        if event.kind == "room":
            # Known at once, also while it waits for what is missing: a relieved bot is silent from here on.
            state = _room_frame.decode(event.frame).state
            stream.owner_version = max(stream.owner_version, state.owner_version)
            if stream.head is not None and state.changed_seq > stream.head.changed_seq:
                stream.head = state
        if stream.seq is None:
            # Somebody is reading their first page; it, or the next, will hold this.
            return
        if event.seq == stream.seq + 1 and not stream.healing:
            stream.seq = event.seq
            touched.setdefault(stream, []).append(event)
            if stream.held:
                self._take_held(stream, touched[stream])
            if stream.waiting:
                for told, events in touched.items():
                    self.tell(told, events)
                touched.clear()
                self.admit(stream)
        elif event.seq > stream.seq:
            if len(stream.held) < MAX_HELD:
                stream.held[event.seq] = event  # of more than that the store knows as well
            self.healer.expect(stream)

    def _take_held(self, stream: Stream, into: list[Event]) -> None:
        assert stream.seq is not None
        while (event := stream.held.pop(stream.seq + 1, None)) is not None:
            stream.seq = event.seq
            into.append(event)
        if not stream.held and stream.timer is not None and stream.tip <= stream.seq:
            stream.timer.cancel()
            stream.timer = None

    def release(self, stream: Stream) -> None:
        """After ``seq`` has jumped: drop what is behind it, tell what is next."""
        assert stream.seq is not None
        for seq in [seq for seq in stream.held if seq <= stream.seq]:
            del stream.held[seq]
        events: list[Event] = []
        self._take_held(stream, events)
        if events:
            self.tell(stream, events)
        self.admit(stream)

    def admit(self, stream: Stream) -> None:
        """Make live who waited for the stream to reach their snapshot; it may have gone past it at one stroke."""
        if not stream.waiting or stream.seq is None:
            return
        waiting, stream.waiting = stream.waiting, []
        for seq, subscription in waiting:
            if subscription.over:
                continue
            if not self._level(subscription, seq):
                self._ground.spawn(self.catch_up_from(subscription, seq), f"catch up {stream.room}")

    def reset(self, stream: Stream, epoch: int) -> None:
        self.resets += 1
        frame = frames.Reset(room=stream.room, epoch=self._ground.epoch_of(epoch))
        for subscription in list(stream.subscriptions.values()):
            self._ground.say(subscription.connection, frame)
            self._end(subscription, Conflict("This room starts anew. Subscribe again without since."))

    async def tell_tips(self) -> None:
        moved, self.moved = self.moved, set()
        by_connection: dict[Connection, dict[RoomId, int]] = {}
        for stream in moved:
            if stream.seq is not None:
                for subscription in stream.subscriptions.values():
                    if subscription.live and subscription.connection.voice is None:
                        by_connection.setdefault(subscription.connection, {})[stream.room] = stream.seq
        for number, (connection, tips) in enumerate(by_connection.items()):
            connection.out.write_ephemeral(self._ground.framed(frames.Tips(rooms=tips)))
            if number % fan_out.SLICE == fan_out.SLICE - 1:
                await asyncio.sleep(0)

    def tell(self, stream: Stream, events: Sequence[Event]) -> None:
        self.moved.add(stream)
        self.telling.tell(stream, events)

    def on_tip(self, tenant: TenantId, room_id: RoomId, seq: int, epoch: int) -> None:
        """The store says that a room is at ``seq``."""
        stream = self._streams.get((tenant, room_id))
        if stream is None or stream.seq is None:
            return
        if stream.epoch and stream.epoch != self._ground.epoch_of(epoch):
            self.reset(stream, epoch)
        elif seq > stream.seq:
            stream.tip = max(stream.tip, seq)
            self.healer.expect(stream)

    async def check(self, on_tips: Callable[[Sequence[tuple[TenantId, RoomId, int, int]]], None]) -> None:
        """Compare every stream with the store; of what it has less of, or no more, everybody begins anew."""
        streams = [stream for stream in self._streams.values() if stream.seq is not None]
        for start in range(0, len(streams), fan_out.SLICE):
            part = streams[start : start + fan_out.SLICE]
            found = await rooms.tips(self._ground.db, [(stream.tenant, stream.room) for stream in part])
            for stream in part:
                tip = found.get((stream.tenant, stream.room))
                if stream.seq is None or not stream.subscriptions:
                    continue
                if tip is None or tip[0] < stream.seq:
                    self.reset(stream, tip[1] if tip is not None else 0)
                else:
                    on_tips([(stream.tenant, stream.room, *tip)])
