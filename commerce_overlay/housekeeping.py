"""Deletes what has served its purpose: old idempotency keys, webhook receipts and delivered webhooks, a few
at a time. Money is never among it: orders, payments, refunds and the ledger stay."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import sqlalchemy as sa

from streamserver.errors import Unavailable
from streamserver.store.tables.commerce import sandbox_webhooks, webhook_receipts
from streamserver.store.tables.platform import idempotency_keys

if TYPE_CHECKING:
    from streamserver.server import Server

log = logging.getLogger(__name__)

DAY_MS = 24 * 3600 * 1000
KEYS_MS = 30 * DAY_MS
"""How long a repeat of a key gets its answer; nobody repeats a request for longer."""
RECEIPTS_MS = 60 * DAY_MS
"""Longer than any provider goes on delivering."""
DELIVERED_MS = 7 * DAY_MS
ROUND_S = 600.0
CHUNK = 500
"""Rows of one transaction, so that no order waits long behind a deletion."""


class Housekeeping:
    def __init__(self, server: Server) -> None:
        self._server = server

    async def run(self) -> None:
        """A round every ten minutes, until cancelled."""
        while True:
            await asyncio.sleep(ROUND_S)
            try:
                await self.sweep()
            except Unavailable as exc:
                log.warning("housekeeping_postponed", extra={"reason": exc.detail})

    async def sweep(self) -> int:
        """Deletes everything that is due; answers how many rows that were."""
        now = self._server.clock.now_ms()
        due = (
            (idempotency_keys, idempotency_keys.c.created_ms < now - KEYS_MS),
            (webhook_receipts, webhook_receipts.c.received_ms < now - RECEIPTS_MS),
            (sandbox_webhooks, sandbox_webhooks.c.done_ms < now - DELIVERED_MS),
        )
        deleted = 0
        for table, old in due:
            key = sa.tuple_(*table.primary_key.columns)
            some = sa.select(*table.primary_key.columns).where(old).limit(CHUNK)
            statement = table.delete().where(key.in_(some))
            while True:
                count = await self._server.store.write(lambda conn, done=statement: conn.execute(done).rowcount)
                deleted += count
                if count < CHUNK:
                    break
        return deleted
