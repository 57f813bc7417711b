"""What one delivery costs the server when nothing but the socket is in the way.

Starts a server on a free loopback port and, in a second process, clients that read and throw
away. The server publishes one prepared frame after another to all of them, for a fixed time,
first through ``Outbound.write`` and then, for comparison in the same run, with one awaited ASGI
send per socket. Printed is the server's CPU time (user and system) per delivery.

    python tests/benchmarks/raw_fanout.py [--sockets 200] [--seconds 5] [--bytes 790]

Server and clients are pinned to different cores where there are two.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import selectors
import socket
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from deskbell.server.asgi import Server, build_config
from deskbell.server.outbound import EXTENSION, Outbound, prepare

BACKLOG_BYTES = 256 << 10  # the publisher pauses while any socket has more than this waiting


def cpu_s() -> float:
    """Return the CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def pin(core: int) -> None:
    """Keep this process on one core, if there are enough."""
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {core})


def read_and_forget(port: int, sockets: int, ready: Connection) -> None:
    """Open the sockets, and read until the server closes them."""
    pin(1)
    selector = selectors.DefaultSelector()
    for _ in range(sockets):
        peer = socket.create_connection(("127.0.0.1", port))
        peer.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += peer.recv(4096)
        selector.register(peer, selectors.EVENT_READ)
    ready.send(True)
    buffer = bytearray(1 << 20)
    received = 0
    while selector.get_map():
        for key, _ in selector.select(timeout=5):
            try:
                size = key.fileobj.recv_into(buffer)  # type: ignore[union-attr]
            except OSError:
                size = 0
            if size:
                received += size
            else:
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
    ready.send(received)


class Publisher:
    """The application: takes every socket, and publishes when told."""

    def __init__(self) -> None:
        self.outbounds: list[Outbound] = []
        self.sends: list[Any] = []
        self.done = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "websocket.accept"})
        self.outbounds.append(Outbound(scope["extensions"][EXTENSION]))
        self.sends.append(send)
        await self.done.wait()

    async def prepared(self, text: str, seconds: float) -> tuple[int, float, float]:
        """Publish through the writers; return deliveries, CPU seconds and wall seconds."""
        frame, count, outbounds = prepare(text.encode()), 0, self.outbounds
        start, cpu = time.monotonic(), cpu_s()
        while time.monotonic() - start < seconds:
            for outbound in outbounds:
                outbound.write(frame)
            count += len(outbounds)
            await asyncio.sleep(0)
            while max(outbound.pending_bytes for outbound in outbounds) > BACKLOG_BYTES:
                await asyncio.sleep(0.002)
        return count, cpu_s() - cpu, time.monotonic() - start

    async def one_by_one(self, text: str, seconds: float) -> tuple[int, float, float]:
        """Publish with an awaited ASGI send per socket; return the same."""
        count, start, cpu = 0, time.monotonic(), cpu_s()
        while time.monotonic() - start < seconds:
            for send in self.sends:
                await send({"type": "websocket.send", "text": text})
            count += len(self.sends)
            await asyncio.sleep(0)
        return count, cpu_s() - cpu, time.monotonic() - start


def main() -> None:
    """Run the measurement and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--bytes", type=int, default=790, help="of one frame, its header included")
    options = parser.parse_args()
    text = "x" * (options.bytes - (2 if options.bytes < 128 else 4))
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    publisher = Publisher()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = Server(build_config(publisher, log_level="warning"))
    load = multiprocessing.get_context("spawn").Process(
        target=read_and_forget, args=(listener.getsockname()[1], options.sockets, theirs), daemon=True
    )
    rows: list[tuple[str, int, float, float]] = []

    async def measure() -> None:
        await asyncio.to_thread(ours.recv)
        for name, publish in (("Outbound.write", publisher.prepared), ("ASGI send", publisher.one_by_one)):
            await publish(text, options.seconds / 10)  # warm
            rows.append((name, *await publish(text, options.seconds)))
        publisher.done.set()
        server.should_exit = True

    async def serve() -> None:
        await asyncio.gather(server.serve(sockets=[listener]), measure())

    load.start()
    pin(0)
    watchdog = threading.Timer(options.seconds * 3 + 60, os._exit, args=(1,))
    watchdog.daemon = True
    watchdog.start()
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(serve())
    received = ours.recv()
    load.join(10)
    watchdog.cancel()
    table = [f"{options.sockets} sockets, frames of {options.bytes} bytes, {received / 1e6:.0f} MB read by the clients"]
    for name, count, cpu, wall in rows:
        table.append(f"{name:16} {cpu / count * 1e6:6.2f} µs CPU per delivery {count / wall:10,.0f} deliveries/s")
    sys.stdout.write("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
