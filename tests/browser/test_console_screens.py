"""The console beside its inbox: board, search, moderation, what admins look after, the pane of a conversation."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Dialog, Page, expect

from deskbell.testing.desk import PASSWORD, Desk, Person, settings_for

Windows = Callable[..., Any]

HOSTILE = '"><img src=x onerror=alert(1)>'
"""What somebody may call themselves, to see whether it becomes part of the page."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """A desk whose filter holds back a word."""
    url = f"sqlite:///{tmp_path_factory.mktemp('screens') / 'deskbell.sqlite3'}"
    words = {"moderation_words": {"settings": {"hold": ["voucher"]}}}
    switched = {"faq": {"enabled": False}, "escalation": {"enabled": False}}
    settings = settings_for(url, plugins={**switched, **words})
    async with Desk.open(url, settings=settings) as desk:
        yield desk


async def log_in(page: Page, desk: Desk, email: str, path: str, password: str = PASSWORD) -> None:
    await page.goto(f"{desk.url}/console/{path}")
    await page.locator("input[type=email]").fill(email)
    await page.locator("input[type=password]").fill(password)
    await page.keyboard.press("Enter")
    await expect(page.locator(".rail")).to_be_visible()


@asynccontextmanager
async def console(desk: Desk, windows: Windows, person: Person, path: str, **options: Any) -> AsyncIterator[Page]:
    """The console as somebody has opened it at an address."""
    async with windows(desk.address, **options) as (context, _):
        page = await context.new_page()
        await log_in(page, desk, person.email, path)
        yield page


async def go(page: Page, desk: Desk, path: str) -> None:
    await page.goto(f"{desk.url}/console/{path}")


async def said(visitor: Person, room: str, text: str) -> dict[str, Any]:
    answer = await visitor.post(f"/rooms/{room}/messages", {"content": text})
    assert answer.status_code in (201, 202), answer.text
    return dict(answer.json())


def agrees(page: Page, heard: list[str] | None = None) -> None:
    """Answer what the page asks with yes; ``heard`` takes the questions."""

    async def answer(dialog: Dialog) -> None:
        if heard is not None:
            heard.append(dialog.message)
        await dialog.accept()

    page.on("dialog", answer)


async def test_a_supervisor_sees_who_waits_and_gives_them_to_somebody(desk: Desk, windows: Windows) -> None:
    """The board is live: who asks for a person appears, and who was assigned is gone from the line."""
    lead, agent = await desk.agent("Ines Duarte", role="supervisor"), await desk.agent("Tom Becker")
    visitor = await desk.visitor("Oskar Nowak")
    room = await visitor.conversation()
    await said(visitor, room, "The lamp arrived broken.")
    async with console(desk, windows, lead, "board") as page:
        line = page.get_by_role("region", name="In line")
        await expect(page.get_by_role("heading", name="Queue board")).to_be_focused()
        figure = page.locator(".bo-fig strong").first
        before = int(await figure.inner_text())

        await visitor.post(f"/rooms/{room}/escalate")
        row = line.get_by_role("row", name=re.compile("Oskar Nowak"))
        await expect(row).to_contain_text("The lamp arrived broken.")
        await expect(row).to_contain_text("Support")
        await expect(figure).to_have_text(str(before + 1))
        other = await desk.visitor("Grace")
        await other.post(f"/rooms/{await other.conversation()}/escalate")
        await expect(figure).to_have_text(str(before + 2))
        await expect(page.get_by_role("region", name="Answering")).to_contain_text("Assistant")

        await row.get_by_role("button", name="Assign Oskar Nowak").click()
        await page.get_by_role("combobox", name="Assign Oskar Nowak").fill("tom")
        await page.keyboard.press("Enter")
        await expect(row).to_have_count(0)
        await expect(line).to_contain_text("Grace")
        cases = (await agent.get("/cases?view=mine")).json()["items"]
        assert [case["room"] for case in cases] == [room]


async def test_search_finds_what_was_said_and_opens_it_there(desk: Desk, windows: Windows) -> None:
    """What fits is marked where it stands, also behind an emoji; a result opens its conversation at the message."""
    agent, visitor = await desk.agent("Ana"), await desk.visitor("Elif")
    room = await visitor.conversation()
    await said(visitor, room, "🪑🪑 The zeppelin <b>shade</b> is cracked")
    for number in range(60):
        await said(visitor, room, f"And another thing, number {number}")
    await desk.tick()
    async with console(desk, windows, agent, "search") as page:
        field = page.get_by_role("searchbox", name="Search messages")
        await expect(field).to_be_focused()
        await field.fill("nothing-like-this-anywhere")
        await expect(page.get_by_role("heading", name=re.compile("Nothing matches"))).to_be_visible()
        await expect(page.get_by_text("Try fewer words")).to_be_visible()

        await field.fill("zeppelin shade")
        found = page.locator(".sr-one", has_text="🪑🪑 The zeppelin <b>shade</b> is cracked")
        await expect(found.first).to_be_visible()
        assert await page.locator("mark").all_inner_texts() == ["zeppelin", "shade"] * await found.count()
        await page.get_by_text("Filters", exact=True).click()
        await page.get_by_label("From").select_option(label="Elif")
        await expect(found).to_have_count(1)
        await found.click()
        await expect(page).to_have_url(re.compile(f"/inbox/all/{room}.*message="))
        await expect(page.locator(".log").get_by_text("🪑🪑 The zeppelin").first).to_be_in_viewport()
        await page.go_back()
        await expect(field).to_have_value("zeppelin shade")


async def test_a_held_message_is_approved_by_keyboard_and_then_seen(desk: Desk, windows: Windows) -> None:
    """Who decides reads which rule held it; what is rejected is gone without a trace in the room."""
    agent, visitor = await desk.agent("Ana"), await desk.visitor("Maya")
    room = await visitor.conversation()
    await said(visitor, room, "Send me a voucher")
    await said(visitor, room, "Any voucher at all")
    async with console(desk, windows, agent, "moderation") as page, visitor.line() as line:
        await line.subscribe(room)
        first = page.get_by_role("listitem").filter(has_text="Send me a voucher")
        await expect(first).to_contain_text(re.compile("Held by .*words"))
        await first.focus()
        await page.keyboard.press("a")
        await line.hears(room, "Send me a voucher")
        await expect(first).to_have_count(0)
        second = page.get_by_role("listitem").filter(has_text="Any voucher at all")
        await expect(second).to_be_focused()
        await second.get_by_role("button", name="Reject").click()
        await expect(page.get_by_text("Nothing is held back")).to_be_visible()
        held = (await agent.get("/moderation/held")).json()["items"]
        assert held == []
        assert "Any voucher at all" not in line.heard(room)


async def test_an_admin_sees_how_plugins_behave_and_why_one_stays(desk: Desk, windows: Windows) -> None:
    """A plugin that rooms need cannot be switched off, and the server's reason stands where it was tried."""
    admin, visitor = await desk.agent("Ada", role="admin"), await desk.visitor("Maya")
    await said(visitor, await visitor.conversation(), "Hello")
    async with windows(desk.address) as (context, troubles):
        troubles.expected.append("409")
        page = await context.new_page()
        await log_in(page, desk, admin.email, "plugins")
        words = page.get_by_role("article", name=re.compile("moderation_words"))
        await words.get_by_role("button", name=re.compile("moderation_words")).click()
        await expect(words.get_by_role("table", name="How long its calls take")).to_be_visible()
        channels = page.get_by_role("article", name=re.compile("channels"))
        await channels.get_by_role("button", name="Switch off").click()
        await expect(channels.get_by_role("alert")).to_contain_text("without it there is nothing to serve")
        await words.get_by_role("button", name="Switch off").click()
        await expect(words).to_contain_text("Off")
        await words.get_by_role("button", name="Switch on").click()
        await expect(words).to_contain_text("Active")


async def test_somebody_new_is_let_in_and_it_is_written_down(desk: Desk, windows: Windows) -> None:
    """What an admin typed stays when it is refused; whom they added logs in; the trail says who did it."""
    admin = await desk.agent("Ada", role="admin")
    taken = await desk.agent("Tom")
    async with windows(desk.address) as (context, troubles), windows(desk.address) as (other, _):
        troubles.expected.append("409")
        page = await context.new_page()
        await log_in(page, desk, admin.email, "people")
        await page.get_by_role("button", name="Add a person").click()
        dialog = page.get_by_role("dialog", name="Add a person")
        await dialog.get_by_label("Name").fill("Noor Vermeulen")
        await dialog.get_by_role("button", name="Add a person").click()
        await expect(dialog.get_by_role("alert")).to_have_count(2)
        await dialog.get_by_label("E-mail address").fill(taken.email)
        await dialog.get_by_label("Billing").check()
        await dialog.get_by_label("Password").fill("a long enough first password")
        await dialog.get_by_role("button", name="Add a person").click()
        await expect(dialog.get_by_role("alert")).to_be_visible()
        await expect(dialog.get_by_label("Name")).to_have_value("Noor Vermeulen")
        await dialog.get_by_label("E-mail address").fill("noor@example.org")
        await dialog.get_by_role("button", name="Add a person").click()
        await expect(dialog).to_have_count(0)
        await expect(page.get_by_role("row", name=re.compile("Noor Vermeulen"))).to_contain_text("Billing")

        theirs = await other.new_page()
        await log_in(theirs, desk, "noor@example.org", "people", "a long enough first password")
        await expect(theirs.get_by_text("This is for admins")).to_be_visible()

        await go(page, desk, "audit")
        await expect(page.get_by_role("row", name=re.compile("person_created")).first).to_contain_text("Ada")
        await page.get_by_role("button", name="Verify the trail").click()
        await expect(page.get_by_role("status").filter(has_text="as they were written")).to_be_visible()


async def test_a_site_is_made_with_its_line_to_embed(desk: Desk, windows: Windows) -> None:
    """An address becomes its origin, what is none is said; colours that cannot be read are not saved."""
    admin = await desk.agent("Ada", role="admin")
    async with console(desk, windows, admin, "sites") as page:
        asked: list[str] = []
        agrees(page, asked)
        await page.get_by_role("button", name="Add a site").click()
        await page.get_by_label("Name", exact=True).fill("Lamps")
        origin = page.get_by_role("textbox", name="Origin 1")
        await origin.fill("lamps.example")
        await page.get_by_role("textbox", name="Colour", exact=True).fill("#ffee00")
        await page.get_by_role("textbox", name="Words on it", exact=True).fill("#ffffff")
        await expect(page.get_by_text(re.compile(r"1\.\d+ to 1; 4.5 to 1 is needed"))).to_be_visible()
        save = page.locator("form").get_by_role("button", name="Add a site")
        await save.click()
        await expect(page.get_by_role("alert")).to_have_count(2)
        await origin.fill("https://Lamps.example/cart")
        await page.get_by_role("textbox", name="Words on it", exact=True).fill("")
        await page.get_by_label("Always open").uncheck()
        await page.get_by_label(re.compile("Monday, from")).fill("10:00")
        await save.click()
        code = page.get_by_role("textbox", name="Embed code")
        await expect(code).to_have_value(re.compile(rf'<script src="{desk.url}/widget.js" data-site="[\w-]+" async>'))
        made = next(site for site in (await admin.get("/admin/sites")).json()["items"] if site["name"] == "Lamps")
        assert made["origins"] == ["https://lamps.example"]
        assert made["settings"]["hours"]["days"]["mon"] == [["10:00", "17:00"]]

        await page.get_by_role("button", name="New secret").click()
        await expect(page.get_by_role("textbox", name="Secret", exact=True)).not_to_have_value("")
        await page.get_by_label("Name", exact=True).fill("Lamps and more")
        await page.locator(".rail a[href$='/console/settings']").click()
        await expect(page.get_by_role("heading", name="Settings")).to_be_visible()
        assert len(asked) == 2 and "not saved" in asked[-1]


async def test_names_are_text_wherever_they_are_shown(desk: Desk, windows: Windows) -> None:
    """Nothing that people, sites, labels, teams, snippets, views or pages are called becomes part of a page."""
    admin = await desk.agent("Ada", role="admin")
    await admin.call("PATCH", f"/people/{admin.id}", json={"name": HOSTILE})
    visitor = await desk.visitor(HOSTILE, attributes={HOSTILE: HOSTILE})
    room = await visitor.conversation(page="javascript:alert(1)", name=HOSTILE)
    message = await said(visitor, room, f"gramophone {HOSTILE}")
    await visitor.post(f"/rooms/{room}/escalate")
    await said(visitor, room, f"voucher {HOSTILE}")
    for path, body in (
        ("/teams", {"slug": "hostile", "name": HOSTILE}),
        ("/labels", {"name": HOSTILE}),
        ("/snippets", {"shortcut": "hostile", "text": HOSTILE, "shared": True}),
        ("/views", {"name": HOSTILE, "filter": {"view": "all"}, "shared": True}),
        ("/admin/sites", {"name": HOSTILE, "settings": {"launcher": {"label": HOSTILE}, "greeting": {"en": HOSTILE}}}),
        (f"/messages/{message['id']}/report", {"reason": HOSTILE}),
    ):
        assert (await admin.post(path, body)).status_code == 201, path
    await admin.call("PUT", f"/messages/{message['id']}/pin")
    case = next(one for one in (await admin.get("/cases?view=all")).json()["items"] if one["room"] == room)
    label = next(one for one in (await admin.get("/labels")).json()["items"] if one["name"] == HOSTILE)
    await admin.call("PUT", f"/cases/{case['id']}/labels", json={"labels": [label["id"]]})
    await desk.tick()
    async with console(desk, windows, admin, f"inbox/all/{room}") as page:
        dialogs: list[str] = []
        agrees(page, dialogs)

        async def inert(*tabs: str) -> None:
            for tab in tabs or ("",):
                if tab:
                    await page.get_by_role("tab", name=re.compile(f"^{tab}")).click()
                await expect(page.get_by_text(HOSTILE).first).to_be_attached()
                assert await page.locator("img[src=x], [onerror], a[href^='javascript']").count() == 0

        await expect(page.locator(".ctx").get_by_role("button", name=re.compile("Pinned"))).to_be_visible()
        await page.locator(".ctx").get_by_role("button", name="Conversation").click()
        await expect(page.locator(".ctx")).to_contain_text("javascript:alert(1)")
        await inert("Details", "Trace")
        for path, *tabs in (
            ("board",), ("search?q=gramophone",), ("moderation", "Held", "Reported"), ("people", "People", "Teams"),
            ("sites",), ("settings", "My console", "Snippets", "Saved views", "Labels"), ("audit",),
        ):  # fmt: skip
            await go(page, desk, path)
            await inert(*tabs)
        await go(page, desk, "sites")
        await page.get_by_role("button", name=re.compile("img src=x")).click()
        await inert()
        assert dialogs == []


async def test_an_agent_is_not_led_to_what_is_not_theirs(desk: Desk, windows: Windows) -> None:
    """The way there is not shown; an address typed by hand says whose it is, and asks the server nothing."""
    agent = await desk.agent("Ana")
    async with console(desk, windows, agent, "inbox/mine") as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for screen, words in (
            ("board", "supervisors and admins"), ("people", "for admins"), ("sites", "for admins"),
            ("plugins", "for admins"), ("audit", "for admins"),
        ):  # fmt: skip
            assert await page.locator(f".rail a[href$='/console/{screen}']").count() == 0
            await go(page, desk, screen)
            await expect(page.locator("main").get_by_text(words)).to_be_visible()
        assert not [url for url in asked if re.search(r"/api/v1/(board|people|admin|plugins|audit)", url)]
        await go(page, desk, "settings")
        await expect(page.get_by_role("tab", name="Snippets")).to_be_visible()
        await expect(page.get_by_role("tab", name="Labels")).to_have_count(0)


async def test_the_pane_tells_of_the_person_and_changes_the_case_in_place(desk: Desk, windows: Windows) -> None:
    """What the site vouches for stands apart from what is only said; order and folds are kept over a reload."""
    agent, lead = await desk.agent("Ana"), await desk.agent("Ines", role="supervisor")
    visitor = await desk.visitor("Leila", attributes={"order": "PR-20418"})
    label = (await lead.post("/labels", {"name": "Breakage", "color": "#c8402f"})).json()
    room = await visitor.conversation(page="https://shop.example/lamps")
    await said(visitor, room, "It is broken")
    await said(visitor, room, "Can it be mended?")
    await visitor.post(f"/rooms/{room}/escalate")
    await agent.post(f"/rooms/{room}/take-over")
    async with console(desk, windows, agent, f"inbox/mine/{room}") as page:
        pane = page.locator(".ctx")
        await expect(pane).to_contain_text("Not identified")
        await expect(pane).to_contain_text("In their own words, not verified")
        await expect(pane).to_contain_text("PR-20418")
        await pane.get_by_role("button", name=re.compile("Change Priority")).click()
        await page.get_by_role("combobox", name="Priority").fill("urg")
        await page.keyboard.press("Enter")
        await expect(pane.get_by_role("button", name=re.compile("Change Priority"))).to_contain_text("Urgent")
        await expect(pane.get_by_role("button", name=re.compile("Change Priority"))).to_be_focused()
        await pane.get_by_role("button", name=re.compile("Change Labels")).click()
        await page.get_by_role("option", name="Breakage").click()
        await page.keyboard.press("Escape")
        await expect(pane.get_by_role("button", name=re.compile("Change Labels"))).to_contain_text("Breakage")
        case = next(one for one in (await agent.get("/cases?view=mine")).json()["items"] if one["room"] == room)
        assert case["priority"] == 2 and case["labels"] == [label["id"]]

        await pane.get_by_role("button", name="Arrange sections").click()
        await pane.get_by_role("button", name="Move Handover up").click()
        await pane.get_by_role("button", name=re.compile("^Case")).click()
        await page.reload()
        titles = pane.get_by_role("button", expanded=True).or_(pane.get_by_role("button", expanded=False))
        await expect(titles.first).to_contain_text("Handover")
        await expect(pane.get_by_role("button", name=re.compile("^Case"))).to_have_attribute("aria-expanded", "false")

        await page.get_by_role("tab", name="Trace").click()
        await pane.get_by_role("button", name="The message before").click()
        await expect(pane.get_by_role("region", name="Steps")).to_contain_text("Posted")


async def test_the_screens_fit_a_phone_and_read_from_the_right(desk: Desk, windows: Windows) -> None:
    """At 390 pixels nothing runs out of the side; in Arabic the words are Arabic and the page is mirrored."""
    admin = await desk.agent("Ada", role="admin")
    options = {"viewport": {"width": 390, "height": 844}, "locale": "ar", "has_touch": True}
    async with console(desk, windows, admin, "people", **options) as page:
        await expect(page.get_by_role("heading", name="الأشخاص")).to_be_visible()
        assert await page.evaluate("document.documentElement.dir") == "rtl"
        for path in ("people", "sites", "plugins", "audit", "board", "settings", "search?q=lamp", "moderation"):
            await go(page, desk, path)
            await expect(page.locator(".sc h1")).to_be_visible()
            await expect(
                page.locator(".sc-table, .st-list, .pl, .bo-charts, .se, .sr-note, .mo-list, .sc-empty").first
            ).to_be_visible()
            wide = "[...document.querySelectorAll('.sc')].some((one) => one.scrollWidth > one.clientWidth + 1)"
            assert not await page.evaluate(wide), path


async def test_a_key_of_ones_own_choice_takes_the_place_of_the_first(desk: Desk, windows: Windows) -> None:
    """A key that means something already is said, not taken; what was chosen works at once, and after a reload."""
    agent = await desk.agent("Ana")
    async with console(desk, windows, agent, "settings") as page:
        await page.get_by_role("tab", name="Keys").click()
        change = page.get_by_role("button", name="Change the key for Search messages")
        row = page.get_by_role("row", name=re.compile("Search messages"))
        await change.click()
        await page.keyboard.press("e")
        await expect(row.get_by_role("alert")).to_contain_text("E is for")
        await change.click()
        await page.keyboard.press("Shift+Y")
        await expect(row).to_contain_text("Y")
        await page.reload()
        await page.get_by_role("heading", name="Settings").focus()
        await page.keyboard.press("Shift+Y")
        await expect(page.get_by_role("heading", name="Search", exact=True)).to_be_visible()


async def test_the_board_gives_large_text_its_room(desk: Desk, windows: Windows) -> None:
    """With a font twice as large the columns stand below one another rather than upon one another."""
    lead = await desk.agent("Lena", role="supervisor")
    for name in ("Oskar Nowak", "Beatriz Lima"):
        visitor = await desk.visitor(name)
        room = await visitor.conversation()
        await visitor.post(f"/rooms/{room}/messages", {"content": "The lamp arrived broken."})
        await visitor.post(f"/rooms/{room}/escalate", {})
    async with windows(desk.address) as (context, _):
        page = await context.new_page()
        browser = await context.new_cdp_session(page)
        await browser.send("Page.enable")
        await browser.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
        await log_in(page, desk, lead.email, "board")
        await expect(page.locator(".bo-q").first).to_be_visible()
        lefts = """new Set([...document.querySelectorAll('.bo-mid > section')]
          .map((one) => one.getBoundingClientRect().left)).size"""
        assert await page.locator(".bo-mid > section").count() == 2
        assert await page.evaluate(lefts) == 1
        fits = "[...document.querySelectorAll('.sc')].every((one) => one.scrollWidth <= one.clientWidth + 1)"
        assert await page.evaluate(fits)
