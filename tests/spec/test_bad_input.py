"""Whatever a client sends: a typed error or nothing. Nothing is stored, nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from deskbell.config import Settings
from deskbell.testing.desk import Desk, Line, Person
from deskbell.wire import commands

NOWHERE = "01900000-0000-7000-8000-000000000000"
EXAMPLES, KINDS, FRAMES = 100, 10, 100


@dataclass
class House:
    """Eve, who sends anything; Ana and Tom, whose room is none of hers."""

    desk: Desk
    eve: Person
    room: str
    message: str
    own_room: str
    witness: Line

    async def stored(self) -> dict[str, list[Any]]:
        """Everything the store holds of what people do."""
        db = self.desk.application.ports.db
        tables = ("messages", "participants", "reactions", "revisions", "held_messages", "cases", "outbox", "rooms")
        return {table: [tuple(row.values()) for row in await db.fetch(f"SELECT * FROM {table}")] for table in tables}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    path = tmp_path_factory.mktemp("desk") / "desk.sqlite3"
    limits = {"errors_per_socket": 1_000_000, "connections_per_user": 1000}
    async with Desk.open(f"sqlite:///{path}", limits=limits) as desk:
        ana, tom, eve = [await desk.member(name) for name in ("Ana", "Tom", "Eve")]
        room, own_room = await ana.group(tom), await eve.group()
        witness = await ana.connect()
        await witness.subscribe(room)
        message = (await witness.says(room, "none of hers"))["id"]
        await witness.hears(room, "none of hers")
        await witness.wait("inbox")
        yield House(desk, eve, room, message, own_room, witness)


BAD_FRAMES: list[str | bytes] = [
    "",
    " ",
    "nonsense",
    "null",
    "true",
    "0",
    "[]",
    '"send"',
    "{}",
    "{",
    '{"type"}',
    '{"type":"send"',
    '{"type":"send","room":"x","content":"a"}garbage',
    '{"type":"send","room":"x","content":"\\ud800"}',
    '{"type":"send","room":"x","content":"\\udc00\\ud800"}',
    '{"type":["send"]}',
    '{"type":null}',
    '{"type":"SEND"}',
    '{"type":"welcome"}',
    '{"type":"message","room":"x","seq":1,"message":{}}',
    '{"type":"__class__"}',
    '{"type":"send","type":"ping","room":"x","content":"a"}',
    '{"type":"ping","ref":{"a":1}}',
    '{"type":"ping","ref":1e999}',
    '{"type":"read","room":"x","seq":NaN}',
    '{"type":"read","room":"x","seq":1.5}',
    '{"type":"read","room":"x","seq":' + "9" * 4000 + "}",
    '{"type":"subscribe","rooms":{"id":"x"}}',
    '{"type":"subscribe","rooms":[{"id":"x","since":' + "9" * 400 + "}]}",
    '{"type":"subscribe","rooms":[' + ",".join(['{"id":"x"}'] * 5000) + "]}",
    '{"type":"unsubscribe","rooms":[' + ",".join(['"x"'] * 5000) + "]}",
    '{"type":"ping","a":' + "[" * 30_000 + "]" * 30_000 + "}",
    '{"type":"ping","a":' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "}",
    '{"type":"send","room":"x","content":"a","metadata":' + '{"a":' * 40 + "1" + "}" * 40 + "}",
    '{"type":"auth","token":"x"}',
    "x" * 65_537,
    "é" * 32_800,
    b"",
    b"\x00",
    b'{"type":"ping"}',
    bytes(range(256)),
]


@pytest.mark.parametrize("frame", BAD_FRAMES, ids=lambda frame: repr(frame[:40]))
async def test_what_is_no_frame_is_an_error_and_the_socket_stays(house: House, frame: str | bytes) -> None:
    async with house.eve.line() as line:
        start = len(line.frames)
        await line.send(frame)
        await line.ask({"type": "ping"})
        (error,) = [told for told in line.frames[start:] if told["type"] != "pong"]
        assert error["type"] == "error"
        assert error["temporary"] is False
        assert error["code"] in ("invalid", "unknown_type", "too_deep", "too_large")
        assert error["message"]
        assert len(str(error)) < 2000, "an error does not echo what was sent"


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"x" * 70_000, 1009), (b"\xff\xfe", 1007), (b"\xed\xa0\x80", 1007)],
    ids=["too large for anything", "no UTF-8", "a lone surrogate"],
)
async def test_what_breaks_websocket_itself_ends_that_socket_alone(house: House, payload: bytes, code: int) -> None:
    async with house.eve.line() as line, house.eve.line() as other:
        await line._connection.send(payload, text=True)
        assert await line.wait_closed() == code
        await other.ask({"type": "ping"})


FOREIGN: list[dict[str, Any]] = [
    {"type": "subscribe", "rooms": [{"id": "$room"}]},
    {"type": "subscribe", "rooms": [{"id": "$room", "since": 0}]},
    {"type": "send", "room": "$room", "content": "let me in"},
    {"type": "send", "room": "$own", "content": "quote", "reply_to": "$message"},
    {"type": "send", "room": "$own", "content": "thread", "thread": "$message"},
    {"type": "send", "room": "$own", "content": "Ana!", "mentions": ["$ana"]},
    {"type": "send", "room": "$own", "content": "I am the platform", "kind": "system"},
    {"type": "send", "room": "$own", "content": "trust me", "metadata": {"sources": ["x"]}},
    {"type": "send", "room": "$own", "content": "trust me", "metadata": {"event": "resolved"}},
    {"type": "send", "room": "$own", "content": "nul \x00"},
    {"type": "send", "room": "$own", "content": "nul", "client_id": "\x00"},
    {"type": "send", "room": "$own", "content": "zero", "client_id": " "},
    {"type": "edit", "message": "$message", "content": "changed"},
    {"type": "delete", "message": "$message"},
    {"type": "react", "message": "$message", "emoji": "👍"},
    {"type": "unreact", "message": "$message", "emoji": "👍"},
    {"type": "pin", "message": "$message"},
    {"type": "unpin", "message": "$message"},
    {"type": "read", "room": "$room", "seq": 1},
    {"type": "delivered", "room": "$room", "seq": 1},
    {"type": "typing", "room": "$room", "on": True},
    {"type": "history", "room": "$room"},
    {"type": "escalate", "room": "$room"},
    {"type": "stop", "room": "$room", "turn": "1"},
    {"type": "refresh", "token": "$token"},
]


@pytest.mark.parametrize("frame", FOREIGN, ids=lambda frame: f"{frame['type']} {sorted(frame)}")
async def test_what_is_not_one_s_own_cannot_be_touched_or_forged(house: House, frame: dict[str, Any]) -> None:
    ana = house.witness.frames[0]["user"]["id"]
    text = msgspec.json.encode(frame).decode()
    for name, value in (("room", house.room), ("own", house.own_room), ("message", house.message), ("ana", ana)):
        text = text.replace(f"${name}", value)
    before, start = await house.stored(), len(house.witness.frames)
    async with house.eve.line() as line:
        error = await line.ask(msgspec.json.decode(text))
        assert error["type"] == "error", error
        assert error["code"] in ("not_found", "invalid", "kind_not_allowed", "unauthenticated")
        assert "none of hers" not in str(line.frames)
    assert await house.stored() == before
    await house.witness.ask({"type": "ping"})
    assert [told["type"] for told in house.witness.frames[start:]] == ["pong"]


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_names = sorted({name for command in commands.COMMANDS for name in command.__struct_fields__})


@st.composite
def _frames(draw: st.DrawFn) -> Any:
    """Anything, from noise to a frame that is almost right; never one that may be done."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.binary(max_size=40))
    if kind == 1:
        return draw(st.text(max_size=60))
    fields: dict[str, Any] = draw(st.dictionaries(st.sampled_from(_names), _junk, max_size=4))
    fields["type"] = draw(st.sampled_from(sorted(commands.TYPES)) if kind > 2 else _junk)
    ids = st.sampled_from(["$room", "$message", NOWHERE, "x", "", "\x00", "0" * 36])
    if kind > 4:
        command = next((c for c in commands.COMMANDS if c.__struct_config__.tag == fields["type"]), None)
        place = st.fixed_dictionaries({"id": ids}, optional={"since": st.integers(0, 2**53)})
        likely = {
            "room": ids, "message": ids, "token": st.text(max_size=30), "seq": st.integers(-1, 2**53),
            "rooms": st.lists(place, max_size=3),
            "content": st.text(max_size=30), "client_id": st.text(max_size=10), "emoji": st.sampled_from("👍x\x00 "),
            "on": st.booleans(), "turn": st.text(max_size=5), "reason": st.text(max_size=5),
            "metadata": st.dictionaries(st.text(max_size=5), _junk, max_size=3),
        }  # fmt: skip
        for name in command.__struct_fields__ if command is not None else ():
            if name in likely:
                fields[name] = draw(likely[name])
        if fields["type"] == "unsubscribe":
            fields["rooms"] = draw(st.lists(ids, max_size=3))
    try:
        text = msgspec.json.encode(fields).decode()
    except (msgspec.EncodeError, UnicodeEncodeError, OverflowError, ValueError):
        return "{"
    return text[: draw(st.integers(0, len(text)))] if kind == 3 else text


def _spoiled(frame: str | bytes, chance: random.Random) -> str | bytes:
    """The same frame after an accident: something cut out, doubled, moved or replaced."""
    start, end = sorted(chance.randrange(len(frame) + 1) for _ in range(2))
    piece = frame[start:end]
    if isinstance(frame, bytes):
        return frame[:start] + piece * chance.choice((0, 2)) + frame[end:]
    instead = ("", piece * 2, piece[::-1], "\x00", "null", '"', "{", "}]", "1e9", "-1", "\\ud800", "é👍", "9" * 30)
    return frame[:start] + chance.choice(instead) + frame[end:]


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(kinds=st.lists(_frames(), min_size=KINDS, max_size=KINDS), seed=st.integers(0, 2**32))
async def test_ten_thousand_frames_of_anything(house: House, kinds: list[Any], seed: int) -> None:
    """A typed error or nothing, one reply for a ref; the socket stays, the store and the others notice nothing."""
    chance = random.Random(seed)
    batch = [*kinds, *(_spoiled(chance.choice(kinds), chance) for _ in range(FRAMES - KINDS))]
    before, start = await house.stored(), len(house.witness.frames)
    async with house.eve.line() as line:
        for number, frame in enumerate(batch):
            if isinstance(frame, str):
                frame = frame.replace("$room", house.room).replace("$message", house.message)
                if frame.startswith("{") and frame.endswith("}") and '"ref"' not in frame and len(frame) > 2:
                    frame = f'{{"ref":"n{number}",{frame[1:]}'
            await line.send(frame)
        reply = await line.ask({"type": "ping"})
        assert reply["type"] == "pong"
        # What the worker still has to do comes before the answer to this.
        assert (await line.ask({"type": "read", "room": house.own_room, "seq": 0}))["type"] == "ok"
        for told in line.frames[1:]:
            assert told["type"] in ("error", "ok", "pong", "ping", "reset", "tips"), told
            if told["type"] == "error":
                assert told["code"] not in ("error", "unavailable"), told
                assert len(str(told)) < 4000
        refs = [told["ref"] for told in line.frames[1:] if str(told.get("ref", "")).startswith("n")]
        several = {ref for ref in refs if refs.count(ref) > 1}
        assert all('"subscribe"' in str(batch[int(ref[1:])]) for ref in several), "only one room each is answered apart"
    assert await house.stored() == before
    await house.witness.ask({"type": "ping"})
    assert {told["type"] for told in house.witness.frames[start:]} <= {"pong", "ping", "tips"}


async def test_none_of_this_was_a_surprise_to_us(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Bad input is no bug of ours: it leaves no traceback in our log, which a stranger could fill with it."""
    with caplog.at_level(logging.WARNING):
        async with house.eve.line() as line:
            for frame in BAD_FRAMES:
                await line.send(frame)
            await line.ask({"type": "ping"})
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize(
    "half", ["\\ud83d", "a\\ud83db", "\\udc4d", "\\\\\\ud83d", "\\ud83d\\ud83d\\udc4d", "\\uD83D\\n"]
)
async def test_half_a_character_is_called_what_it_is(house: House, half: str) -> None:
    """Some clients cut an emoji in two; their author must be able to find out, on the socket and over REST."""
    async with house.eve.line() as line:
        await line.send(f'{{"type": "send", "room": "{house.own_room}", "content": "{half}"}}')
        told = await line.wait("error")
        assert told["code"] == "invalid" and "half of a character" in told["message"]
    answer = await house.eve.call(
        "POST",
        f"/rooms/{house.own_room}/messages",
        content=f'{{"content": "{half}"}}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 400 and "half of a character" in answer.json()["error"]["message"]


@pytest.mark.parametrize("whole", ["\\ud83d\\udc4d", "\\\\ud83d", "\\\\\\ud83d\\udc4d"])
async def test_a_whole_character_may_be_written_in_any_way(house: House, whole: str) -> None:
    async with house.eve.line() as line:
        await line.send(f'{{"type": "send", "room": "{house.own_room}", "content": "{whole}"}}')
        await line.wait("ack")


async def test_too_many_errors_close_the_socket_for_good(empty_sqlite_url: str) -> None:
    """Refusals are not errors of the protocol and are not counted; malformed frames are."""
    assert Settings().limits.errors_per_socket == 50
    async with Desk.open(empty_sqlite_url, limits={"errors_per_socket": 10}) as desk:
        eve, ana = await desk.member("Eve"), await desk.member("Ana")
        line, other = await eve.connect(), await ana.connect()
        for _ in range(30):
            await line.ask({"type": "history", "room": NOWHERE})
        for _ in range(10):
            await line.ask({"type": "fly"})
        assert line.closed is None
        await line.send({"type": "fly"})
        assert await line.wait_closed() == 4509
        assert line.frames[-1]["type"] == "error"
        await other.ask({"type": "ping"})


async def test_a_socket_that_never_stops_talking_is_closed_and_may_come_back_later(empty_sqlite_url: str) -> None:
    """Whatever its frames say; others go on, and so does its user on a new socket."""
    assert Settings().limits.frame_burst >= 1000 and Settings().limits.frames_per_min >= 1000
    async with Desk.open(empty_sqlite_url, limits={"frames_per_min": 60, "frame_burst": 20}) as desk:
        eve, ana = await desk.member("Eve"), await desk.member("Ana")
        line, other = await eve.connect(), await ana.connect()
        for _ in range(19):
            await line.ask({"type": "ping"})
        assert line.closed is None
        with contextlib.suppress(ConnectionClosed):
            for _ in range(20):
                await line.send({"type": "pong"})
        assert await line.wait_closed() == 4013
        told = line.frames[-1]
        assert (told["code"], told["temporary"]) == ("rate_limited", True)
        assert told["retry_after_ms"] > 0 and told["details"] == {"rule": "limits.frames_per_min"}
        await other.ask({"type": "ping"})
        async with eve.line() as again:
            await again.ask({"type": "ping"})


async def test_a_flood_is_answered_at_the_pace_it_is_read(empty_sqlite_url: str) -> None:
    """Ten thousand pings that nobody waits for cost neither memory nor the others."""
    async with Desk.open(empty_sqlite_url) as desk:
        eve, ana = await desk.member("Eve"), await desk.member("Ana")
        line, other = await eve.connect(), await ana.connect()
        room = await ana.group()
        try:
            for n in range(10_000):
                await line.send('{"type":"ping"}')
                if n % 2000 == 0:
                    await other.says(room, f"{n}")
        except ConnectionClosed:  # too slow for its own answers
            pass
        await other.ask({"type": "ping"})
        await asyncio.sleep(0)
        assert all(c.out.pending_bytes <= 1 << 20 for c in desk.application.edge.hub.connections)  # type: ignore[attr-defined]
