"""Held messages: what a filter kept back until a person has looked at it.

A held message takes no number and is seen by nobody in its room. Approving posts it, as its sender and
under its ``client_id``, so that a retry of the send finds it; rejecting forgets its text. The sender is told of either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from deskbell.actions import access
from deskbell.actions.access import Place
from deskbell.clock import from_us
from deskbell.errors import ClientIdReused, Gone, NotFound, RoomClosed
from deskbell.ids import MessageId, RoomId, is_id, new_id
from deskbell.model.records import Actor, Decision, HeldStatus, Message, PublicUser, Trace
from deskbell.plugins import Moderated
from deskbell.ports import Ports
from deskbell.store import messages, rows, traces
from deskbell.store.change import Change
from deskbell.store.database import Row, StoreIntegrity
from deskbell.wire import frames
from deskbell.wire.commands import Draft
from deskbell.wire.events import Event


@dataclass(frozen=True)
class Held:
    """One message that waits for a decision. ``rule`` and ``filter`` say who kept it back, and why.

    ``content`` is what will be shown; ``original`` what was written, where filters made another text of it.
    """

    id: MessageId
    room: RoomId
    sender: PublicUser
    kind: str
    content: str
    rule: str
    filter: str
    created_at: datetime
    original: str | None = None
    decisions: list[Decision] = field(default_factory=list)


async def hold(
    ports: Ports,
    actor: Actor,
    place: Place,
    draft: Draft,
    client_id: str,
    digest: bytes,
    verdict: Moderated,
    trace: Trace,
) -> MessageId:
    """Keep a message back, with what is needed to post it later; its id.

    Raises:
        ClientIdReused: Another request was held under its ``client_id`` at this moment.
    """
    held = MessageId(new_id())
    try:
        await ports.db.execute(
            "INSERT INTO held_messages (tenant_id, id, room_id, sender_id, client_id, request_hash, request, original,"
            " reason, filter, created_at, decisions, door) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)",
            actor.tenant,
            held,
            place.room.id,
            actor.id,
            client_id,
            digest,
            msgspec.json.encode(draft).decode(),
            draft.content if trace.original is None else trace.original,
            verdict.reason,
            verdict.filter,
            await ports.journal.now_us(),
            msgspec.json.encode(trace.decisions).decode(),
            trace.door,
        )
    except StoreIntegrity:
        # The same send twice at once: the other one was held.
        stored = await messages.held_by_client_id(ports.db, actor.tenant, place.room.id, actor.id, client_id)
        if stored is None or stored[1] != digest:
            raise ClientIdReused() from None
        return stored[0]
    return held


async def listed(
    ports: Ports, actor: Actor, *, limit: int = 50, after: tuple[int, MessageId] | None = None
) -> list[Held]:
    """What waits for a decision in the tenant, oldest first; ``after`` (a moment and an id) continues a list.

    Raises:
        NotFound: Not staff.
    """
    if not actor.is_staff:
        raise NotFound()
    found = await ports.db.fetch(
        "SELECT h.id, h.room_id, h.request, h.original, h.reason, h.filter, h.created_at, h.decisions,"
        " u.id AS user_id, u.kind AS user_kind, u.name AS user_name, u.avatar AS user_avatar"
        " FROM held_messages h JOIN users u ON u.tenant_id = h.tenant_id AND u.id = h.sender_id"
        " WHERE h.tenant_id = $1 AND h.status = 'held' AND (h.created_at > $3 OR (h.created_at = $3 AND h.id > $4))"
        " ORDER BY h.created_at, h.id LIMIT $2",
        actor.tenant,
        limit,
        after[0] if after is not None else -1,
        after[1] if after is not None else actor.id,
    )
    return [_held(row) for row in found]


def _held(row: Row) -> Held:
    request = msgspec.json.decode(row["request"], type=Draft)
    return Held(
        id=row["id"],
        room=row["room_id"],
        sender=rows.public_user(row),
        kind=request.kind,
        content=request.content,
        rule=row["reason"],
        filter=row["filter"],
        created_at=from_us(row["created_at"]),
        original=row["original"] if row["original"] != request.content else None,
        decisions=msgspec.json.decode(row["decisions"] or "[]", type=list[Decision]),
    )


async def own(ports: Ports, actor: Actor, room_id: RoomId) -> list[frames.HeldFrame]:
    """What has become of one's own messages that were held in a room, the latest 100, latest first.

    Raises:
        NotFound: Not a room of theirs.
    """
    await access.room_for(ports, actor, room_id)
    found = await ports.db.fetch(
        "SELECT id, client_id, status FROM held_messages WHERE tenant_id = $1 AND room_id = $2 AND sender_id = $3"
        " ORDER BY created_at DESC, id DESC LIMIT 100",
        actor.tenant,
        room_id,
        actor.id,
    )
    return [frames.HeldFrame(room_id, row["id"], row["client_id"], row["status"]) for row in found]


async def approve(ports: Ports, actor: Actor, held_id: MessageId) -> Message:
    """Post a held message, now, as its sender.

    Raises:
        NotFound: Not staff, or no such message.
        Gone: Somebody has decided already.
        RoomClosed: The room takes nothing more.
    """
    room_id = await _room_of(ports, actor, held_id)
    async with ports.journal.change(actor.tenant, room_id) as change:
        row = await _take(change, actor, held_id, "approved")
        if change.room(room_id).closed_at is not None:
            raise RoomClosed()
        held, request = _held(row), msgspec.json.decode(row["request"], type=Draft)
        message = await change.post(
            room_id,
            held.sender,
            request.content,
            kind=request.kind,
            client_id=row["client_id"],
            metadata=request.metadata,
            request_hash=bytes(row["request_hash"]),
            reply_to=request.reply_to,
            mentions=request.mentions,
        )
        room = change.room(room_id)
        if room.customer == held.sender.id and (
            room.owner_kind == "bot" or (room.owner_kind == "nobody" and not room.case_id)
        ):
            # As after any word of a visitor's: the bot answers, or where nobody was asked yet, somebody is.
            await change.leave_work("turn", room_id, {"seq": message.seq, "owner_version": room.owner_version})
        _audit(ports, change, actor, room_id, "held_approved", message.id)
        trace = Trace(row["door"] or traces.SOCKET, tuple(held.decisions), held.original)
        await traces.add(change.tx, actor.tenant, message.id, "posted", trace, held.sender.id, row["created_at"])
        await traces.add(change.tx, actor.tenant, message.id, "approved", Trace("rest"), actor.id, change.now_us)
        return message


async def reject(ports: Ports, actor: Actor, held_id: MessageId) -> None:
    """Decide that nobody will see it; its text is forgotten.

    Raises:
        NotFound, Gone: See :func:`approve`.
    """
    room_id = await _room_of(ports, actor, held_id)
    async with ports.journal.change(actor.tenant, room_id) as change:
        await _take(change, actor, held_id, "rejected")
        _audit(ports, change, actor, room_id, "held_rejected", held_id)


def _audit(ports: Ports, change: Change, actor: Actor, room_id: RoomId, act: str, subject: MessageId) -> None:
    channel = ports.plugins.channels.get(change.room(room_id).channel_type)
    if channel is not None:
        change.audit(channel.policy, actor.id, act, room_id, subject)


async def _room_of(ports: Ports, actor: Actor, held_id: MessageId) -> RoomId:
    row = None
    if actor.is_staff and is_id(held_id):
        row = await ports.db.fetchrow(
            "SELECT room_id FROM held_messages WHERE tenant_id = $1 AND id = $2", actor.tenant, held_id
        )
    if row is None:
        raise NotFound()
    return RoomId(row["room_id"])


async def _take(change: Change, actor: Actor, held_id: MessageId, status: HeldStatus) -> Row:
    """Decide, if nobody has: the room's lock is held, so of two at once one finds it decided."""
    row = await change.tx.fetchrow(
        "SELECT h.id, h.room_id, h.request, h.original, h.reason, h.filter, h.created_at, h.decisions, h.door,"
        " h.client_id, h.request_hash, h.status, u.id AS user_id, u.kind AS user_kind, u.name AS user_name,"
        " u.avatar AS user_avatar FROM held_messages h JOIN users u ON u.tenant_id = h.tenant_id AND u.id = h.sender_id"
        " WHERE h.tenant_id = $1 AND h.id = $2",
        actor.tenant,
        held_id,
    )
    if row is None:
        raise NotFound()
    if row["status"] != "held":
        raise Gone(f"This message was {row['status']} already.", status=row["status"])
    # Approved, its text is the message's, to be edited and deleted; rejected, it is nobody's.
    await change.tx.execute(
        'UPDATE held_messages SET status = $3, decided_by = $4, decided_at = $5, request = \'{"content":""}\','
        " original = '', decisions = NULL WHERE tenant_id = $1 AND id = $2",
        actor.tenant,
        held_id,
        status,
        actor.id,
        change.now_us,
    )
    frame = frames.HeldFrame(row["room_id"], held_id, row["client_id"], status)
    change.tell(Event(change.tenant, "user", row["user_id"], "held", 0, frames.encode(frame)))
    return row
