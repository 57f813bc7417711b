"""Private notes: the visitor cannot tell a conversation with notes from one without, by any byte they are sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from deskbell.hookspecs import hookimpl
from deskbell.testing.desk import Desk, Person, settings_for

NOTE = "note-canary-8841 she is a difficult one"


@pytest.fixture
async def desk(empty_sqlite_url: str) -> AsyncIterator[Desk]:
    settings = settings_for(empty_sqlite_url, auth={"access_token_s": 86_400}, jobs={"tick_s": 3600.0})
    async with Desk.open(empty_sqlite_url, settings=settings) as opened:
        yield opened


async def notes_of(agent: Person, room: str) -> list[dict[str, Any]]:
    backstage = (await agent.get(f"/rooms/{room}/backstage")).json()["id"]
    found = (await agent.get(f"/rooms/{backstage}/messages")).json()["messages"]
    return [message for message in found if message["kind"] != "system"]


async def in_hand(maya: Person, ana: Person) -> tuple[str, str]:
    """A conversation an agent has: the room and its case."""
    room = await maya.conversation()
    case = (await ana.post(f"/rooms/{room}/take-over")).json()
    return room, case["id"]


def anonymous(value: Any, names: dict[str, str]) -> Any:
    """The same with ids numbered in the order they are met, and moments left out: what two logs have in common."""
    if isinstance(value, dict):
        return {
            anonymous(key, names): anonymous(item, names)
            for key, item in value.items()
            if not key.endswith("_at") and key not in ("server_time", "last_seen", "as_of", "client_id", "ref")
        }
    if isinstance(value, list):
        return [anonymous(item, names) for item in value]
    if isinstance(value, str) and value[36:37] == ":":
        return f"{anonymous(value[:36], names)}{value[36:]}"
    if isinstance(value, str) and len(value) == 36 and value.count("-") == 4:
        return names.setdefault(value, f"id{len(names)}")
    return value


@pytest.mark.parametrize("watching", ["subscribed", "looking away"])
async def test_a_visitors_frames_are_the_same_with_and_without_notes(desk: Desk, watching: str) -> None:
    """Not one frame, number or count more: two conversations alike, in one of which Ana writes notes."""
    ana = await desk.agent("Ana")
    await (await desk.visitor("Somebody else")).conversation()  # the bot is known, as it will be in both
    logs, answers = [], []
    for notes in (False, True):
        maya = await desk.visitor("Maya")
        async with maya.line() as line, ana.line() as agent:
            room, case = await in_hand(maya, ana)
            if watching == "subscribed":
                await line.subscribe(room)
            await agent.subscribe(room)

            async def aside(number: int, *, to: str = room, wanted: bool = notes) -> None:
                if not wanted:
                    return
                assert (await ana.post(f"/rooms/{to}/notes", {"text": f"{NOTE} {number}"})).status_code == 201

            await aside(1)
            backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"] if notes else ""
            await agent.says(room, "Hello")
            await aside(2)
            if notes:
                await agent.subscribe(backstage)
                sent = await agent.says(backstage, f"{NOTE} by socket")
                await agent.ask({"type": "react", "message": sent["id"], "emoji": "👀"})
                await agent.ask({"type": "edit", "message": sent["id"], "content": f"{NOTE} edited"})
                await agent.send({"type": "typing", "room": backstage, "on": True})
                await agent.ask({"type": "read", "room": backstage, "seq": 2})
            await line.says(room, "Hello Ana")
            await aside(3)
            await ana.post(f"/cases/{case}/transfer", {"team": "billing", "note": NOTE if notes else ""})
            await agent.says(room, "Bye")
            await desk.until(lambda: desk.application.ports.journal.waiting == 0)
            paths = ["/rooms", f"/rooms/{room}", f"/rooms/{room}/messages", f"/rooms/{room}/participants", "/unread"]
            paths += [f"/rooms/{room}/changes?since=0", f"/rooms/{room}/case", "/support/conversations", "/me"]
            await line.wait("case", status="waiting")  # told with a moment's delay
            names: dict[str, str] = {}
            if watching == "subscribed":
                await line.hears(room, "Bye")
            answers.append([anonymous((await maya.get(path)).json(), names) for path in paths])
            durable = [f for f in line.frames if f["type"] not in ("inbox", "presence", "tips", "ping")]
            logs.append([anonymous(frame, names) for frame in durable])
            assert NOTE[:11] not in str(line.frames)
            inboxes = {
                frame["room"]
                for frame in line.frames
                if frame["type"] in ("inbox", "presence", "typing")
                if "room" in frame
            }
            assert inboxes <= {room}
            await ana.post(f"/cases/{case}/resolve")
    assert answers[0] == answers[1]
    assert logs[0] == logs[1]


class _Watching:
    """A plugin that hears of everything, notes included: that leaves work behind, which is counted somewhere."""

    @hookimpl
    def on_message(self, message: Any) -> None:
        return None


async def test_a_note_written_while_the_assistant_answers_leaves_no_trace_either(empty_sqlite_url: str) -> None:
    """The backstage room is made for it, and the conversation takes no number for that."""
    async with Desk.open(empty_sqlite_url, plugins={"watching": _Watching()}) as desk:
        await _a_note_leaves_no_trace(desk)


async def _a_note_leaves_no_trace(desk: Desk) -> None:
    ana = await desk.agent("Ana")
    await (await desk.visitor("Somebody else")).conversation()
    logs, answers = [], []
    for notes in (False, True):
        maya = await desk.visitor("Maya")
        async with maya.line() as line:
            room = await maya.conversation()
            await line.subscribe(room)
            await line.says(room, "Hello")
            await line.hears(room, "You said: Hello")
            if notes:
                assert (await ana.post(f"/rooms/{room}/notes", {"text": NOTE})).status_code == 201
            await line.says(room, "Bye")
            await line.hears(room, "You said: Bye")
            names: dict[str, str] = {}
            durable = [f for f in line.frames if f["type"] in ("subscribed", "message", "participant", "room", "ack")]
            logs.append([anonymous(frame, names) for frame in durable])
            paths = (f"/rooms/{room}", f"/rooms/{room}/participants", f"/rooms/{room}/changes?since=0")
            answers.append([anonymous((await maya.get(path)).json(), names) for path in paths])
    assert logs[0] == logs[1]
    assert answers[0] == answers[1]


async def test_a_visitor_is_told_of_no_room_where_the_notes_are(desk: Desk) -> None:
    """Whatever they ask of it, it answers as a room that does not exist."""
    maya, ana = await desk.visitor(), await desk.agent()
    room, _ = await in_hand(maya, ana)
    note = (await ana.post(f"/rooms/{room}/notes", {"text": NOTE})).json()["id"]
    backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
    nowhere = "01900000-0000-7000-8000-000000000000"
    async with maya.line() as line:
        for there, absent in ((backstage, nowhere),):
            for method, path, body in (
                ("GET", "/rooms/{}", None),
                ("GET", "/rooms/{}/messages", None),
                ("GET", "/rooms/{}/changes?since=0", None),
                ("GET", "/rooms/{}/participants", None),
                ("GET", "/rooms/{}/pins", None),
                ("POST", "/rooms/{}/join", {}),
                ("POST", "/rooms/{}/leave", {}),
                ("POST", "/rooms/{}/messages", {"content": "hi"}),
                ("POST", "/rooms/{}/read", {"seq": 1}),
                ("POST", "/rooms/{}/typing", {"on": True}),
                ("POST", "/rooms/{}/escalate", {}),
                ("POST", "/rooms/{}/archive", {}),
                ("PATCH", "/rooms/{}", {"name": "mine"}),
                ("DELETE", "/rooms/{}", None),
            ):
                options: dict[str, Any] = {"json": body} if body is not None else {}
                asked = await maya.call(method, path.format(there), **options)
                gone = await maya.call(method, path.format(absent), **options)
                assert (asked.status_code, asked.content) == (gone.status_code, gone.content), (method, path)
                assert asked.status_code == 404, (method, path)
            for frame in (
                {"type": "subscribe", "rooms": [{"id": "{}"}]},
                {"type": "subscribe", "rooms": [{"id": "{}", "since": 0}]},
                {"type": "history", "room": "{}"},
                {"type": "send", "room": "{}", "content": "hi", "client_id": "c"},
                {"type": "read", "room": "{}", "seq": 1},
                {"type": "escalate", "room": "{}"},
                {"type": "stop", "room": "{}", "turn": "1"},
            ):
                replies = []
                for room_id in (there, absent):
                    text = msgspec.json.encode(frame).decode().replace('"{}"', f'"{room_id}"')
                    reply = await line.ask(msgspec.json.decode(text))
                    replies.append({key: value for key, value in reply.items() if key not in ("ref", "room")})
                assert replies[0] == replies[1] and replies[0]["type"] == "error", frame
        for method, path, body in (
            ("GET", "/messages/{}", None),
            ("GET", "/messages/{}/thread", None),
            ("GET", "/messages/{}/reactions", None),
            ("GET", "/messages/{}/revisions", None),
            ("PATCH", "/messages/{}", {"content": "x"}),
            ("DELETE", "/messages/{}", None),
            ("PUT", "/messages/{}/reactions/👍", None),
            ("PUT", "/messages/{}/pin", None),
        ):
            options = {"json": body} if body is not None else {}
            asked = await maya.call(method, path.format(note), **options)
            gone = await maya.call(method, path.format(nowhere), **options)
            assert (asked.status_code, asked.content) == (gone.status_code, gone.content), (method, path)
        for field in ("reply_to", "thread"):
            quoted = await line.ask({"type": "send", "room": room, "content": "see", field: note})
            absent_quote = await line.ask({"type": "send", "room": room, "content": "see", field: nowhere})
            assert {**quoted, "ref": ""} == {**absent_quote, "ref": ""}


async def test_not_even_somebody_whom_the_store_counts_among_those_backstage_gets_in(desk: Desk) -> None:
    """Whatever put them there, a visitor is not staff."""
    maya, ana = await desk.visitor(), await desk.agent()
    room, _ = await in_hand(maya, ana)
    await ana.post(f"/rooms/{room}/notes", {"text": NOTE})
    backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
    await desk.application.ports.db.execute(
        "UPDATE participants SET user_id = $2 WHERE room_id = $1 AND user_id = $3", backstage, maya.id, ana.id
    )
    for path in (f"/rooms/{backstage}", f"/rooms/{backstage}/messages", f"/rooms/{backstage}/changes?since=0"):
        assert (await maya.get(path)).status_code == 404
    assert NOTE not in (await maya.get("/rooms")).text + (await maya.get("/unread")).text
    async with maya.line() as line:
        assert (await line.ask({"type": "subscribe", "rooms": [{"id": backstage}]}))["code"] == "not_found"


async def test_a_note_remembers_where_the_conversation_stood_whichever_way_it_was_written(desk: Desk) -> None:
    maya, ana, tom = await desk.visitor(), await desk.agent("Ana"), await desk.agent("Tom")
    async with maya.line() as line, ana.line() as agent:
        room, case = await in_hand(maya, ana)
        stood: list[int] = []

        async def stands() -> None:
            stood.append(await desk.application.ports.db.fetchval("SELECT seq FROM rooms WHERE id = $1", room))

        await stands()
        await ana.post(f"/rooms/{room}/notes", {"text": "over REST"})
        await line.says(room, "Hello")
        await stands()
        backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
        await agent.says(backstage, "over the socket")
        await line.says(room, "Hello again")
        await stands()
        await ana.post(f"/cases/{case}/transfer", {"agent": tom.id, "note": "with the transfer"})
        notes = await notes_of(ana, room)
        assert [n["content"] for n in notes] == ["over REST", "over the socket", "with the transfer"]
        assert [n["metadata"]["anchor_seq"] for n in notes] == stood
        forged = await agent.ask(
            {"type": "send", "room": backstage, "content": "x", "metadata": {"anchor_seq": 1}, "client_id": "f"}
        )
        assert (forged["type"], forged["code"]) == ("error", "invalid")


async def test_a_note_sent_twice_is_one_note(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent()
    room, _ = await in_hand(maya, ana)
    first = await ana.post(f"/rooms/{room}/notes", {"text": "once", "client_id": "n-1"})
    again = await ana.post(f"/rooms/{room}/notes", {"text": "once", "client_id": "n-1"})
    assert first.json() == again.json()
    assert len(await notes_of(ana, room)) == 1


async def test_the_bot_does_not_read_notes(desk: Desk) -> None:
    maya, ana = await desk.visitor(), await desk.agent()
    async with maya.line() as line:
        room, case = await in_hand(maya, ana)
        await line.subscribe(room)
        await ana.post(f"/rooms/{room}/notes", {"text": NOTE})
        await ana.post(f"/cases/{case}/return", {"to": "bot"})
        await line.says(room, "Hello")
        await line.hears(room, "You said: Hello")
        assert NOTE not in str(desk.bot.turns[-1])


async def test_notes_are_there_again_when_the_conversation_is(desk: Desk) -> None:
    """Closed, and opened again by the visitor: the same backstage room, which took no end of its own meanwhile."""
    maya, ana = await desk.visitor(), await desk.agent()
    async with maya.line() as line, ana.line() as agent:
        room, case = await in_hand(maya, ana)
        await line.subscribe(room)
        await ana.post(f"/rooms/{room}/notes", {"text": NOTE})
        backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
        await ana.post(f"/cases/{case}/resolve")
        await desk.advance(3601)
        assert (await maya.get(f"/rooms/{room}")).json()["archived"] is True
        await line.says(room, "One more thing")
        assert (await maya.get(f"/rooms/{room}")).json()["archived"] is False
        assert (await ana.get(f"/rooms/{room}/backstage")).json()["id"] == backstage
        assert [n["content"] for n in await notes_of(ana, room)] == [NOTE]
        await agent.says(backstage, "and another note")


async def test_a_backstage_room_does_not_close_while_the_conversation_goes_on(desk: Desk) -> None:
    """An hour without a note, while visitor and agent write on: the next note is taken all the same."""
    maya, ana = await desk.visitor(), await desk.agent()
    async with maya.line() as line, ana.line() as agent:
        room, _ = await in_hand(maya, ana)
        await ana.post(f"/rooms/{room}/notes", {"text": "first"})
        backstage = (await ana.get(f"/rooms/{room}/backstage")).json()["id"]
        for _ in range(3):
            await desk.advance(1900)
            await line.says(room, "still here")
        await agent.says(backstage, "second")
        assert [n["content"] for n in await notes_of(ana, room)] == ["first", "second"]
