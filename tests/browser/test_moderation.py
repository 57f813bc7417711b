"""What is held back or reported, for the three it concerns: who wrote it, who decides, and everybody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from deskbell.testing.desk import Desk, settings_for

from .people import Agent, Visitor, line_for, site, tenant

Windows = Callable[..., Any]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(faces: Any, shop: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """A desk whose filter holds back a word."""
    url = f"sqlite:///{tmp_path_factory.mktemp('moderation') / 'deskbell.sqlite3'}"
    words = {"moderation_words": {"settings": {"hold": ["voucher"]}}}
    switched = {"faq": {"enabled": False}, "escalation": {"enabled": False}}
    tenants = [tenant(site(f"http://{shop.address}"))]
    async with Desk.open(url, settings=settings_for(url, plugins={**switched, **words}, tenants=tenants)) as desk:
        yield desk


async def test_what_is_held_back_is_seen_when_it_is_approved_and_never_when_it_is_not(
    desk: Desk, shop: Any, windows: Windows
) -> None:
    """Who wrote it knows that it waits; whoever reads along sees nothing until somebody has decided."""
    ana, ines = await desk.agent("Ana"), await desk.agent("Ines")
    async with (
        windows(desk.address, shop.address) as (there, _),
        windows(desk.address) as (here, _),
        windows(desk.address) as (beside, _),
    ):
        page = shop.page("/", head=line_for(desk.url, name="Maya"))
        visitor = await Visitor(await there.new_page()).comes(page)
        await visitor.begins()
        await visitor.says("Hello")
        await visitor.rings()
        reader = await Agent(await beside.new_page()).logs_in(desk.url, ines.email, "/inbox/queue")
        await reader.looks_at("Maya")
        await reader.takes()

        for text in ("A voucher for me", "Vouchers, voucher or I shout"):
            await visitor.says(text)
            await expect(visitor.said(text)).to_contain_text("Waits for a check")
        judge = await Agent(await here.new_page()).logs_in(desk.url, ana.email, "/moderation")
        held = judge.page.get_by_role("listitem")
        await expect(judge.page.get_by_role("tab", name="Held")).to_contain_text("2")
        assert "voucher" not in " ".join(await reader.log()).lower()

        await held.filter(has_text="A voucher for me").get_by_role("button", name="Approve").click()
        await reader.hears("A voucher for me")
        await expect(visitor.said("A voucher for me")).not_to_contain_text("Waits for a check")
        await visitor.hears("A voucher for me")

        await held.filter(has_text="or I shout").get_by_role("button", name="Reject").click()
        await expect(judge.page.get_by_text("Nothing is held back")).to_be_visible()
        await expect(visitor.panel).not_to_contain_text("Waits for a check")
        await reader.writes("Here is your voucher code.")
        await expect(held.filter(has_text="voucher code")).to_have_count(1)
        await reader.page.reload()
        await reader.hears("A voucher for me")
        assert [text for text in await reader.log() if "shout" in text] == []
        assert "shout" not in (await ines.get("/moderation/held")).text


async def test_a_report_is_dismissed_or_resolved_and_the_message_stays(desk: Desk, shop: Any, windows: Windows) -> None:
    """An agent reports what a visitor wrote; who moderates sees it with its reason and the way to it."""
    ana, visitor = await desk.agent("Ana"), await desk.visitor("Carl", site_key="front")
    room = await visitor.conversation()
    for text in ("You are all useless", "Buy followers here"):
        await visitor.post(f"/rooms/{room}/messages", {"content": text})
    await visitor.post(f"/rooms/{room}/escalate")
    async with windows(desk.address) as (context, _):
        agent = await Agent(await context.new_page()).logs_in(desk.url, ana.email, "/inbox/queue")
        page = agent.page
        await agent.looks_at("Carl")
        for text, why, more in (
            ("You are all useless", "Abuse or threats", ""),
            ("Buy followers here", "Spam", "Third time today"),
        ):
            await agent.said(text).hover()
            await agent.said(text).get_by_role("button", name="More").click()
            await page.get_by_role("menuitem", name="Report").click()
            dialog = page.get_by_role("dialog", name="Report this message")
            await dialog.get_by_role("radio", name=why).check()
            await dialog.get_by_role("textbox").fill(more)
            await dialog.get_by_role("button", name="Report").click()
            await expect(dialog).to_have_count(0)
        await page.goto(f"{desk.url}/console/moderation")
        await page.get_by_role("tab", name="Reported").click()
        abuse = page.get_by_role("listitem").filter(has_text="You are all useless")
        spam = page.get_by_role("listitem").filter(has_text="Buy followers here")
        await expect(spam).to_contain_text("Third time today")
        await abuse.get_by_role("button", name="Dismiss").click()
        await expect(abuse).to_have_count(0)
        await spam.get_by_role("button", name="Open").click()
        await agent.hears("Buy followers here")
        await page.go_back()
        await page.get_by_role("tab", name="Reported").click()
        await spam.focus()
        await page.keyboard.press("a")
        await expect(spam).to_have_count(0)
    reports = {}
    for status in ("open", "resolved", "dismissed"):
        found = (await ana.get("/moderation/reports", params={"room": room, "status": status})).json()["items"]
        reports[status] = [report["message"]["content"] for report in found]
    assert reports == {"open": [], "resolved": ["Buy followers here"], "dismissed": ["You are all useless"]}
