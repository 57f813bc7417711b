"""The client keeps the protocol's promises, whatever the network and the server do.

The other side is a small server of the protocol that runs in the test, on a real socket, and can be
told to lose, double, reorder and cut. Time is the test's own where time matters.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from deskbell.client import (
    Client,
    Closed,
    ConnectionOver,
    Delayed,
    Event,
    EventsLost,
    InUse,
    Live,
    MessageChanged,
    MessageNew,
    MessagesPurged,
    Notebook,
    NotSent,
    Place,
    Reconnecting,
    RoomLoaded,
    RoomLost,
    RoomView,
    Sent,
    Unreachable,
    Writing,
    WritingVoid,
)
from deskbell.client.rest import NotUnderstood, Rest, refusal
from deskbell.client.tokens import lifetime_s
from deskbell.clock import Clock
from deskbell.errors import Blocked, NotFound, RateLimited, Refused, Temporary, Unauthenticated

WHEN = datetime(2026, 11, 21, 10, tzinfo=UTC).isoformat()
ROOM = "01900000-0000-7000-8000-00000000000a"
ANA = {"id": "01900000-0000-7000-8000-000000000001", "kind": "visitor", "name": "Ana", "avatar": None}
BOT = {"id": "01900000-0000-7000-8000-000000000002", "kind": "bot", "name": "Assistant", "avatar": None}
DEADLINE_S = 10


class ManualClock(Clock):
    """Moves only when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        heapq.heappush(self._sleepers, (self.now_s + seconds, next(self._numbers), done))
        await done

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
        while self._sleepers and self._sleepers[0][0] <= self.now_s + 1e-9:
            _, _, done = heapq.heappop(self._sleepers)
            if not done.done():
                done.set_result(None)

    @property
    def sleeping(self) -> int:
        return sum(not done.done() for _, _, done in self._sleepers)


async def until(true: Callable[[], Any], what: str = "it") -> None:
    """Wait for something that the other side does."""
    async with asyncio.timeout(DEADLINE_S):
        while not true():
            await asyncio.sleep(0.001)


class Peer:
    """The server's end of one socket."""

    def __init__(self, desk: ScriptedDesk, transport: asyncio.Transport, query: dict[str, list[str]]) -> None:
        self.desk = desk
        self.query = query
        self.heard: list[dict[str, Any]] = []
        self.rooms: set[str] = set()
        self.open = True
        self.protocol: ServerProtocol
        self._transport = transport

    def say(self, frame: dict[str, Any]) -> None:
        if self.open:
            self.protocol.send_text(json.dumps(frame).encode())
            self.flush()

    def cut(self) -> None:
        """As a lost network does."""
        self.open = False
        self._transport.abort()

    def close(self, code: int, reason: str = "") -> None:
        if self.open:
            self.open = False
            self.protocol.send_close(code, reason)
            self.flush()

    def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif not self._transport.is_closing():
                self._transport.close()

    def of(self, kind: str) -> list[dict[str, Any]]:
        """What was heard of one type."""
        return [frame for frame in self.heard if frame["type"] == kind]


class ScriptedDesk:
    """A small, honest server of one room, with switches for dishonesty.

    ``deliver`` decides what becomes of a live frame: the frames that a socket gets in its place.
    ``answer`` may take a client's frame away from the usual handling by returning True.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.floor = 0
        self.epoch = "e1"
        self.page_size = 100
        self.heartbeat_ms = 30_000
        self.messages: dict[str, dict[str, Any]] = {}
        self.participants: dict[str, dict[str, Any]] = {}
        self.state: dict[str, Any] = {}
        self.by_client_id: dict[str, str] = {}
        self.peers: list[Peer] = []
        self.calls: list[tuple[str, str, Any, str]] = []
        self.replies: dict[tuple[str, str], tuple[int, Any]] = {}
        self.deliver: Callable[[Peer, dict[str, Any]], list[dict[str, Any]]] = lambda peer, frame: [frame]
        self.answer: Callable[[Peer, dict[str, Any]], bool] = lambda peer, frame: False
        self.welcomes = True
        self._ids = itertools.count(1)
        self._server: asyncio.Server
        self._refresh = itertools.count(2)
        self.change_owner("bot")

    # -- the room

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def post(self, content: str, sender: dict[str, Any] = BOT, client_id: str = "s", **fields: Any) -> dict[str, Any]:
        seq = self._next()
        message = {
            "id": f"01900000-0000-7000-8001-{next(self._ids):012x}", "room": ROOM, "seq": seq, "changed_seq": seq,
            "client_id": client_id, "sender": sender, "kind": "text", "content": content, "created_at": WHEN,
            "metadata": {}, **fields,
        }  # fmt: skip
        self.messages[message["id"]] = message
        self._tell({"type": "message", "room": ROOM, "seq": seq, "message": dict(message)})
        return message

    def change(self, message: dict[str, Any], **fields: Any) -> None:
        message.update(fields, changed_seq=self._next())
        self._tell({"type": "message", "room": ROOM, "seq": self.seq, "message": dict(message)})

    def join(self, user: dict[str, Any], state: str = "joined") -> None:
        person = {"user": user, "role": "member", "state": state, "joined_at": WHEN, "changed_seq": self._next()}
        self.participants[user["id"]] = person
        self._tell({"type": "participant", "room": ROOM, "seq": self.seq, "participant": person})

    def change_owner(self, kind: str) -> None:
        self.state = {
            "id": ROOM, "key": None, "channel_type": "support", "name": "", "description": "", "archived": False,
            "owner": {"kind": kind}, "owner_version": self.state.get("owner_version", 0) + 1, "policy": {},
            "created_at": WHEN, "changed_seq": self._next(),
        }  # fmt: skip
        self._tell({"type": "room", "room": ROOM, "seq": self.seq, "state": self.state})

    def skip(self) -> None:
        self._tell({"type": "skip", "room": ROOM, "seq": self._next()})

    def purge(self, floor: int) -> None:
        """Bulk changes take no numbers; they change the epoch."""
        self.floor = floor
        self.messages = {k: m for k, m in self.messages.items() if m["seq"] >= floor}
        self.epoch += "+"
        for peer in self.peers:
            if ROOM in peer.rooms:
                peer.rooms.discard(ROOM)
                peer.say({"type": "reset", "room": ROOM, "epoch": self.epoch})

    def _tell(self, frame: dict[str, Any]) -> None:
        for peer in self.peers:
            if ROOM in peer.rooms:
                for delivered in self.deliver(peer, json.loads(json.dumps(frame))):
                    peer.say(delivered)

    # -- the frames of a client

    def hear(self, peer: Peer, frame: dict[str, Any]) -> None:
        peer.heard.append(frame)
        if self.answer(peer, frame):
            return
        kind, ref = frame["type"], frame.get("ref")
        if kind == "subscribe":
            for room in frame["rooms"]:
                self._subscribe(peer, room, ref)
        elif kind == "send":
            self._send(peer, frame)
        elif kind in ("edit", "delete", "react", "unreact"):
            message = self.messages[frame["message"]]
            fields = {
                "edit": {"content": frame.get("content")},
                "delete": {"content": "", "deleted": True},
                "react": {"reactions": [{"emoji": frame.get("emoji"), "count": 1, "users": [ANA["id"]]}]},
                "unreact": {"reactions": []},
            }[kind]
            self.change(message, **fields)
            peer.say({"type": "ack", "ref": ref, "room": ROOM, "id": message["id"], "seq": message["seq"]})
        elif kind == "history":
            found = sorted(self.messages.values(), key=lambda m: m["seq"])
            found = [m for m in found if m["seq"] < frame.get("before", 10**9)][-frame["limit"] :]
            peer.say({"type": "history", "ref": ref, "room": ROOM, "messages": found, "as_of_seq": self.seq,
                      "more_before": False, "more_after": False})  # fmt: skip
        elif kind == "ping":
            peer.say({"type": "pong", "ref": ref} if ref else {"type": "pong"})
        elif kind not in ("pong", "typing", "delivered"):
            peer.say({"type": "ok", "ref": ref})

    def _send(self, peer: Peer, frame: dict[str, Any]) -> None:
        duplicate = frame["client_id"] in self.by_client_id
        if duplicate:
            message = self.messages[self.by_client_id[frame["client_id"]]]
        else:
            message = self.post(frame["content"], ANA, frame["client_id"])
            self.by_client_id[frame["client_id"]] = message["id"]
        ack = {"type": "ack", "ref": frame["ref"], "room": ROOM, "id": message["id"], "seq": message["seq"],
               "client_id": frame["client_id"], "created_at": WHEN}  # fmt: skip
        peer.say({**ack, "duplicate": True, "message": message} if duplicate else ack)

    def _subscribe(self, peer: Peer, room: dict[str, Any], ref: Any) -> None:
        if room["id"] != ROOM:
            peer.say({"type": "error", "ref": ref, "room": room["id"], "code": "not_found", "message": "No.",
                      "temporary": False})  # fmt: skip
            return
        since = room.get("since")
        if since is not None and (room.get("epoch") != self.epoch or since > self.seq):
            peer.say({"type": "reset", "room": ROOM, "epoch": self.epoch})
            return
        peer.rooms.add(ROOM)
        records: list[dict[str, Any]] = [*self.messages.values(), *self.participants.values(), self.state]
        if since is None:
            latest = sorted(self.messages.values(), key=lambda m: m["seq"])[-50:]
            records = [*latest, *self.participants.values(), self.state]
        records = sorted(records, key=lambda r: r["changed_seq"])
        first, start = True, since or 0
        records = [r for r in records if r["changed_seq"] > start]
        while True:
            page, records = records[: self.page_size], records[self.page_size :]
            end = page[-1]["changed_seq"] if records else self.seq
            frame = {
                "room": ROOM, "epoch": self.epoch, "seq": end, "floor": self.floor, "more": bool(records),
                "messages": [r for r in page if "content" in r], "participants": [r for r in page if "user" in r],
            }  # fmt: skip
            if any("owner" in r for r in page):
                frame["state"] = self.state
            if first:
                frame |= {"type": "subscribed", "ref": ref, "recovered": since is not None, "participant_count": 2}
            else:
                frame |= {"type": "changes", "since": start}
            if not records:
                frame["reads"] = {ANA["id"]: [0, 0]}
            peer.say(frame)
            if not records:
                return
            first, start = False, end

    # -- the wire

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            if method == "GET" and urlsplit(target).path == "/api/v1/ws":
                await self._socket(reader, writer, head, target)
            else:
                await self._call(reader, writer, head, method, target)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _call(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, method: str, target: str
    ) -> None:
        headers = {
            k.strip().lower(): v.strip() for k, _, v in (h.partition(":") for h in head.decode().split("\r\n")[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = target.removeprefix("/api/v1")
        self.calls.append((method, path, json.loads(body) if body else None, headers.get("authorization", "")))
        status, answer = self.replies.get((method, path), (404, {"error": {"code": "not_found", "message": "No."}}))
        if callable(answer):
            status, answer = answer()
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        extra = "Location: http://127.0.0.1:1/stolen\r\n" if status in (302, 307) else ""
        extra += "Retry-After: 3\r\n" if status in (429, 503) else ""
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\n{extra}Connection: close\r\n\r\n".encode() + data
        )
        await writer.drain()

    async def _socket(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, target: str
    ) -> None:
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        peer = Peer(self, transport, parse_qs(urlsplit(target).query))
        peer.protocol = ServerProtocol()
        peer.protocol.receive_data(head)
        [request] = peer.protocol.events_received()
        assert isinstance(request, Request)
        peer.protocol.send_response(peer.protocol.accept(request))
        peer.flush()
        self.peers.append(peer)
        if self.welcomes:
            self.welcome(peer)
        while data := await reader.read(65_536):
            peer.protocol.receive_data(data)
            for event in peer.protocol.events_received():
                if getattr(event, "opcode", None) is Opcode.TEXT and peer.open:
                    self.hear(peer, json.loads(event.data))  # type: ignore[union-attr]
            peer.flush()
        peer.open = False

    def welcome(self, peer: Peer) -> None:
        limits = dict.fromkeys(
            (
                "frame_bytes",
                "text_bytes",
                "messages_per_min",
                "rooms_per_subscribe",
                "rooms_per_connection",
                "in_flight",
            ),
            100,
        )
        peer.say({
            "type": "welcome", "user": ANA, "tenant": "t", "connection": f"c{len(self.peers)}", "limits": limits,
            "heartbeat_ms": self.heartbeat_ms, "server_time": WHEN,
        })  # fmt: skip

    def renewed(self) -> tuple[int, Any]:
        number = next(self._refresh)
        return 200, {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "expires_in": 900}

    async def open(self) -> None:
        tickets = itertools.count(1)
        self.replies["POST", "/ws-tickets"] = (200, lambda: (200, {"ticket": f"ticket-{next(tickets)}"}))
        self.replies["POST", "/auth/refresh"] = (200, self.renewed)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        self._server.close()
        for peer in self.peers:
            peer.cut()
        await asyncio.sleep(0.01)  # the handlers of the cut sockets end

    @property
    def peer(self) -> Peer:
        return self.peers[-1]


@pytest.fixture
async def desk() -> AsyncIterator[ScriptedDesk]:
    desk = ScriptedDesk()
    await desk.open()
    yield desk
    await desk.close()


class Seen(list[Event]):
    """What a client was told."""

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self if isinstance(event, kinds)]

    @property
    def new(self) -> list[str]:
        return [event.message.content for event in self.of(MessageNew)]


@asynccontextmanager
async def visitor(desk: ScriptedDesk, **kwargs: Any) -> AsyncIterator[tuple[Client, Seen]]:
    seen = Seen()
    kwargs = {"token": "access-1", "refresh": "refresh-1", "jitter": lambda: 0.0, "on_event": seen.append} | kwargs
    async with Client(desk.url, **kwargs) as client:
        yield client, seen


def contents(view: RoomView) -> list[str]:
    return [message.content for message in view.ordered()]


# -- following a room


async def test_a_followed_room_is_told_as_it_happens(desk: ScriptedDesk) -> None:
    """New messages and changes are told apart; the view holds the present state."""
    first = desk.post("one")
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        assert contents(view) == ["one"]
        assert seen.of(RoomLoaded) == [RoomLoaded(ROOM, again=False, gap=False)]
        desk.post("two")
        desk.change(first, content="one!")
        desk.join(BOT)
        desk.skip()
        desk.change_owner("agent")
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["two"]
        [changed] = seen.of(MessageChanged)
        assert (changed.before.content, changed.message.content) == ("one", "one!")
        assert contents(view) == ["one!", "two"]
        assert view.participants[BOT["id"]].state == "joined"
        assert view.owner_version == 2


async def test_each_socket_gets_a_ticket_of_its_own(desk: ScriptedDesk) -> None:
    """The access token is in no address."""
    async with visitor(desk) as (client, _):
        await client.ready()
        desk.peer.cut()
        await until(lambda: len(desk.peers) == 2 and client.state == "live")
    assert [peer.query for peer in desk.peers] == [{"ticket": ["ticket-1"]}, {"ticket": ["ticket-2"]}]
    assert [call[3] for call in desk.calls] == ["Bearer access-1"] * 2


async def test_where_there_are_no_tickets_the_first_frame_says_who(desk: ScriptedDesk) -> None:
    del desk.replies["POST", "/ws-tickets"]
    desk.welcomes = False
    desk.answer = lambda peer, frame: frame["type"] == "auth" and (desk.welcome(peer) or True)
    async with visitor(desk) as (client, _):
        await client.ready()
        assert desk.peer.heard[0] == {"type": "auth", "token": "access-1"}
        assert desk.peer.query == {}


async def test_an_ack_does_not_move_the_position(desk: ScriptedDesk) -> None:
    """The sender gets the message frame like everybody else; until then it is not theirs to count."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        before = view.position
        desk.deliver = lambda peer, frame: []  # the live frame is lost
        ack = await client.send(ROOM, "hello")
        assert ack.seq == before + 1
        assert view.position == before and seen.new == []
        desk.deliver = lambda peer, frame: [frame]
        desk.skip()
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["hello"]


async def test_a_hole_is_asked_for_once_and_told_in_order(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        position = view.position
        held: list[tuple[Peer, dict[str, Any]]] = []
        desk.deliver = lambda peer, frame: []
        desk.post("lost")
        desk.deliver = lambda peer, frame: [frame]
        desk.answer = lambda peer, frame: frame["type"] == "subscribe" and (held.append((peer, frame)) or True)
        desk.post("after the hole")
        desk.post("and one more")
        await until(lambda: held)
        desk.post("while asking")
        desk.answer = lambda peer, frame: False
        assert held[0][1]["rooms"] == [{"id": ROOM, "epoch": "e1", "since": position}]
        desk.hear(*held[0])
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["lost", "after the hole", "and one more", "while asking"]
        assert len(desk.peer.of("subscribe")) == 3  # at first, for the hole, and its late answer heard again
        assert len(held) == 1


async def test_a_frame_that_comes_twice_or_late_is_told_once(desk: ScriptedDesk) -> None:
    """An old state that arrives late does not undo a newer one."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        first_frames: list[dict[str, Any]] = []
        desk.deliver = lambda peer, frame: first_frames.append(frame) or [frame, frame]
        message = desk.post("typo")
        desk.change(message, content="fixed")
        desk.peer.say(first_frames[0])
        desk.post("end")
        await until(lambda: view.position == desk.seq)
        assert contents(view) == ["fixed", "end"]
        assert seen.new == ["typo", "end"]
        assert len(seen.of(MessageChanged)) == 1
        assert len(desk.peer.of("subscribe")) == 1


async def test_a_lost_last_message_is_found_through_tips(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.say({"type": "tips", "rooms": {ROOM: desk.seq}})
        await client.read(ROOM, 1)
        assert len(desk.peer.of("subscribe")) == 1  # a tip that tells nothing new asks for nothing
        desk.deliver = lambda peer, frame: []
        desk.post("the last word")
        desk.peer.say({"type": "tips", "rooms": {ROOM: desk.seq}})
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["the last word"]


async def test_changes_that_the_server_heals_by_itself_set_the_position(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        position = view.position
        desk.deliver = lambda peer, frame: []
        messages = [desk.post("a"), desk.post("b")]
        heal = {
            "type": "changes", "room": ROOM, "epoch": "e1", "since": position, "seq": desk.seq, "floor": 0,
            "messages": messages, "participants": [], "more": False,
        }  # fmt: skip
        desk.peer.say(heal)
        desk.peer.say(heal)
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["a", "b"]
        # A page that begins above the position leaves a hole like any frame.
        desk.post("c")
        desk.post("d")
        desk.peer.say({**heal, "since": desk.seq - 1, "seq": desk.seq, "messages": []})
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["a", "b", "c", "d"]


async def test_a_long_absence_comes_back_in_pages_without_repeating(desk: ScriptedDesk) -> None:
    """A message that was born early and changed late is new all the same, and told once."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.rooms.clear()  # as if nothing came through
        desk.page_size = 2
        early = desk.post("0")
        for number in range(1, 7):
            desk.post(str(number))
        desk.change(early, content="0!")
        desk.peer.cut()
        await until(lambda: view.position == desk.seq)
        assert sorted(seen.new) == ["0!", "1", "2", "3", "4", "5", "6"]
        assert contents(view) == ["0!", "1", "2", "3", "4", "5", "6"]
        assert seen.of(MessageChanged) == []


async def test_a_break_in_the_middle_of_pages_loses_and_repeats_nothing(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.rooms.clear()
        desk.page_size = 3
        early = desk.post("0")
        for number in range(1, 10):
            desk.post(str(number))
        desk.change(early, content="0!")
        said: list[dict[str, Any]] = []
        plain_say = Peer.say

        def say_two_pages(peer: Peer, frame: dict[str, Any]) -> None:
            if frame["type"] in ("subscribed", "changes"):
                said.append(frame)
                if len(said) == 3:
                    peer.close(4010)
            plain_say(peer, frame)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Peer, "say", say_two_pages)
            desk.peer.cut()
            await until(lambda: view.live and view.position == desk.seq)
        assert len(desk.peers) == 3
        assert sorted(seen.new) == ["0!", *map(str, range(1, 10))]


async def test_after_a_reset_the_room_is_loaded_afresh(desk: ScriptedDesk) -> None:
    """What was purged is dropped, what is new is told, and the reset is told too."""
    desk.post("old")
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.rooms.clear()
        desk.post("new")
        desk.peer.rooms.add(ROOM)
        desk.purge(floor=desk.seq)
        await until(lambda: len(seen.of(RoomLoaded)) == 2)
        assert desk.peer.of("subscribe")[-1]["rooms"] == [{"id": ROOM}]
        assert seen.of(RoomLoaded)[1].again
        await until(lambda: seen.new)
        assert seen.new == ["new"] and contents(view) == ["new"]
        assert view.epoch == "e1+"


async def test_a_server_that_lost_numbers_resets_those_who_are_ahead(desk: ScriptedDesk) -> None:
    """After a restored backup the client follows the server's numbers, not its own."""
    for number in range(5):
        desk.post(str(number))
    async with visitor(desk) as (client, _):
        view = await client.subscribe(ROOM)
        desk.seq = 3
        desk.messages = {k: m for k, m in desk.messages.items() if m["seq"] <= 3}
        desk.peer.cut()
        await until(lambda: view.live and view.position == 3)
        assert contents(view) == ["0", "1"]


async def test_messages_below_the_floor_are_dropped(desk: ScriptedDesk) -> None:
    old = desk.post("old")
    desk.post("kept")
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.floor = old["seq"] + 1
        desk.messages.pop(old["id"])
        desk.peer.cut()
        await until(lambda: seen.of(MessagesPurged))
        assert contents(view) == ["kept"]
        desk.peer.say({"type": "message", "room": ROOM, "seq": 1, "message": old})
        desk.post("end")
        await until(lambda: "end" in contents(view))
        assert contents(view) == ["kept", "end"]


async def test_a_break_while_a_room_is_first_loaded_is_not_noticed(desk: ScriptedDesk) -> None:
    """It is loaded once, whole, and nothing of it counts as new."""
    for number in range(6):
        desk.post(str(number))
    desk.page_size = 2
    plain_say = Peer.say

    def say_one_page(peer: Peer, frame: dict[str, Any]) -> None:
        plain_say(peer, frame)
        if frame["type"] == "subscribed" and len(desk.peers) == 1:
            peer.close(4002)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Peer, "say", say_one_page)
        async with visitor(desk) as (client, seen):
            view = await client.subscribe(ROOM)
    assert len(desk.peers) == 2
    assert contents(view) == ["0", "1", "2", "3", "4", "5"]
    assert seen.of(RoomLoaded) == [RoomLoaded(ROOM, again=False, gap=False)] and seen.new == []


async def test_a_second_reset_while_loading_loses_no_new_message(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.rooms.clear()
        for number in range(6):
            desk.post(str(number))
        desk.page_size = 2
        plain_say = Peer.say

        def reset_after_a_page(peer: Peer, frame: dict[str, Any]) -> None:
            if frame["type"] == "changes" and not desk.epoch.endswith("++"):
                desk.purge(0)
            elif desk.epoch.count("+") < 2 or frame["type"] != "changes" or peer.of("subscribe")[2:]:
                plain_say(peer, frame)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Peer, "say", reset_after_a_page)
            desk.peer.rooms.add(ROOM)
            desk.purge(0)
            await until(lambda: view.live and view.position == desk.seq)
        assert view.epoch == "e1++"
        assert seen.new == ["0", "1", "2", "3", "4", "5"]
        assert [event.again for event in seen.of(RoomLoaded)] == [False, True]


async def test_an_answer_from_before_a_reset_is_not_taken_for_the_room(desk: ScriptedDesk) -> None:
    """It holds only what had changed; the question that was asked after the reset brings it all."""
    desk.post("one")
    async with visitor(desk) as (client, _):
        view = await client.subscribe(ROOM)
        asked: list[tuple[Peer, dict[str, Any]]] = []
        desk.answer = lambda peer, frame: frame["type"] == "subscribe" and (asked.append((peer, frame)) or True)
        desk.deliver = lambda peer, frame: []
        desk.post("two")
        desk.deliver = lambda peer, frame: [frame]
        desk.skip()
        await until(lambda: asked)
        desk.purge(0)
        await until(lambda: len(asked) == 2)
        desk.answer = lambda peer, frame: False
        late = {
            "type": "subscribed", "ref": asked[0][1]["ref"], "room": ROOM, "epoch": "e1", "seq": desk.seq, "floor": 0,
            "messages": [], "participants": [], "more": False, "recovered": True, "participant_count": 0,
        }  # fmt: skip
        desk.peer.say(late)
        desk.hear(*asked[1])
        await until(lambda: view.live)
        assert contents(view) == ["one", "two"]


async def test_two_who_follow_the_same_room_ask_once(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, _):
        await client.ready()
        first, second = await asyncio.gather(client.subscribe(ROOM), client.subscribe(ROOM))
        assert first is second
        assert await client.subscribe(ROOM) is first
        assert len(desk.peer.of("subscribe")) == 1


async def test_an_answer_is_no_news(desk: ScriptedDesk) -> None:
    """History may hold what has not come live yet; it is told when its turn comes, once."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.deliver = lambda peer, frame: []
        desk.post("a")
        message = desk.post("b")
        found = await client.history(ROOM)
        assert [m.content for m in found.messages] == ["a", "b"]
        assert seen.new == [] and view.messages == {}
        desk.deliver = lambda peer, frame: [frame]
        desk.change(message, content="b!")
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["a", "b!"]


async def test_a_live_frame_quicker_than_its_page_is_kept(desk: ScriptedDesk) -> None:
    """A page that was read before it does not take the position back."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        asked: list[dict[str, Any]] = []
        desk.answer = lambda peer, frame: frame["type"] == "subscribe" and (asked.append(frame) or True)
        desk.peer.say({"type": "tips", "rooms": {ROOM: desk.seq + 1}})
        await until(lambda: asked)
        position = desk.seq
        desk.post("quick")
        desk.peer.say({
            "type": "subscribed", "ref": asked[0]["ref"], "room": ROOM, "epoch": "e1", "seq": position, "floor": 0,
            "messages": [], "participants": [], "more": False, "recovered": True, "participant_count": 0,
        })  # fmt: skip
        desk.post("next")
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["quick", "next"]
        assert len(asked) == 1


async def test_history_joins_the_view_and_moves_nothing(desk: ScriptedDesk) -> None:
    for number in range(60):
        desk.post(str(number))
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        assert contents(view)[0] == "10"
        position = view.position
        await client.history(ROOM, before=view.oldest, limit=5)
        assert contents(view)[:6] == ["5", "6", "7", "8", "9", "10"]
        assert view.position == position and seen.new == []


async def test_a_room_that_cannot_be_seen_is_refused(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, _):
        with pytest.raises(NotFound):
            await client.subscribe("01900000-0000-7000-8000-00000000000b")
        assert client.rooms == {}


async def test_who_was_put_out_of_a_room_is_told_after_the_next_break(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        await client.subscribe(ROOM)
        desk.answer = lambda peer, frame: (
            frame["type"] == "subscribe"
            and (
                peer.say(
                    {
                        "type": "error",
                        "ref": frame["ref"],
                        "room": ROOM,
                        "code": "not_found",
                        "message": "No.",
                        "temporary": False,
                    }
                )
                or True
            )
        )
        desk.peer.cut()
        await until(lambda: seen.of(RoomLost))
        assert client.rooms == {}


async def test_many_rooms_are_followed_with_few_frames(desk: ScriptedDesk) -> None:
    """A frame holds at most 100 rooms."""
    rooms = [f"01900000-0000-7000-8000-{number:012x}" for number in range(100, 350)]

    def answer(peer: Peer, frame: dict[str, Any]) -> bool:
        if frame["type"] != "subscribe":
            return False
        for room in frame["rooms"]:
            peer.say({"type": "subscribed", "ref": frame["ref"], "room": room["id"], "epoch": "e", "seq": 4, "floor": 0,
                      "messages": [], "participants": [], "more": False, "recovered": "since" in room,
                      "participant_count": 1})  # fmt: skip
        return True

    desk.answer = answer
    async with visitor(desk) as (client, _):
        await asyncio.gather(*(client.subscribe(room) for room in rooms))
        desk.peer.cut()
        await until(lambda: len(desk.peers) == 2 and all(view.live for view in client.rooms.values()))
        asked = desk.peer.of("subscribe")
        assert [len(frame["rooms"]) for frame in asked] == [100, 100, 50]
        assert all(room["since"] == 4 for frame in asked for room in frame["rooms"])


async def test_frames_of_the_future_are_passed_over(desk: ScriptedDesk) -> None:
    """A record that cannot be read takes its number; the room goes on."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.say({"type": "hologram", "room": ROOM, "shape": "cube"})
        desk.deliver = lambda peer, frame: [{**frame, "message": {"shape": "cube"}}]
        desk.post("a cube")
        desk.deliver = lambda peer, frame: [{**frame, "mood": "blue"}]
        desk.post("text")
        await until(lambda: view.position == desk.seq)
        assert seen.new == ["text"]
        assert len(desk.peer.of("subscribe")) == 1


# -- the bot's streamed answers


def delta(text: str, offset: int, turn: str = "turn-1", owner_version: int = 1, **fields: Any) -> dict[str, Any]:
    return {"type": "delta", "room": ROOM, "turn": turn, "owner_version": owner_version, "offset": offset,
            "text": text, **fields}  # fmt: skip


async def test_a_streamed_answer_grows_and_is_replaced_by_the_message(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        for frame in (delta("Try ", 0), delta("Try ", 0), delta("this", 4), delta("lost", 99), delta("", 8, done=True)):
            desk.peer.say(frame)
        await until(lambda: seen.of(Writing) and seen.of(Writing)[-1].done)
        assert [event.text for event in seen.of(Writing)] == ["Try ", "Try this", "Try this"]
        desk.post("Try this.", metadata={"turn": "turn-1"})
        desk.peer.say(delta(" late", 8))
        desk.post("end")
        await until(lambda: "end" in seen.new)
        assert view.writing() == {}
        assert len(seen.of(Writing)) == 3


async def test_a_turn_that_begins_again_shows_its_new_words(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        for frame in (delta("First try", 0), delta("Second", 0)):
            desk.peer.say(frame)
        await until(lambda: len(seen.of(Writing)) == 2)
        assert view.writing() == {"turn-1": "Second"}


async def test_once_a_person_has_taken_over_the_bots_stream_is_void(desk: ScriptedDesk) -> None:
    """Pieces of an older owner's answer are neither kept nor taken."""
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.say(delta("Let me", 0))
        desk.change_owner("agent")
        desk.peer.say(delta(" think", 6))
        desk.post("Hello, this is Ines.")
        await until(lambda: seen.new)
        assert seen.of(WritingVoid) == [WritingVoid(ROOM, "turn-1")]
        assert [event.text for event in seen.of(Writing)] == ["Let me"]
        assert view.writing() == {}


# -- the outbox


async def test_a_message_said_while_away_is_sent_when_back(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        await client.ready()
        desk.welcomes = False
        desk.peer.cut()
        await until(lambda: len(desk.peers) == 2)
        sending = asyncio.create_task(client.send(ROOM, "are you there?"))
        await until(lambda: client.unsent())
        assert desk.peer.heard == []
        desk.welcomes = True
        desk.welcome(desk.peer)
        ack = await sending
        assert seen.of(Sent)[0].ack == ack
        assert [m["content"] for m in desk.messages.values()] == ["are you there?"]
        assert client.unsent() == []


async def test_a_lost_ack_does_not_say_it_twice(desk: ScriptedDesk) -> None:
    """The same client_id goes out again and the stored message comes back."""

    def lose_the_ack(peer: Peer, frame: dict[str, Any]) -> bool:
        if frame["type"] != "send":
            return False
        desk.by_client_id[frame["client_id"]] = desk.post(frame["content"], ANA, frame["client_id"])["id"]
        peer.cut()
        desk.answer = lambda peer, frame: False
        return True

    async with visitor(desk) as (client, _):
        await client.ready()
        desk.answer = lose_the_ack
        ack = await client.send(ROOM, "once")
        assert ack.duplicate and ack.message is not None and ack.message.content == "once"
        assert len(desk.messages) == 1
        sent = [peer.of("send")[0] for peer in desk.peers]
        assert sent[0]["client_id"] == sent[1]["client_id"]


async def test_other_requests_are_repeated_in_their_order(desk: ScriptedDesk) -> None:
    message = desk.post("typo", ANA)
    async with visitor(desk) as (client, _):
        await client.ready()
        desk.answer = lambda peer, frame: frame["type"] in ("edit", "react")  # no reply, and then a cut
        edits = asyncio.gather(client.edit(message["id"], "first"), client.edit(message["id"], "second"))
        await until(lambda: len(desk.peer.of("edit")) == 2)
        desk.answer = lambda peer, frame: False
        desk.peer.cut()
        await edits
        assert message["content"] == "second"


async def test_a_request_nobody_waits_for_is_not_repeated(desk: ScriptedDesk) -> None:
    message = desk.post("typo", ANA)
    async with visitor(desk) as (client, _):
        await client.ready()
        desk.answer = lambda peer, frame: frame["type"] == "edit"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.edit(message["id"], "changed my mind"), 0.05)
        desk.answer = lambda peer, frame: False
        desk.peer.cut()
        await until(lambda: len(desk.peers) == 2 and client.state == "live")
        await client.react(message["id"], "👍")
        assert desk.peer.of("edit") == [] and message["content"] == "typo"


def refuses(
    code: str, temporary: bool = False, times: int = 1, **fields: Any
) -> Callable[[Peer, dict[str, Any]], bool]:
    left = [times]

    def answer(peer: Peer, frame: dict[str, Any]) -> bool:
        if frame["type"] != "send" or left[0] == 0:
            return False
        left[0] -= 1
        peer.say({"type": "error", "ref": frame["ref"], "code": code, "message": f"It is {code}.",
                  "temporary": temporary, **fields})  # fmt: skip
        return True

    return answer


async def test_a_refusal_comes_back_by_its_class(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        desk.answer = refuses("blocked", details={"filter": "words"})
        with pytest.raises(Blocked, match="It is blocked") as refused:
            await client.send(ROOM, "rude")
        assert refused.value.details == {"filter": "words"}
        [event] = seen.of(NotSent)
        assert event.content == "rude" and client.unsent() == []
        desk.answer = refuses("plugin_says_no")
        with pytest.raises(Refused) as unknown:
            await client.send(ROOM, "odd")
        assert unknown.value.code == "plugin_says_no"


async def test_a_passing_refusal_is_waited_out_and_nothing_overtakes(desk: ScriptedDesk) -> None:
    """The message goes out again under its client_id when the server said; the next one waits for it."""
    clock = ManualClock()
    async with visitor(desk, clock=clock) as (client, seen):
        await client.ready()
        desk.answer = refuses("rate_limited", temporary=True, retry_after_ms=2_000)
        first = asyncio.create_task(client.send(ROOM, "first"))
        await until(lambda: seen.of(Delayed))
        assert seen.of(Delayed)[0].in_s == pytest.approx(2.0)
        assert isinstance(seen.of(Delayed)[0].error, RateLimited)
        second = asyncio.create_task(client.send(ROOM, "second"))
        await until(lambda: len(client.unsent(ROOM)) == 2)
        clock.advance(1.9)
        await asyncio.sleep(0.02)
        assert len(desk.peer.of("send")) == 1
        clock.advance(0.2)
        await asyncio.gather(first, second)
        assert [frame["content"] for frame in desk.peer.of("send")] == ["first", "first", "second"]
        assert len({frame["client_id"] for frame in desk.peer.of("send")}) == 2


async def test_who_has_no_patience_gets_the_passing_refusal(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, _):
        desk.answer = refuses("rate_limited", temporary=True, retry_after_ms=7)
        with pytest.raises(RateLimited) as refused:
            await client.send(ROOM, "now or never", patient=False)
        assert refused.value.retry_after_ms == 7
        assert client.unsent() == []


async def test_a_held_message_is_done_without_a_number(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, _):
        desk.answer = lambda peer, frame: (
            frame["type"] == "send"
            and (peer.say({"type": "ack", "ref": frame["ref"], "room": ROOM, "id": "m", "held": True}) or True)
        )
        ack = await client.send(ROOM, "hm")
        assert ack.held and ack.seq is None


async def test_the_outbox_outlives_the_process(desk: ScriptedDesk, tmp_path: Path) -> None:
    """What was said and not answered is sent by the next process, under the same client_id."""
    desk.answer = lambda peer, frame: frame["type"] == "send"
    async with visitor(desk, store=tmp_path / "me.jsonl") as (client, _):
        await client.ready()
        sending = asyncio.create_task(client.send(ROOM, "remember me"))
        await until(lambda: desk.peer.of("send"))
        frame = desk.peer.of("send")[0]
    with pytest.raises(ConnectionOver):
        await sending
    desk.answer = lambda peer, frame: False
    async with visitor(desk, store=tmp_path / "me.jsonl") as (client, seen):
        await until(lambda: seen.of(Sent))
        assert desk.peer.of("send")[0]["client_id"] == frame["client_id"]
        assert [m["content"] for m in desk.messages.values()] == ["remember me"]
    async with visitor(desk, store=tmp_path / "me.jsonl") as (client, seen):
        await client.ready()
        assert client.unsent() == []


async def test_a_restarted_process_goes_on_where_it_was(desk: ScriptedDesk, tmp_path: Path) -> None:
    """No hole and no repeat, also when the end came in the middle of a page."""
    store = tmp_path / "me.jsonl"
    desk.post("before")
    async with visitor(desk, store=store) as (client, seen):
        await client.subscribe(ROOM)
        desk.post("seen")
        await until(lambda: seen.new == ["seen"])
    for number in range(4):
        desk.post(str(number))

    class Killed(BaseException):
        """Not an error that anybody handles."""

    told: list[str] = []

    def handle_two(event: Event) -> None:
        if isinstance(event, MessageNew):
            if len(told) == 2:
                raise Killed
            told.append(event.message.content)

    client = Client(desk.url, token="access-1", store=store, on_event=handle_two, jitter=lambda: 0.0)
    async with client:
        waiting = asyncio.ensure_future(client.subscribe(ROOM))
        assert client._running is not None
        await asyncio.wait([client._running])
        assert isinstance(client._running.exception(), Killed)
    with pytest.raises(ConnectionOver):
        await waiting
    assert told == ["0", "1"]
    async with visitor(desk, store=store) as (client, seen):
        view = await client.subscribe(ROOM)
        assert seen.new == ["2", "3"]
        assert view.position == desk.seq
        assert seen.of(RoomLoaded) == []


async def test_what_was_told_before_a_kill_and_changed_since_is_not_new_again(
    desk: ScriptedDesk, tmp_path: Path
) -> None:
    """The process ended between two pages; the notebook knows what the first had told."""
    early = desk.post("early")
    desk.post("late")
    desk.change(early, content="early, edited")
    notebook = Notebook(tmp_path / "me.jsonl")
    notebook.set_place(ROOM, Place("e1", position=early["seq"], settled=early["seq"] - 1, told={early["seq"]}))
    notebook.close()
    async with visitor(desk, store=tmp_path / "me.jsonl") as (client, seen):
        await client.subscribe(ROOM)
        assert seen.new == ["late"]
        assert [event.message.content for event in seen.of(MessageChanged)] == ["early, edited"]


# -- coming back, and giving up


@pytest.mark.parametrize("code", [1001, 1011, 1012, 4001, 4002, 4008, 4010, 4012, 4013])
async def test_below_4500_the_client_comes_back(desk: ScriptedDesk, code: int) -> None:
    async with visitor(desk) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.close(code, "for now")
        await until(lambda: len(desk.peers) == 2 and view.live)
        assert desk.peer.of("subscribe")[0]["rooms"] == [{"id": ROOM, "epoch": "e1", "since": view.position}]
        assert [(e.code, e.reason) for e in seen.of(Reconnecting)] == [(code, "for now")]
        assert [event.again for event in seen.of(Live)] == [False, True]


@pytest.mark.parametrize("code", [4500, 4501, 4502, 4503, 4504, 4509, 4999])
async def test_from_4500_on_it_is_over_and_says_why(desk: ScriptedDesk, code: int) -> None:
    async with visitor(desk) as (client, seen):
        await client.subscribe(ROOM)
        desk.answer = lambda peer, frame: True
        waiting = asyncio.ensure_future(client.escalate(ROOM))
        await until(lambda: desk.peer.of("escalate"))
        desk.peer.say({"type": "error", "code": "revoked", "message": "You were logged out.", "temporary": False})
        desk.peer.close(code)
        with pytest.raises(ConnectionOver, match="You were logged out") as over:
            await waiting
        assert over.value.close_code == code
        with pytest.raises(ConnectionOver):
            await client.send(ROOM, "hello?")
        assert client.state == "closed" and seen[-1] == Closed(code, over.value)
        assert seen.of(Reconnecting) == [] and len(desk.peers) == 1


async def test_an_expired_token_is_renewed_before_coming_back(desk: ScriptedDesk, tmp_path: Path) -> None:
    """The refresh token is used once; its successor is kept."""
    async with visitor(desk, store=tmp_path / "me.jsonl") as (client, seen):
        await client.ready()
        desk.peer.close(4004)
        await until(lambda: len(desk.peers) == 2 and client.state == "live")
        assert [(path, body, auth) for _, path, body, auth in desk.calls[1:]] == [
            ("/auth/refresh", {"refresh_token": "refresh-1"}, ""),
            ("/ws-tickets", {}, "Bearer access-2"),
        ]
        assert seen.of(Reconnecting)[0].in_s == 0
    kept = Notebook(tmp_path / "me.jsonl")
    assert kept.refresh_token == "refresh-2"
    kept.close()


async def test_without_a_way_to_a_new_token_expiry_is_the_end(desk: ScriptedDesk) -> None:
    async with visitor(desk, refresh=None) as (client, seen):
        await client.ready()
        desk.peer.close(4004)
        await until(lambda: client.state == "closed")
        assert "Log in again" in str(seen.of(Closed)[0].error)


async def test_a_refresh_token_that_is_refused_is_the_end(desk: ScriptedDesk) -> None:
    desk.replies["POST", "/auth/refresh"] = (401, {"error": {"code": "revoked", "message": "Used twice."}})
    async with visitor(desk, token=None) as (client, seen):
        with pytest.raises(Unauthenticated, match="Used twice"):
            await client.ready()
        assert [type(event).__name__ for event in seen] == ["Connecting", "Closed"]


async def test_an_open_socket_is_given_the_new_token_in_time(desk: ScriptedDesk) -> None:
    clock = ManualClock()
    desk.heartbeat_ms = 10_000_000
    async with visitor(desk, clock=clock) as (client, _):
        await client.ready()
        await until(lambda: clock.sleeping >= 2)
        clock.advance(721)  # four fifths of a quarter of an hour
        await until(lambda: desk.peer.of("refresh"))
        assert desk.peer.of("refresh")[0]["token"] == "access-2"


async def test_a_rest_call_renews_an_expired_token_once(desk: ScriptedDesk) -> None:
    def me() -> tuple[int, Any]:
        if desk.calls[-1][3] == "Bearer access-1":
            return 401, {"error": {"code": "token_expired", "message": "Expired."}}
        return 200, {"name": "Ana"}

    desk.replies["GET", "/me"] = (200, me)
    async with visitor(desk) as (client, _):
        await client.ready()
        answers = await asyncio.gather(client.rest("GET", "/me"), client.rest("GET", "/me"))
        assert answers == [{"name": "Ana"}] * 2
        assert sum(path == "/auth/refresh" for _, path, _, _ in desk.calls) == 1


async def test_pauses_grow_with_full_jitter_up_to_half_a_minute(desk: ScriptedDesk) -> None:
    """Each pause is a random part of a growing whole, so that many clients do not come back as one."""
    clock = ManualClock()
    desk.replies["POST", "/ws-tickets"] = (500, b"<html>bad gateway</html>")
    chances = itertools.cycle([1.0, 0.5])
    async with visitor(desk, clock=clock, jitter=lambda: next(chances)) as (_, seen):
        for number in range(1, 10):
            await until(lambda number=number: len(seen.of(Reconnecting)) == number)
            await until(lambda: clock.sleeping)
            clock.advance(31)
        pauses = [event.in_s for event in seen.of(Reconnecting)]
        assert pauses == [1, 1, 4, 4, 16, 15, 30, 15, 30]


async def test_a_drained_server_is_left_when_it_said(desk: ScriptedDesk) -> None:
    """Not at once and not by a pause of one's own: the server has spread its clients over time."""
    clock = ManualClock()
    async with visitor(desk, clock=clock, jitter=lambda: 1.0) as (client, seen):
        view = await client.subscribe(ROOM)
        desk.peer.say({"type": "drain", "reconnect_in_ms": 5_000})
        desk.post("still here")
        await until(lambda: seen.new == ["still here"])
        sleepers = clock.sleeping
        clock.advance(2)
        desk.peer.close(4001)
        await until(lambda: seen.of(Reconnecting))
        assert seen.of(Reconnecting)[0].in_s == pytest.approx(3)
        assert sleepers and len(desk.peers) == 1
        await until(lambda: clock.sleeping)
        clock.advance(3)
        await until(lambda: len(desk.peers) == 2 and view.live)


async def test_a_drained_server_that_forgets_to_close_is_left_too(desk: ScriptedDesk) -> None:
    clock = ManualClock()
    async with visitor(desk, clock=clock) as (client, seen):
        await client.ready()
        before = clock.sleeping
        desk.peer.say({"type": "drain", "reconnect_in_ms": 5_000})
        await until(lambda: clock.sleeping > before)
        clock.advance(5)
        await until(lambda: len(desk.peers) == 2 and client.state == "live")
        assert seen.of(Reconnecting)[0].in_s == 0


async def test_the_servers_ping_is_answered(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, _):
        await client.ready()
        desk.peer.say({"type": "ping"})
        await until(lambda: desk.peer.of("pong"))


async def test_a_silent_line_is_asked_then_left(desk: ScriptedDesk) -> None:
    """After 1.5 heartbeats of silence the client pings; an answer keeps the line, after 2 it is left."""
    clock = ManualClock()
    desk.heartbeat_ms = 30_000
    async with visitor(desk, clock=clock, refresh=None) as (client, seen):
        await client.ready()
        for pings in (1, 2):
            await until(lambda: clock.sleeping)
            clock.advance(45)
            await until(lambda pings=pings: len(desk.peer.of("ping")) == pings)
            heard_at = clock.now_s
            await until(
                lambda heard_at=heard_at: client._link.line is not None and client._link.line.heard_at == heard_at
            )
            clock.advance(15)  # the answer has reset the count: this is no reason to leave
            await until(lambda: clock.sleeping)
            assert len(desk.peers) == 1
            clock.advance(-15)
        desk.answer = lambda peer, frame: True
        clock.advance(45)
        await until(lambda: len(desk.peer.of("ping")) == 3)
        await until(lambda: clock.sleeping)
        clock.advance(15)
        await until(lambda: len(desk.peers) == 2 and client.state == "live")
        assert [event.code for event in seen.of(Reconnecting)] == [1006]


async def test_closing_is_no_error_and_ends_the_iteration(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, seen):
        events = client.events()
        await client.subscribe(ROOM)
    told = [event async for event in events]
    assert told[-1] == Closed(1000, None) == seen[-1]
    assert not any(task.get_name().startswith("deskbell.client") for task in asyncio.all_tasks())


async def test_who_reads_events_too_slowly_is_told_so(desk: ScriptedDesk) -> None:
    async with visitor(desk) as (client, _):
        events = client.events(limit=3)
        view = await client.subscribe(ROOM)
        for number in range(5):
            desk.post(str(number))
        await until(lambda: view.position == desk.seq)
        with pytest.raises(EventsLost):
            _ = [event async for event in events]
        assert len(view.messages) == 5


async def test_a_handler_that_fails_does_not_take_the_client_down(desk: ScriptedDesk) -> None:
    def fail(event: Event) -> None:
        raise ValueError(event)

    async with visitor(desk, on_event=fail) as (client, _):
        view = await client.subscribe(ROOM)
        desk.post("hello")
        await until(lambda: view.position == desk.seq)


# -- REST


async def test_a_redirect_is_not_followed(desk: ScriptedDesk) -> None:
    """A token goes nowhere but to its server."""
    desk.replies["GET", "/me"] = (302, b"")
    with pytest.raises(NotUnderstood):
        await Rest(desk.url).call("GET", "/me", token="secret")


async def test_refusals_over_rest_come_back_by_class(desk: ScriptedDesk) -> None:
    desk.replies["GET", "/a"] = (429, {"error": {"code": "rate_limited", "message": "Slow.", "temporary": True}})
    desk.replies["GET", "/b"] = (503, b"<html>")
    desk.replies["GET", "/c"] = (200, b"<html>")
    desk.replies["GET", "/d"] = (204, b"")
    rest = Rest(desk.url)
    with pytest.raises(RateLimited, match=r"Slow\.") as limited:
        await rest.call("GET", "/a")
    assert limited.value.retry_after_ms == 3_000
    with pytest.raises(Unreachable) as away:
        await rest.call("GET", "/b")
    assert away.value.retry_after_ms == 3_000 and away.value.temporary
    with pytest.raises(NotUnderstood):
        await rest.call("GET", "/c")
    assert await rest.call("GET", "/d") is None
    with pytest.raises(Unreachable):
        await Rest("http://127.0.0.1:1").call("GET", "/a")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ws://127.0.0.1", "desk.example.com", ""])
def test_an_address_is_http(url: str) -> None:
    with pytest.raises(ValueError, match="an address looks like"):
        Rest(url)


def test_an_unknown_code_keeps_its_name_and_its_flag() -> None:
    error = refusal("quota_of_plugin", "Tomorrow.", temporary=True, retry_after_ms=5)
    assert (error.code, str(error), error.retry_after_ms) == ("quota_of_plugin", "Tomorrow.", 5)
    assert isinstance(error, Temporary)


def test_a_tokens_life_is_counted_from_its_making() -> None:
    """So a wrong clock on this machine does not matter."""
    assert lifetime_s("e30.eyJpYXQiOjUwMCwiZXhwIjoxMTAwfQ.x") == 600
    assert lifetime_s("no jwt") == 900


# -- the notebook


def test_a_notebook_is_for_its_owner_and_one_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "me.jsonl"
    notebook = Notebook(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(InUse):
        Notebook(path)
    notebook.close()
    Notebook(path).close()


def test_a_notebook_survives_a_torn_line_and_lines_of_the_future(tmp_path: Path) -> None:
    path = tmp_path / "me.jsonl"
    notebook = Notebook(path)
    notebook.set_refresh_token("r")
    notebook.set_fact("room", ROOM)
    notebook.set_fact("gone", "x")
    notebook.set_fact("gone", None)
    notebook.set_place(ROOM, Place("e", 5, 4, {5}))
    notebook.reached(ROOM, 7, 6)
    notebook.put_out({"room": ROOM, "client_id": "a", "content": "1"})
    notebook.put_out({"room": ROOM, "client_id": "b", "content": "2"})
    notebook.taken((ROOM, "a"))
    notebook.close()
    with path.open("ab") as file:
        file.write(b'{"mood": "blue"}\n[1]\n{"token": "to')
    again = Notebook(path)
    assert again.refresh_token == "r"
    assert again.facts == {"room": ROOM}
    assert again.places == {ROOM: Place("e", 7, 4, {5, 6})}
    assert list(again.outbox) == [(ROOM, "b")]
    again.close()
    assert b"mood" not in path.read_bytes()


def test_a_notebook_does_not_grow_with_every_message(tmp_path: Path) -> None:
    notebook = Notebook(tmp_path / "me.jsonl")
    for number in range(5_000):
        notebook.set_place(ROOM, Place("e", number, number))
    notebook.close()
    assert len((tmp_path / "me.jsonl").read_bytes().splitlines()) < 2_100
    again = Notebook(tmp_path / "me.jsonl")
    assert again.places[ROOM].position == 4_999
    again.close()


# -- any interleaving


def normal(record: Any) -> Any:
    return msgspec.to_builtins(record)


class AnyNetwork(RuleBasedStateMachine):
    """Whatever is lost, doubled, reordered or cut: in the end the client's view is the server's.

    Live frames may be lost, doubled and held back; replies travel in order as on any socket, and
    sockets are cut at any moment. Each message is told as new exactly once, in order.
    """

    @initialize(page_size=st.sampled_from([1, 2, 3, 100]))
    def begin(self, page_size: int) -> None:
        self.runner = asyncio.Runner()
        self.desk = ScriptedDesk()
        self.desk.page_size = page_size
        self.seen = Seen()
        self.fate = "honest"
        self.held: list[dict[str, Any]] = []
        self.sends: list[asyncio.Task[Any]] = []
        self.births: list[str] = []
        self.resets = 0
        self.desk.deliver = self.deliver
        self.run(self.start())

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    async def start(self) -> None:
        await self.desk.open()
        self.desk.post("first")
        self.client = Client(self.desk.url, token="a", jitter=lambda: 0.0, on_event=self.seen.append, clock=NoWaiting())
        await self.client.__aenter__()
        self.view = await self.client.subscribe(ROOM)

    def deliver(self, peer: Peer, frame: dict[str, Any]) -> list[dict[str, Any]]:
        if self.fate == "lost":
            return []
        if self.fate == "held":
            self.held.append(frame)
            return []
        if self.fate == "overtaken":
            frames, self.held = [frame, *self.held], []
            return frames
        if self.fate == "doubled":
            return [frame, frame]
        return [frame]

    @rule(fate=st.sampled_from(["honest", "honest", "lost", "held", "overtaken", "doubled"]))
    def the_network_turns(self, fate: str) -> None:
        self.fate = fate

    @rule(count=st.integers(1, 5))
    def somebody_posts(self, count: int) -> None:
        async def post() -> None:
            for _ in range(count):
                self.births.append(self.desk.post(f"m{self.desk.seq}")["id"])

        self.run(post())

    @rule(pick=st.integers(0, 10**6), what=st.sampled_from(["edit", "delete", "react"]))
    def somebody_changes(self, pick: int, what: str) -> None:
        async def change() -> None:
            messages = list(self.desk.messages.values())
            if not messages:
                return
            message = messages[pick % len(messages)]
            if what == "edit":
                self.desk.change(message, content=f"edited at {self.desk.seq}")
            elif what == "delete":
                self.desk.change(message, content="", deleted=True)
            else:
                self.desk.change(message, reactions=[{"emoji": "👍", "count": self.desk.seq, "users": []}])

        self.run(change())

    @rule(what=st.sampled_from(["join", "leave", "owner", "skip"]))
    def the_room_changes(self, what: str) -> None:
        async def change() -> None:
            if what == "owner":
                self.desk.change_owner("agent")
            elif what == "skip":
                self.desk.skip()
            else:
                self.desk.join(BOT, "joined" if what == "join" else "left")

        self.run(change())

    @rule(count=st.integers(1, 3))
    def the_client_sends(self, count: int) -> None:
        async def send() -> None:
            for _ in range(count):
                self.sends.append(asyncio.create_task(self.client.send(ROOM, f"own {len(self.sends)}")))
                await asyncio.sleep(0)

        self.run(send())

    @rule(code=st.sampled_from([None, 4001, 4002, 4010]), moment_ms=st.integers(0, 3))
    def the_line_is_cut(self, code: int | None, moment_ms: int) -> None:
        async def cut() -> None:
            await asyncio.sleep(moment_ms / 1000)
            if code is None:
                self.desk.peer.cut()
            else:
                self.desk.peer.close(code)

        self.run(cut())

    @precondition(lambda self: self.resets < 2)
    @rule(pick=st.integers(0, 10**6))
    def messages_are_purged(self, pick: int) -> None:
        async def purge() -> None:
            self.resets += 1
            self.desk.purge(self.desk.floor + pick % (self.desk.seq - self.desk.floor + 1))

        self.run(purge())

    @rule()
    def all_settles(self) -> None:
        self.fate = "honest"
        self.run(self.settle())
        assert {k: normal(m) for k, m in self.view.messages.items() if m.seq >= self.view.oldest} == {
            k: normal(msgspec.convert(m, type(next(iter(self.view.messages.values())))))
            for k, m in self.desk.messages.items()
            if m["seq"] >= self.view.oldest
        }
        assert {k: p.state for k, p in self.view.participants.items()} == {
            k: p["state"] for k, p in self.desk.participants.items()
        }
        assert self.view.state is not None and self.view.state.changed_seq == self.desk.state["changed_seq"]
        assert self.view.position == self.desk.seq

    async def settle(self) -> None:
        def level() -> bool:
            return self.view.live and self.view.position == self.desk.seq and self.view.epoch == self.desk.epoch

        async with asyncio.timeout(DEADLINE_S):
            acks = await asyncio.gather(*self.sends)
            while not level():
                if self.desk.peers and self.desk.peer.open:
                    self.desk.peer.say({"type": "tips", "rooms": {ROOM: self.desk.seq}})
                await asyncio.sleep(0.002)
        sent = [m for m in self.desk.messages.values() if m["content"].startswith("own ")]
        assert len({ack.id for ack in acks}) == len(acks) >= len(sent)

    @invariant()
    def nothing_is_told_twice(self) -> None:
        new = [event.message for event in self.seen.of(MessageNew)] if hasattr(self, "seen") else []
        assert len({message.id for message in new}) == len(new)

    @invariant()
    def changes_go_forward(self) -> None:
        latest: dict[str, int] = {}
        for event in self.seen.of(MessageNew, MessageChanged) if hasattr(self, "seen") else []:
            assert event.message.changed_seq > latest.get(event.message.id, 0)
            latest[event.message.id] = event.message.changed_seq

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        try:
            self.all_settles()
            if not self.resets:
                told = {event.message.id for event in self.seen.of(MessageNew)}
                assert told.issuperset(self.births)
        finally:
            self.run(self.client.close())
            self.run(self.desk.close())
            self.runner.close()


class NoWaiting(Clock):
    """Pauses are skipped, so that an example takes no time."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0 if seconds < 10 else seconds)


AnyNetwork.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyNetwork = AnyNetwork.TestCase
