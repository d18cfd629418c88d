"""Intervals: known values, limits, and coverage on seeded simulations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_overlay.stats import (
    Interval,
    left_out,
    median,
    quantile,
    ratio_intervals,
    resampled_sums,
    wilson,
)


def test_wilson_known_values() -> None:
    # By hand, n = 100, k = 10, z = 1.96: z²/n = 0.038416, centre (0.1 + 0.019208)/1.038416 = 0.114798,
    # half 1.96·√(0.0009 + 0.00009604)/1.038416 = 0.059571.
    found = wilson(10, 100)
    assert (found.low, found.high) == pytest.approx((0.055227, 0.174368), abs=2e-5)
    # k = 0: the upper end is z²/(n + z²) = 3.8416/13.8416.
    assert wilson(0, 10) == Interval(0.0, pytest.approx(0.277540, abs=1e-6))
    assert wilson(10, 10) == Interval(pytest.approx(0.722460, abs=1e-6), 1.0)


@given(st.integers(1, 10**7), st.data())
def test_wilson_lies_in_0_1_around_the_share_and_mirrors(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    found = wilson(successes, trials)
    assert 0 <= found.low <= successes / trials <= found.high <= 1
    mirrored = wilson(trials - successes, trials)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((found.low, found.high), abs=1e-9)


@pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5), (0, 0)])
def test_wilson_refuses_what_is_no_proportion(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="not a proportion"):
        wilson(successes, trials)


@pytest.mark.parametrize(("share", "trials"), [(0.02, 200), (0.1, 100), (0.5, 40), (0.014, 5000)])
def test_wilson_covers_what_it_says(share: float, trials: int) -> None:
    draws = np.random.Generator(np.random.PCG64(11)).binomial(trials, share, 4000)
    covered = np.mean([(found := wilson(int(k), trials)).low <= share <= found.high for k in draws])
    # Wilson's actual coverage swings around 95 %; four standard errors of 4000 draws are 1.4 %.
    assert 0.925 <= covered <= 0.985


def skewed(rng: np.random.Generator, viewers: int) -> np.ndarray:
    """Columns: spent (a tenth buy, gamma with shape 2), one, views 1-3."""
    spent = np.where(rng.random(viewers) < 0.1, rng.gamma(2, 1000, viewers), 0)
    return np.column_stack((spent, np.ones(viewers), rng.integers(1, 4, viewers))).astype(np.int64)


@pytest.mark.parametrize("poisson_from", [1, 10_000])
def test_the_bootstrap_covers_what_it_says(poisson_from: int) -> None:
    """600 viewers, 60 of them buyers: the true values per viewer and per view are known."""
    rng = np.random.Generator(np.random.PCG64(5))
    truth = (0.1 * 2000 - 0.05, (0.1 * 2000 - 0.05) / 2)  # amounts are cut to whole units: half a unit less a buyer
    covered = np.zeros(2)
    for seed in range(200):
        found = ratio_intervals(skewed(rng, 600), [(0, 1), (0, 2)], seed=seed, resamples=300, poisson_from=poisson_from)
        covered += [one is not None and one.low <= value <= one.high for one, value in zip(found, truth, strict=True)]
    # Three standard errors of 200 draws are 4.6 %.
    assert (covered / 200 >= 0.90).all()
    assert (covered / 200 <= 0.995).all()


@pytest.mark.parametrize("poisson_from", [1, 10_000])
def test_resampled_sums_have_the_spread_of_the_sampling(poisson_from: int) -> None:
    """Mean and standard deviation of the resampled mean against the textbook: s/√n."""
    units = skewed(np.random.Generator(np.random.PCG64(3)), 2000)
    sums = resampled_sums(units, seed=4, resamples=4000, poisson_from=poisson_from)
    means = sums[:, 0] / sums[:, 1]
    assert means.mean() == pytest.approx(units[:, 0].mean(), rel=0.01)
    assert means.std() == pytest.approx(units[:, 0].std() / np.sqrt(2000), rel=0.05)
    drawn = sums[:, 1]
    if poisson_from == 1:
        assert drawn.std() == pytest.approx(np.sqrt(2000), rel=0.06)  # a Poisson bootstrap draws a Poisson number
    else:
        assert (drawn == 2000).all()


@pytest.mark.parametrize("poisson_from", [1, 10_000])
def test_the_order_of_viewers_has_no_say_and_the_seed_has(poisson_from: int) -> None:
    units = skewed(np.random.Generator(np.random.PCG64(3)), 500)
    shuffled = np.random.Generator(np.random.PCG64(9)).permutation(units)
    one = ratio_intervals(units, [(0, 1)], seed=1, resamples=200, poisson_from=poisson_from)
    assert ratio_intervals(shuffled, [(0, 1)], seed=1, resamples=200, poisson_from=poisson_from) == one
    assert ratio_intervals(units, [(0, 1)], seed=2, resamples=200, poisson_from=poisson_from) != one


@given(
    st.lists(st.tuples(*[st.sampled_from([0, 1, 7, 10**12])] * 3), min_size=1, max_size=20),
    st.sampled_from([1, 10_000]),
)
def test_every_column_is_resampled_alike(rows: list[tuple[int, int, int]], poisson_from: int) -> None:
    """Columns that are equal, or sums of one another, stay so in every resample."""
    units = np.array([(a, b, c, a + b, a) for a, b, c in rows], dtype=np.int64)
    sums = resampled_sums(units, seed=1, resamples=100, poisson_from=poisson_from)
    assert (sums[:, 0] == sums[:, 4]).all()
    assert (sums[:, 0] + sums[:, 1] == sums[:, 3]).all()


def test_amounts_near_the_limit_are_grouped_without_overflow() -> None:
    units = np.array([[2**52, 2**52 - at, at % 3] for at in range(50)] * 2, dtype=np.int64)
    sums = resampled_sums(units, seed=1, resamples=100, poisson_from=1)
    assert (sums[:, 0] % 2**52 == 0).all()


def test_a_ratio_that_often_does_not_exist_has_no_interval() -> None:
    units = np.zeros((100, 2), dtype=np.int64)
    units[0] = (5, 1)  # missing from a third of the resamples
    assert ratio_intervals(units, [(0, 1)], seed=1) == [None]
    assert ratio_intervals(np.zeros((0, 2), dtype=np.int64), [(0, 1)], seed=1) == [None]


def test_left_out_rounds_up_and_not_over() -> None:
    assert [left_out(n, 0.01) for n in (0, 1, 99, 100, 101, 200)] == [0, 1, 1, 1, 2, 2]
    assert left_out(100, 0.07) == 7


def test_quantiles() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([4.0, 1.0]) == 2.5
    assert quantile([1.0, 2.0, 3.0, 4.0, 5.0], 0.25) == 2.0
    with pytest.raises(ValueError, match="no values"):
        median([])
