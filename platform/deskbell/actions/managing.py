"""What all that admins do to their tenant has in common: one after another, by somebody who still is one, on record.

A change is one transaction that begins by waiting for whoever manages the same tenant, then looks again whether
who asks is still an admin: of two who dismiss each other at the same moment, the first does. It ends with an entry
in the audit trail, always: no kind of room has a say in what is of no room.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from deskbell.actions.operations import needs_admin
from deskbell.errors import Forbidden, Revoked
from deskbell.ids import RoomId, TenantId, UserId
from deskbell.model.records import Actor
from deskbell.ports import Ports
from deskbell.store import audit, staff
from deskbell.store.database import Transaction

NO_ROOM = RoomId("00000000-0000-0000-0000-000000000000")
"""What an entry of the trail names that is of no room."""


@dataclass
class Managing:
    """A change under way. ``tx`` alone may be spoken to until it ends."""

    tx: Transaction
    tenant: TenantId
    by: UserId
    now_us: int
    acts: list[audit.Act] = field(default_factory=list)

    def note(self, act: str, subject: str, **details: Any) -> None:
        """Have it written down who did this. Ids, words of ours and names of fields; nothing that was written."""
        self.acts.append(audit.Act(self.by, act, NO_ROOM, subject, details))


@asynccontextmanager
async def managing(ports: Ports, actor: Actor) -> AsyncIterator[Managing]:
    """Change the tenant, all or nothing.

    Raises:
        Forbidden: Not an admin, or not any more.
        Revoked: Not even a user any more.
    """
    needs_admin(actor)
    now_us = ports.clock.now_us()
    async with ports.db.transaction() as tx:
        await staff.hold(tx, actor.tenant)
        present = await staff.person(tx, actor.tenant, actor.id)
        if present is None or present["disabled"]:
            raise Revoked()
        if present["role"] != "admin":
            raise Forbidden("This is for admins.")
        change = Managing(tx, actor.tenant, actor.id, now_us)
        yield change
        if change.acts:
            await audit.append(tx, actor.tenant, change.acts, now_us)
