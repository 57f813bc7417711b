"""A transaction over some rooms, and all that may be put into it.

A :class:`Change` is made by :meth:`deskbell.store.journal.Journal.change` with its rooms locked.
Reading through it sees what is true now; putting a record gives it the room's next ``seq``
and stages the event that will be announced once the transaction has committed. Whether the
change is allowed is its caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from deskbell.clock import Clock, from_us, to_us
from deskbell.errors import NotFound
from deskbell.ids import CaseId, MessageId, RoomId, TenantId, UserId, new_id
from deskbell.model.case_rules import Targets
from deskbell.model.policy import AuditLevel, Policy
from deskbell.model.records import Case, Channel, Membership, Message, PublicUser, Room
from deskbell.store import audit, case_entries, cases, messages, rows
from deskbell.store.database import Transaction
from deskbell.wire import frames
from deskbell.wire.events import Event, bot_rooms_moved, named, wrote

INSERT_MESSAGE = {
    "tenant_id": "uuid",
    "id": "uuid",
    "room_id": "uuid",
    "seq": "bigint",
    "changed_seq": "bigint",
    "client_id": "text",
    "request_hash": "bytea",
    "sender_id": "uuid",
    "kind": "text",
    "content": "text",
    "metadata": "text",
    "attachments": "text",
    "mentions": "text",
    "reply_to": "uuid",
    "thread": "uuid",
    "created_at": "bigint",
}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def message_row(tenant: TenantId, message: Message, request_hash: bytes, created_us: int) -> Sequence[object]:
    """A new message as a row, in the order of :data:`INSERT_MESSAGE`."""
    return (
        tenant,
        message.id,
        message.room,
        message.seq,
        message.changed_seq,
        message.client_id,
        request_hash,
        message.sender.id,
        message.kind,
        message.content,
        _json(message.metadata) if message.metadata else "{}",
        _json(message.attachments) if message.attachments else "[]",
        _json(message.mentions) if message.mentions else "[]",
        message.reply_to,
        message.thread,
        created_us,
    )


class Change:
    """What one commit will hold. ``now_us`` is the store's clock when it began; ``rooms`` those that exist."""

    def __init__(
        self,
        tx: Transaction,
        tenant: TenantId,
        now_us: int,
        rooms: dict[RoomId, Room],
        channels: Mapping[str, Channel],
        observed: Container[str],
        targets: Targets,
    ) -> None:
        self.tx = tx
        self.tenant = tenant
        self.now_us = now_us
        self.rooms = rooms
        self.channels = channels
        self.queues: set[str] = set()
        self.afterwards: list[Callable[[], object]] = []
        self._observed = observed
        self._targets = targets
        self._moved: set[RoomId] = set()
        self._active: set[RoomId] = set()
        self._events: list[Event] = []
        # A room's or case's frame is made at the end: several changes of it are one record.
        self._states: dict[RoomId, int] = {}
        self._cases: dict[CaseId, str] = {}
        self._acts: list[audit.Act] = []
        # Rooms in which something said before is said no more: it must go wherever it is shown.
        self._taken_back: set[RoomId] = set()
        # The bot has, or had until now, a room that is new, changes hands or ends here.
        self._bot_rooms_moved = False

    @classmethod
    async def begin(
        cls,
        tx: Transaction,
        tenant: TenantId,
        room_ids: Sequence[RoomId],
        clock: Clock,
        channels: Mapping[str, Channel],
        observed: Container[str],
        targets: Targets,
    ) -> Change:
        rooms: dict[RoomId, Room] = {}
        if room_ids:
            for row in await tx.fetch(
                f"SELECT {rows.ROOM_COLUMNS} FROM rooms r WHERE r.tenant_id = $1 AND r.id = ANY($2::uuid[])"
                " ORDER BY r.id FOR UPDATE",
                tenant,
                list(room_ids),
            ):
                rooms[row["id"]] = rows.room(row)
        now_us = await tx.now_us() // 1000 * 1000 + clock.shift_us
        return cls(tx, tenant, now_us, rooms, channels, observed, targets)

    @property
    def now(self) -> datetime:
        return from_us(self.now_us)

    # reading, under the lock

    def room(self, room_id: RoomId) -> Room:
        """A locked room, as changed so far.

        Raises:
            NotFound: There is none.
        """
        if room_id not in self.rooms:
            raise NotFound()
        return self.rooms[room_id]

    async def member(self, room_id: RoomId, user: UserId) -> Membership | None:
        row = await self.tx.fetchrow(
            f"SELECT {rows.MEMBER_COLUMNS} FROM participants p"
            " WHERE p.tenant_id = $1 AND p.room_id = $2 AND p.user_id = $3",
            self.tenant,
            room_id,
            user,
        )
        return None if row is None else rows.membership(row)

    async def message(self, message_id: MessageId) -> Message | None:
        """A message of a locked room, in its present state."""
        found = await messages.by_id(self.tx, self.tenant, message_id)
        return found if found is not None and found.room in self.rooms else None

    async def open_case(self, room_id: RoomId) -> Case | None:
        """The room's case that is not over, if any."""
        return await cases.open_of_room(self.tx, self.tenant, room_id)

    # putting

    def _next(self, room_id: RoomId) -> int:
        room = self.room(room_id)
        self.rooms[room_id] = replace(room, seq=room.seq + 1)
        self._moved.add(room_id)
        return room.seq + 1

    def _announce_message(self, message: Message, what: str, *, counts: bool = False) -> None:
        self._events.append(
            Event(
                self.tenant,
                "room",
                message.room,
                "message",
                message.changed_seq,
                frames.encode(frames.MessageFrame(room=message.room, seq=message.changed_seq, message=message)),
                born=message.seq,
                counts=counts,
                sender=message.sender.id,
                mentions=tuple(message.mentions) if counts else (),
                what=what,
            )
        )

    async def create_room(self, room: Room) -> bool:
        """Put a new room. False: its key is taken, and nothing was put."""
        row = await self.tx.fetchrow(
            "INSERT INTO rooms (tenant_id, id, channel_type, key, name, description, seq, changed_seq, floor, epoch,"
            " owner_kind, owner_user, owner_version, customer, backstage, backstage_of, redirect_to, closed_at,"
            " created_by, created_at, changed_at, active_at, due_at)"
            " VALUES ($1,$2,$3,$4,$5,$6,1,1,0,1,$7,$8,$9,$10,$11,$12,NULL,NULL,$13,$14,$14,$14,$15)"
            " ON CONFLICT DO NOTHING RETURNING id",
            self.tenant,
            room.id,
            room.channel_type,
            room.key,
            room.name,
            room.description,
            room.owner_kind,
            room.owner_user,
            room.owner_version,
            room.customer,
            room.backstage,
            room.backstage_of,
            room.created_by,
            self.now_us,
            self.channels[room.channel_type].policy.due_us(opened_us=self.now_us),
        )
        if row is None:
            return False
        self.rooms[room.id] = replace(
            room, seq=1, changed_seq=1, epoch=1, created_at=self.now_us, active_at=self.now_us
        )
        self._moved.add(room.id)
        self._states[room.id] = 1
        self._bot_rooms_moved |= room.owner_kind == "bot"
        return True

    def put_room(self, room: Room) -> Room:
        """Put a room's new state: name, owner, closing, pointers. Putting the same value takes no number.

        Returns the room as it will be stored, with the numbers it took.
        """
        before = self.room(room.id)
        if replace(room, seq=before.seq, changed_seq=before.changed_seq) == before:
            return before
        self._bot_rooms_moved |= "bot" in (before.owner_kind, room.owner_kind)
        if room.id in self._states:
            # Several changes of the state in one commit are one change: they share its number.
            self.rooms[room.id] = replace(room, seq=before.seq, changed_seq=before.changed_seq)
        else:
            seq = self._states[room.id] = self._next(room.id)
            self.rooms[room.id] = replace(room, seq=seq, changed_seq=seq)
        return self.rooms[room.id]

    async def set_backstage(self, room_id: RoomId, backstage: RoomId) -> None:
        """Note where a room's private notes are. Takes no number: members must not see that there are any."""
        self.rooms[room_id] = replace(self.room(room_id), backstage=backstage)
        await self.tx.execute(
            "UPDATE rooms SET backstage = $3 WHERE tenant_id = $1 AND id = $2", self.tenant, room_id, backstage
        )

    async def put_member(
        self, member: Membership, user: PublicUser, *, silent: bool = False, what: str = "changed"
    ) -> Membership:
        """Put somebody's place in a locked room: a join, a leave, a ban, a role, a mute.

        ``silent`` is for counted rosters: the place is stored, no number taken, nobody told. It holds for
        people nobody was ever told of: who once was a moderator, or muted, must be seen to go as well.
        """
        room_id = member.room
        silent = silent and not await self._was_told_of(room_id, member.user)
        seq = self.room(room_id).seq if silent else self._next(room_id)
        stored = replace(member, changed_seq=seq)
        await self.tx.execute(
            "INSERT INTO participants (tenant_id, room_id, user_id, role, state, joined_at, visible_from, muted_until,"
            " changed_seq, last_read_seq, last_delivered_seq) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)"
            " ON CONFLICT (tenant_id, room_id, user_id) DO UPDATE SET role = excluded.role, state = excluded.state,"
            " joined_at = excluded.joined_at, visible_from = excluded.visible_from, muted_until = excluded.muted_until,"
            " changed_seq = excluded.changed_seq,"
            " last_read_seq = GREATEST(participants.last_read_seq, excluded.last_read_seq)",
            self.tenant,
            room_id,
            stored.user,
            stored.role,
            stored.state,
            stored.joined_at,
            stored.visible_from,
            stored.muted_until,
            # Below zero: it took no number, so it is not among what changed in the room.
            -seq if silent else seq,
            stored.last_read_seq,
            stored.last_delivered_seq,
        )
        record = rows.participant(stored, user)
        self._events.append(
            Event(
                self.tenant,
                "room",
                room_id,
                "participant",
                0 if silent else seq,
                frames.encode(frames.ParticipantFrame(room=room_id, seq=seq, participant=record)),
                sender=user.id,
            )
        )
        if "participant" in self._observed:
            await self.leave_work("observe", room_id, {"hook": "participant", "what": what, "user": user.id})
        return stored

    async def _was_told_of(self, room_id: RoomId, user: UserId) -> bool:
        changed_seq = await self.tx.fetchval(
            "SELECT changed_seq FROM participants WHERE tenant_id = $1 AND room_id = $2 AND user_id = $3",
            self.tenant,
            room_id,
            user,
        )
        return changed_seq is not None and changed_seq > 0

    async def post(
        self,
        room_id: RoomId,
        sender: PublicUser,
        content: str,
        *,
        kind: str = "system",
        client_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        request_hash: bytes = b"",
        reply_to: MessageId | None = None,
        mentions: list[UserId] | None = None,
    ) -> Message:
        """Put a message that belongs to this change: what the platform says of it, an approved one.

        Messages that stand alone go through :meth:`Journal.post`.
        """
        seq = self._next(room_id)
        identity = new_id()
        message = Message(
            id=MessageId(identity),
            room=room_id,
            seq=seq,
            changed_seq=seq,
            client_id=client_id or identity,
            sender=sender,
            kind=kind,
            content=content,
            created_at=self.now,
            metadata=metadata or {},
            reply_to=reply_to,
            mentions=mentions or [],
        )
        await self.tx.insert_many(
            "messages", INSERT_MESSAGE, [message_row(self.tenant, message, request_hash, self.now_us)]
        )
        if kind != "system":
            self._active.add(room_id)
        self._announce_message(message, "created", counts=kind != "system")
        if (conversation := self.rooms[room_id].backstage_of) is not None:
            self._events += named(self.tenant, conversation, message)
        if "message" in self._observed:
            await self.leave_work("observe", room_id, {"hook": "message", "what": "created", "id": message.id})
        return message

    async def put_message(self, message: Message, *, what: str, deleted_by: UserId | None = None) -> Message:
        """Put a message's new state: text, pin, deletion; or just that its reactions changed."""
        seq = self._next(message.room)
        await self.tx.execute(
            "UPDATE messages SET changed_seq = $3, content = $4, pinned = $5, edited_at = $6, deleted_at = $7,"
            " deleted_by = $8, metadata = $9, mentions = $10, attachments = $11 WHERE tenant_id = $1 AND id = $2",
            self.tenant,
            message.id,
            seq,
            "" if message.deleted else message.content,
            message.pinned,
            None if message.edited_at is None else to_us(message.edited_at),
            self.now_us if message.deleted else None,
            deleted_by,
            "{}" if message.deleted else _json(message.metadata),
            "[]" if message.deleted else _json(message.mentions),
            "[]" if message.deleted else _json(message.attachments),
        )
        stored = await messages.by_id(self.tx, self.tenant, message.id)
        assert stored is not None
        if what in ("edited", "deleted"):
            self._taken_back.add(message.room)
        self._announce_message(stored, what)
        if "message" in self._observed:
            await self.leave_work("observe", message.room, {"hook": "message", "what": what, "id": message.id})
        return stored

    async def put_case(self, case: Case, *, what: str) -> Case:
        """Put a case, new or changed; its version rises. Agents are told once, with its last state."""
        stored = replace(case, version=case.version + 1, position=None)
        await cases.put(self.tx, self.tenant, stored, self.now_us)
        self._cases[case.id] = what
        if "case" in self._observed:
            await self.leave_work("observe", case.room, {"hook": "case", "what": what, "id": case.id})
        return stored

    async def leave_work(
        self, queue: str, key: str, payload: Mapping[str, Any], *, due_us: int | None = None, max_attempts: int = 3
    ) -> None:
        """Leave a row in the outbox: work that will be done because this change commits."""
        await self.tx.execute(
            "INSERT INTO outbox (tenant_id, queue, key, payload, due_at, created_at, max_attempts)"
            " VALUES ($1,$2,$3,$4,$5,$6,$7)",
            self.tenant,
            queue,
            key,
            _json({"room": key, **payload}),
            due_us if due_us is not None else self.now_us,
            self.now_us,
            max_attempts,
        )
        self.queues.add(queue)

    def audit(
        self,
        policy: Policy,
        actor: UserId,
        act: str,
        room_id: RoomId,
        subject: str = "",
        *,
        level: AuditLevel = "moderation",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Have written down who did what, if the room's policy keeps what belongs to ``level``. Ids alone, no text."""
        if policy.audits(level):
            self._acts.append(audit.Act(actor, act, room_id, subject, details or {}))

    def tell(self, event: Event) -> None:
        """Announce something beside the records, e.g. to one user."""
        self._events.append(event)

    def once_committed(self, work: Callable[[], object]) -> None:
        """Begin something that reads what is written here, so not before it can be read."""
        self.afterwards.append(work)

    # ending

    async def finish(self) -> None:
        """Write the rooms' counters and states; the journal commits right after."""
        for room_id in sorted(self._moved):
            room = self.rooms[room_id]
            await self.tx.execute(
                "UPDATE rooms SET seq = $3, changed_seq = $4, name = $5, description = $6, owner_kind = $7,"
                " owner_user = $8, owner_version = $9, case_id = $10, backstage = $11, redirect_to = $12,"
                " closed_at = $13, changed_at = $14, epoch = $15, floor = $16 WHERE tenant_id = $1 AND id = $2",
                self.tenant,
                room_id,
                room.seq,
                room.changed_seq,
                room.name,
                room.description,
                room.owner_kind,
                room.owner_user,
                room.owner_version,
                room.case_id,
                room.backstage,
                room.redirect_to,
                room.closed_at,
                self.now_us,
                room.epoch,
                room.floor,
            )
            if room_id in self._active:
                # Somebody has spoken: the room moves up in lists, and its closing is put off.
                await self.tx.execute(
                    "UPDATE rooms SET active_at = $3, due_at = COALESCE($4, due_at) WHERE tenant_id = $1 AND id = $2",
                    self.tenant,
                    room_id,
                    self.now_us,
                    self.channels[room.channel_type].policy.put_off_us(spoke_us=self.now_us),
                )
            if room_id in self._states:
                state = rows.room_state(room, self.channels[room.channel_type])
                self._events.append(
                    Event(
                        self.tenant,
                        "room",
                        room_id,
                        "room",
                        room.changed_seq,
                        frames.encode(frames.RoomFrame(room=room_id, seq=room.changed_seq, state=state)),
                    )
                )
        told = await case_entries.entries(self.tx, self.tenant, list(self._cases), self._targets)
        self._events += [
            Event(self.tenant, "staff", case.team, "case", 0, frames.encode(frames.CaseFrame(case=case)))
            for case in told
        ]
        self._tell_of_conversations({case.room for case in told})
        if self._acts:
            await audit.append(self.tx, self.tenant, self._acts, self.now_us)

    def _tell_of_conversations(self, told: Collection[RoomId]) -> None:
        """To the hubs: in which rooms with a case something moved, but for those that agents are ``told`` of anyway."""
        moved: dict[RoomId, None] = {}
        for room_id in sorted(self._moved):
            room = self.rooms[room_id]
            if room.backstage_of is not None:
                moved[room.backstage_of] = None
            elif room.owner_kind and (room.case_id is not None or room_id in self._taken_back):
                moved[room_id] = None
        self._events += [wrote(self.tenant, room_id) for room_id in moved if room_id not in told]
        spoken = self._active | self._taken_back
        if self._bot_rooms_moved or any(self.rooms[room_id].owner_kind == "bot" for room_id in spoken):
            self._events.append(bot_rooms_moved(self.tenant))

    def events(self) -> Sequence[Event]:
        """What to announce, each room's in the order of ``seq``."""
        return sorted(self._events, key=lambda event: event.seq)
