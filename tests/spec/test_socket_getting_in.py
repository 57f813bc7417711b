"""Who gets in at the socket, who does not and what they are told, and when those who are in must go."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import jwt
import msgspec
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from deskbell.actions import people as people_actions
from deskbell.config import Settings
from deskbell.hub.reader import SHARED_PAGE_S
from deskbell.store import people
from deskbell.store.database import StoreUnavailable
from deskbell.testing.desk import PASSWORD, SECRET, Desk, Line, Person
from deskbell.tokens import Tokens
from deskbell.wire.close_codes import CloseCode

SHOP = "https://shop.example"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    path = tmp_path_factory.mktemp("desk") / "desk.sqlite3"
    async with Desk.open(
        f"sqlite:///{path}",
        server={"auth_timeout_s": 1.5, "heartbeat_s": 0.2, "silence_s": 0.7},
        bus={"tip_poll_s": 0.2},
        limits={"unauthenticated_sockets_per_prefix": 5, "connections_per_user": 3, "connections_per_agent": 4},
    ) as desk:
        yield desk


async def knock(desk: Desk, query: str = "", *, origin: str | None = None, **headers: str) -> Line:
    """A socket that has not said who it is, or says it in the address."""
    if origin is not None:
        headers["Origin"] = origin
    address = f"{desk.url.replace('http', 'ws', 1)}/api/v1/ws{query}"
    line = Line(await connect(address, compression=None, proxy=None, additional_headers=headers))
    desk.lines.append(line)
    return line


async def ticket(person: Person, origin: str | None = None) -> str:
    answer = await person.post("/ws-tickets", headers={} if origin is None else {"Origin": origin})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


async def turned_away(line: Line, code: str, close: int) -> dict[str, Any]:
    """The line is told why, once, and closed; it was never welcome."""
    assert await line.wait_closed() == close
    told = [frame for frame in line.frames if frame["type"] != "ping"]
    assert [frame["type"] for frame in told] == ["error"], told
    assert told[0]["code"] == code
    return told[0]


# ways in


async def test_a_ticket_opens_the_socket_once(desk: Desk) -> None:
    ana = await desk.member()
    one = await ticket(ana)
    line = await knock(desk, f"?ticket={one}")
    assert (await line.wait("welcome"))["user"]["id"] == ana.id
    await turned_away(await knock(desk, f"?ticket={one}"), "unauthenticated", 4500)
    await line.close()


async def test_two_sockets_that_race_with_one_ticket_are_one(desk: Desk) -> None:
    ana = await desk.member()
    one = await ticket(ana)
    lines = await asyncio.gather(*(knock(desk, f"?ticket={one}") for _ in range(4)))
    await desk.until(lambda: all(line.frames for line in lines))
    assert sorted(line.frames[0]["type"] for line in lines) == ["error", "error", "error", "welcome"]
    for line in lines:
        await line.close()


async def test_a_ticket_lasts_thirty_seconds(desk: Desk) -> None:
    ana = await desk.member()
    in_time, too_late = await ticket(ana), await ticket(ana)
    desk.clock.advance(29)
    line = await knock(desk, f"?ticket={in_time}")
    await line.wait("welcome")
    desk.clock.advance(2)
    await turned_away(await knock(desk, f"?ticket={too_late}"), "unauthenticated", 4500)
    await line.close()


@pytest.mark.parametrize(("asked_from", "used_from"), [(SHOP, None), (None, SHOP)])
async def test_a_ticket_is_for_the_page_it_was_asked_from(
    desk: Desk, asked_from: str | None, used_from: str | None
) -> None:
    ana = await desk.member()
    one = await ticket(ana, asked_from)
    await turned_away(await knock(desk, f"?ticket={one}", origin=used_from), "unauthenticated", 4500)
    line = await knock(desk, f"?ticket={await ticket(ana, SHOP)}", origin=SHOP)
    await line.wait("welcome")
    await line.close()


async def test_a_ticket_is_worth_nothing_after_a_logout_everywhere(desk: Desk) -> None:
    ana = await desk.member()
    one = await ticket(ana)
    await ana.post("/auth/logout", {"refresh_token": ana.refresh_token, "everywhere": True})
    await turned_away(await knock(desk, f"?ticket={one}"), "revoked", 4503)


async def test_a_first_frame_opens_the_socket(desk: Desk) -> None:
    ana = await desk.member()
    line = await knock(desk)
    welcome = await line.ask({"type": "auth", "token": ana.token})
    assert (welcome["type"], welcome["user"]["id"], welcome["tenant"]) == ("welcome", ana.id, desk.tenant)
    await line.close()


@pytest.mark.parametrize("name", ["token", "access_token", "TOKEN", "%74oken"])
async def test_a_token_in_the_address_opens_the_socket(desk: Desk, name: str) -> None:
    ana = await desk.member()
    line = await knock(desk, f"?theme=dark&{name}={ana.token}")
    assert (await line.wait("welcome"))["user"]["id"] == ana.id
    await line.close()


# turned away


async def test_who_says_nothing_is_closed(desk: Desk) -> None:
    line = await knock(desk)
    error = await turned_away(line, "unauthenticated", 4502)
    assert "1.5 s" in error["message"]
    assert Settings().server.auth_timeout_s == 5.0


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('{"type":"ping","ref":"r"}', "unauthenticated"),
        ('{"type":"subscribe","rooms":[{"id":"x"}],"ref":"r"}', "unauthenticated"),
        ('{"type":"auth","ref":"r"}', "invalid"),
        ('{"type":"auth","token":7,"ref":"r"}', "invalid"),
        ('{"type":"fly","ref":"r"}', "unknown_type"),
    ],
)
async def test_a_first_frame_that_is_not_auth_is_an_error_in_the_protocol(desk: Desk, frame: str, code: str) -> None:
    line = await knock(desk)
    await line.send(frame)
    assert (await turned_away(line, code, 4501))["ref"] == "r"


@pytest.mark.parametrize("frame", ["", "nonsense", b"", b'{"type":"auth","token":"x"}', "[" * 50_000])
async def test_a_first_frame_that_is_no_frame_at_all(desk: Desk, frame: str | bytes) -> None:
    line = await knock(desk)
    await line.send(frame)
    assert await line.wait_closed() == 4501


def _signed(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256", **header: Any) -> str:
    return jwt.encode(claims, secret, algorithm=algorithm, headers=header or None)


async def _bad_tokens(desk: Desk, ana: Person) -> dict[str, str]:
    claims = jwt.decode(ana.token, options={"verify_signature": False})
    header = jwt.get_unverified_header(ana.token)
    head, body, signature = ana.token.split(".")
    unsigned = base64.urlsafe_b64encode(json.dumps({**header, "alg": "none"}).encode()).rstrip(b"=").decode()
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "role": "admin"}).encode()).rstrip(b"=").decode()
    kid = {"kid": header["kid"]} if "kid" in header else {}
    return {
        "nonsense": "nonsense",
        "empty parts": "..",
        "another secret": _signed(claims, "another secret, long enough to be one 0123456789", **kid),
        "no signature": f"{unsigned}.{body}.",
        "changed claims": f"{head}.{forged}.{signature}",
        "another issuer": _signed({**claims, "iss": "elsewhere"}, **kid),
        "another audience": _signed({**claims, "aud": "elsewhere"}, **kid),
        "another kind of token": _signed({**claims, "typ": "refresh"}, **kid),
        "no end": _signed({key: value for key, value in claims.items() if key != "exp"}, **kid),
        "a refresh token": ana.refresh_token,
    }


async def test_a_bad_token_is_told_so_and_closed(desk: Desk) -> None:
    ana = await desk.member()
    for what, token in (await _bad_tokens(desk, ana)).items():
        line = await knock(desk, f"?token={token}")
        assert await line.wait_closed() == 4500, what
        assert [frame["code"] for frame in line.frames] == ["unauthenticated"], what
        by_frame = await knock(desk)
        await by_frame.send({"type": "auth", "token": token, "ref": "r"})
        assert (await turned_away(by_frame, "unauthenticated", 4500))["ref"] == "r", what


async def test_an_expired_token_says_that_another_one_will_do(desk: Desk) -> None:
    ana = await desk.member()
    desk.clock.advance(16 * 60)
    await turned_away(await knock(desk, f"?token={ana.token}"), "token_expired", 4004)


async def test_a_token_from_before_a_logout_everywhere_is_worth_nothing(desk: Desk) -> None:
    ana = await desk.member()
    await ana.post("/auth/logout", {"refresh_token": ana.refresh_token, "everywhere": True})
    await turned_away(await knock(desk, f"?token={ana.token}"), "revoked", 4503)


async def test_a_logout_closes_the_sockets_of_that_login_alone(desk: Desk) -> None:
    """However they came in, and also after the login was renewed."""
    ana = await desk.member()
    again = (await desk.http.post("/auth/login", json={"email": ana.email, "password": PASSWORD})).json()
    renewed = (await desk.http.post("/auth/refresh", json={"refresh_token": ana.refresh_token})).json()
    tickets = []
    for token in (renewed["access_token"], again["access_token"]):
        answer = await desk.http.post("/ws-tickets", json={}, headers={"Authorization": f"Bearer {token}"})
        tickets.append(answer.json()["ticket"])
    by_token = await knock(desk, f"?token={ana.token}")
    by_ticket = await knock(desk, f"?ticket={tickets[0]}")
    elsewhere = await knock(desk, f"?ticket={tickets[1]}")
    for line in (by_token, by_ticket, elsewhere):
        await line.wait("welcome")
    await desk.http.post("/auth/logout", json={"refresh_token": renewed["refresh_token"]})
    assert [await by_token.wait_closed(), await by_ticket.wait_closed()] == [4503, 4503]
    await elsewhere.ask({"type": "history", "room": await ana.group(), "limit": 1})


async def test_while_the_store_is_away_nobody_is_let_in_on_a_guess(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await desk.member()

    async def away(*args: Any) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(people, "known", away)
        error = await turned_away(await knock(desk, f"?token={ana.token}"), "unavailable", 4002)
    assert error["temporary"] is True
    assert error["retry_after_ms"] > 0


# origins


async def test_a_page_of_nobody_s_site_is_refused_before_the_upgrade(desk: Desk) -> None:
    ana = await desk.member()
    for origin in ("https://evil.example", "null", "http://shop.example", "https://shop.example.evil.example"):
        with pytest.raises(InvalidStatus) as refused:
            await knock(desk, f"?token={ana.token}", origin=origin)
        assert refused.value.response.status_code == 403


async def test_a_page_of_another_tenant_s_site_is_refused_after_the_login(desk: Desk) -> None:
    other = await desk.other_tenant("elsewhere")
    await people.ensure_site(
        desk.application.ports.db,
        desk.clock,
        other,
        name="Elsewhere",
        public_key="elsewhere",
        secret="x" * 40,
        origins=["https://elsewhere.example"],
        settings={},
    )
    ana = await desk.member()
    desk.application.edge._origins.clear()
    line = await knock(desk, f"?token={ana.token}", origin="https://elsewhere.example")
    await turned_away(line, "revoked", 4503)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 18, 33, 60])
async def test_what_is_said_before_the_welcome_is_all_answered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """A client that cannot wait sends everything it has at once; however much that is, none of it is lost."""
    ana = await desk.member("Ana")
    inside, may_go_on = asyncio.Event(), asyncio.Event()
    known = people_actions.authenticate

    async def slow(*args: Any) -> Any:
        inside.set()
        await may_go_on.wait()
        return await known(*args)

    monkeypatch.setattr(people_actions, "authenticate", slow)
    line = await knock(desk, f"?token={ana.token}")
    await inside.wait()
    for n in range(count):
        await line.send({"type": "ping", "ref": f"p{n}"})
    await asyncio.sleep(0.1)  # for the server to have read it all
    may_go_on.set()
    for n in range(count):
        assert (await line.find(lambda frame, ref=f"p{n}": frame.get("ref") == ref))["type"] == "pong"
    await line.close()


@pytest.mark.parametrize("origin", [SHOP, "HTTPS://Shop.Example", SHOP + "/", None])
async def test_a_page_of_one_s_own_site_and_what_is_no_page_get_in(desk: Desk, origin: str | None) -> None:
    ana = await desk.member()
    line = await knock(desk, f"?token={ana.token}", origin=origin)
    await line.wait("welcome")
    await line.close()


# how many


async def test_sockets_that_have_not_said_who_they_are_are_bounded_per_neighbourhood(desk: Desk) -> None:
    waiting = [await knock(desk) for _ in range(5)]
    with pytest.raises(InvalidStatus) as refused:
        await knock(desk)
    assert refused.value.response.status_code == 429
    ana = await desk.member()
    await waiting[0].ask({"type": "auth", "token": ana.token})
    await waiting[1].close()
    await desk.until(lambda: sum(desk.application.edge.arriving._counts.values()) == 3)
    more = [await knock(desk) for _ in range(2)]
    for line in [*waiting, *more]:
        await line.close()
    await desk.until(lambda: desk.application.edge.arriving._counts == {})


@pytest.mark.parametrize(("who", "cap"), [("member", 3), ("agent", 4)])
async def test_one_socket_too_many_closes_the_one_that_was_silent_longest(desk: Desk, who: str, cap: int) -> None:
    person = await (desk.member() if who == "member" else desk.agent())
    lines = [await person.connect() for _ in range(cap)]
    for index in [0, *range(2, cap)]:
        await lines[index].ask({"type": "ping"})
    silent = lines.pop(1)
    # The heartbeat's pong counts as a word, so the line is cut off from saying it.
    connections = desk.application.edge.hub.connections_of(desk.tenant, person.id)
    for connection in connections:
        connection.heard_at += 0.0 if connection.id == silent.frames[0]["connection"] else 100.0
    newest = await person.connect()
    assert await silent.wait_closed() == CloseCode.TOO_MANY_CONNECTIONS
    for line in [*lines, newest]:
        await line.ask({"type": "ping"})
    assert len(desk.application.edge.hub.connections_of(desk.tenant, person.id)) == cap
    for line in [*lines, newest]:
        await line.close()


# having to go


async def test_a_socket_ends_with_its_token_unless_it_is_given_a_new_one(desk: Desk) -> None:
    ana, tom = await desk.member("Ana"), await desk.member("Tom")
    a, t = await ana.connect(), await tom.connect()
    desk.clock.advance(600)
    answer = await tom.post("/auth/refresh", {"refresh_token": tom.refresh_token})
    fresh = answer.json()["access_token"]
    assert (await t.ask({"type": "refresh", "token": fresh}))["type"] == "ok"
    desk.clock.advance(600)
    assert await a.wait_closed() == CloseCode.TOKEN_EXPIRED
    await asyncio.sleep(0.5)
    await t.ask({"type": "ping"})
    await t.close()


async def test_a_logout_everywhere_closes_every_open_socket_within_five_seconds(desk: Desk) -> None:
    ana, tom = await desk.member("Ana"), await desk.member("Tom")
    lines = [await ana.connect() for _ in range(2)]
    other = await tom.connect()
    await ana.post("/auth/logout", {"refresh_token": ana.refresh_token, "everywhere": True})
    for line in lines:
        assert await line.wait_closed() == CloseCode.REVOKED
    await other.ask({"type": "ping"})
    assert Settings().bus.tip_poll_s <= 5
    await other.close()


async def test_a_disabled_user_is_closed(desk: Desk) -> None:
    ana = await desk.member()
    line = await ana.connect()
    ports = desk.application.ports
    user = await people.user(ports.db, desk.tenant, ana.id)
    assert user is not None
    await people.change_user(ports.db, desk.clock, user, disabled=True)
    assert await line.wait_closed() == CloseCode.REVOKED
    await turned_away(await knock(desk, f"?token={ana.token}"), "revoked", 4503)


async def test_a_silent_socket_is_closed_and_one_that_answers_pings_is_not(desk: Desk) -> None:
    ana = await desk.member()
    talking = await ana.connect()
    address = f"{desk.url.replace('http', 'ws', 1)}/api/v1/ws?token={ana.token}"
    async with connect(address, compression=None, proxy=None) as silent:
        types = []
        with pytest.raises(ConnectionClosedError):
            while True:
                types.append(msgspec.json.decode(await silent.recv())["type"])
        assert silent.close_code == CloseCode.NO_HEARTBEAT
    assert types[0] == "welcome"
    assert types.count("ping") >= 2
    await talking.ask({"type": "ping"})
    assert (Settings().server.heartbeat_s, Settings().server.silence_s) == (30, 120)
    await talking.close()


async def test_a_draining_instance_takes_nobody_new_and_sends_all_elsewhere(empty_sqlite_url: str) -> None:
    async with Desk.open(empty_sqlite_url) as desk:
        people_here = [await desk.member(f"P{n}") for n in range(20)]
        lines = [await person.connect() for person in people_here]
        room = await people_here[0].group(people_here[1])
        await lines[0].subscribe(room)
        sending = [asyncio.create_task(lines[0].says(room, f"{n}")) for n in range(10)]
        await asyncio.sleep(0)
        await desk.application.drain()
        assert [(await send)["seq"] for send in sending], "what was sent is stored, and said so"
        waits = [(await line.wait("drain"))["reconnect_in_ms"] for line in lines]
        assert len(set(waits)) > 10, "each at a moment of its own"
        assert {await line.wait_closed() for line in lines} == {CloseCode.DRAIN}
        with pytest.raises(InvalidStatus) as refused:
            await knock(desk, f"?token={people_here[0].token}")
        assert refused.value.response.status_code == 503


# what is written down


async def test_no_token_and_no_ticket_is_ever_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not at the most talkative level, not for who gets in and not for who is turned away."""
    ana = await desk.member()
    secrets = [ana.token, ana.refresh_token, await ticket(ana), *(await _bad_tokens(desk, ana)).values()]
    secrets = [secret for secret in secrets if len(secret) > 20]
    with caplog.at_level(logging.DEBUG):
        for secret in secrets:
            for query in (f"?token={secret}", f"?ticket={secret}", f"?x=1&%54oken={secret}"):
                line = await knock(desk, query)
                await desk.until(lambda line=line: line.frames)
                await line.close()
            line = await knock(desk)
            await line.send({"type": "auth", "token": secret})
            await desk.until(lambda line=line: line.frames)
            await line.close()
        with pytest.raises(InvalidStatus):
            await knock(desk, f"?token={ana.token}", origin="https://evil.example")
        line = await ana.connect()
        await line.ask({"type": "refresh", "token": secrets[-1]})
        await line.send(f'{{"type":"refresh","token":"{ana.token}"')
        await line.ask({"type": "ping"})
        await line.close()
    # What the test's own client and the HTTP client note of themselves is not the server's.
    own = [
        record for record in caplog.records if not record.name.startswith(("websockets.client", "httpx", "httpcore"))
    ]
    written = "\n".join(record.getMessage() for record in own) + "".join(capfd.readouterr())
    assert "/api/v1/ws" in written, "the server does write its access log"
    for secret in secrets:
        signature = secret.rsplit(".", 1)[-1] or secret
        assert secret not in written
        assert signature not in written


async def test_nobody_is_left_when_all_have_gone(desk: Desk) -> None:
    """After everything above, the hub is empty: no stream, no person, no task."""
    for line in desk.lines:
        await line.close()
    hub = desk.application.edge.hub
    await desk.until(lambda: hub.connection_count == 0)
    await asyncio.sleep(SHARED_PAGE_S)
    await hub._streams.tell_tips()
    parts = (hub, hub._ground, hub._inboxes, hub._streams)
    left = {name: kept for part in parts for name, kept in vars(part).items() if isinstance(kept, (dict, set)) and kept}
    assert left.keys() <= {"_channels"}
    assert desk.application.ports.presence._sockets == {}
    assert isinstance(desk.application.ports.tokens, Tokens)
