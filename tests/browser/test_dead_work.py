"""Work that a plugin gave up, as an admin finds it among the plugins and has it tried again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import expect

from deskbell import Dead, Done, PluginContext, Queue, QueueItem, Route, hookimpl
from deskbell.testing.desk import Desk

from .people import Agent

Windows = Callable[..., Any]


class Courier:
    """Delivers parcels, once its van is mended."""

    def __init__(self) -> None:
        self.mended = False
        self.delivered: list[int] = []
        self.context: PluginContext | None = None

    @hookimpl
    def register_routes(self, context: PluginContext) -> Sequence[Route]:
        self.context = context
        return []

    @hookimpl
    def register_queues(self) -> Sequence[Queue]:
        return [Queue(name="parcels", handler=self.deliver, max_attempts=1)]

    async def deliver(self, item: QueueItem) -> Any:
        if not self.mended:
            return Dead("<b>the van</b> is broken")
        self.delivered.append(item.payload["parcel"])
        return Done()


async def test_what_was_given_up_says_why_and_is_tried_again(faces: Path, tmp_path: Path, windows: Windows) -> None:
    """One, then all the others; what is not given up any more is gone from the list."""
    courier, url = Courier(), f"sqlite:///{tmp_path / 'deskbell.sqlite3'}"
    async with Desk.open(url, plugins={"courier": courier}, jobs={"tick_s": 0.05}) as desk:
        kim = await desk.agent("Kim", role="admin")
        assert courier.context is not None
        for parcel in (1, 2, 3):
            await courier.context.enqueue("parcels", desk.tenant, {"parcel": parcel})

        async def all_dead() -> bool:
            return len((await kim.get("/plugins/courier/dead")).json()["items"]) == 3

        await desk.until(all_dead)
        async with windows(desk.address) as (context, _):
            agent = await Agent(await context.new_page()).logs_in(desk.url, kim.email, "/plugins")
            plugin = agent.page.get_by_role("article", name="courier")
            await plugin.get_by_role("button", name="courier").click()
            dead = plugin.get_by_role("region", name="Work given up")
            items = dead.get_by_role("listitem")
            await expect(items).to_have_count(3)
            second = items.filter(has=agent.page.locator("pre", has_text='"parcel": 2'))
            await expect(second).to_contain_text("Given up after 1 attempt: <b>the van</b> is broken")
            await second.get_by_text("What it was").click()
            await expect(second.locator("pre")).to_contain_text('"parcel": 2')

            courier.mended = True
            await second.get_by_role("button", name="Try again").click()
            await expect(dead.get_by_role("status")).to_have_text("1 is tried again.")
            await expect(items).to_have_count(2)
            await desk.until(lambda: courier.delivered == [2])
            await dead.get_by_role("button", name="Try all again").click()
            await expect(dead.get_by_text("Nothing was given up.")).to_be_visible()
            await desk.until(lambda: sorted(courier.delivered) == [1, 2, 3])
