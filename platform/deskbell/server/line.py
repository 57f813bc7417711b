"""One socket at the edge, whatever is spoken on it: let in, counted, heard at its pace, and seen out.

Reading never waits for the store: what takes longer goes to this socket's own worker, which keeps the
order in which it was asked. A bounded number is under way; then the loop stops reading, and the peer feels it.

What a frame means is left to :mod:`deskbell.server.socket` and :mod:`deskbell.server.dialects`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, cast

import structlog
from quart import Response, Websocket, abort

from deskbell.actions import people, presence
from deskbell.errors import (
    DeskbellError,
    Invalid,
    RateLimited,
    Revoked,
    Temporary,
    Unauthenticated,
)
from deskbell.hub import Connection, Voice
from deskbell.ids import ConnectionId, RoomId, new_id
from deskbell.model.records import Actor
from deskbell.server.edge import Edge
from deskbell.server.inbound import queued, reading_of, take_credentials
from deskbell.server.outbound import Outbound, outbound_for
from deskbell.store import rooms
from deskbell.store.database import StoreError
from deskbell.volatile.limits import address_prefix
from deskbell.wire import frames
from deskbell.wire.close_codes import CloseCode, at_login
from deskbell.wire.commands import Ref

log = structlog.get_logger(__name__)


async def serve(edge: Edge, websocket: Websocket, make: Callable[[Websocket, Outbound, str | None], Line]) -> None:
    """One socket, from its handshake to its end. ``make``: what it is once it is accepted."""
    origin = websocket.headers.get("Origin")
    scope: Any = websocket.scope
    credentials = take_credentials(scope)
    if edge.draining:
        await _refuse(websocket, 503, "This instance is stopping. Connect again.")
        return
    if not await edge.origin_allowed(origin):
        await _refuse(websocket, 403, "This page's origin is not on any site's list.")
        return
    neighbourhood = address_prefix((scope.get("client") or ["local"])[0])
    if not edge.arriving.enter(neighbourhood):
        await _refuse(websocket, 429, "Too many sockets from here are still waiting to log in.")
        return
    arriving = True
    line: Line | None = None
    try:
        await websocket.accept()
        edge.opened += 1
        out = outbound_for(scope, websocket.send, _closer(websocket))
        line = make(websocket, out, origin)
        actor = await line.authenticate(credentials.token, credentials.ticket)
        edge.arriving.leave(neighbourhood)
        arriving = False
        if actor is not None and await line.welcome(actor):
            await line.receive()
        await out.wait_closed()
    finally:
        if arriving:
            edge.arriving.leave(neighbourhood)
        if line is not None:
            edge.closed[line.close_code] += 1
            line.ended()


async def _refuse(websocket: Websocket, status: int, sentence: str) -> None:
    """Answer the handshake with an HTTP error instead of an upgrade."""
    abort(Response(sentence, status=status, content_type="text/plain; charset=utf-8"))


def _closer(websocket: Websocket) -> Any:
    async def close(code: int, reason: str) -> None:
        await websocket.close(code, reason)

    return close


class Line:
    """An accepted socket, whatever is spoken on it. ``_connection`` exists once it is known who is there.

    Whoever speaks on it says what the first frame may be, how a frame begins, how what waits is done, and how a
    refusal is worded.
    """

    def __init__(self, edge: Edge, websocket: Websocket, out: Outbound, origin: str | None) -> None:
        self._edge = edge
        self.voice: Voice | None = None
        self._ports = edge.ports
        self._hub = edge.hub
        self._websocket = websocket
        self._out = out
        self._origin = origin
        self._id = ConnectionId(new_id())
        self._connection: Connection | None = None
        self._errors = 0
        self._frames = float(edge.ports.settings.limits.frame_burst)
        self._paced_at = 0.0
        self._in_flight = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._queue: deque[Any] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._scope = cast("MutableMapping[str, Any]", websocket.scope)
        self._reading = reading_of(self._scope)
        self._listening = False
        self._present = False
        self._ref: Ref = None
        self._loop = asyncio.get_running_loop()

    # arriving

    async def authenticate(self, token: str | None, ticket: str | None) -> Actor | None:
        """Who is there; None: they were told why not, and the socket is closing."""
        ref: Ref = None
        try:
            if ticket is not None:
                actor = await people.use_ticket(self._ports, ticket, self._origin)
            else:
                if token is None:
                    token, ref = await self._first_frame()
                    if token is None:
                        return None
                actor = await people.authenticate(self._ports, token)
        except (Unauthenticated, Temporary) as error:
            self._fail(error, ref, at_login(type(error)) or CloseCode.BAD_TOKEN)
            return None
        if not await self._edge.origin_allowed(self._origin, actor.tenant):
            self._fail(Revoked("This page's origin is not on the list of this tenant's sites."), ref, CloseCode.REVOKED)
            return None
        self._ref = ref
        return actor

    async def _first_frame(self) -> tuple[str | None, Ref]:
        """A token that comes as a frame; None: they were told why it does not."""
        self._fail(Unauthenticated(), None, CloseCode.BAD_TOKEN)
        return None, None

    async def _welcomed(self, connection: Connection, actor: Actor) -> None:
        """Say that the socket was taken in."""
        raise NotImplementedError

    def _followed(self, rooms: Mapping[RoomId, int]) -> None:
        """These are the rooms they are in."""

    async def welcome(self, actor: Actor) -> bool:
        """Take the socket in, and say so. False: there are too many of this user's already."""
        settings = self._ports.settings
        cap = settings.limits.connections_per_agent if actor.is_staff else settings.limits.connections_per_user
        others = self._hub.connections_of(actor.tenant, actor.id)
        if len(others) >= cap:
            # Who has been silent longest makes room.
            oldest = min(others, key=lambda other: other.heard_at)
            self._hub.say(oldest, frames.Notice(code="too_many_connections", text="Opened elsewhere."))
            oldest.out.close(CloseCode.TOO_MANY_CONNECTIONS, "too many connections")
            self._hub.remove(oldest)
            self._ports.roll.leave(actor.tenant, actor.id, oldest.id)
        heard = self._hub.silence_of(actor.tenant, actor.id, self._loop.time())
        self._ports.tasks.start(presence.enrol(self._ports, actor, self._id, cap, heard), "enrol")
        connection = Connection(self._id, actor, self._out, self._loop.time(), self._origin, self.voice)
        self._connection = connection
        self._hub.add(connection)
        await self._welcomed(connection, actor)
        try:
            followed = {room: tip for room, tip, _ in await rooms.of_user(self._ports.db, actor.tenant, actor.id)}
        except StoreError:
            followed = {}  # the inbox is healed by GET /rooms; the socket is worth having anyway
        self._hub.follow(actor.tenant, actor.id, followed)
        self._followed(followed)
        # Not waited for: whoever counts over all instances may be slow to answer, or away.
        self._ports.tasks.start(presence.entered(self._ports, actor, followed), "entered")
        self._present = True
        return not self._out.closed

    @property
    def close_code(self) -> int:
        """Why it ended; 1006 where nobody said."""
        return self._out.close_code or 1006

    def ended(self) -> None:
        """The socket is gone. What it asked for before goes on to its end."""
        connection = self._connection
        if connection is None:
            return
        actor = connection.actor
        followed = self._hub.rooms_of(actor.tenant, actor.id)
        self._hub.remove(connection)
        self._ports.roll.leave(actor.tenant, actor.id, self._id)
        if self._present:
            self._ports.tasks.start(presence.left(self._ports, actor, followed), "left")

    # the loop

    async def receive(self) -> None:
        """Read frames until the socket ends; the server then cancels this.

        Under our own server frames are handed over as they are read, once those are taken that came
        before; the two queues on their way through Quart would cost as much as all the rest.
        """
        while not self._out.closed:
            if self._reading is not None and not queued(self._scope) and self._reading.listen(self._take):
                self._listening = True
                await self._out.wait_closed()
                return
            if not self._take(await self._websocket.receive()):
                await self._has_room.wait()

    def _take(self, frame: str | bytes) -> bool:
        """Begin with one frame; False: that is enough for now, :meth:`_done` says when to go on. Never raises."""
        connection = self._connection
        assert connection is not None
        connection.heard_at = self._loop.time()
        if not self._in_pace(connection.heard_at):
            return True
        try:
            self._begin(frame)
        except Exception:
            log.exception("frame_failed", connection=self._id)
            self._out.close(CloseCode.SERVER_ERROR, "server error")
        if self._in_flight < self._ports.settings.limits.in_flight_per_socket:
            return True
        self._has_room.clear()
        connection.reading = False
        return False

    def _in_pace(self, now: float) -> bool:
        """Whether one frame more is within the socket's pace; else it is told so and closed."""
        limits = self._ports.settings.limits
        gained = (now - self._paced_at) * limits.frames_per_min / 60
        self._frames = min(float(limits.frame_burst), self._frames + gained) - 1
        self._paced_at = now
        if self._frames >= 0:
            return True
        if not self._out.closed:
            wait_ms = int(limits.frame_burst * 60_000 / limits.frames_per_min) + 1
            slower = RateLimited("Too many frames.", retry_after_ms=wait_ms, rule="limits.frames_per_min")
            self._fail(slower, None, CloseCode.RATE)
        return False

    def _begin(self, frame: str | bytes) -> None:
        """Begin with one frame; what takes longer is queued."""
        raise NotImplementedError

    def _misunderstood(self, error: DeskbellError) -> None:
        """A frame that means nothing: answered, counted, and at some point enough."""
        self._errors += 1
        self._error(error, error.details.get("ref"))
        if self._errors > self._ports.settings.limits.errors_per_socket:
            self._out.close(CloseCode.TOO_MANY_ERRORS, "too many errors")

    def _put(self, command: Any) -> None:
        """Put what was understood in line; its turn comes after what came before it."""
        self._in_flight += 1
        self._queue.append(command)
        if self._worker is None:
            self._worker = self._loop.create_task(self._work(), name=f"socket {self._id}")

    def _done(self) -> None:
        self._in_flight -= 1
        if self._has_room.is_set() or self._in_flight >= self._ports.settings.limits.in_flight_per_socket:
            return
        self._has_room.set()
        if self._connection is not None:
            self._connection.reading = True
            self._connection.heard_at = self._loop.time()
        if self._listening and self._reading is not None:
            # Later, because this is called from inside what was begun.
            self._loop.call_soon(self._reading.take_more)

    async def _work(self) -> None:
        """Do one command after the other, in the order they came."""
        try:
            while self._queue:
                await self._turn(self._queue.popleft())
        finally:
            self._worker = None

    async def _turn(self, command: Any) -> None:
        """Do one command, and call :meth:`_done` once it is. Never raises."""
        raise NotImplementedError

    # replies

    def _error(self, error: DeskbellError, ref: Ref, room: RoomId | None = None) -> None:
        raise NotImplementedError

    def _fail(self, error: DeskbellError, ref: Ref, code: CloseCode) -> None:
        """Say why, then close."""
        self._error(error, ref)
        self._out.close(code, error.code)


def text_of(frame: str | bytes) -> str:
    """What a frame says.

    Raises:
        Invalid: It is binary.
    """
    if isinstance(frame, bytes):
        raise Invalid("Frames are text, not binary.")
    return frame
