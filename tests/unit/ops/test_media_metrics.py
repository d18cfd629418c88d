"""The engine's counts come out under documented names, and rooms stay few."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamserver.ids import RoomId
from streamserver.media.engine import MediaEngine, StatsSnapshot
from streamserver.media_metrics import BUSIEST, COUNTERS, GAUGES, HISTOGRAMS, media_metrics, split
from streamserver.metrics import Metrics
from tests.support.server import running_server


@dataclass
class Counted:
    """Stands where the engine does: only what it says of itself matters here."""

    now: StatsSnapshot = field(default_factory=StatsSnapshot)

    def stats(self) -> StatsSnapshot:
        return self.now


def read(snapshot: StatsSnapshot) -> dict[str, float]:
    metrics = Metrics()
    metrics.collect(media_metrics(cast("MediaEngine", Counted(snapshot))))
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        sample.name + "".join(f"{{{name}={value}}}" for name, value in sample.labels.items()): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("streamserver_media")
    }


def test_counts_and_gauges_come_out_by_label() -> None:
    found = read(
        StatsSnapshot(
            counters={"media_sent_packets_total": 7, 'media_dropped_packets_total{reason="srtp"}': 2},
            gauges={'media_sessions{role="viewer"}': 3, "media_live_rooms": 1},
            rooms={RoomId("demo"): 3},
        )
    )
    assert found == {
        "streamserver_media_sent_packets_total": 7,
        "streamserver_media_dropped_packets_total{reason=srtp}": 2,
        "streamserver_media_sessions_open{role=viewer}": 3,
        "streamserver_media_live_rooms": 1,
        "streamserver_media_viewers{room=demo}": 3,
    }


def test_a_histogram_comes_out_with_its_buckets_in_order() -> None:
    found = read(
        StatsSnapshot(
            counters={
                'media_forward_seconds_bucket{le="+Inf"}': 5,
                'media_forward_seconds_bucket{le="0.01"}': 4,
                'media_forward_seconds_bucket{le="0.0005"}': 1,
                "media_forward_seconds_sum": 0.25,
                "media_forward_seconds_count": 5,
            },
            health={'media_thread_lag_seconds{thread="0"}': 0.5},
        )
    )
    assert found == {
        "streamserver_media_forward_seconds_bucket{le=0.0005}": 1,
        "streamserver_media_forward_seconds_bucket{le=0.01}": 4,
        "streamserver_media_forward_seconds_bucket{le=+Inf}": 5,
        "streamserver_media_forward_seconds_count": 5,
        "streamserver_media_forward_seconds_sum": 0.25,
        "streamserver_media_thread_lag_seconds{thread=0}": 0.5,
    }


def test_only_the_busiest_rooms_are_named() -> None:
    found = read(StatsSnapshot(rooms={RoomId(f"r{number:04}"): number for number in range(1000)}))
    assert len(found) == BUSIEST + 1
    assert found["streamserver_media_viewers{room=r0999}"] == 999
    assert found["streamserver_media_viewers{room=other}"] == sum(range(1000 - BUSIEST))
    assert sum(found.values()) == sum(range(1000))


@pytest.mark.parametrize(
    ("key", "parts"),
    [("a_total", ("a_total", "", "")), ('a_total{kind="video"}', ("a_total", "kind", "video"))],
)
def test_a_flat_key_is_split(key: str, parts: tuple[str, str, str]) -> None:
    assert split(key) == parts


async def test_every_count_of_the_real_engine_is_documented(tmp_path: Path) -> None:
    async with running_server(tmp_path) as running:
        now = running.server.engine.stats()
    counted = {split(key)[:2] for key in now.counters}
    current = {split(key)[:2] for key in now.gauges | now.health}
    known = {(name, label) for name, (label, _) in COUNTERS.items()}
    for name in HISTOGRAMS:
        known |= {(f"{name}_bucket", "le"), (f"{name}_sum", ""), (f"{name}_count", "")}
    assert counted - known == set()
    assert current - {(name, label) for name, (_, label, _) in GAUGES.items()} == set()
