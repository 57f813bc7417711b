"""The demo's shop: its bar opens a window for each of its people, and says what went wrong in true words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, Route, expect

from deskbell.demo import LOOK
from deskbell.demo.life import FRONT
from deskbell.demo.week import BOT
from deskbell.testing.serving import demo_settings, served_demo
from deskbell_bots.faq import PIECES

Windows = Callable[..., Any]
DOORS = {"ana": "Answer as Ana, agent", "ben": "Watch as Ben, supervisor"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(faces: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A demo without the week behind it, whose assistant takes its time."""
    settings = demo_settings(tmp_path_factory.mktemp("demo"))
    shop = settings.plugins["faq"].settings["also"][BOT]
    assert shop["piece_ms"] * PIECES > 1000, "an answer is seen growing"
    shop["piece_ms"] = 500
    async with served_demo(settings, front=FRONT):
        yield settings.server.public_url


async def enter(context: BrowserContext, shop: Page, who: str) -> Page:
    async with context.expect_page() as opened:
        await shop.get_by_role("button", name=DOORS[who]).click()
    return await opened.value


def account(page: Page, name: str) -> Any:
    return page.get_by_role("banner").get_by_role("button", name=name)


async def test_each_of_the_people_has_a_window_of_their_own(url: str, windows: Windows) -> None:
    async with windows(urlsplit(url).netloc) as (context, _):
        shop = await context.new_page()
        await shop.goto(url)
        ana = await enter(context, shop, "ana")
        await expect(account(ana, "Ana Duarte")).to_be_visible()
        ben = await enter(context, shop, "ben")
        await expect(account(ben, "Ben Adeyemi")).to_be_visible()
        await expect(account(ana, "Ana Duarte")).to_be_visible()
        await ana.reload()
        await expect(account(ana, "Ana Duarte")).to_be_visible()

        # The same door again leads to the window that is there.
        async with ana.expect_navigation():
            await shop.get_by_role("button", name=DOORS["ana"]).click()
        await expect(account(ana, "Ana Duarte")).to_be_visible()
        assert len(context.pages) == 3

        # One who leaves does so alone; a tab that is nobody's asks who comes.
        await account(ana, "Ana Duarte").click()
        await ana.get_by_role("menuitem", name="Log out").click()
        await expect(ana.get_by_label("Password", exact=True)).to_be_visible()
        await expect(account(ben, "Ben Adeyemi")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (429, "rate_limited", "That was often. Try again in a minute."),
        (500, "internal", "The demo refused: internal."),
        (0, "", "The demo does not answer. Is it still running?"),
    ],
)
async def test_a_door_that_stays_shut_says_why(url: str, windows: Windows, status: int, code: str, told: str) -> None:
    async def answer(route: Route) -> None:
        if status:
            await route.fulfill(status=status, json={"error": {"code": code, "message": "", "temporary": True}})
        else:
            await route.abort()

    async with windows(urlsplit(url).netloc) as (context, troubles):
        troubles.expected.append("Failed to load resource")
        shop = await context.new_page()
        await shop.route("**/auth/login", answer)
        await shop.goto(url)
        await shop.get_by_role("button", name=DOORS["ana"]).click()
        await expect(shop.get_by_role("status")).to_have_text(told)
        assert len(context.pages) == 1


async def test_the_shop_shows_what_the_widget_can_do(url: str, windows: Windows) -> None:
    """Its colour, an answer that grows and may be stopped, and the other language, from the right."""
    async with windows(urlsplit(url).netloc) as (context, _):
        shop = await context.new_page()
        await shop.goto(url)
        await shop.get_by_role("button", name="Ask about this lamp").click()
        panel = shop.locator("deskbell-widget .panel")
        await expect(panel.get_by_text(LOOK.greeting["en"])).to_be_visible()
        launcher = shop.locator("deskbell-widget .launcher")
        assert LOOK.theme.color is not None
        red, green, blue = bytes.fromhex(LOOK.theme.color.removeprefix("#"))
        await expect(launcher).to_have_css("background-color", f"rgb({red}, {green}, {blue})")

        await panel.locator(".start").first.click()
        field = panel.locator(".composer textarea")
        await field.fill("Which shade fits the Alder lamp?")
        await field.press("Enter")
        stop = panel.get_by_role("button", name="Stop")
        await stop.click()
        await expect(stop).to_have_count(0)
        await expect(panel.get_by_text("Shades are held by a ring, so every shade")).to_have_count(0)

        await panel.locator(".menu-place .icon-btn").click()
        await panel.locator("input[name=language]").last.check(force=True)
        await expect(shop.locator("deskbell-widget .desk")).to_have_attribute("dir", "rtl")
