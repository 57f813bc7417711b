"""Scenario ``instances``: whether two processes carry nearly twice what one does.

Of every room half the members are here and half there, which is the dearest case: each message crosses the
bus and is prepared in both processes. Twice the processes get twice the rooms.

Where there are too few cores to give each process its own, rates say nothing; CPU does. A process that
spends ``c`` of CPU on its part of ``d`` deliveries could do so ``1 / c`` times a second on a full core, and
the busiest process sets the pace of all, so together they carry ``d / max(c)`` a second.
"""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from deskbell.bench import deskbell_server
from deskbell.bench.database import durable_postgres, valkey
from deskbell.bench.load import Broadcast, Drain, Socket, Tally, cut_all, open_all, until
from deskbell.bench.pace import Pace
from deskbell.bench.processes import BenchFailed, Cores
from deskbell.bench.report import Show, Table
from deskbell.bench.run import Run
from deskbell.bench.stage import Stage, Window, observe

ROOMS = 4
"""For each instance."""
MEMBERS = 200
UNDER_WAY = 64
"""In each room, when it is busy."""
PER_S = 150
"""Messages for each instance, when it is not: 30,000 deliveries a second."""
TEXT_BYTES = 250

TIMES_ONE = 1.7


@dataclass(frozen=True)
class Seen:
    busy: Window
    """As much as the server takes."""
    paced: Window
    """As much for each instance as in any other row."""


def room_of(caller: int, instances: int) -> int:
    """The room of the n-th caller. Callers reach the instances in turn, and every room is to be spread over all."""
    return caller // instances % (ROOMS * instances)


def senders_of(instances: int) -> list[int]:
    """The callers who speak: one for each room, in the order of rooms, as many at each instance."""
    return [room * instances + room % instances for room in range(ROOMS * instances)]


async def measure(stage: Stage, *, seconds: float, show: Show) -> Seen:
    """Saturate all rooms, then let each have its share of :data:`PER_S`.

    Raises:
        BenchFailed: Somebody could not enter, was refused, cut off, not reached or reached twice.
    """
    tally = Tally()
    show.doing(f"opening {len(stage.callers)} sockets")
    sockets = await open_all(stage.ports, stage.callers, stage.speech, tally, timeout_s=120)
    speaking = senders_of(len(stage.ports))
    senders = [sockets[at] for at in speaking]
    rooms = len(senders)
    drain = Drain([socket for at, socket in enumerate(sockets) if at not in speaking])
    look = partial(observe, stage.programs, tally, warm_s=min(2.0, seconds / 2), seconds=seconds, show=show)
    try:
        busy = Broadcast(
            senders,
            tally,
            members=MEMBERS,
            window=UNDER_WAY * rooms,
            acks=True,
            compose=lambda n: stage.compose(n % rooms, n),
        )
        busy.start()
        seen_busy = await look()
        await busy.stop(timeout_s=30)
        tally.check()
        return Seen(seen_busy, await _paced(stage, senders, tally, busy.sent, look))
    finally:
        await drain.stop()
        cut_all(sockets)


async def _paced(
    stage: Stage, senders: list[Socket], tally: Tally, before: int, look: partial[Coroutine[Any, Any, Window]]
) -> Window:
    rooms, delivered = len(senders), tally.delivered

    def send(n: int) -> None:
        senders[n % rooms].say(stage.compose(n % rooms, before + n))

    pace = Pace(PER_S * len(stage.programs), send)
    pace.start()
    try:
        seen = await look()
    finally:
        await pace.stop()
    await until(lambda: tally.delivered - delivered >= pace.sent * MEMBERS, 10)
    if tally.delivered - delivered != pace.sent * MEMBERS:
        raise BenchFailed(f"{pace.sent} messages to {MEMBERS} members made {tally.delivered - delivered} deliveries")
    tally.check()
    return seen


@contextlib.contextmanager
def deskbell_rooms(cores: Cores, database_url: str, redis_url: str, instances: int) -> Iterator[Stage]:
    """Deskbell on PostgreSQL and Redis, rooms and callers as :func:`room_of` says; ``compose`` is given a room."""
    rooms = ROOMS * instances
    with deskbell_server.instances(
        instances, cores, database_url=database_url, redis_url=redis_url, crowded=True
    ) as servers:
        people = deskbell_server.members(servers[0], rooms * MEMBERS)
        seats = [room_of(at, instances) for at in range(len(people))]
        made = deskbell_server.rooms(
            servers[0],
            [[person for person, seat in zip(people, seats, strict=True) if seat == room] for room in range(rooms)],
        )
        text = "x" * TEXT_BYTES
        yield Stage(
            programs=[each.program for each in servers],
            ports=[each.port for each in servers],
            speech=deskbell_server.SPEECH,
            callers=[deskbell_server.caller(person, made[seat]) for person, seat in zip(people, seats, strict=True)],
            compose=lambda room, n: deskbell_server.send(made[room], n, text),
        )


def table(run: Run) -> Table:
    """One instance, and two."""
    made = Table(
        title="Instances: two processes against one",
        method=(
            f"{ROOMS} rooms of {MEMBERS} for each instance, texts of {TEXT_BYTES} bytes, PostgreSQL with `fsync` and "
            "`synchronous_commit`, Valkey as bus; of two instances each serves half the members of every room, so "
            f"every message crosses the bus. *Busy*: {UNDER_WAY} messages under way in each room. *Paced*: {PER_S} "
            "messages a second for each instance, so that one process has as much to do in both rows. *With a core "
            "each* is deliveries divided by the CPU of the busiest process: what all carry when each has a core of "
            "its own and the busiest is full. "
            + (
                "Each had a core of its own in this run, so the rates show it directly too."
                if len(run.cores.servers) > 1
                else "The instances shared one core in this run, so the rates themselves say nothing."
            )
        ),
        columns=(
            "instances", "load", "deliveries/s", "CPU each, µs", "busiest process, µs", "with a core each, /s",
            "× one", "server / load busy",
        ),
    )  # fmt: skip
    one: Seen | None = None
    with (
        run.measurement("instances: PostgreSQL and Valkey", made),
        durable_postgres(run.cores.load) as postgres,
        valkey(run.cores.load) as redis,
    ):
        for count in (1, 2):
            with run.measurement(f"instances: {count}", made, steps=run.seconds * 2):
                database = postgres.create_database(f"deskbell_{count}")
                with deskbell_rooms(run.cores, database, redis.url(count), count) as stage:
                    seen = run.wait_for(measure(stage, seconds=run.seconds, show=run.show))
                one = seen if count == 1 else one
                for load, window, alone in (
                    ("busy", seen.busy, one.busy if one else None),
                    ("paced", seen.paced, one.paced if one else None),
                ):
                    _row(made, count, load, window, alone)
    return made


def _row(made: Table, count: int, load: str, seen: Window, alone: Window | None) -> None:
    times = capacity(seen) / capacity(alone) if alone is not None else 0.0
    rate = seen.delivered / seen.elapsed_s
    made.rows.append(
        (
            str(count),
            load,
            f"{rate:,.0f}",
            f"{seen.server_cpu_s / seen.delivered * 1e6:.2f}",
            f"{1e6 / capacity(seen):.2f}",
            f"{capacity(seen):,.0f}",
            f"{times:.2f}" if times else "–",
            f"{seen.server_busy:.0%} / {seen.load_busy:.0%}",
        )
    )
    if count > 1 and times:
        made.bar(f"{load}: {count} instances carry ≥ {TIMES_ONE:g} × one, with a core each", times >= TIMES_ONE)


def capacity(seen: Window) -> float:
    """Deliveries a second when each process has a core of its own and the busiest is full."""
    return seen.delivered / max(seen.cpu_s_of)
