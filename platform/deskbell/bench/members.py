"""The part of ``growth`` that needs sockets: what one more member costs in a room of any size."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from deskbell.bench import deskbell_server
from deskbell.bench.load import Broadcast, Drain, Tally, cut_all, open_all
from deskbell.bench.processes import Cores, need_descriptors
from deskbell.bench.report import Show
from deskbell.bench.stage import Stage, observe

SIZES = (10, 200, 2_000, 10_000)
MOST_PEOPLE = 2_000
"""Of larger rooms every member has several sockets; each is reached like any other."""
COUNTED_FROM = 200
TEXT_BYTES = 250


@contextlib.contextmanager
def room(cores: Cores, sockets: int) -> Iterator[Stage]:
    """Deskbell on SQLite and one room that ``sockets`` sockets are in."""
    need_descriptors(sockets + 500)
    with deskbell_server.serving(cores, crowded=sockets >= COUNTED_FROM) as server:
        people = deskbell_server.members(server, min(sockets, MOST_PEOPLE))
        (made,) = deskbell_server.rooms(server, [people])
        text = "x" * TEXT_BYTES
        yield Stage(
            programs=[server.program],
            ports=[server.port],
            speech=deskbell_server.SPEECH,
            callers=[deskbell_server.caller(people[at % len(people)], made) for at in range(sockets)],
            compose=lambda _, n: deskbell_server.send(made, n, text),
        )


async def measure(stage: Stage, *, seconds: float, show: Show) -> float:
    """CPU of one message that reaches everybody, in µs, sent when the one before it has.

    Raises:
        BenchFailed: Somebody could not enter, was refused, cut off, not reached or reached twice.
    """
    tally = Tally()
    members = len(stage.callers)
    show.doing(f"opening {members:,} sockets")
    sockets = await open_all(stage.ports, stage.callers, stage.speech, tally, timeout_s=120)
    drain = Drain(sockets[1:])
    try:
        sends = Broadcast(
            sockets[:1], tally, members=members, window=1, acks=True, compose=lambda n: stage.compose(0, n)
        )
        sends.start()
        seen = await observe(stage.programs, tally, warm_s=min(2.0, seconds / 2), seconds=seconds, show=show)
        await sends.stop(timeout_s=30)
        tally.check()
        return seen.server_cpu_s / (seen.delivered / members) * 1e6
    finally:
        await drain.stop()
        cut_all(sockets)
