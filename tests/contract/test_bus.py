"""The contract of `Bus`: the guarantees in its docstring, on every implementation in `FACTORIES`."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable

import pytest

from streamserver.bus import Bus, Entry, History, Lane, LocalBus
from streamserver.clock import ManualClock
from streamserver.ids import RoomId, ViewerId
from streamserver.positions import Position
from streamserver.wire import Line, PongFrame, ServerFrame, TickFrame

A, B = RoomId("a"), RoomId("b")
Factory = Callable[[ManualClock, History], Bus]


def local(clock: ManualClock, history: History) -> Bus:
    epochs = itertools.count(1)
    return LocalBus(new_epoch=lambda: f"e{next(epochs)}", monotonic=clock.monotonic, history=history)


FACTORIES: list[Factory] = [local]


class Heard:
    """A sink that writes everything down."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.private: list[tuple[ViewerId, ServerFrame]] = []
        self.staff: list[ServerFrame] = []

    def on_event(self, entry: Entry) -> None:
        self.entries.append(entry)

    def on_private(self, viewer_id: ViewerId, frame: ServerFrame) -> None:
        self.private.append((viewer_id, frame))

    def on_staff(self, frame: ServerFrame) -> None:
        self.staff.append(frame)

    def offsets(self) -> list[int]:
        return [entry.position.offset for entry in self.entries]


class Broken(Heard):
    def on_event(self, entry: Entry) -> None:
        raise RuntimeError("a sink with a defect")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=FACTORIES, ids=lambda factory: factory.__name__)
def factory(request: pytest.FixtureRequest) -> Factory:
    return request.param


@pytest.fixture
async def bus(factory: Factory, clock: ManualClock) -> AsyncIterator[Bus]:
    made = factory(clock, History(events=10, bytes=10_000, seconds=60))
    await made.start()
    yield made
    await made.close()


def likes(number: int) -> TickFrame:
    return TickFrame(likes=number)


def line(text: str) -> TickFrame:
    return TickFrame(chat=[Line(id=text[:8], viewer="v", name="n", role="viewer", text=text, at_ms=0)])


async def test_positions_count_up_from_one_without_a_hole(bus: Bus) -> None:
    start = bus.position(A)
    positions = [await bus.publish(A, likes(number)) for number in range(5)]
    assert [position.offset for position in positions] == [start.offset + 1 + number for number in range(5)]
    assert {position.epoch for position in positions} == {start.epoch}
    assert bus.position(A) == positions[-1]


async def test_every_sink_hears_everything_in_order_from_its_subscription_on(bus: Bus) -> None:
    first, second = Heard(), Heard()
    bus.subscribe(A, first)
    await bus.publish(A, likes(1))
    bus.subscribe(A, second)
    for number in range(2, 6):
        await bus.publish(A, likes(number), lane=Lane.NOW if number % 2 else Lane.TICK)
    assert first.offsets() == [1, 2, 3, 4, 5]
    assert second.offsets() == [2, 3, 4, 5]
    assert [entry.lane for entry in second.entries] == [Lane.TICK, Lane.NOW, Lane.TICK, Lane.NOW]
    assert [entry.event for entry in first.entries] == [likes(number) for number in range(1, 6)]


async def test_rooms_are_apart(bus: Bus) -> None:
    heard = Heard()
    bus.subscribe(A, heard)
    await bus.publish(B, likes(1))
    await bus.publish(A, likes(2))
    await bus.publish(B, likes(3))
    assert [entry.event for entry in heard.entries] == [likes(2)]
    assert (bus.position(A).offset, bus.position(B).offset) == (1, 2)


async def test_a_closed_subscription_hears_nothing(bus: Bus) -> None:
    heard, other = Heard(), Heard()
    subscription = bus.subscribe(A, heard)
    bus.subscribe(A, other)
    subscription.close()
    subscription.close()
    await bus.publish(A, likes(1))
    assert (heard.offsets(), other.offsets()) == ([], [1])


async def test_a_sink_with_a_defect_takes_nothing_from_the_others(bus: Bus) -> None:
    heard = Heard()
    bus.subscribe(A, Broken())
    bus.subscribe(A, heard)
    assert (await bus.publish(A, likes(1))).offset == 1
    assert heard.offsets() == [1]


async def test_since_answers_everything_after_a_position(bus: Bus) -> None:
    start = bus.position(A)
    assert await bus.since(A, start) == []
    positions = [await bus.publish(A, likes(number)) for number in range(6)]
    for index, position in enumerate(positions):
        missed = await bus.since(A, position)
        assert missed is not None
        assert [entry.position for entry in missed] == positions[index + 1 :]
        assert [entry.event for entry in missed] == [likes(number) for number in range(index + 1, 6)]


async def test_since_never_answers_a_part(bus: Bus) -> None:
    positions = [await bus.publish(A, likes(number)) for number in range(15)]
    # Ten are kept: 6 to 15. What lies before them cannot be told.
    assert await bus.since(A, positions[3]) is None
    missed = await bus.since(A, positions[4])
    assert missed is not None
    assert [entry.position.offset for entry in missed] == list(range(6, 16))


async def test_since_knows_neither_another_epoch_nor_the_future(bus: Bus) -> None:
    newest = await bus.publish(A, likes(1))
    assert await bus.since(A, Position("another", 0)) is None
    assert await bus.since(A, newest.next()) is None
    assert await bus.since(A, Position(newest.epoch, -1)) is None


async def test_history_is_bounded_by_bytes(bus: Bus) -> None:
    positions = [await bus.publish(A, line(f"{number}" * 3_000)) for number in range(1, 6)]
    kept = [position.offset for position in positions if await bus.since(A, position) is not None]
    assert kept == [2, 3, 4, 5]
    newest = await bus.publish(A, line("x" * 20_000))
    assert await bus.since(A, positions[-1]) is None
    assert await bus.since(A, newest) == []


async def test_history_is_bounded_by_age(bus: Bus, clock: ManualClock) -> None:
    old = await bus.publish(A, likes(1))
    clock.advance(59)
    young = await bus.publish(A, likes(2))
    clock.advance(2)
    assert await bus.since(A, Position(old.epoch, 0)) is None
    missed = await bus.since(A, old)
    assert missed is not None
    assert [entry.position for entry in missed] == [young]


async def test_private_and_staff_frames_have_no_position_and_no_history(bus: Bus) -> None:
    here, elsewhere = Heard(), Heard()
    bus.subscribe(A, here)
    bus.subscribe(B, elsewhere)
    viewer = ViewerId("v1")
    frames = [PongFrame(id=str(number), now_ms=number) for number in range(3)]
    for frame in frames:
        bus.send_private(A, viewer, frame)
        bus.send_staff(A, frame)
    assert here.private == [(viewer, frame) for frame in frames]
    assert here.staff == frames
    assert (elsewhere.private, elsewhere.staff, here.entries) == ([], [], [])
    assert bus.position(A).offset == 0


async def test_a_forgotten_room_begins_a_new_epoch(
    factory: Factory, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamserver.bus import local as module

    monkeypatch.setattr(module, "MANY_ROOMS", 4)
    bus = factory(clock, History(events=10, bytes=10_000, seconds=60))
    await bus.start()
    watched = bus.subscribe(B, Heard())
    seen = await bus.publish(A, likes(1))
    kept = await bus.publish(B, likes(1))
    clock.advance(61)
    for number in range(10):
        bus.position(RoomId(f"other{number}"))
    assert await bus.since(A, seen) is None
    assert bus.position(A).epoch != seen.epoch
    assert bus.position(B) == kept
    watched.close()
    await bus.close()
