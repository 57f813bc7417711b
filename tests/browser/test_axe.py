"""Every screen before axe, light and dark, wide and on a phone: no serious and no critical fault."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from deskbell.app import Application
from deskbell.config import DEMO_PASSWORD, Settings
from deskbell.contracts import BotEvent, Escalate, Say, Turn
from deskbell.demo.week import play
from deskbell.testing.desk import Desk
from deskbell.testing.serving import demo_settings, served

from .people import Agent, Visitor, desk_for, line_for, site

Windows = Callable[..., Any]
AXE = Path(__file__).parents[2] / "platform" / "web" / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"wide": {"viewport": {"width": 1440, "height": 900}}, "phone": {"viewport": {"width": 390, "height": 844}}}
LOOKS = [
    pytest.param({**size, "color_scheme": scheme}, id=f"{name}-{scheme}")
    for name, size in SIZES.items()
    for scheme in ("light", "dark")
]
# In the dark the same elements have other colours, so that is all that is looked at anew.
WHAT_IS_WRONG = """async (within) => {
  const only = matchMedia("(prefers-color-scheme: dark)").matches ? { runOnly: ["color-contrast"] } : {};
  const { violations } = await axe.run(within, { resultTypes: ["violations"], ...only });
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary, any }) => {
      const { fgColor, bgColor, contrastRatio } = any[0]?.data ?? {};
      const colours = contrastRatio ? ` ${fgColor} on ${bgColor} is ${contrastRatio}` : "";
      return `${id}: ${target.flat().join(" ")}${colours || ` ${failureSummary.replace(/\\s+/g, " ")}`}`;
    }));
}"""
STILL = {"reduced_motion": "reduce"}
MEANT = ("label-content-name-mismatch: .owner ",)
"""What axe takes for words of a label are the initials in a face, which is a picture."""


class Judge:
    """Asks axe about one page, screen by screen, and says all that is wrong at the end."""

    def __init__(self, page: Page, within: str = "document") -> None:
        self.page, self.within = page, within
        self.faults: dict[str, list[str]] = {}

    async def sees(self, screen: str) -> None:
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE.read_text(encoding="utf-8") + "; 0")
        found = await self.page.evaluate(f"({WHAT_IS_WRONG})({self.within})")
        if wrong := [fault for fault in found if not fault.startswith(MEANT)]:
            self.faults[screen] = wrong


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(faces: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Settings]:
    """A desk with a week behind it."""
    made = demo_settings(tmp_path_factory.mktemp("demo"))
    await play(made)
    application = await Application.open(made)
    try:
        async with served(application):
            yield made
    finally:
        await application.close()


SCREENS = ("board", "search?q=lamp", "people", "sites", "plugins", "moderation", "audit", "settings")
LISTS = ("mine", "queue", "all", "bot", "mentions", "snoozed", "resolved")


@pytest.mark.parametrize("look", LOOKS)
async def test_the_console_has_no_serious_fault(look: dict[str, Any], demo: Settings, windows: Windows) -> None:
    url = demo.server.public_url
    words = f"It is in stock, {look['color_scheme']} {look['viewport']['width']}."
    async with windows(url.removeprefix("http://"), bypass_csp=True, **STILL, **look) as (context, _):
        page = await context.new_page()
        judge = Judge(page)
        await page.goto(f"{url}/console")
        await expect(page.locator("input[type=email]")).to_be_visible()
        await judge.sees("log in")
        agent = await Agent(page).logs_in(url, "kim@demo.example", password=DEMO_PASSWORD)
        await expect(page.locator("main")).to_be_visible()

        for name in LISTS:
            await page.goto(f"{url}/console/inbox/{name}")
            await expect(page.locator(".list .row, .list .l-empty").first).to_be_visible()
            await judge.sees(name)
        for name in SCREENS:
            await page.goto(f"{url}/console/{name}")
            await expect(page.locator("main").locator("h1, h2").first).to_be_visible()
            await page.wait_for_load_state("networkidle")
            await judge.sees(name)

        await page.goto(f"{url}/console/inbox/queue")
        await page.locator(".row a.to").first.click()
        await expect(agent.card).to_be_visible()
        await judge.sees("waiting")
        await agent.takes()
        await agent.notes(f"Looked it up. {words}")
        await judge.sees("note")
        await agent.writes(words)
        await judge.sees("reply")
        await page.keyboard.press("Escape")
        await page.keyboard.press("Control+k")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await judge.sees("command menu")
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await judge.sees("shortcuts")
        await page.keyboard.press("Escape")
        await agent.card.locator(".acts .btn").nth(1).click()  # to the queue, for the next look
        await expect(agent.accepts).to_be_visible()
        assert judge.faults == {}


async def assistant(turn: Turn) -> AsyncIterator[BotEvent]:
    """All kinds of messages there are, and the bell."""
    if "person" in turn.text:
        yield Escalate("asked_human", say="I ring for a person.", summary=turn.text)
    else:
        sources = [{"title": "Delivery", "url": "https://shop.example/delivery"}]
        yield Say("We ship **everywhere** [1], see `PR-1`.\n\n- one\n- two", sources=sources)
        yield Say("Which one?", metadata={"choices": ["The green lamp", "Another one"]})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(faces: Any, shop: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    origin = f"http://{shop.address}"
    fields = [
        {"name": "name", "label": "Your name", "required": True},
        {"name": "topic", "label": "Topic", "kind": "select", "options": ["Orders", "Returns"]},
    ]
    asks = site(origin, "asks", prechat={"fields": fields, "consent": "I agree that this is kept."})
    closed = site(origin, "closed", hours={"timezone": "Europe/Brussels"})
    async with desk_for(shop, tmp_path_factory.mktemp("desk"), site(origin), asks, closed) as desk:
        desk.bot.script = assistant
        yield desk


@pytest.mark.parametrize("look", LOOKS)
async def test_the_widget_has_no_serious_fault(look: dict[str, Any], desk: Desk, shop: Any, windows: Windows) -> None:
    ines = await desk.agent("Ines Moreau")
    both = "<style>:root { color-scheme: light dark }</style>"
    async with windows(desk.address, shop.address, bypass_csp=True, **STILL, **look) as (context, _):
        visitor = Visitor(await context.new_page())
        judge = Judge(visitor.page, "document.querySelector('deskbell-widget')")
        for key, start in (("asks", 0), ("closed", 1)):
            await visitor.comes(shop.page(f"/{key}", head=both + line_for(desk.url, key)))
            await visitor.opens()
            await visitor.panel.locator(".start").nth(start).click()
            await visitor.panel.locator("form .btn.ink").click()
            await judge.sees(f"{key}, filled in wrongly")

        await visitor.comes(shop.page("/front", head=both + line_for(desk.url)))
        await judge.sees("launcher")
        await visitor.opens()
        await judge.sees("home")
        await visitor.panel.locator(".start").first.click()
        await visitor.says("Where do you ship?")
        await expect(visitor.panel.locator(".chip").first).to_be_visible()
        await visitor.panel.get_by_role("button", name="1 source").click()
        await judge.sees("answer, sources, choices")
        await visitor.panel.locator(".menu-place .icon-btn").click()
        await expect(visitor.panel.locator(".menu")).to_be_visible()
        await judge.sees("menu")
        await visitor.page.keyboard.press("Escape")
        await visitor.says("a person, please")
        await expect(visitor.waiting).to_be_visible()
        await judge.sees("waiting")

        case = (await ines.get("/cases?view=queue")).json()["items"][0]
        await ines.post(f"/cases/{case['id']}/claim")
        room = case["room"]
        card = {"title": "Order PR-1", "fields": [{"label": "State", "value": "packed"}]}
        await ines.post(f"/rooms/{room}/messages", {"content": "Hello, I am Ines."})
        await ines.post(f"/rooms/{room}/messages", {"content": "See", "kind": "card", "metadata": card})
        await visitor.hears("Hello, I am Ines.")
        await visitor.panel.locator(".msg.me .tools button").last.click(force=True)
        await judge.sees("person, card, tools")
        await ines.post(f"/cases/{case['id']}/resolve")
        await visitor.rating.locator(".face").nth(3).click()
        await judge.sees("rating")
        await visitor.rating.locator(".btn.ink").click()
        await expect(visitor.rating).to_have_count(0)
        await judge.sees("end")
        assert judge.faults == {}
        # The judge looks into the shadow, too: a grey word on grey does not escape it.
        await visitor.panel.locator(".ending .links button").evaluate(
            "(one) => { one.style.color = '#999'; one.style.background = '#aaa' }"
        )
        await judge.sees("made worse")
        assert "color-contrast" in str(judge.faults["made worse"])
