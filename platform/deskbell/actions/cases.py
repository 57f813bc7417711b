"""Cases in agents' hands: claimed, handed on, put off, resolved, taken up again, merged.

Every function is one transaction over the visitor's room: ownership, case and what the visitor reads
of it change together or not at all. Agents hear of it with the commit; the visitor's place in line
is told a moment later, see :mod:`deskbell.actions.waiting`. How a case comes to be is told by
:mod:`deskbell.actions.escalation`, what it does by itself by :mod:`deskbell.actions.ladder`.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from deskbell.actions import access, notes, voices, waiting
from deskbell.actions.access import Place
from deskbell.actions.closing import closed_in, reopened_in
from deskbell.actions.content import checked_text
from deskbell.actions.escalation import needs_support, open_in
from deskbell.actions.members import enter_in
from deskbell.actions.packets import packet_of
from deskbell.contracts import HandOver
from deskbell.errors import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed
from deskbell.ids import CaseId, RoomId, UserId, is_id
from deskbell.model import case_rules, ownership
from deskbell.model.records import Actor, Case, PublicUser, Room
from deskbell.ports import Ports
from deskbell.store import cases, people
from deskbell.store.change import Change
from deskbell.wire import frames


async def find(ports: Ports, actor: Actor, case_id: CaseId) -> Case:
    """A case, for staff of its tenant.

    Raises:
        NotFound: There is none, or it is not theirs to see.
    """
    case = await cases.get(ports.db, actor.tenant, case_id) if is_id(case_id) and actor.is_staff else None
    if case is None:
        raise NotFound()
    return case


async def _place_and_case(
    ports: Ports, change: Change, actor: Actor, room_id: RoomId, case_id: CaseId
) -> tuple[Place, Case]:
    place = await access.room_in(ports, change, actor, room_id)
    case = await cases.get(change.tx, actor.tenant, case_id)
    if case is None or case.room != room_id:
        raise NotFound()
    return place, case


async def claim(ports: Ports, actor: Actor, case_id: CaseId) -> Case:
    """Take a waiting case: of two agents at once exactly one wins. Claiming one's own changes nothing.

    From the commit on the agent owns the room, and what the bot still says is refused.

    Raises:
        AlreadyClaimed: A colleague was faster; ``details["agent"]`` says who.
        NotFound, Gone: There is no such case, or it is over.
    """
    found = await find(ports, actor, case_id)
    system = await voices.system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, found.room) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        taken = case_rules.claimed(
            case, actor.id, now=change.now, answer_within_s=ports.settings.support.agent_silent_s
        )
        if taken == case:
            return case
        return await _hand_to(ports, change, place.room, taken, actor.public(), system, what="claimed")


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
    system = await voices.system_user(ports, actor.tenant)
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
            case, actor.id, now=change.now, answer_within_s=ports.settings.support.agent_silent_s
        )
        return await _hand_to(ports, change, change.rooms[room_id], taken, actor.public(), system, what="claimed")


async def _hand_to(
    ports: Ports, change: Change, room: Room, case: Case, agent: PublicUser, system: PublicUser, *, what: str
) -> Case:
    change.put_room(replace(ownership.to_agent(change.rooms[room.id], agent.id), case_id=case.id))
    await enter_in(change, room, agent)
    await voices.say_event(
        change,
        room.id,
        system,
        "agent_joined",
        f"{agent.name} joined and has read the conversation.",
        user=agent.id,
        name=agent.name,
    )
    stored = await change.put_case(case, what=what)
    waiting.tell_customer(change, room, frames.OwnCaseFrame(room=room.id, status="assigned"))
    waiting.tell_line_later(ports, change, case.team)
    return stored


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
    system = await voices.system_user(ports, actor.tenant)
    # Made before, so that it can be locked together with the room.
    behind = [(await notes.backstage(ports, actor, found.room)).id] if note.strip() else []
    async with ports.journal.change(actor.tenant, found.room, *behind) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        if behind:
            await notes.write_in(change, change.rooms[found.room], actor.public(), note)
        if receiver is not None:
            given = case_rules.assigned(
                case, receiver.id, now=change.now, answer_within_s=ports.settings.support.agent_silent_s
            )
            if given == case:
                return case
            return await _hand_to(ports, change, place.room, given, receiver, system, what="transferred")
        if case.status == "waiting" and case.team == team:
            return case
        queued = case_rules.queued(case, team=team, now=change.now, offer_s=ports.settings.support.offer_s)
        out_of_hands_in(change, found.room)
        await voices.say_event(change, found.room, system, "case_transferred", "I've asked the right team to join.")
        stored = await change.put_case(queued, what="transferred")
        waiting.tell_line_later(ports, change, stored.team)
        if case.team != stored.team:
            waiting.tell_line_later(ports, change, case.team)
        return stored


def out_of_hands_in(change: Change, room_id: RoomId) -> None:
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
    system = await voices.system_user(ports, actor.tenant)
    bot = await voices.bot_in(ports, actor.tenant, found.room)
    async with ports.journal.change(actor.tenant, found.room) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        if to == "queue":
            queued = case_rules.queued(case, now=change.now, offer_s=ports.settings.support.offer_s)
            if case.status == "waiting":
                return case
            out_of_hands_in(change, found.room)
            await voices.say_event(change, found.room, system, "case_returned", "I've asked another colleague to join.")
            stored = await change.put_case(queued, what="returned")
        else:
            if bot is None:
                raise Conflict("There is no assistant here to return it to.")
            ended = case_rules.resolved(case, now=change.now)
            if ended == case:
                return case
            change.put_room(replace(await voices.to_bot_in(change, found.room, bot), case_id=None))
            name = actor.name
            await voices.say_event(
                change,
                found.room,
                system,
                "back_to_bot",
                f"{name} handed you back to the assistant. You can ask for a person at any time.",
                user=actor.id,
                name=name,
            )
            stored = await change.put_case(ended, what="returned_to_bot")
            waiting.tell_customer(change, place.room, frames.OwnCaseFrame(room=found.room, status="resolved"))
        waiting.tell_line_later(ports, change, stored.team)
        return stored


async def resolve(ports: Ports, actor: Actor, case_id: CaseId) -> Case:
    """End a case. The assistant answers from then on, and the visitor is asked how it went."""
    found = await find(ports, actor, case_id)
    system = await voices.system_user(ports, actor.tenant)
    bot = await voices.bot_in(ports, actor.tenant, found.room)
    async with ports.journal.change(actor.tenant, found.room) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        ended = case_rules.resolved(case, now=change.now)
        if ended == case:
            return case
        change.put_room(replace(await voices.to_bot_in(change, found.room, bot), case_id=None))
        await voices.say_event(
            change,
            found.room,
            system,
            "case_resolved",
            f"{actor.name} marked this as solved. How did it go?",
            case=case.id,
            user=actor.id,
            name=actor.name,
            ask_rating=True,
        )
        stored = await change.put_case(ended, what="resolved")
        waiting.tell_over(ports, change, place.room, stored)
        return stored


async def reopen(ports: Ports, actor: Actor, case_id: CaseId) -> Case:
    """Take a resolved case up again, as its agent. An open one stays as it is.

    Raises:
        Conflict: It was merged, or the conversation has a newer case.
        RoomClosed: Such conversations live for a fixed time, and this one's is over.
    """
    found = await find(ports, actor, case_id)
    system = await voices.system_user(ports, actor.tenant)
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
            fresh, actor.id, now=change.now, answer_within_s=ports.settings.support.agent_silent_s
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
    system = await voices.system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, found.room, other.room) as change:
        place, case = await _place_and_case(ports, change, actor, found.room, case_id)
        target, kept = await _place_and_case(ports, change, actor, other.room, into)
        if place.room.customer is None or place.room.customer != target.room.customer:
            # What one visitor wrote is not for another to read.
            raise Conflict("These are conversations of two visitors.")
        over, after = case_rules.merged(case, kept)
        await voices.say_event(
            change, found.room, system, "case_merged", "This goes on in your other conversation.", room=other.room
        )
        await voices.say_event(
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
        waiting.tell_customer(change, place.room, frames.OwnCaseFrame(room=found.room, status="merged"))
        for team in {case.team, kept.team}:
            waiting.tell_line_later(ports, change, team)
        return stored


async def snooze(ports: Ports, actor: Actor, case_id: CaseId, until: datetime) -> Case:
    """Put an assigned case out of sight until a moment.

    Raises:
        Conflict: It waits for somebody, or the moment is past.
    """
    found = await find(ports, actor, case_id)
    async with ports.journal.change(actor.tenant, found.room) as change:
        _, case = await _place_and_case(ports, change, actor, found.room, case_id)
        return await change.put_case(case_rules.snoozed(case, until=until, now=change.now), what="snoozed")


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
        waiting.tell_line_later(ports, change, case.team)
        return stored
