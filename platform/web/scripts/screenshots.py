"""The pictures of the manual: every main screen of the demo, light and dark, into ``docs/images/``.

    python platform/web/scripts/screenshots.py [--chromium PATH] [NAME …]

It starts the demo on an empty folder, is visitor, agent and supervisor in a real Chromium, and takes what it sees.
Needs the extra ``test``; the browser is ``CHROMIUM_PATH`` or what ``--chromium`` names. With Pillow installed the
pictures are made smaller.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright

from deskbell.demo.life import FRONT
from deskbell.demo.week import play
from deskbell.testing.serving import demo_settings, served_demo

IMAGES = Path(__file__).parents[3] / "docs" / "images"
WIDE = {"width": 1440, "height": 900}
PASSWORD = "deskbell-demo"
SETTLED_MS = 900


class Album:
    """Where the pictures go. ``only``: names to take; all where there are none."""

    def __init__(self, only: Iterable[str], scheme: str) -> None:
        self.only = set(only)
        self.scheme = scheme

    async def take(self, name: str, what: Page | Locator) -> None:
        if self.only and name not in self.only:
            return
        page = what if isinstance(what, Page) else what.page
        await page.wait_for_timeout(SETTLED_MS)
        path = IMAGES / f"{name}-{self.scheme}.png"
        await what.screenshot(path=path, animations="disabled")
        _smaller(path)
        sys.stdout.write(f"{path.name}\n")


def _smaller(path: Path) -> None:
    with contextlib.suppress(ImportError):
        from PIL import Image

        Image.open(path).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


@contextlib.asynccontextmanager
async def demo() -> AsyncIterator[str]:
    """A demo as on its first start; its address."""
    with tempfile.TemporaryDirectory() as folder:
        settings = demo_settings(Path(folder))
        await play(settings)
        async with served_demo(settings, front=FRONT):
            await asyncio.sleep(2)  # the colleagues come in
            yield settings.server.public_url


async def login(context: BrowserContext, url: str, who: str) -> Page:
    page = await context.new_page()
    await page.goto(f"{url}/console")
    await page.get_by_label("E-mail").or_(page.get_by_label("Email")).first.fill(f"{who}@demo.example")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_text("Mine").first.wait_for()
    return page


async def as_agent(browser: Browser, url: str, album: Album) -> None:
    context = await browser.new_context(viewport=WIDE, color_scheme=album.scheme)  # type: ignore[arg-type]
    page = await login(context, url, "ana")
    await album.take("console-empty", page)
    await page.get_by_text("Mateo Alvarez").first.click()
    field = page.get_by_role("textbox", name="Reply")
    await field.first.wait_for()
    await field.first.fill("Yes, Mateo. It leaves the workshop at 16:00, and the courier brings it on Thursday.")
    await album.take("console-inbox", page)
    await page.get_by_role("tab", name="Note").click()
    await page.keyboard.type("The workshop holds one back for PR-20418.")
    await album.take("console-note", page)
    await page.keyboard.press("Control+Enter")
    await page.keyboard.press("Escape")
    await page.goto(f"{url}/console/inbox/queue")
    await page.get_by_text("Samir Khan").first.click()
    await album.take("console-waiting", page)
    await page.keyboard.press("Control+k")
    await album.take("console-menu", page)
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await album.take("console-keys", page)
    await page.keyboard.press("Escape")
    await page.goto(f"{url}/console/inbox/bot")
    await page.get_by_text("Freya Olsen").first.click()
    await album.take("console-bot", page)
    await page.goto(f"{url}/console/search?q=shade")
    await album.take("console-search", page)
    await page.goto(f"{url}/console/inbox/mine")
    await page.get_by_text("Mateo Alvarez").first.click()
    for name, width in (("console-1024", 1024), ("console-390", 390)):
        await page.set_viewport_size({"width": width, "height": 844 if width < 500 else 768})
        await album.take(name, page)
    await context.close()


async def as_others(browser: Browser, url: str, album: Album) -> None:
    for who, screens in (("ben", ("board",)), ("kim", ("plugins", "people", "sites", "moderation", "settings"))):
        context = await browser.new_context(viewport=WIDE, color_scheme=album.scheme)  # type: ignore[arg-type]
        page = await login(context, url, who)
        for screen in screens:
            await page.goto(f"{url}/console/{screen}")
            await page.get_by_role("heading", level=1).first.wait_for()
            await album.take(f"console-{screen}", page)
        await context.close()


async def as_visitor(browser: Browser, url: str, album: Album) -> None:
    context = await browser.new_context(viewport=WIDE, color_scheme=album.scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(url)
    await page.locator("deskbell-widget button").first.click()
    panel = page.locator("deskbell-widget [role=dialog]").first
    await album.take("shop", page)
    await album.take("widget-home", panel)
    await panel.get_by_role("button", name="Ask the assistant").click()
    field = panel.get_by_role("textbox")
    for text in ("Which shade fits the Alder lamp?", "Thank you. My lamp arrived with a broken shade"):
        await field.fill(text)
        await field.press("Enter")
        await page.wait_for_timeout(2500)
    await album.take("widget-answer", panel)
    await field.fill("Can I talk to a person?")
    await field.press("Enter")
    await panel.get_by_role("group", name="Waiting for a person").wait_for()
    await album.take("widget-waiting", panel)
    console = await login(await browser.new_context(viewport=WIDE), url, "ana")
    await console.goto(f"{url}/console/inbox/queue")
    await console.get_by_text("Can I talk to a person?").first.click()
    await console.get_by_text("The bell rang").first.wait_for()
    await console.keyboard.press("t")
    reply = console.get_by_role("textbox", name="Reply")
    await reply.first.fill("Hello, Ana here. I have read what you wrote: a new shade leaves today at 16:00.")
    await console.get_by_role("button", name="Send", exact=True).first.click()
    await panel.locator(".bubble", has_text="Ana here").wait_for()
    await field.fill("Wonderful. Should I keep the broken one?")
    await field.press("Enter")
    await album.take("widget-person", panel)
    await console.get_by_role("button", name="Resolve", exact=True).first.click()
    await panel.get_by_role("radio", name="Good").wait_for()
    await album.take("widget-rating", panel)
    await console.context.close()
    await context.close()


async def on_a_phone(browser: Browser, url: str, album: Album) -> None:
    for name, language in (("widget-mobile", "en"), ("widget-arabic", "ar")):
        context = await browser.new_context(
            viewport={"width": 390, "height": 780}, color_scheme=album.scheme, locale=language, has_touch=True  # type: ignore[arg-type]
        )  # fmt: skip
        page = await context.new_page()
        await page.goto(url)
        await page.evaluate("(language) => window.Deskbell?.setLocale(language)", language)
        await page.locator("deskbell-widget button").first.click()
        await page.wait_for_timeout(1500)
        await album.take(name, page)
        await context.close()


async def main(chromium: str, names: list[str]) -> None:
    IMAGES.mkdir(exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for scheme in ("light", "dark"):
            async with demo() as url:
                album = Album(names, scheme)
                for part in (as_agent, as_others, as_visitor, on_a_phone):
                    await part(browser, url, album)
        await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Take the pictures of the manual.")
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM_PATH") or shutil.which("chromium"))
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    if not given.chromium:
        parser.error("say where Chromium is: --chromium PATH, or CHROMIUM_PATH")
    asyncio.run(main(given.chromium, given.names))
