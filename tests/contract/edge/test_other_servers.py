"""Under a server that is not ours the same writer sends through ASGI, within the same bounds."""

from __future__ import annotations

import asyncio

import pytest
from quart import Quart, websocket

from deskbell.server.inbound import BoundedWebsocketConnection
from deskbell.server.outbound import MAX_LIVE_BYTES, AsgiOutbound, Outbound, outbound_for, prepare

from .server import KIB, eventually, within


async def test_without_our_server_the_same_writer_sends_through_asgi() -> None:
    """Order, joined frames and the close are the same in Quart's test client."""
    app = Quart("fallback")
    app.asgi_websocket_class = BoundedWebsocketConnection
    kinds: list[type] = []

    @app.websocket("/ws")
    async def handle() -> None:
        socket_ = websocket._get_current_object()  # type: ignore[attr-defined]
        await socket_.accept()
        outbound = outbound_for(socket_.scope, socket_.send, socket_.close)
        kinds.append(type(outbound))
        outbound.write(prepare(b"1") + prepare(b"2"))
        assert await outbound.write_paced(prepare(b"3"))
        assert await socket_.receive() == "go on"
        outbound.close(4010, "start over")
        assert not outbound.write(prepare(b"5"))
        await outbound.wait_closed()

    async with app.test_app() as running, running.test_client().websocket("/ws") as client:
        assert [await client.receive() for _ in range(3)] == ["1", "2", "3"]
        await client.send("go on")
        with pytest.raises(Exception, match="4010"):
            await within(client.receive())
    assert kinds == [AsgiOutbound]


async def test_the_writer_over_asgi_has_the_same_bounds() -> None:
    """Typing is dropped, pages wait, and too much ends in 4008, though nothing is taken."""
    gate = asyncio.Event()
    sent: list[str] = []
    overflowed: list[Outbound] = []

    async def send_text(text: str) -> None:
        await gate.wait()
        sent.append(text[:1])

    async def close(code: int, reason: str) -> None:
        sent.append(str(code))

    outbound = AsgiOutbound(send_text, close, on_overflow=overflowed.append)
    assert outbound.write(prepare(b"a" * 80 * KIB))
    assert not outbound.write_ephemeral(prepare(b"typing"))
    page = asyncio.ensure_future(outbound.write_paced(prepare(b"p" * 100 * KIB)))
    await asyncio.sleep(0)
    assert not page.done()
    gate.set()
    assert await within(page)
    await eventually(lambda: outbound.pending_bytes == 0)
    gate.clear()
    while outbound.write(prepare(b"b" * 32 * KIB)):
        assert outbound.pending_bytes <= MAX_LIVE_BYTES
    assert outbound.close_code == 4008 and overflowed == [outbound]
    await within(outbound.wait_closed())
    assert sent == ["a", "p"], "cut while nothing was taken"

    quick = AsgiOutbound(send_text, close)
    gate.set()
    quick.write(prepare(b"c"))
    quick.close(4001)
    await within(quick.wait_closed())
    assert sent[-2:] == ["c", "4001"]
