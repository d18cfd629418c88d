"""The built-in payment provider: stateful like a real one, in tables of its own, telling by signed HTTP
webhooks.

It stands on the other side of the fence: it knows trade numbers and amounts, never orders, and reaches the
shop only through `/webhooks/payments/sandbox`. Every change of state and its webhook are one transaction, so
kill -9 loses none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import sqlalchemy as sa

from streamserver.clock import Clock
from streamserver.errors import Conflict, NotFound
from streamserver.store import Store, insert_ignore
from streamserver.store.tables.commerce import sandbox_payments, sandbox_refunds, sandbox_webhooks
from streamserver.wire_shapes import Money as MoneyShape
from streamserver.wire_shapes import SandboxPayment

from ..money import Money
from . import sandbox_rules as rules
from . import webhooks
from .provider import (
    BadWebhook,
    PaymentIntent,
    PaymentNews,
    ProviderRefused,
    RefundNews,
    Webhook,
)
from .states import PaymentState


@dataclass(slots=True)
class Faults:
    """What a test can make this provider do to its webhooks. Off in production: nothing sets it there."""

    copies: int = 1  # how often each is sent; 0 loses it, so that only asking finds out
    delay_ms: int = 0  # how long each waits
    reverse: bool = False  # later news of one action first


class _Refund(msgspec.Struct, frozen=True):
    key: str
    minor: int


class _Data(msgspec.Struct, frozen=True):
    trade_no: str
    ref: str
    state: PaymentState
    attempt: int
    failure: str | None
    minor: int
    currency: str
    refunds: list[_Refund]


class _Event(msgspec.Struct, frozen=True):
    """The webhook's body."""

    type: str
    timestamp_ms: int
    data: _Data


_decoder = msgspec.json.Decoder(_Event)
_encoder = msgspec.json.Encoder()


class SandboxProvider:
    """See `PaymentProvider` for the guarantees."""

    name = "sandbox"
    presentation: Literal["embed", "redirect"] = "embed"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        new_id: Callable[[], str],
        new_secret: Callable[[], str],
        secrets: Callable[[], Sequence[bytes]],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._new_secret = new_secret
        self._secrets = secrets
        self._wake = wake
        self.faults = Faults()

    # ---- what the shop asks (PaymentProvider) ----

    async def create(self, intent: PaymentIntent) -> str:
        ref = self._new_secret()
        now = self._clock.now_ms()

        def unit(conn: sa.Connection) -> sa.RowMapping:
            insert_ignore(
                conn,
                sandbox_payments,
                {
                    "ref": ref,
                    "trade_no": intent.trade_no,
                    "state": PaymentState.REQUIRES_PAYMENT_METHOD.value,
                    "attempt": 0,
                    "amount_minor": intent.amount.minor,
                    "currency": intent.amount.currency,
                    "merchant": intent.merchant,
                    "description": intent.description,
                    "created_ms": now,
                    "updated_ms": now,
                },
            )
            query = sa.select(sandbox_payments).where(sandbox_payments.c.trade_no == intent.trade_no)
            return conn.execute(query).mappings().one()

        row = await self._store.write(unit)
        if Money(row["amount_minor"], row["currency"]) != intent.amount:
            raise ProviderRefused("amount_mismatch", "this trade number was created with another amount")
        return row["ref"]

    def page_url(self, ref: str) -> str:
        return f"/pay/{ref}"

    async def retrieve(self, ref: str) -> PaymentNews:
        news = await self._store.read(lambda conn: _news(conn, ref))
        if news is None:
            raise ProviderRefused("unknown_payment", "no such payment")
        return news

    async def cancel(self, ref: str) -> PaymentNews:
        await self._act(ref, rules.cancel)
        return await self.retrieve(ref)

    async def refund(self, ref: str, key: str, amount: Money) -> PaymentNews:
        event_id = self._new_id()
        now = self._clock.now_ms()

        def unit(conn: sa.Connection) -> PaymentNews:
            before = _news(conn, ref, lock=True)
            if before is None:
                raise ProviderRefused("unknown_payment", "no such payment")
            made = next((refund for refund in before.refunds if refund.key == key), None)
            if made is not None:
                if made.amount != amount:
                    raise ProviderRefused("amount_mismatch", "this refund was made with another amount")
                return before
            if before.state is not PaymentState.SUCCEEDED:
                raise ProviderRefused("not_captured", "nothing was captured")
            left = before.amount.minor - sum(refund.amount.minor for refund in before.refunds)
            if amount.currency != before.amount.currency or not 0 < amount.minor <= left:
                raise ProviderRefused("refund_too_large", f"only {left} minor units are left to refund")
            row = {"key": key, "ref": ref, "amount_minor": amount.minor, "created_ms": now}
            conn.execute(sandbox_refunds.insert().values(**row))
            after = _news(conn, ref)
            assert after is not None
            self._tell(conn, [("payment.refunded", event_id, after)], now)
            return after

        news = await self._store.write(unit)
        self._wake()
        return news

    def webhook(self, headers: Mapping[str, str], body: bytes, now_s: int) -> Webhook:
        webhook_id = webhooks.verify(headers, body, self._secrets(), now_s)
        try:
            data = _decoder.decode(body).data
        except msgspec.MsgspecError as exc:
            raise BadWebhook("bad_event", f"not an event of this provider: {exc}") from None
        refunds = tuple(RefundNews(each.key, Money(each.minor, data.currency)) for each in data.refunds)
        amount = Money(data.minor, data.currency)
        news = PaymentNews(data.trade_no, data.ref, data.state, data.attempt, data.failure, amount, refunds)
        return Webhook(webhook_id, news)

    # ---- what the hosted page asks ----

    async def page(self, ref: str) -> SandboxPayment:
        """Raises NotFound."""

        def unit(conn: sa.Connection) -> sa.RowMapping | None:
            query = sa.select(sandbox_payments).where(sandbox_payments.c.ref == ref)
            return conn.execute(query).mappings().first()

        row = await self._store.read(unit)
        if row is None:
            raise NotFound("no such payment", code="unknown_payment", where="payment")
        return SandboxPayment(
            ref=row["ref"],
            state=row["state"],
            amount=MoneyShape(row["amount_minor"], row["currency"]),
            merchant=row["merchant"],
            description=row["description"],
            failure=row["failure"],
        )

    async def confirm(self, ref: str, card: rules.TestCard) -> SandboxPayment:
        """Raises NotFound, Conflict `bad_transition`."""
        await self._act(ref, lambda state, attempt: rules.confirm(state, attempt, card), card)
        return await self.page(ref)

    async def challenge(self, ref: str, approve: bool) -> SandboxPayment:
        """Raises NotFound, Conflict `bad_transition`."""
        await self._act(ref, lambda state, attempt: rules.challenge(state, attempt, approve))
        return await self.page(ref)

    async def cancel_page(self, ref: str) -> SandboxPayment:
        """Raises NotFound."""
        await self._act(ref, rules.cancel)
        return await self.page(ref)

    async def _act(
        self,
        ref: str,
        decide: Callable[[PaymentState, int], Sequence[rules.Step]],
        card: str | None = None,
    ) -> None:
        event_ids = [self._new_id() for _ in range(4)]
        now = self._clock.now_ms()

        def unit(conn: sa.Connection) -> None:
            before = _news(conn, ref, lock=True)
            if before is None:
                raise NotFound("no such payment", code="unknown_payment", where="payment")
            try:
                steps = decide(before.state, before.attempt)
            except rules.SandboxRefused as exc:
                raise Conflict(str(exc), code="bad_transition") from None
            told: list[tuple[str, str, PaymentNews]] = []
            for event_id, step in zip(event_ids, steps, strict=False):
                values = {
                    "state": step.state.value,
                    "attempt": step.attempt,
                    "failure": step.failure,
                    "updated_ms": now,
                }
                if card is not None:
                    values["card"] = card
                conn.execute(sandbox_payments.update().where(sandbox_payments.c.ref == ref).values(**values))
                after = _news(conn, ref)
                assert after is not None
                kind = "failed" if step.failure else step.state.value
                told.append((f"payment.{kind}", event_id, after))
            self._tell(conn, told, now)

        await self._store.write(unit)
        self._wake()

    def _tell(self, conn: sa.Connection, told: Sequence[tuple[str, str, PaymentNews]], now_ms: int) -> None:
        """Writes the webhooks of one action, in the transaction that caused them."""
        faults = self.faults
        ordered = list(reversed(told)) if faults.reverse else list(told)
        for i, (kind, event_id, news) in enumerate(ordered):
            refunds = [_Refund(each.key, each.amount.minor) for each in news.refunds]
            data = _Data(
                news.trade_no,
                news.ref,
                news.state,
                news.attempt,
                news.failure,
                news.amount.minor,
                news.amount.currency,
                refunds,
            )
            body = _encoder.encode(_Event(kind, now_ms, data))
            for _ in range(faults.copies):
                row = {
                    "id": event_id,
                    "body": body,
                    "due_ms": now_ms + faults.delay_ms + i,
                    "created_ms": now_ms,
                }
                conn.execute(sandbox_webhooks.insert().values(**row))


def _news(conn: sa.Connection, ref: str, *, lock: bool = False) -> PaymentNews | None:
    query = sa.select(sandbox_payments).where(sandbox_payments.c.ref == ref)
    row = conn.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        return None
    made = conn.execute(
        sa.select(sandbox_refunds.c.key, sandbox_refunds.c.amount_minor)
        .where(sandbox_refunds.c.ref == ref)
        .order_by(sandbox_refunds.c.created_ms, sandbox_refunds.c.key)
    )
    currency = row["currency"]
    return PaymentNews(
        trade_no=row["trade_no"],
        ref=row["ref"],
        state=PaymentState(row["state"]),
        attempt=row["attempt"],
        failure=row["failure"],
        amount=Money(row["amount_minor"], currency),
        refunds=tuple(RefundNews(each.key, Money(each.amount_minor, currency)) for each in made),
    )
