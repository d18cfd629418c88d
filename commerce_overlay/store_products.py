"""SQL of the product pool. Every statement names the seller, so another seller's product is simply not there.
Knows rows and shapes; who may call it and what is told afterwards is the service's matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from streamserver.store.tables.commerce import cards, images, products
from streamserver.wire_shapes import Money as MoneyShape
from streamserver.wire_shapes import Product, ProductInput

from .cards import CardState
from .catalog import Draft, Price, price_at
from .money import Money

SKU_TAKEN = "sku_taken"


def shape(money: Money) -> MoneyShape:
    return MoneyShape(money.minor, money.currency)


def product_of(row: Any, *, public: bool = False) -> Product:
    """A row as the API shows it. The public form tells what is free to buy and keeps the commission to the
    seller."""
    sale = None if row.sale_minor is None else MoneyShape(row.sale_minor, row.currency)
    return Product(
        id=row.id,
        sku=row.sku,
        title=row.title,
        description=row.description,
        price=MoneyShape(row.price_minor, row.currency),
        sale_price=sale,
        stock=row.on_hand - row.reserved if public else row.on_hand,
        image=row.image,
        brand=row.brand,
        condition=row.condition,
        color=row.color,
        size=row.size,
        commission_bp=0 if public else row.commission_bp,
        link=row.link,
        updated_ms=row.updated_ms,
    )


def price_of(row: Any, now_ms: int, room_minor: int | None = None) -> Price:
    """The price of a product row at a moment, in a room that may have its own."""
    currency = row.currency
    return price_at(
        now_ms,
        Money(row.price_minor, currency),
        None if row.sale_minor is None else Money(row.sale_minor, currency),
        row.sale_from_ms,
        row.sale_to_ms,
        None if room_minor is None else Money(room_minor, currency),
    )


def input_of(row: Any) -> ProductInput:
    """A row as its seller would write it: the form a partial change is laid over."""
    sale = None if row.sale_minor is None else str(Money(row.sale_minor, row.currency))
    window = None
    if row.sale_from_ms is not None and row.sale_to_ms is not None:
        window = f"{_iso(row.sale_from_ms)}/{_iso(row.sale_to_ms)}"
    return ProductInput(
        id=row.sku,
        title=row.title,
        price=str(Money(row.price_minor, row.currency)),
        stock=row.on_hand,
        description=row.description,
        sale_price=sale,
        sale_price_effective_date=window,
        image_link=row.image or row.image_source,
        link=row.link,
        brand=row.brand,
        gtin=row.gtin,
        mpn=row.mpn,
        condition=row.condition,
        item_group_id=row.item_group_id,
        color=row.color,
        size=row.size,
        commission=f"{row.commission_bp / 100:g}%",
    )


def _iso(ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


PICTURE = ("image", "image_source", "image_tries", "image_due_ms")
"""The columns that together say what a product looks like."""


def draft_values(draft: Draft, now_ms: int) -> dict[str, Any]:
    """The columns a draft sets."""
    return {
        "sku": draft.sku,
        "title": draft.title,
        "description": draft.description,
        "price_minor": draft.price.minor,
        "currency": draft.price.currency,
        "sale_minor": draft.sale.minor if draft.sale else None,
        "sale_from_ms": draft.sale_from_ms,
        "sale_to_ms": draft.sale_to_ms,
        "on_hand": draft.stock,
        "image": draft.image,
        "image_source": draft.image_source,
        "image_tries": 0,
        "image_due_ms": now_ms if draft.image_source else None,
        "link": draft.link,
        "brand": draft.brand,
        "gtin": draft.gtin,
        "mpn": draft.mpn,
        "condition": draft.condition,
        "item_group_id": draft.item_group_id,
        "color": draft.color,
        "size": draft.size,
        "commission_bp": draft.commission_bp,
        "updated_ms": now_ms,
    }


# Which columns a field of the feed decides.
_DECIDES: dict[str, tuple[str, ...]] = {
    "id": ("sku",),
    "price": ("price_minor", "currency"),
    "sale_price": ("sale_minor",),
    "sale_price_effective_date": ("sale_from_ms", "sale_to_ms"),
    "stock": ("on_hand",),
    "image_link": PICTURE,
    "commission": ("commission_bp",),
}


def named_values(draft: Draft, now_ms: int, fields: Iterable[str]) -> dict[str, Any]:
    """The columns that a file's fields decide; what a file does not mention stays as it is."""
    values = draft_values(draft, now_ms)
    named = {column for field in fields for column in _DECIDES.get(field, (field,))}
    return {name: value for name, value in values.items() if name in named or name == "updated_ms"}


def find(conn: sa.Connection, product_id: str, seller_id: str | None) -> Any:
    """A product that is not deleted; any seller's for None (operators)."""
    query = sa.select(products).where(products.c.id == product_id, products.c.deleted_ms.is_(None))
    if seller_id is not None:
        query = query.where(products.c.seller_id == seller_id)
    return conn.execute(query).first()


def by_skus(conn: sa.Connection, seller_id: str, skus: Sequence[str]) -> dict[str, Any]:
    """The seller's rows by SKU, deleted ones included: a SKU is never given twice."""
    found: dict[str, Any] = {}
    for start in range(0, len(skus), 500):
        part = list(skus[start : start + 500])
        query = sa.select(products).where(products.c.seller_id == seller_id, products.c.sku.in_(part))
        found.update((row.sku, row) for row in conn.execute(query))
    return found


def page(
    conn: sa.Connection, seller_id: str | None, search: str, after: str | None, limit: int
) -> tuple[list[Any], str | None]:
    """Newest first; `after` is the id of the last one seen."""
    query = sa.select(products).where(products.c.deleted_ms.is_(None))
    if seller_id is not None:
        query = query.where(products.c.seller_id == seller_id)
    if search:
        pattern = "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        query = query.where(
            sa.or_(products.c.title.ilike(pattern, escape="\\"), products.c.sku.ilike(pattern, escape="\\"))
        )
    if after:
        query = query.where(products.c.id < after)
    rows = list(conn.execute(query.order_by(products.c.id.desc()).limit(limit + 1)))
    more = len(rows) > limit
    return rows[:limit], rows[limit - 1].id if more else None


def set_values(conn: sa.Connection, product_id: str, values: dict[str, Any]) -> bool:
    """Updates a product unless that would leave less on hand than placed orders hold. False then."""
    query = products.update().where(products.c.id == product_id)
    if "on_hand" in values:
        query = query.where(products.c.reserved <= values["on_hand"])
    return conn.execute(query.values(**values)).rowcount == 1


def set_many(conn: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Updates many products at once; every row names its `id`, and any columns.

    The caller has checked, in the same transaction, that no row goes below what placed orders hold."""
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        by_columns.setdefault(tuple(name for name in row if name != "id"), []).append(row)
    for columns, alike in by_columns.items():
        values = {name: sa.bindparam(f"new_{name}") for name in columns}
        statement = products.update().where(products.c.id == sa.bindparam("of")).values(values)
        given = [{"of": row["id"]} | {f"new_{name}": row[name] for name in columns} for row in alike]
        conn.execute(statement, given)


_ROOMS_SHOWING = (
    sa.select(cards.c.room_id)
    .distinct()
    .where(cards.c.product_id.in_(sa.bindparam("products", expanding=True)), cards.c.state != CardState.REMOVED.value)
)


def rooms_showing(conn: sa.Connection, product_ids: Sequence[str]) -> set[str]:
    """The rooms whose bag has one of these products."""
    return set(conn.scalars(_ROOMS_SHOWING, {"products": list(product_ids)}))


def shown(conn: sa.Connection, product_ids: Sequence[str]) -> set[str]:
    """Those of these products that are in the bag of any room."""
    found: set[str] = set()
    for start in range(0, len(product_ids), 500):
        part = cards.c.product_id.in_(list(product_ids[start : start + 500]))
        found.update(conn.scalars(sa.select(cards.c.product_id).where(part, cards.c.state != CardState.REMOVED.value)))
    return found


def owns_image(conn: sa.Connection, seller_id: str, address: str) -> bool:
    """Whether `/images/{id}.webp` is a picture of this seller."""
    image_id = address.removeprefix("/images/").removesuffix(".webp")
    query = sa.select(images.c.id).where(images.c.id == image_id, images.c.seller_id == seller_id)
    return conn.scalar(query) is not None
