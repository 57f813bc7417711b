"""The parts of the faces that come when they are first shown, on a day when the server does not answer, or is another
one than the page was made for: nothing is lost that is on the screen, and nothing stays away for good."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from deskbell.server import faces as pages
from deskbell.testing.desk import PASSWORD, SECRET
from deskbell.testing.faults.instances import Instance
from deskbell.testing.faults.proxy import Link

from .people import Agent, Visitor, desk_for, line_for, site, tenant

Windows = Callable[..., Any]
AWAY = ("Failed to load resource", "WebSocket connection to", "net::ERR")
"""What a browser logs by itself when a server is not there."""


async def mark(page: Page) -> None:
    """So that it is seen whether the page is still the same one."""
    await page.evaluate("document.body.dataset.same = 'yes'")


async def is_same(page: Page) -> bool:
    return await page.evaluate("document.body.dataset.same") == "yes"


async def test_what_did_not_come_from_a_killed_server_comes_when_it_is_back(
    faces: Any, shop: Any, windows: Windows, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    server = Instance(1, config, tmp_path, {})
    url = f"http://127.0.0.1:{server.port}"
    address = url.removeprefix("http://")
    ines = {"email": "ines@example.org", "name": "Ines Moreau", "password": PASSWORD, "teams": ["support"]}
    settings = {
        "store": {"url": f"sqlite:///{tmp_path / 'deskbell.sqlite3'}"},
        "auth": {"secret": SECRET},
        "server": {"public_url": url},
        "logging": {"level": "warning"},
        "tenants": [{**tenant(site(f"http://{shop.address}")), "users": [ines]}],
    }
    config.write_text(json.dumps(settings))
    server.launch({})
    try:
        await server.ready()
        async with (
            windows(address, shop.address) as (there, troubles),
            windows(address) as (here, more_troubles),
        ):
            troubles.expected += AWAY
            more_troubles.expected += AWAY
            agent = await Agent(await here.new_page()).logs_in(url, ines["email"], "/inbox/queue")
            await expect(agent.page.locator("main.inbox")).to_be_visible()
            await mark(agent.page)
            visitor = await Visitor(await there.new_page()).comes(shop.page("/outage", head=line_for(url)))
            await visitor.opens()
            server.kill()

            # The visitor reaches for the conversation, and for the menu.
            async with visitor.page.expect_event("requestfailed", lambda request: "/conversation-" in request.url):
                await visitor.panel.locator(".home-top").hover()
            await visitor.panel.locator(".menu-place .icon-btn").click()
            await visitor.panel.get_by_role("alert").get_by_role("button", name="Try again").click()
            await expect(visitor.panel.get_by_role("alert")).to_have_text("This could not be loaded. Try again")
            # The agent opens a screen that was never open.
            await agent.page.locator("a[href='/console/search']").first.click()
            await expect(agent.page.get_by_role("alert")).to_have_text("This part could not be loaded. Try again")
            await agent.page.get_by_role("button", name="Try again").click()
            assert await is_same(agent.page)
            server.launch({})
            await server.ready()

            await expect(agent.page.get_by_role("searchbox")).to_be_visible(timeout=40_000)
            assert await is_same(agent.page)
            await expect(visitor.panel.locator(".menu")).to_be_visible(timeout=40_000)
            await visitor.page.keyboard.press("Escape")
            await visitor.panel.locator(".start").first.click()
            await expect(visitor.field).to_be_visible()
    finally:
        server.kill()


def of_a_newer_build(known: dict[str, pages.Face]) -> dict[str, pages.Face]:
    """The same pages as a later build would have made them: every file that has a hash in its name has another one."""
    newer = {}
    for name in known:
        if found := re.fullmatch(r"assets/(.+)-[\w-]{8}(\.\w+)", name):
            newer[name.removeprefix("assets/")] = f"{found[1]}-{len(newer):08d}{found[2]}"
    made = {}
    for name, face in known.items():
        body = face.body
        if not face.kind.startswith(("image", "font")):
            text = body.decode()
            for before, after in newer.items():
                text = text.replace(before, after)
            body = text.encode()
        place, _, last = name.rpartition("/")
        renamed = f"{place}/{newer[last]}" if last in newer else name
        made[renamed] = replace(face, body=body, encoded={}, tag=f"newer-{face.tag}"[:32])
    return made


async def test_pages_from_before_an_upgrade_go_on_with_the_parts_of_the_newer_one(
    faces: Any, shop: Any, windows: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The widget takes the newer chat, where the visitor was; the console loads itself afresh, once."""
    link = Link(0, random.Random(5))
    await link.start()
    url = f"http://127.0.0.1:{link.port}"
    address = url.removeprefix("http://")
    try:
        async with windows(address, shop.address) as (there, troubles), windows(address) as (here, more_troubles):
            troubles.expected += AWAY
            more_troubles.expected += AWAY
            agent, visitor = Agent(await here.new_page()), Visitor(await there.new_page())
            async with desk_for(shop, tmp_path, server={"public_url": url}) as desk:
                link.target = int(desk.url.rpartition(":")[2])
                ines = await desk.agent("Ines Moreau")
                await agent.logs_in(url, ines.email, "/inbox/queue")
                await expect(agent.page.locator("main.inbox")).to_be_visible()
                await visitor.comes(shop.page("/upgrade", head=line_for(url, name="Oskar Nowak")))
                await mark(agent.page)
                await mark(visitor.page)
                await visitor.opens()
            newer = of_a_newer_build(pages.read())
            monkeypatch.setattr(pages, "read", lambda: newer)
            async with desk_for(shop, tmp_path, server={"public_url": url}) as desk:
                desk.bot.answers("Within five days.")
                link.target = int(desk.url.rpartition(":")[2])
                await visitor.panel.locator(".start").first.click()
                await expect(visitor.field).to_be_visible()
                await visitor.says("When does it come?")
                await visitor.hears("Within five days.")
                assert await is_same(visitor.page)
                assert await visitor.page.locator("deskbell-widget .panel").count() == 1
                await agent.page.locator("a[href='/console/search']").first.click()
                await expect(agent.page.get_by_role("searchbox")).to_be_visible()
                assert not await is_same(agent.page)
    finally:
        await link.close()
