"""Work left behind by commits: claimed with a lease, done or dead in the end.

A row is claimed by raising its ``fence`` and setting ``leased_until``. Whoever claimed it may finish
it only with the fence it was given: an instance that was paused past its lease finds the row taken,
and its late "done" changes nothing. Inside our database work is so done once; an effect outside
happens at least once, under the stable key ``queue:id``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from deskbell.ids import TenantId
from deskbell.store.database import Database, Queries

_json = msgspec.json.Decoder()

ABANDONED = "given up: whoever took it on last never came back"


@dataclass(frozen=True)
class Work:
    """A claimed row. ``attempt`` counts from 1; ``key`` is the room, where there is one."""

    id: int
    tenant: TenantId
    queue: str
    key: str
    payload: dict[str, Any]
    attempt: int
    max_attempts: int
    fence: int
    due_us: int
    created_us: int = 0

    @property
    def stable_key(self) -> str:
        """What an outside effect is known by, so that a repetition can be told."""
        return f"{self.queue}:{self.id}"


def _work(row: Any) -> Work:
    return Work(
        row["id"], row["tenant_id"], row["queue"], row["key"], _json.decode(row["payload"]), row["attempts"],
        row["max_attempts"], row["fence"], row["due_at"],
        row["created_at"],
    )  # fmt: skip


async def claim(
    db: Database,
    queue: str,
    now_us: int,
    lease_us: int,
    limit: int,
    *,
    one_per_key: bool = False,
    besides: Sequence[str] = (),
) -> list[Work]:
    """Claim up to ``limit`` due rows that nobody holds, the most urgent first.

    ``one_per_key``: rows of one key are one piece of work (a bot's turn); only the first row of a
    key is claimed, and none while another row of that key is held. ``besides``: keys to leave alone now.

    A row whose last holder never came back, and which has no attempt left, is dead from here on.
    """
    alone = ""
    if one_per_key:
        alone = (
            " AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.tenant_id = o.tenant_id AND e.queue = o.queue"
            " AND e.key = o.key AND e.status = 'pending' AND (e.id < o.id OR e.leased_until > $2))"
        )
    apart = " AND NOT o.key = ANY($4::text[])" if besides else ""
    async with db.transaction() as tx:
        rows = await tx.fetch(
            "SELECT o.id, o.attempts, o.max_attempts FROM outbox o"
            " WHERE o.queue = $1 AND o.status = 'pending' AND o.due_at <= $2"
            f" AND (o.leased_until IS NULL OR o.leased_until <= $2){alone}{apart}"
            " ORDER BY o.priority DESC, o.due_at, o.id LIMIT $3 FOR UPDATE OF o SKIP LOCKED",
            queue,
            now_us,
            limit,
            *([list(besides)] if besides else []),
        )
        spent = [row["id"] for row in rows if row["attempts"] >= row["max_attempts"]]
        if spent:
            await tx.execute(
                "UPDATE outbox SET status = 'dead', last_error = $3, done_at = $2, leased_until = NULL"
                " WHERE id = ANY($1::bigint[])",
                spent,
                now_us,
                ABANDONED,
            )
        ids = [row["id"] for row in rows if row["attempts"] < row["max_attempts"]]
        if not ids:
            return []
        claimed = await tx.fetch(
            "UPDATE outbox SET fence = fence + 1, attempts = attempts + 1, leased_until = $2"
            " WHERE id = ANY($1::bigint[]) AND status = 'pending' AND (leased_until IS NULL OR leased_until <= $3)"
            " RETURNING id, tenant_id, queue, key, payload, attempts, max_attempts, fence, due_at, created_at",
            ids,
            now_us + lease_us,
            now_us,
        )
    return sorted((_work(row) for row in claimed), key=lambda work: ids.index(work.id))


async def leave(
    db: Queries,
    tenant: TenantId,
    queue: str,
    key: str,
    payload: bytes,
    *,
    now_us: int,
    due_us: int,
    max_attempts: int,
    once: str | None = None,
) -> bool:
    """Leave work, with a commit of its own. False: work with the same ``once`` was left before."""
    return (
        await db.execute(
            "INSERT INTO outbox (tenant_id, queue, key, payload, due_at, created_at, max_attempts, once)"
            " VALUES ($1,$2,$3,$4,$5,$6,$7,$8) ON CONFLICT DO NOTHING",
            tenant,
            queue,
            key,
            payload.decode(),
            due_us,
            now_us,
            max_attempts,
            once,
        )
        == 1
    )


async def extend(db: Queries, work: Work, until_us: int) -> bool:
    """Hold a row longer. False: it is no longer ours."""
    return (
        await db.execute(
            "UPDATE outbox SET leased_until = $3 WHERE id = $1 AND fence = $2 AND status = 'pending'",
            work.id,
            work.fence,
            until_us,
        )
        == 1
    )


async def done(db: Queries, work: Work, now_us: int) -> bool:
    """Finish a row. False: somebody else holds it by now, and it is theirs to finish."""
    return (
        await db.execute(
            "UPDATE outbox SET status = 'done', done_at = $3, leased_until = NULL"
            " WHERE id = $1 AND fence = $2 AND status = 'pending'",
            work.id,
            work.fence,
            now_us,
        )
        == 1
    )


async def done_up_to(db: Queries, work: Work, last_id: int, now_us: int) -> None:
    """Finish all rows of the same key up to ``last_id``: one piece of work has covered them.

    Changes nothing once somebody else has claimed ``work``.
    """
    await db.execute(
        "UPDATE outbox SET status = 'done', done_at = $5, leased_until = NULL"
        " WHERE tenant_id = $1 AND queue = $2 AND key = $3 AND id <= $4 AND status = 'pending'"
        " AND (id <> $6 OR fence = $7) AND EXISTS (SELECT 1 FROM outbox h WHERE h.id = $6 AND h.fence = $7)",
        work.tenant,
        work.queue,
        work.key,
        last_id,
        now_us,
        work.id,
        work.fence,
    )


async def failed(db: Queries, work: Work, error: str, now_us: int, again_us: int) -> bool:
    """Note a failure: due again at ``again_us``, or dead once all attempts are spent. True: dead now.

    Changes nothing, and is False, once somebody else has claimed the row.
    """
    dead = work.attempt >= work.max_attempts
    noted = await db.execute(
        "UPDATE outbox SET status = $3, last_error = $4, due_at = $5, leased_until = NULL, done_at = $6"
        " WHERE id = $1 AND fence = $2 AND status = 'pending'",
        work.id,
        work.fence,
        "dead" if dead else "pending",
        error[:500],
        again_us,
        now_us if dead else None,
    )
    return dead and noted == 1


async def put_off(db: Queries, work: Work, again_us: int) -> bool:
    """Due again at ``again_us``, and as if it had not been tried: nobody was there to do it.

    False: somebody else holds it by now.
    """
    return (
        await db.execute(
            "UPDATE outbox SET attempts = attempts - 1, due_at = $3, leased_until = NULL"
            " WHERE id = $1 AND fence = $2 AND status = 'pending'",
            work.id,
            work.fence,
            again_us,
        )
        == 1
    )


async def note(db: Queries, work: Work, payload: dict[str, Any]) -> None:
    """Keep with a row what of it is left to do. Nothing once somebody else holds it."""
    await db.execute(
        "UPDATE outbox SET payload = $3 WHERE id = $1 AND fence = $2 AND status = 'pending'",
        work.id,
        work.fence,
        msgspec.json.encode(payload).decode(),
    )


async def die(db: Queries, work: Work, reason: str, now_us: int) -> bool:
    """Give a row up before its attempts are spent. False: somebody else holds it by now."""
    return (
        await db.execute(
            "UPDATE outbox SET status = 'dead', last_error = $3, done_at = $4, leased_until = NULL"
            " WHERE id = $1 AND fence = $2 AND status = 'pending'",
            work.id,
            work.fence,
            reason[:500],
            now_us,
        )
        == 1
    )


async def last_id(db: Queries, tenant: TenantId, queue: str, key: str) -> int:
    """The newest pending row of a key, 0 if there is none."""
    return int(
        await db.fetchval(
            "SELECT COALESCE(max(id), 0) FROM outbox"
            " WHERE tenant_id = $1 AND queue = $2 AND key = $3 AND status = 'pending'",
            tenant,
            queue,
            key,
        )
    )


async def dead(db: Queries, tenant: TenantId, queue: str, limit: int = 100) -> Sequence[dict[str, Any]]:
    """Rows that were given up, newest first."""
    rows = await db.fetch(
        "SELECT id, key, payload, attempts, last_error, done_at FROM outbox"
        " WHERE tenant_id = $1 AND queue = $2 AND status = 'dead' ORDER BY done_at DESC LIMIT $3",
        tenant,
        queue,
        limit,
    )
    return [dict(row) for row in rows]


async def depths(db: Queries, now_us: int) -> dict[str, tuple[int, float, int]]:
    """For each queue: how much is to be done, for how many seconds the oldest has been due, how much was given up."""
    pending = await db.fetch(
        "SELECT queue, count(*) AS many, min(due_at) AS oldest FROM outbox WHERE status = 'pending' GROUP BY queue"
    )
    dead = await db.fetch("SELECT queue, count(*) AS many FROM outbox WHERE status = 'dead' GROUP BY queue")
    found = {row["queue"]: (row["many"], max(0.0, (now_us - row["oldest"]) / 1_000_000), 0) for row in pending}
    for row in dead:
        found[row["queue"]] = (*found.get(row["queue"], (0, 0.0, 0))[:2], row["many"])
    return found


async def replay(db: Queries, tenant: TenantId, row_id: int, now_us: int) -> bool:
    """Try a dead row again, with all its attempts."""
    return (
        await db.execute(
            "UPDATE outbox SET status = 'pending', attempts = 0, due_at = $3, done_at = NULL"
            " WHERE tenant_id = $1 AND id = $2 AND status = 'dead'",
            tenant,
            row_id,
            now_us,
        )
        == 1
    )


async def replay_all(db: Queries, tenant: TenantId, queue: str, now_us: int, ids: Sequence[int] | None) -> int:
    """The same for several rows of a queue, or all that are dead. How many there were."""
    return await db.execute(
        "UPDATE outbox SET status = 'pending', attempts = 0, due_at = $3, done_at = NULL"
        " WHERE tenant_id = $1 AND queue = $2 AND status = 'dead' AND ($4 OR id = ANY($5::bigint[]))",
        tenant,
        queue,
        now_us,
        ids is None,
        list(ids or ()),
    )


async def forget_done(db: Queries, before_us: int) -> int:
    """Drop finished rows older than ``before_us``; dead ones stay until somebody looks."""
    return await db.execute("DELETE FROM outbox WHERE status = 'done' AND done_at < $1", before_us)
