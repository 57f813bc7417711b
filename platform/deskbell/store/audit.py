"""The audit trail of a tenant: appended to in the commit it tells of, never changed, each row chained to the last.

The digest of a row covers the row and the digest before it, so that a row that was changed, taken out
or put in between later shows. What is cut off at the end, with the head, shows only to somebody who
noted an earlier head elsewhere: it is told with every list.

Rows name people, rooms and messages by their ids and hold nothing of what was written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from deskbell.ids import RoomId, TenantId, UserId
from deskbell.store.database import Queries, Row, Transaction

COLUMNS = {
    "tenant_id": "uuid",
    "number": "bigint",
    "at": "bigint",
    "actor_id": "uuid",
    "act": "text",
    "room_id": "uuid",
    "subject": "text",
    "details": "text",
    "hash": "bytea",
}
_PAGE = 500
_LATEST = 200


@dataclass(frozen=True)
class Act:
    """Something somebody did. ``subject``: to whom or what, by id."""

    actor: UserId
    act: str
    room: RoomId
    subject: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def _digest(before: bytes, *values: object) -> bytes:
    return hashlib.blake2b(before + msgspec.json.encode(values), digest_size=32).digest()


async def append(tx: Transaction, tenant: TenantId, acts: Sequence[Act], at_us: int) -> None:
    """Write what was done, as the last thing of its transaction: whoever holds the head waits for nobody."""
    head = await _head(tx, tenant, lock=True)
    if head is None:
        await tx.execute(
            "INSERT INTO audit_heads (tenant_id, number, hash) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING", tenant, b""
        )
        head = await _head(tx, tenant, lock=True)
    assert head is not None
    number, digest = head
    rows: list[Sequence[object]] = []
    for act in acts:
        number += 1
        details = msgspec.json.encode(act.details, order="deterministic").decode()
        values = (tenant, number, at_us, act.actor, act.act, act.room, act.subject, details)
        digest = _digest(digest, *values)
        rows.append((*values, digest))
    await tx.insert_many("audit", COLUMNS, rows)
    await tx.execute("UPDATE audit_heads SET number = $2, hash = $3 WHERE tenant_id = $1", tenant, number, digest)


async def _head(db: Queries, tenant: TenantId, *, lock: bool = False) -> tuple[int, bytes] | None:
    row = await db.fetchrow(
        f"SELECT number, hash FROM audit_heads WHERE tenant_id = $1{' FOR UPDATE' if lock else ''}", tenant
    )
    return None if row is None else (row["number"], bytes(row["hash"]))


async def head(db: Queries, tenant: TenantId) -> tuple[int, bytes]:
    """The number and digest of the latest row; ``(0, b"")`` where there is none."""
    return await _head(db, tenant) or (0, b"")


async def listed(
    db: Queries,
    tenant: TenantId,
    *,
    room: RoomId | None = None,
    actor: UserId | None = None,
    act: str | None = None,
    limit: int = 50,
    before: int | None = None,
) -> Sequence[Row]:
    """Rows, latest first; ``before`` (a number) continues a list."""
    values: list[object] = [tenant, limit, before if before is not None else 2**62]
    only = ""
    for column, value in (("room_id", room), ("actor_id", actor), ("act", act)):
        if value is not None:
            values.append(value)
            only += f" AND {column} = ${len(values)}"
    return await db.fetch(
        "SELECT number, at, actor_id, act, room_id, subject, details, hash FROM audit"
        f" WHERE tenant_id = $1 AND number < $3{only} ORDER BY number DESC LIMIT $2",
        *values,
    )


async def rooms_noted(db: Queries, tenant: TenantId, actor: UserId, act: str, since_us: int) -> set[RoomId]:
    """The rooms for which the latest entries of somebody say that they did this, since then."""
    found = await db.fetch(
        "SELECT room_id, act, at FROM audit WHERE tenant_id = $1 AND actor_id = $2 ORDER BY number DESC LIMIT $3",
        tenant,
        actor,
        _LATEST,
    )
    return {RoomId(row["room_id"]) for row in found if row["act"] == act and row["at"] >= since_us}


async def first_broken(db: Queries, tenant: TenantId) -> int | None:
    """The number of the first row that is not as it was written, or that is missing; None: the chain is whole."""
    number, digest = 0, b""
    while True:
        found = await db.fetch(
            "SELECT number, at, actor_id, act, room_id, subject, details, hash FROM audit"
            " WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3",
            tenant,
            number,
            _PAGE,
        )
        for row in found:
            values = (row["at"], row["actor_id"], row["act"], row["room_id"], row["subject"], row["details"])
            digest = _digest(digest, tenant, row["number"], *values)
            if row["number"] != number + 1 or digest != bytes(row["hash"]):
                return number + 1
            number += 1
        if len(found) < _PAGE:
            return None if (number, digest) == await head(db, tenant) else number + 1
