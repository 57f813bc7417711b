"""When a conversation goes to a person, without anybody having asked for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from deskbell.contracts.bot import TurnMessage
from deskbell.ids import RoomId, TenantId
from deskbell.model.records import PublicUser


@dataclass(frozen=True)
class Situation:
    """What a rule may look at: the turn that is about to go to the bot, or what the bot made of it.

    ``trigger`` is ``visitor`` (they asked for a person), ``bot`` (the bot asked), ``error`` (the
    bot failed) or ``turn`` (before each turn). ``state`` is the bot's.
    """

    trigger: str
    tenant: TenantId
    room: RoomId
    visitor: PublicUser
    messages: Sequence[TurnMessage]
    history: Sequence[TurnMessage]
    state: Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True)
class HandOver:
    """Bring in a person. ``priority``: 0 normal, 1 high, 2 urgent. ``say``: what the visitor reads."""

    reason: str
    priority: int = 0
    team: str | None = None
    summary: str = ""
    say: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class EscalationRule(Protocol):
    """Asked in ``order`` (low first), then by ``name``; the first hand-over wins.

    A rule that raises or takes longer than its second is passed over: the visitor's own way to
    a person, and the bot's, do not depend on rules.
    """

    name: str
    order: int

    async def decide(self, situation: Situation) -> HandOver | None: ...
