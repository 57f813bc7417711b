"""Whether an agent is there, and takes conversations: chosen once, kept, and seen by those who plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.async_api import Locator, expect

from deskbell.testing.desk import Desk

from .people import Agent

Windows = Callable[..., Any]


def state(agent: Agent, name: str) -> Locator:
    return agent.page.get_by_role("button", name=f"{name}:")


async def chooses(agent: Agent, name: str, what: str) -> None:
    await state(agent, name).click()
    await (
        agent.page.get_by_role("menuitemradio", name=what)
        .or_(agent.page.get_by_role("menuitemcheckbox", name=what))
        .click()
    )


async def test_what_one_says_of_oneself_is_seen_by_others_and_kept(desk: Desk, windows: Windows) -> None:
    """Busy and away, accepting or not: over a reload and on another page, until one says otherwise."""
    ines, ben = await desk.agent("Ines"), await desk.agent("Ben", role="supervisor")
    async with windows(desk.address) as (here, _), windows(desk.address) as (there, _):
        agent = await Agent(await here.new_page()).logs_in(desk.url, ines.email)
        board = await Agent(await there.new_page()).logs_in(desk.url, ben.email, "/board")
        seen = board.page.get_by_role("region", name="Answering").locator("tr, li").filter(has_text="Ines")
        await expect(state(agent, "Ines")).to_contain_text("Accepting")
        for choice, said in (("Busy", "Busy"), ("Away", "Away")):
            await chooses(agent, "Ines", choice)
            await expect(state(agent, "Ines")).to_contain_text(said)
            await expect(seen).to_contain_text(said)
            await agent.page.reload()
            await expect(state(agent, "Ines")).to_contain_text(said)
        await chooses(agent, "Ines", "Online")
        await expect(state(agent, "Ines")).to_contain_text("Accepting")
        await chooses(agent, "Ines", "Take new conversations")
        await expect(state(agent, "Ines")).to_contain_text("Not accepting")
        await expect(seen).to_contain_text("Not accepting")

        other = Agent(await here.new_page())
        await other.page.goto(f"{desk.url}/console")
        await expect(state(other, "Ines")).to_have_accessible_name("Ines: Not accepting")
        await chooses(other, "Ines", "Take new conversations")
        await expect(state(other, "Ines")).to_have_accessible_name("Ines: Accepting")
        await agent.page.reload()
        await expect(state(agent, "Ines")).to_have_accessible_name("Ines: Accepting")
