"""The board: how the counter stands now, and what the day was like, for those who lead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deskbell.actions import agents
from deskbell.clock import from_us
from deskbell.errors import Forbidden, Invalid
from deskbell.model.records import Actor
from deskbell.ports import Ports
from deskbell.store import boards
from deskbell.store.boards import Escalated

SLOT_US = 600 * 1_000_000
SLOTS = 12
DAY_US = 86_400 * 1_000_000
MAX_REASONS = 10


@dataclass(frozen=True)
class Reason:
    """Why people were asked for, and how often."""

    reason: str
    count: int


@dataclass(frozen=True)
class Slot:
    """Ten minutes from ``at`` on. ``longest_wait_s``: how long whoever waited longest then had waited."""

    at: datetime
    opened: int
    escalated: int
    longest_wait_s: int


@dataclass(frozen=True)
class Day:
    """Since ``since``. ``by_bot_alone``: nobody was asked for, so far. ``late``: not answered within the target."""

    since: datetime
    opened: int
    by_bot_alone: int
    escalated: int
    resolved: int
    first_reply_median_s: int | None
    first_reply_p90_s: int | None
    late: int
    reasons: list[Reason]
    per_slot: list[Slot]


@dataclass(frozen=True)
class Board:
    """``agents_with_room``: here, accepting, and with a place free; ``free_places``: of all of them together."""

    as_of: datetime
    target_s: int
    waiting: int
    longest_waiting_since: datetime | None
    agents_here: int
    agents_with_room: int
    free_places: int
    bot_conversations: int
    today: Day


async def board(ports: Ports, actor: Actor, *, since_us: int | None = None) -> Board:
    """Figures of the tenant. ``since_us``: when the day began where they work; else at midnight UTC.

    Raises:
        Forbidden: Neither supervisor nor admin.
        Invalid: A day does not begin in the future, nor more than two days ago.
        RateLimited: Look less often.
    """
    if not actor.is_lead:
        raise Forbidden("The board is for supervisors.")
    ports.limits.spend("board", actor.id, per_min=60, burst=20)
    now_us = await ports.journal.now_us()
    since = now_us // DAY_US * DAY_US if since_us is None else since_us
    if not now_us - 2 * DAY_US <= since <= now_us:
        raise Invalid("A day begins within the last two days.", path="since")
    slots_from = now_us // SLOT_US * SLOT_US - (SLOTS - 1) * SLOT_US
    async with ports.db.snapshot() as at:
        waiting, longest = await boards.line(at, actor.tenant)
        with_bot = await boards.with_bot(at, actor.tenant)
        opened = await boards.opened(at, actor.tenant, min(since, slots_from))
        cases = await boards.escalated(at, actor.tenant, min(since, slots_from))
        resolved = await boards.resolved(at, actor.tenant, since)
    staff = await agents.staff(ports, actor.tenant)
    with_room = [agent for agent in staff if agent.has_room]
    target_s = ports.settings.support.target_first_response_s
    today = [case for case in cases if case.opened_at >= since]
    waits = boards.waits_s(today)
    counted = sorted(Counter(case.reason for case in today).items(), key=lambda one: (-one[1], one[0]))
    return Board(
        as_of=from_us(now_us),
        target_s=target_s,
        waiting=waiting,
        longest_waiting_since=None if longest is None else from_us(longest),
        agents_here=sum(agent.status != "offline" for agent in staff),
        agents_with_room=len(with_room),
        free_places=sum(agent.capacity - agent.load for agent in with_room),
        bot_conversations=with_bot,
        today=Day(
            since=from_us(since),
            opened=sum(at_us >= since for at_us, _ in opened),
            by_bot_alone=sum(by_bot for at_us, by_bot in opened if at_us >= since),
            escalated=len(today),
            resolved=resolved,
            first_reply_median_s=_share(waits, 0.5),
            first_reply_p90_s=_share(waits, 0.9),
            late=sum(_waited_us(case, now_us) > target_s * 1_000_000 for case in today),
            reasons=[Reason(reason, count) for reason, count in counted[:MAX_REASONS]],
            per_slot=[
                _slot(slots_from + number * SLOT_US, now_us, [at_us for at_us, _ in opened], cases)
                for number in range(SLOTS)
            ],
        ),
    )


def _slot(at: int, now_us: int, opened: Sequence[int], cases: Sequence[Escalated]) -> Slot:
    end = min(at + SLOT_US, now_us)
    # Who was still waiting when it began, or came in it: how long they had waited when it ended, or were answered.
    there = [case for case in cases if case.opened_at < end and case.opened_at + _waited_us(case, now_us) >= at]
    return Slot(
        at=from_us(at),
        opened=sum(at <= at_us < at + SLOT_US for at_us in opened),
        escalated=sum(at <= case.opened_at < at + SLOT_US for case in cases),
        longest_wait_s=max((min(end - case.opened_at, _waited_us(case, now_us)) for case in there), default=0)
        // 1_000_000,
    )


def _waited_us(case: Escalated, now_us: int) -> int:
    """How long a visitor waited for a person: until the first answer, until it was over, or until now."""
    until = case.first_response_at if case.first_response_at is not None else case.resolved_at
    return (now_us if until is None else until) - case.opened_at


def _share(waits: Sequence[float], share: float) -> int | None:
    """How long at most a share of them waited, in whole seconds."""
    return round(waits[min(int(len(waits) * share), len(waits) - 1)]) if waits else None
