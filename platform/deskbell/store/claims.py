"""What visitors said of themselves: when it is looked at next, and how it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deskbell.ids import RoomId, TenantId, UserId
from deskbell.store.database import Queries

SEEN_AGAIN_US = 86_400 * 1_000_000
"""So rough is the moment at which a visitor was seen last: it is noted once a day."""


@dataclass(frozen=True)
class Claimant:
    """A visitor who is due, as they were when this was read. ``vouched_for``: their name is their site's word."""

    tenant: TenantId
    user: UserId
    name: str
    attributes: str
    vouched_for: bool
    seen_us: int
    forget_us: int


@dataclass(frozen=True)
class Conversation:
    """One of a visitor's. ``cleaned``: it is over, and nothing of what was said there is left."""

    room: RoomId
    channel_type: str
    name: str
    cleaned: bool


async def seen(db: Queries, tenant: TenantId, user: UserId, now_us: int) -> None:
    """Note that a visitor is there. Costs a write once a day."""
    await db.execute(
        "UPDATE users SET changed_at = $3 WHERE tenant_id = $1 AND id = $2 AND kind = 'visitor' AND changed_at < $4",
        tenant,
        user,
        now_us,
        now_us - SEEN_AGAIN_US,
    )


async def look_at(db: Queries, tenant: TenantId, user: UserId, at_us: int) -> None:
    """Have it looked at by then whether what a visitor said is still needed; an earlier moment stays."""
    await db.execute(
        "UPDATE users SET forget_at = $3 WHERE tenant_id = $1 AND id = $2 AND kind = 'visitor'"
        " AND (forget_at IS NULL OR forget_at > $3)",
        tenant,
        user,
        at_us,
    )


async def due(db: Queries, now_us: int, limit: int) -> Sequence[Claimant]:
    """Whom to look at, the longest due first."""
    found = await db.fetch(
        "SELECT tenant_id, id, name, attributes, external_id, changed_at, forget_at FROM users"
        " WHERE forget_at <= $1 ORDER BY forget_at LIMIT $2",
        now_us,
        limit,
    )
    return [
        Claimant(
            TenantId(row["tenant_id"]),
            UserId(row["id"]),
            row["name"],
            row["attributes"],
            row["external_id"] is not None,
            row["changed_at"],
            row["forget_at"],
        )
        for row in found
    ]


async def conversations(db: Queries, tenant: TenantId, user: UserId) -> Sequence[Conversation]:
    """All that a visitor ever had."""
    found = await db.fetch(
        "SELECT r.id, r.channel_type, r.name, r.closed_at, EXISTS (SELECT 1 FROM messages m"
        " WHERE m.tenant_id = r.tenant_id AND m.room_id = r.id) AS said"
        " FROM rooms r WHERE r.tenant_id = $1 AND r.customer = $2 AND r.backstage_of IS NULL ORDER BY r.id",
        tenant,
        user,
    )
    return [
        Conversation(
            RoomId(row["id"]), row["channel_type"], row["name"], row["closed_at"] is not None and not row["said"]
        )
        for row in found
    ]


async def put(db: Queries, who: Claimant, *, name: str, attributes: str, forget_us: int | None, now_us: int) -> bool:
    """Write them anew; False: they were seen, or said something, since this was read, and nothing was written."""
    changed_us = who.seen_us if (name, attributes) == (who.name, who.attributes) else now_us
    return bool(
        await db.execute(
            "UPDATE users SET name = $5, attributes = $6, forget_at = $7, changed_at = $8"
            " WHERE tenant_id = $1 AND id = $2 AND changed_at = $3 AND forget_at = $4",
            who.tenant,
            who.user,
            who.seen_us,
            who.forget_us,
            name,
            attributes,
            forget_us,
            changed_us,
        )
    )
