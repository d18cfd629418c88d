"""The room against the industry and against itself: comparisons, refusals and the verdict on the target band.

Pure. It takes ratios with their intervals as they are and never reads a row of the room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from commerce_overlay.baselines import TARGET_METRIC, Baseline, Baselines
from commerce_overlay.report_ratios import Ratio
from commerce_overlay.report_settings import ReportSettings
from commerce_overlay.report_words import Message, chinese, english
from commerce_overlay.stats import Interval, median, quantile

Status = Literal["compared", "refused", "quoted"]
Band = Literal["below", "in_band", "above", "cannot_tell"]
Spread = Literal["settled", "not_settled", "unknown"]
Reading = Literal["uv_value", "value_per_buyer"]

MEASURES: Mapping[tuple[str, str], str] = {
    ("gmv_paid", "view"): "gmv_per_view",
    ("gmv_paid", "viewer"): "uv_value",
    ("gmv_paid", "buyer"): "value_per_buyer",
    ("gmv_paid", "session"): "gmv_per_session",
    ("gmv_paid", "live hour"): "gmv_per_live_hour",
    ("gmv_placed", "live hour"): "gmv_placed_per_live_hour",
    ("gmv_paid per 1000 views", "view"): "gpm_watch",
    ("gmv_paid per 1000 impressions", "hub impression"): "gpm_impression",
    ("aov", "paid order"): "aov",
    ("conversion", "viewer"): "cvr_viewer",
    ("conversion", "clicking viewer"): "cvr_click",
    ("refund_rate", "paid order"): "refund_rate_count",
    ("refund_rate", "gmv_paid"): "refund_rate_value",
}
"""(metric, denominator) of the baselines file → the room's ratio of exactly that kind."""

VIEWER_MEASURES = ("uv_value", "gmv_per_view", "gpm_watch")
BUYER_MEASURES = ("value_per_buyer",)
"""Ratios that are a reading of "transaction value per user", per viewer and per buyer: only for these does the
target band mean anything."""


class PastRoom(Struct, frozen=True):
    """An earlier room of the same brand: its ratios that had a value, as its report printed them."""

    room: str
    ended_ms: int
    currency: str
    values: Mapping[str, float]


class Verdict(Struct, frozen=True):
    """Where R lies: `band` by the room's own interval, `spread` says whether the comparator's range changes it."""

    band: Band
    spread: Spread
    messages: Sequence[Message]
    text_en: str
    text_zh: str


class Comparison(Struct, frozen=True):
    """One comparator and what came of it.

    R = room / centre. `r_low`, `r_high` are the room's interval over the centre; `outer_low`, `outer_high` also
    let the comparator vary over its own range. They are None unless `status` is "compared" (the outer ones also
    where the comparator states no range). `verdict` only for readings of value per user. `low`, `centre`, `high`
    are in the comparator's own unit.
    """

    comparator: str
    status: Status
    measure: str | None
    metric: str
    denominator: str
    unit: str
    low: float | None
    centre: float | None
    high: float | None
    centre_is: Literal["published", "geometric_mean", "median", "none"]
    r: float | None
    r_low: float | None
    r_high: float | None
    outer_low: float | None
    outer_high: float | None
    why: Message | None
    verdict: Verdict | None
    confidence: str | None
    region: str
    channel: str
    year: str
    source: str
    note: str


class ReadingVerdict(Struct, frozen=True):
    """One reading of "transaction value per user": its comparators, best first, and the sentence on top.

    `band` is that of the first comparator, None where nothing could be compared.
    """

    reading: Reading
    band: Band | None
    spread: Spread | None
    comparators: Sequence[Comparison]
    messages: Sequence[Message]
    text_en: str
    text_zh: str


class Target(Struct, frozen=True):
    """The target band for R; `source` is the baseline row that states it, None where only the setting does."""

    low: float
    high: float
    source: str | None


class Judged(Struct, frozen=True):
    """All of the report that looks outside the room."""

    target: Target
    readings: Sequence[ReadingVerdict]
    comparisons: Sequence[Comparison]


class _Room(Struct, frozen=True):
    ratios: Mapping[str, Ratio]
    buyers: int
    currency: str
    decimals: int
    settings: ReportSettings


def judge(
    ratios: Mapping[str, Ratio],
    buyers: int,
    currency: str,
    decimals: int,
    baselines: Baselines,
    history: Sequence[PastRoom],
    settings: ReportSettings,
) -> Judged:
    """Compare with every baseline and with the brand's own rooms, and judge both readings.

    `decimals` is the number of decimals of the currency's minor unit.
    """
    room = _Room(ratios, buyers, currency, decimals, settings)
    comparisons = [_against(room, baseline) for baseline in baselines.rows]
    target = next((row for row in baselines.rows if row.metric == TARGET_METRIC), None)
    return Judged(
        target=Target(settings.target_low, settings.target_high, None if target is None else target.id),
        readings=[
            _reading(room, "uv_value", VIEWER_MEASURES, comparisons, history),
            _reading(room, "value_per_buyer", BUYER_MEASURES, comparisons, history),
        ],
        comparisons=comparisons,
    )


def band_of(interval: Interval, low: float, high: float) -> Band:
    """Where an interval lies to the target band: ends that touch the band belong to it."""
    if interval.high < low:
        return "below"
    if interval.low > high:
        return "above"
    if low <= interval.low and interval.high <= high:
        return "in_band"
    return "cannot_tell"


def _against(room: _Room, baseline: Baseline) -> Comparison:
    settings = room.settings
    if baseline.confidence == "D":
        why = Message("quoted.confidence", {"confidence": "D", "note": baseline.note})
        return _from_baseline(baseline, "quoted", None, why)
    if baseline.metric == TARGET_METRIC:
        why = Message("quoted.target", {"target_low": settings.target_low, "target_high": settings.target_high})
        return _from_baseline(baseline, "quoted", None, why)
    denominators = [under for metric, under in MEASURES if metric == baseline.metric]
    if not denominators:
        return _from_baseline(baseline, "refused", None, Message("refused.metric", {"metric": baseline.metric}))
    measure = MEASURES.get((baseline.metric, baseline.denominator))
    if measure is None:
        why = Message(
            "refused.denominator",
            {
                "metric": baseline.metric,
                "denominator": baseline.denominator,
                "room": " / ".join(denominators),
            },
        )
        return _from_baseline(baseline, "refused", None, why)
    ratio = room.ratios[measure]
    wanted = room.currency if ratio.unit == "money" else None
    if baseline.currency != wanted:
        why = Message("refused.currency", {"baseline": baseline.unit, "room": wanted or ratio.unit})
        return _from_baseline(baseline, "refused", measure, why)
    if not baseline.centre:
        return _from_baseline(baseline, "refused", measure, Message("refused.no_figure", {}))
    if ratio.value is None:
        why = Message("refused.room_figure", {"why": ratio.why or ""})
        return _from_baseline(baseline, "refused", measure, why)
    if ratio.low is None or ratio.high is None:
        return _from_baseline(baseline, "refused", measure, Message("refused.no_interval", {}))
    scale = 10.0**room.decimals if ratio.unit == "money" else 1.0
    naming = Message(
        "against.baseline",
        {"baseline": baseline.id, "confidence": baseline.confidence, "measure": measure},
    )
    return _compared(
        _from_baseline(baseline, "compared", measure, None),
        Interval(ratio.low / scale, ratio.high / scale),
        ratio.value / scale,
        naming,
        settings,
    )


def _from_baseline(baseline: Baseline, status: Status, measure: str | None, why: Message | None) -> Comparison:
    centre = baseline.centre
    return Comparison(
        comparator=baseline.id,
        status=status,
        measure=measure,
        metric=baseline.metric,
        denominator=baseline.denominator,
        unit=baseline.unit,
        low=baseline.low,
        centre=centre,
        high=baseline.high,
        centre_is="none" if centre is None else "published" if baseline.value is not None else "geometric_mean",
        r=None,
        r_low=None,
        r_high=None,
        outer_low=None,
        outer_high=None,
        why=why,
        verdict=None,
        confidence=baseline.confidence,
        region=baseline.region,
        channel=baseline.channel,
        year=baseline.year,
        source=baseline.source,
        note=baseline.note,
    )


def _compared(
    blank: Comparison, interval: Interval, value: float, naming: Message, settings: ReportSettings
) -> Comparison:
    """The blank with R, its interval and outer band, and, for a value per user, the verdict."""
    centre = blank.centre or 0.0
    inner = Interval(interval.low / centre, interval.high / centre)
    outer = None
    if blank.low and blank.high:
        outer = Interval(interval.low / blank.high, interval.high / blank.low)
    verdict = None
    if blank.measure in VIEWER_MEASURES or blank.measure in BUYER_MEASURES:
        verdict = _verdict(value / centre, inner, outer, naming, settings)
    return replace(
        blank,
        r=value / centre,
        r_low=inner.low,
        r_high=inner.high,
        outer_low=None if outer is None else outer.low,
        outer_high=None if outer is None else outer.high,
        verdict=verdict,
    )


def _verdict(r: float, inner: Interval, outer: Interval | None, naming: Message, settings: ReportSettings) -> Verdict:
    low, high = settings.target_low, settings.target_high
    band = band_of(inner, low, high)
    figures = {"r": r, "low": inner.low, "high": inner.high, "target_low": low, "target_high": high}
    messages = [naming, Message(f"verdict.{band}", figures)]
    spread: Spread = "unknown"
    if outer is None:
        messages.append(Message("spread.unknown", {}))
    else:
        # The outer band contains the inner one, so it either agrees or leaves the question open.
        spread = "settled" if band_of(outer, low, high) == band != "cannot_tell" else "not_settled"
        messages.append(Message(f"spread.{spread}", {"low": outer.low, "high": outer.high}))
    return Verdict(band, spread, messages, english(messages), chinese(messages))


def _reading(
    room: _Room,
    reading: Reading,
    measures: Sequence[str],
    comparisons: Sequence[Comparison],
    history: Sequence[PastRoom],
) -> ReadingVerdict:
    ratio = room.ratios[reading]
    own, missing = _own(room, reading, history)
    fitting = [one for one in comparisons if one.status == "compared" and one.measure in measures]
    # The default baseline stands before the others, which speak of one category or one platform.
    fitting.sort(key=lambda one: one.comparator != room.settings.default_baseline)
    comparators = ([own] if own is not None else []) + fitting
    band: Band | None = None
    spread: Spread | None = None
    if ratio.why == "too_few_buyers":
        messages = [Message("reading.too_few_buyers", {"buyers": room.buyers, "needed": room.settings.min_buyers})]
    elif ratio.value is None:
        messages = [Message("reading.no_figure", {"why": ratio.why or ""})]
    elif not comparators or comparators[0].verdict is None:
        messages = [Message("reading.no_comparator", {})]
    else:
        verdict = comparators[0].verdict
        band, spread, messages = verdict.band, verdict.spread, list(verdict.messages)
    if missing is not None:
        messages.append(missing)
    return ReadingVerdict(reading, band, spread, comparators, messages, english(messages), chinese(messages))


def _own(room: _Room, reading: Reading, history: Sequence[PastRoom]) -> tuple[Comparison | None, Message | None]:
    """The brand's own median as a comparator, or why there is none yet. Its range are its quartiles."""
    settings, ratio = room.settings, room.ratios[reading]
    fitting = [one for one in history if one.currency == room.currency and reading in one.values]
    fitting.sort(key=lambda one: (-one.ended_ms, one.room))
    values = [one.values[reading] for one in fitting[: settings.history_rooms]]
    if len(values) < settings.history_min_rooms:
        params = {"rooms": len(values), "needed": settings.history_min_rooms}
        return None, Message("history.too_few_rooms", params)
    centre = median(values)
    if ratio.value is None or ratio.low is None or ratio.high is None or centre <= 0:
        return None, None
    scale = 10.0**room.decimals
    blank = Comparison(
        comparator="own_median",
        status="compared",
        measure=reading,
        metric="gmv_paid",
        denominator="viewer" if reading == "uv_value" else "buyer",
        unit=room.currency,
        low=quantile(values, 0.25) / scale,
        centre=centre / scale,
        high=quantile(values, 0.75) / scale,
        centre_is="median",
        r=None,
        r_low=None,
        r_high=None,
        outer_low=None,
        outer_high=None,
        why=None,
        verdict=None,
        confidence=None,
        region="",
        channel="",
        year="",
        source=f"median of {len(values)} own rooms",
        note="",
    )
    naming = Message("against.own_median", {"rooms": len(values)})
    interval = Interval(ratio.low / scale, ratio.high / scale)
    return _compared(blank, interval, ratio.value / scale, naming, settings), None
