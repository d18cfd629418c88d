"""Sets commerce up on a server: services, routes, frame handlers, state for joiners, background work, demo
content."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from aiohttp import web

from streamserver.wire import ImpressionFrame

from . import demo, routes_cards, routes_orders, routes_payments, routes_pool, routes_shop
from .card_service import CardService
from .click_service import ClickService
from .commerce_metrics import CommerceMetrics
from .housekeeping import Housekeeping
from .images import Images
from .impressions import Impressions
from .numbers import LiveNumbers
from .order_service import OrderService
from .payment_service import PaymentService
from .payments.provider import PaymentProvider
from .payments.sandbox import SandboxProvider
from .payments.sandbox_delivery import WebhookDelivery
from .pool_service import PoolService
from .refund_service import RefundService
from .report_service import Reports
from .tell import Teller

if TYPE_CHECKING:
    from streamserver.server import Server

SANDBOX_KEYS = "payments:sandbox"


class Commerce:
    """The feature's services, put together once."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.metrics = CommerceMetrics(server.metrics)
        self.images = Images(server.store, server.clock)
        self.cards = CardService(server)
        self.pool = PoolService(server, self.cards, self.images)
        self.clicks = ClickService(server)
        self.numbers = LiveNumbers(server)
        self.impressions = Impressions(server, self.metrics)
        self.tell = Teller(server, self.cards, self.numbers)
        self.delivery = WebhookDelivery(
            server.store,
            server.clock,
            lambda: server.keys.all(SANDBOX_KEYS),
            lambda: f"{local_url(server)}/webhooks/payments/sandbox",
        )
        self.sandbox = SandboxProvider(
            server.store,
            server.clock,
            server.new_id,
            server.new_secret,
            lambda: server.keys.all(SANDBOX_KEYS),
            self.delivery.wake,
        )
        self.providers: dict[str, PaymentProvider] = {self.sandbox.name: self.sandbox}
        self.orders = OrderService(server, self.tell, self.metrics)
        self.payments = PaymentService(server, self.providers, self.orders, self.tell, self.metrics)
        self.refunds = RefundService(server, self.providers, self.payments, self.metrics)
        self.reports = Reports(server)
        self.housekeeping = Housekeeping(server)


commerce_key: web.AppKey[Commerce] = web.AppKey("commerce", Commerce)


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


def local_url(server: Server) -> str:
    """Where this process itself listens, whatever the address is that people open."""
    host = server.settings.host
    if host in ("", "0.0.0.0", "::"):
        host = "127.0.0.1" if host != "::" else "::1"
    return f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"
