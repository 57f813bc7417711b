"""Drafts: what somebody has begun to write follows them, concerns nobody else, and ends when it is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deskbell.client import Client, DraftChanged
from deskbell.testing.desk import PASSWORD, Desk, Person
from deskbell.wire.commands import Draft


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    return shared_desk


async def saved(person: Person, room: str, text: str, **fields: Any) -> dict[str, Any]:
    answer = await person.call("PUT", f"/rooms/{room}/draft", json={"text": text, **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def kept(person: Person, room: str, kind: str = "reply") -> str | None:
    answer = await person.get(f"/rooms/{room}/draft", params={"kind": kind})
    assert answer.status_code in (200, 404), answer.text
    return str(answer.json()["text"]) if answer.status_code == 200 else None


async def test_a_draft_is_kept_with_what_it_rests_on_and_the_last_writing_wins(desk: Desk) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room, other = await tom.group(una), await tom.group(una)
    assert await kept(tom, room) is None
    await saved(tom, room, "Hel", seq=3, owner_version=1)
    await saved(tom, room, "Hello", seq=4, owner_version=2)
    await saved(tom, other, "Bye")
    found = (await tom.get(f"/rooms/{room}/draft")).json()
    assert (found["text"], found["seq"], found["owner_version"], found["kind"]) == ("Hello", 4, 2, "reply")
    assert [draft["text"] for draft in (await tom.get("/drafts")).json()["items"]] == ["Bye", "Hello"]
    page = (await tom.get("/drafts", params={"limit": 1})).json()
    rest = (await tom.get("/drafts", params={"limit": 1, "cursor": page["next_cursor"]})).json()
    assert [page["items"][0]["room"], rest["items"][0]["room"]] == [other, room] and rest["next_cursor"] is None
    assert (await tom.call("DELETE", f"/rooms/{room}/draft")).status_code == 200
    assert (await tom.call("DELETE", f"/rooms/{room}/draft")).status_code == 200
    assert await kept(tom, room) is None and await kept(tom, other) == "Bye"


async def test_a_draft_is_its_authors_alone(desk: Desk) -> None:
    """Neither the others of the room, nor agents, nor another tenant's admin learn that there is one."""
    maya, ana = await desk.visitor("Maya"), await desk.agent("Ana")
    sam, eve = (
        await desk.visitor("Sam"),
        await desk.person("Eve", kind="agent", role="admin", tenant=await desk.other_tenant()),
    )
    room = await maya.conversation()
    async with ana.line() as line, maya.line() as own:
        await line.subscribe(room)
        await saved(maya, room, "My password is")
        await own.wait("draft", room=room)
        await saved(ana, room, "Have you tried", kind="note")
        await line.wait("draft", room=room, kind="note")
        assert [f["kind"] for f in line.frames if f["type"] == "draft"] == ["note"]
        assert [f["kind"] for f in own.frames if f["type"] == "draft"] == ["reply"]
    assert await kept(ana, room) is None and (await ana.get("/drafts")).json()["items"][0]["kind"] == "note"
    for stranger in (sam, eve):
        assert (await stranger.call("PUT", f"/rooms/{room}/draft", json={"text": "x"})).status_code == 404
        assert (await stranger.get(f"/rooms/{room}/draft")).status_code == 404
        assert (await stranger.call("DELETE", f"/rooms/{room}/draft")).status_code == 200
        assert (await stranger.get("/drafts")).json()["items"] == []
    assert await kept(maya, room) == "My password is"
    assert (await desk.http.get("/drafts")).status_code == 401


async def test_notes_are_drafted_by_agents_in_support_conversations(desk: Desk) -> None:
    maya, ana, tom = await desk.visitor(), await desk.agent("Ana"), await desk.member("Tom")
    room, group = await maya.conversation(), await tom.group(ana)
    for person, where in ((maya, room), (tom, group), (ana, group)):
        answer = await person.call("PUT", f"/rooms/{where}/draft", json={"text": "psst", "kind": "note"})
        assert answer.status_code == 403
    await saved(ana, room, "psst", kind="note")
    await saved(ana, room, "Hello")
    assert (await kept(ana, room), await kept(ana, room, "note")) == ("Hello", "psst")
    await ana.call("DELETE", f"/rooms/{room}/draft", params={"kind": "reply"})
    assert (await kept(ana, room), await kept(ana, room, "note")) == (None, "psst")


async def test_what_could_never_be_sent_is_not_kept(desk: Desk) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    limit = desk.application.ports.settings.limits.text_bytes
    for text, status in (("", 422), ("  \n", 422), ("é" * (limit // 2 + 1), 413), ("é" * (limit // 2), 200)):
        assert (await tom.call("PUT", f"/rooms/{room}/draft", json={"text": text})).status_code == status


async def test_ones_other_sockets_are_told_once_for_what_is_written_quickly(desk: Desk) -> None:
    """The page it is written in is not told, and the last state is what the others have in the end."""
    tom = await desk.member("Tom")
    room = await tom.group()
    async with tom.line() as here, tom.line() as there:
        connection = next(f["connection"] for f in here.frames if f["type"] == "welcome")
        for n in range(8):
            await saved(tom, room, "word " * (n + 1), connection=connection)
        await there.find(lambda f: f["type"] == "draft" and f["draft"]["text"] == "word " * 8)
        assert len([f for f in there.frames if f["type"] == "draft"]) < 8
        await tom.call("DELETE", f"/rooms/{room}/draft", params={"connection": connection})
        over = await there.wait("draft", draft=None)
        assert over["room"] == room and over["changed_at"] >= there.frames[-2].get("changed_at", "")
        await here.ask({"type": "read", "room": room, "seq": 1})
        assert [f for f in here.frames if f["type"] == "draft"] == []


async def test_a_draft_ends_with_the_message_it_becomes_by_socket_and_rest(desk: Desk) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    async with tom.line() as here, tom.line() as there:
        await saved(tom, room, "One")
        await here.says(room, "Zero")
        assert await kept(tom, room) == "One", "another message does not end it"
        await here.says(room, "One", draft=True, client_id="d-1")
        assert await kept(tom, room) is None, "gone before the ack"
        await there.wait("draft", room=room, draft=None)
        assert not [f for f in here.frames if f["type"] == "draft" and f["draft"] is None]
        await here.subscribe(room)
        await saved(tom, room, "Two")
        await here.says(room, "Two", draft=True)
        assert await kept(tom, room) is None, "by the quick way, too"
    await saved(tom, room, "Three")
    sent = await tom.post(f"/rooms/{room}/messages", {"content": "Three", "draft": True})
    assert sent.status_code == 201 and await kept(tom, room) is None


async def test_a_refused_message_keeps_its_draft_and_a_repeated_one_takes_nothing_newer(desk: Desk) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    await saved(tom, room, "Hello")
    stale = {"content": "Hello", "draft": True, "expect": {"owner_version": 99}}
    assert (await tom.post(f"/rooms/{room}/messages", stale)).status_code == 412
    assert await kept(tom, room) == "Hello"
    body = {"content": "Hello", "draft": True, "client_id": "once"}
    assert (await tom.post(f"/rooms/{room}/messages", body)).status_code == 201
    desk.clock.advance(1)
    await saved(tom, room, "And then")
    assert (await tom.post(f"/rooms/{room}/messages", body)).status_code == 200
    assert await kept(tom, room) == "And then"
    plain = {**body, "draft": False}
    assert (await tom.post(f"/rooms/{room}/messages", plain)).status_code == 200, "the flag is no part of the request"
    assert Draft(content="x").draft is False


async def test_a_note_ends_the_drafted_note_and_leaves_the_reply(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent("Ana")
    room = await maya.conversation()
    backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
    for way in ("route", "room"):
        await saved(ana, room, "Difficult one", kind="note")
        await saved(ana, room, "Dear Maya")
        if way == "route":
            sent = await ana.post(f"/rooms/{room}/notes", {"text": "Difficult one", "draft": True})
        else:
            sent = await ana.post(f"/rooms/{backstage}/messages", {"content": "Difficult one", "draft": True})
        assert sent.status_code == 201, sent.text
        assert (await kept(ana, room, "note"), await kept(ana, room)) == (None, "Dear Maya")


async def test_a_draft_of_a_room_one_was_sent_out_of_is_still_ones_own_to_drop(desk: Desk) -> None:
    tom, una = await desk.member("Tom"), await desk.member("Una")
    room = await tom.group(una)
    await saved(una, room, "I am sorry")
    await tom.call("DELETE", f"/rooms/{room}/participants/{una.id}")
    assert (await una.get(f"/rooms/{room}/draft")).status_code == 404
    assert (await una.call("PUT", f"/rooms/{room}/draft", json={"text": "But"})).status_code == 404
    assert [draft["room"] for draft in (await una.get("/drafts")).json()["items"]] == [room]
    await una.call("DELETE", f"/rooms/{room}/draft")
    assert (await una.get("/drafts")).json()["items"] == []


async def test_a_person_has_five_hundred_drafts_at_most(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deskbell.actions.drafts.MAX_DRAFTS", 2)
    tom = await desk.member("Tom")
    rooms = [await tom.group() for _ in range(3)]
    for room in (*rooms[:2], rooms[0]):
        await saved(tom, room, "again and again")
    refused = await tom.call("PUT", f"/rooms/{rooms[2]}/draft", json={"text": "one too many"})
    assert refused.json()["error"]["code"] == "limit_reached"


async def test_drafts_are_erased_with_the_text_of_their_room(database_url: str) -> None:
    policy = {"auto_close_s": 60, "retention_s": 120, "reopen_window_s": 60}
    async with Desk.open(database_url, channels={"support": policy}) as desk:
        maya, ana = await desk.visitor(), await desk.agent("Ana")
        room, other = await maya.conversation(), await ana.group()
        await saved(maya, room, "I wanted to")
        await saved(ana, room, "About Maya", kind="note")
        await saved(ana, other, "Elsewhere")
        await desk.advance(61)
        assert await kept(maya, room) == "I wanted to", "a closed conversation may be taken up again"
        await desk.advance(200)
        assert await kept(maya, room) is None
        assert [draft["text"] for draft in (await ana.get("/drafts")).json()["items"]] == ["Elsewhere"]
        late = await maya.call("PUT", f"/rooms/{room}/draft", json={"text": "I wanted to"})
        assert late.status_code == 410 and late.json()["error"]["code"] == "room_closed"


async def test_a_program_keeps_and_hears_drafts(desk: Desk) -> None:
    tom = await desk.member("Tom")
    room = await tom.group()
    async with Client.login(desk.url, tom.email, PASSWORD) as client:
        assert await client.draft(room) is None
        heard: asyncio.Queue[Any] = asyncio.Queue()

        async def listen() -> None:
            async for event in client.events():
                if isinstance(event, DraftChanged):
                    heard.put_nowait(event)

        listening = asyncio.create_task(listen())
        await asyncio.wait_for(client.subscribe(room), 10)
        await client.save_draft(room, "Hello", seq=2)
        assert [draft.text for draft in await client.drafts()] == ["Hello"]
        event = await asyncio.wait_for(heard.get(), 10)
        assert event.draft is not None and (event.draft.text, event.draft.seq) == ("Hello", 2)
        await saved(tom, room, "Hello there")
        event = await asyncio.wait_for(heard.get(), 10)
        assert event.draft is not None and event.draft.text == "Hello there"
        await client.drop_draft(room)
        event = await asyncio.wait_for(heard.get(), 10)
        assert event.room == room and event.draft is None
        listening.cancel()
