"""The one door to rooms and messages: what somebody may see, and in which role they are there.

Absent and forbidden look the same: both are :class:`NotFound`. A room of another tenant, a backstage
room asked for by a visitor, a message from before somebody joined: none of them exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from deskbell.errors import Forbidden, NotFound, Unavailable
from deskbell.ids import MessageId, RoomId, UserId, is_id
from deskbell.model.policy import Policy
from deskbell.model.records import Actor, Membership, Message, Room
from deskbell.ports import Ports
from deskbell.store import audit, messages, rooms
from deskbell.store.change import Change
from deskbell.store.database import Queries, StoreError
from deskbell.store.search import NOTHING, Reach

FOUND_AGAIN_S = 300


class Need(IntEnum):
    """What somebody wants to do in a room."""

    READ = 0  # see it
    TAKE_PART = 1  # be in it: write, react, type
    MODERATE = 2  # change what others wrote, mute, ban
    ADMIN = 3  # change the room itself, hand out roles


@dataclass(frozen=True)
class Place:
    """Where somebody stands: the room, their place in it if they have one, and what that makes them.

    ``role`` is the one in the room; staff looking on at a support room are ``agent`` without a place.
    """

    room: Room
    member: Membership | None
    role: str
    policy: Policy

    @property
    def visible_from(self) -> int:
        return self.member.visible_from if self.member is not None and self.policy.history == "since_join" else 0

    def allows(self, need: Need) -> bool:
        if need is Need.READ:
            return True
        if need is Need.TAKE_PART:
            return self.member is not None
        if need is Need.MODERATE:
            return self.policy.is_moderator(self.role)
        return self.policy.is_admin(self.role)


def place_of(ports: Ports, actor: Actor, room: Room | None, member: Membership | None) -> Place:
    """Where ``actor`` stands, given what the store says.

    Raises:
        NotFound: Nowhere.
    """
    if room is None or room.tenant != actor.tenant:
        raise NotFound()
    joined = member if member is not None and member.state == "joined" else None
    role = _role(
        ports,
        actor,
        room.channel_type,
        backstage=room.backstage_of is not None,
        state=member.state if member is not None else None,
        joined_as=joined.role if joined is not None else None,
    )
    if role is None:
        raise NotFound()
    policy = ports.plugins.channels[room.channel_type].policy
    return Place(room, joined, role, policy)


def _role(
    ports: Ports, actor: Actor, type_name: str, *, backstage: bool, state: str | None, joined_as: str | None
) -> str | None:
    """The one rule of who is in a room as what; None: nowhere. ``joined_as``: their role in it, while they are."""
    channel = ports.plugins.channels.get(type_name)
    if channel is None or type_name not in ports.plugins.channel_types:
        return None  # the plugin that knew this kind of room is gone
    if backstage and not actor.is_staff:
        return None
    if state == "banned":
        return None
    behind_the_counter = actor.is_staff and (channel.policy.owned or backstage)
    if joined_as is None and not behind_the_counter:
        return None
    role = joined_as if joined_as is not None else "agent"
    return role if ports.plugins.may_enter(type_name, actor, role) else None


async def reach(ports: Ports, at: Queries, actor: Actor) -> Reach:
    """Everything ``actor`` may read, as of one moment: for queries over many rooms.

    It says what :func:`place_of` would say of each room: the same rule decides, once for all rooms somebody
    has no place in, and once for each room they have or had one in.
    """

    def from_without(name: str, *, backstage: bool) -> bool:
        return _role(ports, actor, name, backstage=backstage, state=None, joined_as=None) is not None

    types = frozenset(name for name in ports.plugins.channels if from_without(name, backstage=False))
    backstage_types = frozenset(name for name in ports.plugins.channels if from_without(name, backstage=True))
    bounds: dict[RoomId, int] = {}
    for place in await rooms.places_of(at, actor.tenant, actor.id):
        joined_as = place.role if place.state == "joined" else None
        role = _role(
            ports, actor, place.channel_type, backstage=place.backstage, state=place.state, joined_as=joined_as
        )
        bound = NOTHING
        if role is not None:
            since_join = ports.plugins.channels[place.channel_type].policy.history == "since_join"
            bound = place.visible_from if since_join and joined_as is not None else 0
        # Most rooms of an agent are what they would be for any agent: those need not be named.
        if bound != (0 if place.channel_type in (backstage_types if place.backstage else types) else NOTHING):
            bounds[place.room] = bound
    return Reach(bounds, types, backstage_types)


def reach_of(place: Place) -> Reach:
    """The one room of a place."""
    return Reach({place.room.id: place.visible_from})


async def room_for(ports: Ports, actor: Actor, room_id: RoomId, need: Need = Need.READ) -> Place:
    """The room, if ``actor`` may do in it what they need.

    Raises:
        NotFound: No such room, or ``actor`` may not see it; deliberately not told apart.
        Forbidden: They see it, and may not do this in it.
    """
    if not is_id(room_id):
        raise NotFound()
    try:
        found = await rooms.get_with_member(ports.db, actor.tenant, room_id, actor.id)
    except StoreError as error:
        raise Unavailable() from error
    place = place_of(ports, actor, *(found if found is not None else (None, None)))
    if not place.allows(need):
        raise Forbidden()
    return place


async def room_in(ports: Ports, change: Change, actor: Actor, room_id: RoomId, need: Need = Need.READ) -> Place:
    """The same for a room that is locked: what is true now, not a moment ago."""
    place = place_of(ports, actor, change.rooms.get(room_id), await change.member(room_id, actor.id))
    if not place.allows(need):
        raise Forbidden()
    return place


async def message_for(
    ports: Ports, actor: Actor, message_id: MessageId, need: Need = Need.READ
) -> tuple[Message, Place]:
    """A message and the place of ``actor`` in its room.

    Raises:
        NotFound: No such message, or it is not theirs to see.
        Forbidden: See :func:`room_for`.
    """
    message = await find_message(ports.db, actor, message_id)
    if message is None:
        raise NotFound()
    place = await room_for(ports, actor, message.room, need)
    if message.seq <= place.visible_from:
        raise NotFound()
    return message, place


async def find_message(db: Queries, actor: Actor, message_id: MessageId) -> Message | None:
    """A message of the actor's tenant, not yet checked."""
    if not is_id(message_id):
        return None
    try:
        return await messages.by_id(db, actor.tenant, message_id)
    except StoreError as error:
        raise Unavailable() from error


async def note_read(ports: Ports, actor: Actor, place: Place, what: str, subject: str = "") -> None:
    """Write down that somebody reads, before they are shown anything, where the room's policy wants it.

    Raises:
        Unavailable: It cannot be written down, so it cannot be read.
    """
    if place.policy.audits("reads"):
        async with ports.journal.change(actor.tenant) as change:
            change.audit(place.policy, actor.id, what, place.room.id, subject, level="reads")


async def note_found(ports: Ports, actor: Actor, found: Mapping[RoomId, str]) -> None:
    """Write down that somebody is about to be shown what is said in these rooms, of these channel types.

    Who looks for something is shown a room again and again, at every letter; once in :data:`FOUND_AGAIN_S` is
    enough to know of it.

    Raises:
        Unavailable: It cannot be written down, so it cannot be read.
    """
    policies = {room: ports.plugins.channels[name].policy for room, name in found.items()}
    watched = [room for room, policy in policies.items() if policy.audits("reads")]
    if not watched:
        return
    try:
        since_us = await ports.journal.now_us() - FOUND_AGAIN_S * 1_000_000
        noted = await audit.rooms_noted(ports.db, actor.tenant, actor.id, "found", since_us)
    except StoreError as error:
        raise Unavailable() from error
    if fresh := [room for room in watched if room not in noted]:
        async with ports.journal.change(actor.tenant) as change:
            for room in fresh:
                change.audit(policies[room], actor.id, "found", room, level="reads")


def moderating(ports: Ports) -> list[str]:
    """Which roles moderate which kinds of rooms: ``"<channel type> <role>"``, for queries over many rooms."""
    return [
        f"{name} {role}"
        for name, channel in ports.plugins.channels.items()
        for role in channel.policy.roles
        if channel.policy.is_moderator(role)
    ]


async def members_among(ports: Ports, room: Room, users: list[UserId]) -> set[UserId]:
    """Which of ``users`` are in the room, or, where it is owned or backstage, are staff of its tenant."""
    known = [user for user in users if is_id(user)]
    if not known:
        return set()
    found = await ports.db.fetch(
        "SELECT u.id FROM users u LEFT JOIN participants p ON p.tenant_id = u.tenant_id AND p.user_id = u.id"
        " AND p.room_id = $2 WHERE u.tenant_id = $1 AND u.id = ANY($3::uuid[])"
        " AND (p.state = 'joined' OR ($4 = 1 AND u.role <> ''))",
        room.tenant,
        room.id,
        known,
        int(bool(room.backstage_of or room.owner_kind)),
    )
    return {row["id"] for row in found}
