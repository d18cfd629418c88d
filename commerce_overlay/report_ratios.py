"""The ratios of a report with their intervals, from exact sums per viewer.

Pure; numpy only. It knows which sum is divided by which and how sure that is, and nothing of baselines.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from msgspec import Struct

from commerce_overlay.report_fold import Fold
from commerce_overlay.report_people import People
from commerce_overlay.report_settings import HOUR_MS, ReportSettings
from commerce_overlay.stats import Interval, Ints, left_out, ratio_intervals, wilson

Unit = Literal["share", "money"]
Method = Literal["wilson", "bootstrap", "poisson_bootstrap"]


class Ratio(Struct, frozen=True):
    """A ratio, or `value` None and `why` there is none.

    Money is in minor units (fractions of them included) per whatever it is divided by. `n` is the denominator's
    count. `low` and `high` are the 95 % interval by `method`; a value without them has `why` "interval_unstable".
    `trimmed` leaves out the largest buyers; `largest_buyer_share` is the largest one's share of `gmv_paid`.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: Unit
    method: Method | None
    why: str | None
    trimmed: float | None
    largest_buyer_share: float | None


class Spec(Struct, frozen=True):
    """How one ratio is made: `scale` × Σ `over` / Σ `under`, or / `const` where `under` is None."""

    over: str
    under: str | None
    unit: Unit
    scale: float = 1.0
    const: str = ""
    people: bool = False
    """Both sums count viewers: a proportion with a Wilson interval where the one set lies in the other."""
    needs_buyers: bool = True
    trimmed: bool = False


SPECS: Mapping[str, Spec] = {
    "uv_value": Spec("paid", "viewer", "money", trimmed=True),
    "value_per_buyer": Spec("paid", "buyer", "money", trimmed=True),
    "aov": Spec("paid", "paid_orders", "money", trimmed=True),
    "gmv_per_view": Spec("paid", "views", "money", trimmed=True),
    "gpm_watch": Spec("paid", "views", "money", scale=1000.0, trimmed=True),
    "gpm_impression": Spec("paid", "hub", "money", scale=1000.0, trimmed=True),
    "ctr_pv": Spec("clicks", "impressions", "share", needs_buyers=False),
    "ctr_uv": Spec("clicker", "impressed", "share", people=True, needs_buyers=False),
    "click_to_order": Spec("orderer", "clicker", "share", people=True),
    "order_to_pay": Spec("paid_orders", "orders", "share"),
    "cvr_viewer": Spec("buyer", "viewer", "share", people=True),
    "cvr_click": Spec("buyer", "clicker", "share", people=True),
    "refund_rate_value": Spec("given_back", "paid", "share"),
    "refund_rate_count": Spec("refunded_orders", "paid_orders", "share"),
    "gmv_per_live_hour": Spec("paid", None, "money", const="live_time"),
    "gmv_placed_per_live_hour": Spec("placed", None, "money", const="live_time"),
    "gmv_per_session": Spec("paid", None, "money", const="session"),
}

_WHY_EMPTY: Mapping[str, str] = {
    "viewer": "no_viewers",
    "views": "no_views",
    "hub": "no_hub_impressions",
    "impressions": "no_impressions",
    "impressed": "no_impressions",
    "clicker": "no_clicks",
    "orders": "no_orders",
    "paid_orders": "no_paid_orders",
    "buyer": "no_buyers",
    "paid": "no_paid_orders",
    "live_time": "no_live_time",
}

_CERTAIN = (Interval(0.0, 0.0), Interval(1.0, 1.0))

COLUMNS = (
    "viewer",
    "views",
    "impressed",
    "impressions",
    "hub",
    "clicker",
    "clicks",
    "orderer",
    "orders",
    "placed",
    "buyer",
    "paid_orders",
    "paid",
    "refunded_orders",
    "given_back",
)
_AT: Mapping[str, int] = {name: at for at, name in enumerate(COLUMNS)}
_FLAGS = (("viewer", "views"), ("impressed", "impressions"), ("clicker", "clicks"), ("orderer", "orders"),
          ("buyer", "paid_orders"))  # fmt: skip


def viewer_sums(fold: Fold, views: Mapping[str, int], people: People) -> Ints:
    """One row per person, as `people` numbers them, with the columns `COLUMNS`."""
    sums = np.zeros((len(people.names), len(COLUMNS)), dtype=np.int64)
    placed = np.array([sale.value for sale in fold.sales], dtype=np.int64)
    paid = np.array([sale.paid for sale in fold.sales], dtype=np.bool_)
    back = np.array([sale.given_back for sale in fold.sales], dtype=np.int64)
    buying = people.buying[paid]
    for column, who, amounts in (
        ("views", people.viewing, np.array(list(views.values()), dtype=np.int64)),
        ("impressions", people.impressed, 1),
        ("hub", people.hub, 1),
        ("clicks", people.clicking, 1),
        ("orders", people.buying, 1),
        ("placed", people.buying, placed),
        ("paid_orders", buying, 1),
        ("paid", buying, placed[paid]),
        ("given_back", buying, back[paid]),
        ("refunded_orders", buying, (back[paid] > 0).astype(np.int64)),
    ):
        np.add.at(sums[:, _AT[column]], who, amounts)
    for flag, column in _FLAGS:
        sums[:, _AT[flag]] = sums[:, _AT[column]] > 0
    return sums


def build_ratios(sums: Ints, live_ms: int, settings: ReportSettings, seed: int) -> dict[str, Ratio]:
    """Every ratio of `SPECS`, in that order."""
    totals: dict[str, int] = {name: int(sums[:, at].sum()) for name, at in _AT.items()}
    constants = {"live_time": live_ms / HOUR_MS, "session": 1.0}
    intervals: list[Interval | None] = [None] * len(SPECS)
    if len(sums):
        intervals = ratio_intervals(
            sums,
            [(_AT[spec.over], None if spec.under is None else _AT[spec.under]) for spec in SPECS.values()],
            seed=seed,
            resamples=settings.resamples,
            poisson_from=settings.poisson_from,
        )
    poisson = len(sums) >= settings.poisson_from
    kept = _without_largest(sums, settings.trim_share)
    largest = int(sums[:, _AT["paid"]].max()) / totals["paid"] if totals["paid"] else None
    ratios: dict[str, Ratio] = {}
    for (name, spec), interval in zip(SPECS.items(), intervals, strict=True):
        under = constants[spec.const] if spec.under is None else totals[spec.under]
        n = totals[spec.under] if spec.under is not None else totals["viewer"]
        if spec.needs_buyers and totals["buyer"] < settings.min_buyers:
            ratios[name] = _nothing(spec, n, "too_few_buyers")
            continue
        if not under:
            ratios[name] = _nothing(spec, n, _WHY_EMPTY[spec.under or spec.const])
            continue
        factor = spec.scale if spec.under is not None else spec.scale / under
        method: Method = "poisson_bootstrap" if poisson else "bootstrap"
        if spec.people and _lies_in(sums, spec):
            interval, method = wilson(totals[spec.over], n), "wilson"
        elif spec.unit == "share" and interval in _CERTAIN:
            # Where all agree, resampling them can only repeat it; each viewer is then one observation.
            viewers = int(np.count_nonzero(sums[:, _AT[spec.under or spec.over]]))
            interval, method = wilson(viewers if interval.low else 0, viewers), "wilson"
        trimmed = None
        if spec.trimmed and spec.under is not None and kept[_AT[spec.under]]:
            trimmed = spec.scale * int(kept[_AT[spec.over]]) / int(kept[_AT[spec.under]])
        ratios[name] = Ratio(
            value=spec.scale * totals[spec.over] / under,
            low=None if interval is None else interval.low * factor,
            high=None if interval is None else interval.high * factor,
            n=n,
            unit=spec.unit,
            method=None if interval is None else method,
            why="interval_unstable" if interval is None else None,
            trimmed=trimmed,
            largest_buyer_share=largest if spec.trimmed else None,
        )
    return ratios


def _nothing(spec: Spec, n: int, why: str) -> Ratio:
    return Ratio(None, None, None, n, spec.unit, None, why, None, None)


def _lies_in(sums: Ints, spec: Spec) -> bool:
    """Whether everybody counted above is counted below too, without which it is no proportion."""
    over, under = sums[:, _AT[spec.over]], sums[:, _AT[spec.under or ""]]
    return bool(np.all(over <= under))


def _without_largest(sums: Ints, share: float) -> Ints:
    """Column sums without the largest buyers."""
    paid = sums[:, _AT["paid"]]
    spent = np.flatnonzero(sums[:, _AT["buyer"]])
    # Rows are ordered by id and the sort is stable, so that equal spenders are always left out in the same order.
    ranked = spent[np.argsort(-paid[spent], kind="stable")]
    return sums.sum(axis=0) - sums[ranked[: left_out(len(spent), share)]].sum(axis=0)
