"""The peers: other servers from their own packages, started beside ours in the same run.

Each function is a context: the peer's process runs inside it and is ended on leaving. What cannot
run on this machine raises :class:`NotRun` with the sentence that stands in its row.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from deskbell.bench.load import Caller, Speech, Step
from deskbell.bench.processes import Cores, Program, free_port
from deskbell.bench.stage import Stage

PROGRAMS = Path(__file__).parent / "peers"


class NotRun(Exception):
    """A peer is not installed here. The sentence completes *not run: …*."""


def _header_bytes(payload_bytes: int) -> int:
    return 2 if payload_bytes < 126 else 4 if payload_bytes < 65_536 else 10


def _padded(before: bytes, after: bytes, frame_bytes: int) -> bytes:
    """``before``, filling and ``after``, so long that a server's frame around them has ``frame_bytes``."""
    filling = frame_bytes - _header_bytes(frame_bytes) - len(before) - len(after)
    return before + b"x" * max(0, filling) + after


@contextlib.contextmanager
def socketio_room(cores: Cores, *, members: int, frame_bytes: int) -> Iterator[Stage]:
    """python-socketio on uvicorn; ``members`` sockets in one Socket.IO room.

    Spoken by hand: Engine.IO 4 packets (0 open, 2 ping, 3 pong, 4 message) around Socket.IO
    packets (0 connect, 2 event).
    """
    if importlib.util.find_spec("socketio") is None:
        raise NotRun("python-socketio is missing")
    port = free_port()
    said = _padded(b'42["message","', b'"]', frame_bytes).replace(b"message", b"send", 1)
    program = Program(
        "python-socketio", [sys.executable, "-P", str(PROGRAMS / "socketio_room.py"), str(port)], core=cores.server
    )
    try:
        program.wait_for_port(port)
        yield Stage(
            programs=[program],
            ports=[port],
            speech=Speech(delivery=b'42["message"', ack=None, refusal=b"44", heartbeats={b"2": b"3"}),
            callers=[Caller("/socket.io/?EIO=4&transport=websocket", (Step(b"0{", b"40"), Step(b"40{")))] * members,
            compose=lambda _, __: said,
        )
    finally:
        program.stop()


@contextlib.contextmanager
def ws_room(cores: Cores, *, members: int, frame_bytes: int) -> Iterator[Stage]:
    """Node's ``ws`` broadcasting what comes in, as it is, to all its ``members`` sockets."""
    node, package = _node_ws()
    port = free_port()
    said = _padded(b'{"type":"message","', b'"}', frame_bytes)
    program = Program("Node ws", [node, str(PROGRAMS / "ws_room.cjs"), str(port), str(package)], core=cores.server)
    try:
        program.wait_for_port(port)
        yield Stage(
            programs=[program],
            ports=[port],
            speech=Speech(delivery=b'{"type":"message"', ack=None, refusal=b'{"type":"error"'),
            callers=[Caller("/")] * members,
            compose=lambda _, __: said,
        )
    finally:
        program.stop()


def _node_ws() -> tuple[str, Path]:
    """The node program and the folder of ``ws``, installed into the user's cache at first use."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        raise NotRun("Node is missing")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deskbell-bench" / "node"
    package = cache / "node_modules" / "ws"
    if not (package / "package.json").exists():
        if npm is None:
            raise NotRun("npm is missing")
        cache.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(
                [
                    npm,
                    "install",
                    "--no-audit",
                    "--no-fund",
                    "--no-save",
                    "--ignore-scripts",
                    "--prefix",
                    str(cache),
                    "ws",
                ],
                check=True,
                capture_output=True,
                timeout=120,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failure:
            raise NotRun(f"npm could not install ws ({failure})") from None
    return node, package


@contextlib.contextmanager
def naive(
    cores: Cores, database_url: str, *, rooms: int, members: int, text_bytes: int, frame_bytes: int
) -> Iterator[Stage]:
    """The naive handler on Quart, uvicorn and Tortoise; ``rooms`` rooms of ``members`` senders each.

    Args:
        database_url: A PostgreSQL database, ``postgresql://…``.
        text_bytes: Size of the text; the rest of a frame up to ``frame_bytes`` is filled with metadata.
    """
    port = free_port()
    text = "x" * text_bytes
    overhead = 290  # of its own frame around text and filling, ids and time included
    filling = "x" * max(0, frame_bytes - overhead - text_bytes)
    program = Program(
        "naive handler",
        [
            sys.executable,
            "-P",
            str(PROGRAMS / "quart_naive.py"),
            str(port),
            database_url.replace("postgresql://", "asyncpg://"),
        ],
        core=cores.server,
    )
    try:
        program.wait_for_port(port)
        yield Stage(
            programs=[program],
            ports=[port],
            speech=Speech(delivery=b'{"type": "message"', ack=b'{"type": "ack"', refusal=b'{"type": "error"'),
            callers=[
                Caller(f"/ws/room-{room}/user-{room}-{member}", (Step(b'{"type": "welcome"'),))
                for room in range(rooms)
                for member in range(members)
            ],
            compose=lambda _, n: (
                f'{{"type":"send","ref":{n},"client_id":"c-{n}","content":"{text}","metadata":{{"filling":"{filling}"}}}}'
            ).encode(),
        )
    finally:
        program.stop()
