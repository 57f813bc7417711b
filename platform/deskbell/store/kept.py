"""What plugins keep: small JSON values under names, each plugin's and tenant's apart.

The last writer wins. Names are ordered byte by byte, so a name that begins with a UUIDv7 is in order of time.
"""

from __future__ import annotations

from typing import Any

import msgspec

from deskbell.ids import TenantId
from deskbell.store.database import Queries

_json = msgspec.json.Decoder()
_HIGHEST = "\U0010ffff"


async def get(db: Queries, tenant: TenantId, plugin: str, name: str) -> Any:
    """The value; None where there is none."""
    found = await db.fetchval(
        "SELECT value FROM plugin_values WHERE tenant_id = $1 AND plugin = $2 AND name = $3", tenant, plugin, name
    )
    return None if found is None else _json.decode(found)


async def put(db: Queries, tenant: TenantId, plugin: str, name: str, value: bytes, now_us: int) -> None:
    """Keep an encoded value under this name, in place of what was there."""
    await db.execute(
        "INSERT INTO plugin_values (tenant_id, plugin, name, value, changed_at) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (tenant_id, plugin, name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at",
        tenant,
        plugin,
        name,
        value.decode(),
        now_us,
    )


async def drop(db: Queries, tenant: TenantId, plugin: str, name: str) -> int:
    """Forget one value; 1 where there was one, else 0."""
    return await db.execute(
        "DELETE FROM plugin_values WHERE tenant_id = $1 AND plugin = $2 AND name = $3", tenant, plugin, name
    )


async def drop_all(db: Queries, tenant: TenantId, plugin: str, prefix: str, below: str | None) -> int:
    """Forget every name that begins with ``prefix`` (and is below ``below``); how many there were."""
    return await db.execute(
        "DELETE FROM plugin_values WHERE tenant_id = $1 AND plugin = $2 AND name >= $3 AND name < $4",
        tenant,
        plugin,
        prefix,
        _end(prefix, below),
    )


async def listed(
    db: Queries, tenant: TenantId, plugin: str, prefix: str, limit: int, before: str | None
) -> list[tuple[str, Any]]:
    """Names that begin with ``prefix``, and their values, the highest first; only names below ``before``."""
    rows = await db.fetch(
        "SELECT name, value FROM plugin_values WHERE tenant_id = $1 AND plugin = $2 AND name >= $3 AND name < $4"
        " ORDER BY name DESC LIMIT $5",
        tenant,
        plugin,
        prefix,
        _end(prefix, before),
        limit,
    )
    return [(row["name"], _json.decode(row["value"])) for row in rows]


def _end(prefix: str, below: str | None) -> str:
    end = prefix + _HIGHEST
    return end if below is None else min(below, end)
