"""What a plugin does for a user, it does with that user's rights, and everybody hears of it as usual."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from deskbell import Acting, Forbidden, Invalid, MessageId, NotFound, RoomId, TenantId, UserId
from deskbell.ids import new_id
from deskbell.testing.desk import Desk, Person


def acting(desk: Desk, who: Person) -> Acting:
    return desk.application.edge.desk.acting_as(desk.tenant, who.id)


async def test_a_message_of_a_plugin_is_heard_like_any_other(shared_desk: Desk) -> None:
    """Sent, edited, reacted to and deleted by call; told on the socket of another member in v1's own frames."""
    maya, tom = await shared_desk.member("Maya"), await shared_desk.member("Tom")
    room = RoomId(await maya.group(tom))
    desk = acting(shared_desk, maya)
    async with tom.line() as line:
        await line.subscribe(room)

        sent = await desk.send(room, "Good morning.", client_id="c-1", mentions=[tom.id])
        heard = (await line.hears(room, "Good morning."))["message"]
        assert sent.message is not None
        assert heard["id"] == sent.id
        assert heard["sender"]["id"] == maya.id
        assert heard["client_id"] == "c-1"
        assert (await desk.send(room, "Good morning.", client_id="c-1", mentions=[tom.id])).duplicate

        await desk.edit(sent.id, "Good evening.")
        await line.hears(room, "Good evening.")
        assert [old.content for old in await desk.revisions(sent.id)] == ["Good morning."]
        await desk.react(sent.id, "👍")
        await line.find(lambda f: f["type"] == "message" and f["message"]["reactions"])
        answer = await desk.send(room, "And good night.", thread=sent.id)
        assert [m.id for m in (await desk.thread(sent.id)).messages] == [answer.id]
        assert [m.content for m in (await desk.history(room, limit=2)).messages] == ["Good evening.", "And good night."]
        assert (await acting(shared_desk, tom).unread(room))[room].mentioned
        assert (await acting(shared_desk, tom).unread())[room].count == 2
        assert (await acting(shared_desk, tom).mark_read(room, 1000)).count == 0
        await desk.typing(room)
        await line.wait("typing", user=maya.id, on=True)
        await desk.delete(sent.id)
        await line.find(lambda f: f["type"] == "message" and f["message"]["deleted"])


CALLS: dict[str, Callable[[Acting, RoomId, MessageId, UserId], Awaitable[object]]] = {
    "room": lambda desk, room, message, user: desk.room(room),
    "archive": lambda desk, room, message, user: desk.archive(room),
    "join": lambda desk, room, message, user: desk.join(room),
    "leave": lambda desk, room, message, user: desk.leave(room),
    "members": lambda desk, room, message, user: desk.members(room),
    "add": lambda desk, room, message, user: desk.add(room, user),
    "set_role": lambda desk, room, message, user: desk.set_role(room, user, "admin"),
    "kick": lambda desk, room, message, user: desk.kick(room, user),
    "mute": lambda desk, room, message, user: desk.mute(room, user, 60),
    "ban": lambda desk, room, message, user: desk.ban(room, user),
    "unban": lambda desk, room, message, user: desk.unban(room, user),
    "send": lambda desk, room, message, user: desk.send(room, "let me in"),
    "message": lambda desk, room, message, user: desk.message(message),
    "edit": lambda desk, room, message, user: desk.edit(message, "mine now"),
    "delete": lambda desk, room, message, user: desk.delete(message),
    "react": lambda desk, room, message, user: desk.react(message, "👍"),
    "unreact": lambda desk, room, message, user: desk.unreact(message, "👍"),
    "pin": lambda desk, room, message, user: desk.pin(message),
    "unpin": lambda desk, room, message, user: desk.unpin(message),
    "pinned": lambda desk, room, message, user: desk.pinned(room),
    "revisions": lambda desk, room, message, user: desk.revisions(message),
    "thread": lambda desk, room, message, user: desk.thread(message),
    "history": lambda desk, room, message, user: desk.history(room),
    "mark_read": lambda desk, room, message, user: desk.mark_read(room, 1),
    "read_marks": lambda desk, room, message, user: desk.read_marks(room),
    "unread": lambda desk, room, message, user: desk.unread(room),
    "typing": lambda desk, room, message, user: desk.typing(room),
    "room_by_key": lambda desk, room, message, user: desk.room_by_key("group", str(room)),
    "find_room": lambda desk, room, message, user: desk.find_room("group", str(room)),
}
BY_KEY = ("room_by_key", "find_room")
OWN = ("me", "attributes", "rooms", "presence", "create_room", "open_conversation")


def test_every_call_is_tried_by_a_stranger() -> None:
    """A new call is added to the list above, or to those that concern nobody but the user."""
    calls = {name for name in vars(Acting) if not name.startswith("_")}
    assert calls == CALLS.keys() | set(OWN)


@pytest.mark.parametrize("call", CALLS)
async def test_a_stranger_finds_nothing(shared_desk: Desk, call: str) -> None:
    """Of a room one is not in, each call says what it says of a room that does not exist; so does another tenant."""
    maya, tom, eve = [await shared_desk.member(name) for name in ("Maya", "Tom", "Eve")]
    key = new_id()
    room = RoomId(await maya.group(tom, key=key))
    sent = await acting(shared_desk, maya).send(room, "between us")
    abroad = await shared_desk.other_tenant()
    foreigner = await shared_desk.person("Ada", kind="agent", role="admin", tenant=abroad)
    theirs = shared_desk.application.edge.desk.acting_as(abroad, foreigner.id)
    for desk, known in ((acting(shared_desk, eve), tom.id), (theirs, foreigner.id)):
        if desk is theirs and call == "room_by_key":
            assert (await desk.room_by_key("group", key)).id != room  # a tenant's keys are its own
            continue
        with pytest.raises(NotFound) as refused:
            await CALLS[call](desk, RoomId(key) if call in BY_KEY else room, sent.id, known)
        assert "between us" not in str(refused.value)
    for unknown in (RoomId(new_id()), RoomId("no id"), RoomId("\x00")):
        if call == "room_by_key":
            continue  # it would open one
        with pytest.raises(NotFound):
            await CALLS[call](acting(shared_desk, eve), unknown, MessageId(str(unknown)), tom.id)


async def test_a_member_may_what_a_member_may(shared_desk: Desk) -> None:
    """Rights inside a room are those of the user's role in it, as they are now."""
    maya, tom, eve = [await shared_desk.member(name) for name in ("Maya", "Tom", "Eve")]
    room = RoomId(await maya.group(tom, eve))
    owner, member = acting(shared_desk, maya), acting(shared_desk, tom)
    sent = await owner.send(room, "Welcome.")

    for refused in (member.ban(room, eve.id), member.pin(sent.id), member.edit(sent.id, "Mine."), member.archive(room)):
        with pytest.raises(Forbidden):
            await refused
    await owner.set_role(room, tom.id, "moderator")
    assert (await member.mute(room, eve.id, 60)).muted_until is not None
    with pytest.raises(Forbidden):
        await acting(shared_desk, eve).send(room, "Hm.")
    assert (await member.ban(room, eve.id)).state == "banned"
    with pytest.raises(NotFound):
        await acting(shared_desk, eve).history(room)
    with pytest.raises(Invalid):
        await member.send(room, " ")


async def test_a_key_names_one_room(shared_desk: Desk) -> None:
    """Whoever asks first opens it; whoever asks next is given it, if they are in it."""
    maya, tom = await shared_desk.member("Maya"), await shared_desk.member("Tom")
    key = new_id()
    first = await acting(shared_desk, maya).room_by_key("group", key, name="Team", members=[tom.id])
    second = await acting(shared_desk, tom).room_by_key("group", key)
    assert (first.id, first.name) == (second.id, second.name)
    assert (await acting(shared_desk, tom).find_room("group", key)).id == first.id
    assert first.id in [entry.room.id for entry in await acting(shared_desk, tom).rooms()]


async def test_who_is_unknown_or_disabled_may_nothing(shared_desk: Desk) -> None:
    """Also when the plugin had asked for them before."""
    maya = await shared_desk.member("Maya")
    desk = acting(shared_desk, maya)
    assert (await desk.me()).name == "Maya"
    await shared_desk.application.ports.db.execute("UPDATE users SET disabled = true WHERE id = $1", maya.id)
    with pytest.raises(NotFound):
        await desk.me()
    for tenant, user in ((shared_desk.tenant, "nobody"), (TenantId("none"), maya.id), (shared_desk.tenant, new_id())):
        with pytest.raises(NotFound):
            await shared_desk.application.edge.desk.acting_as(tenant, UserId(user)).me()
