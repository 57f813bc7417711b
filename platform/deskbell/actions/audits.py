"""The audit trail: who moderated, changed or read what, in rooms whose policy keeps that, and what admins managed.

Admins read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from deskbell.actions.managing import NO_ROOM
from deskbell.actions.operations import needs_admin
from deskbell.clock import from_us
from deskbell.ids import RoomId, UserId
from deskbell.model.records import Actor
from deskbell.ports import Ports
from deskbell.store import audit


@dataclass(frozen=True)
class AuditEntry:
    """One thing somebody did. ``hash`` covers it and all before it; ``room`` is null for what is of none."""

    number: int
    at: datetime
    actor: UserId
    act: str
    room: RoomId | None
    subject: str
    details: dict[str, Any]
    hash: str


@dataclass(frozen=True)
class AuditState:
    """Whether the trail is as it was written. ``hash`` is of its latest entry: note it elsewhere to prove the end.

    ``broken_at``: the number of the first entry that is not, or is missing.
    """

    entries: int
    intact: bool
    broken_at: int | None
    hash: str


async def listed(
    ports: Ports,
    actor: Actor,
    *,
    room: RoomId | None = None,
    by: UserId | None = None,
    act: str | None = None,
    limit: int = 50,
    before: int | None = None,
) -> list[AuditEntry]:
    """The trail of the tenant, latest first; ``before`` (a number) continues a list.

    Raises:
        Forbidden: Not an admin.
    """
    needs_admin(actor)
    found = await audit.listed(ports.db, actor.tenant, room=room, actor=by, act=act, limit=limit, before=before)
    return [
        AuditEntry(
            row["number"],
            from_us(row["at"]),
            row["actor_id"],
            row["act"],
            None if row["room_id"] == NO_ROOM else row["room_id"],
            row["subject"],
            msgspec.json.decode(row["details"]),
            bytes(row["hash"]).hex(),
        )
        for row in found
    ]


async def verified(ports: Ports, actor: Actor) -> AuditState:
    """Look through the whole trail.

    Raises:
        Forbidden: Not an admin.
    """
    needs_admin(actor)
    async with ports.db.snapshot() as at:
        broken_at = await audit.first_broken(at, actor.tenant)
        entries, digest = await audit.head(at, actor.tenant)
    return AuditState(entries, broken_at is None, broken_at, digest.hex())
