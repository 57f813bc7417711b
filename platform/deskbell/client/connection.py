"""The client: one socket that comes back, the rooms followed over it, and the outbox.

Promises:

- What was followed is followed again after any break, from the position reached: each new message
  is told once and in order, or the room is loaded afresh and says so.
- A message given to :meth:`Client.send` is sent until it has its one terminal reply, always under
  the same ``client_id``; with a notebook also by the next process.
- Every other request is repeated after a break in the order in which it was made; all of them set
  a state, so that doing them twice is doing them once.

It does not show anything, and keeps no history beyond the rooms it follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import secrets
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, ProxyError

from deskbell.client.events import (
    CaseChanged,
    Closed,
    Connecting,
    Delayed,
    DraftChanged,
    Event,
    InboxChanged,
    Live,
    MessageNew,
    NoticeGiven,
    NotSent,
    OwnCaseChanged,
    PresenceChanged,
    Problem,
    Reconnecting,
    RoomLost,
    Sent,
    ViewersChanged,
)
from deskbell.client.incoming import AnyCase, Unread, understood
from deskbell.client.line import Line
from deskbell.client.listening import Events
from deskbell.client.notebook import Notebook
from deskbell.client.rest import NotUnderstood, Rest, Unreachable, refusal
from deskbell.client.routes import Routes, login_tokens, ticket, visitor_tokens
from deskbell.client.tokens import Tokens
from deskbell.client.view import Place, RoomView, Step
from deskbell.clock import Clock
from deskbell.errors import DeskbellError, NotFound, Refused, Temporary, Unauthenticated
from deskbell.ids import RoomId
from deskbell.model.records import CaseEntry, Message, PublicUser
from deskbell.version import __version__
from deskbell.wire.close_codes import CloseCode, may_reconnect
from deskbell.wire.frames import (
    Ack,
    Changes,
    Delta,
    DraftFrame,
    Drain,
    ErrorFrame,
    HistoryFrame,
    Inbox,
    MessageFrame,
    Notice,
    Ok,
    OwnCaseFrame,
    ParticipantFrame,
    Ping,
    Presence,
    Receipt,
    Reply,
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

State = Literal["idle", "connecting", "live", "reconnecting", "closed"]
R = TypeVar("R", Ack, Ok, HistoryFrame)

BACKOFF_CAP_S = 30.0
_BACKOFF_FIRST_S = 0.5
_SETTLED_S = 10.0  # a connection that lasted this long was a good one
_ANSWER_S = 30.0  # a subscribe unanswered for so long is asked again
_ROOMS_PER_FRAME = 100
_MAX_FRAME_BYTES = 16 * 1024 * 1024
_NO_CODE = 1006


class ConnectionOver(Refused):
    """The connection is closed for good; reconnecting would change nothing. ``close_code`` says why."""

    code = "connection_over"
    sentence = "The connection is closed."

    def __init__(self, sentence: str = "", *, close_code: int = 1000) -> None:
        super().__init__(sentence, close_code=close_code)
        self.close_code = close_code


_FINAL: dict[int, str] = {
    CloseCode.BAD_TOKEN: "The server does not accept this login. Log in again.",
    CloseCode.PROTOCOL_ERROR: "The server does not understand this client. One of the two needs an update.",
    CloseCode.AUTH_TIMEOUT: "The login did not reach the server in time.",
    CloseCode.REVOKED: "This login is no longer accepted here.",
    CloseCode.TOO_MANY_CONNECTIONS: "There are too many open connections for this user. Close another one first.",
    CloseCode.TOO_MANY_ERRORS: "The server closed the connection after too many errors.",
}


@dataclass(eq=False)
class _Request:
    """A frame that has not had its terminal reply. ``send`` frames are also in the notebook."""

    ref: int
    frame: dict[str, Any]
    done: asyncio.Future[Any] | None
    patient: bool = False
    flying: bool = False
    tries: int = 0

    @property
    def is_send(self) -> bool:
        return bool(self.frame["type"] == "send")


@dataclass(frozen=True)
class Outgoing:
    """A message in the outbox. ``ack`` is done, or failed, with its terminal reply."""

    client_id: str
    ack: asyncio.Future[Ack]


class Client(Routes):
    """A user of one Deskbell, over one socket. Use it with ``async with``; it connects by itself.

    ``on_event`` is called with every event, at once and in order; a room's place is kept in the
    notebook only after it has returned, so what it has done need not be done again after a kill.
    It must not raise and must not wait. ``events()`` is the same for those who prefer to iterate.

    Requests wait while there is no connection. They raise the server's refusal by its class
    (:mod:`deskbell.errors`), or :class:`ConnectionOver` when there will be no connection again.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        refresh: str | Callable[[], Coroutine[Any, Any, str]] | None = None,
        on_event: Callable[[Event], None] | None = None,
        store: str | PathLike[str] | Notebook | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        _login: Callable[[Rest], Coroutine[Any, Any, dict[str, Any]]] | None = None,
    ) -> None:
        """``token`` is an access token; ``refresh`` a refresh token, or a function that gets a new access token.

        ``store`` is the file of a :class:`Notebook`. ``jitter`` gives numbers from 0 to 1.

        Raises:
            ValueError: ``url`` is no address.
            InUse: Another process has ``store`` open.
        """
        self.notebook = store if isinstance(store, Notebook) else Notebook(store)
        self.http = Rest(url)
        self.clock = clock or Clock()
        login = None if _login is None else (lambda: _login(self.http))
        self.tokens = Tokens(self.http, self.notebook, self.clock, access=token, refresh=refresh, login=login)
        self.state: State = "idle"
        self.user: PublicUser | None = None
        self.rooms: dict[str, RoomView] = {}
        self.cases: dict[str, CaseEntry] = {}
        self.presence: dict[str, Presence] = {}
        self.viewers: dict[str, tuple[PublicUser, ...]] = {}
        self._view: dict[str, Any] | None = None
        self.inbox: dict[str, Inbox] = {}
        self.on_event = on_event
        self._listeners: set[Events] = set()
        self._jitter = jitter
        self._refs = itertools.count(1)
        self._line: Line | None = None
        self._requests: dict[int, _Request] = {}
        self._asked: dict[str, tuple[int, float]] = {}  # room -> ref and time of the subscribe under way
        self._subscribing: dict[str, asyncio.Future[RoomView]] = {}
        self._pauses: dict[str, asyncio.Task[None]] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._ready: asyncio.Future[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self._over: DeskbellError | None = None
        self._last_error: DeskbellError | None = None
        self._leave_at: float | None = None
        self._token = ""
        self._first_frame_auth = False

    @classmethod
    def visitor(
        cls,
        url: str,
        site_key: str,
        identity: str | None = None,
        store: str | PathLike[str] | None = None,
        name: str = "",
        **kwargs: Any,
    ) -> Self:
        """A client for a site's visitor: anonymous, with a ``name`` or not, or who the site's signed ``identity`` says.

        With ``store``, a visitor who was here before is the same one again.
        """

        async def login(rest: Rest) -> dict[str, Any]:
            return await visitor_tokens(rest, site_key, identity, name)

        return cls(url, store=store, _login=login, **kwargs)

    @classmethod
    def login(
        cls, url: str, email: str, password: str, store: str | PathLike[str] | None = None, **kwargs: Any
    ) -> Self:
        """A client for somebody with a password."""

        async def login(rest: Rest) -> dict[str, Any]:
            return await login_tokens(rest, email, password)

        return cls(url, store=store, _login=login, **kwargs)

    # -- life

    async def __aenter__(self) -> Self:
        self._ready = asyncio.get_running_loop().create_future()
        for frame in self.notebook.outbox.values():
            self._enlist(frame, done=None, patient=True)
        self._running = asyncio.create_task(self._run(), name="deskbell.client")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the socket and be done. What is unsent stays in the notebook."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        self._end(ConnectionOver(), code=1000)
        self.notebook.close()

    async def ready(self) -> None:
        """Wait for the first welcome.

        Raises:
            ConnectionOver: There will be none.
        """
        if self._ready is None:
            raise RuntimeError("use the client with `async with`")
        await asyncio.shield(self._ready)

    def events(self, limit: int = 10_000) -> Events:
        """What happens from this call on."""
        return Events(self._listeners, limit)

    def unsent(self, room: str | None = None) -> list[dict[str, Any]]:
        """The messages in the outbox, oldest first, as ``send`` frames."""
        frames = [request.frame for request in self._requests.values() if request.is_send]
        return [frame for frame in frames if room is None or frame["room"] == room]

    # -- rooms

    async def subscribe(self, room: str) -> RoomView:
        """Follow a room, now and after every break; its view, complete.

        A room that the notebook knows goes on at its place.

        Raises:
            NotFound: There is no such room, or it is not yours to see.
            ConnectionOver: There will be no connection.
        """
        self._check_open()
        view = self.rooms.get(room)
        if view is None:
            view = self.rooms[room] = RoomView(room, self.notebook.places.get(room), now=self.clock.monotonic)
        if view.live:
            return view
        waiting = self._subscribing.get(room)
        if waiting is None:
            waiting = self._subscribing[room] = asyncio.get_running_loop().create_future()
            waiting.add_done_callback(_seen)
        self._ask(view)
        return await asyncio.shield(waiting)

    async def unsubscribe(self, room: str) -> None:
        """Follow a room no more, and forget its place."""
        self._drop(room)
        if self._line is not None:  # a new connection follows nothing by itself
            await self._request({"type": "unsubscribe", "rooms": [room]})

    # -- saying things

    async def send(
        self,
        room: str,
        content: str,
        *,
        client_id: str | None = None,
        patient: bool = True,
        **fields: Any,
    ) -> Ack:
        """Send a message and wait until it is committed (or held for a reviewer: ``ack.held``).

        ``fields`` are the protocol's: ``kind, metadata, reply_to, thread, mentions, attachments,
        expect, draft``. ``patient``: when the server asks to try again later, do so; else that is
        raised. Being cancelled does not take the message back: it is in the outbox.

        Raises:
            ConnectionOver: There will be no connection; with a notebook, the next process sends it.
            DeskbellError: The refusal.
        """
        return await self.post(room, content, client_id=client_id, patient=patient, **fields).ack

    def post(
        self, room: str, content: str, *, client_id: str | None = None, patient: bool = True, **fields: Any
    ) -> Outgoing:
        """Put a message into the outbox, as :meth:`send`, without waiting: it is kept when this returns.

        What becomes of it is told by :class:`Sent` or :class:`NotSent`, and by the ``ack`` of what is returned.
        """
        self._check_open()
        client_id = client_id or f"c-{secrets.token_hex(12)}"
        frame = {"type": "send", "room": room, "client_id": client_id, "content": content, **fields}
        # As JSON, so that what cannot be sent is refused here and nothing changes it afterwards.
        frame = msgspec.json.decode(msgspec.json.encode(frame))
        self.notebook.put_out(frame)
        done: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_seen)
        self._post(self._enlist(frame, done, patient))
        return Outgoing(client_id, done)

    async def edit(self, message: str, content: str) -> Ack:
        return await self._request({"type": "edit", "message": message, "content": content}, Ack)

    async def delete(self, message: str) -> Ack:
        return await self._request({"type": "delete", "message": message}, Ack)

    async def react(self, message: str, emoji: str) -> Ack:
        return await self._request({"type": "react", "message": message, "emoji": emoji}, Ack)

    async def unreact(self, message: str, emoji: str) -> Ack:
        return await self._request({"type": "unreact", "message": message, "emoji": emoji}, Ack)

    async def pin(self, message: str) -> Ack:
        return await self._request({"type": "pin", "message": message}, Ack)

    async def unpin(self, message: str) -> Ack:
        return await self._request({"type": "unpin", "message": message}, Ack)

    async def read(self, room: str, seq: int) -> None:
        """Say that everything up to ``seq`` was read. Marks only move up."""
        await self._request({"type": "read", "room": room, "seq": seq})

    def delivered(self, room: str, seq: int) -> None:
        """Say that everything up to ``seq`` has arrived; not repeated when it is lost."""
        self._mention({"type": "delivered", "room": room, "seq": seq})

    def typing(self, room: str, on: bool) -> None:
        """Say that one is typing; not repeated when it is lost."""
        self._mention({"type": "typing", "room": room, "on": on})

    def looks_at(self, room: str | None) -> None:
        """Agents: say which conversation one looks at, and hear by :class:`ViewersChanged` who looks at which.

        Said again after a reconnect. None: at none of them.
        """
        self._view = {"type": "view", "room": room}
        self._mention(self._view)

    async def history(
        self,
        room: str,
        *,
        before: int | None = None,
        after: int | None = None,
        around: int | str | None = None,
        at: str | None = None,
        limit: int = 50,
    ) -> HistoryFrame:
        """Messages by ``seq``; they also join the room's view, where it is followed.

        ``around``: a ``seq`` or a message's id; ``at``: a time in RFC 3339.
        """
        bounds = {"before": before, "after": after, "around": around, "at": at}
        frame = {"type": "history", "room": room, "limit": limit, **{k: v for k, v in bounds.items() if v is not None}}
        found = await self._request(frame, HistoryFrame)
        view = self.rooms.get(room)
        if view is not None and before is not None and before <= view.oldest and found.messages:
            view.oldest = min(view.oldest, *(message.seq for message in found.messages))
        return found

    async def escalate(self, room: str, reason: str = "asked_human") -> None:
        """Ask for a person. Asking again changes nothing."""
        await self._request({"type": "escalate", "room": room, "reason": reason})

    async def stop(self, room: str, turn: str) -> None:
        """End the bot's running answer."""
        await self._request({"type": "stop", "room": room, "turn": turn})

    async def rest(self, method: str, path: str, json: object = None, headers: Mapping[str, str] | None = None) -> Any:
        """One REST call as this user; ``path`` begins after ``/api/v1``. An expired token is renewed once.

        Raises:
            Unreachable: There was no answer.
            DeskbellError: The server's refusal, by its class.
        """
        token = await self.tokens.access()
        try:
            return await self.http.call(method, path, json, token=token, headers=headers)
        except Unauthenticated:
            if not self.tokens.renewable:
                raise
        return await self.http.call(method, path, json, token=await self.tokens.renew(token), headers=headers)

    # -- requests

    def _check_open(self) -> None:
        if self._over is not None:
            raise self._over
        if self._running is None:
            raise RuntimeError("use the client with `async with`")

    def _enlist(self, frame: dict[str, Any], done: asyncio.Future[Any] | None, patient: bool = False) -> _Request:
        request = _Request(next(self._refs), frame, done, patient)
        self._requests[request.ref] = request
        if done is not None and not request.is_send:
            # Whoever waited and gave up wants it undone as little as possible: it is not repeated.
            done.add_done_callback(lambda _: self._requests.pop(request.ref, None))
        return request

    async def _request(self, frame: dict[str, Any], kind: type[R] = Ok) -> R:  # type: ignore[assignment]
        self._check_open()
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._post(self._enlist(frame, done))
        answer = await done
        if not isinstance(answer, kind):
            raise NotUnderstood
        return answer

    def _post(self, request: _Request) -> None:
        """Put a request on the line, if there is one and nothing of its room has to wait."""
        line = self._line
        if line is None or line.welcome is None or request.flying:
            return
        if request.is_send and request.frame["room"] in self._pauses:
            return
        request.flying = True
        line.say({**request.frame, "ref": request.ref})

    def _mention(self, frame: dict[str, Any]) -> None:
        if self._line is not None and self._line.welcome is not None:
            self._line.say(frame)

    def _settle(self, ref: object, answer: Reply) -> None:
        request = self._requests.pop(ref, None) if isinstance(ref, int) else None
        if request is None:
            return
        if request.is_send and isinstance(answer, Ack):
            room, client_id = request.frame["room"], request.frame["client_id"]
            self.notebook.taken((room, client_id))
            self._emit(Sent(room, client_id, answer))
        if request.done is not None and not request.done.done():
            request.done.set_result(answer)

    def _refuse(self, request: _Request, error: DeskbellError) -> None:
        if request.is_send:
            room, client_id = request.frame["room"], request.frame["client_id"]
            if error.temporary and request.patient:
                self._pause(request, error)
                return
            self.notebook.taken((room, client_id))
            self._emit(NotSent(room, client_id, request.frame["content"], error))
        self._requests.pop(request.ref, None)
        if request.done is not None and not request.done.done():
            request.done.set_exception(error)

    def _pause(self, request: _Request, error: DeskbellError) -> None:
        """Hold back what goes to this room for a while: later messages shall not overtake this one."""
        room = request.frame["room"]
        request.flying = False
        request.tries += 1
        if error.retry_after_ms is not None:
            wait_s = error.retry_after_ms / 1000 * (1 + 0.2 * self._jitter())
        else:
            wait_s = self._backoff_s(request.tries)
        self._emit(Delayed(room, request.frame["client_id"], wait_s, error))
        if room not in self._pauses:
            self._pauses[room] = asyncio.create_task(self._resume(room, wait_s), name="deskbell.client.pause")

    async def _resume(self, room: str, wait_s: float) -> None:
        await self.clock.sleep(wait_s)
        del self._pauses[room]
        for request in list(self._requests.values()):
            if request.frame.get("room") == room:
                self._post(request)

    # -- following rooms

    def _ask(self, view: RoomView) -> None:
        """Subscribe a room from its position, unless that is under way."""
        self._ask_all([view])

    def _ask_all(self, views: Iterable[RoomView]) -> None:
        line = self._line
        if line is None or line.welcome is None:
            return
        now = self.clock.monotonic()
        rooms = [view for view in views if view.id not in self._asked]
        for start in range(0, len(rooms), _ROOMS_PER_FRAME):
            ref = next(self._refs)
            wanted: list[dict[str, Any]] = []
            for view in rooms[start : start + _ROOMS_PER_FRAME]:
                self._asked[view.id] = (ref, now)
                view.asking()
                if view.position is None:
                    wanted.append({"id": view.id})
                else:
                    wanted.append({"id": view.id, "epoch": view.epoch, "since": view.position})
            line.say({"type": "subscribe", "rooms": wanted, "ref": ref})

    def _drop(self, room: str, error: DeskbellError | None = None) -> None:
        self.rooms.pop(room, None)
        self._asked.pop(room, None)
        self.notebook.leave(room)
        waiting = self._subscribing.pop(room, None)
        if waiting is not None and not waiting.done():
            waiting.set_exception(error or NotFound())

    def _took(self, view: RoomView, steps: list[Step], place: Place | None) -> None:
        """Tell what happened; remember how far it was told."""
        for step in steps:
            self._emit(step.event)
            if step.mark is not None and place is not None and len(steps) > 1:
                born = step.event.message.seq if isinstance(step.event, MessageNew) else None
                self.notebook.reached(view.id, step.mark, born)
        reached = view.place
        if reached is not None and reached != self.notebook.places.get(view.id):
            self.notebook.set_place(view.id, reached)
        if view.live:
            self._asked.pop(view.id, None)
            waiting = self._subscribing.pop(view.id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(view)
            if view.behind:
                self._ask(view)

    # -- the connection

    async def _run(self) -> None:
        attempt = 0
        again = False
        try:
            while True:
                attempt += 1
                self.state = "connecting"
                self._emit(Connecting(attempt))
                self._leave_at = self._last_error = None
                code, reason, wait_s = _NO_CODE, "", None
                started = self.clock.monotonic()
                try:
                    line = await self._dial()
                except Temporary as error:
                    reason = str(error)
                    if error.retry_after_ms is not None:
                        wait_s = error.retry_after_ms / 1000 * (1 + 0.2 * self._jitter())
                except DeskbellError as error:
                    self._end(error, code=int(error.details.get("close_code", _NO_CODE)))
                    return
                else:
                    code, reason = await self._talk(line, again)
                    if line.welcome is not None:
                        again = True
                        if self.clock.monotonic() - started >= _SETTLED_S:
                            attempt = 0
                    if code == CloseCode.TOKEN_EXPIRED and self.tokens.renewable:
                        wait_s = await self._renew_after_expiry()
                    elif code == CloseCode.TOKEN_EXPIRED:
                        self._end(ConnectionOver("The token has expired. Log in again.", close_code=code), code=code)
                        return
                    elif not may_reconnect(code):
                        self._end(self._final_error(code, reason), code=code)
                        return
                    elif code == CloseCode.RATE:
                        attempt = max(attempt, 4)
                if self._leave_at is not None:
                    wait_s = max(0.0, self._leave_at - self.clock.monotonic())
                if wait_s is None:
                    wait_s = self._backoff_s(attempt)
                self.state = "reconnecting"
                self._emit(Reconnecting(wait_s, code, reason))
                await self.clock.sleep(wait_s)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("the client has failed")
            self._end(ConnectionOver(f"The client has failed: {error!r}"), code=_NO_CODE)

    def _backoff_s(self, attempt: int) -> float:
        """Exponential with full jitter: many clients that lost one server must not come back together."""
        return self._jitter() * float(min(BACKOFF_CAP_S, _BACKOFF_FIRST_S * 2 ** min(max(attempt, 1), 10)))

    async def _renew_after_expiry(self) -> float | None:
        """The wait before the next attempt: none when there is a new token."""
        try:
            await self.tokens.renew(self._token)
        except DeskbellError as error:
            log.info("renewing the token: %s", error)  # the next attempt asks again, and ends if it is final
            return None
        return 0.0

    def _final_error(self, code: int, reason: str) -> DeskbellError:
        sentence = _FINAL.get(code, "The server closed the connection for good.")
        told = str(self._last_error) if self._last_error is not None else reason
        if told and told not in sentence:
            sentence = f"{sentence} ({told})"
        return ConnectionOver(sentence, close_code=code)

    async def _dial(self) -> Line:
        """An open socket, authenticated by a ticket of its own or about to be by its first frame.

        Raises:
            Temporary: Not now.
            DeskbellError: Never.
        """
        self._token = await self.tokens.access()
        uri = self.http.socket_url
        if not self._first_frame_auth:
            try:
                uri += f"?ticket={quote(await self._ticket(), safe='')}"
            except NotFound:  # a server without tickets takes the token as the first frame
                self._first_frame_auth = True
        try:
            socket = await connect(
                uri,
                compression=None,
                ping_interval=None,  # the protocol has its own heartbeat
                close_timeout=2,
                max_size=_MAX_FRAME_BYTES,
                user_agent_header=f"deskbell/{__version__}",
                proxy=None if self.http.loopback else True,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            if status == 429 or status >= 500:
                raise Unreachable(status=status) from error
            raise ConnectionOver(
                f"The server refuses the connection (HTTP {status}). Is the address right?",
                close_code=CloseCode.REVOKED,
            ) from error
        except InvalidURI as error:
            raise ConnectionOver(str(error)) from error
        except (OSError, TimeoutError, InvalidHandshake, ProxyError, EOFError) as error:
            raise Unreachable(reason=str(error)[:200]) from error
        return Line(socket, self.clock)

    async def _ticket(self) -> str:
        try:
            return await ticket(self.http, self._token)
        except Unauthenticated:
            if not self.tokens.renewable:
                raise
        self._token = await self.tokens.renew(self._token)
        return await ticket(self.http, self._token)

    async def _talk(self, line: Line, again: bool) -> tuple[int, str]:
        """Hear everything a socket says, until it is gone; how it was closed."""
        helpers = [
            asyncio.create_task(line.write(), name="deskbell.client.write"),
            asyncio.create_task(line.keep_alive(), name="deskbell.client.heartbeat"),
        ]
        self._line = line
        try:
            if self._first_frame_auth:
                line.say({"type": "auth", "token": self._token})
            while True:
                data = await line.socket.recv(decode=False)
                line.heard_at = self.clock.monotonic()
                frame = understood(data)
                if isinstance(frame, Welcome):
                    self._welcomed(line, frame, again)
                    helpers.append(asyncio.create_task(self._keep_token(line), name="deskbell.client.token"))
                elif isinstance(frame, Drain):
                    self._leave_at = self.clock.monotonic() + frame.reconnect_in_ms / 1000
                    helpers.append(asyncio.create_task(self._leave(line), name="deskbell.client.drain"))
                elif frame is not None:
                    self._hear(line, frame)
        except ConnectionClosed as error:
            closed = error.rcvd
            return (closed.code, closed.reason) if closed is not None else (_NO_CODE, "")
        finally:
            self._line = None
            self._asked.clear()
            for view in self.rooms.values():
                view.lost()
            for request in self._requests.values():
                request.flying = False
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            with contextlib.suppress(Exception):
                await line.socket.close()

    def _welcomed(self, line: Line, welcome: Welcome, again: bool) -> None:
        line.welcome = welcome
        line.heard.set()
        self.user = welcome.user
        self.state = "live"
        self._emit(Live(welcome.user, welcome.connection, again))
        self._ask_all(self.rooms.values())
        self.viewers.clear()
        if self._view is not None:
            line.say(self._view)
        for request in list(self._requests.values()):
            self._post(request)
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    async def _leave(self, line: Line) -> None:
        """The server drains: go when it was said, if it has not closed by then."""
        assert self._leave_at is not None
        await self.clock.sleep(max(0.0, self._leave_at - self.clock.monotonic()))
        await line.socket.close()

    async def _keep_token(self, line: Line) -> None:
        """Renew the token before it ends, and tell the open socket."""
        if not self.tokens.renewable:
            return
        tries = 0
        while True:
            await self.clock.sleep(max(self.tokens.due_in_s, self._backoff_s(tries) if tries else 0.0))
            try:
                token = await self.tokens.access()
            except Temporary:
                tries += 1
                continue
            except DeskbellError as error:
                self._emit(Problem(error))  # the server will close with 4004; then it is final
                return
            tries = 0
            self._token = token
            line.say({"type": "refresh", "token": token})

    # -- frames

    def _hear(self, line: Line, frame: Any) -> None:
        if isinstance(frame, (MessageFrame, ParticipantFrame, RoomFrame, Skip)):
            view = self.rooms.get(frame.room)
            if view is not None:
                place = self.notebook.places.get(frame.room)
                self._took(view, view.durable(frame), place)
        elif isinstance(frame, (Subscribed, Changes)):
            self._hear_page(frame)
        elif isinstance(frame, Ack):
            if frame.message is not None:
                self._learn([frame.message])
            self._settle(frame.ref, frame)
        elif isinstance(frame, HistoryFrame):
            self._learn(frame.messages)
            self._settle(frame.ref, frame)
        elif isinstance(frame, Ok):
            self._settle(frame.ref, frame)
        elif isinstance(frame, ErrorFrame):
            self._hear_error(frame)
        elif isinstance(frame, Ping):
            line.say({"type": "pong"})
        elif isinstance(frame, (Delta, TypingFrame, Receipt)):
            view = self.rooms.get(frame.room)
            if view is not None:
                steps = (
                    view.delta(frame)
                    if isinstance(frame, Delta)
                    else view.typed(frame)
                    if isinstance(frame, TypingFrame)
                    else view.receipt(frame)
                )
                for step in steps:
                    self._emit(step.event)
        elif isinstance(frame, Reset):
            view = self.rooms.get(frame.room)
            if view is not None:
                view.reset()
                self._asked.pop(frame.room, None)
                self._ask(view)
        elif isinstance(frame, Tips):
            self._hear_tips(frame)
        elif isinstance(frame, Presence):
            self.presence[frame.user] = frame
            self._emit(PresenceChanged(frame.user, frame.status, frame.last_seen))
        elif isinstance(frame, Inbox):
            self.inbox[frame.room] = frame
            self._emit(InboxChanged(frame.room, frame))
        elif isinstance(frame, Viewing):
            self.viewers[frame.room] = tuple(frame.users)
            if not frame.users:
                del self.viewers[frame.room]
            self._emit(ViewersChanged(frame.room, tuple(frame.users)))
        elif isinstance(frame, AnyCase):
            self._hear_case(frame)
        elif isinstance(frame, DraftFrame):
            self._emit(DraftChanged(frame.room, frame.kind, frame.changed_at, frame.draft))
        elif isinstance(frame, Notice):
            self._emit(NoticeGiven(frame.code, frame.text))
        elif isinstance(frame, Unread) and isinstance(frame.ref, int) and frame.ref in self._requests:
            self._refuse(self._requests[frame.ref], NotUnderstood())

    def _hear_page(self, frame: Subscribed | Changes) -> None:
        view = self.rooms.get(frame.room)
        if view is None:
            return
        if isinstance(frame, Subscribed):
            asked = self._asked.get(frame.room)
            if asked is None or (isinstance(frame.ref, int) and frame.ref != asked[0]):
                return  # the answer to a question that no longer stands, e.g. one from before a reset
        place = view.place
        self._took(view, view.page(frame), place)

    def _hear_tips(self, frame: Tips) -> None:
        for room, seq in frame.rooms.items():
            view = self.rooms.get(room)
            if view is None:
                continue
            view.heard_of(seq)
            asked = self._asked.get(room)
            if asked is not None and self.clock.monotonic() - asked[1] > _ANSWER_S:
                del self._asked[room]
                self._ask(view)
            elif view.live and view.behind:
                self._ask(view)

    def _hear_case(self, frame: AnyCase) -> None:
        if frame.case is not None:
            before = self.cases.get(frame.case.id)
            if before is None or before.version <= frame.case.version:
                self.cases[frame.case.id] = frame.case
                self._emit(CaseChanged(frame.case, before))
        elif frame.room is not None:
            view = self.rooms.get(frame.room)
            if view is not None:
                view.case = OwnCaseFrame(
                    room=RoomId(frame.room), status=frame.status, position=frame.position, wait=frame.wait
                )
            self._emit(OwnCaseChanged(frame.room, frame.status, frame.position, frame.wait))

    def _hear_error(self, frame: ErrorFrame) -> None:
        error = refusal(
            frame.code,
            frame.message,
            temporary=frame.temporary,
            retry_after_ms=frame.retry_after_ms,
            details=frame.details,
        )
        request = self._requests.get(frame.ref) if isinstance(frame.ref, int) else None
        if request is not None:
            self._refuse(request, error)
            return
        rooms = [room for room, (ref, _) in self._asked.items() if ref == frame.ref]
        if frame.room is not None:
            rooms = [room for room in rooms if room == frame.room]
        if not rooms:
            self._last_error = error
            self._emit(Problem(error))
        for room in rooms:
            if error.temporary:
                del self._asked[room]
                self._errand(self._ask_later(room, error))
                continue
            known = self.rooms[room].position is not None
            self._drop(room, error)
            if known:
                self._emit(RoomLost(room, error))

    async def _ask_later(self, room: str, error: DeskbellError) -> None:
        await self.clock.sleep((error.retry_after_ms or 1000) / 1000 * (1 + 0.2 * self._jitter()))
        view = self.rooms.get(room)
        if view is not None and not view.live:
            self._ask(view)

    def _learn(self, messages: Iterable[Message]) -> None:
        for message in messages:
            view = self.rooms.get(message.room)
            if view is not None:
                for step in view.learn(message):
                    self._emit(step.event)

    # -- telling

    def _emit(self, event: Event) -> None:
        if self.on_event is not None:
            try:
                self.on_event(event)
            except Exception:
                log.exception("on_event has failed for %s", type(event).__name__)
        for listener in list(self._listeners):
            listener.put(event)

    def _errand(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="deskbell.client.errand")
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def _end(self, error: DeskbellError, *, code: int) -> None:
        """It is over: everybody who waits is told why."""
        if self._over is not None:
            return
        self._over = error
        self.state = "closed"
        for task in (*self._pauses.values(), *self._errands):
            task.cancel()
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(error)
            _seen(self._ready)
        for waiting in self._subscribing.values():
            if not waiting.done():
                waiting.set_exception(error)
        for request in list(self._requests.values()):
            if request.done is not None and not request.done.done():
                request.done.set_exception(error)
                _seen(request.done)
        self._emit(Closed(code, None if code == 1000 else error))
        for listener in list(self._listeners):
            listener.close()


def _seen(future: asyncio.Future[Any]) -> None:
    """Nobody need look at this outcome."""
    if future.done() and not future.cancelled():
        future.exception()
