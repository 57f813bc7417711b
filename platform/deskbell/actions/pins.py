"""Pins: what everybody in a room should find again."""

from __future__ import annotations

from msgspec.structs import replace

from deskbell.actions import access
from deskbell.errors import Forbidden, MessageDeleted, NotFound
from deskbell.ids import MessageId, RoomId
from deskbell.model.records import Actor, Message
from deskbell.ports import Ports
from deskbell.store import messages


async def pin(ports: Ports, actor: Actor, message_id: MessageId, *, on: bool) -> Message:
    """Pin a message for everybody, or take the pin away. Moderators and staff do.

    Raises:
        NotFound, Forbidden, MessageDeleted: It cannot be pinned by this user.
    """
    found, _ = await access.message_for(ports, actor, message_id)
    async with ports.journal.change(actor.tenant, found.room) as change:
        place = await access.room_in(ports, change, actor, found.room)
        message = await change.message(message_id)
        if message is None or message.seq <= place.visible_from:
            raise NotFound()
        if not (place.policy.is_moderator(place.role) or (actor.is_staff and bool(place.room.owner_kind))):
            raise Forbidden("Only moderators pin messages here.")
        if message.deleted:
            raise MessageDeleted()
        if message.pinned == on:
            return message
        change.audit(place.policy, actor.id, "pinned" if on else "unpinned", message.room, message_id)
        return await change.put_message(replace(message, pinned=on), what="pinned" if on else "unpinned")


async def pinned(
    ports: Ports, actor: Actor, room_id: RoomId, *, limit: int = 100, before: int | None = None
) -> list[Message]:
    """The pinned messages of a room, newest first; ``before`` (a ``seq``) continues a list."""
    place = await access.room_for(ports, actor, room_id)
    await access.note_read(ports, actor, place, "read_pins")
    return await messages.pinned(ports.db, actor.tenant, room_id, limit, place.visible_from, before)
