"""What the gateway tells Prometheus. Labels hold close codes and outcomes only."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from streamserver.metrics import PREFIX, Computed, Metrics

from .connection import Connection
from .hub import Hub


class GatewayMetrics:
    """Counts of living hubs are read at each scrape; a hub that ends hands its own over."""

    def __init__(self, metrics: Metrics, connections: Callable[[], int], living: Callable[[], tuple[int, int]]) -> None:
        self._connections = connections
        self._living = living
        self._delivered = 0
        self._dropped = 0
        self.bad_frames = metrics.counter("realtime_bad_frames_total", "Client frames refused as malformed.")
        self._closed = metrics.counter("realtime_closed_total", "Realtime connections ended, by close code.", ("code",))
        self._resumed = metrics.counter(
            "realtime_resumes_total", "Members that came back with a position, by outcome.", ("recovered",)
        )
        self._join = metrics.histogram(
            "realtime_join_seconds",
            "From the upgrade to the welcome of a member.",
            (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 3, 10),
        )
        self._pass = metrics.histogram(
            "realtime_pass_seconds",
            "One pass over the members of a room.",
            (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1),
        )
        metrics.collect(Computed(self._compute))

    def joined(self, seconds: float) -> None:
        self._join.observe(seconds)

    def passed(self, seconds: float) -> None:
        self._pass.observe(seconds)

    def recovered(self, asked: bool, recovered: bool) -> None:
        if asked:
            self._resumed.labels("yes" if recovered else "no").inc()

    def closed(self, member: Connection) -> None:
        self._dropped += member.outbox.dropped
        member.outbox.dropped = 0
        code = member.close_code or 0
        # Clients may send any code: only the protocol's own are told apart.
        known = code in (1000, 1001, 1006) or 4000 <= code < 4500
        self._closed.labels(str(code) if known else "other").inc()

    def retire(self, hub: Hub) -> None:
        self._delivered += hub.delivered
        self._dropped += hub.dropped

    def _compute(self) -> Iterable[Metric]:
        delivered, dropped = self._living()
        yield GaugeMetricFamily(
            PREFIX + "realtime_connections", "Realtime connections open now.", value=self._connections()
        )
        yield CounterMetricFamily(
            PREFIX + "realtime_frames", "Room frames written to members.", value=self._delivered + delivered
        )
        yield CounterMetricFamily(
            PREFIX + "realtime_lines_dropped",
            "Chat lines that slow members or overfull rooms did not get.",
            value=self._dropped + dropped,
        )
