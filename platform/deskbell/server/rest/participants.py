"""The people of a room: who is there, in which role, muted, banned, brought in, removed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint

from deskbell.actions import bans, members
from deskbell.actions.bans import Ban
from deskbell.clock import to_us
from deskbell.errors import Forbidden, Invalid, LimitReached, RoomClosed
from deskbell.ids import RoomId, UserId
from deskbell.model.records import Participant
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import AnyUser, Body, Done, Items, Limit, Listed, OneRoom, cursor, read_cursor
from deskbell.server.rest.routes import Ask, Routes

RoleName = Annotated[str, Meta(max_length=50)]


class NewParticipant(Body, frozen=True):
    """Somebody to bring in. Without ``role`` they get the usual one."""

    user: AnyUser
    role: RoleName | None = None


class PlaceChange(Body, frozen=True):
    """``mute_s``: seconds, 0 ends it; or ``muted_until``. ``state``: ``left`` removes, ``banned`` bans, ``joined``
    lifts a ban.

    ``reason``, which moderators see, and ``until`` are a ban's; without ``until`` it is for good.
    """

    role: RoleName | None = None
    mute_s: Annotated[int, Meta(ge=0, le=366 * 86_400)] | None = None
    muted_until: Annotated[datetime, Meta(tz=True)] | None = None
    state: Literal["joined", "left", "banned"] | None = None
    reason: Annotated[str, Meta(max_length=1000)] = ""
    until: Annotated[datetime, Meta(tz=True)] | None = None


class BansQuery(Listed, frozen=True):
    """``room``: of this room alone."""

    room: OneRoom | UnsetType = UNSET


class ParticipantsQuery(Listed, frozen=True):
    limit: Limit = 100


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("participants", edge), edge.ports

    @routes.get("/rooms/<room_id>/participants", Items[Participant], query=ParticipantsQuery)
    async def list_participants(ask: Ask, room_id: RoomId) -> Items[Participant]:
        """Who is in the room, in the order they came; where members are only counted, who stands above, and oneself."""
        query: ParticipantsQuery = ask.query
        after = read_cursor(query.cursor, int, UserId)
        found = await members.participants(ports, ask.actor, room_id, limit=query.limit + 1, after=after)
        page = found[: query.limit]
        last = page[-1] if len(found) > len(page) else None
        return Items(page, None if last is None else cursor(to_us(last.joined_at), last.user.id))

    @routes.post(
        "/rooms/<room_id>/participants",
        Participant,
        body=NewParticipant,
        refuses=[Forbidden, RoomClosed, LimitReached, Invalid],
    )
    async def add_participant(ask: Ask, room_id: RoomId) -> Participant:
        """Bring somebody into the room. Who is there already stays as they are."""
        return await members.add(ports, ask.actor, room_id, ask.body.user, ask.body.role)

    @routes.patch(
        "/rooms/<room_id>/participants/<user_id>", Participant, body=PlaceChange, refuses=[Forbidden, Invalid]
    )
    async def change_participant(ask: Ask, room_id: RoomId, user_id: UserId) -> Participant:
        """Give somebody another role, mute, ban or remove them."""
        body: PlaceChange = ask.body
        return await members.change_place(
            ports,
            ask.actor,
            room_id,
            user_id,
            role=body.role,
            mute_s=body.mute_s,
            muted_until=body.muted_until,
            state=body.state,
            reason=body.reason,
            until=body.until,
        )

    @routes.delete("/rooms/<room_id>/participants/<user_id>", Done, refuses=[Forbidden])
    async def remove_participant(ask: Ask, room_id: RoomId, user_id: UserId) -> Done:
        """Remove somebody from the room; oneself too."""
        await members.remove(ports, ask.actor, room_id, user_id)
        return Done()

    @routes.get("/bans", Items[Ban], query=BansQuery)
    async def list_bans(ask: Ask) -> Items[Ban]:
        """The bans that hold, latest first: for staff the tenant's, else those of the rooms one moderates."""
        query: BansQuery = ask.query
        before = read_cursor(query.cursor, int, RoomId, UserId)
        room = None if query.room is UNSET else query.room
        found = await bans.listed(ports, ask.actor, room=room, limit=query.limit + 1, before=before)
        page = found[: query.limit]
        last = page[-1] if len(found) > len(page) else None
        return Items(page, None if last is None else cursor(to_us(last.banned_at), last.room, last.user.id))

    return routes.blueprint
