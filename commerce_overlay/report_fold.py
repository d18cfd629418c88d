"""From rows to exact sums: which rows count, which order each click earned, what was paid and given back.

Pure. Integers only: everything here is additive and equals the ledger to the minor unit. Ratios and their
uncertainty are made of these sums elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from commerce_overlay.attribution import By, ClickIndex, WhyNot
from commerce_overlay.report_rows import (
    BadRow,
    Click,
    HubImpression,
    Impression,
    LiveInterval,
    Order,
    Refund,
    ReportRows,
    WatchSession,
    Window,
    known_at,
    orders_at,
    rows_sha256,
    stretches_at,
)

T = TypeVar("T")


class SoldLine(Struct, frozen=True, gc=False):
    """One product of a sale; money in minor units of the report's currency."""

    product: str
    quantity: int
    value: int
    given_back: int


class Sale(Struct, frozen=True, gc=False):
    """An order as the report sees it, in minor units of the report's currency.

    `value` is its merchandise value; `refunded` and `cancelled` were given back after the payment. `click` is the
    click that earned it, None where none did.
    """

    order: Order
    buyer: str
    click: Click | None
    by: By | None
    why_not: WhyNot | None
    paid: bool
    value: int
    refunded: int
    cancelled: int
    lines: tuple[SoldLine, ...]

    @property
    def given_back(self) -> int:
        return self.refunded + self.cancelled


class Bucket(Struct, frozen=True, gc=False):
    """Sums over one part of the orders; money in minor units of the report's currency."""

    orders: int
    paid_orders: int
    gmv_placed: int
    gmv_paid: int
    given_back: int


class Excluded(Struct, frozen=True):
    """What was left out because it came from staff, bots or load tests, with the hash of those rows."""

    viewers: int
    sessions: int
    impressions: int
    clicks: int
    orders: int
    rows_sha256: str


class Fold(Struct, frozen=True):
    """The rows that count, and the four parts into which every order falls exactly once."""

    live: Sequence[LiveInterval]
    sessions: Sequence[WatchSession]
    impressions: Sequence[Impression]
    hub_impressions: Sequence[HubImpression]
    clicks: Sequence[Click]
    sales: Sequence[Sale]
    unattributed: Sequence[Sale]
    excluded: Excluded
    buckets: Mapping[str, Bucket]
    rows_sha256: str
    sales_by_window: Mapping[int, Sequence[Sale]]


def fold(
    rows: ReportRows, window: Window, currency: str, as_of_ms: int, window_ms: int, other_windows: Iterable[int]
) -> Fold:
    """Sort the rows into what counts and what does not.

    `rows` passed `check_rows`. Raises BadRow for an order in another currency without a rate locked to `currency`.
    """
    flagged = {one.viewer for one in rows.sessions if one.traffic != "viewer"} | rows.excluded_viewers
    live = stretches_at(rows.live, as_of_ms)
    sessions, staff_sessions = _parted(stretches_at(rows.sessions, as_of_ms), lambda one: one.viewer in flagged)
    impressions, staff_impressions = _parted(known_at(rows.impressions, as_of_ms), lambda one: one.viewer in flagged)
    hub, staff_hub = _parted(known_at(rows.hub_impressions, as_of_ms), lambda one: one.viewer in flagged)
    all_clicks = known_at(rows.clicks, as_of_ms)
    clicks, staff_clicks = _parted(all_clicks, lambda one: one.viewer in flagged)
    orders = orders_at(rows.orders, as_of_ms)
    by_order = refunds_by_order(known_at(rows.refunds, as_of_ms))
    index = ClickIndex(all_clicks)

    counted: list[Sale] = []
    unattributed: list[Sale] = []
    staff: list[Sale] = []
    outside: list[Sale] = []
    others: dict[int, list[Sale]] = {other: [] for other in other_windows}
    for order in orders:
        sale = _sale(order, by_order.get(order.order, ()), index, window_ms, currency)
        carried = index.find(order.click)
        if sale.buyer in flagged or (carried is not None and carried.viewer in flagged):
            staff.append(sale)
            continue
        if not window.holds(order.placed_ms):
            outside.append(sale)
            continue
        (unattributed if sale.click is None else counted).append(sale)
        for other, sales in others.items():
            if index.attribute(order, other).click is not None:
                sales.append(sale)

    staff_orders = [sale.order for sale in staff]
    staff_ids = {order.order for order in staff_orders}
    known_orders = {order.order for order in orders}
    refunds = [one for order, some in by_order.items() if order in known_orders for one in some]
    own_refunds, staff_refunds = _parted(refunds, lambda one: one.order in staff_ids)
    return Fold(
        live=live,
        sessions=sessions,
        impressions=_distinct_impressions(one for one in impressions if window.holds(one.at_ms)),
        hub_impressions=[one for one in hub if window.holds(one.at_ms)],
        clicks=[one for one in clicks if window.holds(one.at_ms)],
        sales=counted,
        unattributed=unattributed,
        excluded=Excluded(
            viewers=len(flagged),
            sessions=len(staff_sessions),
            impressions=len(staff_impressions),
            clicks=len(staff_clicks),
            orders=len(staff),
            rows_sha256=rows_sha256(
                staff_sessions, staff_impressions, staff_hub, staff_clicks, staff_orders, staff_refunds
            ),
        ),
        buckets={
            "counted": bucket(counted),
            "unattributed": bucket(unattributed),
            "excluded": bucket(staff),
            "outside_window": bucket(outside),
        },
        rows_sha256=rows_sha256(
            live,
            sessions,
            impressions,
            hub,
            clicks,
            [order for order in orders if order.order not in staff_ids],
            own_refunds,
        ),
        sales_by_window=others,
    )


def bucket(sales: Iterable[Sale]) -> Bucket:
    """Sums over some sales."""
    orders = paid_orders = placed = paid = given_back = 0
    for sale in sales:
        orders += 1
        placed += sale.value
        if sale.paid:
            paid_orders += 1
            paid += sale.value
            given_back += sale.given_back
    return Bucket(orders, paid_orders, placed, paid, given_back)


def refunds_by_order(refunds: Iterable[Refund]) -> dict[str, list[Refund]]:
    """The refunds of each order, in the order in which they were made."""
    by_order: dict[str, list[Refund]] = {}
    for refund in refunds:
        by_order.setdefault(refund.order, []).append(refund)
    for some in by_order.values():
        some.sort(key=lambda one: (one.at_ms, one.refund))
    return by_order


def _sale(order: Order, refunds: Sequence[Refund], index: ClickIndex, window_ms: int, currency: str) -> Sale:
    attribution = index.attribute(order, window_ms)
    click = index.find(attribution.click)
    convert = _converter(order, currency)
    back = {"refund": 0, "cancellation": 0}
    given_back = 0
    # Amounts are converted as differences of converted running totals: parts then sum to the converted whole, and
    # a full refund leaves exactly nothing.
    for refund in refunds:
        back[refund.kind] += convert(given_back + refund.minor) - convert(given_back)
        given_back += refund.minor
    value = convert(order.value_minor)
    total_back = sum(back.values())
    lines: list[SoldLine] = []
    running = before = back_before = 0
    for line in order.lines:
        running += line.value_minor
        after = convert(running)
        # A refund names no line, so it falls on the lines in proportion to what was paid for them.
        back_after = total_back * after // value if value else 0
        lines.append(SoldLine(line.product, line.quantity, after - before, back_after - back_before))
        before, back_before = after, back_after
    return Sale(
        order=order,
        buyer=order.viewer or (click.viewer if click is not None else ""),
        click=click,
        by=attribution.by,
        why_not=attribution.why_not,
        paid=order.paid_ms is not None,
        value=value,
        refunded=back["refund"],
        cancelled=back["cancellation"],
        lines=tuple(lines),
    )


def _converter(order: Order, currency: str) -> Callable[[int], int]:
    if order.currency == currency:
        return _same
    rate = order.rate
    if rate is None or rate.to != currency:
        raise BadRow(f"is in {order.currency} and has no rate locked to {currency}", f"order {order.order!r}")
    numer, denom = rate.numer, rate.denom
    return lambda minor: half_even(minor * numer, denom)


def _same(minor: int) -> int:
    return minor


def half_even(numer: int, denom: int) -> int:
    """`numer`/`denom` rounded to the nearest integer, ties to the even one. `denom` is positive."""
    whole, rest = divmod(numer, denom)
    return whole + (2 * rest > denom or (2 * rest == denom and whole % 2 == 1))


def _parted(rows: Iterable[T], excluded: Callable[[T], bool]) -> tuple[list[T], list[T]]:
    counted: list[T] = []
    left_out: list[T] = []
    for row in rows:
        (left_out if excluded(row) else counted).append(row)
    return counted, left_out


def _distinct_impressions(impressions: Iterable[Impression]) -> list[Impression]:
    """One per viewer, card and showing: the earliest."""
    first: dict[tuple[str, str, str], Impression] = {}
    for one in impressions:
        known = first.setdefault((one.viewer, one.card, one.showing), one)
        if known is not one and _moment(one) < _moment(known):
            first[one.viewer, one.card, one.showing] = one
    return list(first.values())


def _moment(one: Impression) -> tuple[int, str, str]:
    return one.at_ms, one.product, one.scene
