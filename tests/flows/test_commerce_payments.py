"""Payments when things go wrong: declines, 3-D Secure, webhooks twice, late, backwards or never, money that
comes too late, refunds made elsewhere. The ledger agrees after each of them."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from commerce_overlay.ledger_check import problems
from commerce_overlay.money import Money
from commerce_overlay.payments import webhooks
from commerce_overlay.payments.provider import ProviderError, ProviderRefused
from commerce_overlay.services import Commerce, commerce_key
from streamserver.store.tables.commerce import orders, products, refunds, sandbox_webhooks, webhook_receipts
from streamserver.store.tables.platform import idempotency_keys, outbox
from tests.flows.test_commerce_orders import SteppedClock, step
from tests.support.server import Running, running_server
from tests.support.shop import Shopper, shopper, until

LAMP = "MG-LAMP-01"


@pytest.fixture
async def srv(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_server(tmp_path, clock=SteppedClock()) as running:
        yield running
        assert await running.server.store.read(problems) == []


@pytest.fixture
async def buyer(srv: Running) -> AsyncIterator[Shopper]:
    async with shopper(srv) as found:
        await found.click(LAMP)
        yield found


def commerce(srv: Running) -> Commerce:
    return srv.server.app[commerce_key]


async def rows(srv: Running, query: sa.Select[Any]) -> list[Any]:
    return await srv.server.store.read(lambda conn: list(conn.execute(query)))


async def state_of(srv: Running, order_id: str) -> str:
    return (await rows(srv, sa.select(orders.c.state).where(orders.c.id == order_id)))[0][0]


async def reaches(srv: Running, order_id: str, state: str) -> None:
    async def there() -> bool:
        return await state_of(srv, order_id) == state

    await until(there)


@pytest.mark.parametrize(
    ("card", "failure"),
    [("declined", "card_declined"), ("no_funds", "insufficient_funds"), ("expired", "expired_card")],
)
async def test_a_decline_is_named_and_another_card_pays(srv: Running, buyer: Shopper, card: str, failure: str) -> None:
    order = await buyer.order(LAMP)
    ref = await buyer.present(order["trade_no"])
    seen = await buyer.confirm(ref, card)
    assert (seen["state"], seen["failure"]) == ("requires_payment_method", failure)
    status = await buyer.status(order["trade_no"])
    assert (status["result"], status["failure"]) == (4000, failure)
    assert await buyer.present(order["trade_no"]) == ref
    await buyer.confirm(ref)
    await reaches(srv, order["id"], "paid")


async def test_three_d_secure_asks_first(srv: Running, buyer: Shopper) -> None:
    order = await buyer.order(LAMP)
    ref = await buyer.present(order["trade_no"])
    assert (await buyer.confirm(ref, "three_d_secure"))["state"] == "requires_action"
    assert (await buyer.status(order["trade_no"]))["result"] == 6004
    path = f"/api/sandbox-pay/{ref}/challenge"
    assert (await buyer.call("POST", path, json={"approve": False}))["failure"] == "authentication_failed"
    await buyer.call("POST", path, 409, json={"approve": True})
    await buyer.confirm(ref, "three_d_secure")
    assert (await buyer.call("POST", path, json={"approve": True}))["state"] == "succeeded"
    await reaches(srv, order["id"], "paid")
    error = await buyer.call("POST", f"/api/sandbox-pay/{ref}/confirm", 409, json={"test_card": "visa"})
    assert error["code"] == "bad_transition"


async def test_cancelling_on_the_provider_s_page_gives_the_order_up(srv: Running, buyer: Shopper) -> None:
    order = await buyer.order(LAMP, 3)
    ref = await buyer.present(order["trade_no"])
    await buyer.call("POST", f"/api/sandbox-pay/{ref}/cancel")
    await reaches(srv, order["id"], "cancelled")
    assert (await buyer.status(order["trade_no"]))["result"] == 6001


@pytest.mark.parametrize("faults", [{"copies": 3}, {"reverse": True}, {"copies": 2, "reverse": True, "delay_ms": 300}])
async def test_repeated_late_and_backward_webhooks_pay_once(
    srv: Running, buyer: Shopper, faults: dict[str, Any]
) -> None:
    for name, value in faults.items():
        setattr(commerce(srv).sandbox.faults, name, value)
    order = await buyer.order(LAMP, 2)
    await buyer.pay(order["trade_no"])
    await reaches(srv, order["id"], "paid")

    async def all_delivered() -> bool:
        return not await rows(srv, sa.select(sandbox_webhooks.c.seq).where(sandbox_webhooks.c.done_ms.is_(None)))

    await until(all_delivered)
    kinds = [row.kind for row in await rows(srv, sa.select(outbox.c.kind).where(outbox.c.key == order["id"]))]
    assert sorted(kinds) == ["order.paid", "order.placed"]


async def test_every_order_of_a_payment_s_webhooks_ends_the_same(srv: Running, buyer: Shopper) -> None:
    """The sandbox's own events, delivered by hand in all 24 orders: each order ends paid and refunded by
    5.00."""
    mine = commerce(srv)
    mine.sandbox.faults.delay_ms = 10**9  # nothing is delivered by itself
    for order in itertools.permutations(range(4)):
        await buyer.click(LAMP)
        placed = await buyer.order(LAMP)
        ref = await buyer.present(placed["trade_no"])
        await buyer.confirm(ref, "declined")
        await buyer.confirm(ref, "visa")
        await mine.sandbox.refund(ref, f"desk-{placed['id']}"[:26], Money(500, "USD"))
        query = sa.select(sandbox_webhooks).where(sandbox_webhooks.c.done_ms.is_(None))
        events = await rows(srv, query.order_by(sandbox_webhooks.c.seq))
        assert [msgspec.json.decode(event.body)["type"] for event in events] == [
            "payment.processing",
            "payment.failed",
            "payment.processing",
            "payment.succeeded",
            "payment.refunded",
        ]
        keys = srv.server.keys.all("payments:sandbox")
        for i in order:
            event = events[i + 1]
            now = srv.server.clock.now_ms() // 1000
            headers = webhooks.headers(keys, event.id, now, event.body)
            async with srv.client.post("/webhooks/payments/sandbox", data=event.body, headers=headers) as answer:
                assert (answer.status, (await answer.json())["result"]) == (200, "applied")
        done = sandbox_webhooks.update().values(done_ms=1)
        await srv.server.store.write(lambda conn, done=done: conn.execute(done))
        row = (await rows(srv, sa.select(orders).where(orders.c.id == placed["id"])))[0]
        assert (row.state, row.refunded_minor) == ("partly_refunded", 500), order
        mine.orders._rates._buckets.clear()
    _, _, sold = (
        await rows(
            srv, sa.select(products.c.on_hand, products.c.reserved, products.c.sold).where(products.c.sku == LAMP)
        )
    )[0]
    assert sold == 24


async def test_forged_stale_and_replayed_webhooks(srv: Running, buyer: Shopper) -> None:
    mine = commerce(srv)
    mine.sandbox.faults.delay_ms = 10**9
    order = await buyer.order(LAMP)
    await buyer.pay(order["trade_no"])
    event = (await rows(srv, sa.select(sandbox_webhooks).order_by(sandbox_webhooks.c.seq.desc())))[0]
    keys = srv.server.keys.all("payments:sandbox")
    now = srv.server.clock.now_ms() // 1000

    async def send(headers: dict[str, str], body: bytes = event.body) -> tuple[int, str]:
        async with srv.client.post("/webhooks/payments/sandbox", data=body, headers=headers) as answer:
            said = await answer.json(content_type=None)
            return answer.status, said.get("result") or said["code"]

    good = webhooks.headers(keys, event.id, now, event.body)
    assert await send({}) == (400, "bad_signature")
    assert await send(good, event.body.replace(b"succeeded", b"canceled_")) == (400, "bad_signature")
    assert await send(webhooks.headers([bytes(32)], event.id, now, event.body)) == (400, "bad_signature")
    assert await send(webhooks.headers(keys, event.id, now - 400, event.body)) == (400, "stale")
    async with srv.client.post("/webhooks/payments/nobody", data=event.body, headers=good) as answer:
        assert answer.status == 404
    assert await state_of(srv, order["id"]) == "placed"
    assert await send(good) == (200, "applied")
    assert await send(good) == (200, "repeated")
    assert await state_of(srv, order["id"]) == "paid"


async def test_news_with_another_amount_is_believed_in_nothing(srv: Running, buyer: Shopper) -> None:
    order = await buyer.order(LAMP)
    await buyer.present(order["trade_no"])
    news = {"trade_no": order["trade_no"], "ref": "x", "state": "succeeded", "attempt": 1, "failure": None}
    keys = srv.server.keys.all("payments:sandbox")
    now = srv.server.clock.now_ms() // 1000
    for i, (amount, ref) in enumerate(((1, "x"), (2900, "x"))):
        data = news | {"minor": amount, "currency": "USD", "refunds": [], "ref": ref}
        body = msgspec.json.encode({"type": "payment.succeeded", "timestamp_ms": 1, "data": data})
        headers = webhooks.headers(keys, f"m{i}", now, body)
        async with srv.client.post("/webhooks/payments/sandbox", data=body, headers=headers) as answer:
            assert (await answer.json())["result"] == "refused"
    assert await state_of(srv, order["id"]) == "placed"


async def test_news_of_a_payment_that_is_not_known_yet_waits_for_it(srv: Running, buyer: Shopper) -> None:
    """The webhook of another node's order may overtake the order."""
    mine = commerce(srv)
    mine.sandbox.faults.copies = 0
    order = await buyer.order(LAMP)
    await buyer.pay(order["trade_no"])
    news = await mine.sandbox.retrieve(await buyer.present(order["trade_no"]))
    parked = msgspec.json.encode(news)
    row = {"provider": "sandbox", "webhook_id": "early", "result": "parked", "body": parked}
    row["received_ms"] = srv.server.clock.now_ms()
    await srv.server.store.write(lambda conn: conn.execute(webhook_receipts.insert().values(**row)))
    await mine.payments.sweep()
    assert await state_of(srv, order["id"]) == "paid"
    assert [tuple(row) for row in await rows(srv, sa.select(webhook_receipts.c.result, webhook_receipts.c.body))] == [
        ("applied", None)
    ]


async def test_news_that_waits_in_vain_is_in_nobody_s_way(srv: Running, buyer: Shopper) -> None:
    mine = commerce(srv)
    mine.sandbox.faults.copies = 0
    order = await buyer.order(LAMP)
    await buyer.pay(order["trade_no"])
    news = await mine.sandbox.retrieve(await buyer.present(order["trade_no"]))
    now = srv.server.clock.now_ms()
    nobody = {"provider": "sandbox", "result": "parked", "received_ms": now}
    nobody["body"] = msgspec.json.encode(dataclasses.replace(news, trade_no="nobody"))
    parked = [nobody | {"webhook_id": f"nobody{i:03}"} for i in range(120)]
    parked.append(nobody | {"webhook_id": "somebody", "body": msgspec.json.encode(news), "received_ms": now + 1})
    await srv.server.store.write(lambda conn: conn.execute(webhook_receipts.insert(), parked))

    async def paid() -> bool:
        await mine.payments.sweep()
        return await state_of(srv, order["id"]) == "paid"

    await until(paid)


async def test_an_unknown_payment_s_webhook_is_parked(srv: Running) -> None:
    data = {"trade_no": "nobody", "ref": "x", "state": "succeeded", "attempt": 1, "failure": None, "minor": 1}
    body = msgspec.json.encode({"type": "x", "timestamp_ms": 1, "data": data | {"currency": "USD", "refunds": []}})
    headers = webhooks.headers(srv.server.keys.all("payments:sandbox"), "m", srv.server.clock.now_ms() // 1000, body)
    async with srv.client.post("/webhooks/payments/sandbox", data=body, headers=headers) as answer:
        assert (answer.status, (await answer.json())["result"]) == (200, "parked")
    await commerce(srv).payments.sweep()
    assert (await rows(srv, sa.select(webhook_receipts.c.result)))[0][0] == "parked"


async def test_money_that_comes_too_late_goes_back_by_itself(srv: Running, buyer: Shopper) -> None:
    mine = commerce(srv)
    order = await buyer.order(LAMP, 2)
    ref = await buyer.present(order["trade_no"])
    mine.sandbox.faults.copies = 0
    # The provider takes the money while we are giving the order up, and cannot be asked just then.
    real = mine.sandbox.retrieve

    async def silent(_ref: str) -> Any:
        raise ProviderError("no answer")

    mine.sandbox.retrieve = silent  # type: ignore[method-assign]
    await buyer.confirm(ref)
    step(srv, 901)
    await mine.orders.expire(order["id"])
    assert await state_of(srv, order["id"]) == "cancelled"
    mine.sandbox.retrieve = real  # type: ignore[method-assign]
    await mine.payments.sweep()  # cancelling is answered with: it has succeeded
    await mine.refunds.sweep()
    made = await rows(srv, sa.select(refunds.c.state, refunds.c.amount_minor, refunds.c.automatic))
    assert [tuple(row) for row in made] == [("succeeded", 5800, True)]
    assert await state_of(srv, order["id"]) == "cancelled"
    kept = await rows(
        srv, sa.select(products.c.on_hand, products.c.reserved, products.c.sold).where(products.c.sku == LAMP)
    )
    assert tuple(kept[0]) == (120, 0, 0)
    assert sum(refund.amount.minor for refund in (await real(ref)).refunds) == 5800
    brand = Shopper(srv.brand_client)
    report = await brand.call("GET", "/api/rooms/demo/report")
    assert report["money"]["gmv_paid"]["minor"] == 0


async def test_a_refund_survives_a_silent_provider(srv: Running, buyer: Shopper) -> None:
    mine = commerce(srv)
    order = await buyer.buy(LAMP, 2)
    brand = Shopper(srv.brand_client)
    path, key = f"/api/orders/{order['id']}/refunds", {"Idempotency-Key": "a-refund-key"}
    real = mine.sandbox.refund

    async def silent(*_args: Any) -> Any:
        raise ProviderError("no answer")

    mine.sandbox.refund = silent  # type: ignore[method-assign]
    error = await brand.call("POST", path, 503, json={}, headers=key)
    assert error["code"] == "provider_unavailable"
    # What is on its way counts against what is left.
    more = await brand.call("POST", path, 400, json={}, headers={"Idempotency-Key": "another-key"})
    assert more["where"] == "amount"
    mine.sandbox.refund = real  # type: ignore[method-assign]
    done = await brand.call("POST", path, 201, json={}, headers=key)
    assert (done["state"], done["refunded"]["minor"]) == ("refunded", 5800)
    assert await brand.call("POST", path, 201, json={}, headers=key) == done


def refuse_refunds(mine: Commerce) -> Callable[[], None]:
    """The provider refuses every refund until the answer is called."""
    real = mine.sandbox.refund

    async def no(*_args: Any) -> Any:
        raise ProviderRefused("not_now", "this merchant's refunds are on hold")

    mine.sandbox.refund = no  # type: ignore[method-assign]
    return lambda: setattr(mine.sandbox, "refund", real)


async def test_a_refund_refused_while_nobody_waited_is_not_told_as_made(srv: Running, buyer: Shopper) -> None:
    mine, brand = commerce(srv), Shopper(srv.brand_client)
    order = await buyer.buy(LAMP, 2)
    path, key = f"/api/orders/{order['id']}/refunds", {"Idempotency-Key": "a-refund-key"}
    real = mine.sandbox.refund

    async def silent(*_args: Any) -> Any:
        raise ProviderError("no answer")

    mine.sandbox.refund = silent  # type: ignore[method-assign]
    await brand.call("POST", path, 503, json={}, headers=key)
    mine.sandbox.refund = real  # type: ignore[method-assign]
    allow = refuse_refunds(mine)
    step(srv, 10)
    await mine.refunds.sweep()
    assert (await rows(srv, sa.select(refunds.c.state)))[0][0] == "failed"
    assert (await brand.call("POST", path, 409, json={}, headers=key))["code"] == "not_now"
    allow()
    done = await brand.call("POST", path, 201, json={}, headers=key)
    assert (done["state"], done["refunded"]["minor"]) == ("refunded", 5800)


async def test_the_key_of_a_refused_refund_serves_another_order(srv: Running, buyer: Shopper) -> None:
    mine, brand = commerce(srv), Shopper(srv.brand_client)
    first, second = await buyer.buy(LAMP, 2), await buyer.buy(LAMP, 1)
    key = {"Idempotency-Key": "a-refund-key"}
    allow = refuse_refunds(mine)
    await brand.call("POST", f"/api/orders/{first['id']}/refunds", 409, json={}, headers=key)
    allow()
    done = await brand.call("POST", f"/api/orders/{second['id']}/refunds", 201, json={}, headers=key)
    assert (done["id"], done["refunded"]["minor"]) == (second["id"], 2900)
    assert (await brand.call("GET", f"/api/orders/{first['id']}"))["refunds"] == []


async def test_a_refund_older_than_its_key_is_not_made_again(srv: Running, buyer: Shopper) -> None:
    brand = Shopper(srv.brand_client)
    order = await buyer.buy(LAMP, 2)
    path, key = f"/api/orders/{order['id']}/refunds", {"Idempotency-Key": "a-refund-key"}
    part = {"amount": "7.00 USD"}
    await brand.call("POST", path, 201, json=part, headers=key)
    await srv.server.store.write(lambda conn: conn.execute(idempotency_keys.delete()))
    assert (await brand.call("POST", path, 422, json=part, headers=key))["code"] == "idempotency_mismatch"
    detail = await brand.call("GET", f"/api/orders/{order['id']}")
    assert detail["refunded"]["minor"] == 700 and [each["amount"]["minor"] for each in detail["refunds"]] == [700]


async def test_many_refunds_at_once_never_give_back_too_much(srv: Running, buyer: Shopper) -> None:
    order = await buyer.buy(LAMP, 2)
    brand = Shopper(srv.brand_client)

    async def one(i: int) -> int:
        async with brand.http.post(
            f"/api/orders/{order['id']}/refunds",
            json={"amount": "7.00 USD"},
            headers={"Idempotency-Key": f"parallel-{i}"},
        ) as answer:
            return answer.status

    statuses = await asyncio.gather(*(one(i) for i in range(20)))
    assert sorted(set(statuses)) == [201, 409] and statuses.count(201) == 8
    detail = await brand.call("GET", f"/api/orders/{order['id']}")
    assert detail["refunded"]["minor"] == 5600 and len(detail["refunds"]) == 8


async def test_goods_come_back_to_stock_only_where_that_is_set(tmp_path: Path) -> None:
    async with running_server(tmp_path, restock_on_refund=True) as srv, shopper(srv) as buyer:
        order = await buyer.buy(LAMP, 2)
        brand = Shopper(srv.brand_client)
        path = f"/api/orders/{order['id']}/refunds"
        for i, amount in enumerate(("10.00 USD", "48.00 USD")):
            key = {"Idempotency-Key": f"refund-{i}"}
            await brand.call("POST", path, 201, json={"amount": amount}, headers=key)
            kept = await rows(srv, sa.select(products.c.on_hand, products.c.sold).where(products.c.sku == LAMP))
            assert tuple(kept[0]) == ((118, 2) if i == 0 else (120, 0))
        assert await srv.server.store.read(problems) == []
