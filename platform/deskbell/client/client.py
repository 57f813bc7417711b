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
import random
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from os import PathLike
from types import TracebackType
from typing import Any, Self

import msgspec

from deskbell.client.commands import Commands
from deskbell.client.connection import Connection, ConnectionOver, State
from deskbell.client.events import (
    Closed,
    Event,
)
from deskbell.client.following import Following
from deskbell.client.hearing import Hearing
from deskbell.client.line import Link
from deskbell.client.listening import Events, Listeners
from deskbell.client.notebook import Notebook
from deskbell.client.outbox import Outbox, R, seen
from deskbell.client.patience import Patience
from deskbell.client.rest import Rest
from deskbell.client.routes import Routes, login_tokens, visitor_tokens
from deskbell.client.tokens import Tokens
from deskbell.client.view import RoomView
from deskbell.clock import Clock
from deskbell.errors import DeskbellError, Unauthenticated
from deskbell.model.records import CaseEntry, PublicUser
from deskbell.wire.frames import (
    Ack,
    HistoryFrame,
    Inbox,
    Ok,
    Presence,
)


@dataclass(frozen=True)
class Outgoing:
    """A message in the outbox. ``ack`` is done, or failed, with its terminal reply."""

    client_id: str
    ack: asyncio.Future[Ack]


class Client(Commands, Routes):
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
        self._listeners = Listeners(on_event)
        tell, patience = self._listeners.tell, Patience(jitter)
        self._link = Link()
        self._outbox = Outbox(self._link, self.notebook, self.clock, patience, tell)
        self._following = Following(self._link, self.notebook, self.clock, patience, tell)
        self._hearing = Hearing(self._link, self._following, self._outbox, tell, self._let_in)
        self._connection = Connection(self.http, self.tokens, self.clock, patience, self._link, self._hearing, tell)
        self.rooms: dict[str, RoomView] = self._following.rooms
        self.cases: dict[str, CaseEntry] = self._hearing.cases
        self.presence: dict[str, Presence] = self._hearing.presence
        self.viewers: dict[str, tuple[PublicUser, ...]] = self._hearing.viewers
        self.inbox: dict[str, Inbox] = self._hearing.inbox
        self._ready: asyncio.Future[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self._over: DeskbellError | None = None

    @property
    def state(self) -> State:
        return "closed" if self._over is not None else self._connection.state

    @property
    def user(self) -> PublicUser | None:
        """Who one is; None before the first welcome."""
        return self._hearing.user

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
        self._outbox.restore()
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
        return self._listeners.events(limit)

    def unsent(self, room: str | None = None) -> list[dict[str, Any]]:
        """The messages in the outbox, oldest first, as ``send`` frames."""
        return self._outbox.unsent(room)

    # -- rooms

    async def subscribe(self, room: str) -> RoomView:
        """Follow a room, now and after every break; its view, complete.

        A room that the notebook knows goes on at its place.

        Raises:
            NotFound: There is no such room, or it is not yours to see.
            ConnectionOver: There will be no connection.
        """
        self._check_open()
        return await self._following.follow(room)

    async def unsubscribe(self, room: str) -> None:
        """Follow a room no more, and forget its place."""
        self._following.drop(room)
        if self._link.line is not None:  # a new connection follows nothing by itself
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
        return Outgoing(client_id, self._outbox.put(frame, patient))

    def looks_at(self, room: str | None) -> None:
        """Agents: say which conversation one looks at, and hear by :class:`ViewersChanged` who looks at which.

        Said again after a reconnect. None: at none of them.
        """
        self._hearing.looks_at(room)

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

    async def _request(self, frame: dict[str, Any], kind: type[R] = Ok) -> R:  # type: ignore[assignment]
        self._check_open()
        return await self._outbox.ask(frame, kind)

    def _mention(self, frame: dict[str, Any]) -> None:
        self._link.say(frame)

    # -- the end

    def _let_in(self) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    async def _run(self) -> None:
        error, code = await self._connection.run()
        self._end(error, code=code)

    def _end(self, error: DeskbellError, *, code: int) -> None:
        """It is over: everybody who waits is told why."""
        if self._over is not None:
            return
        self._over = error
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(error)
            seen(self._ready)
        self._following.end(error)
        self._outbox.end(error)
        self._listeners.tell(Closed(code, None if code == 1000 else error))
        self._listeners.close()
