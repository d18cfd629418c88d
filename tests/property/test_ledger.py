"""Bookings balance, and the check finds what does not fit."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from commerce_overlay import ledger
from commerce_overlay.ledger import Booked, Entry, OrderFacts, check, commission_back
from commerce_overlay.money import Money


def booked(*transactions: ledger.Transaction) -> list[Booked]:
    return [Booked(f"t{i}", each.kind, each.order, each.entries) for i, each in enumerate(transactions)]


def usd(minor: int) -> Money:
    return Money(minor, "USD")


PAID = ledger.paid("o1", "p1", "sandbox", "s", "host", usd(5000), usd(500))
BACK = ledger.refunded("o1", "r1", "sandbox", "s", "host", usd(1000), usd(100))
FACTS = OrderFacts("o1", "s", "partly_refunded", "USD", 5000, 1000, True, True, 0)
LATE = OrderFacts("o2", "s", "cancelled", "USD", 700, 0, False, True, 0)
LATE_PAID = ledger.late_paid("o2", "p2", "sandbox", "s", usd(700))
LATE_BACK = ledger.late_returned("o2", "r2", "sandbox", "s", usd(700))


def test_a_ledger_that_fits_has_no_problems() -> None:
    assert check([FACTS], booked(PAID, BACK)) == []
    assert check([LATE], booked(LATE_PAID)) == []
    assert check([replace(LATE, returned_late=700)], booked(LATE_PAID, LATE_BACK)) == []
    unpaid = OrderFacts("o3", "s", "placed", "USD", 100, 0, False, False, 0)
    assert check([unpaid], []) == []


def test_each_way_of_not_fitting_is_found() -> None:
    lopsided = Booked("bad", "paid", "o1", (Entry("receivable:sandbox", usd(5000)), Entry("sales:s", usd(-4999))))
    cases = [
        ([FACTS], booked(PAID)),  # a refund not booked
        ([FACTS], booked(BACK)),  # a sale not booked
        ([FACTS], booked(PAID, PAID, BACK)),  # booked twice
        ([FACTS], [lopsided, *booked(BACK)]),
        ([replace(FACTS, captured=False)], booked(PAID, BACK)),
        ([], booked(PAID)),  # an order that does not exist
        ([replace(LATE, returned_late=700)], booked(LATE_PAID)),
        ([LATE], []),
    ]
    for facts, rows in cases:
        assert check(facts, rows) != [], (facts, rows)


@given(st.integers(1, 10**9), st.integers(0, 10_000), st.data())
def test_commission_goes_back_exactly_however_a_refund_is_split(total: int, bp: int, data: st.DataObject) -> None:
    commission = total * bp // 10_000
    refunded = back = 0
    while refunded < total:
        amount = data.draw(st.integers(max(1, (total - refunded) // 5), total - refunded))
        part = commission_back(commission, total, refunded, amount)
        assert 0 <= part <= amount
        refunded += amount
        back += part
        assert back <= commission
    assert back == commission


@given(st.integers(1, 10**12), st.integers(0, 10**9), st.sampled_from(("USD", "JPY", "KWD")))
def test_every_booking_sums_to_zero(total: int, commission: int, currency: str) -> None:
    money, share = Money(total, currency), Money(commission, currency)
    for made in (
        ledger.paid("o", "p", "x", "s", "h", money, share),
        ledger.refunded("o", "r", "x", "s", "h", money, share),
        ledger.late_paid("o", "p", "x", "s", money),
        ledger.late_returned("o", "r", "x", "s", money),
    ):
        assert ledger.unbalanced(made.entries) == []
        assert {entry.amount.currency for entry in made.entries} == {currency}
