"""Ride messages: what rider and driver write to each other, under ``/api/v1/messages/…`` and on a socket.

A ride is a room of the channel type ``ride`` whose key is the ride's id. Only its members see or hear anything of
it. Whoever runs the rides opens it with both parties in it (``POST /api/v1/rooms`` with ``channel_type``, ``key``
and ``participants``); a party may do so too, naming the other one as ``recipientId`` with the first message. Who is
rider and who is driver is the attribute ``ride_role`` of a user, which nobody claims for themselves.

Addresses that v1 has as well are taken for messages of rides alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

import deskbell
from deskbell import Acting, Alias, Answer, ChannelType, Dialect, Frames, MessageId, NotFound, Policy, RoomState, UserId

RIDE = "ride"
ROLES = ("rider", "driver")
KINDS = dict.fromkeys(("text", "location", "status"), (deskbell.ANYBODY,))
PAGE = 100


class Data(msgspec.Struct, rename="camel", kw_only=True):
    """The inside of a frame, and the body of a request."""


class Sending(Data):
    ride_id: Annotated[str, Meta(min_length=1, max_length=200)]
    content: Annotated[str, Meta(min_length=1)]
    message_type: Annotated[str, Meta(max_length=32)] = "text"
    metadata: dict[str, Any] | None = None
    recipient_id: UserId | None = None


class OneMessage(Data):
    message_id: MessageId
    ride_id: str | None = None


class Writing(Data):
    ride_id: str
    is_typing: bool = True


class Frame(msgspec.Struct, tag_field="type"):
    pass


class Send(Frame, tag="message:send"):
    data: Sending


class Read(Frame, tag="message:read"):
    data: OneMessage


class Delete(Frame, tag="message:delete"):
    data: OneMessage


class Typing(Frame, tag="message:typing"):
    data: Writing


class Online(Frame, tag="presence:online"):
    data: Any = None


class Offline(Frame, tag="presence:offline"):
    data: Any = None


class Page(msgspec.Struct):
    page: Annotated[int, Meta(ge=1, le=100)] = 1
    limit: Annotated[int, Meta(ge=1, le=PAGE)] = 50


class Ride(ChannelType):
    def may_create(self, actor: deskbell.Actor) -> bool:
        return actor.is_staff or actor.kind == "bot" or actor.attributes.get("ride_role") in ROLES

    def may_enter(self, actor: deskbell.Actor, role: str) -> bool:
        return self.may_create(actor)


class Rides(Dialect):
    name = "rides"
    sockets = ("/api/v1/rides/ws",)
    frames = Send | Read | Delete | Typing | Online | Offline
    follows_all = True

    def __init__(self) -> None:
        one = "/api/v1/messages/<message_id>"
        self.aliases = (
            Alias(method="POST", path="/api/v1/messages/send", handler=self.post, body=Sending),
            Alias(method="GET", path="/api/v1/messages/ride/<ride_id>", handler=self.page, query=Page),
            Alias(method="POST", path=f"{one}/read", handler=self.read, claims=self.is_of_a_ride),
            Alias(method="DELETE", path=one, handler=self.delete, claims=self.is_of_a_ride),
            Alias(method="GET", path="/api/v1/messages/unread/count", handler=self.unread),
        )

    # the socket

    async def receive(self, session: deskbell.Session, frame: Any) -> Frames:
        desk = session.desk
        match frame:
            case Send(data=data):
                await send(desk, data)
            case Read(data=data):
                message, room = await of_a_ride(desk, data.message_id)
                at = await mark(desk, message)
                return {"type": "message:read", "data": receipt(room, message.id, session.user.id, at)}
            case Delete(data=data):
                message, _ = await of_a_ride(desk, data.message_id)
                await desk.delete(message.id)
            case Typing(data=data):
                room = await desk.find_room(RIDE, data.ride_id)
                await desk.typing(room.id, data.is_typing)
        return None  # who is here is seen by the platform, not said

    def tell(self, told: deskbell.Told) -> Frames:
        room = getattr(told, "room", None)
        if not isinstance(room, RoomState) or room.channel_type != RIDE:
            return None
        match told:
            case deskbell.ToldMessage(message=message) if message.deleted:
                return {"type": "message:delete", "data": {"messageId": message.id, "rideId": room.key}}
            case deskbell.ToldMessage(what="created", message=message):
                return {"type": "message:new", "data": {"message": details(room, message), "rideId": room.key}}
            case deskbell.ToldTyping(user=user, on=on):
                return {"type": "message:typing", "data": {"rideId": room.key, "userId": user, "isTyping": on}}
            case deskbell.ToldRead(user=user, message=message_id, at=at) if message_id is not None:
                return {"type": "message:read", "data": receipt(room, message_id, user, at)}
            case deskbell.ToldPresence(user=user, status=status, last_seen=seen):
                happened = "presence:offline" if status == "offline" else "presence:online"
                return {"type": happened, "data": {"userId": user, "rideId": room.key, "lastSeen": seen}}
        return None

    def refuse(self, error: deskbell.DeskbellError, frame: Any) -> Frames:
        return {"type": "error", "data": {"code": error.code, "message": str(error)}}

    # HTTP

    def refuse_request(self, error: deskbell.DeskbellError) -> Answer:
        return Answer(error.status, {"error": str(error), "code": error.code})

    async def is_of_a_ride(self, request: deskbell.RouteRequest) -> bool:
        await of_a_ride(request.desk, MessageId(request.path["message_id"]))
        return True

    async def post(self, request: deskbell.RouteRequest) -> Answer:
        room, sent = await send(request.desk, request.body)
        if sent.message is None:
            return Answer(202, {"message": {"id": sent.id, "rideId": room.key}, "held": True})
        return Answer(201, {"message": details(room, sent.message), "rideId": room.key})

    async def page(self, request: deskbell.RouteRequest) -> Any:
        """A page of a ride, newest page first, each oldest message first; what was taken back is left out."""
        desk, query = request.desk, request.query
        room = await desk.find_room(RIDE, request.path["ride_id"])
        found = await desk.history(room.id, limit=query.limit)
        for _ in range(query.page - 1):
            before = found.messages[0].seq if found.messages else 0
            found = await desk.history(room.id, before=before, limit=query.limit)
        messages = [message for message in found.messages if not message.deleted]
        marks = await desk.read_marks(room.id, since=messages[0].seq) if messages else []
        shown = [details(room, message, marks) for message in messages]
        place = {"page": query.page, "limit": query.limit, "hasMore": found.more_before}
        return {"messages": shown, "rideId": room.key, **place}

    async def read(self, request: deskbell.RouteRequest) -> Any:
        message, _ = await of_a_ride(request.desk, MessageId(request.path["message_id"]))
        at = await mark(request.desk, message)
        return {"messageId": message.id, "isRead": True, "readAt": at}

    async def delete(self, request: deskbell.RouteRequest) -> Any:
        gone = await request.desk.delete(MessageId(request.path["message_id"]))
        return {"messageId": gone.id, "deleted": True}

    async def unread(self, request: deskbell.RouteRequest) -> Any:
        rides = await request.desk.rooms(channel_type=RIDE, limit=100)
        return {"count": sum(ride.unread for ride in rides)}


async def of_a_ride(desk: Acting, message_id: MessageId) -> tuple[deskbell.Message, RoomState]:
    message = await desk.message(message_id)
    room = await desk.room(message.room)
    if room.channel_type != RIDE:
        raise NotFound()
    return message, room


async def send(desk: Acting, data: Sending) -> tuple[RoomState, deskbell.Sent]:
    try:
        room = await desk.find_room(RIDE, data.ride_id)
    except NotFound:
        if data.recipient_id is None:
            raise
        room = await desk.room_by_key(RIDE, data.ride_id, members=[data.recipient_id])
    role = (await desk.attributes()).get("ride_role", "system")
    metadata = {**(data.metadata or {}), "senderType": role}
    return room, await desk.send(room.id, data.content, kind=data.message_type, metadata=metadata)


async def mark(desk: Acting, message: deskbell.Message) -> datetime | None:
    """Mark a message read; when it was."""
    me = (await desk.me()).id
    await desk.mark_read(message.room, message.seq)
    moves = await desk.read_marks(message.room, since=message.seq)
    return min((move.at for move in moves if move.user == me and move.at is not None), default=None)


def receipt(room: RoomState, message: MessageId, reader: UserId, at: datetime | None) -> Mapping[str, Any]:
    return {"messageId": message, "rideId": room.key, "readBy": reader, "timestamp": at}


def details(room: RoomState, message: deskbell.Message, marks: Sequence[deskbell.ReadMark] = ()) -> Mapping[str, Any]:
    read = [move for move in marks if move.user != message.sender.id and move.seq >= message.seq]
    at = min((move.at for move in read if move.at is not None), default=None)
    metadata = {key: value for key, value in message.metadata.items() if key != "senderType"}
    sender = {"senderId": message.sender.id, "senderType": message.metadata.get("senderType", "system")}
    said = {"messageType": message.kind, "content": message.content, "metadata": metadata}
    times = {"createdAt": message.created_at, "updatedAt": at or message.created_at, "deletedAt": None}
    return {"id": message.id, "rideId": room.key, **sender, **said, "isRead": bool(read), "readAt": at, **times}


@deskbell.hookimpl
def register_channel_types() -> Sequence[ChannelType]:
    roles = {"roles": ("member",), "creator_role": "member", "admin_roles": (), "moderator_roles": ()}
    policy = Policy(kinds=KINDS, edit_window_s=0, delete_window_s=300, receipts="timed", **roles)  # type: ignore[arg-type]
    return [Ride(name=RIDE, title="Ride", policy=policy)]


@deskbell.hookimpl
def register_dialects() -> Sequence[Dialect]:
    return [Rides()]
