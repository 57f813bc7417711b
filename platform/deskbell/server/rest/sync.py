"""Catching up without a socket: what changed, what is read, who is here, who is typing."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint

from deskbell.actions import mentions, presence, reads, rooms
from deskbell.actions.mentions import Mention
from deskbell.errors import Forbidden
from deskbell.ids import MessageId, RoomId, UserId
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import Body, Done, Items, Listed, Query, Seq, cursor, read_cursor
from deskbell.server.rest.routes import Ask, Routes
from deskbell.wire import frames
from deskbell.wire.commands import Epoch


class ChangesQuery(Query, frozen=True):
    """``since``: the position one has; ``epoch``: the one it was told with."""

    since: Seq
    epoch: Epoch | UnsetType = UNSET


class PresenceQuery(Query, frozen=True):
    users: Annotated[str, Meta(max_length=3699, description="Up to 100 ids, apart by commas.")]


class ReadMark(Body, frozen=True):
    """Everything up to here was read. A mark moves only up, and never past what there is."""

    seq: Seq


class UnreadMark(Body, frozen=True):
    """From here on it is unread. The read mark, which others may see, stays where it is."""

    seq: Seq


class TypingMark(Body, frozen=True):
    on: bool = True


class Unread(msgspec.Struct, frozen=True):
    """What is left unread in a room, counted to 100, and whether it mentions the reader."""

    unread: int
    mentioned: bool


class AllUnread(msgspec.Struct, frozen=True):
    """Rooms with something unread. ``total`` is over all of them."""

    rooms: dict[str, int]
    total: int


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("sync", edge), edge.ports

    @routes.get("/rooms/<room_id>/changes", frames.Changes | frames.Reset, query=ChangesQuery)
    async def get_changes(ask: Ask, room_id: RoomId) -> frames.Changes | frames.Reset:
        """What changed in a room since a position, as the frame a socket would be sent.

        While ``more``, ask again with ``seq`` as ``since``. A ``reset`` means: forget the room and begin anew.
        """
        query: ChangesQuery = ask.query
        epoch = None if query.epoch is UNSET else query.epoch
        return await rooms.changes(ports, ask.actor, room_id, query.since, epoch)

    @routes.post("/rooms/<room_id>/read", Unread, body=ReadMark)
    async def mark_read(ask: Ask, room_id: RoomId) -> Unread:
        """Note that everything up to a ``seq`` was read; what is left."""
        unread, mentioned = await reads.mark_read(ports, edge.marks, ask.actor, room_id, ask.body.seq)
        return Unread(unread, mentioned)

    @routes.post("/rooms/<room_id>/unread", Unread, body=UnreadMark, refuses=[Forbidden])
    async def mark_unread(ask: Ask, room_id: RoomId) -> Unread:
        """Have it unread again from a ``seq`` on, for oneself; reading it ends that."""
        unread, mentioned = await reads.mark_unread(ports, edge.marks, ask.actor, room_id, ask.body.seq)
        return Unread(unread, mentioned)

    @routes.get("/mentions", Items[Mention], query=Listed, refuses=[Forbidden])
    async def list_mentions(ask: Ask) -> Items[Mention]:
        """Where one is mentioned, newest first, private notes included; for agents."""
        query: Listed = ask.query
        found, more = await mentions.listed(
            ports, ask.actor, limit=query.limit, before=read_cursor(query.cursor, int, MessageId)
        )
        return Items(found, None if more is None else cursor(*more))

    @routes.get("/unread", AllUnread)
    async def get_unread(ask: Ask) -> AllUnread:
        """What is unread, room by room."""
        found = await reads.unread(ports, ask.actor)
        return AllUnread({str(room): count for room, count in found.items()}, sum(found.values()))

    @routes.post("/rooms/<room_id>/typing", Done, body=TypingMark, refuses=[Forbidden])
    async def tell_typing(ask: Ask, room_id: RoomId) -> Done:
        """Tell the others that one is writing; it ends by itself after ten seconds."""
        await presence.typing(ports, ask.actor, room_id, on=ask.body.on)
        return Done()

    @routes.get("/presence", Items[frames.Presence], query=PresenceQuery)
    async def get_presence(ask: Ask) -> Items[frames.Presence]:
        """Who of these is here, of those one shares a room with; staff may ask about everybody."""
        users = [UserId(user) for user in ask.query.users.split(",")]
        return Items(await presence.statuses(ports, ask.actor, users))

    return routes.blueprint
