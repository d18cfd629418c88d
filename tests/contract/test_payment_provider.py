"""What every payment provider must do, run on each one there is. A new provider adds a factory, not a test.

A factory gives a provider, a way to play the buyer, and the webhooks it has sent so far."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from commerce_overlay.money import Money
from commerce_overlay.payments import webhooks
from commerce_overlay.payments.provider import (
    BadWebhook,
    PaymentIntent,
    PaymentNews,
    PaymentProvider,
    ProviderRefused,
    Webhook,
)
from commerce_overlay.payments.sandbox import SandboxProvider
from commerce_overlay.payments.states import PaymentState
from streamserver.clock import ManualClock
from streamserver.ids import encode_secret, new_id
from streamserver.store import open_store
from streamserver.store.tables.commerce import sandbox_webhooks

AMOUNT = Money(1000, "USD")
KEYS = [os.urandom(32), os.urandom(32)]
P = PaymentState


@dataclass
class Harness:
    provider: PaymentProvider
    pay: Callable[[str], Awaitable[object]]
    decline: Callable[[str], Awaitable[object]]
    give_up: Callable[[str], Awaitable[object]]
    sent: Callable[[], Awaitable[list[Webhook]]]
    clock: ManualClock


@pytest.fixture(params=["sandbox"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    clock = ManualClock()
    store = await open_store(tmp_path)
    provider = SandboxProvider(
        store,
        clock,
        lambda: new_id(clock.now_ms(), os.urandom(10)),
        lambda: encode_secret(os.urandom(24)),
        lambda: KEYS,
        lambda: None,
    )

    async def sent() -> list[Webhook]:
        query = sa.select(sandbox_webhooks).order_by(sandbox_webhooks.c.seq)
        rows = await store.read(lambda conn: conn.execute(query).all())
        now = clock.now_ms() // 1000
        return [provider.webhook(webhooks.headers(KEYS, row.id, now, row.body), row.body, now) for row in rows]

    yield Harness(
        provider,
        lambda ref: provider.confirm(ref, "visa"),
        lambda ref: provider.confirm(ref, "no_funds"),
        provider.cancel_page,
        sent,
        clock,
    )
    await store.close()


def intent(trade_no: str = "t1", amount: Money = AMOUNT) -> PaymentIntent:
    return PaymentIntent(trade_no, amount, "Moonlight", "Order 1")


async def test_creating_again_is_the_same_payment(harness: Harness) -> None:
    first = await harness.provider.create(intent())
    assert await harness.provider.create(intent()) == first
    assert await harness.provider.create(intent("t2")) != first
    with pytest.raises(ProviderRefused):
        await harness.provider.create(intent(amount=Money(999, "USD")))


async def test_a_new_payment_waits_and_tells_its_amount(harness: Harness) -> None:
    news = await harness.provider.retrieve(await harness.provider.create(intent()))
    assert (news.state, news.amount, news.trade_no, news.refunds) == (P.REQUIRES_PAYMENT_METHOD, AMOUNT, "t1", ())


async def test_a_reference_cannot_be_guessed(harness: Harness) -> None:
    ref = await harness.provider.create(intent())
    assert len(ref) >= 22 and "t1" not in ref and ref in harness.provider.page_url(ref)
    with pytest.raises(ProviderRefused) as caught:
        await harness.provider.retrieve(ref[:-1] + ("A" if ref[-1] != "A" else "B"))
    assert caught.value.code == "unknown_payment"


async def test_paying_is_told_by_webhook_and_by_asking(harness: Harness) -> None:
    ref = await harness.provider.create(intent())
    await harness.pay(ref)
    asked = await harness.provider.retrieve(ref)
    assert asked.state is P.SUCCEEDED
    sent = await harness.sent()
    assert sent[-1].news == asked
    assert len({webhook.id for webhook in sent}) == len(sent)


async def test_a_declined_attempt_names_its_reason_and_can_be_tried_again(harness: Harness) -> None:
    ref = await harness.provider.create(intent())
    await harness.decline(ref)
    news = await harness.provider.retrieve(ref)
    assert (news.state, news.failure, news.attempt) == (P.REQUIRES_PAYMENT_METHOD, "insufficient_funds", 1)
    await harness.pay(ref)
    news = await harness.provider.retrieve(ref)
    assert (news.state, news.failure, news.attempt) == (P.SUCCEEDED, None, 2)


async def test_cancelling_is_final_both_ways(harness: Harness) -> None:
    ref = await harness.provider.create(intent())
    assert (await harness.provider.cancel(ref)).state is P.CANCELED
    assert (await harness.provider.cancel(ref)).state is P.CANCELED
    paid = await harness.provider.create(intent("t2"))
    await harness.pay(paid)
    assert (await harness.provider.cancel(paid)).state is P.SUCCEEDED
    assert (await harness.provider.retrieve(paid)).state is P.SUCCEEDED


async def test_a_refund_is_made_once_per_key_and_never_too_much(harness: Harness) -> None:
    ref = await harness.provider.create(intent())
    with pytest.raises(ProviderRefused) as early:
        await harness.provider.refund(ref, "r1", Money(100, "USD"))
    assert early.value.code == "not_captured"
    await harness.pay(ref)
    first = await harness.provider.refund(ref, "r1", Money(300, "USD"))
    assert await harness.provider.refund(ref, "r1", Money(300, "USD")) == first
    with pytest.raises(ProviderRefused):
        await harness.provider.refund(ref, "r1", Money(301, "USD"))
    for amount in (Money(701, "USD"), Money(0, "USD"), Money(-1, "USD"), Money(100, "EUR")):
        with pytest.raises(ProviderRefused) as much:
            await harness.provider.refund(ref, f"r-{amount}", amount)
        assert much.value.code == "refund_too_large"
    last: PaymentNews = await harness.provider.refund(ref, "r2", Money(700, "USD"))
    assert sum(refund.amount.minor for refund in last.refunds) == 1000
    assert (await harness.sent())[-1].news == last


async def test_a_webhook_that_is_not_authentic_is_refused(harness: Harness) -> None:
    ref = await harness.provider.create(intent())
    await harness.pay(ref)
    now = harness.clock.now_ms() // 1000
    body = b'{"type":"payment.succeeded","timestamp_ms":1,"data":{}}'
    for headers, code in (
        ({}, "bad_signature"),
        (webhooks.headers([os.urandom(32)], "m", now, body), "bad_signature"),
        (webhooks.headers(KEYS, "m", now - 301, body), "stale"),
        (webhooks.headers(KEYS, "m", now, body), "bad_event"),
    ):
        with pytest.raises(BadWebhook) as caught:
            harness.provider.webhook(headers, body, now)
        assert caught.value.code == code
