"""Who is in a room: they join, leave, are brought in and put out, get a role, are muted or banned.

A place is a record of its own, with the beginning of its holder's history and how far they have read. In
rooms with a counted roster, members come and go without a number and without being told of.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from deskbell.actions import access, bans
from deskbell.actions.access import Place
from deskbell.actions.content import checked_text
from deskbell.clock import to_us
from deskbell.errors import (
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    RoomClosed,
)
from deskbell.ids import RoomId, UserId, is_id
from deskbell.model.records import Actor, Membership, Participant, PublicUser, Room
from deskbell.ports import Ports
from deskbell.store import people, rooms, rows
from deskbell.store.change import Change

MAX_LISTED = 200
_CHANGEABLE = ("role", "muted_until", "state")


def new_member(room: RoomId, user: UserId, role: str, now_us: int, visible_from: int = 0) -> Membership:
    return Membership(room, user, role, "joined", visible_from, None, 0, now_us, last_read_seq=visible_from)


async def enter_in(change: Change, room: Room, user: PublicUser, role: str = "agent") -> None:
    """Give an agent or a bot their place in a locked room, if they have none."""
    member = await change.member(room.id, user.id)
    if member is None or member.state != "joined":
        await change.put_member(new_member(room.id, user.id, role, change.now_us), user, what="joined")


async def people_of(ports: Ports, actor: Actor, user_ids: list[UserId]) -> list[PublicUser]:
    """The people of these ids, in this order.

    Raises:
        Invalid: Somebody is not of the actor's tenant, or not at all.
    """
    if not user_ids:
        return []
    if not all(is_id(user) for user in user_ids):
        raise Invalid("Somebody in this list does not exist.")
    found = {user.id: people.public(user) for user in await people.users(ports.db, actor.tenant, user_ids)}
    absent = [user for user in user_ids if user not in found]
    if absent:
        raise Invalid("Somebody in this list does not exist.", absent=absent[:10])
    return [found[user] for user in user_ids]


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
    user = (await people_of(ports, actor, [user_id]))[0]
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
