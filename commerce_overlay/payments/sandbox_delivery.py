"""Sends the sandbox provider's webhooks: durable rows, real HTTP POSTs, retries for three days as Standard
Webhooks asks. It knows one address and the signing keys; what an event says is none of its business."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import aiohttp
import sqlalchemy as sa

from streamserver.clock import Clock
from streamserver.errors import Unavailable
from streamserver.store import Store
from streamserver.store.tables.commerce import sandbox_webhooks

from . import webhooks

log = logging.getLogger(__name__)

# Milliseconds until the next try after the first, second, … failure; the first ones are short because the
# receiver is this very server, which may just have been restarted. After the last the webhook is given up
# and logged.
RETRY_MS = (500, 1_000, 2_000, 5_000, 15_000, 60_000, 300_000, 1_800_000, *([21_600_000] * 12))
BATCH = 32
POST_S = 10.0
IDLE_S = 5.0
"""How long a row may go unnoticed that another process wrote."""


class WebhookDelivery:
    def __init__(
        self, store: Store, clock: Clock, secrets: Callable[[], Sequence[bytes]], url: Callable[[], str]
    ) -> None:
        self._store = store
        self._clock = clock
        self._secrets = secrets
        self._url = url
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something is due, or may be."""
        self._woken.set()

    async def run(self) -> None:
        """Delivers until cancelled. A row is marked only after the receiver took it, so a crash repeats,
        never loses."""
        timeout = aiohttp.ClientTimeout(total=POST_S)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            while True:
                self._woken.clear()
                try:
                    wait = await self._round(session)
                except Unavailable as exc:
                    # The database is full or busy; nothing is marked, so nothing is lost.
                    log.warning("webhooks_postponed", extra={"reason": exc.detail})
                    wait = 1.0
                if wait > 0:
                    try:
                        await asyncio.wait_for(self._woken.wait(), wait)
                    except TimeoutError:
                        pass

    async def _round(self, session: aiohttp.ClientSession) -> float:
        """Sends what is due; answers how many seconds nothing more will be."""
        now = self._clock.now_ms()

        def due(conn: sa.Connection) -> tuple[Sequence[sa.RowMapping], int | None]:
            open_rows = sandbox_webhooks.c.done_ms.is_(None)
            query = sa.select(sandbox_webhooks).where(open_rows, sandbox_webhooks.c.due_ms <= now)
            query = query.order_by(sandbox_webhooks.c.due_ms, sandbox_webhooks.c.seq).limit(BATCH)
            rows = conn.execute(query).mappings().all()
            upcoming = conn.scalar(sa.select(sa.func.min(sandbox_webhooks.c.due_ms)).where(open_rows))
            return rows, upcoming

        rows, upcoming = await self._store.read(due)
        if not rows:
            ahead = IDLE_S if upcoming is None else max(0.01, (upcoming - now) / 1000)
            return min(IDLE_S, ahead)
        answers = await asyncio.gather(*(self._post(session, row) for row in rows))
        done = self._clock.now_ms()

        def mark(conn: sa.Connection) -> None:
            for row, taken in zip(rows, answers, strict=True):
                values: dict[str, int] = {"attempts": row["attempts"] + 1}
                if taken or row["attempts"] >= len(RETRY_MS):
                    values["done_ms"] = done
                else:
                    values["due_ms"] = done + RETRY_MS[row["attempts"]]
                conn.execute(sandbox_webhooks.update().where(sandbox_webhooks.c.seq == row["seq"]).values(**values))

        await self._store.write(mark)
        for row, taken in zip(rows, answers, strict=True):
            if not taken and row["attempts"] >= len(RETRY_MS):
                log.error("webhook_given_up", extra={"webhook": row["id"], "attempts": row["attempts"]})
        return 0

    async def _post(self, session: aiohttp.ClientSession, row: sa.RowMapping) -> bool:
        """True when the receiver answered 2xx, or 410: it does not want any more. Redirects are not
        followed."""
        body: bytes = row["body"]
        signed_s = self._clock.now_ms() // 1000
        headers = webhooks.headers(self._secrets(), row["id"], signed_s, body)
        headers["Content-Type"] = "application/json"
        try:
            async with session.post(self._url(), data=body, headers=headers, allow_redirects=False) as response:
                return 200 <= response.status < 300 or response.status == 410
        except (TimeoutError, aiohttp.ClientError) as exc:
            log.info("webhook_retry", extra={"webhook": row["id"], "reason": type(exc).__name__})
            return False
