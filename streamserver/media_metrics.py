"""The media engine's own counts as metrics, read at each scrape.

Knows their names and meanings, and nothing of how an engine counts. A room is a label only while it is one of
the busiest live ones, so that ten thousand rooms do not make ten thousand series.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from .ids import RoomId
from .media.engine import MediaEngine
from .metrics import PREFIX, Computed

BUSIEST = 20

COUNTERS: Mapping[str, tuple[str, str]] = {
    "media_received_packets_total": ("kind", "RTP packets that publishers sent, by kind."),
    "media_received_bytes_total": ("kind", "Bytes of RTP that publishers sent, by kind."),
    "media_sent_packets_total": ("", "RTP packets sent to viewers."),
    "media_sent_bytes_total": ("", "Bytes of RTP sent to viewers."),
    "media_sent_kind_packets_total": ("kind", "The same by kind (native engine)."),
    "media_sent_kind_bytes_total": ("kind", "Bytes of them by kind (native engine)."),
    "media_sent_trains_total": ("", "Batches in which packets left; packets over batches is the length of a train."),
    "media_dropped_packets_total": ("reason", "Packets that were not passed on, by reason."),
    "media_nacked_packets_total": ("", "Packets that this server asked publishers to send again."),
    "media_viewer_nacked_packets_total": ("", "Packets that viewers asked for again."),
    "media_retransmissions_total": ("result", "What became of the packets that viewers asked for again."),
    "media_keyframes_wanted_total": ("", "Keyframes that viewers wanted."),
    "media_keyframes_asked_total": ("", "Keyframe requests sent to publishers; many wishes make one."),
    "media_probe_packets_total": ("", "Padding packets sent to find out whether a viewer can take a better layer."),
    "media_layer_switches_total": ("", "Viewers that were moved to another layer of the video."),
    "media_feedback_packets_total": ("", "RTCP packets that viewers sent."),
    "media_joins_total": ("", "Sessions whose handshake was completed."),
    "media_join_seconds_total": ("phase", "Time spent in joins, by phase; over joins it is their mean."),
    "media_sessions_total": ("role", "Media sessions admitted, by role."),
    "media_sessions_ended_total": ("reason", "Media sessions that ended, by reason."),
    "media_datagrams_total": ("direction", "Datagrams of every kind at the media sockets (native engine)."),
    "media_datagram_bytes_total": ("direction", "Bytes of them (native engine)."),
    "media_socket_calls_total": ("direction", "System calls that received or sent datagrams (native engine)."),
    "media_kernel_trains_total": ("direction", "Datagrams that the kernel joined or cut, counted as one each time."),
    "media_gso_refused_total": ("", "Trains that the kernel would not cut: sent datagram by datagram."),
    "media_handed_over_datagrams_total": ("", "Datagrams that arrived at another media thread than their peer's."),
    "media_tcp_connections_total": ("outcome", "Connections of ICE over TCP, by what became of them."),
    "media_thread_busy_seconds_total": ("thread", "CPU time of each media thread."),
    "media_send_path_seconds_total": ("", "CPU time of the media threads spent on sending: copy, seal, system calls."),
    "media_lost_reports_total": ("what", "What the media threads told and nobody read in time."),
}

# A gauge must not share its name with a counter's: `sessions_total` counts, `sessions_open` is now.
GAUGES: Mapping[str, tuple[str, str, str]] = {
    "media_sessions": ("media_sessions_open", "role", "Media sessions connected now, by role."),
    "media_sessions_pending": ("media_sessions_pending", "", "Media sessions whose handshake is under way."),
    "media_live_rooms": ("media_live_rooms", "", "Rooms with a publisher now."),
    "media_fanout_waiting": ("media_fanout_waiting", "", "Batches of packets that wait for their turn to be sent."),
    "media_tcp_connections_open": ("media_tcp_connections_open", "", "Connections of ICE over TCP now."),
    "media_thread_lag_seconds": (
        "media_thread_lag_seconds",
        "thread",
        "The longest time in the last second in which a media thread did not look at its sockets.",
    ),
}

HISTOGRAMS: Mapping[str, str] = {
    "media_forward_seconds": "From a packet's arrival to its leaving for each viewer (native engine).",
}

_LABELLED = re.compile(r'(?P<name>\w+)\{(?P<label>\w+)="(?P<value>[^"]*)"\}')


def media_metrics(engine: MediaEngine) -> Computed:
    """A collector for `Metrics.collect`."""
    return Computed(lambda: _families(engine))


def _families(engine: MediaEngine) -> Iterable[Metric]:
    now = engine.stats()
    # Every known name is there from the start, with or without a value yet.
    counted, current = _by_name(now.counters), _by_name(now.gauges | now.health)
    for name, (label, doc) in COUNTERS.items():
        counter = CounterMetricFamily(PREFIX + name, doc, labels=[label] if label else [])
        for part, value in counted.get(name, {}).items():
            counter.add_metric([part] if label else [], value)
        yield counter
    for name, (exported, label, doc) in GAUGES.items():
        gauge = GaugeMetricFamily(PREFIX + exported, doc, labels=[label] if label else [])
        for part, value in current.get(name, {}).items():
            gauge.add_metric([part] if label else [], value)
        yield gauge
    for name, doc in HISTOGRAMS.items():
        histogram = HistogramMetricFamily(PREFIX + name, doc)
        buckets = counted.get(name + "_bucket", {})
        if buckets:
            edges = sorted(buckets.items(), key=lambda bucket: float(bucket[0]))
            histogram.add_metric([], edges, now.counters.get(name + "_sum", 0.0))
        yield histogram
    yield _viewers(now.rooms)


def split(key: str) -> tuple[str, str, str]:
    """`name{label="value"}` -> (name, label, value); a plain name has neither label nor value."""
    found = _LABELLED.fullmatch(key)
    return (found["name"], found["label"], found["value"]) if found else (key, "", "")


def _by_name(flat: Mapping[str, float]) -> dict[str, dict[str, float]]:
    values: dict[str, dict[str, float]] = {}
    for key, value in flat.items():
        name, _, part = split(key)
        values.setdefault(name, {})[part] = value
    return values


def _viewers(rooms: Mapping[RoomId, int]) -> Metric:
    family = GaugeMetricFamily(
        PREFIX + "media_viewers",
        "Viewers receiving media: the busiest rooms, and all others together.",
        labels=["room"],
    )
    busiest = sorted(rooms.items(), key=lambda item: (-item[1], item[0]))
    for room, count in busiest[:BUSIEST]:
        family.add_metric([room], count)
    if len(busiest) > BUSIEST:
        family.add_metric(["other"], sum(count for _, count in busiest[BUSIEST:]))
    return family
