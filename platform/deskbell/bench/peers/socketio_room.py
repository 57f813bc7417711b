"""Peer: python-socketio on uvicorn, one room, messages emitted to all of it.

A program, started by path in its own process; nothing imports it. WebSocket transport only, no
compression, as the other contestants.
"""

from __future__ import annotations

import sys
from typing import Any

import socketio  # type: ignore[import-untyped]  # published without types
import uvicorn

desk = socketio.AsyncServer(async_mode="asgi", transports=["websocket"], http_compression=False)


@desk.event  # type: ignore[untyped-decorator]
async def connect(sid: str, environ: dict[str, Any]) -> None:
    await desk.enter_room(sid, "room")


@desk.event  # type: ignore[untyped-decorator]
async def send(sid: str, text: str) -> None:
    await desk.emit("message", text, room="room")


if __name__ == "__main__":
    uvicorn.run(
        socketio.ASGIApp(desk),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        access_log=False,
        ws_per_message_deflate=False,
    )
