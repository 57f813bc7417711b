"""What happens by itself: the table of periodic work, and the clock that ticks it.

APScheduler only ticks, in memory, in every instance. A tick starts tracked work and returns, so that
stopping the scheduler never cuts work in half. The work itself takes whatever is due in the store and
looks again under the lock: doing it twice, or on two instances at once, changes nothing.

======== ============== ==================================================================
job      every          what it does
======== ============== ==================================================================
tips     tip_poll_s     hears of rooms and users that changed elsewhere; heals lost events;
                        every ``tip_poll_degraded_s`` while the bus is away, and at once when
                        another instance rings that is cut off from it
cases    tick_s         cases whose deadline has passed: the next step of the ladder
rooms    tick_s         conversations to close, rooms whose time is over
observe  tick_s         tells plugins what has happened; again, or dead, where that failed
queues   tick_s         what is due in the queues of plugins
plugins  tick_s         the jobs of plugins whose slot has come
search   tick_s         indexes what was said before there was an index, piece by piece
hours    a minute       tells those in line whose site has opened or closed; one instance does
tidy     10 minutes     forgets finished work, expired logins, and what visitors said of themselves once
                        nothing is left that it belongs to
======== ============== ==================================================================
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from deskbell.actions import case_lists, closing, forgetting, ladder, observing, turns, waiting
from deskbell.actions.plugin_work import PluginWork
from deskbell.errors import DeskbellError
from deskbell.ids import CaseId, RoomId, TenantId
from deskbell.server.edge import Edge
from deskbell.store import cases, claims, leases, outbox, people, rooms, search_index, switches
from deskbell.store.database import StoreError, StoreUnavailable
from deskbell.wire import frames
from deskbell.wire.close_codes import CloseCode
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

OVERLAP_US = 5_000_000
HOURS_EVERY_S = 60
TIDY_EVERY_S = 600
KEEP_DONE_US = 24 * 3600 * 1_000_000
BATCH = 100
CLAIM_ROUNDS = 20


class Jobs:
    """The jobs of one process."""

    def __init__(self, edge: Edge, work: PluginWork) -> None:
        self._edge = edge
        self._work = work
        self._ports = edge.ports
        self._scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 30}
        )
        self._rooms_since_us = 0
        self._users_since_us = 0
        self._hours_since_us = 0
        self._cases_told: dict[str, int] = {}
        self._look_again = False

    def start(self) -> None:
        settings = self._ports.settings
        self._ports.bus.watch(self._bus_turned)
        table: list[tuple[str, float, Callable[[], Awaitable[object]]]] = [
            ("tips", self._tips_every_s(self._ports.bus.degraded), self.tips),
            ("cases", settings.jobs.tick_s, self.cases),
            ("rooms", settings.jobs.tick_s, self.rooms),
            ("observe", settings.jobs.tick_s, self.observe),
            ("queues", settings.jobs.tick_s, self._work.queues),
            ("plugins", settings.jobs.tick_s, self._work.jobs),
            ("search", settings.jobs.tick_s, self.search),
            ("hours", HOURS_EVERY_S, self.hours),
            ("tidy", TIDY_EVERY_S, self.tidy),
        ]
        for name, every_s, work in table:
            self._scheduler.add_job(
                self._ticked, "interval", seconds=every_s, id=name, args=[name, work], replace_existing=True
            )
        self._scheduler.start()

    def close(self) -> None:
        """Tick no more. What was started goes on; :class:`deskbell.tasks.Tasks` ends it."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _tips_every_s(self, degraded: bool) -> float:
        bus = self._ports.settings.bus
        return bus.tip_poll_degraded_s if degraded else bus.tip_poll_s

    def _bus_turned(self, degraded: bool) -> None:
        """While nothing else brings the news, the store is asked often; afterwards everything is compared once."""
        if not self._scheduler.running:
            return
        self._scheduler.reschedule_job("tips", trigger="interval", seconds=self._tips_every_s(degraded))
        if degraded:
            self._tick("tips", self.tips)
        else:
            self._tick("bus", self._bus_is_back)

    async def _bus_is_back(self) -> None:
        await self.tips(compare=True)
        self._cases_told.clear()
        await self._edge.hub.check_tips()
        await self._edge.hub.check_places()

    def look_soon(self) -> None:
        """Another instance cannot reach the bus and has stored something. While we cannot either, we look anyway."""
        if not self._ports.bus.degraded:
            self._look_again = True
            self._tick("look", self._look)

    async def _look(self) -> None:
        while self._look_again:
            self._look_again = False
            await self.tips(compare=True)

    def observe_soon(self) -> None:
        """There is work for observers now."""
        self._tick("observe", self.observe)

    def queues_soon(self) -> None:
        """There is work in a plugin's queue now."""
        self._tick("queues", self._work.queues)

    async def _ticked(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        # A coroutine, because APScheduler runs plain functions in threads.
        self._tick(name, work)

    def _tick(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        self._ports.tasks.once(f"job:{name}", self._guarded(name, work))

    async def _guarded(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except StoreError as error:
            log.warning("job_waits_for_the_store", job=name, error=str(error))
        except DeskbellError as error:
            log.warning("job_put_off", job=name, error=str(error))

    async def tips(self, *, compare: bool = False) -> None:
        """Rooms and users that changed since last time, with an overlap for commits that took long.

        ``compare``: the cases as well, which otherwise only the bus tells of.
        """
        db, hub = self._ports.db, self._edge.hub
        await self._ports.plugins.follow(await switches.read(db))
        now_us = await self._ports.journal.now_us()
        if self._rooms_since_us == 0:
            self._rooms_since_us = self._users_since_us = now_us
        if hub.connection_count:
            since_us = self._rooms_since_us - OVERLAP_US
            moved = await rooms.moved(db, since_us)
            hub.on_tips((tenant, room, seq, epoch) for tenant, room, seq, epoch, _ in moved)
            if compare or self._ports.bus.degraded:
                await self._tell_cases(since_us, [(tenant, room) for tenant, room, *_ in moved])
            # More than one look may take: the next begins where this one ended.
            cut = len(moved) >= rooms.MOST_MOVED
            now_us = min(now_us, moved[-1][4]) if cut else now_us
        self._rooms_since_us = now_us
        for tenant, user, version, disabled in await people.changed_since(db, self._users_since_us - OVERLAP_US):
            for connection in hub.connections_of(tenant, user):
                if disabled or connection.actor.token_version != version:
                    connection.out.close(CloseCode.REVOKED, "revoked")
        self._users_since_us = now_us

    async def _tell_cases(self, since_us: int, moved: Sequence[tuple[TenantId, RoomId]]) -> None:
        """To the staff here: cases that changed elsewhere, each version once."""
        changed: dict[TenantId, list[CaseId]] = {}
        for tenant, case_id in await cases.changed(self._ports.db, since_us, moved):
            changed.setdefault(tenant, []).append(case_id)
        for tenant, ids in changed.items():
            for case in await case_lists.entries(self._ports, tenant, ids):
                if self._cases_told.get(case.id, 0) < case.version:
                    self._cases_told[case.id] = case.version
                    frame = frames.encode(frames.CaseFrame(case=case))
                    self._edge.hub.on_events([Event(tenant, "staff", case.team, "case", 0, frame)])
        # What was said there has changed no case, and agents see it all the same.
        spoken: dict[TenantId, list[RoomId]] = {}
        for tenant, room in moved:
            spoken.setdefault(tenant, []).append(room)
        for tenant, rooms_ in spoken.items():
            self._edge.hub.cases_moved(tenant, rooms_)
            self._edge.hub.bot_rooms_moved(tenant)

    async def cases(self) -> None:
        """The next step for cases whose deadline has passed, and a person where a bot's turn was given up."""
        now_us = await self._ports.journal.now_us()
        await _each(
            "cases",
            (
                ladder.step(self._ports, tenant, case, room)
                for tenant, case, room in await cases.due(self._ports.db, now_us, BATCH)
            ),
        )
        await turns.rescue(self._ports)

    async def rooms(self) -> None:
        """Conversations to close, rooms whose time is over."""
        now_us = await self._ports.journal.now_us()
        due = await self._ports.db.fetch(
            "SELECT tenant_id, id FROM rooms WHERE due_at <= $1 ORDER BY due_at LIMIT $2", now_us, BATCH
        )
        await _each("rooms", (closing.close_if_due(self._ports, row["tenant_id"], RoomId(row["id"])) for row in due))

    async def observe(self) -> None:
        while await observing.work_off(self._ports, self._ports.settings.jobs.outbox_batch):
            pass

    async def search(self) -> None:
        """Index older messages until none are left."""
        while await search_index.fill(self._ports.db):
            pass

    async def hours(self) -> None:
        """Tell the lines whose site has opened or closed since last time; the first time, within one period."""
        now_us, period_us = self._ports.clock.now_us(), HOURS_EVERY_S * 1_000_000
        turned = await waiting.turned_lines(self._ports, self._hours_since_us or now_us - period_us, now_us)
        if turned and await leases.take_slot(self._ports.db, "hours", now_us // period_us):
            await _each("hours", (waiting.tell_line(self._ports, tenant, team) for tenant, team in turned))
        # Only now: what a failing store kept from being told is told by the next look.
        self._hours_since_us = now_us

    async def tidy(self) -> None:
        now_us = await self._ports.journal.now_us()
        if not await leases.take_slot(self._ports.db, "tidy", now_us // (TIDY_EVERY_S * 1_000_000)):
            return
        await outbox.forget_done(self._ports.db, now_us - KEEP_DONE_US)
        await people.forget_expired_tokens(self._ports.db, now_us)
        await search_index.tidy(self._ports.db)
        for _ in range(CLAIM_ROUNDS):
            due = await claims.due(self._ports.db, await self._ports.journal.now_us(), BATCH)
            await _each("claims", (forgetting.forget_if_due(self._ports, who) for who in due))
            if len(due) < BATCH:
                break


async def _each(job: str, works: Iterable[Awaitable[object]]) -> None:
    """One after another. What fails is due again, and keeps none behind it from its turn."""
    for work in works:
        try:
            await work
        except StoreUnavailable:
            raise  # then the others cannot be done either
        except Exception:
            log.exception("job_item_failed", job=job)
