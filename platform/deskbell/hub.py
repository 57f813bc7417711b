"""This process's sockets by room, and what is told to them.

An event is encoded once by whoever announces it, framed once here, and the same bytes go to every
socket of its topic. The hub keeps one **stream** per room that anybody here listens to: durable
events leave it in the order of ``seq`` without a hole. What is not the next waits at most 50 ms for
what is missing; then one read of the store heals the stream for all its sockets.

Promised: a socket that was told it is subscribed gets every later change, once, in order, or an
honest ``reset``; who left or was banned gets nothing more; a slow reader costs others nothing.
Reading the store is left to :mod:`deskbell.store.pages`, deciding who may listen to
:mod:`deskbell.actions.access`; both are asked by the edge, which then calls :meth:`Hub.subscribe`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import structlog

from deskbell.clock import Clock
from deskbell.errors import Conflict, DeskbellError, NotFound
from deskbell.ids import ConnectionId, RoomId, TenantId, UserId
from deskbell.model.policy import Policy
from deskbell.model.records import Actor, Channel, Membership, Message, Participant, PublicUser, RoomState
from deskbell.store import pages, rooms, rows
from deskbell.store.database import Database, StoreError
from deskbell.volatile.bus import Bus, Interest
from deskbell.wire import frames
from deskbell.wire.close_codes import CloseCode
from deskbell.wire.commands import Ref
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

REORDER_S = 0.05
HEAL_AGAIN_S = 0.5
SLICE = 500
RECENT = 64
MAX_HELD = 1000
SHARED_PAGE_S = 1.0
SHARED_PAGES = 16
JOINED_BYTES = 60_000
INBOX_EVERY_S = 0.5
BUSY_ROOM = 200
TIPS_EVERY_S = 10.0
TYPING_NAMES = 5
TYPING_S = 10.0

_message_frame = msgspec.json.Decoder(frames.MessageFrame)
_participant_frame = msgspec.json.Decoder(frames.ParticipantFrame)
_room_frame = msgspec.json.Decoder(frames.RoomFrame)
_typing_frame = msgspec.json.Decoder(frames.TypingFrame)


# Told to the platform's own parts over the bus, to no socket.
INTERNAL = ("participant", "own_receipt", "stop", "evict", "revoked")


def _shows_presence(policy: Policy) -> bool:
    return policy.presence and policy.roster == "listed"


class Writer(Protocol):
    """The one writer of a socket; see ``server.outbound``."""

    def write(self, frame: bytes) -> bool: ...
    def write_ephemeral(self, frame: bytes) -> bool: ...
    async def write_paced(self, frame: bytes) -> bool: ...
    def close(self, code: int, reason: str = "") -> None: ...
    @property
    def closed(self) -> bool: ...


class Connection:
    """One authenticated socket. ``heard_at``: when it last said anything, on the loop's clock."""

    __slots__ = ("actor", "heard_at", "id", "joined_at", "origin", "out", "reading", "rooms")

    def __init__(self, id_: ConnectionId, actor: Actor, out: Writer, now: float, origin: str | None = None) -> None:
        self.id = id_
        self.actor = actor
        self.out = out
        self.origin = origin
        self.heard_at = now
        self.joined_at = now
        self.reading = True
        self.rooms: dict[RoomId, Subscription] = {}


class Subscription:
    """A socket's place in a room's stream. ``live`` once it is sent what comes; ``over`` once it ended, and ``why``."""

    __slots__ = ("connection", "live", "over", "place", "stream", "takes_part", "visible_from", "why", "write")

    def __init__(self, connection: Connection, stream: Stream) -> None:
        self.connection = connection
        self.write = connection.out.write
        self.stream = stream
        # What the edge knows of the reader's place in the room; the hub only carries it.
        self.place: Any = None
        self.takes_part = False
        self.visible_from = 0
        self.live = False
        self.over = False
        self.why: DeskbellError = Conflict("This subscription was ended before it began.")


class Stream:
    """One room as this process sees it. ``seq`` is the last durable event told; None: nobody is live yet."""

    __slots__ = (
        "backlog",
        "epoch",
        "fan_out",
        "healing",
        "held",
        "owner_version",
        "pages",
        "passing",
        "policy",
        "recent",
        "room",
        "seq",
        "subscriptions",
        "tenant",
        "timer",
        "tip",
        "typing",
        "waiting",
        "writers",
    )  # fmt: skip

    def __init__(self, tenant: TenantId, room: RoomId) -> None:
        self.tenant = tenant
        self.room = room
        self.policy: Policy | None = None
        self.seq: int | None = None
        self.tip = 0
        self.epoch = ""
        self.owner_version = 0
        self.subscriptions: dict[ConnectionId, Subscription] = {}
        self.writers: list[Subscription] | None = None
        # Live once the stream has reached the number their snapshot had.
        self.waiting: list[tuple[int, Subscription]] = []
        self.held: dict[int, Event] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.healing = False
        # What is being told to a large room, slice by slice, and by which task; None: nothing is.
        self.backlog: deque[Event] | None = None
        self.fan_out: asyncio.Task[None] | None = None
        self.passing = 0
        # The last events told, one after the other without a hole.
        self.recent: deque[Event] = deque(maxlen=RECENT)
        # Pages read a moment ago, for others who ask the same: {(since, bound): (tip when asked, page)}.
        self.pages: dict[tuple[int | None, int], tuple[int, asyncio.Task[pages.Page | None]]] = {}
        # Of a counted roster, whose names are shown as typing, and until when.
        self.typing: dict[str, float] = {}

    @property
    def told(self) -> int:
        """The number at which every live socket is, or will be when the slices under way are written."""
        assert self.seq is not None
        return self.seq if self.backlog is None else self.passing

    @property
    def known(self) -> int:
        """The greatest number this process has heard of."""
        return max(self.tip, self.seq or 0)


class _Own:
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


class _Unread:
    """What a user has not read in a room; ``count`` is None until somebody asks the store.

    ``seq``: the room's tip as far as they were told. ``as_of``: what ``count`` has counted.
    ``last``: the number of the last message that came while they were in the room.
    """

    __slots__ = ("as_of", "asked", "count", "last", "mentioned", "seq")

    def __init__(self, seq: int) -> None:
        self.count: int | None = None
        self.mentioned = False
        self.seq = seq
        self.as_of = 0
        self.last = 0
        self.asked = 0


class _Preview:
    """The last message of a room, for inboxes. ``seen``: up to where nothing that changed it was missed."""

    __slots__ = ("_frame", "_message", "number", "seen")

    def __init__(self, number: int, frame: bytes) -> None:
        self.number = self.seen = number
        self._frame = frame
        self._message: Message | None = None

    @property
    def message(self) -> Message:
        if self._message is None:
            self._message = last_message(self._frame)
        return self._message

    def changed(self, message: Message) -> None:
        if message.id == self.message.id and message.changed_seq > self.message.changed_seq:
            self._message = message


class _Heard:
    """Of a room somebody here is in: up to which number nothing was missed, and what came ahead of that."""

    __slots__ = ("ahead", "seq")

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.ahead: set[int] = set()

    def take(self, seq: int) -> None:
        if seq == self.seq + 1:
            self.seq = seq
            while self.ahead and self.seq + 1 in self.ahead:
                self.seq += 1
                self.ahead.discard(self.seq)
        elif seq > self.seq and len(self.ahead) < MAX_HELD:
            self.ahead.add(seq)


class Person:
    """A user with at least one socket here, and the rooms they are in; ``gone``: those they were in."""

    __slots__ = ("connections", "dirty", "gone", "rooms", "tenant", "user")

    def __init__(self, tenant: TenantId, user: UserId) -> None:
        self.tenant = tenant
        self.user = user
        self.connections: dict[ConnectionId, Connection] = {}
        self.rooms: dict[RoomId, _Unread] = {}
        self.gone: set[RoomId] = set()
        self.dirty: set[RoomId] = set()


class Hub:
    """See the module. ``prepare`` frames an encoded text for the wire. ``bus`` is told what is of interest here."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        channels: Mapping[str, Channel],
        prepare: Callable[[bytes], bytes],
        *,
        heartbeat_s: float = 30.0,
        silence_s: float = 120.0,
        bus: Bus | None = None,
    ) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._channels = channels
        self._prepare = prepare
        self._heartbeat_s = heartbeat_s
        self._silence_s = silence_s
        self._slots = max(1, int(heartbeat_s))
        self._slot = 0
        self._ping = prepare(frames.encode(frames.Ping()))
        self._streams: dict[tuple[TenantId, RoomId], Stream] = {}
        self._people: dict[tuple[TenantId, UserId], Person] = {}
        self._staff: dict[TenantId, dict[ConnectionId, Connection]] = {}
        # Who of the people here is in which room, for inbox and presence.
        self._followers: dict[tuple[TenantId, RoomId], dict[UserId, Person]] = {}
        self._connections: dict[ConnectionId, Connection] = {}
        self._dirty: set[Person] = set()
        self._previews: dict[tuple[TenantId, RoomId], _Preview] = {}
        self._heard: dict[tuple[TenantId, RoomId], _Heard] = {}
        self._told_at: dict[tuple[TenantId, RoomId], float] = {}
        self._moved: set[Stream] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self.deliveries = 0
        self.heals = 0
        self.looks = 0
        self.reads = 0
        self.resets = 0

    # life

    def start(self) -> None:
        self._loops = [
            asyncio.create_task(self._every(self._heartbeat_s / self._slots, self._beat), name="hub-heartbeat"),
            asyncio.create_task(self._every(TIPS_EVERY_S, self._tell_tips), name="hub-tips"),
            asyncio.create_task(self._every(INBOX_EVERY_S, self._tell_inboxes), name="hub-inbox"),
        ]

    async def close(self) -> None:
        for task in (*self._loops, *self._tasks):
            task.cancel()
        await asyncio.gather(*self._loops, *self._tasks, return_exceptions=True)
        for stream in self._streams.values():
            if stream.timer is not None:
                stream.timer.cancel()

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except Exception:
                # One odd socket or room must not stop the clock of all others.
                log.exception("hub_clock_failed", work=work.__name__)

    def epoch_of(self, number: int) -> str:
        """A room's epoch as clients see it: its own, and which life of the store this is."""
        return f"{number}.{self._db.incarnation}"

    @property
    def connections(self) -> Iterable[Connection]:
        return self._connections.values()

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    @property
    def room_count(self) -> int:
        return len(self._streams)

    def connections_of(self, tenant: TenantId, user: UserId) -> list[Connection]:
        person = self._people.get((tenant, user))
        return [] if person is None else list(person.connections.values())

    def heard(self) -> Iterable[tuple[TenantId, UserId, dict[ConnectionId, float]]]:
        """Everybody who is here, with their sockets and for how many seconds each has been silent."""
        now = asyncio.get_running_loop().time()
        for person in list(self._people.values()):
            yield person.tenant, person.user, self.silence_of(person.tenant, person.user, now)

    def silence_of(self, tenant: TenantId, user: UserId, now: float) -> dict[ConnectionId, float]:
        """A user's sockets here, and for how many seconds each has been silent."""
        return {connection.id: now - connection.heard_at for connection in self.connections_of(tenant, user)}

    def _interest(self, tenant: TenantId, topic: Interest, key: str, on: bool) -> None:
        if self._bus is not None:
            self._bus.interest(tenant, topic, key, on)

    def add(self, connection: Connection) -> None:
        """A socket has authenticated."""
        actor = connection.actor
        self._connections[connection.id] = connection
        person = self._people.get((actor.tenant, actor.id))
        if person is None:
            person = self._people[actor.tenant, actor.id] = Person(actor.tenant, actor.id)
            self._interest(actor.tenant, "user", actor.id, True)
        person.connections[connection.id] = connection
        if actor.is_staff:
            self._employ(connection)

    def follow(self, tenant: TenantId, user: UserId, tips: Mapping[RoomId, int]) -> None:
        """Which rooms a user is in, with their ``seq``: they hear of new messages there, subscribed or not.

        What they have left while this was being read is left.
        """
        person = self._people.get((tenant, user))
        if person is None:
            return
        for room_id, seq in tips.items():
            if room_id not in person.rooms and room_id not in person.gone:
                person.rooms[room_id] = _Unread(seq)
                followers = self._followers.get((tenant, room_id))
                if followers is None:
                    followers = self._followers[tenant, room_id] = {}
                    self._heard[tenant, room_id] = _Heard(seq)
                    self._interest(tenant, "room", room_id, True)
                followers[user] = person

    def renew(self, connection: Connection, actor: Actor) -> None:
        """A socket has a new token; what its user may do in the tenant may have changed with it."""
        self._unstaff(connection)
        connection.actor = actor
        if actor.is_staff and connection.id in self._connections:
            self._employ(connection)

    def _employ(self, connection: Connection) -> None:
        tenant = connection.actor.tenant
        staff = self._staff.get(tenant)
        if staff is None:
            staff = self._staff[tenant] = {}
            self._interest(tenant, "staff", "", True)
        staff[connection.id] = connection

    def _unstaff(self, connection: Connection) -> None:
        tenant = connection.actor.tenant
        staff = self._staff.get(tenant)
        if staff is None:
            return
        staff.pop(connection.id, None)
        if not staff:
            del self._staff[tenant]
            self._interest(tenant, "staff", "", False)

    def rooms_of(self, tenant: TenantId, user: UserId) -> list[RoomId]:
        person = self._people.get((tenant, user))
        return [] if person is None else list(person.rooms)

    def remove(self, connection: Connection) -> None:
        """A socket has ended."""
        if self._connections.pop(connection.id, None) is None:
            return
        actor = connection.actor
        for room_id in list(connection.rooms):
            self.unsubscribe(connection, room_id)
        self._unstaff(connection)
        person = self._people.get((actor.tenant, actor.id))
        if person is None:
            return
        person.connections.pop(connection.id, None)
        if not person.connections:
            for room_id in person.rooms:
                self._unfollow(person, room_id)
            self._dirty.discard(person)
            del self._people[actor.tenant, actor.id]
            self._interest(actor.tenant, "user", actor.id, False)

    def _unfollow(self, person: Person, room_id: RoomId) -> None:
        key = (person.tenant, room_id)
        followers = self._followers.get(key)
        if followers is not None:
            followers.pop(person.user, None)
            if not followers:
                del self._followers[key]
                self._heard.pop(key, None)
                self._interest(person.tenant, "room", room_id, False)
                self._previews.pop(key, None)
                self._told_at.pop(key, None)

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
            self._interest(tenant, "room", room_id, True)
            self._interest(tenant, "typing", room_id, True)
        subscription = Subscription(connection, stream)
        stream.subscriptions[connection.id] = subscription
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
        if self._bus is not None:
            # What the page does not hold yet must be heard of.
            await self._bus.listening(stream.tenant, "room", stream.room)
        page = await self._page(subscription, since, tip)
        count = page.participant_count
        if count is None:
            count = await rooms.participant_count(self._db, stream.tenant, stream.room)
        if subscription.over:
            raise subscription.why
        if since is not None and not self._may_resume(subscription, page, since, epoch):
            self.resets += 1
            self._end(subscription)
            told = frames.Reset(ref=frames.reply_ref(ref), room=stream.room, epoch=self.epoch_of(page.room.epoch))
            connection.out.write(self._framed(told))
            return
        stream.epoch = self.epoch_of(page.room.epoch)
        stream.owner_version = max(stream.owner_version, page.room.owner_version)
        own = _Own(connection.actor.public(), member, policy)
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
            state=rows.room_state(page.room, self._channels[page.room.channel_type]),
            reads=own.marks(page.reads),
            more=page.more,
        )
        await self._catch_up(subscription, page, self._framed(first), own)

    def _may_resume(self, subscription: Subscription, page: pages.Page, since: int, epoch: str | None) -> bool:
        """Whether a position is of this life of the room, and near enough to go on from."""
        policy = subscription.stream.policy
        assert policy is not None
        rejoined = policy.history == "since_join" and subscription.visible_from > since
        honest = epoch is None or epoch == self.epoch_of(page.room.epoch)
        return honest and not rejoined and 0 <= page.room.seq - since <= pages.MAX_BEHIND

    async def _catch_up(
        self, subscription: Subscription, page: pages.Page, frame: bytes, own: _Own | None = None
    ) -> None:
        """Send page after page, as fast as the socket takes them, until it is level with the stream."""
        connection, stream = subscription.connection, subscription.stream
        while True:
            if not await connection.out.write_paced(frame) or subscription.over:
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
                self._reset(stream, 0 if next_page is None else next_page.room.epoch)
                return
            page = next_page
            frame = self._framed(self._changes(page, since, own))

    async def _catch_up_from(self, subscription: Subscription, since: int) -> None:
        """The same for a socket that was live until ``since``."""
        page = await self._next_page(subscription, since)
        if subscription.over:
            return
        if page is None or page.seq < since:
            self._reset(subscription.stream, 0 if page is None else page.room.epoch)
            return
        await self._catch_up(subscription, page, self._framed(self._changes(page, since)))

    async def _next_page(self, subscription: Subscription, since: int) -> pages.Page | None:
        """A page for somebody who was told they are subscribed: while the store is away, they wait. None: no room."""
        while True:
            try:
                return await self._page(subscription, since)
            except NotFound:
                return None
            except StoreError:
                await asyncio.sleep(HEAL_AGAIN_S)
                if subscription.over:
                    return None

    async def _page(self, subscription: Subscription, since: int | None, tip: int = 0) -> pages.Page:
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
            reading = asyncio.create_task(self._read(stream, policy, since, bound), name=f"page {stream.room}")
            self._tasks.add(reading)
            reading.add_done_callback(self._tasks.discard)
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
            self._end(subscription, NotFound())
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

    async def _read(self, stream: Stream, policy: Policy, since: int | None, bound: int) -> pages.Page | None:
        self.reads += 1
        if since is None:
            return await pages.first(self._db, stream.tenant, stream.room, policy, bound)
        return await pages.changes(self._db, stream.tenant, stream.room, policy, since, bound)

    def _state(self, page: pages.Page) -> RoomState | msgspec.UnsetType:
        return rows.room_state(page.room, self._channels[page.room.channel_type]) if page.state else msgspec.UNSET

    def _changes(self, page: pages.Page, since: int, own: _Own | None = None) -> frames.Changes:
        reads = page.reads if page.reads else msgspec.UNSET
        return frames.Changes(
            room=page.room.id,
            epoch=self.epoch_of(page.room.epoch),
            since=since,
            seq=page.seq,
            floor=page.room.floor,
            messages=page.messages,
            participants=page.participants if own is None else own.among(page.participants, since),
            state=self._state(page),
            reads=reads if own is None else own.marks(page.reads),
            more=page.more,
        )

    def _go_live(self, subscription: Subscription, seq: int) -> bool:
        """Join the stream at ``seq``. False: the stream is further by now; read on from there."""
        stream = subscription.stream
        if stream.seq is None:
            if seq < stream.tip:
                return False
            stream.seq = stream.tip = seq
            self._release(stream)
        if seq > stream.seq:
            stream.tip = max(stream.tip, seq)
            self._expect(stream)
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
            self._write(stream, [subscription], self._joined(stream, missed), missed)
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
            stream.writers = None
        if stream.waiting:
            stream.waiting = [item for item in stream.waiting if item[1] is not subscription]
        if not stream.subscriptions:
            if stream.timer is not None:
                stream.timer.cancel()
            self._moved.discard(stream)
            if self._streams.get((stream.tenant, stream.room)) is stream:
                del self._streams[stream.tenant, stream.room]
                self._interest(stream.tenant, "room", stream.room, False)
                self._interest(stream.tenant, "typing", stream.room, False)

    # events

    def on_events(self, events: Sequence[Event]) -> None:
        """Take what was announced; synchronous, so that what is announced first is told first."""
        touched: dict[Stream, list[Event]] = {}
        counted: dict[tuple[TenantId, RoomId], list[Event]] = {}
        for event in events:
            if event.topic == "room":
                stream = self._streams.get((event.tenant, RoomId(event.key)))
                if event.seq == 0:
                    self._ephemeral(event, stream)
                else:
                    if stream is not None:
                        self._durable(event, stream, touched)
                    room = (event.tenant, RoomId(event.key))
                    if (heard := self._heard.get(room)) is not None:
                        heard.take(event.seq)
                    preview = self._previews.get(room)
                    if preview is not None and event.seq == preview.seen + 1:
                        preview.seen = event.seq
                    if event.counts:
                        counted.setdefault(room, []).append(event)
                    elif event.kind == "message":
                        self._recount(room, event)
                if event.kind == "participant":
                    # First what came before, and that they go: it is the last they hear of the room.
                    self._flush(touched)
                    self._count_all(counted)
                    self._place_changed(event)
            elif event.topic == "user":
                self._to_user(event)
            else:
                self._to_staff(event)
        self._flush(touched)
        self._count_all(counted)

    def _durable(self, event: Event, stream: Stream, touched: dict[Stream, list[Event]]) -> None:
        if event.seq > stream.tip:
            stream.tip = event.seq
        if event.kind == "room":
            # Known at once, also while it waits for what is missing: a relieved bot is silent from here on.
            state = _room_frame.decode(event.frame).state
            stream.owner_version = max(stream.owner_version, state.owner_version)
        if stream.seq is None:
            # Somebody is reading their first page; it, or the next, will hold this.
            return
        if event.seq == stream.seq + 1 and not stream.healing:
            stream.seq = event.seq
            touched.setdefault(stream, []).append(event)
            if stream.held:
                self._take_held(stream, touched[stream])
            if stream.waiting:
                self._flush(touched)
                self._admit(stream)
        elif event.seq > stream.seq:
            if len(stream.held) < MAX_HELD:
                stream.held[event.seq] = event  # of more than that the store knows as well
            self._expect(stream)

    def _take_held(self, stream: Stream, into: list[Event]) -> None:
        assert stream.seq is not None
        while (event := stream.held.pop(stream.seq + 1, None)) is not None:
            stream.seq = event.seq
            into.append(event)
        if not stream.held and stream.timer is not None and stream.tip <= stream.seq:
            stream.timer.cancel()
            stream.timer = None

    def _release(self, stream: Stream) -> None:
        """After ``seq`` has jumped: drop what is behind it, tell what is next."""
        assert stream.seq is not None
        for seq in [seq for seq in stream.held if seq <= stream.seq]:
            del stream.held[seq]
        events: list[Event] = []
        self._take_held(stream, events)
        if events:
            self._tell(stream, events)
        self._admit(stream)

    def _admit(self, stream: Stream) -> None:
        """Make live who waited for the stream to reach their snapshot; it may have gone past it at one stroke."""
        if not stream.waiting or stream.seq is None:
            return
        waiting, stream.waiting = stream.waiting, []
        for seq, subscription in waiting:
            if subscription.over:
                continue
            if not self._level(subscription, seq):
                self._spawn(self._catch_up_from(subscription, seq), f"catch up {stream.room}")

    def _flush(self, touched: dict[Stream, list[Event]]) -> None:
        for stream, events in touched.items():
            self._tell(stream, events)
        touched.clear()

    def _tell(self, stream: Stream, events: Sequence[Event]) -> None:
        self._moved.add(stream)
        stream.recent.extend(events)
        if stream.writers is None:
            stream.writers = [sub for sub in stream.subscriptions.values() if sub.live]
        if stream.backlog is not None:
            stream.backlog.extend(events)
        elif len(stream.writers) > SLICE:
            stream.backlog = deque(events)
            stream.passing = events[0].seq - 1
            stream.fan_out = self._spawn(self._tell_many(stream), f"fan-out {stream.room}")
        else:
            self._write(stream, stream.writers, self._joined(stream, events), events)

    def _joined(self, stream: Stream, events: Sequence[Event]) -> list[bytes] | None:
        """The frames of several events, as few writes as may be; None where viewers differ."""
        if stream.policy is not None and stream.policy.history == "since_join":
            return None
        if len(events) == 1:
            return [self._prepare(events[0].frame)]
        joined: list[bytes] = []
        parts: list[bytes] = []
        size = 0
        for event in events:
            frame = self._prepare(event.frame)
            if parts and size + len(frame) > JOINED_BYTES:
                joined.append(b"".join(parts))
                parts, size = [], 0
            parts.append(frame)
            size += len(frame)
        joined.append(b"".join(parts))
        return joined

    def _write(
        self, stream: Stream, to: Sequence[Subscription], joined: list[bytes] | None, events: Sequence[Event]
    ) -> None:
        self.deliveries += len(to) * len(events)
        if joined is not None:
            for frame in joined:
                for subscription in to:
                    if subscription.live:
                        subscription.write(frame)
            return
        for event in events:
            whole = self._prepare(event.frame)
            skip = self._framed(frames.Skip(room=stream.room, seq=event.seq)) if event.born else whole
            for subscription in to:
                if subscription.live:
                    hidden = 0 < event.born <= subscription.visible_from
                    subscription.write(skip if hidden else whole)

    async def _tell_many(self, stream: Stream) -> None:
        """A large room, in slices, so that one busy room does not hold up the others."""
        assert stream.backlog is not None
        try:
            while stream.backlog:
                events = list(stream.backlog)
                stream.passing = events[-1].seq
                to = [sub for sub in stream.subscriptions.values() if sub.live]
                joined = self._joined(stream, events)
                for start in range(0, len(to), SLICE):
                    self._write(stream, to[start : start + SLICE], joined, events)
                    await asyncio.sleep(0)
                for _ in events:
                    stream.backlog.popleft()
                self._admit(stream)
        finally:
            stream.backlog = stream.fan_out = None
        self._admit(stream)

    # holes

    def _expect(self, stream: Stream) -> None:
        """Something is missing: give it 50 ms, then ask the store."""
        if stream.timer is None and not stream.healing:
            stream.timer = asyncio.get_running_loop().call_later(REORDER_S, self._start_healing, stream)

    def _start_healing(self, stream: Stream) -> None:
        stream.timer = None
        if stream.seq is not None and (stream.held or stream.tip > stream.seq) and stream.subscriptions:
            self._spawn(self._heal(stream), f"heal {stream.room}")

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
                self._release(stream)
        if stream.timer is not None or not stream.subscriptions or stream.seq is None:
            return
        if again or stream.held or stream.tip > stream.seq:
            stream.timer = asyncio.get_running_loop().call_later(HEAL_AGAIN_S, self._start_healing, stream)

    async def _heal_pages(self, stream: Stream) -> None:
        while stream.subscriptions and stream.seq is not None:
            policy, since, heard_of = stream.policy, stream.seq, max(stream.held, default=0)
            assert policy is not None
            page = await self._read(stream, policy, since, 0)
            if not stream.subscriptions:
                return
            if page is None or page.room.seq < max(since, heard_of) or page.room.seq - since > pages.MAX_BEHIND:
                # The store has less than was told: it was restored. Or it has far more. Everybody starts anew.
                self._reset(stream, page.room.epoch if page is not None else 0)
                return
            # Who has had to go since is not sent the page any more.
            await self._look_again([(stream.tenant, stream.room, since)])
            if policy.history == "since_join":
                # Each has a bound of their own: they catch up one by one, and come back when level.
                for subscription in [sub for sub in stream.subscriptions.values() if sub.live]:
                    subscription.live = False
                    self._spawn(self._catch_up_from(subscription, since), f"catch up {stream.room}")
            else:
                await self._write_all(stream, self._framed(self._changes(page, since)))
            stream.writers = None
            stream.owner_version = max(stream.owner_version, page.room.owner_version)
            stream.seq = page.seq
            stream.recent.clear()
            # What changed there may be what somebody's inbox shows.
            self._previews.pop((stream.tenant, stream.room), None)
            self._moved.add(stream)
            self._admit(stream)
            if not page.more:
                stream.tip = max(page.room.seq, max(stream.held, default=0))
                return

    async def _write_all(self, stream: Stream, frame: bytes) -> None:
        """To every live socket, in slices; also to those that came to the same place meanwhile."""
        told: set[Subscription] = set()
        while True:
            to = [sub for sub in stream.subscriptions.values() if sub.live and sub not in told]
            for subscription in to[:SLICE]:
                subscription.write(frame)
            if len(to) <= SLICE:
                return
            told.update(to[:SLICE])
            await asyncio.sleep(0)

    def _reset(self, stream: Stream, epoch: int) -> None:
        self.resets += 1
        frame = self._framed(frames.Reset(room=stream.room, epoch=self.epoch_of(epoch)))
        for subscription in list(stream.subscriptions.values()):
            subscription.connection.out.write(frame)
            self._end(subscription, Conflict("This room starts anew. Subscribe again without since."))

    def on_tips(self, tips: Iterable[tuple[TenantId, RoomId, int, int]]) -> None:
        """What the store says of rooms that moved: ``(tenant, room, seq, epoch)``. A lost last message heals here."""
        missed: list[tuple[TenantId, RoomId, int]] = []
        for tenant, room_id, seq, epoch in tips:
            self._moved_unseen(tenant, room_id, seq)
            heard = self._heard.get((tenant, room_id))
            if heard is not None and seq > heard.seq:
                missed.append((tenant, room_id, heard.seq))
                heard.seq, heard.ahead = seq, {number for number in heard.ahead if number > seq}
            stream = self._streams.get((tenant, room_id))
            if stream is None or stream.seq is None:
                continue
            if stream.epoch and stream.epoch != self.epoch_of(epoch):
                self._reset(stream, epoch)
            elif seq > stream.seq:
                stream.tip = max(stream.tip, seq)
                self._expect(stream)
        if missed:
            self._spawn(self._heal_inboxes(missed), "heal inboxes")

    async def check_tips(self) -> None:
        """Compare every stream with the store, after the bus was away: a restored store is found here too."""
        streams = [stream for stream in self._streams.values() if stream.seq is not None]
        for start in range(0, len(streams), SLICE):
            part = streams[start : start + SLICE]
            found = await rooms.tips(self._db, [(stream.tenant, stream.room) for stream in part])
            for stream in part:
                tip = found.get((stream.tenant, stream.room))
                if stream.seq is None or not stream.subscriptions:
                    continue
                if tip is None or tip[0] < stream.seq:
                    self._reset(stream, tip[1] if tip is not None else 0)
                else:
                    self.on_tips([(stream.tenant, stream.room, *tip)])

    async def check_places(self) -> None:
        """Compare who is in which room with the store, after the bus was away: somebody may have been let in."""
        people = list(self._people.values())
        for start in range(0, len(people), SLICE):
            part = people[start : start + SLICE]
            found = await rooms.of_users(self._db, [(person.tenant, person.user) for person in part])
            for person in part:
                if not person.connections:
                    continue
                joined = found.get((person.tenant, person.user), {})
                person.gone -= joined.keys()
                for room_id in joined.keys() - person.rooms.keys():
                    person.dirty.add(room_id)
                    self._dirty.add(person)
                self.follow(person.tenant, person.user, joined)

    async def _heal_inboxes(self, missed: Sequence[tuple[TenantId, RoomId, int]]) -> None:
        """Something happened in rooms that people here are in, and was not heard of."""
        self.looks += len(missed)
        try:
            await self._look_again(missed)
        except StoreError:
            for tenant, room_id, since in missed:
                if (heard := self._heard.get((tenant, room_id))) is not None:
                    heard.seq = min(heard.seq, since)  # the next tips find it again
            return
        for tenant, room_id, _ in missed:
            followers = self._followers.get((tenant, room_id), {})
            if len(followers) <= BUSY_ROOM:
                for user in list(followers):
                    self._has_read(tenant, user, room_id)

    async def _look_again(self, missed: Sequence[tuple[TenantId, RoomId, int]]) -> None:
        """Whose place in these rooms has changed since a number: they may have had to go."""
        for tenant, room_id, user, state, seq in await rooms.places_since(self._db, missed):
            if user in self._followers.get((tenant, room_id), {}):
                self._place_is(tenant, room_id, user, state, seq)

    # what passes

    def _ephemeral(self, event: Event, stream: Stream | None) -> None:
        if event.kind in ("receipt", "own_receipt"):
            self._has_read(event.tenant, UserId(event.sender), RoomId(event.key))
        if stream is None or event.kind in INTERNAL:
            return
        if event.kind == "presence" and stream.policy is not None and not _shows_presence(stream.policy):
            return
        if event.owner_version and event.owner_version < stream.owner_version:
            return  # a bot that has not heard yet that it was relieved
        if event.kind == "typing" and self._too_many_typing(event, stream):
            return
        frame = self._prepare(event.frame)
        for subscription in stream.subscriptions.values():
            if subscription.live and subscription.connection.actor.id != event.sender:
                subscription.connection.out.write_ephemeral(frame)

    def _too_many_typing(self, event: Event, stream: Stream) -> bool:
        """In a room too large for a roster only the first few names are shown as typing."""
        if stream.policy is None or stream.policy.roster == "listed":
            return False
        now = asyncio.get_running_loop().time()
        stream.typing = {user: until for user, until in stream.typing.items() if until > now}
        shown = event.sender in stream.typing
        if not _typing_frame.decode(event.frame).on:
            stream.typing.pop(event.sender, None)
            return not shown
        if not shown and len(stream.typing) >= TYPING_NAMES:
            return True
        stream.typing[event.sender] = now + TYPING_S
        return False

    def _to_user(self, event: Event) -> None:
        person = self._people.get((event.tenant, UserId(event.key)))
        if person is None:
            return
        if event.kind == "evict":
            self._evict(person, ConnectionId(event.frame.decode()))
        elif event.kind == "revoked":
            for connection in list(person.connections.values()):
                if connection.actor.token_version < int(event.frame):
                    connection.out.close(CloseCode.REVOKED, "revoked")
        else:
            frame = self._prepare(event.frame)
            for connection in person.connections.values():
                connection.out.write(frame)

    def _evict(self, person: Person, connection_id: ConnectionId) -> None:
        """Their newest socket is one too many, and this one has been silent longest."""
        connection = person.connections.get(connection_id)
        if connection is not None:
            connection.out.write(self._framed(frames.Notice(code="too_many_connections", text="Opened elsewhere.")))
            connection.out.close(CloseCode.TOO_MANY_CONNECTIONS, "too many connections")
            self.remove(connection)

    def _to_staff(self, event: Event) -> None:
        staff = self._staff.get(event.tenant)
        if staff:
            frame = self._prepare(event.frame)
            for connection in list(staff.values()):
                connection.out.write(frame)

    def _place_changed(self, event: Event) -> None:
        participant = _participant_frame.decode(event.frame).participant
        self._place_is(event.tenant, RoomId(event.key), participant.user.id, participant.state, participant.changed_seq)

    def _place_is(self, tenant: TenantId, room_id: RoomId, user: UserId, state: str, seq: int) -> None:
        person = self._people.get((tenant, user))
        if person is None:
            return
        for connection in person.connections.values():
            if (subscription := connection.rooms.get(room_id)) is not None:
                subscription.place = None  # another role, muted, here at last: the edge asks again
                subscription.takes_part = state == "joined"
        if state == "joined":
            person.gone.discard(room_id)
            self.follow(tenant, user, {room_id: seq})
            return
        person.gone.add(room_id)
        if person.rooms.pop(room_id, None) is not None:
            self._unfollow(person, room_id)
            person.dirty.discard(room_id)
        frame = self._framed(frames.Inbox(room=room_id, seq=seq, unread=0, mentioned=False, removed=True))
        stream = self._streams.get((tenant, room_id))
        owned = stream is not None and stream.policy is not None and stream.policy.owned
        for connection in person.connections.values():
            # Staff who leave a support room go on watching it from behind the counter, unless they were banned.
            if not (owned and connection.actor.is_staff and state == "left"):
                self.unsubscribe(connection, room_id, NotFound())
            connection.out.write(frame)

    # inboxes

    def _count_all(self, counted: dict[tuple[TenantId, RoomId], list[Event]]) -> None:
        for room, new in counted.items():
            self._count(room, new)
        counted.clear()

    def _count(self, room: tuple[TenantId, RoomId], new: Sequence[Event]) -> None:
        """Raise what the room's followers have not read; once per batch, since a room may have thousands."""
        followers = self._followers.get(room)
        if not followers:
            return
        first, last = new[0], new[-1]
        preview = self._previews.get(room)
        if preview is None or preview.number < last.seq:
            self._previews[room] = _Preview(last.seq, last.frame)
        wrote = Counter(event.sender for event in new)
        mentioned = {user for event in new for user in event.mentions}
        for user, person in followers.items():
            state = person.rooms[room[1]]
            state.seq, state.last = max(state.seq, last.seq), max(state.last, last.seq)
            if state.count is not None and first.seq <= state.as_of:
                # The store was asked after the commit and before we heard of it: some are counted already.
                self._ask_again(state)
            elif state.count is not None:
                state.count = min(state.count + len(new) - wrote[user], rooms.COUNTED_TO)
                state.mentioned = state.mentioned or user in mentioned
            person.dirty.add(room[1])
        self._dirty.update(followers.values())

    def _ask_again(self, state: _Unread) -> None:
        state.count = None
        state.asked += 1

    def _recount(self, room: tuple[TenantId, RoomId], event: Event) -> None:
        """A message has changed: the preview follows it, and one that was deleted is no longer unread."""
        followers = self._followers.get(room)
        if not followers:
            return
        message = last_message(event.frame)
        if (preview := self._previews.get(room)) is not None:
            preview.changed(message)
        if message.deleted and len(followers) <= BUSY_ROOM:
            for user in list(followers):
                self._has_read(event.tenant, user, room[1])

    def _moved_unseen(self, tenant: TenantId, room_id: RoomId, seq: int) -> None:
        """The store says that a room is at ``seq``. A preview that may have changed unseen is shown no more."""
        preview = self._previews.get((tenant, room_id))
        if preview is not None and seq > preview.seen:
            del self._previews[tenant, room_id]

    def _has_read(self, tenant: TenantId, user: UserId, room_id: RoomId) -> None:
        """A mark has moved: what was counted is counted anew when it is next told."""
        person = self._people.get((tenant, user))
        if person is not None and (state := person.rooms.get(room_id)) is not None:
            self._ask_again(state)
            person.dirty.add(room_id)
            self._dirty.add(person)

    async def _tell_inboxes(self) -> None:
        people, self._dirty = self._dirty, set()
        busy: set[tuple[TenantId, RoomId]] = set()
        away = False
        for person in people:
            try:
                if not away:
                    await self._tell_inbox(person, busy)
            except StoreError:
                away = True  # what was not told stays to be told
            except Exception:
                log.exception("inbox_failed", user=person.user)
                person.dirty.clear()
            if person.dirty and person.connections:
                self._dirty.add(person)
        now = asyncio.get_running_loop().time()
        for key in busy & self._followers.keys():
            self._told_at[key] = now

    async def _tell_inbox(self, person: Person, busy: set[tuple[TenantId, RoomId]]) -> None:
        """Tell somebody of their rooms in which something happened; of a busy room only every ten seconds."""
        now = asyncio.get_running_loop().time()
        for room_id in list(person.dirty):
            key = (person.tenant, room_id)
            if len(self._followers.get(key, ())) > BUSY_ROOM:
                if now - self._told_at.get(key, -TIPS_EVERY_S) < TIPS_EVERY_S:
                    continue
                busy.add(key)
            state = person.rooms.get(room_id)
            if state is not None and state.count is None:
                await self._ask_unread(person, room_id, state)
            if state is None or person.rooms.get(room_id) is not state:
                person.dirty.discard(room_id)
                continue  # they have left
            if state.count is None:
                continue  # something happened while it was counted: next time
            person.dirty.discard(room_id)
            preview = self._previews.get(key)
            frame = self._framed(
                frames.Inbox(
                    room=room_id,
                    seq=state.seq,
                    unread=state.count,
                    mentioned=state.mentioned,
                    # A preview only of what came while they were there: never from before they joined.
                    last=preview.message if preview is not None and preview.number == state.last else None,
                )
            )
            for connection in person.connections.values():
                connection.out.write_ephemeral(frame)

    async def _ask_unread(self, person: Person, room_id: RoomId, state: _Unread) -> None:
        """Count in the store, as of a number. What moved while it was counted leaves it uncounted."""
        asked = state.asked
        async with self._db.snapshot() as at:
            room = await rooms.get(at, person.tenant, room_id)
            if room is None:
                person.dirty.discard(room_id)
                return
            count, mentioned = await rooms.unread(at, person.tenant, room_id, person.user)
        if state.asked == asked and state.last <= room.seq:
            state.seq, state.as_of = max(state.seq, room.seq), room.seq
            state.count, state.mentioned = count, mentioned

    # the clock

    async def _beat(self) -> None:
        """Ping every socket once per heartbeat, spread over it; close who is silent or whose token is over."""
        self._slot = (self._slot + 1) % self._slots
        now, now_us = asyncio.get_running_loop().time(), self._clock.now_us()
        for connection in list(self._connections.values()):
            if 0 < connection.actor.expires_us < now_us:
                connection.out.close(CloseCode.TOKEN_EXPIRED, "token expired")
            elif connection.reading and now - connection.heard_at > self._silence_s:
                connection.out.close(CloseCode.NO_HEARTBEAT, "no heartbeat")
            elif hash(connection.id) % self._slots == self._slot:
                connection.out.write_ephemeral(self._ping)

    async def _tell_tips(self) -> None:
        moved, self._moved = self._moved, set()
        by_connection: dict[Connection, dict[RoomId, int]] = {}
        for stream in moved:
            if stream.seq is not None:
                for subscription in stream.subscriptions.values():
                    if subscription.live:
                        by_connection.setdefault(subscription.connection, {})[stream.room] = stream.seq
        for number, (connection, tips) in enumerate(by_connection.items()):
            connection.out.write_ephemeral(self._framed(frames.Tips(rooms=tips)))
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)

    def drain(self, spread_s: float) -> None:
        """Ask every socket to come back elsewhere, each at a moment of its own."""
        for connection in list(self._connections.values()):
            wait_ms = int(random.uniform(0, spread_s) * 1000)  # not a secret
            connection.out.write(self._framed(frames.Drain(reconnect_in_ms=wait_ms)))

    def _framed(self, frame: frames.Frame) -> bytes:
        return self._prepare(frames.encode(frame))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("hub_task_failed", task=task.get_name(), exc_info=error)


def last_message(frame: bytes) -> Message:
    """The message in an encoded ``message`` frame."""
    return _message_frame.decode(frame).message
