"""What a client may say on the socket: frames in, checked commands out.

No I/O, no knowledge of rooms. A frame that is not understood becomes an
:class:`deskbell.errors.Invalid` with the path of what is wrong. Unknown fields are ignored, so a
newer client can talk to an older server; an unknown ``type`` is an error. Source: the frame
tables of the protocol page.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from deskbell.errors import Invalid, TooDeep, TooLarge, UnknownType
from deskbell.ids import MessageId, RoomId, UserId

Ref = str | int | None
MAX_FRAME_BYTES = 65_536
MAX_DEPTH = 32

ClientId = Annotated[str, Meta(min_length=1, max_length=128)]
Emoji = Annotated[str, Meta(min_length=1, max_length=64)]
MAX_NUMBER = 2**53 - 1
"""The greatest number a client may name: what JavaScript still counts exactly, with room left in the store's."""

Seq = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]
Limit = Annotated[int, Meta(ge=1, le=100)]
Epoch = Annotated[str, Meta(max_length=64)]


class Expect(msgspec.Struct, frozen=True):
    """What the sender believed when they wrote; the message is refused when it no longer holds."""

    owner_version: Seq | None = None
    seq: Seq | None = None


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The base of all client frames. ``ref`` comes back on the one terminal reply."""

    ref: Ref = None


class Auth(Command, frozen=True, tag="auth"):
    token: str


class SubscribeRoom(msgspec.Struct, frozen=True):
    id: RoomId
    epoch: Epoch | None = None
    since: Seq | None = None


class Subscribe(Command, frozen=True, tag="subscribe"):
    rooms: Annotated[list[SubscribeRoom], Meta(min_length=1, max_length=100)]


class Unsubscribe(Command, frozen=True, tag="unsubscribe"):
    rooms: Annotated[list[RoomId], Meta(max_length=200)]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A message as its sender asks for it; the same shape on the socket and over REST."""

    content: str
    client_id: ClientId | None = None
    kind: Annotated[str, Meta(min_length=1, max_length=32)] = "text"
    metadata: dict[str, Any] = {}
    reply_to: MessageId | None = None
    thread: MessageId | None = None
    mentions: Annotated[list[UserId], Meta(max_length=50)] = []
    attachments: Annotated[list[str], Meta(max_length=20)] = []
    expect: Expect | None = None
    draft: bool = False
    """Whether it was kept as a draft until now, which is over with it."""


class Send(Draft, frozen=True, kw_only=True, tag_field="type", tag="send"):
    room: RoomId
    ref: Ref = None


class Edit(Command, frozen=True, tag="edit"):
    message: MessageId
    content: str


class Delete(Command, frozen=True, tag="delete"):
    message: MessageId


class React(Command, frozen=True, tag="react"):
    message: MessageId
    emoji: Emoji


class Unreact(Command, frozen=True, tag="unreact"):
    message: MessageId
    emoji: Emoji


class Pin(Command, frozen=True, tag="pin"):
    message: MessageId


class Unpin(Command, frozen=True, tag="unpin"):
    message: MessageId


class Read(Command, frozen=True, tag="read"):
    room: RoomId
    seq: Seq


class Delivered(Command, frozen=True, tag="delivered"):
    room: RoomId
    seq: Seq


class Typing(Command, frozen=True, tag="typing"):
    room: RoomId
    on: bool


class View(Command, frozen=True, tag="view"):
    """Agents: which conversation this socket's page shows; null: none, as while one looks at the list."""

    room: RoomId | None


class History(Command, frozen=True, tag="history"):
    """One of ``before``, ``after`` (each a ``seq``), ``around`` (that, or a message) and ``at``; none: the newest."""

    room: RoomId
    before: Seq | None = None
    after: Seq | None = None
    around: Seq | Annotated[MessageId, Meta(max_length=36)] | None = None
    at: Annotated[datetime, Meta(tz=True)] | None = None
    limit: Limit = 50


class Escalate(Command, frozen=True, tag="escalate"):
    room: RoomId
    reason: Annotated[str, Meta(max_length=200)] = "asked_human"


class Stop(Command, frozen=True, tag="stop"):
    room: RoomId
    turn: str


class Refresh(Command, frozen=True, tag="refresh"):
    token: str


class Ping(Command, frozen=True, tag="ping"):
    pass


class Pong(Command, frozen=True, tag="pong"):
    pass


AnyCommand = (
    Auth | Subscribe | Unsubscribe | Send | Edit | Delete | React | Unreact | Pin | Unpin | Read
    | Delivered | Typing | View | History | Escalate | Stop | Refresh | Ping | Pong
)  # fmt: skip
COMMANDS: tuple[type[Command] | type[Send], ...] = (
    Auth, Subscribe, Unsubscribe, Send, Edit, Delete, React, Unreact, Pin, Unpin, Read,
    Delivered, Typing, View, History, Escalate, Stop, Refresh, Ping, Pong,
)  # fmt: skip
TYPES = frozenset(str(c.__struct_config__.tag) for c in COMMANDS)

_decoder = msgspec.json.Decoder(AnyCommand)


class _Head(msgspec.Struct):
    type: Any = None
    ref: Any = None


_head = msgspec.json.Decoder(_Head)


def decode(frame: str | bytes, max_bytes: int = MAX_FRAME_BYTES, max_depth: int = MAX_DEPTH) -> AnyCommand:
    """Read one client frame.

    Raises:
        TooLarge: More than ``max_bytes`` of UTF-8.
        TooDeep: ``metadata`` is nested deeper than ``max_depth`` levels.
        UnknownType: JSON, but no frame of ours.
        Invalid: Anything else; ``details["ref"]`` holds the frame's ``ref`` where it could be read.
    """
    if len(frame) > max_bytes or (isinstance(frame, str) and not frame.isascii() and _size(frame) > max_bytes):
        raise TooLarge(f"A frame may hold {max_bytes} bytes.", max_bytes=max_bytes)
    try:
        command: AnyCommand = _decoder.decode(frame)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _explained(frame, error) from None
    if type(command) is Send and command.metadata:
        try:
            check_depth(command.metadata, max_depth)
        except TooDeep as error:
            error.details["ref"] = command.ref
            raise
    return command


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _explained(frame: str | bytes, error: Exception) -> Invalid:
    if isinstance(error, RecursionError):
        return TooDeep(max_depth=MAX_DEPTH)
    if not isinstance(error, msgspec.ValidationError):
        return Invalid(half_a_character(frame) or f"This is not a JSON object in UTF-8: {error}")
    try:
        head = _head.decode(frame)
    except (msgspec.DecodeError, RecursionError):
        return Invalid("A frame is a JSON object with a type.")
    ref = head.ref if isinstance(head.ref, (str, int)) and not isinstance(head.ref, bool) else None
    if not isinstance(head.type, str):
        return Invalid("A frame needs a type.", ref=ref)
    if head.type not in TYPES:
        return UnknownType(f"There is no frame of type {head.type[:40]!r}.", ref=ref, known=sorted(TYPES))
    return Invalid(str(error), ref=ref)


# One escape after the other, so that an escaped backslash does not begin one; a pair is one character.
_ESCAPES = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def half_a_character(json: str | bytes) -> str:
    """What to tell somebody whose JSON holds one half of a surrogate pair alone; empty where it holds none.

    No UTF-8 says such a half, and the decoder complains of something else.
    """
    text = json if isinstance(json, str) else json.decode("utf-8", "replace")
    for escape in _ESCAPES.finditer(text):
        if escape[1]:
            return f"\\{escape[1]} is half of a character, without its other half. Send whole characters."
    return ""


def check_depth(value: Any, limit: int = MAX_DEPTH) -> None:
    """Refuse what is nested deeper than ``limit``, without recursion of our own.

    Raises:
        TooDeep: It is.
    """
    level: list[Any] = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    raise TooDeep(max_depth=limit)
