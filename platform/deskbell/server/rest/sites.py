"""Sites: what their pages are told before anybody has logged in."""

from __future__ import annotations

from quart import Blueprint

from deskbell.actions.site_pages import SitePage
from deskbell.errors import NotFound, RateLimited
from deskbell.server.edge import Edge
from deskbell.server.rest.routes import Ask, Routes

KEPT_FOR_S = 60


def blueprint(edge: Edge) -> Blueprint:
    routes = Routes("sites", edge)

    @routes.get("/sites/<public_key>", SitePage, who="nobody", keep_s=KEPT_FOR_S, refuses=[NotFound, RateLimited])
    async def get_site(ask: Ask, public_key: str) -> SitePage:
        """How a site wants its widget, and whether people are there; for its own pages, and ours.

        A page of another origin is told the same as one that asks for a site there is not.
        """
        origin = None if edge.is_own(ask.origin) else ask.origin
        return await edge.sites.page(public_key, address=ask.address, origin=origin)

    return routes.blueprint
