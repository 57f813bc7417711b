"""How much one may ask for, in which order it is answered, and what a retry is owed in spite of it all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from deskbell import Allow, Block, ModerationFilter, Submission, Verdict, hookimpl
from deskbell.actions import transcript
from deskbell.config import Settings
from deskbell.testing.desk import Desk, Line, Person


class Moody:
    """A filter that changes its mind when a test does."""

    name = "moody"
    order = 1

    def __init__(self) -> None:
        self.blocks = False

    async def check(self, submission: Submission) -> Verdict:
        return Block("a bad day") if self.blocks else Allow()


class MoodyPlugin:
    def __init__(self, moody: Moody) -> None:
        self._moody = moody

    @hookimpl
    def register_moderation_filters(self, settings: Any) -> Sequence[ModerationFilter]:
        return [self._moody]


MOODY = Moody()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    path = tmp_path_factory.mktemp("desk") / "desk.sqlite3"
    async with Desk.open(
        f"sqlite:///{path}",
        plugins={"moody": MoodyPlugin(MOODY)},
        channels={"direct": {"rate_per_min": 60, "rate_burst": 3}},
        server={"heartbeat_s": 0.2, "silence_s": 0.6},
        limits={
            "messages_per_min": 30,
            "message_burst": 10,
            "agent_messages_per_min": 120,
            "agent_burst": 30,
            "rooms_per_subscribe": 4,
            "rooms_per_connection": 6,
            "in_flight_per_socket": 8,
        },
    ) as desk:
        yield desk


@pytest.fixture
def desk(house: Desk) -> Iterator[Desk]:
    """Every test begins with full buckets."""
    house.application.ports.limits._buckets.clear()
    MOODY.blocks = False
    yield house
    house.lines.clear()


@dataclass
class Pair:
    ana: Person
    tom: Person
    room: str
    a: Line
    t: Line


@pytest_asyncio.fixture(loop_scope="session")
async def pair(desk: Desk) -> AsyncIterator[Pair]:
    async with _pair_at(desk) as pair:
        yield pair


@pytest_asyncio.fixture(loop_scope="session")
async def quick_pair(empty_sqlite_url: str) -> AsyncIterator[Pair]:
    """Two at a desk without filters and with roomy limits, where plain messages take the shortest way."""
    async with Desk.open(empty_sqlite_url) as desk, _pair_at(desk) as pair:
        yield pair


@asynccontextmanager
async def _pair_at(desk: Desk) -> AsyncIterator[Pair]:
    ana, tom = await desk.member("Ana"), await desk.member("Tom")
    room = await ana.group(tom)
    async with ana.line() as a, tom.line() as t:
        await a.subscribe(room)
        await t.subscribe(room)
        yield Pair(ana, tom, room, a, t)


async def ask_to_send(line: Line, room: str, content: str, **fields: Any) -> dict[str, Any]:
    return await line.ask({"type": "send", "room": room, "content": content, **fields})


# messages


async def test_ten_at_once_then_one_every_two_seconds(pair: Pair, desk: Desk) -> None:
    """Who is refused is told when it will be possible; then it is. Others are not concerned."""
    assert (Settings().limits.messages_per_min, Settings().limits.message_burst) == (30, 10)
    for n in range(10):
        await pair.a.says(pair.room, f"{n}")
    refused = await ask_to_send(pair.a, pair.room, "too much")
    assert (refused["type"], refused["code"], refused["temporary"]) == ("error", "rate_limited", True)
    assert 0 < refused["retry_after_ms"] <= 2001
    await pair.t.says(pair.room, "Tom may")
    desk.clock.advance(refused["retry_after_ms"] / 1000)
    await pair.a.says(pair.room, "now")
    assert (await ask_to_send(pair.a, pair.room, "too much"))["code"] == "rate_limited"
    await pair.t.hears(pair.room, "now")
    assert "too much" not in pair.t.heard(pair.room)


async def test_the_limit_is_the_user_s_whatever_way_they_take(pair: Pair) -> None:
    """A second socket or REST is no second purse."""
    async with pair.ana.line() as second:
        for n in range(5):
            await pair.a.says(pair.room, f"{n}")
            await second.says(pair.room, f"{n} too")
        answer = await pair.ana.post(f"/rooms/{pair.room}/messages", {"content": "by REST"})
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) >= 1
        assert (await ask_to_send(second, pair.room, "x"))["code"] == "rate_limited"


async def test_a_channel_type_has_limits_of_its_own(pair: Pair) -> None:
    room = await pair.ana.group(pair.tom, channel_type="direct")
    for n in range(3):
        await pair.a.says(room, f"{n}")
    assert (await ask_to_send(pair.a, room, "x"))["retry_after_ms"] <= 1001


async def test_agents_may_write_more_than_visitors(desk: Desk) -> None:
    ada = await desk.agent("Ada")
    room = await ada.group()
    async with ada.line() as line:
        for n in range(30):
            await line.says(room, f"{n}")
        assert (await ask_to_send(line, room, "x"))["code"] == "rate_limited"


# a retry is owed its answer


async def _retried(pair: Pair, first: dict[str, Any]) -> None:
    again = await ask_to_send(pair.t, pair.room, "stored", client_id="c-1")
    assert again["type"] == "ack", again
    assert (again["id"], again["seq"], again["duplicate"]) == (first["id"], first["seq"], True)
    assert again["message"]["content"] == "stored"
    answer = await pair.tom.post(f"/rooms/{pair.room}/messages", {"content": "stored", "client_id": "c-1"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == first["id"]
    other = await ask_to_send(pair.t, pair.room, "another text", client_id="c-1")
    assert other["code"] == "client_id_reused"
    fresh = await ask_to_send(pair.t, pair.room, "new", client_id="c-2")
    assert fresh["type"] == "error", "what is new is refused, as it should be"


@pytest.mark.parametrize("since", ["limited", "muted", "filtered", "closed", "removed", "banned"])
async def test_a_retry_gets_the_stored_message_whatever_would_refuse_it_now(pair: Pair, since: str) -> None:
    """The ack was lost; that the message stands is no secret to its sender."""
    first = await ask_to_send(pair.t, pair.room, "stored", client_id="c-1")
    place = f"/rooms/{pair.room}/participants/{pair.tom.id}"
    if since == "limited":
        for n in range(9):
            await pair.t.says(pair.room, f"{n}")
    elif since == "muted":
        assert (await pair.ana.call("PATCH", place, json={"mute_s": 600})).status_code == 200
    elif since == "filtered":
        MOODY.blocks = True
    elif since == "closed":
        assert (await pair.ana.post(f"/rooms/{pair.room}/archive")).status_code == 200
    elif since == "removed":
        assert (await pair.ana.call("DELETE", place)).status_code == 200
    else:
        assert (await pair.ana.call("PATCH", place, json={"state": "banned"})).status_code == 200
    await _retried(pair, first)


# rooms


async def test_a_frame_and_a_socket_follow_so_many_rooms(pair: Pair) -> None:
    rooms = [await pair.ana.group() for _ in range(6)]
    too_many = await pair.a.ask({"type": "subscribe", "rooms": [{"id": room} for room in rooms[:5]]})
    assert (too_many["code"], too_many["details"]["max"]) == ("limit_reached", 4)
    for room in rooms[:5]:
        await pair.a.subscribe(room)
    too_many = await pair.a.ask({"type": "subscribe", "rooms": [{"id": rooms[5]}]})
    assert (too_many["code"], too_many["details"]["max"]) == ("limit_reached", 6)
    await pair.a.subscribe(rooms[0])
    await pair.a.ask({"type": "unsubscribe", "rooms": [rooms[0]]})
    await pair.a.subscribe(rooms[5])
    limits = Settings().limits
    assert (limits.rooms_per_subscribe, limits.rooms_per_connection) == (100, 200)


# in flight, and in order


class Gate:
    """A function that waits until it may."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self.waiting = 0
        self.calls = 0
        self.go_on = asyncio.Event()

    async def __call__(self, *args: Any, **options: Any) -> Any:
        self.waiting += 1
        self.calls += 1
        await self.go_on.wait()
        self.waiting -= 1
        return await self._function(*args, **options)


async def test_a_socket_with_enough_under_way_is_not_read(
    pair: Pair, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer feels it, nothing piles up here, and it is not taken for silent meanwhile."""
    gate = Gate(transcript.history)
    monkeypatch.setattr(transcript, "history", gate)
    (connection,) = desk.application.edge.hub.connections_of(desk.tenant, pair.ana.id)
    for n in range(100):
        await pair.a.send({"type": "history", "ref": n, "room": pair.room, "limit": 1})
    await desk.until(lambda: not connection.reading)
    await asyncio.sleep(1.0)
    assert connection.reading is False
    assert gate.calls == 1, "one after the other"
    assert pair.a.closed is None, "silence is no fault of who is not listened to"
    gate.go_on.set()
    await pair.a.find(lambda f: f.get("ref") == 99)
    assert [frame["ref"] for frame in pair.a.frames if frame["type"] == "history"] == list(range(100))
    assert connection.reading is True
    assert Settings().limits.in_flight_per_socket == 32


async def test_many_rooms_under_way_do_not_raise_what_is_read(
    pair: Pair, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each room of a ``subscribe`` counts: while eight are under way, nothing more is taken on."""
    from deskbell.actions import access

    rooms = [await pair.ana.group() for _ in range(4)]
    gate = Gate(access.room_for)
    monkeypatch.setattr(access, "room_for", gate)
    for _ in range(10):
        await pair.a.send({"type": "subscribe", "rooms": [{"id": room} for room in rooms]})
    (connection,) = desk.application.edge.hub.connections_of(desk.tenant, pair.ana.id)
    await desk.until(lambda: not connection.reading)
    await asyncio.sleep(0.2)
    assert gate.waiting == 8
    gate.go_on.set()
    await desk.until(lambda: connection.reading)
    await pair.a.ask({"type": "ping"})


async def test_what_one_sends_is_stored_in_the_order_it_was_sent(quick_pair: Pair) -> None:
    """Also when other commands stand between, some of them slow, and the room is not subscribed."""
    pair = quick_pair
    other = await pair.ana.group(pair.tom)
    root = (await pair.a.says(pair.room, "root"))["id"]
    for n in range(60):
        # What refers to another message takes a look at the store first.
        refers = {"reply_to": root} if n % 5 == 0 else {}
        await pair.a.send({"type": "send", "ref": f"{n}", "room": pair.room, "content": f"{n}", **refers})
        if n % 3 == 0:
            await pair.a.send({"type": "history", "room": pair.room})
        if n % 4 == 0:
            await pair.a.send({"type": "send", "room": other, "content": f"other {n}"})
        if n % 7 == 0:
            await pair.a.send({"type": "subscribe", "rooms": [{"id": pair.room}]})
        if n % 11 == 0:
            await pair.a.send({"type": "send", "room": pair.room, "content": "x", "reply_to": "nothing"})
    last = await pair.a.find(lambda f: f.get("ref") == "59")
    await pair.t.hears(pair.room, "59")
    assert pair.t.heard(pair.room) == ["root", *(f"{n}" for n in range(60))]
    acks = [frame for frame in pair.a.frames if frame["type"] == "ack" and frame.get("ref", "r").isdigit()]
    assert [ack["ref"] for ack in acks] == [f"{n}" for n in range(60)]
    assert len({ack["ref"] for ack in acks}) == len(acks), "one terminal reply each"
    assert last["seq"] == acks[-1]["seq"]
    excerpt = await pair.tom.get(f"/rooms/{other}/messages")
    texts = [message["content"] for message in excerpt.json()["messages"]]
    assert texts == [f"other {n}" for n in range(0, 60, 4)]


async def test_what_is_acknowledged_can_be_read_at_once_on_every_way(quick_pair: Pair) -> None:
    """Read your writes: history, subscribing, another's socket, REST, changes and the list of rooms."""
    pair = quick_pair
    position = (await pair.a.subscribe(pair.room))["seq"]
    async with pair.tom.line() as fresh:
        for n in range(20):
            ack = await pair.a.says(pair.room, f"{n}")
            history = await pair.a.ask({"type": "history", "room": pair.room, "limit": 1})
            subscribed, rest, changes, rooms = await asyncio.gather(
                fresh.subscribe(pair.room),
                pair.tom.get(f"/rooms/{pair.room}/messages?limit=1"),
                pair.tom.get(f"/rooms/{pair.room}/changes?since={position}"),
                pair.tom.get("/rooms"),
            )
            assert history["messages"][-1]["id"] == ack["id"]
            assert subscribed["messages"][-1]["id"] == ack["id"]
            assert subscribed["seq"] >= ack["seq"]
            assert rest.json()["messages"][-1]["id"] == ack["id"]
            assert changes.json()["messages"][-1]["id"] == ack["id"]
            assert {each["room"]["id"]: each["seq"] for each in rooms.json()["items"]}[pair.room] >= ack["seq"]
