"""How far everybody has read: high-water marks, written as they come, what comes meanwhile together.

A mark moves only up, and never past the room's tip; what is announced is what the store then holds,
whatever was asked for. Marks take no ``seq`` and no lock; what is lost with the process is what had not been
written yet, some :data:`GATHER_S`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

import structlog

from deskbell.actions import access
from deskbell.clock import from_us
from deskbell.errors import NotFound
from deskbell.ids import MessageId, RoomId, TenantId, UserId
from deskbell.model.policy import Policy
from deskbell.model.records import Actor, PublicUser
from deskbell.ports import Ports
from deskbell.store import rooms
from deskbell.store.database import StoreConflict, StoreError
from deskbell.store.rooms import Mark
from deskbell.wire import frames
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)
_Key = tuple[TenantId, RoomId, UserId]
GATHER_S = 0.02
"""How long a mark waits for others. One write then serves them all, and who reads sees it at once all the same."""
AGAIN_S = 1.0
"""How long they wait where the store did not take them."""
MOVES = 1000


class Marks:
    """The marks that moved since they were last written."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._moved: dict[_Key, tuple[int, int, bool]] = {}
        self._timed: set[tuple[TenantId, RoomId]] = set()
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._some = asyncio.Event()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="read-marks")

    async def close(self) -> None:
        """Write what is left, and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self.flush()
        except StoreError as error:
            log.warning("read_marks_lost", error=str(error))

    def move(
        self,
        tenant: TenantId,
        room: RoomId,
        user: UserId,
        *,
        read_seq: int = 0,
        delivered_seq: int = 0,
        shown: bool,
        timed: bool = False,
    ) -> None:
        """Note a mark. ``shown``: the room's policy tells members about each other's; ``timed``: it keeps when."""
        key = (tenant, room, user)
        before = self._moved.get(key, (0, 0, shown))
        # Who has read it has it: a read mark moves the other along.
        self._moved[key] = (max(before[0], read_seq), max(before[1], delivered_seq, read_seq), shown)
        if timed and read_seq:
            self._timed.add((tenant, room))
        self._some.set()

    async def flush(self) -> None:
        """Write what has gathered, and announce it.

        Raises:
            StoreError: Not all could be written; what could not waits for the next time.
        """
        async with self._writing:
            moved, self._moved = self._moved, {}
            timed, self._timed = self._timed, set()
            if not moved:
                return
            marks = [Mark(*key, read, delivered) for key, (read, delivered, _) in moved.items()]
            try:
                free = await self._write(marks, timed)
                stored = await _stored(self._ports, free)
            except (StoreError, asyncio.CancelledError):
                # Marks of others are among them: whoever goes away must not take those along.
                self._keep(moved, timed)
                raise
            kept = {_key(mark) for mark in free}
            held = {key: mark for key, mark in moved.items() if key not in kept}
            self._keep(held, timed)
        self._ports.bus.publish([_receipt(mark, moved[_key(mark)][2]) for mark in stored])
        if held:
            raise StoreConflict("somebody holds the places of some readers")

    async def _write(self, marks: Sequence[Mark], timed: Set[tuple[TenantId, RoomId]]) -> Sequence[Mark]:
        """Write them all; or, where somebody holds rows of some, the others, which need not wait for that."""
        try:
            await self._write_all(marks, timed)
        except StoreConflict:
            marks = await rooms.free_marks(self._ports.db, marks)
            await self._write_all(marks, timed)
        return marks

    async def _write_all(self, marks: Sequence[Mark], timed: Set[tuple[TenantId, RoomId]]) -> None:
        if noted := [mark for mark in marks if (mark.tenant, mark.room) in timed and mark.read_seq]:
            await rooms.note_moves(self._ports.db, noted, self._ports.clock.now_us())
        await rooms.move_marks(self._ports.db, marks)

    def _keep(self, moved: Mapping[_Key, tuple[int, int, bool]], timed: Set[tuple[TenantId, RoomId]]) -> None:
        for key, (read, delivered, shown) in moved.items():
            self.move(*key, read_seq=read, delivered_seq=delivered, shown=shown, timed=key[:2] in timed)

    def waits(self, tenant: TenantId, room: RoomId, user: UserId) -> bool:
        """Whether a mark of theirs is not written yet."""
        return (tenant, room, user) in self._moved

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            await asyncio.sleep(GATHER_S)
            self._some.clear()
            try:
                await self.flush()
            except StoreError as error:
                log.warning("read_marks_wait", error=str(error))
                await asyncio.sleep(AGAIN_S)
            except Exception:
                log.exception("read_marks_failed")  # the next ones must not be lost with these


def _key(mark: Mark) -> _Key:
    return mark.tenant, mark.room, mark.user


async def _stored(ports: Ports, marks: Sequence[Mark]) -> list[Mark]:
    """The marks as they are now, of those who are still in their rooms."""
    found = await ports.db.fetch(
        "SELECT p.tenant_id, p.room_id, p.user_id, p.last_read_seq, p.last_delivered_seq"
        " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS k(tenant_id, room_id, user_id)"
        " JOIN participants p ON p.tenant_id = k.tenant_id AND p.room_id = k.room_id AND p.user_id = k.user_id"
        " WHERE p.state = 'joined'",
        [mark.tenant for mark in marks],
        [mark.room for mark in marks],
        [mark.user for mark in marks],
    )
    return [
        Mark(row["tenant_id"], row["room_id"], row["user_id"], row["last_read_seq"], row["last_delivered_seq"])
        for row in found
    ]


def _receipt(mark: Mark, shown: bool) -> Event:
    frame = frames.Receipt(room=mark.room, user=mark.user, read_seq=mark.read_seq, delivered_seq=mark.delivered_seq)
    kind = "receipt" if shown else "own_receipt"
    return Event(mark.tenant, "room", mark.room, kind, 0, frames.encode(frame), sender=mark.user)


async def mark_read(ports: Ports, marks: Marks, actor: Actor, room_id: RoomId, seq: int) -> tuple[int, bool]:
    """Note that everything up to ``seq`` was read; what is left unread, and whether it mentions the reader.

    Raises:
        NotFound: See :func:`deskbell.actions.access.room_for`.
    """
    place = await access.room_for(ports, actor, room_id)
    if place.member is not None:
        marks.move(
            actor.tenant,
            room_id,
            actor.id,
            read_seq=min(seq, place.room.seq),
            shown=receipts_shown(place.policy),
            timed=place.policy.receipts == "timed",
        )
        try:
            await marks.flush()
        except StoreConflict:
            if marks.waits(actor.tenant, room_id, actor.id):
                raise
    return await rooms.unread(ports.db, actor.tenant, room_id, actor.id)


async def mark_unread(ports: Ports, marks: Marks, actor: Actor, room_id: RoomId, seq: int) -> tuple[int, bool]:
    """Count what is from ``seq`` on as unread, until it is read again; what is then, and whether it mentions them.

    Nobody else is told: how far they have read others still see.

    Raises:
        NotFound, Forbidden: They do not see the room, or are not in it.
    """
    place = await access.room_for(ports, actor, room_id, access.Need.TAKE_PART)
    if marks.waits(actor.tenant, room_id, actor.id):
        await marks.flush()  # what they read before must not undo this
    moved = await rooms.mark_unread(ports.db, actor.tenant, room_id, actor.id, max(1, min(seq, place.room.seq)))
    if moved is None:
        raise NotFound()
    ports.bus.publish([_receipt(Mark(actor.tenant, room_id, actor.id, *moved), shown=False)])
    return await rooms.unread(ports.db, actor.tenant, room_id, actor.id)


async def unread_in(ports: Ports, actor: Actor, room_id: RoomId) -> tuple[int, bool]:
    """What is unread in one room, counted to a hundred, and whether it mentions the reader.

    Raises:
        NotFound: See :func:`deskbell.actions.access.room_for`.
    """
    await access.room_for(ports, actor, room_id)
    return await rooms.unread(ports.db, actor.tenant, room_id, actor.id)


def receipts_shown(policy: Policy) -> bool:
    """Whether members of such a room see how far others have read."""
    return policy.receipts != "off" and policy.roster == "listed"


@dataclass(frozen=True)
class Receipt:
    """How far a message has come with one person: it reached a device of theirs; they read it."""

    user: PublicUser
    delivered: bool
    read: bool


async def receipts(
    ports: Ports, actor: Actor, message_id: MessageId, *, limit: int = 50, after: UserId | None = None
) -> list[Receipt]:
    """Who of those that may see a message has got and read it, its author apart; ``after`` continues a list.

    Where members are not told of each other's marks, one's own alone.

    Raises:
        NotFound: There is no such message, or it is not theirs to see.
    """
    message, place = await access.message_for(ports, actor, message_id)
    found = await rooms.marks_of(
        ports.db,
        actor.tenant,
        message.room,
        message.seq,
        besides=message.sender.id,
        bounded=place.policy.history == "since_join",
        only=None if receipts_shown(place.policy) else actor.id,
        limit=limit,
        after=after,
    )
    return [
        Receipt(user, max(read_seq, delivered_seq) >= message.seq, read_seq >= message.seq)
        for user, read_seq, delivered_seq in found
    ]


@dataclass(frozen=True)
class Move:
    """Somebody has read up to ``seq``; ``at``: when, None where the room's policy does not keep that."""

    user: UserId
    seq: int
    at: datetime | None


async def moves(ports: Ports, actor: Actor, room_id: RoomId, *, since: int = 0) -> list[Move]:
    """How far members have read, and when they got there: the moves to ``since`` and above, then where each is now.

    Where members are not told of each other's marks, one's own alone.

    Raises:
        NotFound: See :func:`deskbell.actions.access.room_for`.
    """
    place = await access.room_for(ports, actor, room_id)
    shown, tenant = receipts_shown(place.policy), actor.tenant
    found = await rooms.read_moves(ports.db, tenant, room_id, since, MOVES)
    now = await rooms.marks_of(
        ports.db, tenant, room_id, 0, besides=None, bounded=False, only=None if shown else actor.id, limit=MOVES
    )
    told = [Move(user, seq, from_us(at)) for user, seq, at in found if shown or user == actor.id]
    return told + [Move(user.id, read_seq, None) for user, read_seq, _ in now]


async def unread(ports: Ports, actor: Actor) -> dict[RoomId, int]:
    """Unread counts of all rooms that have any, each counted to a hundred."""
    found = await rooms.inbox(ports.db, actor.tenant, actor.id, limit=500)
    return {item.room.id: item.unread for item in found if item.unread}
