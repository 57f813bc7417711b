"""How long to wait before the next attempt.

Many clients that lost one server must not come back together, so every wait is spread.
"""

from __future__ import annotations

from collections.abc import Callable

from deskbell.errors import DeskbellError

BACKOFF_CAP_S = 30.0
_BACKOFF_FIRST_S = 0.5


class Patience:
    """``jitter`` gives numbers from 0 to 1."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter

    def after_s(self, attempt: int) -> float:
        """Exponential with full jitter, from the first attempt on."""
        return self._jitter() * float(min(BACKOFF_CAP_S, _BACKOFF_FIRST_S * 2 ** min(max(attempt, 1), 10)))

    def asked_s(self, retry_after_ms: int) -> float:
        """As long as the server asks for, and up to a fifth more."""
        return retry_after_ms / 1000 * (1 + 0.2 * self._jitter())

    def refused_s(self, error: DeskbellError, attempt: int) -> float:
        """As long as the refusal asks for, else by how often it was tried."""
        return self.after_s(attempt) if error.retry_after_ms is None else self.asked_s(error.retry_after_ms)
