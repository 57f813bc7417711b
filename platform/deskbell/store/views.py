"""Lists of cases that agents come back to: somebody's own, and those of all."""

from __future__ import annotations

import msgspec

from deskbell.ids import TenantId, UserId, ViewId
from deskbell.model.records import CaseFilter, SavedView
from deskbell.store.database import Queries
from deskbell.store.sessions import Row

_COLUMNS = "id, owner_id, name, filter"
_filter = msgspec.json.Decoder(CaseFilter)


def _view(row: Row) -> SavedView:
    return SavedView(row["id"], row["name"], _filter.decode(row["filter"]), row["owner_id"] is None)


async def listed(db: Queries, tenant: TenantId, user: UserId) -> list[SavedView]:
    """Those of all, then somebody's own, each in the order they were made."""
    found = await db.fetch(
        f"SELECT {_COLUMNS} FROM saved_views WHERE tenant_id = $1 AND (owner_id IS NULL OR owner_id = $2)"
        " ORDER BY CASE WHEN owner_id IS NULL THEN 0 ELSE 1 END, created_at, id",
        tenant,
        user,
    )
    return [_view(row) for row in found]


async def get(db: Queries, tenant: TenantId, user: UserId, view: ViewId) -> SavedView | None:
    """A view of all, or one's own."""
    row = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM saved_views WHERE tenant_id = $1 AND id = $2 AND (owner_id IS NULL OR owner_id = $3)",
        tenant,
        view,
        user,
    )
    return None if row is None else _view(row)


async def put(db: Queries, tenant: TenantId, owner: UserId | None, view: SavedView, now_us: int) -> None:
    """Write a view, new or changed; whose it is stays."""
    await db.execute(
        "INSERT INTO saved_views (tenant_id, id, owner_id, name, filter, created_at) VALUES ($1,$2,$3,$4,$5,$6)"
        " ON CONFLICT (tenant_id, id) DO UPDATE SET name = excluded.name, filter = excluded.filter",
        tenant,
        view.id,
        owner,
        view.name,
        msgspec.json.encode(view.filter).decode(),
        now_us,
    )


async def drop(db: Queries, tenant: TenantId, view: ViewId) -> None:
    await db.execute("DELETE FROM saved_views WHERE tenant_id = $1 AND id = $2", tenant, view)
