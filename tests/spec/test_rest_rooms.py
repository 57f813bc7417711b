"""Rooms over REST: opened, found, changed, entered, closed; and the people in them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deskbell.ids import new_id
from deskbell.testing.desk import Desk, Person, settings_for


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def texts(person: Person, room: str) -> list[str]:
    found = (await person.get(f"/rooms/{room}/messages")).json()["messages"]
    return [message["content"] for message in found if message["kind"] == "text"]


async def names(person: Person, room: str) -> list[str]:
    found = (await person.get(f"/rooms/{room}/participants")).json()["items"]
    return sorted(participant["user"]["name"] for participant in found)


async def outsiders(desk: Desk, insider: Person) -> list[Person]:
    """Somebody of the same tenant, and somebody with every right in another."""
    other = await desk.other_tenant()
    return [await desk.member("Oscar"), await desk.person("Eve", kind="agent", role="admin", tenant=other)]


async def test_a_room_is_opened_and_found(desk: Desk) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    answer = await tom.post("/rooms", {"channel_type": "group", "name": " Plans ", "participants": [una.id]})
    assert answer.status_code == 201
    room = answer.json()
    assert room["name"] == "Plans" and room["archived"] is False and room["owner"] is None
    assert (await una.get(f"/rooms/{room['id']}")).json() == room
    assert await names(una, room["id"]) == ["Tom", "Una"]
    entry = (await una.get("/rooms")).json()["items"][0]
    assert entry["room"] == room and entry["role"] == "member" and entry["unread"] == 0


async def test_who_comes_second_with_a_key_gets_the_first_ones_room(desk: Desk) -> None:
    """Also when they come at once: one room, and exactly one was new."""
    tom, key = await desk.member("Tom"), new_id()
    body = {"channel_type": "group", "key": key}
    answers = await asyncio.gather(*(tom.post("/rooms", body) for _ in range(5)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    stranger = await desk.member("Sam")
    assert (await stranger.post("/rooms", body)).status_code == 404


async def test_a_direct_conversation_is_the_same_whoever_opens_it(desk: Desk) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    assert await tom.group(una, channel_type="direct") == await una.group(tom, channel_type="direct")
    alone = await tom.post("/rooms", {"channel_type": "direct", "participants": []})
    assert alone.status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"channel_type": "no-such-type"}, 422),
        ({}, 422),
        ({"channel_type": "group", "owner": "me"}, 422),
        ({"channel_type": "group", "owner_kind": "agent"}, 422),
        ({"channel_type": "group", "created_by": "somebody"}, 422),
        ({"channel_type": "group", "seq": 7}, 422),
        ({"channel_type": "group", "name": "x" * 401}, 422),
        ({"channel_type": "group", "name": "é" * 399}, 413),
        ({"channel_type": "group", "participants": ["not-an-id"]}, 422),
        ({"channel_type": "group", "participants": ["01a1fc69-5aa6-7261-9351-f3ff66851eb9"]}, 422),
        ({"channel_type": "support"}, 422),
        ({"channel_type": "community"}, 403),
    ],
)
async def test_a_room_that_cannot_be_is_refused(desk: Desk, body: dict[str, Any], status: int) -> None:
    tom = await desk.member("Tom")
    answer = await tom.post("/rooms", body)
    assert answer.status_code == status, answer.text
    assert (await tom.get("/rooms")).json()["items"] == []


async def test_a_visitor_opens_no_rooms_but_conversations(desk: Desk) -> None:
    maya = await desk.visitor()
    assert (await maya.post("/rooms", {"channel_type": "group"})).status_code == 403


async def test_nobody_of_another_tenant_can_be_brought_in(desk: Desk) -> None:
    """Their ids are known to nobody here, not even as names in an error."""
    tom = await desk.member("Tom")
    eve = await desk.person("Eve", tenant=await desk.other_tenant())
    answer = await tom.post("/rooms", {"channel_type": "group", "participants": [eve.id]})
    assert answer.status_code == 422 and "Eve" not in answer.text
    room = await tom.group()
    assert (await tom.post(f"/rooms/{room}/participants", {"user": eve.id})).status_code == 422


ROOM_ROUTES = [
    ("GET", "/rooms/{room}", None),
    ("PATCH", "/rooms/{room}", {"name": "Mine now"}),
    ("DELETE", "/rooms/{room}", None),
    ("POST", "/rooms/{room}/join", {}),
    ("POST", "/rooms/{room}/leave", {}),
    ("POST", "/rooms/{room}/archive", {}),
    ("GET", "/rooms/{room}/participants", None),
    ("POST", "/rooms/{room}/participants", {"user": "{me}"}),
    ("PATCH", "/rooms/{room}/participants/{user}", {"state": "banned"}),
    ("DELETE", "/rooms/{room}/participants/{user}", None),
    ("GET", "/rooms/{room}/messages", None),
    ("POST", "/rooms/{room}/messages", {"content": "I am here"}),
    ("GET", "/rooms/{room}/pins", None),
    ("GET", "/rooms/{room}/changes?since=0", None),
    ("POST", "/rooms/{room}/read", {"seq": 1}),
    ("POST", "/rooms/{room}/typing", {"on": True}),
    ("POST", "/rooms/{room}/escalate", {}),
    ("POST", "/rooms/{room}/assistant", {}),
    ("POST", "/rooms/{room}/take-over", {}),
    ("GET", "/rooms/{room}/case", None),
    ("POST", "/rooms/{room}/rating", {"rating": 1}),
    ("GET", "/rooms/{room}/backstage", None),
    ("POST", "/rooms/{room}/notes", {"text": "I am here"}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROOM_ROUTES)
async def test_a_room_one_may_not_see_answers_as_one_that_is_not_there(
    desk: Desk, method: str, path: str, body: dict[str, str] | None
) -> None:
    """Not for an outsider, not for an admin of another tenant, not for an id that is none: the same answer."""
    tom = await desk.member("Tom")
    room = await tom.group(name="Secret plans")
    for outsider in await outsiders(desk, tom):
        told = []
        for id_ in (room, new_id(), "not-an-id", room.upper(), "0"):
            address = path.format(room=id_, user=tom.id)
            sent = {} if body is None else {"json": body | {k: outsider.id for k, v in body.items() if v == "{me}"}}
            answer = await outsider.call(method, address, **sent)
            assert answer.status_code == 404, (outsider.name, address, answer.text)
            told.append(answer.json())
        assert all(other == told[0] for other in told)
    assert await names(tom, room) == ["Tom"]
    assert (await tom.get(f"/rooms/{room}")).json()["name"] == "Secret plans"
    assert await texts(tom, room) == []


async def test_only_its_admins_change_a_room(desk: Desk) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(una, name="Plans")
    changed = await tom.call("PATCH", f"/rooms/{room}", json={"name": "Better plans"})
    assert changed.status_code == 200 and changed.json()["name"] == "Better plans"
    described = await tom.call("PATCH", f"/rooms/{room}", json={"description": "All of them"})
    assert described.json()["name"] == "Better plans" and described.json()["description"] == "All of them"
    assert (await una.call("PATCH", f"/rooms/{room}", json={"name": "Mine"})).status_code == 403
    for forged in ({"archived": True}, {"owner_version": 9}, {"channel_type": "direct"}, {"id": new_id()}):
        assert (await tom.call("PATCH", f"/rooms/{room}", json=forged)).status_code == 422


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/rooms/{room}"), ("POST", "/rooms/{room}/archive")])
async def test_an_archived_room_can_be_read_and_takes_nothing_more(desk: Desk, method: str, path: str) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(una)
    await tom.post(f"/rooms/{room}/messages", {"content": "Last words"})
    assert (await una.call(method, path.format(room=room))).status_code == 403
    for _ in range(2):
        answer = await tom.call(method, path.format(room=room))
        assert answer.status_code == 200 and answer.json()["archived"] is True
    assert await texts(una, room) == ["Last words"]
    late = await una.post(f"/rooms/{room}/messages", {"content": "Wait"})
    assert late.status_code == 410 and late.json()["error"]["code"] == "room_closed"
    assert (await tom.post(f"/rooms/{room}/participants", {"user": (await desk.member("Vic")).id})).status_code == 410


async def test_joining_and_leaving(desk: Desk) -> None:
    """An open room is entered by oneself; an invitation is needed for the others."""
    ana, tom = await desk.agent("Ana"), await desk.member("Tom")
    community = await ana.group(channel_type="community")
    joined = await tom.post(f"/rooms/{community}/join")
    assert joined.status_code == 200 and joined.json()["user"]["id"] == tom.id and joined.json()["state"] == "joined"
    assert (await tom.post(f"/rooms/{community}/join")).json() == joined.json()
    assert (await tom.post(f"/rooms/{community}/leave")).json() == {"ok": True}
    assert (await tom.get(f"/rooms/{community}")).status_code == 404
    private = await ana.group()
    assert (await tom.post(f"/rooms/{private}/join")).status_code == 404


async def test_people_are_brought_in_muted_banned_and_let_back(desk: Desk) -> None:
    tom, una, vic = await desk.member("Tom"), await desk.member("Una"), await desk.member("Vic")
    room = await tom.group(una)
    places = f"/rooms/{room}/participants"
    assert (await una.post(places, {"user": vic.id})).status_code == 403
    added = await tom.post(places, {"user": vic.id})
    assert added.status_code == 200 and added.json()["role"] == "member"
    assert await names(vic, room) == ["Tom", "Una", "Vic"]

    muted = await tom.call("PATCH", f"{places}/{vic.id}", json={"mute_s": 600})
    assert muted.status_code == 200 and muted.json()["muted_until"] is not None
    refused = await vic.post(f"/rooms/{room}/messages", {"content": "But"})
    assert refused.status_code == 403 and refused.json()["error"]["code"] == "muted"
    assert (await tom.call("PATCH", f"{places}/{vic.id}", json={"mute_s": 0})).json()["muted_until"] is None
    assert (await vic.post(f"/rooms/{room}/messages", {"content": "Back"})).status_code == 201

    assert (await tom.call("PATCH", f"{places}/{vic.id}", json={"state": "banned"})).json()["state"] == "banned"
    assert (await vic.get(f"/rooms/{room}")).status_code == 404
    assert (await vic.post(f"/rooms/{room}/messages", {"content": "Still"})).status_code == 404
    assert (await vic.post(f"/rooms/{room}/join")).status_code == 404
    assert (await tom.call("PATCH", f"{places}/{vic.id}", json={"state": "joined"})).json()["state"] == "left"
    assert (await tom.post(places, {"user": vic.id})).json()["state"] == "joined"

    assert (await una.call("DELETE", f"{places}/{vic.id}")).status_code == 403
    assert (await tom.call("DELETE", f"{places}/{vic.id}")).json() == {"ok": True}
    assert (await una.call("DELETE", f"{places}/{una.id}")).json() == {"ok": True}
    assert await names(tom, room) == ["Tom"]
    absent = await tom.call("PATCH", f"{places}/{new_id()}", json={"mute_s": 1})
    assert absent.status_code == 404


async def test_nobody_promotes_themselves(desk: Desk) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(una)
    place = f"/rooms/{room}/participants/{una.id}"
    assert (await una.call("PATCH", place, json={"role": "owner"})).status_code == 403
    for forged in ({"role": "god"}, {"visible_from": 0}, {"user": tom.id}, {"mute_s": -1}, {"mute_s": 2**63}):
        assert (await tom.call("PATCH", place, json=forged)).status_code == 422, forged
    promoted = await tom.call("PATCH", place, json={"role": "moderator"})
    assert promoted.json()["role"] == "moderator"
    above = await una.call("PATCH", f"/rooms/{room}/participants/{tom.id}", json={"state": "banned"})
    assert above.status_code == 403


async def test_a_list_of_rooms_is_walked_without_a_hole_or_a_repeat(desk: Desk) -> None:
    """Also where several rooms were active in the same instant, and when a new one comes in between."""
    tom = await desk.member("Tom")
    rooms = [await tom.group(name=f"Room {number}") for number in range(7)]
    await desk.application.ports.db.execute(
        "UPDATE rooms SET active_at = 1795000000000000 WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
        desk.tenant,
        rooms[:5],
    )
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await tom.get("/rooms", params=query)).json()
        seen += [entry["room"]["id"] for entry in page["items"]]
        if cursor is None:
            await tom.group(name="A newer one")
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(rooms) and len(seen) == 7
    for foreign in ("nonsense", "MTIz", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTkuYQ", "%F0%9F%99%82"):
        answer = await tom.get(f"/rooms?cursor={foreign}")
        assert answer.status_code == 422 and answer.json()["error"]["details"]["path"] == "cursor"


async def test_a_list_tells_what_changed_since_the_last(desk: Desk) -> None:
    """Who comes back asks with ``as_of``, and misses nothing."""
    tom, una = await desk.member("Tom"), await desk.member("Una")
    quiet, busy = await tom.group(una, name="Quiet"), await tom.group(una, name="Busy")
    desk.clock.advance(60)
    as_of = (await una.get("/rooms")).json()["as_of"]
    desk.clock.advance(60)
    await tom.post(f"/rooms/{busy}/messages", {"content": "Look"})
    news = (await una.get("/rooms", params={"since": as_of})).json()["items"]
    assert [entry["room"]["id"] for entry in news] == [busy]
    assert news[0]["unread"] == 1 and news[0]["mentioned"] is False
    everything = (await una.get("/rooms")).json()["items"]
    assert {entry["room"]["id"] for entry in everything} == {quiet, busy}
    none = await una.get("/rooms", params={"channel_type": "direct"})
    assert none.json()["items"] == []
    for wrong in ("yesterday", "12", "2026-11-21T10:00:00"):
        assert (await una.get("/rooms", params={"since": wrong})).status_code == 422


async def test_the_kinds_of_rooms_are_told(desk: Desk) -> None:
    tom, maya = await desk.member("Tom"), await desk.visitor()
    kinds = {kind["name"]: kind for kind in (await tom.get("/channel-types")).json()["items"]}
    assert {"support", "direct", "group", "community", "broadcast"} <= kinds.keys()
    assert kinds["group"]["may_open"] is True and kinds["community"]["may_open"] is False
    assert kinds["group"]["policy"]["edit_window_s"] == 900
    of_visitors = (await maya.get("/channel-types")).json()["items"]
    assert [kind["name"] for kind in of_visitors if kind["may_open"]] == ["support"]


async def test_what_a_visitor_says_of_themselves_opens_no_door(sqlite_url: str) -> None:
    """A room that asks for an attribute asks for one somebody vouched for, not one a browser sent."""
    plugins = {"channels": {"settings": {"requires": {"community": "premium"}}}}
    async with Desk.open(sqlite_url, settings=settings_for(sqlite_url, plugins=plugins)) as desk:
        ana = await desk.agent("Ana")
        room = await ana.group(channel_type="community")
        maya = await desk.visitor(attributes={"premium": True})
        assert (await maya.post(f"/rooms/{room}/join")).status_code == 404
