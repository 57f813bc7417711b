"""How a conversation ends and comes back: closed, due for the next look, open again.

All of it is said of a room that is locked; why it is closed is the caller's to know.
"""

from __future__ import annotations

from msgspec.structs import replace

from deskbell.actions import voices
from deskbell.errors import RoomClosed
from deskbell.ids import RoomId, TenantId
from deskbell.model import case_rules, ownership
from deskbell.model.policy import Policy
from deskbell.model.records import Room
from deskbell.ports import Ports
from deskbell.store import claims, rooms
from deskbell.store.change import Change

UNKNOWN_AGAIN_S = 3600


async def reopened_in(ports: Ports, change: Change, room: Room, *, window: bool = True) -> Room:
    """A closed support room, open again; due for closing as if somebody had just spoken.

    Raises:
        RoomClosed: The ``window`` for it is over, it was merged, or its text was to live for a fixed time only.
    """
    policy = ports.plugins.channels[room.channel_type].policy
    late = window and change.now_us - (room.closed_at or 0) > policy.reopen_window_s * 1_000_000
    if late or room.redirect_to is not None or policy.delete_after_s is not None:
        raise RoomClosed(redirect_to=room.redirect_to)
    await due_in(change, room.id, policy.auto_close_s)
    return change.put_room(replace(change.rooms[room.id], closed_at=None))


async def due_in(change: Change, room_id: RoomId, after_s: int | None) -> None:
    """Say when a locked room is looked at again, for closing or purging; None: not by itself."""
    await change.tx.execute(
        "UPDATE rooms SET due_at = $3 WHERE tenant_id = $1 AND id = $2",
        change.tenant,
        room_id,
        None if after_s is None else change.now_us + after_s * 1_000_000,
    )


async def closed_in(change: Change, room_id: RoomId, policy: Policy) -> None:
    """A locked room was closed: its text is due as the policy says, unless that was fixed when it was opened."""
    if policy.delete_after_s is None:
        await due_in(change, room_id, policy.retention_s)


async def close_if_due(ports: Ports, tenant: TenantId, room_id: RoomId) -> bool:
    """Close a conversation nobody has written in for long enough; purge what lives for a fixed time only.

    Looked at again under the lock: a message that came meanwhile puts it off. A room with an open case
    is not closed; it is due again later. A backstage room has no end of its own: it goes with its conversation.
    """
    found = await rooms.get(ports.db, tenant, room_id)
    if found is None:
        return False
    channel = ports.plugins.channels.get(found.channel_type)
    system = await voices.system_user(ports, tenant)
    behind = [found.backstage] if found.backstage is not None else []
    async with ports.journal.change(tenant, room_id, *behind) as change:
        room = change.room(room_id)
        due_at = await change.tx.fetchval("SELECT due_at FROM rooms WHERE tenant_id = $1 AND id = $2", tenant, room_id)
        if due_at is None or due_at > change.now_us or room.backstage != found.backstage:
            return False
        if channel is None:
            # Its plugin is switched off. It must not keep others from their turn.
            await due_in(change, room_id, UNKNOWN_AGAIN_S)
            return False
        if room.backstage_of is not None:
            await due_in(change, room_id, None)
            return False
        policy = channel.policy
        if policy.delete_after_s is not None or (room.closed_at is not None and policy.retention_s is not None):
            await purge_in(change, room)
            return True
        if room.closed_at is None and policy.auto_close_s is None:
            await due_in(change, room_id, None)  # the operator has thought better of it
            return False
        if room.closed_at is None and await change.open_case(room_id) is not None:
            await due_in(change, room_id, policy.auto_close_s)
            return False
        if room.closed_at is None:
            await voices.say_event(change, room_id, system, "room_closed", "This conversation was closed.")
            change.put_room(replace(change.rooms[room_id], closed_at=change.now_us))
        await due_in(change, room_id, policy.retention_s)
        return True


async def purge_in(change: Change, room: Room) -> None:
    """Drop all that was said, before and behind the counter, and end what is open.

    The epoch changes, so that clients drop it too; no numbers are taken for it. What the visitor said of themselves
    is :mod:`.forgetting`'s.
    """
    case = await change.open_case(room.id)
    if case is not None:
        await change.put_case(case_rules.resolved(case, now=change.now), what="expired")
        change.put_room(replace(ownership.to_nobody(change.rooms[room.id]), case_id=None))
    for room_id in (room.id, room.backstage):
        if room_id is None:
            continue
        for table in ("reactions", "revisions", "traces"):
            await change.tx.execute(
                f"DELETE FROM {table} WHERE tenant_id = $1 AND message_id IN"
                " (SELECT id FROM messages WHERE tenant_id = $1 AND room_id = $2)",
                change.tenant,
                room_id,
            )
        for table in ("messages", "held_messages", "bot_states", "reports", "read_moves", "drafts"):
            await change.tx.execute(
                f"DELETE FROM {table} WHERE tenant_id = $1 AND room_id = $2", change.tenant, room_id
            )
        gone = change.rooms[room_id]
        # Where a visitor was when they asked often says what they asked.
        page = "" if gone.customer is not None else gone.description
        change.put_room(
            replace(
                gone,
                closed_at=gone.closed_at or change.now_us,
                epoch=gone.epoch + 1,
                floor=gone.seq + 1,
                description=page,
            )
        )
        await due_in(change, room_id, None)
    if room.customer is not None:
        await claims.look_at(change.tx, change.tenant, room.customer, change.now_us)
    # What a case tells of the conversation is the conversation's; that there was one, and how it went, stays.
    await change.tx.execute(
        "UPDATE cases SET handover = NULL, rating_comment = NULL WHERE tenant_id = $1 AND room_id = $2",
        change.tenant,
        room.id,
    )
    await change.tx.execute(
        "UPDATE rooms SET rating_comment = NULL WHERE tenant_id = $1 AND id = $2", change.tenant, room.id
    )
