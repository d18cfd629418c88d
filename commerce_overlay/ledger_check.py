"""`streamserver ledger check`: does the ledger balance, and does it equal the orders, the payments and the
stock? It only reads, so it may run beside a live server and in every test that broke something on purpose."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from config.settings import Settings
from streamserver.store import open_store
from streamserver.store.tables.commerce import (
    ledger_entries,
    ledger_transactions,
    order_lines,
    orders,
    payments,
    products,
    refunds,
)
from streamserver.store.tables.platform import idempotency_keys, outbox

from .ledger import Booked, Entry, OrderFacts, check
from .money import Money
from .orders import HOLDS_STOCK, REACHED_PAID, OrderState
from .payments.states import PaymentState


def problems(conn: sa.Connection) -> list[str]:
    """Everything that does not fit, in words. Empty: all orders, payments, stock and bookings agree."""
    found = check(_facts(conn), _booked(conn))
    return [*found, *_stock(conn), *_outbox(conn), *_keys(conn)]


def _facts(conn: sa.Connection) -> list[OrderFacts]:
    captured = PaymentState.SUCCEEDED.value
    returned: defaultdict[str, int] = defaultdict(int)
    query = (
        sa.select(refunds.c.order_id, sa.func.sum(refunds.c.amount_minor))
        .join(orders, orders.c.id == refunds.c.order_id)
        .where(refunds.c.state == "succeeded", orders.c.state == OrderState.CANCELLED.value)
        .group_by(refunds.c.order_id)
    )
    for order_id, minor in conn.execute(query):
        returned[order_id] = int(minor)
    rows = conn.execute(
        sa.select(orders, payments.c.state.label("payment_state")).join(payments, payments.c.order_id == orders.c.id)
    )
    return [
        OrderFacts(
            order=row.id,
            seller=row.seller_id,
            state=row.state,
            currency=row.currency,
            total=row.total_minor,
            refunded=row.refunded_minor,
            reached_paid=OrderState(row.state) in REACHED_PAID,
            captured=row.payment_state == captured,
            returned_late=returned[row.id],
        )
        for row in rows
    ]


def _booked(conn: sa.Connection) -> list[Booked]:
    entries: defaultdict[str, list[Entry]] = defaultdict(list)
    for row in conn.execute(sa.select(ledger_entries)):
        entries[row.transaction_id].append(Entry(row.account, Money(row.amount_minor, row.currency)))
    return [
        Booked(row.id, row.kind, row.order_id, tuple(entries[row.id]))
        for row in conn.execute(sa.select(ledger_transactions))
    ]


def _stock(conn: sa.Connection) -> list[str]:
    """Held = quantities of placed orders. Sold is not compared: goods may have been restocked by hand."""
    held: defaultdict[str, int] = defaultdict(int)
    query = (
        sa.select(order_lines.c.product_id, sa.func.sum(order_lines.c.quantity))
        .join(orders, orders.c.id == order_lines.c.order_id)
        .where(orders.c.state.in_([state.value for state in HOLDS_STOCK]))
        .group_by(order_lines.c.product_id)
    )
    for product_id, quantity in conn.execute(query):
        held[product_id] = int(quantity)
    return [
        f"product {row.id} holds {row.reserved}, its placed orders {held[row.id]}"
        for row in conn.execute(sa.select(products.c.id, products.c.reserved))
        if row.reserved != held[row.id]
    ]


def _outbox(conn: sa.Connection) -> list[str]:
    """One `order.placed` per order, one `order.paid` per paid one, one ending per cancelled one."""
    told: defaultdict[str, list[str]] = defaultdict(list)
    for row in conn.execute(sa.select(outbox.c.key, outbox.c.kind).where(outbox.c.kind.like("order.%"))):
        told[row.key].append(row.kind)
    found: list[str] = []
    for row in conn.execute(sa.select(orders.c.id, orders.c.state)):
        kinds = told.get(row.id, [])
        state = OrderState(row.state)
        wanted: list[tuple[int, int, Any]] = [
            (kinds.count("order.placed"), 1, "placed"),
            (kinds.count("order.paid"), int(state in REACHED_PAID), "paid"),
            (
                kinds.count("order.cancelled") + kinds.count("order.expired"),
                int(state is OrderState.CANCELLED),
                "cancelled or expired",
            ),
        ]
        found.extend(
            f"order {row.id} ({row.state}) has {have} outbox rows for {what}, expected {want}"
            for have, want, what in wanted
            if have != want
        )
    return found


def _keys(conn: sa.Connection) -> list[str]:
    """A key of an order has its answer: the two were written together."""
    empty = idempotency_keys.c.scope.like("order:%") & (idempotency_keys.c.status == 0)
    count = conn.execute(sa.select(sa.func.count()).select_from(idempotency_keys).where(empty)).scalar_one()
    return [f"{count} idempotency keys of orders have no answer"] if count else []


async def check_command(settings: Settings) -> int:
    """Prints what does not fit; 0 when everything does, 1 otherwise, 2 when there is no database."""
    data = Path(settings.data)
    if not (data / "streamserver.db").is_file():
        print(f"streamserver: no database in {data}", file=sys.stderr)
        return 2
    store = await open_store(data)
    try:
        found = await store.read(problems)
        count = await store.read(lambda conn: conn.scalar(sa.select(sa.func.count()).select_from(orders)))
    finally:
        await store.close()
    for problem in found:
        print(problem)
    print(f"{count} orders: " + ("the ledger agrees" if not found else f"{len(found)} problems"))
    return 1 if found else 0
