"""What an instance counts, as Prometheus is told it.

Hot paths only add to plain integers where they are; everything here is read when somebody asks. No label
holds anything that strangers or users can make more of: routes, close codes, queues, states, and the names of
what is installed. What the store alone knows is asked at most every few seconds, and left out while it
does not answer. Each name and its meaning is printed in the manual from this module's answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from quart import Quart, Response, g, request

from deskbell.actions import operations
from deskbell.server.edge import Edge
from deskbell.server.rest.routes import PREFIX
from deskbell.spread import Spread
from deskbell.version import __version__
from deskbell.wire.close_codes import CloseCode

STANDING_FOR_S = 5.0
"""How long what the store was asked is told again: scraping more often costs the store nothing."""

_NETWORK_CODES = (1000, 1001, 1002, 1003, 1006, 1007, 1009, 1011, 1012)


class Meters:
    """What this instance counts. One set per application, so that several in a process do not mix."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._standing: operations.Standing | None = None
        self._asked_at = -STANDING_FOR_S
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "deskbell_http_requests_total", "Answers by route.", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "deskbell_http_request_seconds", "Time to answer by route.", ["method", "route"], registry=self.registry
        )
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    async def text(self) -> bytes:
        """Everything, in the text format."""
        now = time.monotonic()
        if now - self._asked_at >= STANDING_FOR_S:
            self._asked_at = now
            self._standing = await operations.standing(self._edge.ports)
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """What others count, read when somebody asks."""
        yield _gauge("deskbell_info", "Always 1; the labels say what runs.", (__version__, self._edge.ports.db.dialect),
                     ("version", "store"))  # fmt: skip
        yield GaugeMetricFamily("deskbell_draining", "1 while this instance is stopping.", int(self._edge.draining))
        yield from self._sockets()
        yield from self._messages()
        yield from self._turns()
        yield from self._plugins()
        yield from self._neighbours()
        yield from self._store()
        yield _histogram(
            "deskbell_loop_lag_seconds",
            "By how much the event loop was late, looked at four times a second.",
            self._edge.lag.spread,
        )

    def _sockets(self) -> Iterator[Metric]:
        hub, edge = self._edge.hub, self._edge
        yield GaugeMetricFamily("deskbell_sockets", "Sockets that are logged in.", hub.connection_count)
        yield CounterMetricFamily("deskbell_sockets_opened", "Sockets that were accepted.", edge.opened)
        closed = CounterMetricFamily(
            "deskbell_sockets_closed",
            "Sockets that ended, by close code; 4008 are slow readers, 1006 broke.",
            labels=["code"],
        )
        by_code = {str(int(code)): 0 for code in (*CloseCode, *_NETWORK_CODES)} | {"other": 0}
        for code, count in edge.closed.items():
            by_code[str(code) if str(code) in by_code else "other"] += count
        for label, count in by_code.items():
            closed.add_metric([label], count)
        yield closed
        yield GaugeMetricFamily("deskbell_rooms_followed", "Rooms somebody here is subscribed to.", hub.room_count)
        yield CounterMetricFamily("deskbell_deliveries", "Durable frames handed to sockets.", hub.deliveries)
        yield CounterMetricFamily("deskbell_heals", "Streams that missed something and read it again.", hub.heals)
        yield CounterMetricFamily("deskbell_pages_read", "Pages read for subscribers.", hub.reads)
        yield CounterMetricFamily("deskbell_resets", "Subscriptions that had to begin anew.", hub.resets)

    def _messages(self) -> Iterator[Metric]:
        journal = self._edge.ports.journal
        tally = journal.tally
        yield CounterMetricFamily("deskbell_messages_stored", "Messages committed by this instance.", tally.stored)
        yield CounterMetricFamily(
            "deskbell_messages_repeated", "Sends answered with what had been stored before.", tally.repeated
        )
        yield CounterMetricFamily("deskbell_message_batches", "Commits that stored them.", tally.batches)
        yield GaugeMetricFamily("deskbell_messages_waiting", "Messages taken and not yet answered.", journal.waiting)
        yield _histogram(
            "deskbell_ack_seconds", "From taking a message to its acknowledgement, after COMMIT.", tally.waited
        )

    def _turns(self) -> Iterator[Metric]:
        turns = self._edge.turns
        yield CounterMetricFamily("deskbell_turns", "Bot turns that were begun.", turns.taken)
        yield CounterMetricFamily("deskbell_turns_discarded", "Bot answers that came too late.", turns.discarded)
        yield CounterMetricFamily("deskbell_turns_put_off", "Bot turns that failed and are tried again.", turns.put_off)
        yield _histogram("deskbell_turn_seconds", "From beginning a bot's turn to its end.", turns.seconds)

    def _plugins(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            "deskbell_plugin_calls", "Calls of plugins, by what was asked of them.", labels=["plugin", "call"]
        )
        seconds = CounterMetricFamily("deskbell_plugin_seconds", "Time spent in them.", labels=["plugin", "call"])
        faults = CounterMetricFamily("deskbell_plugin_faults", "Calls that failed or were late.", labels=["plugin"])
        blocks = CounterMetricFamily("deskbell_plugin_blocks", "Times a plugin held up the process.", labels=["plugin"])
        active = GaugeMetricFamily("deskbell_plugin_active", "1: it works; 0: refused or disabled.", labels=["plugin"])
        for plugin in self._edge.ports.plugins.describe():
            active.add_metric([plugin["name"]], int(plugin["state"] == "active"))
            faults.add_metric([plugin["name"]], plugin["faults"])
            blocks.add_metric([plugin["name"]], plugin["blocked"])
            for call, times in plugin["times"].items():
                calls.add_metric([plugin["name"], call], times["count"])
                seconds.add_metric([plugin["name"], call], times["total_ms"] / 1000)
        yield from (active, calls, seconds, faults, blocks)

    def _neighbours(self) -> Iterator[Metric]:
        ports = self._edge.ports
        yield GaugeMetricFamily(
            "deskbell_bus_degraded", "1 while other instances may not be reached.", int(ports.bus.degraded)
        )
        away = GaugeMetricFamily("deskbell_degraded", "1 for a part that does without Redis now.", labels=["part"])
        for part, degraded in operations.shared_parts(ports).items():
            away.add_metric([part], int(degraded))
        yield away

    def _store(self) -> Iterator[Metric]:
        standing = self._standing
        yield GaugeMetricFamily("deskbell_store_up", "1 when the store answered last.", int(standing is not None))
        troubles = GaugeMetricFamily(
            "deskbell_store_refusing", "1 for each cause that writes were refused for a moment ago.", labels=["why"]
        )
        present = self._edge.ports.db.troubles.present
        for why in operations.STORE_LACKS:
            troubles.add_metric([why], int(why in present))
        yield troubles
        if standing is None:
            return
        waiting = GaugeMetricFamily(
            "deskbell_outbox_pending", "Work left behind by commits and not done, of all instances.", labels=["queue"]
        )
        oldest = GaugeMetricFamily(
            "deskbell_outbox_late_seconds", "For how long the oldest of it has been due.", labels=["queue"]
        )
        dead = GaugeMetricFamily("deskbell_outbox_dead", "Work that was given up, of all instances.", labels=["queue"])
        for queue, found in standing.queues.items():
            waiting.add_metric([queue], found.pending)
            oldest.add_metric([queue], found.late_s)
            dead.add_metric([queue], found.dead)
        cases = GaugeMetricFamily("deskbell_cases", "Cases that are not over, of all instances.", labels=["status"])
        for status, count in standing.cases.items():
            cases.add_metric([status], count)
        yield from (waiting, oldest, dead, cases)
        yield GaugeMetricFamily(
            "deskbell_case_longest_wait_seconds", "How long the case has waited that waits longest.", standing.wait_s
        )

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


def _gauge(name: str, meaning: str, values: tuple[str, ...], labels: tuple[str, ...]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    family.add_metric(values, 1)
    return family


def _histogram(name: str, meaning: str, spread: Spread) -> Metric:
    buckets = [("+Inf" if bound == float("inf") else str(bound), count) for bound, count in spread.cumulative()]
    return HistogramMetricFamily(name, meaning, buckets=buckets, sum_value=spread.total_s)
