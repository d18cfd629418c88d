"""Live numbers of a room for its staff: counted from the rows, never kept in a counter that could drift.
Told after something moved, at most once a second, and never for more than a twentieth of the time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from streamserver.errors import StreamServerError
from streamserver.ids import RoomId
from streamserver.room_rows import RoomRow
from streamserver.store.tables.commerce import cards, clicks, order_lines, orders, products
from streamserver.wire import NumbersFrame
from streamserver.wire_shapes import CardNumbers, Money, Numbers

from .orders import REACHED_PAID

if TYPE_CHECKING:
    from streamserver.server import Server

ROUND_S = 1.0
SHARE = 20
"""A room whose numbers take a second to count is counted every twentieth second."""
MINUTES = 240
"""Minutes of paid GMV that are told, the latest ones."""

_PAID = [state.value for state in REACHED_PAID]


class LiveNumbers:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._moved: set[RoomId] = set()
        self._not_before: dict[RoomId, float] = {}

    def moved(self, room_id: RoomId) -> None:
        """Something that the numbers count has changed."""
        self._moved.add(room_id)

    async def of(self, room: RoomRow) -> Numbers:
        """The numbers of the room's current show, or of the room while it has had none."""
        counted = await self._server.store.read(lambda conn: _count(conn, room))
        likes = await self._server.state.answer("likes", room.id) or 0
        presence = self._server.presence
        return Numbers(viewers=presence.viewers(room.id), peak=presence.peak(room.id), likes=likes, **counted)

    async def run(self) -> None:
        """Tells staff the numbers of rooms where something moved, until cancelled."""
        clock = self._server.clock
        while True:
            await asyncio.sleep(ROUND_S)
            ready = {room for room in self._moved if self._not_before.get(room, 0.0) <= clock.monotonic()}
            self._moved -= ready
            for room_id in ready:
                started = clock.monotonic()
                try:
                    numbers = await self.of(await self._server.rooms.get(room_id))
                except StreamServerError:
                    continue  # the room is gone, or the database is busy: the next change tells
                fields = {name: getattr(numbers, name) for name in numbers.__struct_fields__}
                self._server.bus.send_staff(room_id, NumbersFrame(**fields))
                took = clock.monotonic() - started
                self._not_before[room_id] = clock.monotonic() + took * SHARE
            for room_id, at in list(self._not_before.items()):
                if at <= clock.monotonic() and room_id not in self._moved:
                    del self._not_before[room_id]


def _count(conn: sa.Connection, room: RoomRow) -> dict[str, Any]:
    """Everything that comes from rows. Excluded traffic does not count."""

    def of(table: sa.Table) -> Any:
        mine = (table.c.room_id == room.id) & (table.c.excluded == "")
        return mine if room.show_id is None else mine & (table.c.show_id == room.show_id)

    tapped = sa.select(clicks.c.card_id, sa.func.count()).where(of(clicks)).group_by(clicks.c.card_id)
    clicked: dict[str, int] = {row[0]: row[1] for row in conn.execute(tapped)}
    value = orders.c.subtotal_minor - orders.c.discount_minor
    paid = sa.case((orders.c.paid_ms.is_not(None), 1), else_=0)
    totals = conn.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(paid), 0),
            sa.func.coalesce(sa.func.sum(paid * value), 0),
        ).where(of(orders), orders.c.currency == room.currency)
    ).one()
    minute = orders.c.paid_ms - orders.c.paid_ms % 60_000
    minutes = conn.execute(
        sa.select(minute, sa.func.sum(value))
        .where(of(orders), orders.c.currency == room.currency, orders.c.paid_ms.is_not(None))
        .group_by(minute)
        .order_by(minute.desc())
        .limit(MINUTES)
    )
    gmv_minutes = [(int(at), int(minor)) for at, minor in minutes][::-1]
    by_card: dict[str, dict[str, Any]] = {}
    sold = conn.execute(
        sa.select(
            orders.c.card_id,
            sa.func.count(sa.distinct(orders.c.id)),
            sa.func.coalesce(sa.func.sum(paid * order_lines.c.total_minor), 0),
        )
        .join(order_lines, order_lines.c.order_id == orders.c.id)
        .where(of(orders), orders.c.currency == room.currency)
        .group_by(orders.c.card_id)
    )
    for card, count, minor in sold:
        by_card[card] = {"orders": count, "minor": int(minor)}
    titles = _titles(conn, {*clicked, *by_card})
    return {
        "clicks": sum(clicked.values()),
        "orders_placed": totals[0],
        "orders_paid": int(totals[1]),
        "gmv_paid": Money(int(totals[2]), room.currency),
        "gmv_minutes": gmv_minutes,
        "products": [
            CardNumbers(
                card=card,
                title=titles.get(card, ""),
                clicks=clicked.get(card, 0),
                orders=by_card.get(card, {}).get("orders", 0),
                gmv_paid=Money(by_card.get(card, {}).get("minor", 0), room.currency),
            )
            for card in sorted(
                {*clicked, *by_card},
                key=lambda card: (-by_card.get(card, {}).get("minor", 0), -clicked.get(card, 0), card),
            )
        ],
    }


def _titles(conn: sa.Connection, card_ids: set[str]) -> dict[str, str]:
    query = sa.select(cards.c.id, products.c.title).join(products, products.c.id == cards.c.product_id)
    return {row[0]: row[1] for row in conn.execute(query.where(cards.c.id.in_(list(card_ids))))}
