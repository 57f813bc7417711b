"""Getting in: visitors by their site's key, people by password; tokens renewed, ended, exchanged for tickets."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from quart import Blueprint

from deskbell.actions import people
from deskbell.actions.people import Session
from deskbell.errors import Forbidden, NotFound, RateLimited, Revoked, TokenExpired, TooLarge, Unauthenticated
from deskbell.ids import SiteId, TenantId
from deskbell.model.records import Actor, PublicUser
from deskbell.ports import Ports
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Body, Done, Nothing
from deskbell.server.rest.routes import Ask, Routes
from deskbell.volatile.tickets import LIFE_S

Token = Annotated[str, Meta(max_length=8192)]


class Arrival(Body, frozen=True):
    """A visitor on a site's page. ``identity`` is the site's word on who it is: a JWT signed with its secret."""

    site_key: Annotated[str, Meta(max_length=100)]
    identity: Token | None = None
    name: Annotated[str, Meta(max_length=200)] | None = None
    attributes: dict[str, Any] | None = None


class Introduction(Body, frozen=True):
    """What is left out, or null, stays as it was said before; so does every attribute but those given here.

    An attribute that is null is forgotten.
    """

    name: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    email: Annotated[str, Meta(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    attributes: dict[str, Any] | None = None


class Login(Body, frozen=True):
    """A member or agent. ``tenant`` is the slug of one, where an address is known in several."""

    email: Annotated[str, Meta(max_length=320)]
    password: Annotated[str, Meta(max_length=1024)]
    tenant: Annotated[str, Meta(max_length=100)] | None = None


class Renewal(Body, frozen=True):
    refresh_token: Token


class Logout(Body, frozen=True):
    """``refresh_token`` ends its login; ``everywhere`` all of the bearer's, open sockets too."""

    refresh_token: Token | None = None
    everywhere: bool = False


class Tokens(msgspec.Struct, frozen=True):
    """A session. ``expires_in``: seconds until the access token must be renewed; each refresh token works once."""

    user: PublicUser
    tenant: TenantId
    role: str
    access_token: str
    expires_in: int
    refresh_token: str
    token_type: str = "Bearer"


class Ticket(msgspec.Struct, frozen=True):
    """For one socket: ``/api/v1/ws?ticket=…``, once, from the same origin, within ``expires_in`` seconds."""

    ticket: str
    expires_in: int


class Me(msgspec.Struct, frozen=True):
    """Who one is. ``role`` is the standing in the tenant: agent, supervisor, admin or nothing."""

    user: PublicUser
    tenant: TenantId
    tenant_name: str
    role: str
    site: SiteId | None
    attributes: dict[str, Any]


def _tokens(session: Session) -> Tokens:
    return Tokens(
        session.user,
        session.tenant,
        session.role,
        session.access_token,
        session.expires_in_s,
        session.refresh_token,
    )


async def _me(ports: Ports, actor: Actor) -> Me:
    site = None if actor.site is None else SiteId(actor.site)
    name = await people.tenant_name(ports, actor)
    return Me(actor.public(), actor.tenant, name, actor.role, site, actor.attributes)


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("auth", edge), edge.ports

    @routes.post(
        "/auth/visitors",
        {201: Tokens},
        body=Arrival,
        who="nobody",
        refuses=[NotFound, Unauthenticated, TokenExpired, Revoked, RateLimited, TooLarge],
    )
    async def arrive(ask: Ask) -> Tokens:
        """Let a visitor in: a new one, or whom the site's signature says it is."""
        body: Arrival = ask.body
        # Our own pages are no site's, and may carry any site's widget.
        origin = None if edge.is_own(ask.origin) else ask.origin
        return _tokens(
            await people.arrive(
                ports,
                body.site_key,
                identity=body.identity,
                name=body.name,
                attributes=body.attributes,
                address=ask.address,
                origin=origin,
            )
        )

    @routes.post("/auth/login", Tokens, body=Login, who="nobody", refuses=[Unauthenticated, RateLimited])
    async def log_in(ask: Ask) -> Tokens:
        """Let a member or agent in by address and password."""
        body: Login = ask.body
        return _tokens(await people.login(ports, body.email, body.password, tenant=body.tenant, address=ask.address))

    @routes.post("/auth/refresh", Tokens, body=Renewal, who="nobody", refuses=[Unauthenticated, TokenExpired, Revoked])
    async def refresh(ask: Ask) -> Tokens:
        """Exchange a refresh token for a new pair.

        Each works once; one that comes a second time ends the login it belongs to.
        """
        return _tokens(await people.refresh(ports, ask.body.refresh_token))

    @routes.post("/auth/logout", Done, body=Logout, who="maybe")
    async def log_out(ask: Ask) -> Done:
        """End a login, or all of them. What is ended already stays so."""
        await people.logout(ports, ask.body.refresh_token, ask.who, everywhere=ask.body.everywhere)
        return Done()

    @routes.post("/ws-tickets", {201: Ticket}, body=Nothing)
    async def issue_ticket(ask: Ask) -> Ticket:
        """A one-time ticket for a socket, bound to the bearer and the page's origin."""
        return Ticket(await people.issue_ticket(ports, ask.actor, ask.origin), LIFE_S)

    @routes.get("/me", Me)
    async def me(ask: Ask) -> Me:
        """Who the bearer is."""
        return await _me(ports, ask.actor)

    @routes.patch("/me", Me, body=Introduction, refuses=[Forbidden, RateLimited])
    async def introduce(ask: Ask) -> Me:
        """A visitor says who they are: answers before a conversation, an address to write to.

        It is kept as claimed, under `attributes.claimed`; a name is also shown, unless the site has given one.
        """
        body: Introduction = ask.body
        known = await people.introduce(ports, ask.actor, name=body.name, email=body.email, attributes=body.attributes)
        return await _me(ports, known)

    return routes.blueprint
