"""Bans: why somebody may not be in a room, who said so, and until when.

That somebody is banned is said by their place in the room, which every door looks at; here is the rest.
A ban with an end is over when that moment has come: nothing has to happen for it, whoever was banned may
come back as anybody else may come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deskbell.actions import access
from deskbell.clock import from_us
from deskbell.ids import RoomId, UserId, is_id
from deskbell.model.records import Actor, Membership, PublicUser
from deskbell.ports import Ports
from deskbell.store import rows
from deskbell.store.change import Change

MAX_REASON_BYTES = 1000
_LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"


@dataclass(frozen=True)
class Ban:
    """``until``: null is for good."""

    room: RoomId
    user: PublicUser
    reason: str
    by: UserId | None
    banned_at: datetime
    until: datetime | None


async def put_in(
    change: Change, room: RoomId, user: UserId, by: UserId, *, reason: str = "", until_us: int | None = None
) -> None:
    """Note a ban in the change that makes it, in the place of an earlier one."""
    await change.tx.execute(
        "INSERT INTO bans (tenant_id, room_id, user_id, reason, banned_by, banned_at, until)"
        " VALUES ($1,$2,$3,$4,$5,$6,$7) ON CONFLICT (tenant_id, room_id, user_id) DO UPDATE SET"
        " reason = excluded.reason, banned_by = excluded.banned_by, banned_at = excluded.banned_at,"
        " until = excluded.until",
        change.tenant,
        room,
        user,
        reason,
        by,
        change.now_us,
        until_us,
    )


async def lift_in(change: Change, room: RoomId, user: UserId) -> None:
    """Forget a ban in the change that ends it."""
    await change.tx.execute(
        "DELETE FROM bans WHERE tenant_id = $1 AND room_id = $2 AND user_id = $3", change.tenant, room, user
    )


async def holds(change: Change, member: Membership | None) -> bool:
    """Whether somebody is banned from a locked room, as of now."""
    if member is None or member.state != "banned":
        return False
    until = await change.tx.fetchval(
        "SELECT until FROM bans WHERE tenant_id = $1 AND room_id = $2 AND user_id = $3",
        change.tenant,
        member.room,
        member.user,
    )
    return until is None or bool(until > change.now_us)


async def listed(
    ports: Ports,
    actor: Actor,
    *,
    room: RoomId | None = None,
    limit: int = 50,
    before: tuple[int, RoomId, UserId] | None = None,
) -> list[Ban]:
    """The bans that hold, latest first: staff see the tenant's, moderators those of the rooms they moderate.

    ``before`` (a moment, a room and a user) continues a list.
    """
    if room is not None and not is_id(room):
        return []
    moment, last_room, last_user = before or (2**62, _LAST_ID, _LAST_ID)
    values: list[object] = [actor.tenant, limit, moment, last_room, last_user, await ports.journal.now_us()]
    condition = ""
    if room is not None:
        values.append(room)
        condition += f" AND b.room_id = ${len(values)}"
    if not actor.is_staff:
        values += [actor.id, access.moderating(ports)]
        condition += (
            " AND EXISTS (SELECT 1 FROM participants p JOIN rooms r ON r.tenant_id = p.tenant_id AND r.id = p.room_id"
            f" WHERE p.tenant_id = b.tenant_id AND p.room_id = b.room_id AND p.user_id = ${len(values) - 1}"
            f" AND p.state = 'joined' AND r.channel_type || ' ' || p.role = ANY(${len(values)}::text[]))"
        )
    found = await ports.db.fetch(
        f"SELECT b.room_id, b.reason, b.banned_by, b.banned_at, b.until, {rows.USER_COLUMNS} FROM bans b"
        " JOIN users u ON u.tenant_id = b.tenant_id AND u.id = b.user_id"
        " WHERE b.tenant_id = $1 AND (b.until IS NULL OR b.until > $6)"
        " AND (b.banned_at < $3 OR (b.banned_at = $3 AND (b.room_id < $4 OR (b.room_id = $4 AND b.user_id < $5))))"
        f"{condition} ORDER BY b.banned_at DESC, b.room_id DESC, b.user_id DESC LIMIT $2",
        *values,
    )
    return [
        Ban(
            row["room_id"],
            rows.public_user(row),
            row["reason"],
            row["banned_by"],
            from_us(row["banned_at"]),
            None if row["until"] is None else from_us(row["until"]),
        )
        for row in found
    ]
