"""What holds for every order, loss and source: numbering, gaps, rings, keyframe requests, trains."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamserver.media.routing import (
    GapTracker,
    KeyframeThrottle,
    PacketRing,
    RateBudget,
    ReceptionStats,
    SlotSequence,
    plan_trains,
    seq_distance,
)

u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)


@st.composite
def sources(draw: st.DrawFn) -> list[tuple[int, int, int, list[int]]]:
    """A few sources one after the other: SSRC, first number, first timestamp, and which packets arrive in which
    order (each at most 40 behind the newest, the first one first)."""
    made: list[tuple[int, int, int, list[int]]] = []
    for index in range(draw(st.integers(1, 4))):
        arrived = draw(st.lists(st.integers(0, 200), unique=True, max_size=60))
        late = draw(st.integers(0, 20))
        places = {n: n + n * 7919 % (late + 1) for n in arrived if n}
        made.append((1000 + index, draw(u16), draw(u32), [0, *sorted(places, key=places.__getitem__)]))
    return made


@given(sources(), u16, u32)
def test_a_slot_is_one_unbroken_sequence(
    fed: list[tuple[int, int, int, list[int]]], first_seq: int, first_timestamp: int
) -> None:
    slot = SlotSequence(90_000, first_seq, first_timestamp)
    now = 0.0
    used: set[int] = set()
    highest: int | None = None
    for ssrc, seq, timestamp, order in fed:
        outs: dict[int, tuple[int, int]] = {}
        before = slot.timestamp
        for offset in order:
            now += 0.001
            out = slot.map(ssrc, (seq + offset) & 0xFFFF, (timestamp + offset * 3000) & 0xFFFFFFFF, now)
            assert out is not None
            assert out[0] not in used, "a number twice"
            used.add(out[0])
            outs[offset] = out
        assert outs[0][0] == (first_seq if highest is None else (highest + 1) & 0xFFFF), "a gap at the switch"
        if highest is not None:
            assert 0 < (outs[0][1] - before) & 0xFFFFFFFF < 90_000, "time stood still or jumped"
        for offset, (out_seq, out_timestamp) in outs.items():
            assert seq_distance(out_seq, outs[0][0]) == offset, "a distance changed"
            assert (out_timestamp - outs[0][1]) & 0xFFFFFFFF == offset * 3000 & 0xFFFFFFFF
        highest = outs[max(outs)][0]
        assert slot.highest == highest


@given(u16, u32, st.integers(1, 3000))
def test_what_came_before_a_source_was_taken_is_refused(seq: int, timestamp: int, back: int) -> None:
    slot = SlotSequence(90_000, 0, 0)
    assert slot.map(1, seq, timestamp, 0.0) is not None
    assert slot.map(1, (seq - back) & 0xFFFF, timestamp, 0.0) is None


@given(u16, u16)
def test_a_straggler_of_the_source_before_is_refused(first: int, second: int) -> None:
    slot = SlotSequence(90_000, 0, 0)
    slot.map(1, first, 0, 0.0)
    slot.map(2, second, 0, 1.0)
    assert slot.map(1, (first + 1) & 0xFFFF, 0, 1.1) is None
    assert slot.source == 2
    assert slot.map(1, (first + 2) & 0xFFFF, 0, 3.5) is not None, "and taken back when it goes on for long"


@given(u16, st.lists(st.booleans(), min_size=1, max_size=300), st.integers(1, 64))
def test_exactly_what_is_missing_is_asked_for(start: int, arrives: list[bool], limit: int) -> None:
    arrives[0] = arrives[-1] = True
    tracker = GapTracker(limit=limit)
    for offset, here in enumerate(arrives):
        if here:
            tracker.received((start + offset) & 0xFFFF, 0.0)
    missing = [(start + offset) & 0xFFFF for offset, here in enumerate(arrives) if not here]
    asked = tracker.due(0.0)
    assert len(asked) <= limit
    assert set(asked) <= set(missing)
    runs = "".join("1" if here else "0" for here in arrives).split("1")
    if len(missing) <= limit and all(len(run) < limit for run in runs):
        assert asked == missing
    assert tracker.due(0.01) == [], "asked again too soon"
    for seq in asked:
        tracker.received(seq, 0.02)
    assert not set(tracker.due(1.0)) & set(asked)


@given(st.integers(0, 5))
def test_a_packet_is_asked_for_a_bounded_number_of_times(tries: int) -> None:
    tracker = GapTracker(tries=tries, retry_s=0.1)
    tracker.received(10, 0.0)
    tracker.received(12, 0.0)
    assert sum(len(tracker.due(0.1 * step + 0.001)) for step in range(50)) == tries
    assert tracker.outstanding == 0
    assert tracker.gave_up == 1


@given(st.lists(st.tuples(st.sampled_from(["ask", "look", "key"]), st.integers(0, 400)), max_size=80))
def test_keyframe_requests_keep_their_distance_and_none_is_forgotten(steps: list[tuple[str, int]]) -> None:
    throttle = KeyframeThrottle(0.5)
    now_ms = 0
    sent: list[int] = []
    open_ask = False
    for what, passed in steps:
        now_ms += passed
        if what == "ask":
            throttle.ask()
            open_ask = True
        elif what == "key":
            throttle.arrived()
            open_ask = False
        elif throttle.due(now_ms / 1000):
            assert open_ask, "a request that nobody made"
            sent.append(now_ms)
            open_ask = False
    assert all(b - a >= 500 for a, b in pairwise(sent))
    assert throttle.due(now_ms / 1000 + 0.5) is open_ask


@given(st.integers(1, 6), u16, st.integers(1, 200))
def test_a_ring_gives_back_the_newest_packets_and_no_other(power: int, start: int, count: int) -> None:
    size = 2**power
    ring: PacketRing[int] = PacketRing(size)
    for offset in range(count):
        ring.put((start + offset) & 0xFFFF, offset)
    for offset in range(-size, count + size):
        kept = count - size <= offset < count and offset >= 0
        assert ring.get((start + offset) & 0xFFFF) == (offset if kept else None)


@given(st.lists(st.floats(0, 2), max_size=60), st.integers(1, 50), st.integers(1, 50))
def test_a_budget_is_never_exceeded(gaps: list[float], rate: int, burst: int) -> None:
    budget = RateBudget(rate, burst)
    now, taken = 0.0, 0
    for gap in gaps:
        now += gap
        while budget.take(now):
            taken += 1
            assert taken <= burst + rate * now + 1e-6


@given(st.lists(st.integers(28, 1300), max_size=120), st.integers(1, 64), st.integers(0, 255))
def test_trains_keep_order_and_the_kernels_rule(sizes: list[int], packets: int, padding: int) -> None:
    trains = plan_trains(sizes, packets, 60_000, padding)
    assert [index for train in trains for index in range(train.first, train.last)] == list(range(len(sizes)))
    for train in trains:
        members = sizes[train.first : train.last]
        assert 1 <= len(members) <= packets
        assert train.segment * len(members) <= 60_000
        assert all(0 <= train.segment - size <= padding for size in members[:-1])
        assert 0 < members[-1] <= train.segment


@given(u16, st.lists(st.booleans(), min_size=1, max_size=400))
def test_reports_count_what_was_lost(start: int, arrives: list[bool]) -> None:
    arrives[0] = arrives[-1] = True
    stats = ReceptionStats(1, 90_000, start)
    for offset, here in enumerate(arrives):
        if here:
            stats.packet((start + offset) & 0xFFFF, offset * 3000, offset / 30)
    report = stats.report(20.0)
    lost = arrives.count(False)
    assert report.lost_total == lost
    assert report.lost_ratio == min(255, lost * 256 // len(arrives))
    assert report.highest_seq == start + len(arrives) - 1
    assert stats.report(21.0).lost_ratio == 0
