"""The main job, whole: a visitor asks, the assistant answers or rings the bell, a person helps, and is thanked.

Once in fair weather with everything in it, then through what happens on a real day: a reload, two tabs, two devices,
a server that is killed, a network that is cut.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from deskbell.contracts import BotEvent, Escalate, Say, TextDelta, Turn
from deskbell.testing.desk import PASSWORD, SECRET, Desk
from deskbell.testing.faults.instances import Instance
from deskbell.testing.faults.proxy import Link

from .people import Agent, Visitor, desk_for, line_for, site, tenant

Windows = Callable[..., Any]
AWAY = ("Failed to load resource", "WebSocket connection to", "net::ERR", "Failed to fetch")
"""What a browser logs by itself when a server is not there."""
SOURCES = [{"title": "Delivery abroad", "url": "https://shop.example/delivery"}]


async def assistant(turn: Turn) -> AsyncIterator[BotEvent]:
    """Knows about Norway, and that it does not know the rest."""
    if "Norway" in turn.text:
        for piece in ("We ship ", "to Norway ", "within five days [1]."):
            yield TextDelta(piece)
            await asyncio.sleep(0.03)
        yield Say("We ship to Norway within five days [1].", sources=SOURCES)
    elif "thank" in turn.text:
        yield Say("You are welcome.")
    else:
        yield Escalate("no_answer", say="I do not know. I ring for a person.", summary=turn.text, facts={"order": "7"})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(faces: Any, shop: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with desk_for(shop, tmp_path_factory.mktemp("desk")) as desk:
        desk.bot.script = assistant
        yield desk


def front(desk_url: str, shop: Any, name: str) -> str:
    """The address of a page that knows its reader and has the widget on it."""
    return str(shop.page(f"/{name.split()[0].lower()}", head=line_for(desk_url, name=name)))


async def called(visitor: Visitor, agent: Agent, name: str, question: str = "Is my lamp broken?") -> None:
    """Come as far as a person who answers."""
    await visitor.begins()
    await visitor.says(question)
    await expect(visitor.waiting).to_be_visible()
    await agent.looks_at(name)
    await agent.takes()


VISITORS, NOTED = [f"from the visitor {n}" for n in range(3)], [f"noted {n}" for n in range(3)]
REPLY = "from the agent"


async def both_write(visitor: Visitor, agent: Agent) -> None:
    """More than one thing each, while nothing gets through."""
    for question, note in zip(VISITORS, NOTED, strict=True):
        await visitor.says(question)
        await agent.notes(note)
    await agent.writes(REPLY)


async def both_have_it_once(visitor: Visitor, agent: Agent) -> None:
    """All that both wrote is there, once, in its order, and the same for both; notes only for colleagues."""
    for window in (visitor, agent):
        # They would come back by themselves, within half a minute.
        await window.page.evaluate("dispatchEvent(new Event('online'))")
    await expect(visitor.panel.locator(".log .pending")).to_have_count(0)
    for text in VISITORS:
        await expect(agent.said(text)).to_have_count(1)
    # Where the visitor was faster, the reply was written without having seen what they say: it waits for a word.
    anyway = agent.page.locator(".log").get_by_role("button", name="Send as it is")
    await expect(anyway.or_(agent.said(REPLY).filter(has_text=re.compile("Sent|Delivered|Read"))).first).to_be_visible()
    if await anyway.count():
        await anyway.click()
    await visitor.hears(REPLY)
    await expect(agent.page.locator("[data-waiting]")).to_have_count(0)
    log = [text for text in await visitor.log() if text in (*VISITORS, *NOTED, REPLY)]
    assert sorted(log) == sorted([*VISITORS, REPLY])
    assert [text for text in log if text in VISITORS] == VISITORS
    assert [text for text in await agent.log() if text in log] == log
    assert await agent.page.locator(".log .note .bub").all_inner_texts() == NOTED


async def test_from_the_first_question_to_the_thanks(desk: Desk, shop: Any, windows: Windows) -> None:
    ines = await desk.agent("Ines Moreau")
    async with (
        windows(desk.address, shop.address) as (there, _),
        windows(desk.address) as (here, _),
    ):
        agent = await Agent(await here.new_page()).logs_in(desk.url, ines.email, "/inbox/queue")
        visitor = await Visitor(await there.new_page()).comes(front(desk.url, shop, "Maya"))

        await visitor.begins()
        await visitor.says("Do you ship to Norway?")
        await visitor.hears("We ship to Norway within five days")
        answer = visitor.said("We ship to Norway")
        await answer.get_by_role("button", name="1 source").click()
        await expect(answer.get_by_role("link", name="Delivery abroad")).to_have_attribute("href", SOURCES[0]["url"])

        await expect(agent.row("Maya")).to_have_count(0)
        await visitor.says("Can I have it engraved?")
        await visitor.hears("I do not know. I ring for a person.")
        await expect(visitor.waiting).to_contain_text("You're next")

        await agent.looks_at("Maya")
        await expect(agent.card).to_contain_text("Can I have it engraved?")
        await agent.hears("We ship to Norway within five days")
        await agent.takes()
        await expect(visitor.waiting).to_have_count(0)
        await expect(visitor.panel.locator(".who")).to_contain_text("Ines Moreau")

        await agent.notes("She is the owner's SISTER, be kind")
        await agent.turns_to("reply")
        await agent.field.press_sequentially("Yes")
        await expect(visitor.panel.get_by_label(re.compile("Ines Moreau.* is writing"))).to_be_visible()
        await agent.writes("Yes, up to twelve letters.")
        await visitor.hears("Yes, up to twelve letters.")
        await expect(agent.said("Yes, up to twelve letters.")).to_contain_text("Read")

        await visitor.field.press_sequentially("Then ")
        await expect(agent.page.locator(".thread")).to_contain_text("Maya is typing")
        await visitor.says("Then engrave it, please.")
        await agent.hears("Then engrave it, please.")
        await expect(visitor.said("Then engrave it")).to_contain_text("Seen")

        await agent.hands_back()
        await expect(visitor.panel.locator(".counter.bot")).to_have_count(1)
        await visitor.says("thank you")
        await visitor.hears("You are welcome.")
        await visitor.rings()
        await expect(agent.accepts).to_be_visible()
        await agent.takes()
        await agent.writes("Here I am again.")
        await visitor.hears("Here I am again.")

        await agent.resolve.click()
        await visitor.rates(5, "Quick and kind")
        await expect(visitor.panel.get_by_text("Thank you for telling us.")).to_be_visible()
        await agent.page.goto(f"{desk.url}/console/inbox/resolved")
        await agent.looks_at("Maya")
        await expect(agent.page.locator(".cx")).to_contain_text("5 of 5")
        await expect(agent.page.locator(".cx q")).to_have_text("Quick and kind")

        assert "SISTER" not in await visitor.everything()
        assert "Yes, up to twelve letters." in "\n".join(visitor.received), "the frames were heard at all"


async def test_a_reload_loses_neither_what_is_said_nor_what_is_begun(desk: Desk, shop: Any, windows: Windows) -> None:
    ines = await desk.agent("Ines Moreau")
    async with (
        windows(desk.address, shop.address) as (there, _),
        windows(desk.address) as (here, _),
    ):
        agent = await Agent(await here.new_page()).logs_in(desk.url, ines.email, "/inbox/queue")
        visitor = await Visitor(await there.new_page()).comes(front(desk.url, shop, "Renaud"))
        await called(visitor, agent, "Renaud")
        await agent.writes("Which lamp is it?")
        await visitor.hears("Which lamp is it?")
        await visitor.field.fill("It is the green")
        await agent.field.fill("While you look")
        await expect(agent.page.locator(".comp")).to_contain_text("Draft saved")

        await asyncio.gather(visitor.page.reload(), agent.page.reload())
        await expect(visitor.field).to_have_value("It is the green")
        await expect(agent.field).to_have_value("While you look")
        await visitor.hears("Which lamp is it?")
        await visitor.says("It is the green one.")
        await agent.hears("It is the green one.")
        # What was begun before the visitor wrote again is not sent unseen, however fast one types.
        await agent.field.press("End")
        await agent.field.press_sequentially(", a moment.")
        await agent.field.press("Enter")
        await agent.page.get_by_role("button", name="Send anyway").click()
        await visitor.hears("While you look, a moment.")
        said = ["Is my lamp broken?", "Which lamp is it?", "It is the green one.", "While you look, a moment."]
        assert await agent.log() == said
        assert [text for text in await visitor.log() if text in said] == said


async def test_two_tabs_of_a_visitor_are_one_conversation(desk: Desk, shop: Any, windows: Windows) -> None:
    ines = await desk.agent("Ines Moreau")
    async with (
        windows(desk.address, shop.address) as (there, _),
        windows(desk.address) as (here, _),
    ):
        address = front(desk.url, shop, "Yusuf")
        agent = await Agent(await here.new_page()).logs_in(desk.url, ines.email, "/inbox/queue")
        one = await Visitor(await there.new_page()).comes(address)
        await called(one, agent, "Yusuf")
        other = await Visitor(await there.new_page()).comes(address)
        await other.opens()
        await other.panel.locator(".resume").click()
        await expect(other.panel.locator(".who")).to_contain_text("Ines Moreau")

        await other.says("From the second tab.")
        await one.says("From the first tab.")
        await agent.writes("I hear both.")
        for tab in (one, other):
            await expect(tab.said("I hear both.")).to_have_count(1)
        assert await one.log() == await other.log()
        # The tab that had the connection goes; the other one goes on.
        await one.page.close()
        await other.says("The first is closed.")
        await agent.hears("The first is closed.")
        await agent.writes("Still here.")
        await other.hears("Still here.")
        await agent.hears("From the second tab.")


async def test_an_agent_goes_on_at_another_device(desk: Desk, shop: Any, windows: Windows) -> None:
    ines = await desk.agent("Ines Moreau")
    async with (
        windows(desk.address, shop.address) as (there, _),
        windows(desk.address) as (office, _),
        windows(desk.address) as (home, _),
    ):
        agent = await Agent(await office.new_page()).logs_in(desk.url, ines.email, "/inbox/queue")
        visitor = await Visitor(await there.new_page()).comes(front(desk.url, shop, "Hana"))
        await called(visitor, agent, "Hana")
        room = agent.page.url.rpartition("/")[2]
        elsewhere = await Agent(await home.new_page()).logs_in(desk.url, ines.email, f"/inbox/mine/{room}")
        await expect(elsewhere.field).to_be_visible()

        await agent.field.press_sequentially("Have you tried")
        await expect(elsewhere.field).to_have_value("Have you tried")
        await elsewhere.field.press("End")
        await elsewhere.field.press_sequentially(" the switch?")
        await expect(agent.field).to_have_value("Have you tried the switch?")
        await elsewhere.field.press("Enter")
        await visitor.hears("Have you tried the switch?")
        await expect(agent.field).to_have_value("")
        await expect(elsewhere.field).to_have_value("")
        await agent.hears("Have you tried the switch?")
        await visitor.says("Yes.")
        for device in (agent, elsewhere):
            await device.hears("Yes.")
        await elsewhere.resolve.click()
        await expect(agent.resolve).to_have_count(0)
        await expect(visitor.rating).to_be_visible()


async def test_a_network_that_is_cut_neither_loses_nor_repeats(
    faces: Any, shop: Any, windows: Windows, tmp_path: Path
) -> None:
    """Both write into a dead link, that then comes back."""
    link = Link(0, random.Random(3))
    await link.start()
    url = f"http://127.0.0.1:{link.port}"
    address = url.removeprefix("http://")
    try:
        async with desk_for(shop, tmp_path, server={"public_url": url, "heartbeat_s": 1.0, "silence_s": 3.0}) as desk:
            link.target = int(desk.url.rpartition(":")[2])
            desk.bot.script = assistant
            ines = await desk.agent("Ines Moreau")
            async with (
                windows(address, shop.address) as (there, troubles),
                windows(address) as (here, more_troubles),
            ):
                troubles.expected.extend(AWAY)
                more_troubles.expected.extend(AWAY)
                agent = await Agent(await here.new_page()).logs_in(url, ines.email, "/inbox/queue")
                visitor = await Visitor(await there.new_page()).comes(front(url, shop, "Ada"))
                await called(visitor, agent, "Ada")
                await agent.writes("Before the cut.")
                await visitor.hears("Before the cut.")

                # New connections end in a black hole too: nothing gets through, and nobody says so.
                link.weather.swallow = ("there", "back")
                link.cut(reset=True)
                await both_write(visitor, agent)
                await expect(visitor.panel.locator(".strip")).to_contain_text("your messages are kept")
                link.heal()
                await both_have_it_once(visitor, agent)
    finally:
        await link.close()


@pytest.mark.parametrize("end", ["drained", "killed"])
async def test_a_server_that_goes_and_comes_back_has_everything_once(
    end: str, faces: Any, shop: Any, windows: Windows, tmp_path: Path
) -> None:
    """What both wrote while there was no server arrives when it is back, once, in their order."""
    config = tmp_path / "config.json"
    server = Instance(1, config, tmp_path, {})
    url = f"http://127.0.0.1:{server.port}"
    address = url.removeprefix("http://")
    ines = {"email": "ines@example.org", "name": "Ines Moreau", "password": PASSWORD, "teams": ["support"]}
    settings = {
        "store": {"url": f"sqlite:///{tmp_path / 'deskbell.sqlite3'}"},
        "auth": {"secret": SECRET},
        "server": {"public_url": url, "drain_s": 5},
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
            troubles.expected.extend(AWAY)
            more_troubles.expected.extend(AWAY)
            agent = await Agent(await here.new_page()).logs_in(url, "ines@example.org", "/inbox/queue")
            visitor = await Visitor(await there.new_page()).comes(front(url, shop, f"Oskar {end}"))
            await visitor.begins()
            await visitor.rings()
            await agent.looks_at("Oskar")
            await agent.takes()
            await agent.writes("Before.")
            await visitor.hears("Before.")

            if end == "drained":
                assert await server.drain() == 0
            else:
                server.kill()
            await expect(visitor.panel.locator(".strip")).to_contain_text("your messages are kept")
            await both_write(visitor, agent)
            await visitor.field.fill("not sent yet")
            # One of the two even loads its page anew in the meantime, without a server; the shop's is still there.
            await visitor.page.reload()
            server.launch({})
            await server.ready()
            await visitor.page.reload()

            await both_have_it_once(visitor, agent)
            await expect(visitor.field).to_have_value("not sent yet")
            await agent.writes("After.")
            await visitor.hears("After.")
    finally:
        server.kill()
