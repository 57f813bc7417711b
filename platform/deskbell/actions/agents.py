"""The people behind the counter: who takes conversations now, what they say of it, how much each has in hand.

Who takes conversations is one rule, :func:`takes`: the widget shows nobody else as here, nobody else has room for
a case. Whoever is away or busy is seen by their colleagues and takes none, also where they said that they accept.
The ladder that a waiting case climbs goes by the clock alone and asks for none of this.
"""

from __future__ import annotations

from dataclasses import dataclass

from deskbell.actions import presence
from deskbell.errors import Forbidden, Invalid
from deskbell.ids import TenantId, UserId
from deskbell.model.records import STAFF_ROLES, Actor, PublicUser
from deskbell.ports import Ports
from deskbell.store import cases, people
from deskbell.store.tables import User


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
        return takes(self.status, self.accepting) and self.load < self.capacity


@dataclass(frozen=True)
class Availability:
    """What an agent says of themselves: online, away or busy, and whether new cases may come to them."""

    status: str
    accepting: bool


def takes(status: str, accepting: bool) -> bool:
    """Whether somebody behind the counter takes conversations now, as they are seen and as they said."""
    return status == "online" and accepting


def is_behind_the_counter(user: User) -> bool:
    """Whether they are one of the staff, still."""
    return user.role in STAFF_ROLES and not user.disabled


async def taking(ports: Ports, tenant: TenantId, team: str) -> list[User]:
    """Those of a team who take conversations now, by name."""
    members = [user for user in await people.members_of_team(ports.db, tenant, team) if is_behind_the_counter(user)]
    seen = await ports.presence.seen(tenant, [UserId(user.id) for user in members])
    here = [user for user in members if takes(seen[UserId(user.id)].status, user.accepting)]
    return sorted(here, key=lambda user: user.name)


async def availability(ports: Ports, actor: Actor) -> Availability:
    """What the agent said last.

    Raises:
        Forbidden: Not staff.
    """
    user = await _staff(ports, actor)
    return Availability(user.availability, user.accepting)


async def set_availability(ports: Ports, actor: Actor, *, status: str, accepting: bool | None = None) -> Availability:
    """Say it. ``accepting`` follows from ``status`` where it is not given: who is online takes cases.

    Raises:
        Forbidden: Not staff.
        Invalid: No such status.
    """
    if status not in ("online", "away", "busy"):
        raise Invalid("Availability is online, away or busy.")
    user = await _staff(ports, actor)
    said = Availability(status, takes(status, True) if accepting is None else accepting)
    await people.change_user(ports.db, ports.clock, user, availability=said.status, accepting=said.accepting)
    await presence.chosen(ports, actor, status)  # type: ignore[arg-type]
    return said


async def _staff(ports: Ports, actor: Actor) -> User:
    user = await people.user(ports.db, actor.tenant, actor.id) if actor.is_staff else None
    if user is None:
        raise Forbidden("This is for agents.")
    return user


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
