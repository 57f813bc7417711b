"""What supervisors look at: how the counter stands, and what the day was like. Found by indexes, read as of one moment.

What is read grows with the day, never with what was before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deskbell.ids import TenantId
from deskbell.store.database import Queries
from deskbell.store.rooms import NOT_OVER
from deskbell.store.sessions import Row

MOST = 20_000
"""So many conversations and cases of a day are looked at, the latest."""

_DAY_OF_CASES = "SELECT c.reason, c.status, c.opened_at, c.first_response_at, c.resolved_at FROM cases c"
_DAY_OF_ROOMS = (
    "SELECT r.created_at, CASE WHEN r.active_at > r.created_at AND NOT EXISTS (SELECT 1 FROM cases c"
    " WHERE c.tenant_id = r.tenant_id AND c.room_id = r.id) THEN 1 ELSE 0 END AS by_bot FROM rooms r"
)


@dataclass(frozen=True)
class Escalated:
    """A case, as far as a day's figures need it. Times are microseconds since 1970."""

    reason: str
    status: str
    opened_at: int
    first_response_at: int | None
    resolved_at: int | None


async def line(db: Queries, tenant: TenantId) -> tuple[int, int | None]:
    """How many wait for a person, and since when the one who waits longest."""
    row = await db.fetchrow(
        "SELECT count(*) AS many, min(waiting_since) AS since FROM cases WHERE tenant_id = $1 AND status = 'waiting'",
        tenant,
    )
    return (0, None) if row is None else (row["many"], row["since"])


async def with_bot(db: Queries, tenant: TenantId, *, most: int = MOST) -> int:
    """How many conversations the bot has in which something is under way, counted to ``most``."""
    return int(
        await db.fetchval(
            "SELECT count(*) FROM (SELECT 1 FROM rooms r WHERE r.tenant_id = $1 AND r.customer IS NOT NULL"
            f" AND r.closed_at IS NULL AND r.owner_kind = 'bot' AND {NOT_OVER} LIMIT $2) AS open",
            tenant,
            most,
        )
    )


async def opened(db: Queries, tenant: TenantId, since_us: int) -> list[tuple[int, bool]]:
    """When each conversation since was opened, and whether the visitor has talked with the bot alone."""
    # Closed after they were opened: so those of the day are open, or were closed since.
    kinds = ("r.closed_at IS NULL", "r.closed_at >= $2")
    found: list[Row] = []
    for kind in kinds:
        found += await db.fetch(
            f"{_DAY_OF_ROOMS} WHERE r.tenant_id = $1 AND r.customer IS NOT NULL AND {kind} AND r.created_at >= $2"
            " ORDER BY r.created_at DESC LIMIT $3",
            tenant,
            since_us,
            MOST,
        )
    return [(row["created_at"], bool(row["by_bot"])) for row in found]


async def escalated(db: Queries, tenant: TenantId, since_us: int) -> list[Escalated]:
    """The cases opened since. One that was merged into another is told by that one."""
    found: list[Row] = []
    for kind in ("c.status IN ('waiting', 'assigned', 'snoozed')", "c.status = 'resolved'"):
        found += await db.fetch(
            f"{_DAY_OF_CASES} WHERE c.tenant_id = $1 AND {kind} AND c.opened_at >= $2"
            " ORDER BY c.opened_at DESC LIMIT $3",
            tenant,
            since_us,
            MOST,
        )
    return [_escalated(row) for row in found]


def _escalated(row: Row) -> Escalated:
    return Escalated(row["reason"], row["status"], row["opened_at"], row["first_response_at"], row["resolved_at"])


async def resolved(db: Queries, tenant: TenantId, since_us: int) -> int:
    """How many cases agents have resolved since; those that a visitor gave up are none of them."""
    return int(
        await db.fetchval(
            # Those with an agent; a condition would lead SQLite to the index of agents, and to all they ever had.
            "SELECT count(agent) FROM cases WHERE tenant_id = $1 AND status = 'resolved' AND changed_at >= $2"
            " AND resolved_at >= $2",
            tenant,
            since_us,
        )
    )


def waits_s(of: Sequence[Escalated]) -> list[float]:
    """How long each of those that were answered waited for it, in seconds, the shortest first."""
    return sorted(
        (case.first_response_at - case.opened_at) / 1_000_000 for case in of if case.first_response_at is not None
    )
