"""Work of a plugin's that falls due by the clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Job:
    """Called with the time it was due, once per slot over all instances.

    Give ``every_s`` (slots of so many seconds since 1970, at least 1) or ``cron`` (five fields, UTC). What
    fell due while nothing ran is not made up for, but for the present slot. One that raises or is not done
    within ``deadline_s`` is called again in its next slot. It may run twice where an instance dies at the
    wrong moment. ``run_in="thread"``: the handler is a plain function, called in a thread.
    """

    name: str
    handler: Callable[[datetime], Awaitable[None]] | Callable[[datetime], Any]
    every_s: float | None = None
    cron: str | None = None
    deadline_s: float = 60.0
    run_in: Literal["loop", "thread"] = "loop"
