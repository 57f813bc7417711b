"""People who use an installation while it is being broken, and write down all they ask, are answered and hear.

Each :class:`Talker` has several sockets, on different instances, and REST besides. What is not answered, or
refused for now, is asked again under the same name, by another way, until it is answered; so at the
end every wish is known to be fulfilled. Nobody here judges anything: a hole, a repetition or a lie is
written down as it came, for :mod:`deskbell.testing.faults.checker`.

The client is minimal and its own: what it records must not depend on what the product's client would heal.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from deskbell.testing.faults.history import (
    Answered,
    BegunAnew,
    Called,
    Closed,
    Excerpt,
    Heard,
    MarkShown,
    Opened,
    Paged,
    Recorder,
    Seen,
    ToldToGo,
)
from deskbell.wire.close_codes import may_reconnect

ANSWER_WITHIN_S = 4.0
OPEN_WITHIN_S = 4.0
SILENT_S = 9.0
"""A socket that is silent this long, heartbeats included, is given up by its client."""
EMOJI = ("👍", "🎉", "🔔")
DURABLE = ("message", "participant", "room", "skip")

_lost = (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, TimeoutError, EOFError)


@dataclass(frozen=True)
class Who:
    """Somebody with a token."""

    id: str
    token: str
    name: str


@dataclass(frozen=True)
class Answer:
    """A reply, from a frame or a response. ``retry``: asking again makes sense."""

    ok: bool
    code: str = ""
    retry: bool = False
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Standing:
    """How far one place is in one room."""

    position: int | None = None
    epoch: str = ""
    asked_since: int | None = None
    asked_at: float = 0.0
    subscribed: bool = False


def seen(message: Mapping[str, Any]) -> Seen:
    return Seen(
        id=message["id"],
        seq=message["seq"],
        changed_seq=message["changed_seq"],
        sender=message["sender"]["id"],
        client_id=message["client_id"],
        content=message["content"],
    )


class Place:
    """One socket of a talker, opened again whenever it ends, going on in its rooms from where it was."""

    def __init__(self, talker: Talker, number: int) -> None:
        self.name = f"{talker.name}.{number}"
        self.rooms: dict[str, _Standing] = {}
        self.instance = -1
        self.socket = ""
        self.final: int | None = None
        self._talker = talker
        self._numbers = itertools.count(1)
        self._connection: ClientConnection | None = None
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> bool:
        return self._connection is not None

    async def run(self) -> None:
        """Keep the socket open until cancelled, or until it is refused for good."""
        talker, misses = self._talker, 0
        while self.final is None:
            instance = talker.chance.randrange(len(talker.urls))
            try:
                await self._once(instance)
                misses = 0
            except _lost:
                misses += 1
            # Full jitter, short: the harness wants them back, the instances are to be spared a stampede.
            await asyncio.sleep(talker.chance.random() * min(0.2 * 2**misses, 1.0))

    async def _once(self, instance: int) -> None:
        talker = self._talker
        url = talker.urls[instance].replace("http", "ws", 1)
        connection = await connect(
            f"{url}/api/v1/ws?token={talker.who.token}",
            compression=None,
            max_size=None,
            proxy=None,
            ping_interval=None,
            open_timeout=OPEN_WITHIN_S,
            close_timeout=0.5,
        )
        socket = f"{self.name}#{next(self._numbers)}"
        opened = False
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                first = msgspec.json.decode(await connection.recv())
            if first["type"] == "welcome":
                opened = True
                self.instance, self.socket, self._connection = instance, socket, connection
                talker.log.add(Opened(t=talker.log.now(), client=talker.name, socket=socket, instance=instance))
                for standing in self.rooms.values():
                    standing.subscribed = False
                self._spawn(self._subscribe_all(connection))
            while True:
                async with asyncio.timeout(SILENT_S):
                    frame = msgspec.json.decode(await connection.recv())
                self._take(frame)
        finally:
            self._connection = None
            for future in self._waiting.values():
                future.cancel()
            self._waiting.clear()
            for task in self._tasks:
                task.cancel()
            code = connection.close_code
            if opened:
                entry = Closed(
                    t=talker.log.now(), client=talker.name, socket=socket, instance=instance, code=code or 1006
                )
                talker.log.add(entry)
            if code is not None and not may_reconnect(code):
                self.final = code
            # What is left is closed aside: a silent peer would make its client wait for the good-bye.
            connection.transport.abort()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # rooms

    def follow(self, room: str) -> None:
        """Be subscribed to a room from now on, over every reconnection."""
        if room not in self.rooms:
            self.rooms[room] = _Standing()
            if self._connection is not None:
                self._spawn(self._subscribe(self._connection, room))

    async def _subscribe_all(self, connection: ClientConnection) -> None:
        for room in list(self.rooms):
            await self._subscribe(connection, room)

    async def _subscribe(self, connection: ClientConnection, room: str) -> None:
        """Ask until it is granted; the store may be away for a while."""
        talker, standing = self._talker, self.rooms[room]
        while self._connection is connection and not standing.subscribed:
            standing.asked_since, standing.asked_at = standing.position, talker.log.now()
            wanted: dict[str, Any] = {"id": room}
            if standing.position is not None:
                wanted |= {"since": standing.position, "epoch": standing.epoch}
            reply = await self.ask({"type": "subscribe", "rooms": [wanted]}, within_s=2 * ANSWER_WITHIN_S)
            if reply is None:
                # No answer within seconds: another socket is the way on, not a second question.
                if self._connection is connection:
                    connection.transport.abort()
                return
            if reply["type"] == "error":
                await asyncio.sleep(0.2 + talker.chance.random() * 0.3)

    # frames

    async def ask(self, frame: Mapping[str, Any], within_s: float = ANSWER_WITHIN_S) -> dict[str, Any] | None:
        """Send a frame; its reply, or None where none came."""
        connection = self._connection
        if connection is None:
            return None
        ref = f"{self.name}-{next(self._numbers)}"
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[ref] = future
        try:
            async with asyncio.timeout(within_s):
                await connection.send(msgspec.json.encode({**frame, "ref": ref}).decode())
                return await future
        except _lost:
            return None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return None  # the socket ended
        finally:
            self._waiting.pop(ref, None)

    def _take(self, frame: dict[str, Any]) -> None:
        talker, kind = self._talker, frame["type"]
        log, room = talker.log, frame.get("room", "")
        if kind in DURABLE:
            shown = seen(frame["message"]) if kind == "message" else None
            log.add(
                Heard(
                    t=log.now(), client=talker.name, socket=self.socket, room=room, kind=kind, seq=frame["seq"],
                    message=shown,
                )
            )  # fmt: skip
            standing = self.rooms[room]
            if standing.position is not None:
                standing.position = max(standing.position, frame["seq"])
            if shown is not None:
                talker.noticed(room, shown)
        elif kind in ("subscribed", "changes"):
            self._page(kind, room, frame)
        elif kind == "reset":
            log.add(BegunAnew(t=log.now(), client=talker.name, socket=self.socket, room=room))
            standing = self.rooms[room]
            standing.position, standing.subscribed = None, False
            if self._connection is not None and not standing.asked_at:
                self._spawn(self._subscribe(self._connection, room))
        elif kind == "receipt":
            log.add(
                MarkShown(
                    t=log.now(), client=talker.name, socket=self.socket, room=room, user=frame["user"],
                    seq=frame["read_seq"],
                )
            )  # fmt: skip
        elif kind == "drain":
            log.add(ToldToGo(t=log.now(), client=talker.name, socket=self.socket, instance=self.instance))
        elif kind == "ping" and self._connection is not None:
            self._spawn(self._pong(self._connection))
        future = self._waiting.get(frame.get("ref", ""))
        if future is not None and not future.done():
            future.set_result(frame)

    async def _pong(self, connection: ClientConnection) -> None:
        with contextlib.suppress(*_lost):
            await connection.send('{"type":"pong"}')

    def _page(self, kind: str, room: str, frame: dict[str, Any]) -> None:
        talker, standing = self._talker, self.rooms[room]
        log = talker.log
        asked_at = standing.asked_at if kind == "subscribed" else 0.0
        since = standing.asked_since if kind == "subscribed" else frame["since"]
        shown = [seen(message) for message in frame["messages"]]
        log.add(
            Paged(
                t=log.now(), client=talker.name, socket=self.socket, room=room, kind=kind, since=since,
                seq=frame["seq"], more=frame["more"], messages=shown, asked_at=asked_at,
            )
        )  # fmt: skip
        standing.position, standing.epoch = frame["seq"], frame["epoch"]
        if kind == "subscribed":
            standing.subscribed, standing.asked_at = True, 0.0
        for message in shown:
            talker.noticed(room, message)


class Talker:
    """Somebody with a few sockets who says things, and insists."""

    def __init__(
        self, name: str, who: Who, urls: Sequence[str], log: Recorder, chance: random.Random, *, sockets: int = 2
    ) -> None:
        self.name = name
        self.who = who
        self.urls = list(urls)
        self.log = log
        self.chance = chance
        self.places = [Place(self, number) for number in range(sockets)]
        self.unanswered = 0
        """Wishes under way now."""
        self.asked_again = 0
        """Attempts beyond the first, over all wishes."""
        self._numbers = itertools.count(1)
        self._mine: list[tuple[str, str]] = []
        self._others: dict[str, str] = {}
        self._read: dict[str, int] = {}
        self._https: dict[int, httpx.AsyncClient] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, rooms: Sequence[str] = ()) -> None:
        """Open the sockets, subscribed to ``rooms``."""
        for place in self.places:
            for room in rooms:
                place.follow(room)
            self._tasks.append(asyncio.create_task(place.run(), name=place.name))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for http in self._https.values():
            await http.aclose()

    def key(self) -> str:
        """A name nobody else uses."""
        return f"{self.name}-{next(self._numbers)}"

    def noticed(self, room: str, message: Seen) -> None:
        """Somebody's message was shown: one may react to it."""
        if message.content:
            self._others[message.id] = room
            if len(self._others) > 50:
                del self._others[next(iter(self._others))]
        self._read[room] = max(self._read.get(room, 0), message.changed_seq)

    # ways to ask

    def _http(self, instance: int) -> httpx.AsyncClient:
        if instance not in self._https:
            self._https[instance] = httpx.AsyncClient(
                base_url=f"{self.urls[instance]}/api/v1",
                headers={"Authorization": f"Bearer {self.who.token}"},
                timeout=ANSWER_WITHIN_S,
                trust_env=False,
            )
        return self._https[instance]

    async def rest(self, instance: int, method: str, path: str, body: Any = None) -> Answer | None:
        """One request; None where nobody answered in our own words."""
        try:
            # The whole exchange has a bound of its own: httpx counts each read anew.
            async with asyncio.timeout(ANSWER_WITHIN_S):
                answer = await self._http(instance).request(method, path, json=body)
            content = answer.json()
        except (httpx.HTTPError, TimeoutError, ValueError):
            return None
        if answer.is_success:
            return Answer(True, body=content)
        error = content.get("error", {})
        return Answer(False, error.get("code", ""), bool(error.get("temporary")))

    async def _over_socket(self, place: Place, frame: Mapping[str, Any]) -> Answer | None:
        reply = await place.ask(frame)
        if reply is None:
            return None
        if reply["type"] == "error":
            return Answer(False, reply["code"], reply["temporary"])
        return Answer(True, body=reply)

    async def attempt(
        self, op: str, key: str, number: int, about: Mapping[str, Any], place: Place | None
    ) -> Answer | None:
        """Ask once, over a socket or over REST on some instance, and write both down."""
        instance = self.chance.randrange(len(self.urls)) if place is None else place.instance
        self.log.add(
            Called(
                t=self.log.now(), client=self.name, user=self.who.id, op=op, key=key, attempt=number,
                instance=instance, socket="" if place is None else place.socket, **about,
            )
        )  # fmt: skip
        if place is None:
            answer = await self.rest(instance, *_request(op, key, about))
        else:
            answer = await self._over_socket(place, _frame(op, key, about))
        if answer is not None:
            body = answer.body
            # A stored message's own number is that of its birth; any other change is known by its last.
            number_of = "seq" if op == "send" or body.get("type") == "ack" else "changed_seq"
            self.log.add(
                Answered(
                    t=self.log.now(), client=self.name, op=op, key=key, attempt=number, ok=answer.ok,
                    code=answer.code, id=body.get("id") or "", seq=body.get(number_of) or 0,
                    version=body.get("version") or 0, duplicate=bool(body.get("duplicate")),
                )
            )  # fmt: skip
        return answer

    def _way(self, op: str) -> Place | None:
        """A socket that is open, or None for REST."""
        open_places = [place for place in self.places if place.ready]
        if op not in _SOCKET or not open_places or self.chance.random() < 0.25:
            return None
        return self.chance.choice(open_places)

    async def wish(self, op: str, key: str = "", *, place: Place | None = None, first: int = 1, **about: Any) -> Answer:
        """Ask until there is an answer that asking again would not change. ``place``: the way of the first attempt."""
        key = key or self.key()
        self.unanswered += 1
        try:
            for number in itertools.count(first):
                way = place if number == first and place is not None and place.ready else self._way(op)
                answer = await self.attempt(op, key, number, about, way)
                if answer is not None and not answer.retry:
                    return answer
                self.asked_again += 1
                await asyncio.sleep(0.05 + self.chance.random() * 0.3)
        finally:
            self.unanswered -= 1
        raise AssertionError

    async def at_once(self, room: str, times: int) -> list[Answer | None]:
        """Send one message many times at the same moment, by every way there is; then until it is acknowledged."""
        key = self.key()
        about: dict[str, Any] = {"room": room, "content": f"{key} at once"}
        ways: list[Place | None] = [*(place for place in self.places if place.ready), None]
        answers = await asyncio.gather(
            *(self.attempt("send", key, number, about, ways[number % len(ways)]) for number in range(times))
        )
        await self.wish("send", key, first=times, **about)
        return list(answers)

    # a day at work

    async def talk(self, rooms: Sequence[str], pause_s: float, until: Callable[[], bool]) -> None:
        """Do this and that in some rooms until it is over."""
        while not until():
            await asyncio.sleep(self.chance.expovariate(1 / pause_s))
            room = self.chance.choice(rooms)
            dice = self.chance.random()
            if dice < 0.5 or not self._mine:
                await self.says(room)
            elif dice < 0.6:
                await self._says_much(room)
            elif dice < 0.7:
                in_room, mine = self.chance.choice(self._mine[-10:])
                key = self.key()
                await self.wish("edit", key, room=in_room, target=mine, content=f"{key} better")
            elif dice < 0.8 and self._others:
                other, in_room = self.chance.choice(list(self._others.items()))
                await self.wish("react", room=in_room, target=other, content=self.chance.choice(EMOJI))
            elif dice < 0.9:
                await self.wish("read", room=room, seq=self._read.get(room, 0))
            else:
                await self.looks(room)

    async def says(self, room: str, *, place: Place | None = None) -> Answer:
        """Send a message nobody has sent before."""
        key = self.key()
        answer = await self.wish("send", key, place=place, room=room, content=f"{key} said")
        if answer.ok:
            self._mine.append((room, answer.body["id"]))
        return answer

    async def _says_much(self, room: str) -> None:
        """Several messages on one socket without waiting for the acks."""
        place = self._way("send")
        await asyncio.gather(*(self.says(room, place=place) for _ in range(5)))

    async def looks(self, room: str) -> None:
        """Look at the newest of a room, over REST on some instance."""
        instance, asked_at = self.chance.randrange(len(self.urls)), self.log.now()
        answer = await self.rest(instance, "GET", f"/rooms/{room}/messages?limit=50")
        if answer is None or not answer.ok:
            return
        self.log.add(
            Excerpt(
                t=self.log.now(), client=self.name, room=room, instance=instance, asked_at=asked_at,
                as_of=answer.body["as_of_seq"], messages=[seen(message) for message in answer.body["messages"]],
            )
        )  # fmt: skip


class Counter:
    """The desk: visitors who ask for a person, agents who all reach for the same case."""

    def __init__(self, agents: Sequence[Talker]) -> None:
        self.agents = list(agents)
        self.cases = 0

    async def visit(self, visitor: Talker, pause_s: float, until: Callable[[], bool]) -> None:
        """One conversation after the other: opened, asked, escalated, claimed by all at once, resolved."""
        while not until():
            opened = await visitor.wish("open")
            if not opened.ok:
                return
            room = opened.body["id"]
            for place in visitor.places:
                place.follow(room)
            await visitor.says(room)
            await visitor.wish("escalate", room=room)
            case = await self._case_of(room, until)
            if case is None:
                return
            reaching = [agent.wish("claim", target=case) for agent in self.agents]
            answers = await asyncio.gather(*reaching)
            self.cases += 1
            for agent, answer in zip(self.agents, answers, strict=True):
                if answer.ok:
                    await agent.says(room)
                    await agent.wish("resolve", target=case)
            await asyncio.sleep(visitor.chance.expovariate(1 / pause_s))

    async def _case_of(self, room: str, until: Callable[[], bool]) -> str | None:
        agent = self.agents[0]
        while True:
            instance = agent.chance.randrange(len(agent.urls))
            answer = await agent.rest(instance, "GET", "/cases?view=all&limit=100")
            if answer is not None and answer.ok:
                for case in answer.body["items"]:
                    if case["room"] == room:
                        return str(case["id"])
            if until():
                return None
            await asyncio.sleep(0.1)


_SOCKET = ("send", "edit", "react", "read", "escalate")


def _frame(op: str, key: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """The wish as a frame."""
    match op:
        case "send":
            return {"type": "send", "room": about["room"], "client_id": key, "content": about["content"]}
        case "edit":
            return {"type": "edit", "message": about["target"], "content": about["content"]}
        case "react":
            return {"type": "react", "message": about["target"], "emoji": about["content"]}
        case "read":
            return {"type": "read", "room": about["room"], "seq": about["seq"]}
        case "escalate":
            return {"type": "escalate", "room": about["room"]}
    raise AssertionError(op)


def _request(op: str, key: str, about: Mapping[str, Any]) -> tuple[str, str, Any]:
    """The wish as a request: method, path, body."""
    match op:
        case "send":
            return "POST", f"/rooms/{about['room']}/messages", {"client_id": key, "content": about["content"]}
        case "edit":
            return "PATCH", f"/messages/{about['target']}", {"content": about["content"]}
        case "react":
            return "PUT", f"/messages/{about['target']}/reactions/{about['content']}", None
        case "read":
            return "POST", f"/rooms/{about['room']}/read", {"seq": about["seq"]}
        case "open":
            return "POST", "/support/conversations", {"new": True}
        case "escalate":
            return "POST", f"/rooms/{about['room']}/escalate", {}
        case "claim" | "resolve":
            return "POST", f"/cases/{about['target']}/{op}", {}
    raise AssertionError(op)
