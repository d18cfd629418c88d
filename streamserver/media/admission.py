"""Whether one more media session can be carried without harm to those inside, and if not, why.

Pure: figures of the media threads go in, a sentence or nothing comes out. Joins themselves are cheap (half a
millisecond of a core), so a thread that is merely busy with a burst of them is not a reason; one that is late is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 10.0
"""Of the shares: a burst of 2,000 joins fills a core for less than half of it."""


@dataclass(frozen=True, slots=True)
class ThreadFigures:
    """One media thread's readings: CPU seconds since its start, and its longest delay (s) since the last reading."""

    busy_s: float
    lag_s: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Readings of an engine. Counts are since the start, `waiting` and `room_for` are now."""

    threads: tuple[ThreadFigures, ...]
    sent: float
    """Packets handed to the kernel."""
    late: float
    """Packets dropped because too much was waiting to be sent."""
    full: float
    """Packets that the kernel's send buffer had no room for."""
    unread: float
    """Datagrams that came and were dropped before anybody read them."""
    received: float
    """Datagrams that were read."""
    waiting: float
    """Batches that wait for their turn."""
    room_for: float
    """Batches that may wait."""


@dataclass(frozen=True, slots=True)
class Load:
    """Shares from 0 to 1 over the last WINDOW_S; `lag_s` by thread is the longest delay of the last readings."""

    busy: tuple[float, ...] = ()
    lag_s: tuple[float, ...] = ()
    late: float = 0.0
    full: float = 0.0
    unread: float = 0.0
    waiting: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a join is refused. Once refused, joins are taken again when everything is below `reopen` of its limit."""

    lag_s: float = 0.5
    busy: float = 0.95
    late: float = 0.01
    full: float = 0.01
    unread: float = 0.01
    waiting: float = 0.75
    reopen: float = 0.8


VIEWERS: Final = Limits()
PUBLISHERS: Final = Limits(lag_s=1.0, busy=0.98, late=0.03, full=0.03, unread=0.03, waiting=0.9)
"""A little more room: a show that cannot begin is worse than a viewer who has to ask again."""


def refuse(load: Load, limits: Limits, *, closed: bool) -> str | None:
    """Why a join is refused now, or None. `closed` says whether the last answer was a refusal."""
    factor = limits.reopen if closed else 1.0
    for index, lag in enumerate(load.lag_s):
        if lag > limits.lag_s * factor:
            return f"media thread {index} was {lag * 1000:.0f} ms late"
    for index, busy in enumerate(load.busy):
        if busy > limits.busy * factor:
            return f"media thread {index} is {busy * 100:.0f} % busy"
    for share, limit, what in (
        (load.late, limits.late, "of the packets to viewers were dropped as too late"),
        (load.full, limits.full, "of the packets to viewers found no room in the kernel's send buffer"),
        (load.unread, limits.unread, "of the datagrams that came were lost before they were read"),
        (load.waiting, limits.waiting, "of the places for waiting batches are taken"),
    ):
        if share > limit * factor:
            return f"{share * 100:.1f} % {what}"
    return None


class Meter:
    """Turns readings into a Load."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, Figures]] = deque()

    def read(self, now: float, figures: Figures) -> Load:
        """One more reading at `now` (monotonic seconds), about once a second."""
        self._readings.append((now, figures))
        while len(self._readings) > 2 and now - self._readings[1][0] >= WINDOW_S:
            self._readings.popleft()
        began, first = self._readings[0]
        # A window that has only begun counts as whole, or one busy second after the start would close the doors.
        span = max(now - began, WINDOW_S)
        sent = figures.sent - first.sent
        came = figures.received - first.received
        return Load(
            busy=tuple(
                min(1.0, (new.busy_s - old.busy_s) / span)
                for old, new in zip(first.threads, figures.threads, strict=False)
            ),
            lag_s=tuple(thread.lag_s for thread in figures.threads),
            late=_share(figures.late - first.late, sent),
            full=_share(figures.full - first.full, sent),
            unread=_share(figures.unread - first.unread, came),
            waiting=figures.waiting / figures.room_for if figures.room_for else 0.0,
        )


def figures_of(snapshot: Mapping[str, float], room_for: int) -> Figures:
    """Readings from the counters of the native engine, by their exported names; `room_for` batches may wait."""
    threads: list[ThreadFigures] = []
    while (busy := snapshot.get(f'media_thread_busy_seconds_total{{thread="{len(threads)}"}}')) is not None:
        lag = snapshot.get(f'media_thread_lag_seconds{{thread="{len(threads)}"}}', 0.0)
        threads.append(ThreadFigures(busy, lag))

    def dropped(reason: str) -> float:
        return snapshot.get(f'media_dropped_packets_total{{reason="{reason}"}}', 0.0)

    return Figures(
        threads=tuple(threads),
        sent=snapshot.get("media_sent_packets_total", 0.0),
        late=dropped("fanout_late"),
        full=dropped("socket_full"),
        unread=dropped("receive_buffer"),
        received=snapshot.get('media_datagrams_total{direction="in"}', 0.0),
        waiting=snapshot.get("media_fanout_waiting", 0.0),
        room_for=room_for,
    )


def _share(part: float, others: float) -> float:
    """`part` of `part + others`; a handful of packets is no share of anything."""
    return part / (part + others) if part + others >= 100 and part > 0 else 0.0
