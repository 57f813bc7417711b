"""Scenario ``fanout``: what it costs to reach every member of one room.

For Deskbell the whole path is in the figure: the socket's ``send``, every check, the journal, the ack,
the hub. The peers store nothing and acknowledge nothing; they send as many bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from deskbell.bench import deskbell_server, peers
from deskbell.bench.load import Broadcast, Drain, Tally, cut_all, open_all
from deskbell.bench.processes import Cores
from deskbell.bench.report import Show, Table
from deskbell.bench.run import Run
from deskbell.bench.stage import Stage, Window, observe

SENDERS = 4
TEXT_BYTES = 250
USUAL_FRAME_BYTES = 790  # where Deskbell itself could not be measured

US_PER_DELIVERY = 9.0
TIMES_SOCKETIO = 8.0
TIMES_WS = 1.5


def window_for(members: int) -> int:
    """How many messages may be under way: enough for a busy server, at most 100 KB per reader."""
    return max(16, min(128, 64_000 // members))


@dataclass(frozen=True)
class Seen:
    busy: Window
    """At saturation."""
    single: Window
    """One message under way at a time, so that nothing can be written together; its rate says little."""


async def measure(stage: Stage, *, seconds: float, show: Show) -> Seen:
    """Saturate the one room of ``stage`` and see what arrives; then again with a message at a time.

    Raises:
        BenchFailed: Somebody could not enter, was refused, cut off, not reached or reached twice.
    """
    tally = Tally()
    members = len(stage.callers)
    show.doing(f"opening {members} sockets")
    sockets = await open_all(stage.ports, stage.callers, stage.speech, tally)
    drain = Drain(sockets[SENDERS:])
    seen = []
    try:
        senders = sockets[:SENDERS]
        sent = 0
        for window, length in ((window_for(members), seconds), (1, seconds / 2)):
            broadcast = Broadcast(
                senders,
                tally,
                members=members,
                window=window,
                acks=stage.speech.ack is not None,
                compose=partial(_compose, stage, sent),
            )
            broadcast.start()
            seen.append(await observe(stage.programs, tally, warm_s=min(2.0, length / 2), seconds=length, show=show))
            await broadcast.stop(timeout_s=30)
            tally.check()
            sent += broadcast.sent
        return Seen(*seen)
    finally:
        await drain.stop()
        cut_all(sockets)


def _compose(stage: Stage, before: int, n: int) -> bytes:
    return stage.compose(n % SENDERS, before + n)


@contextlib.contextmanager
def deskbell_room(cores: Cores, *, members: int) -> Iterator[Stage]:
    """Deskbell on SQLite, with all ``members`` in one group."""
    with deskbell_server.serving(cores, crowded=members >= 200) as server:
        people = deskbell_server.members(server, members)
        (room,) = deskbell_server.rooms(server, [people])
        text = "x" * TEXT_BYTES
        yield Stage(
            programs=[server.program],
            ports=[server.port],
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
            + " may be under way; then the same with one at a time, which shows the CPU of a delivery that cannot be "
            "written together with others. Deskbell stores each message in SQLite before it acknowledges; the peers "
            "store nothing. python-socketio emits to a room on uvicorn, `ws` broadcasts what came in."
        ),
        columns=(
            "server", "members", "under way", "deliveries/s", "CPU each, µs", "bytes each", "server / load busy",
            "rate ratio", "CPU ratio",
        ),
    )  # fmt: skip
    for members in run.members:
        _one_size(run, members, made)
    return made


def _one_size(run: Run, members: int, made: Table) -> None:
    ours: Seen | None = None
    frame_bytes = USUAL_FRAME_BYTES

    def rows(name: str, seen: Seen) -> float:
        rate = seen.busy.delivered / seen.busy.elapsed_s
        ratio = ours.busy.delivered / ours.busy.elapsed_s / rate if ours is not None else 0.0
        size = f"{seen.busy.delivered_bytes / seen.busy.delivered:.0f}"
        window = str(window_for(members))
        cells = (name, f"{members:,}", window, f"{rate:,.0f}", f"{_us(seen.busy):.2f}", size)
        made.add(cells, seen.busy, ratio, _us(seen.busy) / _us(ours.busy) if ours is not None else 0.0)
        cells = (name, f"{members:,}", "1", "–", f"{_us(seen.single):.2f}", size)
        made.add(cells, seen.single, 0.0, _us(seen.single) / _us(ours.single) if ours is not None else 0.0, full=False)
        return ratio

    length = run.seconds * 1.5
    with run.measurement(f"fanout, {members:,} members: Deskbell", made, steps=length):
        with deskbell_room(run.cores, members=members) as stage:
            ours = run.wait_for(measure(stage, seconds=run.seconds, show=run.show))
        rows("Deskbell", ours)
        frame_bytes = round(ours.busy.delivered_bytes / ours.busy.delivered)
        if members <= 200:
            limit = f"server CPU per delivery ≤ {US_PER_DELIVERY:g} µs"
            made.bar(f"{members:,} members, {limit}", _us(ours.busy) <= US_PER_DELIVERY)
            made.bar(f"{members:,} members, one message at a time, {limit}", _us(ours.single) <= US_PER_DELIVERY)
    if not run.with_peers:
        return
    for name, peer, bar in (
        ("python-socketio", peers.socketio_room, TIMES_SOCKETIO),
        ("Node ws", peers.ws_room, TIMES_WS),
    ):
        with run.measurement(f"fanout, {members:,} members: {name}", made, steps=length):
            with peer(run.cores, members=members, frame_bytes=frame_bytes) as stage:
                theirs = run.wait_for(measure(stage, seconds=run.seconds, show=run.show))
            ratio = rows(name, theirs)
            if ratio:
                made.bar(f"{members:,} members, deliveries/s ≥ {bar:g} × {name}", ratio >= bar)


def _us(seen: Window) -> float:
    return seen.server_cpu_s / seen.delivered * 1e6
