"""Private notes, and the agents-only twin of a support room that they are written to.

Nothing of it is ever in the visitor's room. A note remembers where that stood, so that agents can read
both as one conversation. That only staff enter is :mod:`deskbell.actions.access`'s to see to.
"""

from __future__ import annotations

from collections.abc import Sequence

from deskbell.actions import access, drafts
from deskbell.actions.content import checked_mentions, checked_text
from deskbell.actions.members import enter_in
from deskbell.actions.rooms import new_room
from deskbell.errors import NotFound
from deskbell.ids import MessageId, RoomId, UserId
from deskbell.model.records import Actor, PublicUser, Room
from deskbell.ports import Ports
from deskbell.store.change import Change


async def backstage(ports: Ports, actor: Actor, room_id: RoomId) -> Room:
    """The agents-only twin of a support room, made when it is first asked for.

    Raises:
        NotFound: Not a support room, or not for this user.
    """
    place = await access.room_for(ports, actor, room_id)
    if not actor.is_staff or not place.policy.owned or place.room.backstage_of is not None:
        raise NotFound()
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = await with_backstage(change, change.room(room_id))
        assert room.backstage is not None
        backstage_id = room.backstage
    async with ports.journal.change(actor.tenant, backstage_id) as change:
        await enter_in(change, change.room(backstage_id), actor.public())
        return change.rooms[backstage_id]


async def write(
    ports: Ports,
    actor: Actor,
    room_id: RoomId,
    text: str,
    client_id: str | None = None,
    *,
    mentions: Sequence[UserId] = (),
    draft: bool = False,
) -> MessageId:
    """Write a private note to a support room: a message backstage, with where the visitor's room stood.

    ``mentions``: colleagues it is meant for. ``draft``: it was kept as one until now, which is over with it.

    Raises:
        NotFound: Not a support room, or not for this user.
        Invalid, TooLarge: No text, or too much; somebody is mentioned who is no colleague.
    """
    room = await backstage(ports, actor, room_id)
    checked_text(ports, text, what="note", empty=False)
    named = await checked_mentions(ports, room, list(mentions))
    async with ports.journal.change(actor.tenant, room_id, room.id) as change:
        written = await write_in(change, change.room(room_id), actor.public(), text, client_id, named)
    if draft:
        await drafts.sent(ports, actor, written)
    return written


async def write_in(
    change: Change,
    room: Room,
    author: PublicUser,
    text: str,
    client_id: str | None = None,
    mentions: list[UserId] | None = None,
) -> MessageId:
    """Write a note inside a change that has locked the room, and its backstage where there is one.

    A ``client_id`` of the author's that is stored already is answered with what it became.
    """
    room = await with_backstage(change, room)
    assert room.backstage is not None
    await enter_in(change, change.rooms[room.backstage], author)
    if client_id is not None:
        stored = await change.tx.fetchval(
            "SELECT id FROM messages WHERE tenant_id = $1 AND room_id = $2 AND sender_id = $3 AND client_id = $4",
            change.tenant,
            room.backstage,
            author.id,
            client_id,
        )
        if stored is not None:
            return MessageId(stored)
    message = await change.post(
        room.backstage,
        author,
        text,
        kind="text",
        client_id=client_id,
        metadata={"anchor_seq": change.rooms[room.id].seq},
        mentions=mentions,
    )
    return message.id


async def with_backstage(change: Change, room: Room) -> Room:
    """The room with its backstage, which is made at the first note or escalation and stays."""
    if room.backstage is not None:
        return room
    backstage = new_room(
        change.tenant,
        room.channel_type,
        name=f"Backstage: {room.name or 'conversation'}",
        backstage_of=room.id,
    )
    await change.create_room(backstage)
    await change.set_backstage(room.id, backstage.id)
    return change.rooms[room.id]
