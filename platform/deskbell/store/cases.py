"""Reading and writing cases. Only :class:`deskbell.store.change.Change` calls :func:`put`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from deskbell.clock import to_us
from deskbell.ids import CaseId, LabelId, RoomId, TenantId, UserId
from deskbell.model.records import Case, CaseStatus
from deskbell.store import rows
from deskbell.store.database import Queries

_CASE = f"SELECT {rows.CASE_COLUMNS} FROM cases c"
OPEN = "('waiting', 'assigned', 'snoozed')"


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else to_us(moment)


async def get(db: Queries, tenant: TenantId, case: CaseId) -> Case | None:
    row = await db.fetchrow(f"{_CASE} WHERE c.tenant_id = $1 AND c.id = $2", tenant, case)
    if row is None:
        return None
    found = rows.case(row)
    return msgspec.structs.replace(found, position=await position(db, tenant, found))


async def changed(
    db: Queries, since_us: int, in_rooms: Sequence[tuple[TenantId, RoomId]]
) -> list[tuple[TenantId, CaseId]]:
    """Which cases changed since: those that are not over, and those of some rooms."""
    still_open = await db.fetch(
        f"SELECT tenant_id, id FROM cases WHERE status IN {OPEN} AND changed_at >= $1", since_us
    )
    in_these = await db.fetch(
        "SELECT c.tenant_id, c.id FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, room_id)"
        " JOIN cases c ON c.tenant_id = k.tenant_id AND c.room_id = k.room_id WHERE c.changed_at >= $3",
        [tenant for tenant, _ in in_rooms],
        [room for _, room in in_rooms],
        since_us,
    )
    return list(dict.fromkeys((row["tenant_id"], row["id"]) for row in (*still_open, *in_these)))


async def standing(db: Queries) -> dict[str, tuple[int, int | None]]:
    """For each state of cases that are not over: how many, and since when the one waits that waits longest.

    All of them have a deadline, so the index of deadlines leads to them, however many are over.
    """
    found = await db.fetch(
        "SELECT status, count(*) AS many, min(waiting_since) AS since FROM cases"
        f" WHERE deadline_at IS NOT NULL AND status IN {OPEN} GROUP BY status"
    )
    none: dict[str, tuple[int, int | None]] = dict.fromkeys(("waiting", "assigned", "snoozed"), (0, None))
    return none | {row["status"]: (row["many"], row["since"]) for row in found}


async def open_of_room(db: Queries, tenant: TenantId, room: RoomId) -> Case | None:
    """The room's case that is not over."""
    row = await db.fetchrow(f"{_CASE} WHERE c.tenant_id = $1 AND c.room_id = $2 AND c.status IN {OPEN}", tenant, room)
    return None if row is None else rows.case(row)


async def latest_of_room(db: Queries, tenant: TenantId, room: RoomId) -> Case | None:
    row = await db.fetchrow(
        f"{_CASE} WHERE c.tenant_id = $1 AND c.room_id = $2 ORDER BY c.opened_at DESC, c.id DESC LIMIT 1", tenant, room
    )
    return None if row is None else rows.case(row)


async def position(db: Queries, tenant: TenantId, case: Case) -> int | None:
    """The place in line, from 1: higher priority first, then who has waited longer. None: not waiting."""
    if case.status != "waiting" or case.waiting_since is None:
        return None
    ahead = await db.fetchval(
        "SELECT count(*) FROM cases WHERE tenant_id = $1 AND status = 'waiting' AND team = $2 AND id <> $5"
        " AND (priority > $3 OR (priority = $3 AND (waiting_since < $4 OR (waiting_since = $4 AND id < $5))))",
        tenant,
        case.team,
        case.priority,
        _us(case.waiting_since),
        case.id,
    )
    return int(ahead) + 1


async def line_length(db: Queries, tenant: TenantId, team: str) -> int:
    """How many wait for a team."""
    counting = "SELECT count(*) FROM cases WHERE tenant_id = $1 AND status = 'waiting' AND team = $2"
    return int(await db.fetchval(counting, tenant, team))


@dataclass(frozen=True)
class Waits:
    """A visitor in line, and the settings of the site they came by, as stored; ``{}``: by none."""

    room: RoomId
    customer: UserId
    settings: str


async def line(db: Queries, tenant: TenantId, team: str, limit: int) -> list[Waits]:
    """The visitors of a team's line, first in line first."""
    found = await db.fetch(
        "SELECT c.room_id, r.customer, s.settings FROM cases c"
        f" JOIN rooms r ON r.tenant_id = c.tenant_id AND r.id = c.room_id{rows.VISITOR_OF_ROOM}"
        " WHERE c.tenant_id = $1 AND c.status = 'waiting' AND c.team = $2 AND r.customer IS NOT NULL"
        " ORDER BY c.priority DESC, c.waiting_since, c.id LIMIT $3",
        tenant,
        team,
        limit,
    )
    return [Waits(RoomId(row["room_id"]), UserId(row["customer"]), row["settings"] or "{}") for row in found]


@dataclass(frozen=True)
class TimedLine:
    """A line in which somebody waits who came by a site that keeps hours, and that site's settings as stored."""

    tenant: TenantId
    team: str
    settings: str


async def timed_lines(db: Queries, limit: int) -> list[TimedLine]:
    """The lines that hours matter to, of all tenants, one for each of their sites: nothing where nobody waits.

    Who waits has a deadline, so the index of deadlines leads to them, however many cases are over.
    """
    found = await db.fetch(
        "SELECT DISTINCT c.tenant_id, c.team, s.settings FROM cases c"
        f" JOIN rooms r ON r.tenant_id = c.tenant_id AND r.id = c.room_id{rows.VISITOR_OF_ROOM}"
        " WHERE c.deadline_at IS NOT NULL AND c.status = 'waiting' AND s.settings LIKE '%\"hours\"%' LIMIT $1",
        limit,
    )
    return [TimedLine(row["tenant_id"], row["team"], row["settings"]) for row in found]


async def site_settings(db: Queries, tenant: TenantId, room: RoomId) -> str:
    """The settings of the site a conversation's visitor came by, as stored; ``{}``: by none."""
    asked = f"SELECT s.settings FROM rooms r{rows.VISITOR_OF_ROOM} WHERE r.tenant_id = $1 AND r.id = $2"
    return await db.fetchval(asked, tenant, room) or "{}"


async def waiting(db: Queries, tenant: TenantId, team: str, limit: int = 200) -> list[Case]:
    """A team's line, first in line first, with positions."""
    found = await db.fetch(
        f"{_CASE} WHERE c.tenant_id = $1 AND c.status = 'waiting' AND c.team = $2"
        " ORDER BY c.priority DESC, c.waiting_since, c.id LIMIT $3",
        tenant,
        team,
        limit,
    )
    return [rows.case(row, number) for number, row in enumerate(found, 1)]


@dataclass(frozen=True)
class Wanted:
    """Which cases are looked for: of these states, and of what else is not None. ``priority`` is the least."""

    statuses: Sequence[CaseStatus]
    agent: UserId | None = None
    teams: Sequence[str] | None = None
    owner: str | None = None
    label: LabelId | None = None
    team: str | None = None
    priority: int | None = None


async def counted(db: Queries, tenant: TenantId, wanted: Wanted, most: int) -> int:
    """How many there are, counted to ``most``."""
    matching, args = where(tenant, wanted)
    args.append(most)
    counting = f"SELECT count(*) FROM (SELECT 1 FROM cases c WHERE {matching} LIMIT ${len(args)}) AS found"
    return int(await db.fetchval(counting, *args))


def where(tenant: TenantId, wanted: Wanted) -> tuple[str, list[object]]:
    """The condition for these cases, as ``c``, and its values."""
    # Written out, since an index may be of some states only; nobody outside names any.
    states = ", ".join(f"'{status}'" for status in wanted.statuses)
    parts = ["c.tenant_id = $1", f"c.status IN ({states})" if len(wanted.statuses) > 1 else f"c.status = {states}"]
    args: list[object] = [tenant]
    if wanted.agent is not None:
        args.append(wanted.agent)
        parts.append(f"c.agent = ${len(args)}")
    if wanted.teams is not None:
        args.append(list(wanted.teams))
        parts.append(f"c.team = ANY(${len(args)}::text[])")
    if wanted.owner is not None:
        args.append(wanted.owner)
        parts.append(
            "EXISTS (SELECT 1 FROM rooms r WHERE r.tenant_id = c.tenant_id AND r.id = c.room_id"
            f" AND r.owner_kind = ${len(args)})"
        )
    if wanted.label is not None:
        args.append(f'%"{wanted.label}"%')  # an id, in a list of ids: nothing in it has a meaning of its own
        parts.append(f"c.labels LIKE ${len(args)}")
    if wanted.team is not None:
        args.append(wanted.team)
        parts.append(f"c.team = ${len(args)}")
    if wanted.priority is not None:
        args.append(wanted.priority)
        parts.append(f"c.priority >= ${len(args)}")
    return " AND ".join(parts), args


async def due(db: Queries, now_us: int, limit: int) -> list[tuple[TenantId, CaseId, RoomId]]:
    """Cases whose deadline has passed, the longest overdue first."""
    found = await db.fetch(
        f"SELECT tenant_id, id, room_id FROM cases WHERE deadline_at <= $1 AND status IN {OPEN}"
        " ORDER BY deadline_at LIMIT $2",
        now_us,
        limit,
    )
    return [(row["tenant_id"], row["id"], row["room_id"]) for row in found]


async def load(db: Queries, tenant: TenantId, agents: Sequence[UserId]) -> dict[UserId, int]:
    """How many assigned cases each agent has."""
    found = await db.fetch(
        "SELECT agent, count(*) AS cases FROM cases WHERE tenant_id = $1 AND status = 'assigned'"
        " AND agent = ANY($2::uuid[]) GROUP BY agent",
        tenant,
        list(agents),
    )
    return {row["agent"]: row["cases"] for row in found}


async def recent_waits_s(db: Queries, tenant: TenantId, team: str, limit: int = 20) -> list[float]:
    """How long the last answered visitors of a team had waited for a person, in seconds."""
    found = await db.fetch(
        "SELECT opened_at, first_response_at FROM cases WHERE tenant_id = $1 AND team = $2"
        " AND first_response_at IS NOT NULL ORDER BY first_response_at DESC LIMIT $3",
        tenant,
        team,
        limit,
    )
    return [(row["first_response_at"] - row["opened_at"]) / 1_000_000 for row in found]


async def without_deadline(db: Queries) -> list[CaseId]:
    """Waiting cases that nothing will ever happen to. There are none; a check asks."""
    return [
        row["id"] for row in await db.fetch("SELECT id FROM cases WHERE status = 'waiting' AND deadline_at IS NULL")
    ]


async def put(db: Queries, tenant: TenantId, case: Case, now_us: int) -> None:
    await db.execute(
        "INSERT INTO cases (tenant_id, id, room_id, status, reason, priority, team, agent, step, opened_at,"
        " waiting_since, deadline_at, first_response_at, resolved_at, snoozed_until, handover, rating, rating_comment,"
        " merged_into, version, changed_at, labels)"
        " VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22)"
        " ON CONFLICT (tenant_id, id) DO UPDATE SET status = excluded.status, reason = excluded.reason,"
        " priority = excluded.priority, team = excluded.team, agent = excluded.agent, step = excluded.step,"
        " waiting_since = excluded.waiting_since, deadline_at = excluded.deadline_at,"
        " first_response_at = excluded.first_response_at, resolved_at = excluded.resolved_at,"
        " snoozed_until = excluded.snoozed_until, handover = excluded.handover, rating = excluded.rating,"
        " rating_comment = excluded.rating_comment, merged_into = excluded.merged_into, version = excluded.version,"
        " changed_at = excluded.changed_at, labels = excluded.labels",
        tenant,
        case.id,
        case.room,
        case.status,
        case.reason,
        case.priority,
        case.team,
        case.agent,
        case.step,
        _us(case.opened_at),
        _us(case.waiting_since),
        _us(case.deadline_at),
        _us(case.first_response_at),
        _us(case.resolved_at),
        _us(case.snoozed_until),
        None if case.handover is None else msgspec.json.encode(case.handover).decode(),
        case.rating,
        case.rating_comment,
        None if case.merged_into is None else case.merged_into,
        case.version,
        now_us,
        msgspec.json.encode(case.labels).decode(),
    )
