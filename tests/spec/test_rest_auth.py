"""Getting in over REST: visitors, people with passwords, tokens renewed and ended, tickets."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import jwt
import pytest
from websockets.asyncio.client import connect

from deskbell.store import people
from deskbell.testing.desk import PASSWORD, SITE_KEY, SITE_SECRET, Desk, Line


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


def identity(desk: Desk, secret: str = SITE_SECRET, *, expires_in_s: int = 600, **claims: Any) -> str:
    now_s = desk.clock.now_us() // 1_000_000
    return jwt.encode({"sub": "customer-7", "exp": now_s + expires_in_s, **claims}, secret, algorithm="HS256")


async def test_a_visitor_gets_in_with_the_sites_key_alone(desk: Desk) -> None:
    """The widget knows nothing but the public key; each anonymous visitor is somebody new."""
    answer = await desk.http.post("/auth/visitors", json={"site_key": SITE_KEY, "name": "Maya"})
    assert answer.status_code == 201
    session = answer.json()
    assert session["user"]["kind"] == "visitor" and session["user"]["name"] == "Maya"
    assert session["token_type"] == "Bearer" and session["expires_in"] == 900 and session["role"] == ""

    me = await desk.http.get("/me", headers={"Authorization": f"Bearer {session['access_token']}"})
    assert me.json()["user"] == session["user"] and me.json()["tenant"] == session["tenant"]
    assert me.json()["tenant_name"] == "Test"

    again = await desk.http.post("/auth/visitors", json={"site_key": SITE_KEY})
    assert again.json()["user"]["id"] != session["user"]["id"]
    assert (await desk.http.post("/auth/visitors", json={"site_key": "no-such-site"})).status_code == 404


async def test_whom_the_site_vouches_for_is_the_same_visitor_every_time(desk: Desk) -> None:
    """A signed identity is believed; one signed by somebody else, or over, or too long, is not."""

    async def arrive(token: str) -> Any:
        return await desk.http.post("/auth/visitors", json={"site_key": SITE_KEY, "identity": token})

    first, second = await arrive(identity(desk, name="Zoe")), await arrive(identity(desk, name="Zoe"))
    assert first.status_code == second.status_code == 201
    assert first.json()["user"]["id"] == second.json()["user"]["id"]
    assert first.json()["user"]["name"] == "Zoe"
    for forged in (
        identity(desk, "another secret, also long enough to sign with it 01234"),
        identity(desk, expires_in_s=-60),
        identity(desk, expires_in_s=90_000),
        jwt.encode({"sub": "customer-7", "exp": 9_999_999_999}, "", algorithm="none"),
    ):
        assert (await arrive(forged)).status_code == 401


async def test_a_page_that_is_not_the_sites_gets_no_visitor(desk: Desk) -> None:
    """A copied key is of no use on another origin; our own pages may use it."""
    body = {"site_key": SITE_KEY}
    own = desk.application.settings.server.public_url
    for origin, status in (("https://shop.example", 201), ("https://evil.example", 404), (own, 201)):
        answer = await desk.http.post("/auth/visitors", json=body, headers={"Origin": origin})
        assert answer.status_code == status, origin


async def test_a_visitor_cannot_make_themselves_somebody_else(desk: Desk) -> None:
    """Nothing can be slipped in beside what the route takes."""
    for extra in ({"kind": "agent"}, {"role": "admin"}, {"id": "x"}, {"tenant_id": "x"}, {"email": "a@b"}):
        answer = await desk.http.post("/auth/visitors", json={"site_key": SITE_KEY, **extra})
        assert answer.status_code == 422
        assert answer.json()["error"]["details"] == {"path": next(iter(extra)), "where": "body"}
    answer = await desk.http.post(
        "/auth/visitors", json={"site_key": SITE_KEY, "attributes": {"role": "admin", "kind": "agent"}}
    )
    session = answer.json()
    assert session["user"]["kind"] == "visitor" and session["role"] == ""
    me = await desk.http.get("/me", headers={"Authorization": f"Bearer {session['access_token']}"})
    assert me.json()["role"] == "" and me.json()["attributes"] == {"claimed": {"role": "admin", "kind": "agent"}}
    large = {"site_key": SITE_KEY, "attributes": {"page": "x" * 9000}}
    assert (await desk.http.post("/auth/visitors", json=large)).status_code == 413


async def test_a_wrong_password_and_an_unknown_address_are_told_apart_by_nobody(desk: Desk) -> None:
    ana = await desk.agent()
    wrong = await desk.http.post("/auth/login", json={"email": ana.email, "password": "guess"})
    unknown = await desk.http.post("/auth/login", json={"email": "nobody@example.org", "password": "guess"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    elsewhere = {"email": ana.email, "password": PASSWORD, "tenant": "no-such-tenant"}
    assert (await desk.http.post("/auth/login", json=elsewhere)).status_code == 401
    here = await desk.http.post("/auth/login", json={**elsewhere, "tenant": "default"})
    assert here.status_code == 200 and here.json()["role"] == "agent"


async def test_guessing_a_password_is_slowed_down(sqlite_url: str) -> None:
    """After the allowed attempts the answer is 429, with a time to wait, for the right password too."""
    async with Desk.open(sqlite_url, limits={"login_attempts_per_min": 3}) as desk:
        body = {"email": "ana@example.org", "password": "guess"}
        answers = [await desk.http.post("/auth/login", json=body) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        error = answers[-1].json()["error"]
        assert error["code"] == "rate_limited" and error["temporary"] is True and error["retry_after_ms"] > 0
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


async def test_a_refresh_token_works_once(desk: Desk) -> None:
    """Each renewal gives a new pair."""
    maya = await desk.visitor()
    answer = await desk.http.post("/auth/refresh", json={"refresh_token": maya.refresh_token})
    assert answer.status_code == 200
    renewed = answer.json()
    assert renewed["user"] == maya.user and renewed["refresh_token"] != maya.refresh_token
    me = await desk.http.get("/me", headers={"Authorization": f"Bearer {renewed['access_token']}"})
    assert me.status_code == 200
    assert (await desk.http.post("/auth/refresh", json={"refresh_token": "nonsense"})).status_code == 401


async def renew(desk: Desk, refresh_token: str) -> httpx.Response:
    return await desk.http.post("/auth/refresh", json={"refresh_token": refresh_token})


async def test_a_stolen_refresh_token_ends_the_login_it_was_stolen_from(desk: Desk) -> None:
    """When a token comes again after its successor was used, neither of the two stays in."""
    maya = await desk.visitor()
    successor = (await renew(desk, maya.refresh_token)).json()["refresh_token"]
    present = (await renew(desk, successor)).json()["refresh_token"]
    thief = await renew(desk, maya.refresh_token)
    assert thief.status_code == 401 and thief.json()["error"]["code"] == "revoked"
    assert (await renew(desk, present)).status_code == 401


async def test_a_refresh_token_that_comes_again_late_ends_the_login(desk: Desk) -> None:
    maya = await desk.visitor()
    successor = (await renew(desk, maya.refresh_token)).json()["refresh_token"]
    desk.clock.advance(31)
    assert (await renew(desk, maya.refresh_token)).status_code == 401
    assert (await renew(desk, successor)).status_code == 401


async def test_a_lost_answer_does_not_end_a_login(desk: Desk) -> None:
    """Who never got the new pair asks again with the old token; the pair that got lost is worthless then."""
    maya = await desk.visitor()
    lost = (await renew(desk, maya.refresh_token)).json()["refresh_token"]
    again = await renew(desk, maya.refresh_token)
    assert again.status_code == 200
    assert (await renew(desk, lost)).status_code == 401
    assert (await renew(desk, again.json()["refresh_token"])).status_code == 200


async def test_who_looked_at_the_clock_before_the_first_use_is_revoked_like_any_other(desk: Desk) -> None:
    """Of several that renew with one token only the last pair is good, in whatever order they read the time."""
    maya, db = await desk.visitor(), desk.application.ports.db
    row = await db.fetchrow("SELECT token_hash FROM refresh_tokens WHERE user_id = $1", maya.id)
    assert row is not None
    token = await people.refresh_token(db, row["token_hash"])
    assert token is not None
    now_us = token.created_at + 1_000_000
    for name, at in (("first", now_us), ("earlier", now_us - 500_000), ("last", now_us + 1)):
        assert await people.renew(
            db, token, token_hash=f"{maya.id}{name}", now_us=at, expires_us=at + 10**12, grace_us=30_000_000
        )
    good = await db.fetch(
        "SELECT token_hash FROM refresh_tokens WHERE user_id = $1 AND NOT revoked AND used_at IS NULL", maya.id
    )
    assert [found["token_hash"] for found in good] == [f"{maya.id}last"]


async def test_of_two_that_renew_with_one_token_at_once_not_both_stay_in(desk: Desk) -> None:
    maya = await desk.visitor()
    answers = await asyncio.gather(*(renew(desk, maya.refresh_token) for _ in range(5)))
    pairs = [answer.json()["refresh_token"] for answer in answers if answer.status_code == 200]
    assert [(await renew(desk, pair)).status_code for pair in pairs].count(200) == 1


async def test_a_token_that_is_over_says_so(desk: Desk) -> None:
    """A client can tell from the code that renewing helps."""
    maya = await desk.visitor()
    desk.clock.advance(1000)
    answer = await maya.get("/me")
    assert answer.status_code == 401 and answer.json()["error"]["code"] == "token_expired"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await desk.http.post("/auth/refresh", json={"refresh_token": maya.refresh_token})).status_code == 200
    desk.clock.advance(40 * 86_400)
    assert (await desk.http.post("/auth/refresh", json={"refresh_token": maya.refresh_token})).status_code == 401


async def test_a_token_of_somebody_elses_making_is_nobodys(desk: Desk) -> None:
    maya = await desk.visitor()
    claims = jwt.decode(maya.token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(maya.token)["kid"]
    head = {"kid": kid, "typ": "at+jwt"}
    forged = [
        jwt.encode(claims, "x" * 40, algorithm="HS256", headers=head),
        jwt.encode(claims, "", algorithm="none", headers=head),
        maya.token[:-4] + "AAAA",
        maya.refresh_token,
        "a.b.c",
    ]
    for token in forged:
        answer = await desk.http.get("/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, token
    assert (await desk.http.get("/me", headers={"Authorization": f"Basic {maya.token}"})).status_code == 401
    assert (await desk.http.get("/me")).status_code == 401
    assert (await desk.http.get("/me", params={"token": maya.token})).status_code == 401


async def test_logging_out_ends_this_login_and_no_other(desk: Desk) -> None:
    ana = await desk.agent()
    other = (await desk.http.post("/auth/login", json={"email": ana.email, "password": PASSWORD})).json()
    assert (await ana.post("/auth/logout", {"refresh_token": ana.refresh_token})).json() == {"ok": True}
    assert (await desk.http.post("/auth/refresh", json={"refresh_token": ana.refresh_token})).status_code == 401
    assert (await desk.http.post("/auth/refresh", json={"refresh_token": other["refresh_token"]})).status_code == 200


async def test_logging_out_everywhere_ends_all_tokens_at_once(desk: Desk) -> None:
    ana = await desk.agent()
    other = (await desk.http.post("/auth/login", json={"email": ana.email, "password": PASSWORD})).json()
    assert (await ana.post("/auth/logout", {"everywhere": True})).status_code == 200
    answer = await ana.get("/me")
    assert answer.status_code == 401 and answer.json()["error"]["code"] == "revoked"
    assert (await desk.http.post("/auth/refresh", json={"refresh_token": other["refresh_token"]})).status_code == 401


async def test_somebody_who_was_disabled_is_out(desk: Desk) -> None:
    ana = await desk.agent()
    ports = desk.application.ports
    user = await people.user(ports.db, desk.tenant, ana.id)
    assert user is not None
    await people.change_user(ports.db, ports.clock, user, disabled=True)
    assert (await ana.get("/me")).status_code == 401
    assert (await desk.http.post("/auth/login", json={"email": ana.email, "password": PASSWORD})).status_code == 401
    assert (await desk.http.post("/auth/refresh", json={"refresh_token": ana.refresh_token})).status_code == 401


async def test_a_ticket_opens_one_socket_from_the_page_that_asked(desk: Desk) -> None:
    """Used once, from its own origin, within half a minute; a ticket that leaks is of no use."""
    maya = await desk.visitor()
    shop = {"Origin": "https://shop.example"}

    async def ticket() -> str:
        answer = await maya.post("/ws-tickets", headers=shop)
        assert answer.status_code == 201 and answer.json()["expires_in"] == 30
        return str(answer.json()["ticket"])

    async def enter(name: str, **headers: str) -> dict[str, Any]:
        address = f"{desk.url.replace('http', 'ws', 1)}/api/v1/ws?ticket={name}"
        line = Line(await connect(address, compression=None, proxy=None, additional_headers=headers))
        desk.lines.append(line)
        return await line.find(lambda frame: frame["type"] in ("welcome", "error"))

    name = await ticket()
    assert (await enter(name, Origin="https://shop.example"))["type"] == "welcome"
    assert (await enter(name, Origin="https://shop.example"))["type"] == "error"
    assert (await enter(await ticket()))["type"] == "error"
    name = await ticket()
    desk.clock.advance(31)
    assert (await enter(name, Origin="https://shop.example"))["type"] == "error"


@pytest.mark.parametrize("path", ["/me", "/rooms", "/unread", "/channel-types", "/cases", "/teams", "/plugins"])
async def test_without_a_token_nothing_is_told(desk: Desk, path: str) -> None:
    answer = await desk.http.get(path)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthenticated"
