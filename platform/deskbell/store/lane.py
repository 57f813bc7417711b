"""A lane: takes new messages, and writes what has gathered in one transaction after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

import structlog

from deskbell.errors import (
    DeskbellError,
    OutcomeUnknown,
    Unavailable,
)
from deskbell.ids import RoomId, TenantId
from deskbell.store import database, messages
from deskbell.store.batch import BatchWriter, Written, duplicate
from deskbell.store.crashpoints import passing
from deskbell.store.posting import REPEATS, Ground, NewMessage, Outcome, answer, answer_all

log = structlog.get_logger(__name__)

_HELD_LOOK_S = 0.2
_HELD_MAX = 64


class Lane:
    """Takes commands, writes them batch by batch. While one batch commits, the next gathers.

    A room whose row somebody else does not let go of must not hold up the others: it is **held**, and
    what is said in it waits beside the lane, in its order, until the row is free or the time is over.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._queue: deque[NewMessage] = deque()
        self._held: dict[tuple[TenantId, RoomId], deque[NewMessage]] = {}
        self._watch: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._in_hand = 0
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        return len(self._queue) + self._in_hand + self._beside

    @property
    def _beside(self) -> int:
        return sum(len(commands) for commands in self._held.values()) if self._held else 0

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="journal-lane")

    async def close(self) -> None:
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
            self._task = None
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def put(self, command: NewMessage) -> None:
        if self._closing or self._task is None or len(self._queue) >= self._ground.settings.lane_capacity:
            command.done(Unavailable("Too much is waiting to be stored. Try again in a moment."))
            return
        command.queued_at = asyncio.get_running_loop().time()
        self._queue.append(command)
        self._expire_in_time()
        if not self._wake.is_set():
            self._wake.set()

    def _expire_in_time(self) -> None:
        if self._expiry is None and self._queue:
            due = self._queue[0].queued_at + self._ground.settings.lane_wait_s
            self._expiry = asyncio.get_running_loop().call_at(due, self._expire)

    def _expire(self) -> None:
        """Answer who has waited too long, also while the store lets a batch hang."""
        self._expiry = None
        self._refuse_late(self._queue)
        self._expire_in_time()

    def _refuse_late(self, commands: deque[NewMessage]) -> None:
        oldest = asyncio.get_running_loop().time() - self._ground.settings.lane_wait_s
        while commands and commands[0].queued_at <= oldest:
            answer(commands.popleft(), Unavailable())

    async def _run(self) -> None:
        while True:
            if not self._queue:
                if self._closing and not self._beside:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = self._take()
            self._in_hand = len(batch)
            if batch:
                await self._write(batch)
            self._in_hand = 0

    def _take(self) -> list[NewMessage]:
        """What has gathered, within bounds. What waited too long is told so and never written."""
        settings = self._ground.settings
        batch: list[NewMessage] = []
        size = 0
        self._refuse_late(self._queue)
        while self._queue and len(batch) < settings.batch_max:
            command = self._queue[0]
            if self._held and (beside := self._held.get((command.tenant, command.room))) is not None:
                self._queue.popleft()
                self._put_beside(command, beside)
                continue
            size += command.size
            if batch and size > settings.batch_bytes:
                break
            batch.append(self._queue.popleft())
        return batch

    def _put_beside(self, command: NewMessage, beside: deque[NewMessage]) -> None:
        if len(beside) < _HELD_MAX:
            beside.append(command)
        else:
            answer(command, Unavailable())

    async def _write(self, batch: Sequence[NewMessage]) -> None:
        for attempt in range(REPEATS):
            if await self._attempt(batch):
                return
            if attempt == 0:
                batch = self._without(batch, await self._locked({(c.tenant, c.room) for c in batch}))
            if not batch:
                return
            if attempt + 1 < REPEATS:
                await asyncio.sleep(0.01 * 2**attempt)
        # It is no room's row that somebody holds: the others need not wait for whoever needs it.
        rooms = sorted({command.room for command in batch})
        for room in rooms:
            part = deque(command for command in batch if command.room == room)
            self._refuse_late(part)
            if part and (len(rooms) == 1 or not await self._attempt(list(part))):
                self._ground.db.troubles.note("locks")
                answer_all(part, Unavailable())

    async def _attempt(self, batch: Sequence[NewMessage]) -> bool:
        """Write once, and answer. False: somebody was in the way, and nobody has been answered yet."""
        try:
            written = await self._transaction(batch)
        except database.StoreConflict:
            return False
        except database.OutcomeUnknown:
            await self._look_up(batch)
        except database.StoreUnavailable:
            answer_all(batch, Unavailable())
        except Exception as error:
            if len(batch) == 1:
                # One command that cannot be written must not be tried for ever, nor be silent.
                log.exception("message_not_written", room=batch[0].room)
                answer(batch[0], error if isinstance(error, DeskbellError) else DeskbellError())
            else:
                # Find the culprit: the others have done nothing wrong.
                log.warning("batch_failed", size=len(batch), error=repr(error))
                for command in batch:
                    await self._write([command])
        else:
            self._finish(written)
        return True

    # rooms that somebody else holds

    async def _locked(self, rooms: Iterable[tuple[TenantId, RoomId]]) -> set[tuple[TenantId, RoomId]]:
        """Which of these somebody holds at this moment. SQLite has one lock for everything, so none of them alone."""
        db = self._ground.db
        if db.dialect == "sqlite":
            return set()
        asked = (list({tenant for tenant, _ in rooms}), [room for _, room in rooms])
        query = "SELECT tenant_id, id FROM rooms WHERE tenant_id = ANY($1::uuid[]) AND id = ANY($2::uuid[])"
        try:
            there = await db.fetch(query, *asked)
            free = await db.fetch(f"{query} FOR UPDATE SKIP LOCKED", *asked)
        except database.StoreError:
            return set()
        return {(row["tenant_id"], row["id"]) for row in there} - {(row["tenant_id"], row["id"]) for row in free}

    def _without(self, batch: Sequence[NewMessage], locked: set[tuple[TenantId, RoomId]]) -> list[NewMessage]:
        """The batch without what is for rooms that are locked: that waits beside from now on."""
        rest: list[NewMessage] = []
        for command in batch:
            room = (command.tenant, command.room)
            if room in locked:
                self._put_beside(command, self._held.setdefault(room, deque()))
            else:
                rest.append(command)
        if locked and (self._watch is None or self._watch.done()):
            log.warning("rooms_held_by_others", rooms=len(locked))
            self._watch = asyncio.create_task(self._watch_held(), name="journal-held")
        return rest

    async def _watch_held(self) -> None:
        """Bring back what waits beside as soon as its room is free; refuse what has waited too long."""
        while self._held:
            await asyncio.sleep(_HELD_LOOK_S)
            locked = await self._locked(list(self._held))
            for room in list(self._held):
                if room not in locked:
                    # Older than all of its room that came since: to the front.
                    self._queue.extendleft(reversed(self._held.pop(room)))
                    self._expire_in_time()
                    continue
                self._ground.db.troubles.note("locks")
                self._refuse_late(self._held[room])
            self._wake.set()

    async def _look_up(self, batch: Sequence[NewMessage]) -> None:
        """The connection broke during COMMIT: answer what is there, and that we do not know about the rest."""
        db = self._ground.db
        for command in batch:
            outcome: Outcome = OutcomeUnknown()
            try:
                stored = await messages.by_client_id(
                    db, command.tenant, command.room, command.sender.id, command.client_id
                )
                if stored is not None:
                    outcome = duplicate(command, *stored)
            except database.StoreError:
                pass
            answer(command, outcome)

    def _finish(self, written: Written) -> None:
        passing("after_commit")
        for command, outcome in written.outcomes:
            answer(command, outcome)
        passing("after_ack")
        self._ground.tally.add(written.outcomes, asyncio.get_running_loop().time())
        self._ground.tell(written.events, written.queues)

    async def _transaction(self, batch: Sequence[NewMessage]) -> Written:
        """Lock, look again, decide, write. Each step is one statement for the whole batch."""
        journal = self._ground
        async with journal.db.transaction() as tx:
            writer = BatchWriter(tx, journal, batch)
            await writer.lock()
            await writer.decide()
            await writer.write()
            passing("before_commit")
        return writer.written
