"""The socket of protocol v1: frames in, one terminal reply for each, and what the hub tells.

Reading never waits for the store: a plain ``send`` to a subscribed room is checked and put in line at
once, its ack is written by the lane; everything else goes to this socket's own worker, which
keeps the order in which it was asked. At most 32 commands are under way; then the loop stops
reading, and the peer feels it.

Rules are not here: each command calls one action. What arrives malformed is answered and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
import structlog
from quart import Websocket

from deskbell.actions import (
    access,
    editing,
    escalation,
    messages,
    people,
    pins,
    presence,
    reactions,
    reads,
    transcript,
    turns,
    viewing,
)
from deskbell.actions.access import Place
from deskbell.actions.messages import Answer, Held
from deskbell.errors import (
    DeskbellError,
    Invalid,
    LimitReached,
    Unauthenticated,
    Unavailable,
)
from deskbell.hub import Connection, Subscription
from deskbell.ids import RoomId
from deskbell.model.records import Actor, Message
from deskbell.server import line
from deskbell.server.edge import Edge
from deskbell.server.line import Line, text_of
from deskbell.server.outbound import Outbound, prepare
from deskbell.store.database import StoreError
from deskbell.wire import commands, frames
from deskbell.wire.close_codes import CloseCode
from deskbell.wire.commands import Ref

log = structlog.get_logger(__name__)


async def serve(edge: Edge, websocket: Websocket) -> None:
    """One socket of v1, from its handshake to its end."""

    def make(websocket: Websocket, out: Outbound, origin: str | None) -> Line:
        return Socket(edge, websocket, out, origin)

    await line.serve(edge, websocket, make)


class Socket(Line):
    """A socket on which v1 is spoken."""

    def __init__(self, edge: Edge, websocket: Websocket, out: Outbound, origin: str | None) -> None:
        super().__init__(edge, websocket, out, origin)
        self._paging: set[asyncio.Task[None]] = set()
        self._may_page = asyncio.Semaphore(edge.ports.settings.limits.in_flight_per_socket)

    # arriving

    async def _first_frame(self) -> tuple[str | None, Ref]:
        timeout_s = self._ports.settings.server.auth_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                frame = await self._websocket.receive()
        except TimeoutError:
            self._fail(Unauthenticated(f"No auth frame within {timeout_s:g} s."), None, CloseCode.AUTH_TIMEOUT)
            return None, None
        try:
            command = commands.decode(text_of(frame), self._ports.settings.limits.frame_bytes)
        except DeskbellError as error:
            self._fail(error, error.details.get("ref"), CloseCode.PROTOCOL_ERROR)
            return None, None
        if not isinstance(command, commands.Auth):
            self._fail(Unauthenticated("The first frame is auth."), command.ref, CloseCode.PROTOCOL_ERROR)
            return None, None
        return command.token, command.ref

    async def _welcomed(self, connection: Connection, actor: Actor) -> None:
        settings = self._ports.settings
        limits = settings.limits
        self._out.write(
            _prepared(
                frames.Welcome(
                    ref=frames.reply_ref(self._ref),
                    user=actor.public(),
                    tenant=actor.tenant,
                    connection=self._id,
                    heartbeat_ms=int(settings.server.heartbeat_s * 1000),
                    limits=frames.Limits(
                        frame_bytes=limits.frame_bytes,
                        text_bytes=limits.text_bytes,
                        messages_per_min=limits.agent_messages_per_min if actor.is_staff else limits.messages_per_min,
                        rooms_per_subscribe=limits.rooms_per_subscribe,
                        rooms_per_connection=limits.rooms_per_connection,
                        in_flight=limits.in_flight_per_socket,
                    ),
                    server_time=self._ports.clock.now(),
                )
            )
        )

    @property
    def close_code(self) -> int:
        """Why it ended; 1006 where nobody said."""
        return self._out.close_code or 1006

    def ended(self) -> None:
        """The socket is gone. What it asked for before goes on to its end."""
        for task in self._paging:
            task.cancel()
        super().ended()

    # the loop

    def _begin(self, frame: str | bytes) -> None:
        limits = self._ports.settings.limits
        try:
            command = commands.decode(text_of(frame), limits.frame_bytes, limits.json_depth)
        except DeskbellError as error:
            self._misunderstood(error)
            return
        kind = type(command)
        if kind is commands.Ping:
            self._out.write(_prepared(frames.Pong(ref=frames.reply_ref(command.ref))))
            return
        if kind is commands.Pong:
            return
        if kind is commands.Send and self._worker is None:
            self._in_flight += 1
            if self._send_now(command):  # type: ignore[arg-type]
                return
            self._in_flight -= 1
        self._put(command)

    async def _turn(self, command: commands.AnyCommand) -> None:
        if isinstance(command, commands.Send):
            await self._send(command)
            return
        try:
            await self._do(command)
        finally:
            self._done()

    async def _do(self, command: commands.AnyCommand) -> None:
        try:
            await self._dispatch(command)
        except DeskbellError as error:
            self._error(error, command.ref)
        except StoreError:
            self._error(Unavailable(), command.ref)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("command_failed", type=type(command).__name__, connection=self._id)
            self._error(DeskbellError(), command.ref)

    async def _dispatch(self, command: commands.AnyCommand) -> None:
        connection = self._connection
        assert connection is not None
        actor, ports = connection.actor, self._ports
        match command:
            case commands.Subscribe():
                await self._subscribe(connection, command)
            case commands.Unsubscribe():
                for room in command.rooms:
                    self._hub.unsubscribe(connection, room)
                self._ok(command.ref)
            case commands.Edit():
                self._ack_change(command.ref, await editing.edit(ports, actor, command.message, command.content))
            case commands.Delete():
                self._ack_change(command.ref, await editing.delete(ports, actor, command.message))
            case commands.React() | commands.Unreact():
                on = isinstance(command, commands.React)
                changed = await reactions.react(ports, actor, command.message, command.emoji, on=on)
                self._ack_change(command.ref, changed)
            case commands.Pin() | commands.Unpin():
                on = isinstance(command, commands.Pin)
                self._ack_change(command.ref, await pins.pin(ports, actor, command.message, on=on))
            case commands.Read() | commands.Delivered():
                await self._mark(connection, command)
            case commands.Typing():
                subscription = connection.rooms.get(command.room)
                if subscription is not None and subscription.live and subscription.takes_part:
                    presence.tell_typing(ports, actor, command.room, on=command.on)
                else:
                    await presence.typing(ports, actor, command.room, on=command.on)
            case commands.View():
                await viewing.may_look(ports, actor, command.room)
                self._hub.look(connection, command.room)
            case commands.History():
                await self._history(connection, command)
            case commands.Escalate():
                await escalation.escalate(ports, actor, command.room, command.reason)
                self._ok(command.ref)
            case commands.Stop():
                await turns.stop(ports, actor, command.room, command.turn)
                self._ok(command.ref)
            case commands.Refresh():
                await self._refresh(connection, command)
            case commands.Auth():
                raise Invalid("This socket is authenticated. Use refresh to give it a new token.")
            case _:
                raise Invalid()

    # commands

    def _send_now(self, command: commands.Send) -> bool:
        """Put a plain message into a room that is followed in line at once; False: it takes a moment longer."""
        connection = self._connection
        assert connection is not None
        subscription = connection.rooms.get(command.room)
        if subscription is None or not subscription.live or subscription.place is None:
            return False
        place: Place = subscription.place
        answered = self._answer_to(command)
        return messages.submit_now(
            self._ports, connection.actor, command.room, command, answered, place, connection=self._id
        )

    def _answer_to(self, command: commands.Send) -> Callable[[Answer], None]:
        def answered(answer: Answer) -> None:
            self._done()
            self._ack(command, answer)

        return answered

    async def _send(self, command: commands.Send) -> None:
        connection = self._connection
        assert connection is not None
        answered = self._answer_to(command)
        try:
            place = None
            with contextlib.suppress(DeskbellError, StoreError):
                # A refusal here is found again by submit(), which first looks for what was stored before.
                place = await self._place(connection, command.room)
            await messages.submit(
                self._ports, connection.actor, command.room, command, answered, place, connection=self._id
            )
        except Exception as error:
            # submit() answers every refusal itself; this is a bug of ours, and still gets its one reply.
            log.exception("send_failed", connection=self._id)
            answered(error if isinstance(error, DeskbellError) else DeskbellError())

    async def _place(self, connection: Connection, room: RoomId) -> Place | None:
        """The sender's place as the subscription knows it; the journal looks again under the lock."""
        subscription = connection.rooms.get(room)
        if subscription is None or not subscription.live:
            return None
        if subscription.place is None:
            place = await access.room_for(self._ports, connection.actor, room)
            # Only what was read after the last change of the place may be kept.
            subscription.place = place if subscription.takes_part == (place.member is not None) else None
            return place
        known: Place = subscription.place
        return known

    def _ack(self, command: commands.Send, answer: Answer) -> None:
        if isinstance(answer, DeskbellError):
            self._error(answer, command.ref, room=command.room)
        elif isinstance(answer, Held):
            self._reply(
                frames.Ack(
                    ref=frames.reply_ref(command.ref),
                    room=command.room,
                    id=answer.id,
                    client_id=command.client_id,
                    held=True,
                )
            )
        else:
            message = answer.message
            self._reply(
                frames.Ack(
                    ref=frames.reply_ref(command.ref),
                    room=message.room,
                    id=message.id,
                    client_id=message.client_id,
                    seq=message.seq,
                    created_at=message.created_at,
                    duplicate=answer.duplicate,
                    message=message if answer.duplicate else None,
                )
            )

    def _ack_change(self, ref: Ref, message: Message) -> None:
        self._reply(
            frames.Ack(
                ref=frames.reply_ref(ref),
                room=message.room,
                id=message.id,
                client_id=message.client_id,
                seq=message.changed_seq,
                created_at=message.created_at,
            )
        )

    async def _subscribe(self, connection: Connection, command: commands.Subscribe) -> None:
        limits = self._ports.settings.limits
        if len(command.rooms) > limits.rooms_per_subscribe:
            raise LimitReached(
                f"One frame subscribes to {limits.rooms_per_subscribe} rooms at most.", max=limits.rooms_per_subscribe
            )
        wanted = {room.id for room in command.rooms}
        if len(wanted | connection.rooms.keys()) > limits.rooms_per_connection:
            raise LimitReached(
                f"A socket follows {limits.rooms_per_connection} rooms at most.", max=limits.rooms_per_connection
            )
        for room in command.rooms:
            # Each room is its own conversation: a refusal, or a slow reader of one, does not concern the others.
            await self._may_page.acquire()
            self._in_flight += 1
            task = self._loop.create_task(self._subscribe_one(connection, room, command.ref))
            self._paging.add(task)
            task.add_done_callback(self._paged)

    def _paged(self, task: asyncio.Task[None]) -> None:
        self._paging.discard(task)
        self._may_page.release()
        self._done()

    async def _subscribe_one(self, connection: Connection, room: commands.SubscribeRoom, ref: Ref) -> None:
        subscription: Subscription = self._hub.begin(connection, room.id)
        try:
            place = await access.room_for(self._ports, connection.actor, room.id)
            if subscription.over:
                raise subscription.why
            subscription.place = place
            await access.note_read(self._ports, connection.actor, place, "subscribed")
            await self._hub.subscribe(
                subscription,
                place.policy,
                place.member,
                since=room.since,
                epoch=room.epoch,
                ref=ref,
                tip=place.room.seq,
            )
            return
        except DeskbellError as error:
            refusal = error
        except StoreError:
            refusal = Unavailable()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("subscribe_failed", room=room.id, connection=self._id)
            refusal = DeskbellError()
        if connection.rooms.get(room.id) is subscription:
            self._hub.unsubscribe(connection, room.id)
        self._error(refusal, ref, room=room.id)

    async def _mark(self, connection: Connection, command: commands.Read | commands.Delivered) -> None:
        actor, room_id = connection.actor, command.room
        subscription = connection.rooms.get(room_id)
        place = subscription.place if subscription is not None and subscription.live else None
        if place is None:
            place = await access.room_for(self._ports, actor, room_id)
        if place.member is not None:
            shown = reads.receipts_shown(place.policy)
            if isinstance(command, commands.Read):
                timed = place.policy.receipts == "timed"
                self._edge.marks.move(actor.tenant, room_id, actor.id, read_seq=command.seq, shown=shown, timed=timed)
            else:
                self._edge.marks.move(actor.tenant, room_id, actor.id, delivered_seq=command.seq, shown=shown)
        if isinstance(command, commands.Read):
            self._ok(command.ref)

    async def _history(self, connection: Connection, command: commands.History) -> None:
        excerpt = await transcript.history(
            self._ports,
            connection.actor,
            command.room,
            before=command.before,
            after=command.after,
            around=command.around,
            at=command.at,
            limit=command.limit,
        )
        await self._out.write_paced(
            _prepared(
                frames.HistoryFrame(
                    ref=frames.reply_ref(command.ref),
                    room=command.room,
                    messages=excerpt.messages,
                    as_of_seq=excerpt.as_of_seq,
                    more_before=excerpt.more_before,
                    more_after=excerpt.more_after,
                    around=msgspec.UNSET if excerpt.around is None else excerpt.around,
                )
            )
        )

    async def _refresh(self, connection: Connection, command: commands.Refresh) -> None:
        actor = await people.authenticate(self._ports, command.token)
        if actor.id != connection.actor.id or actor.tenant != connection.actor.tenant:
            raise Unauthenticated("This token is somebody else's.")
        self._hub.renew(connection, actor)
        self._ok(command.ref)

    # replies

    def _ok(self, ref: Ref) -> None:
        self._reply(frames.Ok(ref=frames.reply_ref(ref)))

    def _reply(self, frame: frames.Frame) -> None:
        self._out.write(_prepared(frame))

    def _error(self, error: DeskbellError, ref: Ref, room: RoomId | None = None) -> None:
        self._out.write(_prepared(frames.error_frame(error, ref, room)))


def _prepared(frame: frames.Frame) -> bytes:
    return prepare(frames.encode(frame))
