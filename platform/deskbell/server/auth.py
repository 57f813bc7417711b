"""Who is asking over HTTP: the bearer of an access token, and the page and neighbourhood they ask from.

Only the ``Authorization`` header counts: no cookies, so a foreign page cannot make a browser act for
its user, and no token in an address, where logs and histories would keep it.
"""

from __future__ import annotations

from typing import Any

from quart import Request, request

from deskbell.actions import people
from deskbell.errors import DeskbellError, Unauthenticated
from deskbell.model.records import Actor
from deskbell.server.edge import Edge


async def actor_of(edge: Edge, request: Request) -> Actor:
    """Who asks.

    Raises:
        Unauthenticated, TokenExpired, Revoked: Nobody we know, or not any more.
        Unavailable: The store cannot say; nobody is let in on a guess.
    """
    token = bearer(request.headers.get("Authorization"))
    if token is None:
        raise Unauthenticated()
    return await people.authenticate(edge.ports, token)


async def known_actor_of(edge: Edge, request: Request) -> Actor | None:
    """Who asks, where nobody has to say: whoever does not prove it is nobody."""
    try:
        return await actor_of(edge, request)
    except DeskbellError:
        return None


def bearer(header: str | None) -> str | None:
    """The token in an ``Authorization`` header; None where there is none."""
    scheme, _, token = (header or "").strip().partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token else None


def address_of(request: Request) -> str:
    """The address of whoever asks, as the server in front established it; never one a client claims."""
    scope: Any = request.scope
    client = scope.get("client")
    return str(client[0]) if client else "local"


def origin_of(request: Request) -> str | None:
    """The origin of the page that asks; None for what is no browser, or does not say."""
    return request.headers.get("Origin")


def from_elsewhere(edge: Edge) -> bool:
    """Whether the request under way comes from a page that is not one of our own."""
    origin = origin_of(request)
    return origin is not None and not edge.is_own(origin)
