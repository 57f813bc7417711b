"""Passing a message on into another room.

A forwarded message is a new message of whoever forwards it, sent through the same door as any other: it
needs the same place in the room, spends the same limits, is seen by the same filters. What it quotes of
its origin is bounded by what the people there may know: of another room they learn the text, its kind,
when it was written and by what kind of person; the name only of somebody who is among them. Neither the
other room nor the message is named to them.

Private notes stay backstage, whoever forwards them.
"""

from __future__ import annotations

import hashlib
from typing import Any

from deskbell.actions import access, messages
from deskbell.actions.content import PLATFORM_METADATA
from deskbell.actions.messages import Arrival, Held
from deskbell.errors import DeskbellError, Forbidden, Invalid, KindNotAllowed, MessageDeleted
from deskbell.ids import MessageId, RoomId
from deskbell.model.records import Actor, Message, Room
from deskbell.ports import Ports
from deskbell.store import rooms
from deskbell.store.posting import Posted
from deskbell.wire.commands import Draft


async def forward(
    ports: Ports,
    actor: Actor,
    message_id: MessageId,
    room_id: RoomId,
    *,
    client_id: str | None = None,
    door: str = "socket",
) -> Posted | Held:
    """Post a message's text again, in a room one may post in, saying where it is from.

    Sent again with the same ``client_id`` it is stored once, also when the origin has changed meanwhile.

    Raises:
        NotFound: The message or the room is not theirs to see.
        MessageDeleted: There is nothing left to pass on.
        KindNotAllowed: What the platform said is not passed on.
        Forbidden: A private note would leave the backstage.
        DeskbellError: See :func:`deskbell.actions.messages.submit`.
    """
    digest = hashlib.blake2b(f"forward {message_id} {room_id}".encode(), digest_size=16).digest()
    if client_id is not None:
        stored = await messages.stored_before(ports, actor, room_id, client_id, digest)
        if isinstance(stored, DeskbellError):
            raise stored
        if stored is not None:
            return stored
    origin, source = await access.message_for(ports, actor, message_id)
    target = await access.room_for(ports, actor, room_id)
    if origin.deleted:
        raise MessageDeleted()
    if origin.kind == "system":
        raise KindNotAllowed("What the platform said is not forwarded.", kind=origin.kind)
    if source.room.backstage_of is not None and target.room.backstage_of is None:
        raise Forbidden("A private note stays backstage.")
    if origin.attachments:
        raise Invalid("Messages with attachments are not forwarded yet.")
    draft = Draft(
        content=origin.content,
        client_id=client_id,
        kind=origin.kind,
        # Of a text its sender's program may have noted anything; of a place or a card it is the message.
        metadata={} if origin.kind == "text" else _of_its_sender(origin),
    )
    quote = await _quote(ports, origin, target.room)
    return await messages.post(ports, actor, room_id, draft, Arrival(door, digest, quote))


def _of_its_sender(origin: Message) -> dict[str, Any]:
    return {key: value for key, value in origin.metadata.items() if key not in PLATFORM_METADATA}


async def _quote(ports: Ports, origin: Message, target: Room) -> dict[str, Any]:
    """What may be said of the origin in ``target``. A text forwarded twice keeps its first author."""
    quoted: dict[str, Any] = {"kind": origin.sender.kind, "created_at": origin.created_at}
    before = origin.metadata.get("forwarded")
    if origin.room == target.id:
        quoted |= {"message": origin.id, "user": origin.sender.id, "name": origin.sender.name}
    elif isinstance(before, dict):
        quoted = {key: before[key] for key in ("kind", "created_at") if key in before}
    else:
        author = await rooms.member(ports.db, target.tenant, target.id, origin.sender.id)
        if author is not None and author.state == "joined":
            quoted |= {"user": origin.sender.id, "name": origin.sender.name}
    return quoted
