"""Snippets: texts that agents write again and again."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from quart import Blueprint

from deskbell.actions import snippets
from deskbell.errors import Conflict, Forbidden, LimitReached
from deskbell.ids import SnippetId
from deskbell.model.records import Snippet
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Body, Done, Items, Text
from deskbell.server.rest.routes import Ask, Routes

Shortcut = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,39}$", description="What is typed after `/`.")]
Content = Annotated[Text, Meta(min_length=1)]


class NewSnippet(Body, frozen=True):
    """``text`` may hold ``{{visitor.name}}`` and ``{{agent.name}}``. ``shared``: for all agents; supervisors only."""

    shortcut: Shortcut
    text: Content
    shared: bool = False


class SnippetChange(Body, frozen=True):
    """What is left out, or null, stays."""

    shortcut: Shortcut | None = None
    text: Content | None = None


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("snippets", edge), edge.ports

    @routes.get("/snippets", Items[Snippet], refuses=[Forbidden])
    async def list_snippets(ask: Ask) -> Items[Snippet]:
        """Shared snippets and one's own, by shortcut; of two of one shortcut one's own comes first."""
        return Items(await snippets.listed(ports, ask.actor))

    @routes.post("/snippets", {201: Snippet}, body=NewSnippet, refuses=[Forbidden, Conflict, LimitReached])
    async def create_snippet(ask: Ask) -> Snippet:
        """Keep a snippet, for oneself or, as a supervisor, for all."""
        body: NewSnippet = ask.body
        return await snippets.create(ports, ask.actor, body.shortcut, body.text, shared=body.shared)

    @routes.patch("/snippets/<snippet_id>", Snippet, body=SnippetChange, refuses=[Forbidden, Conflict])
    async def change_snippet(ask: Ask, snippet_id: SnippetId) -> Snippet:
        """Give a snippet another shortcut or text; a shared one: supervisors."""
        body: SnippetChange = ask.body
        return await snippets.change(ports, ask.actor, snippet_id, shortcut=body.shortcut, text=body.text)

    @routes.delete("/snippets/<snippet_id>", Done, refuses=[Forbidden])
    async def delete_snippet(ask: Ask, snippet_id: SnippetId) -> Done:
        """Delete a snippet; what was written with it stays written."""
        await snippets.drop(ports, ask.actor, snippet_id)
        return Done()

    return routes.blueprint
