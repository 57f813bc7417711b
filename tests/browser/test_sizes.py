"""What a browser really fetches before anything is to be seen stays within the budget that the build counts by."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Browser

from deskbell.testing.desk import PASSWORD, Desk

CONSOLE = 150_000
"""Bytes of the console's login and first list, gzipped: the budget in ``platform/web/scripts/build.ts``."""

FETCHED = """
() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .map((entry) => new URL(entry.name).pathname)
  .filter((path) => !path.startsWith("/api/"))
"""


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
        await page.wait_for_load_state("networkidle")
        fetched = sorted(set(await page.evaluate(FETCHED)))
    finally:
        await page.close()
    sizes = {path: gzipped(faces, path) for path in fetched}
    assert any(path.endswith(".js") for path in sizes) and any(path.endswith(".css") for path in sizes)
    assert sum(sizes.values()) <= CONSOLE, sizes
