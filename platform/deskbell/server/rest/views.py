"""Saved views: lists of cases that agents come back to."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from quart import Blueprint

from deskbell.actions import views
from deskbell.actions.views import Counts
from deskbell.errors import Forbidden, LimitReached, RateLimited
from deskbell.ids import ViewId
from deskbell.model.records import CaseFilter, CaseView, SavedView
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Body, Done, Items, OneLabel
from deskbell.server.rest.routes import Ask, Routes

ONE = "/views/<string(length=36):view_id>"
"""As long as an id, so that ``counts`` is no view, and its address has no methods of one."""

Name = Annotated[str, Meta(min_length=1, max_length=60)]


class Filter(Body, frozen=True):
    """As the query of ``GET /cases``: ``priority`` is the least, ``team`` a slug."""

    view: CaseView = "all"
    label: OneLabel | None = None
    team: Annotated[str, Meta(max_length=100)] | None = None
    priority: Annotated[int, Meta(ge=0, le=2)] | None = None

    def wanted(self) -> CaseFilter:
        return CaseFilter(self.view, self.label, self.team, self.priority)


class NewView(Body, frozen=True):
    """``shared``: for all agents; supervisors only."""

    name: Name
    filter: Filter
    shared: bool = False


class ViewChange(Body, frozen=True):
    """What is left out, or null, stays. A filter is replaced as a whole."""

    name: Name | None = None
    filter: Filter | None = None


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("views", edge), edge.ports

    @routes.get("/views", Items[SavedView], refuses=[Forbidden])
    async def list_views(ask: Ask) -> Items[SavedView]:
        """Shared views, then one's own, each in the order they were made."""
        return Items(await views.listed(ports, ask.actor))

    @routes.post("/views", {201: SavedView}, body=NewView, refuses=[Forbidden, LimitReached])
    async def create_view(ask: Ask) -> SavedView:
        """Save a view, for oneself or, as a supervisor, for all."""
        body: NewView = ask.body
        return await views.create(ports, ask.actor, body.name, body.filter.wanted(), shared=body.shared)

    @routes.get("/views/counts", Counts, refuses=[Forbidden, RateLimited])
    async def count_views(ask: Ask) -> Counts:
        """How many cases are in each of one's lists, counted to 1,000."""
        return await views.counts(ports, ask.actor)

    @routes.patch(ONE, SavedView, body=ViewChange, refuses=[Forbidden])
    async def change_view(ask: Ask, view_id: ViewId) -> SavedView:
        """Give a view another name or filter; a shared one: supervisors."""
        body: ViewChange = ask.body
        wanted = None if body.filter is None else body.filter.wanted()
        return await views.change(ports, ask.actor, view_id, name=body.name, wanted=wanted)

    @routes.delete(ONE, Done, refuses=[Forbidden])
    async def delete_view(ask: Ask, view_id: ViewId) -> Done:
        """Delete a view; the cases in it are as before."""
        await views.drop(ports, ask.actor, view_id)
        return Done()

    return routes.blueprint
