"""The composition root: the only place that makes concrete things and puts them together.

:class:`Application` is one process of Deskbell. It is opened from checked settings, answers through
its Quart application, drains when it is told to stop, and closes what it opened, in reverse.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import structlog
from quart import Quart, websocket
from quart.wrappers import Websocket

from deskbell.actions import case_lists, presence
from deskbell.actions.plugin_work import DeskForPlugins, PluginWork
from deskbell.actions.reads import Marks
from deskbell.actions.turns import TurnEngine
from deskbell.clock import Clock
from deskbell.config import Plugin, Settings, Store, TenantSeed
from deskbell.hub import Hub
from deskbell.ids import TenantId, UserId, new_secret
from deskbell.jobs import Jobs
from deskbell.model.site import chosen
from deskbell.plugins import PluginHost
from deskbell.ports import Ports
from deskbell.production import check_production, development_secret
from deskbell.server import dialects, faces, rest, socket
from deskbell.server.asgi import Server, build_config
from deskbell.server.edge import Edge
from deskbell.server.inbound import BoundedWebsocketConnection
from deskbell.server.outbound import prepare
from deskbell.store import people, search, search_index, staff, switches
from deskbell.store.bell import Bell
from deskbell.store.database import Database, StoreIntegrity, StoreUnavailable
from deskbell.store.journal import Journal
from deskbell.store.migrate import migrate, pending
from deskbell.store.posting import JournalSettings
from deskbell.tasks import Tasks
from deskbell.tokens import Passwords, Tokens
from deskbell.volatile.bus import Bus, MemoryBus
from deskbell.volatile.limits import Gauge, Limits, MemoryLimits, MemoryRoll, Roll
from deskbell.volatile.presence import MemoryPresence, Presence
from deskbell.volatile.redis_bus import RedisBus
from deskbell.volatile.redis_limits import RedisLimits, RedisRoll
from deskbell.volatile.redis_link import Link
from deskbell.volatile.redis_presence import RedisPresence
from deskbell.volatile.redis_tickets import RedisTickets
from deskbell.volatile.tickets import MemoryTickets, Tickets
from deskbell.wire.close_codes import CloseCode
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

DRAIN_SPREAD_S = 5.0
CLOSE_WITHIN_S = 3.0
LOOKED_UP = ("case", "revoked")
"""What others find in the store beside what takes a number in a room."""


class StartRefused(Exception):
    """These settings must not be served with. Each problem says what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class Application:
    """One process. Use :meth:`open`; ``quart`` then is the ASGI application, ``edge`` all behind it."""

    def __init__(
        self,
        settings: Settings,
        edge: Edge,
        jobs: Jobs,
        work: PluginWork,
        journal: Journal,
        shared: _Shared,
        lock: _SingleProcess,
        front: str,
    ) -> None:
        self.settings = settings
        self.edge = edge
        self.ports = edge.ports
        self.jobs = jobs
        self.quart = _quart(edge, front)
        self._journal = journal
        self._work = work
        self._shared = shared
        self._lock = lock

    @classmethod
    async def open(
        cls,
        settings: Settings,
        *,
        clock: Clock | None = None,
        plugins: Mapping[str, object] | None = None,
        passwords: Passwords | None = None,
        front: str = "",
    ) -> Application:
        """Bring everything up, ready to serve.

        Args:
            clock: Another clock, for tests.
            plugins: Plugins given as objects, beside those that are installed.
            front: The page of the faces that is ``/``; without one it leads to the console.
        Raises:
            StartRefused: The settings would be unsafe, or another process has this SQLite file.
            StoreUnavailable: The store does not answer.
        """
        problems = check_production(settings) if settings.environment == "production" else []
        if not settings.bus.is_memory and settings.store.is_sqlite:
            problems.append(
                "bus.url: SQLite serves one process, and one process needs no Redis."
                " Leave it at memory://, or use PostgreSQL for several."
            )
        if problems:
            raise StartRefused(problems)
        clock = clock or Clock()
        lock = _SingleProcess(settings)
        try:
            await migrate(settings.store.url)
            db = await Database.open(settings.store.url, pool_size=settings.store.pool_size)
        except BaseException:
            lock.release()
            raise
        try:
            return await cls._assembled(settings, clock, db, lock, plugins, passwords, front)
        except BaseException:
            await db.close()
            lock.release()
            raise

    @classmethod
    async def _assembled(
        cls,
        settings: Settings,
        clock: Clock,
        db: Database,
        lock: _SingleProcess,
        extra: Mapping[str, object] | None,
        passwords: Passwords | None,
        front: str,
    ) -> Application:
        await db.read_incarnation()
        folder = settings.plugin_host.folder
        host = PluginHost.load(
            settings.plugins,
            settings.channels,
            moderation_timeout_s=settings.moderation.timeout_s,
            extra=extra,
            folder=Path(folder) if folder else None,
            switches=await switches.read(db),
        )
        await host.start()
        shared = _Shared.of(settings, clock)
        bus = shared.bus
        wakes: dict[str, Any] = {}

        def outbox_filled(queue: str) -> None:
            wake = wakes.get("plugins" if queue.startswith("plugin:") else queue)
            if wake is not None:
                wake()

        journal = Journal(
            db,
            clock,
            host.channels,
            bus.publish,
            _journal_settings(settings),
            observed=host.observed,
            outbox_filled=outbox_filled,
        )
        ports = Ports(
            settings=settings,
            clock=clock,
            db=db,
            journal=journal,
            bus=bus,
            plugins=host,
            tokens=_tokens(settings, clock),
            passwords=passwords or Passwords(),
            limits=shared.limits,
            presence=shared.presence,
            tickets=shared.tickets,
            tasks=Tasks(),
            roll=shared.roll,
        )
        for seed in settings.tenants:
            await _plant(ports, seed)
        if not await search.forgives_typos(db):
            log.warning("search_forgives_no_typos", because="PostgreSQL's extension pg_trgm is not installed")
        hub = Hub(
            db,
            clock,
            host.channels,
            prepare,
            heartbeat_s=settings.server.heartbeat_s,
            silence_s=settings.server.silence_s,
            bus=bus,
            targets=case_lists.targets(settings),
        )
        edge = Edge(
            ports, hub, Marks(ports), TurnEngine(ports), Gauge(settings.limits.unauthenticated_sockets_per_prefix)
        )
        work = PluginWork(ports)
        jobs = Jobs(edge, work)
        host.open(
            DeskForPlugins(ports, edge.desk), {known.slug: TenantId(known.id) for known in await people.tenants(db)}
        )
        wakes["turn"] = edge.turns.wake
        wakes["observe"] = jobs.observe_soon
        wakes["plugins"] = jobs.queues_soon
        bus.subscribe(hub.on_events)

        def presence_turned(tenant: TenantId, users: Sequence[UserId]) -> None:
            ports.tasks.start(presence.announce_anew(ports, tenant, users), "presence")

        ports.presence.watch(presence_turned)
        await shared.start(hub)
        journal.start()
        hub.start()
        edge.marks.start()
        edge.turns.start()
        edge.lag.start()
        jobs.start()
        if not settings.bus.is_memory:
            shared.bell = Bell(db, settings.store.url)
            _ring_while_cut_off(bus, shared.bell)
            shared.bell.start(jobs.look_soon)
        return cls(settings, edge, jobs, work, journal, shared, lock, front)

    def server(self, *, host: str | None = None, port: int | None = None) -> Server:
        """A server for this application, which drains when it is told to stop."""
        config = build_config(
            self.quart,
            host=host if host is not None else self.settings.server.host,
            port=port if port is not None else self.settings.server.port,
            trusted_proxies=self.settings.server.trusted_proxies,
        )
        return Server(config, drain=self.drain, drain_timeout_s=self.settings.server.drain_s)

    async def drain(self) -> None:
        """Take nobody new, finish what was begun, and send everybody elsewhere."""
        edge = self.edge
        edge.draining = True
        edge.hub.drain(DRAIN_SPREAD_S)
        await edge.turns.close()
        while self._journal.waiting:
            await asyncio.sleep(0.01)
        for connection in list(edge.hub.connections):
            connection.out.close(CloseCode.DRAIN, "drain")
        deadline = asyncio.get_running_loop().time() + CLOSE_WITHIN_S
        while edge.hub.connection_count and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        """Close what was opened, the doors first and the store last."""
        edge = self.edge
        edge.draining = True
        self.jobs.close()
        edge.lag.close()
        await edge.turns.close()
        await self._work.close()
        await self.ports.plugins.close()
        await self._journal.close()
        await edge.marks.close()
        await self.ports.tasks.close()
        await edge.hub.close()
        await self._shared.close()
        await self.ports.db.close()
        self._lock.release()


def _quart(edge: Edge, front: str) -> Quart:
    app = Quart("deskbell", static_folder=None)
    app.asgi_websocket_class = BoundedWebsocketConnection
    app.config["MAX_CONTENT_LENGTH"] = edge.ports.settings.server.max_body_bytes
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = True

    async def serve_socket() -> None:
        current: Websocket = websocket._get_current_object()  # type: ignore[attr-defined]
        await socket.serve(edge, current)

    app.add_websocket("/api/v1/ws", view_func=serve_socket)
    rest.register(app, edge)
    faces.register(app, front=front)
    dialects.register(app, edge)
    return app


def _journal_settings(settings: Settings) -> JournalSettings:
    store = settings.store
    return JournalSettings(
        lanes=store.lane_count,
        batch_max=store.batch_max,
        batch_bytes=store.batch_bytes,
        lane_capacity=store.lane_capacity,
        lane_wait_s=store.lane_wait_s,
        targets=case_lists.targets(settings),
    )


def _tokens(settings: Settings, clock: Clock) -> Tokens:
    auth = settings.auth
    if auth.algorithm == "RS256":
        return Tokens.with_files(
            Path(auth.private_key_file),
            {kid: Path(path) for kid, path in auth.public_keys.items()},
            clock,
            issuer=auth.issuer,
            audience=auth.audience,
            access_s=auth.access_token_s,
        )
    secret = auth.secret or development_secret(settings.store)
    return Tokens.with_secret(secret, clock, issuer=auth.issuer, audience=auth.audience, access_s=auth.access_token_s)


async def _plant(ports: Ports, seed: TenantSeed) -> TenantId:
    """Make sure a tenant of the settings exists, with its teams, sites and people.

    What exists is left as it is: from its first start on a desk is changed by its admins.
    """
    db, clock = ports.db, ports.clock
    tenant = await people.ensure_tenant(db, clock, seed.slug, seed.name)
    if not await search_index.speak(db, tenant, seed.search_language):
        log.warning("search_language_not_here", tenant=seed.slug, language=seed.search_language)
    teams = {team.slug: team.name or team.slug for team in seed.teams}
    teams.setdefault(ports.settings.support.default_team, ports.settings.support.default_team)
    for slug, name in teams.items():
        await people.ensure_team(db, tenant, slug, name)
    for site in seed.sites:
        await people.ensure_site(
            db,
            clock,
            tenant,
            name=site.name,
            public_key=site.public_key,
            secret=site.secret or new_secret(),
            origins=site.origins,
            settings={"bot": site.bot, **chosen(site.settings)},
        )
    for who in seed.users:
        if await people.user_by_email(db, tenant, who.email) is not None:
            continue
        hashed = await ports.passwords.hash(who.password) if who.password else None
        # Instances that start together on an empty store all come here.
        with contextlib.suppress(StoreIntegrity):
            async with db.transaction() as tx:
                await staff.create_person(
                    tx,
                    tenant,
                    name=who.name,
                    email=who.email,
                    role=who.role,
                    password_hash=hashed,
                    teams=list(dict.fromkeys(who.teams)),
                    now_us=clock.now_us(),
                )
    return tenant


@dataclass
class _Shared:
    """What may be lost: of this process alone, or over Redis with all others of the installation."""

    bus: Bus
    presence: Presence
    tickets: Tickets
    limits: Limits
    roll: Roll
    link: Link | None = None
    bell: Bell | None = None

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> _Shared:
        if settings.bus.is_memory:
            return cls(MemoryBus(), MemoryPresence(clock), MemoryTickets(clock), MemoryLimits(clock), MemoryRoll())
        link = Link(settings.bus.url)
        return cls(
            RedisBus(link),
            RedisPresence(link, clock),
            RedisTickets(link, clock),
            RedisLimits(link, clock),
            RedisRoll(link),
            link,
        )

    async def start(self, hub: Hub) -> None:
        """Begin. A Redis that does not answer is waited for a second, not longer."""
        if self.link is not None:
            await self.link.start()
        await self.bus.start()
        await self.presence.start()
        await self.limits.start()
        await self.roll.start(hub.heard)

    async def close(self) -> None:
        if self.bell is not None:
            await self.bell.close()
        await self.roll.close()
        await self.limits.close()
        await self.presence.close()
        await self.bus.close()
        if self.link is not None:
            await self.link.close()


def _ring_while_cut_off(bus: Bus, bell: Bell) -> None:
    """What the bus cannot carry to the others, they are to look up in the store."""

    def published(events: Sequence[Event]) -> None:
        if bus.degraded and any(event.seq or event.kind in LOOKED_UP for event in events):
            bell.ring()

    bus.subscribe(published)
    # What was published just before it was noticed is lost as well.
    bus.watch(lambda degraded: bell.ring() if degraded else None)


class _SingleProcess:
    """The one process a SQLite file is served by; PostgreSQL takes any number."""

    def __init__(self, settings: Settings) -> None:
        self._file: int | None = None
        path = settings.store.sqlite_path
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            self._file = None
            raise StartRefused(
                [f"store.url: another Deskbell serves {path}. SQLite is for one process; stop it, or use PostgreSQL."]
            ) from error

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _shown(url: str) -> str:
    """A store's address without its password."""
    return re.sub(r"//[^@/]*@", "//", url)


async def access_token(settings: Settings, tenant_slug: str, email: str) -> str | None:
    """An access token for somebody, made without serving; None: there is nobody of that address."""
    clock = Clock()
    if await pending(settings.store.url):
        raise StoreUnavailable(
            f"There is no desk at {_shown(settings.store.url)} yet. Run deskbell serve or migrate first."
        )
    db = await Database.open(settings.store.url, pool_size=1)
    try:
        tenant = await people.tenant_by_slug(db, tenant_slug)
        user = None if tenant is None else await people.user_by_email(db, TenantId(tenant.id), email)
        return None if user is None else _tokens(settings, clock).sign(people.actor(user))[0]
    finally:
        await db.close()


async def openapi(*plugins: str) -> dict[str, Any]:
    """The OpenAPI document, from the routes of an application that serves nobody.

    Args:
        plugins: Those to switch on besides the ones that always are.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = msgspec.structs.replace(
            Settings(),
            store=Store(url=f"sqlite:///{folder}/deskbell.sqlite3"),
            plugins={**Settings().plugins, **{name: Plugin() for name in plugins}},
        )
        application = await Application.open(settings)
        try:
            answer = await application.quart.test_client().get("/api/v1/openapi.json")
            return cast(dict[str, Any], await answer.get_json())
        finally:
            await application.close()
