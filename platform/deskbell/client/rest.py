"""The few REST calls of a client, over the standard library, and what their refusals mean.

A call runs in a thread and is bounded in time and size. Redirects are not followed: a token goes
to the server it was made for and nowhere else.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from deskbell import errors
from deskbell.errors import DeskbellError, Refused, Temporary

TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 32 * 1024 * 1024

_KINDS: dict[str, type[DeskbellError]] = {
    kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DeskbellError)
}


class Unreachable(Temporary):
    """There was no answer: nobody listens, the network is away, or it took too long."""

    code = "unreachable"
    sentence = "The server cannot be reached. Try again in a moment."


class NotUnderstood(Refused):
    """The other side answered with something that is not this protocol."""

    code = "not_understood"
    sentence = "The answer is not Deskbell's. Is the address right?"


def refusal(
    code: str,
    sentence: str = "",
    *,
    temporary: bool = False,
    retry_after_ms: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> DeskbellError:
    """The error that a code of the wire stands for.

    A code unknown here (a plugin's, a newer server's) becomes a :class:`Temporary` or
    :class:`Refused` that carries it as its ``code``.
    """
    kind = _KINDS.get(code)
    if kind is None:
        base: type[DeskbellError] = Temporary if temporary else Refused
        kind = type(base.__name__, (base,), {"code": code, "__module__": base.__module__})
    error = kind(sentence, retry_after_ms=retry_after_ms)
    error.details = dict(details or {})
    return error


class Rest:
    """Calls to one server. ``url`` is its address without ``/api/v1``.

    Raises:
        ValueError: ``url`` is not an ``http`` or ``https`` address.
    """

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"an address looks like https://desk.example.com, not {url!r}")
        self.base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/api/v1"
        self.loopback = is_loopback(parts.hostname)
        self._timeout_s = timeout_s
        # What runs on this machine is not behind the proxy of the environment.
        proxies = urllib.request.ProxyHandler({} if self.loopback else None)
        self._opener = urllib.request.build_opener(proxies, _NoRedirects)

    @property
    def socket_url(self) -> str:
        return "ws" + self.base.removeprefix("http") + "/ws"

    async def call(
        self,
        method: str,
        path: str,
        json: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The answer's JSON; ``None`` where it has none.

        Raises:
            Unreachable: There was no answer; whether anything was done is not known.
            DeskbellError: The server's refusal, by its class.
        """
        return await asyncio.to_thread(self._call, method, path, json, token, dict(headers or {}))

    def _call(self, method: str, path: str, json: object, token: str | None, headers: dict[str, str]) -> Any:
        body = None if json is None else msgspec.json.encode(json)
        if body is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(self.base + path, data=body, method=method, headers=headers)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                return _json(_bounded(answer))
        except urllib.error.HTTPError as answer:
            with answer:
                raise _refused(answer.code, answer.headers.get("Retry-After"), _bounded(answer)) from None
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(reason=str(getattr(error, "reason", error))[:200]) from error


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _bounded(answer: Any) -> bytes:
    body: bytes = answer.read(MAX_ANSWER_BYTES + 1)
    if len(body) > MAX_ANSWER_BYTES:
        raise NotUnderstood("The answer is too large to be one of ours.")
    return body


def _json(body: bytes) -> Any:
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise NotUnderstood from None


class _Error(msgspec.Struct):
    code: str
    message: str = ""
    temporary: bool = False
    retry_after_ms: int | None = None
    details: dict[str, Any] | None = None


class _Body(msgspec.Struct):
    error: _Error


def _refused(status: int, retry_after: str | None, body: bytes) -> DeskbellError:
    after_ms = int(retry_after) * 1000 if retry_after is not None and retry_after.isdecimal() else None
    try:
        told = msgspec.json.decode(body, type=_Body).error
    except (msgspec.DecodeError, RecursionError):
        if status == 429 or status >= 500:
            # A balancer's own page: the server behind it was not asked, or did not answer.
            return Unreachable(retry_after_ms=after_ms, status=status)
        return NotUnderstood(status=status)
    return refusal(
        told.code,
        told.message,
        temporary=told.temporary,
        retry_after_ms=told.retry_after_ms if told.retry_after_ms is not None else after_ms,
        details=told.details,
    )
