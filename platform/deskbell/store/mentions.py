"""In which messages somebody is mentioned. The database keeps the list itself, see ``migrations/…_mentions….sql``."""

from __future__ import annotations

from dataclasses import dataclass

from deskbell.ids import CaseId, MessageId, RoomId, TenantId, UserId
from deskbell.store.database import Queries

_LAST = MessageId("ffffffff-ffff-ffff-ffff-ffffffffffff")


@dataclass(frozen=True)
class Mentioned:
    """One mention and its place in the list. ``front``: the visitor's room, where the message is backstage of it."""

    at_us: int
    message: MessageId
    room: RoomId
    channel_type: str
    backstage: bool
    seq: int
    front: RoomId
    name: str
    case: CaseId | None
    read: bool


async def latest(
    db: Queries, tenant: TenantId, user: UserId, *, limit: int, before: tuple[int, MessageId] | None = None
) -> list[Mentioned]:
    """Where somebody is mentioned, newest first, whether or not they may read it; ``before`` continues a list."""
    moment, last = before or (2**62, _LAST)
    found = await db.fetch(
        "SELECT n.at, n.message_id, m.seq, r.id AS room_id, r.channel_type, r.backstage_of, COALESCE(f.id, r.id) AS"
        " front, COALESCE(f.name, r.name) AS front_name, COALESCE(f.case_id, r.case_id) AS case_id,"
        " p.last_read_seq, p.unread_from FROM mentions n"
        " JOIN messages m ON m.tenant_id = n.tenant_id AND m.id = n.message_id AND m.deleted_at IS NULL"
        " JOIN rooms r ON r.tenant_id = m.tenant_id AND r.id = m.room_id"
        " LEFT JOIN rooms f ON f.tenant_id = r.tenant_id AND f.id = r.backstage_of"
        " LEFT JOIN participants p ON p.tenant_id = r.tenant_id AND p.room_id = r.id AND p.user_id = n.user_id"
        " WHERE n.tenant_id = $1 AND n.user_id = $2 AND (n.at, n.message_id) < ($3, $4)"
        " ORDER BY n.at DESC, n.message_id DESC LIMIT $5",
        tenant,
        user,
        moment,
        last,
        limit,
    )
    return [
        Mentioned(
            row["at"],
            row["message_id"],
            row["room_id"],
            row["channel_type"],
            row["backstage_of"] is not None,
            row["seq"],
            row["front"],
            row["front_name"],
            row["case_id"],
            row["seq"] <= (row["last_read_seq"] or 0)
            and not (row["unread_from"] is not None and row["seq"] >= row["unread_from"]),
        )
        for row in found
    ]
