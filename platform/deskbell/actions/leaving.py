"""What a visitor ends: waiting for a person, and the conversation itself."""

from __future__ import annotations

from msgspec.structs import replace

from deskbell.actions import access, closing, escalation, voices, waiting
from deskbell.actions.access import Place
from deskbell.errors import Conflict, Forbidden
from deskbell.ids import RoomId
from deskbell.model import case_rules
from deskbell.model.records import Actor, Case, Room
from deskbell.ports import Ports
from deskbell.store.change import Change

NO_LONGER = "You are not waiting for a colleague any more. You can ask for one again at any time."
ENDED = "You ended this conversation. How did it go?"


async def leave_queue(ports: Ports, actor: Actor, room_id: RoomId) -> None:
    """Wait for a person no longer; the assistant goes on. Who does not wait has nothing to leave.

    Raises:
        NotFound, Forbidden: Not their conversation.
        Conflict: A person has it in hand, or it is no support conversation.
    """
    await _own(ports, actor, room_id)
    bot = await voices.bot_in(ports, actor.tenant, room_id)
    system = await voices.system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, room_id) as change:
        case = await change.open_case(room_id)
        if case is None:
            return
        if case.status != "waiting":
            raise Conflict("A person has this conversation in hand. End it instead.")
        change.put_room(replace(await voices.to_bot_in(change, room_id, bot), case_id=None))
        await voices.say_event(change, room_id, system, "left_queue", NO_LONGER)
        await _over(ports, change, case, what="left_queue")


async def end(ports: Ports, actor: Actor, room_id: RoomId) -> Room:
    """End a conversation: it is closed, and what a person had in hand of it resolved. Ending it again changes nothing.

    The visitor may rate it then, open another, or write here again while the policy lets them.

    Raises:
        NotFound, Forbidden, Conflict: Not their conversation; no support conversation.
    """
    place = await _own(ports, actor, room_id)
    bot = await voices.bot_in(ports, actor.tenant, room_id)
    system = await voices.system_user(ports, actor.tenant)
    async with ports.journal.change(actor.tenant, room_id) as change:
        room = change.room(room_id)
        if room.closed_at is not None:
            return room
        case = await change.open_case(room_id)
        if case is not None:
            change.put_room(replace(await voices.to_bot_in(change, room_id, bot), case_id=None))
        await voices.say_event(change, room_id, system, "ended_by_visitor", ENDED, ask_rating=True)
        change.put_room(replace(change.rooms[room_id], closed_at=change.now_us))
        await closing.closed_in(change, room_id, place.policy)
        if case is not None:
            await _over(ports, change, case, what="ended")
        return change.rooms[room_id]


async def _own(ports: Ports, actor: Actor, room_id: RoomId) -> Place:
    place = await access.room_for(ports, actor, room_id)
    escalation.needs_support(place)
    if place.room.customer != actor.id:
        raise Forbidden("Only the visitor does this.")
    return place


async def _over(ports: Ports, change: Change, case: Case, *, what: str) -> None:
    stored = await change.put_case(case_rules.resolved(case, now=change.now), what=what)
    waiting.tell_over(ports, change, change.rooms[case.room], stored)
