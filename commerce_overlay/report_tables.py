"""The breakdowns of a report: minutes, products, cards, before, in and after the show, live against replay.

Pure. Every table sums to the report's totals, because each sale falls into exactly one row of it (a sale of
several products into one row a product).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from commerce_overlay.money import Money
from commerce_overlay.report_fold import Fold, Sale
from commerce_overlay.report_rows import Click, Impression, LiveInterval, Scene
from commerce_overlay.report_watch import MINUTE_MS, Concurrency, Watching

Phase = Literal["before_live", "in_live", "after_live"]
NO_CARD = ""
"""Row of the card table for sales whose click came from a place without a card."""




class Sales(Struct, frozen=True):
    """Sales of one part of a report."""

    orders: int
    paid_orders: int
    buyers: int
    units: int
    """Items of paid orders."""
    gmv_placed: Money
    gmv_paid: Money
    given_back: Money
    """Refunds and cancellations after payment."""
    gmv_net: Money


class ItemRow(Struct, frozen=True):
    """A product or a card: `id`, what was seen and clicked of it, and what it sold."""

    id: str
    product: str
    seller: str
    impressions: int
    impressed_viewers: int
    clicks: int
    clicking_viewers: int
    sales: Sales


class SceneRow(Struct, frozen=True):
    """Live or replay: who watched there, and what the clicks made there earned."""

    viewers: int
    views: int
    long_views: int
    watch_ms: int
    clicks: int
    sales: Sales


class AudienceCurve(Struct, frozen=True):
    """Minutes with live time: start, greatest and average number of viewers at once."""

    minute_ms: Sequence[int]
    peak: Sequence[int]
    average: Sequence[float]


class SalesCurve(Struct, frozen=True):
    """Sales by minute; a minute that is absent has nothing. Money in minor units of the report's currency.

    Under `by_order_time` a sale lies in the minute it was placed, under `by_click_time` in the minute of its
    click; what is given back lies in the minute of its sale, whenever that happened.
    """

    minute_ms: Sequence[int]
    clicks: Sequence[int]
    orders: Sequence[int]
    paid_orders: Sequence[int]
    gmv_paid_minor: Sequence[int]
    gmv_net_minor: Sequence[int]


class Curves(Struct, frozen=True):
    step_ms: int
    audience: AudienceCurve
    by_order_time: SalesCurve
    by_click_time: SalesCurve


class _Tally:
    """Adds up the sales of one row."""

    def __init__(self) -> None:
        self.orders: set[str] = set()
        self.paid_orders: set[str] = set()
        self.buyers: set[str] = set()
        self.units = self.placed = self.paid = self.given_back = 0

    def add(self, sale: Sale, quantity: int, value: int, given_back: int) -> None:
        self.orders.add(sale.order.order)
        self.placed += value
        if sale.paid:
            self.paid_orders.add(sale.order.order)
            self.buyers.add(sale.buyer)
            self.units += quantity
            self.paid += value
            self.given_back += given_back

    def add_all(self, sale: Sale) -> None:
        self.add(sale, sum(line.quantity for line in sale.lines), sale.value, sale.given_back)

    def sales(self, currency: str) -> Sales:
        return Sales(
            orders=len(self.orders),
            paid_orders=len(self.paid_orders),
            buyers=len(self.buyers),
            units=self.units,
            gmv_placed=Money(self.placed, currency),
            gmv_paid=Money(self.paid, currency),
            given_back=Money(self.given_back, currency),
            gmv_net=Money(self.paid - self.given_back, currency),
        )


def sales_of(sales: Iterable[Sale], currency: str) -> Sales:
    """The sums over some sales."""
    tally = _Tally()
    for sale in sales:
        tally.add_all(sale)
    return tally.sales(currency)


def by_phase(sales: Iterable[Sale], live: Sequence[LiveInterval], currency: str) -> dict[Phase, Sales]:
    """Sales by when they were placed. A pause of the show belongs to `after_live`: nothing was being shown."""
    parts: dict[Phase, _Tally] = {"before_live": _Tally(), "in_live": _Tally(), "after_live": _Tally()}
    for sale in sales:
        parts[_phase(sale.order.placed_ms, live)].add_all(sale)
    return {phase: tally.sales(currency) for phase, tally in parts.items()}


def _phase(at_ms: int, live: Sequence[LiveInterval]) -> Phase:
    if any(one.start_ms <= at_ms < one.end_ms for one in live):
        return "in_live"
    return "before_live" if not live or at_ms < live[0].start_ms else "after_live"


def by_scene(fold: Fold, watched: Mapping[Scene, Watching], currency: str) -> dict[Scene, SceneRow]:
    """Live against replay, by where the click was made."""
    tallies: dict[Scene, _Tally] = {"live": _Tally(), "replay": _Tally()}
    for sale in fold.sales:
        tallies[sale.click.scene if sale.click is not None else "live"].add_all(sale)
    clicks: dict[Scene, int] = {"live": 0, "replay": 0}
    for click in fold.clicks:
        clicks[click.scene] += 1
    return {
        scene: SceneRow(
            viewers=watched[scene].viewers,
            views=sum(watched[scene].views.values()),
            long_views=sum(watched[scene].long_views.values()),
            watch_ms=watched[scene].watch_ms,
            clicks=clicks[scene],
            sales=tally.sales(currency),
        )
        for scene, tally in tallies.items()
    }


class _Item:
    def __init__(self) -> None:
        self.product = self.seller = ""
        self.impressions = self.clicks = 0
        self.impressed: set[str] = set()
        self.clicking: set[str] = set()
        self.tally = _Tally()

    def name(self, product: str, seller: str) -> None:
        """Remember what the item is; of several the greatest word, so that the order of rows has no say."""
        self.product, self.seller = max(self.product, product), max(self.seller, seller)


def by_product(fold: Fold, currency: str) -> list[ItemRow]:
    """One row per product seen, clicked or sold; best seller first."""
    items = _seen(fold, lambda one: one.product, lambda one: one.product)
    for sale in fold.sales:
        for line in sale.lines:
            item = items.setdefault(line.product, _Item())
            item.name(line.product, sale.order.seller)
            item.tally.add(sale, line.quantity, line.value, line.given_back)
    return _rows(items, currency)


def by_card(fold: Fold, currency: str) -> list[ItemRow]:
    """One row per card seen, clicked or earning; `NO_CARD` for clicks made elsewhere; best seller first."""
    items = _seen(fold, lambda one: one.card, lambda one: one.card or NO_CARD)
    for sale in fold.sales:
        card = sale.click.card if sale.click is not None else None
        items.setdefault(card or NO_CARD, _Item()).tally.add_all(sale)
    return _rows(items, currency)


def _seen(
    fold: Fold, of_impression: Callable[[Impression], str], of_click: Callable[[Click], str]
) -> dict[str, _Item]:
    items: dict[str, _Item] = {}
    for one in fold.impressions:
        item = items.setdefault(of_impression(one), _Item())
        item.name(one.product, "")
        item.impressions += 1
        item.impressed.add(one.viewer)
    for click in fold.clicks:
        item = items.setdefault(of_click(click), _Item())
        if of_click(click) != NO_CARD:
            item.name(click.product, click.seller)
        item.clicks += 1
        item.clicking.add(click.viewer)
    return items


def _rows(items: Mapping[str, _Item], currency: str) -> list[ItemRow]:
    rows = [
        ItemRow(
            id=id,
            product=item.product,
            seller=item.seller,
            impressions=item.impressions,
            impressed_viewers=len(item.impressed),
            clicks=item.clicks,
            clicking_viewers=len(item.clicking),
            sales=item.tally.sales(currency),
        )
        for id, item in items.items()
    ]
    return sorted(rows, key=lambda row: (-row.sales.gmv_paid.minor, -row.clicks, row.id))


def curves(fold: Fold, concurrency: Concurrency) -> Curves:
    """The report's minutes."""
    return Curves(
        step_ms=MINUTE_MS,
        audience=AudienceCurve(
            concurrency.minute_ms, concurrency.minute_peak, concurrency.minute_average
        ),
        by_order_time=_sales_curve(fold, lambda sale: sale.order.placed_ms),
        by_click_time=_sales_curve(
            fold, lambda sale: sale.order.placed_ms if sale.click is None else sale.click.at_ms
        ),
    )


def _sales_curve(fold: Fold, moment: Callable[[Sale], int]) -> SalesCurve:
    minutes: dict[int, list[int]] = {}
    for click in fold.clicks:
        minutes.setdefault(click.at_ms // MINUTE_MS, [0] * 5)[0] += 1
    for sale in fold.sales:
        cells = minutes.setdefault(moment(sale) // MINUTE_MS, [0] * 5)
        cells[1] += 1
        if sale.paid:
            cells[2] += 1
            cells[3] += sale.value
            cells[4] += sale.value - sale.given_back
    ordered = sorted(minutes)
    columns = [[minutes[minute][column] for minute in ordered] for column in range(5)]
    return SalesCurve([minute * MINUTE_MS for minute in ordered], *columns)
