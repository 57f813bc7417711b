"""Told to stop, the server drains first, and ends in time; and it is configured as the promises need."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from deskbell.server.asgi import build_config, run
from deskbell.server.socket_protocol import SocketProtocol

from .server import KIB, PATIENCE_S, eventually, messages, within

PROGRAM = """
import asyncio, sys
from quart import Quart, websocket
from deskbell.server.asgi import build_config, run
from deskbell.server.inbound import BoundedWebsocketConnection
from deskbell.server.outbound import outbound_for, prepare

app = Quart("stopping")
app.asgi_websocket_class = BoundedWebsocketConnection
outbounds = []

@app.websocket("/ws")
async def ws():
    socket = websocket._get_current_object()
    await socket.accept()
    outbound = outbound_for(socket.scope, socket.send, socket.close)
    outbounds.append(outbound)
    outbound.write(prepare(b"welcome"))
    while True:
        await socket.receive()

@app.route("/slow")
async def slow():
    print("slow begun", flush=True)
    await asyncio.sleep(1.5)
    return "finished"

@app.after_serving
async def after():
    print("lifespan ended", flush=True)

async def drain():
    print("drain begun", flush=True)
    for outbound in outbounds:
        outbound.write(prepare(b"drain"))
    if sys.argv[2] == "hangs":
        await asyncio.sleep(3600)
    await asyncio.sleep(0.5)
    for outbound in outbounds[:-1]:  # one is forgotten
        outbound.close(4001, "drain")

limit = float(sys.argv[3])
sys.exit(run(build_config(app, port=int(sys.argv[1])), drain=drain, drain_timeout_s=limit))
"""


class Stopping:
    """The server in a process of its own, to be stopped by signals."""

    def __init__(self, port: int, process: subprocess.Popen[str]) -> None:
        self.port = port
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        return str(await within(asyncio.to_thread(self.process.stdout.readline))).strip()

    async def peer(self) -> ClientConnection:
        client = await connect(f"ws://127.0.0.1:{self.port}/ws", compression=None)
        assert await within(client.recv()) == "welcome"
        return client

    def refuses(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S).close()
        except ConnectionRefusedError:
            return True
        return False

    async def status(self) -> int:
        return int(await within(asyncio.to_thread(self.process.wait)))


@pytest.fixture
async def started(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Stopping]]]:
    """Start the program with a drain that ``works`` or ``hangs``, and a limit in seconds."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    processes: list[subprocess.Popen[str]] = []

    def launch(port: int, drain: str, limit_s: float) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(program), str(port), drain, str(limit_s)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        processes.append(process)
        return process

    async def start(drain: str = "works", limit_s: float = 10.0) -> Stopping:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        process = launch(port, drain, limit_s)
        stopping = Stopping(port, process)
        await eventually(lambda: not stopping.refuses())
        return stopping

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def test_told_to_stop_it_drains_first_and_exits_with_0(started: Callable[..., Awaitable[Stopping]]) -> None:
    """Listeners close, clients are told and closed with 4001, a slow request still gets its answer."""
    server = await started()
    clients = [await server.peer() for _ in range(3)]
    request = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    request.request("GET", "/slow")
    assert await server.line() == "slow begun"

    server.process.send_signal(signal.SIGTERM)
    assert await server.line() == "drain begun"
    assert server.refuses()
    for client in clients:
        assert [message async for message in messages(client)] == ["drain"]
        assert client.close_code == 4001, "even the one the drain forgot"
    response = await asyncio.to_thread(request.getresponse)
    assert (response.status, response.read()) == (200, b"finished")
    request.close()
    assert await server.line() == "lifespan ended"
    assert await server.status() == 0


async def test_a_drain_that_hangs_is_cut_at_its_limit(started: Callable[..., Awaitable[Stopping]]) -> None:
    """A stop always comes to an end, and it is still a clean one."""
    server = await started("hangs", 0.5)
    client = await server.peer()
    server.process.send_signal(signal.SIGTERM)
    assert [message async for message in messages(client)] == ["drain"]
    assert client.close_code == 1006, "cut, not closed"
    assert await server.line() == "drain begun"
    assert await server.line() == "lifespan ended"
    assert await server.status() == 0


async def test_a_second_interrupt_stops_at_once(started: Callable[..., Awaitable[Stopping]]) -> None:
    """Who presses Ctrl-C twice is not made to wait for the drain."""
    server = await started("hangs", 3600)
    server.process.send_signal(signal.SIGINT)
    assert await server.line() == "drain begun"
    server.process.send_signal(signal.SIGINT)
    assert await server.status() == 130


def test_the_configuration_is_the_one_our_promises_need() -> None:
    """No compression, no keepalive of uvicorn's, no banner, no access log with addresses in it."""
    config = build_config("module:app")
    assert config.ws is SocketProtocol and config.ws_ping_interval is None
    assert not (config.ws_per_message_deflate or config.server_header or config.access_log or config.proxy_headers)
    assert 64 * KIB <= config.ws_max_size <= 66 * KIB and config.lifespan == "on"
    assert isinstance(config, uvicorn.Config)


def test_several_workers_are_not_quietly_one() -> None:
    """Who asks for four processes must not believe to have them."""
    with pytest.raises(ValueError, match="one process"):
        run(build_config("module:app", workers=4))
