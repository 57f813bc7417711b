"""The page of metrics, from what a running instance answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import msgspec
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from deskbell.app import Application
from deskbell.config import Settings, Store

_HEAD = """\
# Metrics
<!-- asked: prometheus; monitoring; grafana; what to alert on; scrape; observability; counters; dashboards -->

`GET /api/v1/metrics` gives what one instance counts, in the text format of Prometheus. It answers admins, and whoever
asks from the machine itself without a proxy. This page is printed from the answer of a running instance by
`python -m deskbell.manual`.

```yaml
scrape_configs:
  - job_name: deskbell
    metrics_path: /api/v1/metrics
    static_configs:
      - targets: ["127.0.0.1:8000"]
```

Scrape each instance by itself, not through the balancer. Behind one port with `--workers`, any of the processes may
answer: run instances of one process each where you want to watch each. Names of a room, a user, a tenant or an
address are never a label, so the number of series does not grow with use. Counters begin at 0 with the process.

## What to watch
<!-- asked: alerts; alert rules; which metrics matter; is everything healthy -->

| question | expression |
|---|---|
| Is somebody waiting for too long? | `max(deskbell_case_longest_wait_seconds) > 600` |
| Is work left undone? | `max(deskbell_outbox_late_seconds) > 60` |
| Was work given up? | `max(deskbell_outbox_dead) > 0` |
| Are acknowledgements slow? | `histogram_quantile(0.99, rate(deskbell_ack_seconds_bucket[5m])) > 0.25` |
| Does the store answer? | `deskbell_store_up == 0`; `deskbell_store_refusing` says what it lacks |
| Is Redis away? | `max_over_time(deskbell_bus_degraded[1m]) == 1` |
| Are there slow readers? | `rate(deskbell_sockets_closed_total{code="4008"}[5m]) > 0` |
| Does something hold the process up? | `histogram_quantile(0.99, rate(deskbell_loop_lag_seconds_bucket[5m])) > 0.1` |
| Which plugin takes the time? | `topk(3, rate(deskbell_plugin_seconds_total[5m]))` |

What is said to be *of all instances* comes from the store, is asked at most every five seconds, and is the same on
each: take the maximum, not the sum. It is left out while the store does not answer.

## Every metric
<!-- asked: list of metrics; metric names; deskbell_sockets; labels -->

Besides these there are the usual `process_…` figures: memory, CPU, open files.

"""


async def families() -> list[Metric]:
    """What an instance that serves nobody says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        settings = msgspec.structs.replace(Settings(), store=Store(url=f"sqlite:///{folder}/deskbell.sqlite3"))
        application = await Application.open(settings)
        try:
            client = application.quart.test_client()
            here = {"client": ("127.0.0.1", 1)}
            await client.get("/api/v1/health/live")
            answer = await client.get("/api/v1/metrics", scope_base=here)
            text = await answer.get_data(as_text=True)
        finally:
            await application.close()
    found = text_string_to_metric_families(text)
    # When a series began is of use to programs alone.
    return [each for each in found if each.name.startswith("deskbell_") and not each.name.endswith("_created")]


async def markdown() -> str:
    rows = sorted(_rows(await families()))
    return _HEAD + "| name | kind | labels | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _rows(found: list[Metric]) -> Iterator[str]:
    for family in found:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        named = ", ".join(f"`{label}`" for label in sorted(labels))
        yield f"| `{name}` | {family.type} | {named} | {family.documentation} |\n"
