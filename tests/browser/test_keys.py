"""Keys of one's own choice, wherever a key is shown or pressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.async_api import expect

from deskbell.testing.desk import Desk

from .people import Agent

Windows = Callable[..., Any]


async def test_a_key_is_given_taken_away_and_given_back(desk: Desk, windows: Windows) -> None:
    """The sheet of keys and the settings say what holds; a key that was taken away means nothing any more."""
    ines = await desk.agent("Ines")
    async with windows(desk.address) as (context, _):
        agent = await Agent(await context.new_page()).logs_in(desk.url, ines.email)
        page = agent.page
        sheet = page.get_by_role("dialog", name="Keyboard shortcuts")

        async def sheet_says(*keys: str) -> None:
            await page.get_by_role("heading", name="Settings").focus()
            await page.keyboard.press("?")
            said = sheet.locator("dt", has_text="Search messages").locator("xpath=following-sibling::dd[1]")
            if keys:
                await expect(said.locator("kbd")).to_have_text(list(keys))
            else:
                await expect(sheet.locator("dd").first).to_be_visible()
                await expect(said).to_have_count(0)
            await page.keyboard.press("Escape")
            await expect(sheet).to_have_count(0)

        await expect(page.get_by_text("Nothing here needs you")).to_be_visible()
        await page.keyboard.press("?")
        await sheet.get_by_role("button", name="Change keys").click()
        await expect(page.get_by_role("tab", name="Keys")).to_have_attribute("aria-selected", "true")
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Search messages"))
        before = await row.locator("kbd").all_inner_texts()
        assert before
        await row.get_by_role("button", name="Change the key for").click()
        await page.keyboard.press("Shift+Y")
        await sheet_says("⇧ Y")

        await row.get_by_role("button", name="Remove the key for").click()
        await expect(row).to_contain_text("No key")
        await sheet_says()
        await page.keyboard.press("Shift+Y")
        await page.get_by_role("heading", name="Settings").focus()
        await page.keyboard.press("/")
        await expect(page.get_by_role("heading", name="Settings")).to_be_focused()

        await page.get_by_role("button", name="All keys as they came").click()
        await expect(row.locator("kbd")).to_have_text(before)
        await page.get_by_role("heading", name="Settings").focus()
        await page.keyboard.press("/")
        await expect(page.get_by_role("searchbox", name="Search messages")).to_be_focused()
