"""Scenario ``sockets``: what idle sockets weigh, and how fast a crowd comes back after a cut."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from deskbell.bench import deskbell_server
from deskbell.bench.deskbell_server import Position, Server, User
from deskbell.bench.load import Tally, cut_all, open_all
from deskbell.bench.processes import BenchFailed
from deskbell.bench.report import Show, Table
from deskbell.bench.run import Run

IDLE = 5_000
CUT = 2_000
ROOMS = 100
BEFORE = 20
"""Messages in each room before anybody connects."""
MISSED = 5
"""Messages written in each room while the crowd is away."""
AT_ONCE = 200

KIB_PER_SOCKET = 45.0
MS_PER_RESUME = 4.0
BACK_WITHIN_S = 30.0


@dataclass(frozen=True)
class Seen:
    kib_per_socket: float
    connect_ms: float
    resume_ms: float
    all_back_s: float


async def measure(server: Server, people: list[User], rooms: list[str], *, show: Show) -> Seen:
    """Fill the server, weigh it, cut a crowd off and let it resume.

    Raises:
        BenchFailed: Somebody could not enter or came back without what was missed.
    """
    seats = [(people[n % len(people)], rooms[n % len(people) % len(rooms)]) for n in range(IDLE)]
    speech, port = deskbell_server.SPEECH, [server.port]
    tally = Tally()
    for room in range(len(rooms)):
        await _write(server, people[room], rooms[room], BEFORE, start=room * BEFORE)
    # The first sockets make the server load code and fill pools, which later ones do not pay again.
    cut_all(await open_all(port, [deskbell_server.caller(*seat) for seat in seats[:50]], speech, tally))
    await asyncio.sleep(1)

    show.doing(f"opening {IDLE:,} sockets")
    empty_kib, cpu = server.program.memory_kib(), server.program.cpu_s()
    callers = [deskbell_server.caller(*seat) for seat in seats]
    sockets = await open_all(port, callers, speech, tally, at_once=AT_ONCE, timeout_s=120, opened=show.advance)
    connect_s = server.program.cpu_s() - cpu
    show.doing("idle")
    await asyncio.sleep(3)
    tally.check()
    full_kib = server.program.memory_kib()

    crowd = sockets[:CUT]
    held = [Position.read(await member.ready) for member in crowd]
    cut_all(crowd)
    show.doing(f"{CUT:,} cut")
    await asyncio.sleep(1)
    for room in range(len(rooms)):
        await _write(server, people[room], rooms[room], MISSED, start=1_000_000 + room * MISSED)
    show.doing(f"{CUT:,} coming back")
    returning = [
        deskbell_server.caller(person, room, since) for (person, room), since in zip(seats[:CUT], held, strict=True)
    ]
    cpu, began = server.program.cpu_s(), time.perf_counter()
    back = await open_all(port, returning, speech, tally, at_once=AT_ONCE, timeout_s=120, opened=show.advance)
    all_back_s = time.perf_counter() - began
    resume_s = server.program.cpu_s() - cpu
    for member in back:
        now = Position.read(await member.ready)
        if not now.recovered or now.messages != MISSED:
            raise BenchFailed(f"a socket came back with {now.messages} of {MISSED} missed messages: {now}")
    tally.check()
    cut_all(back)
    cut_all(sockets)
    return Seen(
        kib_per_socket=(full_kib - empty_kib) / IDLE,
        connect_ms=connect_s / IDLE * 1e3,
        resume_ms=resume_s / CUT * 1e3,
        all_back_s=all_back_s,
    )


async def _write(server: Server, person: User, room: str, count: int, *, start: int) -> None:
    """``count`` messages over REST; blocking, since nothing else is under way."""
    for n in range(start, start + count):
        deskbell_server.post(server, person, room, n, "x" * 250)


def table(run: Run) -> Table:
    """Deskbell alone: the figures have bars, not peers."""
    made = Table(
        title="Sockets: idle weight and coming back",
        method=(
            f"{IDLE:,} sockets of {IDLE // deskbell_server.SOCKETS_PER_USER:,} users, each subscribed to one of "
            f"{ROOMS} rooms; memory is the growth of the proportional set size. Then {CUT:,} are cut at once without a "
            f"close, {MISSED} messages are written in every room, and all come back, {AT_ONCE} at a time, resuming "
            "from where they stood. SQLite."
        ),
        columns=("what", "figure", "bar"),
    )
    with (
        run.measurement("sockets: Deskbell", made, steps=IDLE + CUT),
        deskbell_server.serving(run.cores) as server,
    ):
        people = deskbell_server.members(server, IDLE // deskbell_server.SOCKETS_PER_USER)
        rooms = deskbell_server.rooms(server, [people[at::ROOMS] for at in range(ROOMS)])
        seen = run.wait_for(measure(server, people, rooms, show=run.show))
        made.rows += [
            (f"memory per idle socket, KiB ({IDLE:,} open)", f"{seen.kib_per_socket:.1f}", f"≤ {KIB_PER_SOCKET:g}"),
            ("server CPU per connect + subscribe, ms", f"{seen.connect_ms:.2f}", "–"),
            (f"server CPU per connect + resume, ms ({CUT:,} at once)", f"{seen.resume_ms:.2f}", f"≤ {MS_PER_RESUME:g}"),
            ("time until all are back, s", f"{seen.all_back_s:.1f}", f"≤ {BACK_WITHIN_S:g}"),
        ]
        made.bar(f"idle socket ≤ {KIB_PER_SOCKET:g} KiB", seen.kib_per_socket <= KIB_PER_SOCKET)
        made.bar(f"connect + resume ≤ {MS_PER_RESUME:g} ms CPU", seen.resume_ms <= MS_PER_RESUME)
        made.bar(f"all back within {BACK_WITHIN_S:g} s", seen.all_back_s <= BACK_WITHIN_S)
    return made
