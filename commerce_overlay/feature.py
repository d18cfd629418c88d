"""Sets commerce up on a server: services, routes, frame handlers, state for joiners, background work, demo
content."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from aiohttp import web

from streamserver.wire import ImpressionFrame

from . import demo, routes_cards, routes_orders, routes_payments, routes_pool, routes_shop
from .services import Commerce, commerce_key

if TYPE_CHECKING:
    from streamserver.server import Server


def setup(server: Server) -> None:
    """Adds commerce to a server that has not started yet."""
    commerce = Commerce(server)
    server.app[commerce_key] = commerce
    for routes in (routes_pool, routes_cards, routes_shop, routes_payments, routes_orders):
        routes.setup(commerce)
    server.frames.on(ImpressionFrame, commerce.impressions.take)
    server.state.provide("cards", commerce.cards.state)
    server.demo.on_seed.append(demo.seed)

    async def background(_app: web.Application) -> AsyncIterator[None]:
        server.spawn(commerce.cards.run(), name="cards")
        server.spawn(commerce.numbers.run(), name="numbers")
        server.spawn(commerce.impressions.run(), name="impressions")
        server.spawn(commerce.images.run(), name="images")
        server.spawn(commerce.payments.run(), name="payments")
        server.spawn(commerce.refunds.run(), name="refunds")
        server.spawn(commerce.delivery.run(), name="sandbox-webhooks")
        server.spawn(commerce.housekeeping.run(), name="housekeeping")
        yield

    server.app.cleanup_ctx.append(background)
