"""Reading rooms: their rows, their members, what changed, which moved.

Nothing here writes but the high-water marks of reading, which take no ``seq`` and no lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deskbell.ids import RoomId, TenantId, UserId
from deskbell.model.records import Membership, Participant, PublicUser, Room
from deskbell.store import rows
from deskbell.store.database import Queries

_ROOM = f"SELECT {rows.ROOM_COLUMNS} FROM rooms r"
_MEMBER = f"SELECT {rows.MEMBER_COLUMNS}, {rows.USER_COLUMNS} FROM participants p"
_WITH_USER = "JOIN users u ON u.tenant_id = p.tenant_id AND u.id = p.user_id"

MOST_MOVED = 10_000
"""Rooms that one look at what moved may return."""

COUNTED_TO = 100
"""Unread counts stop here; a client shows "99+"."""

# Both look at a bounded number of rows, however far behind a reader is: the first unread messages are
# counted, and among the newest a mention is looked for.
_NOT_READ = (
    "FROM messages m WHERE m.tenant_id = p.tenant_id AND m.room_id = p.room_id"
    # The read mark never moves back; who wants to read again from somewhere has a mark of their own for that.
    " AND m.seq > LEAST(p.last_read_seq, COALESCE(p.unread_from - 1, p.last_read_seq))"
    " AND m.seq > p.visible_from AND m.deleted_at IS NULL"
)
_UNREAD = (
    f"(SELECT count(*) FROM (SELECT 1 AS one {_NOT_READ} AND m.sender_id <> p.user_id AND m.kind <> 'system'"
    f" ORDER BY m.seq LIMIT {COUNTED_TO}) AS counted)"
)
_MENTIONED = (
    f"(SELECT count(*) FROM (SELECT m.mentions {_NOT_READ} ORDER BY m.seq DESC LIMIT {5 * COUNTED_TO}) AS newest"
    " WHERE newest.mentions LIKE $4)"
)

NOT_OVER = (
    # Who was helped, or waits no more, is done until they write; only those who had a case are looked at closely.
    "NOT (EXISTS (SELECT 1 FROM cases c WHERE c.tenant_id = r.tenant_id AND c.room_id = r.id"
    " AND c.resolved_at >= r.active_at)"
    " AND EXISTS (SELECT 1 FROM messages m WHERE m.tenant_id = r.tenant_id AND m.room_id = r.id AND m.seq > r.seq - 10"
    " AND m.kind = 'system' AND m.created_at >= r.active_at"
    """ AND (m.metadata LIKE '%"event":"case_resolved"%' OR m.metadata LIKE '%"event":"left_queue"%')))"""
)
"""A condition on an open support room ``r``: something is under way, or may be."""

_LAST_ID = RoomId("ffffffff-ffff-ffff-ffff-ffffffffffff")
_FIRST_ID = UserId("00000000-0000-0000-0000-000000000000")


async def get(db: Queries, tenant: TenantId, room: RoomId) -> Room | None:
    row = await db.fetchrow(f"{_ROOM} WHERE r.tenant_id = $1 AND r.id = $2", tenant, room)
    return None if row is None else rows.room(row)


async def by_key(db: Queries, tenant: TenantId, channel_type: str, key: str) -> Room | None:
    row = await db.fetchrow(
        f"{_ROOM} WHERE r.tenant_id = $1 AND r.channel_type = $2 AND r.key = $3", tenant, channel_type, key
    )
    return None if row is None else rows.room(row)


async def of_customer(db: Queries, tenant: TenantId, customer: UserId, limit: int) -> list[Room]:
    """The support rooms of a visitor, newest first."""
    found = await db.fetch(
        f"{_ROOM} WHERE r.tenant_id = $1 AND r.customer = $2 AND r.backstage_of IS NULL"
        " ORDER BY r.created_at DESC LIMIT $3",
        tenant,
        customer,
        limit,
    )
    return [rows.room(row) for row in found]


async def supported(
    db: Queries,
    tenant: TenantId,
    *,
    owner: str | None = None,
    channel_type: str | None = None,
    live: bool = False,
    limit: int,
    before: tuple[int, RoomId] | None = None,
) -> list[Room]:
    """The open support rooms of a tenant, latest activity first; ``before`` (a moment and a room) continues a list.

    ``live``: without those in which all is done until the visitor writes again.
    """
    found = await db.fetch(
        f"{_ROOM} WHERE r.tenant_id = $1 AND r.customer IS NOT NULL AND r.closed_at IS NULL"
        f"{f' AND {NOT_OVER}' if live else ''}"
        " AND (r.active_at < $3 OR (r.active_at = $3 AND r.id < $4))"
        " AND ($5 = '' OR r.owner_kind = $5) AND ($6 = '' OR r.channel_type = $6)"
        " ORDER BY r.active_at DESC, r.id DESC LIMIT $2",
        tenant,
        limit,
        before[0] if before is not None else 2**62,
        before[1] if before is not None else _LAST_ID,
        owner or "",
        channel_type or "",
    )
    return [rows.room(row) for row in found]


async def names_of(db: Queries, tenant: TenantId, wanted: Sequence[RoomId]) -> dict[RoomId, tuple[str, str]]:
    """The names and channel types of rooms; absent ones are left out."""
    found = await db.fetch(
        "SELECT r.id, r.name, r.channel_type FROM rooms r WHERE r.tenant_id = $1 AND r.id = ANY($2::uuid[])",
        tenant,
        list(wanted),
    )
    return {row["id"]: (row["name"], row["channel_type"]) for row in found}


async def get_with_member(
    db: Queries, tenant: TenantId, room: RoomId, user: UserId
) -> tuple[Room, Membership | None] | None:
    """A room and the place of ``user`` in it, in one query."""
    row = await db.fetchrow(
        f"SELECT {rows.ROOM_COLUMNS}, p.role AS p_role, p.state AS p_state, p.visible_from AS p_visible_from,"
        " p.muted_until AS p_muted_until, p.changed_seq AS p_changed_seq, p.joined_at AS p_joined_at,"
        " p.last_read_seq AS p_read, p.last_delivered_seq AS p_delivered, p.unread_from AS p_unread_from"
        " FROM rooms r LEFT JOIN participants p"
        " ON p.tenant_id = r.tenant_id AND p.room_id = r.id AND p.user_id = $3"
        " WHERE r.tenant_id = $1 AND r.id = $2",
        tenant,
        room,
        user,
    )
    if row is None:
        return None
    member = None
    if row["p_role"] is not None:
        member = Membership(
            room, user, row["p_role"], row["p_state"], row["p_visible_from"], row["p_muted_until"],
            abs(row["p_changed_seq"]), row["p_joined_at"], row["p_read"], row["p_delivered"], row["p_unread_from"],
        )  # fmt: skip
    return rows.room(row), member


async def member(db: Queries, tenant: TenantId, room: RoomId, user: UserId) -> Membership | None:
    row = await db.fetchrow(
        f"SELECT {rows.MEMBER_COLUMNS} FROM participants p"
        " WHERE p.tenant_id = $1 AND p.room_id = $2 AND p.user_id = $3",
        tenant,
        room,
        user,
    )
    return None if row is None else rows.membership(row)


async def participants(
    db: Queries,
    tenant: TenantId,
    room: RoomId,
    *,
    counted_for: tuple[Sequence[str], UserId] | None = None,
    limit: int = 1000,
    after: tuple[int, UserId] | None = None,
) -> list[Participant]:
    """Who is in the room now, who came first first; ``after`` (a moment and a user) continues a list.

    ``counted_for``: only these roles and this user (counted rosters).
    """
    moment, user = after or (-1, _FIRST_ID)
    only, values = "", list[object]()
    if counted_for is not None:
        only = " AND (p.role = ANY($6::text[]) OR p.user_id = $7)"
        values = [list(counted_for[0]), counted_for[1]]
    found = await db.fetch(
        f"{_MEMBER} {_WITH_USER} WHERE p.tenant_id = $1 AND p.room_id = $2 AND p.state = 'joined'"
        f" AND (p.joined_at > $4 OR (p.joined_at = $4 AND p.user_id > $5)){only}"
        " ORDER BY p.joined_at, p.user_id LIMIT $3",
        tenant,
        room,
        limit,
        moment,
        user,
        *values,
    )
    return [rows.participant(rows.membership(row), rows.public_user(row)) for row in found]


async def participants_changed(
    db: Queries, tenant: TenantId, room: RoomId, since: int, limit: int
) -> list[Participant]:
    """Places that changed after ``since``, also those who left, in the order of the change.

    Of a counted roster these are the changes that took a number: nobody's quiet coming and going.
    """
    found = await db.fetch(
        f"{_MEMBER} {_WITH_USER} WHERE p.tenant_id = $1 AND p.room_id = $2 AND p.changed_seq > $3"
        " ORDER BY p.changed_seq LIMIT $4",
        tenant,
        room,
        since,
        limit,
    )
    return [rows.participant(rows.membership(row), rows.public_user(row)) for row in found]


async def participant_count(db: Queries, tenant: TenantId, room: RoomId) -> int:
    return int(
        await db.fetchval(
            "SELECT count(*) FROM participants WHERE tenant_id = $1 AND room_id = $2 AND state = 'joined'",
            tenant,
            room,
        )
    )


async def reads(
    db: Queries, tenant: TenantId, room: RoomId, *, only: UserId | None = None, limit: int = 200
) -> dict[UserId, tuple[int, int]]:
    """``{user: (last_read_seq, last_delivered_seq)}`` of the joined members, or of one."""
    found = await db.fetch(
        "SELECT user_id, last_read_seq, last_delivered_seq FROM participants"
        " WHERE tenant_id = $1 AND room_id = $2 AND state = 'joined'"
        + (" AND user_id = $4" if only is not None else "")
        + " ORDER BY user_id LIMIT $3",
        tenant,
        room,
        limit,
        *(() if only is None else (only,)),
    )
    return {row["user_id"]: (row["last_read_seq"], row["last_delivered_seq"]) for row in found}


async def marks_of(
    db: Queries,
    tenant: TenantId,
    room: RoomId,
    seq: int,
    *,
    besides: UserId | None,
    bounded: bool,
    only: UserId | None = None,
    limit: int = 50,
    after: UserId | None = None,
) -> list[tuple[PublicUser, int, int]]:
    """The marks of those who may see message ``seq``, by user: ``(user, last_read_seq, last_delivered_seq)``.

    ``besides``: its author. ``bounded``: the history of each begins with their joining. ``after`` continues a list.
    """
    values: list[object] = [tenant, room, besides or _FIRST_ID, after or _FIRST_ID, limit]
    only_them = ""
    if bounded:
        values.append(seq)
        only_them += f" AND p.visible_from < ${len(values)}"
    if only is not None:
        values.append(only)
        only_them += f" AND p.user_id = ${len(values)}"
    found = await db.fetch(
        f"SELECT p.last_read_seq, p.last_delivered_seq, {rows.USER_COLUMNS} FROM participants p {_WITH_USER}"
        " WHERE p.tenant_id = $1 AND p.room_id = $2 AND p.state = 'joined' AND p.user_id <> $3 AND p.user_id > $4"
        f"{only_them} ORDER BY p.user_id LIMIT $5",
        *values,
    )
    return [(rows.public_user(row), row["last_read_seq"], row["last_delivered_seq"]) for row in found]


@dataclass(frozen=True)
class Mark:
    """How far a user has read, and how far messages reached a device of theirs."""

    tenant: TenantId
    room: RoomId
    user: UserId
    read_seq: int
    delivered_seq: int


async def note_moves(db: Queries, marks: Sequence[Mark], now_us: int) -> None:
    """Note when read marks move. Called before :func:`move_marks`: what has moved is past."""
    await db.execute(
        "INSERT INTO read_moves (tenant_id, room_id, user_id, read_seq, moved_at)"
        " SELECT p.tenant_id, p.room_id, p.user_id, LEAST(k.read_seq, r.seq), $5"
        " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[]) AS k(tenant_id, room_id, user_id, read_seq)"
        " JOIN participants p ON p.tenant_id = k.tenant_id AND p.room_id = k.room_id AND p.user_id = k.user_id"
        " JOIN rooms r ON r.tenant_id = k.tenant_id AND r.id = k.room_id"
        " WHERE p.state = 'joined' AND LEAST(k.read_seq, r.seq) > p.last_read_seq"
        " ON CONFLICT DO NOTHING",
        [mark.tenant for mark in marks],
        [mark.room for mark in marks],
        [mark.user for mark in marks],
        [mark.read_seq for mark in marks],
        now_us,
    )


async def read_moves(
    db: Queries, tenant: TenantId, room_id: RoomId, since: int, limit: int
) -> list[tuple[UserId, int, int]]:
    """The moves of marks to numbers from ``since`` on: who, how far, when in microseconds; in order of number."""
    found = await db.fetch(
        "SELECT user_id, read_seq, moved_at FROM read_moves"
        " WHERE tenant_id = $1 AND room_id = $2 AND read_seq >= $3 ORDER BY read_seq, user_id LIMIT $4",
        tenant,
        room_id,
        since,
        limit,
    )
    return [(row["user_id"], row["read_seq"], row["moved_at"]) for row in found]


async def move_marks(db: Queries, marks: Sequence[Mark]) -> None:
    """Move high-water marks up, all in one statement; none moves back, none passes the tip."""
    await db.execute(
        "UPDATE participants AS p SET"
        " last_read_seq = GREATEST(p.last_read_seq, LEAST(k.read_seq, r.seq)),"
        " last_delivered_seq = GREATEST(p.last_delivered_seq, LEAST(k.delivered_seq, r.seq)),"
        " unread_from = CASE WHEN LEAST(k.read_seq, r.seq) >= p.unread_from THEN NULL ELSE p.unread_from END"
        " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[])"
        " AS k(tenant_id, room_id, user_id, read_seq, delivered_seq), rooms r"
        " WHERE p.tenant_id = k.tenant_id AND p.room_id = k.room_id AND p.user_id = k.user_id"
        " AND r.tenant_id = k.tenant_id AND r.id = k.room_id AND p.state = 'joined'",
        [mark.tenant for mark in marks],
        [mark.room for mark in marks],
        [mark.user for mark in marks],
        [mark.read_seq for mark in marks],
        [mark.delivered_seq for mark in marks],
    )


async def mark_unread(db: Queries, tenant: TenantId, room: RoomId, user: UserId, seq: int) -> tuple[int, int] | None:
    """Have a member count what is from ``seq`` on as unread; their read marks. None: they are not in the room."""
    row = await db.fetchrow(
        "UPDATE participants SET unread_from = $4 WHERE tenant_id = $1 AND room_id = $2 AND user_id = $3"
        " AND state = 'joined' RETURNING last_read_seq, last_delivered_seq",
        tenant,
        room,
        user,
        seq,
    )
    return None if row is None else (row["last_read_seq"], row["last_delivered_seq"])


async def free_marks(db: Queries, marks: Sequence[Mark]) -> list[Mark]:
    """Those of the marks whose rows nobody else holds at this moment. SQLite has no such rows."""
    found = await db.fetch(
        "SELECT p.tenant_id, p.room_id, p.user_id FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])"
        " AS k(tenant_id, room_id, user_id)"
        " JOIN participants p ON p.tenant_id = k.tenant_id AND p.room_id = k.room_id AND p.user_id = k.user_id"
        " FOR UPDATE OF p SKIP LOCKED",
        [mark.tenant for mark in marks],
        [mark.room for mark in marks],
        [mark.user for mark in marks],
    )
    free = {(row["tenant_id"], row["room_id"], row["user_id"]) for row in found}
    return [mark for mark in marks if (mark.tenant, mark.room, mark.user) in free]


@dataclass(frozen=True)
class InboxEntry:
    """One of a user's rooms, with what they have not read, counted to :data:`COUNTED_TO`."""

    room: Room
    member: Membership
    unread: int
    mentioned: bool


async def inbox(
    db: Queries,
    tenant: TenantId,
    user: UserId,
    *,
    limit: int,
    before: tuple[int, RoomId] | None = None,
    changed_since_us: int = 0,
    channel_type: str | None = None,
) -> list[InboxEntry]:
    """The rooms a user is in, latest activity first; ``before`` (a moment and a room) continues a list.

    Unread is what others wrote above the mark, not deleted, not from the platform: never
    ``tip - mark``, since ``seq`` counts reactions and joins too.
    """
    found = await db.fetch(
        f"SELECT {rows.ROOM_COLUMNS}, p.role AS p_role, p.state AS p_state, p.visible_from AS p_visible_from,"
        " p.muted_until AS p_muted_until, p.changed_seq AS p_changed_seq, p.joined_at AS p_joined_at,"
        " p.last_read_seq AS p_read, p.last_delivered_seq AS p_delivered, p.unread_from AS p_unread_from,"
        f" {_UNREAD} AS unread, {_MENTIONED} AS mentioned"
        " FROM participants p JOIN rooms r ON r.tenant_id = p.tenant_id AND r.id = p.room_id"
        " WHERE p.tenant_id = $1 AND p.user_id = $2 AND p.state = 'joined'"
        " AND (r.active_at < $5 OR (r.active_at = $5 AND r.id < $7)) AND r.changed_at >= $6"
        + (" AND r.channel_type = $8" if channel_type is not None else "")
        + " ORDER BY r.active_at DESC, r.id DESC LIMIT $3",
        tenant,
        user,
        limit,
        f'%"{user}"%',
        before[0] if before is not None else 2**62,
        changed_since_us,
        before[1] if before is not None else _LAST_ID,
        *(() if channel_type is None else (channel_type,)),
    )
    return [
        InboxEntry(
            rows.room(row),
            Membership(
                row["id"], user, row["p_role"], row["p_state"], row["p_visible_from"], row["p_muted_until"],
                abs(row["p_changed_seq"]), row["p_joined_at"], row["p_read"], row["p_delivered"], row["p_unread_from"],
            ),
            row["unread"],
            bool(row["mentioned"]),
        )
        for row in found
    ]  # fmt: skip


@dataclass(frozen=True)
class OwnPlace:
    """Somebody's place in a room, present or past, with what decides whether they may read it."""

    room: RoomId
    channel_type: str
    backstage: bool
    role: str
    state: str
    visible_from: int


async def places_of(db: Queries, tenant: TenantId, user: UserId) -> list[OwnPlace]:
    """Every room a user has or had a place in."""
    found = await db.fetch(
        "SELECT p.room_id, r.channel_type, r.backstage_of, p.role, p.state, p.visible_from FROM participants p"
        " JOIN rooms r ON r.tenant_id = p.tenant_id AND r.id = p.room_id WHERE p.tenant_id = $1 AND p.user_id = $2",
        tenant,
        user,
    )
    return [
        OwnPlace(
            row["room_id"],
            row["channel_type"],
            row["backstage_of"] is not None,
            row["role"],
            row["state"],
            row["visible_from"],
        )
        for row in found
    ]


async def unread(db: Queries, tenant: TenantId, room: RoomId, user: UserId) -> tuple[int, bool]:
    """What ``user`` has not read in one room, and whether they are mentioned in it."""
    row = await db.fetchrow(
        f"SELECT {_UNREAD} AS unread, {_MENTIONED} AS mentioned"
        " FROM participants p WHERE p.tenant_id = $1 AND p.room_id = $2 AND p.user_id = $3",
        tenant,
        room,
        user,
        f'%"{user}"%',
    )
    return (0, False) if row is None else (row["unread"], bool(row["mentioned"]))


async def moved(db: Queries, since_us: int, limit: int = MOST_MOVED) -> list[tuple[TenantId, RoomId, int, int, int]]:
    """The tips of rooms that moved since: ``(tenant, room, seq, epoch, changed_at_us)``, oldest first."""
    found = await db.fetch(
        "SELECT tenant_id, id, seq, epoch, changed_at FROM rooms WHERE changed_at >= $1 ORDER BY changed_at LIMIT $2",
        since_us,
        limit,
    )
    return [(row["tenant_id"], row["id"], row["seq"], row["epoch"], row["changed_at"]) for row in found]


async def tips(
    db: Queries, wanted: Sequence[tuple[TenantId, RoomId]]
) -> dict[tuple[TenantId, RoomId], tuple[int, int]]:
    """Where these rooms are: ``(seq, epoch)`` of those that exist."""
    found = await db.fetch(
        "SELECT r.tenant_id, r.id, r.seq, r.epoch FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, id)"
        " JOIN rooms r ON r.tenant_id = k.tenant_id AND r.id = k.id",
        [tenant for tenant, _ in wanted],
        [room for _, room in wanted],
    )
    return {(row["tenant_id"], row["id"]): (row["seq"], row["epoch"]) for row in found}


async def places_since(
    db: Queries, wanted: Sequence[tuple[TenantId, RoomId, int]]
) -> list[tuple[TenantId, RoomId, UserId, str, int]]:
    """Whose place in a room has changed after a number: ``(tenant, room, user, state, changed_seq)``, in that order."""
    found = await db.fetch(
        "SELECT p.tenant_id, p.room_id, p.user_id, p.state, p.changed_seq"
        " FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS k(tenant_id, room_id, since)"
        " JOIN participants p ON p.tenant_id = k.tenant_id AND p.room_id = k.room_id AND p.changed_seq > k.since"
        " ORDER BY p.changed_seq",
        [tenant for tenant, _, _ in wanted],
        [room for _, room, _ in wanted],
        [since for _, _, since in wanted],
    )
    return [(row["tenant_id"], row["room_id"], row["user_id"], row["state"], row["changed_seq"]) for row in found]


async def of_users(
    db: Queries, users: Sequence[tuple[TenantId, UserId]]
) -> dict[tuple[TenantId, UserId], dict[RoomId, int]]:
    """The rooms that each of some users is in, with their tips."""
    found = await db.fetch(
        "SELECT p.tenant_id, p.user_id, p.room_id, r.seq FROM unnest($1::uuid[], $2::uuid[]) AS k(tenant_id, user_id)"
        " JOIN participants p ON p.tenant_id = k.tenant_id AND p.user_id = k.user_id AND p.state = 'joined'"
        " JOIN rooms r ON r.tenant_id = p.tenant_id AND r.id = p.room_id",
        [tenant for tenant, _ in users],
        [user for _, user in users],
    )
    rooms_of: dict[tuple[TenantId, UserId], dict[RoomId, int]] = {}
    for row in found:
        rooms_of.setdefault((row["tenant_id"], row["user_id"]), {})[row["room_id"]] = row["seq"]
    return rooms_of


async def of_user(db: Queries, tenant: TenantId, user: UserId, limit: int = 500) -> list[tuple[RoomId, int, int]]:
    """The latest rooms a user is in: ``(room, tip, last_read_seq)``."""
    found = await db.fetch(
        "SELECT p.room_id, r.seq, p.last_read_seq FROM participants p"
        " JOIN rooms r ON r.tenant_id = p.tenant_id AND r.id = p.room_id"
        " WHERE p.tenant_id = $1 AND p.user_id = $2 AND p.state = 'joined' ORDER BY r.active_at DESC LIMIT $3",
        tenant,
        user,
        limit,
    )
    return [(row["room_id"], row["seq"], row["last_read_seq"]) for row in found]
