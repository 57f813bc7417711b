"""What arrives at a socket is bounded, complete, and answered where it breaks the rules."""

from __future__ import annotations

import asyncio
import logging

import pytest
from websockets.frames import Close

from .server import KIB, Desk, RawPeer, eventually, within


async def test_an_empty_binary_message_arrives_as_one(desk: Desk) -> None:
    """Text and binary, empty or not, can be told apart."""
    async with await desk.peer() as client:
        for message in (b"", "", b"\0", "text", [b"", b""], ["te", "xt"]):
            await client.send(message)
        await eventually(lambda: len(desk.received) == 6)
        assert desk.received == [b"", "", b"\0", "text", b"", "text"]


async def test_how_a_peer_left_is_kept(desk: Desk) -> None:
    """The code of the peer's close is known to handler and writer."""
    client = await desk.peer()
    await client.close(4321, "lunch")
    await eventually(lambda: desk.left == [4321])
    assert desk.connections[0].close_reason == "lunch"
    assert desk.outbounds[0].close_code == 4321


@pytest.mark.parametrize("size", [0, 200, 60_000])
async def test_a_flood_costs_a_bounded_amount_and_loses_nothing(desk: Desk, size: int) -> None:
    """While the handler receives nothing we stop reading, and go on where we stopped."""
    await desk.do(desk.listening.clear)
    peer = await desk.deaf_peer()
    protocol, connection = desk.protocols[0], desk.connections[0]
    await asyncio.to_thread(peer.socket.sendall, RawPeer.frame(1, b"first"))  # taken before the handler pauses
    batch = RawPeer.frame(1, b"x" * size) * (1 if size > KIB else 500)
    taken = await asyncio.to_thread(peer.send_until_blocked, batch, 64 << 20)
    assert taken < 64 << 20, "nobody stopped reading"

    held = await desk.do(lambda: protocol.queue.qsize())
    assert held <= 16 + 4 * KIB // 6, "one slice of the smallest frames"
    assert held * size <= 64 * KIB + size
    assert connection.queue.qsize() <= 16
    assert len(protocol._backlog) <= 256 * KIB
    assert not protocol.transport.is_reading()

    await desk.do(desk.listening.set)
    whole = taken // (len(RawPeer.frame(1, b"x" * size)))
    await eventually(lambda: len(desk.received) >= whole + 1)
    assert desk.received[0] == "first" and set(desk.received[1:]) == {"x" * size}
    peer.close()


async def test_a_handler_that_is_stuck_ends_with_its_socket(desk: Desk) -> None:
    """Even while it receives nothing and messages wait before the news."""
    await desk.do(desk.listening.clear)
    peer = await desk.deaf_peer()
    await asyncio.to_thread(peer.send_until_blocked, RawPeer.frame(1, b"x" * 60_000), 64 << 20)
    assert desk.left == []
    await desk.do(desk.outbounds[0].abort)
    await eventually(lambda: desk.left == [1006])
    peer.close()


async def test_fragments_and_pings_without_end_are_bounded(desk: Desk) -> None:
    """Neither empty fragments nor answers to pings may pile up."""
    peer = await desk.deaf_peer()
    protocol, outbound = desk.protocols[0], desk.outbounds[0]
    start = RawPeer.frame(1, b"a", fin=False)
    await asyncio.to_thread(peer.socket.sendall, start + RawPeer.frame(0, fin=False) * 200_000)
    pings = RawPeer.frame(9, b"p" * 120) * 100
    # 12 MB of pings, and none of the pongs is read.
    await asyncio.to_thread(peer.send_until_blocked, pings, 12 << 20)
    assert len(protocol._fragments) == 1
    assert outbound.pending_bytes <= 64 * KIB + 8 * KIB, "and the pongs of one slice"
    reading = asyncio.ensure_future(asyncio.to_thread(peer.read_all))
    await eventually(lambda: outbound.pending_bytes == 0)
    await asyncio.to_thread(peer.socket.sendall, RawPeer.frame(9, b"still there?"))
    await desk.do(lambda: outbound.close(1000))
    peer.say_goodbye()
    assert b"still there?" in await within(reading)
    peer.close()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (RawPeer.frame(1, b"x" * (1 << 20)), 1009),
        (RawPeer.frame(1, b"x" * 40_000, fin=False) + RawPeer.frame(0, b"x" * 40_000), 1009),
        (RawPeer.frame(1, b"\xff\xfe"), 1007),
        (RawPeer.frame(1, b"\xc3", fin=False) + RawPeer.frame(0, b"\x28"), 1007),
        (RawPeer.frame(3, b""), 1002),
        (RawPeer.frame(0, b"nothing to continue"), 1002),
    ],
)
async def test_a_peer_that_breaks_the_rules_is_told_which(
    desk: Desk, data: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Its close frame arrives although we did not read the rest, and our log stays calm."""
    caplog.set_level(logging.WARNING)
    peer = await desk.deaf_peer(64 * KIB)
    await asyncio.to_thread(peer.socket.sendall, RawPeer.frame(1, b"before") + data)
    answer = await within(asyncio.to_thread(peer.read_to_end_or_fail))
    assert answer[0] == 0x88 and Close.parse(answer[2:]).code == code
    peer.close()
    await within(desk.do(desk.outbounds[0].wait_closed))
    await eventually(lambda: desk.left == [code])
    assert desk.outbounds[0].close_code == code
    assert desk.received == ["before"]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/ws?x=\xff\xfe", b"", b"400"),
        ("/ws", b"Cookie: " + b"c" * 9000 + b"\r\n", b"431"),
        ("/ws", b"".join(b"X-%d: y\r\n" % n for n in range(200)), b"431"),
        ("/ws?" + "x" * 9000, b"", b"414"),
        ("/ws", b"Sec-WebSocket-Version: 99\r\n", b"400"),
        ("/refused", b"", b"403"),
    ],
)
async def test_a_handshake_that_fails_gets_an_answer(
    desk: Desk, path: str, more: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Never silence, never a traceback."""
    caplog.set_level(logging.WARNING)
    peer = RawPeer(desk.port)
    answer = await asyncio.to_thread(peer.shake_hands, path, more)
    assert answer.split(b" ")[1:2] == [status]
    await asyncio.to_thread(peer.read_all)
    peer.close()
    await eventually(lambda: not desk.server.server_state.connections)
    assert [record for record in caplog.records if record.exc_info or record.levelno > logging.WARNING] == []
