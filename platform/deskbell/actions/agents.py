"""The people behind the counter, as their colleagues see them: who is here, how much each has in hand."""

from __future__ import annotations

from dataclasses import dataclass

from deskbell.errors import Forbidden
from deskbell.ids import TenantId, UserId
from deskbell.model.records import Actor, PublicUser
from deskbell.ports import Ports
from deskbell.store import cases, people


@dataclass(frozen=True)
class AgentEntry:
    """One of the staff. ``load``: cases in their hands, of ``capacity`` that are thought to be enough for one person.

    ``accepting``: they take new ones, as they said last, whether or not they are here.
    """

    user: PublicUser
    role: str
    status: str
    accepting: bool
    load: int
    capacity: int
    teams: list[str]

    @property
    def has_room(self) -> bool:
        """Whether a new case may come to them now."""
        return self.status == "online" and self.accepting and self.load < self.capacity


async def listed(ports: Ports, actor: Actor) -> list[AgentEntry]:
    """All of the tenant's staff, by name.

    Raises:
        Forbidden: Not staff.
    """
    if not actor.is_staff:
        raise Forbidden("This is for agents.")
    return await staff(ports, actor.tenant)


async def staff(ports: Ports, tenant: TenantId) -> list[AgentEntry]:
    """The same; who may know, is the caller's to say."""
    users = await people.staff(ports.db, tenant)
    ids = [UserId(user.id) for user in users]
    load = await cases.load(ports.db, tenant, ids)
    teams = await people.members_of_teams(ports.db, tenant)
    seen = await ports.presence.seen(tenant, ids)
    return [
        AgentEntry(
            user=people.public(user),
            role=user.role,
            status=seen[UserId(user.id)].status,
            accepting=bool(user.accepting),
            load=load.get(UserId(user.id), 0),
            capacity=ports.settings.support.capacity,
            teams=teams.get(UserId(user.id), []),
        )
        for user in users
    ]
