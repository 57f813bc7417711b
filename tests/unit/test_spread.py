"""Counting in ranges loses nothing and puts each value where it belongs."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from deskbell.spread import Spread

SECONDS = st.floats(min_value=0, max_value=1000) | st.sampled_from((0.1, 1.0, 10.0))


@given(st.lists(SECONDS))
def test_each_bound_is_told_how_many_were_up_to_it(values: list[float]) -> None:
    spread = Spread((0.1, 1.0, 10.0))
    for value in values:
        spread.add(value)

    assert list(spread.cumulative()) == [
        (bound, sum(value <= bound for value in values)) for bound in (0.1, 1.0, 10.0, math.inf)
    ]
    assert math.isclose(spread.total_s, math.fsum(values), abs_tol=1e-9)
