"""Reactions: the emoji under a message, and who gave them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime

from deskbell.actions import access
from deskbell.actions.access import Need
from deskbell.actions.messages import spend
from deskbell.clock import from_us
from deskbell.errors import Invalid, LimitReached, MessageDeleted, NotFound, RoomClosed
from deskbell.ids import MessageId, UserId
from deskbell.model.records import Actor, Message, PublicUser
from deskbell.ports import Ports
from deskbell.store import messages

_NO_EMOJI = ("Cc", "Zs", "Zl", "Zp", "Cs", "Co")


def checked_emoji(emoji: str) -> str:
    """One emoji, or a short name like ``:party:``; nothing that could pass for text or hide itself.

    Raises:
        Invalid: It is neither.
    """
    if emoji.startswith(":") and emoji.endswith(":") and emoji[1:-1].replace("_", "").replace("-", "").isalnum():
        return emoji
    hidden = any(unicodedata.category(character) in _NO_EMOJI for character in emoji)
    if not emoji or len(emoji) > 16 or hidden or emoji.isascii() or all(c.isalnum() for c in emoji):
        raise Invalid("A reaction is one emoji.")
    return emoji


async def react(ports: Ports, actor: Actor, message_id: MessageId, emoji: str, *, on: bool) -> Message:
    """Put a reaction under a message, or take it back. Doing it again changes nothing.

    Raises:
        NotFound, Forbidden, MessageDeleted, RoomClosed: It cannot be reacted to.
        LimitReached: As many different emoji as a message may carry stand there already.
    """
    checked_emoji(emoji)
    found, _ = await access.message_for(ports, actor, message_id)
    spend(ports, actor, "reaction")
    async with ports.journal.change(actor.tenant, found.room) as change:
        place = await access.room_in(ports, change, actor, found.room, Need.TAKE_PART)
        message = await change.message(message_id)
        if message is None or message.seq <= place.visible_from:
            raise NotFound()
        if message.deleted:
            raise MessageDeleted()
        if place.room.closed_at is not None:
            raise RoomClosed()
        if not on:
            taken = await change.tx.execute(
                "DELETE FROM reactions WHERE tenant_id = $1 AND message_id = $2 AND emoji = $3 AND user_id = $4",
                actor.tenant,
                message_id,
                emoji,
                actor.id,
            )
            return await change.put_message(message, what="unreacted") if taken else message
        limit = ports.settings.limits.emoji_per_message
        if len(message.reactions) >= limit and all(reaction.emoji != emoji for reaction in message.reactions):
            rule = "limits.emoji_per_message"
            raise LimitReached(f"A message may carry {limit} different emoji.", max=limit, rule=rule)
        given = await change.tx.execute(
            "INSERT INTO reactions (tenant_id, message_id, emoji, user_id, created_at) VALUES ($1,$2,$3,$4,$5)"
            " ON CONFLICT DO NOTHING",
            actor.tenant,
            message_id,
            emoji,
            actor.id,
            change.now_us,
        )
        return await change.put_message(message, what="reacted") if given else message


@dataclass(frozen=True)
class Reacted:
    """One person's one reaction. ``at``: when they gave it."""

    emoji: str
    user: PublicUser
    at: datetime


async def reactors(
    ports: Ports, actor: Actor, message_id: MessageId, *, limit: int = 50, after: tuple[int, UserId, str] | None = None
) -> list[Reacted]:
    """Everybody who reacted to a message, oldest first; a message itself names the first twenty only.

    Raises:
        NotFound: There is no such message, or it is not theirs to see.
    """
    message, _ = await access.message_for(ports, actor, message_id)
    if message.deleted:
        return []
    found = await messages.reactors(ports.db, actor.tenant, message_id, limit, after)
    return [Reacted(emoji, user, from_us(at_us)) for emoji, user, at_us in found]
