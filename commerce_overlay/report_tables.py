"""The breakdowns of a report: minutes, products, cards, before, in and after the show, live against replay.

Pure. Every table sums to the report's totals, because each sale falls into exactly one row of it (a sale of
several products into one row a product).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from commerce_overlay.money import Money
from commerce_overlay.report_fold import Fold, Sale
from commerce_overlay.report_people import People, count_people
from commerce_overlay.report_rows import LiveInterval, Scene
from commerce_overlay.report_watch import MINUTE_MS, Concurrency, Watching

Phase = Literal["before_live", "in_live", "after_live"]
NO_CARD = ""
"""Row of the card table for sales whose click came from a place without a card."""


_NOBODY = (0, 0)


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


def by_product(fold: Fold, people: People, currency: str) -> list[ItemRow]:
    """One row per product seen, clicked or sold; best seller first."""
    tallies: defaultdict[str, _Tally] = defaultdict(_Tally)
    sellers = {(click.product, click.seller) for click in fold.clicks}
    for sale in fold.sales:
        for line in sale.lines:
            tallies[line.product].add(sale, line.quantity, line.value, line.given_back)
            sellers.add((line.product, sale.order.seller))
    seen = [one.product for one in fold.impressions]
    clicked = [one.product for one in fold.clicks]
    names = {product: product for product in {*seen, *clicked, *tallies}}
    return _rows(people, seen, clicked, tallies, names, _greatest(sellers), currency)


def by_card(fold: Fold, people: People, currency: str) -> list[ItemRow]:
    """One row per card seen, clicked or earning; `NO_CARD` for clicks made elsewhere; best seller first."""
    tallies: defaultdict[str, _Tally] = defaultdict(_Tally)
    for sale in fold.sales:
        tallies[(sale.click.card if sale.click is not None else None) or NO_CARD].add_all(sale)
    on_cards = [click for click in (*fold.clicks, *(sale.click for sale in fold.sales)) if click and click.card]
    seen = [one.card for one in fold.impressions]
    products = set(zip(seen, (one.product for one in fold.impressions), strict=True))
    products |= {(click.card or NO_CARD, click.product) for click in on_cards}
    sellers = {(click.card or NO_CARD, click.seller) for click in on_cards}
    clicked = [one.card or NO_CARD for one in fold.clicks]
    return _rows(people, seen, clicked, tallies, _greatest(products), _greatest(sellers), currency)


def _greatest(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What each item is; of several the greatest word, so that the order of the rows has no say."""
    return dict(sorted(pairs))


def _rows(
    people: People,
    seen: Sequence[str],
    clicked: Sequence[str],
    tallies: Mapping[str, _Tally],
    products: Mapping[str, str],
    sellers: Mapping[str, str],
    currency: str,
) -> list[ItemRow]:
    """The rows of a table whose item for each impression and each click is in `seen` and `clicked`."""
    impressions = count_people(seen, people.impressed)
    clicks = count_people(clicked, people.clicking)
    nothing = _Tally()
    rows = [
        ItemRow(
            id=id,
            product=products.get(id, ""),
            seller=sellers.get(id, ""),
            impressions=impressions.get(id, _NOBODY)[0],
            impressed_viewers=impressions.get(id, _NOBODY)[1],
            clicks=clicks.get(id, _NOBODY)[0],
            clicking_viewers=clicks.get(id, _NOBODY)[1],
            sales=tallies.get(id, nothing).sales(currency),
        )
        for id in {*impressions, *clicks, *tallies}
    ]
    return sorted(rows, key=lambda row: (-row.sales.gmv_paid.minor, -row.clicks, row.id))


def curves(fold: Fold, concurrency: Concurrency) -> Curves:
    """The report's minutes."""
    return Curves(
        step_ms=MINUTE_MS,
        audience=AudienceCurve(concurrency.minute_ms, concurrency.minute_peak, concurrency.minute_average),
        by_order_time=_sales_curve(fold, lambda sale: sale.order.placed_ms),
        by_click_time=_sales_curve(fold, lambda sale: sale.order.placed_ms if sale.click is None else sale.click.at_ms),
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
