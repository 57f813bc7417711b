"""Filters that see each message before it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from deskbell.ids import RoomId
from deskbell.model.records import Actor


@dataclass(frozen=True)
class Submission:
    """A text on its way into a room. ``normalised`` is NFKC, lower case, zero-width characters removed."""

    room: RoomId
    channel_type: str
    sender: Actor
    kind: str
    text: str
    normalised: str


@dataclass(frozen=True)
class Allow:
    """No opinion; the next filter decides."""


@dataclass(frozen=True)
class Rewrite:
    """Continue with this text; the original is kept for reviewers."""

    text: str


@dataclass(frozen=True)
class Hold:
    """Show it to nobody until a person approves; the chain goes on."""

    reason: str


@dataclass(frozen=True)
class Block:
    """Refuse the message; later filters are not asked. ``reason`` names the rule, and is shown to the sender."""

    reason: str


Verdict = Allow | Rewrite | Hold | Block


@runtime_checkable
class ModerationFilter(Protocol):
    """Sees each new or edited text, in ``order`` (low first), then by ``name``.

    Raising, or taking longer than ``moderation.timeout_s``, counts as ``Hold``: a broken filter
    must neither lose a message nor wave it through.
    """

    name: str
    order: int

    async def check(self, submission: Submission) -> Verdict: ...
