"""Card impressions: taken from the realtime socket, counted once per showing and viewer, written in batches.
Policy of the bounded queue: when it is full the impression is dropped and counted; a report shows fewer,
never more."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from streamserver.errors import Unavailable
from streamserver.members import Member
from streamserver.store import insert_ignore
from streamserver.store.tables.commerce import cards, impressions, showings
from streamserver.wire import ImpressionFrame

from .commerce_metrics import CommerceMetrics

if TYPE_CHECKING:
    from streamserver.server import Server

QUEUE = 20_000
BATCH = 500
FLUSH_S = 1.0


class Impressions:
    def __init__(self, server: Server, metrics: CommerceMetrics) -> None:
        self._server = server
        self._metrics = metrics
        self._waiting: deque[dict[str, Any]] = deque()

    async def take(self, member: Member, frame: ImpressionFrame) -> None:
        """The frame's handler. A card or showing that does not exist is found out, and ignored, when
        written."""
        self._metrics.impressions.inc()
        if len(self._waiting) >= QUEUE:
            self._metrics.impressions_dropped.inc()
            return
        self._waiting.append(
            {
                "showing_id": frame.showing,
                "card_id": frame.card,
                "viewer_id": member.viewer_id,
                "room_id": member.room_id,
                "excluded": member.excluded,
                "at_ms": self._server.clock.now_ms(),
            }
        )

    async def run(self) -> None:
        """Writes what waits every second, until cancelled; then writes what is left."""
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Writes everything that waits now."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                await self._server.store.write(lambda conn, batch=batch: _write(conn, batch))
            except Unavailable:
                self._waiting.extendleft(reversed(batch))
                return


def _write(conn: sa.Connection, batch: list[dict[str, Any]]) -> None:
    wanted = {row["showing_id"] for row in batch}
    query = (
        sa.select(showings.c.id, showings.c.card_id, showings.c.room_id, showings.c.show_id, cards.c.product_id)
        .join(cards, cards.c.id == showings.c.card_id)
        .where(showings.c.id.in_(list(wanted)))
    )
    known = {row.id: row for row in conn.execute(query)}
    for row in batch:
        showing = known.get(row["showing_id"])
        if showing is None or (showing.card_id, showing.room_id) != (row["card_id"], row["room_id"]):
            continue
        place = {"product_id": showing.product_id, "show_id": showing.show_id, "scene": "live"}
        insert_ignore(conn, impressions, {**row, **place})
