"""Distinct viewers and watch sessions, as pure counting."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from signaling.attendance import Attendance
from signaling.watching import Watch, Watching
from streamserver.ids import ShowId, ViewerId

VIEWERS = st.sampled_from([ViewerId("a"), ViewerId("b"), ViewerId("c")])


@given(st.lists(st.tuples(st.booleans(), VIEWERS), max_size=40))
def test_viewers_are_distinct_and_the_peak_is_the_greatest(steps: list[tuple[bool, ViewerId]]) -> None:
    room, model, peak = Attendance(), Counter[ViewerId](), 0
    for enters, viewer in steps:
        if enters:
            assert room.entered(viewer) == (model[viewer] == 0)
            model[viewer] += 1
        else:
            assert room.left(viewer) == (model[viewer] == 1)
            model[viewer] = max(0, model[viewer] - 1)
        here = sum(1 for count in model.values() if count)
        peak = max(peak, here)
        assert (room.viewers, room.peak) == (here, peak)


def test_a_new_show_begins_with_those_who_are_here() -> None:
    room = Attendance()
    assert room.show_is(ShowId("s1"))
    for viewer in "abc":
        room.entered(ViewerId(viewer))
    room.left(ViewerId("a"))
    assert not room.show_is(ShowId("s1"))
    assert room.peak == 3
    assert room.show_is(ShowId("s2"))
    assert room.peak == 2


def watch(id: str, via: str = "webrtc", started_ms: int = 1_000) -> Watch:
    return Watch(id, "room", "show", "viewer", via, started_ms)  # type: ignore[arg-type]


def test_one_session_a_member_and_path() -> None:
    watching: Watching[str] = Watching()
    assert watching.plays("tab", watch("1"))
    assert not watching.plays("tab", watch("2"))
    assert watching.plays("tab", watch("3", "hls", 5_000))
    batch = watching.take(heartbeat=False)
    assert [(row.id, row.ended_ms) for row in batch.opened] == [("1", 5_000), ("3", None)]
    assert (batch.closed, batch.still) == ([], [])


def test_a_stop_without_a_start_is_nothing() -> None:
    watching: Watching[str] = Watching()
    assert not watching.stops("tab", 1)
    assert not watching.take(heartbeat=True)


def test_a_heartbeat_names_what_runs_on_and_a_stop_ends_it() -> None:
    watching: Watching[str] = Watching()
    watching.plays("a", watch("1"))
    watching.plays("b", watch("2"))
    assert watching.take(heartbeat=True).still == []
    assert watching.take(heartbeat=True).still == ["1", "2"]
    assert watching.stops("a", 9_000)
    batch = watching.take(heartbeat=True)
    assert [(row.id, row.ended_ms) for row in batch.closed] == [("1", 9_000)]
    assert batch.still == ["2"]
    assert len(watching) == 1


def test_a_clock_that_steps_back_ends_no_session_before_it_began() -> None:
    watching: Watching[str] = Watching()
    watching.plays("a", watch("1", started_ms=10_000))
    watching.stops("a", 3_000)
    assert watching.take(heartbeat=False).opened[0].ended_ms == 10_000


def test_a_batch_that_could_not_be_stored_is_in_the_next() -> None:
    watching: Watching[str] = Watching()
    watching.plays("a", watch("1"))
    watching.take(heartbeat=False)
    watching.plays("b", watch("2"))
    watching.stops("a", 2_000)
    lost = watching.take(heartbeat=False)
    watching.give_back(lost)
    watching.plays("c", watch("3"))
    batch = watching.take(heartbeat=False)
    assert [row.id for row in batch.opened] == ["2", "3"]
    assert [row.id for row in batch.closed] == ["1"]
