"""The report as one RFC 4180 table a spreadsheet opens without running anything in it.

Pure. It prints what the report holds and computes nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from commerce_overlay.money import Money
from commerce_overlay.report import Report
from commerce_overlay.report_tables import ItemRow, Sales, SalesCurve
from commerce_overlay.report_verdict import Comparison
from commerce_overlay.report_words import english

HEADER = ("section", "item", "measure", "value", "low", "high", "n", "unit", "note")
Cell = str | int | float | Decimal | None
Row = tuple[str, str, str, Cell, Cell, Cell, Cell, str, str]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters that make a spreadsheet read text as a formula (OWASP, CSV injection), full width included."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_csv(report: Report) -> str:
    """The report as text with CRLF line ends and the columns `HEADER`."""
    lines = _Lines()
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in _rows(report):
        writer.writerow([_safe(cell) for cell in row])
    return "".join(lines.written)


class _Lines:
    """What the csv module writes to: a list, because a pure module opens no file, not even one in memory."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, text: str) -> None:
        self.written.append(text)


def _safe(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return "'" + cell if cell.startswith(_FORMULA) else cell
    # Our own numbers, the negative ones too, stay numbers.
    return str(cell)


def _rows(report: Report) -> Iterator[Row]:
    yield from _head(report)
    yield from _totals(report)
    yield from _ratios(report)
    yield from _verdicts(report)
    for phase, sales in report.phases.items():
        yield from _sales("phase", phase, sales)
    for scene, row in report.scenes.items():
        for name, value in (("viewers", row.viewers), ("views", row.views), ("watch_ms", row.watch_ms)):
            yield _count("scene", scene, name, value)
        yield _count("scene", scene, "clicks", row.clicks)
        yield from _sales("scene", scene, row.sales)
    for window in report.attribution.windows:
        label = f"{window.window_ms // 3_600_000} h"
        yield _count("attribution", label, "orders", window.orders)
        yield _count("attribution", label, "paid_orders", window.paid_orders)
        yield _count("attribution", label, "buyers", window.buyers)
        yield _money("attribution", label, "gmv_paid", window.gmv_paid)
        yield _money("attribution", label, "gmv_net", window.gmv_net)
    yield from _items("product", report.products)
    yield from _items("card", report.cards)
    yield from _curve("minute_by_order_time", report.curves.by_order_time, report.currency)
    yield from _curve("minute_by_click_time", report.curves.by_click_time, report.currency)
    audience = report.curves.audience
    for minute, peak, average in zip(audience.minute_ms, audience.peak, audience.average, strict=True):
        yield _count("minute_audience", _time(minute), "peak", peak)
        yield ("minute_audience", _time(minute), "average", average, None, None, None, "viewers", "")
    for part, bucket in report.reconciliation.items():
        yield _count("reconciliation", part, "orders", bucket.orders)
        yield _count("reconciliation", part, "paid_orders", bucket.paid_orders)
        yield _money("reconciliation", part, "gmv_paid", Money(bucket.gmv_paid, report.currency))
        yield _money("reconciliation", part, "given_back", Money(bucket.given_back, report.currency))


def _head(report: Report) -> Iterator[Row]:
    trust = report.trust
    for name, value in (
        ("room", report.room),
        ("window_start", _time(report.window.start_ms)),
        ("window_end", _time(report.window.end_ms)),
        ("as_of", _time(report.as_of_ms)),
        ("currency", report.currency),
        ("rows_sha256", trust.rows_sha256),
        ("baselines_version", trust.baselines_version),
        ("code_version", trust.code_version),
        ("seed", str(trust.seed)),
        ("signature", trust.signature),
    ):
        yield ("report", "", name, value, None, None, None, "", "")


def _totals(report: Report) -> Iterator[Row]:
    audience, counts, money = report.audience, report.counts, report.money
    for name, value in (
        ("viewers", audience.viewers),
        ("views", audience.views),
        ("long_views", audience.long_views),
        ("pcu", audience.pcu),
    ):
        yield _count("audience", "", name, value)
    for name, value, unit in (
        ("acu", audience.acu, "viewers"),
        ("watch_avg", audience.watch_avg_ms, "ms"),
        ("watch", audience.watch_ms, "ms"),
        ("live", report.live.live_ms, "ms"),
    ):
        yield ("audience", "", name, value, None, None, None, unit, "")
    for name in counts.__struct_fields__:
        yield _count("count", "", name, getattr(counts, name))
    for name in money.__struct_fields__:
        yield _money("money", "", name, getattr(money, name))


def _ratios(report: Report) -> Iterator[Row]:
    for name, ratio in report.ratios.items():
        scale = 10.0**report.decimals if ratio.unit == "money" else 1.0
        unit = report.currency if ratio.unit == "money" else "share"
        value, low, high = (None if one is None else one / scale for one in (ratio.value, ratio.low, ratio.high))
        yield ("ratio", "", name, value, low, high, ratio.n, unit, ratio.why or ratio.method or "")
        if ratio.trimmed is not None:
            yield ("ratio", "trimmed", name, ratio.trimmed / scale, None, None, None, unit, "")
        if ratio.largest_buyer_share is not None:
            share = ratio.largest_buyer_share
            yield ("ratio", "largest_buyer_share", name, share, None, None, None, "share", "")


def _verdicts(report: Report) -> Iterator[Row]:
    for reading in report.judged.readings:
        yield ("verdict", "", reading.reading, reading.band or "", None, None, None, "", reading.text_en)
        for one in reading.comparators:
            if one.comparator == "own_median":
                yield _comparison(reading.reading, one)
    for one in report.judged.comparisons:
        yield _comparison(one.measure or one.metric, one)


def _comparison(measure: str, one: Comparison) -> Row:
    if one.verdict is not None:
        note = one.verdict.text_en
    elif one.why is not None:
        note = english([one.why])
    else:
        note = one.note
    return ("comparison", one.comparator, measure, one.r, one.r_low, one.r_high, None, one.status, note)


def _sales(section: str, item: str, sales: Sales) -> Iterator[Row]:
    yield _count(section, item, "orders", sales.orders)
    yield _count(section, item, "paid_orders", sales.paid_orders)
    yield _count(section, item, "buyers", sales.buyers)
    yield _count(section, item, "units", sales.units)
    yield _money(section, item, "gmv_placed", sales.gmv_placed)
    yield _money(section, item, "gmv_paid", sales.gmv_paid)
    yield _money(section, item, "given_back", sales.given_back)
    yield _money(section, item, "gmv_net", sales.gmv_net)


def _items(section: str, rows: Sequence[ItemRow]) -> Iterator[Row]:
    for row in rows:
        yield _count(section, row.id, "impressions", row.impressions)
        yield _count(section, row.id, "clicks", row.clicks)
        yield from _sales(section, row.id, row.sales)


def _curve(section: str, curve: SalesCurve, currency: str) -> Iterator[Row]:
    for at, minute in enumerate(curve.minute_ms):
        item = _time(minute)
        yield _count(section, item, "clicks", curve.clicks[at])
        yield _count(section, item, "orders", curve.orders[at])
        yield _count(section, item, "paid_orders", curve.paid_orders[at])
        yield _money(section, item, "gmv_paid", Money(curve.gmv_paid_minor[at], currency))
        yield _money(section, item, "gmv_net", Money(curve.gmv_net_minor[at], currency))


def _count(section: str, item: str, measure: str, value: int) -> Row:
    return (section, item, measure, value, None, None, None, "count", "")


def _money(section: str, item: str, measure: str, amount: Money) -> Row:
    # `Money` prints `-12.00 USD`: all digits, no exponent, no thousands sign.
    number, _, currency = str(amount).partition(" ")
    return (section, item, measure, Decimal(number), None, None, None, currency, "")


def _time(at_ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
