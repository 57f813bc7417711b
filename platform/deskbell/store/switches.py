"""Which plugins admins switched on and off while Deskbell ran; every instance looks here with the tips."""

from __future__ import annotations

from deskbell.store.database import Queries


async def read(db: Queries) -> dict[str, bool]:
    """Plugin -> on or off, of those that were ever switched."""
    return {
        row["plugin"]: bool(row["enabled"]) for row in await db.fetch("SELECT plugin, enabled FROM plugin_switches")
    }


async def put(db: Queries, plugin: str, enabled: bool, by: str, now_us: int) -> None:
    """Note that ``by`` switched a plugin. Holds until somebody switches it again, also over restarts."""
    await db.execute(
        "INSERT INTO plugin_switches (plugin, enabled, changed_by, changed_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (plugin) DO UPDATE SET enabled = excluded.enabled, changed_by = excluded.changed_by,"
        " changed_at = excluded.changed_at",
        plugin,
        enabled,
        by,
        now_us,
    )
