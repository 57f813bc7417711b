"""Scenario ``fanout``: what it costs to reach every member of one room.

For Deskbell the whole path is in the figure: the socket's ``send``, every check, the journal, the ack,
the hub. The peers store nothing and acknowledge nothing; they send as many bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from deskbell.bench import deskbell_server, peers
from deskbell.bench.load import Broadcast, Drain, Tally, cut_all, open_all
from deskbell.bench.processes import Cores
from deskbell.bench.report import Show, Table
from deskbell.bench.run import Run
from deskbell.bench.stage import Stage, Window, observe

SENDERS = 3
TEXT_BYTES = 250
USUAL_FRAME_BYTES = 790  # where Deskbell itself could not be measured

US_PER_DELIVERY = 9.0
TIMES_SOCKETIO = 8.0
TIMES_WS = 1.5


def window_for(members: int) -> int:
    """How many messages may be under way: enough for a busy server, at most 50 KB per reader."""
    return max(16, min(64, 32_000 // members))


async def measure(stage: Stage, *, seconds: float, show: Show) -> Window:
    """Saturate the one room of ``stage`` and see what arrives.

    Raises:
        BenchFailed: Somebody could not enter, was refused, cut off or not reached.
    """
    tally = Tally()
    members = len(stage.callers)
    show.doing(f"opening {members} sockets")
    sockets = await open_all(stage.port, stage.callers, stage.speech, tally)
    drain = Drain(sockets[SENDERS:])
    try:
        senders = sockets[:SENDERS]
        broadcast = Broadcast(
            senders,
            tally,
            members=members,
            window=window_for(members),
            acks=stage.speech.ack is not None,
            compose=lambda n: stage.compose(n % len(senders), n),
        )
        broadcast.start()
        seen = await observe(stage.program, tally, warm_s=min(2.0, seconds / 2), seconds=seconds, show=show)
        await broadcast.stop(timeout_s=30)
        tally.check()
        return seen
    finally:
        await drain.stop()
        cut_all(sockets)


@contextlib.contextmanager
def deskbell_room(cores: Cores, *, members: int) -> Iterator[Stage]:
    """Deskbell on SQLite, with all ``members`` in one group."""
    with deskbell_server.serving(cores, crowded=members >= 200) as server:
        people = deskbell_server.members(server, members)
        (room,) = deskbell_server.rooms(server, [people])
        text = "x" * TEXT_BYTES
        yield Stage(
            program=server.program,
            port=server.port,
            speech=deskbell_server.SPEECH,
            callers=[deskbell_server.caller(person, room) for person in people],
            compose=lambda _, n: deskbell_server.send(room, n, text),
        )


def table(run: Run) -> Table:
    """Deskbell and the peers at every room size."""
    made = Table(
        title="Fan-out: one room, everybody reached",
        method=(
            f"{SENDERS} of the members send texts of {TEXT_BYTES} bytes as fast as they are taken; a message is under "
            "way until all members have it (and Deskbell has acknowledged it), and "
            + ", ".join(f"{window_for(size)} at {size:,} members" for size in run.members)
            + " may be under way. Deskbell stores each message in SQLite before it acknowledges; the peers store "
            "nothing. python-socketio emits to a room on uvicorn, `ws` broadcasts what came in, neither compresses."
        ),
        columns=(
            "server", "members", "deliveries/s", "CPU each, µs", "bytes each", "server busy", "load busy",
            "rate ratio", "CPU ratio",
        ),
    )  # fmt: skip
    for members in run.members:
        _one_size(run, members, made)
    return made


def _one_size(run: Run, members: int, made: Table) -> None:
    ours: Window | None = None
    frame_bytes = USUAL_FRAME_BYTES

    def row(name: str, seen: Window) -> float:
        rate = seen.delivered / seen.elapsed_s
        ratio = ours.delivered / ours.elapsed_s / rate if ours is not None else 0.0
        cells = (
            name,
            f"{members:,}",
            f"{rate:,.0f}",
            f"{_us(seen):.1f}",
            f"{seen.delivered_bytes / seen.delivered:.0f}",
        )
        made.add(cells, seen, ratio, _us(seen) / _us(ours) if ours is not None else 0.0)
        return ratio

    with run.measurement(f"fanout, {members:,} members: Deskbell", made):
        with deskbell_room(run.cores, members=members) as stage:
            ours = run.wait_for(measure(stage, seconds=run.seconds, show=run.show))
        row("Deskbell", ours)
        frame_bytes = round(ours.delivered_bytes / ours.delivered)
        if members <= 200:
            made.bar(
                f"{members:,} members, server CPU per delivery ≤ {US_PER_DELIVERY:g} µs", _us(ours) <= US_PER_DELIVERY
            )
    if not run.with_peers:
        return
    for name, peer, bar in (
        ("python-socketio", peers.socketio_room, TIMES_SOCKETIO),
        ("Node ws", peers.ws_room, TIMES_WS),
    ):
        with run.measurement(f"fanout, {members:,} members: {name}", made):
            with peer(run.cores, members=members, frame_bytes=frame_bytes) as stage:
                theirs = run.wait_for(measure(stage, seconds=run.seconds, show=run.show))
            ratio = row(name, theirs)
            if ratio:
                made.bar(f"{members:,} members, deliveries/s ≥ {bar:g} × {name}", ratio >= bar)


def _us(seen: Window) -> float:
    return seen.server_cpu_s / seen.delivered * 1e6
