"""Sites: what their pages are told before anybody has logged in, and how admins change that."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from quart import Blueprint

from deskbell.actions import sites
from deskbell.actions.site_pages import SitePage
from deskbell.actions.sites import SiteEntry
from deskbell.errors import Forbidden, LimitReached, NotFound, RateLimited
from deskbell.ids import SiteId
from deskbell.model.site import SiteSettings
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Body, Items, Nothing
from deskbell.server.rest.routes import Ask, Routes

KEPT_FOR_S = 10
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Origin = Annotated[str, Meta(pattern=r"^(\*|https?://[^/\s]+)$", max_length=200)]
Origins = Annotated[list[Origin], Meta(max_length=50)]
Bot = Annotated[str, Meta(max_length=100)]


class NewSite(Body, frozen=True):
    """``bot``: which answers first; empty: the first by name."""

    name: Name
    origins: Origins = msgspec.field(default_factory=list)
    settings: SiteSettings = SiteSettings()
    bot: Bot = ""


class SiteChange(Body, frozen=True):
    """What is left out, or null, stays. ``settings`` takes the place of all there were."""

    name: Name | None = None
    origins: Origins | None = None
    settings: SiteSettings | None = None
    bot: Bot | None = None


class Secret(msgspec.Struct, frozen=True):
    """What signs the identity of the site's visitors. It is told this once."""

    secret: str


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("sites", edge), edge.ports

    @routes.get("/sites/<public_key>", SitePage, who="nobody", keep_s=KEPT_FOR_S, refuses=[NotFound, RateLimited])
    async def get_site(ask: Ask, public_key: str) -> SitePage:
        """How a site wants its widget, and whether people are there; for its own pages, and ours.

        A page of another origin is told the same as one that asks for a site there is not.
        """
        origin = None if edge.is_own(ask.origin) else ask.origin
        return await edge.sites.page(public_key, address=ask.address, origin=origin)

    @routes.get("/admin/sites", Items[SiteEntry], refuses=[Forbidden])
    async def list_sites(ask: Ask) -> Items[SiteEntry]:
        """The sites of the tenant, in the order they were made; admins."""
        return Items(await sites.listed(ports, ask.actor))

    @routes.post("/admin/sites", {201: SiteEntry}, body=NewSite, refuses=[Forbidden, LimitReached])
    async def create_site(ask: Ask) -> SiteEntry:
        """Make a site; admins. Its secret is told when it is made anew."""
        body: NewSite = ask.body
        made = await sites.create(
            ports, ask.actor, name=body.name, origins=body.origins, settings=body.settings, bot=body.bot
        )
        edge.sites_changed()
        return made

    @routes.patch("/admin/sites/<site_id>", SiteEntry, body=SiteChange, refuses=[Forbidden])
    async def change_site(ask: Ask, site_id: SiteId) -> SiteEntry:
        """Change a site; admins. Its pages see it within two minutes."""
        body: SiteChange = ask.body
        changed = await sites.change(
            ports, ask.actor, site_id, name=body.name, origins=body.origins, settings=body.settings, bot=body.bot
        )
        edge.sites_changed()
        return changed

    @routes.post("/admin/sites/<site_id>/rotate-secret", Secret, body=Nothing, refuses=[Forbidden])
    async def rotate_secret(ask: Ask, site_id: SiteId) -> Secret:
        """A new secret for a site; admins. Identities signed with the old one let nobody in from now on."""
        return Secret(await sites.rotate_secret(ports, ask.actor, site_id))

    return routes.blueprint
