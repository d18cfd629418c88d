"""What news of a payment does to its order, in one transaction: the order paid or given up, stock sold or
released, the ledger booked, refunds counted, one outbox row per transition. The same statements serve
webhooks, answers to our own questions and reconciliation. Knows rows; it asks `orders.py`, `ledger.py` and
`payments/states.py` what follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from streamserver.store.tables.commerce import ledger_transactions, payments, refunds
from streamserver.wire_shapes import Order

from . import ledger, store_orders, store_products
from .money import Money
from .orders import OrderRefused, OrderState, OrderStep, follow, refund_step
from .payments.provider import PaymentNews, RefundNews
from .payments.states import PaymentState, PaymentView, join

LATE_REASON = "late_payment"


class NewsMismatch(ValueError):
    """News whose amount or reference is not this payment's: nothing is believed of it."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What changed. `rooms` show products whose stock moved."""

    order: Order
    room: str
    viewer: str
    buyer_name: str
    excluded: str
    lines: Sequence[Any]
    rooms: frozenset[str]
    changed: bool
    paid: bool
    late: bool
    given_up: bool
    refunded: int


def view_of(conn: sa.Connection, row: Any) -> PaymentView:
    """What is known of an order's payment; `row` is one of `store_orders.select_orders`."""
    made = conn.execute(
        sa.select(refunds.c.id, refunds.c.amount_minor).where(
            refunds.c.order_id == row.id, refunds.c.state == "succeeded"
        )
    )
    return PaymentView(
        PaymentState(row.payment_state),
        row.payment_attempt,
        row.payment_failure,
        frozenset((each.id, each.amount_minor) for each in made),
    )


def news_view(news: PaymentNews) -> PaymentView:
    refunded = frozenset((refund.key, refund.amount.minor) for refund in news.refunds)
    return PaymentView(news.state, news.attempt, news.failure, refunded)


def apply(
    conn: sa.Connection,
    provider: str,
    news: PaymentNews,
    new_id: Callable[[], str],
    now_ms: int,
    *,
    restock: bool,
) -> Applied | None:
    """Merges news into what is known and lets the order follow. None when no payment has this trade number.

    Raises NewsMismatch. Applying the same news again, or older news, changes nothing."""
    row = store_orders.by_trade_no(conn, news.trade_no, lock=True)
    if row is None or row.provider != provider:
        return None
    if news.amount != Money(row.total_minor, row.currency):
        raise NewsMismatch(f"payment {row.trade_no} is about another amount than its order")
    if row.provider_ref is not None and row.provider_ref != news.ref:
        raise NewsMismatch(f"payment {row.trade_no} has another reference")
    before = view_of(conn, row)
    after = join(before, news_view(news))
    if after != before or row.provider_ref is None:
        values = {"state": after.state.value, "attempt": after.attempt, "failure": after.failure}
        statement = payments.update().where(payments.c.id == row.trade_no)
        conn.execute(statement.values(provider_ref=news.ref, updated_ms=now_ms, **values))
    lines = store_orders.lines_of(conn, [row.id])[row.id]
    doing = _Doing(conn, row, lines, new_id, now_ms, restock)
    if after.state is PaymentState.SUCCEEDED:
        doing.captured()
    elif after.state is PaymentState.CANCELED and row.state == OrderState.PLACED.value:
        doing.give_up()
    known = {refund_id for refund_id, _ in before.refunds}
    for refund in news.refunds:
        if refund.key not in known:
            doing.refund(refund)
    moved = doing.paid or doing.given_up or (restock and doing.refunded)
    return Applied(
        order=store_orders.load_order(conn, row.id),
        room=row.room_id,
        viewer=row.viewer_id,
        buyer_name=row.buyer_name,
        excluded=row.excluded,
        lines=lines,
        rooms=frozenset(store_products.rooms_showing(conn, [line.product_id for line in lines]) if moved else ()),
        changed=after != before,
        paid=doing.paid,
        late=doing.late,
        given_up=doing.given_up,
        refunded=doing.refunded,
    )


class _Doing:
    """One order being moved inside one transaction. `state` and `refunded_minor` follow what was written."""

    def __init__(
        self,
        conn: sa.Connection,
        row: Any,
        lines: Sequence[Any],
        new_id: Callable[[], str],
        now_ms: int,
        restock: bool,
    ) -> None:
        self._conn = conn
        self._row = row
        self._lines = lines
        self._new_id = new_id
        self._now = now_ms
        self._restock = restock
        self._state = OrderState(row.state)
        self._refunded_minor: int = row.refunded_minor
        self.paid = self.late = self.given_up = False
        self.refunded = 0

    def captured(self) -> None:
        """The money is there: the order is paid, or it comes too late and will be returned."""
        row = self._row
        total = Money(row.total_minor, row.currency)
        if self._state is OrderState.PLACED:
            self._move(OrderStep.PAY, paid_ms=self._now)
            store_orders.take(self._conn, self._lines)
            payee = store_orders.payee_of(self._conn, row.room_id, row.seller_id)
            commission = Money(row.commission_minor, row.currency)
            self._book(ledger.paid(row.id, row.trade_no, row.provider, row.seller_id, payee, total, commission))
            self._tell("order.paid", total_minor=total.minor, currency=total.currency)
            self.paid = True
        elif self._state is OrderState.CANCELLED and not self._booked_late():
            self._book(ledger.late_paid(row.id, row.trade_no, row.provider, row.seller_id, total))
            self._conn.execute(
                refunds.insert().values(
                    id=self._new_id(),
                    order_id=row.id,
                    payment_id=row.trade_no,
                    amount_minor=total.minor,
                    currency=total.currency,
                    reason=LATE_REASON,
                    state="requested",
                    automatic=True,
                    requested_ms=self._now,
                )
            )
            self._tell("payment.late", total_minor=total.minor, currency=total.currency)
            self.late = True

    def give_up(self) -> None:
        """The payment was cancelled at the provider: nothing will come, the stock is free again."""
        self._move(OrderStep.CANCEL, cancelled_ms=self._now)
        store_orders.release(self._conn, self._lines)
        self._tell("order.cancelled")
        self.given_up = True

    def refund(self, made: RefundNews) -> None:
        """Money went back, because we asked or because somebody did so at the provider's own desk."""
        row = self._row
        self._note_refund(made)
        if self._state is OrderState.CANCELLED:
            self._book(ledger.late_returned(row.id, made.key, row.provider, row.seller_id, made.amount))
            self._tell("payment.late_returned", refund=made.key, amount_minor=made.amount.minor)
            self.refunded += 1
            return
        try:
            step = refund_step(row.total_minor, self._refunded_minor, made.amount.minor)
        except OrderRefused as exc:
            raise NewsMismatch(f"order {row.id}: {exc}") from None
        back = ledger.commission_back(row.commission_minor, row.total_minor, self._refunded_minor, made.amount.minor)
        self._refunded_minor += made.amount.minor
        self._move(step, refunded_minor=self._refunded_minor)
        payee = store_orders.payee_of(self._conn, row.room_id, row.seller_id)
        commission = Money(back, row.currency)
        self._book(ledger.refunded(row.id, made.key, row.provider, row.seller_id, payee, made.amount, commission))
        self._tell("order.refunded", refund=made.key, amount_minor=made.amount.minor)
        if self._restock and step is OrderStep.REFUND_REST:
            store_orders.restock(self._conn, self._lines)
        self.refunded += 1

    def _note_refund(self, made: RefundNews) -> None:
        statement = refunds.update().where(refunds.c.id == made.key, refunds.c.order_id == self._row.id)
        if self._conn.execute(statement.values(state="succeeded", at_ms=self._now)).rowcount == 1:
            return
        self._conn.execute(
            refunds.insert().values(
                id=made.key,
                order_id=self._row.id,
                payment_id=self._row.trade_no,
                amount_minor=made.amount.minor,
                currency=made.amount.currency,
                state="succeeded",
                automatic=False,
                requested_ms=self._now,
                at_ms=self._now,
            )
        )

    def _booked_late(self) -> bool:
        mine = (ledger_transactions.c.kind == "late_paid") & (ledger_transactions.c.cause == self._row.trade_no)
        return self._conn.scalar(sa.select(ledger_transactions.c.id).where(mine)) is not None

    def _move(self, step: OrderStep, **values: Any) -> None:
        after = follow(self._state, step)
        # The row is locked, so nobody can have moved it; a miss would be a defect and must not be committed.
        if not store_orders.move(self._conn, self._row.id, self._state, after, **values):
            raise RuntimeError(f"order {self._row.id} moved under its lock")
        self._state = after

    def _book(self, transaction: ledger.Transaction) -> None:
        store_orders.book(self._conn, self._new_id(), transaction, self._now)

    def _tell(self, kind: str, **facts: Any) -> None:
        store_orders.tell_outbox(self._conn, self._new_id(), kind, self._row.id, self._now, **facts)


def requested_refunds(conn: sa.Connection, before_ms: int, limit: int) -> list[Any]:
    """Refunds asked for and not yet made, with the reference to ask by."""
    query = (
        sa.select(refunds, payments.c.provider, payments.c.provider_ref)
        .join(payments, payments.c.id == refunds.c.payment_id)
        .where(refunds.c.state == "requested", refunds.c.requested_ms <= before_ms)
        .order_by(refunds.c.requested_ms)
        .limit(limit)
    )
    return list(conn.execute(query))


def unfinished_cancels(conn: sa.Connection, limit: int) -> list[Any]:
    """Payments of orders that were given up, whose provider has not been told yet."""
    query = sa.select(payments).where(payments.c.cancel_ms.is_not(None)).order_by(payments.c.cancel_ms).limit(limit)
    return list(conn.execute(query))


def pending_minor(conn: sa.Connection, order_id: str) -> int:
    """What refunds that are still on their way will take."""
    query = sa.select(sa.func.coalesce(sa.func.sum(refunds.c.amount_minor), 0)).where(
        refunds.c.order_id == order_id, refunds.c.state == "requested"
    )
    return int(conn.execute(query).scalar_one())


def set_ref(conn: sa.Connection, trade_no: str, ref: str, now_ms: int) -> bool:
    """Notes the provider's reference; False when the order has been given up meanwhile (the provider will be
    told)."""
    row = store_orders.by_trade_no(conn, trade_no, lock=True)
    placed = row.state == OrderState.PLACED.value
    values: dict[str, Any] = {"provider_ref": ref, "updated_ms": now_ms}
    if not placed and row.state == OrderState.CANCELLED.value:
        # The reference is new to us, so the payment we closed by ourselves is open at the provider.
        values["cancel_ms"] = now_ms
    conn.execute(payments.update().where(payments.c.id == trade_no).values(**values))
    return placed


def fail_refund(conn: sa.Connection, refund_id: str, now_ms: int) -> None:
    """The provider refused a refund for good."""
    mine = (refunds.c.id == refund_id) & (refunds.c.state == "requested")
    conn.execute(refunds.update().where(mine).values(state="failed", at_ms=now_ms))
