"""What a plugin may ask of the desk at run time. The platform's implementation is ``actions.facade``.

There is one way in: :meth:`DeskApi.acting_as` answers an object that acts as one user. Each of its
calls is the same action a client of that user reaches by socket or REST: the same rights, limits, filters
and windows, the same refusals, and everybody in the room is told. There is no call that stands above
the rules; a plugin that needs more rights acts as a user who has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from deskbell.ids import MessageId, RoomId, TenantId, UserId
from deskbell.model.records import Message, Participant, PublicUser, RoomState


@dataclass(frozen=True)
class Sent:
    """What became of a message.

    ``message`` is None while it is ``held`` for a person's approval: nobody sees it until then.
    ``duplicate``: it had been stored before, under the same ``client_id``.
    """

    id: MessageId
    message: Message | None
    duplicate: bool = False
    held: bool = False


@dataclass(frozen=True)
class Excerpt:
    """Part of a room's past, oldest first, as it was when the room stood at ``as_of_seq``."""

    messages: Sequence[Message]
    as_of_seq: int
    more_before: bool
    more_after: bool


@dataclass(frozen=True)
class Thread:
    """A thread: its root, some of its answers, oldest first, and whether there are more after them."""

    root: Message
    messages: Sequence[Message]
    more_after: bool


@dataclass(frozen=True)
class Revision:
    """A text that a message had before."""

    number: int
    content: str
    edited_by: UserId
    edited_at: datetime


@dataclass(frozen=True)
class RoomEntry:
    """One of somebody's rooms. ``unread`` counts to 100; ``role`` is theirs in it."""

    room: RoomState
    seq: int
    unread: int
    mentioned: bool
    last_read_seq: int
    role: str


@dataclass(frozen=True)
class Unread:
    """What somebody has not read in a room, counted to 100, and whether they are mentioned in it."""

    count: int
    mentioned: bool


@dataclass(frozen=True)
class ReadMark:
    """Somebody has read up to ``seq``; ``at``: when, None where the room's policy does not keep that."""

    user: UserId
    seq: int
    at: datetime | None


@dataclass(frozen=True)
class Presence:
    """Whether somebody is here. ``status``: ``online``, ``away``, ``busy`` or ``offline``."""

    user: UserId
    status: str
    last_seen: datetime | None = None


class Acting(Protocol):
    """Everything one user may do, with that user's rights as they are at the moment of each call.

    Every call may raise a :class:`deskbell.errors.DeskbellError`, of the kind their own client would
    be told: :class:`NotFound` for what is absent or not theirs to see (deliberately not told apart),
    also when the user is unknown or disabled; :class:`Forbidden` for what they see and may not do;
    :class:`Unavailable` while the store is away. Calls that set a state change nothing when repeated.
    """

    # themselves

    async def me(self) -> PublicUser:
        """The user who acts, as others see them."""
        ...

    async def attributes(self) -> Mapping[str, Any]:
        """What their site or operator says of them, e.g. ``premium``; what a browser claims is not in it as a fact."""
        ...

    async def rooms(self, *, channel_type: str | None = None, limit: int = 50) -> Sequence[RoomEntry]:
        """The rooms they are in, latest activity first; at most 100."""
        ...

    async def unread(self, room: RoomId | None = None) -> Mapping[RoomId, Unread]:
        """What they have not read, by room: all rooms that have any, or the one that is named."""
        ...

    async def presence(self, users: Sequence[UserId]) -> Sequence[Presence]:
        """Who of these is here, of those they share a room with; staff may ask about everybody. At most 100."""
        ...

    # rooms

    async def room(self, room: RoomId) -> RoomState: ...

    async def room_by_key(
        self, channel_type: str, key: str, *, name: str = "", members: Sequence[UserId] = ()
    ) -> RoomState:
        """The room with this key; opened with these members where there is none yet. Safe under race."""
        ...

    async def find_room(self, channel_type: str, key: str) -> RoomState:
        """The room with this key, where there is one that they may see; nothing is opened."""
        ...

    async def create_room(
        self,
        channel_type: str,
        *,
        key: str | None = None,
        name: str = "",
        description: str = "",
        members: Sequence[UserId] = (),
    ) -> RoomState: ...

    async def open_conversation(self, channel_type: str = "support", *, new: bool = False, name: str = "") -> RoomState:
        """Their present conversation with the desk, or a new one; of the kinds of rooms that a bot or an agent owns."""
        ...

    async def archive(self, room: RoomId) -> RoomState: ...

    async def join(self, room: RoomId) -> Participant: ...

    async def leave(self, room: RoomId) -> None: ...

    async def members(self, room: RoomId) -> Sequence[Participant]:
        """Who is in the room; of a counted roster, who stands above members, and oneself."""
        ...

    async def add(self, room: RoomId, user: UserId, *, role: str | None = None) -> Participant: ...

    async def set_role(self, room: RoomId, user: UserId, role: str) -> Participant: ...

    async def kick(self, room: RoomId, user: UserId) -> None: ...

    async def mute(self, room: RoomId, user: UserId, seconds: int) -> Participant:
        """Let somebody read and not write for so long; 0 ends it."""
        ...

    async def ban(self, room: RoomId, user: UserId) -> Participant: ...

    async def unban(self, room: RoomId, user: UserId) -> Participant: ...

    # messages

    async def send(
        self,
        room: RoomId,
        content: str,
        *,
        client_id: str | None = None,
        kind: str = "text",
        metadata: Mapping[str, Any] | None = None,
        reply_to: MessageId | None = None,
        thread: MessageId | None = None,
        mentions: Sequence[UserId] = (),
        attachments: Sequence[str] = (),
    ) -> Sent:
        """Post a message. The same ``client_id`` again answers what was stored; give one whenever you may retry."""
        ...

    async def message(self, message: MessageId) -> Message: ...

    async def edit(self, message: MessageId, content: str) -> Message: ...

    async def delete(self, message: MessageId) -> Message: ...

    async def react(self, message: MessageId, emoji: str) -> Message: ...

    async def unreact(self, message: MessageId, emoji: str) -> Message: ...

    async def pin(self, message: MessageId) -> Message: ...

    async def unpin(self, message: MessageId) -> Message: ...

    async def pinned(self, room: RoomId) -> Sequence[Message]: ...

    async def revisions(self, message: MessageId) -> Sequence[Revision]: ...

    async def thread(self, message: MessageId, *, after: int = 0, limit: int = 50) -> Thread: ...

    async def history(
        self,
        room: RoomId,
        *,
        before: int | None = None,
        after: int | None = None,
        around: int | None = None,
        limit: int = 50,
    ) -> Excerpt:
        """Messages before, after or around a ``seq``; the newest, where none is given. At most 100."""
        ...

    # marks and signs

    async def mark_read(self, room: RoomId, seq: int) -> Unread:
        """Note that everything up to ``seq`` was read; what is left."""
        ...

    async def read_marks(self, room: RoomId, *, since: int = 0) -> Sequence[ReadMark]:
        """How far members have read: where marks moved to ``since`` and above, and when, then where each is now.

        The times are kept where the policy says ``receipts: timed``. Of the others' marks only where it shows them.
        """
        ...

    async def typing(self, room: RoomId, on: bool = True) -> None:
        """Show the others that they are writing, or have stopped; it ends by itself after 10 s."""
        ...


class DeskApi(Protocol):
    """The platform, as plugins see it."""

    def acting_as(self, tenant: TenantId, user: UserId) -> Acting:
        """What one user may do. Nothing is asked of the store yet, and nothing is kept between calls."""
        ...
