"""What the demo's server has beside a desk's own pages: a shop at its front, and visitors on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from deskbell.app import Application
from deskbell.demo.visitors import Crowd
from deskbell.server.auth import from_elsewhere

FRONT: Final = "shop.html"


@asynccontextmanager
async def life(application: Application, *, pace: float = 1.0) -> AsyncIterator[Crowd]:
    """Give ``application``, which is not yet served, the demo's routes; at the end its visitors go home."""
    crowd = Crowd(application.settings.server.public_url, pace)

    async def send_in(count: int) -> tuple[dict[str, int], int]:
        # A browser sends to this machine what any page wants sent; visitors are the shop's own pages to ask for.
        if from_elsewhere(application.edge):
            return {"present": crowd.present}, 403
        return {"present": crowd.send_in(count)}, 200

    crowd.staff()
    application.quart.add_url_rule("/demo/visitors/<int:count>", "demo.visitors", send_in, methods=["POST"])
    try:
        yield crowd
    finally:
        await crowd.close()
