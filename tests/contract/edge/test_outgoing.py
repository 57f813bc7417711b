"""What leaves a socket: in order, prepared once, and bounded whatever its reader does."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close

from deskbell.server.outbound import EXTENSION, MAX_LIVE_BYTES, Outbound, payloads, prepare, prepare_close

from .server import KIB, Desk, bare_lifespan, eventually, messages, serving, within


def test_joined_frames_come_apart_as_they_were() -> None:
    """Frames of one batch may be written as one."""
    texts = [b"", b"a", b"b" * 125, b"c" * 126, b"d" * 65535, b"e" * 65536, "ä".encode()]
    assert list(payloads(b"".join(map(prepare, texts)))) == texts


def test_a_close_reason_is_cut_between_characters() -> None:
    """Too long a reason must not make the close itself fail."""
    frame = prepare_close(4001, "ö" * 100)
    assert frame[:2] == bytes([0x88, len(frame) - 2]) and len(frame) - 2 <= 125
    assert Close.parse(frame[2:]) == Close(4001, "ö" * 61)


async def test_prepared_frames_arrive_in_the_order_they_were_written(desk: Desk) -> None:
    """Single, joined, ephemeral and closing frames form one sequence."""
    client = await desk.peer()
    outbound = desk.outbounds[0]

    def write() -> None:
        assert outbound.write(prepare(b"1"))
        assert outbound.write(prepare(b"2") + prepare(b"3"))
        assert outbound.write_ephemeral(prepare(b"4"))
        outbound.close(4010, "start over")
        assert not outbound.write(prepare(b"5"))
        outbound.close(4500, "this one comes too late")

    await desk.do(write)
    assert [message async for message in messages(client)] == ["1", "2", "3", "4"]
    assert (client.close_code, client.close_reason) == (4010, "start over")
    await within(desk.do(outbound.wait_closed))
    assert outbound.closed and outbound.close_code == 4010
    await eventually(lambda: desk.left == [4010])


async def test_nothing_is_written_before_the_socket_is_accepted() -> None:
    """A writer made early waits for the accept instead of breaking the handshake."""
    before: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await bare_lifespan(receive, send)
            return
        outbound = Outbound(scope["extensions"][EXTENSION])
        before.append(outbound.write(prepare(b"too early")))
        await send({"type": "websocket.accept"})
        assert outbound.write(prepare(b"welcome"))
        await receive()  # the connect
        await receive()

    async with serving(app) as port, connect(f"ws://127.0.0.1:{port}/", compression=None) as client:
        assert await within(client.recv()) == "welcome"
        assert before == [False]


async def test_who_does_not_read_costs_the_others_nothing(desk: Desk) -> None:
    """Fifty deaf sockets get 4008 and are cut; the one that reads gets every frame."""
    frames, size = 6000, 8 * KIB
    deaf = [await desk.deaf_peer() for _ in range(50)]
    reader = await desk.peer()
    highest = 0
    before = resident_bytes()

    async def flood() -> None:
        nonlocal highest
        for number in range(frames):
            frame = prepare(b"%08d" % number + os.urandom(size // 2).hex().encode()[: size - 8])
            for outbound in desk.outbounds:
                outbound.write(frame)
                highest = max(highest, outbound.pending_bytes)
            while desk.outbounds[-1].pending_bytes > 256 * KIB:
                await asyncio.sleep(0.001)
            if number % 8 == 0:
                await asyncio.sleep(0)

    flooding = asyncio.ensure_future(desk.do(flood))
    for number in range(frames):
        message = await within(reader.recv())
        assert int(message[:8]) == number
    await within(flooding)

    assert [outbound.close_code for outbound in desk.outbounds] == [4008] * 50 + [None]
    assert desk.overflowed == desk.outbounds[:50]
    assert highest <= MAX_LIVE_BYTES + 128
    assert resident_bytes() - before < frames * size // 2  # what a queue without a bound would have kept
    for outbound in desk.outbounds[:50]:
        await within(desk.do(outbound.wait_closed))
    assert len(desk.server.server_state.connections) == 1
    for peer in deaf:
        peer.close()
    await reader.close()


def resident_bytes() -> int:
    if not Path("/proc/self/statm").exists():
        pytest.skip("the memory of a process is read from /proc")
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_peer_that_reads_nothing_at_all_is_cut(desk: Desk) -> None:
    """Closing politely would wait for it for ever; and the kernel may not hold megabytes for it."""
    peer = await desk.deaf_peer()
    outbound, protocol = desk.outbounds[0], desk.protocols[0]
    frame = prepare(b"x" * 4 * KIB)

    written = 0

    def flood() -> int:
        nonlocal written
        while outbound.write(frame):
            written += len(frame)
        return outbound.pending_bytes

    waiting = await desk.do(flood)
    kernel = written - waiting
    assert kernel < 512 * KIB, "SO_SNDBUF was not set: the meter moved too late"
    option = await desk.do(
        lambda: protocol.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    )
    assert option <= 256 * KIB
    assert outbound.close_code == 4008 and not protocol.disconnected
    await within(desk.do(outbound.wait_closed))
    assert protocol.disconnected
    assert await asyncio.to_thread(peer.read_to_reset), "what waited should have been thrown away"
    await eventually(lambda: desk.left == [4008])
    peer.close()


async def test_a_socket_whose_peer_vanished_says_so(desk: Desk) -> None:
    """A broken connection ends the writer and the handler."""
    peer = await desk.deaf_peer()
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    outbound = desk.outbounds[0]
    await within(desk.do(outbound.wait_closed))
    assert outbound.close_code == 1006 and not await desk.do(lambda: outbound.write(prepare(b"hello?")))
    assert not await desk.do(lambda: outbound.write_paced(prepare(b"hello?")))
    await eventually(lambda: desk.left)


async def test_a_peer_that_half_closes_and_does_not_read_is_cut(desk: Desk) -> None:
    """What still waits for it must not keep the connection open."""
    peer = await desk.deaf_peer()
    outbound = desk.outbounds[0]
    await desk.do(lambda: [outbound.write(prepare(b"x" * 8 * KIB)) for _ in range(100)])
    assert outbound.pending_bytes > 0
    peer.socket.shutdown(socket.SHUT_WR)
    await within(desk.do(outbound.wait_closed))
    await eventually(lambda: desk.left)
    peer.close()


async def test_a_handler_that_leaves_does_not_wait_for_the_reader(desk: Desk) -> None:
    """Its close goes behind what it wrote, and the handler is gone."""
    peer = await desk.deaf_peer(path="/brief")
    await eventually(lambda: not desk.server.server_state.tasks)
    assert desk.outbounds[0].close_code == 1000 and desk.outbounds[0].pending_bytes > 0
    reading = asyncio.ensure_future(asyncio.to_thread(peer.read_all))
    peer.say_goodbye()
    assert (await within(reading)).endswith(prepare_close(1000))
    peer.close()


async def test_typing_is_dropped_while_much_waits(desk: Desk) -> None:
    """Ephemeral frames are only for those who keep up, and come back when they do."""
    peer = await desk.deaf_peer()
    outbound = desk.outbounds[0]

    def fill() -> None:
        while outbound.pending_bytes <= 64 * KIB:
            assert outbound.write(prepare(b"x" * 8 * KIB))

    await desk.do(fill)
    before = outbound.pending_bytes
    assert not await desk.do(lambda: outbound.write_ephemeral(prepare(b"typing")))
    assert outbound.pending_bytes <= before and not outbound.closed
    reading = asyncio.ensure_future(asyncio.to_thread(peer.read_all))
    await eventually(lambda: outbound.pending_bytes == 0)
    assert await desk.do(lambda: outbound.write_ephemeral(prepare(b"typing again")))
    await desk.do(lambda: outbound.close(1000))
    peer.say_goodbye()
    assert b"typing again" in await within(reading)
    peer.close()


async def test_requested_pages_wait_for_the_reader_and_keep_their_place(desk: Desk) -> None:
    """Paced writes stop while 64 KiB wait, live frames go on between them, and none overtakes another."""
    client = await desk.deaf_peer()
    outbound = desk.outbounds[0]
    order: list[bytes] = []
    most = 0

    async def resume() -> None:
        nonlocal most
        for number in range(12):
            assert await outbound.write_paced(prepare(b"page %d " % number + b"p" * 100 * KIB))
            order.append(b"page %d " % number)
            most = max(most, outbound.pending_bytes)

    async def live() -> None:
        for number in range(12):
            assert outbound.write(prepare(b"live %d " % number))
            order.append(b"live %d " % number)
            await asyncio.sleep(0.01)

    both = asyncio.ensure_future(desk.do(lambda: _together(resume(), live())))
    await eventually(lambda: len([name for name in order if name.startswith(b"live")]) == 12)
    assert b"page 11 " not in order, "pages did not wait"
    assert not both.done()

    reading = asyncio.ensure_future(asyncio.to_thread(client.read_all))
    await within(both)
    await desk.do(lambda: outbound.close(1000))
    client.say_goodbye()
    data = await within(reading)
    assert [text[: len(name)] for text, name in zip(payloads(data[:-4]), order, strict=True)] == order
    assert most < 64 * KIB + 101 * KIB
    client.close()


async def _together(*coroutines: Any) -> None:
    await asyncio.gather(*coroutines)


async def test_requested_pages_are_not_held_against_a_slow_reader(desk: Desk) -> None:
    """Only live frames count towards 4008, however many pages stand before them."""
    peer = await desk.deaf_peer()
    outbound = desk.outbounds[0]
    page, frame = prepare(b"p" * 700 * KIB), prepare(b"l" * 16 * KIB)

    async def fill() -> int:
        assert await outbound.write_paced(page)
        count = 0
        while outbound.write(frame):
            count += 1
        return count

    taken = await within(desk.do(fill))
    assert taken == MAX_LIVE_BYTES // len(frame)
    assert outbound.close_code == 4008
    peer.close()


async def test_pages_wait_no_longer_than_the_socket_lives(desk: Desk) -> None:
    """A page for somebody who left is given up, not waited for."""
    peer = await desk.deaf_peer()
    outbound = desk.outbounds[0]

    async def fill() -> None:
        while outbound.pending_bytes <= 64 * KIB:
            assert await outbound.write_paced(prepare(b"x" * 32 * KIB))

    await within(desk.do(fill))
    page = asyncio.ensure_future(desk.do(lambda: outbound.write_paced(prepare(b"page"))))
    await asyncio.sleep(0.1)
    assert not page.done()
    await desk.do(lambda: outbound.close(4001))
    assert await within(page) is False
    assert not desk.protocols[0].disconnected, "it waited for the end of the connection"
    peer.close()


async def test_a_bug_in_the_handler_is_a_server_error_to_the_peer(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """4002 tells the client to come back; the traceback is for us."""
    client = await connect(desk.url("/broken"), compression=None)
    with pytest.raises(ConnectionClosed):
        await within(client.recv())
    assert client.close_code == 4002
    await eventually(lambda: "a bug of ours" in caplog.text)


async def test_a_bug_in_a_bare_application_is_one_too(caplog: pytest.LogCaptureFixture) -> None:
    """The same holds without Quart."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await bare_lifespan(receive, send)
            return
        await send({"type": "websocket.accept"})
        raise LookupError("a bug of ours")

    async with serving(app) as port:
        client = await connect(f"ws://127.0.0.1:{port}/", compression=None)
        with pytest.raises(ConnectionClosed):
            await within(client.recv())
    assert client.close_code == 4002
    assert "a bug of ours" in caplog.text
