"""The list of what the assistant answers, as somebody has it open who looks after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.async_api import expect

from deskbell.testing.desk import Desk

from .people import Agent

Windows = Callable[..., Any]


async def test_a_conversation_with_the_assistant_comes_and_goes_by_itself(desk: Desk, windows: Windows) -> None:
    """Without a reload: it is there when it is opened, says what was said last, and leaves with who takes it over."""
    ben, ines = await desk.agent("Ben", role="supervisor"), await desk.agent("Ines")
    async with windows(desk.address) as (context, _):
        boss = await Agent(await context.new_page()).logs_in(desk.url, ben.email, "/inbox/bot")
        await expect(boss.page.get_by_text("The assistant is talking to nobody.")).to_be_visible()
        visitor = await desk.visitor("Noor")
        room = await visitor.conversation()
        await expect(boss.row("Noor")).to_be_visible()
        desk.bot.answers("They arrive on Friday.")
        await visitor.post(f"/rooms/{room}/messages", {"content": "When do they arrive?"})
        await expect(boss.row("Noor")).to_contain_text("They arrive on Friday.")
        views = boss.page.get_by_role("navigation", name="Views")
        await expect(views.get_by_role("link", name="Assistant")).to_have_text("Assistant1")
        assert (await ines.post(f"/rooms/{room}/take-over")).status_code == 200
        await expect(boss.row("Noor")).to_have_count(0)
        await expect(views.get_by_role("link", name="Assistant")).to_have_text("Assistant0")
