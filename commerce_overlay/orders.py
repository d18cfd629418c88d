"""The life of an order and how one is built: prices come in as quotes of the server's, never from a client.
Pure: it reserves no stock and moves no money; it says what an order is worth and which step may follow which.

    placed --pay--> paid --fulfil--> fulfilled
    placed --cancel / expire--> cancelled
    paid, fulfilled --refund_part--> partly_refunded --refund_part--> … --refund_rest--> refunded

The machine only goes forward. A partly refunded order is fulfilled without leaving its state (`fulfilled_ms`
is set). A payment that arrives for a cancelled order does not bring it back: the money is returned
(`late_payment`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from .money import MAX_MINOR, Money, basis_points

MIN_QUANTITY = 1
MAX_QUANTITY = 20
MAX_LINES = 20


class OrderState(StrEnum):
    PLACED = "placed"
    PAID = "paid"
    FULFILLED = "fulfilled"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


class OrderStep(StrEnum):
    PAY = "pay"
    CANCEL = "cancel"
    EXPIRE = "expire"
    FULFIL = "fulfil"
    REFUND_PART = "refund_part"
    REFUND_REST = "refund_rest"


S, E = OrderState, OrderStep

# The whole machine; a pair that is not here is refused.
TRANSITIONS: dict[tuple[OrderState, OrderStep], OrderState] = {
    (S.PLACED, E.PAY): S.PAID,
    (S.PLACED, E.CANCEL): S.CANCELLED,
    (S.PLACED, E.EXPIRE): S.CANCELLED,
    (S.PAID, E.FULFIL): S.FULFILLED,
    (S.PAID, E.REFUND_PART): S.PARTLY_REFUNDED,
    (S.PAID, E.REFUND_REST): S.REFUNDED,
    (S.FULFILLED, E.REFUND_PART): S.PARTLY_REFUNDED,
    (S.FULFILLED, E.REFUND_REST): S.REFUNDED,
    (S.PARTLY_REFUNDED, E.FULFIL): S.PARTLY_REFUNDED,
    (S.PARTLY_REFUNDED, E.REFUND_PART): S.PARTLY_REFUNDED,
    (S.PARTLY_REFUNDED, E.REFUND_REST): S.REFUNDED,
}

HOLDS_STOCK = frozenset({S.PLACED})
REACHED_PAID = frozenset({S.PAID, S.FULFILLED, S.PARTLY_REFUNDED, S.REFUNDED})
RANK = {S.PLACED: 0, S.CANCELLED: 1, S.PAID: 1, S.FULFILLED: 2, S.PARTLY_REFUNDED: 3, S.REFUNDED: 4}
"""Every transition keeps or raises the rank, which is what "only goes forward" means."""


class OrderRefused(ValueError):
    """`code` is stable, `where` names the field of the request, if one is to blame."""

    def __init__(self, code: str, detail: str, where: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.where = where


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a buyer asks for: no price, no title, nothing a client could set in its favour."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Quote:
    """The server's own word on one SKU at this moment."""

    product_id: str
    sku: str
    title: str
    unit: Money
    commission_bp: int


@dataclass(frozen=True, slots=True)
class BuiltLine:
    product_id: str
    sku: str
    title: str
    quantity: int
    unit: Money
    discount: Money
    total: Money
    commission_bp: int


@dataclass(frozen=True, slots=True)
class BuiltOrder:
    """total = subtotal - discount + shipping + tax; every intermediate value has its name and its column."""

    lines: tuple[BuiltLine, ...]
    subtotal: Money
    discount: Money
    shipping: Money
    tax: Money
    total: Money
    commission: Money


def follow(state: OrderState, step: OrderStep) -> OrderState:
    """The state after a step. Raises OrderRefused `bad_transition`."""
    after = TRANSITIONS.get((state, step))
    if after is None:
        raise OrderRefused(
            "bad_transition", f"an order that is {state.value} cannot {step.value.replace('_', ' ')}"
        )
    return after


def check_wanted(lines: Sequence[Wanted]) -> None:
    """Raises OrderRefused for no lines, too many, a SKU named twice, or a quantity outside 1-20."""
    if not 1 <= len(lines) <= MAX_LINES:
        raise OrderRefused("bad_field", f"an order has between 1 and {MAX_LINES} lines", "lines")
    seen: set[str] = set()
    for i, line in enumerate(lines):
        if not MIN_QUANTITY <= line.quantity <= MAX_QUANTITY:
            detail = f"quantity must be between {MIN_QUANTITY} and {MAX_QUANTITY}"
            raise OrderRefused("bad_quantity", detail, f"lines[{i}].quantity")
        if line.sku in seen:
            raise OrderRefused(
                "bad_field", "a SKU is named twice; raise its quantity instead", f"lines[{i}].sku"
            )
        seen.add(line.sku)


def build(lines: Sequence[Wanted], quotes: Mapping[str, Quote], currency: str) -> BuiltOrder:
    """Prices an order from the server's quotes. Raises OrderRefused; `check_wanted` is part of it.

    Shipping and tax are zero in this version and have their own columns, so that adding them moves no
    figure."""
    check_wanted(lines)
    zero = Money(0, currency)
    built: list[BuiltLine] = []
    for i, line in enumerate(lines):
        quote = quotes.get(line.sku)
        if quote is None:
            raise OrderRefused("unknown_sku", f"this room does not sell {line.sku[:64]!r}", f"lines[{i}].sku")
        if quote.unit.currency != currency:
            raise OrderRefused("currency_mismatch", f"the order is in {currency}", f"lines[{i}].sku")
        worth = quote.unit * line.quantity
        built.append(
            BuiltLine(
                quote.product_id,
                line.sku,
                quote.title,
                line.quantity,
                quote.unit,
                zero,
                worth,
                quote.commission_bp,
            )
        )
    subtotal = sum((line.total for line in built), zero)
    if subtotal.minor > MAX_MINOR:
        raise OrderRefused("money_too_large", "the order is worth more than an order may be", "lines")
    commission = Money(sum(basis_points(line.total.minor, line.commission_bp) for line in built), currency)
    return BuiltOrder(tuple(built), subtotal, zero, zero, zero, subtotal, commission)


def refund_step(total_minor: int, refunded_minor: int, amount_minor: int) -> OrderStep:
    """Which step a refund of `amount_minor` is. Raises OrderRefused `refund_too_large` or `bad_field`."""
    left = total_minor - refunded_minor
    if amount_minor <= 0:
        raise OrderRefused("bad_field", "a refund must be more than zero", "amount")
    if amount_minor > left:
        raise OrderRefused(
            "refund_too_large", f"only {left} minor units of this order are left to refund", "amount"
        )
    return E.REFUND_REST if amount_minor == left else E.REFUND_PART
