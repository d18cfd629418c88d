"""The report over a real server's rows: each order lies in one show, the whole is the sum of the shows, the
ledger agrees, and the brand's own history is taken in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from commerce_overlay.services import Commerce, commerce_key
from streamserver.ids import RoomId, SellerId, SessionId
from tests.flows.test_commerce_orders import SteppedClock, step
from tests.support.server import Running, running_server
from tests.support.shop import Shopper, shopper

LAMP, TEA = "MG-LAMP-01", "MG-TEA-02"
DEMO = RoomId("demo")


@pytest.fixture
async def srv(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_server(tmp_path, clock=SteppedClock()) as running:
        yield running


def commerce(srv: Running) -> Commerce:
    return srv.server.app[commerce_key]


async def go_live(srv: Running, room: RoomId = DEMO) -> str:
    await srv.server.rooms.publisher_started(room, SessionId("s"))
    show = (await srv.server.rooms.get(room)).show_id
    assert show is not None
    return show


async def test_each_order_lies_in_one_show_and_the_room_is_their_sum(srv: Running) -> None:
    brand = Shopper(srv.brand_client)
    async with shopper(srv) as early, shopper(srv) as first, shopper(srv) as late, shopper(srv) as second:
        await early.buy(LAMP)
        step(srv, 60)
        show_1 = await go_live(srv)
        step(srv, 60)
        await first.buy(LAMP, 2)
        await first.buy(TEA)
        step(srv, 60)
        await srv.server.rooms.end(DEMO)
        step(srv, 60)
        await late.buy(LAMP, 3)
        step(srv, 60)
        show_2 = await go_live(srv)
        assert show_2 != show_1
        step(srv, 60)
        order = await second.buy(TEA, 2)
        refund = {"amount": "8.00 USD"}
        key = {"Idempotency-Key": "refund-it-1"}
        await brand.call("POST", f"/api/orders/{order['id']}/refunds", 201, json=refund, headers=key)

    async def money(show: str = "") -> tuple[int, int, int]:
        path = "/api/rooms/demo/report" + (f"?show={show}" if show else "")
        report = await brand.call("GET", path)
        return (
            report["counts"]["orders_paid"],
            report["money"]["gmv_paid"]["minor"],
            report["money"]["gmv_net"]["minor"],
        )

    one, two, both = await money(show_1), await money(show_2), await money()
    assert one == (4, 2900 + 5800 + 4800 + 8700, 2900 + 5800 + 4800 + 8700)
    assert two == (1, 9600, 8800)
    assert both == tuple(a + b for a, b in zip(one, two, strict=True))
    whole = await brand.call("GET", f"/api/rooms/demo/report?show={show_1}")
    phases = {name: phase["paid_orders"] for name, phase in whole["phases"].items()}
    assert phases == {"before_live": 1, "in_live": 2, "after_live": 1}
    assert (await brand.call("GET", "/api/rooms/demo/report?show=nothing", 404))["code"] == "unknown_show"
    room = await srv.server.rooms.get(DEMO)
    for show in (None, show_1, show_2):
        _, check = await commerce(srv).reports.with_ledger(room, show)
        assert check.agrees, (show, check)


async def test_the_brand_s_last_rooms_are_its_own_history(srv: Running) -> None:
    brand = Shopper(srv.brand_client)
    alone = await brand.call("GET", "/api/rooms/demo/report")
    seller = SellerId((await brand.call("GET", "/api/me"))["account"]["seller"]["id"])
    for i in range(5):
        room, _ = await srv.server.rooms.create(seller, None, title=f"Earlier {i}")
        await go_live(srv, room.id)
        step(srv, 600)
        await srv.server.rooms.end(room.id)
    # A test room and another currency's are no history.
    for more in ({"test": True}, {"currency": "EUR"}):
        room, _ = await srv.server.rooms.create(seller, None, title="No history", **more)
        await go_live(srv, room.id)
        await srv.server.rooms.end(room.id)
    report = await brand.call("GET", "/api/rooms/demo/report")
    assert report["trust"]["history_sha256"] != alone["trust"]["history_sha256"]
    kept = commerce(srv).reports._history
    assert len(kept) == 5 and {past.currency for _, past in kept.values()} == {"USD"}


async def test_a_room_without_anything_has_a_report_too(srv: Running) -> None:
    brand = Shopper(srv.brand_client)
    made = await brand.call("POST", "/api/rooms", 201, json={"title": "Nothing yet"})
    report = await brand.call("GET", f"/api/rooms/{made['room']['id']}/report")
    assert report["money"]["gmv_paid"]["minor"] == 0 and report["counts"]["orders_placed"] == 0
    numbers = await brand.call("GET", f"/api/rooms/{made['room']['id']}/numbers")
    assert numbers["orders_placed"] == 0 and numbers["products"] == []
