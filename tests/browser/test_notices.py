"""Notices of the desktop: for who has asked for them, while they look elsewhere, and without what is private."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Page, expect

from deskbell.testing.desk import Desk, Person

from .people import Agent

Windows = Callable[..., Any]

RECORD = """
  const given = window.Notification;
  window.notices = [];
  window.Notification = class {
    static permission = "granted";
    static requestPermission() { return given.requestPermission(); }
    constructor(title, options) { window.notices.push(this); this.title = title; Object.assign(this, options); }
    close() { this.closed = true; }
  };
  window.elsewhere = false;
  Object.defineProperty(document, "visibilityState", { get: () => (window.elsewhere ? "hidden" : "visible") });
"""
"""No desktop is here to show one, so a browser without a head says *denied* whatever was granted, and no window is ever
behind another. What the page would have shown is kept."""


@asynccontextmanager
async def console(desk: Desk, windows: Windows, person: Person, *, wanted: bool = True) -> AsyncIterator[Agent]:
    async with windows(desk.address, permissions=["notifications"]) as (context, _):
        await context.add_init_script(RECORD)
        agent = await Agent(await context.new_page()).logs_in(desk.url, person.email, "/settings")
        if wanted:
            await agent.page.get_by_role("checkbox", name="Desktop notifications").check()
        await agent.page.get_by_role("link", name="Inbox").click()
        await expect(agent.page.locator(".list")).to_be_visible()
        yield agent


async def looks_elsewhere(agent: Agent, elsewhere: bool = True) -> None:
    await agent.page.evaluate("(away) => { window.elsewhere = away; }", elsewhere)


async def shown(page: Page) -> list[str]:
    return list(await page.evaluate("window.notices.map(({ title, body }) => `${title}: ${body}`)"))


async def calls(desk: Desk, name: str, text: str = "It is about my divorce") -> str:
    """Somebody asks for a person; their room."""
    visitor = await desk.visitor(name)
    room = await visitor.conversation()
    await visitor.post(f"/rooms/{room}/messages", {"content": text})
    assert (await visitor.post(f"/rooms/{room}/escalate")).status_code == 200
    return room


async def queue(person: Person) -> list[Any]:
    return list((await person.get("/cases", params={"view": "queue"})).json()["items"])


async def is_shown(agent: Agent, *bodies: str) -> None:
    for body in bodies:
        await agent.page.wait_for_function("(body) => window.notices.some((one) => one.body.includes(body))", arg=body)
    assert len(await shown(agent.page)) == len(bodies)


async def test_who_looks_elsewhere_is_told_who_waits_and_not_what_they_said(desk: Desk, windows: Windows) -> None:
    """One notice each; a click on it leads to the conversation."""
    ines = await desk.agent("Ines")
    async with console(desk, windows, ines) as agent:
        await calls(desk, "Adam")
        await agent.page.locator(".views").get_by_role("link", name="Queue").click()
        await expect(agent.row("Adam")).to_be_visible()
        assert await shown(agent.page) == []

        await looks_elsewhere(agent)
        room = await calls(desk, "Berta")
        await is_shown(agent, "Berta")
        assert "divorce" not in str(await shown(agent.page))
        await agent.page.evaluate("window.notices[0].onclick()")
        await agent.page.wait_for_url(f"**/{room}")
        assert await agent.page.evaluate("window.notices[0].closed")


async def test_a_note_that_names_one_is_told_without_its_words(desk: Desk, windows: Windows) -> None:
    ines, tom = await desk.agent("Ines"), await desk.agent("Tom")
    room = await calls(desk, "Clara")
    async with console(desk, windows, ines) as agent:
        await looks_elsewhere(agent)
        note = {"text": "@Ines she sues us", "mentions": [ines.id]}
        assert (await tom.post(f"/rooms/{room}/notes", note)).status_code == 201
        await is_shown(agent, "Tom")
        assert "sues" not in str(await shown(agent.page))
        await agent.page.evaluate("window.notices[0].onclick()")
        await agent.page.wait_for_url(f"**/inbox/mentions/{room}")
        await expect(agent.noted("she sues us")).to_have_count(1)


async def test_who_has_not_asked_or_is_logged_out_is_told_nothing(desk: Desk, windows: Windows) -> None:
    """A colleague's window is told; so theirs would have been."""
    ines, tom, jo = await desk.agent("Ines"), await desk.agent("Tom"), await desk.agent("Jo")
    async with (
        console(desk, windows, ines) as out,
        console(desk, windows, tom) as told,
        console(desk, windows, jo, wanted=False) as unasked,
    ):
        await out.page.get_by_role("button", name="Ines:").click()
        await out.page.get_by_role("menuitem", name="Log out").click()
        await expect(out.page.locator("input[type=password]")).to_be_visible()
        for agent in (out, told, unasked):
            await looks_elsewhere(agent)
        await calls(desk, "Dora")
        await is_shown(told, "Dora")
        await expect(unasked.page.get_by_role("link", name="waiting")).to_have_text(f"{len(await queue(jo))} waiting")
        for agent in (out, unasked):
            assert await shown(agent.page) == []
        assert "Dora" not in await out.page.title()
