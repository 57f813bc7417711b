"""Who speaks besides people: the platform itself, and the assistants.

Each has a user of its own in every tenant, made when it is first needed. Which assistant answers a
conversation is known from who is in it; when it may, is :mod:`deskbell.model.ownership`'s to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deskbell.actions.members import enter_in
from deskbell.ids import RoomId, TenantId
from deskbell.model import ownership
from deskbell.model.records import PublicUser, Room
from deskbell.ports import Ports
from deskbell.store import people
from deskbell.store.change import Change

KEEP_PLACE = "I've asked a colleague to join. You keep your place, also when you close this window."
STILL_WAITING = "You keep your place in line. A colleague joins as soon as somebody is free."
APOLOGY = "I'm sorry, something went wrong with me. I've asked a colleague to join."

OWN_WORDS = {KEEP_PLACE: "keep_place", STILL_WAITING: "still_in_line", APOLOGY: "apology"}
"""What the platform says where no bot and no rule has worded it, by the name that clients know."""


async def system_user(ports: Ports, tenant: TenantId) -> PublicUser:
    """Who speaks for the platform itself in a tenant."""
    return people.public(await people.platform_user(ports.db, ports.clock, tenant, "system", "system", "Deskbell"))


async def say_event(change: Change, room_id: RoomId, system: PublicUser, event: str, text: str, **facts: Any) -> None:
    """Put a line of the platform's into a room: what happened, for people and, as ``metadata.event``, for programs."""
    await change.post(room_id, system, text, metadata={"event": event, **facts})


@dataclass(frozen=True)
class Assistant:
    """A bot, by its name in the settings, and the user it speaks as."""

    name: str
    user: PublicUser


async def bot_of(ports: Ports, tenant: TenantId, name: str | None = None) -> Assistant | None:
    """The bot that answers in a tenant: the named one, else the first by name; None where there is none."""
    bots = ports.plugins.bots
    chosen = name if name in bots else min(bots, default=None)
    if chosen is None:
        return None
    user = await people.platform_user(ports.db, ports.clock, tenant, f"bot:{chosen}", "bot", bots[chosen].title)
    return Assistant(chosen, people.public(user))


async def bot_in(ports: Ports, tenant: TenantId, room_id: RoomId) -> Assistant | None:
    """The bot a conversation began with; the tenant's, where that one is gone."""
    row = await ports.db.fetchrow(
        "SELECT u.external_id FROM participants p JOIN users u ON u.tenant_id = p.tenant_id AND u.id = p.user_id"
        " WHERE p.tenant_id = $1 AND p.room_id = $2 AND p.role = 'bot' AND u.kind = 'bot'"
        " ORDER BY p.joined_at DESC, p.user_id LIMIT 1",
        tenant,
        room_id,
    )
    known = (row["external_id"] or "").removeprefix("bot:") if row is not None else None
    return await bot_of(ports, tenant, known)


async def to_bot_in(change: Change, room_id: RoomId, bot: Assistant | None) -> Room:
    """Hand a locked room to its bot, or, where there is none, to nobody.

    What was said while others answered is not the bot's to answer: it reads it as history. And once a
    person has dealt with the visitor, what the bot noted before, its misses above all, is over.
    """
    room = change.room(room_id)
    if bot is None:
        return change.put_room(ownership.to_nobody(room))
    if room.owner_kind != "bot":
        await change.tx.execute(
            "INSERT INTO bot_states (tenant_id, room_id, bot, taken_seq) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (tenant_id, room_id, bot) DO UPDATE SET taken_seq = excluded.taken_seq,"
            " state = CASE WHEN $5 = 'agent' THEN '{}' ELSE bot_states.state END",
            change.tenant,
            room_id,
            bot.name,
            room.seq,
            room.owner_kind,
        )
        await enter_in(change, room, bot.user, "bot")
    return change.put_room(ownership.to_bot(change.rooms[room_id], bot.user.id))
