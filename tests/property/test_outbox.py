"""A member that reads at any pace, against the promises of the outbox."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from signaling.outbox import HARD_BYTES, SOFT_BYTES, STALL_S, Outbox
from streamserver import wire
from streamserver.positions import Position
from streamserver.wire import CardsFrame, Line, PinnedLineFrame, ServerFrame, TickFrame

KINDS = st.sampled_from(["chat", "deleted", "likes", "viewers", "cards", "pinned", "bought"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("frame"), KINDS, st.integers(1, 40_000)),
        st.tuples(st.just("reads"), st.just(""), st.integers(0, 120_000)),
        st.tuples(st.just("look"), st.just(""), st.integers(0, 20)),
    ),
    max_size=60,
)


def frame(kind: str, offset: int, size: int) -> wire.AnyRoomEvent:
    pos = Position("e", offset)
    if kind == "chat":
        line = Line(id=str(offset), viewer="v", name="n", role="viewer", text="x" * size, at_ms=0)
        return TickFrame(pos=pos, chat=[line])
    if kind == "deleted":
        return TickFrame(pos=pos, deleted=[f"d{offset}"])
    if kind == "likes":
        return TickFrame(pos=pos, likes=offset)
    if kind == "viewers":
        return TickFrame(pos=pos, viewers=offset)
    if kind == "bought":
        return TickFrame(pos=pos, bought=[wire.Bought(name="n", title="t", quantity=1, at_ms=0)])
    if kind == "cards":
        return CardsFrame(pos=pos, ver=offset, pinned=None, cards=[], sync="now")
    return PinnedLineFrame(pos=pos, line=None)


class Reader:
    """The member's connection: `unsent` is what the transport would still hold."""

    def __init__(self, allowance: int) -> None:
        self.outbox = Outbox(0.0)
        self.outbox.allowance = allowance
        self.allowance = allowance
        self.unsent = allowance
        self.handed = 0
        self.got: list[ServerFrame] = []
        self.now = 0.0

    def write(self, frames: list[ServerFrame]) -> None:
        self.got += frames
        self.unsent += sum(len(wire.encode(frame)) for frame in frames)

    def read(self, size: int) -> None:
        taken = min(size, self.unsent)
        self.unsent -= taken
        self.handed += taken


@given(STEPS, st.sampled_from([0, 0, 300_000]))
def test_what_a_slow_reader_gets(steps: list[tuple[str, str, int]], allowance: int) -> None:
    reader = Reader(allowance)
    offered: list[wire.AnyRoomEvent] = []
    for step, kind, size in steps:
        if step == "frame":
            offered.append(frame(kind, len(offered) + 1, size))
            before = reader.unsent
            said = reader.outbox.offer([offered[-1]], reader.unsent)
            if isinstance(offered[-1], TickFrame) and before > SOFT_BYTES + reader.outbox.allowance:
                assert said == []
            reader.write(said)
        elif step == "reads":
            reader.read(size)
        else:
            reader.now += size
            reader.write(reader.outbox.drained(reader.unsent))
        if reader.outbox.overdue(reader.unsent, reader.handed, reader.now):
            return  # closed as slow: it comes back with its position
        # Never more than the hard bound, what it was given on resuming included.
        assert reader.unsent <= HARD_BYTES + reader.outbox.allowance
    reader.read(reader.unsent)
    reader.write(reader.outbox.drained(0))
    assert reader.outbox.idle()
    assert reader.outbox.overdue(0, reader.handed, reader.now) is None
    assert reader.outbox.allowance == 0

    positions = [got.pos.offset for got in reader.got]  # type: ignore[attr-defined]
    assert positions == sorted(set(positions))
    # Everything but ticks arrives, in order.
    assert [got for got in reader.got if not isinstance(got, TickFrame)] == [
        one for one in offered if not isinstance(one, TickFrame)
    ]
    ticks = [got for got in reader.got if isinstance(got, TickFrame)]
    wanted = [one for one in offered if isinstance(one, TickFrame)]
    # Every deletion arrives; of the totals the latest; of the lines some, in order, and the rest is counted.
    assert [id for got in ticks for id in got.deleted or ()] == [id for one in wanted for id in one.deleted or ()]
    for name in ("likes", "viewers"):
        told = [getattr(got, name) for got in ticks if getattr(got, name) is not wire.UNSET]
        said = [getattr(one, name) for one in wanted if getattr(one, name) is not wire.UNSET]
        assert told[-1:] == said[-1:]
        assert told == sorted(told)
    lines = [line.id for got in ticks for line in got.chat or ()]
    all_lines = [line.id for one in wanted for line in one.chat or ()]
    assert [id for id in all_lines if id in lines] == lines
    assert len(lines) + reader.outbox.dropped == len(all_lines)


@given(st.integers(1, HARD_BYTES), st.lists(st.tuples(st.floats(0.1, 5), st.booleans()), max_size=20))
def test_a_reader_is_closed_when_nothing_moves_for_ten_seconds(unsent: int, looks: list[tuple[float, bool]]) -> None:
    outbox = Outbox(0.0)
    outbox.overdue(unsent, 1, 0.0)
    now, handed, moved = 0.0, 1, 0.0
    for wait, moves in looks:
        now += wait
        if moves:
            handed += 1
            moved = now
        told = outbox.overdue(unsent, handed, now)
        assert (told is not None) == (now - moved >= STALL_S)
        if told:
            return


def test_numbers_are_conflated_to_the_latest() -> None:
    def numbers(viewers: int) -> wire.NumbersFrame:
        return wire.NumbersFrame(
            viewers=viewers, peak=0, likes=0, clicks=0, orders_placed=0, orders_paid=0,
            gmv_paid=wire.Money(0, "USD"), gmv_minutes=[], products=[],
        )  # fmt: skip

    outbox = Outbox(0.0)
    assert outbox.offer_numbers(numbers(1), 0) == [numbers(1)]
    assert outbox.offer_numbers(numbers(2), SOFT_BYTES + 1) == []
    assert outbox.offer_numbers(numbers(3), SOFT_BYTES + 1) == []
    assert not outbox.idle()
    assert outbox.drained(SOFT_BYTES + 1) == []
    assert outbox.drained(SOFT_BYTES) == [numbers(3)]
    assert outbox.idle()
