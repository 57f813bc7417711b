"""Reading back what was said in a room: around a place, in a thread, one message.

Nobody reads what is above the beginning of their own history in the room, and who reads as staff what is
not theirs is written down, see :func:`deskbell.actions.access.note_read`. To follow a room as it changes is
another thing: :mod:`deskbell.hub`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deskbell.actions import access
from deskbell.actions.access import Place
from deskbell.clock import to_us
from deskbell.errors import Invalid, NotFound
from deskbell.ids import MessageId, RoomId
from deskbell.model.records import Actor, Message
from deskbell.ports import Ports
from deskbell.store import messages
from deskbell.store.database import Queries


@dataclass(frozen=True)
class Excerpt:
    """Part of a room's history, oldest first, with whether there is more on either side.

    ``around``: the ``seq`` of the message that was asked for, where one was.
    """

    messages: list[Message]
    as_of_seq: int
    more_before: bool
    more_after: bool
    around: int | None = None


async def history(
    ports: Ports,
    actor: Actor,
    room_id: RoomId,
    *,
    before: int | None = None,
    after: int | None = None,
    around: int | MessageId | None = None,
    at: datetime | None = None,
    offset: int = 0,
    limit: int = 50,
) -> Excerpt:
    """Messages before, after or around a place; the newest, where none is named. At most 100.

    Args:
        before, after: A ``seq``.
        around: A ``seq``, or a message of this room.
        at: A moment: around the first message written then or later; the newest, where none was.
        offset: That many of the newest are left out.

    Raises:
        Invalid: More than one of them.
        NotFound: See :func:`deskbell.actions.access.room_for`; or no such message in this room.
    """
    if sum(bound is not None for bound in (before, after, around, at, offset or None)) > 1:
        raise Invalid("Give one of before, after, around, at and offset.")
    place = await access.room_for(ports, actor, room_id)
    await access.note_read(ports, actor, place, "read_history")
    limit = max(1, min(limit, 100))
    tenant, bound = actor.tenant, place.visible_from
    async with ports.db.snapshot() as snapshot:
        tip = await snapshot.fetchval("SELECT seq FROM rooms WHERE tenant_id = $1 AND id = $2", tenant, room_id)
        centre = await _centre(snapshot, actor, place, around, at)
        if centre is not None:
            half = limit // 2
            older = await messages.before(snapshot, tenant, room_id, centre, half + 1, bound)
            newer = await messages.after(snapshot, tenant, room_id, centre - 1, limit - half + 1, bound)
            more_before, more_after = len(older) > half, len(newer) > limit - half
            found = older[-half:] if half else []
            found = [*found, *newer[: limit - half]]
        elif after is not None:
            found = await messages.after(snapshot, tenant, room_id, after, limit + 1, bound)
            more_after, found = len(found) > limit, found[:limit]
            first = found[0].seq if found else after + 1
            more_before = bool(await messages.before(snapshot, tenant, room_id, first, 1, bound))
        else:
            found = await messages.before(snapshot, tenant, room_id, before, limit + 1, bound, offset)
            more_before, found = len(found) > limit, found[-limit:]
            last = found[-1].seq if found else (before or 0)
            narrowed = before is not None or offset > 0
            more_after = narrowed and bool(await messages.after(snapshot, tenant, room_id, last, 1, bound))
    return Excerpt(found, int(tip or 0), more_before, more_after, centre)


async def _centre(
    db: Queries, actor: Actor, place: Place, around: int | MessageId | None, at: datetime | None
) -> int | None:
    """The ``seq`` around which history is wanted."""
    if at is not None:
        found = await messages.first_since(db, actor.tenant, place.room.id, to_us(at))
        return None if found is None else max(found, place.visible_from + 1)
    if isinstance(around, str):
        message = await access.find_message(db, actor, around)
        if message is None or message.room != place.room.id or message.seq <= place.visible_from:
            raise NotFound()
        return message.seq
    return around


async def thread(
    ports: Ports, actor: Actor, message_id: MessageId, *, after: int = 0, limit: int = 50
) -> tuple[Message, list[Message], bool]:
    """A thread's root, its answers after a ``seq``, and whether there are more."""
    root, place = await access.message_for(ports, actor, message_id)
    await access.note_read(ports, actor, place, "read_thread", root.id)
    found = await messages.in_thread(ports.db, actor.tenant, root.id, after, limit + 1, place.visible_from)
    return root, found[:limit], len(found) > limit


async def get(ports: Ports, actor: Actor, message_id: MessageId) -> Message:
    """A message in its present state.

    Raises:
        NotFound: There is none, or it is not theirs to see.
    """
    message, place = await access.message_for(ports, actor, message_id)
    await access.note_read(ports, actor, place, "read_message", message_id)
    return message
