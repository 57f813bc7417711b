"""What arrives at a socket: its credentials, and its messages in bounded number.

Quart keeps incoming messages in a queue without end, so a client could fill our memory by
sending faster than its handler receives, and it hands an empty binary message over as ``None``.
:class:`BoundedWebsocketConnection` closes both holes; a server whose reading is paced by
``receive()``, as ours is, then stops reading from a socket nobody listens to.

:class:`Credentials` carries tokens that came in the query string from the edge to the one place
that checks them, past everything that prints scopes and addresses.

Checking tokens, and what a message means, is left to the receive loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import unquote_plus

from quart import Websocket, websocket
from quart.asgi import ASGIWebsocketConnection
from quart.signals import got_websocket_exception, websocket_received

from deskbell.server.outbound import EXTENSION, SERVER_ERROR, SocketHandle

if TYPE_CHECKING:
    from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, WebsocketScope
    from quart import Quart

STATE_KEY: Final = "deskbell.credentials"
"""Where the credentials of a socket are found in ``scope["state"]``."""

CONNECTION_KEY: Final = "deskbell.connection"
"""Where a handler finds its :class:`BoundedWebsocketConnection` in ``scope["extensions"]``."""

QUERY_NAMES: Final = frozenset({"token", "ticket", "access_token"})

INBOUND_MESSAGES: Final = 16


class Reading(Protocol):
    """The side of our server's socket that reads. See :class:`deskbell.server.socket_protocol.SocketProtocol`."""

    def listen(self, take: Callable[[str | bytes], bool]) -> bool:
        """Hand messages to ``take`` as they are read; False: some are queued still, ask again."""

    def take_more(self) -> None:
        """Read on, after ``take`` had enough."""


def reading_of(scope: MutableMapping[str, Any]) -> Reading | None:
    """Who reads a socket, where our own server does; None under any other."""
    handle = (scope.get("extensions") or {}).get(EXTENSION)
    return cast("Reading | None", handle)


def queued(scope: MutableMapping[str, Any]) -> bool:
    """Whether messages wait for this socket's handler: in Quart's queue, or for a place in it."""
    connection = (scope.get("extensions") or {}).get(CONNECTION_KEY)
    return isinstance(connection, BoundedWebsocketConnection) and (connection.holding or not connection.queue.empty())


class Credentials:
    """The secrets of one handshake. Printing it shows which ones there are, never what they say."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    @property
    def token(self) -> str | None:
        """The access token, under either of its names."""
        return self._values.get("token") or self._values.get("access_token")

    @property
    def ticket(self) -> str | None:
        """The one-time ticket."""
        return self._values.get("ticket")

    def __bool__(self) -> bool:
        return bool(self._values)

    def __repr__(self) -> str:
        return f"<Credentials {' '.join(sorted(self._values)) or 'none'}>"


def split_credentials(query: str) -> tuple[str, Credentials]:
    """Return ``query`` without its secrets, byte for byte what it was otherwise, and the secrets.

    A name counts however it is escaped or capitalised. Of a repeated one, the first is taken and
    all are removed.
    """
    kept: list[str] = []
    found: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        name = unquote_plus(name).strip().lower()
        if name in QUERY_NAMES:
            found.setdefault(name, unquote_plus(value))
        else:
            kept.append(part)
    return "&".join(kept), Credentials(found)


def take_credentials(scope: MutableMapping[str, Any]) -> Credentials:
    """Return the credentials of a socket's handshake, and remove them from its scope.

    Under our own server they have left the query string before anyone could see it; under any
    other they leave it here. The second call finds none.
    """
    state = scope.get("state") or {}
    credentials = state.pop(STATE_KEY, None)
    if isinstance(credentials, Credentials):
        return credentials
    query, credentials = split_credentials(scope.get("query_string", b"").decode("latin-1"))
    scope["query_string"] = query.encode("latin-1")
    return credentials


class BoundedWebsocketConnection(ASGIWebsocketConnection):
    """Quart's side of a socket, holding at most 16 messages its handler has not received.

    Set it as ``app.asgi_websocket_class``. An empty binary message arrives as ``b""``. When the
    peer leaves, or we close, Quart cancels the handler; :attr:`close_code` says then how it
    ended. A handler that fails ends its socket with 4002, where Quart would say 1000, "all done".
    """

    def __init__(self, app: Quart, scope: WebsocketScope) -> None:
        super().__init__(app, scope)
        self.queue: asyncio.Queue[str | bytes] = asyncio.Queue(INBOUND_MESSAGES)
        self.close_code: int | None = None
        """The code the socket ended with, ours or the peer's; None while it is open."""
        self.close_reason = ""
        self.failed = False
        """Whether the handler raised."""
        self.holding = False
        """Whether a message has left the server's queue and found no place in ours yet."""
        extensions: dict[str, Any] = {**(scope.get("extensions") or {}), CONNECTION_KEY: self}
        scope["extensions"] = extensions
        self._handle: SocketHandle | None = extensions.get(EXTENSION)

    async def handle_messages(self, receive: ASGIReceiveCallable) -> None:
        """Move messages from the server to the handler until the socket ends."""
        while True:
            event: Mapping[str, Any] = await receive()
            if event["type"] == "websocket.receive":
                text = event.get("text")
                message: str | bytes = event.get("bytes") or b"" if text is None else text
                if websocket_received.receivers:
                    await websocket_received.send_async(message)
                try:
                    self.queue.put_nowait(message)
                except asyncio.QueueFull:
                    if not await self._put_unless_lost(message):
                        return
            elif event["type"] == "websocket.disconnect":
                self.close_code = event.get("code") or 1005
                self.close_reason = event.get("reason") or ""
                return

    async def _put_unless_lost(self, message: str | bytes) -> bool:
        # While the handler is busy nobody calls receive(), so the end of the socket, which
        # waits behind this message, would stay unseen for as long as the handler is stuck.
        if self._handle is None:
            await self.queue.put(message)
            return True
        # A handler that empties the full queue without a pause finds it empty before the put is done.
        self.holding = True
        put = asyncio.ensure_future(self._put(message))
        lost = asyncio.ensure_future(self._handle.wait_lost())
        try:
            await asyncio.wait({put, lost}, return_when=asyncio.FIRST_COMPLETED)
            if put.done():
                return True
            self.close_code = 1006
            return False
        finally:
            put.cancel()
            lost.cancel()

    async def _put(self, message: str | bytes) -> None:
        await self.queue.put(message)
        self.holding = False

    async def handle_websocket(self, websocket: Websocket, send: ASGISendCallable) -> None:
        """Run the handler, and close for it what it left open."""

        async def say_how_it_ended(event: ASGISendEvent) -> None:
            if event["type"] == "websocket.close" and self._accepted and self.failed:
                event = {"type": "websocket.close", "code": SERVER_ERROR, "reason": "server error"}
            await send(event)

        await super().handle_websocket(websocket, say_how_it_ended)


@got_websocket_exception.connect
async def _note_failure(app: Quart, exception: Exception) -> None:
    # Asynchronous although it awaits nothing: Quart would run a plain function in a thread.
    connection = (websocket.scope.get("extensions") or {}).get(CONNECTION_KEY)
    if connection is not None:
        cast("BoundedWebsocketConnection", connection).failed = True
