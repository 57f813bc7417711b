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
from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, NoReturn

import structlog

from deskbell.clock import Clock
from deskbell.errors import (
    OutcomeUnknown,
    Unavailable,
)
from deskbell.ids import RoomId, TenantId
from deskbell.model.records import Channel
from deskbell.store import database
from deskbell.store.change import Change
from deskbell.store.crashpoints import passing
from deskbell.store.lane import Lane
from deskbell.store.posting import REPEATS, Ground, JournalSettings, NewMessage, Tally
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)


class Journal:
    """See the module. ``announce`` is given the events of a commit; ``outbox_filled`` the queues it left work in."""

    def __init__(
        self,
        db: database.Database,
        clock: Clock,
        channels: Mapping[str, Channel],
        announce: Callable[[Sequence[Event]], None],
        settings: JournalSettings,
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
        ground = Ground(db, clock, channels, settings, observed, self.tally, self._tell)
        self._lanes = [Lane(ground) for _ in range(settings.lanes)]

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
        for attempt in range(REPEATS):
            transaction = self.db.transaction()
            entered = False
            try:
                tx = await transaction.__aenter__()
                entered = True
                change = await Change.begin(
                    tx,
                    tenant,
                    sorted(set(room_ids)),
                    self.clock,
                    self.channels,
                    self.observed,
                    self.settings.targets,
                )
                break
            except BaseException as error:
                if entered:
                    await _roll_back(transaction, error)
                if isinstance(error, database.StoreConflict) and attempt + 1 < REPEATS:
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
        try:
            for work in change.afterwards:
                work()
        except Exception:
            log.exception("afterwards_failed")

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
