"""Open conversations above the thread: which there are, what each tells, and going between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Locator, Page, expect

from deskbell.testing.desk import Desk, Person

from .counter import log_in


@dataclass
class Tabs:
    """An agent with several chats, and whoever is in them."""

    desk: Desk
    page: Page
    agent: Person
    visitors: dict[str, Person]
    rooms: dict[str, str]
    troubles: Any

    @property
    def bar(self) -> Locator:
        return self.page.get_by_role("navigation", name="Open conversations")

    @property
    def names(self) -> Locator:
        return self.bar.locator(".name .cut")

    def tab(self, name: str) -> Locator:
        return self.bar.get_by_role("listitem").filter(has_text=name)

    async def looks_at(self, *names: str) -> None:
        for name in names:
            await self.page.locator(".row").filter(has_text=name).locator("a.to").click()
            await self.is_at(name)

    async def is_at(self, name: str) -> None:
        await expect(self.page.locator(".t-who h1")).to_have_text(name)

    async def says(self, name: str, text: str) -> None:
        answer = await self.visitors[name].post(f"/rooms/{self.rooms[name]}/messages", {"content": text})
        assert answer.status_code == 201


@asynccontextmanager
async def tabs(desk: Desk, windows: Callable[..., Any], mine: list[str], others: list[str]) -> AsyncIterator[Tabs]:
    agent = await desk.agent("Ines Moreau")
    visitors = {name: await desk.visitor(name) for name in mine + others}
    rooms = {name: str(await visitor.conversation()) for name, visitor in visitors.items()}
    for name, visitor in visitors.items():
        await visitor.post(f"/rooms/{rooms[name]}/messages", {"content": "**Hello**?"})
        assert (await visitor.post(f"/rooms/{rooms[name]}/escalate")).status_code == 200
    for name in mine:
        assert (await agent.post(f"/rooms/{rooms[name]}/take-over")).status_code == 200
    try:
        async with windows(desk.address) as (context, troubles):
            page = await context.new_page()
            await log_in(page, desk, agent, "/inbox/all")
            await expect(page.locator(".row")).to_have_count(len(rooms))
            yield Tabs(desk, page, agent, visitors, rooms, troubles)
    finally:
        for case in (await agent.get("/cases?view=all&limit=100")).json()["items"]:
            await agent.post(f"/cases/{case['id']}/resolve")


async def test_what_one_works_on_keeps_a_tab_and_what_one_passes_by_takes_one_place(
    desk: Desk, windows: Callable[..., Any]
) -> None:
    async with tabs(desk, windows, ["Anna", "Boris"], ["Wim", "Xenia"]) as at:
        await at.looks_at("Anna")
        await expect(at.bar).to_have_count(0)
        await at.looks_at("Wim")
        await expect(at.names).to_have_text(["Anna", "Wim"])
        await at.looks_at("Xenia", "Boris")
        await expect(at.names).to_have_text(["Anna", "Boris", "Xenia"])
        await at.tab("Xenia").get_by_role("link").click()
        await at.page.keyboard.press("t")  # accepted: now it is one's own
        await expect(at.page.locator(".t-head .owner")).to_contain_text("You")
        await at.looks_at("Wim")
        await expect(at.names).to_have_text(["Anna", "Boris", "Xenia", "Wim"])

        await at.page.reload()
        await expect(at.names).to_have_text(["Anna", "Boris", "Xenia", "Wim"])
        await at.tab("Anna").get_by_role("link").click()
        await at.page.keyboard.press("e")
        await expect(at.tab("Anna")).to_contain_text("Over")
        await at.tab("Boris").get_by_role("link").click()
        await expect(at.tab("Anna")).to_have_count(0)
        await at.page.set_viewport_size({"width": 700, "height": 800})
        await expect(at.bar).to_have_count(0)


async def test_a_tab_tells_of_a_new_message_and_of_who_writes(desk: Desk, windows: Callable[..., Any]) -> None:
    async with tabs(desk, windows, ["Anna", "Boris"], []) as at:
        await at.looks_at("Anna")
        await expect(at.page.locator(".row.sel .count")).to_have_count(0)  # it is read
        await at.looks_at("Boris")
        await expect(at.tab("Anna").locator(".last")).to_have_text("Hello?")
        await expect(at.tab("Anna")).to_contain_text("Live")
        async with at.visitors["Anna"].line() as line:
            await line.subscribe(at.rooms["Anna"])
            await line.send({"type": "typing", "room": at.rooms["Anna"], "on": True})
            await expect(at.tab("Anna")).to_contain_text("is typing")
            await line.says(at.rooms["Anna"], "Are you there?")
        await expect(at.tab("Anna").locator(".last")).to_have_text("Are you there?")
        await expect(at.tab("Anna")).to_contain_text("New message")
        await at.tab("Anna").get_by_role("link").click()
        await expect(at.tab("Anna")).not_to_contain_text("New message")


async def test_one_goes_between_tabs_by_key_and_goes_on_writing(desk: Desk, windows: Callable[..., Any]) -> None:
    async with tabs(desk, windows, ["Anna", "Boris", "Chiara"], []) as at:
        await at.looks_at("Anna", "Boris", "Chiara")
        field = at.page.locator(".comp textarea")
        await field.press("Escape")
        await expect(at.page.locator(".row.sel a.to")).to_be_focused()
        await field.fill("One moment")
        await field.press("Alt+j")
        await at.is_at("Anna")
        await expect(field).to_be_focused()
        await at.page.keyboard.type("Hello Anna")
        await at.page.keyboard.press("Alt+k")
        await at.is_at("Chiara")
        await expect(field).to_have_value("One moment")

        await at.tab("Chiara").get_by_role("link").focus()
        await at.page.keyboard.press("Home")
        await at.page.keyboard.press("ArrowRight")
        await expect(at.tab("Boris").get_by_role("link")).to_be_focused()
        await at.page.keyboard.press("Delete")
        await expect(at.names).to_have_text(["Anna", "Chiara"])
        await expect(at.tab("Chiara").get_by_role("link")).to_be_focused()
        await at.tab("Anna").get_by_role("link").click(button="middle")
        await expect(at.bar).to_have_count(0)
        assert len(at.page.context.pages) == 1
        await at.looks_at("Boris")
        await expect(at.names).to_have_text(["Chiara", "Boris"])
        await at.tab("Boris").get_by_role("button", name="Close Boris").click()
        await at.is_at("Chiara")


async def test_tabs_can_be_off(desk: Desk, windows: Callable[..., Any]) -> None:
    async with tabs(desk, windows, ["Anna", "Boris"], []) as at:
        await at.looks_at("Anna", "Boris")
        await expect(at.names).to_have_text(["Anna", "Boris"])
        await at.page.keyboard.press("Control+k")
        await at.page.keyboard.type("hide open conv")
        await at.page.keyboard.press("Enter")
        await expect(at.bar).to_have_count(0)
        await at.page.reload()
        await at.is_at("Boris")
        await expect(at.bar).to_have_count(0)


async def test_who_is_elsewhere_is_told_of_what_was_held_back(desk: Desk, windows: Callable[..., Any]) -> None:
    async with tabs(desk, windows, ["Anna", "Boris"], []) as at:
        await at.looks_at("Boris", "Anna")
        field = at.page.locator(".comp textarea")
        await expect(field).to_be_visible()
        at.troubles.expected.append("ERR_INTERNET_DISCONNECTED")
        await at.page.context.set_offline(True)
        await at.page.evaluate("dispatchEvent(new Event('offline'))")
        await field.fill("Yes, it is there.")
        await field.press("Enter")
        await expect(at.page.locator("[data-waiting=sending]")).to_have_count(1)
        await at.tab("Boris").get_by_role("link").click()
        await at.is_at("Boris")
        await at.says("Anna", "Never mind.")
        await at.page.context.set_offline(False)
        told = at.page.get_by_role("status").filter(has_text="Not sent to Anna")
        await told.get_by_role("button", name="Look").click()
        await at.is_at("Anna")
        await expect(at.page.locator(".stale .bub")).to_have_text(["Yes, it is there."])
        await expect(at.page.get_by_role("alert").filter(has_text="Anna wrote meanwhile")).to_be_visible()
