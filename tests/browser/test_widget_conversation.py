"""A visitor's side of a conversation: the assistant, the wait, the person; what is lost, what is hostile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, Page, WebSocketRoute, expect

from deskbell.contracts import BotEvent, Escalate, Say, TextDelta, Turn
from deskbell.testing.desk import Desk, Person, settings_for

SITE = "shop"
NASTY = '<img src=x onerror="alert(1)">'
OVERRIDE = "\u202e"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(faces: Any, shop: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """A desk whose site is on the shop's origin, and whose word list holds one word and refuses another."""
    site = {
        "name": "Pell & Rowan",
        "public_key": SITE,
        "secret": "the site's own secret, long enough to sign with 0123456789",
        "origins": [f"http://{shop.address}"],
        "settings": {"choice": False},
    }
    tenant = {"slug": "default", "name": "Test", "sites": [site], "teams": [{"slug": "support", "name": "Support"}]}
    words = {"moderation_words": {"settings": {"hold": ["casino"], "block": ["guillotine"]}}}
    url = f"sqlite:///{tmp_path_factory.mktemp('desk') / 'deskbell.sqlite3'}"
    async with Desk.open(url, settings=settings_for(url, tenants=[tenant], plugins=words)) as desk:
        yield desk


class Talk:
    """The conversation as its visitor sees it."""

    def __init__(self, page: Page, context: BrowserContext) -> None:
        self.page = page
        self.context = context
        self.panel = page.get_by_role("dialog", name="chat")
        self.log = self.panel.get_by_role("log")
        self.field = self.panel.get_by_role("textbox")
        self.waiting = self.panel.get_by_role("group", name="Waiting for a person")
        self.sockets: list[WebSocketRoute] = []
        self.late = 0.0
        """Seconds by which all that the desk tells comes later than its acknowledgements."""

    def button(self, name: str) -> Locator:
        return self.panel.get_by_role("button", name=name, exact=True)

    def message(self, text: str) -> Locator:
        return self.log.get_by_role("article").filter(has_text=text)

    async def says(self, text: str) -> None:
        await self.field.fill(text)
        await self.field.press("Enter")

    async def opens(self, text: str) -> Locator:
        """Open the tools of a message."""
        message = self.message(text).last
        await message.hover()
        await message.get_by_role("button", name="Message options").click()
        return message

    async def cut(self) -> None:
        """Take the network away, the open socket too."""
        await self.context.set_offline(True)
        for socket in self.sockets:
            with contextlib.suppress(Exception):  # it was closed before
                await socket.close(code=4001)
        self.sockets.clear()

    async def texts(self) -> list[str]:
        """What stands in the bubbles, from the top."""
        return [" ".join(text.split()) for text in await self.log.locator(".bubble").all_inner_texts()]

    async def announced(self) -> list[str]:
        return list(await self.panel.locator("[aria-live=polite] p").all_inner_texts())


@pytest.fixture
def talks(desk: Desk, shop: Any, windows: Any) -> Callable[..., Any]:
    """Opens the chat on the shop's page, with a conversation begun: ``async with talks() as (talk, troubles)``."""

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[tuple[Talk, Any]]:
        line = f'<script src="{desk.url}/widget.js" data-site="{SITE}" data-open async></script>'
        address = shop.page(f"/talk-{len(shop.pages)}", head=line)
        async with windows(desk.address, shop.address, **options) as (context, troubles):
            page = await context.new_page()
            talk = Talk(page, context)

            async def through(route: WebSocketRoute) -> None:
                def told(frame: str | bytes) -> None:
                    if talk.late and '"type":"ack"' not in str(frame):
                        asyncio.get_running_loop().call_later(talk.late, route.send, frame)
                    else:
                        route.send(frame)

                route.connect_to_server().on_message(told)
                talk.sockets.append(route)

            await page.route_web_socket(lambda url: "/api/v1/ws" in url, through)
            await page.goto(address)
            await expect(talk.field).to_be_visible()
            yield talk, troubles

    return opened


async def room_of(desk: Desk, person: Person, view: str = "queue") -> tuple[str, str]:
    """The newest case an agent finds, and its room."""

    async def found() -> Any:
        items = (await person.get(f"/cases?view={view}")).json()["items"]
        return max(items, key=lambda case: str(case["opened_at"])) if items else None

    case = await desk.until(found)
    return case["id"], case["room"]


async def taken(desk: Desk, agent: Person) -> str:
    """Have an agent take the newest waiting case; its room."""
    case, room = await room_of(desk, agent)
    assert (await agent.post(f"/cases/{case}/claim")).status_code == 200
    return room


async def test_from_the_assistant_over_the_wait_to_a_person(desk: Desk, talks: Any) -> None:
    """An answer with sources, quick replies, the place in line, and a person who sees it all and is seen."""

    async def script(turn: Turn) -> AsyncIterator[BotEvent]:
        if "cracked" in turn.text:
            yield Say(
                "We replace it within **30 days** [1].",
                sources=[
                    {"title": "Damaged on arrival", "path": "https://shop.example/help", "anchor": "a b"},
                    {"title": "Glass", "path": "g.md"},
                ],
                choices=["Find my order", "A person, please"],
            )
        else:
            yield Escalate("asked_human", say="I've asked a colleague to join.", summary=turn.text)

    desk.bot.script = script
    ines = await desk.agent("Ines Marchetti")
    async with talks() as (talk, _), ines.line() as line:
        await talk.says("The shade is cracked")
        answer = talk.message("We replace it")
        await expect(answer.locator("strong")).to_have_text("30 days")
        await expect(answer.locator("sup")).to_have_text("1")
        await expect(talk.message("The shade is cracked")).to_contain_text("Seen")
        await answer.get_by_role("button", name="2 sources").click()
        link = answer.get_by_role("link", name="Damaged on arrival")
        assert await link.get_attribute("href") == "https://shop.example/help#a%20b"
        assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
        await expect(answer.get_by_role("link")).to_have_count(1)
        await answer.get_by_role("button", name="This helped").click()
        await expect(answer.get_by_role("button", name="This helped")).to_have_attribute("aria-pressed", "true")
        await answer.get_by_role("button", name="This did not help").click()
        await expect(answer.get_by_role("button", name="This helped")).to_have_attribute("aria-pressed", "false")

        await talk.button("A person, please").click()
        await expect(talk.waiting).to_be_in_viewport()
        await expect(talk.button("Find my order")).to_have_count(0)
        await talk.button("Ask the assistant meanwhile").click()
        await expect(talk.panel.get_by_text("You keep your place while the assistant answers.")).to_be_visible()

        room = await taken(desk, ines)
        await line.subscribe(room)
        await expect(talk.log.get_by_text("joined and has read the conversation")).to_be_visible()
        await expect(talk.panel.get_by_text("You keep your place")).to_have_count(0)
        await line.send({"type": "typing", "room": room, "on": True})
        await expect(talk.log.get_by_label("Ines Marchetti is writing")).to_be_visible()
        sent = await line.says(room, "Hi, I see it.")
        await expect(talk.message("Hi, I see it.")).to_contain_text("Ines Marchetti")
        await expect(talk.log.get_by_label("is writing")).to_have_count(0)
        await line.find(lambda frame: frame["type"] == "receipt" and frame["read_seq"] >= sent["seq"])

        await talk.says("Wonderful")
        await expect(talk.message("Wonderful")).to_contain_text("Sent")
        heard = await line.hears(room, "Wonderful")
        await line.ask({"type": "read", "room": room, "seq": heard["message"]["seq"]})
        await expect(talk.message("Wonderful")).to_contain_text("Seen")


async def test_an_answer_is_seen_as_it_is_written_heard_when_it_is_whole_and_can_be_stopped(
    desk: Desk, talks: Any
) -> None:
    go, stopped = asyncio.Event(), asyncio.Event()

    async def script(turn: Turn) -> AsyncIterator[BotEvent]:
        try:
            yield TextDelta("The first half, ")
            await go.wait()
            yield TextDelta("the second half.")
            yield Say("The first half, the second half.")
        finally:
            if not go.is_set():
                stopped.set()

    desk.bot.script = script
    async with talks() as (talk, _):
        await talk.says("Write")
        writing = talk.message("The first half,")
        await expect(writing).to_have_attribute("aria-busy", "true")
        assert not [text for text in await talk.announced() if "half" in text]
        go.set()
        await expect(talk.message("the second half.")).not_to_have_attribute("aria-busy", "true")
        await expect(talk.panel.locator("[aria-live=polite] p", has_text="half")).to_have_count(1)
        assert (await talk.announced())[-1].endswith(": The first half, the second half.")
        await expect(talk.log).to_have_attribute("aria-live", "off")

        go.clear()
        await talk.says("Again")
        await talk.button("Stop").click()
        await asyncio.wait_for(stopped.wait(), 10)
        await expect(talk.button("Stop")).to_have_count(0)
        await expect(talk.message("The first half,")).to_have_count(2)


# Whether the first letter of a text in a line is within it while the desk reads from the right.
BEGINS_IN_SIGHT = """(line) => {
  const desk = line.closest('.desk');
  desk.dir = 'rtl';
  const first = document.createRange();
  const text = line.querySelector('[dir=auto]').firstChild;
  first.setStart(text, 0);
  first.setEnd(text, 1);
  const [letter, whole] = [first.getBoundingClientRect(), line.getBoundingClientRect()];
  desk.dir = 'ltr';
  return letter.left >= whole.left && letter.right <= whole.right;
}"""

# How many lines of a quote show, its padding included: what is clamped must not show a third in it.
CLAMPED_LINES = """(quote) => {
  const all = [quote, ...quote.querySelectorAll('*')];
  const clamped = all.find((one) => getComputedStyle(one).webkitLineClamp !== 'none');
  return clamped.clientHeight / parseFloat(getComputedStyle(clamped).lineHeight);
}"""


async def test_ones_own_words_can_be_changed_taken_back_and_answered(desk: Desk, talks: Any) -> None:
    desk.bot.escalates("asked_human", say="I ask.")
    ana = await desk.agent("Ana")
    async with talks() as (talk, _), ana.line() as line:
        await talk.says("Teh lamp")
        await expect(talk.waiting).to_be_visible()
        room = await taken(desk, ana)
        await line.subscribe(room)
        await talk.opens("Teh lamp")
        # What is fetched later brings its styles.
        await expect(talk.panel.get_by_role("group", name="Message options")).to_have_css("display", "flex")
        await talk.button("Edit").click()
        await expect(talk.field).to_have_value("Teh lamp")
        await talk.says("The lamp")
        await expect(talk.message("The lamp")).to_contain_text("Edited")
        await line.hears(room, "The lamp")

        await line.says(room, "Which **one**? " + "Some are for a desk, others for a floor. " * 4)
        await talk.opens("Which one?")
        await talk.button("🎉").click()
        await expect(talk.message("Which one?").get_by_role("button", name="🎉, 1")).to_be_visible()
        await talk.opens("Which one?")
        await talk.button("Reply").click()
        # Neither what is shown of it nor what is read out has its marks.
        about = talk.panel.locator(".about p")
        await expect(about).to_contain_text("Which one? Some")
        assert (await talk.announced())[-1].startswith("Ana: Which one? Some")
        # Where the page reads from the right, one still sees how it begins.
        assert await about.evaluate(BEGINS_IN_SIGHT)
        await talk.says("The tall one")
        reply = await line.hears(room, "The tall one")
        assert reply["message"]["reply_to"] is not None
        await expect(talk.message("The tall one").locator(".quote")).to_contain_text("Ana Which one?")
        lines = await talk.message("The tall one").locator(".quote").evaluate(CLAMPED_LINES)
        assert lines == pytest.approx(2, abs=0.1)

        await talk.opens("The tall one")
        await talk.button("Delete").click()
        await expect(talk.panel.get_by_role("alertdialog", name="Delete this message?")).to_be_visible()
        await talk.button("Delete").click()
        await expect(talk.log.get_by_text("You deleted this message")).to_be_visible()
        gone = await line.find(lambda frame: frame["type"] == "message" and frame["message"]["deleted"])
        assert gone["message"]["content"] == ""


async def test_a_message_is_there_once_in_every_picture_from_the_key_press_on(desk: Desk, talks: Any) -> None:
    """Also between its acknowledgement and the room's own word of it, in a second tab, and after a reload."""
    desk.bot.answers("Hello.")
    look = """(log) => {
      window.pictures = [];
      const look = () => {
        const said = [...log.querySelectorAll('.me .bubble')].map((bubble) => bubble.innerText.trim());
        window.pictures.push(said.filter((text) => text === 'Is it there?').length);
        requestAnimationFrame(look);
      };
      look();
    }"""
    async with talks() as (talk, _):
        await talk.says("One")
        await expect(talk.message("Hello.")).to_have_count(1)
        other = Talk(await talk.context.new_page(), talk.context)
        await other.page.goto(talk.page.url)
        await other.panel.get_by_role("button", name="Continue your conversation").click()
        await expect(other.message("Hello.")).to_have_count(1)
        await talk.log.evaluate(look)
        await other.log.evaluate(look)
        talk.late = 0.25
        await talk.says("Is it there?")
        await expect(talk.message("Hello.")).to_have_count(2)
        await expect(other.message("Hello.")).to_have_count(2)
        for page in (talk.page, other.page):
            pictures = await page.evaluate("window.pictures.join('')")
            assert set(pictures.lstrip("0")) == {"1"}, pictures
        await talk.page.reload()
        await expect(talk.message("Is it there?")).to_have_count(1)
        assert await talk.texts() == ["One", "Hello.", "Is it there?", "Hello."]


async def test_the_end_stays_in_sight_while_one_writes_much(desk: Desk, talks: Any) -> None:
    desk.bot.answers("A long answer. " * 60)
    async with talks() as (talk, _):
        await talk.says("One")
        await expect(talk.message("A long answer.")).to_be_visible()
        await talk.field.fill("\n".join("many lines"))

        async def at_end() -> bool:
            return bool(await talk.log.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight < 2"))

        for _ in range(3):
            await talk.field.press("End")
            await talk.field.press_sequentially("more ")
            await desk.until(at_end)
        await expect(talk.button("Go to the latest message")).to_have_count(0)


async def test_the_field_is_as_high_as_its_text_in_any_size(desk: Desk, talks: Any) -> None:
    """Set large, on a narrow screen, and after a reload."""
    async with talks() as (talk, _):

        async def whole() -> bool:
            return bool(await talk.field.evaluate("field => field.scrollHeight <= field.clientHeight + 1"))

        await talk.page.set_viewport_size({"width": 360, "height": 740})
        await talk.field.fill("A line that is long enough for two")
        await desk.until(whole)
        await talk.button("Menu").click()
        await talk.panel.locator("input[name=size]").nth(3).check(force=True)
        await desk.until(whole)
        await talk.page.keyboard.press("Escape")
        await talk.page.set_viewport_size({"width": 330, "height": 740})
        await desk.until(whole)
        await talk.page.reload()
        await expect(talk.field).to_have_value("A line that is long enough for two")
        await desk.until(whole)


async def test_how_it_went_is_asked_where_one_looks(desk: Desk, talks: Any) -> None:
    desk.bot.answers("A long answer. " * 30)
    async with talks() as (talk, _):
        for text in ("One", "Two"):
            await talk.says(text)
            await expect(talk.message(text)).to_contain_text("Seen")
        await talk.button("Menu").click()
        await talk.button("End chat").click()
        await talk.button("End chat").click()
        await expect(talk.panel.get_by_role("radiogroup", name="How did it go?")).to_be_in_viewport(ratio=1)
        await talk.panel.locator(".face").last.click()
        await expect(talk.button("Send rating")).to_be_in_viewport(ratio=1)


async def test_the_enter_of_an_input_method_sends_nothing(desk: Desk, talks: Any, composes: Any) -> None:
    desk.bot.answers("Hello.")
    async with talks() as (talk, _):
        await composes(talk.field, "こんにちは")
        await talk.field.press("Enter")
        await expect(talk.message("Hello.")).to_be_visible()
        assert await talk.texts() == ["こんにちは", "Hello."]


async def test_what_one_writes_stays_with_its_conversation(desk: Desk, talks: Any) -> None:
    """Before there is one, in the one there is, not in the next one, and in none after a logout."""
    desk.bot.answers("Hello.")
    async with talks() as (talk, _):
        await talk.field.fill("Before it beg")
        await talk.page.reload()
        await expect(talk.field).to_have_value("Before it beg")
        await talk.says("Before it began")
        await expect(talk.message("Hello.")).to_be_visible()
        await expect(talk.field).to_have_value("")
        await talk.field.fill("In the first")
        await talk.page.reload()
        await expect(talk.message("Hello.")).to_be_visible()
        await expect(talk.field).to_have_value("In the first")
        await talk.button("Menu").click()
        await talk.button("End chat").click()
        await talk.button("End chat").click()
        await talk.button("Start a new chat").click()
        await expect(talk.field).to_have_value("")
        await talk.field.fill("In the second")
        await talk.page.reload()
        await expect(talk.field).to_have_value("In the second")
        await talk.page.evaluate("Deskbell.logout()")
        await expect(talk.button("Start a chat")).to_be_visible()
        left = await talk.page.evaluate("Object.entries(localStorage).flat().filter((one) => one.includes('In the'))")
        assert left == []
        await talk.button("Start a chat").click()
        await expect(talk.field).to_have_value("")


async def test_what_is_written_offline_and_over_a_reload_is_sent_once_and_in_order(desk: Desk, talks: Any) -> None:
    desk.bot.answers("Hello.")
    async with talks() as (talk, troubles):
        troubles.expected += ["net::ERR_"]  # whichever way a request is cut
        await talk.says("One")
        await expect(talk.message("Hello.")).to_be_visible()
        await talk.cut()
        await expect(talk.field).to_have_attribute("placeholder", "Keep writing, nothing is lost")
        await talk.says("Two")
        await talk.says("Three")
        await expect(talk.message("Two")).to_contain_text("Sends when you're back online")
        await expect(talk.message("Three")).to_contain_text("Sends when you're back online")
        await talk.context.set_offline(False)
        await expect(talk.log.locator(".pending")).to_have_count(0, timeout=20_000)

        assert [text for text in await talk.texts() if text != "Hello."] == ["One", "Two", "Three"]

        await talk.cut()
        await talk.says("Four")
        await talk.field.fill("Not yet sen")
        await talk.context.set_offline(False)
        await talk.page.reload()
        await expect(talk.message("Four")).to_have_count(1, timeout=20_000)
        await expect(talk.log.locator(".pending")).to_have_count(0, timeout=20_000)
        await expect(talk.field).to_have_value("Not yet sen", timeout=20_000)


async def test_what_a_filter_refuses_stays_with_its_writer(desk: Desk, talks: Any) -> None:
    desk.bot.answers("Fine.")
    async with talks() as (talk, _):
        await talk.says("To the guillotine")
        await expect(talk.panel.get_by_role("alert").filter(has_text="it breaks a rule")).to_be_visible()
        await expect(talk.field).to_have_value("To the guillotine")
        await talk.says("To the market")
        await expect(talk.message("Fine.")).to_be_visible()
        await expect(talk.panel.get_by_text("it breaks a rule")).to_have_count(0)
        await talk.says("A casino nearby")
        await expect(talk.message("A casino nearby")).to_contain_text("Waits for a check")
        await talk.page.reload()
        await expect(talk.message("A casino nearby")).to_contain_text("Waits for a check")


async def test_what_waited_for_a_check_says_how_it_ended(desk: Desk, talks: Any) -> None:
    """Approved, it is a message at its place; rejected, it was not delivered, also where one comes back later."""
    desk.bot.answers("Fine.")
    ana = await desk.agent("Ana")

    async def decide(text: str, how: str) -> None:
        items = (await ana.get("/moderation/held?limit=100")).json()["items"]
        held = next(item["id"] for item in items if item["content"] == text)
        assert (await ana.post(f"/moderation/held/{held}/{how}")).status_code == 200

    async with talks() as (talk, _):
        for text in ("First casino", "Second casino", "Third casino"):
            await talk.says(text)
            await expect(talk.message(text)).to_contain_text("Waits for a check")
        await decide("First casino", "reject")
        await expect(talk.message("First casino")).to_contain_text("Not delivered, it did not pass the check")
        await expect(talk.message("First casino").get_by_role("button", name="Try again")).to_have_count(0)
        await decide("Second casino", "approve")
        await expect(talk.message("Fine.")).to_be_visible()
        await expect(talk.message("Second casino")).to_contain_text("Seen")
        assert await talk.texts() == ["Second casino", "Fine.", "First casino", "Third casino"]  # as they were written
        url = talk.page.url
        await talk.page.goto("about:blank")
        await decide("Third casino", "reject")
        await talk.page.goto(url)
        await expect(talk.message("Third casino")).to_contain_text("Not delivered")
        await talk.message("Third casino").get_by_role("button", name="Change it").click()
        await expect(talk.field).to_have_value("Third casino")
        await talk.message("First casino").get_by_role("button", name="Remove").click()
        assert await talk.texts() == ["Second casino", "Fine."]


async def test_nothing_that_others_write_is_more_than_text(desk: Desk, talks: Any) -> None:
    """Names, messages, sources, quick replies and cards of somebody who means harm."""
    text = f"{NASTY} [a](javascript:alert(2)) javascript:alert(3) https://bank.example@evil.example {OVERRIDE}abc"

    async def script(turn: Turn) -> AsyncIterator[BotEvent]:
        if "person" in turn.text:
            yield Escalate("asked_human", say=NASTY, summary=NASTY)
            return
        sources = [
            {"title": NASTY, "path": "javascript:alert(4)"},
            {"title": "data", "path": "data:text/html,x"},
            {"title": 7},
            {},
        ]
        yield Say(text, sources=sources, choices=[NASTY, "javascript:alert(5)"])

    desk.bot.script = script
    mallory = await desk.agent(f"{NASTY}{OVERRIDE}Mal")
    async with talks() as (talk, _), mallory.line() as line:
        await talk.says(f"hi {NASTY}")
        await talk.button("4 sources").click()
        await expect(talk.button(NASTY)).to_be_visible()
        await talk.says("a person")
        room = await taken(desk, mallory)
        await line.subscribe(room)
        await line.says(room, text)
        card = {
            "title": NASTY,
            "fields": [{"label": NASTY, "value": NASTY}, 3, {"value": {"a": 1}}],
            "links": [
                {"label": "bad", "url": "javascript:alert(6)"},
                {"label": NASTY, "url": "https://shop.example/ok"},
                {"url": None},
            ],
        }
        await line.says(room, text, kind="card", metadata=card)
        await expect(talk.log.get_by_role("heading", name=NASTY)).to_be_visible()
        await expect(talk.log.get_by_role("link")).to_have_count(1)
        await expect(talk.log.get_by_role("link")).to_have_attribute("href", "https://shop.example/ok")
        await line.send({"type": "typing", "room": room, "on": True})
        await expect(talk.log.locator(".typing")).to_be_visible()
        made = await talk.panel.evaluate(
            "panel => panel.querySelectorAll('img, script, iframe, [onerror], [href^=java], [href^=data]').length"
        )
        assert made == 0
        # Its direction does not leave the bubble, nor the name its place.
        joined = talk.log.locator(".event").first
        assert OVERRIDE not in await joined.inner_text()


async def test_a_long_history_is_read_in_pieces_and_stays_where_it_is(desk: Desk, talks: Any) -> None:
    """Of thousands of messages few are in the page, and what one reads does not move."""
    desk.bot.escalates("asked_human")
    tom = await desk.agent("Tom")
    async with talks() as (talk, _), tom.line() as line:
        await talk.says("Hello")
        await expect(talk.waiting).to_be_visible()
        room = await taken(desk, tom)
        await line.subscribe(room)
        many = 2000
        acks: list[Any] = []
        for start in range(0, many, 50):
            lines = [f"Line {n} " + "word " * (n % 40) for n in range(start, start + 50)]
            acks += await asyncio.gather(*(line.says(room, text) for text in lines))
        await expect(talk.log.get_by_text(f"Line {many - 1} ")).to_be_visible()
        rows = talk.log.locator(".virtual-row")
        seen: set[int] = set()
        await talk.log.hover()
        for _ in range(300):
            await talk.page.mouse.wheel(0, -4000)
            seen.add(await rows.count())
            if await talk.log.get_by_text("Hello", exact=True).count():
                break
        await expect(talk.log.get_by_text("Hello", exact=True)).to_be_visible()
        assert max(seen) < 300

        await talk.page.mouse.wheel(0, 5000)
        before = await first_seen(talk)
        above = int(before[0].partition("Line ")[2].split()[0]) - 1
        await line.ask({"type": "edit", "message": acks[above]["id"], "content": "grown " * 200})
        await expect(talk.log.get_by_text("grown")).to_have_count(1)
        assert await first_seen(talk) == before
        await line.says(room, "What came meanwhile")
        await expect(talk.button("1 new message")).to_be_visible()
        assert await first_seen(talk) == before
        await talk.button("1 new message").click()
        await expect(talk.message("What came meanwhile")).to_be_in_viewport()
        await expect(talk.button("1 new message")).to_have_count(0)


async def first_seen(talk: Talk) -> tuple[str, int]:
    """The first row that is to be seen in the log, and where its upper edge is."""
    text, top = await talk.log.evaluate(
        """async (log) => {
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          const edge = log.getBoundingClientRect().top;
          const rows = [...log.querySelectorAll(".virtual-row")];
          const row = rows.find((one) => one.getBoundingClientRect().bottom > edge);
          return [row.textContent, Math.round(row.getBoundingClientRect().top - edge)];
        }"""
    )
    return str(text), int(top)
