"""A held message is seen by nobody until a person has decided."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from deskbell.testing.desk import Desk, Line, Person, settings_for


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(shared_url: str) -> AsyncIterator[Desk]:
    held_words = {"moderation_words": {"settings": {"hold": ["guillotine"]}}}
    async with Desk.open(shared_url, settings=settings_for(shared_url, plugins=held_words)) as opened:
        yield opened


async def a_room(desk: Desk) -> tuple[Person, Person, Person, str]:
    maya, tom, ana = await desk.member("Maya"), await desk.member("Tom"), await desk.agent("Ana")
    return maya, tom, ana, await maya.group(tom)


async def held(line: Line, room: str, client_id: str = "c-1") -> dict[str, object]:
    return await line.ask({"type": "send", "room": room, "content": "a guillotine", "client_id": client_id})


async def test_an_approved_message_appears_as_its_senders(desk: Desk) -> None:
    """It takes its number when it is approved, and a retry of the send finds it."""
    maya, tom, ana, room = await a_room(desk)
    async with maya.line() as line, tom.line() as other:
        await other.subscribe(room)
        ack = await held(line, room)
        assert ack["type"] == "ack", ack
        assert ack["held"] is True
        assert "seq" not in ack
        await line.says(room, "and a harmless word")
        await other.hears(room, "and a harmless word")
        assert other.heard(room) == ["and a harmless word"]

        waiting = [i for i in (await ana.get("/moderation/held")).json()["items"] if i["id"] == ack["id"]]
        assert [item["content"] for item in waiting] == ["a guillotine"]
        answer = await ana.post(f"/moderation/held/{ack['id']}/approve")
        assert answer.status_code == 200, answer.text
        shown = await other.hears(room, "a guillotine")
        assert shown["message"]["sender"]["id"] == maya.id
        assert shown["message"]["client_id"] == "c-1"
        again = await held(line, room)
        assert again["duplicate"] is True
        assert again["id"] == shown["message"]["id"]


async def test_an_approved_word_of_a_visitor_is_answered_as_any_other(desk: Desk) -> None:
    desk.bot.answers("That is history.")
    leila, ana = await desk.visitor("Leila"), await desk.agent("Ana")
    room = await leila.conversation()
    async with leila.line() as line:
        await line.subscribe(room)
        ack = await held(line, room)
        assert (await ana.post(f"/moderation/held/{ack['id']}/approve")).status_code == 200
        await line.hears(room, "That is history.")
        assert line.heard(room) == ["a guillotine", "That is history."]


async def test_a_rejected_message_is_forgotten(desk: Desk) -> None:
    """Nobody sees it, its text is gone from the store, and the second decision comes too late."""
    maya, tom, ana, room = await a_room(desk)
    async with maya.line() as line:
        ack = await held(line, room)
        assert (await ana.post(f"/moderation/held/{ack['id']}/reject")).status_code == 200
        late = await ana.post(f"/moderation/held/{ack['id']}/approve")
        assert late.status_code == 410
        assert (await held(line, room))["held"] is True
    assert (await tom.get(f"/rooms/{room}/messages")).json()["messages"] == []
    left = await desk.application.ports.db.fetch("SELECT request, original FROM held_messages WHERE id = $1", ack["id"])
    assert all("guillotine" not in row["request"] + row["original"] for row in left)


async def test_the_sender_hears_how_it_ends_and_nobody_else_does(desk: Desk) -> None:
    """On each of their sockets; who was away asks."""
    maya, tom, ana, room = await a_room(desk)
    async with maya.line() as line, maya.line() as phone, tom.line() as other:
        await other.subscribe(room)
        first, second = await held(line, room, "c-1"), await held(line, room, "c-2")
        asked = (await maya.get(f"/rooms/{room}/held")).json()["items"]
        assert [(one["client_id"], one["status"]) for one in asked] == [("c-2", "held"), ("c-1", "held")]
        await ana.post(f"/moderation/held/{first['id']}/reject")
        await ana.post(f"/moderation/held/{second['id']}/approve")
        for socket in (line, phone):
            for ack, status in ((first, "rejected"), (second, "approved")):
                told = await socket.find(lambda frame, ack=ack: frame["type"] == "held" and frame["id"] == ack["id"])
                assert (told["room"], told["client_id"], told["status"]) == (room, ack["client_id"], status)
        await other.hears(room, "a guillotine")
        assert not [frame for frame in other.frames if frame["type"] == "held"]
    asked = (await maya.get(f"/rooms/{room}/held")).json()["items"]
    assert [(one["client_id"], one["status"]) for one in asked] == [("c-2", "approved"), ("c-1", "rejected")]
    assert (await tom.get(f"/rooms/{room}/held")).json()["items"] == []
    assert (await (await desk.member("Una")).get(f"/rooms/{room}/held")).status_code == 404


async def test_only_staff_decide(desk: Desk) -> None:
    """To anybody else a held message does not exist."""
    maya, tom, _, room = await a_room(desk)
    async with maya.line() as line:
        ack = await held(line, room)
    for person in (maya, tom):
        assert (await person.get("/moderation/held")).status_code == 404
        assert (await person.post(f"/moderation/held/{ack['id']}/approve")).status_code == 404
