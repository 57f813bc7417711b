"""One socket after the other: dialled, listened to until it is gone, dialled again.

Whatever ends a socket, the next one is opened after a pause that grows, at the moment the server named, or at
once where only the token had expired; it is over when the server says that trying again is of no use. What
the frames mean is the client's to know.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Literal, Protocol
from urllib.parse import quote

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, ProxyError

from deskbell.client.events import Connecting, Event, Problem, Reconnecting
from deskbell.client.incoming import understood
from deskbell.client.line import Line, Link
from deskbell.client.patience import Patience
from deskbell.client.rest import Rest, Unreachable
from deskbell.client.routes import ticket
from deskbell.client.tokens import Tokens
from deskbell.clock import Clock
from deskbell.errors import DeskbellError, NotFound, Refused, Temporary, Unauthenticated
from deskbell.version import __version__
from deskbell.wire.close_codes import CloseCode, may_reconnect
from deskbell.wire.frames import Drain, Ping, Welcome

log = logging.getLogger("deskbell.client")

State = Literal["idle", "connecting", "live", "reconnecting", "closed"]

_SETTLED_S = 10.0  # a connection that lasted this long was a good one
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


class Hearer(Protocol):
    """Who hears what comes over the sockets."""

    def welcomed(self, welcome: Welcome, again: bool) -> None:
        """A socket is open and let in; ``again``: it is not the first."""

    def hear(self, frame: Any) -> DeskbellError | None:
        """A frame that is not about the socket itself. An error that answers nothing comes back."""

    def lost(self) -> None:
        """The socket is gone."""


class Connection:
    """``state`` is never ``closed``: that it is over is what :meth:`run` returns."""

    def __init__(
        self,
        http: Rest,
        tokens: Tokens,
        clock: Clock,
        patience: Patience,
        link: Link,
        hearer: Hearer,
        tell: Callable[[Event], None],
    ) -> None:
        self.state: State = "idle"
        self._http = http
        self._tokens = tokens
        self._clock = clock
        self._patience = patience
        self._link = link
        self._hearer = hearer
        self._tell = tell
        self._leave_at: float | None = None
        self._last_error: DeskbellError | None = None  # one that answered nothing often says why the socket closes
        self._token = ""
        self._first_frame_auth = False

    async def run(self) -> tuple[DeskbellError, int]:
        """Keep a socket open until it is over; why it is, and the close code."""
        attempt = 0
        again = False
        try:
            while True:
                attempt += 1
                self.state = "connecting"
                self._tell(Connecting(attempt))
                self._leave_at = self._last_error = None
                code, reason, wait_s = _NO_CODE, "", None
                started = self._clock.monotonic()
                try:
                    line = await self._dial()
                except Temporary as error:
                    reason = str(error)
                    if error.retry_after_ms is not None:
                        wait_s = self._patience.asked_s(error.retry_after_ms)
                except DeskbellError as error:
                    return error, int(error.details.get("close_code", _NO_CODE))
                else:
                    code, reason = await self._talk(line, again)
                    if line.welcome is not None:
                        again = True
                        if self._clock.monotonic() - started >= _SETTLED_S:
                            attempt = 0
                    if code == CloseCode.TOKEN_EXPIRED and self._tokens.renewable:
                        wait_s = await self._renew_after_expiry()
                    elif code == CloseCode.TOKEN_EXPIRED:
                        return ConnectionOver("The token has expired. Log in again.", close_code=code), code
                    elif not may_reconnect(code):
                        return self._final_error(code, reason), code
                    elif code == CloseCode.RATE:
                        attempt = max(attempt, 4)
                if self._leave_at is not None:
                    wait_s = max(0.0, self._leave_at - self._clock.monotonic())
                if wait_s is None:
                    wait_s = self._patience.after_s(attempt)
                self.state = "reconnecting"
                self._tell(Reconnecting(wait_s, code, reason))
                await self._clock.sleep(wait_s)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("the client has failed")
            return ConnectionOver(f"The client has failed: {error!r}"), _NO_CODE

    async def _renew_after_expiry(self) -> float | None:
        """The wait before the next attempt: none when there is a new token."""
        try:
            await self._tokens.renew(self._token)
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
        self._token = await self._tokens.access()
        uri = self._http.socket_url
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
                proxy=None if self._http.loopback else True,
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
        return Line(socket, self._clock)

    async def _ticket(self) -> str:
        try:
            return await ticket(self._http, self._token)
        except Unauthenticated:
            if not self._tokens.renewable:
                raise
        self._token = await self._tokens.renew(self._token)
        return await ticket(self._http, self._token)

    async def _talk(self, line: Line, again: bool) -> tuple[int, str]:
        """Hear everything a socket says, until it is gone; how it was closed."""
        beside = [
            asyncio.create_task(line.write(), name="deskbell.client.write"),
            asyncio.create_task(line.keep_alive(), name="deskbell.client.heartbeat"),
        ]
        self._link.line = line
        try:
            if self._first_frame_auth:
                line.say({"type": "auth", "token": self._token})
            while True:
                data = await line.socket.recv(decode=False)
                line.heard_at = self._clock.monotonic()
                frame = understood(data)
                if isinstance(frame, Welcome):
                    line.welcome = frame
                    line.heard.set()
                    self.state = "live"
                    self._hearer.welcomed(frame, again)
                    beside.append(asyncio.create_task(self._keep_token(line), name="deskbell.client.token"))
                elif isinstance(frame, Drain):
                    self._leave_at = self._clock.monotonic() + frame.reconnect_in_ms / 1000
                    beside.append(asyncio.create_task(self._leave(line), name="deskbell.client.drain"))
                elif isinstance(frame, Ping):
                    line.say({"type": "pong"})
                elif frame is not None:
                    self._last_error = self._hearer.hear(frame) or self._last_error
        except ConnectionClosed as error:
            closed = error.rcvd
            return (closed.code, closed.reason) if closed is not None else (_NO_CODE, "")
        finally:
            self._link.line = None
            self._hearer.lost()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            with contextlib.suppress(Exception):
                await line.socket.close()

    async def _leave(self, line: Line) -> None:
        """The server drains: go when it was said, if it has not closed by then."""
        assert self._leave_at is not None
        await self._clock.sleep(max(0.0, self._leave_at - self._clock.monotonic()))
        await line.socket.close()

    async def _keep_token(self, line: Line) -> None:
        """Renew the token before it ends, and tell the open socket."""
        if not self._tokens.renewable:
            return
        tries = 0
        while True:
            await self._clock.sleep(max(self._tokens.due_in_s, self._patience.after_s(tries) if tries else 0.0))
            try:
                token = await self._tokens.access()
            except Temporary:
                tries += 1
                continue
            except DeskbellError as error:
                self._tell(Problem(error))  # the server will close with 4004; then it is final
                return
            tries = 0
            self._token = token
            line.say({"type": "refresh", "token": token})
