"""Work of a plugin's that must be done in the world outside, and is kept until it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from deskbell.ids import TenantId
from deskbell.model.records import Case, Message, Participant, RoomState


@dataclass(frozen=True)
class QueueItem:
    """One piece of work. ``stable_key`` is the same in every attempt: give it to the other side, so that it can tell
    a repetition. ``attempt`` counts from 1. ``settings`` are those of the tenant.

    ``about`` is what the work was left about, as it is now: None where nothing was named, or where it is gone.
    ``room`` is where it is, as its members see it.
    """

    stable_key: str
    tenant: TenantId
    key: str
    payload: Mapping[str, Any]
    attempt: int
    max_attempts: int
    created_at: datetime
    settings: Any = None
    about: Message | Participant | Case | None = None
    room: RoomState | None = None


@dataclass(frozen=True)
class Done:
    """It is done."""


@dataclass(frozen=True)
class Retry:
    """Not now. ``after_s``: when to try again; None: with growing pauses. ``reason`` is for operators."""

    reason: str
    after_s: float | None = None


@dataclass(frozen=True)
class Dead:
    """Never: trying again would change nothing. Kept until somebody replays it."""

    reason: str


Outcome = Done | Retry | Dead


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A queue of the plugin's own; :meth:`deskbell.PluginContext.enqueue` leaves work in it.

    Each item is handled at least once, by one instance at a time, and ends done or dead after at most
    ``max_attempts``. Raising, answering something else and taking longer than ``deadline_s`` count as
    ``Retry``. Pauses double from ``backoff_base_s`` to ``backoff_cap_s`` and are spread by chance. At most
    ``at_once`` items are handled at the same time in a process, of one ``key`` at most ``at_once_per_key``:
    where keys are other sides, one that is slow then does not hold up the rest. ``run_in="thread"``: a plain function.
    """

    name: str
    handler: Callable[[QueueItem], Awaitable[Outcome]] | Callable[[QueueItem], Any]
    max_attempts: int = 8
    backoff_base_s: float = 2.0
    backoff_cap_s: float = 600.0
    deadline_s: float = 20.0
    at_once: int = 4
    at_once_per_key: int | None = None
    run_in: Literal["loop", "thread"] = "loop"
