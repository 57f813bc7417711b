"""Scenario ``persist``: acknowledged sends into PostgreSQL, many small rooms."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from deskbell.bench import deskbell_server, peers
from deskbell.bench.database import durable_postgres, valkey
from deskbell.bench.load import AckedSends, Tally, cut_all, open_all
from deskbell.bench.processes import Cores
from deskbell.bench.report import Show, Table
from deskbell.bench.run import Run
from deskbell.bench.stage import Stage, Window, observe
from deskbell.testing.servers import PostgresServer, ValkeyServer

ROOMS = 100
MEMBERS = 4
IN_FLIGHT = 4
TEXT_BYTES = 250
USUAL_FRAME_BYTES = 790

US_PER_SEND = 200.0
US_PER_SEND_TOGETHER = 300.0
"""With Redis and two instances, both together."""
TIMES_NAIVE = 5.0


async def measure(stage: Stage, *, seconds: float, show: Show, beside: Mapping[str, int]) -> Window:
    """Let every caller of ``stage`` keep :data:`IN_FLIGHT` sends under way.

    Raises:
        BenchFailed: Somebody could not enter, was refused, cut off or not answered.
    """
    tally = Tally()
    show.doing(f"opening {len(stage.callers)} sockets")
    sockets = await open_all(stage.ports, stage.callers, stage.speech, tally)
    try:
        sends = AckedSends(sockets, tally, in_flight=IN_FLIGHT, compose=stage.compose)
        sends.start()
        warm_s = min(2.0, seconds / 2)
        seen = await observe(stage.programs, tally, warm_s=warm_s, seconds=seconds, show=show, beside=beside)
        await sends.stop(timeout_s=30)
        tally.check()
        return seen
    finally:
        cut_all(sockets)


@contextlib.contextmanager
def deskbell_rooms(
    cores: Cores, database_url: str, redis_url: str | None = None, instances: int = 1
) -> Iterator[Stage]:
    """Deskbell on PostgreSQL; every member of every room is a sender; they reach the instances in turn."""
    with deskbell_server.instances(instances, cores, database_url=database_url, redis_url=redis_url) as servers:
        server = servers[0]
        people = deskbell_server.members(server, ROOMS * MEMBERS)
        groups = [people[at : at + MEMBERS] for at in range(0, len(people), MEMBERS)]
        room_of = [room for room in deskbell_server.rooms(server, groups) for _ in range(MEMBERS)]
        text = "x" * TEXT_BYTES
        yield Stage(
            programs=[each.program for each in servers],
            ports=[each.port for each in servers],
            speech=deskbell_server.SPEECH,
            callers=[deskbell_server.caller(person, room) for person, room in zip(people, room_of, strict=True)],
            compose=lambda index, n: deskbell_server.send(room_of[index], n, text),
        )


def table(run: Run) -> Table:
    """Deskbell, alone and as two instances, and the naive handler, on databases of one PostgreSQL."""
    made = Table(
        title="Persisted sends: PostgreSQL, acks awaited",
        method=(
            f"{ROOMS * MEMBERS} senders in {ROOMS} rooms of {MEMBERS}, {IN_FLIGHT} sends of {TEXT_BYTES} bytes in "
            f"flight each, the next leaving when an ack comes; so {MEMBERS + 1} frames leave the server per send. "
            "PostgreSQL with `fsync` and `synchronous_commit` on, and Valkey as bus and for limits, presence and "
            "tickets where a row says Redis, on the core of the load; their CPU is not counted. Of two instances each "
            "serves half the members of every room, so every message crosses the bus; their CPU is added. "
            "Limits are set high, the limiter runs. The naive handler is Quart on uvicorn with one Tortoise `create` "
            "per message and one awaited `send` per member, without authentication, limits, order or retries."
        ),
        columns=(
            "server", "acked/s", "CPU each, µs", "deliveries each", "bytes each", "server / load busy",
            "rate ratio", "CPU ratio",
        ),
    )  # fmt: skip
    with (
        run.measurement("persist: PostgreSQL and Valkey", made),
        durable_postgres(run.cores.load) as postgres,
        valkey(run.cores.load) as redis,
    ):
        _contestants(run, made, postgres, redis)
    return made


def _contestants(run: Run, made: Table, postgres: PostgresServer, redis: ValkeyServer) -> None:
    ours: Window | None = None
    shared: Window | None = None
    """One instance on Redis."""

    def row(name: str, seen: Window) -> float:
        rate = seen.acked / seen.elapsed_s
        ratio = ours.acked / ours.elapsed_s / rate if ours is not None else 0.0
        size = seen.delivered_bytes / seen.delivered
        cells = (name, f"{rate:,.0f}", f"{_us(seen):.0f}", f"{seen.delivered / seen.acked:.2f}", f"{size:.0f}")
        made.add(cells, seen, ratio, _us(seen) / _us(ours) if ours is not None else 0.0)
        beside = ", ".join(f"{what} {spent / seen.acked * 1e6:.0f}" for what, spent in seen.beside_cpu_s.items())
        made.notes.append(f"{name}: CPU beside the server, µs per acked send: {beside}.")
        return ratio

    both = {"PostgreSQL": postgres.pid, "Valkey": redis.pid}
    alone = {"PostgreSQL": postgres.pid}
    frame_bytes = USUAL_FRAME_BYTES
    for name, url, count, beside in (
        ("Deskbell", None, 1, alone),
        ("Deskbell, Redis", redis.url(0), 1, both),
        ("Deskbell, Redis, 2 instances", redis.url(1), 2, both),
    ):
        with run.measurement(f"persist: {name}", made):
            database = postgres.create_database(f"deskbell_{len(made.rows)}")
            with deskbell_rooms(run.cores, database, url, count) as stage:
                seen = run.wait_for(measure(stage, seconds=run.seconds, show=run.show, beside=beside))
            if url is None:
                ours = seen
                frame_bytes = round(ours.delivered_bytes / ours.delivered)
                made.bar(f"server CPU per acked send ≤ {US_PER_SEND:g} µs", _us(ours) <= US_PER_SEND)
            row(name, seen)
            if url is not None and count == 1:
                shared = seen
            if count > 1 and shared is not None:
                times = seen.acked / max(seen.cpu_s_of) / (shared.acked / max(shared.cpu_s_of))
                made.notes.append(
                    f"{name}: with a core each they would carry {times:.2f} × one on Redis (acked sends by the CPU of "
                    "the busier process)."
                )
            if count > 1:
                bar = f"CPU of {count} instances together per acked send ≤ {US_PER_SEND_TOGETHER:g} µs"
                made.bar(bar, _us(seen) <= US_PER_SEND_TOGETHER)
    if run.with_peers:
        with run.measurement("persist: naive handler", made):
            with peers.naive(
                run.cores,
                postgres.create_database("naive"),
                rooms=ROOMS,
                members=MEMBERS,
                text_bytes=TEXT_BYTES,
                frame_bytes=frame_bytes,
            ) as stage:
                theirs = run.wait_for(measure(stage, seconds=run.seconds, show=run.show, beside=alone))
            ratio = row("naive handler", theirs)
            if ratio:
                made.bar(f"acked sends/s ≥ {TIMES_NAIVE:g} × naive handler", ratio >= TIMES_NAIVE)


def _us(seen: Window) -> float:
    return seen.server_cpu_s / seen.acked * 1e6
