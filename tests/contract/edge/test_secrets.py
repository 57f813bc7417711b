"""No secret of an address is logged, or left where somebody else finds it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from deskbell.server.inbound import split_credentials, take_credentials

from .server import Desk, RawPeer, eventually


def test_only_the_secrets_leave_a_query() -> None:
    """Whatever else is in it stays byte for byte; escapes and capitals hide nothing."""
    query, credentials = split_credentials("a=1&token=s%2Bt&b=%20&%74icket=q&Access_Token=z&c&token=again&d=1+2")
    assert query == "a=1&b=%20&c&d=1+2"
    assert (credentials.token, credentials.ticket) == ("s+t", "q")
    assert "s+t" not in repr(credentials) and "token" in repr(credentials)
    assert split_credentials("a=1")[0] == "a=1" and not split_credentials("")[1]


@pytest.mark.parametrize("level", [5, logging.DEBUG, logging.INFO])
async def test_no_secret_is_ever_logged_or_left_in_the_scope(level: int, caplog: pytest.LogCaptureFixture) -> None:
    """Not by uvicorn at any level, not by websockets, not for refused sockets, not from the first frame."""
    for name in (
        "",
        "uvicorn.error",
        "uvicorn.asgi",
        "uvicorn.access",
        "websockets.server",
        "deskbell.server.websockets",
    ):
        caplog.set_level(level, logger=name or None)
    desk = Desk()
    await desk.start()
    try:
        query = "?room=1&token=SECRET&ticket=SECRET-2&%61ccess_token=SECRET-3"
        client = await desk.peer(f"/ws{query}")
        await client.send('{"type": "auth", "token": "SECRET"}')
        await eventually(lambda: desk.received)
        await client.close()
        for path in ("/refused", "/nowhere"):
            peer = RawPeer(desk.port)
            await asyncio.to_thread(peer.shake_hands, path + query)
            peer.close()
        peer = RawPeer(desk.port)
        await asyncio.to_thread(peer.shake_hands, "/ws" + query, b"Sec-WebSocket-Version: 99\r\n")
        peer.close()
    finally:
        await desk.stop()
    assert desk.credentials[0].token == "SECRET" and desk.credentials[0].ticket == "SECRET-2"
    assert desk.scopes[0]["query_string"] == b"room=1"
    assert "SECRET" not in repr(desk.scopes)
    ours = [record for record in caplog.records if not record.name.startswith("websockets.client")]
    assert any("/ws?room=1" in record.getMessage() for record in ours), "the accept line was expected"
    for record in ours:
        assert "SECRET" not in record.getMessage() + repr(record.args) + str(record.exc_info), record.name


def test_under_any_other_server_the_secrets_leave_when_they_are_taken() -> None:
    """The scope holds them no longer than until they are read, and once."""
    scope: dict[str, Any] = {"query_string": b"a=1&token=SECRET"}
    assert take_credentials(scope).token == "SECRET"
    assert scope["query_string"] == b"a=1"
    assert take_credentials(scope).token is None
