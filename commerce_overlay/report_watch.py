"""Who watched, how long, and how many at once: exact sweeps over watch sessions, never a polled gauge.

Pure; numpy only. It knows watch sessions and live intervals, no clicks and no money. Intervals are half open:
a viewer who leaves in the millisecond another one comes is not counted beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from commerce_overlay.report_rows import LiveInterval, Scene, WatchSession, Window

Ints = NDArray[np.int64]
MINUTE_MS = 60_000


class Watching(Struct, frozen=True):
    """Playback of one scene. `views` and `long_views` are numbers of views by viewer (without zeros)."""

    viewers: int
    views: Mapping[str, int]
    long_views: Mapping[str, int]
    watch_ms: int


class Concurrency(Struct, frozen=True):
    """Viewers at once while the show was live.

    `peak` was first reached at `peak_ms` (None without viewers). `average` is watch time over live time, None
    without live time. The three lists run over the minutes with live time: start of the minute, greatest
    concurrency in it, and average concurrency over its 60 s.
    """

    peak: int
    peak_ms: int | None
    average: float | None
    watch_ms: int
    live_ms: int
    minute_ms: Sequence[int]
    minute_peak: Sequence[int]
    minute_average: Sequence[float]


def merge_live(live: Sequence[LiveInterval], window: Window) -> list[LiveInterval]:
    """The live intervals inside the window, ascending, overlapping and touching ones joined, empty ones left out."""
    merged: list[LiveInterval] = []
    for one in sorted(live, key=lambda one: (one.start_ms, one.end_ms)):
        start, end = max(one.start_ms, window.start_ms), min(one.end_ms, window.end_ms)
        if end <= start:
            continue
        if merged and start <= merged[-1].end_ms:
            start, end = merged[-1].start_ms, max(end, merged[-1].end_ms)
            merged.pop()
        merged.append(LiveInterval(start, end))
    return merged


class Playback:
    """The playback of one scene inside the window, each viewer's overlapping sessions joined.

    Invariant: all times are milliseconds since the window's start, moved by `_span` for each next viewer, so
    that the viewers lie one after another on a single line and one sort serves them all.
    """

    def __init__(self, sessions: Sequence[WatchSession], scene: Scene, window: Window, gap_ms: int) -> None:
        self._window = window
        self._gap_ms = gap_ms
        length = window.end_ms - window.start_ms
        # The gap between two viewers must exceed the session gap, or their sessions would join.
        self._span = length + gap_ms + 1
        chosen = [one for one in sessions if one.scene == scene]
        starts = np.array([one.start_ms for one in chosen], dtype=np.int64) - window.start_ms
        ends = np.array([one.end_ms for one in chosen], dtype=np.int64) - window.start_ms
        starts, ends = np.maximum(starts, 0), np.minimum(ends, length)
        kept = np.flatnonzero(ends > starts)
        viewers = [chosen[at].viewer for at in kept.tolist()]
        self._names = sorted(set(viewers))
        row_of = {viewer: row for row, viewer in enumerate(self._names)}
        moved = np.array([row_of[viewer] for viewer in viewers], dtype=np.int64) * self._span
        starts, ends = starts[kept] + moved, ends[kept] + moved
        self._starts, self._ends = _union(starts, ends)

    def watching(self, view_ms: int, long_view_ms: int) -> Watching:
        """Views of at least `view_ms` and `long_view_ms`.

        A view is a run of playback by one viewer whose pauses are shorter than the session gap; its length is the
        time that really played.
        """
        if not len(self._starts):
            return Watching(0, {}, {}, 0)
        pauses = self._starts[1:] - self._ends[:-1]
        first = np.concatenate(([0], np.flatnonzero(pauses >= self._gap_ms) + 1))
        played = np.add.reduceat(self._ends - self._starts, first)
        viewer = self._starts[first] // self._span
        views = self._by_viewer(viewer[played >= view_ms])
        return Watching(
            viewers=len(views),
            views=views,
            long_views=self._by_viewer(viewer[played >= long_view_ms]),
            watch_ms=int(played.sum()),
        )

    def concurrency(self, live: Sequence[LiveInterval]) -> Concurrency:
        """Exact concurrency inside `live` (as `merge_live` gives it)."""
        moved = self._starts - self._starts % self._span if len(self._starts) else self._starts
        starts = self._starts - moved + self._window.start_ms
        ends = self._ends - moved + self._window.start_ms
        live_ms = sum(one.end_ms - one.start_ms for one in live)
        pieces: list[tuple[Ints, Ints]] = []
        for one in live:
            low, high = np.maximum(starts, one.start_ms), np.minimum(ends, one.end_ms)
            kept = high > low
            pieces.append((low[kept], high[kept]))
        empty = np.zeros(0, dtype=np.int64)
        lows = np.concatenate([low for low, _ in pieces]) if pieces else empty
        highs = np.concatenate([high for _, high in pieces]) if pieces else empty
        minutes = _minutes(live)
        watch_ms = int((highs - lows).sum())
        peaks, averages, peak, peak_ms = _sweep(lows, highs, minutes)
        return Concurrency(
            peak=peak,
            peak_ms=peak_ms,
            average=watch_ms / live_ms if live_ms else None,
            watch_ms=watch_ms,
            live_ms=live_ms,
            minute_ms=minutes,
            minute_peak=peaks,
            minute_average=averages,
        )

    def _by_viewer(self, viewer: Ints) -> dict[str, int]:
        who, times = np.unique(viewer, return_counts=True)
        return {self._names[at]: count for at, count in zip(who.tolist(), times.tolist(), strict=True)}


def _union(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """The union of half-open intervals as ascending disjoint intervals; touching ones are joined."""
    if not len(starts):
        return starts, ends
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(ends[order])
    new = np.flatnonzero(starts[1:] > reach[:-1]) + 1
    return starts[np.concatenate(([0], new))], reach[np.concatenate((new - 1, [len(reach) - 1]))]


def _minutes(live: Sequence[LiveInterval]) -> list[int]:
    minutes: set[int] = set()
    for one in live:
        minutes.update(range(one.start_ms - one.start_ms % MINUTE_MS, one.end_ms, MINUTE_MS))
    return sorted(minutes)


def _sweep(lows: Ints, highs: Ints, minutes: Sequence[int]) -> tuple[list[int], list[float], int, int | None]:
    """Peak and average of each minute, and the greatest concurrency with the time it was first reached."""
    if not minutes:
        return [], [], 0, None
    # The marks open every minute and close each run of minutes, so that a pause ends its last minute.
    marks = np.unique(np.concatenate((np.array(minutes, dtype=np.int64), np.array(minutes) + MINUTE_MS)))
    times = np.concatenate((lows, highs, marks))
    steps = np.concatenate(
        (np.ones(len(lows), np.int64), -np.ones(len(highs), np.int64), np.zeros(len(marks), np.int64))
    )
    # In one millisecond: first who leaves, then the mark, then who comes.
    order = np.lexsort((steps, times))
    times, steps = times[order], steps[order]
    level = np.cumsum(steps)
    is_mark = np.flatnonzero(steps == 0)
    lasts = np.diff(times, append=times[-1])
    peaks = np.maximum.reduceat(level, is_mark)
    areas = np.add.reduceat(level * lasts, is_mark)
    wanted = np.searchsorted(marks, np.array(minutes, dtype=np.int64))
    peak = int(level.max())
    return (
        peaks[wanted].tolist(),
        (areas[wanted] / MINUTE_MS).tolist(),
        peak,
        int(times[int(np.argmax(level))]) if peak else None,
    )
