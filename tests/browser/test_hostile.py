"""What strangers write is shown as they wrote it, and does nothing: in no window, in no place, of no layout."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from deskbell.contracts import BotEvent, Escalate, Say, Turn
from deskbell.testing.desk import Desk

from .people import TOO_WIDE, Agent, Visitor, desk_for, line_for, site

Windows = Callable[..., Any]

TAG = '<img src=x class=evil onerror="window.evil=1">'
SCRIPT = "</script><script class=evil>window.evil=1</script>"
LINKS = "[click](javascript:window.evil=1) javascript:window.evil=1 https://shop.example/ok"
TURNED = "safe\u202egnp.exe"
TEMPLATE = "{{visitor.name}} ${7*7}"
STORM = "👩‍👩‍👧‍👦🏳️‍🌈" * 200
ENDLESS = "W" * 16_000
ODD = "nul\\u0000 \u0001\u0007 \ufeff\u200b end"
SAID = [TAG, SCRIPT, LINKS, TURNED, TEMPLATE, STORM, ENDLESS, ODD]
MADE = """() => {
  const roots = [document, ...[...document.querySelectorAll("*")].map((one) => one.shadowRoot).filter(Boolean)];
  const bad = "img.evil, script.evil, a[href^='javascript'], iframe, [onerror]";
  return [window.evil ?? null, roots.flatMap((root) => [...root.querySelectorAll(bad)].map((one) => one.outerHTML))];
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(faces: Any, shop: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    front = site(f"http://{shop.address}", name=TAG + " shop", greeting={"en": TAG + SCRIPT + " Welcome"})
    async with desk_for(shop, tmp_path_factory.mktemp("desk"), front) as desk:
        desk.bot.script = evil_bot
        yield desk


async def evil_bot(turn: Turn) -> AsyncIterator[BotEvent]:
    if "person" in turn.text:
        facts = {
            "order": TAG,
            "page": SCRIPT,
            "long": ENDLESS[:3000],
            "link": "javascript:window.evil=1",
            TAG[:30]: "x",
        }
        yield Escalate("asked_human", say=TAG, summary=TAG + TURNED, facts=facts)
    elif "card" in turn.text:
        fields = [{"label": TAG, "value": SCRIPT}, {"label": 7, "value": {"a": 1}}]
        links = [{"label": TAG, "url": "javascript:window.evil=1"}, {"label": TAG, "url": "https://shop.example/ok"}]
        yield Say(LINKS, metadata={"title": TAG, "fields": fields, "links": links, "choices": [TAG, ENDLESS[:199], {}]})
    else:
        sources = [
            {"title": TAG, "url": "javascript:window.evil=1"},
            {"title": ENDLESS[:500], "url": "data:text/html,<script>1</script>"},
            {"path": [SCRIPT]},
        ]
        yield Say(
            TAG + " `" + TAG + "` **" + SCRIPT + "** " + LINKS, sources=sources, metadata={"choices": [TAG, SCRIPT]}
        )


async def is_harmless(page: Page) -> None:
    """Nothing of it was made an element or run, and the page is as wide as it was."""
    assert await page.evaluate(MADE) == [None, []]
    assert await page.evaluate(TOO_WIDE) <= 0


@pytest.mark.parametrize("size", [(1440, 900), (360, 740)], ids=["desktop", "phone"])
async def test_it_is_text_for_both_sides_of_the_counter(
    size: tuple[int, int], desk: Desk, shop: Any, windows: Windows
) -> None:
    width, height = size
    view = {"viewport": {"width": width, "height": height}}
    lead = await desk.agent("Ines", role="admin")
    renamed = await lead.call("PATCH", f"/people/{lead.id}", json={"name": f"{TAG} {TURNED}"})
    assert renamed.status_code == 200, renamed.text
    await lead.call("PATCH", "/teams/support", json={"name": TAG})
    assert (await lead.post("/labels", {"name": TAG[:40], "color": "#0b5d3b"})).status_code in (201, 409)
    snippet = await lead.post("/snippets", {"shortcut": f"evil{width}", "text": TAG + TEMPLATE})
    assert snippet.status_code == 201, snippet.text
    name = f"{TAG} {TURNED} {width}"
    push = f"<script>Deskbell.push(['setAttributes', {{'order': {TAG!r}, 'long': 'W'.repeat(900)}}])</script>"
    address = shop.page(f"/h{width}", head=line_for(desk.url, name=name) + push, body="<title>x</title>")
    async with (
        windows(desk.address, shop.address, **view) as (there, strange),
        windows(desk.address, **view) as (here, troubles),
    ):
        there.on("dialog", lambda dialog: strange.seen.append(f"dialog {dialog.message}"))
        here.on("dialog", lambda dialog: troubles.seen.append(f"dialog {dialog.message}"))
        visitor = await Visitor(await there.new_page()).comes(address)
        await visitor.opens()
        await expect(visitor.panel).to_contain_text(TAG)
        await is_harmless(visitor.page)
        await visitor.panel.locator(".start").first.click()
        for text in SAID:
            await visitor.field.fill(text)
            await visitor.field.press("Enter")
            await expect(visitor.field).to_have_value("")
        await expect(visitor.said("W" * 50).first).to_contain_text(ENDLESS)
        for text in (TAG, TURNED, TEMPLATE):
            await expect(visitor.said(text).first).to_be_visible()
        await visitor.says("a card, please")
        await expect(visitor.panel.locator(".chips .chip").first).to_be_visible()
        await is_harmless(visitor.page)
        await visitor.says("a person, please")
        await expect(visitor.waiting).to_be_visible()
        await is_harmless(visitor.page)

        agent = await Agent(await here.new_page()).logs_in(desk.url, lead.email, "/inbox/queue")
        await expect(agent.row(str(width))).to_contain_text(TAG)
        await is_harmless(agent.page)
        await agent.looks_at(str(width))
        await expect(agent.card).to_contain_text(TAG)
        await is_harmless(agent.page)
        await agent.takes()
        await agent.notes(TAG + SCRIPT)
        await agent.writes(TAG + " said the agent")
        await visitor.hears(TAG + " said the agent")
        await expect(visitor.panel.locator(".who")).to_contain_text(TAG)
        await agent.turns_to("reply")
        await agent.field.press_sequentially(f"/evil{width}")
        await expect(agent.page.get_by_role("option").first).to_contain_text(TAG[:20])
        await agent.field.press("Enter")
        await expect(agent.field).to_have_value(f"{TAG}{name} ${{7*7}} ")
        await is_harmless(agent.page)
        await is_harmless(visitor.page)
        for screen in ("board", "people", "sites", "settings", "audit", "search?q=evil"):
            await agent.page.goto(f"{desk.url}/console/{screen}")
            await expect(agent.page.locator("main")).to_contain_text("<img" if screen != "audit" else "")
            await is_harmless(agent.page)
