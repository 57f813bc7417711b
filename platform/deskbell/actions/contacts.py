"""Who a visitor is, for the agents who answer them: what is known, what they merely say, what there was before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from deskbell.actions import access
from deskbell.clock import from_us
from deskbell.errors import NotFound
from deskbell.ids import CaseId, RoomId
from deskbell.model.records import Actor, LastSaid, PublicUser, Room
from deskbell.ports import Ports
from deskbell.store import case_entries, people, rooms

EARLIER = 20
"""So many of a visitor's conversations are shown, the latest."""


@dataclass(frozen=True)
class Page:
    """Where the visitor was when they opened the conversation, as their browser said."""

    url: str


@dataclass(frozen=True)
class Earlier:
    """One of a visitor's conversations. ``status`` is its latest case's, else who answers: ``bot`` …, or ``closed``."""

    room: RoomId
    case: CaseId | None
    opened_at: datetime
    status: str
    reason: str | None
    rating: int | None
    last: LastSaid | None


@dataclass(frozen=True)
class Contact:
    """``identified``: their site vouches for them, and for ``email``. What they only say is ``claimed``."""

    user: PublicUser
    email: str | None
    identified: bool
    attributes: Mapping[str, Any]
    claimed: Mapping[str, Any]
    page: Page | None
    first_seen_at: datetime
    conversations: list[Earlier]


async def contact(ports: Ports, actor: Actor, room_id: RoomId) -> Contact:
    """The visitor of a support conversation, for staff.

    Raises:
        NotFound: No such conversation, or not for this user; deliberately not told apart.
    """
    place = await access.room_for(ports, actor, room_id)
    if not actor.is_staff or not place.policy.owned or place.room.backstage_of is not None:
        raise NotFound()
    customer = place.room.customer
    user = await people.user(ports.db, actor.tenant, customer) if customer is not None else None
    if customer is None or user is None:
        raise NotFound()
    await access.note_read(ports, actor, place, "read_contact", customer)
    attributes = dict(msgspec.json.decode(user.attributes, type=dict[str, Any]))
    claimed = attributes.pop("claimed", {})
    return Contact(
        user=people.public(user),
        email=user.email,
        identified=user.external_id is not None,
        attributes=attributes,
        claimed=claimed if isinstance(claimed, dict) else {},
        page=Page(place.room.description) if place.room.description else None,
        first_seen_at=from_us(user.created_at),
        conversations=await _earlier(ports, actor, await rooms.of_customer(ports.db, actor.tenant, customer, EARLIER)),
    )


async def _earlier(ports: Ports, actor: Actor, of: list[Room]) -> list[Earlier]:
    """Those of some rooms that the asker may see, each as it is now."""
    async with ports.db.snapshot() as at:
        reach = await access.reach(ports, at, actor)
        # Nothing in a room has the number 0, so a bound below every number is one above nothing.
        seen = [room for room in of if reach.bound(room.id, room.channel_type, backstage=False) < room.seq]
        stories = await case_entries.stories(at, actor.tenant, [room.id for room in seen])
        last = await case_entries.last_said(at, actor.tenant, {room.id: room.backstage for room in seen})
    return [
        Earlier(
            room=room.id,
            case=story.case,
            opened_at=from_us(room.created_at),
            status=story.status or ("closed" if room.closed_at is not None else room.owner_kind),
            reason=story.reason,
            rating=story.rating,
            last=last.get(room.id),
        )
        for room in seen
        for story in (stories.get(room.id, case_entries.NO_STORY),)
    ]
