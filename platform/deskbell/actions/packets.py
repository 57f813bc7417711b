"""What an agent is given with a conversation: what was asked, what is known, which answers did not help.

Every part names the messages it rests on, so that it goes when they go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from deskbell.ids import MessageId
from deskbell.model.records import Message, Room
from deskbell.ports import Ports
from deskbell.store import messages, rows
from deskbell.store.change import Change

MAX_TRIED = 5


@dataclass(frozen=True)
class Tried:
    """An answer that did not help, linked to its message."""

    message: MessageId
    text: str


@dataclass(frozen=True)
class Packet:
    """What an agent is given with a conversation; every part names the messages it rests on.

    ``messages`` are those the question, the summary and the facts were taken from.
    """

    question: str
    question_message: MessageId | None
    messages: tuple[MessageId, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    tried: tuple[Tried, ...] = ()


async def packet_of(ports: Ports, room: Room, asked: Sequence[Message] = ()) -> Packet:
    """Look at a conversation as whoever takes it over will want to. ``asked``: what the visitor just said."""
    recent = await messages.before(ports.db, room.tenant, room.id, None, 30)
    said = [m for m in recent if m.sender.id == room.customer and not m.deleted and m.content.strip()]
    asked = asked or said[-1:]
    # What the assistant said before it was asked anything, its greeting, was no attempt to help.
    since = said[0].seq if said else 0
    answers = [m for m in recent if m.sender.kind == "bot" and m.kind == "text" and not m.deleted and m.seq > since]
    return Packet(
        question="\n".join(m.content for m in asked)[:500],
        question_message=asked[-1].id if asked else None,
        messages=tuple(m.id for m in asked),
        tried=tuple(Tried(m.id, m.content[:300]) for m in answers[-MAX_TRIED:]),
    )


async def forget_in(change: Change, message: Message) -> None:
    """Take a message that is being deleted out of what was derived from it: hand-over packets and the bot's notes.

    Both are words of others about the message, so nobody can tell which part of them was its. What rests on it is
    emptied as a whole; reason, links and the rest stay.
    """
    for row in await change.tx.fetch(
        f"SELECT {rows.CASE_COLUMNS} FROM cases c WHERE c.tenant_id = $1 AND c.room_id = $2",
        change.tenant,
        message.room,
    ):
        case = rows.case(row)
        handover = case.handover
        if handover is None or not _rests_on(handover, message):
            continue
        emptied = {
            **handover,
            "summary": "",
            "facts": {},
            "question": {**handover["question"], "text": ""},
            "tried": [{**tried, "text": ""} for tried in handover["tried"]],
        }
        if emptied != handover:
            await change.put_case(replace(case, handover=emptied), what="changed")
    await change.tx.execute(
        "UPDATE bot_states SET state = '{}' WHERE tenant_id = $1 AND room_id = $2 AND taken_seq >= $3",
        change.tenant,
        message.room,
        message.seq,
    )


def _rests_on(handover: Mapping[str, Any], message: Message) -> bool:
    linked = {handover["question"]["message"], *handover.get("messages", ())}
    linked |= {tried["message"] for tried in handover["tried"]}
    if message.id in linked:
        return True
    # Not named, and told all the same: a bot may carry an earlier question into its summary.
    text = message.content.strip()[:60]
    told = (handover["summary"], handover["question"]["text"], *handover["facts"].values())
    return bool(text) and any(text in str(part) for part in told)
