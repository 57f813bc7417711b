"""When to stop asking something that hangs, and when to try again.

A :class:`Breaker` is *closed* as long as all is well. Of what was asked lately, once enough was late it is
*open*: nothing is asked for a while. Then it is *half open*: one call is let through to see; answered, it
closes, late again, it is open for as long again.

Only lateness counts. Raising delays nobody, and a stranger may know a text that makes a filter raise: it
must not be in their hands to switch the filter off for all others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

from deskbell.plugins.refusals import Resting

# Open once so many of the calls of this time were late, and they are at least half of those remembered.
LATE_TO_REST, WINDOW_S, REMEMBERED = 5, 60.0, 20
REST_S = 30.0

State = Literal["closed", "open", "half-open"]


class Breaker:
    """See the module. ``now``: seconds on a clock that does not go back."""

    __slots__ = ("_now", "_outcomes", "_probing", "_rests_until", "opened")

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=REMEMBERED)
        self._rests_until: float | None = None
        self._probing = False
        self.opened = 0

    @property
    def state(self) -> State:
        if self._rests_until is None:
            return "closed"
        return "open" if self._now() < self._rests_until else "half-open"

    def admit(self) -> bool:
        """Let a call through. True: it is the one that is to show whether all is well again.

        Raises:
            Resting: Not now.
        """
        if self._rests_until is None:
            return False
        wait_s = self._rests_until - self._now()
        if wait_s > 0 or self._probing:
            raise Resting("is not asked: it was late too often", max(wait_s, 1.0))
        self._probing = True
        return True

    def answered(self, probe: bool) -> None:
        """A call came back in time, with whatever."""
        if probe:
            self._rests_until = None
            self._probing = False
            self._outcomes.clear()
        elif self._rests_until is None:
            self._outcomes.append((self._now(), False))

    def late(self, probe: bool) -> bool:
        """A call did not come back in time. True: from now on nothing is asked."""
        if probe:
            self._probing = False
            self._rests_until = self._now() + REST_S
            return False
        if self._rests_until is not None:
            return False  # begun before it opened
        now = self._now()
        self._outcomes.append((now, True))
        lately = [late for at, late in self._outcomes if now - at <= WINDOW_S]
        if sum(lately) < LATE_TO_REST or sum(lately) * 2 < len(lately):
            return False
        self._rests_until = now + REST_S
        self.opened += 1
        return True

    def forgotten(self, probe: bool) -> None:
        """A call was given up by whoever asked; it says nothing."""
        if probe:
            self._probing = False
