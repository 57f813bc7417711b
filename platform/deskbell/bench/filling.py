"""Rows by the hundred thousand: a store made large, through its own door, in seconds.

Nobody may be looking at the room meanwhile: numbers rise without an event.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from deskbell.ids import RoomId, UserId
from deskbell.store.database import Database

LONGEST_MS: Final = 180_000
LAST_YEAR_US: Final = 365 * 86_400 * 1_000_000
TEXT: Final = "The parcel has not arrived, although the page says that it was delivered on Tuesday. " * 3

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT $2::bigint UNION ALL SELECT i + 1 FROM n WHERE i < $3::bigint)"


@contextlib.asynccontextmanager
async def door(url: str) -> AsyncIterator[Database]:
    """The store behind a URL, for statements that take long."""
    db = await Database.open(url, pool_size=1, statement_timeout_ms=LONGEST_MS)
    try:
        yield db
    finally:
        await db.close()


async def rooms(db: Database, model: RoomId, first: int, last: int) -> None:
    """Rooms like ``model`` with the numbers ``first`` to ``last``, that have not moved for a year."""
    then = await db.now_us() - LAST_YEAR_US
    await db.execute(
        f"{_NUMBERS} INSERT INTO rooms"
        " (tenant_id, id, channel_type, name, seq, created_by, created_at, changed_at, active_at)"
        f" SELECT r.tenant_id, {_id(db, 'a')}, r.channel_type, 'Room ' || n.i, 1, r.created_by,"
        " $4::bigint + n.i * 1000, $4::bigint + n.i * 1000, $4::bigint + n.i * 1000 FROM rooms r, n WHERE r.id = $1",
        model,
        first,
        last,
        then,
    )
    await _settle(db)


async def history(db: Database, room: RoomId, sender: UserId, first: int, last: int) -> None:
    """Messages of a room with the numbers ``first`` to ``last``; its tip is ``last`` then.

    The search index takes no messages of the kind ``system``, and with a million it would take minutes to fill.
    """
    then = await db.now_us() - LAST_YEAR_US
    await db.execute(
        f"{_NUMBERS} INSERT INTO messages"
        " (tenant_id, id, room_id, seq, changed_seq, client_id, request_hash, sender_id, kind, content, created_at)"
        f" SELECT r.tenant_id, {_id(db, 'b')}, r.id, n.i, n.i, 'filling-' || n.i, $5::bytea, $6::uuid, 'system',"
        " $7::text, $4::bigint + n.i * 1000 FROM rooms r, n WHERE r.id = $1",
        room,
        first,
        last,
        then,
        bytes(16),
        sender,
        TEXT,
    )
    await db.execute("UPDATE rooms SET seq = $2 WHERE id = $1", room, last)
    await _settle(db)


def _id(db: Database, kind: str) -> str:
    """SQL: the id of number ``i``; they ascend, as real ones do."""
    if db.dialect == "sqlite":
        return f"printf('{kind}0000000-0000-7000-8000-%012x', n.i)"
    return f"('{kind}0000000-0000-7000-8000-' || lpad(to_hex(n.i), 12, '0'))::uuid"


async def _settle(db: Database) -> None:
    # Autovacuum and the checkpointer do it within minutes; what is measured next should not pay for it. On SQLite
    # nobody does.
    if db.dialect != "sqlite":
        await db.execute("ANALYZE")
        await db.execute("CHECKPOINT")
