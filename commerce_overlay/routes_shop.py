"""HTTP routes that a mini-app uses: its page behind the signed link, and the shop's API authorised by that
link. The page has an opaque origin, so these routes answer any origin and take nothing from cookies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from aiohttp import web

from streamserver.errors import Forbidden, NotFound, StreamServerError
from streamserver.http import idempotency_key, json_body, respond
from streamserver.wire_shapes import RoomRef, SellerRef, ShopProduct

from . import store_cards, store_products
from .bodies import OrderInput
from .click_service import ClickContext

if TYPE_CHECKING:
    from .services import Commerce

OPEN_ORIGIN = ("/api/shop/", "/api/sandbox-pay/")
LINK_HEADER = "X-Click"


def setup(commerce: Commerce) -> None:
    server = commerce.server

    async def verify(request: web.Request) -> ClickContext:
        link = request.headers.get(LINK_HEADER, "")
        if not link:
            detail = "the header X-Click needs the link that opened this page"
            raise Forbidden(detail, code="bad_signature", where=LINK_HEADER)
        return await counted(link, app_id=request.match_info["app"], opened=False)

    async def counted(link: str, *, app_id: str, opened: bool) -> ClickContext:
        try:
            click = await commerce.clicks.verify(link, app_id=app_id, opened=opened)
        except StreamServerError as exc:
            commerce.metrics.click_links.labels(exc.code).inc()
            raise
        commerce.metrics.click_links.labels("ok").inc()
        return click

    async def page(request: web.Request) -> web.Response:
        # As received: a query that was decoded and encoded again would not carry its signature any more.
        try:
            click = await counted(request.raw_path, app_id=request.match_info["app"], opened=True)
        except StreamServerError as exc:
            return server.pages.error(request, exc)
        return server.pages.respond(request, "shop.html", title=click.seller_name, sandbox=True)

    async def product(request: web.Request) -> web.Response:
        click = await verify(request)
        now = server.clock.now_ms()

        def unit(conn: sa.Connection) -> ShopProduct:
            row = store_products.find(conn, click.product, click.seller)
            if row is None:
                raise NotFound("this product is not sold any more", code="unknown_product")
            selling = store_cards.selling(conn, click.room, [row.sku]).get(row.sku)
            card = None if selling is None else store_cards.card_of(selling, now)[0]
            price = store_products.price_of(row, now, None if selling is None else selling.room_minor)
            return ShopProduct(
                product=store_products.product_of(row, public=True),
                card=card,
                room=RoomRef(id=click.room, title=click.room_title),
                seller=SellerRef(id=click.seller, name=click.seller_name),
                price=store_products.shape(price.now),
                stock=row.on_hand - row.reserved,
            )

        return respond(await server.store.read(unit))

    async def place(request: web.Request) -> web.Response:
        click = await verify(request)
        key = idempotency_key(request)
        wanted = await json_body(request, OrderInput)
        body = await commerce.orders.place(click, key, wanted)
        headers = {"Cache-Control": "no-store"}
        return web.Response(body=body, status=201, content_type="application/json", headers=headers)

    async def order(request: web.Request) -> web.Response:
        click = await verify(request)
        return respond(await commerce.orders.of_click(click, request.match_info["order"]))

    async def open_origin(request: web.Request, response: web.StreamResponse) -> None:
        if request.path.startswith(OPEN_ORIGIN):
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Access-Control-Expose-Headers"] = "Retry-After, X-Request-Id"

    async def preflight(request: web.Request) -> web.Response:
        headers = {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Content-Type, Idempotency-Key, X-Click",
            "Access-Control-Max-Age": "7200",
        }
        return web.Response(status=204, headers=headers)

    server.app.on_response_prepare.append(open_origin)
    router = server.app.router
    router.add_get("/m/{app}/{page}", page)
    router.add_get("/api/shop/{app}/product", product)
    router.add_post("/api/shop/{app}/orders", place)
    router.add_get("/api/shop/{app}/orders/{order}", order)
    router.add_route("OPTIONS", "/api/shop/{path:.*}", preflight)
    router.add_route("OPTIONS", "/api/sandbox-pay/{path:.*}", preflight)
