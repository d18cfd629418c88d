"""Comparisons, refusals and verdicts, with figures worked out by hand."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_overlay.baselines import Baselines
from commerce_overlay.baselines_file import read_baselines
from commerce_overlay.report_ratios import SPECS, Ratio
from commerce_overlay.report_settings import ReportSettings
from commerce_overlay.report_verdict import MEASURES, Comparison, Judged, PastRoom, band_of, judge
from commerce_overlay.report_words import WORDS
from commerce_overlay.stats import Interval
from tests.support.report_rows import baselines_of


def ratios_of(**known: tuple[float, float, float]) -> dict[str, Ratio]:
    """Every ratio without a value but these: (low, value, high)."""
    found = {name: Ratio(None, None, None, 0, spec.unit, None, "no_views", None, None) for name, spec in SPECS.items()}
    for name, (low, value, high) in known.items():
        found[name] = Ratio(value, low, high, 500, SPECS[name].unit, "bootstrap", None, value, 0.1)
    return found


def judged(
    ratios: dict[str, Ratio],
    baselines: Baselines,
    history: list[PastRoom] | None = None,
    currency: str = "CNY",
    decimals: int = 2,
    **settings: object,
) -> Judged:
    return judge(ratios, 100, currency, decimals, baselines, history or [], ReportSettings(**settings))  # type: ignore[arg-type]


def only(found: Judged) -> Comparison:
    assert len(found.comparisons) == 1
    return found.comparisons[0]


PER_VIEW = "cn_gmv_per_view,gmv_paid,view,1.6,2.0,2.5,CNY,C"


def test_r_its_interval_and_the_outer_band() -> None:
    # 4.40–5.00–5.60 CNY per view against 1.6–2.0–2.5: R 2.5, 2.2–2.8; outer 4.4/2.5 – 5.6/1.6 = 1.76–3.5.
    found = only(judged(ratios_of(gmv_per_view=(440, 500, 560)), baselines_of(PER_VIEW)))
    assert found.status == "compared"
    assert (found.r, found.r_low, found.r_high) == pytest.approx((2.5, 2.2, 2.8))
    assert (found.outer_low, found.outer_high) == pytest.approx((1.76, 3.5))
    assert found.verdict is not None
    assert (found.verdict.band, found.verdict.spread) == ("in_band", "not_settled")
    assert found.verdict.text_en == (
        "Against cn_gmv_per_view (confidence C), by the room's gmv_per_view; in band at the centre: 2.5× "
        "(95 % interval 2.2–2.8) lies within 2–3×; not settled by the baseline's own spread (1.76–3.5×)."
    )
    assert found.verdict.text_zh.endswith("。")


def test_the_currency_s_decimals_are_minded() -> None:
    line = "b,gmv_paid,view,,100,,JPY,C"
    found = only(judged(ratios_of(gmv_per_view=(200, 250, 300)), baselines_of(line), currency="JPY", decimals=0))
    assert found.r == 2.5


@pytest.mark.parametrize(
    ("low", "high", "band"),
    [
        (1.0, 1.999, "below"),
        (1.0, 2.0, "cannot_tell"),
        (2.0, 3.0, "in_band"),
        (2.0, 3.001, "cannot_tell"),
        (1.9, 3.1, "cannot_tell"),
        (3.0, 4.0, "cannot_tell"),
        (3.001, 4.0, "above"),
    ],
)
def test_bands(low: float, high: float, band: str) -> None:
    assert band_of(Interval(low, high), 2.0, 3.0) == band


@given(st.floats(0.01, 9), st.floats(0, 5), st.floats(0, 3), st.floats(0, 3))
def test_a_wider_band_never_changes_sides(low: float, width: float, more_low: float, more_high: float) -> None:
    """Why the outer band can only agree with the centre or leave the question open."""
    inner = band_of(Interval(low, low + width), 2.0, 3.0)
    outer = band_of(Interval(low - more_low, low + width + more_high), 2.0, 3.0)
    assert outer in (inner, "cannot_tell")


@pytest.mark.parametrize(
    ("figures", "band", "spread"),
    [
        ((100, 120, 140), "below", "settled"),  # outer 0.4–0.875
        ((300, 350, 390), "below", "not_settled"),  # R up to 1.95, outer up to 2.44
        ((800, 850, 900), "above", "settled"),  # outer from 3.2
        ((640, 650, 700), "above", "not_settled"),
        ((300, 500, 700), "cannot_tell", "not_settled"),
    ],
)
def test_verdicts(figures: tuple[float, float, float], band: str, spread: str) -> None:
    reading = judged(ratios_of(uv_value=figures, gmv_per_view=figures), baselines_of(PER_VIEW)).readings[0]
    assert (reading.reading, reading.band, reading.spread) == ("uv_value", band, spread)


def test_a_baseline_without_a_range_leaves_its_spread_unknown() -> None:
    found = only(judged(ratios_of(uv_value=(440, 500, 560)), baselines_of("b,gmv_paid,viewer,,2,,CNY,B")))
    assert found.verdict is not None
    assert (found.verdict.spread, found.outer_low) == ("unknown", None)
    assert "states no range" in found.verdict.text_en


def test_a_range_without_a_value_has_its_geometric_mean_for_a_centre() -> None:
    found = only(judged(ratios_of(aov=(3000, 3600, 4000)), baselines_of("b,aov,paid order,4,,9,CNY,C")))
    assert (found.centre, found.centre_is, found.r) == (6.0, "geometric_mean", 6.0)
    assert found.verdict is None  # an order value is no value per user


@pytest.mark.parametrize(
    ("line", "status", "key"),
    [
        ("b,likes,view,1,2,3,CNY,B", "refused", "refused.metric"),
        ("b,gmv_paid,visit,1,2,3,CNY,B", "refused", "refused.denominator"),
        ("b,gmv_paid,viewer,1,2,3,USD,B", "refused", "refused.currency"),
        ("b,gmv_paid,viewer,1,2,3,share,B", "refused", "refused.currency"),
        ("b,conversion,viewer,0.1,0.2,0.3,CNY,B", "refused", "refused.currency"),
        ("b,gmv_paid,viewer,,,,CNY,B", "refused", "refused.no_figure"),
        ("b,gmv_paid,viewer,,0,,CNY,B", "refused", "refused.no_figure"),
        ("b,gmv_paid,buyer,1,2,3,CNY,B", "refused", "refused.room_figure"),
        ("b,gmv_paid,viewer,1,2,3,CNY,D", "quoted", "quoted.confidence"),
        ("b,value_per_user_ratio,industry average,2,,3,ratio,B", "quoted", "quoted.target"),
    ],
)
def test_refusals_say_why(line: str, status: str, key: str) -> None:
    ratios = ratios_of(uv_value=(440, 500, 560), cvr_viewer=(0.1, 0.2, 0.3))
    found = only(judged(ratios, baselines_of(line)))
    assert (found.status, found.why and found.why.key, found.r, found.verdict) == (status, key, None, None)


def test_a_figure_without_interval_is_not_compared() -> None:
    ratios = ratios_of(uv_value=(440, 500, 560))
    ratios["uv_value"] = Ratio(500.0, None, None, 9, "money", None, "interval_unstable", None, None)
    found = only(judged(ratios, baselines_of("b,gmv_paid,viewer,1,2,3,CNY,B")))
    assert found.why is not None
    assert found.why.key == "refused.no_interval"


def past(values: list[float], currency: str = "CNY") -> list[PastRoom]:
    return [PastRoom(f"r{at}", at, currency, {"uv_value": value}) for at, value in enumerate(values)]


def test_the_own_median_stands_first_from_five_rooms_on() -> None:
    ratios = ratios_of(uv_value=(440, 500, 560), gmv_per_view=(440, 500, 560))
    four = judged(ratios, baselines_of(PER_VIEW), past([100, 200, 300, 400])).readings[0]
    assert [one.comparator for one in four.comparators] == ["cn_gmv_per_view"]
    assert four.messages[-1].key == "history.too_few_rooms"
    five = judged(ratios, baselines_of(PER_VIEW), past([100, 200, 250, 300, 400])).readings[0]
    assert [one.comparator for one in five.comparators] == ["own_median", "cn_gmv_per_view"]
    own = five.comparators[0]
    # Median 2.50 CNY, quartiles 2.00 and 3.00: R 2.0, 1.76–2.24; outer 4.4/3 – 5.6/2.
    assert (own.low, own.centre, own.high, own.r) == (2.0, 2.5, 3.0, 2.0)
    assert (own.outer_low, own.outer_high) == pytest.approx((4.4 / 3, 2.8))
    assert five.band == "cannot_tell"
    assert five.text_en.startswith("Against the median of your own last 5 rooms")


def test_only_the_last_rooms_in_the_same_currency_count() -> None:
    ratios = ratios_of(uv_value=(440, 500, 560))
    history = past([9_999_999] * 3 + [250] * 10) + past([1.0] * 20, "USD")
    own = judged(ratios, baselines_of(), history).readings[0].comparators[0]
    assert (own.centre, own.low, own.high) == (2.5, 2.5, 2.5)
    assert judged(ratios, baselines_of(), past([1.0] * 20, "USD")).readings[0].comparators == []


def test_both_readings_are_always_there() -> None:
    found = judged(ratios_of(), baselines_of(PER_VIEW))
    assert [one.reading for one in found.readings] == ["uv_value", "value_per_buyer"]
    assert {one.messages[0].key for one in found.readings} == {"reading.no_figure"}
    per_buyer = judged(ratios_of(value_per_buyer=(1, 2, 3)), baselines_of(PER_VIEW)).readings[1]
    assert (per_buyer.band, per_buyer.messages[0].key) == (None, "reading.no_comparator")


def test_the_default_baseline_stands_before_others_of_its_kind() -> None:
    ratios = ratios_of(uv_value=(440, 500, 560), gmv_per_view=(440, 500, 560))
    both = baselines_of("special,gmv_paid,view,1,1.5,2,CNY,C", PER_VIEW)
    reading = judged(ratios, both).readings[0]
    assert [one.comparator for one in reading.comparators] == ["cn_gmv_per_view", "special"]


def test_the_shipped_file_compares_what_it_may_and_nothing_else() -> None:
    every = {name: (90.0, 100.0, 110.0) if spec.unit == "money" else (0.1, 0.2, 0.3) for name, spec in SPECS.items()}
    found = judged(ratios_of(**every), read_baselines())
    status = {one.comparator: one.status for one in found.comparisons}
    assert {id for id, one in status.items() if one == "compared"} == {
        "cn_gmv_per_view",
        "cn_gmv_per_session",
        "cn_apparel_gpm_growth",
        "cn_apparel_gpm_stable",
        "cn_return_rate",
    }
    assert {id for id, one in status.items() if one == "quoted"} == {
        "alipay_room_value_target",
        "mckinsey_live_conversion",
        "lipstick_2016",
        "wechat_miniprogram_volume",
    }
    assert found.target.source == "alipay_room_value_target"
    # Only a value per user is judged; a GMV per session is "very skewed: never a target".
    assert {one.comparator for one in found.comparisons if one.verdict is not None} == {
        "cn_gmv_per_view",
        "cn_apparel_gpm_growth",
        "cn_apparel_gpm_stable",
    }
    dollars = judged(ratios_of(**every), read_baselines(), currency="USD")
    assert {one.comparator for one in dollars.comparisons if one.status == "compared"} == {
        "us_tiktokshop_aov",
        "cn_return_rate",
        "whatnot_gmv_per_live_hour",
    }


def test_every_measure_is_a_ratio_of_the_report() -> None:
    assert set(MEASURES.values()) <= set(SPECS)


def test_both_languages_take_the_same_parameters() -> None:
    for key, (english, chinese) in WORDS.items():
        fields = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, chinese)]
        assert fields[0] == fields[1], key


def test_empty_baselines() -> None:
    assert judged(ratios_of(), Baselines("v", ())).comparisons == []
