"""Time, as everything in Deskbell is given it.

Nothing here reads the wall clock by itself: code takes a :class:`Clock` and asks it, so a test
can move time. ``shift`` is what a moved clock differs from the machine's; stores add it to
their own clock, so that windows measured by the database move with the test as well.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_us(microseconds: int) -> datetime:
    """The UTC moment ``microseconds`` after 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def to_us(moment: datetime) -> int:
    """Microseconds between 1970 and ``moment``, which must know its time zone."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


class Clock:
    """The machine's clock. Times are microseconds since 1970, UTC, cut to whole milliseconds."""

    shift_us: int = 0

    def now_us(self) -> int:
        """Now, in microseconds, cut to milliseconds: what clients are shown is what is stored."""
        return time.time_ns() // 1_000_000 * 1000 + self.shift_us

    def now(self) -> datetime:
        """Now, as an aware UTC datetime."""
        return from_us(self.now_us())

    def monotonic(self) -> float:
        """Seconds that only move forward, for deadlines and token buckets."""
        return time.monotonic() + self.shift_us / 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Wait for ``seconds`` of this clock."""
        await asyncio.sleep(seconds)
