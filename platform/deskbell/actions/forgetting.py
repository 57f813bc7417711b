"""Forgetting what visitors said of themselves, once nothing is left that it belongs to.

A name, an address, answers to the questions before a conversation: claims, kept to help a visitor, and only for as
long as what was said with them. They go when the visitor's last conversation has been cleaned away and the visitor
was not seen for the retention time either: the longest one of the kinds of conversation they had, or, where they
never began one, that of the usual kind. With them go the names that their conversations were given.

What their site vouches for stays, as it is the site's to say. That somebody was there, when, and how they rated stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from deskbell.actions import voices
from deskbell.actions.managing import NO_ROOM
from deskbell.actions.people import VISITOR_NAME
from deskbell.actions.support import DEFAULT_TYPE
from deskbell.model.policy import Policy
from deskbell.ports import Ports
from deskbell.store import claims
from deskbell.store.claims import Claimant, Conversation

LOOK_AGAIN_US = 30 * 86_400 * 1_000_000
"""Where nothing says how long to keep something: the operator may say so any day."""


async def forget_if_due(ports: Ports, who: Claimant) -> None:
    """Look at a visitor: forget what they said, put it off, or leave it to the end of their last conversation."""
    now_us = await ports.journal.now_us()
    held = await claims.conversations(ports.db, who.tenant, who.user)
    if not all(conversation.cleaned for conversation in held):
        # When the last of them is cleaned away, it is looked at again.
        await claims.put(ports.db, who, name=who.name, attributes=who.attributes, forget_us=None, now_us=now_us)
        return
    keep_us = _keep_us(ports, held)
    until_us = now_us + LOOK_AGAIN_US if keep_us is None else who.seen_us + claims.SEEN_AGAIN_US + keep_us
    if until_us > now_us:
        await claims.put(ports.db, who, name=who.name, attributes=who.attributes, forget_us=until_us, now_us=now_us)
        return
    await _forget(ports, who, held)


def _keep_us(ports: Ports, held: Sequence[Conversation]) -> int | None:
    """How long it is kept after the visitor was seen last; None: nobody has said."""
    longest = 0
    for name in {conversation.channel_type for conversation in held} or {DEFAULT_TYPE}:
        channel = ports.plugins.channels.get(name)
        policy = None if channel is None else channel.policy
        kept_s = None if policy is None else policy.delete_after_s or policy.retention_s
        if kept_s is None:
            return None
        longest = max(longest, kept_s)
    return longest * 1_000_000


async def _forget(ports: Ports, who: Claimant, held: Sequence[Conversation]) -> None:
    known: dict[str, Any] = msgspec.json.decode(who.attributes)
    claimed = known.pop("claimed", None)
    name = who.name if who.vouched_for else VISITOR_NAME
    # What their site calls them stands over their conversations, too, and stays there.
    named = [] if who.vouched_for else [each for each in held if each.name not in ("", VISITOR_NAME)]
    system = await voices.system_user(ports, who.tenant)
    async with ports.journal.change(who.tenant, *[conversation.room for conversation in named]) as change:
        attributes = msgspec.json.encode(known).decode()
        now_us = change.now_us
        if not await claims.put(change.tx, who, name=name, attributes=attributes, forget_us=None, now_us=now_us):
            return
        for conversation in named:
            change.put_room(replace(change.rooms[conversation.room], name=VISITOR_NAME))
        if claimed or named or name != who.name:
            change.audit(Policy(), system.id, "claims_forgotten", NO_ROOM, who.user, level="minimal")
