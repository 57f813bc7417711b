"""Menus, forms and questions of the console answer the same keys, wherever they open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.async_api import Locator, Page, expect

from deskbell.testing.desk import Desk

from .counter import opened

FOCUSED_WORDS = "() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)


async def answers_keys(page: Page, button: Locator) -> None:
    """Arrows go around, Home and End to the ends, letters to what begins with them; Escape gives the focus back."""
    await button.focus()
    await press(page, "ArrowDown")
    menu = page.get_by_role("menu")
    items = menu.locator("[role^=menuitem]:not(:disabled)")
    await expect(items.first).to_be_focused()
    await press(page, "ArrowUp")
    await expect(items.last).to_be_focused()
    await press(page, "Home")
    await expect(items.first).to_be_focused()
    await press(page, "End")
    await expect(items.last).to_be_focused()
    words = str(await page.evaluate(FOCUSED_WORDS)).strip()
    await press(page, "Home", words[0].lower())
    now = str(await page.evaluate(FOCUSED_WORDS)).strip()
    assert now.lower().startswith(words[0].lower()), now
    await press(page, "Escape")
    await expect(menu).to_have_count(0)
    await expect(button).to_be_focused()
    await press(page, "ArrowUp")
    await expect(items.last).to_be_focused()
    await press(page, "Tab")
    await expect(menu).to_have_count(0)


async def test_every_menu_answers_the_same_keys(desk: Desk, windows: Callable[..., Any]) -> None:
    async with opened(desk, windows, "Which bulb?", mine=True) as case:
        page, head = case.page, case.page.locator(".t-head")
        bulb = case.message("Which bulb?")
        await expect(bulb).to_be_visible()
        for button in (
            head.get_by_role("button", name="More", exact=True),
            head.locator("button.owner"),
            page.locator(".list").get_by_role("button", name="Sort:"),
            page.locator(".top .avail"),
        ):
            await answers_keys(page, button)
        await bulb.focus()
        await answers_keys(page, bulb.get_by_role("button", name="More"))

        emoji = page.get_by_role("button", name="Emoji")
        await emoji.click()
        await press(page, "ArrowRight", "ArrowDown")  # to the second of the second row
        await expect(page.get_by_role("menuitem").nth(9)).to_be_focused()
        await press(page, "h", "e", "a", "r", "t", "Enter")
        await expect(case.field).to_have_value("❤️")

        status = page.locator(".list").get_by_role("button", name="Filter")
        await status.click()
        form = page.get_by_role("dialog", name="Filter")
        await expect(form.get_by_label("Status")).to_be_focused()
        await press(page, "Escape")
        await expect(form).to_have_count(0)
        await expect(status).to_be_focused()


async def test_behind_a_question_no_key_does_anything(desk: Desk, windows: Callable[..., Any]) -> None:
    async with opened(desk, windows, "Which bulb?", mine=True) as case:
        page = case.page
        more = page.locator(".t-head").get_by_role("button", name="More", exact=True)
        await more.click()
        await page.get_by_role("menuitem", name="Pinned messages").click()
        question = page.get_by_role("dialog", name="Pinned messages")
        await question.get_by_text("Nothing is pinned here.").click()
        await press(page, "e", "Alt+e", "?", "Control+k")
        await expect(page.get_by_role("dialog")).to_have_count(1)
        await press(page, "Escape")
        await expect(question).to_have_count(0)
        await expect(more).to_be_focused()
        assert (await case.agent.get(f"/rooms/{case.room}")).json()["case"] is not None
        cases = (await case.agent.get("/cases?view=mine")).json()["items"]
        assert [row["room"] for row in cases if row["room"] == case.room] == [case.room]


async def test_what_one_does_from_the_field_can_have_other_keys_and_is_on_the_sheet(
    desk: Desk, windows: Callable[..., Any]
) -> None:
    async with opened(desk, windows, "Which bulb?", mine=True) as case:
        page = case.page
        name = f"deskbell/console/preferences/{case.agent.id}"
        await page.evaluate(
            "([name]) => localStorage.setItem(name, JSON.stringify({keys: {'thread.edit-last': ['ArrowUp']}}))", [name]
        )
        await page.reload()
        await expect(case.message("Which bulb?")).to_be_visible()
        await press(page, "?")
        sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
        await expect(sheet.get_by_text("Edit my last message, from the empty field")).to_be_visible()
        await press(page, "Escape", "Enter")  # and Enter answers
        await expect(case.field).to_be_focused()
        await case.write("An E14 one")
        await expect(case.message("An E14 one").locator(".meta")).to_contain_text("Sent")
        await press(page, "ArrowLeft")
        await expect(page.locator(".edit textarea")).to_have_count(0)
        await press(page, "ArrowUp")
        await expect(page.locator(".edit textarea")).to_have_value("An E14 one")
        await press(page, "Escape")

        await case.write("That is all.", then="Control+Shift+Enter")
        await case.line.hears(case.room, "That is all.")
        await expect(page.locator(".t-head .owner")).to_contain_text("Resolved")


async def test_enter_opens_the_row_that_has_the_focus(desk: Desk, windows: Callable[..., Any]) -> None:
    async with opened(desk, windows, "Which bulb?", mine=True) as case:
        other = await desk.visitor("Wim")
        room = await other.conversation()
        assert (await case.agent.post(f"/rooms/{room}/take-over")).status_code == 200
        row = case.page.locator(".row", has_text="Wim").locator("a.to")
        await row.focus()
        await press(case.page, "Enter")
        await expect(case.page.locator(".t-who h1")).to_have_text("Wim")
        await expect(case.page.locator(".row.sel")).to_contain_text("Wim")
