"""When a join is refused, and what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamserver.media.admission import (
    PUBLISHERS,
    VIEWERS,
    Figures,
    Load,
    Meter,
    ThreadFigures,
    figures_of,
    refuse,
)


def figures(busy_s: float = 0.0, lag_s: float = 0.0, sent: float = 0.0, **other: float) -> Figures:
    quiet = Figures((ThreadFigures(busy_s, lag_s),), sent, 0.0, 0.0, 0.0, 0.0, 0.0, 256.0)
    return replace(quiet, **other)


def test_a_quiet_engine_refuses_nobody() -> None:
    assert refuse(Load(), VIEWERS, closed=False) is None
    assert refuse(Load(busy=(0.5,), lag_s=(0.01,)), VIEWERS, closed=True) is None


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (Load(lag_s=(0.0, 0.62)), "media thread 1 was 620 ms late"),
        (Load(busy=(0.97,)), "media thread 0 is 97 % busy"),
        (Load(late=0.02), "2.0 % of the packets to viewers were dropped as too late"),
        (Load(full=0.015), "send buffer"),
        (Load(unread=0.5), "lost before they were read"),
        (Load(waiting=0.8), "80.0 % of the places"),
    ],
)
def test_the_reason_is_named_and_a_publisher_has_more_room(load: Load, said: str) -> None:
    refused = refuse(load, VIEWERS, closed=False)
    assert refused is not None
    assert said in refused
    if load.unread == 0:
        assert refuse(load, PUBLISHERS, closed=False) is None


def test_it_opens_again_well_below_its_limit() -> None:
    assert refuse(Load(lag_s=(0.45,)), VIEWERS, closed=False) is None
    assert refuse(Load(lag_s=(0.45,)), VIEWERS, closed=True) is not None
    assert refuse(Load(lag_s=(0.39,)), VIEWERS, closed=True) is None


def test_a_burst_of_joins_is_no_reason() -> None:
    """2,000 joins keep a core busy for less than four seconds."""
    meter = Meter()
    meter.read(0.0, figures())
    for second in range(1, 5):
        assert refuse(meter.read(float(second), figures(busy_s=second)), VIEWERS, closed=False) is None
    for second in range(5, 20):
        last = refuse(meter.read(float(second), figures(busy_s=second)), VIEWERS, closed=False)
    assert last == "media thread 0 is 100 % busy"


def test_shares_are_of_the_last_ten_seconds() -> None:
    meter = Meter()
    meter.read(0.0, figures())
    assert meter.read(1.0, figures(sent=9000, late=1000)).late == pytest.approx(0.1)
    for second in range(2, 14):
        load = meter.read(float(second), figures(sent=9000 * second, late=1000))
    assert load.late == 0.0
    assert meter.read(14.0, figures(sent=9000 * 13 + 10, late=1003, waiting=64)).waiting == 0.25


def test_a_handful_of_packets_is_no_share() -> None:
    meter = Meter()
    meter.read(0.0, figures())
    assert meter.read(1.0, figures(sent=3, late=3)).late == 0.0


def test_readings_come_from_the_exported_counters() -> None:
    found = figures_of(
        {
            'media_thread_busy_seconds_total{thread="0"}': 1.5,
            'media_thread_busy_seconds_total{thread="1"}': 2.5,
            'media_thread_lag_seconds{thread="1"}': 0.25,
            "media_sent_packets_total": 100.0,
            'media_dropped_packets_total{reason="fanout_late"}': 1.0,
            'media_dropped_packets_total{reason="socket_full"}': 2.0,
            'media_dropped_packets_total{reason="receive_buffer"}': 3.0,
            'media_datagrams_total{direction="in"}': 4.0,
            "media_fanout_waiting": 5.0,
        },
        512,
    )
    assert found == Figures((ThreadFigures(1.5, 0.0), ThreadFigures(2.5, 0.25)), 100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 512)
