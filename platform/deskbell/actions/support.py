"""Support conversations: a visitor's room with the assistant, from opening to closing and after."""

from __future__ import annotations

from typing import Any

import msgspec

from deskbell.actions import closing, escalation, packets, voices
from deskbell.actions.members import new_member
from deskbell.actions.rooms import new_room, state_of
from deskbell.clock import from_us
from deskbell.contracts import HandOver
from deskbell.errors import Forbidden, Invalid, RoomClosed
from deskbell.ids import RoomId
from deskbell.model.records import Actor, Conversation, Room, RoomState
from deskbell.ports import Ports
from deskbell.store import case_entries, people, rooms

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
    bot = await voices.bot_of(ports, actor.tenant, await _bot_of_site(ports, actor))
    ports.limits.spend("conversation", actor.id, per_min=10, burst=5)
    room = new_room(
        actor.tenant,
        channel_type,
        name=name.strip()[:100] or actor.name,
        description=page[:500],
        customer=actor.id,
        created_by=actor.id,
        owner_kind="bot" if bot is not None else "nobody",
        owner_user=bot.user.id if bot is not None else None,
        owner_version=1,
    )
    greeting = ports.plugins.greeting(bot.name) if bot is not None else ""
    system = await voices.system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant) as change:
        await change.create_room(room)
        await change.put_member(new_member(room.id, actor.id, "visitor", change.now_us), actor.public(), what="joined")
        if bot is not None:
            await change.put_member(new_member(room.id, bot.user.id, "bot", change.now_us), bot.user, what="joined")
            if greeting:
                await change.post(room.id, bot.user, greeting, kind="text")
        else:
            # Nobody would hear the visitor: where there is no assistant, opening a conversation rings the bell.
            packet = packets.Packet("", None)
            await escalation.open_in(ports, change, room, HandOver("no_assistant"), packet, system)
        return change.rooms[room.id], True


async def _bot_of_site(ports: Ports, actor: Actor) -> str | None:
    """The bot that the visitor's site names, if it names one."""
    site = await people.site(ports.db, actor.tenant, actor.site) if actor.site is not None else None
    return msgspec.json.decode(site.settings).get("bot") if site is not None else None


async def reopen_by_customer(ports: Ports, actor: Actor, room_id: RoomId) -> Room:
    """Open a closed conversation again, because its visitor writes. An open one stays as it is.

    Raises:
        RoomClosed: Too late; a new conversation is the way.
        NotFound: Not theirs.
    """
    bot = await voices.bot_in(ports, actor.tenant, room_id)
    system = await voices.system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = change.room(room_id)
        if room.customer != actor.id:
            raise RoomClosed()
        if room.closed_at is None:
            return room
        room = await closing.reopened_in(ports, change, room)
        if await change.open_case(room_id) is not None:
            return room  # it is in line, or in somebody's hands, as it was
        room = await voices.to_bot_in(change, room_id, bot)
        if bot is None:
            packet = packets.Packet("", None)
            await escalation.open_in(ports, change, room, HandOver("no_assistant"), packet, system)
        return change.rooms[room_id]


async def conversations(
    ports: Ports,
    actor: Actor,
    *,
    owner: str | None = None,
    channel_type: str | None = None,
    live: bool = False,
    limit: int = 50,
    before: tuple[int, RoomId] | None = None,
) -> list[tuple[Conversation, int]]:
    """Support conversations, each with the moment a list goes on from.

    Of a visitor: their own, newest first, open or closed; the rest does not concern them. For staff: the open
    ones of the tenant, latest activity first, of those whose owner is a ``bot``, an ``agent`` or ``nobody``;
    ``live``: without those in which all is done until the visitor writes again.
    """
    if actor.is_staff:
        found = await rooms.supported(
            ports.db, actor.tenant, owner=owner, channel_type=channel_type, live=live, limit=limit, before=before
        )
    else:
        own = await rooms.of_customer(ports.db, actor.tenant, actor.id, MAX_OWN)
        own.sort(key=lambda room: (room.created_at, room.id), reverse=True)
        found = [
            room
            for room in own
            if owner in (None, room.owner_kind)
            and channel_type in (None, room.channel_type)
            and (before is None or (room.created_at, room.id) < before)
        ][:limit]
    found = [room for room in found if room.channel_type in ports.plugins.channels]
    if not actor.is_staff:
        return [(Conversation(**_fields(state_of(ports, room))), room.created_at) for room in found]
    visitors = await case_entries.visitors_of(ports.db, actor.tenant, found)
    last = await case_entries.last_said(ports.db, actor.tenant, {room.id: room.backstage for room in found})
    return [
        (
            Conversation(
                **_fields(state_of(ports, room)),
                room=room.id,
                visitor=visitors.get(room.id, (None, None))[0],
                site=visitors.get(room.id, (None, None))[1],
                last=last.get(room.id),
                opened_at=from_us(room.created_at),
            ),
            room.active_at,
        )
        for room in found
    ]


def _fields(state: RoomState) -> dict[str, Any]:
    return msgspec.structs.asdict(state)
