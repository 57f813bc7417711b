"""Cases as agents see them in a list: each with its visitor, who answers, and what was said last.

A list is read in a fixed number of statements, however many cases there are: which ones, what belongs to
them, what was said in their rooms, their places in line. Nothing of it is kept: what was said last is looked up
in the messages as they are now, so what was edited, deleted or purged is gone from here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from deskbell.clock import from_us
from deskbell.ids import CaseId, RoomId, TenantId
from deskbell.model import case_rules
from deskbell.model.case_rules import Targets
from deskbell.model.records import Case, CaseEntry, CaseSort, LastSaid, Owner, PublicUser, Room
from deskbell.model.text import excerpt
from deskbell.store import cases, rows
from deskbell.store.cases import Wanted
from deskbell.store.database import Queries, Row

SHOWN: Final = 140  # characters of what was said last
LOOKED_THROUGH: Final = 20
"""So many of a room's newest messages are looked at for one that somebody wrote; bounded, whatever a bot logs there."""

# Of the room and, for agents, of its twin backstage: the newest that is not the platform's and not deleted.
_NEWEST = (
    "SELECT x.id FROM (SELECT m.id, m.seq, m.kind, m.deleted_at FROM messages m"
    f" WHERE m.tenant_id = $1 AND m.room_id = k.room_id ORDER BY m.seq DESC LIMIT {LOOKED_THROUGH}) AS x"
    " WHERE x.kind <> 'system' AND x.deleted_at IS NULL ORDER BY x.seq DESC LIMIT 1"
)
_CASE_OF = (
    "COALESCE(r.case_id, (SELECT o.id FROM cases o WHERE o.tenant_id = r.tenant_id AND o.room_id = r.id"
    " ORDER BY o.opened_at DESC, o.id DESC LIMIT 1))"
)


async def entries(db: Queries, tenant: TenantId, wanted: Sequence[CaseId], targets: Targets) -> list[CaseEntry]:
    """Some cases of a tenant, in the order asked for; absent ones are left out."""
    if not wanted:
        return []
    found = await db.fetch(
        f"SELECT {rows.CASE_COLUMNS}, c.changed_at, r.channel_type, r.owner_kind, r.owner_user, r.backstage,"
        f" {rows.USER_COLUMNS}, s.name AS site_name FROM cases c"
        f" JOIN rooms r ON r.tenant_id = c.tenant_id AND r.id = c.room_id{rows.VISITOR_OF_ROOM}"
        " WHERE c.tenant_id = $1 AND c.id = ANY($2::uuid[])",
        tenant,
        list(wanted),
    )
    last = await last_said(db, tenant, {row["room_id"]: row["backstage"] for row in found})
    known = {row["id"]: rows.case(row) for row in found}
    places = await _places(db, tenant, list(known.values()))
    made = {
        row["id"]: _entry(
            msgspec.structs.replace(known[row["id"]], position=places.get(row["id"])),
            row,
            last.get(row["room_id"]),
            targets,
        )
        for row in found
    }
    return [made[case] for case in wanted if case in made]


def _entry(case: Case, row: Row, last: LastSaid | None, targets: Targets) -> CaseEntry:
    return CaseEntry(
        **msgspec.structs.asdict(case),
        visitor=visitor_in(row),
        channel_type=row["channel_type"],
        site=row["site_name"],
        owner=Owner(row["owner_kind"], row["owner_user"]) if row["owner_kind"] else None,
        last=last,
        target_at=case_rules.target_at(case, targets),
        changed_at=from_us(row["changed_at"]),
    )


def visitor_in(row: Row) -> PublicUser | None:
    """The visitor in a row that has :data:`rows.USER_COLUMNS`, if there is one."""
    return None if row["user_id"] is None else rows.public_user(row)


async def visitors_of(db: Queries, tenant: TenantId, of: Sequence[Room]) -> dict[RoomId, tuple[PublicUser, str | None]]:
    """The visitor of each support room, with the name of the site they came by."""
    found = await db.fetch(
        f"SELECT r.id, {rows.USER_COLUMNS}, s.name AS site_name FROM rooms r{rows.VISITOR_OF_ROOM}"
        " WHERE r.tenant_id = $1 AND r.id = ANY($2::uuid[]) AND u.id IS NOT NULL",
        tenant,
        [room.id for room in of],
    )
    return {row["id"]: (rows.public_user(row), row["site_name"]) for row in found}


async def last_said(db: Queries, tenant: TenantId, of: dict[RoomId, RoomId | None]) -> dict[RoomId, LastSaid]:
    """What somebody said last in each room or, where that is later, noted in its twin ``{room: backstage}``."""
    front_of: dict[RoomId, RoomId] = {backstage: room for room, backstage in of.items() if backstage is not None}
    found = await db.fetch(
        f"SELECT m.room_id, m.kind, m.content, m.created_at, {rows.USER_COLUMNS}"
        f" FROM (SELECT k.room_id, ({_NEWEST}) AS id FROM unnest($2::uuid[]) AS k(room_id)) AS newest"
        # CROSS JOIN: SQLite then keeps this order, and looks up instead of reading the whole table.
        " CROSS JOIN messages m JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.sender_id"
        " WHERE m.tenant_id = $1 AND m.id = newest.id",
        tenant,
        [*of, *front_of],
    )
    last: dict[RoomId, tuple[int, LastSaid]] = {}
    for row in found:
        said_in = RoomId(row["room_id"])
        room = front_of.get(said_in, said_in)
        if room not in last or last[room][0] < row["created_at"]:
            last[room] = (
                row["created_at"],
                LastSaid(
                    kind=row["kind"],
                    text=excerpt(row["content"], SHOWN),
                    sender=rows.public_user(row),
                    created_at=from_us(row["created_at"]),
                    note=said_in in front_of,
                ),
            )
    return {room: said for room, (_, said) in last.items()}


async def _places(db: Queries, tenant: TenantId, of: Sequence[Case]) -> dict[CaseId, int]:
    """The places in line of those that wait, with one look along the lines they are in."""
    waiting = [case for case in of if case.status == "waiting" and case.waiting_since is not None]
    if len(waiting) <= 1:
        places = {case.id: await cases.position(db, tenant, case) for case in waiting}
        return {case: place for case, place in places.items() if place is not None}
    found = await db.fetch(
        "SELECT line.id, line.place FROM (SELECT c.id, row_number()"
        " OVER (PARTITION BY c.team ORDER BY c.priority DESC, c.waiting_since, c.id) AS place FROM cases c"
        " WHERE c.tenant_id = $1 AND c.status = 'waiting' AND c.team = ANY($2::text[])) AS line"
        " WHERE line.id = ANY($3::uuid[])",
        tenant,
        list({case.team for case in waiting}),
        [case.id for case in waiting],
    )
    return {row["id"]: row["place"] for row in found}


async def of_rooms(db: Queries, tenant: TenantId, wanted: Sequence[RoomId]) -> list[CaseId]:
    """The case of each of some rooms: the one that is not over, else the latest."""
    found = await db.fetch(
        f"SELECT {_CASE_OF} AS case_id FROM rooms r WHERE r.tenant_id = $1 AND r.id = ANY($2::uuid[])",
        tenant,
        list(wanted),
    )
    return [CaseId(row["case_id"]) for row in found if row["case_id"] is not None]


@dataclass(frozen=True)
class Story:
    """How the latest case of a room went; of a room that never had one, what was thought of the conversation."""

    case: CaseId | None = None
    status: str | None = None
    reason: str | None = None
    rating: int | None = None


NO_STORY: Final = Story()


async def stories(db: Queries, tenant: TenantId, wanted: Sequence[RoomId]) -> dict[RoomId, Story]:
    """Of each of some rooms, with its case that is not over before all others."""
    found = await db.fetch(
        "SELECT r.id AS room_id, c.id, c.status, c.reason, COALESCE(c.rating, r.rating) AS rating FROM rooms r"
        f" LEFT JOIN cases c ON c.tenant_id = r.tenant_id AND c.id = {_CASE_OF}"
        " WHERE r.tenant_id = $1 AND r.id = ANY($2::uuid[])",
        tenant,
        list(wanted),
    )
    return {row["room_id"]: Story(row["id"], row["status"], row["reason"], row["rating"]) for row in found}


# lists

Place = tuple[int, ...]
"""Where in its order a case stands: what is sorted by, without the id."""

_OVER = ("resolved",)


def _sorting(sort: CaseSort, *, over: bool) -> tuple[str, ...]:
    """What a list is sorted by, each column with ``DESC`` where greater comes first."""
    since = "c.opened_at" if over else "COALESCE(c.waiting_since, c.opened_at)"
    if sort == "waiting":
        return (since,)
    if sort == "created":
        return ("c.opened_at DESC",)
    if sort == "activity":
        return ("c.changed_at DESC" if over else "r.active_at DESC",)
    return ("c.priority DESC", since)


async def page(
    db: Queries, tenant: TenantId, wanted: Wanted, sort: CaseSort, *, limit: int, after: tuple[Place, CaseId] | None
) -> list[tuple[CaseId, Place]]:
    """Which cases come next in a list, each with its place; ``after`` is that of the last one before.

    A place and not a number of cases to leave out: what is taken or opened meanwhile moves nobody out of the list.
    """
    by = [*_sorting(sort, over=tuple(wanted.statuses) == _OVER)]
    # The id decides between equals, in the direction of what it comes after: one index then has them all.
    by.append("c.id DESC" if by[-1].endswith(" DESC") else "c.id")
    columns = [column.removesuffix(" DESC") for column in by]
    named = ", ".join(f"{column} AS at_{number}" for number, column in enumerate(columns))
    # CROSS JOIN: SQLite then looks up the rooms of the cases, and does not read all rooms there are.
    joined = " CROSS JOIN rooms r" if "r.active_at" in columns else ""
    matching = " AND r.tenant_id = c.tenant_id AND r.id = c.room_id" if joined else ""
    arms: list[str] = []
    args: list[object] = []
    for status in wanted.statuses:
        # One look for each state: by several at once, a database that thinks them frequent reads all cases there are.
        where, args = cases.where(tenant, replace(wanted, statuses=(status,)))
        if after is not None:
            following, more = _following(by, [*after[0], after[1]], len(args))
            where, args = f"{where} AND {following}", [*args, *more]
        args.append(limit)
        arms.append(
            f"SELECT * FROM (SELECT {named} FROM cases c{joined} WHERE {where}{matching}"
            f" ORDER BY {', '.join(by)} LIMIT ${len(args)}) AS {status}"
        )
    order = ", ".join(f"at_{n}{' DESC' if column.endswith(' DESC') else ''}" for n, column in enumerate(by))
    found = await db.fetch(f"{' UNION ALL '.join(arms)} ORDER BY {order} LIMIT ${len(args)}", *args)
    last = len(columns) - 1
    return [(CaseId(row[f"at_{last}"]), tuple(row[f"at_{number}"] for number in range(last))) for row in found]


def _following(by: Sequence[str], place: Sequence[Any], taken: int) -> tuple[str, list[Any]]:
    """The condition for what comes after a place, with its values; ``taken`` placeholders are in use."""
    columns = [column.removesuffix(" DESC") for column in by]
    values = [f"${taken + number}" for number in range(1, len(place) + 1)]
    falling = [column.endswith(" DESC") for column in by]
    if all(falling) or not any(falling):
        sign = "<" if falling[0] else ">"
        return f"({', '.join(columns)}) {sign} ({', '.join(values)})", list(place)
    parts = []
    for number, column in enumerate(columns):
        same = [f"{columns[n]} = {values[n]}" for n in range(number)]
        parts.append(" AND ".join([*same, f"{column} {'<' if falling[number] else '>'} {values[number]}"]))
    # The first condition follows from the others; it lets the index begin where the list goes on.
    first = f"{columns[0]} {'<=' if falling[0] else '>='} {values[0]}"
    return f"{first} AND ({' OR '.join(f'({part})' for part in parts)})", list(place)
