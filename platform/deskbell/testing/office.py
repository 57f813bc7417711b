"""The platform's rules and its store in a test, without a server: for tests of the journal and of actions.

::

    async with Office.open(database_url) as office:
        ana, tom = await office.person("Ana"), await office.person("Tom")
        room = await office.room(ana, tom)
        posted = await office.desk.sends(ana, room, "Good morning.")
        other = await office.instance()          # a second process of the same installation, as far as the store sees

What a test does through :class:`deskbell.testing.desk.Desk` goes through sockets and REST; here it
calls the journal and the actions themselves, so that it can choose the moment.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from deskbell.actions import rooms as room_actions
from deskbell.config import Settings
from deskbell.errors import DeskbellError
from deskbell.ids import MessageId, RoomId, TenantId, UserId, new_id
from deskbell.model.records import Actor
from deskbell.plugins import PluginHost
from deskbell.ports import Ports
from deskbell.store import people
from deskbell.store.database import Database
from deskbell.store.journal import Journal
from deskbell.store.posting import JournalSettings, NewMessage, Outcome, Posted
from deskbell.tasks import Tasks
from deskbell.testing.desk import SECRET, FakeClock, ScriptedBot, _BotPlugin, _quick_hasher, settings_for
from deskbell.tokens import Passwords, Tokens
from deskbell.volatile.bus import MemoryBus
from deskbell.volatile.limits import MemoryLimits
from deskbell.volatile.presence import MemoryPresence
from deskbell.volatile.tickets import MemoryTickets
from deskbell.wire import frames
from deskbell.wire.commands import Expect
from deskbell.wire.events import Event

PATIENCE_S = 20.0

_numbers = itertools.count(1)
_message = msgspec.json.Decoder(frames.MessageFrame)


@dataclass
class Instance:
    """One process, as far as the store can tell. ``announced``: the events it told, in order."""

    ports: Ports
    announced: list[Event] = field(default_factory=list)
    filled: list[str] = field(default_factory=list)

    @property
    def db(self) -> Database:
        return self.ports.db

    @property
    def journal(self) -> Journal:
        return self.ports.journal

    def command(
        self,
        sender: Actor,
        room: RoomId,
        content: str,
        done: Any,
        *,
        client_id: str | None = None,
        request: str | None = None,
        **values: Any,
    ) -> NewMessage:
        """A message on its way. ``request`` stands for the request's bytes; by default it is the content."""
        return NewMessage(
            tenant=sender.tenant,
            room=room,
            sender=sender.public(),
            client_id=client_id or new_id(),
            request_hash=(content if request is None else request).encode()[:16].ljust(16, b"."),
            content=content,
            done=done,
            role=sender.role,
            **values,
        )

    def post(self, sender: Actor, room: RoomId, content: str, **values: Any) -> asyncio.Future[Outcome]:
        """Hand a message to the journal now; the outcome is in the future, or that none came."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Outcome] = loop.create_future()

        def late() -> None:
            if not answered.done():
                answered.set_exception(TimeoutError(f"no answer within {PATIENCE_S} s"))

        patience = loop.call_later(PATIENCE_S, late)
        answered.add_done_callback(lambda _: patience.cancel())
        self.journal.post(self.command(sender, room, content, answered.set_result, **values))
        return answered

    async def sends(self, sender: Actor, room: RoomId, content: str, **values: Any) -> Posted:
        """Post and wait.

        Raises:
            DeskbellError: Why it was not stored.
        """
        outcome = await self.post(sender, room, content, **values)
        if isinstance(outcome, DeskbellError):
            raise outcome
        return outcome

    def told(self, room: RoomId) -> list[int]:
        """The numbers of the durable events told of a room, in the order they were told."""
        return [event.seq for event in self.announced if event.topic == "room" and event.key == room and event.seq]


class Office:
    """A store with people and rooms, and any number of instances on it. ``desk`` is the first."""

    def __init__(self, url: str, settings: Settings, clock: FakeClock, tenant: TenantId) -> None:
        self.url = url
        self.settings = settings
        self.clock = clock
        self.tenant = tenant
        self.instances: list[Instance] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        journal: JournalSettings | None = None,
        plugins: Mapping[str, object] | None = None,
        **changes: Any,
    ) -> AsyncIterator[Office]:
        """Begin with one instance on a migrated database. ``changes``: settings by section."""
        settings = settings_for(url, **changes)
        clock = FakeClock()
        db = await Database.open(url)
        try:
            tenant = await people.ensure_tenant(db, clock, "default", "Test")
            await people.ensure_team(db, tenant, "support", "Support")
        finally:
            await db.close()
        office = cls(url, settings, clock, tenant)
        try:
            await office.instance(journal=journal, plugins=plugins)
            yield office
        finally:
            for instance in office.instances:
                await instance.journal.close()
                await instance.ports.tasks.close()
                await instance.db.close()

    @property
    def desk(self) -> Instance:
        return self.instances[0]

    @property
    def ports(self) -> Ports:
        return self.desk.ports

    @property
    def db(self) -> Database:
        return self.desk.db

    async def instance(
        self, *, journal: JournalSettings | None = None, plugins: Mapping[str, object] | None = None, **options: Any
    ) -> Instance:
        """Another process on the same store. ``options`` are those of :meth:`Database.open`."""
        db = await Database.open(self.url, **options)
        host = PluginHost.load(
            self.settings.plugins,
            self.settings.channels,
            moderation_timeout_s=self.settings.moderation.timeout_s,
            extra={"scripted_bot": _BotPlugin(ScriptedBot()), **(plugins or {})},
        )
        bus, announced, filled = MemoryBus(), list[Event](), list[str]()
        bus.subscribe(announced.extend)
        lanes = 1 if db.dialect == "sqlite" else 2
        made = Journal(
            db,
            self.clock,
            host.channels,
            bus.publish,
            journal or JournalSettings(lanes=lanes),
            observed=host.observed,
            outbox_filled=filled.append,
        )
        ports = Ports(
            settings=self.settings,
            clock=self.clock,
            db=db,
            journal=made,
            bus=bus,
            plugins=host,
            tokens=Tokens.with_secret(SECRET, self.clock, issuer="office", audience="office", access_s=900),
            passwords=Passwords(_quick_hasher),
            limits=MemoryLimits(self.clock),
            presence=MemoryPresence(self.clock),
            tickets=MemoryTickets(self.clock),
            tasks=Tasks(),
        )
        made.start()
        self.instances.append(Instance(ports, announced, filled))
        return self.instances[-1]

    async def person(self, name: str = "Ana", *, kind: str = "member", role: str = "") -> Actor:
        """Somebody known to the store."""
        email = f"{name.lower()}.{next(_numbers)}@example.org"
        user = await people.create_user(
            self.db, self.clock, self.tenant, kind=kind, name=name, role=role, email=email, password_hash=None
        )
        return people.actor(user)

    async def agent(self, name: str = "Ada", *, role: str = "agent") -> Actor:
        return await self.person(name, kind="agent", role=role)

    async def room(self, owner: Actor, *others: Actor, channel_type: str = "group", **values: Any) -> RoomId:
        """A room that ``owner`` opened with some others in it."""
        members = [UserId(other.id) for other in others]
        opened, _ = await room_actions.create(self.ports, owner, channel_type, participants=members, **values)
        return opened.id

    # what the store says

    async def tip(self, room: RoomId) -> int:
        return int(await self.db.fetchval("SELECT seq FROM rooms WHERE id = $1", room))

    async def numbers(self, room: RoomId) -> list[int]:
        """Every number that records of a room carry now: births and last changes, in order, each once."""
        found = await self.db.fetch(
            "SELECT seq AS n FROM messages WHERE room_id = $1 UNION SELECT changed_seq FROM messages WHERE room_id = $1"
            " UNION SELECT changed_seq FROM participants WHERE room_id = $1"
            " UNION SELECT changed_seq FROM rooms WHERE id = $1 ORDER BY n",
            room,
        )
        return [row["n"] for row in found]

    async def texts(self, room: RoomId) -> list[str]:
        """The texts of a room, in the order of ``seq``."""
        found = await self.db.fetch(
            "SELECT content FROM messages WHERE room_id = $1 AND kind <> 'system' ORDER BY seq", room
        )
        return [row["content"] for row in found]


def announced_messages(events: Sequence[Event]) -> list[MessageId]:
    """The ids of the messages in some events, in order."""
    return [_message.decode(event.frame).message.id for event in events if event.kind == "message"]


def expecting(*, owner_version: int | None = None, seq: int | None = None) -> Expect:
    return Expect(owner_version=owner_version, seq=seq)
