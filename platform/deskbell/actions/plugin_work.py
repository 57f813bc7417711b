"""What is done for plugins: their queues, their jobs, and the desk they reach.

Queues are rows of the outbox, like bot turns and what observers are told: claimed with a lease, finished with
the fence they were given, done or dead in the end. A job is run by whoever takes its slot.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import structlog

from deskbell.actions import present
from deskbell.actions.facade import Facade
from deskbell.actions.kept import KeptValues
from deskbell.clock import from_us
from deskbell.contracts import Dead, Done, Job, Queue, QueueItem, Retry
from deskbell.contracts.context import Kept
from deskbell.errors import Invalid, Unavailable
from deskbell.ids import RoomId, TenantId
from deskbell.model.records import Case, Message, Participant
from deskbell.plugins import Asked, Fault, Resting
from deskbell.plugins.cron import Cron
from deskbell.ports import Ports
from deskbell.store import leases, outbox
from deskbell.store.database import StoreError
from deskbell.store.outbox import Work

log = structlog.get_logger(__name__)

LEASE_SPARE_S = 15.0
LONGEST_PAUSE_S = timedelta(days=7).total_seconds()
MAX_PAYLOAD_BYTES = 65_536
ABOUT = "$about"
"""Where a payload names what the work is about."""
FINISH_WITHIN_S = 5.0


class DeskForPlugins:
    """The desk as plugins reach it; a :class:`deskbell.plugins.Backing`."""

    def __init__(self, ports: Ports, desk: Facade) -> None:
        self._ports = ports
        self.desk = desk

    async def enqueue(
        self,
        queue: str,
        tenant: TenantId,
        payload: Mapping[str, Any],
        *,
        key: str,
        about: Message | Participant | Case | None,
        room: RoomId | None,
        once: str | None,
        after_s: float,
        max_attempts: int,
    ) -> bool:
        """Leave work in a plugin's queue; see :meth:`deskbell.contracts.PluginContext.enqueue`."""
        ports = self._ports
        try:
            named = {} if about is None else {ABOUT: present.name_of(about, room)}
            encoded = msgspec.json.encode({**payload, **named})
        except (TypeError, ValueError) as error:
            raise Invalid(f"The payload of a queue is JSON: {error}") from None
        if len(encoded) > MAX_PAYLOAD_BYTES:
            raise Invalid("The payload is larger than a queue takes.", max_bytes=MAX_PAYLOAD_BYTES)
        try:
            now_us = await ports.journal.now_us()
            due_us = now_us + int(max(0.0, after_s) * 1_000_000)
            left = await outbox.leave(
                ports.db,
                tenant,
                queue,
                key,
                encoded,
                now_us=now_us,
                due_us=due_us,
                max_attempts=max_attempts,
                once=once,
            )
        except StoreError as error:
            raise Unavailable() from error
        if left:
            ports.journal.outbox_filled(queue)
        return left

    def kept(self, plugin: str) -> Kept:
        """What a plugin keeps in the store."""
        return KeptValues(self._ports, plugin)


class PluginWork:
    """Does what is due of plugins' queues and jobs, in this process."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._running: dict[str, set[asyncio.Task[Any]]] = {}
        self._keys: dict[str, Counter[str]] = {}
        self._slots: dict[str, int] = {}
        self._closing = False

    async def close(self) -> None:
        """Take no more; let what runs finish for a while. What is cut is taken again elsewhere, after its lease."""
        self._closing = True
        if tasks := {task for running in self._running.values() for task in running}:
            await asyncio.wait(tasks, timeout=FINISH_WITHIN_S)

    # queues

    async def queues(self) -> None:
        """Take on what is due, as much as each queue does at once."""
        for name, asked in list(self._ports.plugins.queues.items()):
            await self._take(name, asked)

    async def _take(self, name: str, asked: Asked[Queue]) -> None:
        running = self._running.setdefault(name, set())
        free = asked.offer.at_once - len(running)
        if free <= 0 or self._closing:
            return
        lease_us = int((asked.offer.deadline_s + LEASE_SPARE_S) * 1_000_000)
        keys, per_key = self._keys.setdefault(name, Counter()), asked.offer.at_once_per_key
        while free > 0:
            now_us = await self._ports.journal.now_us()
            # Where a key has a share of its own, what is under way is looked at anew after each.
            busy = [] if per_key is None else [key for key, count in keys.items() if count >= per_key]
            limit = free if per_key is None else 1
            claimed = await outbox.claim(self._ports.db, name, now_us, lease_us, limit, besides=busy)
            for work in claimed:
                # Owned by the plugin: switched off, it stops, and the row is taken again after its lease.
                task = asked.plugin.own(self._handle(asked, work), f"queue {asked.offer.name}")
                running.add(task)
                keys[work.key] += 1
                task.add_done_callback(partial(self._handled, name, work.key))
            if per_key is None or not claimed:
                return
            free -= 1

    def _handled(self, name: str, key: str, task: asyncio.Task[Any]) -> None:
        self._running[name].discard(task)
        self._keys[name] -= Counter([key])  # and forgets those of which nothing is left
        if not self._closing and not task.cancelled():
            self._ports.journal.outbox_filled(name)  # there may be more

    async def _handle(self, asked: Asked[Queue], work: Work) -> None:
        ports, queue = self._ports, asked.offer
        payload = dict(work.payload)
        now = await present.look_up(ports, work.tenant, payload.pop(ABOUT, None))
        item = QueueItem(
            stable_key=work.stable_key,
            tenant=work.tenant,
            key=work.key,
            payload=payload,
            attempt=work.attempt,
            max_attempts=work.max_attempts,
            created_at=from_us(work.created_us),
            settings=ports.plugins.settings_for(asked.plugin, work.tenant),
            about=now.record,
            room=now.room,
        )
        outcome: object
        try:
            outcome = await asked.door.ask(item)
            if not isinstance(outcome, Done | Retry | Dead):
                raise asked.door.fault(f"answered with a {type(outcome).__name__}, which is no outcome")
        except Resting as resting:
            pause_s = resting.again_s + random.uniform(0, 1)
            await outbox.put_off(ports.db, work, await ports.journal.now_us() + int(pause_s * 1_000_000))
            return
        except Fault as fault:
            outcome = Retry(str(fault))
        now_us = await ports.journal.now_us()
        if isinstance(outcome, Done):
            await outbox.done(ports.db, work, now_us)
        elif isinstance(outcome, Dead):
            await outbox.die(ports.db, work, str(outcome.reason), now_us)
            log.warning("plugin_work_dead", plugin=asked.plugin.name, work=work.stable_key)
        else:
            again_us = now_us + int(_pause_s(queue, outcome, work.attempt) * 1_000_000)
            dead = await outbox.failed(ports.db, work, str(outcome.reason), now_us, again_us)
            log.info("plugin_work_again", plugin=asked.plugin.name, work=work.stable_key, dead=dead)

    # jobs

    async def jobs(self) -> None:
        """Run the jobs whose slot has come and which no other instance has taken."""
        now_us = await self._ports.journal.now_us()
        for asked in list(self._ports.plugins.jobs):
            slot = _slot(asked.offer, now_us)
            name = f"plugin:{asked.plugin.name}:{asked.offer.name}"
            if slot is None or self._closing or self._slots.get(name) == slot[0]:
                continue
            running = self._running.setdefault(name, set())
            if running or not await leases.take_slot(self._ports.db, name, slot[0]):
                self._slots[name] = slot[0]
                continue
            self._slots[name] = slot[0]
            task = asked.plugin.own(_run(asked, slot[1]), f"job {asked.offer.name}")
            running.add(task)
            task.add_done_callback(running.discard)


async def _run(asked: Asked[Job], due_us: int) -> None:
    try:
        await asked.door.ask(from_us(due_us))
    except Fault:
        return  # noted; it is due again in its next slot


def _slot(job: Job, now_us: int) -> tuple[int, int] | None:
    """The slot of this moment, and when it began; None: it is not due."""
    if job.cron is not None:
        minute = now_us // 60_000_000
        due_us = minute * 60_000_000
        return (minute, due_us) if Cron.parse(job.cron).matches(from_us(due_us)) else None
    assert job.every_s is not None
    every_us = int(job.every_s * 1_000_000)
    return now_us // every_us, now_us // every_us * every_us


def _pause_s(queue: Queue, outcome: Retry, attempt: int) -> float:
    """As asked for; else doubled with each attempt, and spread so that what failed together does not come together."""
    after_s = outcome.after_s
    if isinstance(after_s, int | float) and after_s >= 0:
        return min(float(after_s), LONGEST_PAUSE_S)
    longest = float(min(queue.backoff_base_s * 2 ** min(attempt - 1, 30), queue.backoff_cap_s))
    return longest * random.uniform(0.5, 1.0)
