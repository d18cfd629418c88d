"""Refunds: asked for once by the brand (or by us, for a payment that came too late), carried through until
the provider has answered, however often the server stops in between. The refund's id is the provider's
idempotency key."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from streamserver.auth import Account
from streamserver.errors import BadRequest, Conflict, Unavailable, Unprocessable
from streamserver.plaintext import one_line
from streamserver.store.tables.commerce import refunds
from streamserver.store.tables.platform import idempotency_keys

from . import store_orders, store_payments
from .bodies import RefundInput, refuse_card_number
from .commerce_metrics import CommerceMetrics
from .money import Money, MoneyError, parse
from .order_service import claim, owned, settle, told
from .orders import OrderRefused, OrderState, follow, refund_step
from .payment_service import CALL_S, PaymentService
from .payments.provider import PaymentProvider, ProviderError, ProviderRefused
from .store_payments import NewsMismatch

if TYPE_CHECKING:
    from streamserver.server import Server

log = logging.getLogger(__name__)

RETRY_AFTER_MS = 5_000
"""A refund asked for this long ago and not made is asked for again."""
RUN_S = 2.0
BATCH = 50


class RefundService:
    def __init__(
        self,
        server: Server,
        providers: Mapping[str, PaymentProvider],
        payments: PaymentService,
        metrics: CommerceMetrics,
    ) -> None:
        self._server = server
        self._providers = providers
        self._payments = payments
        self._metrics = metrics

    async def refund(self, account: Account, order_id: str, key: str, given: RefundInput) -> bytes:
        """The JSON of the order after the refund, the same for every repeat of key and body.

        Raises BadRequest, NotFound, Conflict `refund_too_large` or `bad_transition`, Unprocessable, and
        Unavailable when the provider did not answer: the refund stays asked for, and repeating the request
        finishes it."""
        amount = _amount(given)
        reason = one_line(given.reason or "")[:200] or None
        refuse_card_number(reason or "", "reason")
        body_hash = hashlib.sha256(order_id.encode() + msgspec.json.encode(given)).hexdigest()
        now = self._server.clock.now_ms()

        def ask(conn: sa.Connection) -> tuple[bytes, Any, Any, str]:
            row = owned(conn, account, order_id, lock=True)
            scope = f"refund:{row.seller_id}"
            # Made from the key, so that a repeat after a crash finds the refund it belongs to.
            refund_id = "r" + hashlib.sha256(f"{scope}\n{key}".encode()).hexdigest()[:25]
            known = claim(conn, scope, key, body_hash, now)
            mine = sa.select(refunds).where(refunds.c.id == refund_id)
            made = conn.execute(mine).first()
            if known or (known is not None and made is not None and made.state != "failed"):
                return known, row, made, scope
            if made is not None and made.state != "failed":
                # Older than keys are kept: asking again in its name would unmake what was booked.
                detail = "this Idempotency-Key belongs to an earlier refund"
                raise Unprocessable(detail, code="idempotency_mismatch", where="Idempotency-Key")
            pending = store_payments.pending_minor(conn, order_id)
            asked = amount or Money(row.total_minor - row.refunded_minor - pending, row.currency)
            if asked.currency != row.currency:
                raise BadRequest(f"this order is in {row.currency}", code="currency_mismatch", where="amount")
            try:
                step = refund_step(row.total_minor, row.refunded_minor + pending, asked.minor)
                follow(OrderState(row.state), step)
            except OrderRefused as exc:
                raise told(exc) from None
            values = {
                "order_id": order_id,
                "payment_id": row.trade_no,
                "amount_minor": asked.minor,
                "currency": asked.currency,
                "reason": reason,
                "state": "requested",
                "account_id": account.id,
                "requested_ms": now,
                "at_ms": None,
            }
            if made is not None:
                # The provider refused it before: nothing was given back under this id, so it is asked for anew,
                # for whichever order the key is used now.
                conn.execute(refunds.update().where(refunds.c.id == refund_id).values(**values))
            else:
                conn.execute(refunds.insert().values(id=refund_id, automatic=False, **values))
            return b"", row, conn.execute(mine).one(), scope

        answer, row, refund, scope = await self._server.store.write(ask)
        if answer:
            return answer
        if refund.state == "requested":
            try:
                await self._carry(row.provider, row.provider_ref, refund)
            except ProviderError:
                detail = "the payment provider does not answer; repeat this request with the same key"
                raise Unavailable(detail, code="provider_unavailable", retry_after=2) from None
            except ProviderRefused as exc:
                await self._server.store.write(lambda conn: _forget(conn, scope, key))
                raise Conflict(str(exc), code=exc.code, where="amount") from None

        def answered(conn: sa.Connection) -> bytes:
            body = msgspec.json.encode(store_orders.load_order(conn, order_id))
            settle(conn, scope, key, 201, body)
            return body

        return await self._server.store.write(answered)

    async def _carry(self, provider_name: str, ref: str, refund: Any) -> None:
        """Has one refund made and books it. Raises ProviderError, ProviderRefused (then it is marked
        failed)."""
        provider = self._providers[provider_name]
        amount = Money(refund.amount_minor, refund.currency)
        try:
            news = await self._payments.call(provider, provider.refund(ref, refund.id, amount), CALL_S)
        except ProviderRefused as exc:
            now = self._server.clock.now_ms()
            log.error("refund_refused", extra={"refund": refund.id, "reason": exc.code})
            await self._server.store.write(lambda conn: store_payments.fail_refund(conn, refund.id, now))
            raise
        try:
            await self._payments.apply(provider_name, news)
        except NewsMismatch as exc:
            log.error("provider_disagrees", extra={"provider": provider_name, "reason": str(exc)})
            raise ProviderError(str(exc)) from None

    async def run(self) -> None:
        """Carries on with refunds that were asked for and not made, until cancelled."""
        while True:
            await asyncio.sleep(RUN_S)
            try:
                await self.sweep()
            except Unavailable as exc:
                log.warning("refunds_postponed", extra={"reason": exc.detail})

    async def sweep(self) -> None:
        """One round: automatic refunds at once, asked-for ones when whoever asked is not doing it any
        more."""
        before = self._server.clock.now_ms() - RETRY_AFTER_MS
        now = self._server.clock.now_ms()
        rows = await self._server.store.read(lambda conn: store_payments.requested_refunds(conn, now, BATCH))
        for row in rows:
            if row.automatic or row.requested_ms <= before:
                try:
                    await self._carry(row.provider, row.provider_ref, row)
                except (ProviderError, ProviderRefused):
                    continue


def _amount(given: RefundInput) -> Money | None:
    if given.amount is None:
        return None
    try:
        return parse(given.amount)
    except MoneyError as exc:
        raise BadRequest(str(exc), code=exc.code, where="amount") from None


def _forget(conn: sa.Connection, scope: str, key: str) -> None:
    """A refused refund changed nothing, so its key is free again."""
    mine = (idempotency_keys.c.scope == scope) & (idempotency_keys.c.key == key)
    conn.execute(idempotency_keys.delete().where(mine))
