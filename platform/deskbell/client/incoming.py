"""Bytes of the server into frames, also those of a server newer than this client."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import msgspec

from deskbell.ids import RoomId
from deskbell.model.records import CaseEntry
from deskbell.wire.frames import (
    Ack,
    Changes,
    Delta,
    DraftFrame,
    Drain,
    ErrorFrame,
    Frame,
    HistoryFrame,
    Inbox,
    MessageFrame,
    Notice,
    Ok,
    ParticipantFrame,
    Ping,
    Pong,
    Presence,
    Receipt,
    Reset,
    RoomFrame,
    Skip,
    Subscribed,
    Tips,
    TypingFrame,
    Viewing,
    Welcome,
)

log = logging.getLogger("deskbell.client")


class Unread(msgspec.Struct):
    """A frame that could not be read, as far as its head could. ``ref`` is what it answers."""

    type: str
    ref: str | int | None = None
    room: str | None = None
    seq: int = 0


class AnyCase(Frame, frozen=True, tag="case"):
    """Both forms of a ``case`` frame: the whole case, or what a visitor learns of theirs."""

    case: CaseEntry | None = None
    room: str | None = None
    status: str = ""
    position: int | None = None
    wait: tuple[int, int] | None = None
    open: bool = True
    opens_at: datetime | None = None


_Known = (
    Welcome | Subscribed | Changes | MessageFrame | ParticipantFrame | RoomFrame | Skip | Ack | Ok | HistoryFrame
    | ErrorFrame | TypingFrame | Receipt | Presence | Delta | AnyCase | DraftFrame | Inbox | Tips | Reset | Notice
    | Viewing | Drain | Ping | Pong
)  # fmt: skip
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Known)


_head = msgspec.json.Decoder(Unread)
_DURABLE = ("message", "participant", "room", "skip")


def understood(data: bytes) -> Any:
    """A frame; :class:`Unread` for one of a kind or shape that is not known; ``None`` for what is no frame.

    A durable frame that cannot be read becomes a :class:`Skip`: it took a number, and the rest of the
    room goes on.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        unread = error
    try:
        head = _head.decode(data)
    except (msgspec.DecodeError, RecursionError):
        log.warning("a frame that is no frame: %s", unread)
        return None
    if head.type in _DURABLE and head.room is not None and head.seq > 0:
        log.warning("a %s frame that this client cannot read: %s", head.type, unread)
        return Skip(room=RoomId(head.room), seq=head.seq)
    log.info("a frame that this client does not know: %s", head.type)
    return head
