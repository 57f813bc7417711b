"""Agents: whether they are there."""

from __future__ import annotations

from typing import Literal

from quart import Blueprint

from deskbell.actions import agents
from deskbell.actions.agents import AgentEntry, Availability
from deskbell.errors import Forbidden
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Body, Items
from deskbell.server.rest.routes import Ask, Routes


class AvailabilityChange(Body, frozen=True):
    """``accepting``: whether new cases may come; left out, those who are online take them."""

    status: Literal["online", "away", "busy"]
    accepting: bool | None = None


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("agents", edge), edge.ports

    @routes.get("/agents", Items[AgentEntry], refuses=[Forbidden])
    async def list_agents(ask: Ask) -> Items[AgentEntry]:
        """The staff of the tenant: who is here, and how much each has in hand. ``presence`` frames tell of changes."""
        return Items(await agents.listed(ports, ask.actor))

    @routes.get("/agents/me/availability", Availability, refuses=[Forbidden])
    async def get_availability(ask: Ask) -> Availability:
        """What one said last of being there."""
        return await agents.availability(ports, ask.actor)

    @routes.put("/agents/me/availability", Availability, body=AvailabilityChange, refuses=[Forbidden])
    async def set_availability(ask: Ask) -> Availability:
        """Say whether one is there, and takes new cases."""
        body: AvailabilityChange = ask.body
        return await agents.set_availability(ports, ask.actor, status=body.status, accepting=body.accepting)

    return routes.blueprint
