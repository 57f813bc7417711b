"""``deskbell bench``: choose scenarios, run them, print the tables."""

from __future__ import annotations

import argparse
import datetime
import resource
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from rich.console import Console

from deskbell.bench import fanout, growth, instances, latency, persist, report, sockets, start
from deskbell.bench.processes import Cores, on_core
from deskbell.bench.run import Run

SCENARIOS: Final[dict[str, Callable[[Run], report.Table]]] = {
    "fanout": fanout.table,
    "persist": persist.table,
    "instances": instances.table,
    "growth": growth.table,
    "latency": latency.table,
    "sockets": sockets.table,
    "start": start.table,
}


WIDTH: Final = 120
"""Columns of the terminal that the widest table needs."""


def measure(
    scenarios: Sequence[str] = (),
    *,
    seconds: float = 10.0,
    members: Sequence[int] = (200, 2000),
    peers: bool = True,
    markdown: Path | None = None,
) -> int:
    """Run ``scenarios`` (all, when none is named) and print their tables; return the exit code.

    Args:
        seconds: Length of each measurement, 1 to 60, after a warm-up of at most two seconds.
        members: Room sizes of ``fanout``, each from 10 to 10,000.
        peers: Whether to measure the peers too.
        markdown: A file that gets the tables, with date, machine and method.
    Returns: 0, or 1 when a measurement failed. A bar that is missed fails nothing: it is a figure.

    Raises:
        ValueError: An unknown scenario or a number out of bounds.
    """
    unknown = [name for name in scenarios if name not in SCENARIOS]
    if unknown:
        raise ValueError(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    if not 1 <= seconds <= 60:
        raise ValueError("seconds must be from 1 to 60")
    if not all(10 <= size <= 10_000 for size in members):
        raise ValueError("members must be from 10 to 10,000")
    console = Console(width=max(WIDTH, Console().width))
    _allow_many_sockets()
    previous = signal.signal(signal.SIGTERM, _leave)
    cores = Cores.of_this_machine()
    tables = []
    try:
        with on_core(cores.load), report.Show(console) as show:
            chosen = Run(cores, show, seconds, tuple(members), peers)
            for name in scenarios or SCENARIOS:
                tables.append(SCENARIOS[name](chosen))  # noqa: PERF401 - what is done survives a failure
    finally:
        signal.signal(signal.SIGTERM, previous)
        report.show(console, tables)
        if markdown is not None and tables:
            markdown.write_text(report.markdown(tables, taken=datetime.datetime.now(datetime.UTC).date()))
            console.print(f"written: {markdown}")
    return 1 if any(table.failed for table in tables) else 0


def _leave(signum: int, _: object) -> NoReturn:
    # As an exception, so that every `finally` ends its own processes.
    raise SystemExit(128 + signum)


def _allow_many_sockets() -> None:
    # Inherited by the servers, which need as many.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(argv: Sequence[str] | None = None) -> int:
    """The command line of ``deskbell bench`` and ``python -m deskbell.bench``; return the exit code."""
    parser = argparse.ArgumentParser(prog="deskbell bench", description="Measure the server, with its peers beside it.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS) + " (default: all)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement, 1 to 60 (default 10)")
    parser.add_argument(
        "--members", type=int, action="append", metavar="N", help="room size of fanout; may be repeated (200 and 2000)"
    )
    parser.add_argument("--no-peers", action="store_true", help="measure Deskbell alone")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables as Markdown")
    chosen = parser.parse_args(argv)
    try:
        return measure(
            chosen.scenarios,
            seconds=chosen.seconds,
            members=chosen.members or (200, 2000),
            peers=not chosen.no_peers,
            markdown=chosen.markdown,
        )
    except ValueError as refused:
        parser.error(str(refused))
