"""Decisions about a room's streams: one continuous sequence per slot, gaps, keyframe requests, retransmission.

Pure: `now` (monotonic seconds) is an argument. Knows no sockets, no keys, no sessions. A *slot* is what viewers
subscribe to (the room's audio, the room's video); publishers come and go behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from streamserver.media.rtp import ReportBlock

MAX_DROPOUT: Final = 3000  # a larger jump is a sender that started afresh (RFC 3550 appendix A.1)
RETIRED_SOURCE_S: Final = 2.0  # late packets of the source just replaced are dropped for this long
SWITCH_MIN_S: Final = 1 / 60  # two frames of different sources never share a timestamp


def seq_distance(newer: int, older: int) -> int:
    """How far `newer` is ahead of `older` in 16-bit sequence space: −32768 … 32767."""
    return ((newer - older + 0x8000) & 0xFFFF) - 0x8000


class SlotSequence:
    """Maps whatever sources feed a slot onto one unbroken sequence and time line.

    Guarantees: within a source, distances of sequence numbers and timestamps are kept, so a gap upstream is seen
    as the same gap downstream; the first packet of a new source follows the highest number sent so far, its time
    moved on by the wall time that passed. Two packets never get the same number unless the source repeated one,
    or started afresh: then a packet from before its start is refused.
    """

    __slots__ = (
        "_clock_hz",
        "_highest_in",
        "_last_now",
        "_retired",
        "_retired_at",
        "_seq_delta",
        "_span",
        "_ts_delta",
        "highest",
        "source",
        "timestamp",
    )

    def __init__(self, clock_hz: int, first_seq: int, first_timestamp: int) -> None:
        self._clock_hz = clock_hz
        self._seq_delta = 0
        self._ts_delta = 0
        self._highest_in = 0
        self._span = 0  # how far the source has come since it was adopted
        self._last_now: float | None = None
        self._retired: int | None = None
        self._retired_at = 0.0
        self.source: int | None = None
        self.highest = (first_seq - 1) & 0xFFFF
        self.timestamp = first_timestamp & 0xFFFFFFFF

    def detach(self, now: float) -> None:
        """The source is gone; whatever comes next, even the same SSRC, is a new one."""
        if self.source is not None:
            self._retired, self._retired_at = self.source, now
        self.source = None

    def map(self, ssrc: int, seq: int, timestamp: int, now: float) -> tuple[int, int] | None:
        """Sequence number and timestamp for viewers; None for a straggler of the source before this one."""
        if ssrc != self.source:
            if ssrc == self._retired and self.source is not None and now - self._retired_at < RETIRED_SOURCE_S:
                return None
            self._adopt(ssrc, seq, timestamp, now)
        else:
            ahead = ((seq - self._highest_in + 0x8000) & 0xFFFF) - 0x8000
            if ahead > MAX_DROPOUT or ahead < -MAX_DROPOUT:
                self._adopt(ssrc, seq, timestamp, now)
            elif ahead < -self._span:
                return None
            elif ahead > 0:
                self._highest_in = seq
                self._span += ahead
                self.highest = (seq + self._seq_delta) & 0xFFFF
                self.timestamp = (timestamp + self._ts_delta) & 0xFFFFFFFF
        self._last_now = now
        return (seq + self._seq_delta) & 0xFFFF, (timestamp + self._ts_delta) & 0xFFFFFFFF

    @property
    def newest(self) -> tuple[int, float] | None:
        """Timestamp of the newest packet and when a packet last came; None before the first."""
        return None if self._last_now is None else (self.timestamp, self._last_now)

    def map_timestamp(self, ssrc: int, timestamp: int) -> int | None:
        """The viewers' timestamp for a sender report of the current source."""
        return (timestamp + self._ts_delta) & 0xFFFFFFFF if ssrc == self.source else None

    def _adopt(self, ssrc: int, seq: int, timestamp: int, now: float) -> None:
        if self.source is not None and self.source != ssrc:
            self._retired, self._retired_at = self.source, now
        passed = 0.0 if self._last_now is None else max(SWITCH_MIN_S, now - self._last_now)
        target = self.timestamp + round(passed * self._clock_hz)
        self.source = ssrc
        self._highest_in = seq
        self._span = 0
        self.highest = (self.highest + 1) & 0xFFFF
        self.timestamp = target & 0xFFFFFFFF
        self._seq_delta = (self.highest - seq) & 0xFFFF
        self._ts_delta = (target - timestamp) & 0xFFFFFFFF


class GapTracker:
    """Which packets to ask the publisher for again. Bounded: at most `limit` outstanding, `tries` times each."""

    __slots__ = ("_highest", "_missing", "gave_up", "limit", "retry_s", "tries")

    def __init__(self, limit: int = 256, retry_s: float = 0.06, tries: int = 8) -> None:
        self.limit = limit
        self.retry_s = retry_s
        self.tries = tries
        self.gave_up = 0
        self._highest: int | None = None
        self._missing: dict[int, tuple[float, int]] = {}

    @property
    def outstanding(self) -> int:
        return len(self._missing)

    def received(self, seq: int, now: float) -> bool:
        """Note a packet; True when it revealed a new gap."""
        if self._highest is None:
            self._highest = seq
            return False
        ahead = ((seq - self._highest + 0x8000) & 0xFFFF) - 0x8000
        if ahead <= 0:
            self._missing.pop(seq, None)
            if ahead < -MAX_DROPOUT:
                self._restart(seq)
            return False
        if ahead > self.limit:
            self._restart(seq)
            return False
        if ahead > 1:
            for step in range(1, ahead):
                self._missing[(self._highest + step) & 0xFFFF] = (now, 0)
            while len(self._missing) > self.limit:
                del self._missing[next(iter(self._missing))]
                self.gave_up += 1
        self._highest = seq
        return ahead > 1

    def due(self, now: float) -> list[int]:
        """The packets to ask for now, oldest first; each is asked for again every `retry_s`."""
        asked: list[int] = []
        for seq, (when, tries) in list(self._missing.items()):
            if when > now:
                continue
            if tries >= self.tries:
                del self._missing[seq]
                self.gave_up += 1
            else:
                self._missing[seq] = (now + self.retry_s, tries + 1)
                asked.append(seq)
        return asked

    def _restart(self, seq: int) -> None:
        self.gave_up += len(self._missing)
        self._missing.clear()
        self._highest = seq


class KeyframeThrottle:
    """Merges many viewers' requests into at most one to the publisher per `interval_s`."""

    __slots__ = ("_last", "interval_s", "pending")

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self.pending = False
        self._last = float("-inf")

    def ask(self) -> None:
        self.pending = True

    def arrived(self) -> None:
        """A keyframe came: whoever asked before it is served by it."""
        self.pending = False

    def due(self, now: float) -> bool:
        """True when a request is to be sent now; the caller then sends exactly one."""
        if not self.pending or now - self._last < self.interval_s:
            return False
        self.pending = False
        self._last = now
        return True


Item = TypeVar("Item")


class PacketRing(Generic[Item]):
    """The last packets of a slot by sequence number, shared by all its viewers. `size` is a power of two."""

    __slots__ = ("_mask", "_packets", "_seqs")

    def __init__(self, size: int) -> None:
        if size < 2 or size & (size - 1):
            raise ValueError(f"ring size must be a power of two, not {size}")
        self._mask = size - 1
        self._seqs: list[int] = [-1] * size
        self._packets: list[Item | None] = [None] * size

    def put(self, seq: int, packet: Item) -> None:
        index = seq & self._mask
        self._seqs[index] = seq
        self._packets[index] = packet

    def get(self, seq: int) -> Item | None:
        index = seq & self._mask
        return self._packets[index] if self._seqs[index] == seq else None


class RateBudget:
    """A token bucket: `rate` per second, at most `burst` at once."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at: float | None = None

    def take(self, now: float, amount: float = 1.0) -> bool:
        if self._at is not None:
            self._tokens = min(self.burst, self._tokens + max(0.0, now - self._at) * self.rate)
        self._at = now
        if self._tokens < amount:
            return False
        self._tokens -= amount
        return True


class ReceptionStats:
    """Loss and jitter of one incoming stream for receiver reports (RFC 3550 appendix A.3 and A.8)."""

    __slots__ = (
        "_base",
        "_cycles",
        "_expected_before",
        "_highest",
        "_received_before",
        "_sr_at",
        "_sr_ntp",
        "_transit",
        "clock_hz",
        "jitter",
        "received",
        "ssrc",
    )

    def __init__(self, ssrc: int, clock_hz: int, seq: int) -> None:
        self.ssrc = ssrc
        self.clock_hz = clock_hz
        self.received = 0
        self.jitter = 0.0
        self._base = seq
        self._highest = seq
        self._cycles = 0
        self._expected_before = 0
        self._received_before = 0
        self._transit: float | None = None
        self._sr_ntp = 0
        self._sr_at: float | None = None

    def packet(self, seq: int, timestamp: int, now: float) -> None:
        self.received += 1
        ahead = ((seq - self._highest + 0x8000) & 0xFFFF) - 0x8000
        if ahead > 0:
            if seq < self._highest:
                self._cycles += 0x10000
            self._highest = seq
            transit = now * self.clock_hz - timestamp
            if self._transit is not None:
                change = abs(transit - self._transit)
                if change < self.clock_hz * 10:  # a wrapped or restarted clock is not jitter
                    self.jitter += (change - self.jitter) / 16
            self._transit = transit

    def sender_report(self, ntp: int, now: float) -> None:
        self._sr_ntp = ntp >> 16 & 0xFFFFFFFF
        self._sr_at = now

    def report(self, now: float) -> ReportBlock:
        """The report block for the time since the one before."""
        highest = self._cycles + self._highest
        expected = highest - self._base + 1
        lost_total = max(-0x800000, min(0x7FFFFF, expected - self.received))
        expected_now = expected - self._expected_before
        lost_now = expected_now - (self.received - self._received_before)
        self._expected_before, self._received_before = expected, self.received
        ratio = min(255, (lost_now << 8) // expected_now) if expected_now > 0 and lost_now > 0 else 0
        delay = 0 if self._sr_at is None else round((now - self._sr_at) * 65536) & 0xFFFFFFFF
        return ReportBlock(
            ssrc=self.ssrc,
            lost_ratio=ratio,
            lost_total=lost_total,
            highest_seq=highest & 0xFFFFFFFF,
            jitter=round(self.jitter) & 0xFFFFFFFF,
            last_sr=self._sr_ntp,
            delay_since_sr=delay,
        )


@dataclass(frozen=True, slots=True)
class Train:
    """Packets `first` … `last - 1` of a batch, sent to a viewer as one datagram train of equal segments."""

    first: int
    last: int
    segment: int  # bytes of every packet but the last, which may be shorter


def plan_trains(sizes: Sequence[int], max_packets: int, max_bytes: int, max_padding: int) -> list[Train]:
    """Split a batch into trains: UDP segmentation needs equal sizes, the last one of a train excepted.

    A packet is padded by at most `max_padding` bytes (RTP padding, 255 at most); order is kept and every packet
    is in exactly one train.
    """
    trains: list[Train] = []
    first = 0
    while first < len(sizes):
        segment = smallest = sizes[first]
        last = first + 1
        while last < len(sizes) and last - first < max_packets:
            size = sizes[last]
            grown = max(segment, size)
            if grown - smallest > max_padding or grown * (last - first + 1) > max_bytes:
                break
            last += 1
            if size < segment:
                # The shorter one may close the train as it is, or stay inside it padded.
                if segment - size > max_padding:
                    break
                smallest = min(smallest, size)
            segment = grown
        trains.append(Train(first, last, segment))
        first = last
    return trains
