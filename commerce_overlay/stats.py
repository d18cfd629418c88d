"""Uncertainty of a report's ratios: Wilson intervals, a bootstrap over viewers, trimmed values.

Pure; numpy only, randomness from a seed. It knows arrays of counts, not rooms or money.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

Z95 = 1.96
_NORMAL = NormalDist()
_CELLS_PER_CHUNK = 400_000
"""Weights held at once (3 MB): near the processor, and memory does not grow with the number of resamples."""
_GREATEST_CODE = 2**62
_LEAST_DEFINED = 0.99
"""Share of resamples in which a ratio must exist; below it its interval would be of another quantity."""


class Interval(Struct, frozen=True, gc=False):
    """A 95 % interval, ends included."""

    low: float
    high: float


def wilson(successes: int, trials: int, z: float = Z95) -> Interval:
    """Wilson's score interval for a proportion (E. B. Wilson, JASA 22, 1927).

    Raises ValueError unless 0 ≤ successes ≤ trials and trials ≥ 1.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} of {trials} is not a proportion")
    share = successes / trials
    z2n = z * z / trials
    centre = (share + z2n / 2) / (1 + z2n)
    half = z * math.sqrt(share * (1 - share) / trials + z2n / (4 * trials)) / (1 + z2n)
    # At the ends the exact bound is 0 or 1; floating point may miss it by one unit in the last place.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(min(low, share), max(high, share))


def ratio_intervals(
    units: Ints,
    ratios: Sequence[tuple[int, int | None]],
    *,
    seed: int,
    resamples: int = 2000,
    poisson_from: int = 10_000,
    level: float = 0.95,
) -> list[Interval | None]:
    """Bootstrap intervals (BCa) of ratios of sums; the rows of `units` (viewers) are resampled whole.

    `units` has one row per viewer and one column per summed quantity; `ratios` are pairs of columns
    (numerator, denominator); without a denominator the sum itself is meant. One set of resamples serves all
    ratios. From `poisson_from` viewers on each viewer is drawn Poisson(1) times (Chamandy et al., 2012), below it
    the viewers are drawn with replacement. Bias-corrected and accelerated (Efron, 1987), because money is skewed
    and plain percentiles then miss on one side. None stands for a ratio that is undefined in more than 1 % of the
    resamples. The answer depends on the seed and on the multiset of rows, never on their order.
    """
    if units.shape[0] == 0:
        return [None] * len(ratios)
    groups, sizes = _grouped(units)
    poisson = len(units) >= poisson_from
    sums = _resampled(groups, sizes, seed, resamples, poisson)
    answers: list[Interval | None] = []
    for numerator, denominator in ratios:
        below = np.ones(resamples) if denominator is None else sums[:, denominator]
        defined = below > 0
        if np.count_nonzero(defined) < _LEAST_DEFINED * resamples:
            answers.append(None)
            continue
        total = int(groups[:, numerator] @ sizes)
        if denominator is None:
            estimate = float(total)
            # The total of a sample whose size is itself Poisson varies with every value, not with its deviation.
            influence = groups[:, numerator].astype(np.float64) - (0.0 if poisson else total / len(units))
        else:
            estimate = total / int(groups[:, denominator] @ sizes)
            influence = groups[:, numerator].astype(np.float64) - estimate * groups[:, denominator]
        values = sums[defined, numerator] / below[defined]
        answers.append(_accelerated(values, estimate, influence, sizes, level))
    return answers


def _accelerated(values: Floats, estimate: float, influence: Floats, sizes: Ints, level: float) -> Interval:
    """The BCa interval from the resampled values and the influence of one viewer of each group on the estimate."""
    number = len(values)
    # Ties count half, or a share of few people would look biased; the clip keeps the normal quantile finite.
    less = (np.count_nonzero(values < estimate) + np.count_nonzero(values <= estimate)) / (2 * number)
    bias = _NORMAL.inv_cdf(min(max(less, 0.5 / number), 1 - 0.5 / number))
    spread = float(np.sum(sizes * influence**2))
    skew = float(np.sum(sizes * influence**3)) / (6 * spread**1.5) if spread else 0.0
    places: list[float] = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + _NORMAL.inv_cdf(tail)
        stretch = 1 - skew * shifted
        places.append(_NORMAL.cdf(bias + shifted / stretch) if stretch > 0 else tail)
    low, high = np.quantile(values, places)
    return Interval(min(float(low), estimate), max(float(high), estimate))


def resampled_sums(units: Ints, *, seed: int, resamples: int, poisson_from: int) -> Floats:
    """Column sums of `resamples` bootstrap samples of the rows of `units`, one sample a row."""
    return _resampled(*_grouped(units), seed, resamples, len(units) >= poisson_from)


def _resampled(groups: Ints, sizes: Ints, seed: int, resamples: int, poisson: bool) -> Floats:
    # Equal rows are drawn together: that is exact for both schemes, makes the answer independent of the order
    # of the rows, and leaves little to draw, because most viewers bought nothing.
    values, viewers = groups.astype(np.float64), int(sizes.sum())
    rng = np.random.Generator(np.random.PCG64(seed))
    sums = np.empty((resamples, groups.shape[1]), dtype=np.float64)
    width = len(sizes)
    step = max(1, _CELLS_PER_CHUNK // (width if poisson else max(viewers, width)))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        draw = _poisson_weights if poisson else _drawn_weights
        # Not `@`: the threads of its library cost more in waiting than so thin a product in computing. All terms
        # are integers below 2^53 in sum, so the answer is exact in whatever order they are added.
        sums[start : start + rows] = np.einsum("rg,gk->rk", draw(rng, sizes, rows), values)
    return sums


def _grouped(units: Ints) -> tuple[Ints, Ints]:
    """The distinct rows, in an order that depends on them alone, and how often each occurs."""
    # A row becomes one number, column by column, ranked anew before it could overflow: ten times as fast as
    # `np.unique(axis=0)`, which compares rows as strings of bytes.
    code = np.zeros(len(units), dtype=np.int64)
    codes = 1
    for column in units.T:
        low = int(column.min())
        rank, width = column - low, int(column.max()) - low + 1
        if codes * width > _GREATEST_CODE:
            seen, code = np.unique(code, return_inverse=True)
            values, rank = np.unique(column, return_inverse=True)
            codes, width = len(seen), len(values)
        code = code * width + rank
        codes *= width
    _, first, sizes = np.unique(code, return_index=True, return_counts=True)
    return units[first], sizes


def _poisson_weights(rng: np.random.Generator, sizes: Ints, rows: int) -> Floats:
    """How often each group is drawn when every one of its members is drawn Poisson(1) times."""
    weights = np.empty((rows, len(sizes)), dtype=np.float64)
    many = np.flatnonzero(sizes > 1)
    single = np.flatnonzero(sizes == 1)
    weights[:, many] = rng.poisson(sizes[many], size=(rows, len(many)))
    # A Poisson number of points thrown evenly into cells makes independent Poisson(1) cells, at a third of the
    # price of drawing each.
    cells = rows * len(single)
    if cells:
        thrown = rng.integers(0, cells, size=int(rng.poisson(cells)))
        weights[:, single] = np.bincount(thrown, minlength=cells).reshape(rows, len(single))
    return weights


def _drawn_weights(rng: np.random.Generator, sizes: Ints, rows: int) -> Floats:
    """How often each group is drawn when as many members as there are are drawn with replacement."""
    viewers, width = int(sizes.sum()), len(sizes)
    group_of = np.repeat(np.arange(width), sizes)
    drawn = group_of[rng.integers(0, viewers, size=(rows, viewers))]
    drawn += np.arange(rows)[:, None] * width
    return np.bincount(drawn.ravel(), minlength=rows * width).reshape(rows, width).astype(np.float64)


def left_out(buyers: int, share: float) -> int:
    """How many of the largest buyers a trimmed value leaves out: `share` of them, rounded up."""
    # Rounding first: 0.07 × 100 is a little over 7 in binary and must not become 8.
    return math.ceil(round(buyers * share, 9))


def median(values: Sequence[float]) -> float:
    """The median. Raises ValueError for no values."""
    return quantile(values, 0.5)


def quantile(values: Sequence[float], share: float) -> float:
    """The quantile by linear interpolation between order statistics (Hyndman–Fan type 7)."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
