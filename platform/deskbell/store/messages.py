"""Reading messages: by id, by place in their room, by what changed, by client id.

Every function takes ``visible_from``, the bound of the reader's history: messages with a ``seq``
up to it are not returned, as if they did not exist. Nothing here writes; see
:mod:`deskbell.store.journal`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deskbell.ids import MessageId, RoomId, TenantId, UserId
from deskbell.model.records import Message, PublicUser, Reaction
from deskbell.store import rows
from deskbell.store.database import Queries, Row

_FROM = (
    f"SELECT {rows.MESSAGE_COLUMNS} FROM messages m JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.sender_id"
)
_IN_ROOM = f"{_FROM} WHERE m.tenant_id = $1 AND m.room_id = $2"

SHOWN_REACTORS = 20


async def reactions_of(
    db: Queries, tenant: TenantId, messages: Sequence[MessageId]
) -> Mapping[MessageId, list[Reaction]]:
    """The reactions of several messages, in the order each emoji was first used."""
    found: dict[MessageId, dict[str, list[UserId]]] = {}
    if messages:
        for row in await db.fetch(
            "SELECT message_id, emoji, user_id FROM reactions"
            " WHERE tenant_id = $1 AND message_id = ANY($2::uuid[]) ORDER BY created_at, user_id, emoji",
            tenant,
            list(messages),
        ):
            found.setdefault(row["message_id"], {}).setdefault(row["emoji"], []).append(row["user_id"])
    return {
        message: [Reaction(emoji, len(users), users[:SHOWN_REACTORS]) for emoji, users in by_emoji.items()]
        for message, by_emoji in found.items()
    }


async def reactors(
    db: Queries, tenant: TenantId, message: MessageId, limit: int, after: tuple[int, UserId, str] | None = None
) -> list[tuple[str, PublicUser, int]]:
    """Who reacted to a message with what, and when in microseconds, oldest first; ``after`` continues a list."""
    found = await db.fetch(
        f"SELECT x.emoji, x.created_at, {rows.USER_COLUMNS} FROM reactions x"
        " JOIN users u ON u.tenant_id = x.tenant_id AND u.id = x.user_id"
        " WHERE x.tenant_id = $1 AND x.message_id = $2"
        " AND (x.created_at > $3 OR (x.created_at = $3 AND (x.user_id > $4 OR (x.user_id = $4 AND x.emoji > $5))))"
        " ORDER BY x.created_at, x.user_id, x.emoji LIMIT $6",
        tenant,
        message,
        after[0] if after is not None else -1,
        after[1] if after is not None else message,
        after[2] if after is not None else "",
        limit,
    )
    return [(row["emoji"], rows.public_user(row), row["created_at"]) for row in found]


async def _records(db: Queries, tenant: TenantId, found: Sequence[Row]) -> list[Message]:
    # A reaction is a change, so only changed messages can have any.
    touched = [row["id"] for row in found if row["changed_seq"] > row["seq"]]
    reactions = await reactions_of(db, tenant, touched)
    return [rows.message(row, reactions.get(row["id"], ())) for row in found]


async def by_id(db: Queries, tenant: TenantId, message: MessageId) -> Message | None:
    """One message, whoever may see it; the caller checks that."""
    row = await db.fetchrow(f"{_FROM} WHERE m.tenant_id = $1 AND m.id = $2", tenant, message)
    return None if row is None else (await _records(db, tenant, [row]))[0]


async def by_ids(db: Queries, tenant: TenantId, messages: Sequence[MessageId]) -> list[Message]:
    """Several messages, in no order; absent ones are left out."""
    found = await db.fetch(f"{_FROM} WHERE m.tenant_id = $1 AND m.id = ANY($2::uuid[])", tenant, list(messages))
    return await _records(db, tenant, found)


async def by_client_id(
    db: Queries, tenant: TenantId, room: RoomId, sender: UserId, client_id: str
) -> tuple[Message, bytes] | None:
    """The stored message of a send, with the hash of the request that made it."""
    row = await db.fetchrow(
        f"{_FROM.replace('SELECT ', 'SELECT m.request_hash, ', 1)}"
        " WHERE m.tenant_id = $1 AND m.room_id = $2 AND m.sender_id = $3 AND m.client_id = $4",
        tenant,
        room,
        sender,
        client_id,
    )
    return None if row is None else ((await _records(db, tenant, [row]))[0], bytes(row["request_hash"]))


async def held_by_client_id(
    db: Queries, tenant: TenantId, room: RoomId, sender: UserId, client_id: str
) -> tuple[MessageId, bytes] | None:
    """The held message of a send, with the hash of its request."""
    row = await db.fetchrow(
        "SELECT id, request_hash FROM held_messages"
        " WHERE tenant_id = $1 AND room_id = $2 AND sender_id = $3 AND client_id = $4",
        tenant,
        room,
        sender,
        client_id,
    )
    return None if row is None else (row["id"], bytes(row["request_hash"]))


async def before(
    db: Queries, tenant: TenantId, room: RoomId, seq: int | None, limit: int, visible_from: int = 0, offset: int = 0
) -> list[Message]:
    """Up to ``limit`` messages older than ``seq`` (``None``: the newest), oldest first, ``offset`` of them left out."""
    found = await db.fetch(
        f"{_IN_ROOM} AND m.seq < $3 AND m.seq > $4 ORDER BY m.seq DESC LIMIT $5 OFFSET $6",
        tenant,
        room,
        seq if seq is not None else 2**62,
        visible_from,
        limit,
        offset,
    )
    return await _records(db, tenant, list(reversed(found)))


async def after(
    db: Queries, tenant: TenantId, room: RoomId, seq: int, limit: int, visible_from: int = 0
) -> list[Message]:
    """Up to ``limit`` messages newer than ``seq``, oldest first."""
    found = await db.fetch(
        f"{_IN_ROOM} AND m.seq > $3 ORDER BY m.seq LIMIT $4", tenant, room, max(seq, visible_from), limit
    )
    return await _records(db, tenant, found)


async def first_since(db: Queries, tenant: TenantId, room: RoomId, at_us: int) -> int | None:
    """The ``seq`` of the first message of a room that was written at a moment or later; None: there is none.

    Numbers and times rise together, so it is found by halving: some twenty looks at the index of numbers
    in a room of a million messages, and no index of times for every send to keep.
    """

    async def reached(seq: int) -> tuple[int, int] | None:
        row = await db.fetchrow(
            "SELECT seq, created_at FROM messages WHERE tenant_id = $1 AND room_id = $2 AND seq >= $3"
            " ORDER BY seq LIMIT 1",
            tenant,
            room,
            seq,
        )
        return None if row is None else (row["seq"], row["created_at"])

    last = await db.fetchrow(
        "SELECT seq, created_at FROM messages WHERE tenant_id = $1 AND room_id = $2 ORDER BY seq DESC LIMIT 1",
        tenant,
        room,
    )
    if last is None or last["created_at"] < at_us:
        return None
    low, high = 0, int(last["seq"])
    while low < high:
        middle = (low + high) // 2
        found = await reached(middle)
        if found is None or found[1] >= at_us:
            high = middle
        else:
            low = found[0] + 1
    found = await reached(low)
    return None if found is None else found[0]


async def changed(
    db: Queries, tenant: TenantId, room: RoomId, since: int, limit: int, visible_from: int = 0
) -> list[Message]:
    """Up to ``limit`` messages whose last change is after ``since``, in the order of that change.

    Two index scans: what was born since and not touched again, and what was touched since.
    """
    found = await db.fetch(
        "SELECT * FROM ("
        f"SELECT * FROM ({_IN_ROOM} AND m.seq > $3 AND m.changed_seq = m.seq AND m.seq > $4 ORDER BY m.seq LIMIT $5) b"
        " UNION ALL "
        f"SELECT * FROM ({_IN_ROOM} AND m.changed_seq > $3 AND m.changed_seq > m.seq AND m.seq > $4"
        " ORDER BY m.changed_seq LIMIT $5) c"
        ") AS both_kinds ORDER BY changed_seq LIMIT $5",
        tenant,
        room,
        since,
        visible_from,
        limit,
    )
    return await _records(db, tenant, found)


async def in_thread(
    db: Queries, tenant: TenantId, root: MessageId, after_seq: int, limit: int, visible_from: int = 0
) -> list[Message]:
    """The answers in a thread, oldest first."""
    found = await db.fetch(
        f"{_FROM} WHERE m.tenant_id = $1 AND m.thread = $2 AND m.seq > $3 ORDER BY m.seq LIMIT $4",
        tenant,
        root,
        max(after_seq, visible_from),
        limit,
    )
    return await _records(db, tenant, found)


async def pinned(
    db: Queries, tenant: TenantId, room: RoomId, limit: int, visible_from: int = 0, before_seq: int | None = None
) -> list[Message]:
    """Pinned messages, newest first; ``before_seq`` continues a list."""
    found = await db.fetch(
        f"{_IN_ROOM} AND m.pinned AND m.seq > $3 AND m.seq < $5 AND m.deleted_at IS NULL ORDER BY m.seq DESC LIMIT $4",
        tenant,
        room,
        visible_from,
        limit,
        before_seq if before_seq is not None else 2**62,
    )
    return await _records(db, tenant, found)


async def revisions(
    db: Queries, tenant: TenantId, message: MessageId, limit: int = 1000, after: int = 0
) -> list[dict[str, Any]]:
    """The texts a message had before, oldest first, from number ``after`` on: ``{number, content, edited_by, …}``."""
    found = await db.fetch(
        "SELECT number, content, edited_by, edited_at FROM revisions"
        " WHERE tenant_id = $1 AND message_id = $2 AND number > $4 ORDER BY number LIMIT $3",
        tenant,
        message,
        limit,
        after,
    )
    return [
        {"number": r["number"], "content": r["content"], "edited_by": r["edited_by"], "edited_at_us": r["edited_at"]}
        for r in found
    ]


async def somebody_else_wrote(db: Queries, tenant: TenantId, room: RoomId, since: int, user: UserId) -> bool:
    """Whether anyone but ``user`` has written in the room after ``since``."""
    return (
        await db.fetchrow(
            "SELECT 1 AS found FROM messages WHERE tenant_id = $1 AND room_id = $2 AND seq > $3 AND sender_id <> $4"
            " AND kind <> 'system' LIMIT 1",
            tenant,
            room,
            since,
            user,
        )
        is not None
    )
