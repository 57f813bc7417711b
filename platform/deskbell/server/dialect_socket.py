"""A socket on which a dialect is spoken.

It is let in, counted, heard and seen out by :mod:`deskbell.server.line`, as one of v1 is. Nothing a dialect does
reaches its caller: raising and being late are answered in its own words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from quart import Websocket

from deskbell.actions import access
from deskbell.contracts import Acting, Dialect, Frames
from deskbell.errors import (
    DeskbellError,
    Invalid,
    LimitReached,
    NotFound,
    TooDeep,
    TooLarge,
    Unavailable,
    UnknownType,
)
from deskbell.hub import Connection
from deskbell.ids import ConnectionId, RoomId, TenantId
from deskbell.model.records import Actor, PublicUser
from deskbell.plugins import Asked, Fault
from deskbell.plugins.door import where
from deskbell.server.edge import Edge
from deskbell.server.line import Line, text_of
from deskbell.server.outbound import Outbound
from deskbell.server.voice import DialectVoice
from deskbell.store.database import StoreError
from deskbell.wire.close_codes import CloseCode
from deskbell.wire.commands import Ref

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Spoken:
    """A dialect that is active, and its voice."""

    asked: Asked[Dialect]
    voice: DialectVoice
    understands: msgspec.json.Decoder[Any] | None

    @property
    def dialect(self) -> Dialect:
        return self.asked.offer

    async def ask(self, call: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """What one of its functions answers.

        Raises:
            DeskbellError: It refuses, or fails at answering.
        """
        try:
            return await self.asked.door.ask(call, *arguments)
        except Fault as fault:
            raise Unavailable("This cannot be done at the moment. It has been noted.") from fault


class _Session:
    """See :class:`deskbell.Session`."""

    def __init__(self, socket: DialectSocket, actor: Actor, path: Mapping[str, str], settings: Any, desk: Acting):
        self._socket = socket
        self.tenant: TenantId = actor.tenant
        self.user: PublicUser = actor.public()
        self.connection: ConnectionId = socket.id
        self.path = path
        self.state: dict[str, Any] = {}
        self.settings = settings
        self.desk = desk

    @property
    def following(self) -> Sequence[RoomId]:
        return self._socket.following

    async def follow(self, room: RoomId) -> None:
        try:
            await self._socket.follow(room)
        except StoreError as error:
            raise Unavailable() from error

    def unfollow(self, room: RoomId) -> None:
        self._socket.unfollow(room)

    def say(self, frames: Frames) -> None:
        self._socket.say(frames)


class DialectSocket(Line):
    """A socket on which a dialect is spoken."""

    def __init__(
        self,
        edge: Edge,
        current: Websocket,
        out: Outbound,
        origin: str | None,
        spoken: Spoken,
        path: Mapping[str, str],
    ) -> None:
        super().__init__(edge, current, out, origin)
        self._spoken = spoken
        self.voice = spoken.voice
        self._path = path
        self._session: _Session | None = None
        self._coming: set[asyncio.Task[None]] = set()
        self._may_come = asyncio.Semaphore(edge.ports.settings.limits.in_flight_per_socket)
        out.on_pong = self._ponged

    @property
    def id(self) -> ConnectionId:
        return self._id

    @property
    def following(self) -> Sequence[RoomId]:
        return [] if self._connection is None else list(self._connection.rooms)

    # arriving

    async def _welcomed(self, connection: Connection, actor: Actor) -> None:
        spoken, ports = self._spoken, self._ports
        settings = ports.plugins.settings_for(spoken.asked.plugin, actor.tenant)
        desk = self._edge.desk.acting(lambda: connection.actor)
        self._session = _Session(self, actor, self._path, settings, desk)
        if spoken.dialect.follows_all:
            connection.joined = self._come_into
        try:
            self.say(await spoken.ask(spoken.dialect.welcome, self._session))
        except DeskbellError as error:
            self._fail(error, None, CloseCode.SERVER_ERROR if error.temporary else CloseCode.PROTOCOL_ERROR)

    def _followed(self, rooms: Mapping[RoomId, int]) -> None:
        if self._spoken.dialect.follows_all:
            for room in rooms:
                self._come_into(room)

    def _come_into(self, room: RoomId) -> None:
        task = self._loop.create_task(self._follow_quietly(room))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _follow_quietly(self, room: RoomId) -> None:
        """Follow a room that nobody asked for."""
        async with self._may_come:
            try:
                await self.follow(room)
            except (DeskbellError, StoreError) as error:
                log.info("room_not_followed", room=room, connection=self._id, reason=repr(error))
                if not isinstance(error, NotFound | LimitReached):
                    # It would be told of all its rooms but one, and could not know.
                    self._out.close(CloseCode.RESYNC, "resync")

    def ended(self) -> None:
        """The socket is gone. What it asked for before goes on to its end."""
        for task in self._coming:
            task.cancel()
        super().ended()

    def _ponged(self) -> None:
        if self._connection is not None:
            self._connection.heard_at = self._loop.time()

    # rooms

    async def follow(self, room: RoomId) -> None:
        """See :meth:`deskbell.Session.follow`."""
        connection = self._connection
        if connection is None or self._out.closed:
            return
        if (known := connection.rooms.get(room)) is not None and not known.over:
            return
        most = self._ports.settings.limits.rooms_per_connection
        if len(connection.rooms) >= most:
            raise LimitReached(f"A socket follows {most} rooms at most.", max=most)
        subscription = self._hub.begin(connection, room)
        try:
            place = await access.room_for(self._ports, connection.actor, room)
            if subscription.over:
                raise subscription.why
            subscription.place = place
            await self._hub.subscribe(
                subscription, place.policy, place.member, since=None, epoch=None, ref=None, tip=place.room.seq
            )
        except BaseException:
            if connection.rooms.get(room) is subscription:
                self._hub.unsubscribe(connection, room)
            raise

    def unfollow(self, room: RoomId) -> None:
        """See :meth:`deskbell.Session.unfollow`."""
        if self._connection is not None:
            self._hub.unsubscribe(self._connection, room)

    # the loop

    def _begin(self, frame: str | bytes) -> None:
        if self._spoken.voice.silent:
            self._out.close(CloseCode.DRAIN, "switched off")
            return
        try:
            self._put(self._decoded(frame))
        except DeskbellError as error:
            self._misunderstood(error)

    def _decoded(self, frame: str | bytes) -> Any:
        """What a client says.

        Raises:
            Invalid, UnknownType, TooLarge, TooDeep: It is nothing the dialect knows.
        """
        text = text_of(frame)
        limit = self._ports.settings.limits.frame_bytes
        if len(text) > limit or len(text.encode("utf-8", "surrogatepass")) > limit:
            raise TooLarge(f"A frame may hold {limit} bytes.", max_bytes=limit)
        understands = self._spoken.understands
        if understands is None:
            raise UnknownType("Nothing is said here, only heard.")
        try:
            return understands.decode(text)
        except RecursionError:
            raise TooDeep(max_depth=self._ports.settings.limits.json_depth) from None
        except msgspec.ValidationError as error:
            known = "Invalid value" not in str(error) or "$." not in str(error)
            raise (Invalid if known else UnknownType)(str(error)[:300]) from None
        except (msgspec.DecodeError, UnicodeError) as error:
            raise Invalid(f"This is not a JSON object in UTF-8: {error}"[:300]) from None

    async def _turn(self, command: Any) -> None:
        spoken = self._spoken
        try:
            self.say(await spoken.ask(spoken.dialect.receive, self._session, command))
        except DeskbellError as error:
            self._refuse(error, command)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("command_failed", type=type(command).__name__, connection=self._id)
            self._refuse(DeskbellError(), command)
        finally:
            self._done()

    # replies

    def say(self, frames: Frames) -> None:
        """Say something on this socket alone."""
        if said := self._spoken.voice.prepared(frames):
            self._out.write(said)

    def _refuse(self, error: DeskbellError, frame: Any) -> None:
        try:
            said = self._spoken.dialect.refuse(error, frame)
        except Exception as fault:
            self._spoken.asked.door.fault(f"refuse: {where(fault)}")
            said = {"type": "error", "code": error.code, "message": str(error)}
        self.say(said)

    def _error(self, error: DeskbellError, ref: Ref, room: RoomId | None = None) -> None:
        self._refuse(error, None)
