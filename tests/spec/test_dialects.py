"""What every dialect is promised, seen with a small one: flat frames, one word for each thing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from deskbell import (
    Alias,
    Answer,
    ChannelType,
    ClientFrame,
    Dialect,
    Forbidden,
    Frames,
    Policy,
    RoomId,
    RouteRequest,
    Session,
    Told,
    ToldDrain,
    ToldHistory,
    ToldInbox,
    ToldMember,
    ToldMessage,
    ToldRoom,
    hookimpl,
)
from deskbell.hub import fan_out
from deskbell.plugins import PluginHost
from deskbell.testing.desk import Desk, Line, Person, settings_for
from deskbell.wire.events import Event


class Say(ClientFrame):
    text: str


class Fail(ClientFrame):
    how: str


class Note(msgspec.Struct):
    text: str = ""


class Mumble(Dialect):
    """One socket per room, named in its address; and one that follows everything."""

    name = "mumble"
    sockets = ("/api/mumble/<room>",)
    frames = Say | Fail
    deadline_s = 0.3

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.aliases = (
            Alias(method="POST", path="/api/mumble/<room>/notes", handler=self.note, body=Note),
            Alias(method="GET", path="/api/v1/messages/<message>", handler=self.mine, claims=self.is_mine),
            Alias(method="GET", path="/api/v1/rooms/<room>", handler=self.mine),
            Alias(method="GET", path="/api/mumble/open", handler=self.hello, who="anybody"),
        )

    async def welcome(self, session: Session) -> Frames:
        await session.follow(RoomId(session.path["room"]))
        return {"type": "hello", "name": session.user.name}

    async def receive(self, session: Session, frame: Any) -> Frames:
        match frame:
            case Say(text=text):
                await session.desk.send(RoomId(session.path["room"]), text)
            case Fail(how="raise"):
                raise RuntimeError("a secret of the plugin's")
            case Fail(how="late"):
                await asyncio.sleep(60)
            case Fail(how="nonsense"):
                return {"type": "x", "value": object()}
            case Fail(how="refuse"):
                raise Forbidden("Not today.")
        return [{"type": "done"}, {"type": "done"}]

    def tell(self, told: Told) -> Frames:
        self.told.append(told)
        match told:
            case ToldMessage(message=message):
                if message.content == "unspeakable":
                    raise RuntimeError("no word for it")
                return {"type": told.what, "text": message.content, "in": told.room.name}
            case ToldHistory(messages=messages):
                return {"type": "history", "texts": [message.content for message in messages]}
            case ToldMember(participant=who):
                return {"type": who.state, "user": who.user.id}
            case ToldRoom(room=room):
                return {"type": "room", "name": room.name}
            case ToldDrain():
                return {"type": "bye"}
            case ToldInbox(removed=True):
                return {"type": "out"}
        return None

    async def note(self, request: RouteRequest) -> Any:
        sent = await request.desk.send(RoomId(request.path["room"]), request.body.text)
        return Answer(201, {"said": sent.id})

    async def is_mine(self, request: RouteRequest) -> bool:
        from deskbell import MessageId

        return (await request.desk.message(MessageId(request.path["message"]))).content.startswith("mumble")

    async def mine(self, request: RouteRequest) -> Any:
        return {"mumbled": request.path}

    async def hello(self, request: RouteRequest) -> Any:
        return {"hello": None if request.who is None else "somebody"}


class Everything(Dialect):
    """Follows all rooms of its user, and only listens."""

    name = "everything"
    sockets = ("/api/everything",)
    follows_all = True

    def tell(self, told: Told) -> Frames:
        match told:
            case ToldMessage(message=message):
                return {"type": "message", "text": message.content}
            case ToldHistory(room=room):
                return {"type": "following", "room": room.id}
        return None


class Plugin:
    def __init__(self) -> None:
        self.mumble = Mumble()

    @hookimpl
    def register_dialects(self) -> Sequence[Dialect]:
        return [self.mumble, Everything()]

    @hookimpl
    def register_channel_types(self) -> Sequence[ChannelType]:
        return [ChannelType(name="fresh", title="Fresh", policy=Policy(history="since_join"))]


plugin = Plugin()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    url = f"sqlite:///{tmp_path_factory.mktemp('dialects') / 'deskbell.sqlite3'}"
    async with Desk.open(url, plugins={"mumbling": plugin}) as opened:
        yield opened


async def dial(person: Person, path: str) -> Line:
    line = Line(
        await connect(f"{person.desk.url.replace('http', 'ws', 1)}{path}?token={person.token}", compression=None)
    )
    person.desk.lines.append(line)
    return line


async def a_room(desk: Desk, **body: Any) -> tuple[Person, Person, str]:
    maya, tom = await desk.member("Maya"), await desk.member("Tom")
    return maya, tom, await maya.group(tom, **body)


async def test_register_dialects_brings_a_socket_of_ones_own(desk: Desk) -> None:
    """Its address may hold names; what it says comes in the order it was said."""
    maya, tom, room = await a_room(desk, name="Ours")
    line = await dial(tom, f"/api/mumble/{room}")
    await line.wait("hello", name="Tom")
    assert [frame["type"] for frame in line.frames] == ["history", "hello"]
    async with maya.line() as v1:
        await v1.subscribe(room)
        await line.send({"type": "say", "text": "hm"})
        await v1.hears(room, "hm")
        await line.wait("created", text="hm", **{"in": "Ours"})
        await line.find(lambda f: f["type"] == "done")
        await maya.call("PATCH", f"/rooms/{room}", json={"name": "Theirs"})
        await line.wait("room", name="Theirs")
        await v1.says(room, "next")
        await line.wait("created", text="next", **{"in": "Theirs"})


@pytest.mark.parametrize("slice_", [500, 2])
async def test_an_event_is_put_into_words_once_for_all_sockets_of_a_room(
    desk: Desk, slice_: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many listen, also where they are told in slices; and not at all where none of the dialect does."""
    monkeypatch.setattr(fan_out, "SLICE", slice_)
    maya, tom, room = await a_room(desk)
    async with maya.line() as v1:
        lines = [await dial(tom, f"/api/mumble/{room}") for _ in range(4)]
        for line in lines:
            await line.wait("hello")
        elsewhere = await maya.group()
        plugin.mumble.told.clear()
        await v1.says(elsewhere, "unheard")
        for n in range(5):
            await v1.says(room, f"{n}")
        for line in lines:
            await line.wait("created", text="4")
    told = Counter(one.message.content for one in plugin.mumble.told if isinstance(one, ToldMessage))
    assert told == {f"{n}": 1 for n in range(5)}


async def test_what_a_dialect_fails_at_touches_nobody_else(desk: Desk) -> None:
    """Raising, being late and saying nonsense are answered as refusals; v1 and later frames go on."""
    maya, tom, room = await a_room(desk)
    line = await dial(tom, f"/api/mumble/{room}")
    async with maya.line() as v1:
        await v1.subscribe(room)
        for how, code in (("raise", "unavailable"), ("late", "unavailable"), ("refuse", "forbidden")):
            at = len(line.frames)
            await line.send({"type": "fail", "how": how})
            refused = await line.wait("error", after=at)
            assert (refused["code"], refused["request"]) == (code, "fail")
            assert "secret" not in refused["message"]
        await line.send({"type": "fail", "how": "nonsense"})
        await v1.says(room, "unspeakable")
        await v1.hears(room, "unspeakable")
        await v1.says(room, "speakable")
        await line.wait("created", text="speakable")
        assert not [frame for frame in line.frames if frame.get("text") == "unspeakable" or frame["type"] == "x"]
    found = {entry["name"]: entry for entry in desk.application.ports.plugins.describe()}
    assert found["mumbling"]["faults"] >= 4


async def test_a_hole_is_healed_in_the_dialects_words(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the bus lost is told as what it is, in its place."""
    maya, tom, room = await a_room(desk)
    line = await dial(tom, f"/api/mumble/{room}")
    await line.wait("hello")
    streams = desk.application.edge.hub._streams
    heard = streams.durable

    def deaf(event: Event, *rest: Any) -> None:
        if b"lost" not in event.frame:
            heard(event, *rest)

    monkeypatch.setattr(streams, "durable", deaf)
    async with maya.line() as v1:
        await v1.says(room, "lost")
        await v1.says(room, "found")
        await line.wait("created", text="found")
    assert [frame["text"] for frame in line.frames if frame["type"] == "created"] == ["lost", "found"]


async def test_who_joined_late_is_told_nothing_of_before(desk: Desk) -> None:
    """In rooms whose history begins with one's joining: not its texts, and not that they change."""
    maya, tom, room = await a_room(desk, channel_type="fresh")
    eve = await desk.member("Eve")
    async with maya.line() as v1:
        old = await v1.says(room, "CANARY before")
        await maya.post(f"/rooms/{room}/participants", {"user": eve.id})
        late, early = await dial(eve, f"/api/mumble/{room}"), await dial(tom, f"/api/mumble/{room}")
        await late.wait("hello")
        await early.wait("hello")
        await v1.ask({"type": "edit", "message": old["id"], "content": "CANARY edited"})
        await v1.says(room, "the end")
        await early.wait("edited", text="CANARY edited")
        await late.wait("created", text="the end")
    assert "CANARY" not in msgspec.json.encode(late.frames).decode()


async def test_all_rooms_are_followed_also_those_one_is_brought_into(desk: Desk) -> None:
    """Without the client asking; and no more once one has left."""
    maya, tom, room = await a_room(desk)
    line = await dial(tom, "/api/everything")
    await line.wait("following", room=room)
    second = await maya.group(tom)
    await line.wait("following", room=second)
    async with maya.line() as v1:
        await v1.says(second, "in the new one")
        await line.wait("message", text="in the new one")
        await tom.post(f"/rooms/{second}/leave")
        await v1.says(second, "CANARY")
        await v1.says(room, "in the old one")
        await line.wait("message", text="in the old one")
    assert "CANARY" not in msgspec.json.encode(line.frames).decode()
    await line.send({"type": "say"})
    assert (await line.wait("error"))["code"] == "unknown_type"


async def test_http_aliases_answer_beside_v1(desk: Desk) -> None:
    """An address of v1 is the dialect's only for what it claims, and never without claiming."""
    maya, _, room = await a_room(desk)
    posted = await desk.http.request(
        "POST",
        f"{desk.url}/api/mumble/{room}/notes",
        headers={**maya.headers, "Content-Type": "application/x-www-form-urlencoded"},
        content='{"text": "mumble mumble"}',
    )
    assert posted.status_code == 201, posted.text
    said = posted.json()["said"]
    assert (await maya.get(f"/messages/{said}")).json() == {"mumbled": {"message": said}}
    async with maya.line() as v1:
        other = (await v1.says(room, "clearly"))["id"]
    assert (await maya.get(f"/messages/{other}")).json()["content"] == "clearly"
    assert (await maya.get(f"/rooms/{room}")).json()["id"] == room
    stranger = await desk.member("Eve")
    assert (await stranger.get(f"/messages/{said}")).json()["error"]["code"] == "not_found"
    assert (await desk.http.get(f"/messages/{said}")).json()["error"]["code"] == "unauthenticated"

    for options, status in (
        ({"content": "not json"}, 422),
        ({"json": {"text": 1}}, 422),
        ({"json": {"text": ""}}, 422),
        ({"json": {"text": "let me in"}, "headers": stranger.headers}, 404),
        ({"json": {}, "headers": {"Authorization": ""}}, 401),
    ):
        headers: Mapping[str, str] = options.pop("headers", maya.headers)  # type: ignore[assignment]
        refused = await desk.http.post(f"{desk.url}/api/mumble/{room}/notes", headers=headers, **options)  # type: ignore[arg-type]
        assert (refused.status_code, refused.json().keys()) == (status, {"error"}), refused.text
    assert (await desk.http.get(f"{desk.url}/api/mumble/open")).json() == {"hello": None}
    assert (await desk.http.get(f"{desk.url}/api/mumble")).status_code == 404


@asynccontextmanager
async def another(tmp_path: Path, **changes: Any) -> AsyncIterator[Desk]:
    url = f"sqlite:///{tmp_path / 'deskbell.sqlite3'}"
    async with Desk.open(url, settings=settings_for(url, **changes), plugins={"mumbling": Plugin()}) as opened:
        yield opened


async def test_who_only_answers_pings_is_not_silent(tmp_path: Path) -> None:
    """A protocol without a heartbeat of its own has the WebSocket's; who does not answer that is gone."""
    async with another(tmp_path, server={"heartbeat_s": 1.0, "silence_s": 2.0}) as desk:
        maya, _, room = await a_room(desk)
        line = await dial(maya, f"/api/mumble/{room}")
        await line.wait("hello")
        [connection] = desk.application.edge.hub.connections_of(desk.tenant, maya.id)
        begun = connection.heard_at
        await desk.until(lambda: connection.heard_at > begun)
        assert line.closed is None


async def test_a_stopping_desk_says_so_and_closes(tmp_path: Path) -> None:
    async with another(tmp_path) as desk:
        maya, _, room = await a_room(desk)
        line = await dial(maya, f"/api/mumble/{room}")
        await line.wait("hello")
        await desk.application.drain()
        await line.wait("bye")
        assert await line.wait_closed() == 4001


async def test_a_plugin_that_is_switched_off_takes_its_addresses_along(tmp_path: Path) -> None:
    """Sockets on it are closed as if the instance stopped; there is nothing at the address then."""
    async with another(tmp_path) as desk:
        maya, _, room = await a_room(desk)
        line = await dial(maya, f"/api/mumble/{room}")
        await line.wait("hello")
        await desk.application.ports.plugins.follow({"mumbling": False})
        await line.send({"type": "say", "text": "anybody?"})
        assert await line.wait_closed() == 4001
        assert (await desk.http.get(f"{desk.url}/api/mumble/open")).status_code == 404
        with pytest.raises(Exception, match="404"):
            await connect(f"{desk.url.replace('http', 'ws', 1)}/api/mumble/{room}?token={maya.token}")


def offering(**values: Any) -> Any:
    dialect = type("Odd", (Dialect,), {"name": "odd", "sockets": ("/api/odd",), **values})()

    class Odd:
        @hookimpl
        def register_dialects(self) -> Sequence[Dialect]:
            return [dialect]

    return Odd()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"name": "mumble"}, "offers already"),
        ({"sockets": ("/api/mumble/<other>",)}, "offers already"),
        ({"sockets": ("/api/v1/ws",)}, "the platform's"),
        ({"sockets": ("/elsewhere",)}, "begins with /api/"),
        ({"sockets": ("/api//odd",)}, "begins with /api/"),
        ({"sockets": ("/api/odd", "/api/odd")}, "two things at one address"),
        ({"health": "nowhere"}, "begins with /api/"),
        ({"frames": Say | Note}, "cannot be told apart"),
        ({"welcome": lambda self, session: None}, "not async"),
        ({"deadline_s": 0}, "deadline_s"),
        ({"aliases": ("/api/odd",)}, "no Alias"),
    ],
)
async def test_an_unusable_dialect_refuses_its_plugin(tmp_path: Path, values: dict[str, Any], why: str) -> None:
    """At the start, with a reason; the others go on."""
    settings = settings_for(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    host = PluginHost.load(
        settings.plugins, {}, moderation_timeout_s=1.0, extra={"mumbling": Plugin(), "odd": offering(**values)}
    )
    found = {entry["name"]: entry for entry in host.describe()}
    assert found["odd"]["state"] == "refused"
    assert why in found["odd"]["reason"]
    assert found["mumbling"]["state"] == "active"
