"""What people have begun to write and not sent."""

from __future__ import annotations

from collections.abc import Sequence

from deskbell.clock import from_us
from deskbell.ids import MessageId, RoomId, TenantId, UserId
from deskbell.model.records import DraftKind, SavedDraft
from deskbell.store.database import Queries, Transaction
from deskbell.store.sessions import Row

_COLUMNS = "d.room_id, d.kind, d.content, d.seq, d.owner_version, d.changed_at"


def _draft(row: Row) -> SavedDraft:
    return SavedDraft(
        room=row["room_id"],
        kind=row["kind"],
        text=row["content"],
        seq=row["seq"],
        owner_version=row["owner_version"],
        changed_at=from_us(row["changed_at"]),
    )


async def get(db: Queries, tenant: TenantId, user: UserId, room: RoomId, kind: str) -> tuple[SavedDraft, str] | None:
    """A draft, and the socket whose page wrote it last."""
    row = await db.fetchrow(
        f"SELECT {_COLUMNS}, d.connection FROM drafts d"
        " WHERE d.tenant_id = $1 AND d.user_id = $2 AND d.room_id = $3 AND d.kind = $4",
        tenant,
        user,
        room,
        kind,
    )
    return None if row is None else (_draft(row), row["connection"])


async def listed(
    db: Queries, tenant: TenantId, user: UserId, limit: int, before: tuple[int, RoomId, str] | None
) -> list[tuple[SavedDraft, int]]:
    """Somebody's drafts, the latest first, each with the moment a list goes on from."""
    at_us, room, kind = before if before is not None else (2**62, RoomId("ffffffff-ffff-ffff-ffff-ffffffffffff"), "")
    rows = await db.fetch(
        f"SELECT {_COLUMNS} FROM drafts d WHERE d.tenant_id = $1 AND d.user_id = $2"
        " AND (d.changed_at < $3 OR (d.changed_at = $3 AND (d.room_id < $4 OR (d.room_id = $4 AND d.kind < $5))))"
        " ORDER BY d.changed_at DESC, d.room_id DESC, d.kind DESC LIMIT $6",
        tenant,
        user,
        at_us,
        room,
        kind,
        limit,
    )
    return [(_draft(row), row["changed_at"]) for row in rows]


async def put(db: Queries, tenant: TenantId, user: UserId, draft: SavedDraft, connection: str, now_us: int) -> None:
    """Keep a draft in the place of the one before."""
    await db.execute(
        "INSERT INTO drafts (tenant_id, user_id, room_id, kind, content, seq, owner_version, connection, changed_at)"
        " VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9) ON CONFLICT (tenant_id, user_id, room_id, kind) DO UPDATE SET"
        " content = excluded.content, seq = excluded.seq, owner_version = excluded.owner_version,"
        " connection = excluded.connection, changed_at = excluded.changed_at",
        tenant,
        user,
        draft.room,
        draft.kind,
        draft.text,
        draft.seq,
        draft.owner_version,
        connection,
        now_us,
    )


async def erased(tx: Transaction, tenant: TenantId, room: RoomId) -> bool:
    """Whether a room's text was erased and nothing said since; if not, it stays so until this transaction ends."""
    row = await tx.fetchrow(
        "SELECT closed_at, floor, seq FROM rooms WHERE tenant_id = $1 AND id = $2 FOR SHARE", tenant, room
    )
    return row is None or (row["closed_at"] is not None and row["floor"] >= row["seq"])


async def others(db: Queries, tenant: TenantId, user: UserId, room: RoomId, kind: str) -> int:
    """How many drafts somebody has beside this one."""
    return int(
        await db.fetchval(
            "SELECT count(*) FROM drafts WHERE tenant_id = $1 AND user_id = $2 AND NOT (room_id = $3 AND kind = $4)",
            tenant,
            user,
            room,
            kind,
        )
    )


async def drop(
    db: Queries, tenant: TenantId, user: UserId, room: RoomId, kinds: Sequence[DraftKind]
) -> list[DraftKind]:
    """Forget drafts of a room; the kinds of those there were."""
    rows = await db.fetch(
        "DELETE FROM drafts WHERE tenant_id = $1 AND user_id = $2 AND room_id = $3 AND kind = ANY($4::text[])"
        " RETURNING kind",
        tenant,
        user,
        room,
        list(kinds),
    )
    return [row["kind"] for row in rows]


async def drop_sent(db: Queries, tenant: TenantId, user: UserId, message: MessageId) -> list[tuple[RoomId, DraftKind]]:
    """Forget the draft that has become a message, posted or held; what was written since then stays.

    A message of the backstage room was a note, whose draft is with the room before the counter.
    """
    row = await db.fetchrow(
        "SELECT m.room_id, m.created_at, r.backstage_of FROM messages m"
        " JOIN rooms r ON r.tenant_id = m.tenant_id AND r.id = m.room_id WHERE m.tenant_id = $1 AND m.id = $2",
        tenant,
        message,
    ) or await db.fetchrow(
        "SELECT h.room_id, h.created_at, r.backstage_of FROM held_messages h"
        " JOIN rooms r ON r.tenant_id = h.tenant_id AND r.id = h.room_id WHERE h.tenant_id = $1 AND h.id = $2",
        tenant,
        message,
    )
    if row is None:
        return []
    room: RoomId = row["backstage_of"] or row["room_id"]
    kind: DraftKind = "note" if row["backstage_of"] is not None else "reply"
    gone = await db.execute(
        "DELETE FROM drafts WHERE tenant_id = $1 AND user_id = $2 AND room_id = $3 AND kind = $4 AND changed_at <= $5",
        tenant,
        user,
        room,
        kind,
        row["created_at"],
    )
    return [(room, kind)] if gone else []
