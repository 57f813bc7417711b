"""One batch of new messages: locked, looked at again, written.

Under the lock what may have changed since the senders were let in is read again: whether the room is open, the
sender's place in it, who owns it. What is then refused stores nothing, and what was stored before under the same
client id is answered with that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from deskbell.clock import from_us
from deskbell.errors import (
    ClientIdReused,
    DeskbellError,
    KindNotAllowed,
    Muted,
    NotFound,
    NotYours,
    PreconditionFailed,
    RoomClosed,
    Stale,
)
from deskbell.ids import CaseId, MessageId, RoomId, TenantId, UserId, new_id
from deskbell.model.records import STAFF_ROLES, Message
from deskbell.store import database, messages, traces
from deskbell.store.change import INSERT_MESSAGE, message_row
from deskbell.store.posting import Ground, NewMessage, Outcome, Posted
from deskbell.wire import frames
from deskbell.wire.events import Event, bot_rooms_moved, named, wrote

SYSTEM_KINDS = ("system",)

OUTBOX_COLUMNS = {
    "tenant_id": "uuid",
    "queue": "text",
    "key": "text",
    "payload": "text",
    "due_at": "bigint",
    "created_at": "bigint",
}


@dataclass(slots=True)
class LockedRoom:
    """A room as the lane holds it: what its messages are checked against, and its counter."""

    tenant: TenantId
    seq: int
    channel_type: str
    closed: bool
    owner_kind: str
    owner_user: str | None
    owner_version: int
    customer: str | None
    has_case: bool
    backstage_of: RoomId | None
    moved: bool = False
    spoken: bool = False
    customer_wrote: bool = False
    staff_wrote: bool = False


@dataclass
class Written:
    outcomes: list[tuple[NewMessage, Outcome]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    queues: set[str] = field(default_factory=set)


class BatchWriter:
    """One batch in one transaction."""

    def __init__(self, tx: database.Transaction, ground: Ground, batch: Sequence[NewMessage]) -> None:
        self._tx = tx
        self._ground = ground
        self._batch = batch
        self._now = 0
        self._rooms: dict[RoomId, LockedRoom] = {}
        self._members: dict[tuple[RoomId, UserId], tuple[str, str, int | None]] = {}
        self._stored: dict[tuple[RoomId, UserId, str], MessageId] = {}
        self._accepted: list[tuple[NewMessage, Message]] = []
        self._first: dict[tuple[RoomId, UserId, str], tuple[NewMessage, Message]] = {}
        self._rows: list[Sequence[object]] = []
        self._outbox: list[Sequence[object]] = []
        self._traces: list[Sequence[object]] = []
        self.written = Written()

    async def lock(self) -> None:
        """Take the rooms' locks, then read what the decisions rest on: in that order, never before."""
        tenants = list({command.tenant for command in self._batch})
        room_ids = sorted({command.room for command in self._batch})
        for row in await self._tx.fetch(
            "SELECT tenant_id, id, seq, channel_type, closed_at, owner_kind, owner_user, owner_version, customer,"
            " case_id, backstage_of FROM rooms WHERE tenant_id = ANY($1::uuid[]) AND id = ANY($2::uuid[])"
            " ORDER BY id FOR UPDATE",
            tenants,
            room_ids,
        ):
            self._rooms[row["id"]] = LockedRoom(
                row["tenant_id"], row["seq"], row["channel_type"], row["closed_at"] is not None, row["owner_kind"],
                row["owner_user"], row["owner_version"], row["customer"], row["case_id"] is not None,
                row["backstage_of"],
            )  # fmt: skip
        self._now = await self._tx.now_us() // 1000 * 1000 + self._ground.clock.shift_us
        senders = list({(c.tenant, c.room, c.sender.id) for c in self._batch if not c.platform})
        if senders:
            for row in await self._tx.fetch(
                "SELECT p.room_id, p.user_id, p.role, p.state, p.muted_until"
                " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS k(tenant_id, room_id, user_id)"
                # CROSS JOIN: SQLite then keeps this order, and looks up instead of reading the whole table.
                " CROSS JOIN participants p"
                " WHERE p.tenant_id = k.tenant_id AND p.room_id = k.room_id AND p.user_id = k.user_id",
                [s[0] for s in senders],
                [s[1] for s in senders],
                [s[2] for s in senders],
            ):
                self._members[row["room_id"], row["user_id"]] = (row["role"], row["state"], row["muted_until"])
        for row in await self._tx.fetch(
            "SELECT m.id, m.room_id, m.sender_id, m.client_id"
            " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[])"
            " AS k(tenant_id, room_id, sender_id, client_id)"
            " CROSS JOIN messages m WHERE m.tenant_id = k.tenant_id AND m.room_id = k.room_id"
            " AND m.sender_id = k.sender_id AND m.client_id = k.client_id",
            [c.tenant for c in self._batch],
            [c.room for c in self._batch],
            [c.sender.id for c in self._batch],
            [c.client_id for c in self._batch],
        ):
            self._stored[row["room_id"], row["sender_id"], row["client_id"]] = row["id"]

    async def decide(self) -> None:
        """Accept or refuse each command, in the order they came in: a sender's messages keep theirs.

        Duplicates, expectations and answers in threads each need a look at stored messages; the
        others need nothing more than what was read.
        """
        for command in self._batch:
            key = (command.room, command.sender.id, command.client_id)
            if key in self._stored:
                stored = await messages.by_client_id(
                    self._tx, command.tenant, command.room, command.sender.id, command.client_id
                )
                assert stored is not None
                self.written.outcomes.append((command, duplicate(command, *stored)))
                continue
            refusal = None
            if command.expect is not None and key not in self._first:
                refusal = await self._unexpected(command)
            accepted = self._take(command, refusal)
            if accepted is not None and command.thread is not None:
                await self._countanswer(command.tenant, command.thread, self._rooms[command.room])

    async def _unexpected(self, command: NewMessage) -> DeskbellError | None:
        room, expect = self._rooms.get(command.room), command.expect
        if expect is None or room is None:
            return None
        if expect.owner_version is not None and expect.owner_version != room.owner_version:
            return PreconditionFailed(
                "The conversation has changed hands. Look, then decide.",
                owner_version=room.owner_version,
                seq=room.seq,
            )
        if expect.seq is not None and expect.seq < room.seq:
            others = any(
                accepted.room == command.room and accepted.sender.id != command.sender.id
                for _, accepted in self._accepted
            )
            if others or await messages.somebody_else_wrote(
                self._tx, command.tenant, command.room, expect.seq, command.sender.id
            ):
                return PreconditionFailed(owner_version=room.owner_version, seq=room.seq)
        return None

    def _take(self, command: NewMessage, unexpected: DeskbellError | None) -> Message | None:
        key = (command.room, command.sender.id, command.client_id)
        if key in self._first:
            # The same client id twice in one batch: the second is answered by the first.
            earlier, message = self._first[key]
            same = earlier.request_hash == command.request_hash
            self.written.outcomes.append((command, Posted(message, duplicate=True) if same else ClientIdReused()))
            return None
        room = self._rooms.get(command.room)
        # Who may not write here is not told what has changed here.
        refusal = self._refusal(command, room) or unexpected
        if refusal is not None:
            self.written.outcomes.append((command, refusal))
            return None
        assert room is not None
        room.seq += 1
        room.moved = True
        message = Message(
            id=MessageId(new_id()),
            room=command.room,
            seq=room.seq,
            changed_seq=room.seq,
            client_id=command.client_id,
            sender=command.sender,
            kind=command.kind,
            content=command.content,
            created_at=from_us(self._now),
            metadata=command.metadata,
            attachments=command.attachments,
            reply_to=command.reply_to,
            thread=command.thread,
            mentions=command.mentions,
        )
        counts = command.kind not in SYSTEM_KINDS
        self._first[key] = (command, message)
        self._accepted.append((command, message))
        self._rows.append(message_row(command.tenant, message, command.request_hash, self._now))
        if command.trace is not None:
            self._traces.append(
                traces.row(command.tenant, message.id, "posted", command.trace, command.sender.id, self._now)
            )
        self.written.outcomes.append((command, Posted(message)))
        self.written.events.append(
            Event(
                command.tenant,
                "room",
                command.room,
                "message",
                message.seq,
                frames.encode(frames.MessageFrame(room=command.room, seq=message.seq, message=message)),
                born=message.seq,
                counts=counts,
                sender=command.sender.id,
                mentions=tuple(command.mentions),
                what="created",
            )
        )
        if room.backstage_of is not None:
            self.written.events += named(command.tenant, room.backstage_of, message)
        room.spoken = room.spoken or counts
        if counts and room.owner_kind:
            self._in_support_room(command, room, message)
        if "message" in self._ground.observed:
            self._leave_work("observe", command, {"hook": "message", "what": "created", "id": message.id})
        return message

    def _in_support_room(self, command: NewMessage, room: LockedRoom, message: Message) -> None:
        if command.sender.id == room.customer:
            room.customer_wrote = True
            if room.owner_kind == "bot" or (room.owner_kind == "nobody" and not room.has_case):
                # The bot answers; and where there is neither a bot nor anybody who was asked, somebody is.
                self._leave_work("turn", command, {"seq": message.seq, "owner_version": room.owner_version})
        elif command.role in STAFF_ROLES:
            room.staff_wrote = True

    def _leave_work(self, queue: str, command: NewMessage, payload: dict[str, Any]) -> None:
        work = msgspec.json.encode({"room": command.room, **payload}).decode()
        self._outbox.append((command.tenant, queue, command.room, work, self._now, self._now))
        self.written.queues.add(queue)

    def _refusal(self, command: NewMessage, room: LockedRoom | None) -> DeskbellError | None:
        """Why this message may not be stored, as of now, under the lock."""
        if room is None or room.tenant != command.tenant:
            return NotFound()
        if command.platform:
            return None
        if room.closed:
            return RoomClosed()
        if command.owner_version is not None:
            fresh = room.owner_kind == "bot" and room.owner_version == command.owner_version
            return None if fresh else Stale()
        role, state, muted_until = self._members.get((command.room, command.sender.id), ("", "left", None))
        if state != "joined":
            # Who is no longer a member learns nothing about the room; staff know it anyway.
            return NotYours() if command.role in STAFF_ROLES and room.owner_kind else NotFound()
        if muted_until is not None and muted_until > self._now:
            return Muted(until=from_us(muted_until).isoformat(), rule="mute")
        if not self._ground.channels[room.channel_type].policy.may_post(command.kind, role):
            return KindNotAllowed(kind=command.kind, rule="policy.kinds")
        return None

    async def _countanswer(self, tenant: TenantId, root: MessageId, room: LockedRoom) -> None:
        """An answer in a thread changes its root as well, so the root takes a number of its own."""
        room.seq += 1
        await self._tx.execute(
            "UPDATE messages SET thread_count = thread_count + 1, changed_seq = $3 WHERE tenant_id = $1 AND id = $2",
            tenant,
            root,
            room.seq,
        )
        changed = await messages.by_id(self._tx, tenant, root)
        if changed is None:
            room.seq -= 1
            return
        self.written.events.append(
            Event(
                tenant,
                "room",
                changed.room,
                "message",
                room.seq,
                frames.encode(frames.MessageFrame(room=changed.room, seq=room.seq, message=changed)),
                born=changed.seq,
            )
        )

    async def write(self) -> None:
        if not self._rows:
            return
        tx = self._tx
        await tx.insert_many("messages", INSERT_MESSAGE, self._rows)
        moved = [(room_id, room) for room_id, room in self._rooms.items() if room.moved]
        await tx.execute(
            "UPDATE rooms AS r SET seq = k.seq, changed_at = $5, active_at = $5,"
            " due_at = CASE WHEN k.due_at = 0 THEN r.due_at ELSE k.due_at END"
            " FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[]) AS k(tenant_id, id, seq, due_at)"
            " WHERE r.tenant_id = k.tenant_id AND r.id = k.id",
            [room.tenant for _, room in moved],
            [room_id for room_id, _ in moved],
            [room.seq for _, room in moved],
            [self._ground.channels[room.channel_type].policy.put_off_us(spoke_us=self._now) or 0 for _, room in moved],
            self._now,
        )
        await self._move_cases([(room_id, room) for room_id, room in moved if room.has_case])
        self.written.events += [
            wrote(room.tenant, room.backstage_of or room_id)
            for room_id, room in moved
            if room.spoken and (room.has_case or room.backstage_of is not None)
        ]
        talking = dict.fromkeys(room.tenant for _, room in moved if room.spoken and room.owner_kind == "bot")
        self.written.events += [bot_rooms_moved(tenant) for tenant in talking]
        if self._traces:
            await tx.insert_many("traces", traces.COLUMNS, self._traces)
        if self._outbox:
            await tx.insert_many("outbox", OUTBOX_COLUMNS, self._outbox)

    async def _move_cases(self, rooms: Sequence[tuple[RoomId, LockedRoom]]) -> None:
        """An agent who answered owes nothing; an agent who was written to has a deadline.

        Agents are told with what was said, by the hubs: see :func:`deskbell.wire.events.wrote`.
        """
        for room_id, room in rooms:
            if room.staff_wrote:
                moved = await self._tx.fetch(
                    "UPDATE cases SET first_response_at = COALESCE(first_response_at, $3), deadline_at = NULL,"
                    " step = 0, changed_at = $3, version = version + 1"
                    " WHERE tenant_id = $1 AND room_id = $2 AND status = 'assigned'"
                    " AND (first_response_at IS NULL OR deadline_at IS NOT NULL) RETURNING id",
                    room.tenant,
                    room_id,
                    self._now,
                )
                what = "answered"
            elif room.customer_wrote:
                moved = await self._tx.fetch(
                    # One that was put off is due now: whoever writes is not left until the agent's alarm rings.
                    "UPDATE cases SET deadline_at = CASE WHEN status = 'snoozed' THEN $3 ELSE $4 END,"
                    " step = 0, changed_at = $3, version = version + 1 WHERE tenant_id = $1 AND room_id = $2"
                    " AND ((status = 'assigned' AND deadline_at IS NULL) OR (status = 'snoozed' AND deadline_at > $3))"
                    " RETURNING id",
                    room.tenant,
                    room_id,
                    self._now,
                    self._now + self._ground.settings.targets.agent_silent_s * 1_000_000,
                )
                what = "customer_wrote"
            else:
                continue
            if "case" in self._ground.observed:
                for row in moved:
                    self._observed_case(room.tenant, room_id, row["id"], what)

    def _observed_case(self, tenant: TenantId, room_id: RoomId, case_id: CaseId, what: str) -> None:
        work = msgspec.json.encode({"room": room_id, "hook": "case", "what": what, "id": case_id}).decode()
        self._outbox.append((tenant, "observe", room_id, work, self._now, self._now))
        self.written.queues.add("observe")


def duplicate(command: NewMessage, stored: Message, request_hash: bytes) -> Outcome:
    """What a send hears whose client id is taken: the stored message, unless it was another request that took it."""
    return Posted(stored, duplicate=True) if request_hash == command.request_hash else ClientIdReused()
