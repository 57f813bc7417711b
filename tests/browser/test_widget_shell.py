"""The widget on somebody else's page: the launcher, the panel, the host page's calls, and who one is."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from deskbell.testing.desk import Desk

WEB = Path(__file__).parents[2] / "platform" / "web"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
SECRET = "the site's own secret, long enough to sign with 0123456789"
NASTY = "<img src=x onerror=alert(1)>Pell & Rowan"
LAUNCHER = "deskbell-widget .launcher"
SITES: dict[str, dict[str, Any]] = {
    "plain": {"languages": ["en", "ar"]},
    "asks": {
        "prechat": {
            "fields": [
                {"name": "name", "label": "Your name", "required": True},
                {"name": "email", "label": "Your address", "kind": "email", "required": True},
                {"name": "topic", "label": "Topic", "kind": "select", "options": ["Orders", "Returns"]},
            ],
            "consent": "I agree that this conversation is kept.",
        }
    },
    "closed": {"hours": {"timezone": "Europe/Brussels"}},
    "nasty": {
        "greeting": {"en": "<script>alert(1)</script> Welcome"},
        "launcher": {"side": "left"},
        "theme": {"color": "#0b5d3b"},
    },
    "direct": {"choice": False, "launcher": {"label": "Ask us"}},
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(faces: Any, shop: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """A desk whose sites are all on the shop's origin."""
    sites = [
        {
            "name": NASTY if key == "nasty" else "Pell & Rowan",
            "public_key": key,
            "secret": SECRET,
            "origins": [f"http://{shop.address}"],
            "settings": settings,
        }
        for key, settings in SITES.items()
    ]
    tenant = {"slug": "default", "name": "Test", "sites": sites, "teams": [{"slug": "support", "name": "Support"}]}
    url = f"sqlite:///{tmp_path_factory.mktemp('desk') / 'deskbell.sqlite3'}"
    async with Desk.open(url, tenants=[tenant], support={"target_first_response_s": 170}) as desk:
        yield desk


class Visit:
    """One page with the widget on it, as its visitor sees it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.launcher = page.locator(LAUNCHER)
        self.panel = page.get_by_role("dialog", name="chat")
        self.asked: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))

    def button(self, name: str) -> Any:
        return self.panel.get_by_role("button", name=name, exact=True)

    async def focused(self) -> str:
        """What has the focus: its label or text, within the widget; else the element of the page."""
        return str(
            await self.page.evaluate(
                "() => { let one = document.activeElement;"
                " while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;"
                " return one.getAttribute('aria-label') || one.id"
                " || (one.localName === 'button' ? one.textContent : one.tagName) }"
            )
        )

    async def heard(self) -> list[Any]:
        """What the page was told, in order, if it listens."""
        return list(await self.page.evaluate("window.heard"))


LISTENS = """<script>window.heard = [];
(window.Deskbell ||= []).push(...["ready", "open", "close", "unread", "handover", "message"].map(
  (name) => ["on", name, (event) => window.heard.push(event === undefined ? name : [name, event])]));
</script>"""


@pytest.fixture
def embedded(desk: Desk, shop: Any) -> Callable[..., str]:
    """The address of a page with one line for a site."""

    def embed(
        site: str = "plain",
        *,
        attributes: str = "",
        body: str = "",
        html: str = "",
        policy: str = "",
        loading: str = "async",
    ) -> str:
        line = f'<script src="{desk.url}/widget.js" data-site="{site}" {attributes} {loading}></script>'
        name = f"/{len(shop.pages)}-{site}"
        return str(shop.page(name, head=LISTENS * (not policy) + line, body=body, policy=policy, attributes=html))

    return embed


async def visit(context: BrowserContext, address: str) -> Visit:
    seen = Visit(await context.new_page())
    await seen.page.goto(address)
    await seen.launcher.wait_for()
    return seen


async def test_the_chat_is_fetched_on_intent_and_nobody_is_a_visitor_before_they_begin(
    desk: Desk, shop: Any, windows: Any, embedded: Any
) -> None:
    async with windows(desk.address, shop.address) as (context, _):
        seen = await visit(context, embedded())
        await seen.page.wait_for_load_state("networkidle")
        loaded = [url for url in seen.asked if desk.url in url]
        assert [url.removeprefix(desk.url) for url in loaded] == ["/widget.js", "/api/v1/sites/plain"]
        await seen.launcher.hover()
        await desk.until(lambda: any("/assets/chat-" in url for url in seen.asked))
        await seen.launcher.click()
        await expect(seen.panel.get_by_text("How can we help?")).to_be_visible()
        assert not [url for url in seen.asked if "/auth/" in url]
        globals_ = await seen.page.evaluate("Object.keys(window).filter((name) => /desk/i.test(name))")
        assert globals_ == ["Deskbell"]


async def test_the_keyboard_opens_it_moves_in_and_comes_back(
    desk: Desk, shop: Any, windows: Any, embedded: Any
) -> None:
    async with windows(desk.address, shop.address) as (context, _):
        seen = await visit(context, embedded(body='<input id="search"><button id="basket">Basket</button>'))
        await seen.page.locator("#basket").focus()
        await seen.page.keyboard.press("Tab")
        assert await seen.focused() == "Open chat"
        await seen.page.keyboard.press("Enter")
        await expect(seen.panel).to_be_visible()
        await expect(seen.launcher).to_have_attribute("aria-expanded", "true")
        assert await seen.focused() == "Pell & Rowan chat"
        await seen.page.keyboard.press("Escape")
        await expect(seen.panel).to_have_count(0)
        assert await seen.focused() == "Open chat"
        # Opened from the page's own button, the focus goes back to that.
        await seen.page.evaluate("{ document.querySelector('#basket').onclick = () => Deskbell.open(); 0 }")
        await seen.page.locator("#basket").click()
        await expect(seen.panel).to_be_visible()
        await seen.button("Close").click()
        await expect(seen.panel).to_have_count(0)
        assert await seen.focused() == "basket"


async def waiting_case(desk: Desk, agent: Any, reason: str = "asked_human") -> dict[str, Any]:
    """The newest case in the queue."""

    async def found() -> dict[str, Any] | None:
        cases = (await agent.get("/cases", params={"view": "queue"})).json()["items"]
        return next((case for case in reversed(cases) if case["reason"] == reason), None)

    return dict(await desk.until(found))


def signed(sub: str, name: str) -> str:
    return jwt.encode({"sub": sub, "name": name, "exp": int(time.time()) + 3600}, SECRET, algorithm="HS256")


async def test_calls_made_before_the_script_has_come_are_done_in_order(
    desk: Desk, shop: Any, windows: Any, embedded: Any
) -> None:
    early = (
        "<script>Deskbell.push(['setLocale', 'ar'], ['setTheme', 'dark'], ['open'], ['no such call'], 7);"
        "Deskbell.push(['on', 'open', () => { throw new Error('the page is at fault') }])</script>"
    )
    async with windows(desk.address, shop.address) as (context, troubles):
        troubles.expected.append("the page is at fault")
        seen = await visit(context, embedded(body=early))
        await expect(seen.page.get_by_role("dialog")).to_contain_text("كيف يمكننا مساعدتك؟")
        assert await seen.heard() == ["ready", "open"]
        # Afterwards the calls are there as functions, and who listens late is told at once that it is ready.
        assert await seen.page.evaluate("new Promise((done) => Deskbell.on('ready', () => done('late')))") == "late"
        assert await seen.page.locator("deskbell-widget .desk").get_attribute("data-theme") == "dark"
        await seen.page.evaluate("Deskbell.setTheme('light'); Deskbell.setLocale('en'); Deskbell.close()")
        await expect(seen.page.get_by_role("dialog")).to_have_count(0)
        await seen.page.evaluate("Deskbell.toggle()")
        await expect(seen.panel).to_contain_text("How can we help?")
        assert await seen.page.locator("deskbell-widget .desk").get_attribute("data-theme") == "light"
        assert await seen.heard() == ["ready", "open", "close", "open"]


async def test_from_the_bell_to_the_rating(desk: Desk, shop: Any, windows: Any, embedded: Any) -> None:
    """A visitor asks for a person, waits, is answered while the panel is closed, and says how it went."""
    agent = await desk.agent("Ines")
    async with windows(desk.address, shop.address) as (context, _), agent.line() as line:
        seen = await visit(context, embedded())
        await seen.launcher.click()
        await seen.button("Ask the assistant Answers at once").click()
        await expect(seen.panel.get_by_text("Automatic")).to_be_visible()
        await expect(seen.panel.locator(".counter.bot")).to_have_count(1)
        await seen.button("Get a person").click()
        await expect(seen.panel.get_by_text("1st in line", exact=False).first).to_be_visible()
        # One wait, said twice in the same numbers.
        await expect(seen.panel.locator(".head .line")).to_have_text("1st in line · about 1–3 min")
        await expect(seen.panel.locator(".wait-top p")).to_have_text("Usually 1–3 minutes from here")
        await expect(seen.panel.locator(".counter.waiting")).to_have_count(1)
        # What had the focus is gone; the keyboard is still in the panel.
        await seen.page.keyboard.press("Escape")
        await expect(seen.launcher).to_have_attribute("aria-label", "Open chat, you are 1st in line")

        case = await waiting_case(desk, agent)
        await agent.post(f"/cases/{case['id']}/claim")
        await line.says(case["room"], "Hello, **this** is Ines.")
        await expect(seen.launcher).to_have_attribute("aria-label", "Open chat, 1 unread message")
        await seen.page.reload()  # idle time is enough to know of it again
        await expect(seen.launcher).to_have_attribute("aria-label", "Open chat, 1 unread message")
        assert ["unread", {"count": 1}] in await seen.heard()

        await seen.launcher.click()
        await expect(seen.panel.locator(".who")).to_contain_text("Ines")
        await expect(seen.panel.locator(".counter.person")).to_have_count(1)
        await expect(seen.button("Get a person")).to_have_count(0)
        await seen.button("Back").click()
        await expect(seen.panel.locator(".resume")).to_contain_text("Ines: Hello, this is Ines.")
        await seen.panel.locator(".resume").click()

        await agent.post(f"/cases/{case['id']}/resolve")
        await expect(seen.panel.get_by_text("How did it go with Ines?")).to_be_visible()
        assert ["handover", {"to": "closed"}] in await seen.heard()
        await expect(seen.button("Send rating")).to_be_disabled()
        await seen.panel.get_by_role("radio", name="Good").focus()
        await seen.page.keyboard.press("Space")
        await seen.button("Solved it").click()
        await seen.panel.get_by_label("Anything to add? Optional").fill("Lovely.")
        await seen.button("Send rating").click()
        await expect(seen.panel.get_by_text("Thank you for telling us.")).to_be_visible()
        await expect(seen.button("Send rating")).to_have_count(0)
        rated = (await agent.get(f"/cases/{case['id']}")).json()
        assert (rated["rating"], rated["rating_comment"]) == (4, "Solved it. Lovely.")

        async with seen.page.expect_download() as download:
            await seen.button("Transcript").click()
        path = await (await download.value).path()
        assert "Ines\nHello, this is Ines." in path.read_text("utf-8-sig")
        await seen.button("Start a new chat").click()
        await expect(seen.button("Get a person")).to_be_visible()


async def test_a_reload_keeps_the_conversation_and_tabs_are_one_visitor(
    desk: Desk, shop: Any, windows: Any, embedded: Any
) -> None:
    async with windows(desk.address, shop.address) as (context, _):
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        address = embedded()
        one = await visit(context, address)
        await one.launcher.click()
        await one.button("Ask the assistant Answers at once").click()
        await expect(one.button("Get a person")).to_be_visible()
        await one.page.reload()
        await expect(one.button("Get a person")).to_be_visible()  # open as it was, in the conversation
        assert await one.focused() != "Pell & Rowan chat"  # but the page keeps the focus
        other = await visit(context, address)
        await other.launcher.click()
        await other.button("Continue your conversation Nothing said yet").click()
        await other.button("Get a person").click()
        await expect(one.panel.locator(".counter.waiting")).to_have_count(1)
        assert len([url for url in asked if url.endswith("/auth/visitors")]) == 1


async def test_who_is_known_to_the_page_is_known_here_until_they_log_out(
    desk: Desk, shop: Any, windows: Any, embedded: Any
) -> None:
    async with windows(desk.address, shop.address) as (context, troubles):
        # Whoever was about to connect when somebody else was named does not.
        troubles.expected.append("WebSocket is closed before the connection is established")
        seen = await visit(context, embedded())
        await seen.page.evaluate("(identity) => Deskbell.identify(identity)", signed("maya-1", "Maya"))
        await seen.page.evaluate("Deskbell.setAttributes({plan: 'gold'}); Deskbell.open()")
        await expect(seen.panel.get_by_role("heading")).to_contain_text("Maya.")
        await seen.button("Ask the assistant Answers at once").click()
        await expect(seen.button("Get a person")).to_be_visible()
        kept = "Object.keys(localStorage).filter((key) => key.startsWith('deskbell'))"
        assert any("maya-1" in key for key in await seen.page.evaluate(kept))

        await seen.page.evaluate("(identity) => Deskbell.identify(identity)", signed("tom-2", "Tom"))
        await expect(seen.panel.get_by_role("heading")).to_contain_text("Tom.")
        await expect(seen.panel.locator(".resume")).to_have_count(0)  # Maya's conversation is Maya's
        await seen.page.evaluate("(identity) => Deskbell.identify(identity)", signed("maya-1", "Maya"))
        await expect(seen.panel.locator(".resume")).to_be_visible()

        await seen.page.evaluate("Deskbell.reset()")
        await expect(seen.panel.locator(".resume")).to_have_count(0)
        await expect(seen.panel.get_by_role("heading")).not_to_contain_text("Maya")
        assert await seen.page.evaluate(kept) == []
        await seen.page.reload()
        await seen.launcher.click()
        await expect(seen.button("Ask the assistant Answers at once")).to_be_visible()
        await expect(seen.panel.locator(".resume")).to_have_count(0)


async def test_who_logs_out_in_one_tab_is_logged_out_in_all(desk: Desk, shop: Any, windows: Any, embedded: Any) -> None:
    """Also where the chat is of somebody else, and where it is not open."""
    address = embedded()
    async with windows(desk.address, shop.address) as (context, _):
        one, other, third = [await visit(context, address) for _ in range(3)]
        maya = signed("maya-3", "Maya")
        await one.page.evaluate("(identity) => Deskbell.identify(identity)", maya)
        await third.page.evaluate("(identity) => Deskbell.identify(identity)", signed("tom-3", "Tom"))
        await one.launcher.click()
        await one.button("Ask the assistant Answers at once").click()
        await one.panel.get_by_role("textbox").fill("Something private")
        await one.page.keyboard.press("Enter")
        await expect(one.panel.get_by_text("You said: Something private", exact=True)).to_be_visible()
        await other.page.evaluate("(identity) => Deskbell.identify(identity)", maya)
        await other.launcher.click()
        await other.panel.locator(".resume").click()
        await expect(other.panel.get_by_text("Something private", exact=True)).to_be_visible()
        await other.panel.get_by_role("textbox").fill("Begun elsewhere")

        await one.page.evaluate("Deskbell.logout()")
        await expect(other.panel.get_by_text("Something private")).to_have_count(0)
        await expect(other.panel.get_by_role("heading")).not_to_contain_text("Maya")
        await other.button("Ask the assistant Answers at once").click()
        await expect(other.panel.get_by_role("textbox")).to_have_value("")
        await expect(other.panel.get_by_text("Something private")).to_have_count(0)
        await third.launcher.click()
        await expect(third.panel.get_by_role("heading")).not_to_contain_text("Tom")


async def test_what_the_site_asks_first_is_checked_and_told(desk: Desk, shop: Any, windows: Any, embedded: Any) -> None:
    async with windows(desk.address, shop.address) as (context, _):
        seen = await visit(context, embedded("asks"))
        await seen.launcher.click()
        await seen.button("Ask the assistant Answers at once").click()
        await seen.button("Start chat").click()
        await expect(seen.panel.get_by_label("Your name")).to_be_focused()
        await expect(seen.panel.get_by_label("Your name")).to_have_accessible_description("Please fill this in")
        await expect(seen.panel.get_by_text("Please agree before we start")).to_be_visible()
        await seen.panel.get_by_label("Your name").fill("Maya Lind")
        await seen.panel.get_by_label("Your address").fill("maya@lind")
        await seen.panel.get_by_label("Topic optional").select_option("Returns")
        await seen.panel.get_by_label("I agree").check()
        await seen.button("Start chat").click()
        await expect(seen.panel.get_by_label("Your address")).to_have_accessible_description(
            "This address looks incomplete"
        )
        await expect(seen.panel.get_by_label("Your name")).to_have_value("Maya Lind")
        await seen.panel.get_by_label("Your address").fill("maya@lind.example")
        async with seen.page.expect_request(lambda request: request.method == "PATCH") as told:
            await seen.button("Start chat").click()
        claims = json.loads((await told.value).post_data or "")
        assert claims == {"name": "Maya Lind", "email": "maya@lind.example", "attributes": {"topic": "Returns"}}
        await expect(seen.button("Get a person")).to_be_visible()
        await seen.button("Back").click()
        await expect(seen.panel.get_by_role("heading")).to_contain_text("Maya Lind.")


async def test_a_message_left_while_nobody_is_there_waits_for_a_person(
    desk: Desk, shop: Any, windows: Any, embedded: Any
) -> None:
    agent = await desk.agent("Tom")
    async with windows(desk.address, shop.address) as (context, _):
        seen = await visit(context, embedded("closed"))
        await seen.launcher.click()
        await seen.panel.get_by_role("button", name="Leave a message").click()
        await seen.panel.get_by_label("Your email").fill("leo@lind.example")
        await seen.panel.get_by_label("What is it about?").fill("The thread does not fit.")
        await seen.button("Send message").click()
        await expect(seen.panel.get_by_role("heading", name="We have it")).to_be_focused()
        case = await waiting_case(desk, agent, "left_message")

        async def said() -> list[str]:
            found = (await agent.get(f"/rooms/{case['room']}/messages")).json()["messages"]
            return [message["content"] for message in found if message["kind"] == "text"]

        await desk.until(said)
        assert await said() == ["The thread does not fit."]  # and the assistant does not answer in our stead

        await seen.button("See the conversation").click()
        waiting = seen.panel.get_by_role("group", name="Waiting for a person")
        await expect(waiting).to_contain_text("We're closed right now")
        await expect(seen.panel.locator(".head")).to_contain_text("We're closed right now")
        # Nobody serves the line now: neither a place in it nor minutes are promised.
        await expect(seen.panel.get_by_text(re.compile(r"in line|\d min|next"))).to_have_count(0)


async def test_a_page_can_neither_be_hurt_nor_hurt_it(desk: Desk, shop: Any, windows: Any, embedded: Any) -> None:
    """The page's styles and keys stay outside; what the site is called is text; loaded twice it is there once."""
    rude = (
        "<style>* { color: red !important; font-size: 40px !important; --fg: red; --site: red; display: block;"
        "--text-2xl: 99px; --u: 9px }"
        "deskbell-widget { display: none !important; position: static !important; height: 999px !important }"
        "</style><p id=end>The end</p><script>window.keys = [];"
        "addEventListener('keydown', (event) => window.keys.push(event.key))</script>"
        f'<script src="{desk.url}/widget.js" data-site="nasty"></script>'
    )
    async with windows(desk.address, shop.address) as (context, _):
        seen = await visit(context, embedded("nasty", body=rude))
        assert await seen.page.locator("deskbell-widget").count() == 1
        assert await seen.page.evaluate("document.scrollingElement.scrollHeight") <= 900
        box = await seen.launcher.bounding_box()
        assert box == {"x": 20, "y": 900 - 78, "width": 58, "height": 58}  # on the left, as the site wants it
        await expect(seen.launcher).to_have_css("background-color", "rgb(11, 93, 59)")
        await seen.launcher.click()
        await expect(seen.panel.get_by_role("heading")).to_have_text("<script>alert(1)</script> Welcome")
        await expect(seen.panel.locator(".brand b")).to_have_text(NASTY)
        await expect(seen.panel.get_by_role("heading")).to_have_css("color", "rgb(33, 30, 26)")
        await expect(seen.panel.get_by_role("heading")).to_have_css("font-size", "22px")
        await expect(seen.panel.locator("img, script")).to_have_count(0)
        await seen.page.keyboard.press("/")
        await seen.page.keyboard.press("Escape")
        await expect(seen.panel).to_have_count(0)
        assert await seen.page.evaluate("window.keys") == []
        await seen.page.emulate_media(media="print")
        await expect(seen.launcher).to_be_hidden()


async def test_a_strict_page_and_a_browser_that_keeps_nothing(
    desk: Desk, shop: Any, windows: Any, embedded: Any
) -> None:
    """The page allows the desk's scripts and connections and nothing else; storage is refused."""
    socket = desk.url.replace("http", "ws", 1)
    policy = f"default-src 'none'; img-src data:; script-src {desk.url}; connect-src {desk.url} {socket}"
    refused = "Object.defineProperty(window, '%s', { get() { throw new DOMException('no', 'SecurityError') } })"
    async with windows(desk.address, shop.address) as (context, _):
        for storage in ("localStorage", "sessionStorage"):
            await context.add_init_script(refused % storage)
        seen = await visit(context, embedded(policy=policy, loading=""))
        await seen.launcher.click()
        await seen.button("Ask the assistant Answers at once").click()
        await seen.button("Get a person").click()
        await expect(seen.panel.locator(".counter.waiting")).to_have_count(1)
        await expect(seen.panel.locator(".panel, .head").first).to_have_css("display", "flex")


async def test_a_page_that_is_not_the_sites_is_told_and_shows_nothing(
    desk: Desk, shop: Any, windows: Any, embedded: Any
) -> None:
    """A key of no site; a page whose origin is on nobody's list, and which so may read hardly anything."""
    elsewhere = shop.address.replace("localhost", "127.0.0.1")
    off_the_list = embedded().replace(shop.address, elsewhere)
    async with windows(desk.address, shop.address, elsewhere) as (context, troubles):
        troubles.expected += ["Deskbell: ", "404"]
        for address, why in (
            (embedded("unknown-site"), 'has no site "unknown-site"'),
            (off_the_list, f"http://{elsewhere} is not among its origins"),
        ):
            page = await context.new_page()
            async with page.expect_console_message(lambda message: message.text.startswith("Deskbell: ")) as told:
                await page.goto(address)
            assert why in (await told.value).text
            await expect(page.locator("deskbell-widget")).to_have_count(0)


async def test_arabic_is_mirrored_and_remembered(desk: Desk, shop: Any, windows: Any, embedded: Any) -> None:
    async with windows(desk.address, shop.address) as (context, _):
        seen = await visit(context, embedded())
        await seen.launcher.click()
        await seen.button("Menu").click()
        await seen.page.get_by_role("radio", name="العربية").check()
        dialog = seen.page.get_by_role("dialog", name="محادثة \u2068Pell & Rowan\u2069")
        await expect(dialog).to_be_visible()
        await seen.page.reload()
        await dialog.get_by_role("button", name="اسأل المساعد").click()
        await expect(dialog.get_by_role("button", name="التحدث إلى موظف")).to_be_visible()
        back, close = dialog.get_by_role("button", name="رجوع"), dialog.get_by_role("button", name="إغلاق")
        assert (await back.bounding_box())["x"] > (await close.bounding_box())["x"]
        await expect(seen.page.locator("deskbell-widget .desk")).to_have_attribute("dir", "rtl")
        await expect(back.locator(".icon")).to_have_css("scale", "-1 1")
        # A field reads as the page does until something is written in it, and then as that does.
        field = dialog.get_by_role("textbox")
        for text, direction in (("", "rtl"), ("Hello", "ltr"), ("مرحبا", "rtl"), ("", "rtl")):
            await field.fill(text)
            await expect(field).to_have_css("direction", direction)


SMALL = {"viewport": {"width": 360, "height": 640}, "has_touch": True}


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_small_screen_large_text_and_no_motion(
    desk: Desk, shop: Any, windows: Any, embedded: Any, theme: str
) -> None:
    """At 360 px and twice the text size nothing is cut off, and every screen passes axe."""
    options = {**SMALL, "color_scheme": theme, "reduced_motion": "reduce"}
    async with windows(desk.address, shop.address, **options) as (context, _):
        seen = await visit(context, embedded("asks", html=f'lang=en style="color-scheme: {theme}"'))
        await seen.launcher.tap()
        desk_ = seen.page.locator("deskbell-widget .desk")
        await expect(desk_).to_have_attribute("data-theme", theme)
        await expect(seen.panel).to_have_css("scale", "none")  # it has opened
        box = await seen.panel.bounding_box()
        assert box == {"x": 0, "y": 0, "width": 360, "height": 640}
        await expect(seen.panel).to_have_attribute("aria-modal", "true")
        await seen.button("Menu").click()
        await seen.page.get_by_role("radio", name="200%").check(force=True)
        await axe(seen.page)
        await seen.page.keyboard.press("Escape")
        await fits(seen.panel)
        await axe(seen.page)
        await seen.page.keyboard.press("Shift+Tab")  # from the menu's button, the first there is, round to the last
        assert (await seen.focused()).startswith("Talk to a person")
        await seen.page.keyboard.press("Tab")
        assert await seen.focused() == "Menu"
        await seen.panel.get_by_role("button", name="Ask the assistant").tap()
        await expect(seen.panel.get_by_label("Your name")).to_be_focused()
        await seen.button("Start chat").tap()
        await expect(seen.panel.get_by_text("Please agree before we start")).to_be_visible()
        await fits(seen.panel)
        await axe(seen.page)
        for name in ("Back", "Menu", "Close"):
            target = await seen.button(name).bounding_box()
            assert target["width"] >= 44 and target["height"] >= 44
        await expect(seen.panel).to_have_css("animation-duration", "1e-05s")


async def test_the_head_says_who_answers_in_one_line_and_whole(
    desk: Desk, shop: Any, windows: Any, embedded: Any
) -> None:
    """Also in large text on a phone, and no word of it is broken."""
    async with windows(desk.address, shop.address, viewport={"width": 360, "height": 640}) as (context, _):
        seen = await visit(context, embedded())
        await seen.launcher.click()
        await seen.button("Ask the assistant Answers at once").click()
        await expect(seen.panel.get_by_role("textbox")).to_be_focused()  # and takes the focus from no menu any more
        for size in ("100%", "150%", "200%"):
            wanted = seen.page.get_by_role("radio", name=size)
            await seen.button("Menu").click()
            await wanted.check(force=True)
            await wanted.press("Escape")
            await expect(wanted).to_have_count(0)
            await expect(seen.button("Get a person")).to_be_visible()
            broken = await seen.panel.locator(".head").evaluate(
                """(head) => [...head.querySelectorAll(".who b, .who .line, .person-btn span")].filter((one) => {
                    const range = document.createRange();
                    range.selectNodeContents(one);
                    const lines = new Set([...range.getClientRects()].map(({ y }) => y));
                    return lines.size > 1 || one.scrollWidth > Math.max(1, one.clientWidth) && one.clientWidth > 0;
                }).map((one) => one.textContent)"""
            )
            assert broken == [], size


async def fits(panel: Any) -> None:
    """Nothing reaches over the side of the panel."""
    over = await panel.evaluate(
        "(panel) => [...panel.querySelectorAll('*')].filter((one) => { const box = one.getBoundingClientRect();"
        " return box.width > 1 && (box.right > innerWidth + 1 || box.left < -1) }).map((one) => one.className)"
    )
    assert over == []


async def axe(page: Page) -> None:
    """No fault that axe calls serious."""
    await page.evaluate(AXE.read_text() + "; 0")
    found = await page.evaluate(
        "axe.run(document.querySelector('deskbell-widget').shadowRoot.querySelector('.panel'),"
        " {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})"
        ".then(({violations}) => violations.map(({id, nodes}) => [id, nodes.map((node) => node.html)]))"
    )
    assert found == []


async def test_a_broken_connection_is_told_and_mended(desk: Desk, shop: Any, windows: Any, embedded: Any) -> None:
    lines: list[Any] = []
    down = False

    def route(line: Any) -> Any:
        if down:
            return line.close(code=4001, reason="draining")
        lines.append(line)
        line.connect_to_server()
        return None

    async with windows(desk.address, shop.address) as (context, _):
        await context.route_web_socket("**/api/v1/ws*", route)
        seen = await visit(context, embedded())
        await seen.launcher.click()
        await seen.button("Ask the assistant Answers at once").click()
        await expect(seen.button("Get a person")).to_be_visible()
        down = True
        await lines[-1].close(code=4001, reason="draining")
        await expect(seen.panel.get_by_text("your messages are kept")).to_be_visible()
        down = False
        await seen.button("Try now").click()
        await expect(seen.panel.get_by_text("You're back online")).to_be_visible()
        await expect(seen.panel.get_by_text("You're back online")).to_have_count(0)
        down = True
        await lines[-1].close(code=4504, reason="elsewhere")  # final: the client does not come back by itself
        await expect(seen.panel.get_by_text("This chat is no longer connected")).to_be_visible()
        down = False
        await seen.button("Connect again").click()
        await expect(seen.panel.get_by_text("This chat is no longer connected")).to_have_count(0)
        await seen.button("Get a person").click()
        await expect(seen.panel.locator(".counter.waiting")).to_have_count(1)


async def test_a_site_without_a_choice_begins_at_once_and_its_visitor_ends_it(
    desk: Desk, shop: Any, windows: Any, embedded: Any
) -> None:
    async with windows(desk.address, shop.address) as (context, _):
        seen = await visit(context, embedded("direct", attributes="data-open data-side=left data-theme=dark"))
        await expect(seen.button("Get a person")).to_be_visible()
        await expect(seen.launcher).to_have_attribute("aria-label", "Ask us – Close chat")
        assert await seen.focused() == "BODY"  # the page opened it by itself
        box = await seen.panel.bounding_box()
        assert box is not None and box["x"] == 20
        await seen.button("Menu").click()
        await seen.button("End chat").click()
        await seen.panel.get_by_role("group", name="End this chat?").get_by_role("button", name="End chat").click()
        await expect(seen.panel.get_by_role("heading", name="How did it go?")).to_be_visible()
        await expect(seen.panel.get_by_text("Chat closed at")).to_be_visible()
        await expect(seen.button("Get a person")).to_have_count(0)
        # The keyboard goes on with what is shown: the question first, then the way to a new chat.
        await seen.launcher.click()
        await seen.launcher.click()
        await expect(seen.panel.locator("input[name=rating]").first).to_be_focused()
        await seen.button("Skip").click()
        await expect(seen.button("Send rating")).to_have_count(0)
        await expect(seen.button("Start a new chat")).to_be_focused()
        await expect(seen.button("Transcript")).to_be_visible()
