"""The audit trail, for admins: listed, and looked through for what was changed."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint

from deskbell.actions import audits
from deskbell.actions.audits import AuditEntry, AuditState
from deskbell.errors import Forbidden
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Items, Listed, OneRoom, OneUser, cursor, read_cursor
from deskbell.server.rest.routes import Ask, Routes


class AuditQuery(Listed, frozen=True):
    """``room``, ``actor``, ``act``: only what was done there, by them, of that kind."""

    room: OneRoom | UnsetType = UNSET
    actor: OneUser | UnsetType = UNSET
    act: Annotated[str, Meta(min_length=1, max_length=50)] | UnsetType = UNSET


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("audit", edge), edge.ports

    @routes.get("/audit", Items[AuditEntry], query=AuditQuery, refuses=[Forbidden])
    async def list_audit(ask: Ask) -> Items[AuditEntry]:
        """Who did what in rooms whose policy keeps that, and what admins managed, latest first."""
        query: AuditQuery = ask.query
        before = read_cursor(query.cursor, int)
        found = await audits.listed(
            ports,
            ask.actor,
            room=None if query.room is UNSET else query.room,
            by=None if query.actor is UNSET else query.actor,
            act=None if query.act is UNSET else query.act,
            limit=query.limit + 1,
            before=None if before is None else before[0],
        )
        page = found[: query.limit]
        return Items(page, cursor(page[-1].number) if len(found) > len(page) else None)

    @routes.get("/audit/verify", AuditState, refuses=[Forbidden])
    async def verify_audit(ask: Ask) -> AuditState:
        """Whether every entry is as it was written."""
        return await audits.verified(ports, ask.actor)

    return routes.blueprint
