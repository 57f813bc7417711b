"""The two people of the main job, in windows of a real browser: a visitor on a shop's page, an agent at the console.

What they do works in any language and size. A :class:`Visitor` remembers all that ever reached their window, so that
a test can say what never did.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
from playwright.async_api import Locator, Page, Response, WebSocket, expect

from deskbell.testing.desk import PASSWORD, Desk

SECRET = "the site's own secret, long enough to sign with 0123456789"
FOCUSED = "one => one.getRootNode().activeElement === one"
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def site(origin: str, key: str = "front", name: str = "Pell & Rowan", **settings: Any) -> dict[str, Any]:
    """A site whose pages are a shop's."""
    return {
        "name": name,
        "public_key": key,
        "secret": SECRET,
        "origins": [origin],
        "settings": {"languages": ["en", "ar"], **settings},
    }


def tenant(*sites: dict[str, Any]) -> dict[str, Any]:
    return {"slug": "default", "name": "Test", "sites": list(sites), "teams": [{"slug": "support", "name": "Support"}]}


@asynccontextmanager
async def desk_for(shop: Any, folder: Path, *sites: dict[str, Any], **changes: Any) -> AsyncIterator[Desk]:
    """A desk whose sites are on the shop's pages."""
    sites = sites or (site(f"http://{shop.address}"),)
    async with Desk.open(f"sqlite:///{folder / 'deskbell.sqlite3'}", tenants=[tenant(*sites)], **changes) as desk:
        yield desk


def line_for(url: str, key: str = "front", *, name: str = "", attributes: str = "") -> str:
    """The one line that puts the widget on a page; with ``name``, the page knows who reads it."""
    line = f'<script src="{url}/widget.js" data-site="{key}" {attributes} async></script>'
    if name:
        claims = {"sub": f"{name}-{time.monotonic_ns()}", "name": name, "exp": int(time.time()) + 3600}
        signed = jwt.encode(claims, SECRET, algorithm="HS256")
        line = f'<script>(window.Deskbell ||= []).push(["identify", "{signed}"])</script>{line}'
    return line


class Visitor:
    """Somebody on a page of a shop, with the widget on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.launcher = page.locator("deskbell-widget .launcher")
        self.panel = page.locator("deskbell-widget .panel")
        self.field = self.panel.locator(".composer textarea")
        self.sends = self.panel.locator(".composer .send")
        self.bell = self.panel.locator(".person-btn")
        self.waiting = self.panel.locator(".card.bell:not(.kept)")
        self.rating = self.panel.locator("form.rating")
        self.received: list[str] = []
        page.on("websocket", self._socket)
        page.on("response", self._response)
        self._answers: list[Response] = []

    def _socket(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda payload: self.received.append(str(payload)))

    def _response(self, response: Response) -> None:
        if "/api/" in response.url:
            self._answers.append(response)

    async def everything(self) -> str:
        """All that is, or ever came, into this window: frames, answers, the page itself and what it keeps."""
        answers = [(await answer.body()).decode() for answer in self._answers if answer.status not in (204, 304)]
        kept = await self.page.evaluate(
            """async () => {
              const drawn = [...document.querySelectorAll("deskbell-widget")].map((one) => one.shadowRoot.innerHTML);
              const bases = (await indexedDB.databases?.()) ?? [];
              return JSON.stringify([drawn, { ...localStorage }, { ...sessionStorage }, bases, document.title]);
            }"""
        )
        return "\n".join([*self.received, *answers, kept])

    async def comes(self, address: str) -> Visitor:
        await self.page.goto(address)
        await self.launcher.wait_for()
        return self

    async def opens(self) -> None:
        await self.launcher.click()
        await expect(self.panel).to_be_visible()

    async def begins(self) -> None:
        """Opens the widget and asks for the assistant."""
        await self.opens()
        await self.panel.locator(".start").first.click()
        await expect(self.field).to_be_visible()

    async def says(self, text: str) -> None:
        await self.field.fill(text)
        await self.field.press("Enter")
        await expect(self.said(text)).to_have_count(1)

    async def rings(self) -> None:
        """Asks for a person."""
        await self.bell.click()
        await expect(self.waiting).to_be_visible()

    async def rates(self, score: int, comment: str = "") -> None:
        await self.rating.locator(".face").nth(score - 1).click()
        if comment:
            await self.rating.locator("textarea").fill(comment)
        await self.rating.locator(".btn.ink").click()
        await expect(self.rating).to_have_count(0)

    def said(self, text: str) -> Locator:
        """What is shown of it, by whomever."""
        return self.panel.locator(".log .msg").filter(has_text=text)

    async def hears(self, text: str) -> None:
        await expect(self.said(text)).to_have_count(1)
        await expect(self.said(text)).to_be_in_viewport()

    async def log(self) -> list[str]:
        """What is said, from first to last."""
        return [text.strip() for text in await self.panel.locator(".log .msg .bubble").all_inner_texts()]


class Agent:
    """Somebody who answers, at the console."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.card = page.locator(".hand")
        self.accepts = self.card.locator(".btn.bell")
        self.field = page.locator(".comp textarea")
        self.owner = page.locator(".t-head .owner")
        self.resolve = page.locator(".t-head .split .btn.ink").first

    async def logs_in(self, url: str, email: str, path: str = "", password: str = PASSWORD) -> Agent:
        await self.page.goto(f"{url}/console{path}")
        await self.page.locator("input[type=email]").fill(email)
        await self.page.locator("input[type=password]").fill(password)
        await self.page.keyboard.press("Enter")
        await expect(self.page.locator("header").first).to_be_visible()
        return self

    def row(self, name: str) -> Locator:
        return self.page.locator(".row").filter(has_text=name)

    async def looks_at(self, name: str) -> None:
        await self.row(name).locator("a.to").click()
        await expect(self.owner).to_be_visible()

    async def takes(self) -> None:
        await self.accepts.click()
        await expect(self.page.locator(".t-head .owner.human")).to_be_visible()

    async def turns_to(self, tab: str) -> None:
        """``reply`` or ``note``."""
        await self.page.locator(".comp [role=tab]").nth(["reply", "note"].index(tab)).click()

    async def writes(self, text: str) -> None:
        await self.turns_to("reply")
        await self.field.fill(text)
        await self.field.press("Enter")
        await expect(self.said(text)).to_have_count(1)

    async def notes(self, text: str) -> None:
        await self.turns_to("note")
        await self.field.fill(text)
        await self.field.press("Enter")
        await expect(self.noted(text)).to_have_count(1)

    async def hands_back(self) -> None:
        """To the assistant."""
        await self.card.locator(".acts .btn").last.click()
        await expect(self.page.locator(".t-head .owner.bot")).to_be_visible()

    def said(self, text: str) -> Locator:
        return self.page.locator(".log .msg").filter(has=self.page.locator(".bub", has_text=text))

    def noted(self, text: str) -> Locator:
        return self.page.locator(".log .note").filter(has_text=text)

    async def hears(self, text: str) -> None:
        await expect(self.said(text)).to_have_count(1)

    async def log(self) -> list[str]:
        return [text.strip() for text in await self.page.locator(".log .msg .bub").all_inner_texts()]


async def reach(target: Locator, *, most: int = 90, key: str = "Tab") -> None:
    """Come to a control by the keyboard alone."""
    for _ in range(most):
        if await target.count() and await target.first.evaluate(FOCUSED):
            return
        await target.page.keyboard.press(key)
    raise AssertionError(f"{target} is not reached by {most} presses of {key}")
