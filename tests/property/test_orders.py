"""The order machine and how an order is priced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_overlay.money import Money, basis_points
from commerce_overlay.orders import (
    RANK,
    TRANSITIONS,
    OrderRefused,
    OrderState,
    OrderStep,
    Quote,
    Wanted,
    build,
    follow,
    refund_step,
)


@given(st.lists(st.sampled_from(OrderStep), max_size=30))
def test_an_order_only_goes_forward(steps: list[OrderStep]) -> None:
    state = OrderState.PLACED
    for step in steps:
        try:
            after = follow(state, step)
        except OrderRefused as refused:
            assert refused.code == "bad_transition" and (state, step) not in TRANSITIONS
            continue
        assert RANK[after] >= RANK[state]
        state = after


def test_nothing_leaves_cancelled_or_refunded_and_everything_is_reachable() -> None:
    assert not any(before in (OrderState.CANCELLED, OrderState.REFUNDED) for before, _ in TRANSITIONS)
    assert set(TRANSITIONS.values()) | {OrderState.PLACED} == set(OrderState)


wanted_lines = st.lists(
    st.builds(Wanted, st.sampled_from([f"sku{i}" for i in range(6)]), st.integers(1, 20)),
    min_size=1,
    max_size=6,
    unique_by=lambda line: line.sku,
)


@given(wanted_lines, st.lists(st.integers(1, 10**7), min_size=6, max_size=6), st.integers(0, 10_000))
def test_every_figure_of_an_order_adds_up(lines: list[Wanted], prices: list[int], bp: int) -> None:
    quotes = {f"sku{i}": Quote(f"p{i}", f"sku{i}", "t", Money(prices[i], "USD"), bp) for i in range(6)}
    built = build(lines, quotes, "USD")
    expected = sum(prices[int(line.sku[3:])] * line.quantity for line in lines)
    assert built.subtotal.minor == expected == sum(line.total.minor for line in built.lines)
    assert built.total == built.subtotal - built.discount + built.shipping + built.tax
    assert built.commission.minor == sum(basis_points(line.total.minor, bp) for line in built.lines)
    assert built.commission <= built.total + Money(len(lines), "USD")


QUOTES = {
    "a": Quote("p1", "a", "A", Money(100, "USD"), 0),
    "e": Quote("p2", "e", "E", Money(100, "EUR"), 0),
    "x": Quote("p3", "x", "X", Money(10**12, "USD"), 0),
}


@pytest.mark.parametrize(
    ("lines", "code", "where"),
    [
        ([], "bad_field", "lines"),
        ([Wanted("a", 1)] * 21, "bad_field", "lines"),
        ([Wanted("a", 0)], "bad_quantity", "lines[0].quantity"),
        ([Wanted("a", -3)], "bad_quantity", "lines[0].quantity"),
        ([Wanted("a", 21)], "bad_quantity", "lines[0].quantity"),
        ([Wanted("a", 1), Wanted("a", 2)], "bad_field", "lines[1].sku"),
        ([Wanted("a", 1), Wanted("b", 1)], "unknown_sku", "lines[1].sku"),
        ([Wanted("a", 1), Wanted("e", 1)], "currency_mismatch", "lines[1].sku"),
        ([Wanted("x", 2)], "money_too_large", "lines"),
    ],
)
def test_what_cannot_be_ordered_is_named(lines: list[Wanted], code: str, where: str) -> None:
    with pytest.raises(OrderRefused) as caught:
        build(lines, QUOTES, "USD")
    assert (caught.value.code, caught.value.where) == (code, where)


@given(st.integers(1, 10**6), st.data())
def test_refunds_never_exceed_and_the_last_one_is_the_rest(total: int, data: st.DataObject) -> None:
    refunded = 0
    state = OrderState.PAID
    while refunded < total:
        amount = data.draw(st.integers(max(1, (total - refunded) // 5), total - refunded))
        step = refund_step(total, refunded, amount)
        state = follow(state, step)
        refunded += amount
        assert (state is OrderState.REFUNDED) == (refunded == total)
        with pytest.raises(OrderRefused):
            refund_step(total, refunded, total - refunded + 1)
    with pytest.raises(OrderRefused):
        refund_step(total, refunded, 0)
