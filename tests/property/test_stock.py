"""Stock under any sequence of orders that are placed, given up, paid and refunded, on the real statements:
never more held than there is, never a piece made or lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from commerce_overlay import store_orders, store_products
from streamserver.store.tables import metadata
from streamserver.store.tables.commerce import products

TABLES = ("sellers", "products")
steps = st.lists(
    st.tuples(st.sampled_from(("place", "give_up", "pay", "refund", "set")), st.integers(0, 7), st.integers(1, 20)),
    max_size=40,
)


@dataclass
class Line:
    product_id: str
    quantity: int


@contextmanager
def database() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    try:
        metadata.create_all(engine, tables=[metadata.tables[name] for name in TABLES])
        with engine.begin() as conn:
            yield conn
    finally:
        engine.dispose()


@given(st.integers(0, 60), steps)
def test_stock_is_never_oversold_and_never_lost(on_hand: int, script: list[tuple[str, int, int]]) -> None:
    placed: list[Line] = []
    paid: list[Line] = []
    whole = on_hand
    with database() as conn:
        row = {"id": "p", "seller_id": "s", "sku": "a", "title": "t", "price_minor": 1, "currency": "USD"}
        conn.execute(products.insert(), {**row, "on_hand": on_hand, "created_ms": 0, "updated_ms": 0})

        def now() -> tuple[int, int, int]:
            return tuple(conn.execute(sa.select(products.c.on_hand, products.c.reserved, products.c.sold)).one())

        for what, which, quantity in script:
            have, held, _ = now()
            if what == "place":
                free = have - held
                assert store_orders.reserve(conn, "p", quantity) == (quantity <= free)
                if quantity <= free:
                    placed.append(Line("p", quantity))
            elif what == "give_up" and placed:
                store_orders.release(conn, [placed.pop(which % len(placed))])
            elif what == "pay" and placed:
                line = placed.pop(which % len(placed))
                store_orders.take(conn, [line])
                paid.append(line)
            elif what == "refund" and paid:
                store_orders.restock(conn, [paid.pop(which % len(paid))])
            elif what == "set":
                done = store_products.set_values(conn, "p", {"on_hand": quantity})
                assert done == (quantity >= held)
                whole += quantity - have if done else 0
            have, held, sold = now()
            assert held == sum(line.quantity for line in placed) <= have
            assert sold == sum(line.quantity for line in paid)
            assert have + sold == whole


def test_the_table_itself_refuses_what_the_statements_never_do() -> None:
    row = {"id": "p", "seller_id": "s", "sku": "a", "title": "t", "price_minor": 1, "currency": "USD"}
    for bad in ({"on_hand": 1, "reserved": 2}, {"on_hand": 1, "reserved": -1}):
        with pytest.raises(sa.exc.IntegrityError), database() as conn:
            conn.execute(products.insert(), {**row, **bad, "created_ms": 0, "updated_ms": 0})
