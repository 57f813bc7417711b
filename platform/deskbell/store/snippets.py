"""Texts that agents write again and again: somebody's own, and those of all."""

from __future__ import annotations

from deskbell.ids import SnippetId, TenantId, UserId
from deskbell.model.records import Snippet
from deskbell.store.database import Queries
from deskbell.store.sessions import Row

_COLUMNS = "id, owner_id, shortcut, content"


def _snippet(row: Row) -> Snippet:
    return Snippet(row["id"], row["shortcut"], row["content"], row["owner_id"] is None)


async def listed(db: Queries, tenant: TenantId, user: UserId) -> list[Snippet]:
    """Those of all and somebody's own, by shortcut; of two of one shortcut the own one first."""
    found = await db.fetch(
        f"SELECT {_COLUMNS} FROM snippets WHERE tenant_id = $1 AND (owner_id IS NULL OR owner_id = $2)", tenant, user
    )
    # Sorted here: databases differ in how they order letters.
    return sorted((_snippet(row) for row in found), key=lambda snippet: (snippet.shortcut, snippet.shared))


async def count(db: Queries, tenant: TenantId, owner: UserId | None) -> int:
    """How many somebody has; None: how many are of all."""
    whose = "owner_id IS NULL" if owner is None else "owner_id = $2"
    args = (tenant,) if owner is None else (tenant, owner)
    return int(await db.fetchval(f"SELECT count(*) FROM snippets WHERE tenant_id = $1 AND {whose}", *args))


async def get(db: Queries, tenant: TenantId, user: UserId, snippet: SnippetId) -> Snippet | None:
    """A snippet of all, or one's own."""
    row = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM snippets WHERE tenant_id = $1 AND id = $2 AND (owner_id IS NULL OR owner_id = $3)",
        tenant,
        snippet,
        user,
    )
    return None if row is None else _snippet(row)


async def put(db: Queries, tenant: TenantId, owner: UserId | None, snippet: Snippet, now_us: int) -> None:
    """Write a snippet, new or changed; whose it is stays.

    Raises:
        StoreIntegrity: Its shortcut is taken.
    """
    await db.execute(
        "INSERT INTO snippets (tenant_id, id, owner_id, shortcut, content, created_at) VALUES ($1,$2,$3,$4,$5,$6)"
        " ON CONFLICT (tenant_id, id) DO UPDATE SET shortcut = excluded.shortcut, content = excluded.content",
        tenant,
        snippet.id,
        owner,
        snippet.shortcut,
        snippet.text,
        now_us,
    )


async def drop(db: Queries, tenant: TenantId, snippet: SnippetId) -> None:
    await db.execute("DELETE FROM snippets WHERE tenant_id = $1 AND id = $2", tenant, snippet)
