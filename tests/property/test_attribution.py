"""Attribution against a brute-force reading of docs/attribution.md."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_overlay.attribution import attribute
from commerce_overlay.report_rows import Click, Order, OrderLine

# Few times, few people: ties and edges of the window come up all the time.
TIMES = st.integers(0, 12)
IDS = [f"k{at}" for at in range(8)]


@st.composite
def click_rows(draw: st.DrawFn) -> list[Click]:
    return [
        Click(
            id,
            draw(st.sampled_from("ab")),
            draw(st.sampled_from("pq")),
            draw(st.sampled_from("st")),
            draw(TIMES),
        )
        for id in draw(st.lists(st.sampled_from(IDS), unique=True))
    ]


@st.composite
def order_rows(draw: st.DrawFn) -> list[Order]:
    return [
        Order(
            f"o{at}",
            draw(st.sampled_from(["a", "b", None])),
            draw(st.sampled_from("st")),
            draw(st.sampled_from([None, *IDS])),
            "USD",
            tuple(OrderLine(product, 1, 100) for product in draw(st.sampled_from(["p", "q", "pq", "x"]))),
            draw(TIMES),
        )
        for at in range(draw(st.integers(0, 6)))
    ]


def by_the_book(order: Order, clicks: Sequence[Click], window_ms: int) -> tuple[str | None, str]:
    """The document, rule by rule, over all clicks: the click and how it was found, or None and why not."""
    if order.click is not None:
        carried = [one for one in clicks if one.click == order.click]
        if not carried:
            return None, "click_unknown"
        if carried[0].seller != order.seller:
            return None, "click_other_seller"
        if max(0, order.placed_ms - carried[0].at_ms) <= window_ms:
            return carried[0].click, "click_id"
    own = [
        one
        for one in clicks
        if order.viewer is not None
        and one.viewer == order.viewer
        and one.seller == order.seller
        and one.at_ms <= order.placed_ms
    ]
    fresh = [one for one in own if order.placed_ms - one.at_ms <= window_ms]
    if not fresh:
        return None, "too_old" if own or order.click is not None else "no_click"
    bought = {line.product for line in order.lines}
    return max(fresh, key=lambda one: (one.at_ms, one.product in bought, one.click)).click, "viewer"


@given(order_rows(), click_rows(), st.integers(0, 12))
def test_equals_the_document(orders: list[Order], clicks: list[Click], window_ms: int) -> None:
    found = attribute(orders, clicks, window_ms)
    assert set(found) == {order.order for order in orders}
    for order in orders:
        one = found[order.order]
        assert (one.click, one.by or one.why_not) == by_the_book(order, clicks, window_ms)


@given(order_rows(), click_rows(), st.integers(0, 12), st.integers(0, 12))
def test_a_longer_window_loses_no_order(orders: list[Order], clicks: list[Click], one: int, other: int) -> None:
    short, long = (attribute(orders, clicks, window) for window in sorted((one, other)))
    assert all(long[order].click is not None for order, found in short.items() if found.click is not None)


@given(order_rows(), click_rows(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_has_no_say(orders: list[Order], clicks: list[Click], random: object) -> None:
    before = attribute(orders, clicks, 5)
    random.shuffle(orders)  # type: ignore[attr-defined]
    random.shuffle(clicks)  # type: ignore[attr-defined]
    assert attribute(orders, clicks, 5) == before


def test_a_negative_window_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        attribute([], [], -1)
