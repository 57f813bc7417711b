"""Where colleagues, or visitors, have called an agent by name: a list of their own, private notes included."""

from __future__ import annotations

from dataclasses import dataclass

from deskbell.actions import access
from deskbell.errors import Forbidden
from deskbell.ids import CaseId, MessageId, RoomId
from deskbell.model.records import Actor, Message
from deskbell.ports import Ports
from deskbell.store import mentions, messages


@dataclass(frozen=True)
class RoomName:
    """A room, as a list names it."""

    id: RoomId
    name: str


@dataclass(frozen=True)
class Mention:
    """A message that mentions the reader. ``room``: the conversation, also of a note; ``case``: its open one."""

    message: Message
    room: RoomName
    case: CaseId | None
    read: bool


Place = tuple[int, MessageId]


async def listed(
    ports: Ports, actor: Actor, *, limit: int, before: Place | None = None
) -> tuple[list[Mention], Place | None]:
    """Where an agent is mentioned and may read it, newest first, and where the list goes on.

    A page may hold fewer than ``limit`` before the last: what they may not read any more is left out.

    Raises:
        Forbidden: Not staff.
    """
    if not actor.is_staff:
        raise Forbidden("Mentions are listed for agents.")
    async with ports.db.snapshot() as at:
        found = await mentions.latest(at, actor.tenant, actor.id, limit=limit + 1, before=before)
        page = found[:limit]
        reach = await access.reach(ports, at, actor)
        within = [one for one in page if one.seq > reach.bound(one.room, one.channel_type, backstage=one.backstage)]
        known = {said.id: said for said in await messages.by_ids(at, actor.tenant, [one.message for one in within])}
    shown = [
        Mention(known[one.message], RoomName(one.front, one.name), one.case, one.read)
        for one in within
        if one.message in known
    ]
    more = (page[-1].at_us, page[-1].message) if len(found) > limit else None
    return shown, more
