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
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec
import structlog

from deskbell.clock import Clock
from deskbell.errors import NotFound
from deskbell.ids import ConnectionId, RoomId, TenantId, UserId
from deskbell.model.policy import Policy
from deskbell.model.records import Actor, Channel, Membership, Message, Participant, PublicUser, RoomState
from deskbell.store import pages, rooms, rows
from deskbell.store.database import Database, StoreError
from deskbell.wire import frames
from deskbell.wire.close_codes import CloseCode
from deskbell.wire.commands import Ref
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

REORDER_S = 0.05
HEAL_AGAIN_S = 0.5
SLICE = 500
RECENT = 64
SHARED_PAGE_S = 1.0
JOINED_BYTES = 60_000
INBOX_EVERY_S = 0.5
BUSY_ROOM = 200
TIPS_EVERY_S = 10.0

_message_frame = msgspec.json.Decoder(frames.MessageFrame)
_participant_frame = msgspec.json.Decoder(frames.ParticipantFrame)
_room_frame = msgspec.json.Decoder(frames.RoomFrame)


# Told to the platform's own parts over the bus, to no socket.
INTERNAL = ("participant", "own_receipt", "stop")


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
    """A socket's place in a room's stream. ``live`` once it is sent what comes; ``over`` once it ended."""

    __slots__ = ("connection", "live", "over", "place", "stream", "takes_part", "visible_from", "write")

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


class Stream:
    """One room as this process sees it. ``seq`` is the last durable event told; None: nobody is live yet."""

    __slots__ = (
        "backlog",
        "epoch",
        "healing",
        "held",
        "owner_version",
        "pages",
        "policy",
        "recent",
        "room",
        "seq",
        "subscriptions",
        "tenant",
        "timer",
        "tip",
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
        self.backlog: deque[Event] | None = None
        # The last events told, one after the other without a hole.
        self.recent: deque[Event] = deque(maxlen=RECENT)
        # Pages read a moment ago, for others who ask the same: {(since, bound): (when, page)}.
        self.pages: dict[tuple[int | None, int], tuple[float, asyncio.Future[pages.Page | None]]] = {}


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
    """What a user has not read in a room; ``count`` is None until somebody asks the store."""

    __slots__ = ("count", "mentioned", "seq")

    def __init__(self) -> None:
        self.count: int | None = None
        self.mentioned = False
        self.seq = 0


class Person:
    """A user with at least one socket here, and the rooms they are in."""

    __slots__ = ("connections", "dirty", "rooms", "tenant", "user")

    def __init__(self, tenant: TenantId, user: UserId) -> None:
        self.tenant = tenant
        self.user = user
        self.connections: dict[ConnectionId, Connection] = {}
        self.rooms: dict[RoomId, _Unread] = {}
        self.dirty: set[RoomId] = set()


class Hub:
    """See the module. ``prepare`` frames an encoded text for the wire."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        channels: dict[str, Channel],
        prepare: Callable[[bytes], bytes],
        *,
        heartbeat_s: float = 30.0,
        silence_s: float = 120.0,
    ) -> None:
        self._db = db
        self._clock = clock
        self._channels = channels
        self._prepare = prepare
        self._heartbeat_s = heartbeat_s
        self._silence_s = silence_s
        self._ping = prepare(frames.encode(frames.Ping()))
        self._streams: dict[tuple[TenantId, RoomId], Stream] = {}
        self._people: dict[tuple[TenantId, UserId], Person] = {}
        self._staff: dict[TenantId, dict[ConnectionId, Connection]] = {}
        # Who of the people here is in which room, for inbox and presence.
        self._followers: dict[tuple[TenantId, RoomId], dict[UserId, Person]] = {}
        self._connections: dict[ConnectionId, Connection] = {}
        self._dirty: set[Person] = set()
        self._last: dict[tuple[TenantId, RoomId], bytes] = {}
        self._told_at: dict[tuple[TenantId, RoomId], float] = {}
        self._moved: set[Stream] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self.deliveries = 0
        self.heals = 0
        self.reads = 0
        self.resets = 0

    # life

    def start(self) -> None:
        self._loops = [
            asyncio.create_task(self._beat(), name="hub-heartbeat"),
            asyncio.create_task(self._tell_tips(), name="hub-tips"),
            asyncio.create_task(self._tell_inboxes(), name="hub-inbox"),
        ]

    async def close(self) -> None:
        for task in (*self._loops, *self._tasks):
            task.cancel()
        await asyncio.gather(*self._loops, *self._tasks, return_exceptions=True)
        for stream in self._streams.values():
            if stream.timer is not None:
                stream.timer.cancel()

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

    def add(self, connection: Connection) -> None:
        """A socket has authenticated."""
        actor = connection.actor
        self._connections[connection.id] = connection
        person = self._people.get((actor.tenant, actor.id))
        if person is None:
            person = self._people[actor.tenant, actor.id] = Person(actor.tenant, actor.id)
        person.connections[connection.id] = connection
        if actor.is_staff:
            self._staff.setdefault(actor.tenant, {})[connection.id] = connection

    def follow(self, tenant: TenantId, user: UserId, room_ids: Iterable[RoomId]) -> None:
        """Which rooms a user is in: they hear of new messages there, subscribed or not."""
        person = self._people.get((tenant, user))
        if person is None:
            return
        for room_id in room_ids:
            if room_id not in person.rooms:
                person.rooms[room_id] = _Unread()
                self._followers.setdefault((tenant, room_id), {})[user] = person

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
        if actor.is_staff:
            staff = self._staff.get(actor.tenant, {})
            staff.pop(connection.id, None)
            if not staff:
                self._staff.pop(actor.tenant, None)
        person = self._people.get((actor.tenant, actor.id))
        if person is None:
            return
        person.connections.pop(connection.id, None)
        if not person.connections:
            for room_id in person.rooms:
                self._unfollow(person, room_id)
            self._dirty.discard(person)
            del self._people[actor.tenant, actor.id]

    def _unfollow(self, person: Person, room_id: RoomId) -> None:
        key = (person.tenant, room_id)
        followers = self._followers.get(key)
        if followers is not None:
            followers.pop(person.user, None)
            if not followers:
                del self._followers[key]
                self._last.pop(key, None)
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
    ) -> None:
        """Send what the socket needs to be as far as the stream, then keep it there.

        ``member`` is the reader's own place; None for staff who look on.

        Raises:
            NotFound: The room is gone; the subscription ended.
        """
        connection, stream = subscription.connection, subscription.stream
        subscription.visible_from = member.visible_from if member is not None else 0
        subscription.takes_part = member is not None
        stream.policy = policy
        page = await self._page(subscription, since)
        if subscription.over:
            return
        if since is not None and not self._may_resume(subscription, page, since, epoch):
            self.resets += 1
            self._end(subscription)
            connection.out.write(self._framed(frames.Reset(room=stream.room, epoch=self.epoch_of(page.room.epoch))))
            connection.out.write(self._framed(frames.Ok(ref=frames.reply_ref(ref))))
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
            participant_count=page.participant_count or 0,
            state=self._state(page),
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
            since = page.seq
            page = await self._page(subscription, since)
            if subscription.over:
                return
            if page.seq < since:
                self._reset(stream, page.room.epoch)
                return
            frame = self._framed(self._changes(page, since, own))

    async def _page(self, subscription: Subscription, since: int | None) -> pages.Page:
        """One page, read once for all sockets that ask for the same at about the same time."""
        stream = subscription.stream
        policy = stream.policy
        assert policy is not None
        bound = subscription.visible_from if policy.history == "since_join" else 0
        key = (since, bound)
        now = asyncio.get_running_loop().time()
        shared = stream.pages.get(key)
        if shared is not None:
            at, reading = shared
            fresh = now - at < SHARED_PAGE_S and not reading.cancelled()
            if fresh and reading.done():
                known = reading.result() if reading.exception() is None else None
                fresh = known is not None and max(stream.seq or 0, stream.tip) <= known.seq
            if not fresh:
                shared = None
        if shared is None:
            for old in [k for k, (at, _) in stream.pages.items() if now - at >= SHARED_PAGE_S]:
                del stream.pages[old]
            reading = asyncio.ensure_future(self._read(stream, policy, since, bound))
            stream.pages[key] = (now, reading)
        # Whoever goes away must not take the page from the others.
        page = await asyncio.shield(reading)
        if page is None:
            self._end(subscription)
            raise NotFound()
        return page

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
        if seq < stream.seq and not self._replay(subscription, seq):
            return False
        if seq > stream.seq:
            stream.waiting.append((seq, subscription))
            stream.tip = max(stream.tip, seq)
            self._expect(stream)
        else:
            subscription.live = True
            stream.writers = None
        return True

    def _replay(self, subscription: Subscription, seq: int) -> bool:
        """Bring a socket level from what was told a moment ago; in a busy room a page is never new enough."""
        stream = subscription.stream
        if stream.backlog is not None or not stream.recent or stream.recent[0].seq > seq + 1:
            return False
        missed = [event for event in stream.recent if event.seq > seq]
        subscription.live = True
        self._write(stream, [subscription], self._joined(stream, missed), missed)
        return True

    def unsubscribe(self, connection: Connection, room_id: RoomId) -> None:
        subscription = connection.rooms.get(room_id)
        if subscription is not None:
            self._end(subscription)

    def _end(self, subscription: Subscription) -> None:
        stream, connection = subscription.stream, subscription.connection
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
                    if event.counts:
                        counted.setdefault((event.tenant, RoomId(event.key)), []).append(event)
                if event.kind == "participant":
                    # After the stream has its event: who is thrown out is not told of it.
                    self._flush(touched)
                    self._place_changed(event)
            elif event.topic == "user":
                self._to_user(event)
            else:
                self._to_staff(event)
        self._flush(touched)
        for room, new in counted.items():
            self._count(room, new)

    def _durable(self, event: Event, stream: Stream, touched: dict[Stream, list[Event]]) -> None:
        if event.seq > stream.tip:
            stream.tip = event.seq
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
            stream.held[event.seq] = event
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
        """Make live who waited for the stream to reach their snapshot."""
        if not stream.waiting or stream.seq is None:
            return
        still: list[tuple[int, Subscription]] = []
        for seq, subscription in stream.waiting:
            if subscription.over:
                continue
            if seq <= stream.seq:
                subscription.live = True
                stream.writers = None
            else:
                still.append((seq, subscription))
        stream.waiting = still

    def _flush(self, touched: dict[Stream, list[Event]]) -> None:
        for stream, events in touched.items():
            self._tell(stream, events)
        touched.clear()

    def _tell(self, stream: Stream, events: Sequence[Event]) -> None:
        self._moved.add(stream)
        stream.recent.extend(events)
        for event in events:
            if event.kind == "room":
                state = _room_frame.decode(event.frame).state
                stream.owner_version = max(stream.owner_version, state.owner_version)
        if stream.writers is None:
            stream.writers = [sub for sub in stream.subscriptions.values() if sub.live]
        if stream.backlog is not None:
            stream.backlog.extend(events)
        elif len(stream.writers) > SLICE:
            stream.backlog = deque(events)
            self._spawn(self._tell_many(stream), f"fan-out {stream.room}")
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
        while stream.backlog:
            events = list(stream.backlog)
            to = [sub for sub in stream.subscriptions.values() if sub.live]
            joined = self._joined(stream, events)
            for start in range(0, len(to), SLICE):
                self._write(stream, to[start : start + SLICE], joined, events)
                await asyncio.sleep(0)
            for _ in events:
                stream.backlog.popleft()
        stream.backlog = None

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
            await self._heal_pages(stream)
        except StoreError:
            again = True
        finally:
            stream.healing = False
            if stream.seq is not None:
                self._release(stream)
        if again or (stream.seq is not None and (stream.held or stream.tip > stream.seq)):
            stream.timer = asyncio.get_running_loop().call_later(HEAL_AGAIN_S, self._start_healing, stream)

    async def _heal_pages(self, stream: Stream) -> None:
        while stream.subscriptions and stream.seq is not None:
            policy, since = stream.policy, stream.seq
            assert policy is not None
            page = await self._read(stream, policy, since, 0)
            if page is None or page.seq < since:
                # The store has less than we have told: it was restored. Everybody starts anew.
                self._reset(stream, page.room.epoch if page is not None else 0)
                return
            live = [sub for sub in stream.subscriptions.values() if sub.live]
            if policy.history == "since_join":
                # Each has a bound of their own: they catch up one by one, and come back when level.
                for subscription in live:
                    subscription.live = False
                    self._spawn(self._catch_up_from(subscription, since), f"catch up {stream.room}")
            else:
                frame = self._framed(self._changes(page, since))
                for subscription in live:
                    subscription.write(frame)
            stream.writers = None
            stream.owner_version = max(stream.owner_version, page.room.owner_version)
            stream.seq = page.seq
            stream.recent.clear()
            self._moved.add(stream)
            self._admit(stream)
            if not page.more:
                stream.tip = max(page.room.seq, max(stream.held, default=0))
                return

    async def _catch_up_from(self, subscription: Subscription, since: int) -> None:
        page = await self._page(subscription, since)
        if not subscription.over:
            await self._catch_up(subscription, page, self._framed(self._changes(page, since)))

    def _reset(self, stream: Stream, epoch: int) -> None:
        self.resets += 1
        frame = self._framed(frames.Reset(room=stream.room, epoch=self.epoch_of(epoch)))
        for subscription in list(stream.subscriptions.values()):
            subscription.connection.out.write(frame)
            self._end(subscription)

    def on_tips(self, tips: Iterable[tuple[TenantId, RoomId, int, int]]) -> None:
        """What the store says of rooms that moved: ``(tenant, room, seq, epoch)``. A lost last message heals here."""
        for tenant, room_id, seq, epoch in tips:
            stream = self._streams.get((tenant, room_id))
            if stream is None or stream.seq is None:
                continue
            if stream.epoch and stream.epoch != self.epoch_of(epoch):
                self._reset(stream, epoch)
            elif seq > stream.seq:
                stream.tip = max(stream.tip, seq)
                self._expect(stream)

    async def check_tips(self) -> None:
        """Compare every stream with the store, after the bus was away: a restored store is found here too."""
        for stream in list(self._streams.values()):
            if stream.seq is None:
                continue
            room = await rooms.get(self._db, stream.tenant, stream.room)
            if room is None or room.seq < stream.seq:
                self._reset(stream, room.epoch if room is not None else 0)
            else:
                self.on_tips([(stream.tenant, stream.room, room.seq, room.epoch)])

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
        frame = self._prepare(event.frame)
        for subscription in stream.subscriptions.values():
            if subscription.live and subscription.connection.actor.id != event.sender:
                subscription.connection.out.write_ephemeral(frame)

    def _to_user(self, event: Event) -> None:
        person = self._people.get((event.tenant, UserId(event.key)))
        if person is not None:
            frame = self._prepare(event.frame)
            for connection in person.connections.values():
                connection.out.write(frame)

    def _to_staff(self, event: Event) -> None:
        staff = self._staff.get(event.tenant)
        if staff:
            frame = self._prepare(event.frame)
            for connection in list(staff.values()):
                connection.out.write(frame)

    def _place_changed(self, event: Event) -> None:
        participant = _participant_frame.decode(event.frame).participant
        room_id, user = RoomId(event.key), participant.user.id
        person = self._people.get((event.tenant, user))
        if person is None:
            return
        for connection in person.connections.values():
            if (subscription := connection.rooms.get(room_id)) is not None:
                subscription.place = None  # another role, muted, here at last: the edge asks again
                subscription.takes_part = participant.state == "joined"
        if participant.state == "joined":
            self.follow(event.tenant, user, [room_id])
            return
        if person.rooms.pop(room_id, None) is not None:
            self._unfollow(person, room_id)
            person.dirty.discard(room_id)
        frame = self._framed(
            frames.Inbox(room=room_id, seq=participant.changed_seq, unread=0, mentioned=False, removed=True)
        )
        for connection in person.connections.values():
            if not connection.actor.is_staff:
                # Staff keep watching support rooms they have left; a room they may not see ends at the next question.
                self.unsubscribe(connection, room_id)
            connection.out.write(frame)

    def drop(self, tenant: TenantId, user: UserId, room_id: RoomId) -> None:
        """End a user's subscriptions to a room they may no longer see."""
        for connection in self.connections_of(tenant, user):
            self.unsubscribe(connection, room_id)

    # inboxes

    def _count(self, room: tuple[TenantId, RoomId], new: Sequence[Event]) -> None:
        """Raise what the room's followers have not read; once per batch, since a room may have thousands."""
        followers = self._followers.get(room)
        if not followers:
            return
        last = new[-1]
        self._last[room] = last.frame
        wrote = Counter(event.sender for event in new)
        mentioned = {user for event in new for user in event.mentions}
        for user, person in followers.items():
            state = person.rooms[room[1]]
            state.seq = last.seq
            if state.count is not None:
                state.count = min(state.count + len(new) - wrote[user], rooms.COUNTED_TO)
                state.mentioned = state.mentioned or user in mentioned
            person.dirty.add(room[1])
        self._dirty.update(followers.values())

    def _has_read(self, tenant: TenantId, user: UserId, room_id: RoomId) -> None:
        """A mark has moved: what was counted is counted anew when it is next told."""
        person = self._people.get((tenant, user))
        if person is not None and (state := person.rooms.get(room_id)) is not None:
            state.count, state.mentioned = None, False
            person.dirty.add(room_id)
            self._dirty.add(person)

    async def _tell_inboxes(self) -> None:
        while True:
            await asyncio.sleep(INBOX_EVERY_S)
            people, self._dirty = self._dirty, set()
            for person in people:
                try:
                    await self._tell_inbox(person)
                except StoreError:
                    self._dirty.add(person)
                    break
                except Exception:
                    log.exception("inbox_failed", user=person.user)

    async def _tell_inbox(self, person: Person) -> None:
        now = asyncio.get_running_loop().time()
        waiting: set[RoomId] = set()
        rooms_to_tell, person.dirty = person.dirty, set()
        for room_id in rooms_to_tell:
            key = (person.tenant, room_id)
            state = person.rooms.get(room_id)
            if state is None or not person.connections:
                continue
            followers = self._followers.get(key, {})
            if len(followers) > BUSY_ROOM and now - self._told_at.get(key, 0.0) < TIPS_EVERY_S:
                waiting.add(room_id)
                continue
            if state.count is None:
                state.count, state.mentioned = await rooms.unread(self._db, person.tenant, room_id, person.user)
            if len(followers) > BUSY_ROOM:
                asyncio.get_running_loop().call_soon(self._told_at.__setitem__, key, now)
            last = self._last.get(key)
            frame = self._framed(
                frames.Inbox(
                    room=room_id,
                    seq=state.seq,
                    unread=state.count,
                    mentioned=state.mentioned,
                    last=_message_frame.decode(last).message if last is not None else None,
                )
            )
            for connection in person.connections.values():
                connection.out.write_ephemeral(frame)
        if waiting:
            person.dirty |= waiting
            self._dirty.add(person)

    # the clock

    async def _beat(self) -> None:
        """Ping every socket once per heartbeat, spread over it; close who is silent or whose token is over."""
        loop = asyncio.get_running_loop()
        slots = max(1, int(self._heartbeat_s))
        slot = 0
        while True:
            await asyncio.sleep(self._heartbeat_s / slots)
            slot = (slot + 1) % slots
            now, now_us = loop.time(), self._clock.now_us()
            for connection in list(self._connections.values()):
                if 0 < connection.actor.expires_us < now_us:
                    connection.out.close(CloseCode.TOKEN_EXPIRED, "token expired")
                elif connection.reading and now - connection.heard_at > self._silence_s:
                    connection.out.close(CloseCode.NO_HEARTBEAT, "no heartbeat")
                elif hash(connection.id) % slots == slot:
                    connection.out.write_ephemeral(self._ping)

    async def _tell_tips(self) -> None:
        while True:
            await asyncio.sleep(TIPS_EVERY_S)
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

    def _spawn(self, work: object, name: str) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("hub_task_failed", task=task.get_name(), exc_info=error)


def last_message(frame: bytes) -> Message:
    """The message in an encoded ``message`` frame."""
    return _message_frame.decode(frame).message
