"""The main job, short, wherever it is done: from the right, on a phone, with large text, by keyboard alone, in the
dark, and without anything that moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from deskbell.testing.desk import Desk

from .people import TOO_WIDE, Agent, Visitor, desk_for, line_for, reach

Windows = Callable[..., Any]

TWICE = {"viewport": {"width": 720, "height": 450}, "device_scale_factor": 2}
"""A window of 1440 to 900 at the browser's zoom of 200 %."""
MOVING = """document.getAnimations()
  .filter((one) => one.playState === "running" && one.effect.getComputedTiming().duration > 1)
  .map((one) => one.animationName ?? String(one))"""
BRIGHTNESS = """(one) => {
  for (let at = one; at; at = at.parentNode ?? at.host) {
    const found = at.nodeType === 1 && getComputedStyle(at).backgroundColor.match(/[\\d.]+/g);
    if (found && found[3] !== "0") return Math.max(...found.slice(0, 3).map(Number));
  }
  return 255;
}"""
CONDITIONS: dict[str, dict[str, Any]] = {
    "arabic": {"locale": "ar"},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True},
    "large text": {},
    "keyboard": {},
    "still": {"reduced_motion": "reduce"},
    "dark": {"color_scheme": "dark"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(faces: Any, shop: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with desk_for(shop, tmp_path_factory.mktemp("desk")) as desk:
        yield desk


class Hands:
    """How somebody presses a control and what must be true of each that they need."""

    def __init__(self, how: str) -> None:
        self.how = how

    async def press(self, target: Locator) -> None:
        await expect(target).to_be_visible()
        if self.how == "keyboard":
            await reach(target)
            await target.page.keyboard.press("Enter")
        elif self.how == "phone":
            await target.tap()
        else:
            await target.click()
        await self.looks(target.page)

    async def write(self, field: Locator, text: str) -> None:
        await expect(field).to_be_in_viewport()
        if self.how == "keyboard":
            await reach(field)
            await field.page.keyboard.type(text)
            await field.page.keyboard.press("Enter")
        else:
            await field.fill(text)
            await field.press("Enter")
        await self.looks(field.page)

    async def looks(self, page: Page) -> None:
        """Whatever is on the screen is not wider than it; and nothing moves for those who want that."""
        assert await page.evaluate(TOO_WIDE) <= 0
        if self.how == "still":
            assert await page.evaluate(MOVING) == []


@pytest.mark.parametrize("how", CONDITIONS)
async def test_the_main_job_is_done(how: str, desk: Desk, shop: Any, windows: Windows) -> None:
    options = CONDITIONS[how]
    hands = Hands(how)
    name = how.split(" ")[0].capitalize()
    ines = await desk.agent("Ines Moreau")
    html = "lang=ar dir=rtl" if how == "arabic" else "lang=en"
    both = "<style>:root { color-scheme: light dark }</style>"  # without it a page is light, and so is the widget
    address = shop.page(f"/{name}", head=both + line_for(desk.url, name=name), attributes=html)
    async with (
        windows(desk.address, shop.address, **options) as (there, _),
        windows(desk.address, **(TWICE if how == "large text" else options)) as (here, _),
    ):
        agent = await Agent(await here.new_page()).logs_in(desk.url, ines.email, "/inbox/queue")
        visitor = await Visitor(await there.new_page()).comes(address)

        await hands.press(visitor.launcher)
        if how == "large text":
            await hands.press(visitor.panel.locator(".menu-place .icon-btn"))
            await visitor.panel.locator(".menu input[name=size]").last.check(force=True)
            await visitor.page.keyboard.press("Escape")
        await hands.press(visitor.panel.locator(".start").first)
        await hands.write(visitor.field, "Is my lamp broken?")
        await visitor.hears("You said: Is my lamp broken?")
        await hands.press(visitor.bell)
        await expect(visitor.waiting).to_be_visible()

        await hands.press(agent.row(name).locator("a.to"))
        await hands.press(agent.accepts)
        await hands.write(agent.field, "It is. We send another.")
        await visitor.hears("It is. We send another.")
        await expect(visitor.field).to_be_in_viewport()
        await expect(visitor.sends).to_be_in_viewport(ratio=1)
        await expect(agent.said("It is. We send another.")).to_be_in_viewport()

        await expect(agent.resolve).to_be_in_viewport(ratio=1)
        await hands.press(agent.resolve)
        await expect(visitor.rating).to_be_visible()
        if how == "keyboard":
            await reach(visitor.rating.locator("input[type=radio]").first)
            await visitor.page.keyboard.press("ArrowRight")
            await reach(visitor.rating.locator(".btn.ink"))
            await visitor.page.keyboard.press("Enter")
            await expect(visitor.rating).to_have_count(0)
        else:
            await visitor.rates(4)
        await hands.looks(visitor.page)

        if how == "arabic":
            await expect(visitor.panel.locator("..").locator("..")).to_have_attribute("dir", "rtl")
            assert await agent.page.evaluate("document.documentElement.dir") == "rtl"
        if how == "dark":
            assert await visitor.panel.evaluate(BRIGHTNESS) < 80
            assert await agent.page.locator(".thread").evaluate(BRIGHTNESS) < 80
