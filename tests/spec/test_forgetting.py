"""What visitors said of themselves does not outlive what they said it for."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest

from deskbell.actions import forgetting
from deskbell.store import claims
from deskbell.testing.desk import SITE_KEY, SITE_SECRET, Desk, Person, settings_for

DAY_S = 86_400
KEEP_S = 10 * DAY_S
CANARY = "claimed-canary-7261"
CLAIMS = {"name": CANARY, "email": f"{CANARY}@home.example", "attributes": {"topic": CANARY}}


def kept_for_ten_days(url: str) -> Any:
    support = {"retention_s": KEEP_S, "auto_close_s": 3600}
    return settings_for(
        url,
        auth={"access_token_s": 86_400, "visitor_refresh_s": 90 * DAY_S},
        jobs={"tick_s": 3600.0},
        channels={"support": support},
    )


@pytest.fixture
async def desk(database_url: str) -> Any:
    async with Desk.open(database_url, settings=kept_for_ten_days(database_url)) as opened:
        yield opened


async def days_pass(desk: Desk, days: float) -> None:
    await desk.advance(days * DAY_S)
    await desk.application.jobs.tidy()


async def known_of(desk: Desk, person: Person) -> str:
    """All that is kept of a visitor, of the names of their conversations as well."""
    db = desk.application.ports.db
    users = await db.fetch("SELECT name, attributes FROM users WHERE id = $1", person.id)
    rooms = await db.fetch("SELECT name, description FROM rooms WHERE customer = $1", person.id)
    return json.dumps([list(dict(row).values()) for row in (*users, *rooms)])


async def introduced(desk: Desk) -> Person:
    vera = await desk.visitor("Vera")
    assert (await vera.call("PATCH", "/me", json=CLAIMS)).status_code == 200
    return vera


async def forgotten(desk: Desk) -> list[str]:
    """Of whom the audit trail says that what they claimed was forgotten."""
    root = await desk.agent("Root", role="admin")
    entries = (await root.get("/audit", params={"act": "claims_forgotten"})).json()["items"]
    assert all(entry["room"] is None and entry["details"] == {} for entry in entries)
    return [entry["subject"] for entry in entries]


async def test_it_goes_with_their_last_conversation_when_they_are_not_seen(desk: Desk) -> None:
    """Name, address and answers, on record; that somebody was there stays."""
    vera = await introduced(desk)
    room = await vera.conversation()
    await vera.post(f"/rooms/{room}/messages", {"content": f"I am {CANARY}"})
    await days_pass(desk, 0.1)  # the conversation closes
    await days_pass(desk, 9.5)
    assert CANARY in await known_of(desk, vera) and await forgotten(desk) == []

    await days_pass(desk, 2.5)

    assert CANARY not in await known_of(desk, vera)
    assert await forgotten(desk) == [vera.id]
    ana = await desk.agent("Ana")
    contact = (await ana.get(f"/rooms/{room}/contact")).json()
    assert (contact["user"]["name"], contact["claimed"], contact["attributes"]) == ("Visitor", {}, {})
    assert [each["room"] for each in contact["conversations"]] == [room]
    await days_pass(desk, 30)
    assert await forgotten(desk) == [vera.id], "once"


async def test_it_stays_while_any_of_their_conversations_does(desk: Desk) -> None:
    vera = await introduced(desk)
    await vera.conversation()
    ana = await desk.agent("Ana")
    await days_pass(desk, 0.5)
    second = await vera.conversation(new=True)
    await vera.post(f"/rooms/{second}/escalate")
    case = (await ana.get(f"/rooms/{second}")).json()["case"]
    await days_pass(desk, 15)  # the first is cleaned; the second waits for somebody
    assert CANARY in await known_of(desk, vera)

    ana = await desk.agent("Ana")
    await ana.post(f"/cases/{case}/claim")
    await ana.post(f"/cases/{case}/resolve")
    await days_pass(desk, 0.1)
    await days_pass(desk, 9.5)
    assert CANARY in await known_of(desk, vera)
    await days_pass(desk, 1)
    assert CANARY not in await known_of(desk, vera) and await forgotten(desk) == [vera.id]


async def test_it_stays_while_they_come_back_to_the_site(desk: Desk) -> None:
    """Their conversation is gone, and the widget still knows them."""
    vera = await introduced(desk)
    refresh_token = vera.refresh_token
    await vera.conversation()
    await days_pass(desk, 0.1)
    for _ in range(4):
        await days_pass(desk, 5)
        answer = await desk.http.post("/auth/refresh", json={"refresh_token": refresh_token})
        assert answer.status_code == 200, answer.text
        refresh_token = answer.json()["refresh_token"]
    assert CANARY in await known_of(desk, vera)
    await days_pass(desk, 9)
    assert CANARY in await known_of(desk, vera) and await forgotten(desk) == []
    await days_pass(desk, 3)
    assert CANARY not in await known_of(desk, vera)


async def test_it_goes_where_they_never_began_a_conversation(desk: Desk) -> None:
    vera = await desk.visitor(CANARY, attributes={"topic": CANARY})
    await days_pass(desk, 2)
    await days_pass(desk, 7)
    assert CANARY in await known_of(desk, vera)
    await days_pass(desk, 3)
    assert CANARY not in await known_of(desk, vera)


async def test_what_their_site_vouches_for_stays(desk: Desk) -> None:
    """What they said besides goes; whoever comes back is who they were."""
    told = {"sub": "v-7", "name": "Vera Stone", "email": "vera@shop.example"}
    ends_s = desk.clock.now_us() // 1_000_000 + 600
    identity = jwt.encode({**told, "exp": ends_s}, SITE_SECRET, algorithm="HS256")
    vera = await desk.visitor("", identity=identity)
    await vera.call("PATCH", "/me", json=CLAIMS)
    room = await vera.conversation()
    await days_pass(desk, 0.1)
    await days_pass(desk, 12)
    assert CANARY not in await known_of(desk, vera)
    contact = (await (await desk.agent("Ana")).get(f"/rooms/{room}/contact")).json()
    assert (contact["user"]["name"], contact["email"], contact["claimed"]) == ("Vera Stone", "vera@shop.example", {})


async def test_many_are_looked_at_in_one_go_and_who_said_nothing_is_not_on_record(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deskbell.jobs.BATCH", 2)
    named = [await desk.visitor(f"{CANARY} {n}") for n in range(5)]
    silent = Person(desk, (await desk.http.post("/auth/visitors", json={"site_key": SITE_KEY})).json())
    await silent.conversation()
    await days_pass(desk, 2)
    await days_pass(desk, 20)
    assert sorted(await forgotten(desk)) == sorted(person.id for person in named)


async def test_who_says_something_at_that_very_moment_keeps_it(desk: Desk) -> None:
    vera = await desk.visitor("Vera")
    ports = desk.application.ports
    await desk.advance(12 * DAY_S)
    due = await claims.due(ports.db, await ports.journal.now_us(), 10)
    fresh = await introduced(desk)
    assert [who.user for who in due] == [vera.id]
    await ports.db.execute("UPDATE users SET changed_at = changed_at + 1, name = 'Vera Anew' WHERE id = $1", vera.id)
    await forgetting.forget_if_due(ports, due[0])
    assert "Vera Anew" in await known_of(desk, vera) and CANARY in await known_of(desk, fresh)
    assert await forgotten(desk) == []
