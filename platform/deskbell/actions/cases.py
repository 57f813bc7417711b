"""Cases and the hands a conversation goes through: opened, claimed, handed on, resolved, rated.

Every function is one transaction over the visitor's room: ownership, case and what the visitor reads
of it change together or not at all. Agents hear of it with the commit; the visitor's place in line
is told a moment later, see :func:`tell_line`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from deskbell.actions import access, drafts
from deskbell.actions.access import Place
from deskbell.actions.messages import checked_mentions, checked_text
from deskbell.actions.rooms import new_member, new_room
from deskbell.clock import from_us
from deskbell.config import Settings
from deskbell.contracts import HandOver, Situation
from deskbell.errors import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed, RoomClosed
from deskbell.ids import CaseId, MessageId, RoomId, TenantId, UserId, is_id, new_id
from deskbell.model import case_rules, ownership
from deskbell.model.case_rules import Step, Targets
from deskbell.model.policy import Policy
from deskbell.model.records import (
    Actor,
    Case,
    CaseEntry,
    CaseFilter,
    CaseSort,
    CaseStatus,
    CaseView,
    Message,
    PublicUser,
    Room,
)
from deskbell.ports import Ports
from deskbell.store import case_entries, cases, messages, people, rows
from deskbell.store.change import Change
from deskbell.wire import frames
from deskbell.wire.events import Event

MAX_TRIED = 5
MAX_PRIORITY = 2
COUNTED_TO = 1000
LINE_SETTLES_S = 0.2
LINE_TOLD = 200  # places
KEEP_PLACE = "I've asked a colleague to join. You keep your place, also when you close this window."
STILL_WAITING = "You keep your place in line. A colleague joins as soon as somebody is free."


def ladder(ports: Ports) -> list[Step]:
    """What happens to a case that nobody takes, from the settings. Never empty."""
    return [Step(step.after_s, step.action, step.team) for step in ports.settings.support.ladder]


def _moment(change: Change) -> datetime:
    return from_us(change.now_us)


async def system_user(ports: Ports, tenant: TenantId) -> PublicUser:
    """Who speaks for the platform itself in a tenant."""
    return people.public(await people.platform_user(ports.db, ports.clock, tenant, "system", "system", "Deskbell"))


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
        await _enter(change, room, bot.user, "bot")
    return change.put_room(ownership.to_bot(change.rooms[room_id], bot.user.id))


async def say_event(change: Change, room_id: RoomId, system: PublicUser, event: str, text: str, **facts: Any) -> None:
    """Put a line of the platform's into a room: what happened, for people and, as ``metadata.event``, for programs."""
    await change.post(room_id, system, text, metadata={"event": event, **facts})


# opening


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
    if hand_over.team is not None and await _is_team(change, hand_over.team):
        team = hand_over.team
    case = case_rules.opened(
        CaseId(new_id()),
        room.id,
        reason=hand_over.reason,
        priority=max(0, min(hand_over.priority, MAX_PRIORITY)),
        team=team,
        now=_moment(change),
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
    room = await _with_backstage(ports, change, room)
    change.put_room(replace(ownership.to_nobody(change.rooms[room.id]), case_id=case.id))
    if told:
        text = hand_over.say or KEEP_PLACE
        await say_event(change, room.id, system, "case_opened", text, reason=hand_over.reason)
    case = await change.put_case(case, what="opened")
    _tell_line_later(ports, change, team)
    return case


async def _is_team(change: Change, slug: str) -> bool:
    """Whether there is such a team: in the line of one that does not exist nobody would look."""
    return bool(
        await change.tx.fetchval("SELECT count(*) FROM teams WHERE tenant_id = $1 AND slug = $2", change.tenant, slug)
    )


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


async def _with_backstage(ports: Ports, change: Change, room: Room) -> Room:
    """The room with its backstage, which is made at the first note or escalation and stays."""
    if room.backstage is not None:
        return room
    backstage = new_room(
        change.tenant,
        room.channel_type,
        name=f"Backstage: {room.name or 'conversation'}",
        backstage_of=room.id,
    )
    await change.create_room(backstage)
    await change.set_backstage(room.id, backstage.id)
    return change.rooms[room.id]


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
    system = await system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = (await access.room_in(ports, change, actor, room_id)).room
        if room.closed_at is not None:
            room = await reopened_in(ports, change, room)
        return await open_in(ports, change, room, hand_over, packet, system)


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


async def reopened_in(ports: Ports, change: Change, room: Room, *, window: bool = True) -> Room:
    """A closed support room, open again; due for closing as if somebody had just spoken.

    Raises:
        RoomClosed: The ``window`` for it is over, it was merged, or its text was to live for a fixed time only.
    """
    policy = ports.plugins.channels[room.channel_type].policy
    late = window and change.now_us - (room.closed_at or 0) > policy.reopen_window_s * 1_000_000
    if late or room.redirect_to is not None or policy.delete_after_s is not None:
        raise RoomClosed(redirect_to=room.redirect_to)
    await due_in(change, room.id, policy.auto_close_s)
    return change.put_room(replace(change.rooms[room.id], closed_at=None))


async def due_in(change: Change, room_id: RoomId, after_s: int | None) -> None:
    """Say when a locked room is looked at again, for closing or purging; None: not by itself."""
    await change.tx.execute(
        "UPDATE rooms SET due_at = $3 WHERE tenant_id = $1 AND id = $2",
        change.tenant,
        room_id,
        None if after_s is None else change.now_us + after_s * 1_000_000,
    )


async def closed_in(change: Change, room_id: RoomId, policy: Policy) -> None:
    """A locked room was closed: its text is due as the policy says, unless that was fixed when it was opened."""
    if policy.delete_after_s is None:
        await due_in(change, room_id, policy.retention_s)


# in the hands of agents


async def _place_and_case(
    ports: Ports, change: Change, actor: Actor, room_id: RoomId, case_id: CaseId
) -> tuple[Place, Case]:
    place = await access.room_in(ports, change, actor, room_id)
    case = await cases.get(change.tx, actor.tenant, case_id)
    if case is None or case.room != room_id:
        raise NotFound()
    return place, case


async def find(ports: Ports, actor: Actor, case_id: CaseId) -> Case:
    """A case, for staff of its tenant.

    Raises:
        NotFound: There is none, or it is not theirs to see.
    """
    case = await cases.get(ports.db, actor.tenant, case_id) if is_id(case_id) and actor.is_staff else None
    if case is None:
        raise NotFound()
    return case


async def _enter(change: Change, room: Room, user: PublicUser, role: str = "agent") -> None:
    """Give an agent or a bot their place in a room, if they have none."""
    member = await change.member(room.id, user.id)
    if member is None or member.state != "joined":
        await change.put_member(new_member(room.id, user.id, role, change.now_us), user, what="joined")


async def claim(ports: Ports, actor: Actor, case_id: CaseId) -> Case:
    """Take a waiting case: of two agents at once exactly one wins. Claiming one's own changes nothing.

    From the commit on the agent owns the room, and what the bot still says is refused.

    Raises:
        AlreadyClaimed: A colleague was faster; ``details["agent"]`` says who.
        NotFound, Gone: There is no such case, or it is over.
    """
    found = await find(ports, actor, case_id)
    system = await system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, found.room) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        taken = case_rules.claimed(
            case, actor.id, now=_moment(change), answer_within_s=ports.settings.support.agent_silent_s
        )
        if taken == case:
            return case
        return await _hand_to(ports, change, place.room, taken, actor.public(), system, what="claimed")


async def _hand_to(
    ports: Ports, change: Change, room: Room, case: Case, agent: PublicUser, system: PublicUser, *, what: str
) -> Case:
    change.put_room(replace(ownership.to_agent(change.rooms[room.id], agent.id), case_id=case.id))
    await _enter(change, room, agent)
    await say_event(
        change, room.id, system, "agent_joined", f"{agent.name} joined and has read the conversation.", user=agent.id
    )
    stored = await change.put_case(case, what=what)
    _tell_customer(change, room, frames.OwnCaseFrame(room=room.id, status="assigned"))
    _tell_line_later(ports, change, case.team)
    return stored


async def take_over(ports: Ports, actor: Actor, room_id: RoomId) -> Case:
    """Make the agent the owner of a conversation nobody escalated, silencing the bot from this moment.

    Raises:
        AlreadyClaimed: A colleague answers here; transfer it instead.
        NotFound, Conflict: Not a support conversation of this tenant.
    """
    place = await access.room_for(ports, actor, room_id)
    needs_support(place)
    if not actor.is_staff:
        raise Forbidden("Only agents take a conversation over.")
    packet = await packet_of(ports, place.room)
    system = await system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = (await access.room_in(ports, change, actor, room_id)).room
        if room.closed_at is not None:
            room = await reopened_in(ports, change, room)
        case = await change.open_case(room_id)
        if case is None:
            case = await open_in(ports, change, room, HandOver(reason="taken_over"), packet, system, told=False)
        if case.status == "assigned" and case.agent == actor.id:
            return case
        taken = case_rules.claimed(
            case, actor.id, now=_moment(change), answer_within_s=ports.settings.support.agent_silent_s
        )
        return await _hand_to(ports, change, change.rooms[room_id], taken, actor.public(), system, what="claimed")


async def transfer(
    ports: Ports,
    actor: Actor,
    case_id: CaseId,
    *,
    team: str | None = None,
    agent: UserId | None = None,
    note: str = "",
) -> Case:
    """Hand a case to another agent, or to another team's line, with a note only colleagues see.

    Raises:
        NotFound, Gone: No such case, or it is over.
        Invalid: Neither team nor agent, or one that does not exist.
    """
    if (team is None) == (agent is None):
        raise Invalid("Name a team or an agent.")
    found = await find(ports, actor, case_id)
    checked_text(ports, note, what="note")
    receiver = None
    if agent is not None:
        user = await people.user(ports.db, actor.tenant, agent) if is_id(agent) else None
        if user is None or not user.role or user.disabled:
            raise Invalid("There is no such agent.")
        receiver = people.public(user)
    elif team not in {known.slug for known in await people.teams(ports.db, actor.tenant)}:
        raise Invalid("There is no such team.")
    system = await system_user(ports, actor.tenant)
    # Made before, so that it can be locked together with the room.
    behind = [(await backstage(ports, actor, found.room)).id] if note.strip() else []
    async with ports.journal.change(actor.tenant, found.room, *behind) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        if behind:
            await _note_in(ports, change, change.rooms[found.room], actor.public(), note)
        if receiver is not None:
            given = case_rules.assigned(
                case, receiver.id, now=_moment(change), answer_within_s=ports.settings.support.agent_silent_s
            )
            if given == case:
                return case
            return await _hand_to(ports, change, place.room, given, receiver, system, what="transferred")
        if case.status == "waiting" and case.team == team:
            return case
        queued = case_rules.queued(case, team=team, now=_moment(change), offer_s=ports.settings.support.offer_s)
        _out_of_hands(change, found.room)
        await say_event(change, found.room, system, "case_transferred", "I've asked the right team to join.")
        stored = await change.put_case(queued, what="transferred")
        _tell_line_later(ports, change, stored.team)
        if case.team != stored.team:
            _tell_line_later(ports, change, case.team)
        return stored


def _out_of_hands(change: Change, room_id: RoomId) -> None:
    """Take a room from its agent. A bot that keeps the visitor company goes on doing so."""
    room = change.rooms[room_id]
    if room.owner_kind == "agent":
        change.put_room(ownership.to_nobody(room))


async def assign(ports: Ports, actor: Actor, case_id: CaseId, agent: UserId) -> Case:
    """Give a case to an agent; supervisors and admins give it to anybody, agents to themselves."""
    if agent == actor.id:
        return await claim(ports, actor, case_id)
    if not actor.is_lead:
        raise Forbidden("Only supervisors hand out cases. Transfer it instead.")
    return await transfer(ports, actor, case_id, agent=agent)


async def give_back(ports: Ports, actor: Actor, case_id: CaseId, to: str) -> Case:
    """Return a case to its ``queue``, or to the ``bot``, which ends it.

    Raises:
        NotFound, Gone, Invalid, Conflict: No such case; over; nowhere to return to; no bot here.
    """
    if to not in ("queue", "bot"):
        raise Invalid("A case is returned to the queue or to the bot.")
    found = await find(ports, actor, case_id)
    system = await system_user(ports, actor.tenant)
    bot = await bot_in(ports, actor.tenant, found.room)
    async with ports.journal.change(actor.tenant, found.room) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        if to == "queue":
            queued = case_rules.queued(case, now=_moment(change), offer_s=ports.settings.support.offer_s)
            if case.status == "waiting":
                return case
            _out_of_hands(change, found.room)
            await say_event(change, found.room, system, "case_returned", "I've asked another colleague to join.")
            stored = await change.put_case(queued, what="returned")
        else:
            if bot is None:
                raise Conflict("There is no assistant here to return it to.")
            ended = case_rules.resolved(case, now=_moment(change))
            if ended == case:
                return case
            change.put_room(replace(await to_bot_in(change, found.room, bot), case_id=None))
            name = actor.name
            await say_event(
                change,
                found.room,
                system,
                "back_to_bot",
                f"{name} handed you back to the assistant. You can ask for a person at any time.",
                user=actor.id,
            )
            stored = await change.put_case(ended, what="returned_to_bot")
            _tell_customer(change, place.room, frames.OwnCaseFrame(room=found.room, status="resolved"))
        _tell_line_later(ports, change, stored.team)
        return stored


async def keep_place(ports: Ports, actor: Actor, room_id: RoomId) -> Case | None:
    """Let the visitor go on with the assistant while their case keeps its place in line.

    Raises:
        NotFound, Forbidden, Conflict: Not their conversation; a person answers in it; no assistant here.
    """
    place = await access.room_for(ports, actor, room_id)
    needs_support(place)
    if place.room.customer != actor.id:
        raise Forbidden()
    bot = await bot_in(ports, actor.tenant, room_id)
    if bot is None:
        raise Conflict("There is no assistant here.")
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = change.room(room_id)
        if room.owner_kind == "agent":
            raise Conflict("A person answers here.")
        await to_bot_in(change, room_id, bot)
        return await change.open_case(room_id)


async def resolve(ports: Ports, actor: Actor, case_id: CaseId) -> Case:
    """End a case. The assistant answers from then on, and the visitor is asked how it went."""
    found = await find(ports, actor, case_id)
    system = await system_user(ports, actor.tenant)
    bot = await bot_in(ports, actor.tenant, found.room)
    async with ports.journal.change(actor.tenant, found.room) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        ended = case_rules.resolved(case, now=_moment(change))
        if ended == case:
            return case
        room = place.room
        change.put_room(replace(await to_bot_in(change, found.room, bot), case_id=None))
        await say_event(
            change,
            found.room,
            system,
            "case_resolved",
            f"{actor.name} marked this as solved. How did it go?",
            case=case.id,
            user=actor.id,
            ask_rating=True,
        )
        stored = await change.put_case(ended, what="resolved")
        _tell_customer(change, room, frames.OwnCaseFrame(room=found.room, status="resolved"))
        _tell_line_later(ports, change, case.team)
        return stored


async def reopen(ports: Ports, actor: Actor, case_id: CaseId) -> Case:
    """Take a resolved case up again, as its agent. An open one stays as it is.

    Raises:
        Conflict: It was merged, or the conversation has a newer case.
        RoomClosed: Such conversations live for a fixed time, and this one's is over.
    """
    found = await find(ports, actor, case_id)
    system = await system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, found.room) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        if case.status not in case_rules.OVER:
            return case
        if case.status == "merged":
            raise Conflict("This conversation was merged into another.", merged_into=case.merged_into)
        if await change.open_case(found.room) is not None:
            raise Conflict("This conversation has a newer open case.")
        if place.room.closed_at is not None:
            await reopened_in(ports, change, place.room, window=False)
        fresh = replace(case, status="waiting", agent=None, resolved_at=None)
        taken = case_rules.claimed(
            fresh, actor.id, now=_moment(change), answer_within_s=ports.settings.support.agent_silent_s
        )
        return await _hand_to(ports, change, change.rooms[found.room], taken, actor.public(), system, what="reopened")


async def merge(ports: Ports, actor: Actor, case_id: CaseId, into: CaseId) -> Case:
    """Have a case, and its conversation, go on as another one of the same visitor.

    Its room is closed and says where it goes on; what was said stays where it was said. Doing it again changes nothing.

    Raises:
        NotFound: One of them is not there, or not theirs to see.
        Conflict: They are of two visitors, or one and the same.
        Gone: One of them is over.
    """
    found, other = await find(ports, actor, case_id), await find(ports, actor, into)
    if found.merged_into == other.id:
        return found
    system = await system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, found.room, other.room) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        target, kept = await _place_and_case(ports, change, actor, other.room, into)
        if place.room.customer is None or place.room.customer != target.room.customer:
            # What one visitor wrote is not for another to read.
            raise Conflict("These are conversations of two visitors.")
        over, after = case_rules.merged(case, kept)
        await say_event(
            change, found.room, system, "case_merged", "This goes on in your other conversation.", room=other.room
        )
        await say_event(
            change, other.room, system, "case_merged_here", "Your other conversation goes on here.", room=found.room
        )
        change.put_room(
            replace(
                ownership.to_nobody(change.rooms[found.room]),
                case_id=None,
                closed_at=place.room.closed_at or change.now_us,
                redirect_to=other.room,
            )
        )
        await closed_in(change, found.room, place.policy)
        if after != kept:
            await change.put_case(after, what="changed")
        stored = await change.put_case(over, what="merged")
        _tell_customer(change, place.room, frames.OwnCaseFrame(room=found.room, status="merged"))
        for team in {case.team, kept.team}:
            _tell_line_later(ports, change, team)
        return stored


async def snooze(ports: Ports, actor: Actor, case_id: CaseId, until: datetime) -> Case:
    """Put an assigned case out of sight until a moment.

    Raises:
        Conflict: It waits for somebody, or the moment is past.
    """
    found = await find(ports, actor, case_id)
    async with ports.journal.change(actor.tenant, found.room) as change:
        _, case = await _place_and_case(ports, change, actor, found.room, case_id)
        return await change.put_case(case_rules.snoozed(case, until=until, now=_moment(change)), what="snoozed")


async def change_case(
    ports: Ports, actor: Actor, case_id: CaseId, *, priority: int | None = None, version: int | None = None
) -> Case:
    """Give a case another priority (0 normal, 1 high, 2 urgent).

    Raises:
        PreconditionFailed: ``version`` was given and is no longer the case's.
    """
    found = await find(ports, actor, case_id)
    if priority is not None and priority not in (0, 1, 2):
        raise Invalid("Priority is 0, 1 or 2.")
    async with ports.journal.change(actor.tenant, found.room) as change:
        _, case = await _place_and_case(ports, change, actor, found.room, case_id)
        if version is not None and version != case.version:
            raise PreconditionFailed(version=case.version)
        if priority is None or priority == case.priority:
            return case
        stored = await change.put_case(replace(case, priority=priority), what="changed")
        _tell_line_later(ports, change, case.team)
        return stored


@dataclass(frozen=True)
class Rated:
    """What a visitor thought."""

    rating: int | None
    comment: str | None


async def rate(ports: Ports, actor: Actor, room_id: RoomId, score: int, comment: str = "") -> Rated:
    """What the visitor thought, 1 to 5, of the conversation's last case; of a whole one that ended without any.

    Raises:
        NotFound, Forbidden, Invalid, Conflict: Not theirs; no such score; nothing to rate yet.
    """
    if not 1 <= score <= 5:
        raise Invalid("A rating is 1 to 5.")
    checked_text(ports, comment, what="comment", max_bytes=4000)
    place = await access.room_for(ports, actor, room_id)
    if place.room.customer != actor.id:
        raise Forbidden("Only the visitor rates a conversation.")
    async with ports.journal.change(actor.tenant, room_id) as change:
        case = await cases.latest_of_room(change.tx, actor.tenant, room_id)
        if case is None and change.room(room_id).closed_at is not None:
            # No person was in it, so there is no case to hold it.
            await change.tx.execute(
                "UPDATE rooms SET rating = $3, rating_comment = $4 WHERE tenant_id = $1 AND id = $2",
                actor.tenant,
                room_id,
                score,
                comment or None,
            )
            return Rated(score, comment or None)
        if case is None or case.status != "resolved":
            raise Conflict("There is nothing to rate yet.")
        stored = await change.put_case(case_rules.rated(case, score, comment), what="rated")
        return Rated(stored.rating, stored.rating_comment)


# backstage


async def backstage(ports: Ports, actor: Actor, room_id: RoomId) -> Room:
    """The agents-only twin of a support room, made when it is first asked for.

    Raises:
        NotFound: Not a support room, or not for this user.
    """
    place = await access.room_for(ports, actor, room_id)
    if not actor.is_staff or not place.policy.owned or place.room.backstage_of is not None:
        raise NotFound()
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = await _with_backstage(ports, change, change.room(room_id))
        assert room.backstage is not None
        backstage_id = room.backstage
    async with ports.journal.change(actor.tenant, backstage_id) as change:
        await _enter(change, change.room(backstage_id), actor.public())
        return change.rooms[backstage_id]


async def note(
    ports: Ports,
    actor: Actor,
    room_id: RoomId,
    text: str,
    client_id: str | None = None,
    *,
    mentions: Sequence[UserId] = (),
    draft: bool = False,
) -> MessageId:
    """Write a private note to a support room: a message backstage, with where the visitor's room stood.

    ``mentions``: colleagues it is meant for. ``draft``: it was kept as one until now, which is over with it.

    Raises:
        NotFound: Not a support room, or not for this user.
        Invalid, TooLarge: No text, or too much; somebody is mentioned who is no colleague.
    """
    room = await backstage(ports, actor, room_id)
    checked_text(ports, text, what="note", empty=False)
    named = await checked_mentions(ports, room, list(mentions))
    async with ports.journal.change(actor.tenant, room_id, room.id) as change:
        written = await _note_in(ports, change, change.room(room_id), actor.public(), text, client_id, named)
    if draft:
        await drafts.sent(ports, actor, written)
    return written


async def _note_in(
    ports: Ports,
    change: Change,
    room: Room,
    author: PublicUser,
    text: str,
    client_id: str | None = None,
    mentions: list[UserId] | None = None,
) -> MessageId:
    room = await _with_backstage(ports, change, room)
    assert room.backstage is not None
    await _enter(change, change.rooms[room.backstage], author)
    if client_id is not None:
        stored = await change.tx.fetchval(
            "SELECT id FROM messages WHERE tenant_id = $1 AND room_id = $2 AND sender_id = $3 AND client_id = $4",
            change.tenant,
            room.backstage,
            author.id,
            client_id,
        )
        if stored is not None:
            return MessageId(stored)
    message = await change.post(
        room.backstage,
        author,
        text,
        kind="text",
        client_id=client_id,
        metadata={"anchor_seq": change.rooms[room.id].seq},
        mentions=mentions,
    )
    return message.id


# the line


def _tell_customer(change: Change, room: Room, frame: frames.OwnCaseFrame) -> None:
    if room.customer is not None:
        change.tell(Event(change.tenant, "user", room.customer, "own_case", 0, frames.encode(frame)))


def tell_over(ports: Ports, change: Change, room: Room, case: Case) -> None:
    """Tell the visitor that their case is over, and those behind them that the line is shorter."""
    _tell_customer(change, room, frames.OwnCaseFrame(room=room.id, status="resolved"))
    _tell_line_later(ports, change, case.team)


def _tell_line_later(ports: Ports, change: Change, team: str) -> None:
    """Tell a line in a moment, once for all that changes in it until then.

    The moment begins with the commit: told before, the line would be as it was, and nobody would tell it again.
    """
    tenant = change.tenant
    change.once_committed(lambda: ports.tasks.once(f"line:{tenant}:{team}", _tell_settled_line(ports, tenant, team)))


async def _tell_settled_line(ports: Ports, tenant: TenantId, team: str) -> None:
    await ports.clock.sleep(LINE_SETTLES_S)
    # A task of its own: what changes from here on is told by the next one.
    ports.tasks.start(tell_line(ports, tenant, team), f"line told:{tenant}:{team}")


async def _wait_range_s(ports: Ports, tenant: TenantId, team: str, position: int) -> tuple[int, int]:
    waits = await cases.recent_waits_s(ports.db, tenant, team)
    return case_rules.wait_range_s(waits, position, ports.settings.support.target_first_response_s)


async def expected_wait_s(ports: Ports, tenant: TenantId, team: str) -> tuple[int, int]:
    """How long somebody who asked for a person now would likely wait, at the end of a team's line."""
    return await _wait_range_s(ports, tenant, team, await cases.line_length(ports.db, tenant, team) + 1)


async def tell_line(ports: Ports, tenant: TenantId, team: str) -> None:
    """Tell everybody who waits for a team their place and how long it may take."""
    waits = await cases.recent_waits_s(ports.db, tenant, team)
    target_s = ports.settings.support.target_first_response_s
    line = await ports.db.fetch(
        "SELECT c.room_id, r.customer FROM cases c JOIN rooms r ON r.tenant_id = c.tenant_id AND r.id = c.room_id"
        " WHERE c.tenant_id = $1 AND c.status = 'waiting' AND c.team = $2 AND r.customer IS NOT NULL"
        " ORDER BY c.priority DESC, c.waiting_since, c.id LIMIT $3",
        tenant,
        team,
        LINE_TOLD,
    )
    ports.bus.publish(
        [
            Event(
                tenant,
                "user",
                row["customer"],
                "own_case",
                0,
                frames.encode(
                    frames.OwnCaseFrame(
                        room=row["room_id"],
                        status="waiting",
                        position=position,
                        wait=case_rules.wait_range_s(waits, position, target_s),
                    )
                ),
            )
            for position, row in enumerate(line, 1)
        ]
    )


async def own_case(ports: Ports, actor: Actor, room_id: RoomId) -> frames.OwnCaseFrame:
    """What a visitor may know of their case: status, place, how long. ``none`` where there is none."""
    place = await access.room_for(ports, actor, room_id)
    case = await cases.open_of_room(ports.db, actor.tenant, room_id)
    if case is None:
        latest = await cases.latest_of_room(ports.db, actor.tenant, room_id)
        return frames.OwnCaseFrame(room=place.room.id, status=latest.status if latest is not None else "none")
    position = await cases.position(ports.db, actor.tenant, case)
    if position is None:
        return frames.OwnCaseFrame(room=room_id, status=case.status)
    wait = await _wait_range_s(ports, actor.tenant, case.team, position)
    return frames.OwnCaseFrame(room=room_id, status=case.status, position=position, wait=wait)


VIEWS: dict[CaseView, tuple[CaseStatus, ...]] = {
    "mine": ("assigned", "waiting"),
    "queue": ("waiting",),
    "bot": ("waiting",),
    "all": ("waiting", "assigned", "snoozed"),
    "snoozed": ("snoozed",),
    "resolved": ("resolved",),
}


def targets(settings: Settings) -> Targets:
    """What visitors are to wait at most."""
    return Targets(settings.support.target_first_response_s, settings.support.agent_silent_s)


async def entries(ports: Ports, tenant: TenantId, wanted: Sequence[CaseId]) -> list[CaseEntry]:
    """Cases as agents see them; who may, is the caller's to know."""
    return await case_entries.entries(ports.db, tenant, wanted, targets(ports.settings))


async def entry(ports: Ports, actor: Actor, case_id: CaseId) -> CaseEntry:
    """A case as agents see it, for staff of its tenant.

    Raises:
        NotFound: There is none, or it is not theirs to see.
    """
    found = await entries(ports, actor.tenant, [case_id]) if is_id(case_id) and actor.is_staff else []
    if not found:
        raise NotFound()
    return found[0]


async def listed(
    ports: Ports,
    actor: Actor,
    wanted: CaseFilter,
    *,
    sort: CaseSort = "priority",
    limit: int = 50,
    after: tuple[case_entries.Place, CaseId] | None = None,
) -> tuple[list[CaseEntry], tuple[case_entries.Place, CaseId] | None]:
    """Cases of a view: mine, queue (of my teams), bot (the visitor goes on with it), all, snoozed, resolved.

    With them where the list goes on, None where it ends; ``after`` takes it.

    Raises:
        NotFound: Not staff.
    """
    if not actor.is_staff:
        raise NotFound()
    asked = await _wanted(ports, actor, wanted)
    async with ports.db.snapshot() as at:
        found = await case_entries.page(at, actor.tenant, asked, sort, limit=limit + 1, after=after)
        page = found[:limit]
        shown = await case_entries.entries(at, actor.tenant, [case for case, _ in page], targets(ports.settings))
    case, place = page[-1] if page else (None, ())
    return shown, (place, case) if case is not None and len(found) > limit else None


async def counted(ports: Ports, actor: Actor, lists: Sequence[CaseFilter]) -> list[int]:
    """How many cases :func:`listed` would find in each of some lists, counted to 1,000.

    Raises:
        NotFound: Not staff.
    """
    if not actor.is_staff:
        raise NotFound()
    counts: dict[CaseFilter, int] = {}
    for wanted in lists:
        if wanted not in counts:  # a few lists are everybody's, and often somebody's saved ones too
            asked = await _wanted(ports, actor, wanted)
            counts[wanted] = await cases.counted(ports.db, actor.tenant, asked, COUNTED_TO)
    return [counts[wanted] for wanted in lists]


async def _wanted(ports: Ports, actor: Actor, wanted: CaseFilter) -> cases.Wanted:
    """What a list holds for whoever looks."""
    view = wanted.view
    teams = None
    if view == "queue" and not actor.is_lead:
        teams = [*await people.teams_of(ports.db, actor.tenant, actor.id), case_rules.EVERY_TEAM]
    return cases.Wanted(
        statuses=("assigned",) if view == "mine" else VIEWS[view],
        agent=actor.id if view == "mine" else None,
        teams=teams,
        owner="bot" if view == "bot" else None,
        label=wanted.label,
        team=wanted.team,
        priority=wanted.priority,
    )


# what happens by itself


async def step(ports: Ports, tenant: TenantId, case_id: CaseId, room_id: RoomId) -> Case | None:
    """Do what is due for a case whose deadline has passed. None: it was dealt with meanwhile.

    Safe to run twice and on two instances: the deadline is looked at again under the room's lock.
    """
    system = await system_user(ports, tenant)
    bot = await bot_in(ports, tenant, room_id)
    async with ports.journal.change(tenant, room_id) as change:
        case = await cases.get(change.tx, tenant, case_id)
        room = change.rooms.get(room_id)
        now = _moment(change)
        if case is None or room is None or case.deadline_at is None or case.deadline_at > now:
            return None
        if case.status == "snoozed":
            support = ports.settings.support
            return await change.put_case(
                case_rules.awake(case, now=now, answer_within_s=support.agent_silent_s, offer_s=support.offer_s),
                what="awake",
            )
        if case.status == "assigned":
            return await _agent_is_silent(ports, change, room, case, system)
        if case.status != "waiting":
            return None
        after, due = case_rules.stepped(case, now=now, ladder=ladder(ports))
        if after.team != case.team and not await _is_team(change, after.team):
            after = replace(after, team=case_rules.EVERY_TEAM)
        if not case_rules.is_first_time(case, ladder(ports)):
            pass  # done again, not said again
        elif due.action == "call_back":
            await say_event(
                change,
                room_id,
                system,
                "call_back",
                "This takes longer than I said. Stay, or leave an address and we will write to you.",
                form=["email"],
            )
        elif due.action == "return_to_bot" and bot is not None and room.owner_kind == "nobody":
            await to_bot_in(change, room_id, bot)
            await say_event(
                change,
                room_id,
                system,
                "back_to_bot",
                "I'm sorry, nobody is free yet. You keep your place; until then the assistant answers.",
                keeps_place=True,
            )
        stored = await change.put_case(after, what=due.action)
        for team in {case.team, stored.team}:
            _tell_line_later(ports, change, team)
        return stored


async def _agent_is_silent(ports: Ports, change: Change, room: Room, case: Case, system: PublicUser) -> Case:
    """First a reminder, then the case goes back in line, ahead of others."""
    now = _moment(change)
    if case.step == 0:
        reminded = replace(case, step=1, deadline_at=now + timedelta(seconds=ports.settings.support.agent_silent_s))
        return await change.put_case(reminded, what="agent_silent")
    _out_of_hands(change, room.id)
    await say_event(change, room.id, system, "case_returned", "I've asked another colleague to join.")
    queued = case_rules.queued(case, now=now, offer_s=ports.settings.support.offer_s, urgent=True)
    stored = await change.put_case(queued, what="returned")
    _tell_line_later(ports, change, stored.team)
    return stored
