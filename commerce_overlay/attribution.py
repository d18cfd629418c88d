"""Which click earned an order: the last click on the same seller, within a window. Rules: docs/attribution.md.

Pure. It knows orders and clicks by id, viewer, seller and time; it knows no money and no report.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from commerce_overlay.report_rows import Click, Order

By = Literal["click_id", "viewer"]
WhyNot = Literal["click_unknown", "click_other_seller", "no_click", "too_old"]


class Attribution(Struct, frozen=True, gc=False):
    """Where one order came from. Either `click` and `by` are set, or `why_not` is."""

    order: str
    click: str | None
    by: By | None
    why_not: WhyNot | None


def attribute(orders: Iterable[Order], clicks: Iterable[Click], window_ms: int) -> dict[str, Attribution]:
    """Attribution of every order, by order id.

    `window_ms` is the greatest age of a click when its order is placed, included. Takes time
    O((orders + clicks) · log clicks). Raises ValueError for a negative window.
    """
    if window_ms < 0:
        raise ValueError(f"window_ms {window_ms} is negative")
    index = ClickIndex(clicks)
    return {order.order: index.attribute(order, window_ms) for order in orders}


class ClickIndex:
    """The clicks, arranged so that any number of windows can be asked about them.

    Invariant: `_times[key]` ascends without repeats, and every moment in it has a click in `_at`.
    """

    def __init__(self, clicks: Iterable[Click]) -> None:
        self._by_id: dict[str, Click] = {}
        # Of clicks in the same millisecond the greatest id wins: a ULID minted later sorts later.
        self._at: dict[tuple[str, str, int], str] = {}
        self._at_product: dict[tuple[str, str, int, str], str] = {}
        moments: dict[tuple[str, str], set[int]] = {}
        for click in clicks:
            self._by_id[click.click] = click
            key = (click.viewer, click.seller)
            moments.setdefault(key, set()).add(click.at_ms)
            moment = (*key, click.at_ms)
            self._at[moment] = max(click.click, self._at.get(moment, ""))
            precise = (*moment, click.product)
            self._at_product[precise] = max(click.click, self._at_product.get(precise, ""))
        self._times: Mapping[tuple[str, str], list[int]] = {key: sorted(at) for key, at in moments.items()}

    def find(self, click_id: str | None) -> Click | None:
        """The click of that id, if it is one of these."""
        return None if click_id is None else self._by_id.get(click_id)

    def attribute(self, order: Order, window_ms: int) -> Attribution:
        """The click that earned the order within `window_ms`, or why none did."""
        if order.click is not None:
            click = self._by_id.get(order.click)
            # A carried id that is not ours belongs to another room: matching by viewer would count it twice.
            if click is None:
                return Attribution(order.order, None, None, "click_unknown")
            if click.seller != order.seller:
                return Attribution(order.order, None, None, "click_other_seller")
            # The id proves that the click came first, so a click "after" its order is a clock set back.
            if order.placed_ms - click.at_ms <= window_ms:
                return Attribution(order.order, click.click, "click_id", None)
        return self._by_viewer(order, window_ms)

    def _by_viewer(self, order: Order, window_ms: int) -> Attribution:
        nothing: WhyNot = "no_click" if order.click is None else "too_old"
        if order.viewer is None:
            return Attribution(order.order, None, None, nothing)
        key = (order.viewer, order.seller)
        times = self._times.get(key, [])
        before = bisect_right(times, order.placed_ms)
        if before == 0:
            return Attribution(order.order, None, None, nothing)
        at_ms = times[before - 1]
        if order.placed_ms - at_ms > window_ms:
            return Attribution(order.order, None, None, "too_old")
        moment = (*key, at_ms)
        same = [self._at_product.get((*moment, line.product), "") for line in order.lines]
        return Attribution(order.order, max(same, default="") or self._at[moment], "viewer", None)
