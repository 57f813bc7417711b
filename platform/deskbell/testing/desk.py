"""The whole desk in a test: a store, a server on a real port, a clock that moves when it is told.

::

    async with Desk.open(database_url) as desk:
        maya = await desk.visitor("Maya")
        async with maya.line() as line:
            room = await maya.conversation()
            await line.subscribe(room)
            await line.says(room, "It is broken.")

People act through the doors their users have: REST and the socket. A :class:`Line` is one socket; it
keeps every frame it was sent, so a test can say what was heard, in which order.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
from argon2 import PasswordHasher
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from deskbell.app import Application
from deskbell.clock import Clock
from deskbell.config import DEMO_TENANT, Settings, SiteSeed, TeamSeed, TenantSeed
from deskbell.contracts import BotContext, BotEvent, Escalate, Say, TextDelta, Turn
from deskbell.hookspecs import hookimpl
from deskbell.ids import TenantId, UserId
from deskbell.server.asgi import Server
from deskbell.store import people
from deskbell.testing.ports import free_port
from deskbell.testing.serving import served
from deskbell.tokens import Passwords

PATIENCE_S = 10.0
SECRET = "a secret for tests, long enough to be one: 0123456789abcdef"
SITE_KEY = "test-site"
SITE_SECRET = "the site's own secret, long enough to sign with 0123456789"
PASSWORD = "correct horse battery staple"

_quick_hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_numbers = itertools.count(1)


class FakeClock(Clock):
    """A clock that runs, and can be moved forward."""

    def advance(self, seconds: float) -> None:
        self.shift_us += int(seconds * 1_000_000)


class ScriptedBot:
    """A bot that says what a test wants. Without a script it echoes."""

    name = "scripted"
    title = "Assistant"

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.script: Callable[[Turn], AsyncIterator[BotEvent]] | None = None
        self.first_line = ""

    async def load(self, context: BotContext) -> None:
        return None

    def greeting(self) -> str:
        return self.first_line

    async def handle(self, turn: Turn) -> AsyncIterator[BotEvent]:
        self.turns.append(turn)
        if self.script is not None:
            async for event in self.script(turn):
                yield event
        else:
            yield Say(f"You said: {turn.text}")

    def answers(self, text: str, *, after_s: float = 0.0) -> None:
        """Say this, after a while."""

        async def script(turn: Turn) -> AsyncIterator[BotEvent]:
            await asyncio.sleep(after_s)
            yield Say(text)

        self.script = script

    def streams(self, *pieces: str, pause_s: float = 0.05) -> None:
        """Write this piece by piece, then say it as a whole."""

        async def script(turn: Turn) -> AsyncIterator[BotEvent]:
            for piece in pieces:
                yield TextDelta(piece)
                await asyncio.sleep(pause_s)
            yield Say("".join(pieces))

        self.script = script

    def escalates(self, reason: str, say: str = "") -> None:
        async def script(turn: Turn) -> AsyncIterator[BotEvent]:
            yield Escalate(reason, say=say, summary=turn.text)

        self.script = script


class _BotPlugin:
    """The scripted bot, through the door every bot comes in by."""

    def __init__(self, bot: ScriptedBot) -> None:
        self._bot = bot

    @hookimpl
    def register_bots(self, settings: Any) -> Sequence[ScriptedBot]:
        return [self._bot]


def settings_for(url: str, *, site_bot: str = "", **changes: Any) -> Settings:
    """Settings for tests: quick turns, roomy limits, one tenant with one site.

    Args:
        site_bot: The bot that answers on the site; empty: the first by name.
        changes: Sections by name.
    """
    origins = ("https://shop.example",)
    site = SiteSeed(name="Shop", public_key=SITE_KEY, secret=SITE_SECRET, origins=origins, bot=site_bot)
    tenant = TenantSeed(
        slug="default",
        name="Test",
        sites=(site,),
        teams=(TeamSeed(slug="support", name="Support"), TeamSeed(slug="billing", name="Billing")),
    )
    base: dict[str, Any] = {
        "store": {"url": url},
        "auth": {"secret": SECRET},
        "turns": {"collect_ms": 30, "deadline_s": 5.0},
        "limits": {
            "new_visitors_per_min_per_prefix": 100_000,
            "login_attempts_per_min": 1000,
            "frames_per_min": 1_000_000,
            "messages_per_min": 100_000,
            "message_burst": 10_000,
            "agent_messages_per_min": 100_000,
            "agent_burst": 10_000,
        },
        "plugins": {"faq": {"enabled": False}, "escalation": {"enabled": False}},
        "tenants": [msgspec.to_builtins(tenant)],
    }
    for section, values in changes.items():
        base[section] = {**base.get(section, {}), **values} if isinstance(values, Mapping) else values
    assert DEMO_TENANT.slug == "default"
    return msgspec.convert(base, Settings, strict=False)


@dataclass
class Desk:
    """A running application. ``bot`` is the one that owns support rooms."""

    application: Application
    clock: FakeClock
    bot: ScriptedBot
    url: str
    http: httpx.AsyncClient
    tenant: TenantId
    server: Server
    lines: list[Line] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        database_url: str,
        *,
        settings: Settings | None = None,
        plugins: Mapping[str, object] | None = None,
        bot: ScriptedBot | None = None,
        **changes: Any,
    ) -> AsyncIterator[Desk]:
        """Start everything, and stop it at the end, drained.

        Args:
            settings: Whole settings; else :func:`settings_for` with ``changes``.
            plugins: Plugins given as objects, beside the bundled ones.
        """
        clock, bot = FakeClock(), bot or ScriptedBot()
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        settings = settings or settings_for(database_url, **changes)
        if settings.server == type(settings.server)():
            # Its own pages are let in by this address.
            server_settings = msgspec.structs.replace(settings.server, port=port, public_url=url)
            settings = msgspec.structs.replace(settings, server=server_settings)
        application = await Application.open(
            settings,
            clock=clock,
            plugins={"scripted_bot": _BotPlugin(bot), **(plugins or {})},
            passwords=Passwords(_quick_hasher),
        )
        try:
            async with (
                served(application, port=port) as server,
                httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=PATIENCE_S, trust_env=False) as http,
            ):
                tenant = await people.tenant_by_slug(application.ports.db, "default")
                assert tenant is not None
                desk = cls(application, clock, bot, url, http, TenantId(tenant.id), server)
                try:
                    yield desk
                finally:
                    for line in desk.lines:
                        await line.close()
        finally:
            await application.close()

    @property
    def address(self) -> str:
        """Host and port."""
        return self.url.removeprefix("http://")

    # people

    async def visitor(self, name: str = "Maya", **body: Any) -> Person:
        answer = await self.http.post("/auth/visitors", json={"site_key": SITE_KEY, "name": name, **body})
        assert answer.status_code in (200, 201), answer.text
        return Person(self, answer.json())

    async def agent(self, name: str = "Ana", *, role: str = "agent", teams: Sequence[str] = ("support",)) -> Person:
        return await self.person(name, kind="agent", role=role, teams=teams)

    async def member(self, name: str = "Tom") -> Person:
        return await self.person(name, kind="member")

    async def person(
        self,
        name: str,
        *,
        kind: str = "member",
        role: str = "",
        teams: Sequence[str] = (),
        tenant: TenantId | None = None,
    ) -> Person:
        """Somebody with a password, logged in."""
        ports, of = self.application.ports, tenant or self.tenant
        email = f"{name.lower().replace(' ', '.')}.{next(_numbers)}@example.org"
        user = await people.create_user(
            ports.db,
            ports.clock,
            of,
            kind=kind,
            name=name,
            role=role,
            email=email,
            password_hash=_quick_hasher.hash(PASSWORD),
        )
        for team in teams:
            await people.join_team(ports.db, of, team, UserId(user.id))
        answer = await self.http.post("/auth/login", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return Person(self, answer.json(), email)

    async def other_tenant(self, slug: str = "other") -> TenantId:
        """Another customer of the same installation."""
        return await people.ensure_tenant(self.application.ports.db, self.clock, slug, slug)

    # time

    async def advance(self, seconds: float) -> None:
        """Move the clock and do what is due by then."""
        self.clock.advance(seconds)
        await self.tick()

    async def tick(self) -> None:
        """Do what is due now, as the jobs would."""
        jobs = self.application.jobs
        await jobs.cases()
        await jobs.rooms()
        await jobs.observe()
        await jobs.search()

    async def until(self, condition: Callable[[], Any], *, patience_s: float = PATIENCE_S) -> Any:
        """Wait until ``condition``, which may be awaited, holds."""
        async with asyncio.timeout(patience_s):
            while True:
                value = condition()
                if inspect.isawaitable(value):
                    value = await value
                if value:
                    return value
                await asyncio.sleep(0.01)


class Person:
    """Somebody with a session."""

    def __init__(self, desk: Desk, session: Mapping[str, Any], email: str = "") -> None:
        self.desk = desk
        self.email = email
        self.user: dict[str, Any] = session["user"]
        self.id = UserId(self.user["id"])
        self.name: str = self.user["name"]
        self.token: str = session["access_token"]
        self.refresh_token: str = session["refresh_token"]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A REST call under ``/api/v1``."""
        headers = {**self.headers, **options.pop("headers", {})}
        return await self.desk.http.request(method, path, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.call("POST", path, json={} if body is None else body, **options)

    async def conversation(self, **body: Any) -> str:
        """The id of the visitor's support room."""
        answer = await self.post("/support/conversations", body)
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["id"])

    async def group(self, *others: Person, channel_type: str = "group", **body: Any) -> str:
        """The id of a new room with some others in it."""
        members = [other.id for other in others]
        answer = await self.post("/rooms", {"channel_type": channel_type, "participants": members, **body})
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["id"])

    @asynccontextmanager
    async def line(self, **options: Any) -> AsyncIterator[Line]:
        """A socket of theirs."""
        line = await self.connect(**options)
        try:
            yield line
        finally:
            await line.close()

    async def connect(self, **options: Any) -> Line:
        line = await Line.open(self.desk.url, self.token, **options)
        self.desk.lines.append(line)
        return line


class Line:
    """One socket, and everything it was sent."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.frames: list[dict[str, Any]] = []
        self.closed: int | None = None
        self._more = asyncio.Event()
        self._refs = itertools.count(1)
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, url: str, token: str | None, **options: Any) -> Line:
        address = f"{url.replace('http', 'ws', 1)}/api/v1/ws"
        if token is not None:
            address += f"?token={token}"
        connection = await connect(address, compression=None, max_size=None, proxy=None, **options)
        line = cls(connection)
        if token is not None:
            await line.wait("welcome")
        return line

    async def _read(self) -> None:
        try:
            async for text in self._connection:
                frame = msgspec.json.decode(text)
                if frame["type"] == "ping":
                    await self.send({"type": "pong"})
                self.frames.append(frame)
                self._more.set()
        except ConnectionClosed:
            pass
        finally:
            self.closed = self._connection.close_code
            self._more.set()

    async def send(self, frame: Any) -> None:
        await self._connection.send(frame if isinstance(frame, (str, bytes)) else msgspec.json.encode(frame).decode())

    async def ask(self, frame: Mapping[str, Any]) -> dict[str, Any]:
        """Send a frame; its one terminal reply."""
        ref = f"r{next(self._refs)}"
        await self.send({**frame, "ref": ref})
        return await self.find(lambda reply: reply.get("ref") == ref)

    async def find(
        self, match: Callable[[dict[str, Any]], Any], *, after: int = 0, patience_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """The first frame since number ``after`` that matches, waiting for it if need be."""
        at = after
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    self._more.clear()
                    while at < len(self.frames):
                        if match(self.frames[at]):
                            return self.frames[at]
                        at += 1
                    if self.closed is not None:
                        raise AssertionError(f"the socket closed with {self.closed}; heard {self._types()}")
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"never heard; heard {self._types()}") from None

    def _types(self) -> list[str]:
        return [frame["type"] for frame in self.frames[-20:]]

    async def wait(
        self, type_: str, *, after: int = 0, patience_s: float = PATIENCE_S, **fields: Any
    ) -> dict[str, Any]:
        """The first frame of a type whose fields are these."""
        return await self.find(
            lambda frame: frame["type"] == type_ and all(frame.get(key) == value for key, value in fields.items()),
            after=after,
            patience_s=patience_s,
        )

    async def subscribe(self, room: str, **options: Any) -> dict[str, Any]:
        """Follow a room; the ``subscribed`` frame."""
        reply = await self.ask({"type": "subscribe", "rooms": [{"id": room, **options}]})
        assert reply["type"] == "subscribed", reply
        return reply

    async def says(self, room: str, content: str, **fields: Any) -> dict[str, Any]:
        """Send a message; its ``ack``."""
        reply = await self.ask({"type": "send", "room": room, "content": content, **fields})
        assert reply["type"] == "ack", reply
        return reply

    def heard(self, room: str, *, kind: str = "text") -> list[str]:
        """The texts of new messages, in the order they came."""
        return [
            frame["message"]["content"]
            for frame in self.frames
            if frame["type"] == "message"
            and frame["room"] == room
            and frame["message"]["kind"] == kind
            and frame["message"]["seq"] == frame["seq"]
        ]

    async def hears(self, room: str, content: str, *, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait for a message with this text."""
        return await self.find(
            lambda f: f["type"] == "message" and f["room"] == room and f["message"]["content"] == content,
            patience_s=patience_s,
        )

    async def wait_closed(self, patience_s: float = PATIENCE_S) -> int:
        """The code the socket is closed with."""
        async with asyncio.timeout(patience_s):
            await self._connection.wait_closed()
            await self._reader
        assert self._connection.close_code is not None
        return self._connection.close_code

    async def close(self) -> None:
        with contextlib.suppress(Exception):
            await self._connection.close()
        await asyncio.gather(self._reader, return_exceptions=True)
