"""Team chat: ``/api/v1/ws/chat``, a protocol of rooms with flat frames, on the same rooms as v1.

A client says ``{"type": "join_room", "room_id": …}`` and the like, one Struct below for each; it is answered by a
frame of its own (``room_joined``, ``message_sent``, …) or by ``error``, and hears what happens in the rooms it
has joined. It knows neither numbers nor resume: after a break it joins again and is shown the last messages.

Rooms are direct, group, support or broadcast: the kinds that ``channels`` brings, and one more, ``open_group``,
for groups that are not private. Roles are admin, moderator and member; who opened a room is its admin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

import deskbell
from deskbell import ChannelType, ClientFrame, Dialect, Frames, NotFound, Session, UserId, hookimpl

OPEN_GROUP = "open_group"
ROLES = {"owner": "admin", "agent": "moderator", "visitor": "member", "bot": "member"}
ROOM_TYPES = {OPEN_GROUP: "group", "community": "group"}
OPEN_TO_ALL = (OPEN_GROUP, "community", "broadcast")
EVENTS = {"created": "new_message", "edited": "message_edited", "deleted": "message_deleted"}


class InRoom(ClientFrame):
    room_id: deskbell.RoomId


class OfMessage(ClientFrame):
    message_id: deskbell.MessageId


class JoinRoom(InRoom): ...


class LeaveRoom(InRoom): ...


class SendMessage(InRoom):
    """``client_id``: the same again is one message, however often it is sent."""

    content: str
    message_type: Annotated[str, Meta(max_length=32)] = "text"
    attachments: Annotated[tuple[str, ...], Meta(max_length=20)] = ()
    mentions: Annotated[tuple[UserId, ...], Meta(max_length=50)] = ()
    reply_to: deskbell.MessageId | None = None
    metadata: dict[str, Any] | None = None
    client_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None


class TypingStart(InRoom): ...


class TypingStop(InRoom): ...


class MarkRead(InRoom):
    """Everything up to the last of these messages was read."""

    message_ids: Annotated[list[deskbell.MessageId], Meta(min_length=1, max_length=100)]


class CreateRoom(ClientFrame):
    name: str = ""
    room_type: Literal["direct", "group", "support", "broadcast"] = "group"
    participants: Annotated[tuple[UserId, ...], Meta(max_length=1000)] = ()
    description: str = ""
    is_private: bool = True


class EditMessage(OfMessage):
    content: str


class DeleteMessage(OfMessage): ...


class AddReaction(OfMessage):
    emoji: Annotated[str, Meta(max_length=64)]


class RemoveReaction(OfMessage):
    emoji: Annotated[str, Meta(max_length=64)]


class GetMessages(InRoom):
    """The messages before one, or the last."""

    before: deskbell.MessageId | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class GetEditHistory(OfMessage): ...


class MuteUser(InRoom):
    """``duration``: seconds; 0 lets them speak again."""

    user_id: UserId
    duration: int = 3600


class BanUser(InRoom):
    user_id: UserId


class UnbanUser(InRoom):
    user_id: UserId


class TeamChat(Dialect):
    name = "team_chat"
    sockets = ("/api/v1/ws/chat",)
    health = "/api/v1/chat/health"
    frames = (
        JoinRoom | LeaveRoom | SendMessage | TypingStart | TypingStop | MarkRead | CreateRoom | EditMessage
        | DeleteMessage | AddReaction | RemoveReaction | GetMessages | GetEditHistory | MuteUser | BanUser | UnbanUser
    )  # fmt: skip

    async def welcome(self, session: Session) -> Frames:
        return {"type": "connection", "status": "connected"}

    async def receive(self, session: Session, frame: Any) -> Frames:
        desk = session.desk
        match frame:
            case JoinRoom(room_id=room):
                try:
                    await desk.room(room)
                except NotFound:
                    await desk.join(room)
                session.unfollow(room)  # asked again, it is shown again
                await session.follow(room)
            case LeaveRoom(room_id=room):
                await desk.leave(room)
                return {"type": "room_left", "room_id": room}
            case SendMessage(room_id=room, client_id=client_id):
                options = {"client_id": client_id, "kind": frame.message_type, "metadata": frame.metadata}
                refers = {"reply_to": frame.reply_to, "mentions": frame.mentions, "attachments": frame.attachments}
                sent = await desk.send(room, frame.content, **options, **refers)  # type: ignore[arg-type]
                ids = {"room_id": room, "message_id": sent.id, "client_id": client_id}
                return {"type": "message_sent", **ids, "status": "held" if sent.held else "sent"}
            case TypingStart(room_id=room) | TypingStop(room_id=room):
                await desk.typing(room, isinstance(frame, TypingStart))
            case MarkRead(room_id=room, message_ids=ids):
                seen = [await desk.message(message) for message in ids]
                if {message.room for message in seen} != {room}:
                    raise NotFound()
                left = await desk.mark_read(room, max(message.seq for message in seen))
                return {"type": "unread_count", "room_id": room, "unread_count": left.count}
            case CreateRoom():
                state = await self._create(session.desk, frame)
                await session.follow(state.id)
                return {"type": "room_created", "room_id": state.id, "room": room_of(state)}
            case EditMessage():
                await desk.edit(frame.message_id, frame.content)
            case DeleteMessage():
                await desk.delete(frame.message_id)
            case AddReaction():
                await desk.react(frame.message_id, frame.emoji)
            case RemoveReaction():
                await desk.unreact(frame.message_id, frame.emoji)
            case GetMessages(room_id=room):
                before = None if frame.before is None else (await desk.message(frame.before)).seq
                found = await desk.history(room, before=before, limit=frame.limit)
                shown = [message_of(message) for message in found.messages]
                return {"type": "messages", "room_id": room, "messages": shown, "has_more": found.more_before}
            case GetEditHistory(message_id=message_id):
                return {"type": "edit_history", "message_id": message_id, "edits": await desk.revisions(message_id)}
            case MuteUser():
                await desk.mute(frame.room_id, frame.user_id, frame.duration)
            case BanUser():
                await desk.ban(frame.room_id, frame.user_id)
            case UnbanUser():
                await desk.unban(frame.room_id, frame.user_id)
        return None

    async def _create(self, desk: deskbell.Acting, frame: CreateRoom) -> deskbell.RoomState:
        if frame.room_type == "support":
            return await desk.open_conversation("support", name=frame.name)
        kind = OPEN_GROUP if frame.room_type == "group" and not frame.is_private else frame.room_type
        return await desk.create_room(kind, name=frame.name, description=frame.description, members=frame.participants)

    def tell(self, told: deskbell.Told) -> Frames:
        match told:
            case deskbell.ToldMessage(room=room, what=what, message=message):
                happened = "message_reaction" if "react" in what else EVENTS.get(what, "message_updated")
                return {"type": happened, "room_id": room.id, "message": message_of(message)}
            case deskbell.ToldMember(room=room, participant=who):
                happened = {"left": "user_left", "banned": "user_banned"}.get(who.state, "user_joined")
                return {"type": happened, "room_id": room.id, "user_id": who.user.id, "participant": member_of(who)}
            case deskbell.ToldRoom(room=room):
                return {"type": "room_updated", "room_id": room.id, "room": room_of(room)}
            case deskbell.ToldTyping(room=room, user=user, on=on):
                return {"type": "typing_start" if on else "typing_stop", "room_id": room.id, "user_id": user}
            case deskbell.ToldRead(room=room, user=user, message=last):
                return {"type": "messages_read", "room_id": room.id, "user_id": user, "last_message_id": last}
            case deskbell.ToldPresence(user=user, status=status, last_seen=seen):
                here = "offline" if status == "offline" else "online"
                return {"type": "presence", "user_id": user, "status": here, "last_seen": seen}
            case deskbell.ToldHistory(room=room):
                shown = {"messages": [message_of(message) for message in told.messages], "room": room_of(room)}
                people = [member_of(who) for who in told.participants]
                return {"type": "room_joined", "room_id": room.id, "participants": people, **shown}
            case deskbell.ToldInbox(room=room_id, removed=True):
                return {"type": "removed_from_room", "room_id": room_id}
            case deskbell.ToldInbox(room=room_id, unread=unread, mentioned=mentioned):
                return {"type": "unread_count", "room_id": room_id, "unread_count": unread, "mentioned": mentioned}
            case deskbell.ToldNotice(code=code, text=text):
                return {"type": "notice", "code": code, "message": text}
            case deskbell.ToldDrain(reconnect_in_ms=wait_ms):
                return {"type": "reconnect", "after": wait_ms / 1000}
        return None

    def health_answer(self, vitals: deskbell.Vitals) -> deskbell.Answer:
        status = "healthy" if vitals.healthy else "unhealthy"
        body = {"status": status, "active_connections": vitals.connections, "redis_connected": vitals.redis}
        return deskbell.Answer(200 if vitals.healthy else 503, body)


def room_of(room: deskbell.RoomState) -> Mapping[str, Any]:
    kind = {"room_type": ROOM_TYPES.get(room.channel_type, room.channel_type)}
    shown = {"id": room.id, "name": room.name, "description": room.description, "created_at": room.created_at}
    return {**shown, **kind, "is_private": room.channel_type not in OPEN_TO_ALL, "is_archived": room.archived}


def message_of(message: deskbell.Message) -> Mapping[str, Any]:
    author = {"sender_id": message.sender.id, "sender_name": message.sender.name, "client_id": message.client_id}
    said: dict[str, Any] = {"content": message.content, "message_type": message.kind, "metadata": message.metadata}
    said |= {"is_edited": message.edited_at is not None, "edited_at": message.edited_at}
    said |= {"attachments": message.attachments, "mentions": message.mentions, "reactions": message.reactions}
    place = {"id": message.id, "room_id": message.room, "reply_to": message.reply_to, "created_at": message.created_at}
    return {**place, **author, **said, "is_deleted": message.deleted}


def member_of(who: deskbell.Participant) -> Mapping[str, Any]:
    role = ROLES.get(who.role, who.role)
    return {"user_id": who.user.id, "name": who.user.name, "role": role, "muted_until": who.muted_until}


@hookimpl
def register_channel_types() -> Sequence[ChannelType]:
    return [ChannelType(name=OPEN_GROUP, title="Open group", policy=deskbell.Policy(join="open", audit="moderation"))]


@hookimpl
def register_dialects() -> Sequence[Dialect]:
    return [TeamChat()]
