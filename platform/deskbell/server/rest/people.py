"""The people behind the counter and their teams, for admins."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from quart import Blueprint

from deskbell.actions import staff
from deskbell.actions.staff import Person, Role, TeamEntry
from deskbell.errors import Conflict, Forbidden, LimitReached, NotFound, RateLimited
from deskbell.ids import UserId
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Body, Done, Items, Listed, cursor, read_cursor
from deskbell.server.rest.routes import Ask, Routes

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Slug = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,62}$", max_length=63)]
Email = Annotated[str, Meta(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")]
Password = Annotated[str, Meta(min_length=12, max_length=1024)]
Slugs = Annotated[list[Slug], Meta(max_length=staff.MAX_TEAMS)]


class NewPerson(Body, frozen=True):
    """``password``: 12 characters or more; whoever it is for had better change it."""

    name: Name
    email: Email
    password: Password
    role: Role = "agent"
    teams: Slugs = msgspec.field(default_factory=list)


class PersonChange(Body, frozen=True):
    """What is left out, or null, stays. ``teams``: all they are to be in."""

    name: Name | None = None
    role: Role | None = None
    teams: Slugs | None = None
    disabled: bool | None = None
    password: Password | None = None


class NewTeam(Body, frozen=True):
    """``slug`` is what settings and cases use; it stays."""

    slug: Slug
    name: Name


class TeamChange(Body, frozen=True):
    name: Name


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("people", edge), edge.ports

    @routes.get("/people", Items[Person], query=Listed, refuses=[Forbidden])
    async def list_people(ask: Ask) -> Items[Person]:
        """The people behind the counter, disabled ones too, in the order they came; admins."""
        query: Listed = ask.query
        after = read_cursor(query.cursor, UserId)
        found = await staff.listed(ports, ask.actor, limit=query.limit + 1, after=None if after is None else after[0])
        page = found[: query.limit]
        return Items(page, cursor(page[-1].user.id) if len(found) > len(page) else None)

    @routes.post("/people", {201: Person}, body=NewPerson, refuses=[Forbidden, Conflict, RateLimited])
    async def create_person(ask: Ask) -> Person:
        """Let somebody new behind the counter; admins."""
        body: NewPerson = ask.body
        return await staff.create(
            ports,
            ask.actor,
            name=body.name,
            email=body.email,
            role=body.role,
            password=body.password,
            teams=body.teams,
        )

    @routes.patch("/people/<user_id>", Person, body=PersonChange, refuses=[Forbidden, Conflict, RateLimited])
    async def change_person(ask: Ask, user_id: UserId) -> Person:
        """Change somebody behind the counter; admins.

        Whoever is disabled, given a new password or a lesser role is logged out everywhere. The last admin stays one.
        """
        body: PersonChange = ask.body
        return await staff.change(
            ports,
            ask.actor,
            user_id,
            name=body.name,
            role=body.role,
            teams=body.teams,
            disabled=body.disabled,
            password=body.password,
        )

    @routes.get("/teams", Items[TeamEntry], refuses=[Forbidden])
    async def list_teams(ask: Ask) -> Items[TeamEntry]:
        """The teams of the tenant, by name."""
        return Items(await staff.teams(ports, ask.actor))

    @routes.post("/teams", {201: TeamEntry}, body=NewTeam, refuses=[Forbidden, Conflict, LimitReached])
    async def create_team(ask: Ask) -> TeamEntry:
        """Make a team; admins."""
        return await staff.create_team(ports, ask.actor, ask.body.slug, ask.body.name)

    @routes.patch("/teams/<slug>", TeamEntry, body=TeamChange, refuses=[Forbidden, NotFound])
    async def rename_team(ask: Ask, slug: str) -> TeamEntry:
        """Give a team another name; admins."""
        return await staff.rename_team(ports, ask.actor, slug, ask.body.name)

    @routes.delete("/teams/<slug>", Done, refuses=[Forbidden, NotFound, Conflict])
    async def delete_team(ask: Ask, slug: str) -> Done:
        """Delete a team in which nobody and no open case is, and which the settings do not name; admins."""
        await staff.delete_team(ports, ask.actor, slug)
        return Done()

    return routes.blueprint
