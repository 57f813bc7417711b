"""A bot: something that answers turns.

The engine persists, numbers and streams what a bot says, so a retry never says a thing twice.
``Escalate`` is the only way to a person for every bot alike. A bot that raises, or is not done
by ``turn.deadline``, ends in a person, never in silence.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from deskbell.ids import MessageId, RoomId, TenantId, TurnId
from deskbell.model.records import PublicUser


@dataclass(frozen=True)
class TurnMessage:
    """One message as a bot sees it; deleted and held ones are not shown to bots."""

    id: MessageId
    sender: PublicUser
    text: str


@dataclass(frozen=True)
class Turn:
    """What the visitor said since the bot last answered, as one piece of work.

    ``messages`` are the visitor's new messages, oldest first; ``text`` is their texts, joined by
    line breaks. ``history`` is what was said before, oldest first. ``state`` is what the bot
    kept with :class:`SetState`. ``deadline`` is on the clock of :func:`time.monotonic`, seconds.
    """

    id: TurnId
    tenant: TenantId
    room: RoomId
    visitor: PublicUser
    messages: Sequence[TurnMessage]
    history: Sequence[TurnMessage]
    state: Mapping[str, Any]
    deadline: float
    attempt: int = 1

    @property
    def text(self) -> str:
        return "\n".join(message.text for message in self.messages)


@dataclass(frozen=True)
class TextDelta:
    """A piece of the answer; shown at once, stored when the turn ends."""

    text: str


@dataclass(frozen=True)
class Say:
    """A whole answer. Deltas before it are replaced by ``text``. ``sources``: ``{title, path, anchor?}`` each."""

    text: str
    sources: Sequence[Mapping[str, Any]] = ()
    choices: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SetState:
    """Keep this for the next turn; replaces what was kept before. JSON."""

    state: Mapping[str, Any]


@dataclass(frozen=True)
class Escalate:
    """Bring in a person. ``say`` is shown to the visitor; empty: the escalation's own words."""

    reason: str
    say: str = ""
    summary: str = ""
    priority: int = 0
    team: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


BotEvent = TextDelta | Say | SetState | Escalate


@dataclass(frozen=True)
class BotContext:
    """What a bot is given once, at start: its settings and the name it speaks under."""

    settings: Mapping[str, Any]


@runtime_checkable
class Bot(Protocol):
    """``name`` is the bot's key in settings; ``title`` is the name visitors read."""

    name: str
    title: str

    async def load(self, context: BotContext) -> None:
        """Read files, train, connect. Called once, before the first turn."""
        ...

    def handle(self, turn: Turn) -> AsyncIterator[BotEvent]:
        """Answer a turn. Closed when the visitor writes again or a person takes over."""
        ...

    def greeting(self) -> str:
        """The first line of a new conversation; empty: none."""
        ...
