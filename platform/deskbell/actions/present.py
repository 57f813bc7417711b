"""What a row of the outbox is about, as it is now.

A row names a record and holds nothing of it: what is edited, deleted or erased before the row is worked off
is told as it then is, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deskbell.errors import Invalid
from deskbell.ids import CaseId, MessageId, RoomId, TenantId, UserId
from deskbell.model.records import Case, Message, Participant, Room, RoomState
from deskbell.ports import Ports
from deskbell.store import cases, messages, rooms, rows

Record = Message | Participant | Case


@dataclass(frozen=True)
class Present:
    """A record and its room, as they are; None: gone, or never named."""

    record: Record | None = None
    room: RoomState | None = None


def name_of(record: Record, room: RoomId | None) -> list[str]:
    """What is stored in place of a record.

    Raises:
        Invalid: A participant, and it was not said of which room.
    """
    if isinstance(record, Message):
        return ["message", record.room, record.id]
    if isinstance(record, Case):
        return ["case", record.room, record.id]
    if room is None:
        raise Invalid("Of a participant it must be said in which room.")
    return ["participant", room, record.user.id]


async def look_up(ports: Ports, tenant: TenantId, name: Sequence[str] | None) -> Present:
    """What is named, as it is now."""
    if name is None:
        return Present()
    kind, where, which = name
    room = await rooms.get(ports.db, tenant, RoomId(where))
    record: Record | None
    if room is None:
        record = None
    elif kind == "message":
        record = await messages.by_id(ports.db, tenant, MessageId(which))
    elif kind == "case":
        record = await cases.get(ports.db, tenant, CaseId(which))
    else:
        record = await participant(ports, tenant, room.id, UserId(which))
    return Present(record, _state(ports, room))


def _state(ports: Ports, room: Room | None) -> RoomState | None:
    channel = None if room is None else ports.plugins.channels.get(room.channel_type)
    return None if room is None or channel is None else rows.room_state(room, channel)


async def participant(ports: Ports, tenant: TenantId, room: RoomId, user: UserId) -> Participant | None:
    """Somebody's place in a room."""
    row = await ports.db.fetchrow(
        f"SELECT {rows.MEMBER_COLUMNS}, {rows.USER_COLUMNS} FROM participants p"
        " JOIN users u ON u.tenant_id = p.tenant_id AND u.id = p.user_id"
        " WHERE p.tenant_id = $1 AND p.room_id = $2 AND p.user_id = $3",
        tenant,
        room,
        user,
    )
    return None if row is None else rows.participant(rows.membership(row), rows.public_user(row))
