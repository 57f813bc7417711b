"""Scenario ``start``: how long ``deskbell serve`` on SQLite takes until it is ready, and what it weighs then."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import yaml

from deskbell.bench import deskbell_server
from deskbell.bench.report import Table
from deskbell.bench.run import Run

STARTS = 5

READY_S = 3.0
RSS_MB = 130.0


def table(run: Run) -> Table:
    """Several starts, each in a folder of its own, so each makes its tables too."""
    made = Table(
        title="Start: `deskbell serve` on SQLite",
        method=(
            f"{STARTS} starts, each on an empty folder, so the tables are made as well; from the start of the process "
            "until readiness answers 200. Memory is the resident set of the process and its children one second "
            "later. No embedding model."
        ),
        columns=("what", "median", "worst", "bar"),
    )
    with run.measurement("start: Deskbell", made, steps=STARTS):
        ready_s: list[float] = []
        rss_mb: list[float] = []
        for _ in range(STARTS):
            with tempfile.TemporaryDirectory(prefix="deskbell-bench-") as name:
                file = Path(name) / "config.yaml"
                chosen = deskbell_server.config(Path(name), database_url=None, redis_url=None, crowded=False)
                file.write_text(yaml.safe_dump(chosen))
                program, port = deskbell_server.launch(run.cores.server, file)
                try:
                    ready_s.append(deskbell_server.wait_until_ready(program, port))
                    time.sleep(1)
                    rss_mb.append(program.resident_kib() / 1000 * 1.024)
                finally:
                    program.stop(grace_s=35)
            run.show.advance()
        made.rows += [
            ("ready after, s", f"{statistics.median(ready_s):.2f}", f"{max(ready_s):.2f}", f"≤ {READY_S:g}"),
            ("resident, MB", f"{statistics.median(rss_mb):.0f}", f"{max(rss_mb):.0f}", f"≤ {RSS_MB:g}"),
        ]
        made.bar(f"ready within {READY_S:g} s", statistics.median(ready_s) <= READY_S)
        made.bar(f"at most {RSS_MB:g} MB", statistics.median(rss_mb) <= RSS_MB)
    return made
