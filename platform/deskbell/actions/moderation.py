"""Held messages: what a filter kept back until a person has looked at it.

A held message takes no number and is seen by nobody in its room. Approving posts it, as its sender and
under its ``client_id``, so that a retry of the send finds it; rejecting forgets its text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from deskbell.clock import from_us
from deskbell.errors import Gone, NotFound, RoomClosed
from deskbell.ids import MessageId, RoomId, is_id
from deskbell.model.records import Actor, Message, PublicUser
from deskbell.ports import Ports
from deskbell.store.change import Change
from deskbell.wire.commands import Draft


@dataclass(frozen=True)
class Held:
    """One message that waits for a decision. ``rule`` and ``filter`` say who kept it back, and why."""

    id: MessageId
    room: RoomId
    sender: PublicUser
    kind: str
    content: str
    rule: str
    filter: str
    created_at: datetime


async def listed(ports: Ports, actor: Actor, *, limit: int = 50, offset: int = 0) -> list[Held]:
    """What waits for a decision in the tenant, oldest first.

    Raises:
        NotFound: Not staff.
    """
    if not actor.is_staff:
        raise NotFound()
    found = await ports.db.fetch(
        "SELECT h.id, h.room_id, h.request, h.original, h.reason, h.filter, h.created_at,"
        " u.id AS user_id, u.kind AS user_kind, u.name AS user_name, u.avatar AS user_avatar"
        " FROM held_messages h JOIN users u ON u.tenant_id = h.tenant_id AND u.id = h.sender_id"
        " WHERE h.tenant_id = $1 AND h.status = 'held' ORDER BY h.created_at, h.id LIMIT $2 OFFSET $3",
        actor.tenant,
        limit,
        offset,
    )
    return [
        Held(
            id=row["id"],
            room=row["room_id"],
            sender=PublicUser(row["user_id"], row["user_kind"], row["user_name"], row["user_avatar"]),
            kind=msgspec.json.decode(row["request"], type=Draft).kind,
            content=row["original"],
            rule=row["reason"],
            filter=row["filter"],
            created_at=from_us(row["created_at"]),
        )
        for row in found
    ]


async def approve(ports: Ports, actor: Actor, held_id: MessageId) -> Message:
    """Post a held message, now, as its sender.

    Raises:
        NotFound: Not staff, or no such message.
        Gone: Somebody has decided already.
        RoomClosed: The room takes nothing more.
    """
    room_id = await _room_of(ports, actor, held_id)
    async with ports.journal.change(actor.tenant, room_id) as change:
        request, sender, client_id, digest = await _take(change, actor, held_id, "approved")
        if change.room(room_id).closed_at is not None:
            raise RoomClosed()
        return await change.post(
            room_id,
            sender,
            request.content,
            kind=request.kind,
            client_id=client_id,
            metadata=request.metadata,
            request_hash=digest,
            reply_to=request.reply_to,
            mentions=request.mentions,
        )


async def reject(ports: Ports, actor: Actor, held_id: MessageId) -> None:
    """Decide that nobody will see it; its text is forgotten.

    Raises:
        NotFound, Gone: See :func:`approve`.
    """
    room_id = await _room_of(ports, actor, held_id)
    async with ports.journal.change(actor.tenant, room_id) as change:
        await _take(change, actor, held_id, "rejected")
        await change.tx.execute(
            "UPDATE held_messages SET request = '{\"content\":\"\"}', original = '' WHERE tenant_id = $1 AND id = $2",
            actor.tenant,
            held_id,
        )


async def _room_of(ports: Ports, actor: Actor, held_id: MessageId) -> RoomId:
    row = None
    if actor.is_staff and is_id(held_id):
        row = await ports.db.fetchrow(
            "SELECT room_id FROM held_messages WHERE tenant_id = $1 AND id = $2", actor.tenant, held_id
        )
    if row is None:
        raise NotFound()
    return RoomId(row["room_id"])


async def _take(change: Change, actor: Actor, held_id: MessageId, status: str) -> tuple[Draft, PublicUser, str, bytes]:
    """Decide, if nobody has: the room's lock is held, so of two at once one finds it decided."""
    row = await change.tx.fetchrow(
        "SELECT h.request, h.client_id, h.request_hash, h.status, u.id AS user_id, u.kind AS user_kind,"
        " u.name AS user_name, u.avatar AS user_avatar"
        " FROM held_messages h JOIN users u ON u.tenant_id = h.tenant_id AND u.id = h.sender_id"
        " WHERE h.tenant_id = $1 AND h.id = $2",
        actor.tenant,
        held_id,
    )
    if row is None:
        raise NotFound()
    if row["status"] != "held":
        raise Gone(f"This message was {row['status']} already.", status=row["status"])
    await change.tx.execute(
        "UPDATE held_messages SET status = $3, decided_by = $4, decided_at = $5 WHERE tenant_id = $1 AND id = $2",
        actor.tenant,
        held_id,
        status,
        actor.id,
        change.now_us,
    )
    sender = PublicUser(row["user_id"], row["user_kind"], row["user_name"], row["user_avatar"])
    return msgspec.json.decode(row["request"], type=Draft), sender, row["client_id"], bytes(row["request_hash"])
