"""What a client is told, one frozen record per kind of event.

Durable events (:class:`MessageNew`, :class:`MessageChanged`, :class:`ParticipantChanged`,
:class:`RoomChanged`) come in the order of the room's numbers and each exactly once, whatever the
network does. All others are hints of the moment: after a reconnect they are not repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deskbell.errors import DeskbellError
from deskbell.model.records import CaseEntry, DraftKind, Message, Participant, PublicUser, RoomState, SavedDraft
from deskbell.wire.frames import Ack, Inbox


@dataclass(frozen=True)
class Connecting:
    """A socket is being opened. ``attempt`` counts from 1 since the last one that stayed."""

    attempt: int


@dataclass(frozen=True)
class Live:
    """The server has said welcome."""

    user: PublicUser
    connection: str
    again: bool
    """Whether there was a connection before."""


@dataclass(frozen=True)
class Reconnecting:
    """The socket is gone; the next attempt starts in ``in_s`` seconds. ``code`` is 1006 where none was given."""

    in_s: float
    code: int
    reason: str


@dataclass(frozen=True)
class Closed:
    """It is over: the client does not come back by itself. ``error`` says why; ``None``: it was closed here."""

    code: int
    error: DeskbellError | None = None


@dataclass(frozen=True)
class RoomLoaded:
    """A room's latest state was loaded afresh: at the first subscribe, or ``again`` after a reset.

    What the view holds is right from here on. After a reset messages may lie between what was
    known before and ``view.oldest``; those known to be new follow as :class:`MessageNew`.
    """

    room: str
    again: bool
    gap: bool
    """Whether messages may lie between what was known and what was loaded."""


@dataclass(frozen=True)
class RoomLost:
    """The room can no longer be followed: left, banned, deleted."""

    room: str
    error: DeskbellError


@dataclass(frozen=True)
class MessageNew:
    room: str
    message: Message


@dataclass(frozen=True)
class MessageChanged:
    """Edited, deleted, reacted to, pinned. ``before`` is what was known; ``None`` for one never loaded."""

    room: str
    message: Message
    before: Message | None


@dataclass(frozen=True)
class MessagesPurged:
    """Messages with ``seq`` below ``floor`` are gone."""

    room: str
    floor: int


@dataclass(frozen=True)
class ParticipantChanged:
    room: str
    participant: Participant
    before: Participant | None


@dataclass(frozen=True)
class RoomChanged:
    room: str
    state: RoomState
    before: RoomState | None


@dataclass(frozen=True)
class Typing:
    """Somebody writes; it ends by itself after ten seconds, without another event."""

    room: str
    user: str
    on: bool


@dataclass(frozen=True)
class ViewersChanged:
    """For agents who said what they look at: who looks at a conversation now, oneself included."""

    room: str
    users: tuple[PublicUser, ...]


@dataclass(frozen=True)
class Writing:
    """The bot is writing. ``text`` is all of this turn so far; the stored message replaces it."""

    room: str
    turn: str
    text: str
    done: bool


@dataclass(frozen=True)
class WritingVoid:
    """What was streamed for this turn counts no more: the conversation has changed hands."""

    room: str
    turn: str


@dataclass(frozen=True)
class ReadMoved:
    room: str
    user: str
    read_seq: int
    delivered_seq: int


@dataclass(frozen=True)
class PresenceChanged:
    user: str
    status: str
    last_seen: datetime | None


@dataclass(frozen=True)
class CaseChanged:
    """For agents: the whole case. ``before`` is what this client knew of it."""

    case: CaseEntry
    before: CaseEntry | None


@dataclass(frozen=True)
class OwnCaseChanged:
    """For visitors: how their case stands. ``wait`` is a range in seconds.

    While nobody is there to come, ``open`` is false and ``opens_at`` is when they are back.
    """

    room: str
    status: str
    position: int | None
    wait: tuple[int, int] | None
    open: bool = True
    opens_at: datetime | None = None


@dataclass(frozen=True)
class DraftChanged:
    """What one writes elsewhere. ``draft`` is None when it was sent or dropped; of two events the later one counts."""

    room: str
    kind: DraftKind
    changed_at: datetime
    draft: SavedDraft | None


@dataclass(frozen=True)
class InboxChanged:
    room: str
    entry: Inbox


@dataclass(frozen=True)
class NoticeGiven:
    """A word for this user alone; show it, do not keep it."""

    code: str
    text: str


@dataclass(frozen=True)
class Problem:
    """An error that answers no request of ours."""

    error: DeskbellError


@dataclass(frozen=True)
class Sent:
    """A message of the outbox has its terminal reply: it is committed, or held for a reviewer."""

    room: str
    client_id: str
    ack: Ack


@dataclass(frozen=True)
class NotSent:
    """A message of the outbox has its terminal reply: it was refused for good."""

    room: str
    client_id: str
    content: str
    error: DeskbellError


@dataclass(frozen=True)
class Delayed:
    """A message waits in the outbox: the server asked to try again later, in ``in_s`` seconds."""

    room: str
    client_id: str
    in_s: float
    error: DeskbellError


Event = (
    Connecting | Live | Reconnecting | Closed | RoomLoaded | RoomLost | MessageNew | MessageChanged | MessagesPurged
    | ParticipantChanged | RoomChanged | Typing | ViewersChanged | Writing | WritingVoid | ReadMoved | PresenceChanged
    | CaseChanged | OwnCaseChanged | DraftChanged | InboxChanged | NoticeGiven | Problem | Sent | NotSent | Delayed
)  # fmt: skip
