"""Pages of a room: what a subscriber is sent first, and what changed since a position.

A page is one snapshot: all record kinds are read at one moment, ordered by ``changed_seq``, and cut
at a hundred records or 128 KiB. Following ``seq`` from page to page until ``more`` is false gives
every record that changed, each in a present state; a record that changes meanwhile comes again.

Nothing in a page depends on who reads it but ``visible_from``, the bound of the reader's history; so
one page serves all readers with the same bound. What concerns a single reader (their own mark,
their own place in a counted roster) is added by whoever sends it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from deskbell.ids import RoomId, TenantId, UserId
from deskbell.model.policy import Policy
from deskbell.model.records import Message, Participant, Room
from deskbell.store import messages, rooms
from deskbell.store.database import Database, Queries

MAX_RECORDS = 100
MAX_BYTES = 128 * 1024
FIRST_MESSAGES = 50
NOBODY = UserId("00000000-0000-0000-0000-000000000000")
MAX_BEHIND = 1000
"""Who is further behind than this is better served by a fresh start."""


@dataclass(frozen=True)
class Page:
    """Records of one room. ``state`` says whether the room's own state belongs to it."""

    room: Room
    seq: int
    more: bool
    messages: list[Message] = field(default_factory=list)
    participants: list[Participant] = field(default_factory=list)
    state: bool = False
    reads: dict[UserId, tuple[int, int]] | None = None
    participant_count: int | None = None


def _size(record: Message | Participant | None) -> int:
    # Close enough to the encoded size, without encoding twice.
    if not isinstance(record, Message):
        return 400
    text = record.content
    size = 700 + (len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")))
    if record.metadata:
        size += len(msgspec.json.encode(record.metadata))
    if record.attachments:
        size += len(msgspec.json.encode(record.attachments))
    return size + 40 * len(record.mentions) + sum(80 + 40 * len(reaction.users) for reaction in record.reactions)


async def first(db: Database, tenant: TenantId, room_id: RoomId, policy: Policy, visible_from: int = 0) -> Page | None:
    """Where a subscriber begins: the last messages, the members, the room. None: no such room."""
    async with db.snapshot() as at:
        room = await rooms.get(at, tenant, room_id)
        if room is None:
            return None
        found = await messages.before(at, tenant, room_id, None, FIRST_MESSAGES, visible_from)
        counted = policy.roster == "counted"
        shown = (policy.privileged_roles, NOBODY) if counted else None
        people = await rooms.participants(at, tenant, room_id, counted_for=shown)
        count = await rooms.participant_count(at, tenant, room_id) if counted else len(people)
        reads = await _reads(at, tenant, room_id, policy)
    size = 0
    kept: list[Message] = []
    for message in reversed(found):
        size += _size(message)
        if kept and size > MAX_BYTES:
            break
        kept.append(message)
    kept.reverse()
    return Page(room, room.seq, False, kept, people, state=True, reads=reads, participant_count=count)


async def changes(
    db: Database, tenant: TenantId, room_id: RoomId, policy: Policy, since: int, visible_from: int = 0
) -> Page | None:
    """What changed after ``since``. None: no such room.

    When ``since`` is above the room's own ``seq``, the page is empty and its ``seq`` says so.
    """
    async with db.snapshot() as at:
        room = await rooms.get(at, tenant, room_id)
        if room is None or room.seq < since:
            # Above the tip: the store was restored. The room alone says enough.
            return None if room is None else Page(room, room.seq, False)
        found: list[Message] = []
        people: list[Participant] = []
        if room.seq > since:
            found = await messages.changed(at, tenant, room_id, since, MAX_RECORDS + 1, visible_from)
            people = await rooms.participants_changed(at, tenant, room_id, since, MAX_RECORDS + 1)
        page = _cut(room, found, people, since)
        if page.more:
            return page
        reads = await _reads(at, tenant, room_id, policy)
        count = await rooms.participant_count(at, tenant, room_id)
    return Page(page.room, page.seq, False, page.messages, page.participants, page.state, reads, count)


def _cut(room: Room, found: list[Message], people: list[Participant], since: int) -> Page:
    records: list[tuple[int, Message | Participant | None]] = [(m.changed_seq, m) for m in found]
    records += [(p.changed_seq, p) for p in people]
    if room.changed_seq > since:
        records.append((room.changed_seq, None))
    records.sort(key=lambda record: record[0])
    kept_messages: list[Message] = []
    kept_people: list[Participant] = []
    state, size, last = False, 0, since
    for number, (changed_seq, record) in enumerate(records):
        size += _size(record)
        if number and (number >= MAX_RECORDS or size > MAX_BYTES):
            return Page(room, last, True, kept_messages, kept_people, state)
        if record is None:
            state = True
        elif isinstance(record, Message):
            kept_messages.append(record)
        else:
            kept_people.append(record)
        last = changed_seq
    return Page(room, room.seq, False, kept_messages, kept_people, state)


async def _reads(at: Queries, tenant: TenantId, room_id: RoomId, policy: Policy) -> dict[UserId, tuple[int, int]]:
    """Everybody's marks, where members may see them."""
    if policy.receipts == "off" or policy.roster == "counted":
        return {}
    return await rooms.reads(at, tenant, room_id)
