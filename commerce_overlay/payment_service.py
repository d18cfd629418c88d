"""Payments of orders: presenting the provider's page, hearing its news, cancelling what expired.
Knows providers only by their interface; what news does to an order is in `store_payments.py`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import sqlalchemy as sa

from streamserver.errors import BadRequest, Conflict, NotFound, StreamServerError, Unavailable
from streamserver.ids import RoomId, ViewerId
from streamserver.store import insert_ignore
from streamserver.store.tables.commerce import payments, webhook_receipts
from streamserver.store.tables.platform import sellers
from streamserver.wire_shapes import PaymentStatus, Presentation

from . import store_orders, store_payments
from .commerce_metrics import CommerceMetrics
from .money import Money
from .order_service import OrderService
from .orders import OrderState
from .payments.provider import (
    BadWebhook,
    PaymentIntent,
    PaymentNews,
    PaymentProvider,
    ProviderError,
    ProviderRefused,
)
from .payments.states import PaymentState, join, result_code
from .store_payments import Applied, NewsMismatch
from .tell import Teller

if TYPE_CHECKING:
    from streamserver.server import Server

T = TypeVar("T")
ViewerIn = Callable[[RoomId], ViewerId]
"""The asking viewer's pseudonym in a room."""

log = logging.getLogger(__name__)

CALL_S = 10.0
"""Longest wait for a provider's answer."""
ASK_S = 2.0
"""Longest wait for a provider's answer while a page waits for ours."""
SWEEP_S = 2.0
BATCH = 50
PARKED_MS = 7 * 24 * 3600 * 1000
"""How long news of an unknown payment is kept in case the payment turns up."""

_FINAL = (PaymentState.SUCCEEDED.value, PaymentState.CANCELED.value)


class PaymentService:
    def __init__(
        self,
        server: Server,
        providers: Mapping[str, PaymentProvider],
        orders: OrderService,
        tell: Teller,
        metrics: CommerceMetrics,
    ) -> None:
        self._server = server
        self._providers = providers
        self._orders = orders
        self._tell = tell
        self._metrics = metrics
        self._parked_seen = (0, "")

    # ---- the buyer ----

    async def present(self, trade_no: str, viewer: ViewerIn) -> Presentation:
        """Opens the payment at the provider and answers its page. Raises NotFound, Conflict, Unavailable."""
        row, merchant = await self._server.store.read(lambda conn: self._with_merchant(conn, trade_no))
        self._check_viewer(row, viewer)
        now = self._server.clock.now_ms()
        if row.state != OrderState.PLACED.value:
            raise Conflict(f"an order that is {row.state} cannot be paid", code="bad_transition")
        if row.expires_ms <= now:
            raise Conflict("this order was held too long and has expired", code="order_expired")
        provider = self._providers[row.provider]
        ref = row.provider_ref
        if ref is None:
            amount = Money(row.total_minor, row.currency)
            intent = PaymentIntent(trade_no, amount, merchant, f"Order {row.id[-8:].upper()}")
            try:
                ref = await self.call(provider, provider.create(intent), CALL_S)
            except ProviderError:
                raise _no_answer() from None
            new_ref: str = ref
            placed = await self._server.store.write(lambda conn: store_payments.set_ref(conn, trade_no, new_ref, now))
            if not placed:
                raise Conflict("this order has been given up", code="order_expired")
        return Presentation(presentation=provider.presentation, url=provider.page_url(ref))

    async def status(self, trade_no: str, viewer: ViewerIn) -> PaymentStatus:
        """How the payment stands. While it is open the provider is asked, so a lost webhook is no reason to
        wait."""

        def load(conn: sa.Connection) -> tuple[Any, Any]:
            row = store_orders.by_trade_no(conn, trade_no)
            return row, None if row is None else store_payments.view_of(conn, row)

        row, view = await self._server.store.read(load)
        self._check_viewer(row, viewer)
        if row.payment_state not in _FINAL and row.provider_ref is not None:
            provider = self._providers[row.provider]
            try:
                news = await self.call(provider, provider.retrieve(row.provider_ref), ASK_S)
                if join(view, store_payments.news_view(news)) != view:
                    await self.apply(row.provider, news)
                    row, view = await self._server.store.read(load)
            except (ProviderError, ProviderRefused, NewsMismatch):
                pass  # what we know is the answer; the webhook or the sweep will bring the rest
        failure = row.payment_failure
        return PaymentStatus(
            trade_no=trade_no,
            state=row.payment_state,
            result=result_code(PaymentState(row.payment_state), failure),
            failure=failure,
            order=row.id,
        )

    def _with_merchant(self, conn: sa.Connection, trade_no: str) -> tuple[Any, str]:
        row = store_orders.by_trade_no(conn, trade_no)
        if row is None:
            raise _unknown()
        name = conn.scalar(sa.select(sellers.c.name).where(sellers.c.id == row.seller_id))
        return row, name or "streamserver"

    def _check_viewer(self, row: Any, viewer: ViewerIn) -> None:
        if row is None or viewer(RoomId(row.room_id)) != row.viewer_id:
            raise _unknown()

    # ---- news ----

    async def receive(self, provider_name: str, headers: Mapping[str, str], body: bytes) -> str:
        """A webhook; answers what became of it. Raises NotFound, BadRequest `bad_signature`, `stale` or
        `bad_event`."""
        provider = self._providers.get(provider_name)
        if provider is None:
            raise NotFound("no such provider", where="provider")
        now = self._server.clock.now_ms()
        try:
            webhook = provider.webhook(headers, body, now // 1000)
        except BadWebhook as exc:
            self._metrics.webhooks.labels(provider_name, exc.code).inc()
            raise BadRequest(str(exc), code=exc.code, where="webhook-signature") from None
        restock = self._server.settings.restock_on_refund

        def unit(conn: sa.Connection) -> tuple[str, Applied | None]:
            receipt = {
                "provider": provider_name,
                "webhook_id": webhook.id,
                "result": "applied",
                "received_ms": now,
            }
            if not insert_ignore(conn, webhook_receipts, receipt):
                return "repeated", None
            try:
                with conn.begin_nested():
                    applied = store_payments.apply(
                        conn, provider_name, webhook.news, self._server.new_id, now, restock=restock
                    )
            except NewsMismatch as exc:
                log.error("webhook_refused", extra={"provider": provider_name, "reason": str(exc)})
                result, applied, kept = "refused", None, None
            else:
                result = "parked" if applied is None else "applied"
                kept = msgspec.json.encode(webhook.news) if applied is None else None
            if result != "applied":
                mine = webhook_receipts.c.webhook_id == webhook.id
                mine &= webhook_receipts.c.provider == provider_name
                conn.execute(webhook_receipts.update().where(mine).values(result=result, body=kept))
            return result, applied

        result, applied = await self._server.store.write(unit)
        self._metrics.webhooks.labels(provider_name, result).inc()
        if applied is not None:
            await self.tell(applied, now)
        return result

    async def apply(self, provider_name: str, news: PaymentNews) -> Applied | None:
        """News that came as an answer. Raises NewsMismatch."""
        now = self._server.clock.now_ms()
        restock = self._server.settings.restock_on_refund
        new_id = self._server.new_id
        applied = await self._server.store.write(
            lambda conn: store_payments.apply(conn, provider_name, news, new_id, now, restock=restock)
        )
        if applied is not None:
            await self.tell(applied, now)
        return applied

    async def tell(self, applied: Applied, now_ms: int) -> None:
        """What follows a commit; nothing here is needed for the money to be right."""
        for happened, event in ((applied.paid, "paid"), (applied.given_up, "cancelled")):
            if happened:
                self._metrics.orders.labels(event).inc()
        if applied.refunded:
            self._metrics.orders.labels("refunded").inc(applied.refunded)
        if applied.late:
            self._metrics.late_payments.inc()
            log.warning("late_payment", extra={"order": applied.order.id})
        if applied.changed:
            self._tell.order_moved(applied.room, applied.viewer, applied.order)
        if applied.paid or applied.refunded or applied.given_up:
            self._tell.stock_moved(applied.rooms)
            self._tell.numbers_moved(applied.room)
        if applied.paid and not applied.excluded:  # a brand's own test purchase shall not move a crowd
            await self._tell.bought(applied.room, applied.buyer_name, applied.lines, now_ms)

    # ---- time ----

    async def run(self) -> None:
        """Expires orders, tells providers of cancellations, takes parked news up again; until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await self.sweep()
            except Unavailable as exc:
                log.warning("sweep_postponed", extra={"reason": exc.detail})

    async def sweep(self) -> None:
        """One round of what time brings about; safe at any moment and again after a crash."""
        for row in await self._orders.expired():
            if row.provider_ref is not None:
                # Asked first: a payment whose webhook was lost shall not be expired.
                await self._ask(row.provider, row.provider_ref, "retrieve")
            await self._orders.expire(row.id)
        for row in await self._server.store.read(lambda conn: store_payments.unfinished_cancels(conn, BATCH)):
            if row.provider_ref is None or await self._ask(row.provider, row.provider_ref, "cancel"):
                done = payments.update().where(payments.c.id == row.id).values(cancel_ms=None)
                await self._server.store.write(lambda conn, done=done: conn.execute(done))
        await self._unpark()

    async def _ask(self, provider_name: str, ref: str, what: str) -> bool:
        """Asks and applies the answer. False when there was none and it is worth asking again."""
        provider = self._providers[provider_name]
        question = provider.cancel(ref) if what == "cancel" else provider.retrieve(ref)
        try:
            await self.apply(provider_name, await self.call(provider, question, CALL_S))
        except ProviderError:
            return False
        except (ProviderRefused, NewsMismatch) as exc:
            log.error("provider_disagrees", extra={"provider": provider_name, "reason": str(exc)})
        return True

    async def _unpark(self) -> None:
        oldest = self._server.clock.now_ms() - PARKED_MS
        parked = (webhook_receipts.c.result == "parked") & (webhook_receipts.c.received_ms > oldest)
        place = (webhook_receipts.c.received_ms, webhook_receipts.c.webhook_id)
        # In turns: news that waits in vain shall not stand in the way of what came after it.
        query = sa.select(webhook_receipts).where(parked, sa.tuple_(*place) > sa.tuple_(*self._parked_seen))
        query = query.order_by(*place).limit(BATCH)
        rows = await self._server.store.read(lambda conn: conn.execute(query).all())
        self._parked_seen = (rows[-1].received_ms, rows[-1].webhook_id) if len(rows) == BATCH else (0, "")
        for row in rows:
            news = msgspec.json.decode(row.body, type=PaymentNews)
            result = "applied"
            try:
                if await self.apply(row.provider, news) is None:
                    continue
            except NewsMismatch as exc:
                log.error("webhook_refused", extra={"provider": row.provider, "reason": str(exc)})
                result = "refused"
            mine = (webhook_receipts.c.provider == row.provider) & (webhook_receipts.c.webhook_id == row.webhook_id)
            done = webhook_receipts.update().where(mine).values(result=result, body=None)
            await self._server.store.write(lambda conn, done=done: conn.execute(done))

    async def call(self, provider: PaymentProvider, question: Coroutine[Any, Any, T], limit_s: float) -> T:
        """A provider's answer within a time limit. Raises ProviderError, ProviderRefused."""
        try:
            async with asyncio.timeout(limit_s):
                return await question
        except (TimeoutError, ProviderError, StreamServerError) as exc:
            self._metrics.provider_errors.labels(provider.name).inc()
            log.warning("provider_unreachable", extra={"provider": provider.name, "reason": str(exc)})
            raise ProviderError(str(exc) or "no answer in time") from None


def _unknown() -> NotFound:
    return NotFound("no such payment", code="unknown_payment", where="payment")


def _no_answer() -> Unavailable:
    return Unavailable("the payment provider does not answer", code="provider_unavailable", retry_after=2)
