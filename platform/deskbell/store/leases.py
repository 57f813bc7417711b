"""Who does a periodic job in this slot of time. Saves effort only: jobs are safe to run twice."""

from __future__ import annotations

from deskbell.store.database import Queries


async def take_slot(db: Queries, job: str, slot: int) -> bool:
    """Whether the caller is the one to run ``job`` in ``slot`` (a count of periods since 1970)."""
    taken = await db.execute(
        "INSERT INTO job_slots (job, slot) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        job,
        slot,
    )
    if taken == 1:
        await db.execute("DELETE FROM job_slots WHERE job = $1 AND slot < $2", job, slot - 10)
    return taken == 1
