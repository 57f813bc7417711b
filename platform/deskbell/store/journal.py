"""The one owner of every durable change: the only writer of rooms, participants, messages and cases.

Two doors. :meth:`Journal.post` takes new messages and writes what has gathered in one transaction
per lane, however many rooms and senders. :meth:`Journal.change` is one transaction for
everything else. Both lock the rooms they touch, in ascending order of id, before they look at
anything that a decision rests on, and hand the lock back at COMMIT; so what was decided still
held when it was written. Every changed record takes its room's next ``seq``: dense, from 1, in
commit order.

Promised here: nothing is acknowledged before COMMIT; one row per ``client_id``, whatever is
retried; nothing is stored after a ban, a close or a hand-over that committed first; a caller that
goes away never takes its command with it. Events are announced after COMMIT, in no particular
order between rooms; the reader orders them by ``seq``.

Who may do what is decided by :mod:`deskbell.actions`; here only what may have changed since is
looked at again.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

import msgspec
import structlog

from deskbell.clock import Clock, from_us
from deskbell.errors import (
    ClientIdReused,
    DeskbellError,
    KindNotAllowed,
    Muted,
    NotFound,
    NotYours,
    OutcomeUnknown,
    PreconditionFailed,
    RoomClosed,
    Stale,
    Unavailable,
)
from deskbell.ids import CaseId, MessageId, RoomId, TenantId, UserId, new_id
from deskbell.model.records import STAFF_ROLES, Channel, Message, PublicUser, Trace
from deskbell.spread import FAST_S, Spread
from deskbell.store import cases, database, messages, rows, traces
from deskbell.store.change import INSERT_MESSAGE, Change, message_row
from deskbell.store.crashpoints import passing
from deskbell.wire import frames
from deskbell.wire.commands import Expect
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

SYSTEM_KINDS = ("system",)
_REPEATS = 5
_HELD_LOOK_S = 0.2
_HELD_MAX = 64


@dataclass(frozen=True)
class Posted:
    """What became of a send. ``duplicate``: it had been stored before, and ``message`` is its present state."""

    message: Message
    duplicate: bool = False


Outcome = Posted | DeskbellError
Done = Callable[[Outcome], None]


@dataclass(slots=True)
class NewMessage:
    """One message on its way into its room.

    ``role`` is the sender's standing in the tenant. ``owner_version`` is the fence of a bot's
    answer: the version its turn began with. ``platform`` marks what the platform itself says; it
    needs no place in the room. ``trace`` is how it came in, where that is worth keeping. ``done``
    is called exactly once, on the loop, after COMMIT.
    """

    tenant: TenantId
    room: RoomId
    sender: PublicUser
    client_id: str
    request_hash: bytes
    content: str
    done: Done
    kind: str = "text"
    role: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    reply_to: MessageId | None = None
    thread: MessageId | None = None
    mentions: list[UserId] = field(default_factory=list)
    owner_version: int | None = None
    expect: Expect | None = None
    platform: bool = False
    trace: Trace | None = None
    queued_at: float = 0.0

    @property
    def size(self) -> int:
        """About how many bytes it takes in a batch."""
        text = self.content
        return (len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))) + 512


@dataclass(slots=True)
class _LockedRoom:
    """A room as the lane holds it: what its messages are checked against, and its counter."""

    tenant: TenantId
    seq: int
    channel_type: str
    closed: bool
    owner_kind: str
    owner_user: str | None
    owner_version: int
    customer: str | None
    has_case: bool
    moved: bool = False
    customer_wrote: bool = False
    staff_wrote: bool = False


class Tally:
    """What a journal has stored: plain numbers, for whoever watches. ``waited``: until the acknowledgement."""

    __slots__ = ("batches", "repeated", "stored", "waited")

    def __init__(self) -> None:
        self.stored = 0
        self.repeated = 0
        self.batches = 0
        self.waited = Spread(FAST_S)

    def add(self, outcomes: Iterable[tuple[NewMessage, Outcome]], now: float) -> None:
        """Count what one commit answered."""
        self.batches += 1
        for command, outcome in outcomes:
            if isinstance(outcome, Posted):
                if outcome.duplicate:
                    self.repeated += 1
                else:
                    self.stored += 1
                    self.waited.add(now - command.queued_at)


@dataclass(frozen=True)
class JournalSettings:
    """Numbers of the lanes; see ``store:`` and ``support:`` in the settings."""

    lanes: int = 2
    batch_max: int = 256
    batch_bytes: int = 1 << 20
    lane_capacity: int = 1000
    lane_wait_s: float = 5.0
    agent_silent_s: int = 600


class Journal:
    """See the module. ``announce`` is given the events of a commit; ``outbox_filled`` the queues it left work in."""

    def __init__(
        self,
        db: database.Database,
        clock: Clock,
        channels: Mapping[str, Channel],
        announce: Callable[[Sequence[Event]], None],
        settings: JournalSettings = JournalSettings(),
        *,
        observed: Container[str] = (),
        outbox_filled: Callable[[str], None] = lambda queue: None,
    ) -> None:
        self.db = db
        self.clock = clock
        self.channels = channels
        self.announce = announce
        self.settings = settings
        self.observed = observed
        self.outbox_filled = outbox_filled
        self.tally = Tally()
        self._lanes = [_Lane(self) for _ in range(settings.lanes)]

    def start(self) -> None:
        """Begin to take messages."""
        for lane in self._lanes:
            lane.start()

    async def close(self) -> None:
        """Write what was taken, answer it, and stop."""
        for lane in self._lanes:
            await lane.close()

    @property
    def waiting(self) -> int:
        """Commands taken and not yet answered."""
        return sum(lane.waiting for lane in self._lanes)

    def post(self, command: NewMessage) -> None:
        """Take a message; ``command.done`` hears what became of it. Never waits.

        A full lane answers :class:`Unavailable` at once.
        """
        lane = self._lanes[hash(command.room) % len(self._lanes)]
        lane.put(command)

    async def now_us(self) -> int:
        """The store's clock: windows are measured by it, on whatever instance."""
        return await self.db.now_us() + self.clock.shift_us

    @asynccontextmanager
    async def change(self, tenant: TenantId, *room_ids: RoomId) -> AsyncIterator[Change]:
        """One transaction over some rooms of a tenant, which are locked in ascending order of id.

        What is put into the :class:`Change` is one commit, announced once it has happened. An
        exception in the block undoes all of it. Rooms that do not exist are simply not in
        ``change.rooms``. A caller cancelled during COMMIT does not stop it, nor the announcement.

        Raises:
            Unavailable: The store does not answer, or the rooms stayed locked; nothing was changed.
            OutcomeUnknown: The connection was lost during COMMIT.
        """
        change: Change | None = None
        transaction = None
        for attempt in range(_REPEATS):
            transaction = self.db.transaction()
            entered = False
            try:
                tx = await transaction.__aenter__()
                entered = True
                change = await Change.begin(tx, tenant, sorted(set(room_ids)), self.clock, self.channels, self.observed)
                break
            except BaseException as error:
                if entered:
                    await _roll_back(transaction, error)
                if isinstance(error, database.StoreConflict) and attempt + 1 < _REPEATS:
                    continue
                _answer_with(error)
        assert change is not None
        assert transaction is not None
        try:
            yield change
            await change.finish()
        except BaseException as error:
            await _roll_back(transaction, error)
            _answer_with(error)
        passing("before_commit")
        handled = sys.exc_info()[1]
        try:
            await transaction.__aexit__(None, None, None)
        except asyncio.CancelledError as cancelled:
            # A commit that has begun is seen through; only then is the cancellation let on.
            if not _failed_meanwhile(cancelled, handled):
                self._committed(change)
            raise
        except database.StoreError as error:
            _answer_with(error)
        self._committed(change)

    def _committed(self, change: Change) -> None:
        passing("after_commit")
        self._tell(change.events(), change.queues)

    def _tell(self, events: Sequence[Event], queues: Iterable[str]) -> None:
        """Announce what was committed. A listener that fails changes nothing about that, for nobody."""
        try:
            self.announce(events)
            passing("after_publish")
            for queue in queues:
                self.outbox_filled(queue)
        except Exception:
            log.exception("announcing_failed")


async def _roll_back(transaction: AbstractAsyncContextManager[Any], error: BaseException) -> None:
    # The manager raises the error it was given again; what the caller hears is decided by us.
    with suppress(type(error)):
        await transaction.__aexit__(type(error), error, error.__traceback__)


def _answer_with(error: BaseException) -> NoReturn:
    """Raise the error, a failure of the store in the words that clients are told."""
    if isinstance(error, database.OutcomeUnknown):
        raise OutcomeUnknown() from error
    if isinstance(error, (database.StoreUnavailable, database.StoreConflict)):
        raise Unavailable() from error
    raise error


def _failed_meanwhile(cancelled: BaseException, handled: BaseException | None) -> bool:
    """Whether a commit failed while its caller was cancelled: the failure then is among the reasons.

    ``handled`` is what the caller was dealing with before; it says nothing about this commit.
    """
    seen: set[int] = set()
    error: BaseException | None = cancelled
    while error is not None and error is not handled and id(error) not in seen:
        if isinstance(error, database.StoreError):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


class _Lane:
    """Takes commands, writes them batch by batch. While one batch commits, the next gathers.

    A room whose row somebody else does not let go of must not hold up the others: it is **held**, and
    what is said in it waits beside the lane, in its order, until the row is free or the time is over.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
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
        if self._closing or self._task is None or len(self._queue) >= self._journal.settings.lane_capacity:
            command.done(Unavailable("Too much is waiting to be stored. Try again in a moment."))
            return
        command.queued_at = asyncio.get_running_loop().time()
        self._queue.append(command)
        self._expire_in_time()
        if not self._wake.is_set():
            self._wake.set()

    def _expire_in_time(self) -> None:
        if self._expiry is None and self._queue:
            due = self._queue[0].queued_at + self._journal.settings.lane_wait_s
            self._expiry = asyncio.get_running_loop().call_at(due, self._expire)

    def _expire(self) -> None:
        """Answer who has waited too long, also while the store lets a batch hang."""
        self._expiry = None
        self._refuse_late(self._queue)
        self._expire_in_time()

    def _refuse_late(self, commands: deque[NewMessage]) -> None:
        oldest = asyncio.get_running_loop().time() - self._journal.settings.lane_wait_s
        while commands and commands[0].queued_at <= oldest:
            _answer(commands.popleft(), Unavailable())

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
        settings = self._journal.settings
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
            _answer(command, Unavailable())

    async def _write(self, batch: Sequence[NewMessage]) -> None:
        for attempt in range(_REPEATS):
            if await self._attempt(batch):
                return
            if attempt == 0:
                batch = self._without(batch, await self._locked({(c.tenant, c.room) for c in batch}))
            if not batch:
                return
            if attempt + 1 < _REPEATS:
                await asyncio.sleep(0.01 * 2**attempt)
        # It is no room's row that somebody holds: the others need not wait for whoever needs it.
        rooms = sorted({command.room for command in batch})
        for room in rooms:
            part = deque(command for command in batch if command.room == room)
            self._refuse_late(part)
            if part and (len(rooms) == 1 or not await self._attempt(list(part))):
                self._journal.db.troubles.note("locks")
                _answer_all(part, Unavailable())

    async def _attempt(self, batch: Sequence[NewMessage]) -> bool:
        """Write once, and answer. False: somebody was in the way, and nobody has been answered yet."""
        try:
            written = await self._transaction(batch)
        except database.StoreConflict:
            return False
        except database.OutcomeUnknown:
            await self._look_up(batch)
        except database.StoreUnavailable:
            _answer_all(batch, Unavailable())
        except Exception as error:
            if len(batch) == 1:
                # One command that cannot be written must not be tried for ever, nor be silent.
                log.exception("message_not_written", room=batch[0].room)
                _answer(batch[0], error if isinstance(error, DeskbellError) else DeskbellError())
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
        db = self._journal.db
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
                self._journal.db.troubles.note("locks")
                self._refuse_late(self._held[room])
            self._wake.set()

    async def _look_up(self, batch: Sequence[NewMessage]) -> None:
        """The connection broke during COMMIT: answer what is there, and that we do not know about the rest."""
        db = self._journal.db
        for command in batch:
            outcome: Outcome = OutcomeUnknown()
            try:
                stored = await messages.by_client_id(
                    db, command.tenant, command.room, command.sender.id, command.client_id
                )
                if stored is not None:
                    outcome = _duplicate(command, *stored)
            except database.StoreError:
                pass
            _answer(command, outcome)

    def _finish(self, written: _Written) -> None:
        passing("after_commit")
        for command, outcome in written.outcomes:
            _answer(command, outcome)
        passing("after_ack")
        self._journal.tally.add(written.outcomes, asyncio.get_running_loop().time())
        self._journal._tell(written.events, written.queues)

    async def _transaction(self, batch: Sequence[NewMessage]) -> _Written:
        """Lock, look again, decide, write. Each step is one statement for the whole batch."""
        journal = self._journal
        async with journal.db.transaction() as tx:
            writer = _BatchWriter(tx, journal, batch)
            await writer.lock()
            await writer.decide()
            await writer.write()
            passing("before_commit")
        return writer.written


def _answer(command: NewMessage, outcome: Outcome) -> None:
    try:
        command.done(outcome)
    except Exception:
        log.exception("answer_failed", room=command.room)


def _answer_all(batch: Sequence[NewMessage], error: DeskbellError) -> None:
    for command in batch:
        _answer(command, error)


def _duplicate(command: NewMessage, stored: Message, request_hash: bytes) -> Outcome:
    return Posted(stored, duplicate=True) if request_hash == command.request_hash else ClientIdReused()


@dataclass
class _Written:
    outcomes: list[tuple[NewMessage, Outcome]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    queues: set[str] = field(default_factory=set)


class _BatchWriter:
    """One batch in one transaction."""

    def __init__(self, tx: database.Transaction, journal: Journal, batch: Sequence[NewMessage]) -> None:
        self._tx = tx
        self._journal = journal
        self._batch = batch
        self._now = 0
        self._rooms: dict[RoomId, _LockedRoom] = {}
        self._members: dict[tuple[RoomId, UserId], tuple[str, str, int | None]] = {}
        self._stored: dict[tuple[RoomId, UserId, str], MessageId] = {}
        self._accepted: list[tuple[NewMessage, Message]] = []
        self._first: dict[tuple[RoomId, UserId, str], tuple[NewMessage, Message]] = {}
        self._rows: list[Sequence[object]] = []
        self._outbox: list[Sequence[object]] = []
        self._traces: list[Sequence[object]] = []
        self.written = _Written()

    async def lock(self) -> None:
        """Take the rooms' locks, then read what the decisions rest on: in that order, never before."""
        tenants = list({command.tenant for command in self._batch})
        room_ids = sorted({command.room for command in self._batch})
        for row in await self._tx.fetch(
            "SELECT tenant_id, id, seq, channel_type, closed_at, owner_kind, owner_user, owner_version, customer,"
            " case_id FROM rooms WHERE tenant_id = ANY($1::uuid[]) AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE",
            tenants,
            room_ids,
        ):
            self._rooms[row["id"]] = _LockedRoom(
                row["tenant_id"], row["seq"], row["channel_type"], row["closed_at"] is not None, row["owner_kind"],
                row["owner_user"], row["owner_version"], row["customer"], row["case_id"] is not None,
            )  # fmt: skip
        self._now = await self._tx.now_us() // 1000 * 1000 + self._journal.clock.shift_us
        senders = list({(c.tenant, c.room, c.sender.id) for c in self._batch if not c.platform})
        if senders:
            for row in await self._tx.fetch(
                "SELECT p.room_id, p.user_id, p.role, p.state, p.muted_until"
                " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS k(tenant_id, room_id, user_id)"
                # CROSS JOIN: SQLite then keeps this order, and looks up instead of reading the whole table.
                " CROSS JOIN participants p"
                " WHERE p.tenant_id = k.tenant_id AND p.room_id = k.room_id AND p.user_id = k.user_id",
                [s[0] for s in senders],
                [s[1] for s in senders],
                [s[2] for s in senders],
            ):
                self._members[row["room_id"], row["user_id"]] = (row["role"], row["state"], row["muted_until"])
        for row in await self._tx.fetch(
            "SELECT m.id, m.room_id, m.sender_id, m.client_id"
            " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[])"
            " AS k(tenant_id, room_id, sender_id, client_id)"
            " CROSS JOIN messages m WHERE m.tenant_id = k.tenant_id AND m.room_id = k.room_id"
            " AND m.sender_id = k.sender_id AND m.client_id = k.client_id",
            [c.tenant for c in self._batch],
            [c.room for c in self._batch],
            [c.sender.id for c in self._batch],
            [c.client_id for c in self._batch],
        ):
            self._stored[row["room_id"], row["sender_id"], row["client_id"]] = row["id"]

    async def decide(self) -> None:
        """Accept or refuse each command, in the order they came in: a sender's messages keep theirs.

        Duplicates, expectations and answers in threads each need a look at stored messages; the
        others need nothing more than what was read.
        """
        for command in self._batch:
            key = (command.room, command.sender.id, command.client_id)
            if key in self._stored:
                stored = await messages.by_client_id(
                    self._tx, command.tenant, command.room, command.sender.id, command.client_id
                )
                assert stored is not None
                self.written.outcomes.append((command, _duplicate(command, *stored)))
                continue
            refusal = None
            if command.expect is not None and key not in self._first:
                refusal = await self._unexpected(command)
            accepted = self._take(command, refusal)
            if accepted is not None and command.thread is not None:
                await self._count_answer(command.tenant, command.thread, self._rooms[command.room])

    async def _unexpected(self, command: NewMessage) -> DeskbellError | None:
        room, expect = self._rooms.get(command.room), command.expect
        if expect is None or room is None:
            return None
        if expect.owner_version is not None and expect.owner_version != room.owner_version:
            return PreconditionFailed(
                "The conversation has changed hands. Look, then decide.",
                owner_version=room.owner_version,
                seq=room.seq,
            )
        if expect.seq is not None and expect.seq < room.seq:
            others = any(
                accepted.room == command.room and accepted.sender.id != command.sender.id
                for _, accepted in self._accepted
            )
            if others or await messages.somebody_else_wrote(
                self._tx, command.tenant, command.room, expect.seq, command.sender.id
            ):
                return PreconditionFailed(owner_version=room.owner_version, seq=room.seq)
        return None

    def _take(self, command: NewMessage, unexpected: DeskbellError | None) -> Message | None:
        key = (command.room, command.sender.id, command.client_id)
        if key in self._first:
            # The same client id twice in one batch: the second is answered by the first.
            earlier, message = self._first[key]
            same = earlier.request_hash == command.request_hash
            self.written.outcomes.append((command, Posted(message, duplicate=True) if same else ClientIdReused()))
            return None
        room = self._rooms.get(command.room)
        # Who may not write here is not told what has changed here.
        refusal = self._refusal(command, room) or unexpected
        if refusal is not None:
            self.written.outcomes.append((command, refusal))
            return None
        assert room is not None
        room.seq += 1
        room.moved = True
        message = Message(
            id=MessageId(new_id()),
            room=command.room,
            seq=room.seq,
            changed_seq=room.seq,
            client_id=command.client_id,
            sender=command.sender,
            kind=command.kind,
            content=command.content,
            created_at=from_us(self._now),
            metadata=command.metadata,
            attachments=command.attachments,
            reply_to=command.reply_to,
            thread=command.thread,
            mentions=command.mentions,
        )
        counts = command.kind not in SYSTEM_KINDS
        self._first[key] = (command, message)
        self._accepted.append((command, message))
        self._rows.append(message_row(command.tenant, message, command.request_hash, self._now))
        if command.trace is not None:
            self._traces.append(
                traces.row(command.tenant, message.id, "posted", command.trace, command.sender.id, self._now)
            )
        self.written.outcomes.append((command, Posted(message)))
        self.written.events.append(
            Event(
                command.tenant,
                "room",
                command.room,
                "message",
                message.seq,
                frames.encode(frames.MessageFrame(room=command.room, seq=message.seq, message=message)),
                born=message.seq,
                counts=counts,
                sender=command.sender.id,
                mentions=tuple(command.mentions),
                what="created",
            )
        )
        if counts and room.owner_kind:
            self._in_support_room(command, room, message)
        if "message" in self._journal.observed:
            self._leave_work("observe", command, {"hook": "message", "what": "created", "id": message.id})
        return message

    def _in_support_room(self, command: NewMessage, room: _LockedRoom, message: Message) -> None:
        if command.sender.id == room.customer:
            room.customer_wrote = True
            if room.owner_kind == "bot" or (room.owner_kind == "nobody" and not room.has_case):
                # The bot answers; and where there is neither a bot nor anybody who was asked, somebody is.
                self._leave_work("turn", command, {"seq": message.seq, "owner_version": room.owner_version})
        elif command.role in STAFF_ROLES:
            room.staff_wrote = True

    def _leave_work(self, queue: str, command: NewMessage, payload: dict[str, Any]) -> None:
        work = msgspec.json.encode({"room": command.room, **payload}).decode()
        self._outbox.append((command.tenant, queue, command.room, work, self._now, self._now))
        self.written.queues.add(queue)

    def _refusal(self, command: NewMessage, room: _LockedRoom | None) -> DeskbellError | None:
        """Why this message may not be stored, as of now, under the lock."""
        if room is None or room.tenant != command.tenant:
            return NotFound()
        if command.platform:
            return None
        if room.closed:
            return RoomClosed()
        if command.owner_version is not None:
            fresh = room.owner_kind == "bot" and room.owner_version == command.owner_version
            return None if fresh else Stale()
        role, state, muted_until = self._members.get((command.room, command.sender.id), ("", "left", None))
        if state != "joined":
            # Who is no longer a member learns nothing about the room; staff know it anyway.
            return NotYours() if command.role in STAFF_ROLES and room.owner_kind else NotFound()
        if muted_until is not None and muted_until > self._now:
            return Muted(until=from_us(muted_until).isoformat(), rule="mute")
        if not self._journal.channels[room.channel_type].policy.may_post(command.kind, role):
            return KindNotAllowed(kind=command.kind, rule="policy.kinds")
        return None

    async def _count_answer(self, tenant: TenantId, root: MessageId, room: _LockedRoom) -> None:
        """An answer in a thread changes its root as well, so the root takes a number of its own."""
        room.seq += 1
        await self._tx.execute(
            "UPDATE messages SET thread_count = thread_count + 1, changed_seq = $3 WHERE tenant_id = $1 AND id = $2",
            tenant,
            root,
            room.seq,
        )
        changed = await messages.by_id(self._tx, tenant, root)
        if changed is None:
            room.seq -= 1
            return
        self.written.events.append(
            Event(
                tenant,
                "room",
                changed.room,
                "message",
                room.seq,
                frames.encode(frames.MessageFrame(room=changed.room, seq=room.seq, message=changed)),
                born=changed.seq,
            )
        )

    async def write(self) -> None:
        if not self._rows:
            return
        tx = self._tx
        await tx.insert_many("messages", INSERT_MESSAGE, self._rows)
        moved = [(room_id, room) for room_id, room in self._rooms.items() if room.moved]
        await tx.execute(
            "UPDATE rooms AS r SET seq = k.seq, changed_at = $5, active_at = $5,"
            " due_at = CASE WHEN k.due_at = 0 THEN r.due_at ELSE k.due_at END"
            " FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[]) AS k(tenant_id, id, seq, due_at)"
            " WHERE r.tenant_id = k.tenant_id AND r.id = k.id",
            [room.tenant for _, room in moved],
            [room_id for room_id, _ in moved],
            [room.seq for _, room in moved],
            [self._journal.channels[room.channel_type].policy.put_off_us(spoke_us=self._now) or 0 for _, room in moved],
            self._now,
        )
        await self._move_cases([(room_id, room) for room_id, room in moved if room.has_case])
        if self._traces:
            await tx.insert_many("traces", traces.COLUMNS, self._traces)
        if self._outbox:
            await tx.insert_many("outbox", OUTBOX_COLUMNS, self._outbox)

    async def _move_cases(self, rooms: Sequence[tuple[RoomId, _LockedRoom]]) -> None:
        """An agent who answered owes nothing; an agent who was written to has a deadline. Both are told."""
        for room_id, room in rooms:
            if room.staff_wrote:
                moved = await self._tx.fetch(
                    "UPDATE cases SET first_response_at = COALESCE(first_response_at, $3), deadline_at = NULL,"
                    " step = 0, changed_at = $3, version = version + 1"
                    " WHERE tenant_id = $1 AND room_id = $2 AND status = 'assigned'"
                    " AND (first_response_at IS NULL OR deadline_at IS NOT NULL) RETURNING id",
                    room.tenant,
                    room_id,
                    self._now,
                )
                what = "answered"
            elif room.customer_wrote:
                moved = await self._tx.fetch(
                    # One that was put off is due now: whoever writes is not left until the agent's alarm rings.
                    "UPDATE cases SET deadline_at = CASE WHEN status = 'snoozed' THEN $3 ELSE $4 END,"
                    " step = 0, changed_at = $3, version = version + 1 WHERE tenant_id = $1 AND room_id = $2"
                    " AND ((status = 'assigned' AND deadline_at IS NULL) OR (status = 'snoozed' AND deadline_at > $3))"
                    " RETURNING id",
                    room.tenant,
                    room_id,
                    self._now,
                    self._now + self._journal.settings.agent_silent_s * 1_000_000,
                )
                what = "customer_wrote"
            else:
                continue
            for row in moved:
                await self._tell_of_case(room.tenant, room_id, row["id"], what)

    async def _tell_of_case(self, tenant: TenantId, room_id: RoomId, case_id: CaseId, what: str) -> None:
        """What a message changed about a case concerns the same people as what an agent does with it."""
        case = await cases.get(self._tx, tenant, case_id)
        assert case is not None
        self.written.events.append(
            Event(tenant, "staff", case.team, "case", 0, frames.encode(frames.CaseFrame(case=case)))
        )
        if "case" in self._journal.observed:
            work = msgspec.json.encode({"room": room_id, "hook": "case", "what": what, "id": case_id}).decode()
            self._outbox.append((tenant, "observe", room_id, work, self._now, self._now))
            self.written.queues.add("observe")


OUTBOX_COLUMNS = {
    "tenant_id": "uuid",
    "queue": "text",
    "key": "text",
    "payload": "text",
    "due_at": "bigint",
    "created_at": "bigint",
}

__all__ = ["Change", "Journal", "JournalSettings", "NewMessage", "Outcome", "Posted", "rows"]
