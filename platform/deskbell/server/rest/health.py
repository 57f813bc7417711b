"""For operators: is this instance alive and fit, and what does it count."""

from __future__ import annotations

import ipaddress
from typing import Any

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from quart import Blueprint, request

from deskbell.actions import operations
from deskbell.errors import Forbidden, Unavailable
from deskbell.server.edge import Edge
from deskbell.server.rest.meters import Meters
from deskbell.server.rest.routes import Ask, Routes
from deskbell.version import __version__

RETRY_MS = 1000


class Word(msgspec.Struct, frozen=True, omit_defaults=True):
    """One public word; ``detail`` is for admins."""

    status: str
    detail: dict[str, Any] | None = None


def blueprint(edge: Edge, meters: Meters) -> Blueprint:
    routes, ports = Routes("health", edge), edge.ports

    @routes.get("/health/live", Word, who="nobody")
    async def live(ask: Ask) -> Word:
        """Whether the process answers at all. If not, start it again."""
        return Word("live")

    @routes.get("/health/ready", Word, who="maybe", refuses=[Unavailable])
    async def ready(ask: Ask) -> Word:
        """Whether to send visitors here: 200, or 503 while stopping or without a store."""
        fitness = await operations.fitness(ports, draining=edge.draining)
        admin = ask.who is not None and ask.who.role == "admin"
        if not fitness.ready:
            # Without a store nobody can prove to be an admin: whoever sits at the machine hears the reason too.
            told = {"problems": list(fitness.problems)} if admin or _from_this_machine(edge, ask) else {}
            raise Unavailable("Not ready. Ask another instance.", retry_after_ms=RETRY_MS, **told)
        if not admin:
            return Word("ready")
        return Word(
            "ready",
            {
                "version": __version__,
                "store": ports.db.dialect,
                "bus_degraded": ports.bus.degraded,
                "degraded": operations.degraded(ports),
                "problems": operations.refusals(ports),
                "messages_waiting": ports.journal.waiting,
                "sockets": edge.hub.connection_count,
                "rooms_followed": edge.hub.room_count,
            },
        )

    @routes.get("/metrics", str, who="maybe", refuses=[Forbidden], media=CONTENT_TYPE_PLAIN_0_0_4)
    async def metrics(ask: Ask) -> bytes:
        """What this instance counts, for Prometheus; for admins, and for whoever asks from this machine."""
        if not _from_this_machine(edge, ask):
            operations.needs_admin(ask.who)
        return await meters.text()

    return routes.blueprint


def _from_this_machine(edge: Edge, ask: Ask) -> bool:
    """Whether the asker's own connection comes from here: not through a proxy, which stands here for everybody."""
    if edge.ports.settings.server.trusted_proxies or any(
        name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via")
    ):
        return False
    try:
        return ipaddress.ip_address(ask.address).is_loopback
    except ValueError:
        return False
