"""One small room whose every figure is worked out by hand in this file."""

from __future__ import annotations

import pytest

from commerce_overlay.money import Money
from commerce_overlay.report import Report, ReportSettings
from commerce_overlay.report_rows import (
    BadRow,
    Click,
    HubImpression,
    Impression,
    LiveInterval,
    LockedRate,
    Order,
    OrderLine,
    Refund,
    ReportRows,
    WatchSession,
    Window,
)
from tests.support.report_rows import MINUTE, T0, report_of

HOUR = 60 * MINUTE

# Live for 20 minutes, then a pause of 5, then 10 more.
LIVE = [LiveInterval(T0, T0 + 20 * MINUTE), LiveInterval(T0 + 25 * MINUTE, T0 + 35 * MINUTE)]
SESSIONS = [
    WatchSession("ann", T0, T0 + 10 * MINUTE),
    # 5 min later again: the pause is shorter than 30 min, so it is the same view.
    WatchSession("ann", T0 + 15 * MINUTE, T0 + 20 * MINUTE),
    # Two tabs at once are one viewer and 10 min of watching.
    WatchSession("bob", T0 + 5 * MINUTE, T0 + 15 * MINUTE),
    WatchSession("bob", T0 + 8 * MINUTE, T0 + 12 * MINUTE),
    # 2.999 s: no view. 3 s: a view, not a long one.
    WatchSession("cat", T0 + MINUTE, T0 + MINUTE + 2_999),
    WatchSession("dan", T0 + MINUTE, T0 + MINUTE + 3_000),
    # In the replay, after the show.
    WatchSession("dan", T0 + 50 * MINUTE, T0 + 52 * MINUTE, "replay"),
    WatchSession("sue", T0, T0 + 35 * MINUTE, "live", "staff"),
]
IMPRESSIONS = [
    Impression("ann", "c1", "s1", "lip", T0 + MINUTE),
    Impression("ann", "c1", "s1", "lip", T0 + 2 * MINUTE),
    Impression("ann", "c1", "s2", "lip", T0 + 3 * MINUTE),
    Impression("bob", "c1", "s1", "lip", T0 + 6 * MINUTE),
    Impression("bob", "c2", "s3", "cream", T0 + 7 * MINUTE),
    Impression("sue", "c2", "s3", "cream", T0 + 7 * MINUTE),
]
CLICKS = [
    Click("k1", "ann", "lip", "glow", T0 + 4 * MINUTE, "c1"),
    Click("k2", "bob", "lip", "glow", T0 + 9 * MINUTE, "c1"),
    Click("k3", "bob", "cream", "glow", T0 + 11 * MINUTE),
    Click("k4", "dan", "cream", "glow", T0 + 51 * MINUTE, "c2", "replay"),
    Click("k5", "sue", "cream", "glow", T0 + 9 * MINUTE, "c2"),
]
ORDERS = [
    # Carries k1. 2 × 10.00 − 1.00 = 19.00, in the show.
    Order("o1", "ann", "glow", "k1", "CNY", (OrderLine("lip", 2, 1000, 100),), T0 + 5 * MINUTE, T0 + 6 * MINUTE),
    # No id: matched by viewer to bob's last click k3, from the bag. 30.00 + 15.00, in the pause.
    Order(
        "o2",
        "bob",
        "glow",
        None,
        "CNY",
        (OrderLine("cream", 1, 3000), OrderLine("lip", 1, 1500)),
        T0 + 22 * MINUTE,
        T0 + 23 * MINUTE,
    ),
    # From the replay, in dollars at 7.195 CNY: 9.99 USD are 71.878 CNY.
    Order(
        "o3",
        "dan",
        "glow",
        "k4",
        "USD",
        (OrderLine("cream", 1, 999),),
        T0 + 52 * MINUTE,
        T0 + 53 * MINUTE,
        rate=LockedRate("CNY", 7195, 1000),
    ),
    # Placed, never paid.
    Order("o4", "bob", "glow", "k2", "CNY", (OrderLine("lip", 1, 1000),), T0 + 10 * MINUTE),
    # Nobody clicked on this seller.
    Order("o5", "ann", "other", None, "CNY", (OrderLine("hat", 1, 700),), T0 + 7 * MINUTE, T0 + 7 * MINUTE),
    # Staff.
    Order("o6", "sue", "glow", "k5", "CNY", (OrderLine("cream", 1, 800),), T0 + 10 * MINUTE, T0 + 10 * MINUTE),
]
REFUNDS = [
    # A third of o2: 15.00 of 45.00, shared 10.00 on the cream and 5.00 on the lipstick.
    Refund("r1", "o2", 1500, T0 + 90 * MINUTE),
    Refund("r2", "o1", 1900, T0 + 95 * MINUTE, "cancellation"),
]
ROWS = ReportRows(
    live=LIVE,
    sessions=SESSIONS,
    impressions=IMPRESSIONS,
    hub_impressions=[HubImpression("ann", T0), HubImpression("eve", T0), HubImpression("eve", T0 + 1)],
    clicks=CLICKS,
    orders=ORDERS,
    refunds=REFUNDS,
)


@pytest.fixture(scope="module")
def report() -> Report:
    return report_of(ROWS, settings=ReportSettings(min_buyers=3, resamples=100), as_of_ms=T0 + 2 * HOUR)


def cny(minor: int) -> Money:
    return Money(minor, "CNY")


def test_audience(report: Report) -> None:
    audience = report.audience
    assert audience.viewers == 3  # ann, bob, dan; cat fell short, sue is staff
    assert audience.views == 4  # dan has one live and one in the replay
    assert audience.long_views == 3
    watched = 15 * MINUTE + 10 * MINUTE + 2_999 + 3_000 + 2 * MINUTE
    assert audience.watch_ms == watched
    assert audience.watch_avg_ms == watched / 3
    # Minute 1: ann, and for 2.999 s cat and dan with her.
    assert (audience.pcu, audience.pcu_at_ms) == (3, T0 + MINUTE)
    assert audience.acu == (25 * MINUTE + 5_999) / (30 * MINUTE)
    assert report.live.live_ms == 30 * MINUTE


def test_the_curve_of_viewers(report: Report) -> None:
    curve = report.curves.audience
    assert list(curve.minute_ms) == [T0 + at * MINUTE for at in (*range(20), *range(25, 35))]
    assert list(curve.peak[:10]) == [1, 3, 1, 1, 1, 2, 2, 2, 2, 2]
    assert curve.average[1] == pytest.approx(1 + 5_999 / MINUTE)


def test_counts(report: Report) -> None:
    counts = report.counts
    assert (counts.impressions, counts.impressed_viewers, counts.hub_impressions) == (4, 2, 3)
    assert (counts.clicks, counts.clicks_without_card, counts.clicking_viewers) == (4, 1, 3)
    assert (counts.orders_placed, counts.orders_paid, counts.orders_given_back) == (4, 3, 2)
    assert (counts.ordering_viewers, counts.buyers, counts.units_paid) == (3, 3, 5)
    assert report.attribution.by == {"click_id": 3, "viewer": 1}
    assert report.attribution.unattributed == {
        "click_unknown": 0,
        "click_other_seller": 0,
        "no_click": 1,
        "too_old": 0,
    }
    assert report.excluded.viewers == 1
    assert (report.excluded.clicks, report.excluded.orders) == (1, 1)


def test_money(report: Report) -> None:
    # o1 19.00, o2 45.00, o3 999 × 7.195 = 7187.805 → 71.88; o4 10.00 only placed.
    paid = 1900 + 4500 + 7188
    assert report.money.gmv_placed == cny(paid + 1000)
    assert report.money.gmv_paid == cny(paid)
    assert report.money.refunded == cny(1500)
    assert report.money.cancelled_after_payment == cny(1900)
    assert report.money.gmv_net == cny(paid - 3400)
    assert report.reconciliation["unattributed"].gmv_paid == 700
    assert report.reconciliation["excluded"].gmv_paid == 800


def test_ratios(report: Report) -> None:
    paid = 13588
    expected = {
        "uv_value": paid / 3,
        "value_per_buyer": paid / 3,
        "aov": paid / 3,
        "gmv_per_view": paid / 4,
        "gpm_watch": 1000 * paid / 4,
        "gpm_impression": 1000 * paid / 3,
        "ctr_pv": 4 / 4,
        "ctr_uv": 3 / 2,
        "click_to_order": 3 / 3,
        "order_to_pay": 3 / 4,
        "cvr_viewer": 3 / 3,
        "cvr_click": 3 / 3,
        "refund_rate_value": 3400 / paid,
        "refund_rate_count": 2 / 3,
        "gmv_per_live_hour": paid / 0.5,
        "gmv_placed_per_live_hour": (paid + 1000) / 0.5,
        "gmv_per_session": paid,
    }
    assert {name: ratio.value for name, ratio in report.ratios.items()} == pytest.approx(expected)
    # dan, who spent most, is left out with both his views: 64.00 over 2.
    assert report.ratios["uv_value"].trimmed == 6400 / 2
    assert report.ratios["gmv_per_view"].trimmed == 6400 / 2
    assert report.ratios["aov"].largest_buyer_share == 7188 / paid
    # dan clicked without having been shown the card: more clicked than were impressed, so Wilson does not apply,
    # and of five people a resample too often holds nobody who was impressed.
    assert report.ratios["ctr_uv"].why == "interval_unstable"
    assert report.ratios["cvr_viewer"].method == "wilson"


def test_before_in_and_after_the_show(report: Report) -> None:
    assert {phase: sales.gmv_paid.minor for phase, sales in report.phases.items()} == {
        "before_live": 0,
        "in_live": 1900,
        "after_live": 4500 + 7188,  # the pause counts as after
    }
    assert report.phases["in_live"].orders == 2


def test_live_against_replay(report: Report) -> None:
    live, replay = report.scenes["live"], report.scenes["replay"]
    assert (live.viewers, live.views, live.clicks, live.sales.gmv_paid.minor) == (3, 3, 3, 6400)
    assert (replay.viewers, replay.views, replay.clicks, replay.sales.gmv_paid.minor) == (1, 1, 1, 7188)


def test_minutes(report: Report) -> None:
    def money(curve: object) -> dict[int, tuple[int, int]]:
        columns = zip(curve.minute_ms, curve.gmv_paid_minor, curve.gmv_net_minor, strict=True)  # type: ignore[attr-defined]
        return {(at - T0) // MINUTE: (paid, net) for at, paid, net in columns if paid}

    assert money(report.curves.by_order_time) == {5: (1900, 0), 22: (4500, 3000), 52: (7188, 7188)}
    assert money(report.curves.by_click_time) == {4: (1900, 0), 11: (4500, 3000), 51: (7188, 7188)}


def test_products_and_cards(report: Report) -> None:
    products = {row.id: row for row in report.products}
    assert [row.id for row in report.products] == ["cream", "lip"]
    cream, lip = products["cream"], products["lip"]
    assert (cream.impressions, cream.clicks, cream.clicking_viewers) == (1, 2, 2)
    assert (cream.sales.gmv_paid.minor, cream.sales.given_back.minor) == (3000 + 7188, 1000)
    assert (lip.sales.gmv_paid.minor, lip.sales.given_back.minor) == (1900 + 1500, 1900 + 500)
    assert (lip.sales.orders, lip.sales.paid_orders, lip.sales.buyers, lip.sales.units) == (3, 2, 2, 3)
    cards = {row.id: row for row in report.cards}
    assert {id: row.sales.gmv_paid.minor for id, row in cards.items()} == {"c1": 1900, "c2": 7188, "": 4500}
    assert (cards["c1"].impressions, cards["c1"].impressed_viewers, cards["c1"].clicks) == (3, 2, 2)
    assert (cards["c1"].product, cards["c1"].seller, cards[""].product) == ("lip", "glow", "")


def test_attribution_windows(report: Report) -> None:
    assert [row.window_ms // HOUR for row in report.attribution.windows] == [1, 24, 168, 720]
    assert {row.gmv_paid.minor for row in report.attribution.windows} == {13588}
    short = report_of(
        ROWS, settings=ReportSettings(attribution_window_ms=MINUTE, shown_windows_ms=(MINUTE, 11 * MINUTE))
    )
    # Within a minute: o1 (1 min after k1), o4 (1 min after k2), o3 (1 min after k4), not o2 (11 min after k3).
    assert short.counts.orders_placed == 3
    assert short.money.gmv_paid == cny(1900 + 7188)
    assert [row.gmv_paid.minor for row in short.attribution.windows] == [9088, 13588]


def test_too_few_buyers_prints_no_ratio_of_orders() -> None:
    report = report_of(ROWS)
    assert report.counts.buyers == 3
    withheld = {name for name, ratio in report.ratios.items() if ratio.value is None}
    assert withheld == set(report.ratios) - {"ctr_pv", "ctr_uv"}
    assert {report.ratios[name].why for name in withheld} == {"too_few_buyers"}
    assert report.judged.readings[0].messages[0].key == "reading.too_few_buyers"
    assert "Too few buyers: 3 of the 30 needed" in report.judged.readings[1].text_en


def test_an_empty_room_has_a_report() -> None:
    report = report_of(ReportRows(), settings=ReportSettings(min_buyers=1))
    assert report.money.gmv_paid == cny(0)
    assert (report.audience.acu, report.audience.watch_avg_ms, report.audience.pcu_at_ms) == (None, None, None)
    assert report.ratios["ctr_pv"].why == "no_impressions"


def test_as_of_hides_what_had_not_happened() -> None:
    report = report_of(ROWS, as_of_ms=T0 + 22 * MINUTE + 30_000)
    assert report.money.gmv_paid == cny(1900)  # o2 is placed, not yet paid
    assert report.money.gmv_placed == cny(1900 + 4500 + 1000)
    assert report.money.refunded == cny(0)
    assert report.live.live_ms == 20 * MINUTE


ORDER = ORDERS[0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ReportRows(live=[LiveInterval(5, 4)]), "live interval: ends at 4, before its start 5"),
        (ReportRows(sessions=[WatchSession("ann", 5, 4)]), "watch session of viewer 'ann'"),
        (ReportRows(orders=[ORDER, ORDER]), "order 'o1': appears twice"),
        (ReportRows(clicks=[CLICKS[0], CLICKS[0]]), "click 'k1': appears twice"),
        (
            ReportRows(orders=[Order("o", "v", "s", None, "CNY", (OrderLine("p", 0, 1),), 1)]),
            "lines[0]: quantity 0",
        ),
        (
            ReportRows(orders=[Order("o", "v", "s", None, "CNY", (OrderLine("p", 1, -1),), 1)]),
            "order 'o' lines[0]: has a negative amount",
        ),
        (ReportRows(orders=[Order("o", "v", "s", None, "cny", (OrderLine("p", 1, 1),), 1)]), "'cny' is not an"),
        (ReportRows(orders=[Order("o", "v", "s", None, "CNY", (), 1)]), "order 'o': has no lines"),
        (
            ReportRows(orders=[Order("o", "v", "s", None, "USD", (OrderLine("p", 1, 1),), T0)]),
            "order 'o': is in USD and has no rate locked to CNY",
        ),
        (
            ReportRows(orders=[Order("o", "v", "s", None, "CNY", (OrderLine("p", 1, 1),), 1, 2, 3)]),
            "order 'o': is both paid and cancelled unpaid",
        ),
        (ReportRows(orders=[ORDERS[3]], refunds=[Refund("r", "o4", 1, 9)]), "'o4' is not among the paid orders"),
        (ReportRows(orders=[ORDER], refunds=[Refund("r", "o1", 1901, 9)]), "refunds of order 'o1' exceed"),
        (ReportRows(orders=[ORDER], refunds=[Refund("r", "o1", 0, 9)]), "refund 'r': amount 0 is not positive"),
    ],
)
def test_rows_that_contradict_themselves_are_refused_by_name(rows: ReportRows, message: str) -> None:
    with pytest.raises(BadRow) as caught:
        report_of(rows)
    assert message in str(caught.value)


def test_a_window_without_length_or_not_begun_is_refused() -> None:
    with pytest.raises(BadRow, match="not after its start"):
        report_of(ReportRows(), window=Window(T0, T0))
    with pytest.raises(BadRow, match="as-of"):
        report_of(ReportRows(), as_of_ms=T0)


def test_refunds_in_parts_of_a_foreign_order_leave_exactly_nothing() -> None:
    # 1.00 USD at 1.5 CNY is 1.50 CNY. Of 3 × 0.33 and 0.01 each part alone would round 49.5 to 50 and 1.5 to 2: 1.52.
    sold = Order("o", "ann", "glow", "k1", "USD", (OrderLine("lip", 1, 100),), T0, T0, rate=LockedRate("CNY", 3, 2))
    parts = [Refund(f"r{at}", "o", minor, T0 + at) for at, minor in enumerate((33, 33, 33, 1))]
    report = report_of(ReportRows(clicks=CLICKS[:1], orders=[sold], refunds=parts))
    assert (report.money.gmv_paid, report.money.refunded, report.money.gmv_net) == (cny(150), cny(150), cny(0))
    half = report_of(ReportRows(clicks=CLICKS[:1], orders=[sold], refunds=parts[:2]))
    assert half.money.gmv_net == cny(150 - 99)
