"""A dialect: another wire protocol on the same rooms.

A client that speaks it and one that speaks v1 are in the same room, under the same rules. The dialect
only translates: what a client says becomes calls on that client's own :class:`Acting`, so it can do nothing its
user could not do; what the platform tells becomes frames, prepared once for all sockets of the dialect in a
room. Everything else about a socket is the platform's: tokens, origins, limits, revocation, the order of frames,
slow readers, the drain. An older protocol knows no resume: its sockets get what is live, and read the rest back.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from deskbell.contracts.desk import Acting
from deskbell.contracts.route import RouteRequest
from deskbell.errors import DeskbellError
from deskbell.ids import ConnectionId, MessageId, RoomId, TenantId, UserId
from deskbell.model.records import Message, Participant, PublicUser, RoomState

Frames = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
"""What is said on a socket: one JSON object, several in order, or nothing."""


def _in_snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class ClientFrame(msgspec.Struct, tag_field="type", tag=_in_snake_case, kw_only=True):
    """What a client may say, where frames are told apart by ``type``: ``JoinRoom`` is ``{"type": "join_room"}``.

    For protocols that do otherwise, any :class:`msgspec.Struct` will do. Fields that are not known are passed over.
    """

    @property
    def frame_type(self) -> str:
        """Its ``type`` on the wire."""
        return str(self.__struct_config__.tag)


# What the platform tells. The first six go to everybody in a room; the others to one socket.


@dataclass(frozen=True)
class ToldMessage:
    """A message in its present state.

    ``what``: ``created``, ``edited``, ``deleted``, ``reacted``, ``unreacted``, ``pinned``, ``unpinned``, or
    ``changed`` where it is not known: an answer in its thread, or something this instance had missed.
    """

    room: RoomState
    what: str
    message: Message


@dataclass(frozen=True)
class ToldMember:
    """Somebody's place in a room: see ``participant.state``, ``role`` and ``muted_until``."""

    room: RoomState
    participant: Participant


@dataclass(frozen=True)
class ToldRoom:
    """A room has another name, owner, or was closed."""

    room: RoomState


@dataclass(frozen=True)
class ToldTyping:
    room: RoomState
    user: UserId
    on: bool


@dataclass(frozen=True)
class ToldRead:
    """Somebody has read up to ``seq``; ``message`` is the last message up to there, None where there is none.

    Told to the others, where the room's policy shows receipts. ``at``: when it is told.
    """

    room: RoomState
    user: UserId
    seq: int
    message: MessageId | None
    at: datetime


@dataclass(frozen=True)
class ToldPresence:
    """``status``: ``online``, ``away``, ``busy`` or ``offline``. Told once per room one shares with them."""

    room: RoomState
    user: UserId
    status: str
    last_seen: datetime | None


@dataclass(frozen=True)
class ToldHistory:
    """A socket begins to follow a room: its last messages and its members, as they are now."""

    room: RoomState
    messages: Sequence[Message]
    participants: Sequence[Participant]


@dataclass(frozen=True)
class ToldInbox:
    """What the user has not read in a room, followed or not, counted to 100. ``removed``: they are no longer in it."""

    room: RoomId
    unread: int
    mentioned: bool
    removed: bool


@dataclass(frozen=True)
class ToldNotice:
    """Something for this user alone."""

    code: str
    text: str


@dataclass(frozen=True)
class ToldDrain:
    """This instance is stopping: come back, to any, after so long."""

    reconnect_in_ms: int


ToldRoomwide = ToldMessage | ToldMember | ToldRoom | ToldTyping | ToldRead | ToldPresence
ToldOne = ToldHistory | ToldInbox | ToldNotice | ToldDrain
Told = ToldRoomwide | ToldOne


class Session(Protocol):
    """One authenticated socket of a dialect.

    ``path`` holds what stood for the names in the socket's address. ``state`` is the dialect's to keep
    things in while the socket lives. ``settings`` are the plugin's, for the user's tenant.
    """

    tenant: TenantId
    user: PublicUser
    connection: ConnectionId
    path: Mapping[str, str]
    state: dict[str, Any]
    settings: Any
    desk: Acting

    @property
    def following(self) -> Sequence[RoomId]:
        """The rooms this socket is told of."""
        ...

    async def follow(self, room: RoomId) -> None:
        """Be told of a room from now on; begins with a :class:`ToldHistory`.

        Raises:
            NotFound: There is no such room, or it is not the user's to see.
            LimitReached: A socket follows ``limits.rooms_per_connection`` rooms at most.
        """
        ...

    def unfollow(self, room: RoomId) -> None: ...

    def say(self, frames: Frames) -> None:
        """Say something on this socket now, before the answer to the frame at hand."""
        ...


@dataclass(frozen=True)
class Vitals:
    """What an instance says of itself. ``redis``: reached, where one is configured."""

    healthy: bool
    connections: int
    redis: bool


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: any JSON, under a status."""

    status: int
    body: Any


@dataclass(frozen=True, kw_only=True)
class Alias:
    """An HTTP address of the dialect, anywhere under ``/api/``.

    ``handler`` is given the request and answers any JSON, for status 200, or an :class:`Answer`; it refuses by
    raising, and :meth:`Dialect.refuse_request` words it. ``body`` and ``query`` are Structs; a body is read as JSON
    whatever type it was sent under. Where the address is one of v1's as well, ``claims`` decides whose request
    it is, and is needed; False leaves it to v1.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Callable[[RouteRequest], Awaitable[Any]]
    who: Literal["anybody", "user"] = "user"
    body: Any = None
    query: Any = None
    claims: Callable[[RouteRequest], Awaitable[bool]] | None = None


class Dialect:
    """Subclass it, and offer an instance through ``register_dialects``.

    Attributes:
        name: Unique over all plugins.
        sockets: The addresses of its sockets, e.g. ``/api/v1/ws/chat``; a part may be ``<name>``, found in
            ``session.path``.
        frames: What a client may say: one Struct, or a union of tagged ones (``tag_field="type"``). What does not
            fit is refused by the platform, through :meth:`refuse`.
        follows_all: Whether a socket follows all rooms of its user at once, also those they are brought into.
        aliases: HTTP addresses.
        health: The address that :meth:`health_answer` answers; empty: none.
        deadline_s: How long :meth:`receive`, :meth:`welcome` and handlers may take.
    """

    name: str = ""
    sockets: Sequence[str] = ()
    frames: Any = None
    follows_all: bool = False
    aliases: Sequence[Alias] = ()
    health: str = ""
    deadline_s: float = 10.0

    async def welcome(self, session: Session) -> Frames:
        """The greeting of a socket that was let in."""
        return None

    async def receive(self, session: Session, frame: Any) -> Frames:
        """Do what a client asks; what is returned goes to this socket alone.

        The frames of a socket are done one after the other. A refusal is raised, or let through.
        """
        return None

    def tell(self, told: Told) -> Frames:
        """What the platform tells, in this protocol. Must not block, wait, or look at anything but ``told``.

        Asked once for all sockets of a room; what it returns is sent to each of them.
        """
        return None

    def refuse(self, error: DeskbellError, frame: Any) -> Frames:
        """A refusal, in this protocol. ``frame`` is what was asked; None where it was not understood."""
        said: dict[str, Any] = {"type": "error", "code": error.code, "message": str(error)}
        if isinstance(frame, ClientFrame):
            # Whatever names what was asked comes back, so that its client knows which it was.
            named = {key: getattr(frame, key, None) for key in ("room_id", "message_id", "client_id")}
            said |= {"request": frame.frame_type} | {key: value for key, value in named.items() if value is not None}
        if error.retry_after_ms is not None:
            said["retry_after"] = error.retry_after_ms / 1000
        return said

    def refuse_request(self, error: DeskbellError) -> Answer:
        """The same for an HTTP request."""
        return Answer(error.status, {"error": str(error)})

    def health_answer(self, vitals: Vitals) -> Answer:
        """What monitors are told; public."""
        return Answer(200 if vitals.healthy else 503, {"status": "healthy" if vitals.healthy else "unhealthy"})
