"""What may be done with rooms and the people in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from deskbell.actions import access, bans
from deskbell.actions.access import Place
from deskbell.actions.content import checked_text
from deskbell.clock import to_us
from deskbell.errors import (
    CHANGED_MEANWHILE,
    Conflict,
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    PreconditionFailed,
    RoomClosed,
)
from deskbell.ids import RoomId, TenantId, UserId, is_id, new_id
from deskbell.model.records import Actor, Membership, Participant, PublicUser, Room, RoomState
from deskbell.ports import Ports
from deskbell.store import pages, people, rooms, rows
from deskbell.store.change import Change
from deskbell.wire import frames

MAX_LISTED = 200
_CHANGEABLE = ("role", "muted_until", "state")
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


def new_member(room: RoomId, user: UserId, role: str, now_us: int, visible_from: int = 0) -> Membership:
    return Membership(room, user, role, "joined", visible_from, None, 0, now_us, last_read_seq=visible_from)


async def enter_in(change: Change, room: Room, user: PublicUser, role: str = "agent") -> None:
    """Give an agent or a bot their place in a locked room, if they have none."""
    member = await change.member(room.id, user.id)
    if member is None or member.state != "joined":
        await change.put_member(new_member(room.id, user.id, role, change.now_us), user, what="joined")


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
    users = await _existing(ports, actor, members)
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


async def _existing(ports: Ports, actor: Actor, user_ids: list[UserId]) -> list[PublicUser]:
    if not user_ids:
        return []
    if not all(is_id(user) for user in user_ids):
        raise Invalid("Somebody in this list does not exist.")
    found = {user.id: people.public(user) for user in await people.users(ports.db, actor.tenant, user_ids)}
    absent = [user for user in user_ids if user not in found]
    if absent:
        raise Invalid("Somebody in this list does not exist.", absent=absent[:10])
    return [found[user] for user in user_ids]


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


# people in rooms


async def join(ports: Ports, actor: Actor, room_id: RoomId) -> Participant:
    """Enter a room by oneself: an open one, one for one's role, or, for staff, any support room.

    Joining a room one is in changes nothing.

    Raises:
        NotFound: No such room, or not one to be joined.
        RoomClosed, LimitReached: It takes nobody more.
    """
    if not is_id(room_id):
        raise NotFound()
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = change.room(room_id)
        member = await change.member(room_id, actor.id)
        channel = ports.plugins.channels.get(room.channel_type)
        if channel is None or (room.backstage_of is not None and not actor.is_staff):
            raise NotFound()
        if member is not None and member.state == "joined":
            return rows.participant(member, actor.public())
        policy = channel.policy
        staff = actor.is_staff and (policy.owned or room.backstage_of is not None)
        invited_by_policy = policy.join == "open" or (policy.join == "role" and actor.role in policy.join_roles)
        if await bans.holds(change, member) or not (staff or invited_by_policy):
            raise NotFound()
        role = "agent" if staff else policy.default_role
        if not ports.plugins.may_enter(room.channel_type, actor, role):
            raise NotFound()
        if room.closed_at is not None:
            raise RoomClosed()
        put = await _put_joined(ports, change, room, actor.public(), role, member)
        change.audit(policy, actor.id, "joined", room_id, actor.id, level="full", details={"role": role})
        return rows.participant(put, actor.public())


async def _put_joined(
    ports: Ports, change: Change, room: Room, user: PublicUser, role: str, before: Membership | None
) -> Membership:
    policy = ports.plugins.channels[room.channel_type].policy
    limit = policy.max_members or (MAX_LISTED if policy.roster == "listed" else None)
    if limit is not None and await rooms.participant_count(change.tx, room.tenant, room.id) >= limit:
        raise LimitReached(f"This room holds {limit} people.", max=limit, rule="policy.max_members")
    # A counted roster takes no number, so what was there when they came is all up to the tip.
    bound = change.rooms[room.id].seq if policy.history == "since_join" else 0
    member = new_member(room.id, user.id, role, change.now_us, bound)
    if before is not None:
        member = replace(
            member, last_read_seq=max(before.last_read_seq, bound), last_delivered_seq=before.last_delivered_seq
        )
    else:
        # Who comes later has not missed what was said before.
        member = replace(member, last_read_seq=change.rooms[room.id].seq)
    if before is not None and before.state == "banned":
        await bans.lift_in(change, room.id, user.id)
    silent = policy.roster == "counted" and role not in policy.privileged_roles
    return await change.put_member(member, user, silent=silent, what="joined")


async def leave(ports: Ports, actor: Actor, room_id: RoomId) -> None:
    """Leave a room. Nothing more of it arrives. Leaving again changes nothing."""
    async with ports.journal.change(actor.tenant, room_id) as change:
        place = await access.room_in(ports, change, actor, room_id)
        if place.member is None:
            return
        await _put_gone(change, place, place.member, actor.public(), "left")
        change.audit(place.policy, actor.id, "left", room_id, actor.id, level="full")


async def _put_gone(change: Change, place: Place, member: Membership, user: PublicUser, state: Any) -> Membership:
    silent = place.policy.roster == "counted" and member.role not in place.policy.privileged_roles
    return await change.put_member(replace(member, state=state), user, silent=silent, what=state)


async def add(ports: Ports, actor: Actor, room_id: RoomId, user_id: UserId, role: str | None = None) -> Participant:
    """Bring somebody into a room.

    Raises:
        NotFound, Forbidden: Not this user's to do; moderators of the room may, and staff in support rooms.
        Invalid: Nobody of that name, or no such role.
    """
    user = (await _existing(ports, actor, [user_id]))[0]
    found = await people.user(ports.db, actor.tenant, user_id)
    assert found is not None
    async with ports.journal.change(actor.tenant, room_id) as change:
        place = await access.room_in(ports, change, actor, room_id)
        if not place.policy.is_moderator(place.role) and not (actor.is_staff and place.room.owner_kind):
            raise Forbidden("Only moderators bring people into this room.")
        role = role or ("agent" if found.role and place.room.owner_kind else place.policy.default_role)
        if place.room.backstage_of is not None and not found.role:
            raise NotFound()
        _assignable(place, actor, role)
        if place.room.closed_at is not None:
            raise RoomClosed()
        before = await change.member(room_id, user_id)
        if before is not None and before.state == "joined":
            return rows.participant(before, user)
        if not ports.plugins.may_enter(place.room.channel_type, people.actor(found), role):
            raise Forbidden("This person may not be in such a room.")
        put = await _put_joined(ports, change, place.room, user, role, before)
        change.audit(place.policy, actor.id, "member_added", room_id, user_id, details={"role": role})
        return rows.participant(put, user)


def _assignable(place: Place, actor: Actor, role: str) -> None:
    if role not in place.policy.roles:
        raise Invalid(f"There is no role {role!r} in such a room.", known=list(place.policy.roles))
    above = place.policy.is_moderator(role) or place.policy.is_admin(role)
    if above and not place.policy.is_admin(place.role) and not actor.is_lead:
        raise Forbidden("Only admins of the room hand out this role.")


async def change_place(
    ports: Ports,
    actor: Actor,
    room_id: RoomId,
    user_id: UserId,
    *,
    role: str | None = None,
    mute_s: int | None = None,
    muted_until: datetime | None = None,
    state: str | None = None,
    reason: str = "",
    until: datetime | None = None,
) -> Participant:
    """Give somebody another role, mute them, ban or remove them.

    Args:
        mute_s: Seconds, 0 ends it; or ``muted_until``, the moment it ends.
        state: ``left`` removes, ``banned`` bans, ``joined`` lifts a ban (they may come back by themselves).
        reason: Why they are banned, for moderators. ``until``: when that ends; None is for good. Banning
            again changes both.

    Raises:
        NotFound, Forbidden: Not this user's to do. Nobody changes who stands above them.
        Invalid: No such role or state; a moment that has passed; a reason without a ban.
    """
    checked_text(ports, reason, what="reason", max_bytes=bans.MAX_REASON_BYTES)
    if state != "banned" and (reason or until is not None):
        raise Invalid("reason and until belong to a ban.")
    if mute_s is not None and muted_until is not None:
        raise Invalid("Give one of mute_s and muted_until.")
    user = await people.user(ports.db, actor.tenant, user_id) if is_id(user_id) else None
    async with ports.journal.change(actor.tenant, room_id) as change:
        place = await access.room_in(ports, change, actor, room_id)
        moderator = place.policy.is_moderator(place.role) or (actor.is_staff and bool(place.room.owner_kind))
        if not moderator:
            raise Forbidden("Only moderators may do this.")
        member = await change.member(room_id, user_id) if user is not None else None
        if member is None or user is None:
            raise NotFound()
        above = place.policy.is_admin(member.role) or user.role != ""
        if user_id != actor.id and above and not place.policy.is_admin(place.role) and not actor.is_lead:
            raise Forbidden("This person stands above you here.")
        changed = member
        if role is not None:
            _assignable(place, actor, role)
            changed = replace(changed, role=role)
        if mute_s is not None:
            if not 0 <= mute_s <= 366 * 86_400:
                raise Invalid("Somebody can be muted for up to a year.")
            changed = replace(changed, muted_until=change.now_us + mute_s * 1_000_000 if mute_s else None)
        if muted_until is not None:
            changed = replace(changed, muted_until=_to_come(change, muted_until, "muted_until"))
        if state == "banned":
            until_us = None if until is None else _to_come(change, until, "until")
            await bans.put_in(change, room_id, user_id, actor.id, reason=reason.strip(), until_us=until_us)
        what = "changed"
        if state is not None and state != member.state:
            if state not in ("left", "banned", "joined"):
                raise Invalid("A place is joined, left or banned.")
            what = state
            if state == "joined":
                if member.state != "banned":
                    raise Invalid("Use POST /participants to bring somebody in.")
                await bans.lift_in(change, room_id, user_id)
                changed, what = replace(changed, state="left"), "left"
            else:
                if member.state == "banned":
                    await bans.lift_in(change, room_id, user_id)
                changed = replace(changed, state=state)
        told = {name: getattr(changed, name) for name in _CHANGEABLE if getattr(changed, name) != getattr(member, name)}
        if told or state == "banned":
            change.audit(place.policy, actor.id, "member_changed", room_id, user_id, details=told)
        if changed == member:
            return rows.participant(member, people.public(user))
        put = await change.put_member(changed, people.public(user), what=what)
        return rows.participant(put, people.public(user))


def _to_come(change: Change, moment: datetime, what: str) -> int:
    """A moment somebody named, in microseconds, if it is still to come."""
    moment_us = to_us(moment)
    if moment_us <= change.now_us:
        raise Invalid(f"{what} has passed already.", path=what)
    return moment_us


async def remove(ports: Ports, actor: Actor, room_id: RoomId, user_id: UserId) -> None:
    """Take somebody out of a room; oneself too, which is leaving.

    Raises:
        NotFound, Forbidden: See :func:`change_place`.
    """
    if user_id == actor.id:
        await leave(ports, actor, room_id)
    else:
        await change_place(ports, actor, room_id, user_id, state="left")


async def participants(
    ports: Ports, actor: Actor, room_id: RoomId, *, limit: int = 1000, after: tuple[int, UserId] | None = None
) -> list[Participant]:
    """Who is in the room, who came first first; of a counted roster, who stands above members, and oneself.

    ``after`` (a moment and a user) continues a list.
    """
    place = await access.room_for(ports, actor, room_id)
    shown = (place.policy.privileged_roles, actor.id) if place.policy.roster == "counted" else None
    return await rooms.participants(ports.db, actor.tenant, room_id, counted_for=shown, limit=limit, after=after)


# lists and catching up


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
