"""The demo brand's goods, so that a first start has something to show: products, their pictures, cards in
the room. Pictures are drawn here by code (`demo_pictures.py`); nothing is fetched and nobody's photograph is
used."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from streamserver.ids import RoomId, SellerId
from streamserver.store.tables.commerce import cards, products
from streamserver.store.tables.platform import rooms
from streamserver.wire_shapes import ProductInput

from . import store_cards, store_products
from .cards import CardState
from .catalog import Draft, check
from .services import commerce_key

if TYPE_CHECKING:
    from streamserver.server import Server


@dataclass(frozen=True, slots=True)
class DemoProduct:
    """`picture` names a drawing; `room_price` is the show's own price."""

    picture: str
    given: ProductInput
    room_price: int | None = None


BRAND = "Moonlight Goods"
PICTURES = Path(__file__).parent / "demo_pictures"
SIDE = 960
POSTER = (1280, 720)
"""Pixels of the room's cover as it was drawn."""

PRODUCTS = (
    DemoProduct(
        "lamp",
        ProductInput(
            id="MG-LAMP-01",
            title="Moon Lamp 月光灯",
            description="A warm bedside globe, dimmable by touch, eight hours on one charge.\n"
            "一触调光的床头月灯,充一次电亮八小时。",
            price="39.00 USD",
            stock=120,
            brand=BRAND,
            condition="new",
            color="Warm white",
            commission="10%",
        ),
        room_price=2900,
    ),
    DemoProduct(
        "teapot",
        ProductInput(
            id="MG-TEA-02",
            title="Celadon Teapot 青瓷茶壶",
            description="Hand-thrown, 600 ml, with a steel filter. It pours without a drip.\n"
            "手工拉坯,600 毫升,附不锈钢滤网,断水利落。",
            price="48.00 USD",
            stock=60,
            brand=BRAND,
            condition="new",
            color="Celadon",
            commission="12%",
        ),
    ),
    DemoProduct(
        "cup",
        ProductInput(
            id="MG-CUP-03",
            title="Tea Cups, Set of Four 青瓷茶杯四只装",
            description="Four cups that nest, 120 ml each, dishwasher-safe.\n"
            "可叠放的茶杯四只,每只 120 毫升,可进洗碗机。",
            price="26.00 USD",
            stock=200,
            brand=BRAND,
            condition="new",
            color="Celadon",
            commission="12%",
        ),
    ),
    DemoProduct(
        "candle",
        ProductInput(
            id="MG-CAN-04",
            title="Osmanthus Candle 桂花香薰蜡烛",
            description="Soy wax, osmanthus and a little tea. Burns for 45 hours.\n大豆蜡,桂花与淡茶香,可燃 45 小时。",
            price="22.00 USD",
            sale_price="17.50 USD",
            stock=300,
            brand=BRAND,
            condition="new",
            commission="15%",
        ),
    ),
    DemoProduct(
        "scarf",
        ProductInput(
            id="MG-SCA-05",
            title="Silk Scarf, Tide 潮汐真丝方巾",
            description="Mulberry silk, 90 × 90 cm, rolled by hand.\n桑蚕丝,90 × 90 厘米,手工卷边。",
            price="64.00 USD",
            stock=45,
            brand=BRAND,
            condition="new",
            color="Indigo",
            size="90 × 90 cm",
            commission="10%",
        ),
    ),
    DemoProduct(
        "bag",
        ProductInput(
            id="MG-BAG-06",
            title="Canvas Tote 帆布托特包",
            description="Heavy cotton, leather handles, a pocket where you look for one.\n"
            "厚实棉帆布,真皮提手,口袋就在手边。",
            price="35.00 USD",
            stock=150,
            brand=BRAND,
            condition="new",
            color="Natural",
            commission="8%",
        ),
    ),
    DemoProduct(
        "speaker",
        ProductInput(
            id="MG-SPK-07",
            title="Pebble Speaker 卵石音箱",
            description="Small, round, surprisingly deep. Twelve hours of music, rain-proof.\n"
            "小巧圆润,低音浑厚,续航十二小时,防泼水。",
            price="59.00 USD",
            stock=80,
            brand=BRAND,
            condition="new",
            color="Graphite",
            commission="6%",
        ),
    ),
    DemoProduct(
        "serum",
        ProductInput(
            id="MG-SER-08",
            title="Rice Serum 30 ml 米萃精华",
            description="Fermented rice and squalane, no perfume. For the evening.\n发酵米萃与角鲨烷,无香精,晚间使用。",
            price="28.00 USD",
            stock=12,
            brand=BRAND,
            condition="new",
            size="30 ml",
            commission="15%",
        ),
    ),
)


async def seed(server: Server, seller_id: SellerId, room_id: RoomId) -> None:
    """Fills an empty pool and the demo room's bag, in the room's currency (USD). Safe to run again after a
    crash."""
    images = server.app[commerce_key].images
    files = [PICTURES / f"{each.picture}.webp" for each in PRODUCTS]
    drawn = await asyncio.to_thread(lambda: [file.read_bytes() for file in files])
    rows: list[tuple[str, str, Draft, int | None]] = []
    for each, webp in zip(PRODUCTS, drawn, strict=True):
        picture = await images.keep(seller_id, SIDE, SIDE, webp)
        draft = check(each.given)
        assert isinstance(draft, Draft), f"demo product {each.given.id}: {draft}"
        rows.append((server.new_id(), picture.image, draft, each.room_price))
    cover = await asyncio.to_thread((PICTURES / "poster.webp").read_bytes)
    poster = (await images.keep(seller_id, *POSTER, cover)).image
    card_ids = [server.new_id() for _ in rows]
    now = server.clock.now_ms()

    def unit(conn: sa.Connection) -> None:
        if store_products.by_skus(conn, seller_id, [rows[0][2].sku]):
            return
        ver = store_cards.bump(conn, room_id)
        conn.execute(rooms.update().where(rooms.c.id == room_id).values(poster=poster))
        for i, (product_id, image, draft, room_price) in enumerate(rows):
            values = {**store_products.draft_values(draft, now), "image": image}
            conn.execute(products.insert().values(id=product_id, seller_id=seller_id, created_ms=now, **values))
            conn.execute(
                cards.insert().values(
                    id=card_ids[i],
                    room_id=room_id,
                    product_id=product_id,
                    state=CardState.LISTED.value,
                    position=i,
                    price_minor=room_price,
                    ver=ver,
                    created_ms=now,
                )
            )

    await server.store.write(unit)
