"""What the demo's server has beside a desk's own pages: a shop at its front, and visitors on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from deskbell.app import Application
from deskbell.demo.visitors import Crowd

FRONT: Final = "shop.html"


@asynccontextmanager
async def life(application: Application) -> AsyncIterator[Crowd]:
    """Give ``application``, which is not yet served, the demo's routes; at the end its visitors go home."""
    crowd = Crowd(application.settings.server.public_url)

    async def send_in(count: int) -> dict[str, int]:
        return {"present": crowd.send_in(count)}

    application.quart.add_url_rule("/demo/visitors/<int:count>", "demo.visitors", send_in, methods=["POST"])
    try:
        yield crowd
    finally:
        await crowd.close()
