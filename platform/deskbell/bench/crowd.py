"""The part of ``latency`` that needs a crowd: what is felt in one room of what goes on in a large one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from deskbell.bench import deskbell_server, members
from deskbell.bench.ear import Ear, percentile
from deskbell.bench.load import Broadcast, Caller, Drain, Speech, Tally, cut_all, open_all
from deskbell.bench.pace import Pace
from deskbell.bench.processes import BenchFailed, Cores, need_descriptors
from deskbell.bench.report import Show, Table
from deskbell.bench.run import Run
from deskbell.bench.stage import Stage, observe

CROWD = 10_000
UNDER_WAY = 16
TYPING_PER_S = 20
PAIRS = 20
"""Rooms of two beside the crowd; so nobody types more often than the limits allow."""


async def measure(
    stage: Stage, pairs: list[tuple[Caller, Caller, str, str]], hearing: Speech, *, seconds: float, show: Show
) -> tuple[list[float], list[float], float]:
    """How long typing marks took when nobody else spoke, and beside the crowd; how busy the server was then.

    Raises:
        BenchFailed: Somebody could not enter, was refused, cut off or not reached.
    """
    ear, tally, quiet_tally = Ear(), Tally(), Tally()
    quiet = await open_all(
        stage.ports, [caller for first, second, *_ in pairs for caller in (first, second)], hearing, quiet_tally
    )
    ear.listen(quiet)
    show.doing(f"opening {len(stage.callers):,} sockets")
    sockets = await open_all(stage.ports, stage.callers, stage.speech, tally, timeout_s=180)
    drain = Drain(sockets[1:])

    def say(n: int) -> None:
        _, _, room, user = pairs[n % len(pairs)]
        on = n // len(pairs) % 2 == 0
        by = n % len(pairs) * 2
        ear.said("typing", (room, user, on), by)
        quiet[by].say(f'{{"type":"typing","room":"{room}","on":{str(on).lower()}}}'.encode())

    pace = Pace(TYPING_PER_S, say)
    try:
        pace.start()
        await observe(stage.programs, tally, warm_s=1, seconds=seconds, show=show)
        alone = list(ear.took["typing"])
        ear.forget()
        busy = Broadcast(
            sockets[:1],
            tally,
            members=len(sockets),
            window=UNDER_WAY,
            acks=True,
            compose=lambda n: stage.compose(0, n),
        )
        busy.start()
        seen = await observe(stage.programs, tally, warm_s=2, seconds=seconds, show=show)
        beside = list(ear.took["typing"])
        await busy.stop(timeout_s=60)
        quiet_tally.check()
        if not alone or not beside:
            raise BenchFailed("no typing mark was heard")
        return alone, beside, seen.delivered / seen.elapsed_s
    finally:
        await pace.stop()
        await drain.stop()
        cut_all(sockets)
        cut_all(quiet)


@contextlib.contextmanager
def deskbell_crowd(cores: Cores) -> Iterator[tuple[Stage, list[tuple[Caller, Caller, str, str]]]]:
    """Deskbell on SQLite: a room that :data:`CROWD` sockets are in, and rooms of two."""
    need_descriptors(CROWD + 500)
    with deskbell_server.serving(cores, crowded=True) as server:
        people = deskbell_server.members(server, members.MOST_PEOPLE)
        couples = [deskbell_server.members(server, 2) for _ in range(PAIRS)]
        large, *small = deskbell_server.rooms(server, [people, *couples])
        text = "x" * members.TEXT_BYTES
        stage = Stage(
            programs=[server.program],
            ports=[server.port],
            speech=deskbell_server.SPEECH,
            callers=[deskbell_server.caller(people[at % len(people)], large) for at in range(CROWD)],
            compose=lambda _, n: deskbell_server.send(large, n, text),
        )
        yield (
            stage,
            [
                (deskbell_server.caller(first, room), deskbell_server.caller(second, room), room, first.id)
                for (first, second), room in zip(couples, small, strict=True)
            ],
        )


def rows(run: Run, made: Table, hearing: Speech) -> None:
    """One row for the table of latencies."""
    with (
        run.measurement(f"latency: beside {CROWD:,} members", made, steps=run.seconds * 2),
        deskbell_crowd(run.cores) as (stage, pairs),
    ):
        alone, beside, rate = run.wait_for(measure(stage, pairs, hearing, seconds=run.seconds, show=run.show))
        made.rows.append(
            (
                f"typing → another socket, beside a busy room of {CROWD:,}",
                *(f"{percentile(alone, share) * 1e3:.1f}" for share in (0.5, 0.95)),
                *(f"{percentile(beside, share) * 1e3:.1f}" for share in (0.5, 0.95, 0.99)),
                "–",
            )
        )
        made.notes.append(f"The room of {CROWD:,} took {rate:,.0f} deliveries a second meanwhile.")
