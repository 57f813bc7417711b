"""Whose address a request came from, where proxies stand before us."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any


class TrustedProxies:
    """Takes the client's address and scheme from the headers of exactly ``count`` proxies before us.

    Each proxy appends the address it was called from to ``X-Forwarded-For``, so the ``count``-th
    entry from the right was written by a proxy of ours, and all before it by anybody. A request
    with fewer entries came another way: its address stays that of the connection.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], count: int) -> None:
        self.app = app
        self.count = count

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Correct the scope of a request or socket and pass it on."""
        if scope["type"] in ("http", "websocket"):
            host = _address(self._nth(scope, b"x-forwarded-for"))
            if host is not None:
                scope["client"] = (host, 0)
            scheme = self._nth(scope, b"x-forwarded-proto", at_least_the_last=True).lower()
            if scheme in ("http", "https", "ws", "wss"):
                secure = scheme.endswith("s") and scheme != "ws"
                scope["scheme"] = ("ws" if scope["type"] == "websocket" else "http") + ("s" if secure else "")
        await self.app(scope, receive, send)

    def _nth(self, scope: MutableMapping[str, Any], header: bytes, at_least_the_last: bool = False) -> str:
        raw = b",".join(value for name, value in scope["headers"] if name == header)
        entries = [entry.strip() for entry in raw.decode("latin-1").split(",") if entry.strip()]
        if len(entries) >= self.count:
            return entries[-self.count]
        # Many proxies set the scheme instead of appending to it: then the last one knows.
        return entries[-1] if entries and at_least_the_last else ""


def _address(entry: str) -> str | None:
    """Return the address of ``1.2.3.4``, ``1.2.3.4:80``, ``::1`` or ``[::1]:80``, None of anything else."""
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        return str(ipaddress.ip_address(entry))
    except ValueError:
        return None
