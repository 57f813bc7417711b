"""Saved views: one's own, and those a supervisor shares, as they are counted, changed and deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.async_api import Page, expect

from deskbell.testing.desk import Desk, Person

from .people import Agent

Windows = Callable[..., Any]


async def urgent(desk: Desk, name: str) -> str:
    """Somebody waits whose case is urgent; its id."""
    visitor, lead = await desk.visitor(name), await desk.agent("Priya", role="supervisor")
    room = await visitor.conversation()
    assert (await visitor.post(f"/rooms/{room}/escalate")).status_code == 200
    case = str((await lead.get(f"/rooms/{room}")).json()["case"])
    assert (await lead.call("PATCH", f"/cases/{case}", json={"priority": 2})).status_code == 200
    return case


async def add(page: Page, name: str, *, priority: str = "", shared: bool = False) -> None:
    """Save a view in the settings."""
    await page.get_by_role("tab", name="Saved views").click()
    await page.get_by_role("button", name="Add a view").click()
    form = page.get_by_role("dialog", name="Add a view")
    await form.get_by_label("Name").fill(name)
    if priority:
        await form.get_by_label("Priority").select_option(priority)
    if shared:
        await form.get_by_role("checkbox").check()
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_have_count(0)


async def nothing_is_shared(lead: Person) -> None:
    for view in (await lead.get("/views")).json()["items"]:
        assert (await lead.call("DELETE", f"/views/{view['id']}")).status_code == 200


def row(page: Page, name: str) -> Any:
    return page.get_by_role("row").filter(has_text=name)


def names(views: Any) -> set[str]:
    return {view["name"] for view in views.json()["items"]}


async def test_a_shared_view_is_everybodys_and_a_supervisors_to_change(desk: Desk, windows: Windows) -> None:
    lead, ines = await desk.agent("Ben", role="supervisor"), await desk.agent("Ines")
    await nothing_is_shared(lead)
    async with windows(desk.address) as (there, _), windows(desk.address) as (here, _):
        boss = await Agent(await there.new_page()).logs_in(desk.url, lead.email, "/settings")
        agent = await Agent(await here.new_page()).logs_in(desk.url, ines.email, "/settings")
        boss.page.on("dialog", lambda dialog: dialog.accept())
        await add(boss.page, "On fire", priority="Urgent", shared=True)
        await expect(row(boss.page, "On fire")).to_contain_text("All open · Urgent")

        await add(agent.page, "My pile")
        await expect(agent.page.get_by_role("checkbox")).to_have_count(0)
        await expect(row(agent.page, "On fire")).to_contain_text("All colleagues")
        await expect(row(agent.page, "On fire").get_by_role("button")).to_have_count(0)
        assert names(await lead.get("/views")) == {"On fire"}

        case = await urgent(desk, "Frida")
        await agent.page.get_by_role("link", name="Inbox").click()
        saved = agent.page.get_by_role("navigation", name="Views").get_by_role("link", name="On fire")
        await expect(saved).to_have_text("On fire1")
        await saved.click()
        await expect(agent.row("Frida")).to_be_visible()
        await expect(agent.page.get_by_role("button", name="Change On fire")).to_have_count(0)

        await row(boss.page, "On fire").get_by_role("button", name="Edit On fire").click()
        form = boss.page.get_by_role("dialog", name="On fire")
        await form.get_by_label("List").select_option("Resolved")
        await form.get_by_role("button", name="Save").click()
        await expect(row(boss.page, "On fire")).to_contain_text("Resolved · Urgent")
        await row(boss.page, "On fire").get_by_role("button", name="Delete").click()
        await expect(row(boss.page, "On fire")).to_have_count(0)
        await agent.page.reload()
        await expect(agent.page.get_by_role("link", name="My pile")).to_be_visible()
        await expect(agent.page.get_by_text("This view is gone.")).to_be_visible()
        await expect(agent.row("Frida")).to_have_count(0)
        await expect(agent.page.get_by_role("link", name="On fire")).to_have_count(0)
        assert (await lead.get(f"/cases/{case}")).json()["status"] == "waiting"


async def test_what_one_keeps_oneself_is_asked_for_before_it_is_deleted(desk: Desk, windows: Windows) -> None:
    """Said no, it stays; said yes, it is gone, here and for the server."""
    ines = await desk.agent("Ines")
    await nothing_is_shared(await desk.agent("Ben", role="supervisor"))
    asked: list[str] = []
    async with windows(desk.address) as (context, _):
        agent = await Agent(await context.new_page()).logs_in(desk.url, ines.email, "/settings")
        page, yes = agent.page, False

        async def answer(dialog: Any) -> None:
            asked.append(dialog.message)
            await (dialog.accept() if yes else dialog.dismiss())

        page.on("dialog", answer)
        await add(page, "Mine alone")
        await row(page, "Mine alone").get_by_role("button", name="Delete").click()
        await expect(row(page, "Mine alone")).to_be_visible()
        assert names(await ines.get("/views")) == {"Mine alone"}
        yes = True
        await row(page, "Mine alone").get_by_role("button", name="Delete").click()
        await expect(row(page, "Mine alone")).to_have_count(0)
        assert names(await ines.get("/views")) == set()
        assert ["Mine alone" in question for question in asked] == [True, True]
