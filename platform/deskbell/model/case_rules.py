"""The life of a case, as pure functions: what may follow what, and when something is next due.

A case that waits always has a deadline; what happens then is on a ladder of steps, the last of which
repeats. So nobody waits for ever, whatever else fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from msgspec.structs import replace

from deskbell.errors import AlreadyClaimed, Conflict, Gone
from deskbell.ids import CaseId, RoomId, UserId
from deskbell.model.records import Case

Action = Literal["re_offer", "other_team", "call_back", "return_to_bot"]
OVER = ("resolved", "merged")
# The line that is everybody's: where a case goes that its own team left waiting. No team can have this name.
EVERY_TEAM = "*"
MIN_WAITS = 5
MAX_ON_A_CASE = 20  # labels


@dataclass(frozen=True)
class Targets:
    """What visitors are to wait at most: for a person's answer, and for an agent who has fallen silent."""

    answer_s: int = 300
    agent_silent_s: int = 600


@dataclass(frozen=True)
class Step:
    """One rung: what to do when a waiting case was not taken, and the time that is given before the next rung."""

    after_s: int
    action: Action = "re_offer"
    team: str | None = None


def opened(
    case_id: CaseId,
    room: RoomId,
    *,
    reason: str,
    priority: int,
    team: str,
    handover: dict[str, Any],
    now: datetime,
    offer_s: int,
) -> Case:
    """A new case, waiting in its team's line."""
    return Case(
        id=case_id,
        room=room,
        status="waiting",
        reason=reason,
        priority=priority,
        team=team,
        agent=None,
        opened_at=now,
        deadline_at=now + timedelta(seconds=offer_s),
        version=0,
        waiting_since=now,
        handover=handover,
    )


def claimed(case: Case, agent: UserId, *, now: datetime, answer_within_s: int) -> Case:
    """The case in the hands of an agent.

    Raises:
        AlreadyClaimed: It is in somebody else's, awake or put off; ``details["agent"]`` says whose.
        Gone: It is over.
    """
    _not_over(case)
    if case.status != "waiting" and case.agent != agent:
        raise AlreadyClaimed(agent=case.agent)
    if case.status == "assigned":
        return case
    return replace(
        case,
        status="assigned",
        agent=agent,
        step=0,
        waiting_since=None,
        snoozed_until=None,
        # Nothing said yet: the visitor is owed a word.
        deadline_at=now + timedelta(seconds=answer_within_s),
    )


def assigned(case: Case, agent: UserId, *, now: datetime, answer_within_s: int) -> Case:
    """The same by somebody else's decision; taken from whoever had it."""
    _not_over(case)
    free = replace(case, status="waiting", agent=None) if case.agent != agent else case
    return claimed(free, agent, now=now, answer_within_s=answer_within_s)


def queued(case: Case, *, team: str | None = None, now: datetime, offer_s: int, urgent: bool = False) -> Case:
    """Back in line, of the same team or another.

    Who has waited keeps the time they waited since, also through the hands of an agent who never answered.
    """
    _not_over(case)
    since = case.waiting_since or (case.opened_at if case.first_response_at is None else now)
    return replace(
        case,
        status="waiting",
        agent=None,
        team=team or case.team,
        step=0,
        priority=max(case.priority, 1) if urgent else case.priority,
        waiting_since=since,
        snoozed_until=None,
        deadline_at=now + timedelta(seconds=offer_s),
    )


def resolved(case: Case, *, now: datetime) -> Case:
    """Over, as far as we know. Resolving again changes nothing."""
    if case.status == "merged":
        raise Gone("This conversation was merged into another.", merged_into=case.merged_into)
    if case.status == "resolved":
        return case
    return replace(
        case, status="resolved", resolved_at=now, deadline_at=None, waiting_since=None, snoozed_until=None, step=0
    )


def merged(case: Case, into: Case) -> tuple[Case, Case]:
    """Two cases of one visitor as one: the first is over, the other has what was more pressing of both.

    Raises:
        Conflict: A case is not merged into itself.
        Gone: One of them is over.
    """
    if case.id == into.id:
        raise Conflict("This is the same case.")
    _not_over(case)
    _not_over(into)
    since = [at for at in (into.waiting_since, case.waiting_since) if at is not None]
    kept = replace(
        into,
        priority=max(case.priority, into.priority),
        labels=list(dict.fromkeys([*into.labels, *case.labels]))[:MAX_ON_A_CASE],
        waiting_since=min(since) if into.waiting_since is not None else None,
    )
    over = replace(
        case, status="merged", merged_into=into.id, deadline_at=None, waiting_since=None, snoozed_until=None, step=0
    )
    return over, kept


def snoozed(case: Case, *, until: datetime, now: datetime) -> Case:
    """Out of sight until a moment; an assigned case comes back to its agent then."""
    _not_over(case)
    if case.status == "waiting":
        raise Conflict("Somebody is waiting here. Accept the conversation before putting it off.")
    if until <= now:
        raise Conflict("The moment lies in the past.")
    return replace(case, status="snoozed", snoozed_until=until, deadline_at=until)


def awake(case: Case, *, now: datetime, answer_within_s: int, offer_s: int) -> Case:
    """Back from a snooze: with its agent, or in line where it has none."""
    if case.agent is None:
        return queued(case, now=now, offer_s=offer_s)
    return replace(
        case,
        status="assigned",
        snoozed_until=None,
        step=0,
        deadline_at=now + timedelta(seconds=answer_within_s),
    )


def stepped(case: Case, *, now: datetime, ladder: Sequence[Step]) -> tuple[Case, Step]:
    """What happens to a waiting case nobody took, and the case after it. The last step repeats."""
    step = ladder[min(case.step, len(ladder) - 1)]
    team = (step.team or EVERY_TEAM) if step.action == "other_team" else case.team
    return (
        replace(case, step=case.step + 1, team=team, deadline_at=now + timedelta(seconds=step.after_s)),
        step,
    )


def is_first_time(case: Case, ladder: Sequence[Step]) -> bool:
    """Whether the step that is due now has not been done before: the last one repeats, and need not be said again."""
    return case.step < len(ladder)


def wait_range_s(waits_s: Sequence[float], position: int, target_s: int) -> tuple[int, int]:
    """How long somebody at a place in line (from 1) will likely wait, in seconds, from how long others did.

    Says what is aimed at while too few have waited to tell.
    """
    if len(waits_s) < MIN_WAITS:
        return target_s * position // 2, target_s * position
    waits = sorted(waits_s)
    low, high = waits[len(waits) // 4], waits[len(waits) * 3 // 4]
    share = (position + 1) / 2
    shortest = int(low * share)
    return shortest, max(int(high * share), shortest + 60)


def target_at(case: Case, targets: Targets) -> datetime | None:
    """When the visitor's next answer by a person is due; None where none is owed.

    The first answer is owed since the case was opened, a later one since the visitor wrote or was put back in line.
    """
    if case.status not in ("waiting", "assigned"):
        return None
    if case.first_response_at is None:
        since = case.opened_at
    elif case.waiting_since is not None:
        since = case.waiting_since
    elif case.deadline_at is not None:
        # Who was written to has this long, and once more after the reminder.
        since = case.deadline_at - timedelta(seconds=targets.agent_silent_s * (case.step + 1))
    else:
        return None
    return since + timedelta(seconds=targets.answer_s)


def rated(case: Case, score: int, comment: str) -> Case:
    """What the visitor thought of it."""
    return replace(case, rating=score, rating_comment=comment or None)


def _not_over(case: Case) -> None:
    if case.status in OVER:
        raise Gone("This case is over. Reopen it first.", merged_into=case.merged_into)
