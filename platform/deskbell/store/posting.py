"""A message on its way into its room, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from deskbell.clock import Clock
from deskbell.errors import (
    DeskbellError,
)
from deskbell.ids import MessageId, RoomId, TenantId, UserId
from deskbell.model.case_rules import Targets
from deskbell.model.records import Channel, Message, PublicUser, Trace
from deskbell.spread import FAST_S, Spread
from deskbell.store import database
from deskbell.wire.commands import Expect
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

REPEATS = 5
"""How often what met a deadlock or a lock is tried in all."""


@dataclass(frozen=True)
class Posted:
    """What became of a send. ``duplicate``: it had been stored before, and ``message`` is its present state."""

    message: Message
    duplicate: bool = False


Outcome = Posted | DeskbellError
Done = Callable[[Outcome], None]


@dataclass(slots=True)
class NewMessage:
    """One message on its way into its room.

    ``role`` is the sender's standing in the tenant. ``owner_version`` is the fence of a bot's
    answer: the version its turn began with. ``platform`` marks what the platform itself says; it
    needs no place in the room. ``trace`` is how it came in, where that is worth keeping. ``done``
    is called exactly once, on the loop, after COMMIT.
    """

    tenant: TenantId
    room: RoomId
    sender: PublicUser
    client_id: str
    request_hash: bytes
    content: str
    done: Done
    kind: str = "text"
    role: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    reply_to: MessageId | None = None
    thread: MessageId | None = None
    mentions: list[UserId] = field(default_factory=list)
    owner_version: int | None = None
    expect: Expect | None = None
    platform: bool = False
    trace: Trace | None = None
    queued_at: float = 0.0

    @property
    def size(self) -> int:
        """About how many bytes it takes in a batch."""
        text = self.content
        return (len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))) + 512


class Tally:
    """What a journal has stored: plain numbers, for whoever watches. ``waited``: until the acknowledgement."""

    __slots__ = ("batches", "repeated", "stored", "waited")

    def __init__(self) -> None:
        self.stored = 0
        self.repeated = 0
        self.batches = 0
        self.waited = Spread(FAST_S)

    def add(self, outcomes: Iterable[tuple[NewMessage, Outcome]], now: float) -> None:
        """Count what one commit answered."""
        self.batches += 1
        for command, outcome in outcomes:
            if isinstance(outcome, Posted):
                if outcome.duplicate:
                    self.repeated += 1
                else:
                    self.stored += 1
                    self.waited.add(now - command.queued_at)


@dataclass(frozen=True)
class JournalSettings:
    """Numbers of the lanes; see ``store:`` and ``support:`` in the settings."""

    lanes: int = 2
    batch_max: int = 256
    batch_bytes: int = 1 << 20
    lane_capacity: int = 1000
    lane_wait_s: float = 5.0
    targets: Targets = field(default_factory=Targets)


@dataclass(frozen=True)
class Ground:
    """What lanes and batches stand on. ``tell`` is given the events of a commit and the queues it left work in."""

    db: database.Database
    clock: Clock
    channels: Mapping[str, Channel]
    settings: JournalSettings
    observed: Container[str]
    tally: Tally
    tell: Callable[[Sequence[Event], Iterable[str]], None]


def answer(command: NewMessage, outcome: Outcome) -> None:
    try:
        command.done(outcome)
    except Exception:
        log.exception("answer_failed", room=command.room)


def answer_all(batch: Sequence[NewMessage], error: DeskbellError) -> None:
    for command in batch:
        answer(command, error)
