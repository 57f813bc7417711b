"""The bell: a visitor, a rule or the bot brings in a person, and a case waits for one.

Ringing twice is ringing once. Owner, case, backstage and what the visitor reads of it are one commit.
Who takes the case is told by :mod:`deskbell.actions.cases`, what happens while nobody does by
:mod:`deskbell.actions.ladder`.
"""

from __future__ import annotations

from msgspec.structs import replace

from deskbell.actions import access, notes, voices, waiting
from deskbell.actions.access import Place
from deskbell.actions.closing import reopened_in
from deskbell.actions.content import checked_text
from deskbell.actions.packets import Packet, packet_of
from deskbell.contracts import HandOver, Situation
from deskbell.errors import Conflict, Forbidden
from deskbell.ids import CaseId, RoomId, new_id
from deskbell.model import case_rules, ownership
from deskbell.model.records import Actor, Case, PublicUser, Room
from deskbell.ports import Ports
from deskbell.store.change import Change

MAX_PRIORITY = 2


async def escalate(ports: Ports, actor: Actor, room_id: RoomId, reason: str = "asked_human") -> Case:
    """Bring in a person, because somebody asked. Doing it again changes nothing.

    Raises:
        NotFound, Forbidden: Not this user's conversation.
        Conflict: Not a support room, or a person is in it already.
    """
    place = await access.room_for(ports, actor, room_id)
    needs_support(place)
    if not (actor.is_staff or place.room.customer == actor.id):
        raise Forbidden("Only the visitor or an agent brings in a person.")
    checked_text(ports, reason, what="reason", max_bytes=200)
    packet = await packet_of(ports, place.room)
    hand_over = await decide(ports, place.room, actor.public(), "visitor", reason)
    system = await voices.system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = (await access.room_in(ports, change, actor, room_id)).room
        if room.closed_at is not None:
            room = await reopened_in(ports, change, room)
        return await open_in(ports, change, room, hand_over, packet, system)


async def keep_place(ports: Ports, actor: Actor, room_id: RoomId) -> Case | None:
    """Let the visitor go on with the assistant while their case keeps its place in line.

    Raises:
        NotFound, Forbidden, Conflict: Not their conversation; a person answers in it; no assistant here.
    """
    place = await access.room_for(ports, actor, room_id)
    needs_support(place)
    if place.room.customer != actor.id:
        raise Forbidden()
    bot = await voices.bot_in(ports, actor.tenant, room_id)
    if bot is None:
        raise Conflict("There is no assistant here.")
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = change.room(room_id)
        if room.owner_kind == "agent":
            raise Conflict("A person answers here.")
        await voices.to_bot_in(change, room_id, bot)
        return await change.open_case(room_id)


async def decide(ports: Ports, room: Room, visitor: PublicUser, trigger: str, reason: str) -> HandOver:
    """What the escalation rules make of a wish for a person; the wish itself is never refused."""
    situation = Situation(
        trigger=trigger,
        tenant=room.tenant,
        room=room.id,
        visitor=visitor,
        messages=(),
        history=(),
        state={},
        reason=reason,
    )
    return await ports.plugins.decide(situation) or HandOver(reason=reason)


def needs_support(place: Place) -> None:
    """Raises :class:`Conflict` where the room is no support conversation."""
    if not place.policy.owned or place.room.backstage_of is not None:
        raise Conflict("Only support conversations can be handed over.")


async def open_in(
    ports: Ports,
    change: Change,
    room: Room,
    hand_over: HandOver,
    packet: Packet,
    system: PublicUser,
    *,
    told: bool = True,
) -> Case:
    """Open a waiting case inside a change whose room is locked; the existing one, if there is one.

    The room goes out of the bot's hands, the backstage room is made, the visitor is told (unless not ``told``).
    """
    existing = await change.open_case(room.id)
    if existing is not None:
        return existing
    support = ports.settings.support
    team = support.default_team
    if hand_over.team is not None and await waiting.is_team(change, hand_over.team):
        team = hand_over.team
    case = case_rules.opened(
        CaseId(new_id()),
        room.id,
        reason=hand_over.reason,
        priority=max(0, min(hand_over.priority, MAX_PRIORITY)),
        team=team,
        now=change.now,
        offer_s=support.offer_s,
        handover={
            "reason": hand_over.reason,
            "summary": hand_over.summary or packet.question,
            "question": {"text": packet.question, "message": packet.question_message},
            "messages": list(packet.messages),
            "facts": {**packet.facts, **hand_over.facts},
            "tried": [{"message": tried.message, "text": tried.text} for tried in packet.tried],
        },
    )
    room = await notes.with_backstage(change, room)
    change.put_room(replace(ownership.to_nobody(change.rooms[room.id]), case_id=case.id))
    if told:
        # Why is for colleagues: it is in the case.
        text = hand_over.say or voices.KEEP_PLACE
        await voices.say_event(change, room.id, system, "case_opened", text, words=voices.OWN_WORDS.get(text))
    case = await change.put_case(case, what="opened")
    waiting.tell_line_later(ports, change, team)
    return case
