"""How a client proves who it is, and keeps doing so: log in, renew before expiry, one renewal at a time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from deskbell.client.notebook import Notebook
from deskbell.client.rest import NotUnderstood, Rest
from deskbell.client.routes import renewed_tokens
from deskbell.clock import Clock
from deskbell.errors import Refused, Unauthenticated

LIFETIME_S = 900.0
Login = Callable[[], Awaitable[dict[str, Any]]]
"""Answers as ``POST /auth/login`` does: ``access_token``, perhaps ``refresh_token`` and ``expires_in``."""


class Tokens:
    """The access token of one user, good at this moment.

    Renewal, best first: the refresh token, then ``login``. A refresh token is used once and its
    successor is in the notebook before anybody else is given the new access token, so that a
    process killed in between does not come back with one that is spent.
    """

    def __init__(
        self,
        rest: Rest,
        notebook: Notebook,
        clock: Clock,
        *,
        access: str | None = None,
        refresh: str | Callable[[], Awaitable[str]] | None = None,
        login: Login | None = None,
    ) -> None:
        self._rest = rest
        self._notebook = notebook
        self._clock = clock
        self._login = login
        self._supplier = refresh if callable(refresh) else None
        self._refresh: str | None = notebook.refresh_token or (refresh if isinstance(refresh, str) else None)
        self._access = access
        self._due = clock.monotonic() + (0.8 * lifetime_s(access) if access else 0.0)
        self._lock = asyncio.Lock()

    @property
    def renewable(self) -> bool:
        """Whether there is any way to a new access token."""
        return bool(self._refresh or self._supplier or self._login)

    @property
    def due_in_s(self) -> float:
        """How long until the token should be renewed; 0: now."""
        return max(0.0, self._due - self._clock.monotonic())

    async def access(self) -> str:
        """An access token that has not expired, as far as one can tell from here.

        Raises:
            Unauthenticated: There is none, and no way to one; or the server refuses to give one.
            Unreachable: The server could not be asked.
        """
        if self._access is not None and (self.due_in_s > 0 or not self.renewable):
            return self._access
        return await self.renew(self._access)

    async def renew(self, spent: str | None) -> str:
        """A token other than ``spent``. Callers that come together get the same one."""
        async with self._lock:
            if self._access is not None and self._access != spent:
                return self._access
            self._access = await self._renewed()
            return self._access

    async def _renewed(self) -> str:
        if self._supplier is not None:
            access = await self._supplier()
            self._due = self._clock.monotonic() + 0.8 * lifetime_s(access)
            return access
        if self._refresh is not None:
            try:
                return self._take(await renewed_tokens(self._rest, self._refresh))
            except Refused:
                self._refresh = None
                self._notebook.set_refresh_token(None)
                if self._login is None:
                    raise
        if self._login is None:
            raise Unauthenticated("The token has expired and there is no way to renew it. Log in again.")
        return self._take(await self._login())

    def _take(self, answer: Any) -> str:
        if not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
            raise NotUnderstood
        access: str = answer["access_token"]
        refresh = answer.get("refresh_token")
        if isinstance(refresh, str):
            self._refresh = refresh
            self._notebook.set_refresh_token(refresh)
        expires_in = answer.get("expires_in")
        lasts_s = float(expires_in) if isinstance(expires_in, (int, float)) else lifetime_s(access)
        self._due = self._clock.monotonic() + 0.8 * lasts_s
        return access


class _Claims(msgspec.Struct):
    exp: float
    iat: float | None = None


def lifetime_s(token: str) -> float:
    """How long a token lasts from its making. Its end is not compared with this machine's clock, which may be wrong."""
    try:
        body = token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=_Claims)
    except (IndexError, ValueError):  # also what msgspec and base64 raise
        return LIFETIME_S
    return LIFETIME_S if claims.iat is None else max(1.0, claims.exp - claims.iat)
