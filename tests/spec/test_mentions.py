"""Called by name: a list of one's own, and what one wants to read again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deskbell.client import Client
from deskbell.testing.desk import PASSWORD, Desk, Person


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def in_a_case(desk: Desk, ana: Person) -> tuple[Person, str, str]:
    maya = await desk.visitor()
    room = await maya.conversation()
    await maya.post(f"/rooms/{room}/escalate")
    case = str((await ana.get(f"/rooms/{room}")).json()["case"])
    await ana.post(f"/cases/{case}/claim")
    return maya, room, case


async def mentions(person: Person, **query: Any) -> list[dict[str, Any]]:
    answer = await person.get("/mentions", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_an_agent_finds_where_they_were_called_also_in_private_notes(desk: Desk) -> None:
    ana, ben = await desk.agent("Ana"), await desk.agent("Ben")
    _, room, case = await in_a_case(desk, ana)
    group = await (await desk.member("Tom")).group(ana, ben, name="Shift")
    said = (await ana.post(f"/rooms/{group}/messages", {"content": "@Ben ?", "mentions": [ben.id]})).json()
    note = await ana.post(f"/rooms/{room}/notes", {"text": "@Ben is this yours?", "mentions": [ben.id, ben.id]})
    assert note.status_code == 201
    await ana.post(f"/rooms/{room}/notes", {"text": "nobody"})
    newest, oldest = await mentions(ben)
    assert newest["message"]["id"] == note.json()["id"] and newest["message"]["mentions"] == [ben.id]
    # Of a note the conversation is named, where one answers it.
    assert newest["room"]["id"] == room and newest["case"] == case and newest["read"] is False
    assert oldest["message"]["id"] == said["id"] and oldest["room"] == {"id": group, "name": "Shift"}
    assert oldest["case"] is None and await mentions(ana) == []

    await ben.post(f"/rooms/{group}/read", {"seq": said["seq"]})
    assert [one["read"] for one in await mentions(ben)] == [False, True]
    await ben.post(f"/rooms/{group}/unread", {"seq": said["seq"]})
    assert [one["read"] for one in await mentions(ben)] == [False, False]
    backstage = (await ben.get(f"/rooms/{room}/backstage")).json()["id"]
    await ben.post(f"/rooms/{backstage}/read", {"seq": 1000})
    assert [one["read"] for one in await mentions(ben)] == [True, False]

    page = (await ben.get("/mentions", params={"limit": 1})).json()
    rest = (await ben.get("/mentions", params={"limit": 1, "cursor": page["next_cursor"]})).json()
    assert [page["items"][0]["message"]["id"], rest["items"][0]["message"]["id"]] == [note.json()["id"], said["id"]]
    assert rest["next_cursor"] is None
    maya = await desk.visitor()
    for wrong in ([maya.id], ["x"], [ben.id] * 101):
        answer = await ana.post(f"/rooms/{room}/notes", {"text": "@x", "mentions": wrong})
        assert answer.status_code in (413, 422), answer.text


async def test_who_is_named_in_a_note_hears_of_it_wherever_they_are(desk: Desk) -> None:
    """By whichever door it was written; with nothing of what it says, and nobody else."""
    ana, ben, cleo = await desk.agent("Ana"), await desk.agent("Ben"), await desk.agent("Cleo")
    maya, room, _ = await in_a_case(desk, ana)
    backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
    async with ben.line() as b, cleo.line() as c, maya.line() as m, ana.line() as a:
        note = await ana.post(f"/rooms/{room}/notes", {"text": "@Ben secret", "mentions": [ben.id, ana.id]})
        said = await a.says(backstage, "@Ben another secret", mentions=[ben.id])
        for message in (note.json()["id"], said["id"]):
            heard = await b.find(lambda f, message=message: f["type"] == "mention" and f["message"] == message)
            assert heard == {"type": "mention", "room": room, "message": message}
        for line in (a, c, m):
            await line.ask({"type": "ping"})
            assert "mention" not in [frame["type"] for frame in line.frames]


async def test_a_mention_goes_with_its_message_and_with_the_room(desk: Desk) -> None:
    """Deleted, edited to name another, left, banned: the list shows nothing of it."""
    tom, ben, ana = await desk.member("Tom"), await desk.agent("Ben"), await desk.agent("Ana")
    group = await tom.group(ben, ana, name="Shift")

    async def says(text: str) -> dict[str, Any]:
        body = {"content": text, "mentions": [ben.id]}
        return dict((await tom.post(f"/rooms/{group}/messages", body)).json())

    gone, kept = await says("gone"), await says("kept")
    await tom.call("DELETE", f"/messages/{gone['id']}")
    assert [one["message"]["content"] for one in await mentions(ben)] == ["kept"]
    await ben.post(f"/rooms/{group}/leave")
    assert await mentions(ben) == []
    await tom.post(f"/rooms/{group}/participants", {"user": ben.id})
    assert [one["message"]["id"] for one in await mentions(ben)] == [kept["id"]]
    await tom.call("PATCH", f"/rooms/{group}/participants/{ben.id}", json={"state": "banned"})
    assert await mentions(ben) == []
    for stranger in (tom, await desk.visitor()):
        assert (await stranger.get("/mentions")).status_code == 403


async def test_what_is_marked_unread_is_unread_wherever_that_is_counted(desk: Desk) -> None:
    """For oneself alone: others see how far one has read, which never moves back."""
    ana, tom = await desk.agent("Ana"), await desk.member("Tom")
    group = await tom.group(ana)
    said = [await tom.post(f"/rooms/{group}/messages", {"content": text}) for text in ("one", "two", "three")]
    seqs = [answer.json()["seq"] for answer in said]

    async def unread() -> tuple[int, int]:
        listed = (await ana.get("/rooms")).json()["items"]
        (entry,) = [item for item in listed if item["room"]["id"] == group]
        return entry["unread"], (await ana.get("/unread")).json()["rooms"].get(group, 0)

    async with ana.line() as line, tom.line() as other:
        await other.subscribe(group)
        await ana.post(f"/rooms/{group}/read", {"seq": seqs[2]})
        await line.find(lambda f: f["type"] == "inbox" and f["room"] == group and f["unread"] == 0)
        heard = len(line.frames)
        answer = await ana.post(f"/rooms/{group}/unread", {"seq": seqs[1]})
        assert answer.json() == {"unread": 2, "mentioned": False} and await unread() == (2, 2)
        await line.find(lambda f: f["type"] == "inbox" and f["room"] == group and f["unread"] == 2, after=heard)
        (marks,) = [f["reads"][ana.id] for f in [await other.subscribe(group)]]
        assert marks[0] == seqs[2]
        assert [f for f in other.frames if f["type"] == "receipt" and f["read_seq"] < seqs[2]] == []
        await ana.post(f"/rooms/{group}/read", {"seq": seqs[0]})
        assert await unread() == (2, 2), "what lies before it was read before"
        await ana.post(f"/rooms/{group}/read", {"seq": seqs[2]})
        assert await unread() == (0, 0)
    # Of two at once the one that was said last holds, whichever is written first.
    for _ in range(5):
        await asyncio.gather(
            ana.post(f"/rooms/{group}/read", {"seq": seqs[2]}), ana.post(f"/rooms/{group}/read", {"seq": seqs[1]})
        )
        assert (await ana.post(f"/rooms/{group}/unread", {"seq": seqs[2]})).json()["unread"] == 1
    lost = await desk.visitor()
    assert (await lost.post(f"/rooms/{group}/unread", {"seq": 1})).status_code == 404
    room = await lost.conversation()
    assert (await ana.post(f"/rooms/{room}/unread", {"seq": 1})).status_code == 403, "an onlooker has no mark there"


async def test_the_client_knows_these_routes(desk: Desk) -> None:
    ana, ben = await desk.agent("Ana"), await desk.agent("Ben")
    maya, room, case = await in_a_case(desk, ana)
    client = Client.login(desk.url, ana.email, PASSWORD)
    async with client:
        await client.note(room, "@Ben", "c-1", mentions=[ben.id])
        assert (await client.contact(room))["user"]["id"] == maya.id
        assert ben.id in [entry["user"]["id"] for entry in await client.agents()]
        assert await client.mentions() == []
    assert [one["case"] for one in await mentions(ben)] == [case]
