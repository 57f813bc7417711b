"""Who is here and who is typing: told, never stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import structlog

from deskbell.actions import access
from deskbell.actions.access import Need, Place
from deskbell.clock import from_us
from deskbell.errors import RateLimited
from deskbell.ids import ConnectionId, RoomId, TenantId, UserId, is_id
from deskbell.model.records import Actor
from deskbell.ports import Ports
from deskbell.store import people, rooms
from deskbell.store.database import StoreError
from deskbell.volatile.presence import Seen, Status
from deskbell.wire import frames
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

MAX_ROOMS = 50
MAX_ASKED = 100
ANEW_AT_ONCE = 100
ANEW_PAUSE_S = 0.05


async def typing(ports: Ports, actor: Actor, room_id: RoomId, *, on: bool, place: Place | None = None) -> None:
    """Tell the others in a room that somebody is writing, or has stopped; it ends by itself after 10 s.

    Raises:
        NotFound, Forbidden: They are not in the room.
    """
    if place is None:
        place = await access.room_for(ports, actor, room_id, Need.TAKE_PART)
    tell_typing(ports, actor, room_id, on=on)


def tell_typing(ports: Ports, actor: Actor, room_id: RoomId, *, on: bool) -> None:
    """The same for somebody whose place is known."""
    try:
        ports.limits.spend("typing", actor.id, per_min=120, burst=20)
    except RateLimited:
        return  # nobody misses a typing mark
    frame = frames.TypingFrame(room=room_id, user=actor.id, on=on)
    ports.bus.publish([Event(actor.tenant, "room", room_id, "typing", 0, frames.encode(frame), sender=actor.id)])


async def announce(
    ports: Ports, tenant: TenantId, user: UserId, room_ids: Iterable[RoomId], *, staff: bool = False
) -> None:
    """Tell the rooms somebody is in whether they are here; of ``staff`` all their colleagues are told, too."""
    seen = (await ports.presence.seen(tenant, [user]))[user]
    frame = frames.encode(_frame(user, seen))
    events = [Event(tenant, "room", room, "presence", 0, frame, sender=user) for room in list(room_ids)[:MAX_ROOMS]]
    if staff:
        events.append(_to_staff(tenant, user, seen))
    ports.bus.publish(events)


def _to_staff(tenant: TenantId, user: UserId, seen: Seen) -> Event:
    return Event(tenant, "staff", "", "presence", 0, frames.encode(_frame(user, seen)), sender=user)


async def chosen(ports: Ports, actor: Actor, status: Status) -> None:
    """An agent has said how they are; whoever sees them is told."""
    await ports.presence.choose(actor.tenant, actor.id, status)
    in_rooms = await rooms.of_user(ports.db, actor.tenant, actor.id, MAX_ROOMS)
    await announce(ports, actor.tenant, actor.id, [room for room, _, _ in in_rooms], staff=actor.is_staff)


async def announce_anew(ports: Ports, tenant: TenantId, users: Sequence[UserId]) -> None:
    """Tell all rooms of some users how they are now: their instance died, or was wrongly taken for dead."""
    for start in range(0, len(users), ANEW_AT_ONCE):
        part = users[start : start + ANEW_AT_ONCE]
        try:
            found = await rooms.of_users(ports.db, [(tenant, user) for user in part])
        except StoreError as error:
            log.warning("presence_not_told", users=len(part), error=str(error))
            continue
        seen = await ports.presence.seen(tenant, part)
        events: list[Event] = []
        for user in part:
            frame = frames.encode(_frame(user, seen[user]))
            room_ids = list(found.get((tenant, user), ()))[:MAX_ROOMS]
            events += [Event(tenant, "room", room, "presence", 0, frame, sender=user) for room in room_ids]
        events += [_to_staff(tenant, user, seen[user]) for user in await people.staff_among(ports.db, tenant, part)]
        ports.bus.publish(events)
        await asyncio.sleep(ANEW_PAUSE_S)


async def entered(ports: Ports, actor: Actor, room_ids: Iterable[RoomId]) -> None:
    """Somebody has one socket more; their rooms are told if it is the first."""
    if await ports.presence.enter(actor.tenant, actor.id):
        if actor.is_staff:
            await _remember(ports, actor)
        await announce(ports, actor.tenant, actor.id, room_ids, staff=actor.is_staff)


async def _remember(ports: Ports, actor: Actor) -> None:
    """Away is who said so last, also after a restart: what is volatile has forgotten it, the store has not."""
    try:
        user = await people.user(ports.db, actor.tenant, actor.id)
    except StoreError as error:
        log.warning("availability_not_known", error=str(error))
        return
    if user is not None and user.availability != "online":
        await ports.presence.choose(actor.tenant, actor.id, user.availability)  # type: ignore[arg-type]


async def left(ports: Ports, actor: Actor, room_ids: Iterable[RoomId]) -> None:
    """Somebody has one socket less; their rooms are told if it was the last."""
    if await ports.presence.leave(actor.tenant, actor.id):
        await announce(ports, actor.tenant, actor.id, room_ids, staff=actor.is_staff)


async def enrol(
    ports: Ports, actor: Actor, connection: ConnectionId, cap: int, heard: Mapping[ConnectionId, float]
) -> None:
    """Count a new socket over all instances. Where that is one too many, who has been silent longest makes room."""
    for gone in await ports.roll.enter(actor.tenant, actor.id, connection, cap, heard):
        ports.bus.publish([Event(actor.tenant, "user", actor.id, "evict", 0, gone.encode())])


def _frame(user: UserId, seen: Seen) -> frames.Presence:
    last_seen = None if seen.last_seen_us is None else from_us(seen.last_seen_us)
    return frames.Presence(user=user, status=seen.status, last_seen=last_seen)


async def statuses(ports: Ports, actor: Actor, users: list[UserId]) -> list[frames.Presence]:
    """Who of these is here, of those the asker shares a room with; staff may ask about everybody."""
    wanted = [user for user in users if is_id(user)][:MAX_ASKED]
    if not actor.is_staff and wanted:
        found = await ports.db.fetch(
            "SELECT DISTINCT o.user_id FROM participants p JOIN participants o"
            " ON o.tenant_id = p.tenant_id AND o.room_id = p.room_id AND o.state = 'joined'"
            " WHERE p.tenant_id = $1 AND p.user_id = $2 AND p.state = 'joined' AND o.user_id = ANY($3::uuid[])",
            actor.tenant,
            actor.id,
            wanted,
        )
        shared = {row["user_id"] for row in found}
        wanted = [user for user in wanted if user in shared]
    found_users = [UserId(user) for user in dict.fromkeys(wanted)]
    seen = await ports.presence.seen(actor.tenant, found_users)
    return [_frame(user, seen[user]) for user in found_users]
