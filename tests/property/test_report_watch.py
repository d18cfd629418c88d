"""Concurrency and views against a brute force that looks at every millisecond."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from commerce_overlay.report_rows import LiveInterval, WatchSession, Window
from commerce_overlay.report_watch import MINUTE_MS, Playback, merge_live

# A window of 100 ms around a minute's boundary, so that whole minutes need not be walked through.
START = 10 * MINUTE_MS - 60
WINDOW = Window(START, START + 100)
GAP = 7

edges = st.integers(START - 20, START + 120)


@st.composite
def stretch(draw: st.DrawFn) -> tuple[int, int]:
    one, other = draw(edges), draw(edges)
    return min(one, other), max(one, other)


session_rows = st.lists(
    st.builds(
        lambda viewer, at, scene: WatchSession(viewer, at[0], at[1], scene),
        st.sampled_from("abcd"),
        stretch(),
        st.sampled_from(["live", "replay"]),
    ),
    max_size=12,
)
live_rows = st.lists(st.builds(lambda at: LiveInterval(*at), stretch()), max_size=4)


def playing(sessions: list[WatchSession], scene: str) -> dict[str, list[int]]:
    """The milliseconds of the window in which each viewer's playback ran."""
    found: dict[str, list[int]] = {}
    for viewer in "abcd":
        at = [
            ms
            for ms in range(WINDOW.start_ms, WINDOW.end_ms)
            if any(one.viewer == viewer and one.scene == scene and one.start_ms <= ms < one.end_ms for one in sessions)
        ]
        if at:
            found[viewer] = at
    return found


@given(session_rows, live_rows)
def test_concurrency_equals_counting_every_millisecond(sessions: list[WatchSession], live: list[LiveInterval]) -> None:
    merged = merge_live(live, WINDOW)
    found = Playback(sessions, "live", WINDOW, GAP).concurrency(merged)

    on_air = [
        ms for ms in range(WINDOW.start_ms, WINDOW.end_ms) if any(one.start_ms <= ms < one.end_ms for one in live)
    ]
    at_once = dict.fromkeys(on_air, 0)
    for played in playing(sessions, "live").values():
        for ms in played:
            if ms in at_once:
                at_once[ms] += 1
    assert found.live_ms == len(on_air)
    assert found.peak == max(at_once.values(), default=0)
    assert found.watch_ms == sum(at_once.values())
    assert found.peak_ms == next((ms for ms in on_air if at_once[ms] == found.peak > 0), None)
    assert found.average == (sum(at_once.values()) / len(on_air) if on_air else None)
    minutes: defaultdict[int, list[int]] = defaultdict(list)
    for ms, number in at_once.items():
        minutes[ms - ms % MINUTE_MS].append(number)
    assert list(found.minute_ms) == sorted(minutes)
    assert list(found.minute_peak) == [max(minutes[minute]) for minute in sorted(minutes)]
    assert list(found.minute_average) == [sum(minutes[minute]) / MINUTE_MS for minute in sorted(minutes)]


@given(session_rows, st.sampled_from(["live", "replay"]), st.integers(1, 20), st.integers(0, 20))
def test_views_equal_walking_through_every_millisecond(
    sessions: list[WatchSession], scene: str, view_ms: int, more: int
) -> None:
    found = Playback(sessions, scene, WINDOW, GAP).watching(view_ms, view_ms + more)  # type: ignore[arg-type]
    views: dict[str, int] = {}
    long_views: dict[str, int] = {}
    for viewer, at in playing(sessions, scene).items():
        runs: list[int] = []
        for before, ms in zip([None, *at], at, strict=False):
            # A pause of GAP has GAP milliseconds in which nothing ran.
            if before is None or ms - before - 1 >= GAP:
                runs.append(0)
            runs[-1] += 1
        for counts, least in ((views, view_ms), (long_views, view_ms + more)):
            enough = sum(run >= least for run in runs)
            if enough:
                counts[viewer] = enough
    assert dict(found.views) == views
    assert dict(found.long_views) == long_views
    assert found.viewers == len(views)
    assert found.watch_ms == sum(len(at) for at in playing(sessions, scene).values())
