"""A case that goes to somebody else, with a word about it that is for colleagues alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from deskbell.testing.desk import Desk

from .people import Agent, Visitor, desk_for, line_for

Windows = Callable[..., Any]
NOTE = "She has waited twice. The refund is promised for Friday."


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(faces: Any, shop: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with desk_for(shop, tmp_path_factory.mktemp("transfer")) as desk:
        yield desk


async def test_whoever_takes_over_reads_the_note_and_the_visitor_never(desk: Desk, shop: Any, windows: Windows) -> None:
    ines, tom = await desk.agent("Ines"), await desk.agent("Tom")
    async with (
        windows(desk.address, shop.address) as (there, _),
        windows(desk.address) as (here, _),
        windows(desk.address) as (beside, _),
    ):
        visitor = await Visitor(await there.new_page()).comes(shop.page("/", head=line_for(desk.url, name="Maya")))
        await visitor.begins()
        await visitor.says("Where is my refund?")
        await visitor.rings()
        first = await Agent(await here.new_page()).logs_in(desk.url, ines.email, "/inbox/queue")
        then = await Agent(await beside.new_page()).logs_in(desk.url, tom.email, "/inbox/mine")
        await first.looks_at("Maya")
        await first.takes()

        await first.page.keyboard.press("Escape")
        await first.page.keyboard.press("Control+k")
        menu = first.page.get_by_role("combobox")
        await menu.fill("transfer")
        await first.page.keyboard.press("Enter")
        await menu.fill("tom")
        await first.page.keyboard.press("Enter")
        await first.page.get_by_label("Note for whoever takes it").fill(NOTE)
        await first.page.get_by_role("button", name="Transfer", exact=True).click()
        await expect(first.row("Maya")).to_have_count(0)

        await then.looks_at("Maya")
        await expect(then.noted(NOTE)).to_have_count(1)
        await then.writes("Hello Maya, Tom here.")
        await visitor.hears("Tom here")
        assert "promised" not in await visitor.everything()
        # What another page of theirs is given anew does not hold it either.
        again = await Visitor(await there.new_page()).comes(visitor.page.url)
        await again.opens()
        await again.panel.locator(".resume").click()
        await again.hears("Tom here")
        assert "promised" not in await again.everything()
