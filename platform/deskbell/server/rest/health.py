"""For operators: is this instance alive and fit, what does it count, what does it run with."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from quart import Blueprint, Quart, Response, g, request

from deskbell.actions import operations
from deskbell.errors import Forbidden, Unavailable
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Items
from deskbell.server.rest.routes import PREFIX, Ask, Routes
from deskbell.version import __version__

RETRY_MS = 1000


class Word(msgspec.Struct, frozen=True, omit_defaults=True):
    """One public word; ``detail`` is for admins."""

    status: str
    detail: dict[str, Any] | None = None


class PluginEntry(msgspec.Struct, frozen=True):
    """A plugin that was found. ``reason``: why it was refused; ``times`` in milliseconds."""

    name: str
    version: str
    state: str
    reason: str
    offers: dict[str, int]
    hooks: list[str]
    faults: int
    last_fault: str
    times: dict[str, dict[str, float]]


class Meters:
    """What this instance counts. One set per application, so that several in a process do not mix."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "deskbell_http_requests_total", "Answers by route.", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "deskbell_http_request_seconds", "Time to answer by route.", ["method", "route"], registry=self.registry
        )
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """What others count, read when somebody asks."""
        hub, turns = self._edge.hub, self._edge.turns
        yield GaugeMetricFamily("deskbell_sockets", "Sockets that are logged in.", hub.connection_count)
        yield GaugeMetricFamily("deskbell_rooms_followed", "Rooms somebody here is subscribed to.", hub.room_count)
        yield GaugeMetricFamily("deskbell_draining", "1 while this instance is stopping.", int(self._edge.draining))
        yield GaugeMetricFamily(
            "deskbell_bus_degraded", "1 while other instances may not be reached.", int(self._edge.ports.bus.degraded)
        )
        troubles = GaugeMetricFamily(
            "deskbell_store_refusing", "1 for each cause that writes were refused for a moment ago.", labels=["why"]
        )
        for why in self._edge.ports.db.troubles.present:
            troubles.add_metric([why], 1)
        yield troubles
        yield CounterMetricFamily("deskbell_deliveries", "Durable frames handed to sockets.", hub.deliveries)
        yield CounterMetricFamily("deskbell_heals", "Streams that missed something and read it again.", hub.heals)
        yield CounterMetricFamily("deskbell_pages_read", "Pages read for subscribers.", hub.reads)
        yield CounterMetricFamily("deskbell_resets", "Subscriptions that had to begin anew.", hub.resets)
        yield CounterMetricFamily("deskbell_turns", "Bot turns that were begun.", turns.taken)
        yield CounterMetricFamily("deskbell_turns_discarded", "Bot answers that came too late.", turns.discarded)

    def watch(self, app: Quart) -> None:
        """Count every answer under the prefix, by route, never by address."""

        @app.before_request
        async def begun() -> None:
            g.begun = time.perf_counter()

        @app.after_request
        async def answered(response: Response) -> Response:
            if request.path.startswith(f"{PREFIX}/"):
                route = request.url_rule.rule if request.url_rule is not None else "none"
                # Anybody may send any method; only those of a route become a label.
                method = request.method if request.url_rule is not None else "other"
                self._requests.labels(method, route, str(response.status_code)).inc()
                self._seconds.labels(method, route).observe(time.perf_counter() - g.get("begun", time.perf_counter()))
            return response


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
        return generate_latest(meters.registry)

    @routes.get("/plugins", Items[PluginEntry], refuses=[Forbidden])
    async def list_plugins(ask: Ask) -> Items[PluginEntry]:
        """Every plugin that was found, and how it behaves; for admins."""
        found = await operations.plugins(ports, ask.actor)
        return Items([msgspec.convert(entry, PluginEntry) for entry in found])

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
