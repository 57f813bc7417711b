"""Held messages, for staff: listed, approved, rejected."""

from __future__ import annotations

from quart import Blueprint

from deskbell.actions import moderation
from deskbell.actions.moderation import Held
from deskbell.errors import Gone, NotFound, RoomClosed
from deskbell.ids import MessageId
from deskbell.model.records import Message
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Done, Items, Listed, Nothing, cursor, read_cursor
from deskbell.server.rest.routes import Ask, Routes

MAX_OFFSET = 100_000


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("moderation", edge), edge.ports

    @routes.get("/moderation/held", Items[Held], query=Listed, refuses=[NotFound])
    async def list_held(ask: Ask) -> Items[Held]:
        """What filters kept back until somebody decides, oldest first."""
        query: Listed = ask.query
        position = read_cursor(query.cursor, int)
        offset = 0 if position is None else min(position[0], MAX_OFFSET)
        found = await moderation.listed(ports, ask.actor, limit=query.limit + 1, offset=offset)
        page = found[: query.limit]
        return Items(page, cursor(offset + len(page)) if len(found) > len(page) else None)

    @routes.post("/moderation/held/<held_id>/approve", Message, body=Nothing, refuses=[Gone, RoomClosed])
    async def approve(ask: Ask, held_id: MessageId) -> Message:
        """Post it, now, as its sender."""
        return await moderation.approve(ports, ask.actor, held_id)

    @routes.post("/moderation/held/<held_id>/reject", Done, body=Nothing, refuses=[Gone])
    async def reject(ask: Ask, held_id: MessageId) -> Done:
        """Nobody will see it; its text is forgotten."""
        await moderation.reject(ports, ask.actor, held_id)
        return Done()

    return routes.blueprint
