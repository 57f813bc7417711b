"""Team chat, in its own document's words, beside clients of v1 in the same rooms.

The JSON blocks are those of the document, word for word; what it leaves open (``uuid-here``, ``user-id``) is put in.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from deskbell.ids import new_id
from deskbell.testing.desk import Desk, Line, Person, settings_for

JOIN_ROOM = """{
    "type": "join_room",
    "room_id": "uuid-here"
}"""
SEND_MESSAGE = """{
    "type": "send_message",
    "room_id": "uuid-here",
    "content": "Hello, world!",
    "message_type": "text",
    "attachments": [],
    "mentions": ["user-id"]
}"""
START_TYPING = """{
    "type": "typing_start",
    "room_id": "uuid-here"
}"""
MARK_READ = """{
    "type": "mark_read",
    "room_id": "uuid-here",
    "message_ids": ["msg-id-1", "msg-id-2"]
}"""
CREATE_ROOM = """{
    "type": "create_room",
    "name": "Project Discussion",
    "room_type": "group",
    "participants": ["user-id-1", "user-id-2"],
    "description": "Discussion about the project",
    "is_private": false
}"""
ON = {"team_chat": {"enabled": True}, "moderation_words": {"settings": {"hold": ["guillotine"]}}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(shared_url: str) -> AsyncIterator[Desk]:
    async with Desk.open(shared_url, settings=settings_for(shared_url, plugins=ON)) as opened:
        yield opened


class Chat(Line):
    """A socket of team chat: it knows no ``ref``; what it is told is found by its type."""

    @classmethod
    async def of(cls, person: Person, url: str = "") -> Chat:
        base = (url or person.desk.url).replace("http", "ws", 1)
        chat = cls(await connect(f"{base}/api/v1/ws/chat?token={person.token}", compression=None, proxy=None))
        person.desk.lines.append(chat)
        greeting = await chat.find(lambda frame: True)
        assert greeting == {"type": "connection", "status": "connected"}
        return chat

    async def block(self, block: str, **blanks: str) -> None:
        """Say a block of the document, its blanks filled in."""
        for blank, value in blanks.items():
            assert f'"{blank.replace("_", "-")}"' in block
            block = block.replace(f'"{blank.replace("_", "-")}"', f'"{value}"')
        await self.send(block)

    async def joins(self, room: str) -> dict[str, Any]:
        at = len(self.frames)
        await self.block(JOIN_ROOM, uuid_here=room)
        return await self.wait("room_joined", after=at, room_id=room)

    async def said(self, content: str) -> dict[str, Any]:
        """The ``new_message`` with this text."""
        return await self.find(lambda f: f["type"] == "new_message" and f["message"]["content"] == content)

    def texts(self) -> list[str]:
        return [frame["message"]["content"] for frame in self.frames if frame["type"] == "new_message"]


async def a_pair(desk: Desk) -> tuple[Person, Person, str]:
    maya, tom = await desk.member("Maya"), await desk.member("Tom")
    return maya, tom, await maya.group(tom)


async def test_the_documents_own_frames_do_what_it_says(desk: Desk) -> None:
    """Create a room, join it, write, type, mark read: block by block."""
    maya, tom, eve = [await desk.member(name) for name in ("Maya", "Tom", "Eve")]
    a, t = await Chat.of(maya), await Chat.of(tom)
    await a.block(CREATE_ROOM, user_id_1=tom.id, user_id_2=eve.id)
    created = await a.wait("room_created")
    room = created["room_id"]
    shown = {key: created["room"][key] for key in ("name", "room_type", "description", "is_private")}
    assert shown == {
        "name": "Project Discussion",
        "room_type": "group",
        "description": "Discussion about the project",
        "is_private": False,
    }
    joined = await t.joins(room)
    roles = {who["user_id"]: who["role"] for who in joined["participants"]}
    assert roles == {maya.id: "admin", tom.id: "member", eve.id: "member"}

    await a.block(SEND_MESSAGE, uuid_here=room, user_id=tom.id)
    sent = await a.wait("message_sent", room_id=room)
    heard = (await t.said("Hello, world!"))["message"]
    assert heard["id"] == sent["message_id"]
    assert (heard["sender_id"], heard["message_type"], heard["mentions"]) == (maya.id, "text", [tom.id])
    assert (await a.said("Hello, world!"))["message"] == heard, "the sender's own sockets hear it too"
    unread = await t.find(lambda f: f["type"] == "unread_count" and f["unread_count"] == 1)
    assert unread["mentioned"] is True

    await a.block(START_TYPING, uuid_here=room)
    await t.wait("typing_start", room_id=room, user_id=maya.id)
    await a.send({"type": "typing_stop", "room_id": room})
    await t.wait("typing_stop", room_id=room, user_id=maya.id)
    assert not [frame for frame in a.frames if frame["type"].startswith("typing")], "nobody is told of themselves"

    await a.send({"type": "send_message", "room_id": room, "content": "And again."})
    second = (await t.said("And again."))["message"]
    await t.block(MARK_READ, uuid_here=room, msg_id_1=heard["id"], msg_id_2=second["id"])
    await t.find(lambda f: f["type"] == "unread_count" and f["unread_count"] == 0)
    await a.wait("messages_read", room_id=room, user_id=tom.id, last_message_id=second["id"])


async def test_health_answers_what_the_document_shows(desk: Desk) -> None:
    """Exactly three things; this desk has no Redis."""
    maya = await desk.member("Maya")
    await Chat.of(maya)
    answer = await desk.http.get("/chat/health")
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"status", "active_connections", "redis_connected"}
    assert body["status"] == "healthy"
    assert body["active_connections"] >= 1
    assert body["redis_connected"] is False


async def test_both_protocols_talk_in_one_room(desk: Desk) -> None:
    """What one does, the other hears in its own words: texts, edits, reactions, typing, receipts, deletion."""
    maya, tom, room = await a_pair(desk)
    async with maya.line() as v1:
        chat = await Chat.of(tom)
        await v1.subscribe(room)
        await chat.joins(room)

        ack = await v1.says(room, "from v1")
        told = (await chat.said("from v1"))["message"]
        assert told["id"] == ack["id"]
        await chat.send({"type": "send_message", "room_id": room, "content": "from chat", "reply_to": told["id"]})
        heard = (await v1.hears(room, "from chat"))["message"]
        assert heard["reply_to"] == told["id"]
        assert heard["sender"]["id"] == tom.id

        await v1.ask({"type": "edit", "message": ack["id"], "content": "from v1, mended"})
        edited = await chat.wait("message_edited", room_id=room)
        assert (edited["message"]["content"], edited["message"]["is_edited"]) == ("from v1, mended", True)
        await chat.send({"type": "edit_message", "message_id": heard["id"], "content": "from chat, mended"})
        await v1.hears(room, "from chat, mended")
        await chat.send({"type": "get_edit_history", "message_id": heard["id"]})
        assert [edit["content"] for edit in (await chat.wait("edit_history"))["edits"]] == ["from chat"]

        await chat.send({"type": "add_reaction", "message_id": ack["id"], "emoji": "👍"})
        await v1.find(lambda f: f["type"] == "message" and f["message"]["reactions"])
        reacted = await chat.wait("message_reaction")
        assert reacted["message"]["reactions"] == [{"emoji": "👍", "count": 1, "users": [tom.id]}]
        at = len(chat.frames)
        await v1.ask({"type": "react", "message": ack["id"], "emoji": "🎉"})
        await chat.wait("message_reaction", after=at)
        await chat.send({"type": "remove_reaction", "message_id": ack["id"], "emoji": "👍"})
        await v1.find(
            lambda f: f["type"] == "message" and [r["emoji"] for r in f["message"]["reactions"]] == ["🎉"],
        )

        await v1.send({"type": "typing", "room": room, "on": True})
        await chat.wait("typing_start", user_id=maya.id)
        await chat.send({"type": "typing_start", "room_id": room})
        await v1.wait("typing", user=tom.id, on=True)
        await v1.send({"type": "read", "room": room, "seq": heard["seq"]})
        await chat.wait("messages_read", user_id=maya.id, last_message_id=heard["id"])
        await chat.send({"type": "mark_read", "room_id": room, "message_ids": [told["id"]]})
        await v1.wait("receipt", user=tom.id)

        await chat.send({"type": "delete_message", "message_id": heard["id"]})
        await v1.find(lambda f: f["type"] == "message" and f["message"]["deleted"])
        await v1.ask({"type": "delete", "message": ack["id"]})
        gone = await chat.find(lambda f: f["type"] == "message_deleted" and f["message"]["id"] == ack["id"])
        assert (gone["message"]["content"], gone["message"]["is_deleted"]) == ("", True)


async def test_held_messages_and_other_rooms_are_not_told(desk: Desk) -> None:
    """Nothing of a held text, of a room one is not in, of another tenant; a deleted text is gone from what is shown."""
    maya, tom, room = await a_pair(desk)
    elsewhere = await maya.group()
    abroad = await desk.other_tenant()
    stranger = await desk.person("Ada", tenant=abroad)
    chat, foreign = await Chat.of(tom), await Chat.of(stranger)
    await chat.joins(room)
    for nowhere in (elsewhere, new_id(), "no id"):
        at = len(chat.frames)
        await chat.send({"type": "join_room", "room_id": nowhere})
        refused = await chat.wait("error", after=at)
        assert (refused["code"], refused["request"]) == ("not_found", "join_room")
    await foreign.send({"type": "join_room", "room_id": room})
    assert (await foreign.wait("error"))["code"] == "not_found"
    async with maya.line() as v1:
        held = await v1.ask({"type": "send", "room": room, "content": "a guillotine, CANARY-1"})
        assert held["held"] is True
        await v1.says(elsewhere, "CANARY-2")
        secret = await v1.says(room, "CANARY-3")
        await v1.ask({"type": "delete", "message": secret["id"]})
        await chat.wait("message_deleted")
        await v1.says(room, "the end")
        await chat.said("the end")
    shown = await chat.joins(room)
    assert [message["content"] for message in shown["messages"]] == ["", "the end"]
    heard = msgspec.json.encode([frame for frame in chat.frames if frame["type"] != "new_message"]).decode()
    assert "CANARY" not in heard
    assert chat.texts() == ["CANARY-3", "the end"]
    assert len(foreign.frames) == 2


async def test_a_held_message_is_answered_as_held(desk: Desk) -> None:
    maya, tom, room = await a_pair(desk)
    chat, other = await Chat.of(maya), await Chat.of(tom)
    await other.joins(room)
    await chat.send({"type": "send_message", "room_id": room, "content": "guillotine", "client_id": "c-1"})
    assert (await chat.wait("message_sent", client_id="c-1"))["status"] == "held"
    await chat.send({"type": "send_message", "room_id": room, "content": "fine", "client_id": "c-2"})
    await other.said("fine")
    assert other.texts() == ["fine"]


async def test_who_is_banned_hears_nothing_more(desk: Desk) -> None:
    """Muted they cannot write, banned they are gone, and nobody below may do that to them."""
    maya, tom, room = await a_pair(desk)
    a, t = await Chat.of(maya), await Chat.of(tom)
    await a.joins(room)
    await t.joins(room)
    await t.send({"type": "ban_user", "room_id": room, "user_id": maya.id})
    assert (await t.wait("error"))["code"] == "forbidden"
    await a.send({"type": "mute_user", "room_id": room, "user_id": tom.id, "duration": 60})
    muted = await t.find(lambda f: f["type"] == "user_joined" and f["participant"]["muted_until"])
    assert muted["user_id"] == tom.id
    at = len(t.frames)
    await t.send({"type": "send_message", "room_id": room, "content": "Hm."})
    assert (await t.wait("error", after=at))["code"] == "muted"
    await a.send({"type": "ban_user", "room_id": room, "user_id": tom.id})
    await t.wait("removed_from_room", room_id=room)
    await a.wait("user_banned", user_id=tom.id)
    await a.send({"type": "send_message", "room_id": room, "content": "Without them."})
    await a.said("Without them.")
    assert "Without them." not in t.texts()
    at = len(t.frames)
    await t.block(JOIN_ROOM, uuid_here=room)
    assert (await t.wait("error", after=at))["code"] == "not_found"


async def test_rooms_of_all_four_types_are_opened(desk: Desk) -> None:
    """A direct room is the one of two people; an open group may be joined by anybody, a private one by nobody."""
    maya, tom, eve = [await desk.member(name) for name in ("Maya", "Tom", "Eve")]
    admin = await desk.agent("Ada", role="admin")
    a, t, e, boss = [await Chat.of(who) for who in (maya, tom, eve, admin)]

    async def opened(chat: Chat, **frame: Any) -> dict[str, Any]:
        at = len(chat.frames)
        await chat.send({"type": "create_room", **frame})
        return await chat.find(lambda f: f["type"] in ("room_created", "error"), after=at)

    direct = await opened(a, room_type="direct", participants=[tom.id])
    assert (await opened(t, room_type="direct", participants=[maya.id]))["room_id"] == direct["room_id"]
    support = await opened(a, room_type="support", name="Help")
    assert support["room"]["room_type"] == "support"
    assert (await opened(a, room_type="broadcast", name="News"))["code"] == "forbidden"
    news = await opened(boss, room_type="broadcast", name="News")
    assert (await e.joins(news["room_id"]))["room"]["room_type"] == "broadcast"
    await e.send({"type": "send_message", "room_id": news["room_id"], "content": "Me too."})
    assert (await e.wait("error"))["code"] == "kind_not_allowed"
    private = await opened(a, room_type="group", name="Us")
    public = await opened(a, room_type="group", name="All", is_private=False)
    assert (await e.joins(public["room_id"]))["room"]["is_private"] is False
    await a.wait("user_joined", room_id=public["room_id"], user_id=eve.id)
    at = len(e.frames)
    await e.block(JOIN_ROOM, uuid_here=private["room_id"])
    assert (await e.wait("error", after=at))["code"] == "not_found"
    await e.send({"type": "leave_room", "room_id": public["room_id"]})
    await e.wait("room_left", room_id=public["room_id"])
    await a.wait("user_left", room_id=public["room_id"], user_id=eve.id)


async def test_older_messages_are_asked_for_page_by_page(desk: Desk) -> None:
    """At most a hundred at once."""
    maya, _, room = await a_pair(desk)
    chat = await Chat.of(maya)
    for n in range(5):
        await chat.send({"type": "send_message", "room_id": room, "content": f"{n}"})
    await chat.joins(room)
    await chat.send({"type": "get_messages", "room_id": room, "limit": 2})
    page = await chat.wait("messages")
    assert ([m["content"] for m in page["messages"]], page["has_more"]) == (["3", "4"], True)
    at = len(chat.frames)
    await chat.send({"type": "get_messages", "room_id": room, "limit": 100, "before": page["messages"][0]["id"]})
    page = await chat.wait("messages", after=at)
    assert ([m["content"] for m in page["messages"]], page["has_more"]) == (["0", "1", "2"], False)
    at = len(chat.frames)
    await chat.send({"type": "get_messages", "room_id": room, "limit": 101})
    assert (await chat.wait("error", after=at))["code"] == "invalid"


async def test_who_comes_and_goes_is_shown_as_online_and_offline(desk: Desk) -> None:
    maya, tom, room = await a_pair(desk)
    a = await Chat.of(maya)
    await a.joins(room)
    t = await Chat.of(tom)
    await a.wait("presence", user_id=tom.id, status="online")
    await t.close()
    await a.wait("presence", user_id=tom.id, status="offline")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("not json", "invalid"),
        ("[]", "invalid"),
        ("null", "invalid"),
        ("{}", "invalid"),
        ('{"type": "fly"}', "unknown_type"),
        ('{"type": 1}', "invalid"),
        ('{"type": "join_room"}', "invalid"),
        ('{"type": "join_room", "room_id": 1}', "invalid"),
        ('{"type": "join_room", "room_id": "\\u0000"}', "not_found"),
        ('{"type": "create_room", "room_type": "secret"}', "invalid"),
        ('{"type": "create_room", "participants": ["nobody"]}', "invalid"),
        ('{"type": "edit_message", "message_id": "x", "content": ""}', "not_found"),
        (b"\x00\x01", "invalid"),
        ("[" * 50_000, "invalid"),
    ],
)
async def test_nonsense_is_answered_in_the_protocols_own_words(desk: Desk, frame: str | bytes, code: str) -> None:
    """Never a traceback, never a closed socket."""
    chat = await Chat.of(await desk.member("Maya"))
    await chat.send(frame)
    refused = await chat.wait("error")
    assert refused["code"] == code, refused
    assert "Traceback" not in json.dumps(refused)
    await chat.send({"type": "create_room", "name": "still here"})
    await chat.wait("room_created")


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
async def test_a_bad_token_is_told_and_shown_out(desk: Desk, token: str) -> None:
    address = f"{desk.url.replace('http', 'ws', 1)}/api/v1/ws/chat"
    line = Line(await connect(f"{address}?token={token}" if token else address, compression=None, proxy=None))
    desk.lines.append(line)
    assert (await line.wait("error"))["code"] == "unauthenticated"
    assert await line.wait_closed() == 4500


async def test_a_page_from_elsewhere_is_not_let_in(desk: Desk) -> None:
    """Origins are checked at every door."""
    maya = await desk.member("Maya")
    address = f"{desk.url.replace('http', 'ws', 1)}/api/v1/ws/chat?token={maya.token}"
    with pytest.raises(Exception, match="403"):
        await connect(address, origin="https://evil.example", proxy=None)  # type: ignore[arg-type]


async def test_revoked_everywhere_ends_the_socket(desk: Desk) -> None:
    maya = await desk.member("Maya")
    chat = await Chat.of(maya)
    await maya.post("/auth/logout", {"everywhere": True})
    assert await chat.wait_closed() == 4503


async def test_one_socket_too_many_makes_room(desk: Desk) -> None:
    """The cap counts sockets of all protocols together."""
    maya = await desk.member("Maya")
    first = await Chat.of(maya)
    cap = desk.application.settings.limits.connections_per_user
    for _ in range(cap):
        await maya.connect()
    assert (await first.wait("notice"))["code"] == "too_many_connections"
    assert await first.wait_closed() == 4504


async def test_each_address_speaks_one_protocol(desk: Desk) -> None:
    """A frame of v1 means nothing here, and one of team chat means nothing there."""
    maya, _, room = await a_pair(desk)
    chat = await Chat.of(maya)
    await chat.send({"type": "subscribe", "rooms": [{"id": room}]})
    assert (await chat.wait("error"))["code"] == "unknown_type"
    async with maya.line() as v1:
        assert (await v1.ask(json.loads(JOIN_ROOM)))["code"] == "unknown_type"


async def test_two_instances_on_redis_are_one_chat(postgres_url: str, redis_url: str) -> None:
    """Whichever instance a socket has reached, and whatever it speaks; health says that Redis is there."""
    changes: dict[str, Any] = {"bus": {"url": redis_url}, "plugins": ON}
    settings = settings_for(postgres_url, **changes)
    async with Desk.open(postgres_url, settings=settings) as here, Desk.open(postgres_url, settings=settings) as there:
        maya, tom, room = await a_pair(here)
        a, t = await Chat.of(maya), await Chat.of(tom, there.url)
        await a.joins(room)
        await t.joins(room)
        v1 = await Line.open(there.url, tom.token)
        there.lines.append(v1)
        await v1.subscribe(room)

        await a.send({"type": "send_message", "room_id": room, "content": "over there"})
        told = (await t.said("over there"))["message"]
        await v1.hears(room, "over there")
        await v1.says(room, "over here")
        await a.said("over here")
        await t.send({"type": "typing_start", "room_id": room})
        await a.wait("typing_start", user_id=tom.id)
        await t.send({"type": "mark_read", "room_id": room, "message_ids": [told["id"]]})
        await a.wait("messages_read", user_id=tom.id, last_message_id=told["id"])
        await a.send({"type": "edit_message", "message_id": told["id"], "content": "mended"})
        await t.wait("message_edited")
        await a.send({"type": "ban_user", "room_id": room, "user_id": tom.id})
        await t.wait("removed_from_room", room_id=room)
        await a.send({"type": "send_message", "room_id": room, "content": "CANARY"})
        await a.said("CANARY")
        assert "CANARY" not in t.texts()
        body = (await there.http.get("/chat/health")).json()
        assert (body["status"], body["redis_connected"]) == ("healthy", True)


async def test_a_receipt_names_a_message_also_of_before_one_joined(desk: Desk) -> None:
    """Clients know messages by id; the platform's marks are numbers."""
    maya, tom, room = await a_pair(desk)
    async with maya.line() as mine, tom.line() as theirs:
        old = await mine.says(room, "said before anybody listened here")
        chat = await Chat.of(maya)
        await chat.joins(room)
        await theirs.send({"type": "read", "room": room, "seq": old["seq"]})
        await chat.wait("messages_read", user_id=tom.id, last_message_id=old["id"])
