"""Pool, pictures and cards over HTTP: what a seller may do, what is refused by name, and what another tenant
sees."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa
from PIL import Image

from streamserver.auth import Role
from streamserver.ids import AccountId, SellerId
from streamserver.store.tables.commerce import products, showings
from streamserver.store.tables.platform import rooms
from tests.support.server import Running, running_server, sign_in
from tests.support.shop import Shopper, shopper

TEA = {"id": "TEA-1", "title": "Tea", "price": "12.00 USD", "stock": 5}


@pytest.fixture
async def srv(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_server(tmp_path) as running:
        yield running


@pytest.fixture
def brand(srv: Running) -> Shopper:
    return Shopper(srv.brand_client)


def png(width: int = 60, height: int = 40) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (90, 60, 200)).save(out, "PNG")
    return out.getvalue()


async def upload(who: Shopper, raw: bytes, status: int = 201) -> Any:
    form = aiohttp.FormData()
    form.add_field("image", io.BytesIO(raw), filename="a.png", content_type="image/png")
    return await who.call("POST", "/api/pool/images", status, data=form)


async def test_a_product_lives_and_dies(srv: Running, brand: Shopper) -> None:
    picture = await upload(brand, png())
    assert (picture["width"], picture["height"]) == (60, 40)
    async with srv.client.get(picture["image"]) as answer:
        assert answer.content_type == "image/webp" and (await answer.read())[:4] == b"RIFF"
    made = await brand.call(
        "POST", "/api/pool/products", 201, json=TEA | {"image_link": picture["image"], "commission": "7.5%"}
    )
    assert (made["sku"], made["commission_bp"], made["image"]) == ("TEA-1", 750, picture["image"])
    assert (await brand.call("POST", "/api/pool/products", 409, json=TEA))["code"] == "sku_taken"
    path = f"/api/pool/products/{made['id']}"
    changed = await brand.call("PATCH", path, json={"price": "10.00 USD", "sale_price": "9.00 USD", "stock": 7})
    assert (changed["price"]["minor"], changed["sale_price"]["minor"], changed["stock"]) == (1000, 900, 7)
    assert changed["image"] == picture["image"] and changed["title"] == "Tea"
    assert (await brand.call("PATCH", path, json={"sale_price": None}))["sale_price"] is None
    found = await brand.call("GET", "/api/pool/products?q=te%25a")
    assert found["products"] == []  # a percent sign is a character, not a wildcard
    found = await brand.call("GET", "/api/pool/products?q=tea&limit=2")
    assert found["next"] is not None or len(found["products"]) <= 2
    await brand.call("DELETE", path, 204)
    await brand.call("PATCH", path, 404, json={"stock": 1})
    again = await brand.call("POST", "/api/pool/products", 201, json=TEA)
    assert again["id"] == made["id"]  # the SKU stays the product that orders know


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        (TEA | {"price": "12"}, "bad_money", "price"),
        (TEA | {"stock": -1}, "bad_stock", "stock"),
        (TEA | {"stock": "5"}, "bad_field", "stock"),
        (TEA | {"reserved": 3}, "unknown_field", "reserved"),
        (TEA | {"seller_id": "x"}, "unknown_field", "seller_id"),
        (TEA | {"image_link": "/images/0000.webp"}, "unknown_image", "image_link"),
        ({"id": "X"}, "bad_field", "body"),
    ],
)
async def test_a_bad_product_is_named(brand: Shopper, body: dict[str, Any], code: str, where: str) -> None:
    error = await brand.call("POST", "/api/pool/products", 400, json=body)
    assert (error["code"], error["where"]) == (code, where)


async def test_pictures_that_are_none_are_refused(srv: Running, brand: Shopper) -> None:
    assert (await upload(brand, b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415))["code"] == "not_an_image"
    assert (await upload(brand, png()[:60], 400))["code"] == "broken_image"
    bomb = io.BytesIO()
    Image.new("1", (7_000, 7_000)).save(bomb, "PNG")
    assert (await upload(brand, bomb.getvalue(), 413))["code"] == "too_many_pixels"
    assert (await upload(brand, b"x" * (8 * 1024 * 1024 + 1), 413))["code"] == "too_large"
    for url in (
        "http://example.com/a.png",
        "https://127.0.0.1/a.png",
        "https://[::ffff:10.0.0.1]/",
        "file:///etc/passwd",
    ):
        assert (await brand.call("POST", "/api/pool/images", 400, json={"url": url}))["code"] == "bad_url"
    async with srv.client.get("/images/nothing.webp") as answer:
        assert answer.status == 404


async def test_a_file_is_previewed_then_committed_and_again_safe(srv: Running, brand: Shopper) -> None:
    text = (
        "id,title,price,stock,description\r\n"
        "A,<b>Tea</b>,12.00 USD,5,=HYPERLINK(1)\r\n"
        "B,Cup,1.234 USD,5,\r\n"
        "C,Pot,30.00 USD,2,\r\n"
    )
    headers = {"Content-Type": "text/csv"}

    async def send(mode: str, body: str = text) -> Any:
        return await brand.call("POST", f"/api/pool/import?mode={mode}", data=body.encode(), headers=headers)

    seen = await send("preview")
    assert (seen["rows"], seen["valid"], seen["created"], seen["updated"]) == (3, 2, 2, 0)
    assert [(each["row"], each["column"], each["code"]) for each in seen["errors"]] == [(2, "price", "bad_decimals")]
    assert seen["sample"][0]["title"] == "<b>Tea</b>"
    assert (await brand.call("GET", "/api/pool/products?q=Pot"))["products"] == [
        each for each in (await brand.call("GET", "/api/pool/products?q=Pot"))["products"] if each["sku"] != "C"
    ]
    assert (await send("commit"))["created"] == 2
    again = await send("commit", text.replace("30.00", "31.00"))
    assert (again["created"], again["updated"]) == (0, 2)
    pot = next(each for each in (await brand.call("GET", "/api/pool/products?q=Pot"))["products"] if each["sku"] == "C")
    assert pot["price"]["minor"] == 3100
    bad = await brand.call("POST", "/api/pool/import", 400, data=b"id\xff", headers=headers)
    assert bad["code"] == "bad_encoding"
    await brand.call("POST", "/api/pool/import", 415, data=b"x", headers={"Content-Type": "text/html"})
    await brand.call("POST", "/api/pool/import?mode=drop", 400, data=b"x", headers=headers)


async def test_cards_run_a_show(srv: Running, brand: Shopper) -> None:
    cards = await brand.cards()
    first, second = cards[0]["id"], cards[1]["id"]
    base = "/api/rooms/demo/cards"
    pinned = await brand.call("POST", f"{base}/{first}/pin")
    assert pinned["state"] == "pinned" and pinned["showing"]
    assert (await brand.call("POST", f"{base}/{first}/pin", 409))["code"] == "bad_transition"
    explaining = await brand.call("POST", f"{base}/{second}/explain")
    assert explaining["showing"] != pinned["showing"]
    states = {card["id"]: card["state"] for card in await brand.cards()}
    assert (states[first], states[second]) == ("listed", "explaining")
    hidden = await brand.call("POST", f"{base}/{second}/hide")
    assert hidden["state"] == "hidden"
    async with shopper(srv) as viewer:
        assert second not in [card["id"] for card in await viewer.cards()]
        await viewer.call("POST", f"{base}/{second}/click", 404, json={})
    assert second in [card["id"] for card in await brand.cards()]
    priced = await brand.call("PATCH", f"{base}/{first}", json={"price": "20.00 USD"})
    assert (priced["price"]["minor"], priced["was"]["minor"]) == (2000, 3900)
    assert (await brand.call("PATCH", f"{base}/{first}", json={"price": None}))["was"] is None
    assert (await brand.call("PATCH", f"{base}/{first}", 400, json={"price": "20.00 EUR"}))["where"] == "price"
    sheet = await brand.call("PUT", "/api/rooms/demo/run-sheet", json={"cards": [second, first]})
    assert [card["id"] for card in sheet["cards"]][:2] == [second, first]
    await brand.call("PUT", "/api/rooms/demo/run-sheet", 404, json={"cards": ["nobody"]})
    await brand.call("DELETE", f"{base}/{first}", 204)
    await brand.call("POST", f"{base}/{first}/pin", 404)
    there = await brand.call("POST", base, 409, json={"product": cards[1]["product"]})
    assert there["code"] == "card_exists"
    added = await brand.call("POST", base, 201, json={"product": cards[0]["product"], "price": "25.00 USD"})
    assert added["price"]["minor"] == 2500 and added["position"] >= len(cards) - 1
    query = sa.select(showings.c.ended_ms)
    ended = await srv.server.store.read(lambda conn: list(conn.scalars(query)))
    assert len(ended) == 2 and None not in ended


async def test_the_clock_alone_begins_and_ends_a_sale(tmp_path: Path) -> None:
    from tests.flows.test_commerce_orders import SteppedClock, step

    async with running_server(tmp_path, clock=SteppedClock()) as srv:
        brand = Shopper(srv.brand_client)
        from datetime import UTC, datetime

        now = srv.server.clock.now_ms() / 1000
        window = "/".join(datetime.fromtimestamp(now + s, UTC).isoformat() for s in (3600, 7200))
        lamp = (await brand.call("GET", "/api/pool/products?q=TEA-02"))["products"][0]
        sale = {"sale_price": "40.00 USD", "sale_price_effective_date": window}
        await brand.call("PATCH", f"/api/pool/products/{lamp['id']}", json=sale)

        async def price() -> tuple[int, int | None]:
            card = next(card for card in await brand.cards() if card["product"] == lamp["id"])
            return card["price"]["minor"], card["was"] and card["was"]["minor"]

        assert await price() == (4800, None)
        step(srv, 3700)
        assert await price() == (4000, 4800)
        step(srv, 3600)
        assert await price() == (4800, None)


async def add_account(srv: Running, role: Role, seller: str | None) -> aiohttp.ClientSession:
    account = AccountId(srv.server.new_id())
    email = f"{account}@example.test"
    owner = SellerId(seller) if seller else None
    await srv.server.auth.add_account(account, email, "correct horse", "somebody", role, owner)
    return await sign_in(srv.url, email, "correct horse")


async def test_another_tenant_finds_nothing_of_ours(srv: Running, brand: Shopper) -> None:
    """Every route that names an object of ours, asked by another brand: 404, and nothing has changed."""
    cards = await brand.cards()
    card, product = cards[0]["id"], cards[0]["product"]
    async with shopper(srv) as viewer:
        await viewer.click(cards[0]["sku"])
        order = (await viewer.order(cards[0]["sku"]))["id"]
    key = {"Idempotency-Key": "foreign-key-1"}
    routes: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", f"/api/pool/products/{product}", {"json": {"stock": 0}}),
        ("DELETE", f"/api/pool/products/{product}", {}),
        ("POST", "/api/rooms/demo/cards", {"json": {"product": product}}),
        ("PATCH", f"/api/rooms/demo/cards/{card}", {"json": {"price": "0.01 USD"}}),
        ("DELETE", f"/api/rooms/demo/cards/{card}", {}),
        *(("POST", f"/api/rooms/demo/cards/{card}/{act}", {}) for act in ("pin", "explain", "unpin", "hide", "list")),
        ("PUT", "/api/rooms/demo/run-sheet", {"json": {"cards": []}}),
        ("GET", "/api/rooms/demo/numbers", {}),
        ("GET", "/api/rooms/demo/report", {}),
        ("GET", "/api/rooms/demo/report.csv", {}),
        ("GET", f"/api/orders/{order}", {}),
        ("POST", f"/api/orders/{order}/refunds", {"json": {}, "headers": key}),
        ("POST", f"/api/orders/{order}/fulfil", {}),
        ("POST", f"/api/orders/{order}/cancel", {}),
    ]
    before = await brand.call("GET", f"/api/orders/{order}"), await brand.cards()
    async with await srv.add_seller("Other Brand") as http, aiohttp.ClientSession(srv.url) as nobody:
        other, stranger = Shopper(http), Shopper(nobody)
        for method, path, more in routes:
            await other.call(method, path, 404, **more)
            await stranger.call(method, path, 401, **more)
        assert (await other.call("GET", "/api/orders"))["orders"] == []
        assert (await other.call("GET", "/api/orders?room=demo"))["orders"] == []
        assert (await other.call("GET", "/api/pool/products"))["products"] == []
        mine = await other.call("POST", "/api/pool/products", 201, json=TEA)
        # Nor does a product of theirs get into a room of ours, or a picture of ours into a product of theirs.
        await brand.call("POST", "/api/rooms/demo/cards", 404, json={"product": mine["id"]})
        stolen = TEA | {"id": "T2", "image_link": cards[0]["image"]}
        assert (await other.call("POST", "/api/pool/products", 400, json=stolen))["code"] == "unknown_image"
    assert (await brand.call("GET", f"/api/orders/{order}"), await brand.cards()) == before


async def test_roles(srv: Running, brand: Shopper) -> None:
    card = (await brand.cards())[0]["id"]
    pin = f"/api/rooms/demo/cards/{card}/pin"
    seller = await srv.server.store.read(lambda conn: conn.scalar(sa.select(rooms.c.seller_id)))
    assert seller is not None
    for role in (Role.MODERATOR, Role.VIEWER):
        async with await add_account(srv, role, seller) as http:
            who = Shopper(http)
            await who.call("POST", pin, 403)
            await who.call("GET", "/api/orders", 403)
            await who.call("POST", "/api/pool/products", 403, json=TEA)
            await who.call("GET", "/api/rooms/demo/report", 403)
    async with await add_account(srv, Role.INFLUENCER, seller) as http:
        who = Shopper(http)
        await who.call("POST", pin, 404)  # not their room
        account = (await who.call("GET", "/api/me"))["account"]["id"]
        hosting = rooms.update().where(rooms.c.id == "demo").values(host_id=account)
        await srv.server.store.write(lambda conn: conn.execute(hosting))
        await who.call("POST", pin)
        await who.call("PATCH", f"/api/rooms/demo/cards/{card}", 403, json={"price": "1.00 USD"})
        await who.call("GET", "/api/pool/products")
        await who.call("POST", "/api/pool/products", 403, json=TEA)
        await who.call("GET", "/api/orders", 403)
    async with await add_account(srv, Role.OPERATOR, None) as http:
        who = Shopper(http)
        await who.call("POST", f"/api/rooms/demo/cards/{card}/explain")
        assert (await who.call("POST", "/api/pool/products", 400, json=TEA))["code"] == "needs_seller"


async def test_markup_and_formulas_stay_text_everywhere(srv: Running, brand: Shopper) -> None:
    nasty = '=HYPERLINK("http://x")<script>alert(1)</script>'
    made = await brand.call("POST", "/api/pool/products", 201, json=TEA | {"title": nasty, "id": "=1+1"})
    await brand.call("POST", "/api/rooms/demo/cards", 201, json={"product": made["id"]})
    async with shopper(srv) as buyer:
        await buyer.click("=1+1")
        buyer_name = {"name": "<b>@Mei</b>", "email": "mei@example.test", "address": "=cmd|'/c calc'!A1"}
        order = await buyer.order("=1+1", buyer=buyer_name)
        assert order["lines"][0]["title"] == nasty
        await buyer.pay(order["trade_no"])
        await buyer.status(order["trade_no"])
    detail = await brand.call("GET", f"/api/orders/{order['id']}")
    assert detail["buyer"]["name"] == "<b>@Mei</b>"
    async with brand.http.get("/api/rooms/demo/report.csv") as answer:
        assert answer.content_type == "text/csv" and "attachment" in answer.headers["Content-Disposition"]
        text = await answer.text()
    assert not [
        cell for line in text.splitlines() for cell in line.split(",") if cell.strip('"')[:1] in ("=", "@", "+")
    ]


async def test_stock_that_orders_hold_cannot_be_taken_away(srv: Running, brand: Shopper) -> None:
    async with shopper(srv) as buyer:
        await buyer.click("MG-SER-08")
        await buyer.order("MG-SER-08", 10)
        assert (await buyer.order("MG-SER-08", 3, status=409))["code"] == "out_of_stock"
    serum = (await brand.call("GET", "/api/pool/products?q=MG-SER-08"))["products"][0]
    path = f"/api/pool/products/{serum['id']}"
    assert (await brand.call("PATCH", path, 409, json={"stock": 9}))["code"] == "stock_reserved"
    assert (await brand.call("PATCH", path, json={"stock": 10}))["stock"] == 10
    text = b"id,title,price,stock\nMG-SER-08,Serum,28.00 USD,3\n"
    headers = {"Content-Type": "text/csv"}
    found = await brand.call("POST", "/api/pool/import?mode=commit", data=text, headers=headers)
    assert [(each["row"], each["code"]) for each in found["errors"]] == [(1, "stock_reserved")]
    query = sa.select(products.c.on_hand, products.c.reserved).where(products.c.id == serum["id"])
    assert tuple(await srv.server.store.read(lambda conn: conn.execute(query).one())) == (10, 10)


async def test_a_file_changes_only_what_it_mentions(brand: Shopper) -> None:
    async def lamp() -> dict[str, Any]:
        return (await brand.call("GET", "/api/pool/products?q=MG-CAN-04"))["products"][0]

    before = await lamp()
    text = b"id,title,price,stock\nMG-CAN-04,Candle,21.00 USD,7\n"
    headers = {"Content-Type": "text/csv"}
    await brand.call("POST", "/api/pool/import?mode=commit", data=text, headers=headers)
    after = await lamp()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"title", "price", "stock", "updated_ms"}
    assert after["sale_price"]["minor"] == 1750 and after["image"] and after["commission_bp"] == 1500


async def test_a_long_file_cannot_change_the_currency_of_what_a_room_sells(brand: Shopper) -> None:
    headers = {"Content-Type": "text/csv"}
    rows = [f"SKU-{n:03},Thing {n},5.00 USD,9" for n in range(600)]

    async def send(lines: list[str]) -> Any:
        text = "\n".join(["id,title,price,stock", *lines])
        return await brand.call("POST", "/api/pool/import?mode=commit", data=text.encode(), headers=headers)

    assert (await send(rows))["created"] == 600
    last = (await brand.call("GET", "/api/pool/products?q=SKU-599"))["products"][0]
    await brand.call("POST", "/api/rooms/demo/cards", 201, json={"product": last["id"]})
    again = await send([row.replace("USD", "EUR") for row in rows])
    assert again["updated"] == 599
    assert [(each["row"], each["column"], each["code"]) for each in again["errors"]] == [
        (600, "price", "currency_mismatch")
    ]
    card = next(card for card in await brand.cards() if card["product"] == last["id"])
    assert card["price"] == {"minor": 500, "currency": "USD"}
