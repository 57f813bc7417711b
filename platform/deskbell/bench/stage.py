"""A contestant made ready: its process is up, its callers are known, nobody has called yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deskbell.bench.load import Caller, Speech, Tally
from deskbell.bench.processes import Program, cpu_s
from deskbell.bench.report import Show


@dataclass(frozen=True)
class Stage:
    """What a driver needs to know of a contestant."""

    programs: Sequence[Program]
    ports: Sequence[int]
    """Of the same length: callers reach them in turn."""
    speech: Speech
    callers: Sequence[Caller]
    """One per socket; in a broadcast the first ones send."""
    compose: Callable[[int, int], bytes]
    """Payload of a send, from the caller's index and the running number of the send."""


@dataclass(frozen=True)
class Window:
    """What happened between two moments of a running load."""

    elapsed_s: float
    cpu_s_of: Sequence[float]
    """CPU of each of the server's processes."""
    load_cpu_s: float
    delivered: int
    delivered_bytes: int
    acked: int
    beside_cpu_s: Mapping[str, float]
    """CPU of servers that the server under measurement uses, by name."""

    @property
    def server_cpu_s(self) -> float:
        return sum(self.cpu_s_of)

    @property
    def server_busy(self) -> float:
        return self.server_cpu_s / self.elapsed_s

    @property
    def load_busy(self) -> float:
        return self.load_cpu_s / self.elapsed_s


async def observe(
    programs: Sequence[Program],
    tally: Tally,
    *,
    warm_s: float,
    seconds: float,
    show: Show,
    beside: Mapping[str, int] | None = None,
) -> Window:
    """Let the load run ``warm_s``, then look at what ``seconds`` bring.

    Args:
        beside: Other processes to look at, name -> process id.

    Raises:
        BenchFailed: A send was refused, a socket was lost or the process ended meanwhile.
    """
    show.doing("warming up")
    await asyncio.sleep(warm_s)
    show.doing("measuring")
    began, cpu, own = time.perf_counter(), [program.cpu_s() for program in programs], time.process_time()
    beside = beside or {}
    others = {name: cpu_s(pid) for name, pid in beside.items()}
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
        cpu_s_of=[program.cpu_s() - before for program, before in zip(programs, cpu, strict=True)],
        load_cpu_s=time.process_time() - own,
        delivered=tally.delivered - delivered,
        delivered_bytes=tally.delivered_bytes - size,
        acked=tally.acked - acked,
        beside_cpu_s={name: cpu_s(pid) - others[name] for name, pid in beside.items()},
    )
