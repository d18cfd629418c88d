from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from commerce_overlay.money import _DECIMALS, MAX_MINOR, Money, allocate, parse

amounts = st.builds(Money, st.integers(0, MAX_MINOR), st.sampled_from(sorted(_DECIMALS)))


@given(amounts)
def test_what_is_written_reads_back_the_same(amount: Money) -> None:
    assert parse(str(amount)) == amount


@given(st.integers(0, MAX_MINOR), st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_allocation_loses_nothing_and_is_off_by_less_than_one(minor: int, weights: list[int]) -> None:
    if sum(weights) == 0:
        weights[0] = 1
    shares = allocate(minor, weights)
    assert sum(shares) == minor
    whole = sum(weights)
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share * whole - minor * weight) < whole
        assert share == 0 or weight > 0
