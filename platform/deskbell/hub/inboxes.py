"""What the people here have not read in the rooms they are in, subscribed or not; told at most twice a second.

Counted from what is announced, and asked of the store wherever that is not enough. Never durable:
who was away asks for their rooms anew.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import structlog

from deskbell.hub.connection import Connection
from deskbell.hub.ground import Ground
from deskbell.ids import ConnectionId, RoomId, TenantId, UserId
from deskbell.model.records import Message
from deskbell.store import rooms
from deskbell.store.database import StoreError
from deskbell.wire import frames
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

INBOX_EVERY_S = 0.5
BUSY_ROOM = 200
BUSY_EVERY_S = 10.0
MAX_AHEAD = 1000

_message_frame = msgspec.json.Decoder(frames.MessageFrame)


class Unread:
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
        elif seq > self.seq and len(self.ahead) < MAX_AHEAD:
            self.ahead.add(seq)


class Person:
    """A user with at least one socket here, and the rooms they are in; ``gone``: those they were in."""

    __slots__ = ("connections", "dirty", "gone", "rooms", "tenant", "user")

    def __init__(self, tenant: TenantId, user: UserId) -> None:
        self.tenant = tenant
        self.user = user
        self.connections: dict[ConnectionId, Connection] = {}
        self.rooms: dict[RoomId, Unread] = {}
        self.gone: set[RoomId] = set()
        self.dirty: set[RoomId] = set()


def last_message(frame: bytes) -> Message:
    """The message in an encoded ``message`` frame."""
    return _message_frame.decode(frame).message


class Inboxes:
    """Of everybody who is here."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.people: dict[tuple[TenantId, UserId], Person] = {}
        # Who of the people here is in which room, for inbox and presence.
        self.followers: dict[tuple[TenantId, RoomId], dict[UserId, Person]] = {}
        self._dirty: set[Person] = set()
        self._previews: dict[tuple[TenantId, RoomId], _Preview] = {}
        self._heard: dict[tuple[TenantId, RoomId], _Heard] = {}
        self._told_at: dict[tuple[TenantId, RoomId], float] = {}

    def follow(self, tenant: TenantId, user: UserId, tips: Mapping[RoomId, int]) -> None:
        """Which rooms a user is in, with their ``seq``: they hear of new messages there, subscribed or not.

        What they have left while this was being read is left.
        """
        person = self.people.get((tenant, user))
        if person is None:
            return
        for room_id, seq in tips.items():
            if room_id not in person.rooms and room_id not in person.gone:
                person.rooms[room_id] = Unread(seq)
                followers = self.followers.get((tenant, room_id))
                if followers is None:
                    followers = self.followers[tenant, room_id] = {}
                    self._heard[tenant, room_id] = _Heard(seq)
                    self._ground.interest(tenant, "room", room_id, True)
                followers[user] = person

    def rooms_of(self, tenant: TenantId, user: UserId) -> list[RoomId]:
        person = self.people.get((tenant, user))
        return [] if person is None else list(person.rooms)

    def unfollow(self, person: Person, room_id: RoomId) -> None:
        key = (person.tenant, room_id)
        followers = self.followers.get(key)
        if followers is not None:
            followers.pop(person.user, None)
            if not followers:
                del self.followers[key]
                self._heard.pop(key, None)
                self._ground.interest(person.tenant, "room", room_id, False)
                self._previews.pop(key, None)
                self._told_at.pop(key, None)

    def count_all(self, counted: dict[tuple[TenantId, RoomId], list[Event]]) -> None:
        for room, new in counted.items():
            self._count(room, new)
        counted.clear()

    def _count(self, room: tuple[TenantId, RoomId], new: Sequence[Event]) -> None:
        """Raise what the room's followers have not read; once per batch, since a room may have thousands."""
        followers = self.followers.get(room)
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

    def _ask_again(self, state: Unread) -> None:
        state.count = None
        state.asked += 1

    def recount(self, room: tuple[TenantId, RoomId], event: Event) -> None:
        """A message has changed: the preview follows it, and one that was deleted is no longer unread."""
        followers = self.followers.get(room)
        if not followers:
            return
        message = last_message(event.frame)
        if (preview := self._previews.get(room)) is not None:
            preview.changed(message)
        if message.deleted and len(followers) <= BUSY_ROOM:
            for user in list(followers):
                self.has_read(event.tenant, user, room[1])

    def _moved_unseen(self, tenant: TenantId, room_id: RoomId, seq: int) -> None:
        """The store says that a room is at ``seq``. A preview that may have changed unseen is shown no more."""
        preview = self._previews.get((tenant, room_id))
        if preview is not None and seq > preview.seen:
            del self._previews[tenant, room_id]

    def has_read(self, tenant: TenantId, user: UserId, room_id: RoomId) -> None:
        """A mark has moved: what was counted is counted anew when it is next told."""
        person = self.people.get((tenant, user))
        if person is not None and (state := person.rooms.get(room_id)) is not None:
            self._ask_again(state)
            person.dirty.add(room_id)
            self._dirty.add(person)

    async def tell(self) -> None:
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
        for key in busy & self.followers.keys():
            self._told_at[key] = now

    async def _tell_inbox(self, person: Person, busy: set[tuple[TenantId, RoomId]]) -> None:
        """Tell somebody of their rooms in which something happened; of a busy room only every ten seconds."""
        now = asyncio.get_running_loop().time()
        for room_id in list(person.dirty):
            key = (person.tenant, room_id)
            if len(self.followers.get(key, ())) > BUSY_ROOM:
                if now - self._told_at.get(key, -BUSY_EVERY_S) < BUSY_EVERY_S:
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
            inbox = frames.Inbox(
                room=room_id,
                seq=state.seq,
                unread=state.count,
                mentioned=state.mentioned,
                # A preview only of what came while they were there: never from before they joined.
                last=preview.message if preview is not None and preview.number == state.last else None,
            )
            frame = self._ground.framed(inbox)
            for connection in person.connections.values():
                if connection.voice is None:
                    connection.out.write_ephemeral(frame)
                else:
                    connection.voice.own(connection, inbox)

    async def _ask_unread(self, person: Person, room_id: RoomId, state: Unread) -> None:
        """Count in the store, as of a number. What moved while it was counted leaves it uncounted."""
        asked = state.asked
        async with self._ground.db.snapshot() as at:
            room = await rooms.get(at, person.tenant, room_id)
            if room is None:
                person.dirty.discard(room_id)
                return
            count, mentioned = await rooms.unread(at, person.tenant, room_id, person.user)
        if state.asked == asked and state.last <= room.seq:
            state.seq, state.as_of = max(state.seq, room.seq), room.seq
            state.count, state.mentioned = count, mentioned

    def person(self, connection: Connection) -> Person:
        """The person behind a socket; a new one for their first."""
        actor = connection.actor
        person = self.people.get((actor.tenant, actor.id))
        if person is None:
            person = self.people[actor.tenant, actor.id] = Person(actor.tenant, actor.id)
            self._ground.interest(actor.tenant, "user", actor.id, True)
        return person

    def gone(self, person: Person) -> None:
        """Somebody's last socket has ended."""
        for room_id in person.rooms:
            self.unfollow(person, room_id)
        self._dirty.discard(person)
        del self.people[person.tenant, person.user]
        self._ground.interest(person.tenant, "user", person.user, False)

    def hear(self, room: tuple[TenantId, RoomId], event: Event) -> None:
        """A durable event has come, in whatever order."""
        if (heard := self._heard.get(room)) is not None:
            heard.take(event.seq)
        preview = self._previews.get(room)
        if preview is not None and event.seq == preview.seen + 1:
            preview.seen = event.seq

    def on_tip(self, tenant: TenantId, room_id: RoomId, seq: int) -> int | None:
        """The store says that a room is at ``seq``; the number since when something was missed here, if so."""
        self._moved_unseen(tenant, room_id, seq)
        heard = self._heard.get((tenant, room_id))
        if heard is None or seq <= heard.seq:
            return None
        since = heard.seq
        heard.seq, heard.ahead = seq, {number for number in heard.ahead if number > seq}
        return since

    def missed_since(self, tenant: TenantId, room_id: RoomId, since: int) -> None:
        """What was missed could not be looked up: the next tips find it again."""
        if (heard := self._heard.get((tenant, room_id))) is not None:
            heard.seq = min(heard.seq, since)

    def forget_preview(self, tenant: TenantId, room_id: RoomId) -> None:
        self._previews.pop((tenant, room_id), None)

    def is_dirty(self, person: Person, room_id: RoomId) -> None:
        person.dirty.add(room_id)
        self._dirty.add(person)
