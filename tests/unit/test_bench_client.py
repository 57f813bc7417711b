"""The load client of the bench counts what really arrived, however the network cuts it.

The frames come from ``websockets``, an implementation that is not ours.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader

from deskbell.bench import frames
from deskbell.bench.load import AckedSends, Broadcast, Caller, Drain, Socket, Speech, Step, Tally, cut_all, open_all
from deskbell.bench.processes import BenchFailed

MARKER = b'{"type":"message"'
SPEECH = Speech(
    delivery=MARKER, ack=b'{"type":"ack"', refusal=b'{"type":"error"', heartbeats={b'{"type":"ping"': b"{}"}
)


def text(payload: bytes) -> bytes:
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


def delivery(size: int) -> bytes:
    return MARKER + b',"content":"' + b"x" * size + b'"}'


class Heard:
    """A counter with what it handed on."""

    def __init__(self) -> None:
        self.others: list[tuple[int, bytes]] = []
        self.counter = frames.FrameCounter(MARKER, lambda opcode, payload: self.others.append((opcode, payload)))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.mark.parametrize("size", [0, 80, 125, 126, 790, 65_535, 65_536, 200_000])
def test_a_message_of_any_size_counts_once_with_its_size_on_the_wire(heard: Heard, size: int) -> None:
    """All three length encodings, and the sizes around their limits."""
    frame = text(delivery(size))
    assert heard.counter.feed(frame * 3) == 3
    assert (heard.counter.delivered, heard.counter.delivered_bytes) == (3, 3 * len(frame))
    assert heard.others == []


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 17, 64, 1000])
def test_reads_cut_anywhere_change_nothing(heard: Heard, cut: int) -> None:
    """TCP has no frames: the same stream in pieces of any size gives the same count and the same replies."""
    ping = Frame(Opcode.PING, b"p").serialize(mask=False)
    close = Frame(Opcode.CLOSE, Close(4001, "drain").serialize()).serialize(mask=False)
    reply = b'{"type":"ack","ref":1}'
    stream = b"".join(
        [text(delivery(40)), text(reply), text(delivery(790)), ping, text(delivery(70_000)), text(b""), close]
    )
    found = sum(heard.counter.feed(stream[at : at + cut]) for at in range(0, len(stream), cut))
    assert found == heard.counter.delivered == 3
    assert heard.counter.delivered_bytes == sum(len(text(delivery(size))) for size in (40, 790, 70_000))
    assert heard.others == [
        (frames.TEXT, reply),
        (frames.PING, b"p"),
        (frames.TEXT, b""),
        (frames.CLOSE, b"\x0f\xa1drain"),
    ]


def test_random_streams_in_random_pieces_count_as_written(heard: Heard) -> None:
    """A long mixed stream, cut at random, ends with the number of deliveries that went in."""
    dice = random.Random(7)
    written = [dice.choice([delivery(dice.randrange(2000)), b'{"type":"tips"}']) for _ in range(2000)]
    stream = b"".join(map(text, written))
    at = 0
    while at < len(stream):
        step = dice.randrange(1, 5000)
        heard.counter.feed(stream[at : at + step])
        at += step
    assert heard.counter.delivered == sum(payload.startswith(MARKER) for payload in written)
    assert len(heard.others) == len(written) - heard.counter.delivered


def test_the_marker_of_the_next_frame_is_not_ours(heard: Heard) -> None:
    """A short reply just before a delivery stays a reply."""
    assert heard.counter.feed(text(b"{}") + text(delivery(10))) == 1
    assert heard.others == [(frames.TEXT, b"{}")]


def test_a_text_that_quotes_the_marker_is_no_delivery(heard: Heard) -> None:
    """What a user wrote deep inside a page does not inflate the figures."""
    page = b'{"type":"subscribed","room":"' + b"r" * 36 + b'","messages":[' + delivery(20) + b"]}"
    assert heard.counter.feed(text(page)) == 0
    assert heard.others == [(frames.TEXT, page)]


def test_a_fragmented_message_counts_once(heard: Heard) -> None:
    """By its first frame; the rest is handed on and is nobody's delivery."""
    whole = delivery(500)
    first = Frame(Opcode.TEXT, whole[:200], fin=False).serialize(mask=False)
    rest = Frame(Opcode.CONT, whole[200:]).serialize(mask=False)
    assert heard.counter.feed(first + rest) == 1
    assert heard.others == [(frames.CONTINUATION, whole[200:])]


def test_a_compressed_or_masked_frame_is_refused(heard: Heard) -> None:
    """Neither was agreed upon; counting such a stream would be guessing."""
    compressed = bytearray(text(delivery(5)))
    compressed[0] |= 0x40  # RSV1, as permessage-deflate sets it
    with pytest.raises(ValueError, match="extension"):
        heard.counter.feed(bytes(compressed))
    with pytest.raises(ValueError, match="masked"):
        Heard().counter.feed(Frame(Opcode.TEXT, delivery(5)).serialize(mask=True))


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_what_the_client_says_is_a_frame_to_others(size: int) -> None:
    """``websockets`` reads our client frames back, masked and final."""
    reader = StreamReader()
    payload = b"s" * size
    reader.feed_data(frames.client_frame(payload))
    parsing = Frame.parse(reader.read_exact, mask=True)
    with pytest.raises(StopIteration) as read:
        next(parsing)
    assert read.value.value == Frame(Opcode.TEXT, payload)


class Room:
    """A tiny real server, on `websockets`: greets, acknowledges, and tells everybody but the deaf."""

    def __init__(self) -> None:
        self.members: set[object] = set()
        self.lose_acks = False
        self.refuse = False
        self.repeat = False
        self.close_on_send = False


@pytest.fixture
async def room():
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    state = Room()

    async def member(connection: ServerConnection) -> None:
        await connection.send('{"type":"welcome"}')
        assert await connection.recv() == "hello"
        await connection.send('{"type":"subscribed","seq":7}')
        state.members.add(connection)
        try:
            async for said in connection:
                if state.close_on_send:
                    await connection.close(4008, "too slow")
                elif state.refuse:
                    await connection.send('{"type":"error","code":"rate"}')
                else:
                    if not state.lose_acks:
                        await connection.send('{"type":"ack"}')
                    broadcast(state.members, said)
                    if state.repeat:
                        broadcast({connection}, said)
        finally:
            state.members.discard(connection)

    async with (
        serve(member, "127.0.0.1", 0, compression=None) as server,
        serve(member, "127.0.0.1", 0, compression=None) as second,
    ):
        state.port, state.second = (next(iter(each.sockets)).getsockname()[1] for each in (server, second))
        yield state


SCRIPT = (Step(b'{"type":"welcome"', b"hello"), Step(b'{"type":"subscribed"'))


async def until(seen: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not seen():
            await asyncio.sleep(0.01)


async def entered(room, tally: Tally, count: int) -> list[Socket]:
    return await open_all([room.port], [Caller("/", SCRIPT)] * count, SPEECH, tally)


async def test_callers_reach_several_instances_in_turn(room) -> None:
    """Neighbours in the list meet different instances: that is how a room is spread over all of them."""
    tally = Tally()
    sockets = await open_all([room.port, room.second], [Caller("/", SCRIPT)] * 5, SPEECH, tally)
    try:
        reached = []
        for entered_as in sockets:
            taken = entered_as.hand_over()
            reached.append(taken.getpeername()[1])
            taken.detach()
        assert reached == [room.port, room.second, room.port, room.second, room.port]
    finally:
        cut_all(sockets)


async def test_a_broadcast_ends_when_everybody_has_everything(room) -> None:
    """What the tally says after stop is exactly sends times members, read by the drain and by the loop."""
    tally = Tally()
    sockets = await entered(room, tally, 12)
    drain = Drain(sockets[2:])
    try:
        broadcast = Broadcast(
            sockets[:2], tally, members=12, window=8, acks=True, compose=lambda n: delivery(250) + str(n).encode()
        )
        broadcast.start()
        await until(lambda: broadcast.sent >= 100)
        await broadcast.stop()
        tally.check()
        assert broadcast.sent >= 100
        assert tally.acked == broadcast.sent
        assert tally.delivered == broadcast.sent * 12
    finally:
        await drain.stop()
        cut_all(sockets)


async def test_no_more_than_the_window_is_under_way(room) -> None:
    """Without acks nothing finishes, so the senders fall silent at the window, and stop says what is missing."""
    room.lose_acks = True
    tally = Tally()
    sockets = await entered(room, tally, 3)
    try:
        broadcast = Broadcast(sockets[:1], tally, members=3, window=5, acks=True, compose=lambda _: delivery(10))
        broadcast.start()
        await until(lambda: tally.delivered >= 15)
        with pytest.raises(BenchFailed, match="5 of 5 messages did not reach everybody"):
            await broadcast.stop(timeout_s=0.1)
    finally:
        cut_all(sockets)


async def test_a_delivery_that_comes_twice_fails_the_measurement(room) -> None:
    """A server that repeats itself must not look fast."""
    room.repeat = True
    tally = Tally()
    sockets = await entered(room, tally, 3)
    try:
        broadcast = Broadcast(sockets[:1], tally, members=3, window=1, acks=True, compose=lambda _: delivery(10))
        broadcast.start()
        await until(lambda: broadcast.sent >= 10)
        with pytest.raises(BenchFailed, match="deliveries more than"):
            await broadcast.stop()
    finally:
        cut_all(sockets)


async def test_each_sender_keeps_its_sends_in_flight(room) -> None:
    """A send leaves for each ack, and every one is answered in the end."""
    tally = Tally()
    sockets = await entered(room, tally, 4)
    try:
        sends = AckedSends(sockets, tally, in_flight=3, compose=lambda index, n: delivery(20))
        sends.start()
        assert sends.sent == 12
        await until(lambda: sends.sent >= 200)
        await sends.stop()
        assert tally.acked == sends.sent
    finally:
        cut_all(sockets)


async def test_a_refused_send_fails_the_measurement(room) -> None:
    """A server that refuses quickly must not look fast."""
    room.refuse = True
    tally = Tally()
    sockets = await entered(room, tally, 1)
    try:
        sockets[0].say(b"anything")
        await until(lambda: tally.refused)
        with pytest.raises(BenchFailed, match="rate"):
            tally.check()
    finally:
        cut_all(sockets)


async def test_a_closed_socket_fails_the_measurement(room) -> None:
    """The close code is in the sentence, so one knows why."""
    room.close_on_send = True
    tally = Tally()
    sockets = await entered(room, tally, 2)
    sockets[0].say(b"anything")
    await until(lambda: tally.lost)
    with pytest.raises(BenchFailed, match="closed with 4008 too slow"):
        tally.check()
    cut_all(sockets)


async def test_sockets_cut_on_purpose_are_not_counted_as_lost(room) -> None:
    """The reconnect scenario cuts thousands of them."""
    tally = Tally()
    sockets = await entered(room, tally, 5)
    assert [await socket.ready for socket in sockets] == [b'{"type":"subscribed","seq":7}'] * 5
    cut_all(sockets)
    await until(lambda: not room.members)
    tally.check()


async def test_who_is_not_let_in_is_named(room) -> None:
    """A caller whose script does not come through fails the opening, in bounded time."""
    with pytest.raises(BenchFailed, match="0 of 1 sockets"):
        await open_all([room.port], [Caller("/", (Step(b"never"),))], SPEECH, Tally(), timeout_s=0.2)
