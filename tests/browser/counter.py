"""A visitor at the counter, and the window of the agent who looks at their conversation."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import BrowserContext, Locator, Page, expect

from deskbell.testing.desk import PASSWORD, Desk, Line, Person


@dataclass
class Case:
    """A visitor at the counter, and the agent's window on them."""

    desk: Desk
    agent: Person
    visitor: Person
    room: str
    line: Line
    page: Page
    context: BrowserContext

    @property
    def thread(self) -> Locator:
        return self.page.locator(".thread")

    @property
    def field(self) -> Locator:
        return self.page.locator(".comp textarea")

    def message(self, text: str | re.Pattern[str]) -> Locator:
        return self.page.locator(".log .msg", has=self.page.locator(".bub", has_text=text))

    def note(self, text: str) -> Locator:
        return self.page.locator(".log .note", has_text=text)

    async def take_over(self) -> None:
        await self.thread.locator(".btn.bell").click()
        await expect(self.page.locator(".t-head .owner.human")).to_contain_text("You")
        await expect(self.field).to_be_focused()

    async def write(self, text: str, *, then: str = "Enter") -> None:
        await self.field.fill(text)
        await self.field.press(then)

    async def menu(self, message: Locator, item: str) -> None:
        await message.hover()
        await message.get_by_role("toolbar").get_by_role("button", name="More").click()
        await self.page.get_by_role("menuitem", name=item).click()


async def log_in(page: Page, desk: Desk, agent: Person, path: str = "") -> None:
    await page.goto(f"{desk.url}/console{path}")
    await page.locator("input[type=email]").fill(agent.email)
    await page.locator("input[type=password]").fill(PASSWORD)
    await page.keyboard.press("Enter")


@asynccontextmanager
async def opened(desk: Desk, windows: Callable[..., Any], *said: str, mine: bool = False) -> AsyncIterator[Case]:
    """A visitor who has said something, and an agent who looks at it; ``mine``: who answers, too."""
    agent, visitor = await desk.agent("Ines Moreau"), await desk.visitor("Maya")
    room = await visitor.conversation()
    async with visitor.line() as line, windows(desk.address) as (context, _):
        await line.subscribe(room)
        for text in said:
            await line.says(room, text)
        if mine:
            assert (await agent.post(f"/rooms/{room}/take-over")).status_code == 200
        page = await context.new_page()
        await log_in(page, desk, agent, f"/inbox/all/{room}")
        case = Case(desk, agent, visitor, room, line, page, context)
        await expect(case.page.locator(".t-head .owner")).to_be_visible()
        yield case
