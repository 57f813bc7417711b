"""Keeping the search index: what triggers cannot do.

New, changed and deleted texts are indexed by the database, in the transaction that changes them. Here is
the rest: messages from before the index, a tenant's change of language, and tidying what SQLite keeps of
deleted words.
"""

from __future__ import annotations

from deskbell.ids import TenantId
from deskbell.store.database import Database, Queries, StoreMisuse

BATCH = 1000
_LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"


async def is_complete(at: Queries, tenant: TenantId) -> bool:
    """Whether all messages of the tenant are indexed, in its present language."""
    return not await at.fetchval("SELECT count(*) FROM search_backfill WHERE tenant_id = $1", tenant)


async def fill(db: Database, batch: int = BATCH) -> bool:
    """Index some messages that are not, the newest of a tenant first; whether there may be more.

    Several instances may do so at once: each takes another tenant. Messages being changed are waited for
    and read as they are then, so that no text comes back that was taken away meanwhile.
    """
    if db.dialect == "sqlite":
        return False
    async with db.transaction() as tx:
        row = await tx.fetchrow(
            "SELECT tenant_id, below FROM search_backfill ORDER BY tenant_id LIMIT 1 FOR UPDATE SKIP LOCKED"
        )
        if row is None:
            return False
        tenant = row["tenant_id"]
        # Locked first and read by the next statement: that sees what those who held them did.
        taken = await tx.fetch(
            "SELECT id FROM messages WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3 FOR SHARE",
            tenant,
            row["below"],
            batch,
        )
        if taken:
            ids = [one["id"] for one in taken]
            await tx.execute(
                "INSERT INTO message_words (tenant_id, message_id, room_id, place, scope, words)"
                " SELECT w.tenant_id, w.message_id, w.room_id, w.place, w.scope, w.words FROM message_words_of w"
                " WHERE w.tenant_id = $1 AND w.message_id = ANY($2::uuid[])"
                " ON CONFLICT (tenant_id, message_id) DO UPDATE SET words = excluded.words, scope = excluded.scope",
                tenant,
                ids,
            )
            await tx.execute("UPDATE search_backfill SET below = $2 WHERE tenant_id = $1", tenant, ids[-1])
        else:
            await tx.execute("DELETE FROM search_backfill WHERE tenant_id = $1", tenant)
    return True


async def speak(db: Database, tenant: TenantId, language: str) -> bool:
    """Set how a tenant's words are reduced; what was said before is indexed anew. False: this database cannot.

    Raises:
        StoreMisuse: No such language.
    """
    if db.dialect == "sqlite":
        return language == "simple"
    if not await db.fetchval("SELECT count(*) FROM pg_ts_config WHERE cfgname = $1", f"deskbell_{language}"):
        raise StoreMisuse(f"this database knows no language called {language}")
    async with db.transaction() as tx:
        changed = await tx.execute(
            "UPDATE tenants SET search_language = $2 WHERE id = $1 AND search_language <> $2", tenant, language
        )
        if changed:
            await tx.execute(
                "INSERT INTO search_backfill (tenant_id, below) VALUES ($1, $2)"
                " ON CONFLICT (tenant_id) DO UPDATE SET below = excluded.below",
                tenant,
                _LAST_ID,
            )
    return True


async def tidy(db: Database) -> None:
    """Let SQLite drop what it still holds of deleted words: its index forgets them when its parts are merged."""
    if db.dialect == "sqlite":
        await db.execute("INSERT INTO message_words (message_words, rank) VALUES ('merge', -64)")
