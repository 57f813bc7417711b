"""A visitor who has waited long enough, or is done: out of the line, out of the conversation."""

from __future__ import annotations

from typing import Any

import pytest

from deskbell.testing.desk import Desk, Person


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def waiting(desk: Desk, ana: Person) -> tuple[Person, str, str]:
    maya = await desk.visitor()
    room = await maya.conversation()
    await maya.post(f"/rooms/{room}/escalate")
    return maya, room, str((await ana.get(f"/rooms/{room}")).json()["case"])


async def events(person: Person, room: str) -> list[str]:
    found = (await person.get(f"/rooms/{room}/messages", params={"limit": 100})).json()["messages"]
    return [message["metadata"]["event"] for message in found if "event" in message["metadata"]]


async def test_who_leaves_the_line_goes_on_with_the_assistant(desk: Desk) -> None:
    """The case is over, those behind move up, and the bot answers what is said next."""
    ana = await desk.agent("Ana")
    maya, room, case = await waiting(desk, ana)
    async with maya.line() as line, ana.line() as agent:
        left = await maya.post(f"/rooms/{room}/leave-queue")
        assert left.status_code == 200 and left.json()["status"] == "resolved" and "position" not in left.json()
        await line.wait("case", room=room, status="resolved")
        told = await agent.find(lambda f: f["type"] == "case" and f["case"]["id"] == case)
        assert told["case"]["status"] == "resolved" and told["case"]["owner"]["kind"] == "bot"
        state = (await maya.get(f"/rooms/{room}")).json()
        assert state["owner"]["kind"] == "bot" and state["case"] is None and state["archived"] is False
        assert (await events(maya, room))[-1] == "left_queue"
        await line.subscribe(room)
        await line.says(room, "Are you still there?")
        await line.hears(room, "You said: Are you still there?")
    before = await events(maya, room)
    assert (await maya.post(f"/rooms/{room}/leave-queue")).status_code == 200
    assert await events(maya, room) == before, "nothing to leave, nothing to tell"
    again = await maya.post(f"/rooms/{room}/escalate")
    assert again.json()["status"] == "waiting" and (await ana.get(f"/rooms/{room}")).json()["case"] != case


async def test_who_is_in_somebodys_hands_does_not_leave_the_line(desk: Desk) -> None:
    ana = await desk.agent("Ana")
    maya, room, case = await waiting(desk, ana)
    await ana.post(f"/cases/{case}/claim")
    assert (await maya.post(f"/rooms/{room}/leave-queue")).status_code == 409
    assert (await ana.get(f"/cases/{case}")).json()["status"] == "assigned"


async def test_a_visitor_ends_a_conversation_rates_it_and_may_open_another(desk: Desk) -> None:
    ana = await desk.agent("Ana")
    maya, room, case = await waiting(desk, ana)
    await ana.post(f"/cases/{case}/claim")
    assert (await maya.post(f"/rooms/{room}/rating", {"rating": 5})).status_code == 409
    for _ in range(2):
        ended = await maya.post(f"/rooms/{room}/end")
        assert ended.status_code == 200 and ended.json()["archived"] is True
    assert (await events(maya, room)).count("ended_by_visitor") == 1
    over = (await ana.get(f"/cases/{case}")).json()
    assert over["status"] == "resolved" and over["resolved_at"] and over["agent"] == ana.id
    assert (await maya.post(f"/rooms/{room}/rating", {"rating": 5, "comment": "Thanks"})).status_code == 200
    assert (await ana.get(f"/cases/{case}")).json()["rating"] == 5
    assert (await ana.post(f"/rooms/{room}/messages", {"content": "Wait"})).status_code == 410
    other = await maya.conversation()
    assert other != room
    # Who has one more word to say in time says it where they were.
    assert (await maya.post(f"/rooms/{room}/messages", {"content": "One more thing"})).status_code == 201
    assert (await maya.get(f"/rooms/{room}")).json()["archived"] is False


async def test_a_conversation_with_the_assistant_alone_can_be_rated_once_it_is_over(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    room = await maya.conversation()
    assert (await maya.post(f"/rooms/{room}/rating", {"rating": 2})).status_code == 409
    assert (await maya.post(f"/rooms/{room}/end")).status_code == 200
    rated = await maya.post(f"/rooms/{room}/rating", {"rating": 2, "comment": "No help"})
    assert rated.status_code == 200 and (rated.json()["rating"], rated.json()["comment"]) == (2, "No help")
    (story,) = (await ana.get(f"/rooms/{room}/contact")).json()["conversations"]
    assert (story["status"], story["case"], story["rating"]) == ("closed", None, 2)


async def test_only_the_visitor_ends_and_leaves(desk: Desk) -> None:
    ana = await desk.agent("Ana")
    _, room, _ = await waiting(desk, ana)
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
    group = await (tom := await desk.member("Tom")).group(ana)
    tries: list[tuple[Person, str, int]] = [
        (ana, room, 403),
        (await desk.visitor("Sam"), room, 404),
        (eve, room, 404),
        (ana, backstage, 409),
        (tom, group, 409),
    ]
    for verb in ("leave-queue", "end"):
        for person, where, status in tries:
            assert (await person.post(f"/rooms/{where}/{verb}")).status_code == status, (verb, person.name, where)
    assert (await ana.get(f"/rooms/{room}")).json()["case"] is not None


async def test_an_agent_sees_who_the_visitor_is_and_what_there_was_before(desk: Desk) -> None:
    """What is vouched for apart from what is only said; absent for whoever may not know."""
    ana = await desk.agent("Ana")
    maya = await desk.visitor("Maya", attributes={"plan": "gold", "is_admin": True})
    first = await maya.conversation(page="https://shop.example/cart")
    await maya.post(f"/rooms/{first}/messages", {"content": "Hello"})
    await maya.post(f"/rooms/{first}/escalate")
    case = (await ana.get(f"/rooms/{first}")).json()["case"]
    await ana.post(f"/cases/{case}/claim")
    await ana.post(f"/rooms/{first}/notes", {"text": "Looks nice"})
    await ana.post(f"/cases/{case}/resolve")
    await maya.post(f"/rooms/{first}/rating", {"rating": 4})
    second = await maya.conversation(new=True)

    async def contact(person: Person, room: str) -> Any:
        return await person.get(f"/rooms/{room}/contact")

    found = (await contact(ana, first)).json()
    assert found["user"] == {"id": maya.id, "kind": "visitor", "name": "Maya", "avatar": None}
    assert (found["email"], found["identified"], found["attributes"]) == (None, False, {})
    assert found["claimed"] == {"plan": "gold", "is_admin": True}
    assert found["page"] == {"url": "https://shop.example/cart"} and found["first_seen_at"]
    assert [story["room"] for story in found["conversations"]] == [second, first]
    new, old = found["conversations"]
    assert (new["status"], new["case"], new["last"]) == ("bot", None, None)
    assert (old["status"], old["case"], old["reason"], old["rating"]) == ("resolved", case, "asked_human", 4)
    assert old["last"]["text"] == "Looks nice" and old["last"]["note"] is True
    assert (await contact(ana, second)).json()["page"] is None
    eve = await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant())
    backstage = (await ana.get(f"/rooms/{first}/backstage")).json()["id"]
    group = await (await desk.member("Tom")).group(ana)
    strangers = [(maya, first), (await desk.visitor(), first), (eve, first), (ana, backstage), (ana, group)]
    for person, room in strangers:
        assert (await contact(person, room)).status_code == 404, (person.name, room)
