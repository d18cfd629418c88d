"""What a shopper's browser does, for flow tests: click a card, open the link, order, pay at the sandbox."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.support.server import Running, client_session

BUYER = {"name": "Mei Lin", "email": "mei@example.test", "address": "1 Tea Street"}


class Shopper:
    """One viewer with their own cookies. Methods answer JSON and assert the status they expect."""

    def __init__(self, http: aiohttp.ClientSession, room: str = "demo") -> None:
        self.http = http
        self.room = room
        self.link = ""

    async def call(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        async with self.http.request(method, path, **more) as answer:
            text = await answer.text()
            assert answer.status == status, f"{method} {path}: {answer.status} {text[:300]}"
            return (await answer.json(content_type=None)) if text else None

    async def cards(self) -> list[Any]:
        return (await self.call("GET", f"/api/rooms/{self.room}/cards"))["cards"]

    async def click(self, sku: str | None = None) -> Any:
        """Taps the card of a SKU (the first card without one) and keeps its link."""
        card = next(card for card in await self.cards() if sku in (None, card["sku"]))
        made = await self.call("POST", f"/api/rooms/{self.room}/cards/{card['id']}/click", 201, json={})
        self.link = made["url"]
        return made

    @property
    def authorised(self) -> dict[str, str]:
        return {"X-Click": self.link}

    async def order(
        self, sku: str, quantity: int = 1, *, key: str | None = None, status: int = 201, **body: Any
    ) -> Any:
        wanted = {"lines": [{"sku": sku, "quantity": quantity}], "buyer": BUYER} | body
        headers = self.authorised | {"Idempotency-Key": key or uuid.uuid4().hex}
        return await self.call("POST", "/api/shop/shop/orders", status, json=wanted, headers=headers)

    async def present(self, trade_no: str) -> str:
        """The provider's reference behind the hosted page."""
        answer = await self.call("POST", f"/api/payments/{trade_no}/present")
        return answer["url"].rsplit("/", 1)[1]

    async def confirm(self, ref: str, card: str = "visa") -> Any:
        return await self.call("POST", f"/api/sandbox-pay/{ref}/confirm", json={"test_card": card})

    async def pay(self, trade_no: str, card: str = "visa") -> Any:
        return await self.confirm(await self.present(trade_no), card)

    async def status(self, trade_no: str) -> Any:
        return await self.call("GET", f"/api/payments/{trade_no}")

    async def buy(self, sku: str, quantity: int = 1) -> Any:
        """Click, order and pay; the order as it stands once it is paid."""
        await self.click(sku)
        order = await self.order(sku, quantity)
        await self.pay(order["trade_no"])
        assert (await self.status(order["trade_no"]))["result"] == 9000
        return await self.call("GET", f"/api/shop/shop/orders/{order['id']}", headers=self.authorised)


@asynccontextmanager
async def shopper(srv: Running, room: str = "demo") -> AsyncIterator[Shopper]:
    async with client_session(srv.url) as http:
        yield Shopper(http, room)


async def until(true: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Waits for something that another task brings about; fails when it does not come."""
    async with asyncio.timeout(seconds):
        while True:
            found = true()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)
