"""Scenario ``instances``: whether two processes carry nearly twice what one does.

Of every room half the members are here and half there, which is the dearest case: each message crosses the
bus and is prepared in both processes.

Where there are too few cores to give each process its own, rates say nothing; CPU does. A process that
spends ``c`` of CPU on its part of ``d`` deliveries could do so ``1 / c`` times a second on a full core, and
the busiest process sets the pace of all, so together they carry ``d / max(c)`` a second. What a delivery costs also
depends on how many leave in one write, and that on who else wants the core. So they are not held against one
process that has the core to itself, but against two that run side by side in the same way and know nothing of
each other: two installations, with a database each, and every member of a room on the same one.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from deskbell.bench import deskbell_server
from deskbell.bench.database import durable_postgres, valkey
from deskbell.bench.deskbell_server import Server
from deskbell.bench.load import Broadcast, Drain, Socket, Tally, cut_all, open_all, until
from deskbell.bench.pace import Pace
from deskbell.bench.processes import BenchFailed, Cores
from deskbell.bench.report import Show, Table
from deskbell.bench.run import Run
from deskbell.bench.stage import Stage, Window, observe
from deskbell.testing.servers import PostgresServer, ValkeyServer

PROCESSES = 2
ROOMS = 4
"""For each process."""
MEMBERS = 200
UNDER_WAY = 64
"""In each room, when it is busy."""
PER_S = 150
"""Messages for each process, when it is not: 30,000 deliveries a second."""
TEXT_BYTES = 250

TIMES_ONE = 1.7


@dataclass(frozen=True)
class Seen:
    busy: Window
    """As much as the server takes."""
    paced: Window
    """So much for each process as it could take more."""


def room_of(caller: int, *, together: bool) -> int:
    """The room of the n-th caller, who reaches the process with the number ``caller % PROCESSES``."""
    turn, process = divmod(caller, PROCESSES)
    return turn % (ROOMS * PROCESSES) if together else process * ROOMS + turn % ROOMS


def senders_of(*, together: bool) -> list[int]:
    """The callers who speak: one for each room, in the order of rooms, as many at each process."""
    first = range(ROOMS * PROCESSES * PROCESSES)
    return [
        next(
            at
            for at in first
            if room_of(at, together=together) == room and (not together or at % PROCESSES == room % PROCESSES)
        )
        for room in range(ROOMS * PROCESSES)
    ]


async def measure(stage: Stage, *, together: bool, seconds: float, show: Show) -> Seen:
    """Saturate all rooms, then let each have its share of :data:`PER_S`.

    Raises:
        BenchFailed: Somebody could not enter, was refused, cut off, not reached or reached twice.
    """
    tally = Tally()
    show.doing(f"opening {len(stage.callers)} sockets")
    sockets = await open_all(stage.ports, stage.callers, stage.speech, tally, timeout_s=120)
    speaking = senders_of(together=together)
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
def deskbell_rooms(cores: Cores, postgres: PostgresServer, redis: ValkeyServer, *, together: bool) -> Iterator[Stage]:
    """Two processes of Deskbell on PostgreSQL and Redis, rooms and callers as :func:`room_of` says.

    ``compose`` is given a room.
    """
    with contextlib.ExitStack() as ending:
        # Where the people of each process are known; of two that are one it is the same for both.
        doors: list[Server] = []
        servers: list[Server] = []
        for n in range(1 if together else PROCESSES):
            database = postgres.create_database(f"deskbell_{'both' if together else n}")
            own = cores if together else dataclasses.replace(cores, servers=[cores.servers[n % len(cores.servers)]])
            started = deskbell_server.instances(
                PROCESSES if together else 1, own, database_url=database, redis_url=redis.url(n), crowded=True
            )
            servers += ending.enter_context(started)
            doors = [servers[0]] * PROCESSES if together else servers
        seats = [room_of(at, together=together) for at in range(ROOMS * PROCESSES * MEMBERS)]
        people = [deskbell_server.members(doors[at % PROCESSES], 1)[0] for at in range(len(seats))]
        groups = [
            [person for person, seat in zip(people, seats, strict=True) if seat == room]
            for room in range(ROOMS * PROCESSES)
        ]
        made = []
        for n, door in enumerate(doors):
            made += deskbell_server.rooms(door, groups[n * ROOMS : (n + 1) * ROOMS])
        text = "x" * TEXT_BYTES
        yield Stage(
            programs=[each.program for each in servers],
            ports=[each.port for each in servers],
            speech=deskbell_server.SPEECH,
            callers=[deskbell_server.caller(person, made[seat]) for person, seat in zip(people, seats, strict=True)],
            compose=lambda room, n: deskbell_server.send(made[room], n, text),
        )


def table(run: Run) -> Table:
    """Two installations side by side, and two instances of one."""
    made = Table(
        title="Instances: two processes of one installation",
        method=(
            f"{ROOMS * PROCESSES} rooms of {MEMBERS}, texts of {TEXT_BYTES} bytes, PostgreSQL with `fsync` and "
            "`synchronous_commit`, Valkey as bus. *Apart*: two installations that know nothing of each other, half "
            "the rooms in each. *Together*: two instances of one, half the members of every room on each, so every "
            f"message crosses the bus. *Busy*: {UNDER_WAY} messages under way in each room; *paced*: {PER_S} a second "
            "for each process. *With a core each* is deliveries divided by the CPU of the busiest process: what both "
            "carry when each has a core of its own and the busiest is full. *× one*: twice what they carry together, "
            "divided by what they carry apart. "
            + (
                "Each had a core of its own in this run, so the rates show it directly too."
                if len(run.cores.servers) > 1
                else "They shared one core in this run, so the rates themselves say nothing."
            )
        ),
        columns=(
            "processes", "load", "deliveries/s", "CPU each, µs", "with a core each, /s", "× one", "server / load busy",
        ),
    )  # fmt: skip
    apart: Seen | None = None
    with (
        run.measurement("instances: PostgreSQL and Valkey", made),
        durable_postgres(run.cores.load) as postgres,
        valkey(run.cores.load) as redis,
    ):
        for name, together in (("2 apart", False), ("2 together", True)):
            with run.measurement(f"instances: {name}", made, steps=run.seconds * 2):
                with deskbell_rooms(run.cores, postgres, redis, together=together) as stage:
                    seen = run.wait_for(measure(stage, together=together, seconds=run.seconds, show=run.show))
                apart = apart if together else seen
                _row(made, name, "busy", seen.busy, apart.busy if together and apart else None)
                _row(made, name, "paced", seen.paced, apart.paced if together and apart else None)
    return made


def _row(made: Table, name: str, load: str, seen: Window, apart: Window | None) -> None:
    times = PROCESSES * capacity(seen) / capacity(apart) if apart is not None else 0.0
    made.rows.append(
        (
            name,
            load,
            f"{seen.delivered / seen.elapsed_s:,.0f}",
            f"{seen.server_cpu_s / seen.delivered * 1e6:.2f}",
            f"{capacity(seen):,.0f}",
            f"{times:.2f}" if times else "–",
            f"{seen.server_busy:.0%} / {seen.load_busy:.0%}",
        )
    )
    if times:
        made.bar(f"{load}: {PROCESSES} instances carry ≥ {TIMES_ONE:g} × one, with a core each", times >= TIMES_ONE)


def capacity(seen: Window) -> float:
    """Deliveries a second when each process has a core of its own and the busiest is full."""
    return seen.delivered / max(seen.cpu_s_of)
