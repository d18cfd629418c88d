"""A token bucket lets through its burst and its pace, and never more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamserver.buckets import Bucket, Buckets, Rate

RATES = st.builds(Rate, st.integers(1, 20).map(float), st.floats(0.1, 50))


@given(RATES, st.lists(st.floats(0, 5), max_size=60))
def test_what_passes_in_any_stretch_is_bounded(rate: Rate, gaps: list[float]) -> None:
    bucket = Bucket(rate, 0.0)
    now, taken = 0.0, []
    for gap in gaps:
        now += gap
        wait = bucket.take(now)
        assert wait >= 0
        if wait == 0:
            taken.append(now)
    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= rate.burst + (taken[last] - begin) * rate.per_s + 1e-6


@given(RATES, st.integers(1, 30))
def test_who_waits_as_told_gets_through(rate: Rate, times: int) -> None:
    bucket = Bucket(rate, 0.0)
    now = 0.0
    for _ in range(times):
        wait = bucket.take(now)
        if wait > 0:
            now += wait + 1e-9
            assert bucket.take(now) == 0


def test_a_clock_that_steps_back_changes_nothing() -> None:
    bucket = Bucket(Rate(burst=2, per_s=1), 100.0)
    assert bucket.take(100.0) == 0
    assert bucket.take(50.0) == 0
    assert bucket.take(50.0) == 1.0
    assert bucket.empty()


def test_giving_back_never_overfills() -> None:
    bucket = Bucket(Rate(burst=2, per_s=1), 0.0)
    bucket.give_back(5)
    assert [bucket.take(0.0) for _ in range(3)] == [0, 0, 1.0]


def test_the_number_of_keys_is_bounded() -> None:
    buckets: Buckets[int] = Buckets(Rate(burst=1, per_s=1), keys=3)
    for key in range(10):
        buckets.of(key, 0.0).take(0.0)
    assert len(buckets) == 3
    assert buckets.of(9, 0.0).take(0.0) > 0
    assert buckets.of(0, 0.0).take(0.0) == 0


@pytest.mark.parametrize(("burst", "per_s"), [(0, 1), (1, 0), (-1, 1), (1, -1)])
def test_a_rate_that_lets_nothing_through_is_refused(burst: float, per_s: float) -> None:
    with pytest.raises(ValueError, match="burst"):
        Rate(burst, per_s)
