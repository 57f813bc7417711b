"""Rooms: opened, named, closed, listed, and caught up with. Who is in them is :mod:`deskbell.actions.members`'s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from deskbell.actions import access
from deskbell.actions.access import Place
from deskbell.actions.content import checked_text
from deskbell.actions.members import MAX_LISTED, new_member, people_of
from deskbell.errors import (
    CHANGED_MEANWHILE,
    Conflict,
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    PreconditionFailed,
)
from deskbell.ids import RoomId, TenantId, UserId, new_id
from deskbell.model.records import Actor, Room, RoomState
from deskbell.ports import Ports
from deskbell.store import pages, rooms, rows
from deskbell.wire import frames

MAX_KEY_BYTES = 200


def new_room(actor_tenant: TenantId, channel_type: str, **values: Any) -> Room:
    """A room that is not stored yet; its numbers are the store's to give."""
    fields: dict[str, Any] = {
        "tenant": actor_tenant,
        "id": RoomId(new_id()),
        "channel_type": channel_type,
        "key": None,
        "name": "",
        "description": "",
        "seq": 0,
        "changed_seq": 0,
        "floor": 0,
        "epoch": 1,
        "owner_kind": "",
        "owner_user": None,
        "owner_version": 0,
        "customer": None,
        "backstage": None,
        "backstage_of": None,
        "redirect_to": None,
        "closed_at": None,
        "created_by": None,
        "created_at": 0,
        "active_at": 0,
    }
    return Room(**(fields | values))


def state_of(ports: Ports, room: Room) -> RoomState:
    """What members see of a room."""
    return rows.room_state(room, ports.plugins.channels[room.channel_type])


async def create(
    ports: Ports,
    actor: Actor,
    channel_type: str,
    *,
    key: str | None = None,
    name: str = "",
    description: str = "",
    participants: list[UserId] | None = None,
) -> tuple[Room, bool]:
    """Open a room, or get the one with this key. The flag says whether it is new. Safe under race.

    Raises:
        Invalid: No such channel type, unknown people, a name too long.
        Forbidden: Not for this user to open; or the key's room is not theirs to enter.
    """
    channel = ports.plugins.channels.get(channel_type)
    if channel is None:
        raise Invalid(f"There is no channel type {channel_type!r}.", known=sorted(ports.plugins.channels))
    if not ports.plugins.may_create(channel_type, actor):
        raise Forbidden("You may not open rooms of this type.")
    if channel.policy.owned:
        raise Invalid("Conversations of this type are opened with POST /api/v1/support/conversations.")
    checked_text(ports, name, what="name", max_bytes=400)
    checked_text(ports, description, what="description", max_bytes=4000)
    members = [user for user in dict.fromkeys(participants or []) if user != actor.id]
    limit = channel.policy.max_members or (MAX_LISTED if channel.policy.roster == "listed" else 1_000_000)
    if len(members) + 1 > limit:
        raise LimitReached(f"Such a room holds {limit} people.", max=limit, rule="policy.max_members")
    key = ports.plugins.key_for(channel_type, actor, list(members), key)
    if key is not None:
        checked_text(ports, key, what="key", max_bytes=MAX_KEY_BYTES, empty=False)
        found = await rooms.by_key(ports.db, actor.tenant, channel_type, key)
        if found is not None:
            return (await access.room_for(ports, actor, found.id)).room, False
    users = await people_of(ports, actor, members)
    room = new_room(
        actor.tenant, channel_type, key=key, name=name.strip(), description=description.strip(), created_by=actor.id
    )
    async with ports.journal.change(actor.tenant) as change:
        if not await change.create_room(room):
            created = None
        else:
            # Who is there from the beginning has no history to be kept from.
            silent = channel.policy.roster == "counted"
            creator = new_member(room.id, actor.id, channel.policy.creator_role, change.now_us)
            await change.put_member(creator, actor.public(), what="joined")
            for user in users:
                member = new_member(room.id, user.id, channel.policy.default_role, change.now_us)
                await change.put_member(member, user, silent=silent, what="joined")
            created = change.rooms[room.id]
    if created is not None:
        return created, True
    assert key is not None
    found = await rooms.by_key(ports.db, actor.tenant, channel_type, key)
    if found is None:
        raise Conflict()
    return (await access.room_for(ports, actor, found.id)).room, False


async def update(
    ports: Ports,
    actor: Actor,
    room_id: RoomId,
    *,
    name: str | None = None,
    description: str | None = None,
    expect_changed_seq: int | None = None,
) -> Room:
    """Give a room another name or description.

    ``expect_changed_seq``: only if its state is still the one with this ``changed_seq``.

    Raises:
        PreconditionFailed: It is not.
        NotFound, Forbidden: See :mod:`deskbell.actions.access`; admins of the room may.
    """
    checked_text(ports, name or "", what="name", max_bytes=400)
    checked_text(ports, description or "", what="description", max_bytes=4000)
    async with ports.journal.change(actor.tenant, room_id) as change:
        place = await access.room_in(ports, change, actor, room_id)
        _needs_admin(place, actor)
        room = place.room
        if expect_changed_seq is not None and expect_changed_seq != room.changed_seq:
            raise PreconditionFailed(CHANGED_MEANWHILE, changed_seq=room.changed_seq)
        change.audit(place.policy, actor.id, "room_changed", room_id)
        return change.put_room(
            replace(
                room,
                name=room.name if name is None else name.strip(),
                description=room.description if description is None else description.strip(),
            )
        )


def _needs_admin(place: Place, actor: Actor) -> None:
    if not place.policy.is_admin(place.role) and not (actor.is_staff and place.room.owner_kind):
        raise Forbidden("Only admins of the room may do this.")


async def archive(ports: Ports, actor: Actor, room_id: RoomId, *, closed: bool = True) -> Room:
    """Close a room: it can be read and takes nothing more. Closing again changes nothing."""
    async with ports.journal.change(actor.tenant, room_id) as change:
        place = await access.room_in(ports, change, actor, room_id)
        _needs_admin(place, actor)
        if closed == (place.room.closed_at is not None):
            return place.room
        change.audit(place.policy, actor.id, "room_archived" if closed else "room_unarchived", room_id)
        return change.put_room(replace(place.room, closed_at=change.now_us if closed else None))


@dataclass(frozen=True)
class Entry:
    """One of somebody's rooms, with what they have not read in it."""

    state: RoomState
    seq: int
    unread: int
    mentioned: bool
    last_read_seq: int
    role: str


async def mine(
    ports: Ports,
    actor: Actor,
    *,
    limit: int = 50,
    before: tuple[int, RoomId] | None = None,
    changed_since_us: int = 0,
    channel_type: str | None = None,
) -> list[tuple[Entry, int]]:
    """The rooms somebody is in, latest activity first, each with the moment a list goes on from.

    ``before``: go on after the room of this moment and id.
    """
    found = await rooms.inbox(
        ports.db,
        actor.tenant,
        actor.id,
        limit=max(1, min(limit, 101)),
        before=before,
        changed_since_us=changed_since_us,
        channel_type=channel_type,
    )
    return [
        (
            Entry(
                state_of(ports, item.room),
                item.room.seq,
                item.unread,
                item.mentioned,
                item.member.last_read_seq,
                item.member.role,
            ),
            item.room.active_at,
        )
        for item in found
        if item.room.channel_type in ports.plugins.channels
    ]


@dataclass(frozen=True)
class ChannelEntry:
    """A kind of room. ``may_open``: the asker may open such rooms, or, where they are owned, such conversations.

    ``roles`` are all there are in such rooms; newcomers get ``default_role``.
    """

    name: str
    title: str
    may_open: bool
    policy: dict[str, Any]
    roles: list[str]
    default_role: str
    moderator_roles: list[str]
    admin_roles: list[str]


def channel_types(ports: Ports, actor: Actor) -> list[ChannelEntry]:
    """The kinds of rooms there are, with what a client needs of their policies."""
    return [
        ChannelEntry(
            name,
            channel.title,
            ports.plugins.may_create(name, actor),
            channel.policy.for_clients(),
            list(channel.policy.roles),
            channel.policy.default_role,
            [role for role in channel.policy.roles if channel.policy.is_moderator(role)],
            [role for role in channel.policy.roles if channel.policy.is_admin(role)],
        )
        for name, channel in sorted(ports.plugins.channels.items())
    ]


async def get(ports: Ports, actor: Actor, room_id: RoomId) -> RoomState:
    """A room as its members see it.

    Raises:
        NotFound: See :func:`deskbell.actions.access.room_for`.
    """
    return state_of(ports, (await access.room_for(ports, actor, room_id)).room)


async def by_key(ports: Ports, actor: Actor, channel_type: str, key: str) -> RoomState:
    """The room with this key, as its members see it.

    Raises:
        NotFound: There is none, or it is not theirs to see; deliberately not told apart.
    """
    found = None if "\x00" in key else await rooms.by_key(ports.db, actor.tenant, channel_type, key)
    if found is None:
        raise NotFound()
    return await get(ports, actor, found.id)


async def changes(
    ports: Ports, actor: Actor, room_id: RoomId, since: int, epoch: str | None
) -> frames.Changes | frames.Reset:
    """One page of what changed, for those who come without a socket; the same frame a socket is sent.

    A ``reset`` means that nothing can be told from ``since`` on: start anew.

    Raises:
        NotFound: See :func:`deskbell.actions.access.room_for`.
    """
    place = await access.room_for(ports, actor, room_id)
    await access.note_read(ports, actor, place, "read_changes")
    page = await pages.changes(ports.db, actor.tenant, room_id, place.policy, since, place.visible_from)
    if page is None:
        raise NotFound()
    present = f"{page.room.epoch}.{ports.db.incarnation}"
    behind = page.room.seq - since
    rejoined = place.policy.history == "since_join" and place.visible_from > since > 0
    if (epoch is not None and epoch != present) or not 0 <= behind <= pages.MAX_BEHIND or rejoined:
        return frames.Reset(room=room_id, epoch=present)
    participants, reads = page.participants, page.reads
    member = place.member
    if member is not None and place.policy.roster == "counted" and member.changed_seq > since:
        # Of a counted roster a page holds those who stand above; oneself is added for each reader.
        own = rows.participant(member, actor.public())
        participants = [*(other for other in participants if other.user.id != actor.id), own]
    if member is not None and reads is not None and not reads:
        reads = {actor.id: (member.last_read_seq, member.last_delivered_seq)}
    return frames.Changes(
        room=room_id,
        epoch=present,
        since=since,
        seq=page.seq,
        floor=page.room.floor,
        messages=page.messages,
        participants=participants,
        state=state_of(ports, page.room) if page.state else UNSET,
        reads=UNSET if reads is None else reads,
        more=page.more,
    )
