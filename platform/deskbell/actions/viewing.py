"""Which conversation an agent looks at: told to colleagues, never stored, and nothing to visitors."""

from __future__ import annotations

from deskbell.actions import access
from deskbell.errors import Conflict, Forbidden
from deskbell.ids import RoomId
from deskbell.model.records import Actor
from deskbell.ports import Ports


async def may_look(ports: Ports, actor: Actor, room_id: RoomId | None) -> None:
    """Whether somebody may say that they look at a conversation, and hear at which their colleagues do.

    None: at none. The socket's own hub does the telling.

    Raises:
        Forbidden: They are no agent.
        NotFound: They do not see the room.
        Conflict: It is no support conversation.
        RateLimited: Say it when they stay, not with each step down a list.
    """
    if not actor.is_staff:
        raise Forbidden("Only agents say what they look at.")
    ports.limits.spend("view", actor.id, per_min=240, burst=60)
    if room_id is not None:
        place = await access.room_for(ports, actor, room_id)
        if not place.policy.owned or place.room.backstage_of is not None:
            raise Conflict("Only support conversations are looked at together.")
