"""Scenario ``latency``: how long things take while others are busy, and how long when nobody is.

The same probes run twice, over the idle server and under the load, so the difference is the load's and not the
machine's.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deskbell.bench import crowd, deskbell_server, filling
from deskbell.bench.database import durable_postgres, valkey
from deskbell.bench.deskbell_server import User
from deskbell.bench.ear import Ear, percentile
from deskbell.bench.load import Socket, Speech, Tally, cut_all, open_all
from deskbell.bench.pace import Pace
from deskbell.bench.processes import BenchFailed, Cores
from deskbell.bench.report import Show, Table
from deskbell.bench.run import Run
from deskbell.bench.stage import Stage
from deskbell.ids import RoomId, UserId

ROOMS = 200
SOCKETS = 500
SENDS_PER_S = 300
IDLE_SENDS_PER_S = 5
"""Of the baseline: enough to see what a send takes, too few to keep anybody busy."""
PROBES_PER_S = 10
"""Of each kind."""
GUESTS = 20
"""People who come and go, so that others see them do so."""
HISTORY = 1_000_000
PAGE = 100
TEXT_BYTES = 250
WARM_S = 2.0

HEARING = Speech(  # every frame counts here, one by one
    delivery=b"\0", ack=None, refusal=deskbell_server.SPEECH.refusal, heartbeats=deskbell_server.SPEECH.heartbeats
)

WHAT = (
    ("ack", "send → ack", None),
    ("message", "send → another socket", 100),
    ("typing", "typing → another socket", 30),
    ("receipt", "read → another socket", 50),
    ("presence", "opening a socket → seen online by another", 40),
    ("history", f"a page of {PAGE} from {HISTORY:,} messages", 200),
    ("pong", "ping → pong", None),
)
"""Kind, what it is, the figure it is held against (ms, 95th percentile)."""


@dataclass(frozen=True)
class House:
    """Everybody who is in it. The first ``ROOMS`` people are of a room each, the next of the same rooms, and so on."""

    stage: Stage
    people: Sequence[User]
    rooms: Sequence[str]
    guests: Sequence[User]
    """The n-th is a member of the n-th room, and not there."""
    archive: str
    """A room with a long history; the first of the people is a member."""


class Probes:
    """All that is asked of a house at once, each at its own pace."""

    def __init__(self, house: House, sockets: list[Socket], ear: Ear, tally: Tally) -> None:
        self._house = house
        self._sockets = sockets
        self._ear = ear
        self._tally = tally
        self._guests: list[asyncio.Task[None]] = []
        self._dice = random.Random(7)
        self._number = 0
        self._read_last = ("", 0)

    async def run(self, sends_per_s: float, seconds: float, show: Show) -> dict[str, list[float]]:
        """What each kind took, in seconds, while there were so many sends."""
        paces = [
            Pace(sends_per_s, self._send),
            *(Pace(PROBES_PER_S, each) for each in (self._type, self._read, self._turn_page, self._ping)),
            Pace(2, self._come),
        ]
        for pace in paces:
            pace.start()
        try:
            await asyncio.sleep(WARM_S)
            self._ear.forget()
            passed = 0.0
            while passed < seconds:
                await asyncio.sleep(0.5)
                passed += 0.5
                show.advance(0.5)
                self._tally.check()
        finally:
            for pace in paces:
                await pace.stop()
        await asyncio.sleep(1.5)  # the last ones are heard as well
        await asyncio.gather(*self._guests)
        self._tally.check()
        took = {kind: list(self._ear.took[kind]) for kind, _, _ in WHAT}
        missing = [kind for kind, found in took.items() if not found]
        if missing:
            raise BenchFailed(f"never heard: {', '.join(missing)}")
        return took

    def _send(self, n: int) -> None:
        by = n % ROOMS
        self._number += 1
        room, number = self._house.rooms[by], self._number
        self._ear.said("message", str(number), by)
        self._ear.said("ack", number, by)
        self._sockets[by].say(deskbell_server.send(room, number, f"{number} ".ljust(TEXT_BYTES, "x")))

    def _type(self, n: int) -> None:
        by = n % ROOMS
        on = n // ROOMS % 2 == 0
        self._ear.said("typing", (self._house.rooms[by], self._house.people[by].id, on), by)
        said = f'{{"type":"typing","room":"{self._house.rooms[by]}","on":{str(on).lower()}}}'
        self._sockets[by].say(said.encode())

    def _read(self, n: int) -> None:
        """The second member of a room has read the message that was heard last."""
        room, seq = self._ear.newest
        if self._ear.newest != self._read_last:
            self._read_last = self._ear.newest
            by = ROOMS + self._house.rooms.index(room)
            self._ear.said("receipt", (room, self._house.people[by].id, seq), by)
            self._sockets[by].say(f'{{"type":"read","room":"{room}","seq":{seq}}}'.encode())

    def _turn_page(self, n: int) -> None:
        self._number += 1
        before = self._dice.randrange(PAGE, HISTORY)
        self._ear.said("history", self._number, 0)
        said = (
            f'{{"type":"history","ref":{self._number},"room":"{self._house.archive}","before":{before},"limit":{PAGE}}}'
        )
        self._sockets[0].say(said.encode())

    def _ping(self, n: int) -> None:
        self._number += 1
        by = n % len(self._sockets)
        self._ear.said("pong", self._number, by)
        self._sockets[by].say(f'{{"type":"ping","ref":{self._number}}}'.encode())

    def _come(self, n: int) -> None:
        self._guests.append(asyncio.get_running_loop().create_task(self._visit(self._house.guests[n % GUESTS])))

    async def _visit(self, guest: User) -> None:
        self._ear.said("presence", (guest.id, "online"), -1)
        ports = self._house.stage.ports
        entered = await open_all(ports[-1:], [deskbell_server.caller(guest)], HEARING, self._tally)
        await asyncio.sleep(1)
        cut_all(entered)


async def measure(house: House, *, seconds: float, show: Show) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """What the probes took when nobody else was there, and under the load.

    Raises:
        BenchFailed: Somebody could not enter, was refused or cut off, or never heard a thing.
    """
    tally, ear = Tally(), Ear()
    show.doing(f"opening {SOCKETS} sockets")
    sockets = await open_all(house.stage.ports, house.stage.callers, HEARING, tally)
    ear.listen(sockets)
    try:
        probes = Probes(house, sockets, ear, tally)
        show.doing("idle")
        idle = await probes.run(IDLE_SENDS_PER_S, seconds, show)
        show.doing("under load")
        return idle, await probes.run(SENDS_PER_S, seconds, show)
    finally:
        cut_all(sockets)


@contextlib.contextmanager
def deskbell_house(run: Run, cores: Cores, database_url: str, redis_url: str | None, instances: int) -> Iterator[House]:
    """Deskbell on PostgreSQL, its rooms, and an archive that was filled before anybody came."""
    with deskbell_server.instances(instances, cores, database_url=database_url, redis_url=redis_url) as servers:
        people = deskbell_server.members(servers[0], SOCKETS)
        guests = deskbell_server.members(servers[0], GUESTS)
        groups = [[*people[at::ROOMS], *guests[at : at + 1]] for at in range(ROOMS)]
        rooms = deskbell_server.rooms(servers[0], [*groups, people[:1]])
        archive = rooms.pop()
        run.show.doing(f"writing {HISTORY:,} messages")
        run.wait_for(_fill(database_url, archive, people[0]))
        stage = Stage(
            programs=[each.program for each in servers],
            ports=[each.port for each in servers],
            speech=HEARING,
            callers=[deskbell_server.caller(person, rooms[at % ROOMS]) for at, person in enumerate(people)],
            compose=lambda _, __: b"",
        )
        yield House(stage, people, rooms, guests, archive)


async def _fill(url: str, archive: str, person: User) -> None:
    async with filling.door(url) as door:
        tip = await door.fetchval("SELECT seq FROM rooms WHERE id = $1", archive)
        await filling.history(door, RoomId(archive), UserId(person.id), tip + 1, HISTORY)


def table(run: Run) -> Table:
    """One instance; two with Redis; and a room beside a crowd."""
    made = Table(
        title="Latency: under load, and idle",
        method=(
            f"{SENDS_PER_S} sends a second over {ROOMS} rooms while {SOCKETS} sockets listen, PostgreSQL with `fsync` "
            f"and `synchronous_commit`; {PROBES_PER_S} a second of every other kind meanwhile, two for presence. "
            f"*Idle*: the same with {IDLE_SENDS_PER_S} sends a second. In milliseconds, from the client's decision to "
            "the frame it waits for, so the client's own waiting is in it. Two instances share Redis and one core; "
            "neighbours in a room are on different ones as often as not. *Ping → pong* shows how long anything waits "
            "for the server's loop."
        ),
        columns=("what", "idle p50", "idle p95", "load p50", "load p95", "load p99", "asked (p95)"),
    )
    with (
        run.measurement("latency: PostgreSQL and Valkey", made),
        durable_postgres(run.cores.load) as postgres,
        valkey(run.cores.load) as redis,
    ):
        for count, redis_url, name in ((1, None, "1 instance"), (2, redis.url(), "2 instances")):
            with run.measurement(f"latency: {name}", made, steps=run.seconds * 2):
                database = postgres.create_database(f"deskbell_{count}")
                with deskbell_house(run, run.cores, database, redis_url, count) as house:
                    seen = run.wait_for(measure(house, seconds=run.seconds, show=run.show))
                _rows(made, name, *seen)
    crowd.rows(run, made, HEARING)
    return made


def _rows(made: Table, name: str, idle: dict[str, list[float]], load: dict[str, list[float]]) -> None:
    for kind, what, asked_ms in WHAT:
        made.rows.append(
            (
                f"{what}, {name}",
                *(f"{percentile(idle[kind], share) * 1e3:.1f}" for share in (0.5, 0.95)),
                *(f"{percentile(load[kind], share) * 1e3:.1f}" for share in (0.5, 0.95, 0.99)),
                f"< {asked_ms}" if asked_ms else "–",
            )
        )
        if asked_ms is not None:
            made.bar(f"{what}, {name}: p95 < {asked_ms} ms", percentile(load[kind], 0.95) * 1e3 < asked_ms)
