"""What the server says on the socket: records in, bytes out.

Every frame is a frozen struct; :func:`encode` turns it into the bytes that all sockets of a
room share. A durable frame (``message``, ``participant``, ``room``, ``skip``) carries the
``seq`` of its change. No frame holds anything that depends on who reads it, except replies.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from deskbell.errors import DeskbellError
from deskbell.ids import ConnectionId, MessageId, RoomId, TenantId, TurnId, UserId
from deskbell.model.records import (
    CaseEntry,
    DraftKind,
    HeldStatus,
    Message,
    Participant,
    PublicUser,
    RoomState,
    SavedDraft,
)
from deskbell.wire.commands import Ref


class Frame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The base of all server frames."""


class Reply(Frame, frozen=True, kw_only=True):
    ref: Ref | msgspec.UnsetType = msgspec.UNSET


class Limits(msgspec.Struct, frozen=True):
    frame_bytes: int
    text_bytes: int
    messages_per_min: int
    rooms_per_subscribe: int
    rooms_per_connection: int
    in_flight: int


class Welcome(Reply, frozen=True, tag="welcome"):
    user: PublicUser
    tenant: TenantId
    connection: ConnectionId
    heartbeat_ms: int
    limits: Limits
    server_time: datetime


class Page(Frame, frozen=True, kw_only=True):
    """Records of one room, ordered by ``changed_seq``, read in one snapshot."""

    room: RoomId
    epoch: str
    seq: int
    floor: int
    messages: list[Message]
    participants: list[Participant]
    more: bool
    state: RoomState | msgspec.UnsetType = msgspec.UNSET
    reads: dict[UserId, tuple[int, int]] | msgspec.UnsetType = msgspec.UNSET


class Subscribed(Page, frozen=True, tag="subscribed"):
    recovered: bool
    participant_count: int
    ref: Ref | msgspec.UnsetType = msgspec.UNSET


class Changes(Page, frozen=True, tag="changes"):
    since: int


class MessageFrame(Frame, frozen=True, tag="message"):
    room: RoomId
    seq: int
    message: Message


class ParticipantFrame(Frame, frozen=True, tag="participant"):
    room: RoomId
    seq: int
    participant: Participant


class RoomFrame(Frame, frozen=True, tag="room"):
    room: RoomId
    seq: int
    state: RoomState


class Skip(Frame, frozen=True, tag="skip"):
    room: RoomId
    seq: int


class Ack(Reply, frozen=True, tag="ack", omit_defaults=True):
    room: RoomId
    id: MessageId
    client_id: str | None = None
    seq: int | None = None
    created_at: datetime | None = None
    duplicate: bool = False
    held: bool = False
    message: Message | None = None


class Ok(Reply, frozen=True, tag="ok"):
    pass


class HistoryFrame(Reply, frozen=True, tag="history"):
    room: RoomId
    messages: list[Message]
    as_of_seq: int
    more_before: bool
    more_after: bool
    around: int | msgspec.UnsetType = msgspec.UNSET


class ErrorFrame(Reply, frozen=True, tag="error", omit_defaults=True):
    code: str
    message: str
    temporary: bool
    retry_after_ms: int | None = None
    details: dict[str, Any] | None = None
    room: RoomId | None = None


class TypingFrame(Frame, frozen=True, tag="typing"):
    room: RoomId
    user: UserId
    on: bool


class Viewing(Frame, frozen=True, tag="viewing"):
    """For agents: which of them, 20 at most, look at a conversation now."""

    room: RoomId
    users: list[PublicUser]


class Receipt(Frame, frozen=True, tag="receipt"):
    room: RoomId
    user: UserId
    read_seq: int
    delivered_seq: int


class Presence(Frame, frozen=True, tag="presence", omit_defaults=True):
    user: UserId
    status: str
    last_seen: datetime | None = None


class Delta(Frame, frozen=True, tag="delta", omit_defaults=True):
    """The bot is writing. ``offset`` counts characters of ``text`` already sent in this turn."""

    room: RoomId
    turn: TurnId
    owner_version: int
    offset: int
    text: str
    done: bool = False


class CaseFrame(Frame, frozen=True, tag="case"):
    """The whole case, for agents."""

    case: CaseEntry


class OwnCaseFrame(Frame, frozen=True, tag="case", omit_defaults=True):
    """What a visitor learns of their own case. ``wait`` is a range in seconds.

    While their site is closed, ``open`` is false, and ``opens_at`` stands for ``position`` and ``wait``: a line
    that nobody serves is none.
    """

    room: RoomId
    status: str
    position: int | None = None
    wait: tuple[int, int] | None = None
    open: bool = True
    opens_at: datetime | None = None


class ConversationsFrame(Frame, frozen=True, tag="conversations", omit_defaults=True):
    """For agents: in conversations that the bot has, something moved. ``bot``: how many those are, counted to 1,000."""

    bot: int | None = None


class HeldFrame(Frame, frozen=True, tag="held"):
    """For a sender: what has become of a message of theirs that waits, or waited, for a reviewer."""

    room: RoomId
    id: MessageId
    client_id: str
    status: HeldStatus


class DraftFrame(Frame, frozen=True, tag="draft"):
    """For its author's other sockets: what they have begun to write in a room; null: it is over."""

    room: RoomId
    kind: DraftKind
    changed_at: datetime
    draft: SavedDraft | None


class MentionFrame(Frame, frozen=True, tag="mention"):
    """For agents: somebody named them in a private note of a conversation. What it says is asked for."""

    room: RoomId
    message: MessageId


class Inbox(Frame, frozen=True, tag="inbox", omit_defaults=True):
    room: RoomId
    seq: int
    unread: int
    mentioned: bool
    last: Message | None = None
    removed: bool = False

    # `unread` and `mentioned` have no defaults, so they are always sent.


class Tips(Frame, frozen=True, tag="tips"):
    rooms: dict[RoomId, int]


class Reset(Reply, frozen=True, tag="reset"):
    """The subscription is over. With ``ref`` it is the reply to the ``subscribe`` that could not go on from there."""

    room: RoomId
    epoch: str


class Notice(Frame, frozen=True, tag="notice"):
    code: str
    text: str


class Drain(Frame, frozen=True, tag="drain"):
    reconnect_in_ms: int


class Ping(Frame, frozen=True, tag="ping"):
    pass


class Pong(Reply, frozen=True, tag="pong"):
    pass


FRAMES: tuple[type[Frame], ...] = (
    Welcome, Subscribed, Changes, MessageFrame, ParticipantFrame, RoomFrame, Skip, Ack, Ok, HistoryFrame,
    ErrorFrame, TypingFrame, Viewing, Receipt, Presence, Delta, CaseFrame, OwnCaseFrame, ConversationsFrame, HeldFrame,
    DraftFrame, MentionFrame, Inbox, Tips, Reset, Notice, Drain, Ping, Pong,
)  # fmt: skip

_encoder = msgspec.json.Encoder()


def encode(frame: Frame) -> bytes:
    """The JSON text of a frame, UTF-8."""
    return _encoder.encode(frame)


def reply_ref(ref: Ref) -> Ref | msgspec.UnsetType:
    """A ``ref`` as a reply carries it: absent where the client gave none."""
    return msgspec.UNSET if ref is None else ref


def error_frame(error: DeskbellError, ref: Ref = None, room: RoomId | None = None) -> ErrorFrame:
    """An error as its client is told."""
    details = {key: value for key, value in error.details.items() if key != "ref"}
    return ErrorFrame(
        ref=reply_ref(ref if ref is not None else error.details.get("ref")),
        code=error.code,
        message=str(error),
        temporary=error.temporary,
        retry_after_ms=error.retry_after_ms,
        details=details or None,
        room=room,
    )
