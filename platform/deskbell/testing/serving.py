"""An application, or the whole demo, served on an own port while somebody looks: a test, or who takes pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from deskbell.app import Application
from deskbell.config import Settings, load
from deskbell.demo import settings_of
from deskbell.demo.life import life
from deskbell.demo.visitors import Crowd
from deskbell.server.asgi import Server
from deskbell.testing.ports import free_port

LOOK_EVERY_S = 0.005


@asynccontextmanager
async def served(application: Application, *, port: int | None = None) -> AsyncIterator[Server]:
    """Serve, on the port of its settings unless another is given; at the end it is drained.

    What kept it from starting is raised.
    """
    server = application.server(host="127.0.0.1", port=port)
    serving = asyncio.create_task(server._serve(), name="test-server")
    try:
        while not server.started:
            if serving.done():
                serving.result()
            await asyncio.sleep(LOOK_EVERY_S)
        yield server
    finally:
        server.should_exit = True
        await serving


def demo_settings(folder: Path, *, collect_ms: int | None = None) -> Settings:
    """Those of the demo, on a free port, with its store in ``folder``. ``collect_ms``: how long its bot listens."""
    made = settings_of(load(None, {}).settings, folder, "127.0.0.1", free_port())
    turns = made.turns if collect_ms is None else msgspec.structs.replace(made.turns, collect_ms=collect_ms)
    return msgspec.structs.replace(made, turns=turns)


@asynccontextmanager
async def served_demo(settings: Settings, *, pace: float = 1.0, front: str = "") -> AsyncIterator[Crowd]:
    """The demo with its life, as it is now: play its week before. ``front`` is what stands at ``/``."""
    application = await Application.open(settings, front=front)
    try:
        async with life(application, pace=pace) as crowd, served(application):
            yield crowd
    finally:
        await application.close()
