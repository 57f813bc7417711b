"""An agent's day at the console: logging in, those who wait, taking over, by keyboard, on any screen, in Arabic."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Route, WebSocketRoute, expect

from deskbell.testing.desk import PASSWORD, Desk, Person

Windows = Callable[..., Any]
AXE = Path(__file__).parents[2] / "platform" / "web" / "node_modules" / "axe-core" / "axe.min.js"


class Console:
    """The console in one window, in an agent's words."""

    def __init__(self, page: Page, desk: Desk, agent: Person) -> None:
        self.page, self.desk, self.agent = page, desk, agent

    async def log_in(self, path: str = "/console", password: str = PASSWORD) -> None:
        await self.page.goto(self.desk.url + path)
        await self.page.get_by_label("E-mail address").fill(self.agent.email)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Log in").click()

    def row(self, name: str) -> Any:
        return self.page.locator(".row").filter(has_text=name)

    async def sees(self, *names: str) -> None:
        for name in names:
            await expect(self.row(name)).to_be_visible()

    async def is_at(self, name: str) -> None:
        await expect(self.page.locator(".row [aria-current=true]")).to_contain_text(name)

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)

    async def passes_axe(self) -> None:
        """No fault of the frame and the lists; thread and context are held to the same by their own tests."""
        await self.page.evaluate(AXE.read_text() + "; 0")
        found = await self.page.evaluate(
            "axe.run({exclude: [['.thread-pane'], ['.context-pane']]},"
            " {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
            ".then(({violations}) => violations.map(({id, nodes}) => [id, nodes.map((node) => node.html)]))"
        )
        assert found == []

    async def prefers(self, **choices: Any) -> None:
        """As chosen on an earlier day; before the page is opened."""
        name = json.dumps(f"deskbell/console/preferences/{self.agent.id}")
        value = json.dumps(json.dumps(choices))
        await self.page.add_init_script(f"localStorage.getItem({name}) ?? localStorage.setItem({name}, {value})")


@asynccontextmanager
async def console(desk: Desk, windows: Windows, agent: Person, **options: Any) -> AsyncIterator[tuple[Console, Any]]:
    async with windows(desk.address, **options) as (context, troubles):
        opened: BrowserContext = context
        yield Console(await opened.new_page(), desk, agent), troubles


async def waiting(desk: Desk, name: str, text: str = "Where is my lamp?") -> str:
    """Somebody who asks for a person; the id of their case."""
    visitor = await desk.visitor(name)
    room = await visitor.conversation()
    assert (await visitor.post(f"/rooms/{room}/messages", {"content": text})).status_code == 201
    assert (await visitor.post(f"/rooms/{room}/escalate")).status_code == 200
    lead = await desk.agent("Priya", role="supervisor")
    found = (await lead.get("/cases?view=all")).json()["items"]
    return next(str(case["id"]) for case in found if case["room"] == room)


async def given(desk: Desk, agent: Person, *names: str) -> list[str]:
    """Cases that the agent has already."""
    ids = [await waiting(desk, name) for name in names]
    for case in ids:
        assert (await agent.post(f"/cases/{case}/claim")).status_code == 200
    return ids


@pytest.fixture(autouse=True)
async def nobody_left_waiting(desk: Desk) -> None:
    """What earlier tests left is over."""
    lead = await desk.agent("Priya", role="supervisor")
    for case in (await lead.get("/cases?view=all&limit=100")).json()["items"]:
        await lead.post(f"/cases/{case['id']}/resolve")


async def test_an_agent_takes_over_and_resolves_by_keyboard(desk: Desk, windows: Windows) -> None:
    """Who asks for a person is seen at once; T takes the case, E ends it."""
    ines = await desk.agent("Ines")
    async with console(desk, windows, ines) as (at, _):
        await at.log_in("/console/inbox/queue")
        await expect(at.page.get_by_text("That's everyone.")).to_be_visible()
        await waiting(desk, "Maya", "My lamp is broken")
        await at.sees("Maya")
        await expect(at.row("Maya")).to_contain_text("My lamp is broken")
        await expect(at.page.get_by_role("banner").get_by_text("1 waiting")).to_be_visible()
        await expect(at.page).to_have_title("(1) Queue – Deskbell")

        await at.press("j")
        await at.is_at("Maya")
        await at.press("t")
        await expect(at.row("Maya")).to_have_count(0)
        await at.press("g", "i")
        await expect(at.row("Maya")).to_contain_text("You")
        await expect(at.page.get_by_role("link", name="Mine1")).to_be_visible()

        await at.press("j", "e")
        await expect(at.row("Maya")).to_have_count(0)
        await at.page.get_by_role("link", name="Resolved").click()
        await at.sees("Maya")


async def test_keys_walk_the_list_and_a_reload_keeps_the_place(desk: Desk, windows: Windows) -> None:
    ines = await desk.agent("Ines")
    await given(desk, ines, "Ada", "Ben", "Carla")
    async with console(desk, windows, ines) as (at, _):
        await at.log_in()
        await at.sees("Ada", "Ben", "Carla")
        await at.press("j", "j")
        await at.is_at("Ben")
        await at.press("j", "j", "k")
        await at.is_at("Ben")
        address = at.page.url

        await at.page.reload()
        await at.is_at("Ben")
        assert at.page.url == address

        await at.page.keyboard.press("Control+Alt+e")
        await at.is_at("Carla")
        await expect(at.row("Ben")).to_have_count(0)
        await at.press("Escape")
        await expect(at.page.locator(".row [aria-current=true]")).to_have_count(0)


async def test_the_landing_is_whoever_waits_when_nothing_is_mine(desk: Desk, windows: Windows) -> None:
    ines = await desk.agent("Ines")
    await waiting(desk, "Renaud")
    async with console(desk, windows, ines) as (at, _):
        await at.log_in()
        await expect(at.page.get_by_role("heading", name="1 person is waiting")).to_be_visible()
        await at.page.get_by_role("button", name="Take next").click()
        await at.is_at("Renaud")
        await expect(at.row("Renaud")).to_contain_text("You")


async def test_the_command_menu_does_what_keys_do(desk: Desk, windows: Windows) -> None:
    """An action on the conversation that is shown, and the way to any other."""
    ines = await desk.agent("Ines")
    await given(desk, ines, "Ada", "Yusuf")
    async with console(desk, windows, ines) as (at, _):
        await at.log_in()
        await at.sees("Ada")
        await at.press("j", "Control+k")
        await at.page.keyboard.type("prio")
        await at.press("Enter")
        await at.page.keyboard.type("urg")
        await at.press("Enter")
        await expect(at.row("Ada").get_by_label("Priority: Urgent")).to_be_visible()

        await at.press("Control+k")
        await at.page.keyboard.type("yus")
        await expect(at.page.get_by_role("option", name="Yusuf").first).to_be_visible()
        await at.press("Enter")
        await at.is_at("Yusuf")

        await at.press("?")
        sheet = at.page.get_by_role("dialog", name="Keyboard shortcuts")
        await expect(sheet.get_by_text("Resolve and next")).to_be_visible()
        await at.press("Escape")
        await expect(sheet).to_have_count(0)


async def test_keys_can_be_other_ones_or_off(desk: Desk, windows: Windows) -> None:
    ines = await desk.agent("Ines")
    await waiting(desk, "Hana")
    async with console(desk, windows, ines) as (at, _):
        await at.prefers(keys={"case.claim": ["Y"], "list.pick": ["T"]}, singleKeys=True)
        await at.log_in("/console/inbox/queue")
        await at.sees("Hana")
        await at.press("j", "t")
        await expect(at.page.get_by_role("toolbar", name="Selected conversations")).to_be_visible()
        await at.press("y")
        await expect(at.row("Hana")).to_have_count(0)
    async with console(desk, windows, ines) as (at, _):
        await at.prefers(singleKeys=False)
        await at.log_in("/console/inbox/mine")
        await at.sees("Hana")
        await at.press("ArrowDown")
        await at.is_at("Hana")
        await at.press("x", "e", "Alt+e")
        await expect(at.row("Hana")).to_have_count(0)
        await expect(at.page.get_by_role("toolbar", name="Selected conversations")).to_have_count(0)


async def test_several_are_resolved_at_once_and_what_failed_is_said(desk: Desk, windows: Windows) -> None:
    ines = await desk.agent("Ines")
    _, second, _ = await given(desk, ines, "Ada", "Ben", "Carla")
    async with console(desk, windows, ines) as (at, troubles):
        troubles.expected.append("403")
        refusal = {"error": {"code": "forbidden", "message": "No.", "temporary": False}}

        async def refuse(route: Route) -> None:
            await route.fulfill(status=403, json=refusal)

        await at.page.route(f"**/cases/{second}/resolve", refuse)
        await at.log_in()
        await at.sees("Ada", "Ben", "Carla")
        await at.press("j", "x")
        await at.page.get_by_label("Select Carla").click(modifiers=["Shift"])
        bar = at.page.get_by_role("toolbar", name="Selected conversations")
        await expect(bar).to_contain_text("3 selected")
        await bar.get_by_role("button", name="Resolve").click()
        await expect(bar.get_by_role("alert")).to_contain_text("1 did not go")
        await expect(bar.get_by_role("alert")).to_contain_text("Ben: You may not do this.")
        await expect(bar).to_contain_text("1 selected")
        await expect(at.row("Ada")).to_have_count(0)
        await expect(at.row("Carla")).to_have_count(0)
        await at.sees("Ben")


async def test_only_what_is_of_one_person_can_be_merged(desk: Desk, windows: Windows) -> None:
    ines = await desk.agent("Ines")
    await given(desk, ines, "Maya", "Tomas")
    async with console(desk, windows, ines) as (at, _):
        await at.log_in()
        await at.sees("Maya", "Tomas")
        await at.press("j", "x", "j", "x")
        bar = at.page.get_by_role("toolbar", name="Selected conversations")
        await expect(bar).to_contain_text("2 selected")
        await expect(bar.get_by_role("button", name="Merge")).to_have_count(0)
        await at.press("Control+k")
        await at.page.keyboard.type("merge into")
        await expect(at.page.get_by_role("option", name="Search messages")).to_be_visible()
        await expect(at.page.get_by_role("option", name="Merge into…")).to_have_count(0)


async def test_of_two_who_accept_at_once_one_is_told_who_was_faster(desk: Desk, windows: Windows) -> None:
    ines, tom = await desk.agent("Ines"), await desk.agent("Tom Baker")
    case = await waiting(desk, "Oskar")
    async with console(desk, windows, ines) as (at, troubles):
        troubles.expected.append("409")

        async def slow(route: Route) -> None:
            assert (await tom.post(f"/cases/{case}/claim")).status_code == 200
            await route.continue_()

        await at.page.route("**/claim", slow)
        await at.log_in("/console/inbox/queue")
        await at.sees("Oskar")
        await at.press("j", "t")
        await expect(at.page.get_by_role("status").get_by_text("Tom Baker accepted this a moment ago")).to_be_visible()
        await expect(at.row("Oskar")).to_have_count(0)


async def test_no_row_moves_under_the_pointer(desk: Desk, windows: Windows) -> None:
    """Newest first: a new one would push the others down; it waits until the pointer has gone."""
    ines = await desk.agent("Ines")
    await waiting(desk, "Ada")
    async with console(desk, windows, ines) as (at, _):
        await at.prefers(sort="created")
        await at.log_in("/console/inbox/queue")
        await at.sees("Ada")
        before = await at.row("Ada").bounding_box()
        await at.row("Ada").hover()
        await waiting(desk, "Newcomer")
        pill = at.page.get_by_role("button", name="1 new")
        await expect(pill).to_be_visible()
        assert await at.row("Ada").bounding_box() == before
        await at.page.mouse.move(1000, 500)
        await expect(at.page.locator(".row").first).to_contain_text("Newcomer")
        await expect(pill).to_have_count(0)


async def test_after_a_break_the_list_is_right_again(desk: Desk, windows: Windows) -> None:
    """Frames that were lost are made up for by reading the lists anew."""
    ines = await desk.agent("Ines")
    sockets: list[WebSocketRoute] = []

    def deaf(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        if not sockets:
            server.on_message(lambda text: None if '"type":"case"' in str(text) else socket.send(text))
        sockets.append(socket)

    async with console(desk, windows, ines) as (at, _):
        await at.page.route_web_socket("**/api/v1/ws*", deaf)
        await at.log_in("/console/inbox/queue")
        await expect(at.page.get_by_role("banner").get_by_text("Connected")).to_be_visible()
        await expect(at.page.get_by_text("That's everyone.")).to_be_visible()
        await waiting(desk, "Unheard")
        await asyncio.sleep(0)
        await expect(at.row("Unheard")).to_have_count(0)
        await sockets[0].close(code=4010, reason="resynchronise")
        await at.sees("Unheard")


async def test_logging_in_is_refused_in_words_and_logging_out_leaves_nothing(desk: Desk, windows: Windows) -> None:
    ines = await desk.agent("Ines")
    async with console(desk, windows, ines) as (at, troubles):
        troubles.expected.append("401")
        await at.log_in(password="wrong")
        await expect(at.page.get_by_role("alert")).to_contain_text("The address or the password is wrong.")
        await at.page.get_by_label("Password").fill(PASSWORD)
        await at.press("Enter")
        await expect(at.page.get_by_role("banner")).to_be_visible()

        other = await at.page.context.new_page()
        await other.goto(desk.url + "/console")
        await expect(other.get_by_role("banner")).to_be_visible()

        await at.page.evaluate(f"localStorage.setItem('deskbell/console/{ines.id}/unsent', 'Dear Maya')")
        await at.page.get_by_role("button", name="Ines:").click()
        await at.page.get_by_role("menuitem", name="Log out").click()
        for page in (at.page, other):
            await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        left = "Object.keys(localStorage).filter((key) => !key.includes('/preferences/')).length"
        await desk.until(lambda: at.page.evaluate(f"{left} === 0"))


@pytest.mark.parametrize("width", [360, 390])
async def test_on_a_phone_one_pane_is_shown_at_a_time(desk: Desk, windows: Windows, width: int) -> None:
    ines = await desk.agent("Ines")
    await given(desk, ines, "Maya Lindholm")
    size = {"viewport": {"width": width, "height": 800}, "has_touch": True}
    async with console(desk, windows, ines, **size) as (at, _):
        await at.log_in()
        await at.row("Maya Lindholm").get_by_role("link").tap()
        await expect(at.row("Maya Lindholm")).to_have_count(0)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await at.page.evaluate(wide) <= 0
        await at.page.get_by_role("button", name="Back to the list").tap()
        await at.sees("Maya Lindholm")
        assert await at.page.evaluate(wide) <= 0


async def test_a_smaller_window_keeps_views_in_a_drawer(desk: Desk, windows: Windows) -> None:
    ines = await desk.agent("Ines")
    async with console(desk, windows, ines, viewport={"width": 1024, "height": 768}) as (at, _):
        await at.log_in()
        views = at.page.get_by_role("navigation", name="Views")
        await expect(at.page.get_by_role("banner")).to_be_visible()
        await expect(views).to_have_count(0)
        await at.page.get_by_role("button", name="Views").click()
        await views.get_by_role("link", name="Queue").click()
        await expect(at.page).to_have_url(f"{desk.url}/console/inbox/queue")
        await expect(views).to_have_count(0)


async def test_it_speaks_arabic_from_right_to_left(desk: Desk, windows: Windows) -> None:
    ines = await desk.agent("Ines")
    await given(desk, ines, "Leila")
    async with console(desk, windows, ines) as (at, _):
        await at.prefers(language="ar")
        await at.log_in()
        await at.sees("Leila")
        await expect(at.page.locator("html")).to_have_attribute("dir", "rtl")
        await expect(at.page.get_by_role("link", name="لي").first).to_be_visible()
        box, row = await at.page.locator(".sheet").bounding_box(), await at.row("Leila").bounding_box()
        assert box is not None and row is not None
        assert row["x"] > box["x"] + box["width"] / 2


async def test_a_filter_is_kept_as_a_view(desk: Desk, windows: Windows) -> None:
    """Narrowed to what is urgent, named, counted, renamed and deleted again."""
    ines = await desk.agent("Ines")
    urgent, _ = await given(desk, ines, "Ada", "Ben")
    assert (await ines.call("PATCH", f"/cases/{urgent}", json={"priority": 2})).status_code == 200
    async with console(desk, windows, ines) as (at, _):
        await at.log_in("/console/inbox/all")
        await at.sees("Ada", "Ben")
        await at.page.get_by_role("button", name="Filter").click()
        await at.page.get_by_role("combobox", name="Priority").select_option("Urgent")
        await expect(at.row("Ben")).to_have_count(0)
        await at.press("Escape")
        await at.page.get_by_role("button", name="Save as view").click()
        await at.page.keyboard.type("On fire")
        await at.press("Enter")
        views = at.page.get_by_role("navigation", name="Views")
        await expect(views.get_by_role("link", name="On fire")).to_have_text("On fire1")
        await at.sees("Ada")
        assert (await ines.call("PATCH", f"/cases/{urgent}", json={"priority": 1})).status_code == 200
        await expect(views.get_by_role("link", name="On fire")).to_have_text("On fire0")

        await views.get_by_role("button", name="Change On fire").click()
        await at.page.get_by_role("menuitem", name="Rename").click()
        await at.page.get_by_label("Name of the view").fill("Smoking")
        await at.press("Enter")
        await views.get_by_role("button", name="Change Smoking").click()
        await at.page.get_by_role("menuitem", name="Delete").click()
        await expect(views.get_by_text("Smoking")).to_have_count(0)
        assert at.page.url.endswith("/inbox/mine")


async def test_not_accepting_is_something_else_than_away(desk: Desk, windows: Windows) -> None:
    ines = await desk.agent("Ines")
    async with console(desk, windows, ines) as (at, _):
        await at.log_in()
        menu = at.page.get_by_role("button", name="Ines:")
        await expect(menu).to_contain_text("Accepting")
        await menu.click()
        await at.page.get_by_role("menuitemcheckbox", name="Take new conversations").click()
        await expect(menu).to_contain_text("Not accepting")
        assert (await ines.get("/agents/me/availability")).json() == {"status": "online", "accepting": False}
        await menu.click()
        await at.page.get_by_role("menuitemradio", name="Away").click()
        await expect(menu).to_contain_text("Away")


async def test_the_frame_passes_axe_in_light_and_dark(desk: Desk, windows: Windows) -> None:
    ines = await desk.agent("Ines")
    await given(desk, ines, "Ada", "Ben")
    await waiting(desk, "Carla")
    async with console(desk, windows, ines) as (at, _):
        await at.page.goto(desk.url + "/console")
        await at.page.get_by_label("E-mail address").wait_for()
        await at.passes_axe()
        await at.log_in()
        await at.sees("Ada")
        await at.passes_axe()
        await at.press("j", "x")
        await at.passes_axe()
        for opening in ("Control+k", "?", "z", "a"):
            await at.press(opening)
            await at.page.get_by_role("dialog").wait_for()
            await at.passes_axe()
            await at.press("Escape")
            await expect(at.page.get_by_role("dialog")).to_have_count(0)
        await at.page.emulate_media(color_scheme="dark")
        await expect(at.page.locator("html")).to_have_attribute("data-theme", "dark")
        await at.passes_axe()


async def test_the_bell_rings_once_for_each_who_comes_unless_it_is_off(desk: Desk, windows: Windows) -> None:
    count_tones = """
        window.rung = 0;
        const node = () => ({
            frequency: {}, gain: {setValueAtTime() {}, exponentialRampToValueAtTime() {}},
            connect: (next) => next, start() {}, stop() {},
        });
        window.AudioContext = class {
            state = "running"; currentTime = 0; destination = node();
            resume() { return Promise.resolve(); }
            createGain() { return node(); }
            createOscillator() { window.rung++; return node(); }
        };
    """
    for sound, tones in ((True, 2), (False, 0)):  # a bell has two partials
        ines = await desk.agent("Ines")
        async with console(desk, windows, ines) as (at, _):
            await at.page.add_init_script(count_tones)
            await at.prefers(sound=sound)
            await at.log_in("/console/inbox/queue")
            await expect(at.page.get_by_text("That's everyone.")).to_be_visible()
            await at.page.mouse.click(700, 600)  # a browser sounds only after a touch
            name = f"Caller {tones}"
            await waiting(desk, name)
            await at.sees(name)
            await expect(at.page).to_have_title("(1) Queue – Deskbell")
            if sound:
                await desk.until(lambda: at.page.evaluate("window.rung > 0"))
            assert await at.page.evaluate("window.rung") == tones
            for case in (await ines.get("/cases?view=queue")).json()["items"]:
                await ines.post(f"/cases/{case['id']}/resolve")


async def test_a_row_tells_of_a_draft_and_of_colleagues_who_look(desk: Desk, windows: Windows) -> None:
    ines, tom = await desk.agent("Ines"), await desk.agent("Tom")
    (case,) = await given(desk, ines, "Maya")
    room = (await ines.get(f"/cases/{case}")).json()["room"]
    async with console(desk, windows, ines) as (at, _), tom.line() as line:
        await at.log_in()
        await at.sees("Maya")
        await line.send({"type": "view", "room": room})
        await expect(at.row("Maya").get_by_label("Also here: Tom")).to_be_visible()
        assert (await ines.call("PUT", f"/rooms/{room}/draft", json={"text": "Dear"})).status_code == 200
        await expect(at.row("Maya").get_by_label("You have begun to write")).to_be_visible()
        await line.send({"type": "view", "room": None})
        await expect(at.row("Maya").get_by_label("Also here: Tom")).to_have_count(0)


async def test_the_list_says_what_was_said_last_without_its_marks(desk: Desk, windows: Windows) -> None:
    ines = await desk.agent("Ines")
    await waiting(desk, "Maya", "**Two** things:\n\n- the `E14`\n- [the lamp](https://shop.example/lamp)")
    async with console(desk, windows, ines) as (at, _):
        await at.log_in("/console/inbox/queue")
        await expect(at.row("Maya").locator(".last")).to_have_text("Two things: - the E14 - the lamp")


async def test_panes_have_the_widths_one_gave_them_and_focus_hides_them(desk: Desk, windows: Windows) -> None:
    ines = await desk.agent("Ines")
    await given(desk, ines, "Maya")
    async with console(desk, windows, ines) as (at, _):
        await at.log_in()
        await at.sees("Maya")
        handle = at.page.get_by_role("separator", name="Width of the list")
        await handle.focus()
        await at.press("ArrowRight", "ArrowRight")
        await expect(handle).to_have_attribute("aria-valuenow", "364")
        await at.page.reload()
        await expect(handle).to_have_attribute("aria-valuenow", "364")
        await at.row("Maya").click()
        await at.press("f")
        await expect(at.row("Maya")).to_have_count(0)
        await expect(at.page.get_by_role("navigation", name="Views")).to_have_count(0)
        await at.press("Escape")
        await at.is_at("Maya")
