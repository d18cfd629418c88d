"""The feature's services, put together once. Knows no route and no frame; `feature.py` sets those up around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

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
    """Every service of the feature; routes and tests reach them through `app[commerce_key]`."""

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


def local_url(server: Server) -> str:
    """Where this process itself listens, whatever the address is that people open."""
    host = server.settings.host
    if host in ("", "0.0.0.0", "::"):
        host = "127.0.0.1" if host != "::" else "::1"
    return f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"
