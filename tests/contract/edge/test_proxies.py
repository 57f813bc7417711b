"""Exactly the configured number of proxies is believed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deskbell.server.proxies import TrustedProxies

from .server import RawPeer, bare_lifespan, serving


@pytest.mark.parametrize(
    ("count", "forwarded", "client"),
    [
        (0, ["6.6.6.6"], "127.0.0.1"),
        (1, ["6.6.6.6, 7.7.7.7"], "7.7.7.7"),
        (1, ["6.6.6.6", "7.7.7.7:4711"], "7.7.7.7"),
        (2, ["6.6.6.6, 7.7.7.7, 8.8.8.8"], "7.7.7.7"),
        (2, ["8.8.8.8"], "127.0.0.1"),
        (1, ["[2001:db8::1]:443"], "2001:db8::1"),
        (1, ["<script>"], "127.0.0.1"),
        (1, [], "127.0.0.1"),
    ],
)
async def test_exactly_the_configured_number_of_proxies_is_believed(
    count: int, forwarded: list[str], client: str
) -> None:
    """What a visitor writes into the header itself is never taken for its address."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await bare_lifespan(receive, send)
            return
        seen.append(scope["client"][0])
        await send({"type": "websocket.close"})

    async with serving(app, trusted_proxies=count) as port:
        peer = RawPeer(port)
        more = b"".join(f"X-Forwarded-For: {value}\r\n".encode() for value in forwarded)
        await asyncio.to_thread(peer.shake_hands, "/", more)
        peer.close()
    assert seen == [client]


@pytest.mark.parametrize(
    ("kind", "proto", "scheme"),
    [
        ("http", b"https", "https"),
        ("websocket", b"https", "wss"),
        ("websocket", b"http", "ws"),
        ("http", b"gopher", "-"),
    ],
)
async def test_the_scheme_is_the_one_the_proxy_was_called_with(kind: str, proto: bytes, scheme: str) -> None:
    """Links and cookies must be made for the address the browser sees."""
    scope: dict[str, Any] = {"type": kind, "scheme": "-", "headers": [(b"x-forwarded-proto", proto)]}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    await TrustedProxies(app, 1)(scope, None, None)
    assert scope["scheme"] == scheme
