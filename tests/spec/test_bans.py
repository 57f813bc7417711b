"""Bans, mutes and roles: who moderates decides who may be there, what they may say, and until when."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from deskbell.clock import from_us
from deskbell.testing.desk import Desk, Person, settings_for


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(shared_url: str) -> AsyncIterator[Desk]:
    channels = {
        "community": {
            "roles": ["host", "helper", "guest"],
            "creator_role": "host",
            "default_role": "guest",
            "admin_roles": ["host"],
            "moderator_roles": ["helper"],
            "who_may_create": ["member"],
            "join": "open",
            "roster": "counted",
            "kinds": {"text": ["*"], "announcement": ["host", "helper"]},
        }
    }
    settings = settings_for(shared_url, channels=channels, auth={"access_token_s": 86_400})
    async with Desk.open(shared_url, settings=settings) as opened:
        yield opened


def in_s(desk: Desk, seconds: float) -> str:
    return (from_us(desk.clock.now_us()) + timedelta(seconds=seconds)).isoformat()


async def place(moderator: Person, room: str, who: Person, **body: Any) -> dict[str, Any]:
    answer = await moderator.call("PATCH", f"/rooms/{room}/participants/{who.id}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def bans(person: Person, room: str) -> list[dict[str, Any]]:
    answer = await person.get("/bans", params={"room": room})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_ban_has_a_reason_and_an_author_and_shuts_every_door(desk: Desk) -> None:
    tom, una, ana = await desk.member("Tom"), await desk.member("Una"), await desk.agent("Ana")
    room = await tom.group(una)
    async with una.line() as line:
        await line.subscribe(room)
        await place(tom, room, una, state="banned", reason="spam, twice")
        await line.find(lambda frame: frame["type"] == "inbox" and frame.get("removed"))
    assert (await una.get(f"/rooms/{room}")).status_code == 404
    assert (await una.post(f"/rooms/{room}/join")).status_code == 404
    for moderator in (tom, ana):
        [ban] = await bans(moderator, room)
        assert (ban["user"]["id"], ban["reason"], ban["by"], ban["until"]) == (una.id, "spam, twice", tom.id, None)
    assert await bans(una, room) == []
    await place(tom, room, una, state="joined")
    assert await bans(tom, room) == [] and (await una.get(f"/rooms/{room}")).status_code == 404
    assert (await tom.post(f"/rooms/{room}/participants", {"user": una.id})).status_code == 200
    assert (await una.get(f"/rooms/{room}")).status_code == 200


async def test_a_ban_ends_by_itself_when_its_time_has_come(desk: Desk) -> None:
    host, una = await desk.member("Host"), await desk.member("Una")
    room = await host.group(channel_type="community")
    assert (await una.post(f"/rooms/{room}/join")).status_code == 200
    await place(host, room, una, state="banned", until=in_s(desk, 3600))
    [ban] = await bans(host, room)
    assert ban["until"] is not None
    assert (await una.post(f"/rooms/{room}/join")).status_code == 404
    desk.clock.advance(3601)
    assert await bans(host, room) == []
    assert (await una.post(f"/rooms/{room}/join")).status_code == 200
    assert (await una.post(f"/rooms/{room}/messages", {"content": "Hello again"})).status_code == 201


async def test_banning_again_changes_until_when(desk: Desk) -> None:
    host, una = await desk.member("Host"), await desk.member("Una")
    room = await host.group(channel_type="community")
    await una.post(f"/rooms/{room}/join")
    await place(host, room, una, state="banned", until=in_s(desk, 60), reason="a minute")
    await place(host, room, una, state="banned", reason="for good")
    desk.clock.advance(120)
    assert (await una.post(f"/rooms/{room}/join")).status_code == 404
    assert [(ban["reason"], ban["until"]) for ban in await bans(host, room)] == [("for good", None)]
    await place(host, room, una, state="left")
    assert await bans(host, room) == []


async def test_bans_are_shown_to_who_moderates_and_nobody_else(desk: Desk) -> None:
    tom, una, vic, eve, maya = *[await desk.member(n) for n in ("Tom", "Una", "Vic", "Eve")], await desk.visitor()
    foreign = await desk.person("Far", kind="agent", role="admin", tenant=await desk.other_tenant("bans"))
    room = await tom.group(una, vic)
    await eve.group()
    await place(tom, room, una, state="banned", reason="spam")
    for outsider in (una, vic, eve, maya, foreign):
        assert await bans(outsider, room) == []
        assert una.id not in (await outsider.get("/bans")).text
        answer = await outsider.call("PATCH", f"/rooms/{room}/participants/{una.id}", json={"state": "joined"})
        assert answer.status_code == (403 if outsider is vic else 404)
    assert (await desk.http.get("/bans")).status_code == 401
    await place(tom, room, vic, role="moderator")
    assert [ban["reason"] for ban in await bans(vic, room)] == ["spam"]


async def test_a_long_list_of_bans_is_read_page_by_page(desk: Desk) -> None:
    tom = await desk.member("Tom")
    others = [await desk.member(f"Other {n}") for n in range(5)]
    room = await tom.group(*others)
    for other in others:
        await place(tom, room, other, state="banned")
    found: list[str] = []
    query: dict[str, Any] = {"room": room, "limit": 2}
    while True:
        page = (await tom.get("/bans", params=query)).json()
        found += [ban["user"]["id"] for ban in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == [other.id for other in reversed(others)]


async def test_a_mute_lasts_until_a_moment(desk: Desk) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(una)
    shown = await place(tom, room, una, muted_until=in_s(desk, 600))
    assert shown["muted_until"] is not None
    refused = await una.post(f"/rooms/{room}/messages", {"content": "Hm"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "muted")
    assert refused.json()["error"]["details"]["rule"] == "mute" and refused.json()["error"]["details"]["until"]
    desk.clock.advance(601)
    assert (await una.post(f"/rooms/{room}/messages", {"content": "Hm"})).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "because"},
        {"until": "2999-01-01T00:00:00Z"},
        {"state": "left", "reason": "because"},
        {"state": "banned", "until": "2020-01-01T00:00:00Z"},
        {"state": "banned", "until": "tomorrow"},
        {"state": "banned", "until": "2999-01-01T00:00:00"},
        {"muted_until": "2020-01-01T00:00:00Z"},
        {"muted_until": "2999-01-01T00:00:00Z", "mute_s": 5},
        {"state": "banned", "reason": "x" * 1001},
    ],
)
async def test_a_ban_or_mute_that_makes_no_sense_changes_nothing(desk: Desk, body: dict[str, Any]) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(una)
    answer = await tom.call("PATCH", f"/rooms/{room}/participants/{una.id}", json=body)
    assert answer.status_code == 422, answer.text
    assert await bans(tom, room) == []
    assert (await una.post(f"/rooms/{room}/messages", {"content": "Still here"})).status_code == 201


# roles of a kind of room


async def test_a_kind_of_room_may_have_roles_of_its_own(desk: Desk) -> None:
    """They are what its policy says: who moderates, who may announce, whom everybody sees in a counted room."""
    host, helper, guest = [await desk.member(n) for n in ("Host", "Helper", "Guest")]
    room = await host.group(channel_type="community")
    for person in (helper, guest):
        assert (await person.post(f"/rooms/{room}/join")).json()["role"] == "guest"
    [kind] = [k for k in (await host.get("/channel-types")).json()["items"] if k["name"] == "community"]
    assert (kind["roles"], kind["default_role"]) == (["host", "helper", "guest"], "guest")
    assert (kind["moderator_roles"], kind["admin_roles"]) == (["host", "helper"], ["host"])
    told = {"kind": "announcement", "content": "Doors open at nine"}
    refused = await helper.post(f"/rooms/{room}/messages", told)
    assert (refused.status_code, refused.json()["error"]["details"]["rule"]) == (403, "policy.kinds")
    wrong = await host.call("PATCH", f"/rooms/{room}/participants/{helper.id}", json={"role": "moderator"})
    assert wrong.status_code == 422 and wrong.json()["error"]["details"]["known"] == ["host", "helper", "guest"]
    assert (
        await guest.call("PATCH", f"/rooms/{room}/participants/{guest.id}", json={"role": "helper"})
    ).status_code == 403
    await place(host, room, helper, role="helper")
    assert (await helper.post(f"/rooms/{room}/messages", told)).status_code == 201
    await place(helper, room, guest, mute_s=60)
    above = await helper.call("PATCH", f"/rooms/{room}/participants/{host.id}", json={"mute_s": 60})
    assert above.status_code == 403
    seen = (await guest.get(f"/rooms/{room}/participants")).json()["items"]
    assert {person["role"] for person in seen} == {"host", "helper", "guest"}
    third = await desk.member("Third")
    await third.post(f"/rooms/{room}/join")
    seen = (await third.get(f"/rooms/{room}/participants")).json()["items"]
    assert {person["user"]["id"] for person in seen} == {host.id, helper.id, third.id}


async def test_a_room_full_of_people_is_listed_page_by_page(desk: Desk) -> None:
    tom = await desk.member("Tom")
    others = [await desk.member(f"Other {n}") for n in range(4)]
    room = await tom.group(*others)
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await tom.get(f"/rooms/{room}/participants", params=query)).json()
        found += [person["user"]["id"] for person in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert len(found) == 5 and set(found) == {tom.id, *(other.id for other in others)}
