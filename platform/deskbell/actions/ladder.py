"""What happens to a case that nobody deals with: the steps of the ladder, each when its time has come.

No case that somebody waits for is without a next moment: one in line climbs the operator's ladder, one
whose agent falls silent goes back in line, one that was put off wakes.
"""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from deskbell.actions import voices, waiting
from deskbell.actions.cases import out_of_hands_in
from deskbell.ids import CaseId, RoomId, TenantId
from deskbell.model import case_rules
from deskbell.model.case_rules import Step
from deskbell.model.records import Case, PublicUser, Room
from deskbell.ports import Ports
from deskbell.store import cases
from deskbell.store.change import Change


def rungs(ports: Ports) -> list[Step]:
    """What happens to a case that nobody takes, from the settings. Never empty."""
    return [Step(step.after_s, step.action, step.team) for step in ports.settings.support.ladder]


async def step(ports: Ports, tenant: TenantId, case_id: CaseId, room_id: RoomId) -> Case | None:
    """Do what is due for a case whose deadline has passed. None: it was dealt with meanwhile.

    Safe to run twice and on two instances: the deadline is looked at again under the room's lock.
    """
    system = await voices.system_user(ports, tenant)
    bot = await voices.bot_in(ports, tenant, room_id)
    async with ports.journal.change(tenant, room_id) as change:
        case = await cases.get(change.tx, tenant, case_id)
        room = change.rooms.get(room_id)
        now = change.now
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
        after, due = case_rules.stepped(case, now=now, ladder=rungs(ports))
        if after.team != case.team and not await waiting.is_team(change, after.team):
            after = replace(after, team=case_rules.EVERY_TEAM)
        if not case_rules.is_first_time(case, rungs(ports)):
            pass  # done again, not said again
        elif due.action == "call_back":
            await voices.say_event(
                change,
                room_id,
                system,
                "call_back",
                "This takes longer than I said. Stay, or write your email address here and we will answer you there.",
                form=["email"],
            )
        elif due.action == "return_to_bot" and bot is not None and room.owner_kind == "nobody":
            await voices.to_bot_in(change, room_id, bot)
            await voices.say_event(
                change,
                room_id,
                system,
                "back_to_bot",
                "I'm sorry, nobody is free yet. You keep your place; until then the assistant answers.",
                keeps_place=True,
            )
        stored = await change.put_case(after, what=due.action)
        for team in {case.team, stored.team}:
            waiting.tell_line_later(ports, change, team)
        return stored


async def _agent_is_silent(ports: Ports, change: Change, room: Room, case: Case, system: PublicUser) -> Case:
    """First a reminder, then the case goes back in line, ahead of others."""
    now = change.now
    if case.step == 0:
        reminded = replace(case, step=1, deadline_at=now + timedelta(seconds=ports.settings.support.agent_silent_s))
        return await change.put_case(reminded, what="agent_silent")
    out_of_hands_in(change, room.id)
    await voices.say_event(change, room.id, system, "case_returned", "I've asked another colleague to join.")
    queued = case_rules.queued(case, now=now, offer_s=ports.settings.support.offer_s, urgent=True)
    stored = await change.put_case(queued, what="returned")
    waiting.tell_line_later(ports, change, stored.team)
    return stored
