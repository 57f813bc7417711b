"""Catching up over REST: changes, read marks, unread, typing, presence."""

from __future__ import annotations

from typing import Any

import pytest

from deskbell.ids import new_id
from deskbell.testing.desk import Desk, Person


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def two(desk: Desk, **body: Any) -> tuple[Person, Person, str]:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    return tom, una, await tom.group(una, **body)


async def say(person: Person, room: str, content: str, **fields: Any) -> dict[str, Any]:
    answer = await person.post(f"/rooms/{room}/messages", {"content": content, **fields})
    assert answer.status_code == 201, answer.text
    message: dict[str, Any] = answer.json()["message"]
    return message


async def test_an_old_copy_and_the_changes_make_the_present_room(desk: Desk) -> None:
    """Following the pages from any position gives every record in its present state, each once per page."""
    tom, una, room = await two(desk)
    sent = [await say(tom, room, f"{number}") for number in range(130)]
    position, messages, people, state = 0, {}, {}, None
    epoch, pages = None, 0
    while True:
        query = {"since": str(position)} | ({"epoch": epoch} if epoch else {})
        page = (await una.get(f"/rooms/{room}/changes", params=query)).json()
        assert page["type"] == "changes" and page["since"] == position and page["seq"] >= position
        messages |= {message["id"]: message for message in page["messages"]}
        people |= {participant["user"]["id"]: participant for participant in page["participants"]}
        state = page.get("state", state)
        position, epoch, pages = page["seq"], page["epoch"], pages + 1
        if pages == 1:
            # Something changes between two pages: it comes again, in its new state.
            await tom.call("DELETE", f"/messages/{sent[0]['id']}")
            await tom.call("PATCH", f"/rooms/{room}", json={"name": "Renamed"})
        if not page["more"]:
            break
    assert pages > 1
    assert {message["id"] for message in sent} == messages.keys()
    assert messages[sent[0]["id"]]["deleted"] is True
    assert people.keys() == {tom.id, una.id}
    assert state is not None and state["name"] == "Renamed"
    assert page["reads"].keys() == {tom.id, una.id}
    assert (await una.get(f"/rooms/{room}/changes", params={"since": position})).json()["messages"] == []


async def test_a_position_that_means_nothing_any_more_is_told_to_begin_anew(desk: Desk) -> None:
    """Above the tip, or of another life of the room: an honest reset, never a guess."""
    tom, _, room = await two(desk)
    await say(tom, room, "Hello")
    present = (await tom.get(f"/rooms/{room}/changes", params={"since": 0})).json()["epoch"]
    for query in ({"since": 999_999}, {"since": 1, "epoch": "9.other"}, {"since": 2**53 - 1, "epoch": present}):
        answer = await tom.get(f"/rooms/{room}/changes", params=query)
        assert answer.status_code == 200
        assert answer.json() == {"type": "reset", "room": room, "epoch": present}
    for query in ({}, {"since": -1}, {"since": "x"}, {"since": 2**63}, {"since": 0, "epoch": "x" * 65}):
        assert (await tom.get(f"/rooms/{room}/changes", params=query)).status_code == 422


async def test_where_members_are_only_counted_one_still_finds_oneself(desk: Desk) -> None:
    ana, tom, una = await desk.agent("Ana"), await desk.member("Tom"), await desk.member("Una")
    room = await ana.group(channel_type="community")
    await tom.post(f"/rooms/{room}/join")
    await una.post(f"/rooms/{room}/join")
    await say(tom, room, "Hello all")
    for path in (f"/rooms/{room}/changes?since=0", f"/rooms/{room}/participants"):
        told = (await tom.get(path)).json()
        people = told.get("participants", told.get("items"))
        assert {participant["user"]["name"] for participant in people} == {"Ana", "Tom"}
    assert (await tom.get(f"/rooms/{room}/changes?since=0")).json()["reads"].keys() == {tom.id}


async def test_unread_counts_what_others_said_since_one_looked(desk: Desk) -> None:
    """Not one's own words, not reactions and joins; a mark moves only up, and never past what there is."""
    tom, una, room = await two(desk)
    first = await say(tom, room, "One")
    await say(una, room, "Mine")
    last = await say(tom, room, "Two", mentions=[una.id])
    await una.call("PUT", f"/messages/{first['id']}/reactions/:ok:")
    assert (await una.get("/unread")).json() == {"rooms": {room: 2}, "total": 2}
    entry = (await una.get("/rooms")).json()["items"][0]
    assert entry["unread"] == 2 and entry["mentioned"] is True
    read = f"/rooms/{room}/read"
    assert (await una.post(read, {"seq": first["seq"]})).json() == {"unread": 1, "mentioned": True}
    assert (await una.post(read, {"seq": 0})).json() == {"unread": 1, "mentioned": True}
    assert (await una.post(read, {"seq": 2**53 - 1})).json() == {"unread": 0, "mentioned": False}
    assert (await una.get("/unread")).json() == {"rooms": {}, "total": 0}
    await say(tom, room, "Three")
    assert (await una.get("/unread")).json()["total"] == 1
    assert (await una.get("/rooms")).json()["items"][0]["last_read_seq"] >= last["seq"]
    for wrong in ({}, {"seq": -1}, {"seq": 2**63}, {"seq": "1"}, {"seq": 1, "user": tom.id}):
        assert (await una.post(read, wrong)).status_code == 422


async def test_a_number_no_store_could_keep_stops_nobodys_read_marks(desk: Desk) -> None:
    """One client's nonsense on the socket must not keep the marks of all others from being written."""
    tom, una, room = await two(desk)
    message = await say(tom, room, "Hello")
    async with una.line() as line:
        refused = await line.ask({"type": "read", "room": room, "seq": 2**70})
        assert refused["type"] == "error" and refused["code"] == "invalid"
    assert (await una.post(f"/rooms/{room}/read", {"seq": message["seq"]})).json()["unread"] == 0


async def test_typing_is_told_to_the_others(desk: Desk) -> None:
    tom, una, room = await two(desk)
    async with una.line() as line:
        await line.subscribe(room)
        assert (await tom.post(f"/rooms/{room}/typing")).json() == {"ok": True}
        assert (await line.wait("typing", on=True))["user"] == tom.id
        await tom.post(f"/rooms/{room}/typing", {"on": False})
        await line.wait("typing", on=False)
    assert (await tom.post(f"/rooms/{room}/typing", {"on": "yes"})).status_code == 422


async def test_presence_is_told_of_those_one_shares_a_room_with(desk: Desk) -> None:
    """A stranger's comings and goings are nobody's business."""
    tom, una, _ = await two(desk)
    stranger, ana = await desk.member("Sam"), await desk.agent("Ana")
    async with una.line(), stranger.line():
        asked = ",".join([una.id, stranger.id, new_id(), "nonsense"])
        told = (await tom.get("/presence", params={"users": asked})).json()["items"]
        assert [(item["user"], item["status"]) for item in told] == [(una.id, "online")]
        told = (await ana.get("/presence", params={"users": asked})).json()["items"]
        assert {una.id, stranger.id} <= {item["user"] for item in told}
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    told = (await eve.get("/presence", params={"users": una.id})).json()["items"]
    assert all(item["status"] == "offline" and "last_seen" not in item for item in told)
    assert (await tom.get("/presence")).status_code == 422
