"""How a message came to be what it is: by which door, what filters made of it, who approved or deleted it.

For agents, who must be able to explain what happened. Written down where there is something to tell
(:mod:`deskbell.store.traces`); the rest is known from the message itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from deskbell.actions import access
from deskbell.clock import from_us
from deskbell.errors import Forbidden
from deskbell.ids import MessageId, RoomId, UserId
from deskbell.model.records import Actor, Decision, Message
from deskbell.ports import Ports
from deskbell.store import traces


@dataclass(frozen=True)
class Step:
    """One thing that happened to a message.

    ``what``: ``posted``, ``approved``, ``edited`` or ``deleted``. ``door``: ``socket``, ``rest``, ``plugin``, ``bot``,
    ``platform``, or the name of a dialect or connector; empty where that was forgotten. ``decisions``: what filters
    said, beyond letting it pass. ``original``: the text as it was written, where filters made another of it.
    """

    what: str
    at: datetime
    door: str
    by: UserId | None
    decisions: list[Decision] = field(default_factory=list)
    original: str | None = None


@dataclass(frozen=True)
class MessageTrace:
    """What happened to a message, oldest first. ``turn``: the bot's turn it was said in.

    An edit by the socket that no filter touched is told by the message's revisions alone.
    """

    message: MessageId
    room: RoomId
    steps: list[Step]
    turn: str | None = None


async def trace(ports: Ports, actor: Actor, message_id: MessageId) -> MessageTrace:
    """How a message came in. Of a deleted one remains when, by whom, and that it was deleted.

    Raises:
        NotFound: There is no such message, or it is not theirs to see.
        Forbidden: Not staff.
    """
    message, _ = await access.message_for(ports, actor, message_id)
    if not actor.is_staff:
        raise Forbidden("Traces are for agents.")
    kept = await traces.of_message(ports.db, actor.tenant, message_id)
    steps = [
        Step(
            item.what, from_us(item.at_us), item.trace.door, item.actor, list(item.trace.decisions), item.trace.original
        )
        for item in kept
    ]
    if all(step.what != "posted" for step in steps):
        steps.insert(0, Step("posted", message.created_at, _door_of(message), message.sender.id))
    if message.deleted:
        row = await ports.db.fetchrow(
            "SELECT deleted_at, deleted_by FROM messages WHERE tenant_id = $1 AND id = $2", actor.tenant, message_id
        )
        if row is not None and row["deleted_at"] is not None:
            steps.append(Step("deleted", from_us(row["deleted_at"]), "", row["deleted_by"]))
    turn = message.metadata.get("turn")
    return MessageTrace(message.id, message.room, steps, turn if isinstance(turn, str) else None)


def _door_of(message: Message) -> str:
    """By which door something came of which nothing was written down; of what was deleted that is forgotten too."""
    if message.deleted:
        return ""
    if message.kind == "system":
        return "platform"
    return "bot" if message.sender.kind == "bot" else traces.SOCKET
