"""A small server of the protocol on a real socket, told to lose, double, reorder and cut; and who talks to it.

Time is the test's own where time matters.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from deskbell.client import Client, Event, MessageNew, RoomView
from deskbell.clock import Clock

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
