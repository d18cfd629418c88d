"""A room's report: everything docs/metrics.md defines, folded from stored rows.

Pure: rows, baselines, history, seed and as-of time come in, a value comes out; the same input gives the same
report on any machine. It reads no table, no clock and no file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct

from commerce_overlay import money, report_tables
from commerce_overlay.baselines import Baselines
from commerce_overlay.money import Money
from commerce_overlay.report_fold import Bucket, Excluded, Fold, bucket, fold
from commerce_overlay.report_people import People
from commerce_overlay.report_ratios import Ratio, build_ratios, viewer_sums
from commerce_overlay.report_rows import (
    CURRENCY,
    BadRow,
    LiveInterval,
    ReportRows,
    Scene,
    Window,
    check_rows,
    check_window,
)
from commerce_overlay.report_settings import ReportSettings
from commerce_overlay.report_tables import Curves, ItemRow, Phase, Sales, SceneRow
from commerce_overlay.report_verdict import Judged, PastRoom, judge
from commerce_overlay.report_watch import Playback, Watching, merge_live

FORMAT = 1
"""Raised when a key of the JSON changes its meaning or goes away; new keys do not raise it."""


class Live(Struct, frozen=True):
    """When the show was live inside the window, as [start, end) pairs, and how long altogether."""

    intervals: Sequence[tuple[int, int]]
    live_ms: int


class Audience(Struct, frozen=True):
    """Who watched, live and replay together; `pcu`, `acu` and the curve are of the live show alone."""

    viewers: int
    views: int
    long_views: int
    watch_ms: int
    watch_avg_ms: float | None
    """Watch time by viewer; None without viewers."""
    pcu: int
    pcu_at_ms: int | None
    acu: float | None
    """Watch time inside live time over live time; None without live time."""


class Counts(Struct, frozen=True):
    impressions: int
    impressed_viewers: int
    hub_impressions: int
    clicks: int
    clicks_without_card: int
    clicking_viewers: int
    orders_placed: int
    orders_paid: int
    orders_cancelled_unpaid: int
    orders_given_back: int
    """Paid orders with a refund or a cancellation after payment."""
    ordering_viewers: int
    buyers: int
    units_paid: int


class MoneyTotals(Struct, frozen=True):
    """Exact sums. `gmv_net` = `gmv_paid` − `refunded` − `cancelled_after_payment`, as of the report's `as_of_ms`."""

    gmv_placed: Money
    gmv_paid: Money
    refunded: Money
    cancelled_after_payment: Money
    gmv_net: Money


class WindowRow(Struct, frozen=True):
    """What the report's orders would earn under another attribution window."""

    window_ms: int
    orders: int
    paid_orders: int
    buyers: int
    gmv_paid: Money
    gmv_net: Money


class AttributionPart(Struct, frozen=True):
    """The window in use, how the orders found their click, the other windows, and why some found none."""

    window_ms: int
    by: Mapping[str, int]
    unattributed: Mapping[str, int]
    windows: Sequence[WindowRow]


class Trust(Struct, frozen=True):
    """What anyone needs to compute the same report. `signature` hashes all the rest, `as_of_ms` and window included."""

    rows_sha256: str
    baselines_version: str
    code_version: str
    settings_sha256: str
    history_sha256: str
    seed: int
    resamples: int
    generator: str
    signature: str


class Report(Struct, frozen=True, kw_only=True):
    """The whole report; `to_json` is its shape for the page, described in docs/metrics.md."""

    format: int
    room: str
    window: Window
    as_of_ms: int
    currency: str
    decimals: int
    live: Live
    audience: Audience
    counts: Counts
    money: MoneyTotals
    ratios: Mapping[str, Ratio]
    phases: Mapping[Phase, Sales]
    scenes: Mapping[Scene, SceneRow]
    attribution: AttributionPart
    curves: Curves
    products: Sequence[ItemRow]
    cards: Sequence[ItemRow]
    judged: Judged
    excluded: Excluded
    reconciliation: Mapping[str, Bucket]
    trust: Trust

    def to_json(self) -> dict[str, Any]:
        """The report as plain dicts, lists, strings, numbers and None, ready for any JSON encoder."""
        return cast(dict[str, Any], msgspec.to_builtins(self))

    def to_history(self) -> PastRoom:
        """The report as a past room in a later report's history."""
        values = {name: one.value for name, one in self.ratios.items() if one.value is not None}
        return PastRoom(self.room, self.window.end_ms, self.currency, values)


def build_report(
    *,
    room: str,
    window: Window,
    currency: str,
    rows: ReportRows,
    baselines: Baselines,
    as_of_ms: int,
    seed: int,
    code_version: str,
    settings: ReportSettings | None = None,
    own_history: Sequence[PastRoom] = (),
) -> Report:
    """Fold the rows into the room's report in `currency`, as things stood at `as_of_ms`.

    An order belongs to the window in which it was placed; what is paid or given back for it later counts until
    `as_of_ms`. Raises BadRow naming the row that contradicts itself, MoneyError for an unknown currency.
    """
    settings = settings or ReportSettings()
    check_window(window, as_of_ms)
    if not CURRENCY.match(currency):
        raise BadRow(f"{currency!r} is not an ISO 4217 code", "currency")
    decimals = money.decimals(currency)
    check_rows(rows)
    window_ms = settings.attribution_window_ms
    folded = fold(rows, window, currency, as_of_ms, window_ms, settings.shown_windows_ms)
    seen = Window(window.start_ms, min(window.end_ms, as_of_ms))
    live = merge_live(folded.live, seen)
    playback: dict[Scene, Playback] = {
        "live": Playback(folded.sessions, "live", seen, settings.session_gap_ms),
        "replay": Playback(folded.sessions, "replay", seen, settings.session_gap_ms),
    }
    watched: dict[Scene, Watching] = {
        scene: one.watching(settings.view_ms, settings.long_view_ms) for scene, one in playback.items()
    }
    concurrency = playback["live"].concurrency(live)
    views: dict[str, int] = {}
    for watching in watched.values():
        for viewer, number in watching.views.items():
            views[viewer] = views.get(viewer, 0) + number
    people = People(folded, views)
    sums = viewer_sums(folded, views, people)
    ratios = build_ratios(sums, concurrency.live_ms, settings, seed)
    sales = report_tables.sales_of(folded.sales, currency)
    audience = _audience(watched, len(views))
    report = Report(
        format=FORMAT,
        room=room,
        window=window,
        as_of_ms=as_of_ms,
        currency=currency,
        decimals=decimals,
        live=Live([(one.start_ms, one.end_ms) for one in live], concurrency.live_ms),
        audience=msgspec.structs.replace(
            audience, pcu=concurrency.peak, pcu_at_ms=concurrency.peak_ms, acu=concurrency.average
        ),
        counts=_counts(folded, sales),
        money=_money(folded, sales, currency),
        ratios=ratios,
        phases=report_tables.by_phase(folded.sales, live, currency),
        scenes=report_tables.by_scene(folded, watched, currency),
        attribution=_attribution(folded, window_ms, currency),
        curves=report_tables.curves(folded, concurrency),
        products=report_tables.by_product(folded, people, currency),
        cards=report_tables.by_card(folded, people, currency),
        judged=judge(ratios, sales.buyers, currency, decimals, baselines, own_history, settings),
        excluded=folded.excluded,
        reconciliation=folded.buckets,
        trust=Trust(
            rows_sha256=folded.rows_sha256,
            baselines_version=baselines.version,
            code_version=code_version,
            settings_sha256=_sha256(settings),
            history_sha256=_sha256(sorted(own_history, key=lambda one: (one.ended_ms, one.room))),
            seed=seed,
            resamples=settings.resamples,
            generator="numpy PCG64",
            signature="",
        ),
    )
    return msgspec.structs.replace(report, trust=_signed(report))


def _signed(report: Report) -> Trust:
    signed = [report.format, report.room, report.window, report.as_of_ms, report.currency, report.trust]
    return msgspec.structs.replace(report.trust, signature=_sha256(signed))


def _sha256(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def _audience(watched: Mapping[Scene, Watching], viewers: int) -> Audience:
    watch_ms = sum(one.watch_ms for one in watched.values())
    return Audience(
        viewers=viewers,
        views=sum(sum(one.views.values()) for one in watched.values()),
        long_views=sum(sum(one.long_views.values()) for one in watched.values()),
        watch_ms=watch_ms,
        watch_avg_ms=watch_ms / viewers if viewers else None,
        pcu=0,
        pcu_at_ms=None,
        acu=None,
    )


def _counts(folded: Fold, sales: Sales) -> Counts:
    return Counts(
        impressions=len(folded.impressions),
        impressed_viewers=len({one.viewer for one in folded.impressions}),
        hub_impressions=len(folded.hub_impressions),
        clicks=len(folded.clicks),
        clicks_without_card=sum(one.card is None for one in folded.clicks),
        clicking_viewers=len({one.viewer for one in folded.clicks}),
        orders_placed=sales.orders,
        orders_paid=sales.paid_orders,
        orders_cancelled_unpaid=sum(one.order.cancelled_ms is not None for one in folded.sales),
        orders_given_back=sum(one.paid and one.given_back > 0 for one in folded.sales),
        ordering_viewers=len({one.buyer for one in folded.sales}),
        buyers=sales.buyers,
        units_paid=sales.units,
    )


def _money(folded: Fold, sales: Sales, currency: str) -> MoneyTotals:
    paid = [one for one in folded.sales if one.paid]
    return MoneyTotals(
        gmv_placed=sales.gmv_placed,
        gmv_paid=sales.gmv_paid,
        refunded=Money(sum(one.refunded for one in paid), currency),
        cancelled_after_payment=Money(sum(one.cancelled for one in paid), currency),
        gmv_net=sales.gmv_net,
    )


def _attribution(folded: Fold, window_ms: int, currency: str) -> AttributionPart:
    by = {"click_id": 0, "viewer": 0}
    for sale in folded.sales:
        if sale.by is not None:
            by[sale.by] += 1
    reasons = {"click_unknown": 0, "click_other_seller": 0, "no_click": 0, "too_old": 0}
    for sale in folded.unattributed:
        if sale.why_not is not None:
            reasons[sale.why_not] += 1
    windows: list[WindowRow] = []
    for other, sales in sorted(folded.sales_by_window.items()):
        sums = bucket(sales)
        windows.append(
            WindowRow(
                window_ms=other,
                orders=sums.orders,
                paid_orders=sums.paid_orders,
                buyers=len({one.buyer for one in sales if one.paid}),
                gmv_paid=Money(sums.gmv_paid, currency),
                gmv_net=Money(sums.gmv_paid - sums.given_back, currency),
            )
        )
    return AttributionPart(window_ms=window_ms, by=by, unattributed=reasons, windows=windows)


class LedgerTotals(Struct, frozen=True):
    """What the ledger says of the same orders: sums over their `sales:` and `refunds:` accounts, minor units.

    `sales` is positive. The orders are all those given to the report, staff and unattributed ones included.
    """

    currency: str
    paid_orders: int
    sales: int
    refunds: int


class LedgerLine(Struct, frozen=True):
    name: str
    report: int
    ledger: int

    @property
    def difference(self) -> int:
        return self.report - self.ledger


class LedgerCheck(Struct, frozen=True):
    """Whether report and ledger agree to the minor unit, and line by line where not."""

    agrees: bool
    lines: Sequence[LedgerLine]


def check_against_ledger(report: Report, totals: LedgerTotals) -> LedgerCheck:
    """Hold the report against the ledger. Raises BadRow where the currencies differ.

    Every order is in exactly one part of the report's `reconciliation`, so the parts must sum to the ledger.
    """
    if totals.currency != report.currency:
        raise BadRow(f"is in {totals.currency}, the report in {report.currency}", "ledger totals")
    parts = report.reconciliation.values()
    lines = [
        LedgerLine("paid_orders", sum(one.paid_orders for one in parts), totals.paid_orders),
        LedgerLine("gmv_paid", sum(one.gmv_paid for one in parts), totals.sales),
        LedgerLine("given_back", sum(one.given_back for one in parts), totals.refunds),
    ]
    return LedgerCheck(all(not line.difference for line in lines), lines)


__all__ = [
    "LedgerCheck",
    "LedgerTotals",
    "LiveInterval",
    "PastRoom",
    "Report",
    "ReportRows",
    "ReportSettings",
    "Window",
    "build_report",
    "check_against_ledger",
]
