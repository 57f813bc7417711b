"""Promise 13: a slow reader never costs others, and costs us no more than was promised."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect

from deskbell.server.outbound import EPHEMERAL_LIMIT_BYTES, HURRIED_CLOSE_S, MAX_LIVE_BYTES, Outbound
from deskbell.testing.desk import Desk, Person

SPEED_READERS, NON_READERS = 150, 50
KIB = 1024


@pytest.fixture
async def stubborn_ones() -> AsyncIterator[list[ClientConnection]]:
    """Who must be cut off at the end, since they answer nothing."""
    connections: list[ClientConnection] = []
    yield connections
    for connection in connections:
        connection.transport.abort()
        await connection.wait_closed()


@pytest.fixture
async def desk(empty_sqlite_url: str) -> AsyncIterator[Desk]:
    async with Desk.open(empty_sqlite_url, limits={"connections_per_user": 1000}) as desk:
        yield desk


async def stubborn(desk: Desk, person: Person, room: str, stubborn_ones: list[ClientConnection]) -> ClientConnection:
    """A socket that subscribes and then never reads a byte again; its own kernel takes next to nothing."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.setblocking(False)
    host, port = desk.url.removeprefix("http://").split(":")
    await asyncio.get_running_loop().sock_connect(small, (host, int(port)))
    address = f"{desk.url.replace('http', 'ws', 1)}/api/v1/ws?token={person.token}"
    connection = await connect(address, sock=small, compression=None, proxy=None, max_queue=4, close_timeout=0.1)
    stubborn_ones.append(connection)
    await connection.send(msgspec.json.encode({"type": "subscribe", "rooms": [{"id": room}]}).decode())
    while msgspec.json.decode(await connection.recv())["type"] != "subscribed":
        pass
    connection.transport.pause_reading()
    return connection


def outs(desk: Desk) -> dict[str, Outbound]:
    return {c.id: c.out for c in desk.application.edge.hub.connections}  # type: ignore[misc]


async def test_fifty_who_never_read_do_not_cost_the_other_hundred_and_fifty(
    desk: Desk, stubborn_ones: list[ClientConnection]
) -> None:
    """In a room of two hundred: the others hear everything, in order; the fifty are closed with 4008 and cut off."""
    ana, tom, eve = [await desk.member(name) for name in ("Ana", "Tom", "Eve")]
    room = await ana.group(tom, eve)
    readers = [await tom.connect() for _ in range(SPEED_READERS)]
    await asyncio.gather(*(line.subscribe(room) for line in readers))
    known = set(outs(desk))
    for _ in range(NON_READERS):
        await stubborn(desk, eve, room, stubborn_ones)
    deaf = {id_: out for id_, out in outs(desk).items() if id_ not in known}
    assert len(deaf) == NON_READERS
    sender = await ana.connect()

    most = 0
    texts = [f"{n} " + "x" * (14 * KIB) for n in range(120)]
    for text in texts:
        await sender.says(room, text)
        most = max(most, *(out.pending_bytes for out in deaf.values()))
        assert sum(out.pending_bytes for out in deaf.values()) <= NON_READERS * MAX_LIVE_BYTES

    assert EPHEMERAL_LIMIT_BYTES < most <= MAX_LIVE_BYTES, "what waits here is bounded, and it did wait"
    await desk.until(lambda: all(out.close_code == 4008 for out in deaf.values()))
    await desk.until(lambda: desk.application.edge.hub.connection_count == SPEED_READERS + 1)
    # Cut off two seconds later, although they never read the close frame either.
    await desk.until(lambda: all(out.pending_bytes == 0 for out in deaf.values()), patience_s=HURRIED_CLOSE_S + 4)
    for line in readers:
        await line.hears(room, texts[-1])
        assert line.heard(room) == texts
        assert line.closed is None
    await sender.says(room, "and on")
    await asyncio.gather(*(line.hears(room, "and on") for line in readers))


async def test_a_slow_reader_is_not_told_who_is_typing(desk: Desk, stubborn_ones: list[ClientConnection]) -> None:
    """What nobody misses is dropped first; what is stored is not."""
    ana, eve = await desk.member("Ana"), await desk.member("Eve")
    room = await ana.group(eve)
    known = set(outs(desk))
    slow = await stubborn(desk, eve, room, stubborn_ones)
    (out,) = [out for id_, out in outs(desk).items() if id_ not in known]
    sender = await ana.connect()
    n = 0
    while out.pending_bytes <= EPHEMERAL_LIMIT_BYTES:
        await sender.says(room, f"{n} " + "x" * (14 * KIB))
        n += 1
    waiting = out.pending_bytes
    for on in (True, False) * 10:
        await sender.send({"type": "typing", "room": room, "on": on})
    await sender.ask({"type": "ping"})
    assert out.pending_bytes == waiting
    await sender.says(room, "the end")
    assert out.pending_bytes > waiting

    slow.transport.resume_reading()
    heard: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while not heard or heard[-1].get("message", {}).get("content") != "the end":
            heard.append(msgspec.json.decode(await slow.recv()))
    assert len([frame for frame in heard if frame["type"] == "message"]) == n + 1
    assert not [frame for frame in heard if frame["type"] == "typing"]
    await slow.close()


async def test_what_was_asked_for_is_never_held_against_its_reader(
    desk: Desk, stubborn_ones: list[ClientConnection]
) -> None:
    """Ten megabytes of resume to somebody who reads slowly: page by page, as fast as they take them."""
    ana, eve = await desk.member("Ana"), await desk.member("Eve")
    room = await ana.group(eve)
    sender = await ana.connect()
    tip = (await sender.subscribe(room))["seq"]
    await sender.ask({"type": "unsubscribe", "rooms": [room]})
    for _ in range(35):
        await asyncio.gather(*(sender.says(room, "x" * (14 * KIB)) for _ in range(20)))
    known = set(outs(desk))
    slow = await stubborn(desk, eve, await eve.group(), stubborn_ones)
    (out,) = [out for id_, out in outs(desk).items() if id_ not in known]
    asked = {"type": "subscribe", "rooms": [{"id": room, "since": tip}]}
    await slow.send(msgspec.json.encode(asked).decode())
    await asyncio.sleep(0.5)
    assert out.pending_bytes <= 512 * KIB, "nobody reads, so nothing more is read for them"
    most, pages, messages, seq = 0, 0, 0, tip
    more = True
    async with asyncio.timeout(30):
        while more:
            slow.transport.resume_reading()
            frame = msgspec.json.decode(await slow.recv())
            slow.transport.pause_reading()
            most = max(most, out.pending_bytes)
            if frame.get("room") != room or frame["type"] not in ("subscribed", "changes"):
                continue
            assert frame["type"] == "subscribed" or frame["since"] == seq
            pages, messages, seq, more = pages + 1, messages + len(frame["messages"]), frame["seq"], frame["more"]
    assert messages == 700
    assert pages > 50
    assert out.close_code is None
    assert most <= 512 * KIB, "the server does not run ahead of the reader"
    slow.transport.resume_reading()
    await slow.close()
