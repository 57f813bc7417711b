"""The people of a room: who is there, in which role, muted, banned, brought in, removed."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta
from quart import Blueprint

from deskbell.actions import rooms
from deskbell.errors import Forbidden, Invalid, LimitReached, RoomClosed
from deskbell.ids import RoomId, UserId
from deskbell.model.records import Participant
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import AnyUser, Body, Done, Items
from deskbell.server.rest.routes import Ask, Routes

RoleName = Annotated[str, Meta(max_length=50)]


class NewParticipant(Body, frozen=True):
    """Somebody to bring in. Without ``role`` they get the usual one."""

    user: AnyUser
    role: RoleName | None = None


class PlaceChange(Body, frozen=True):
    """``mute_s``: seconds, 0 ends it. ``state``: ``left`` removes, ``banned`` bans, ``joined`` lifts a ban."""

    role: RoleName | None = None
    mute_s: Annotated[int, Meta(ge=0, le=366 * 86_400)] | None = None
    state: Literal["joined", "left", "banned"] | None = None


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("participants", edge), edge.ports

    @routes.get("/rooms/<room_id>/participants", Items[Participant])
    async def list_participants(ask: Ask, room_id: RoomId) -> Items[Participant]:
        """Who is in the room; where members are only counted, who stands above them, and oneself."""
        return Items(await rooms.participants(ports, ask.actor, room_id))

    @routes.post(
        "/rooms/<room_id>/participants",
        Participant,
        body=NewParticipant,
        refuses=[Forbidden, RoomClosed, LimitReached, Invalid],
    )
    async def add_participant(ask: Ask, room_id: RoomId) -> Participant:
        """Bring somebody into the room. Who is there already stays as they are."""
        return await rooms.add(ports, ask.actor, room_id, ask.body.user, ask.body.role)

    @routes.patch(
        "/rooms/<room_id>/participants/<user_id>", Participant, body=PlaceChange, refuses=[Forbidden, Invalid]
    )
    async def change_participant(ask: Ask, room_id: RoomId, user_id: UserId) -> Participant:
        """Give somebody another role, mute, ban or remove them."""
        body: PlaceChange = ask.body
        return await rooms.change_place(
            ports, ask.actor, room_id, user_id, role=body.role, mute_s=body.mute_s, state=body.state
        )

    @routes.delete("/rooms/<room_id>/participants/<user_id>", Done, refuses=[Forbidden])
    async def remove_participant(ask: Ask, room_id: RoomId, user_id: UserId) -> Done:
        """Remove somebody from the room; oneself too."""
        await rooms.remove(ports, ask.actor, room_id, user_id)
        return Done()

    return routes.blueprint
