"""The metrics of commerce; histogram edges lie on the objectives. Labels never hold a room, viewer or
order."""

from __future__ import annotations

from streamserver.metrics import Metrics


class CommerceMetrics:
    def __init__(self, metrics: Metrics) -> None:
        self.orders = metrics.counter(
            "orders_total", "Orders by what happened: placed, paid, cancelled, expired, refunded.", ("event",)
        )
        for event in ("placed", "paid", "cancelled", "expired", "refunded"):
            self.orders.labels(event)
        self.order_seconds = metrics.histogram(
            "order_seconds",
            "Time from a checked order request to its durable answer.",
            (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5),
        )
        self.stock_refusals = metrics.counter("stock_refusals_total", "Orders refused because stock ran out.")
        self.clicks = metrics.counter("clicks_total", "Taps on product cards.")
        self.click_links = metrics.counter("click_links_total", "Click links that came back, by result.", ("result",))
        for result in ("ok", "bad_signature", "click_expired", "bad_click"):
            self.click_links.labels(result)
        self.impressions = metrics.counter("card_impressions_total", "Card impressions taken, repeats included.")
        self.impressions_dropped = metrics.counter(
            "card_impressions_dropped_total", "Card impressions dropped because the write queue was full."
        )
        self.webhooks = metrics.counter(
            "payment_webhooks_total", "Payment webhooks received, by provider and result.", ("provider", "result")
        )
        for result in ("applied", "repeated", "parked", "refused", "bad_signature", "stale", "bad_event"):
            self.webhooks.labels("sandbox", result)
        self.late_payments = metrics.counter(
            "late_payments_total", "Payments captured for an order that was already cancelled; refunded at once."
        )
        self.provider_errors = metrics.counter(
            "payment_provider_errors_total", "Calls to a payment provider without an answer.", ("provider",)
        )
        self.provider_errors.labels("sandbox")
