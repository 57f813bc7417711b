"""Token buckets, gauges and neighbourhoods."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskbell.clock import Clock
from deskbell.errors import RateLimited
from deskbell.volatile.limits import Gauge, MemoryLimits, address_prefix


class StillClock(Clock):
    """Moves only when the test says so."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


def _taken(limits: MemoryLimits, key: str = "ana", *, per_min: float = 30, burst: int = 10) -> int:
    """How often one may, until one may not."""
    for count in range(1000):
        try:
            limits.spend("message", key, per_min=per_min, burst=burst)
        except RateLimited:
            return count
    return 1000


def test_a_burst_is_allowed_and_then_the_pace_holds() -> None:
    clock = StillClock()
    limits = MemoryLimits(clock)
    assert _taken(limits) == 10
    clock.now_s += 2
    assert _taken(limits) == 1
    clock.now_s += 3600
    assert _taken(limits) == 10, "no more than the burst is saved up"


def test_a_refusal_says_when_to_come_back_and_coming_back_then_is_enough() -> None:
    clock = StillClock()
    limits = MemoryLimits(clock)
    _taken(limits)
    with pytest.raises(RateLimited) as refused:
        limits.spend("message", "ana", per_min=30, burst=10)
    wait_ms = refused.value.retry_after_ms
    assert wait_ms is not None
    assert 1990 <= wait_ms <= 2010
    clock.now_s += (wait_ms - 20) / 1000
    with pytest.raises(RateLimited):
        limits.spend("message", "ana", per_min=30, burst=10)
    clock.now_s += 0.020
    limits.spend("message", "ana", per_min=30, burst=10)


def test_a_refusal_costs_nothing() -> None:
    """Who tries too early does not wait longer for it."""
    clock = StillClock()
    limits = MemoryLimits(clock)
    _taken(limits)
    for _ in range(50):
        clock.now_s += 0.039
        with pytest.raises(RateLimited):
            limits.spend("message", "ana", per_min=30, burst=10)
    clock.now_s += 0.06
    limits.spend("message", "ana", per_min=30, burst=10)


def test_everybody_and_everything_has_a_bucket_of_its_own() -> None:
    limits = MemoryLimits(StillClock())
    assert _taken(limits, "ana") == 10
    assert _taken(limits, "tom") == 10
    limits.spend("login", "ana", per_min=10, burst=10)


def test_buckets_are_bounded_and_the_one_untouched_longest_goes() -> None:
    """A flood of new names must not fill our memory, nor empty the bucket of who is active."""
    limits = MemoryLimits(StillClock(), max_buckets=100)
    assert _taken(limits, "ana") == 10
    for n in range(500):
        limits.spend("message", f"flood {n}", per_min=30, burst=10)
        if n % 50 == 0:
            assert _taken(limits, "ana") == 0
    assert len(limits._buckets) == 100


@given(pauses=st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_no_minute_has_more_than_the_burst_and_the_pace(pauses: list[float]) -> None:
    clock = StillClock()
    limits = MemoryLimits(clock)
    times: list[float] = []
    for pause in pauses:
        clock.now_s += pause
        for _ in range(3):
            try:
                limits.spend("message", "ana", per_min=30, burst=10)
                times.append(clock.now_s)
            except RateLimited:
                break
    for start in times:
        assert sum(start <= at <= start + 60 for at in times) <= 10 + 30 + 1


def test_a_gauge_counts_who_is_in_and_forgets_who_left() -> None:
    gauge = Gauge(2)
    assert gauge.enter("a") is gauge.enter("a") is True
    assert gauge.enter("a") is False
    assert gauge.enter("b") is True
    gauge.leave("a")
    assert gauge.enter("a") is True
    for key in ("a", "a", "b", "b", "never"):
        gauge.leave(key)
    assert gauge._counts == {}


@pytest.mark.parametrize(
    ("address", "neighbourhood"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2ff:3::1", "2001:db8:1:200::/56"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("local", "local"),
        ("", ""),
    ],
)
def test_neighbours_share_a_prefix(address: str, neighbourhood: str) -> None:
    """An IPv4 address that came in over IPv6 is the neighbour it always was."""
    assert address_prefix(address) == neighbourhood
