"""A conversation in the console: what an agent sees of it, and what becomes of what they write."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from playwright.async_api import Route, expect

from deskbell.contracts import BotEvent, Escalate, Say, Turn
from deskbell.testing.desk import Desk, Person

from .counter import log_in, opened


async def test_a_reply_reaches_the_visitor_and_a_note_never_does(desk: Desk, windows: Callable[..., Any]) -> None:
    async with opened(desk, windows, "My lamp is broken.", mine=True) as case:
        await case.write("Let me look at it.")
        await case.line.hears(case.room, "Let me look at it.")
        await case.line.ask({"type": "read", "room": case.room, "seq": 99})
        await expect(case.message("Let me look at it.").locator(".meta")).to_contain_text("Read")

        await case.page.get_by_role("tab", name="Note").click()
        await expect(case.page.locator(".comp")).to_contain_text("Only colleagues see this")
        await case.write("She is a trader.")
        await expect(case.note("She is a trader.")).to_contain_text("Private")
        await expect(case.note("She is a trader.")).to_have_css("border-style", "dashed")
        await case.page.get_by_role("tab", name="Reply").click()
        await case.write("Ours was the fault.")
        await case.line.hears(case.room, "Ours was the fault.")
        assert "trader" not in str(case.line.frames)


async def test_the_enter_of_an_input_method_sends_nothing(
    desk: Desk, windows: Callable[..., Any], composes: Callable[..., Any]
) -> None:
    async with opened(desk, windows, "Hello", mine=True) as case:
        await composes(case.field, "こんにちは")
        await case.field.press("End")
        await case.write("こんにちは!")
        await case.line.hears(case.room, "こんにちは!")
        assert case.line.heard(case.room) == ["Hello", "こんにちは!"]


async def test_notes_stand_where_they_were_written(desk: Desk, windows: Callable[..., Any]) -> None:
    async with opened(desk, windows, mine=True) as case:
        for text in ("One", "Two", "Three"):
            await case.line.says(case.room, f"{text} said")
            assert (await case.agent.post(f"/rooms/{case.room}/notes", {"text": f"{text} noted"})).status_code == 201
        rows = case.page.locator(".log .bub")
        order = ["One said", "One noted", "Two said", "Two noted", "Three said", "Three noted"]
        await expect(rows).to_have_text(order)
        await case.page.reload()
        await expect(rows).to_have_text(order)


async def test_taking_over_silences_the_assistant(desk: Desk, windows: Callable[..., Any]) -> None:
    desk.bot.streams(*["It", "is", "quite", "likely", "that", "nobody", "wants", "this."], pause_s=0.4)
    try:
        async with opened(desk, windows) as case:
            await expect(case.page.locator(".banner")).to_contain_text("Maya can't see you")
            await case.line.says(case.room, "Do you ship to Lebanon?")
            await expect(case.page.locator("[data-turn]")).to_contain_text("It")
            await case.take_over()
            await expect(case.page.locator("[data-turn]")).to_have_count(0)
            await expect(case.page.locator(".banner")).to_have_count(0)
            await case.write("Yes, we do.")
            await case.line.hears(case.room, "Yes, we do.")
            assert not any("nobody" in text for text in case.line.heard(case.room))
    finally:
        desk.bot.script = None


async def test_the_handover_is_brass_until_it_is_accepted(desk: Desk, windows: Callable[..., Any]) -> None:
    async def script(turn: Turn) -> AsyncIterator[BotEvent]:
        if "Friday" in turn.text:
            yield Escalate("no_answer", say="I've asked a colleague.", summary="By Friday?", facts={"order": "PR-1"})
        else:
            yield Say("Within five days.", sources=[{"title": "Delivery", "path": "delivery.md"}])

    desk.bot.script, desk.bot.first_line = script, "Hello!"
    try:
        async with opened(desk, windows, "When does it come?") as case:
            await expect(case.message("Within five days.")).to_contain_text("Delivery")
            await case.line.says(case.room, "By Friday?")
            card = case.page.get_by_role("article", name="Handover")
            await expect(card).to_contain_text("No sure answer")
            await expect(card).to_contain_text("PR-1")
            await expect(card).to_have_class("hand rung")
            await card.get_by_role("button", name="Show where it was said").click()
            await expect(case.message("Within five days.")).to_be_focused()
            await expect(case.message("Within five days.").get_by_role("button", name="Why?")).to_be_visible()
            await expect(case.message("Hello!").get_by_role("button", name="Why?")).to_have_count(0)  # nobody asked
            await case.page.keyboard.press("t")
            await expect(card).to_have_class("hand")
            await expect(case.field).to_be_focused()
            await expect(card.get_by_role("button", name="Back to assistant")).to_be_visible()
    finally:
        desk.bot.script, desk.bot.first_line = None, ""


async def test_nothing_is_sent_over_what_one_has_not_seen(desk: Desk, windows: Callable[..., Any]) -> None:
    async with opened(desk, windows, "Is it in stock?", mine=True) as case:
        await case.field.fill("Yes, it is.")
        await case.line.says(case.room, "Never mind, I found another.")
        await expect(case.message("Never mind")).to_be_visible()
        await case.field.press("Enter")
        guard = case.page.get_by_role("alert")
        await expect(guard).to_contain_text("Maya wrote while you typed")
        await expect(case.field).to_have_value("Yes, it is.")
        await guard.get_by_role("button", name="Send anyway").click()
        await case.line.hears(case.room, "Yes, it is.")
        await expect(case.field).to_have_value("")


async def test_a_draft_follows_to_another_window_and_ends_with_the_message(
    desk: Desk, windows: Callable[..., Any]
) -> None:
    async with opened(desk, windows, "Hello?", mine=True) as case:
        other = await case.context.new_page()
        await other.goto(case.page.url)
        theirs = other.locator(".comp textarea")
        await expect(theirs).to_be_visible()
        await case.page.bring_to_front()
        await case.field.press_sequentially("I have looked and")
        await expect(case.page.locator(".comp")).to_contain_text("Draft saved")
        await expect(theirs).to_have_value("I have looked and")
        await theirs.press_sequentially(" found it.")
        await expect(case.field).to_have_value("I have looked and found it.")
        await theirs.press("Enter")
        await case.line.hears(case.room, "I have looked and found it.")
        await expect(case.field).to_have_value("")
        await case.page.reload()
        await expect(case.message("found it.")).to_be_visible()
        await expect(case.field).to_have_value("")


async def test_what_one_does_with_a_message_is_done_for_all(desk: Desk, windows: Callable[..., Any]) -> None:
    async with opened(desk, windows, "Which bulb?", mine=True) as case:
        await case.write("An E14 one")
        await expect(case.message("An E14 one").locator(".meta")).to_contain_text("Sent")
        await case.field.press("ArrowLeft")  # the last one, to mend it
        edit = case.page.locator(".edit textarea")
        await edit.fill("An E27 one")
        await edit.press("Enter")
        await case.line.find(lambda f: f["type"] == "message" and f["message"]["content"] == "An E27 one")
        await case.message("An E27 one").get_by_role("button", name="edited").click()
        await expect(case.page.get_by_role("dialog")).to_contain_text("An E14 one")
        await case.page.keyboard.press("Escape")

        bulb = case.message("Which bulb?")
        await bulb.hover()
        await bulb.get_by_role("button", name="React").click()
        await case.page.get_by_role("menuitem", name="👍").click()
        await expect(bulb.locator(".reactions .mine")).to_contain_text("1")
        await bulb.get_by_role("button", name="Pin").click()
        await expect(bulb.locator(".meta")).to_contain_text("Pinned")
        await case.page.locator(".log").focus()
        await case.page.keyboard.press("ArrowUp")  # to the last message, and on to the one before it
        await case.page.keyboard.press("ArrowUp")
        await expect(bulb).to_be_focused()
        await bulb.get_by_role("button", name="Reply to this").click()
        await case.write("This bulb.")
        await expect(case.message("This bulb.").locator(".quote")).to_contain_text("Which bulb?")

        await case.menu(case.message("An E27 one"), "Delete")
        await case.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await case.line.find(lambda f: f["type"] == "message" and f["message"]["deleted"])
        await expect(case.page.locator(".bub.gone")).to_have_text("This message was deleted")
        await case.menu(bulb, "Why?")
        await expect(case.page.get_by_role("dialog")).to_contain_text("By the socket")


async def test_snippets_and_mentions_are_put_in_as_they_will_be_read(desk: Desk, windows: Callable[..., Any]) -> None:
    tom = await desk.agent("Tom Becker")
    async with opened(desk, windows, "Hello?", mine=True) as case:
        text = "Dear {{visitor.name}}, {{agent.name}} will look."
        assert (await case.agent.post("/snippets", {"shortcut": "look", "text": text})).status_code == 201
        await case.page.reload()
        await expect(case.message("Hello?")).to_be_visible()
        await case.field.press_sequentially("/lo")
        await expect(case.page.get_by_role("option")).to_contain_text(["/look"])
        await case.field.press("Enter")
        await expect(case.field).to_have_value("Dear Maya, Ines Moreau will look. ")
        await case.field.press("Enter")
        await case.line.find(lambda f: f["type"] == "message" and "Dear Maya, Ines" in f["message"]["content"])

        await case.page.get_by_role("tab", name="Note").click()
        await case.field.press_sequentially("@To")
        await expect(case.page.get_by_role("option", name="Tom Becker")).to_be_visible()
        await case.page.get_by_role("tab", name="Reply").click(trial=True)  # nothing of the list lies over it
        await case.page.get_by_role("option", name="Tom Becker").click()
        await case.field.press_sequentially("please look")
        await case.field.press("Enter")
        await expect(case.note("@Tom Becker please look")).to_be_visible()
        answer = await desk.until(lambda: _mention(tom))
        assert answer["message"]["content"].strip() == "@Tom Becker please look"


async def _mention(person: Person) -> Any:
    items = (await person.get("/mentions")).json()["items"]
    return items[0] if items else None


async def test_a_link_leads_to_its_message_however_far_back(desk: Desk, windows: Callable[..., Any]) -> None:
    async with opened(desk, windows, mine=True) as case:
        ids = [(await case.line.says(case.room, f"number {number}"))["id"] for number in range(260)]
        await case.page.goto(f"{desk.url}/console/inbox/all/{case.room}?message={ids[3]}")
        await expect(case.message(re.compile("number 3$"))).to_be_focused()
        await expect(case.message("number 259")).to_have_count(0)
        await case.line.says(case.room, "and the newest")
        await case.page.get_by_role("button", name=re.compile("newest message|new message")).click()
        await expect(case.message("and the newest")).to_be_in_viewport()

        await case.page.keyboard.press("Control+f")
        await case.page.get_by_role("searchbox").fill("number 7")
        await expect(case.page.locator(".find-bar [role=status]")).to_contain_text("1 of")


async def test_what_one_reads_stays_while_older_messages_come(desk: Desk, windows: Callable[..., Any]) -> None:
    async with opened(desk, windows, mine=True) as case:
        for number in range(120):
            await case.line.says(case.room, f"number {number}")
        await case.page.reload()
        await expect(case.message("number 119")).to_be_in_viewport()
        log = case.page.locator(".log")
        await log.evaluate("log => { log.scrollTop = 0 }")
        await desk.until(lambda: log.evaluate("log => log.scrollTop > 1000"))
        await expect(case.message("number 73")).to_be_in_viewport()


async def test_no_text_of_others_becomes_anything_but_text(desk: Desk, windows: Callable[..., Any]) -> None:
    evil = '<img src=x onerror="document.title=1"><script>document.title=1</script>[a](javascript:alert(1))'

    async def script(turn: Turn) -> AsyncIterator[BotEvent]:
        yield Escalate(evil[:60], say=evil, summary=evil, facts={evil[:40]: evil, "mood": evil})

    agent, visitor = await desk.agent("Ines Moreau"), await desk.visitor(evil[:40])
    desk.bot.script = script
    try:
        room = await visitor.conversation()
        async with visitor.line() as line, windows(desk.address) as (context, _):
            await line.subscribe(room)
            sources = [
                {"title": evil, "path": "javascript:alert(1)"},
                {"title": [evil]},
                7,
                {"url": "javascript:alert(2)"},
            ]
            await line.says(room, evil, metadata={"note": evil, "anchor": {"sources": sources}})
            await line.find(lambda f: f["type"] == "message" and f["message"]["kind"] == "system")
            await agent.post(f"/rooms/{room}/notes", {"text": evil})
            page = await context.new_page()
            await log_in(page, desk, agent, f"/inbox/all/{room}")
            await expect(page.locator(".hand .q")).to_contain_text("<img src=x")
            await expect(page.locator(".log .note .bub")).to_contain_text("<script>")
            await expect(page.locator(".t-who h1")).to_contain_text("<img")
            assert await page.locator(".thread script, .thread img, .thread [href^='javascript']").count() == 0
            assert await page.title() != "1"
    finally:
        desk.bot.script = None


async def test_one_need_not_wait_for_the_next_attempt_to_connect(desk: Desk, windows: Callable[..., Any]) -> None:
    agent, down = await desk.agent("Ines Moreau"), True

    async def answer(route: Route) -> None:
        await (route.abort() if down else route.continue_())

    async with windows(desk.address) as (context, troubles):
        troubles.expected.append("ERR_FAILED")
        page = await context.new_page()
        await page.route("**/ws-tickets", answer)
        await log_in(page, desk, agent)
        now = page.get_by_role("banner").get_by_role("button", name="Try now")
        await expect(now).to_be_visible()
        down = False
        await now.click()
        await expect(page.get_by_role("banner").get_by_role("status")).to_have_text("Connected", timeout=30_000)
        await expect(now).to_have_count(0)


async def test_what_is_written_offline_is_sent_once_when_the_line_is_back(
    desk: Desk, windows: Callable[..., Any]
) -> None:
    async with opened(desk, windows, "Are you there?", mine=True) as case:
        await expect(case.message("Are you there?")).to_be_visible()
        await case.context.set_offline(True)
        await case.page.evaluate("dispatchEvent(new Event('offline'))")
        await case.write("Yes, I am.")
        await expect(case.page.locator("[data-waiting=sending]")).to_contain_text("Yes, I am.")
        await expect(case.page.locator("[data-waiting=sending]")).to_contain_text("Sends when you're back online")
        await case.context.set_offline(False)
        await case.line.hears(case.room, "Yes, I am.")
        await expect(case.page.locator("[data-waiting]")).to_have_count(0)
        await expect(case.message("Yes, I am.")).to_have_count(1)
        assert case.line.heard(case.room).count("Yes, I am.") == 1


async def test_replies_written_offline_are_all_held_back_when_somebody_was_faster(
    desk: Desk, windows: Callable[..., Any]
) -> None:
    async with opened(desk, windows, "Is it in stock?", mine=True) as case:
        await expect(case.message("Is it in stock?")).to_be_visible()
        await case.context.set_offline(True)
        await case.page.evaluate("dispatchEvent(new Event('offline'))")
        for text in ("Yes, it is.", "Three of them.", "Shall I keep one?", "It is blue."):
            await case.write(text)
        await expect(case.page.locator("[data-waiting=sending]")).to_have_count(4)
        await case.line.says(case.room, "I found another shop.")
        await case.context.set_offline(False)

        held = case.page.get_by_role("region", name=re.compile("that were held back"))
        await expect(held.get_by_role("alert")).to_contain_text("Maya wrote meanwhile")
        await case.page.reload()  # which loses none of them
        await expect(held.get_by_role("alert")).to_contain_text("Maya wrote meanwhile")
        await expect(held.locator(".bub")).to_have_text(
            ["Yes, it is.", "Three of them.", "Shall I keep one?", "It is blue."]
        )
        await held.get_by_role("article").nth(3).get_by_role("button", name="Discard").click()
        await held.get_by_role("article").nth(0).get_by_role("button", name="Edit").click()
        await expect(case.field).to_have_value("Yes, it is.")
        await case.page.get_by_role("button", name="Send all as they are").click()
        await case.line.hears(case.room, "Shall I keep one?")
        await expect(case.page.locator("[data-waiting]")).to_have_count(0)
        said = [text for text in case.line.heard(case.room) if text]
        assert said[-3:] == ["I found another shop.", "Three of them.", "Shall I keep one?"]
