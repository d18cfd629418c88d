"""The whole path with a real server: product, card, click, order, payment by webhook, refund, report,
ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from commerce_overlay.ledger_check import problems
from commerce_overlay.services import commerce_key
from streamserver.store.tables.commerce import products
from tests.support.server import Running, running_server
from tests.support.shop import Shopper, shopper, until

LAMP = "MG-LAMP-01"


@pytest.fixture
async def srv(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_server(tmp_path) as running:
        yield running
        assert await running.server.store.read(problems) == []


@pytest.fixture
async def buyer(srv: Running) -> AsyncIterator[Shopper]:
    async with shopper(srv) as found:
        yield found


@pytest.fixture
def brand(srv: Running) -> Shopper:
    return Shopper(srv.brand_client)


async def stock(srv: Running, sku: str) -> tuple[int, int, int]:
    query = sa.select(products.c.on_hand, products.c.reserved, products.c.sold).where(products.c.sku == sku)
    return tuple(await srv.server.store.read(lambda conn: conn.execute(query).one()))


async def test_click_order_pay_refund_report(srv: Running, buyer: Shopper, brand: Shopper) -> None:
    made = await buyer.click(LAMP)
    assert made["app"]["app_id"] == "shop"
    shown = await buyer.call("GET", "/api/shop/shop/product", headers=buyer.authorised)
    assert shown["price"] == {"minor": 2900, "currency": "USD"}  # the room's own price, not 39.00
    order = await buyer.order(LAMP, 2)
    assert order["state"] == "placed" and order["total"]["minor"] == 5800
    assert await stock(srv, LAMP) == (120, 2, 0)
    ref = await buyer.present(order["trade_no"])
    assert (await buyer.confirm(ref))["state"] == "succeeded"

    async def paid() -> bool:
        # Through the webhook alone: nobody asks for the payment here.
        return (await brand.call("GET", f"/api/orders/{order['id']}"))["state"] == "paid"

    await until(paid)
    assert (await buyer.status(order["trade_no"]))["result"] == 9000
    assert await stock(srv, LAMP) == (118, 0, 2)

    refund = {"amount": "8.00 USD", "reason": "scratched"}
    key = {"Idempotency-Key": "refund-one"}
    path = f"/api/orders/{order['id']}/refunds"
    first = await brand.call("POST", path, 201, json=refund, headers=key)
    assert first["state"] == "partly_refunded" and first["refunded"]["minor"] == 800
    assert await brand.call("POST", path, 201, json=refund, headers=key) == first
    await brand.call("POST", path, 422, json={"amount": "9.00 USD"}, headers=key)
    await brand.call("POST", path, 409, json={"amount": "50.01 USD"}, headers={"Idempotency-Key": "too-much-1"})

    detail = await brand.call("GET", f"/api/orders/{order['id']}")
    assert [refund["amount"]["minor"] for refund in detail["refunds"]] == [800]
    sums: dict[str, int] = {}
    for entry in detail["ledger"]:
        account = entry["ledger_account"].split(":")[0]
        sums[account] = sums.get(account, 0) + entry["amount"]["minor"]
    assert sums == {"receivable": 5000, "sales": -5800, "refunds": 800, "commission_cost": 500, "commission": -500}

    report = await brand.call("GET", "/api/rooms/demo/report")
    assert report["money"]["gmv_paid"] == {"minor": 5800, "currency": "USD"}
    assert report["money"]["gmv_net"] == {"minor": 5000, "currency": "USD"}
    assert report["counts"]["clicks"] == 1 and report["counts"]["orders_paid"] == 1
    numbers = await brand.call("GET", "/api/rooms/demo/numbers")
    assert numbers["orders_paid"] == 1 and numbers["gmv_paid"]["minor"] == 5800
    room = await srv.server.rooms.get("demo")
    _, check = await srv.server.app[commerce_key].reports.with_ledger(room, None)
    assert check.agrees, check
