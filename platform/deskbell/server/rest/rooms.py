"""Rooms: found, opened, described, closed; entered and left."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint

from deskbell.actions import members, rooms
from deskbell.actions.rooms import ChannelEntry
from deskbell.clock import from_us
from deskbell.errors import Conflict, Forbidden, LimitReached, NotFound, RoomClosed, TooLarge
from deskbell.ids import RoomId
from deskbell.model.records import Participant, RoomState
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import (
    AnyUser,
    Body,
    Done,
    Items,
    Listed,
    Moment,
    Nothing,
    cursor,
    read_cursor,
    read_moment,
)
from deskbell.server.rest.conditions import IF_MATCH, PROMISED
from deskbell.server.rest.routes import Ask, Routes

OVERLAP = timedelta(seconds=5)

ChannelName = Annotated[str, Meta(max_length=100)]


class RoomsQuery(Listed, frozen=True):
    """``since``: only rooms that changed after this moment; take ``as_of`` of the last answer."""

    since: Moment | UnsetType = UNSET
    channel_type: ChannelName | UnsetType = UNSET


class Entry(msgspec.Struct, frozen=True):
    """One of the asker's rooms. ``unread`` counts to 100; ``role`` is the asker's in it."""

    room: RoomState
    seq: int
    unread: int
    mentioned: bool
    last_read_seq: int
    role: str


class RoomList(msgspec.Struct, frozen=True):
    """Rooms by latest activity. ``as_of`` lies a little in the past, so that nothing falls between two lists."""

    items: list[Entry]
    as_of: datetime
    next_cursor: str | None = None


class NewRoom(Body, frozen=True):
    """``key`` names the room once and for all within its type: who comes second gets the first one's room."""

    channel_type: ChannelName
    key: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    name: Annotated[str, Meta(max_length=400)] = ""
    description: Annotated[str, Meta(max_length=4000)] = ""
    participants: Annotated[list[AnyUser], Meta(max_length=1000)] = msgspec.field(default_factory=list)


class RoomChange(Body, frozen=True):
    """What is left out, or null, stays as it is."""

    name: Annotated[str, Meta(max_length=400)] | None = None
    description: Annotated[str, Meta(max_length=4000)] | None = None


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("rooms", edge), edge.ports

    @routes.get("/rooms", RoomList, query=RoomsQuery)
    async def list_rooms(ask: Ask) -> RoomList:
        """The rooms one is in, latest activity first, with what is unread in each."""
        query: RoomsQuery = ask.query
        as_of = from_us(await ports.journal.now_us()) - OVERLAP
        since_us = 0 if query.since is UNSET else read_moment(query.since, "since")
        found = await rooms.mine(
            ports,
            ask.actor,
            limit=query.limit + 1,
            before=read_cursor(query.cursor, int, RoomId),
            changed_since_us=since_us,
            channel_type=None if query.channel_type is UNSET else query.channel_type,
        )
        page = found[: query.limit]
        more = cursor(page[-1][1], page[-1][0].state.id) if len(found) > len(page) else None
        return RoomList(
            [
                Entry(item.state, item.seq, item.unread, item.mentioned, item.last_read_seq, item.role)
                for item, _ in page
            ],
            as_of,
            more,
        )

    @routes.post(
        "/rooms",
        {201: RoomState, 200: RoomState},
        body=NewRoom,
        refuses=[Forbidden, NotFound, LimitReached, Conflict],
    )
    async def open_room(ask: Ask) -> tuple[int, RoomState]:
        """Open a room, or get the one with this key: 201 where it is new, 200 where it is not.

        A key whose room is not the asker's to enter answers 404.
        """
        body: NewRoom = ask.body
        room, new = await rooms.create(
            ports,
            ask.actor,
            body.channel_type,
            key=body.key,
            name=body.name,
            description=body.description,
            participants=body.participants,
        )
        return (201 if new else 200), rooms.state_of(ports, room)

    @routes.get("/channel-types", Items[ChannelEntry])
    async def list_channel_types(ask: Ask) -> Items[ChannelEntry]:
        """The kinds of rooms there are."""
        return Items(rooms.channel_types(ports, ask.actor))

    @routes.get("/rooms/<room_id>", RoomState)
    async def get_room(ask: Ask, room_id: RoomId) -> RoomState:
        """A room, as its members see it."""
        return await rooms.get(ports, ask.actor, room_id)

    @routes.patch(
        "/rooms/<room_id>",
        RoomState,
        body=RoomChange,
        headers={IF_MATCH: PROMISED},
        refuses=[Forbidden, TooLarge],
    )
    async def change_room(ask: Ask, room_id: RoomId) -> RoomState:
        """Give a room another name or description."""
        body: RoomChange = ask.body
        room = await rooms.update(
            ports,
            ask.actor,
            room_id,
            name=body.name,
            description=body.description,
            expect_changed_seq=ask.expected_version,
        )
        return rooms.state_of(ports, room)

    @routes.delete("/rooms/<room_id>", RoomState, refuses=[Forbidden])
    async def delete_room(ask: Ask, room_id: RoomId) -> RoomState:
        """Archive a room: it can be read and takes nothing more. Nothing in it is lost."""
        return rooms.state_of(ports, await rooms.archive(ports, ask.actor, room_id))

    @routes.post("/rooms/<room_id>/archive", RoomState, body=Nothing, refuses=[Forbidden])
    async def archive_room(ask: Ask, room_id: RoomId) -> RoomState:
        """The same as ``DELETE``, for those who do not like to read that word."""
        return rooms.state_of(ports, await rooms.archive(ports, ask.actor, room_id))

    @routes.post("/rooms/<room_id>/join", Participant, body=Nothing, refuses=[RoomClosed, LimitReached])
    async def join_room(ask: Ask, room_id: RoomId) -> Participant:
        """Enter a room by oneself, where that is allowed. Joining again changes nothing."""
        return await members.join(ports, ask.actor, room_id)

    @routes.post("/rooms/<room_id>/leave", Done, body=Nothing)
    async def leave_room(ask: Ask, room_id: RoomId) -> Done:
        """Leave a room. Nothing more of it arrives."""
        await members.leave(ports, ask.actor, room_id)
        return Done()

    return routes.blueprint
