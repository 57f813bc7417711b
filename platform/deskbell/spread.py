"""How long things take, counted in ranges: what a histogram is printed from.

Adding a value is a look-up in a short list and two sums, without a lock, a label or an allocation: cheap
enough for the path of a message. Printing is left to :mod:`deskbell.server.rest.meters`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SLOW_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Spread:
    """Seconds in ranges, each up to and including its bound; what is longer than all is counted too."""

    __slots__ = ("bounds", "counts", "total_s")

    def __init__(self, bounds: Sequence[float] = FAST_S) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total_s += seconds

    def cumulative(self) -> Iterable[tuple[float, int]]:
        """``(bound, how many up to it)``, the last bound being infinite: as histograms are told."""
        running = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            running += count
            yield bound, running
