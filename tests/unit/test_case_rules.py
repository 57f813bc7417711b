"""The life of a case: what may follow what, and that nobody waits for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from deskbell.errors import AlreadyClaimed, Conflict, Gone
from deskbell.ids import CaseId, RoomId, UserId
from deskbell.model import case_rules
from deskbell.model.case_rules import EVERY_TEAM, Step
from deskbell.model.records import Case

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
ANA, TOM = UserId("ana"), UserId("tom")
LADDER = [Step(120), Step(180, "other_team", "billing"), Step(600, "call_back"), Step(900, "return_to_bot")]


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def waiting(**values: Any) -> Case:
    case = case_rules.opened(
        CaseId("c"), RoomId("r"), reason="asked_human", priority=0, team="support", handover={}, now=NOW, offer_s=60
    )
    return replace(case, **values)


def taken(by: UserId = ANA, at: datetime = NOW) -> Case:
    return case_rules.claimed(waiting(), by, now=at, answer_within_s=300)


def resolved() -> Case:
    return case_rules.resolved(taken(), now=NOW)


def test_a_new_case_waits_and_is_due_when_the_offer_is_over() -> None:
    case = waiting()
    assert (case.status, case.deadline_at, case.waiting_since, case.agent) == ("waiting", after(60), NOW, None)


def test_a_claimed_case_owes_the_visitor_a_word() -> None:
    case = taken()
    assert (case.status, case.agent, case.waiting_since) == ("assigned", ANA, None)
    assert case.deadline_at == after(300)


def test_claiming_ones_own_case_changes_nothing() -> None:
    case = replace(taken(), deadline_at=None)
    assert case_rules.claimed(case, ANA, now=after(5), answer_within_s=300) == case


@pytest.mark.parametrize("status", ["assigned", "snoozed"])
def test_a_case_in_a_colleagues_hands_is_not_claimed_and_the_colleague_is_named(status: str) -> None:
    """Also while the colleague has put it off: it comes back to them."""
    with pytest.raises(AlreadyClaimed) as refusal:
        case_rules.claimed(replace(taken(ANA), status=status), TOM, now=NOW, answer_within_s=300)
    assert refusal.value.details == {"agent": ANA}


@pytest.mark.parametrize("status", ["waiting", "assigned", "snoozed"])
def test_a_case_is_given_to_somebody_else_from_whatever_open_state(status: str) -> None:
    given_to = case_rules.assigned(replace(taken(ANA), status=status), TOM, now=NOW, answer_within_s=300)
    assert (given_to.status, given_to.agent, given_to.snoozed_until) == ("assigned", TOM, None)


@pytest.mark.parametrize("status", ["resolved", "merged"])
def test_nothing_but_reopening_is_done_with_what_is_over(status: str) -> None:
    over = replace(resolved(), status=status)
    for attempt in (
        lambda: case_rules.claimed(over, ANA, now=NOW, answer_within_s=1),
        lambda: case_rules.assigned(over, TOM, now=NOW, answer_within_s=1),
        lambda: case_rules.queued(over, now=NOW, offer_s=1),
        lambda: case_rules.snoozed(over, until=after(60), now=NOW),
    ):
        with pytest.raises(Gone):
            attempt()


def test_back_in_line_they_have_waited_since_they_began_to() -> None:
    """Through the hands of an agent who never said a word; and when their case goes to another team."""
    assert case_rules.queued(taken(at=after(30)), now=after(90), offer_s=60).waiting_since == NOW
    moved = case_rules.queued(waiting(), team="billing", now=after(90), offer_s=60)
    assert (moved.team, moved.waiting_since, moved.deadline_at) == ("billing", NOW, after(150))


def test_who_was_answered_begins_to_wait_anew() -> None:
    answered = replace(taken(), first_response_at=after(10))
    assert case_rules.queued(answered, now=after(90), offer_s=60).waiting_since == after(90)


def test_an_urgent_return_raises_the_priority_and_never_lowers_it() -> None:
    assert case_rules.queued(taken(), now=NOW, offer_s=60, urgent=True).priority == 1
    assert case_rules.queued(replace(taken(), priority=2), now=NOW, offer_s=60, urgent=True).priority == 2
    assert case_rules.queued(taken(), now=NOW, offer_s=60).priority == 0


def test_resolving_ends_all_deadlines_and_doing_it_again_changes_nothing() -> None:
    case = resolved()
    assert (case.status, case.deadline_at, case.waiting_since, case.resolved_at) == ("resolved", None, None, NOW)
    assert case_rules.resolved(case, now=after(60)) == case


def test_a_merged_case_is_not_resolved() -> None:
    with pytest.raises(Gone) as refusal:
        case_rules.resolved(replace(resolved(), status="merged", merged_into=CaseId("other")), now=NOW)
    assert refusal.value.details == {"merged_into": "other"}


def test_a_snoozed_case_is_due_when_it_wakes_and_comes_back_to_its_agent() -> None:
    case = case_rules.snoozed(taken(), until=after(3600), now=NOW)
    assert (case.status, case.deadline_at, case.agent) == ("snoozed", after(3600), ANA)
    back = case_rules.awake(case, now=after(3600), answer_within_s=300, offer_s=60)
    assert (back.status, back.agent, back.snoozed_until) == ("assigned", ANA, None)
    assert back.deadline_at == after(3900)


def test_a_snoozed_case_without_an_agent_wakes_in_line() -> None:
    case = replace(case_rules.snoozed(taken(), until=after(60), now=NOW), agent=None)
    back = case_rules.awake(case, now=after(60), answer_within_s=300, offer_s=60)
    assert (back.status, back.deadline_at) == ("waiting", after(120))


def test_who_waits_is_not_put_off_and_nothing_is_put_off_into_the_past() -> None:
    with pytest.raises(Conflict):
        case_rules.snoozed(waiting(), until=after(60), now=NOW)
    with pytest.raises(Conflict):
        case_rules.snoozed(taken(), until=NOW, now=NOW)


def test_the_ladder_is_climbed_step_by_step_and_its_last_step_repeats() -> None:
    case, done, now = waiting(), [], NOW
    for _ in range(6):
        assert case.deadline_at is not None
        now = case.deadline_at
        first = case_rules.is_first_time(case, LADDER)
        case, step = case_rules.stepped(case, now=now, ladder=LADDER)
        done.append((step.action, case.team, first))
        assert case.deadline_at == now + timedelta(seconds=step.after_s)
    assert done == [
        ("re_offer", "support", True),
        ("other_team", "billing", True),
        ("call_back", "billing", True),
        ("return_to_bot", "billing", True),
        ("return_to_bot", "billing", False),
        ("return_to_bot", "billing", False),
    ]


def test_offered_to_another_team_without_a_name_it_is_everybodys() -> None:
    case, _ = case_rules.stepped(waiting(), now=NOW, ladder=[Step(60, "other_team")])
    assert case.team == EVERY_TEAM


@pytest.mark.parametrize(
    ("position", "expected"),
    [(1, (100, 300)), (3, (200, 600))],
)
def test_the_wait_is_told_from_how_long_others_waited(position: int, expected: tuple[int, int]) -> None:
    assert case_rules.wait_range_s([300, 100, 100, 300, 100, 300], position, 300) == expected


def test_while_too_few_have_waited_the_target_is_told() -> None:
    assert case_rules.wait_range_s([5.0, 5.0], 2, 300) == (300, 600)


@given(waits=st.lists(st.floats(0, 1e6), max_size=30), position=st.integers(1, 500))
def test_a_wait_is_a_range(waits: list[float], position: int) -> None:
    low, high = case_rules.wait_range_s(waits, position, 300)
    assert 0 <= low < high


_ACTIONS = st.sampled_from(["claim", "give", "queue", "resolve", "snooze", "wake", "step"])


@given(st.lists(st.tuples(_ACTIONS, st.sampled_from([ANA, TOM]), st.integers(1, 500)), max_size=25))
def test_whatever_happens_to_it_a_case_that_waits_has_a_deadline_and_nobody(
    happened: list[tuple[str, UserId, int]],
) -> None:
    case, now = waiting(), NOW
    for what, who, seconds in happened:
        now += timedelta(seconds=seconds)
        before = case
        try:
            match what:
                case "claim":
                    case = case_rules.claimed(case, who, now=now, answer_within_s=300)
                case "give":
                    case = case_rules.assigned(case, who, now=now, answer_within_s=300)
                case "queue":
                    case = case_rules.queued(case, now=now, offer_s=60)
                case "resolve":
                    case = case_rules.resolved(case, now=now)
                case "snooze":
                    case = case_rules.snoozed(case, until=now + timedelta(seconds=9), now=now)
                case "wake" if case.status == "snoozed":
                    case = case_rules.awake(case, now=now, answer_within_s=300, offer_s=60)
                case "step" if case.status == "waiting":
                    case, _ = case_rules.stepped(case, now=now, ladder=LADDER)
        except (AlreadyClaimed, Conflict, Gone):
            assert case == before
        if case.status == "waiting":
            assert case.deadline_at is not None
            assert case.agent is None and case.waiting_since is not None
        if case.status in ("assigned", "snoozed"):
            assert case.agent is not None and case.deadline_at is not None
        if case.status == "resolved":
            assert case.deadline_at is None
