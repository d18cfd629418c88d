"""What people in the room hear of commerce: the bag on joining, cards at once, stock within a second, their
own order, the ticker, and for staff the numbers. And what the room tells back: impressions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from yarl import URL

from loadtest.member import Member
from streamserver.store.tables.commerce import impressions, orders
from tests.support.server import Running, running_server
from tests.support.shop import Shopper, shopper, until

LAMP = "MG-LAMP-01"


@pytest.fixture
async def srv(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_server(tmp_path) as running:
        yield running


def cookies_of(who: Shopper, srv: Running) -> dict[str, str]:
    jar = who.http.cookie_jar.filter_cookies(URL(srv.url))
    return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())}


def frames(member: Member, kind: str) -> list[Any]:
    return [frame for frame in member.frames if frame["t"] == kind]


async def test_the_room_hears_what_happens(srv: Running) -> None:
    brand = Shopper(srv.brand_client)
    url = srv.url.replace("http", "ws") + "/ws/demo"
    async with shopper(srv) as buyer:
        first = (await buyer.cards())[0]
        made = await buyer.click(LAMP)
        assert made["click"]
        async with (
            Member(url, headers=cookies_of(buyer, srv), name="Mei") as member,
            Member(url, name="Li") as other,
            Member(url, headers=cookies_of(brand, srv), purpose="studio") as staff,
        ):
            assert staff.welcome["you"]["staff"] is True
            bag = member.welcome["state"]["cards"]
            assert bag["pinned"] is None and len(bag["cards"]) == 8

            pinned = await brand.call("POST", f"/api/rooms/demo/cards/{first['id']}/pin")
            seen = await other.until(lambda frame: frame["t"] == "cards" and frame["pinned"] == first["id"])
            assert seen["ver"] > bag["ver"] and seen["sync"] == "now"

            for _ in range(3):
                await member.send({"t": "impression", "card": first["id"], "showing": pinned["showing"]})
            await member.send({"t": "impression", "card": first["id"], "showing": "no-such-showing"})
            await staff.send({"t": "impression", "card": first["id"], "showing": pinned["showing"]})

            order = await buyer.order(LAMP, 2)
            held = await other.until(
                lambda frame: (
                    frame["t"] == "cards"
                    and any(card["sku"] == LAMP and card["stock"] == 118 for card in frame["cards"])
                )
            )
            assert held["ver"] > seen["ver"]

            await buyer.pay(order["trade_no"])
            mine = await member.until(lambda frame: frame["t"] == "order" and frame["state"] == "paid")
            assert (mine["order"], mine["trade_no"]) == (order["id"], order["trade_no"])
            bought = await other.until(lambda frame: frame["t"] == "tick" and "bought" in frame)
            assert bought["bought"][0] | {"at_ms": 0} == {
                "name": "M***",
                "title": "Moon Lamp 月光灯",
                "quantity": 2,
                "at_ms": 0,
            }
            numbers = await staff.until(lambda frame: frame["t"] == "numbers" and frame["orders_paid"] == 1)
            assert numbers["gmv_paid"] == {"minor": 5800, "currency": "USD"}
            assert numbers["clicks"] == 1 and numbers["products"][0]["orders"] == 1
            assert sum(minor for _, minor in numbers["gmv_minutes"]) == 5800

            # Private things went to nobody else.
            assert not frames(other, "order") and not frames(other, "numbers") and not frames(member, "numbers")

            query = sa.select(impressions.c.viewer_id, impressions.c.excluded)

            async def written() -> list[Any]:
                return await srv.server.store.read(lambda conn: list(conn.execute(query)))

            await until(written)
            counted = [row.viewer_id for row in await written() if not row.excluded]
            assert counted == [member.welcome["you"]["viewer"]]


async def test_staff_that_buys_from_itself_is_left_out(srv: Running) -> None:
    """The brand's own click and order exist, are in the ledger, and are in no figure."""
    brand = Shopper(srv.brand_client)
    order = await brand.buy(LAMP)
    flags = await srv.server.store.read(lambda conn: list(conn.execute(sa.select(orders.c.excluded))))
    assert [row.excluded for row in flags] == ["staff"]
    report = await brand.call("GET", "/api/rooms/demo/report")
    assert report["money"]["gmv_paid"]["minor"] == 0 and report["counts"]["clicks"] == 0
    assert report["excluded"]["orders"] == 1 and report["excluded"]["clicks"] == 1
    assert (await brand.call("GET", "/api/rooms/demo/numbers"))["orders_paid"] == 0
    assert order["state"] == "paid"
