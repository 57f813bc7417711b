"""Support conversations: a visitor's room with the assistant, from opening to closing and after."""

from __future__ import annotations

from msgspec.structs import replace

from deskbell.actions import cases as case_actions
from deskbell.actions.rooms import new_member, new_room, state_of
from deskbell.errors import Forbidden, Invalid, RoomClosed
from deskbell.ids import RoomId, TenantId
from deskbell.model import ownership
from deskbell.model.records import Actor, Room, RoomState
from deskbell.ports import Ports
from deskbell.store import rooms
from deskbell.store.change import Change

DEFAULT_TYPE = "support"
MAX_OWN = 200


async def open_conversation(
    ports: Ports, actor: Actor, *, channel_type: str = DEFAULT_TYPE, new: bool = False, name: str = "", page: str = ""
) -> tuple[Room, bool]:
    """The visitor's present conversation, or a new one with the assistant. The flag says whether it is new.

    Raises:
        Invalid: Not a support channel type.
        Forbidden: Agents answer conversations; they do not open them.
    """
    channel = ports.plugins.channels.get(channel_type)
    if channel is None or not channel.policy.owned:
        raise Invalid("There is no support channel of this type.")
    if actor.is_staff or actor.kind not in ("visitor", "member"):
        raise Forbidden("Visitors open conversations; agents answer them.")
    if not new:
        for room in await rooms.of_customer(ports.db, actor.tenant, actor.id, 10):
            if room.channel_type == channel_type and room.closed_at is None:
                return room, False
    bot = await case_actions.bot_of(ports, actor.tenant)
    ports.limits.spend("conversation", actor.id, per_min=10, burst=5)
    room = new_room(
        actor.tenant,
        channel_type,
        name=name.strip()[:100] or actor.name,
        description=page[:500],
        customer=actor.id,
        created_by=actor.id,
        owner_kind="bot" if bot is not None else "nobody",
        owner_user=bot.id if bot is not None else None,
        owner_version=1,
    )
    greeting = ""
    if bot is not None:
        greeting = ports.plugins.bots[min(ports.plugins.bots)].greeting()
    async with ports.journal.change(actor.tenant) as change:
        await change.create_room(room)
        await change.put_member(new_member(room.id, actor.id, "visitor", change.now_us), actor.public(), what="joined")
        if bot is not None:
            await change.put_member(new_member(room.id, bot.id, "bot", change.now_us), bot, what="joined")
            if greeting:
                await change.post(room.id, bot, greeting, kind="text")
        return change.rooms[room.id], True


async def reopen_by_customer(ports: Ports, actor: Actor, room_id: RoomId) -> Room:
    """Open a closed conversation again, because its visitor writes. An open one stays as it is.

    Raises:
        RoomClosed: Too late; a new conversation is the way.
        NotFound: Not theirs.
    """
    bot = await case_actions.bot_of(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = change.room(room_id)
        if room.customer != actor.id:
            raise RoomClosed()
        if room.closed_at is None:
            return room
        room = case_actions.reopened_in(ports, change, room)
        return change.put_room(ownership.to_bot(room, bot.id) if bot is not None else ownership.to_nobody(room))


async def close_if_due(ports: Ports, tenant: TenantId, room_id: RoomId) -> bool:
    """Close a conversation nobody has written in for long enough; purge what lives for a fixed time only.

    Looked at again under the lock: a message that came meanwhile puts it off. A room with an open case
    is not closed; it is due again later.
    """
    room = await rooms.get(ports.db, tenant, room_id)
    if room is None or room.channel_type not in ports.plugins.channels:
        return False
    policy = ports.plugins.channels[room.channel_type].policy
    system = await case_actions.system_user(ports, tenant)
    async with ports.journal.change(tenant, room_id) as change:
        room = change.rooms.get(room_id)
        due_at = await change.tx.fetchval("SELECT due_at FROM rooms WHERE tenant_id = $1 AND id = $2", tenant, room_id)
        if room is None or due_at is None or due_at > change.now_us:
            return False
        if policy.delete_after_s is not None or (room.closed_at is not None and policy.retention_s is not None):
            await _purge(change, room)
            return True
        if room.closed_at is None and await change.open_case(room_id) is not None:
            await _due_again(change, room, (policy.auto_close_s or 3600) * 1_000_000)
            return False
        if room.closed_at is None:
            await case_actions.say_event(change, room_id, system, "room_closed", "This conversation was closed.")
            change.put_room(replace(change.rooms[room_id], closed_at=change.now_us))
        await _due_again(change, room, policy.retention_s * 1_000_000 if policy.retention_s is not None else None)
        return True


async def _due_again(change: Change, room: Room, after_us: int | None) -> None:
    await change.tx.execute(
        "UPDATE rooms SET due_at = $3 WHERE tenant_id = $1 AND id = $2",
        change.tenant,
        room.id,
        None if after_us is None else change.now_us + after_us,
    )


async def _purge(change: Change, room: Room) -> None:
    """Drop all that was said. The epoch changes, so that clients drop it too; no numbers are taken for it."""
    for table in ("reactions", "revisions"):
        await change.tx.execute(
            f"DELETE FROM {table} WHERE tenant_id = $1 AND message_id IN"
            " (SELECT id FROM messages WHERE tenant_id = $1 AND room_id = $2)",
            change.tenant,
            room.id,
        )
    for table in ("messages", "held_messages", "bot_states"):
        await change.tx.execute(f"DELETE FROM {table} WHERE tenant_id = $1 AND room_id = $2", change.tenant, room.id)
    change.put_room(
        replace(
            change.rooms[room.id], closed_at=room.closed_at or change.now_us, epoch=room.epoch + 1, floor=room.seq + 1
        )
    )
    await _due_again(change, room, None)


async def conversations(
    ports: Ports,
    actor: Actor,
    *,
    owner: str | None = None,
    channel_type: str | None = None,
    limit: int = 50,
    before: tuple[int, RoomId] | None = None,
) -> list[tuple[RoomState, int]]:
    """Support conversations, each with the moment a list goes on from.

    Of a visitor: their own, newest first, open or closed; the rest does not concern them. For staff: the open
    ones of the tenant, latest activity first, of those whose owner is a ``bot``, an ``agent`` or ``nobody``.
    """
    if actor.is_staff:
        found = await rooms.supported(
            ports.db, actor.tenant, owner=owner, channel_type=channel_type, limit=limit, before=before
        )
    else:
        own = await rooms.of_customer(ports.db, actor.tenant, actor.id, MAX_OWN)
        found = [
            room
            for room in own
            if owner in (None, room.owner_kind)
            and channel_type in (None, room.channel_type)
            and (before is None or (room.created_at, room.id) < before)
        ][:limit]
    return [
        (state_of(ports, room), room.active_at if actor.is_staff else room.created_at)
        for room in found
        if room.channel_type in ports.plugins.channels
    ]
