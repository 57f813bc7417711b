"""A contestant made ready: its process is up, its callers are known, nobody has called yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deskbell.bench.load import Caller, Speech, Tally
from deskbell.bench.processes import Program
from deskbell.bench.report import Show


@dataclass(frozen=True)
class Stage:
    """What a driver needs to know of a contestant."""

    program: Program
    port: int
    speech: Speech
    callers: Sequence[Caller]
    """One per socket; in a broadcast the first ones send."""
    compose: Callable[[int, int], bytes]
    """Payload of a send, from the caller's index and the running number of the send."""


@dataclass(frozen=True)
class Window:
    """What happened between two moments of a running load."""

    elapsed_s: float
    server_cpu_s: float
    load_cpu_s: float
    delivered: int
    delivered_bytes: int
    acked: int

    @property
    def server_busy(self) -> float:
        return self.server_cpu_s / self.elapsed_s

    @property
    def load_busy(self) -> float:
        return self.load_cpu_s / self.elapsed_s


async def observe(program: Program, tally: Tally, *, warm_s: float, seconds: float, show: Show) -> Window:
    """Let the load run ``warm_s``, then look at what ``seconds`` bring.

    Raises:
        BenchFailed: A send was refused, a socket was lost or the process ended meanwhile.
    """
    show.doing("warming up")
    await asyncio.sleep(warm_s)
    show.doing("measuring")
    began, cpu, own = time.perf_counter(), program.cpu_s(), time.process_time()
    delivered, size, acked = tally.delivered, tally.delivered_bytes, tally.acked
    passed = 0.0
    while passed < seconds:
        nap = min(0.5, seconds - passed)
        await asyncio.sleep(nap)
        passed += nap
        show.advance(nap)
        tally.check()
    return Window(
        elapsed_s=time.perf_counter() - began,
        server_cpu_s=program.cpu_s() - cpu,
        load_cpu_s=time.process_time() - own,
        delivered=tally.delivered - delivered,
        delivered_bytes=tally.delivered_bytes - size,
        acked=tally.acked - acked,
    )
