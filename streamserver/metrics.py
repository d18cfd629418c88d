"""Prometheus metrics: one registry per server, one prefix, and the route that prints them.

Names are base units with `_total` on counters only; labels never hold a viewer, an order, a token or a URL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

# The library would add a gauge `..._created` to every counter: half of all series, and nobody asks for them.
disable_created_metrics()

PREFIX = "streamserver_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Makes metrics and prints them. Names come without the prefix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def counter(self, name: str, doc: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(PREFIX + name, doc, labels, registry=self.registry)

    def gauge(self, name: str, doc: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(PREFIX + name, doc, labels, registry=self.registry)

    def histogram(
        self, name: str, doc: str, buckets: Sequence[float], labels: Sequence[str] = ()
    ) -> Histogram:
        return Histogram(PREFIX + name, doc, labels, buckets=tuple(buckets), registry=self.registry)

    def collect(self, collector: Collector) -> None:
        """Adds metrics that are computed when they are asked for."""
        self.registry.register(collector)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class Computed(Collector):
    """Metrics from a function called at each scrape: for figures that somebody else counts already."""

    def __init__(self, make: Callable[[], Iterable[Metric]]) -> None:
        self._make = make

    def collect(self) -> Iterable[Metric]:
        return self._make()


def response(metrics: Metrics) -> web.Response:
    return web.Response(
        body=metrics.text(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    )
