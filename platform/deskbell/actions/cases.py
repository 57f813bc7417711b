"""Cases and the hands a conversation goes through: opened, claimed, handed on, resolved, rated.

Every function is one transaction over the visitor's room: ownership, case and what the visitor reads
of it change together or not at all. Agents hear of it with the commit; the visitor's place in line
is told a moment later, see :func:`tell_line`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from deskbell.actions import access
from deskbell.actions.access import Place
from deskbell.actions.messages import checked_text
from deskbell.actions.rooms import new_member, new_room
from deskbell.clock import from_us
from deskbell.contracts import HandOver, Situation
from deskbell.errors import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed, RoomClosed
from deskbell.ids import CaseId, MessageId, RoomId, TenantId, UserId, is_id, new_id
from deskbell.model import case_rules, ownership
from deskbell.model.case_rules import Step
from deskbell.model.records import Actor, Case, PublicUser, Room
from deskbell.ports import Ports
from deskbell.store import cases, messages, people, rooms
from deskbell.store.change import Change
from deskbell.wire import frames
from deskbell.wire.events import Event

MAX_TRIED = 5


def ladder(ports: Ports) -> list[Step]:
    """What happens to a case that nobody takes, from the settings. Never empty."""
    return [Step(step.after_s, step.action, step.team) for step in ports.settings.support.ladder]


def _moment(change: Change) -> datetime:
    return from_us(change.now_us)


async def system_user(ports: Ports, tenant: TenantId) -> PublicUser:
    """Who speaks for the platform itself in a tenant."""
    return people.public(await people.platform_user(ports.db, ports.clock, tenant, "system", "system", "Deskbell"))


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
    """What an agent is given with a conversation; every part names the messages it rests on."""

    question: str
    question_message: MessageId | None
    facts: Mapping[str, str] = field(default_factory=dict)
    tried: tuple[Tried, ...] = ()


async def open_in(
    ports: Ports,
    change: Change,
    room: Room,
    hand_over: HandOver,
    packet: Packet,
    system: PublicUser,
) -> Case:
    """Open a waiting case inside a change whose room is locked; the existing one, if there is one.

    The room goes out of the bot's hands, the backstage room is made, the visitor is told.
    """
    existing = await change.open_case(room.id)
    if existing is not None:
        return existing
    support = ports.settings.support
    team = hand_over.team or support.default_team
    case = case_rules.opened(
        CaseId(new_id()),
        room.id,
        reason=hand_over.reason,
        priority=hand_over.priority,
        team=team,
        now=_moment(change),
        offer_s=support.offer_s,
        handover={
            "reason": hand_over.reason,
            "summary": hand_over.summary or packet.question,
            "question": {"text": packet.question, "message": packet.question_message},
            "facts": {**packet.facts, **hand_over.facts},
            "tried": [{"message": tried.message, "text": tried.text} for tried in packet.tried],
        },
    )
    room = await _with_backstage(ports, change, room)
    change.put_room(replace(ownership.to_nobody(change.rooms[room.id]), case_id=case.id))
    text = hand_over.say or "I've asked a colleague to join. You keep your place, also when you close this window."
    await say_event(change, room.id, system, "case_opened", text, reason=hand_over.reason)
    case = await change.put_case(case, what="opened")
    _tell_line_later(ports, change.tenant, team)
    return case


async def packet_of(ports: Ports, room: Room, question: str = "") -> Packet:
    """Look at a conversation as whoever takes it over will want to."""
    recent = await messages.before(ports.db, room.tenant, room.id, None, 30)
    asked = [m for m in recent if m.sender.id == room.customer and not m.deleted and m.content.strip()]
    answers = [m for m in recent if m.sender.kind == "bot" and m.kind == "text" and not m.deleted]
    last = asked[-1] if asked else None
    return Packet(
        question=question or (last.content[:500] if last is not None else ""),
        question_message=last.id if last is not None else None,
        tried=tuple(Tried(m.id, m.content[:300]) for m in answers[-MAX_TRIED:]),
    )


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
    _needs_support(place)
    if not (actor.is_staff or place.room.customer == actor.id):
        raise Forbidden("Only the visitor or an agent brings in a person.")
    checked_text(ports, reason, what="reason", max_bytes=200)
    packet = await packet_of(ports, place.room)
    hand_over = await decide(ports, place.room, actor.public(), "visitor", reason)
    system = await system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = (await access.room_in(ports, change, actor, room_id)).room
        if room.closed_at is not None:
            room = reopened_in(ports, change, room)
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


def _needs_support(place: Place) -> None:
    if not place.policy.owned or place.room.backstage_of is not None:
        raise Conflict("Only support conversations can be handed over.")


def reopened_in(ports: Ports, change: Change, room: Room) -> Room:
    """A closed support room, open again."""
    policy = ports.plugins.channels[room.channel_type].policy
    closed_at = room.closed_at or 0
    if change.now_us - closed_at > policy.reopen_window_s * 1_000_000 or room.redirect_to is not None:
        raise RoomClosed(redirect_to=room.redirect_to)
    return change.put_room(replace(change.rooms[room.id], closed_at=None))


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


async def _enter(change: Change, room: Room, agent: PublicUser) -> None:
    """Give an agent their place in a room, if they have none."""
    member = await change.member(room.id, agent.id)
    if member is None or member.state != "joined":
        await change.put_member(new_member(room.id, agent.id, "agent", change.now_us), agent, what="joined")


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
    _tell_line_later(ports, change.tenant, case.team)
    return stored


async def take_over(ports: Ports, actor: Actor, room_id: RoomId) -> Case:
    """Make the agent the owner of a conversation nobody escalated, silencing the bot from this moment.

    Raises:
        AlreadyClaimed: A colleague answers here; transfer it instead.
        NotFound, Conflict: Not a support conversation of this tenant.
    """
    place = await access.room_for(ports, actor, room_id)
    _needs_support(place)
    if not actor.is_staff:
        raise Forbidden("Only agents take a conversation over.")
    packet = await packet_of(ports, place.room)
    system = await system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = (await access.room_in(ports, change, actor, room_id)).room
        if room.closed_at is not None:
            room = reopened_in(ports, change, room)
        case = await change.open_case(room_id)
        if case is None:
            case = await open_in(ports, change, room, HandOver(reason="taken_over"), packet, system)
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
    room = await rooms.get(ports.db, actor.tenant, found.room)
    backstage = [room.backstage] if room is not None and room.backstage is not None else []
    async with ports.journal.change(actor.tenant, found.room, *backstage) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        if note:
            await _note_in(ports, change, change.rooms[found.room], actor.public(), note)
        if receiver is not None:
            given = case_rules.assigned(
                case, receiver.id, now=_moment(change), answer_within_s=ports.settings.support.agent_silent_s
            )
            if given == case:
                return case
            return await _hand_to(ports, change, place.room, given, receiver, system, what="transferred")
        queued = case_rules.queued(case, team=team, now=_moment(change), offer_s=ports.settings.support.offer_s)
        change.put_room(ownership.to_nobody(change.rooms[found.room]))
        await say_event(change, found.room, system, "case_transferred", "I've asked the right team to join.")
        stored = await change.put_case(queued, what="transferred")
        _tell_line_later(ports, actor.tenant, stored.team)
        if case.team != stored.team:
            _tell_line_later(ports, actor.tenant, case.team)
        return stored


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
    bot = await bot_of(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, found.room) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        if to == "queue":
            queued = case_rules.queued(case, now=_moment(change), offer_s=ports.settings.support.offer_s)
            change.put_room(ownership.to_nobody(place.room))
            await say_event(change, found.room, system, "case_returned", "I've asked another colleague to join.")
            stored = await change.put_case(queued, what="returned")
        else:
            if bot is None:
                raise Conflict("There is no assistant here to return it to.")
            ended = case_rules.resolved(case, now=_moment(change))
            change.put_room(replace(ownership.to_bot(place.room, bot.id), case_id=None))
            name = actor.name
            await say_event(
                change,
                found.room,
                system,
                "back_to_bot",
                f"{name} handed you back to the assistant. You can ask for a person at any time.",
            )
            stored = await change.put_case(ended, what="returned_to_bot")
            _tell_customer(change, place.room, frames.OwnCaseFrame(room=found.room, status="resolved"))
        _tell_line_later(ports, actor.tenant, stored.team)
        return stored


async def keep_place(ports: Ports, actor: Actor, room_id: RoomId) -> Case | None:
    """Let the visitor go on with the assistant while their case keeps its place in line.

    Raises:
        NotFound, Forbidden, Conflict: Not their conversation; a person answers in it; no assistant here.
    """
    place = await access.room_for(ports, actor, room_id)
    _needs_support(place)
    if place.room.customer != actor.id:
        raise Forbidden()
    bot = await bot_of(ports, actor.tenant)
    if bot is None:
        raise Conflict("There is no assistant here.")
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = change.room(room_id)
        if room.owner_kind == "agent":
            raise Conflict("A person answers here.")
        change.put_room(ownership.to_bot(room, bot.id))
        return await change.open_case(room_id)


async def resolve(ports: Ports, actor: Actor, case_id: CaseId) -> Case:
    """End a case. The assistant answers from then on, and the visitor is asked how it went."""
    found = await find(ports, actor, case_id)
    system = await system_user(ports, actor.tenant)
    bot = await bot_of(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, found.room) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        ended = case_rules.resolved(case, now=_moment(change))
        if ended == case:
            return case
        room = place.room
        owned = ownership.to_bot(room, bot.id) if bot is not None else ownership.to_nobody(room)
        change.put_room(replace(owned, case_id=None))
        await say_event(
            change,
            found.room,
            system,
            "case_resolved",
            f"{actor.name} marked this as solved. How did it go?",
            case=case.id,
            ask_rating=True,
        )
        stored = await change.put_case(ended, what="resolved")
        _tell_customer(change, room, frames.OwnCaseFrame(room=found.room, status="resolved"))
        _tell_line_later(ports, actor.tenant, case.team)
        return stored


async def reopen(ports: Ports, actor: Actor, case_id: CaseId) -> Case:
    """Take a resolved case up again, as its agent or, with nobody, in line. An open one stays as it is."""
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
            change.put_room(replace(place.room, closed_at=None))
        fresh = replace(case, status="waiting", agent=None, resolved_at=None)
        taken = case_rules.claimed(
            fresh, actor.id, now=_moment(change), answer_within_s=ports.settings.support.agent_silent_s
        )
        return await _hand_to(ports, change, change.rooms[found.room], taken, actor.public(), system, what="reopened")


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
        _tell_line_later(ports, actor.tenant, case.team)
        return stored


async def rate(ports: Ports, actor: Actor, room_id: RoomId, score: int, comment: str = "") -> Case:
    """What the visitor thought, 1 to 5, of the conversation's last case.

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
        if case is None or case.status != "resolved":
            raise Conflict("There is nothing to rate yet.")
        return await change.put_case(case_rules.rated(case, score, comment), what="rated")


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


async def note(ports: Ports, actor: Actor, room_id: RoomId, text: str, client_id: str | None = None) -> MessageId:
    """Write a private note to a support room: a message backstage, with where the visitor's room stood."""
    room = await backstage(ports, actor, room_id)
    checked_text(ports, text, what="note", empty=False)
    async with ports.journal.change(actor.tenant, room_id, room.id) as change:
        return await _note_in(ports, change, change.room(room_id), actor.public(), text, client_id)


async def _note_in(
    ports: Ports, change: Change, room: Room, author: PublicUser, text: str, client_id: str | None = None
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
    )
    return message.id


# the line


def _tell_customer(change: Change, room: Room, frame: frames.OwnCaseFrame) -> None:
    if room.customer is not None:
        change.tell(Event(change.tenant, "user", room.customer, "own_case", 0, frames.encode(frame)))


def _tell_line_later(ports: Ports, tenant: TenantId, team: str) -> None:
    ports.tasks.once(f"line:{tenant}:{team}", tell_line(ports, tenant, team, after_s=0.2))


async def wait_range_s(ports: Ports, tenant: TenantId, team: str, position: int) -> tuple[int, int]:
    """How long somebody at this place will likely wait, in seconds, from how long others did."""
    waits = sorted(await cases.recent_waits_s(ports.db, tenant, team))
    if len(waits) < 5:
        target = ports.settings.support.target_first_response_s
        return target * position // 2, target * position
    low, high = waits[len(waits) // 4], waits[len(waits) * 3 // 4]
    share = (position + 1) / 2
    return int(low * share), max(int(high * share), int(low * share) + 60)


async def tell_line(ports: Ports, tenant: TenantId, team: str, *, after_s: float = 0.0) -> None:
    """Tell everybody who waits for a team their place and how long it may take."""
    await ports.clock.sleep(after_s)
    events: list[Event] = []
    for case in await cases.waiting(ports.db, tenant, team):
        room = await rooms.get(ports.db, tenant, case.room)
        if room is None or room.customer is None or case.position is None:
            continue
        frame = frames.OwnCaseFrame(
            room=case.room,
            status="waiting",
            position=case.position,
            wait=await wait_range_s(ports, tenant, team, case.position),
        )
        events.append(Event(tenant, "user", room.customer, "own_case", 0, frames.encode(frame)))
    ports.bus.publish(events)


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
    wait = await wait_range_s(ports, actor.tenant, case.team, position)
    return frames.OwnCaseFrame(room=room_id, status=case.status, position=position, wait=wait)


VIEWS = {
    "mine": ("assigned", "waiting"),
    "queue": ("waiting",),
    "bot": ("waiting",),
    "all": ("waiting", "assigned", "snoozed"),
    "snoozed": ("snoozed",),
    "resolved": ("resolved",),
}


async def listed(ports: Ports, actor: Actor, view: str, *, limit: int = 50, offset: int = 0) -> list[Case]:
    """Cases of a view: mine, queue (of my teams), bot (the visitor goes on with it), all, snoozed, resolved.

    Raises:
        NotFound: Not staff.
        Invalid: No such view.
    """
    if not actor.is_staff:
        raise NotFound()
    if view not in VIEWS:
        raise Invalid(f"There is no view {view!r}.", known=sorted(VIEWS))
    teams = None
    if view == "queue" and not actor.is_lead:
        teams = await people.teams_of(ports.db, actor.tenant, actor.id)
    found = await cases.listed(
        ports.db,
        actor.tenant,
        statuses=("assigned",) if view == "mine" else VIEWS[view],
        agent=actor.id if view == "mine" else None,
        teams=teams,
        owner="bot" if view == "bot" else None,
        limit=limit,
        offset=offset,
    )
    return [replace(case, position=await cases.position(ports.db, actor.tenant, case)) for case in found]


async def bot_of(ports: Ports, tenant: TenantId, name: str | None = None) -> PublicUser | None:
    """The bot that answers in a tenant, as a user: the named one, else the first; None where there is none."""
    bots = ports.plugins.bots
    chosen = name if name in bots else min(bots, default=None)
    if chosen is None:
        return None
    bot = bots[chosen]
    return people.public(await people.platform_user(ports.db, ports.clock, tenant, f"bot:{chosen}", "bot", bot.title))


# what happens by itself


async def step(ports: Ports, tenant: TenantId, case_id: CaseId, room_id: RoomId) -> Case | None:
    """Do what is due for a case whose deadline has passed. None: it was dealt with meanwhile.

    Safe to run twice and on two instances: the deadline is looked at again under the room's lock.
    """
    system = await system_user(ports, tenant)
    bot = await bot_of(ports, tenant)
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
        if due.action == "call_back":
            await say_event(
                change,
                room_id,
                system,
                "call_back",
                "This takes longer than I said. Stay, or leave an address and we will write to you.",
                form=["email"],
            )
        elif due.action == "return_to_bot" and bot is not None and room.owner_kind == "nobody":
            change.put_room(ownership.to_bot(room, bot.id))
            await say_event(
                change,
                room_id,
                system,
                "back_to_bot",
                "I'm sorry, nobody is free yet. You keep your place; until then the assistant answers.",
            )
        stored = await change.put_case(after, what=due.action)
        for team in {case.team, stored.team}:
            _tell_line_later(ports, tenant, team)
        return stored


async def _agent_is_silent(ports: Ports, change: Change, room: Room, case: Case, system: PublicUser) -> Case:
    """First a reminder, then the case goes back in line, ahead of others."""
    now = _moment(change)
    if case.step == 0:
        reminded = replace(case, step=1, deadline_at=now + timedelta(seconds=ports.settings.support.agent_silent_s))
        return await change.put_case(reminded, what="agent_silent")
    change.put_room(ownership.to_nobody(room))
    await say_event(change, room.id, system, "case_returned", "I've asked another colleague to join.")
    queued = case_rules.queued(case, now=now, offer_s=ports.settings.support.offer_s, urgent=True)
    stored = await change.put_case(queued, what="returned")
    _tell_line_later(ports, change.tenant, stored.team)
    return stored
