"""What holds for every report: it adds up, equals the ledger, and cares neither for the order of rows nor for staff."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import orjson
from hypothesis import given
from hypothesis import strategies as st

from commerce_overlay.report import LedgerTotals, Report, ReportSettings, check_against_ledger
from commerce_overlay.report_csv import to_csv
from commerce_overlay.report_fold import half_even
from commerce_overlay.report_rows import (
    Click,
    HubImpression,
    Impression,
    Order,
    OrderLine,
    Refund,
    ReportRows,
    WatchSession,
)
from tests.support.report_rows import MINUTE, T0, WINDOW, report_of, rooms

# One buyer is enough here and a hundred resamples are: these tests are about sums, not about intervals.
SETTINGS = ReportSettings(min_buyers=1, resamples=100, attribution_window_ms=20 * MINUTE)
AS_OF = T0 + 100 * MINUTE


def report(rows: ReportRows) -> Report:
    return report_of(rows, settings=SETTINGS, as_of_ms=AS_OF)


def in_cny(order: Order, minor: int) -> int:
    return minor if order.rate is None else half_even(minor * order.rate.numer, order.rate.denom)


@given(rooms(st.sampled_from(["viewer", "viewer", "viewer", "staff", "bot", "loadtest"])))
def test_equals_the_ledger_to_the_minor_unit(rows: ReportRows) -> None:
    """The ledger here is summed from the rows themselves, order by order, knowing nothing of clicks or windows."""
    sales = refunds = paid_orders = 0
    for order in rows.orders:
        if order.placed_ms > AS_OF or order.paid_ms is None or order.paid_ms > AS_OF:
            continue
        paid_orders += 1
        sales += in_cny(order, order.value_minor)
        back = sum(one.minor for one in rows.refunds if one.order == order.order and one.at_ms <= AS_OF)
        refunds += in_cny(order, back)
    built = report(rows)
    totals = LedgerTotals("CNY", paid_orders, sales, refunds)
    check = check_against_ledger(built, totals)
    assert check.agrees, check.lines
    for changed in (
        msgspec.structs.replace(totals, sales=sales + 1),
        msgspec.structs.replace(totals, refunds=refunds - 1),
        msgspec.structs.replace(totals, paid_orders=paid_orders + 1),
    ):
        assert not check_against_ledger(built, changed).agrees


@given(rooms())
def test_every_table_sums_to_the_totals(rows: ReportRows) -> None:
    built = report(rows)
    paid, net = built.money.gmv_paid.minor, built.money.gmv_net.minor
    placed = built.money.gmv_placed.minor
    for curve in (built.curves.by_order_time, built.curves.by_click_time):
        assert sum(curve.gmv_paid_minor) == paid
        assert sum(curve.gmv_net_minor) == net
        assert sum(curve.orders) == built.counts.orders_placed
        assert sum(curve.paid_orders) == built.counts.orders_paid
        assert sum(curve.clicks) == built.counts.clicks
    tables = {
        "products": [row.sales for row in built.products],
        "cards": [row.sales for row in built.cards],
        "phases": list(built.phases.values()),
        "scenes": [row.sales for row in built.scenes.values()],
    }
    for table, parts in tables.items():
        assert sum(part.gmv_paid.minor for part in parts) == paid, table
        assert sum(part.gmv_net.minor for part in parts) == net, table
        assert sum(part.gmv_placed.minor for part in parts) == placed, table
        assert sum(part.units for part in parts) == built.counts.units_paid, table
        assert all(0 <= part.given_back.minor <= part.gmv_paid.minor for part in parts), table
    for items in (built.products, built.cards):
        assert sum(row.impressions for row in items) == built.counts.impressions
        assert sum(row.clicks for row in items) == built.counts.clicks
    assert built.money.gmv_paid.minor <= placed
    back = built.money.refunded.minor + built.money.cancelled_after_payment.minor
    assert net == paid - back == built.reconciliation["counted"].gmv_paid - back
    assert sum(part.orders for part in built.reconciliation.values()) == sum(
        order.placed_ms <= AS_OF for order in rows.orders
    )
    assert sum(built.attribution.by.values()) == built.counts.orders_placed
    assert sum(built.attribution.unattributed.values()) == built.reconciliation["unattributed"].orders
    assert built.audience.viewers <= built.audience.views >= built.audience.long_views
    if built.audience.acu is not None:
        assert built.audience.acu <= built.audience.pcu


@given(rooms())
def test_longer_attribution_windows_earn_no_less(rows: ReportRows) -> None:
    settings = msgspec.structs.replace(SETTINGS, shown_windows_ms=(MINUTE, 10 * MINUTE, 20 * MINUTE, 90 * MINUTE))
    built = report_of(rows, settings=settings, as_of_ms=AS_OF)
    windows = built.attribution.windows
    assert [one.gmv_paid.minor for one in windows] == sorted(one.gmv_paid.minor for one in windows)
    used = next(one for one in windows if one.window_ms == SETTINGS.attribution_window_ms)
    assert (used.gmv_paid, used.gmv_net, used.orders) == (
        built.money.gmv_paid,
        built.money.gmv_net,
        built.counts.orders_placed,
    )


@given(rooms(), st.integers(0, 2**32))
def test_the_order_of_rows_changes_nothing(rows: ReportRows, seed: int) -> None:
    shuffler = random.Random(seed)

    def shuffled(some: Any) -> Any:
        return shuffler.sample(list(some), len(some)) if not isinstance(some, frozenset) else some

    other = ReportRows(**{name: shuffled(getattr(rows, name)) for name in rows.__struct_fields__})
    assert orjson.dumps(report(other).to_json()) == orjson.dumps(report(rows).to_json())


@given(rooms(), st.sampled_from(["staff", "bot", "loadtest"]))
def test_staff_rows_change_nothing(rows: ReportRows, traffic: Any) -> None:
    """Somebody flagged does all a viewer can do; only the tally of what was left out may tell."""
    at = T0 + 10 * MINUTE
    staffed = msgspec.structs.replace(
        rows,
        sessions=[
            *rows.sessions,
            WatchSession("zz", at, at + 9 * MINUTE, "live", traffic),
            WatchSession("zz", at, at + 1),
        ],
        impressions=[*rows.impressions, Impression("zz", "c1", "sh1", "p1", at)],
        hub_impressions=[*rows.hub_impressions, HubImpression("zz", at)],
        clicks=[*rows.clicks, Click("kzz", "zz", "p1", "s1", at, "c1")],
        orders=[
            *rows.orders,
            Order("ozz", "zz", "s1", "kzz", "CNY", (OrderLine("p1", 1, 5000),), at, at),
            # A customer's order that carries the staff member's click is the staff member's doing.
            Order("ozy", "v1", "s1", "kzz", "CNY", (OrderLine("p1", 1, 5000),), at, at),
        ],
        refunds=[*rows.refunds, Refund("rzz", "ozz", 100, at)],
    )
    before, after = report(rows).to_json(), report(staffed).to_json()
    assert after["excluded"] != before["excluded"]
    assert after["reconciliation"]["excluded"]["gmv_paid"] == 10_000 + before["reconciliation"]["excluded"]["gmv_paid"]
    for built in (before, after):
        del built["excluded"], built["reconciliation"]["excluded"]
    assert after == before


@given(rooms(), st.integers(1, 500))
def test_a_refund_lowers_net_and_keeps_paid(rows: ReportRows, minor: int) -> None:
    extra = Order("oxx", "v0", "s1", "kxx", "CNY", (OrderLine("p1", 1, 500),), T0 + MINUTE, T0 + MINUTE)
    sold = msgspec.structs.replace(
        rows,
        clicks=[*rows.clicks, Click("kxx", "v0", "p1", "s1", T0, "c1")],
        orders=[*rows.orders, extra],
    )
    late = T0 + 80 * MINUTE
    refunded = msgspec.structs.replace(sold, refunds=[*sold.refunds, Refund("rxx", "oxx", minor, late)])
    before, after = report(sold), report(refunded)
    assert after.money.gmv_paid == before.money.gmv_paid
    assert after.money.gmv_placed == before.money.gmv_placed
    assert before.money.gmv_net.minor - after.money.gmv_net.minor == minor
    # It falls into the minute of its order, long before the refund was made.
    at = after.curves.by_order_time.minute_ms.index(T0 + MINUTE)
    assert before.curves.by_order_time.gmv_net_minor[at] - after.curves.by_order_time.gmv_net_minor[at] == minor
    # As of a moment before the refund it had not happened, and the signature is that of the rows without it.
    earlier = report_of(refunded, settings=SETTINGS, as_of_ms=late - 1)
    assert earlier == report_of(sold, settings=SETTINGS, as_of_ms=late - 1)


@given(rooms())
def test_json_and_csv_hold_every_report(rows: ReportRows) -> None:
    built = report(rows)
    assert msgspec.json.decode(orjson.dumps(built.to_json()), type=dict)["money"]["gmv_paid"] == {
        "minor": built.money.gmv_paid.minor,
        "currency": "CNY",
    }
    assert to_csv(built).count("\r\n") > 50
    assert built.window == WINDOW
