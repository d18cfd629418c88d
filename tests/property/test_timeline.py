"""The last lines of a room against a plain list, and ids that always ascend."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chat.timeline import LineIds, Timeline
from streamserver.ids import new_id
from streamserver.wire import Line

IDS = st.integers(0, 30).map(str)
STEPS = st.lists(st.tuples(st.sampled_from(["add", "remove"]), IDS), max_size=60)


def line(id: str) -> Line:
    return Line(id=id, viewer="v", name="n", role="viewer", text="t", at_ms=0)


@given(STEPS, st.integers(1, 12))
def test_a_timeline_is_the_newest_lines_in_order(steps: list[tuple[str, str]], kept: int) -> None:
    timeline = Timeline(kept=kept)
    model: list[str] = []
    for step, id in steps:
        if step == "add":
            assert timeline.add(line(id)) == (id not in model)
            if id not in model:
                model = [*model, id][-kept:]
        else:
            removed = timeline.remove(id)
            assert (removed.id if removed else None) == (id if id in model else None)
            model = [other for other in model if other != id]
        assert [found.id for found in timeline.lines()] == model
        assert all((timeline.find(other) is not None) == (other in model) for other in map(str, range(31)))


@given(st.lists(st.tuples(st.integers(0, 50), st.binary(min_size=10, max_size=10)), min_size=2, max_size=30))
def test_line_ids_ascend_whatever_the_clock_does(made: list[tuple[int, bytes]]) -> None:
    ids = LineIds()
    given_out = [ids.next(new_id(now_ms, rand)) for now_ms, rand in made]
    assert given_out == sorted(set(given_out))
    assert {len(id) for id in given_out} == {26}


def test_the_id_after_the_last_digit_carries_over() -> None:
    ids = LineIds("0" * 25 + "z")
    assert ids.next("0" * 26) == "0" * 24 + "10"
