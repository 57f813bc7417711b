"""What a browser really fetches before anything is to be seen stays within the budget that the build counts by."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from deskbell.testing.desk import PASSWORD, SITE_KEY, Desk

# Bytes, gzipped: the budgets in `platform/web/scripts/build.ts`.
LOADER = 10_000
CHAT = 28_000  # the panel with the home page
TALK = 40_000  # until the first message is drawn
CONSOLE = 150_000

SITE = f"""<!doctype html><title>A site</title><link rel="icon" href="data:,">
<script src="/widget.js" data-site="{SITE_KEY}"></script>"""

FILES = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .map((entry) => new URL(entry.name).pathname)
  .filter((path) => /^[/](console|widget.js|assets[/])/.test(path))"""
FETCHED = f"() => {FILES}"
# Notes what has been fetched when the first message is to be seen.
AT_FIRST_MESSAGE = f"""
const look = () => {{
  const drawn = [...document.querySelectorAll("*")].some((one) => one.shadowRoot?.querySelector("article"));
  if (drawn) window.atFirstMessage = {FILES};
  else requestAnimationFrame(look);
}};
look();"""


async def fetched(page: Page, faces: Path) -> dict[str, int]:
    """The files of the desk that a page has by now, with their sizes."""
    await page.wait_for_load_state("networkidle")
    return {path: gzipped(faces, path) for path in set(await page.evaluate(FETCHED))}


def gzipped(faces: Path, path: str) -> int:
    """As it is sent to a browser that does not take brotli."""
    file = faces / ("console.html" if path.startswith("/console") else path.removeprefix("/"))
    smaller = file.with_name(f"{file.name}.gz")
    return (smaller if smaller.is_file() else file).stat().st_size


async def test_the_login_and_the_first_list_are_within_the_budget(desk: Desk, faces: Path, browser: Browser) -> None:
    ana = await desk.agent()
    page = await browser.new_page()
    try:
        await page.goto(f"{desk.url}/console")
        await page.locator("input[type=email]").fill(ana.email)
        await page.locator("input[type=password]").fill(PASSWORD)
        async with page.expect_response(lambda answer: "/api/v1/cases" in answer.url):
            await page.keyboard.press("Enter")
        sizes = await fetched(page, faces)
    finally:
        await page.close()
    assert any(path.endswith(".js") for path in sizes) and any(path.endswith(".css") for path in sizes)
    assert sum(sizes.values()) <= CONSOLE, sizes


@pytest.mark.parametrize(("language", "last"), [("en", "chat"), ("ar", "ar.shell")])
async def test_a_visitor_fetches_the_loader_alone_until_the_chat_is_opened(
    desk: Desk, faces: Path, browser: Browser, language: str, last: str
) -> None:
    page = await browser.new_page(locale=language)
    try:
        await page.route("**/a-page", lambda route: route.fulfill(body=SITE, content_type="text/html"))
        await page.goto(f"{desk.url}/a-page")
        before = await fetched(page, faces)
        async with page.expect_response(lambda answer: f"/assets/{last}-" in answer.url):
            await page.evaluate("Deskbell.open()")
        await page.get_by_role("dialog").wait_for()
        after = await fetched(page, faces)
    finally:
        await page.close()
    assert before.keys() == {"/widget.js"}
    assert before["/widget.js"] <= LOADER
    assert len(after) > 1
    assert sum(after.values()) - before["/widget.js"] <= CHAT, after


async def test_a_visitor_has_fetched_40_kb_of_chat_when_the_first_message_is_drawn(
    desk: Desk, faces: Path, browser: Browser
) -> None:
    """Whoever comes back to a conversation, the code of the home page and the words included."""
    context = await browser.new_context()
    try:
        page = await talking(desk, context)
        await page.get_by_role("article").filter(has_text="Hello").first.wait_for()
        await page.add_init_script(AT_FIRST_MESSAGE)
        await page.reload()
        await page.wait_for_function("() => window.atFirstMessage")
        first = {path: gzipped(faces, path) for path in set(await page.evaluate("atFirstMessage"))}
        after = await fetched(page, faces)
    finally:
        await context.close()
    assert any("/conversation-" in path for path in first)
    assert not any("/extras-" in path for path in first) and any("/extras-" in path for path in after)
    assert sum(first.values()) - first["/widget.js"] <= TALK, first


async def talking(desk: Desk, context: BrowserContext) -> Page:
    """A page on which a visitor has said *Hello*."""
    page = await context.new_page()
    await page.route("**/a-page", lambda route: route.fulfill(body=SITE, content_type="text/html"))
    await page.goto(f"{desk.url}/a-page")
    await page.evaluate("Deskbell.open()")
    await page.locator(".starts .start").first.click()
    await page.get_by_role("textbox").fill("Hello")
    await page.keyboard.press("Enter")
    return page
