"""Neighbours of the tick lane become one frame, and nothing else does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from signaling.fold import MAX_TICK_BYTES, frames, shed
from streamserver.bus import Entry, Lane
from streamserver.positions import Position
from streamserver.wire import UNSET, AnyRoomEvent, Bought, Line, PinnedLineFrame, TickFrame, encode


def line(id: str, size: int = 1) -> Line:
    return Line(id=id, viewer="v", name="n", role="viewer", text="x" * size, at_ms=0)


def entries(*events: AnyRoomEvent) -> list[Entry]:
    return [
        Entry(Position("e", offset), event, Lane.TICK, len(encode(event)), 0.0)
        for offset, event in enumerate(events, 1)
    ]


def test_ticks_between_other_events_are_one_frame_each() -> None:
    told = frames(
        entries(
            TickFrame(chat=[line("a")]),
            TickFrame(likes=3),
            PinnedLineFrame(line=None),
            TickFrame(likes=4),
            TickFrame(viewers=2, chat=[line("b")]),
        )
    )
    assert told == [
        TickFrame(pos=Position("e", 2), chat=[line("a")], likes=3),
        PinnedLineFrame(pos=Position("e", 3), line=None),
        TickFrame(pos=Position("e", 5), chat=[line("b")], likes=4, viewers=2),
    ]


def test_a_line_that_one_of_the_events_deletes_is_not_told() -> None:
    told = frames(
        entries(
            TickFrame(chat=[line("a"), line("b")]),
            PinnedLineFrame(line=None),
            TickFrame(deleted=["a"]),
        )
    )
    assert told == [
        TickFrame(pos=Position("e", 1), chat=[line("b")]),
        PinnedLineFrame(pos=Position("e", 2), line=None),
        TickFrame(pos=Position("e", 3), deleted=["a"]),
    ]


def test_nothing_is_nothing() -> None:
    assert frames([]) == []


@given(st.lists(st.integers(1, 20_000), max_size=20))
def test_a_frame_stays_small_and_all_of_it_is_told(sizes: list[int]) -> None:
    lines = [line(f"l{number}", size) for number, size in enumerate(sizes)]
    told = frames(entries(*(TickFrame(chat=[one]) for one in lines)))
    assert [one for frame in told if isinstance(frame, TickFrame) for one in frame.chat or ()] == lines
    assert all(frame.pos is not UNSET for frame in told)
    assert all(len(encode(frame)) <= MAX_TICK_BYTES + 100 for frame in told)


def test_shedding_drops_lines_and_keeps_everything_else() -> None:
    bought = Bought(name="n", title="t", quantity=1, at_ms=0)
    kept, dropped = shed(
        entries(
            TickFrame(chat=[line("a"), line("b")], deleted=["z"]),
            TickFrame(likes=3, bought=[bought]),
            PinnedLineFrame(line=None),
            TickFrame(chat=[line("c")]),
            TickFrame(viewers=4, deleted=["y"]),
            TickFrame(deleted=["x"], likes=5),
        )
    )
    assert dropped == 3
    assert [(entry.position.offset, entry.event) for entry in kept] == [
        (2, TickFrame(deleted=["z"], likes=3)),
        (3, PinnedLineFrame(line=None)),
        (6, TickFrame(deleted=["y", "x"], likes=5, viewers=4)),
    ]
    assert all(entry.size == len(encode(entry.event)) for entry in kept)
