"""What happened, as the parts of the platform tell one another: a prepared frame and its address."""

from __future__ import annotations

from typing import Literal

import msgspec

from deskbell.ids import RoomId, TenantId
from deskbell.model.records import Message
from deskbell.wire import frames

Topic = Literal["room", "user", "staff"]


class Event(msgspec.Struct, frozen=True, array_like=True):
    """Something to tell the sockets of a room, of a user, or of a tenant's staff.

    ``frame`` is the encoded wire frame that everyone of the topic gets. ``seq`` is the number the
    change took in its room, 0 for what is ephemeral. ``born`` is the ``seq`` of the message that
    the frame holds, for those who may only see what came after they joined. ``counts`` says that
    it is a new message which raises the unread count of all but its ``sender``. ``owner_version``
    is the fence of a bot's streamed text: who has seen a later one drops it. ``what`` is what happened to
    a message, for protocols that have a word for it: ``created``, ``edited``, …; empty where it is not known.
    """

    tenant: TenantId
    topic: Topic
    key: str
    kind: str
    seq: int
    frame: bytes
    born: int = 0
    counts: bool = False
    sender: str = ""
    mentions: tuple[str, ...] = ()
    owner_version: int = 0
    what: str = ""


class Wrote(msgspec.Struct, frozen=True, tag_field="type", tag="wrote"):
    """What instances tell one another. Shaped as a frame: a version that does not know it hands it to clients."""

    room: RoomId


_encoder = msgspec.json.Encoder()
_wrote = msgspec.json.Decoder(Wrote)


def wrote(tenant: TenantId, room: RoomId) -> Event:
    """To the hubs: in this support room, or in its twin backstage, somebody wrote or took something back.

    What agents are then told of its case each hub looks up, where agents listen; so it costs the sender nothing.
    """
    return Event(tenant, "staff", "", "wrote", 0, _encoder.encode(Wrote(room)))


def named(tenant: TenantId, conversation: RoomId, message: Message) -> list[Event]:
    """To those a note names: they need not be backstage, so nothing else would tell them."""
    frame = frames.encode(frames.MentionFrame(room=conversation, message=message.id))
    return [
        Event(tenant, "user", user, "mention", 0, frame)
        for user in dict.fromkeys(message.mentions)
        if user != message.sender.id
    ]


def bot_rooms_moved(tenant: TenantId) -> Event:
    """To the hubs: somewhere in the support rooms that the bot has, or had until now, something moved.

    In which is not said, so that one batch of messages is one such event for each tenant.
    """
    return Event(tenant, "staff", "", "conversations", 0, frames.encode(frames.ConversationsFrame()))


def wrote_in(event: Event) -> RoomId:
    """The room of such an event."""
    return _wrote.decode(event.frame).room
