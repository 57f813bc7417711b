"""A socket, its place in a room, and a room as this process sees it: what the parts of the hub hand around."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from deskbell.errors import Conflict, DeskbellError
from deskbell.ids import ConnectionId, RoomId, TenantId
from deskbell.model.policy import Policy
from deskbell.model.records import Actor, RoomState
from deskbell.store import pages
from deskbell.wire import frames
from deskbell.wire.events import Event

RECENT = 64


class Writer(Protocol):
    """The one writer of a socket; see ``server.outbound``."""

    def write(self, frame: bytes) -> bool: ...
    def write_ephemeral(self, frame: bytes) -> bool: ...
    async def write_paced(self, frame: bytes) -> bool: ...
    def close(self, code: int, reason: str = "") -> None: ...
    @property
    def closed(self) -> bool: ...


class Voice(Protocol):
    """How sockets of another dialect are told what those of v1 are; one for all of a dialect's sockets.

    What it makes are prepared bytes, empty where the dialect has no word for it. ``ping`` asks for a sign of life.
    """

    ping: bytes

    def durable(self, stream: Stream, event: Event) -> bytes:
        """A change in a room, made once however many are told."""
        ...

    def passing(self, stream: Stream, event: Event, to: Sequence[Connection]) -> None:
        """Tell some of a room's sockets what nobody misses; it may come a moment later."""
        ...

    def page(self, stream: Stream, frame: frames.Page) -> bytes:
        """Records that were read from the store for one who catches up, or for all where something was missed."""
        ...

    def own(self, connection: Connection, frame: frames.Frame) -> None:
        """Tell one socket something that is no room's."""
        ...


class Connection:
    """One authenticated socket. ``heard_at``: when it last said anything, on the loop's clock.

    ``voice``: of a dialect; None for v1. ``joined`` is called with each room its user comes into from now on.
    """

    __slots__ = ("actor", "heard_at", "id", "joined", "joined_at", "origin", "out", "reading", "rooms", "voice")

    def __init__(
        self,
        id_: ConnectionId,
        actor: Actor,
        out: Writer,
        now: float,
        origin: str | None = None,
        voice: Voice | None = None,
    ) -> None:
        self.id = id_
        self.actor = actor
        self.out = out
        self.origin = origin
        self.heard_at = now
        self.joined_at = now
        self.reading = True
        self.rooms: dict[RoomId, Subscription] = {}
        self.voice = voice
        self.joined: Callable[[RoomId], None] | None = None


class Subscription:
    """A socket's place in a room's stream. ``live`` once it is sent what comes; ``over`` once it ended, and ``why``."""

    __slots__ = ("connection", "live", "over", "place", "stream", "takes_part", "visible_from", "why", "write")

    def __init__(self, connection: Connection, stream: Stream) -> None:
        self.connection = connection
        self.write = connection.out.write
        self.stream = stream
        # What the edge knows of the reader's place in the room; the hub only carries it.
        self.place: Any = None
        self.takes_part = False
        self.visible_from = 0
        self.live = False
        self.over = False
        self.why: DeskbellError = Conflict("This subscription was ended before it began.")


class Stream:
    """One room as this process sees it. ``seq`` is the last durable event told; None: nobody is live yet."""

    __slots__ = (
        "backlog",
        "dialects",
        "epoch",
        "fan_out",
        "head",
        "healing",
        "held",
        "owner_version",
        "pages",
        "passing",
        "policy",
        "recent",
        "room",
        "seq",
        "subscriptions",
        "tenant",
        "timer",
        "tip",
        "typing",
        "waiting",
        "writers",
    )  # fmt: skip

    def __init__(self, tenant: TenantId, room: RoomId) -> None:
        self.tenant = tenant
        self.room = room
        self.policy: Policy | None = None
        self.seq: int | None = None
        self.tip = 0
        self.epoch = ""
        self.owner_version = 0
        self.subscriptions: dict[ConnectionId, Subscription] = {}
        # How many of them speak another dialect, and what those are told the room is; None where nobody does.
        self.dialects = 0
        self.head: RoomState | None = None
        self.writers: list[Subscription] | None = None
        # Live once the stream has reached the number their snapshot had.
        self.waiting: list[tuple[int, Subscription]] = []
        self.held: dict[int, Event] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.healing = False
        # What is being told to a large room, slice by slice, and by which task; None: nothing is.
        self.backlog: deque[Event] | None = None
        self.fan_out: asyncio.Task[None] | None = None
        self.passing = 0
        # The last events told, one after the other without a hole.
        self.recent: deque[Event] = deque(maxlen=RECENT)
        # Pages read a moment ago, for others who ask the same: {(since, bound): (tip when asked, page)}.
        self.pages: dict[tuple[int | None, int], tuple[int, asyncio.Task[pages.Page | None]]] = {}
        # Of a counted roster, whose names are shown as typing, and until when.
        self.typing: dict[str, float] = {}

    @property
    def told(self) -> int:
        """The number at which every live socket is, or will be when the slices under way are written."""
        assert self.seq is not None
        return self.seq if self.backlog is None else self.passing

    @property
    def known(self) -> int:
        """The greatest number this process has heard of."""
        return max(self.tip, self.seq or 0)
