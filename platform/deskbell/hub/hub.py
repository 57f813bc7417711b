"""This process's sockets, and what is told to them: see :class:`Hub`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec
import structlog

from deskbell.clock import Clock
from deskbell.errors import DeskbellError, NotFound
from deskbell.hub import bot_rooms, case_news, fan_out, inboxes, viewers
from deskbell.hub.bot_rooms import BotRooms
from deskbell.hub.case_news import CaseNews
from deskbell.hub.connection import Connection, Stream, Subscription
from deskbell.hub.ground import Ground
from deskbell.hub.inboxes import Inboxes, Person
from deskbell.hub.passing import Passing
from deskbell.hub.streams import Streams
from deskbell.hub.viewers import Viewers
from deskbell.ids import ConnectionId, RoomId, TenantId, UserId
from deskbell.model.case_rules import Targets
from deskbell.model.policy import Policy
from deskbell.model.records import Actor, Channel, Membership
from deskbell.store import rooms
from deskbell.store.database import Database, StoreError
from deskbell.volatile.bus import Bus
from deskbell.wire import frames
from deskbell.wire.close_codes import CloseCode
from deskbell.wire.commands import Ref
from deskbell.wire.events import Event, wrote_in

log = structlog.get_logger(__name__)

TIPS_EVERY_S = 10.0

# Told to the platform's own parts over the bus, to no socket.
INTERNAL = ("participant", "own_receipt", "stop", "evict", "revoked", "ended", "named")

_participant_frame = msgspec.json.Decoder(frames.ParticipantFrame)


class Hub:
    """See the package. ``prepare`` frames an encoded text for the wire. ``bus`` is told what is of interest here.

    ``targets``: when an answer counts as late, for what agents are told of cases.
    """

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
        targets: Targets | None = None,
    ) -> None:
        self._clock = clock
        self._heartbeat_s = heartbeat_s
        self._silence_s = silence_s
        self._slots = max(1, int(heartbeat_s))
        self._slot = 0
        self._ping = prepare(frames.encode(frames.Ping()))
        self._ground = Ground(db, channels, prepare, bus)
        self._inboxes = Inboxes(self._ground)
        self._passing = Passing(self._ground)
        self._viewers = Viewers(self._ground)
        self._case_news = CaseNews(self._ground, targets or Targets())
        self._bot_rooms = BotRooms(self._ground)
        self._streams = Streams(self._ground, self._look_again, self._healed)
        self._staff: dict[TenantId, dict[ConnectionId, Connection]] = {}
        self._connections: dict[ConnectionId, Connection] = {}
        self._loops: list[asyncio.Task[None]] = []
        self.looks = 0

    # what it counts

    @property
    def deliveries(self) -> int:
        return self._streams.telling.deliveries

    @property
    def heals(self) -> int:
        return self._streams.healer.heals

    @property
    def reads(self) -> int:
        return self._streams.reads

    @property
    def resets(self) -> int:
        return self._streams.resets

    # life

    def start(self) -> None:
        self._loops = [
            asyncio.create_task(self._every(self._heartbeat_s / self._slots, self._beat), name="hub-heartbeat"),
            asyncio.create_task(self._every(TIPS_EVERY_S, self._streams.tell_tips), name="hub-tips"),
            asyncio.create_task(self._every(inboxes.INBOX_EVERY_S, self._inboxes.tell), name="hub-inbox"),
            asyncio.create_task(self._every(case_news.GATHER_S, self._tell_case_news), name="hub-case-news"),
            asyncio.create_task(self._every(bot_rooms.GATHER_S, self._tell_bot_rooms), name="hub-bot-rooms"),
            asyncio.create_task(self._every(viewers.RENEW_EVERY_S, self._viewers.renew), name="hub-viewers"),
        ]

    async def close(self) -> None:
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._ground.close()
        self._viewers.close()
        self._streams.close()

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except Exception:
                # One odd socket or room must not stop the clock of all others.
                log.exception("hub_clock_failed", work=work.__qualname__)

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
        person = self._inboxes.people.get((tenant, user))
        return [] if person is None else list(person.connections.values())

    def heard(self) -> Iterable[tuple[TenantId, UserId, dict[ConnectionId, float]]]:
        """Everybody who is here, with their sockets and for how many seconds each has been silent."""
        now = asyncio.get_running_loop().time()
        for person in list(self._inboxes.people.values()):
            yield person.tenant, person.user, self.silence_of(person.tenant, person.user, now)

    def silence_of(self, tenant: TenantId, user: UserId, now: float) -> dict[ConnectionId, float]:
        """A user's sockets here, and for how many seconds each has been silent."""
        return {connection.id: now - connection.heard_at for connection in self.connections_of(tenant, user)}

    def add(self, connection: Connection) -> None:
        """A socket has authenticated."""
        actor = connection.actor
        self._connections[connection.id] = connection
        self._inboxes.person(connection).connections[connection.id] = connection
        if actor.is_staff:
            self._employ(connection)

    def renew(self, connection: Connection, actor: Actor) -> None:
        """A socket has a new token; what its user may do in the tenant may have changed with it."""
        self._unstaff(connection)
        connection.actor = actor
        if not actor.is_staff:
            self._viewers.gone(connection)
        if actor.is_staff and connection.id in self._connections:
            self._employ(connection)

    def _employ(self, connection: Connection) -> None:
        tenant = connection.actor.tenant
        staff = self._staff.get(tenant)
        if staff is None:
            staff = self._staff[tenant] = {}
            self._ground.interest(tenant, "staff", "", True)
        staff[connection.id] = connection

    def _unstaff(self, connection: Connection) -> None:
        tenant = connection.actor.tenant
        staff = self._staff.get(tenant)
        if staff is None:
            return
        staff.pop(connection.id, None)
        if not staff:
            del self._staff[tenant]
            self._case_news.forget(tenant)
            self._bot_rooms.forget(tenant)
            self._ground.interest(tenant, "staff", "", False)

    def remove(self, connection: Connection) -> None:
        """A socket has ended."""
        if self._connections.pop(connection.id, None) is None:
            return
        actor = connection.actor
        for room_id in list(connection.rooms):
            self.unsubscribe(connection, room_id)
        self._viewers.gone(connection)
        self._unstaff(connection)
        person = self._inboxes.people.get((actor.tenant, actor.id))
        if person is None:
            return
        person.connections.pop(connection.id, None)
        if not person.connections:
            self._inboxes.gone(person)

    def look(self, connection: Connection, room_id: RoomId | None) -> None:
        """An agent's socket shows a conversation, or none; from now on it hears at which the others look."""
        if connection.id in self._connections:
            self._viewers.look(connection, room_id)

    # rooms

    def follow(self, tenant: TenantId, user: UserId, tips: Mapping[RoomId, int]) -> None:
        """Which rooms a user is in, with their ``seq``: they hear of new messages there, subscribed or not."""
        self._inboxes.follow(tenant, user, tips)

    def rooms_of(self, tenant: TenantId, user: UserId) -> list[RoomId]:
        return self._inboxes.rooms_of(tenant, user)

    def begin(self, connection: Connection, room_id: RoomId) -> Subscription:
        """See :meth:`Streams.begin`."""
        return self._streams.begin(connection, room_id)

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
        """See :meth:`Streams.subscribe`."""
        await self._streams.subscribe(subscription, policy, member, since=since, epoch=epoch, ref=ref, tip=tip)

    def unsubscribe(self, connection: Connection, room_id: RoomId, why: DeskbellError | None = None) -> None:
        """See :meth:`Streams.unsubscribe`."""
        self._streams.unsubscribe(connection, room_id, why)

    # what passes

    def say(self, connection: Connection, frame: frames.Frame) -> None:
        """Tell one socket something, in its own dialect."""
        self._ground.say(connection, frame)

    def on_events(self, events: Sequence[Event]) -> None:
        """Take what was announced; synchronous, so that what is announced first is told first."""
        touched: dict[Stream, list[Event]] = {}
        counted: dict[tuple[TenantId, RoomId], list[Event]] = {}
        for event in events:
            if event.topic == "room":
                stream = self._streams.get(event.tenant, RoomId(event.key))
                if event.seq == 0:
                    if event.kind in ("receipt", "own_receipt"):
                        self._inboxes.has_read(event.tenant, UserId(event.sender), RoomId(event.key))
                    if stream is not None and event.kind not in INTERNAL:
                        self._passing.tell(event, stream)
                else:
                    if stream is not None:
                        self._streams.durable(event, stream, touched)
                    room = (event.tenant, RoomId(event.key))
                    self._inboxes.hear(room, event)
                    if event.counts:
                        counted.setdefault(room, []).append(event)
                    elif event.kind == "message":
                        self._inboxes.recount(room, event)
                if event.kind == "participant":
                    # First what came before, and that they go: it is the last they hear of the room.
                    self._flush(touched)
                    self._inboxes.count_all(counted)
                    self._place_changed(event)
            elif event.topic == "user":
                self._to_user(event)
            else:
                self._to_staff(event)
        self._flush(touched)
        self._inboxes.count_all(counted)

    def _flush(self, touched: dict[Stream, list[Event]]) -> None:
        for stream, events in touched.items():
            self._streams.tell(stream, events)
        touched.clear()

    def _to_user(self, event: Event) -> None:
        person = self._inboxes.people.get((event.tenant, UserId(event.key)))
        if person is None:
            return
        if event.kind == "evict":
            self._evict(person, ConnectionId(event.frame.decode()))
        elif event.kind == "revoked":
            for connection in list(person.connections.values()):
                if connection.actor.token_version < int(event.frame):
                    connection.out.close(CloseCode.REVOKED, "revoked")
        elif event.kind == "ended":
            login = msgspec.json.decode(event.frame)["login"]
            for connection in list(person.connections.values()):
                if connection.actor.login == login:
                    connection.out.close(CloseCode.REVOKED, "logged out")
        elif event.kind == "named":
            name = msgspec.json.decode(event.frame)["name"]
            for connection in person.connections.values():
                connection.actor = msgspec.structs.replace(connection.actor, name=name)
        else:
            frame = self._ground.prepare(event.frame)
            for connection in person.connections.values():
                # What is of cases and drafts has no word in other dialects; a page knows what is written in it.
                if connection.voice is None and connection.id != event.sender:
                    connection.out.write(frame)

    def _evict(self, person: Person, connection_id: ConnectionId) -> None:
        """Their newest socket is one too many, and this one has been silent longest."""
        connection = person.connections.get(connection_id)
        if connection is not None:
            self._ground.say(connection, frames.Notice(code="too_many_connections", text="Opened elsewhere."))
            connection.out.close(CloseCode.TOO_MANY_CONNECTIONS, "too many connections")
            self.remove(connection)

    def _to_staff(self, event: Event) -> None:
        if event.kind == "looks":
            self._viewers.hear(event)
            return
        if event.kind == "wrote":
            self.cases_moved(event.tenant, [wrote_in(event)])
            return
        if event.kind == "conversations":
            self.bot_rooms_moved(event.tenant)
            return
        self._tell_staff(event)

    def _tell_staff(self, event: Event) -> None:
        staff = self._staff.get(event.tenant)
        if staff:
            frame = self._ground.prepare(event.frame)
            for connection in list(staff.values()):
                if connection.voice is None:
                    connection.out.write(frame)

    def cases_moved(self, tenant: TenantId, rooms: Sequence[RoomId]) -> None:
        """Have agents told how the cases of these rooms stand, where any listen here."""
        if tenant in self._staff:
            self._case_news.moved(tenant, rooms)

    def bot_rooms_moved(self, tenant: TenantId) -> None:
        """Have agents told to look again which conversations the bot has, where any listen here."""
        if tenant in self._staff:
            self._bot_rooms.moved(tenant)

    async def _tell_case_news(self) -> None:
        for event in await self._case_news.news():
            self._tell_staff(event)

    async def _tell_bot_rooms(self) -> None:
        for event in await self._bot_rooms.news():
            self._tell_staff(event)

    def _place_changed(self, event: Event) -> None:
        participant = _participant_frame.decode(event.frame).participant
        self._place_is(event.tenant, RoomId(event.key), participant.user.id, participant.state, participant.changed_seq)

    def _place_is(self, tenant: TenantId, room_id: RoomId, user: UserId, state: str, seq: int) -> None:
        person = self._inboxes.people.get((tenant, user))
        if person is None:
            return
        for connection in person.connections.values():
            if (subscription := connection.rooms.get(room_id)) is not None:
                subscription.place = None  # another role, muted, here at last: the edge asks again
                subscription.takes_part = state == "joined"
        if state == "joined":
            person.gone.discard(room_id)
            self.follow(tenant, user, {room_id: seq})
            self._came_into(person, room_id)
            return
        person.gone.add(room_id)
        if person.rooms.pop(room_id, None) is not None:
            self._inboxes.unfollow(person, room_id)
            person.dirty.discard(room_id)
        inbox = frames.Inbox(room=room_id, seq=seq, unread=0, mentioned=False, removed=True)
        stream = self._streams.get(tenant, room_id)
        owned = stream is not None and stream.policy is not None and stream.policy.owned
        for connection in person.connections.values():
            # Staff who leave a support room go on watching it from behind the counter, unless they were banned.
            if not (owned and connection.actor.is_staff and state == "left"):
                self.unsubscribe(connection, room_id, NotFound())
            self._ground.say(connection, inbox)

    def _came_into(self, person: Person, room_id: RoomId) -> None:
        for connection in list(person.connections.values()):
            if connection.joined is not None and room_id not in connection.rooms:
                connection.joined(room_id)

    # after the bus was away

    def on_tips(self, tips: Iterable[tuple[TenantId, RoomId, int, int]]) -> None:
        """What the store says of rooms that moved: ``(tenant, room, seq, epoch)``. A lost last message heals here."""
        missed: list[tuple[TenantId, RoomId, int]] = []
        for tenant, room_id, seq, epoch in tips:
            since = self._inboxes.on_tip(tenant, room_id, seq)
            if since is not None:
                missed.append((tenant, room_id, since))
            self._streams.on_tip(tenant, room_id, seq, epoch)
        if missed:
            self._ground.spawn(self._heal_inboxes(missed), "heal inboxes")

    async def check_tips(self) -> None:
        """Compare every stream with the store, after the bus was away: a restored store is found here too."""
        await self._streams.check(self.on_tips)

    async def check_places(self) -> None:
        """Compare who is in which room with the store, after the bus was away: somebody may have been let in."""
        people = list(self._inboxes.people.values())
        for start in range(0, len(people), fan_out.SLICE):
            part = people[start : start + fan_out.SLICE]
            found = await rooms.of_users(self._ground.db, [(person.tenant, person.user) for person in part])
            for person in part:
                if not person.connections:
                    continue
                joined = found.get((person.tenant, person.user), {})
                person.gone -= joined.keys()
                for room_id in joined.keys() - person.rooms.keys():
                    self._inboxes.is_dirty(person, room_id)
                    self._came_into(person, room_id)
                self.follow(person.tenant, person.user, joined)

    async def _heal_inboxes(self, missed: Sequence[tuple[TenantId, RoomId, int]]) -> None:
        """Something happened in rooms that people here are in, and was not heard of."""
        self.looks += len(missed)
        try:
            await self._look_again(missed)
        except StoreError:
            for tenant, room_id, since in missed:
                self._inboxes.missed_since(tenant, room_id, since)
            return
        for tenant, room_id, _ in missed:
            followers = self._inboxes.followers.get((tenant, room_id), {})
            if len(followers) <= inboxes.BUSY_ROOM:
                for user in list(followers):
                    self._inboxes.has_read(tenant, user, room_id)

    def _healed(self, stream: Stream) -> None:
        # What changed there may be what somebody's inbox shows.
        self._inboxes.forget_preview(stream.tenant, stream.room)

    async def _look_again(self, missed: Sequence[tuple[TenantId, RoomId, int]]) -> None:
        """Whose place in these rooms has changed since a number: they may have had to go."""
        for tenant, room_id, user, state, seq in await rooms.places_since(self._ground.db, missed):
            if user in self._inboxes.followers.get((tenant, room_id), {}):
                self._place_is(tenant, room_id, user, state, seq)

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
                voice = connection.voice
                connection.out.write_ephemeral(self._ping if voice is None else voice.ping)

    def drain(self, spread_s: float) -> None:
        """Ask every socket to come back elsewhere, each at a moment of its own."""
        for connection in list(self._connections.values()):
            wait_ms = int(random.uniform(0, spread_s) * 1000)  # not a secret
            self._ground.say(connection, frames.Drain(reconnect_in_ms=wait_ms))
