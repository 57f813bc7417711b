"""The demo's shop: its bar opens a window for each of its people, and says what went wrong in true words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, Route, expect

from deskbell.demo.life import FRONT
from deskbell.testing.serving import demo_settings, served_demo

Windows = Callable[..., Any]
DOORS = {"ana": "Answer as Ana, agent", "ben": "Watch as Ben, supervisor"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(faces: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A demo without the week behind it."""
    settings = demo_settings(tmp_path_factory.mktemp("demo"))
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
