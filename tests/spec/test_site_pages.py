"""What a site's pages are told before anybody has logged in, and what a visitor then says of themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import httpx
import jwt
import msgspec
import pytest

from deskbell.actions import agents
from deskbell.config import SiteSeed
from deskbell.ids import TenantId, UserId
from deskbell.model.site import SiteSettings
from deskbell.store import people
from deskbell.store.database import Database, StoreUnavailable
from deskbell.testing.desk import SITE_KEY, SITE_SECRET, Desk, Person, settings_for

SHOP, EVIL = {"Origin": "https://shop.example"}, {"Origin": "https://evil.example"}
_WRITTEN = {
    "languages": ["en", "ar"],
    "theme": {"color": "#0b5d3b"},
    "launcher": {"side": "left", "label": "<b>Help</b>"},
    "greeting": {"en": "Hello!", "ar": "مرحبا"},
    "prechat": {
        "fields": [
            {"name": "email", "label": "Your address", "kind": "email", "required": True},
            {"name": "topic", "label": "About", "kind": "select", "options": ["Order", "Other"]},
        ],
        "consent": "You may write to me.",
    },
    "hours": {"timezone": "Europe/Berlin", "days": {"mon": [["09:00", "17:00"]]}},
}


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def made(desk: Desk, key: str, *, origins: list[str] | None = None, **settings: Any) -> str:
    """A site of the tenant, and its key."""
    await people.ensure_site(
        desk.application.ports.db,
        desk.clock,
        desk.tenant,
        name="Corner shop",
        public_key=key,
        secret=SITE_SECRET,
        origins=origins or ["https://shop.example"],
        settings={"bot": "scripted", **settings},
    )
    return key


async def told(desk: Desk, key: str = SITE_KEY, **headers: str) -> dict[str, Any]:
    answer = await desk.http.get(f"/sites/{key}", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def is_so(asked: Awaitable[Any], expected: Any) -> bool:
    return bool(await asked == expected)


async def test_a_page_is_told_how_its_site_wants_the_widget(desk: Desk) -> None:
    """As it was written, with what follows from it; what was not written has its usual value."""
    page = await told(desk, await made(desk, "corner-shop", **_WRITTEN), **SHOP)
    live = {name: page.pop(name) for name in ("open", "opens_at", "people", "people_here", "wait_s")}
    assert page == {
        "name": "Corner shop",
        "assistant": {"name": "Assistant"},
        "languages": ["en", "ar"],
        "theme": {"color": "#0b5d3b", "on_color": "#ffffff", "glyph": "#ffffff"},
        "launcher": {"side": "left", "label": "<b>Help</b>"},
        "greeting": {"en": "Hello!", "ar": "مرحبا"},
        "choice": True,
        "prechat": {
            "fields": [
                {"name": "email", "label": "Your address", "kind": "email", "required": True},
                {
                    "name": "topic",
                    "label": "About",
                    "kind": "select",
                    "options": ["Order", "Other"],
                    "required": False,
                },
            ],
            "consent": "You may write to me.",
        },
        "offline_form": True,
    }
    assert live["open"] is (live["opens_at"] is None)
    plain = await told(desk)
    assert (plain["languages"], plain["greeting"], plain["prechat"]) == (["en"], {}, {"fields": [], "consent": None})
    assert plain["theme"] == {"color": None, "on_color": None, "glyph": None}
    assert (plain["open"], plain["opens_at"]) == (True, None)


async def test_a_page_that_is_not_the_sites_is_told_what_a_key_of_no_site_is_told(desk: Desk) -> None:
    own = desk.application.settings.server.public_url
    for headers in (SHOP, {"Origin": own}, {}):
        assert (await desk.http.get(f"/sites/{SITE_KEY}", headers=headers)).status_code == 200
    foreign = await desk.http.get(f"/sites/{SITE_KEY}", headers=EVIL)
    for key in ("no-such-site", "%00", "a%00b", "x" * 300):
        unknown = await desk.http.get(f"/sites/{key}", headers=EVIL)
        assert unknown.status_code == foreign.status_code == 404
        assert unknown.content == foreign.content
        dates = {"date"}
        assert {k: v for k, v in unknown.headers.items() if k not in dates} == {
            k: v for k, v in foreign.headers.items() if k not in dates
        }
    assert foreign.headers["Cache-Control"] == "no-store" and "ETag" not in foreign.headers
    # The page may read that much, to say why it shows no widget; of anything else it is shown nothing.
    assert foreign.headers["Access-Control-Allow-Origin"] == "*"
    for path in ("/auth/visitors", "/me", f"/sites/{SITE_KEY}/more"):
        assert "Access-Control-Allow-Origin" not in (await desk.http.get(path, headers=EVIL)).headers


async def test_a_page_is_told_no_secret_no_address_and_no_list_of_origins(desk: Desk) -> None:
    ana = await desk.agent("Ana")
    async with ana.line():
        desk.clock.advance(31)
        text = (await desk.http.get(f"/sites/{SITE_KEY}", headers=SHOP)).text
    assert "Ana" in text
    for private in (ana.email, ana.id, SITE_SECRET, "shop.example", desk.tenant, "@"):
        assert private not in text


async def test_an_answer_one_has_is_not_sent_again(desk: Desk) -> None:
    first = await desk.http.get(f"/sites/{SITE_KEY}", headers=SHOP)
    assert first.headers["Cache-Control"] == "public, max-age=10"
    assert first.headers["Access-Control-Allow-Origin"] == SHOP["Origin"] and "Origin" in first.headers["Vary"]
    again = await desk.http.get(f"/sites/{SITE_KEY}", headers={**SHOP, "If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304 and again.content == b""
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == "public, max-age=10"
    other = await desk.http.get(f"/sites/{SITE_KEY}", headers={**SHOP, "If-None-Match": '"else"'})
    assert other.status_code == 200


async def test_people_are_here_while_somebody_of_the_team_is_online_and_accepts(desk: Desk) -> None:
    """Their names and how long it may take; at most three, and nobody of another team."""

    async def here() -> tuple[bool, list[str], Any]:
        desk.application.edge.sites.forget()
        page = await told(desk)
        assert (page["wait_s"] is None) is (not page["people_here"])
        return page["people_here"], [face["name"] for face in page["people"]], page["wait_s"]

    async def nobody() -> None:
        """As soon as the server has noticed that a socket is gone."""
        await desk.until(lambda: is_so(here(), (False, [], None)))

    async def these(*names: str) -> None:
        """As soon as the server has noticed who came and who is gone."""

        async def named() -> list[str]:
            return (await here())[1]

        await desk.until(lambda: is_so(named(), list(names)))

    await nobody()
    staff = [await desk.agent(name) for name in ("Dan", "Ana", "Cem", "Bea")]
    bill = await desk.agent("Bill", teams=("billing",))
    async with bill.line():
        await nobody()
    async with staff[0].line():
        await these("Dan")
        async with staff[1].line(), staff[2].line(), staff[3].line():
            await these("Ana", "Bea", "Cem")
        await these("Dan")
        waiting = await desk.visitor()
        room = await waiting.conversation()
        before = (await here())[2]
        await waiting.post(f"/rooms/{room}/escalate")
        low, high = (await here())[2]
        own = (await waiting.get(f"/rooms/{room}/case")).json()
        assert own["position"] == 1 and own["wait"] == before, "the estimate is the one the visitor is given"
        assert high > before[1] and low > before[0], "whoever comes next waits behind"
        for said in ({"status": "away"}, {"status": "busy"}, {"status": "online", "accepting": False}):
            await staff[0].call("PUT", "/agents/me/availability", json=said)
            await nobody()
        await staff[0].call("PUT", "/agents/me/availability", json={"status": "online"})
        await these("Dan")
        dan = await people.user(desk.application.ports.db, desk.tenant, staff[0].id)
        assert dan is not None
        await people.change_user(desk.application.ports.db, desk.clock, dan, disabled=True)
        assert await here() == (False, [], None), "whoever may not log in takes nobody, whatever sockets say"
    await nobody()


async def test_the_first_who_comes_is_seen_soon(desk: Desk) -> None:
    """That somebody is here is known for ten seconds, that nobody is for one."""
    early = await desk.agent("Early")

    async def here_after(seconds: float) -> bool:
        desk.clock.advance(seconds)
        return bool((await told(desk))["people_here"])

    async def takes() -> bool:
        ports = desk.application.ports
        return bool(await agents.taking(ports, desk.tenant, ports.settings.support.default_team))

    assert not await here_after(11)
    async with early.line():
        await desk.until(takes)
        assert not await here_after(0.5)
        assert await here_after(0.6)
    await desk.until(lambda: is_so(takes(), False))
    assert await here_after(9)
    assert not await here_after(2)


async def test_however_many_ask_the_store_is_asked_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And while it is away, what was known last goes on."""
    asked = 0
    usual = people.site_by_key

    async def counted(db: Database, key: str) -> Any:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.2)
        return await usual(db, key)

    async def away(db: Database, key: str) -> Any:
        raise StoreUnavailable("away")

    key = await made(desk, "busy-shop")
    monkeypatch.setattr(people, "site_by_key", counted)
    looked = 0
    members = people.members_of_team

    async def looking(db: Database, tenant: TenantId, team: str) -> Any:
        nonlocal looked
        looked += 1
        return await members(db, tenant, team)

    monkeypatch.setattr(people, "members_of_team", looking)
    desk.clock.advance(11)
    await asyncio.gather(*(told(desk, key) for _ in range(20)))
    await told(desk, key)
    assert (asked, looked) == (1, 1)
    desk.clock.advance(11)
    await told(desk, key)
    assert (asked, looked) == (1, 2), "who is here is asked more often"
    desk.clock.advance(20)
    await told(desk, key)
    assert asked == 2, "a change made elsewhere is seen within 30 seconds"
    monkeypatch.setattr(people, "site_by_key", away)
    desk.clock.advance(31)
    assert (await told(desk, key))["name"] == "Corner shop"
    assert (await desk.http.get("/sites/another-shop")).status_code == 503
    monkeypatch.setattr(people, "site_by_key", usual)


async def test_a_network_that_asks_again_and_again_has_to_wait(sqlite_url: str) -> None:
    async with Desk.open(sqlite_url, limits={"site_reads_per_min_per_prefix": 3}) as desk:
        answers = [await desk.http.get(f"/sites/{key}") for key in (SITE_KEY, "a-guess", SITE_KEY, SITE_KEY)]
        assert [answer.status_code for answer in answers] == [200, 404, 200, 429]
        assert answers[-1].json()["error"]["retry_after_ms"] > 0


async def test_the_configuration_plants_a_site_once(sqlite_url: str) -> None:
    """What is there is left as it is, so that a restart takes nothing back."""
    first = settings_for(sqlite_url)
    site = first.tenants[0].sites[0]
    greeting = SiteSettings(greeting={"en": "Planted"})

    async def served(seed: SiteSeed) -> tuple[dict[str, Any], str]:
        tenant = msgspec.structs.replace(first.tenants[0], sites=(seed,))
        async with Desk.open(sqlite_url, settings=msgspec.structs.replace(first, tenants=(tenant,))) as desk:
            stored = await people.site_by_key(desk.application.ports.db, SITE_KEY)
            assert stored is not None
            return await told(desk), stored.secret

    page, secret = await served(msgspec.structs.replace(site, settings=greeting, secret=""))
    assert page["greeting"] == {"en": "Planted"} and len(secret) >= 32
    assert await served(msgspec.structs.replace(site, name="Else", secret="s" * 40)) == (page, secret)


# what a visitor says of themselves


async def says(person: Person, **body: Any) -> httpx.Response:
    return await person.call("PATCH", "/me", json=body)


async def test_a_visitor_says_who_they_are_and_it_stays_a_claim(desk: Desk) -> None:
    """A name is shown; an address and answers are kept as claimed, beside what was said before."""
    maya = await desk.visitor("Visitor", attributes={"page": "/cart", "plan": "free"})
    answer = await says(
        maya, name="  Maya <b>\n ", email="maya@home.example", attributes={"topic": "Order", "plan": None}
    )
    assert answer.status_code == 200
    assert answer.json()["user"] == {**maya.user, "name": "Maya <b>"}
    assert answer.json()["attributes"] == {"claimed": {"page": "/cart", "topic": "Order", "email": "maya@home.example"}}
    assert (await maya.get("/me")).json() == answer.json()
    user = await people.user(desk.application.ports.db, desk.tenant, maya.id)
    assert user is not None and user.email is None, "an address that nobody has checked is nobody's address"
    assert (await says(maya)).json() == answer.json(), "what is left out stays"


async def test_a_visitor_makes_themselves_nothing_else(desk: Desk) -> None:
    maya = await desk.visitor()
    for body in (
        *({name: "x"} for name in ("role", "kind", "id", "tenant", "site", "disabled", "password", "external_id")),
        *({"name": name} for name in ("", "  ", "x" * 201, 7, "a\x00b")),
        *({"email": email} for email in ("", "nobody", "a@b@c", "a b@c")),
        {"attributes": []},
    ):
        assert (await says(maya, **body)).status_code == 422, body
    assert (await says(maya, attributes={"role": "admin", "claimed": {"x": 1}})).status_code == 200
    me = (await maya.get("/me")).json()
    assert me["role"] == "" and me["attributes"] == {"claimed": {"role": "admin", "claimed": {"x": 1}}}
    assert (await says(maya, attributes={"a": "x" * 5000})).status_code == 200
    assert (await says(maya, attributes={"b": "x" * 5000})).status_code == 413, "8 KiB in all, however it comes"
    for other in (await desk.member("Tom"), await desk.agent("Ana")):
        assert (await says(other, name="Somebody else")).status_code == 403


async def test_whom_a_site_has_vouched_for_keeps_the_name_it_gave(desk: Desk) -> None:
    claims = {"sub": "customer-1", "name": "Zoe", "exp": desk.clock.now_us() // 1_000_000 + 600}
    zoe = await desk.visitor(identity=jwt.encode(claims, SITE_SECRET, algorithm="HS256"))
    me = (await says(zoe, name="The manager", email="boss@shop.example")).json()
    assert me["user"]["name"] == "Zoe"
    assert me["attributes"]["claimed"] == {"name": "The manager", "email": "boss@shop.example"}


async def test_colleagues_of_two_tabs_lose_no_answer(desk: Desk) -> None:
    """What is said at the same moment is all kept."""
    maya = await desk.visitor()
    answers = await asyncio.gather(*(says(maya, attributes={f"answer_{n}": n}) for n in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    claimed = (await maya.get("/me")).json()["attributes"]["claimed"]
    assert claimed == {f"answer_{n}": n for n in range(6)}


async def test_a_visitor_speaks_under_their_new_name_at_once(desk: Desk) -> None:
    """Also over a socket that was open before, so that an agent reads who writes."""
    maya, ana = await desk.visitor("Visitor"), await desk.agent("Ana")
    room = await maya.conversation()
    await maya.post(f"/rooms/{room}/escalate")
    async with maya.line() as own, ana.line() as line:
        await own.subscribe(room)
        await line.subscribe(room)
        assert (await says(maya, name="Maya")).status_code == 200
        await own.says(room, "Hello?")
        heard = await line.hears(room, "Hello?")
        assert heard["message"]["sender"]["name"] == "Maya"
        assert not [frame for frame in own.frames if frame["type"] == "named"]
    assert UserId(heard["message"]["sender"]["id"]) == maya.id


async def test_saying_it_again_and_again_is_slowed_down(desk: Desk) -> None:
    maya = await desk.visitor()
    statuses = [(await says(maya, name="Maya")).status_code for _ in range(12)]
    assert statuses[:10] == [200] * 10 and 429 in statuses
