"""What a tenant's agents sort cases by. Which labels a case carries is the case's: see :mod:`deskbell.store.cases`."""

from __future__ import annotations

from deskbell.ids import LabelId, TenantId
from deskbell.model.records import Label
from deskbell.store.database import Queries
from deskbell.store.sessions import Row


def _label(row: Row) -> Label:
    return Label(row["id"], row["name"], row["color"], bool(row["retired"]))


async def listed(db: Queries, tenant: TenantId) -> list[Label]:
    """All that there ever were, in the order they were made."""
    found = await db.fetch(
        "SELECT id, name, color, retired FROM labels WHERE tenant_id = $1 ORDER BY created_at, id", tenant
    )
    return [_label(row) for row in found]


async def get(db: Queries, tenant: TenantId, label: LabelId) -> Label | None:
    row = await db.fetchrow(
        "SELECT id, name, color, retired FROM labels WHERE tenant_id = $1 AND id = $2", tenant, label
    )
    return None if row is None else _label(row)


async def offered(db: Queries, tenant: TenantId) -> int:
    """How many are not retired."""
    return int(await db.fetchval("SELECT count(*) FROM labels WHERE tenant_id = $1 AND retired = 0", tenant))


async def put(db: Queries, tenant: TenantId, label: Label, name_key: str, now_us: int) -> None:
    """Write a label, new or changed.

    Raises:
        StoreIntegrity: Another one that is offered has this name.
    """
    await db.execute(
        "INSERT INTO labels (tenant_id, id, name, name_key, color, retired, created_at) VALUES ($1,$2,$3,$4,$5,$6,$7)"
        " ON CONFLICT (tenant_id, id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key,"
        " color = excluded.color, retired = excluded.retired",
        tenant,
        label.id,
        label.name,
        name_key,
        label.color,
        int(label.retired),
        now_us,
    )
