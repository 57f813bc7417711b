"""Reports: somebody who may see a message says that it should not be there.

A report points at the message and holds no copy of it: what is edited is seen edited, with its
revisions, and what is deleted is gone from reports as well. Each person reports a message once.

Who decides: staff of the tenant, for all its rooms, also those they are not in, since somebody who is
there showed them the message; and the moderators of a room, for theirs, as far back as they may see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from deskbell.actions import access
from deskbell.actions.content import checked_text
from deskbell.clock import from_us
from deskbell.errors import Gone, Invalid, KindNotAllowed, MessageDeleted, NotFound
from deskbell.ids import MessageId, RoomId, TenantId, UserId, is_id, new_id
from deskbell.model.records import Actor, Message, PublicUser
from deskbell.ports import Ports
from deskbell.store import messages, rooms, rows
from deskbell.store.database import Queries, Row

Status = Literal["open", "resolved", "dismissed"]
MAX_REASON_BYTES = 400
MAX_COMMENT_BYTES = 8000


@dataclass(frozen=True)
class OwnReport:
    """What somebody reported, as they are told it. What becomes of it is the moderators'."""

    id: str
    message: MessageId
    reason: str
    comment: str
    created_at: datetime


@dataclass(frozen=True)
class Report:
    """A report, for those who decide. ``message`` is in its present state; None: it was purged."""

    id: str
    room: RoomId
    message: Message | None
    reporter: PublicUser
    reason: str
    comment: str
    status: Status
    created_at: datetime
    decided_by: UserId | None = None
    decided_at: datetime | None = None
    note: str = ""


async def report(
    ports: Ports, actor: Actor, message_id: MessageId, reason: str, comment: str = ""
) -> tuple[OwnReport, bool]:
    """Report a message. The flag says whether it is new: who reports again is told what they said first.

    Raises:
        NotFound: There is no such message, or it is not theirs to see.
        Invalid: Their own message; no reason.
        MessageDeleted, KindNotAllowed: There is nothing to report; the platform said it.
        TooLarge, RateLimited: Too much.
    """
    message, _ = await access.message_for(ports, actor, message_id)
    checked_text(ports, reason, what="reason", max_bytes=MAX_REASON_BYTES, empty=False)
    checked_text(ports, comment, what="comment", max_bytes=MAX_COMMENT_BYTES)
    earlier = await _own(ports.db, actor, message_id)
    if earlier is not None:
        return earlier, False
    if message.deleted:
        raise MessageDeleted()
    if message.kind == "system":
        raise KindNotAllowed("What the platform said cannot be reported.", kind=message.kind)
    if message.sender.id == actor.id:
        raise Invalid("This is your own message. Edit or delete it.")
    ports.limits.spend("report", actor.id, per_min=10, burst=10)
    await ports.db.execute(
        "INSERT INTO reports (tenant_id, id, room_id, message_id, reporter_id, reason, comment, created_at)"
        " VALUES ($1,$2,$3,$4,$5,$6,$7,$8) ON CONFLICT DO NOTHING",
        actor.tenant,
        identity := new_id(),
        message.room,
        message_id,
        actor.id,
        reason.strip(),
        comment.strip(),
        await ports.journal.now_us(),
    )
    stored = await _own(ports.db, actor, message_id)
    if stored is None:
        raise NotFound()
    return stored, stored.id == identity


async def _own(db: Queries, actor: Actor, message_id: MessageId) -> OwnReport | None:
    row = await db.fetchrow(
        "SELECT id, message_id, reason, comment, created_at FROM reports"
        " WHERE tenant_id = $1 AND message_id = $2 AND reporter_id = $3",
        actor.tenant,
        message_id,
        actor.id,
    )
    if row is None:
        return None
    return OwnReport(row["id"], row["message_id"], row["reason"], row["comment"], from_us(row["created_at"]))


_FROM = (
    "SELECT x.id, x.room_id, x.message_id, x.reason, x.comment, x.status, x.created_at, x.decided_by, x.decided_at,"
    f" x.note, {rows.USER_COLUMNS} FROM reports x JOIN users u ON u.tenant_id = x.tenant_id AND u.id = x.reporter_id"
    " WHERE x.tenant_id = $1"
)
_BEGINNING = "00000000-0000-0000-0000-000000000000"


def _theirs(ports: Ports, actor: Actor, values: list[object]) -> str:
    """The condition on reports somebody may decide; what it needs is added to ``values``."""
    if actor.is_staff:
        return ""
    since_join = [name for name, channel in ports.plugins.channels.items() if channel.policy.history == "since_join"]
    values += [actor.id, access.moderating(ports), since_join]
    last = len(values)
    # Their rooms; and of those whose history begins with joining, what came after.
    return (
        " AND EXISTS (SELECT 1 FROM participants p JOIN rooms r ON r.tenant_id = p.tenant_id AND r.id = p.room_id"
        " JOIN messages m ON m.tenant_id = p.tenant_id AND m.id = x.message_id"
        f" WHERE p.tenant_id = x.tenant_id AND p.room_id = x.room_id AND p.user_id = ${last - 2} AND p.state = 'joined'"
        f" AND r.channel_type || ' ' || p.role = ANY(${last - 1}::text[])"
        f" AND (m.seq > p.visible_from OR NOT r.channel_type = ANY(${last}::text[])))"
    )


async def listed(
    ports: Ports,
    actor: Actor,
    *,
    status: Status = "open",
    room: RoomId | None = None,
    limit: int = 50,
    after: tuple[int, str] | None = None,
) -> list[Report]:
    """Reports one may decide, oldest first; ``after`` (a moment and an id) continues a list."""
    if room is not None and not is_id(room):
        return []
    moment, identity = after or (-1, _BEGINNING)
    values: list[object] = [actor.tenant, status, moment, identity, limit]
    condition = _theirs(ports, actor, values)
    if room is not None:
        values.append(room)
        condition += f" AND x.room_id = ${len(values)}"
    found = await ports.db.fetch(
        f"{_FROM} AND x.status = $2 AND (x.created_at > $3 OR (x.created_at = $3 AND x.id > $4)){condition}"
        " ORDER BY x.created_at, x.id LIMIT $5",
        *values,
    )
    return await _records(ports.db, actor.tenant, found)


async def _records(db: Queries, tenant: TenantId, found: Sequence[Row]) -> list[Report]:
    wanted = list(dict.fromkeys(row["message_id"] for row in found))
    shown = {message.id: message for message in await messages.by_ids(db, tenant, wanted)} if wanted else {}
    return [
        Report(
            row["id"],
            row["room_id"],
            shown.get(row["message_id"]),
            rows.public_user(row),
            row["reason"],
            row["comment"],
            row["status"],
            from_us(row["created_at"]),
            row["decided_by"],
            None if row["decided_at"] is None else from_us(row["decided_at"]),
            row["note"],
        )
        for row in found
    ]


async def decide(
    ports: Ports, actor: Actor, report_id: str, status: Literal["resolved", "dismissed"], note: str = ""
) -> Report:
    """Close a report: something was done about the message, or nothing has to be.

    What is done about the message, or its author, is a step of its own.

    Raises:
        NotFound: There is no such report, or it is not theirs to decide.
        Gone: Somebody has decided already.
    """
    checked_text(ports, note, what="note", max_bytes=MAX_COMMENT_BYTES)
    values: list[object] = [actor.tenant, report_id]
    one = f"{_FROM} AND x.id = $2{_theirs(ports, actor, values)}"
    found = await ports.db.fetch(one, *values)
    if not found:
        raise NotFound()
    room = await rooms.get(ports.db, actor.tenant, found[0]["room_id"])
    channel = None if room is None else ports.plugins.channels.get(room.channel_type)
    async with ports.journal.change(actor.tenant) as change:
        changed = await change.tx.execute(
            "UPDATE reports SET status = $3, decided_by = $4, decided_at = $5, note = $6"
            " WHERE tenant_id = $1 AND id = $2 AND status = 'open'",
            actor.tenant,
            report_id,
            status,
            actor.id,
            change.now_us,
            note.strip(),
        )
        if changed and channel is not None:
            change.audit(channel.policy, actor.id, f"report_{status}", found[0]["room_id"], report_id)
    [decided] = await _records(ports.db, actor.tenant, await ports.db.fetch(one, *values))
    if not changed:
        raise Gone(f"This report was {decided.status} already.", status=decided.status)
    return decided
