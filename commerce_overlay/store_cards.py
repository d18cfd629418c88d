"""SQL of the cards of a room: the bag with its version, showings, and the log of what was shown when.
Knows rows and shapes; which change is allowed is decided in `cards.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from streamserver.store import insert_ignore
from streamserver.store.tables.commerce import card_bags, card_changes, cards, products, showings
from streamserver.wire_shapes import Card

from . import store_products
from .cards import CardChanged, CardRow, CardState
from .store_products import shape


@dataclass(frozen=True, slots=True)
class Bag:
    """A room's cards in order, hidden ones included. `until_ms`: when the clock alone changes a price."""

    ver: int
    cards: tuple[Card, ...]
    until_ms: int | None

    def visible(self) -> list[Card]:
        return [card for card in self.cards if card.state != "hidden"]

    def pinned(self) -> str | None:
        return next((card.id for card in self.cards if card.state in ("pinned", "explaining")), None)


def _card_columns() -> sa.Select[Any]:
    return sa.select(
        *(column for column in products.c if column.key != "id"),
        products.c.id.label("product_id"),
        cards.c.id.label("card_id"),
        cards.c.state,
        cards.c.showing_id,
        cards.c.position,
        cards.c.price_minor.label("room_minor"),
        cards.c.ver,
    ).join(products, products.c.id == cards.c.product_id)


_VER = sa.select(card_bags.c.ver).where(card_bags.c.room_id == sa.bindparam("room"))
_BUMP = card_bags.update().where(card_bags.c.room_id == sa.bindparam("room")).values(ver=card_bags.c.ver + 1)
_BAG = (
    _card_columns()
    .where(cards.c.room_id == sa.bindparam("room"), cards.c.state != CardState.REMOVED.value)
    .order_by(cards.c.position, cards.c.id)
)


def bump(conn: sa.Connection, room_id: str) -> int:
    """The bag's next version. On a database with concurrent writers this is also the room's lock: take it
    first."""
    if conn.execute(_BUMP, {"room": room_id}).rowcount == 0:
        insert_ignore(conn, card_bags, {"room_id": room_id, "ver": 0})
        conn.execute(_BUMP, {"room": room_id})
    return conn.execute(_VER, {"room": room_id}).scalar_one()


def card_rows(conn: sa.Connection, room_id: str) -> list[CardRow]:
    """What the state machine needs, in order; removed cards are left out."""
    query = (
        sa.select(cards.c.id, cards.c.state, cards.c.showing_id, cards.c.position)
        .where(cards.c.room_id == room_id, cards.c.state != CardState.REMOVED.value)
        .order_by(cards.c.position, cards.c.id)
    )
    return [CardRow(row.id, CardState(row.state), row.showing_id, row.position) for row in conn.execute(query)]


def bag(conn: sa.Connection, room_id: str, now_ms: int) -> Bag:
    """The bag as people see it now."""
    ver = conn.scalar(_VER, {"room": room_id}) or 0
    shapes: list[Card] = []
    until: list[int] = []
    for row in conn.execute(_BAG, {"room": room_id}):
        card, changes = card_of(row, now_ms)
        shapes.append(card)
        if changes is not None:
            until.append(changes)
    return Bag(ver, tuple(shapes), min(until, default=None))


def card_of(row: Any, now_ms: int) -> tuple[Card, int | None]:
    """A row of `_card_columns` as a card, and when its price changes by itself."""
    price = store_products.price_of(row, now_ms, row.room_minor)
    card = Card(
        id=row.card_id,
        product=row.product_id,
        sku=row.sku,
        title=row.title,
        image=row.image,
        price=shape(price.now),
        was=None if price.was is None else shape(price.was),
        stock=row.on_hand - row.reserved,
        state=row.state,
        showing=row.showing_id,
        position=row.position,
        ver=row.ver,
    )
    return card, price.until_ms


_SELLING = _card_columns().where(
    cards.c.room_id == sa.bindparam("room"),
    cards.c.state != CardState.REMOVED.value,
    products.c.deleted_ms.is_(None),
    products.c.sku.in_(sa.bindparam("skus", expanding=True)),
)


def selling(conn: sa.Connection, room_id: str, skus: Sequence[str]) -> dict[str, Any]:
    """The card rows through which a room sells these SKUs; a room has one card of a product at most."""
    return {row.sku: row for row in conn.execute(_SELLING, {"room": room_id, "skus": list(skus)})}


def one(conn: sa.Connection, room_id: str, card_id: str) -> Any:
    """A card with its product, unless it was removed."""
    query = _card_columns().where(
        cards.c.room_id == room_id, cards.c.id == card_id, cards.c.state != CardState.REMOVED.value
    )
    return conn.execute(query).first()


def save(
    conn: sa.Connection,
    room_id: str,
    show_id: str | None,
    after: Sequence[CardRow],
    changes: Sequence[CardChanged],
    ids: Sequence[str],
    account_id: str,
    ver: int,
    now_ms: int,
) -> None:
    """Writes what `cards.act` decided. `ids` are fresh ids for the log, one per change."""
    rows = {row.id: row for row in after}
    for change, log_id in zip(changes, ids, strict=False):
        row = rows[change.card]
        values = {"state": row.state.value, "showing_id": row.showing, "ver": ver}
        conn.execute(cards.update().where(cards.c.id == change.card).values(**values))
        if change.ended is not None:
            conn.execute(showings.update().where(showings.c.id == change.ended).values(ended_ms=now_ms))
        if change.began is not None:
            conn.execute(
                showings.insert().values(
                    id=change.began, room_id=room_id, show_id=show_id, card_id=change.card, started_ms=now_ms
                )
            )
        conn.execute(
            card_changes.insert().values(
                id=log_id,
                room_id=room_id,
                show_id=show_id,
                card_id=change.card,
                action=change.action.value,
                before=change.before.value,
                after=change.after.value,
                account_id=account_id,
                at_ms=now_ms,
            )
        )
