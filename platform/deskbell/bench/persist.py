"""Scenario ``persist``: acknowledged sends into PostgreSQL, many small rooms."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from deskbell.bench import deskbell_server, peers
from deskbell.bench.database import durable_postgres
from deskbell.bench.load import AckedSends, Tally, cut_all, open_all
from deskbell.bench.processes import Cores
from deskbell.bench.report import Show, Table
from deskbell.bench.run import Run
from deskbell.bench.stage import Stage, Window, observe

ROOMS = 100
MEMBERS = 4
IN_FLIGHT = 4
TEXT_BYTES = 250
USUAL_FRAME_BYTES = 790

US_PER_SEND = 200.0
TIMES_NAIVE = 5.0


async def measure(stage: Stage, *, seconds: float, show: Show) -> Window:
    """Let every caller of ``stage`` keep :data:`IN_FLIGHT` sends under way.

    Raises:
        BenchFailed: Somebody could not enter, was refused, cut off or not answered.
    """
    tally = Tally()
    show.doing(f"opening {len(stage.callers)} sockets")
    sockets = await open_all(stage.port, stage.callers, stage.speech, tally)
    try:
        sends = AckedSends(sockets, tally, in_flight=IN_FLIGHT, compose=stage.compose)
        sends.start()
        seen = await observe(stage.program, tally, warm_s=min(2.0, seconds / 2), seconds=seconds, show=show)
        await sends.stop(timeout_s=30)
        tally.check()
        return seen
    finally:
        cut_all(sockets)


@contextlib.contextmanager
def deskbell_rooms(cores: Cores, database_url: str) -> Iterator[Stage]:
    """Deskbell on PostgreSQL with its memory bus; every member of every room is a sender."""
    with deskbell_server.serving(cores, database_url=database_url) as server:
        people = deskbell_server.members(server, ROOMS * MEMBERS)
        groups = [people[at : at + MEMBERS] for at in range(0, len(people), MEMBERS)]
        room_of = [room for room in deskbell_server.rooms(server, groups) for _ in range(MEMBERS)]
        text = "x" * TEXT_BYTES
        yield Stage(
            program=server.program,
            port=server.port,
            speech=deskbell_server.SPEECH,
            callers=[deskbell_server.caller(person, room) for person, room in zip(people, room_of, strict=True)],
            compose=lambda index, n: deskbell_server.send(room_of[index], n, text),
        )


def table(run: Run) -> Table:
    """Deskbell and the naive handler on databases of one PostgreSQL."""
    made = Table(
        title="Persisted sends: PostgreSQL, acks awaited",
        method=(
            f"{ROOMS * MEMBERS} senders in {ROOMS} rooms of {MEMBERS}, {IN_FLIGHT} sends of {TEXT_BYTES} bytes in "
            f"flight each, the next leaving when an ack comes; so {MEMBERS + 1} frames leave the server per send. "
            "PostgreSQL with `fsync` and `synchronous_commit` on, on the core of the load; its own CPU is not counted. "
            "Limits are set high, the limiter runs. The naive handler is Quart on uvicorn with one Tortoise `create` "
            "per message and one awaited `send` per member, without authentication, limits, order or retries."
        ),
        columns=(
            "server", "acked/s", "CPU each, µs", "deliveries each", "bytes each", "server / load busy",
            "rate ratio", "CPU ratio",
        ),
    )  # fmt: skip
    ours: Window | None = None

    def row(name: str, seen: Window) -> float:
        rate = seen.acked / seen.elapsed_s
        ratio = ours.acked / ours.elapsed_s / rate if ours is not None else 0.0
        size = seen.delivered_bytes / seen.delivered
        cells = (name, f"{rate:,.0f}", f"{_us(seen):.0f}", f"{seen.delivered / seen.acked:.2f}", f"{size:.0f}")
        made.add(cells, seen, ratio, _us(seen) / _us(ours) if ours is not None else 0.0)
        return ratio

    frame_bytes = USUAL_FRAME_BYTES
    with run.measurement("persist: PostgreSQL", made), durable_postgres(run.cores.load) as new_database:
        with run.measurement("persist: Deskbell", made):
            with deskbell_rooms(run.cores, new_database("deskbell")) as stage:
                ours = run.wait_for(measure(stage, seconds=run.seconds, show=run.show))
            row("Deskbell", ours)
            frame_bytes = round(ours.delivered_bytes / ours.delivered)
            made.bar(f"server CPU per acked send ≤ {US_PER_SEND:g} µs", _us(ours) <= US_PER_SEND)
        if run.with_peers:
            with run.measurement("persist: naive handler", made):
                with peers.naive(
                    run.cores,
                    new_database("naive"),
                    rooms=ROOMS,
                    members=MEMBERS,
                    text_bytes=TEXT_BYTES,
                    frame_bytes=frame_bytes,
                ) as stage:
                    theirs = run.wait_for(measure(stage, seconds=run.seconds, show=run.show))
                ratio = row("naive handler", theirs)
                if ratio:
                    made.bar(f"acked sends/s ≥ {TIMES_NAIVE:g} × naive handler", ratio >= TIMES_NAIVE)
    return made


def _us(seen: Window) -> float:
    return seen.server_cpu_s / seen.acked * 1e6
