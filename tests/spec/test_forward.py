"""Forwarding: a text goes on into another room, and says no more of its origin than the people there may know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from deskbell.testing.desk import Desk, Person, settings_for


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(shared_url: str) -> AsyncIterator[Desk]:
    words = {"moderation_words": {"settings": {"hold": ["casino"], "block": ["bomb"]}}}
    channels = {"community": {"history": "since_join", "who_may_create": ["member"]}}
    async with Desk.open(shared_url, settings=settings_for(shared_url, plugins=words, channels=channels)) as opened:
        yield opened


async def say(person: Person, room: str, content: str, **fields: Any) -> dict[str, Any]:
    answer = await person.post(f"/rooms/{room}/messages", {"content": content, **fields})
    assert answer.status_code == 201, answer.text
    message: dict[str, Any] = answer.json()["message"]
    return message


async def forwarded(person: Person, message: str, room: str, **fields: Any) -> dict[str, Any]:
    answer = await person.post(f"/messages/{message}/forward", {"room": room, **fields})
    assert answer.status_code == 201, answer.text
    new: dict[str, Any] = answer.json()["message"]
    return new


async def test_a_forwarded_text_is_a_message_of_whoever_forwards_it(desk: Desk) -> None:
    tom, una, vic = [await desk.member(name) for name in ("Tom", "Una", "Vic")]
    here, there = await tom.group(una), await tom.group(vic)
    origin = await say(una, here, "Meet at nine", metadata={"draft": "secret plan"}, mentions=[tom.id])
    async with vic.line() as line:
        await line.subscribe(there)
        new = await forwarded(tom, origin["id"], there)
        heard = await line.hears(there, "Meet at nine")
    assert heard["message"] == new == (await vic.get(f"/messages/{new['id']}")).json()
    assert (new["sender"]["id"], new["room"], new["kind"]) == (tom.id, there, "text")
    assert new["mentions"] == [] and new["reply_to"] is None
    assert "secret" not in str(new), "what its sender's program noted stays where it was"


async def test_of_another_room_its_people_learn_neither_name_nor_place(desk: Desk) -> None:
    tom, una, vic = [await desk.member(name) for name in ("Tom", "Una the Unnamed", "Vic")]
    here, there = await tom.group(una), await tom.group(vic)
    origin = await say(una, here, "Meet at nine")
    new = await forwarded(tom, origin["id"], there)
    assert new["metadata"]["forwarded"] == {"kind": "member", "created_at": origin["created_at"]}
    for known in (una.id, una.name, here, origin["id"]):
        assert known not in (await vic.get(f"/rooms/{there}/messages")).text
    again = await forwarded(vic, new["id"], await vic.group())
    assert again["metadata"]["forwarded"] == new["metadata"]["forwarded"], "passed on twice it is still the first one's"


async def test_who_is_among_them_is_named(desk: Desk) -> None:
    tom, una, vic = [await desk.member(name) for name in ("Tom", "Una", "Vic")]
    here, there = await tom.group(una), await tom.group(una, vic)
    new = await forwarded(tom, (await say(una, here, "Hello"))["id"], there)
    assert new["metadata"]["forwarded"] | {"created_at": ""} == {
        "kind": "member", "created_at": "", "user": una.id, "name": una.name,
    }  # fmt: skip
    await una.post(f"/rooms/{there}/leave")
    new = await forwarded(tom, (await say(una, here, "Hello again"))["id"], there)
    assert una.id not in str(new)


async def test_within_a_room_the_message_itself_is_named(desk: Desk) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(una)
    origin = await say(una, room, "Hello")
    quote = (await forwarded(tom, origin["id"], room))["metadata"]["forwarded"]
    assert (quote["message"], quote["user"], quote["name"]) == (origin["id"], una.id, una.name)


async def test_nobody_forwards_what_they_may_not_see_or_where_they_may_not_write(desk: Desk) -> None:
    """Strangers, other tenants, those who joined later and those who were banned: it does not exist for them."""
    tom, una, eve = [await desk.member(name) for name in ("Tom", "Una", "Eve")]
    foreign = await desk.person("Far", tenant=await desk.other_tenant("forward"))
    room, hers = await tom.group(una), await eve.group()
    message = await say(una, room, "none of hers")
    for stranger, target in ((eve, hers), (foreign, hers), (foreign, room), (eve, room)):
        answer = await stranger.post(f"/messages/{message['id']}/forward", {"room": target})
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "not_found"
    assert (await tom.post(f"/messages/{message['id']}/forward", {"room": hers})).status_code == 404
    assert (await tom.post(f"/messages/{hers}/forward", {"room": room})).status_code == 404
    assert (await desk.http.post(f"/messages/{message['id']}/forward", json={"room": room})).status_code == 401
    await tom.call("PATCH", f"/rooms/{room}/participants/{una.id}", json={"state": "banned"})
    own = await una.group()
    assert (await una.post(f"/messages/{message['id']}/forward", {"room": own})).status_code == 404
    assert (await eve.get(f"/rooms/{hers}/messages")).json()["messages"] == []


async def test_what_was_said_before_one_joined_is_not_forwarded(desk: Desk) -> None:
    tom, eve = await desk.member("Tom"), await desk.member("Eve")
    opened = await tom.post("/rooms", {"channel_type": "community", "name": "All"})
    assert opened.status_code == 201, opened.text
    room, own = opened.json()["id"], await eve.group()
    before = await say(tom, room, "before Eve")
    assert (await tom.post(f"/rooms/{room}/participants", {"user": eve.id})).status_code == 200
    after = await say(tom, room, "after Eve")
    assert (await eve.post(f"/messages/{before['id']}/forward", {"room": own})).status_code == 404
    assert (await eve.post(f"/messages/{after['id']}/forward", {"room": own})).status_code == 201


async def test_a_private_note_stays_backstage_and_a_visitors_words_may_go_there(desk: Desk) -> None:
    maya, ana, bea = await desk.visitor(), await desk.agent("Ana"), await desk.agent("Bea")
    room = await maya.conversation()
    await ana.post(f"/rooms/{room}/take-over")
    await ana.post(f"/rooms/{room}/notes", {"text": "She is cross"})
    back = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
    [note] = (await ana.get(f"/rooms/{back}/messages")).json()["messages"]
    elsewhere = await ana.group(bea)
    for target in (room, elsewhere):
        answer = await ana.post(f"/messages/{note['id']}/forward", {"room": target})
        assert answer.status_code == 403, answer.text
    assert (await maya.post(f"/messages/{note['id']}/forward", {"room": room})).status_code == 404
    said = await say(maya, room, "It is broken")
    noted = await forwarded(ana, said["id"], back)
    assert noted["metadata"]["anchor_seq"] >= said["seq"] and noted["metadata"]["forwarded"]["kind"] == "visitor"
    assert "She is cross" not in (await maya.get(f"/rooms/{room}/messages")).text


async def test_what_is_deleted_or_the_platforms_is_not_forwarded(desk: Desk) -> None:
    tom, maya, ana = await desk.member("Tom"), await desk.visitor(), await desk.agent("Ana")
    room = await tom.group()
    gone = await say(tom, room, "Oops")
    await tom.call("DELETE", f"/messages/{gone['id']}")
    answer = await tom.post(f"/messages/{gone['id']}/forward", {"room": room})
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "message_deleted")
    support = await maya.conversation()
    await ana.post(f"/rooms/{support}/take-over")
    [told, *_] = [m for m in (await maya.get(f"/rooms/{support}/messages")).json()["messages"] if m["kind"] == "system"]
    answer = await maya.post(f"/messages/{told['id']}/forward", {"room": support})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "kind_not_allowed")


async def test_the_same_forward_twice_is_one_message_also_when_the_origin_changes(desk: Desk) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room, other = await tom.group(una), await tom.group()
    origin, second = await say(tom, room, "Hello"), await say(tom, room, "Else")
    body, key = {"room": other}, {"Idempotency-Key": "f-1"}
    answers = await asyncio.gather(
        *(tom.post(f"/messages/{origin['id']}/forward", body, headers=key) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    await tom.call("DELETE", f"/messages/{origin['id']}")
    late = await tom.post(f"/messages/{origin['id']}/forward", body, headers=key)
    assert late.status_code == 200 and late.json()["message"]["content"] == "Hello"
    reused = await tom.post(f"/messages/{second['id']}/forward", body, headers=key)
    assert (reused.status_code, reused.json()["error"]["code"]) == (409, "client_id_reused")


async def test_filters_mutes_and_closed_rooms_hold_for_forwards_too(desk: Desk) -> None:
    tom, una, ana = await desk.member("Tom"), await desk.member("Una"), await desk.agent("Ana")
    room, other = await tom.group(una), await una.group(tom)
    held = await tom.post(f"/rooms/{room}/messages", {"content": "a casino", "client_id": "h"})
    assert held.status_code == 202
    assert (await tom.post(f"/messages/{held.json()['id']}/forward", {"room": other})).status_code == 404, (
        "not said yet"
    )
    shown = (await ana.post(f"/moderation/held/{held.json()['id']}/approve")).json()
    again = await una.post(f"/messages/{shown['id']}/forward", {"room": other})
    assert again.status_code == 202, "approved here is not approved there"
    approved = (await ana.post(f"/moderation/held/{again.json()['id']}/approve")).json()
    assert approved["metadata"]["forwarded"]["user"] == tom.id
    await una.call("PATCH", f"/rooms/{other}/participants/{tom.id}", json={"mute_s": 600})
    answer = await tom.post(f"/messages/{shown['id']}/forward", {"room": other})
    assert (answer.status_code, answer.json()["error"]["details"]["rule"]) == (403, "mute")
    await una.post(f"/rooms/{other}/archive")
    fine = await say(una, room, "fine")
    assert (await una.post(f"/messages/{fine['id']}/forward", {"room": other})).status_code == 410


@pytest.mark.parametrize("body", [{}, {"room": "x"}, {"room": None}, {"room": "x", "content": "mine"}])
async def test_a_forward_that_makes_no_sense_is_refused(desk: Desk, body: dict[str, Any]) -> None:
    tom = await desk.member("Tom")
    message = await say(tom, await tom.group(), "Hello")
    answer = await tom.post(f"/messages/{message['id']}/forward", body)
    assert answer.status_code in (404, 422)


async def test_nobody_says_of_their_own_text_that_it_was_forwarded(desk: Desk) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    answer = await tom.post(
        f"/rooms/{room}/messages", {"content": "x", "metadata": {"forwarded": {"name": "The boss"}}}
    )
    assert answer.status_code == 422
