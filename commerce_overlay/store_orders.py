"""SQL of orders: one row with its lines and its payment, stock held and released by guarded updates, the
ledger, and one outbox row per transition. Knows rows and shapes; what may follow what is decided in
`orders.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from streamserver.store.tables.commerce import (
    ledger_entries,
    ledger_transactions,
    order_lines,
    orders,
    payments,
    products,
    refunds,
)
from streamserver.store.tables.platform import outbox, rooms
from streamserver.wire_shapes import BrandOrder, Buyer, LedgerEntry, Order, OrderLine, OrderPayment, Refund
from streamserver.wire_shapes import Money as MoneyShape

from .ledger import Transaction
from .orders import OrderState

ORDER_COLUMNS = (
    *orders.c,
    payments.c.id.label("trade_no"),
    payments.c.state.label("payment_state"),
    payments.c.failure.label("payment_failure"),
    payments.c.provider,
    payments.c.provider_ref,
    payments.c.attempt.label("payment_attempt"),
)


def select_orders() -> sa.Select[Any]:
    return sa.select(*ORDER_COLUMNS).join(payments, payments.c.order_id == orders.c.id)


# Built once: putting a statement together costs more than running it. Locking ones keep other writers from
# the order.
_FIND = select_orders().where(orders.c.id == sa.bindparam("order"))
_FIND_LOCKED = _FIND.with_for_update(of=orders)
_BY_TRADE_NO = select_orders().where(payments.c.id == sa.bindparam("trade_no"))
_BY_TRADE_NO_LOCKED = _BY_TRADE_NO.with_for_update(of=orders)
_LINES = (
    sa.select(order_lines)
    .where(order_lines.c.order_id.in_(sa.bindparam("orders", expanding=True)))
    .order_by(order_lines.c.order_id, order_lines.c.line)
)


def find(conn: sa.Connection, order_id: str, *, lock: bool = False) -> Any:
    """An order with its payment. `lock` keeps other writers from it until the transaction ends."""
    return conn.execute(_FIND_LOCKED if lock else _FIND, {"order": order_id}).first()


def by_trade_no(conn: sa.Connection, trade_no: str, *, lock: bool = False) -> Any:
    return conn.execute(_BY_TRADE_NO_LOCKED if lock else _BY_TRADE_NO, {"trade_no": trade_no}).first()


def lines_of(conn: sa.Connection, order_ids: Sequence[str]) -> dict[str, list[Any]]:
    """Lines by order, each in the order's sequence."""
    found: dict[str, list[Any]] = {order_id: [] for order_id in order_ids}
    for row in conn.execute(_LINES, {"orders": list(order_ids)}):
        found[row.order_id].append(row)
    return found


# ---- shapes ----


def _fields(row: Any, lines: Sequence[Any]) -> dict[str, Any]:
    def money(minor: int) -> MoneyShape:
        return MoneyShape(minor, row.currency)

    return {
        "id": row.id,
        "state": row.state,
        "lines": [
            OrderLine(
                sku=line.sku,
                title=line.title,
                quantity=line.quantity,
                unit_price=money(line.unit_minor),
                total=money(line.total_minor),
            )
            for line in lines
        ],
        "subtotal": money(row.subtotal_minor),
        "discount": money(row.discount_minor),
        "shipping": money(row.shipping_minor),
        "tax": money(row.tax_minor),
        "total": money(row.total_minor),
        "refunded": money(row.refunded_minor),
        "trade_no": row.trade_no,
        "payment": OrderPayment(state=row.payment_state, failure=row.payment_failure),
        "placed_ms": row.placed_ms,
        "paid_ms": row.paid_ms,
        "expires_ms": row.expires_ms,
    }


def order_of(row: Any, lines: Sequence[Any]) -> Order:
    """An order as its buyer sees it."""
    return Order(**_fields(row, lines))


def brand_order_of(row: Any, lines: Sequence[Any], **more: Any) -> BrandOrder:
    """An order as the brand sees it."""
    buyer = Buyer(name=row.buyer_name, email=row.buyer_email, address=row.buyer_address)
    return BrandOrder(**_fields(row, lines), room=row.room_id, viewer=row.viewer_id, buyer=buyer, **more)


def load_order(conn: sa.Connection, order_id: str) -> Order:
    """An order that exists."""
    return order_of(find(conn, order_id), lines_of(conn, [order_id])[order_id])


def refunds_of(conn: sa.Connection, order_id: str) -> list[Refund]:
    """The refunds that were made, oldest first."""
    query = sa.select(refunds).where(refunds.c.order_id == order_id, refunds.c.state == "succeeded")
    return [
        Refund(id=row.id, amount=MoneyShape(row.amount_minor, row.currency), reason=row.reason, at_ms=row.at_ms)
        for row in conn.execute(query.order_by(refunds.c.at_ms, refunds.c.id))
    ]


def ledger_of(conn: sa.Connection, order_id: str) -> list[LedgerEntry]:
    """What was booked for an order, in the order it was booked."""
    query = (
        sa.select(ledger_entries, ledger_transactions.c.at_ms)
        .join(ledger_transactions, ledger_transactions.c.id == ledger_entries.c.transaction_id)
        .where(ledger_transactions.c.order_id == order_id)
        .order_by(ledger_transactions.c.id, ledger_entries.c.entry)
    )
    return [
        LedgerEntry(
            transaction=row.transaction_id,
            ledger_account=row.account,
            amount=MoneyShape(row.amount_minor, row.currency),
            at_ms=row.at_ms,
        )
        for row in conn.execute(query)
    ]


def page(
    conn: sa.Connection, seller: str | None, room: str | None, state: str | None, after: str | None, limit: int
) -> tuple[list[BrandOrder], str | None]:
    """Newest first."""
    query = select_orders()
    for column, value in ((orders.c.seller_id, seller), (orders.c.room_id, room), (orders.c.state, state)):
        if value is not None:
            query = query.where(column == value)
    if after is not None:
        query = query.where(orders.c.id < after)
    rows = list(conn.execute(query.order_by(orders.c.id.desc()).limit(limit + 1)))
    more, rows = len(rows) > limit, rows[:limit]
    lines = lines_of(conn, [row.id for row in rows]) if rows else {}
    return [brand_order_of(row, lines[row.id]) for row in rows], rows[-1].id if more else None


# ---- stock ----


_RESERVE = (
    products.update()
    .where(
        products.c.id == sa.bindparam("product"),
        products.c.on_hand - products.c.reserved >= sa.bindparam("wanted"),
        products.c.deleted_ms.is_(None),
    )
    .values(reserved=products.c.reserved + sa.bindparam("wanted"))
)


def reserve(conn: sa.Connection, product_id: str, quantity: int) -> bool:
    """Holds stock for a placed order; False when less is free. One guarded statement, so two buyers cannot
    both win."""
    return conn.execute(_RESERVE, {"product": product_id, "wanted": quantity}).rowcount == 1


def release(conn: sa.Connection, lines: Iterable[Any]) -> None:
    """Gives held stock back."""
    for line in lines:
        statement = products.update().where(products.c.id == line.product_id)
        conn.execute(statement.values(reserved=products.c.reserved - line.quantity))


def take(conn: sa.Connection, lines: Iterable[Any]) -> None:
    """Held stock is sold."""
    for line in lines:
        statement = products.update().where(products.c.id == line.product_id)
        conn.execute(
            statement.values(
                reserved=products.c.reserved - line.quantity,
                on_hand=products.c.on_hand - line.quantity,
                sold=products.c.sold + line.quantity,
            )
        )


def restock(conn: sa.Connection, lines: Iterable[Any]) -> None:
    """Sold goods came back."""
    for line in lines:
        statement = products.update().where(products.c.id == line.product_id)
        conn.execute(statement.values(on_hand=products.c.on_hand + line.quantity, sold=products.c.sold - line.quantity))


# ---- transitions ----


def move(conn: sa.Connection, order_id: str, before: OrderState, after: OrderState, **values: Any) -> bool:
    """Sets the state, unless somebody else moved the order first: False then."""
    statement = orders.update().where(orders.c.id == order_id, orders.c.state == before.value)
    return conn.execute(statement.values(state=after.value, **values)).rowcount == 1


_TELL = outbox.insert()


def tell_outbox(conn: sa.Connection, event_id: str, kind: str, order_id: str, now_ms: int, **facts: Any) -> None:
    """The one durable event of a transition, in the transaction that makes it."""
    payload = msgspec.json.encode({"order": order_id, "at_ms": now_ms, **facts})
    row = {"id": event_id, "kind": kind, "key": order_id, "payload": payload, "created_ms": now_ms}
    conn.execute(_TELL, row)


def book(conn: sa.Connection, transaction_id: str, transaction: Transaction, now_ms: int) -> None:
    """Writes a ledger transaction; a second one of the same kind and cause is an IntegrityError."""
    conn.execute(
        ledger_transactions.insert().values(
            id=transaction_id,
            kind=transaction.kind,
            order_id=transaction.order,
            cause=transaction.cause,
            at_ms=now_ms,
        )
    )
    rows = [
        {
            "transaction_id": transaction_id,
            "entry": i,
            "account": entry.account,
            "amount_minor": entry.amount.minor,
            "currency": entry.amount.currency,
        }
        for i, entry in enumerate(transaction.entries)
    ]
    conn.execute(ledger_entries.insert(), rows)


def payee_of(conn: sa.Connection, room_id: str, seller: str) -> str:
    """Who earns the commission of a room's sales: its host, or the seller where nobody is named."""
    return conn.scalar(sa.select(rooms.c.host_id).where(rooms.c.id == room_id)) or seller
