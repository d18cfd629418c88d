"""One member's socket on a clock that stands still: heartbeats, slow readers, one goodbye."""

from __future__ import annotations

import pytest

from signaling import framing
from signaling.connection import GOODBYE_S, PING_S, PONG_S, Connection
from signaling.outbox import HARD_BYTES, SOFT_BYTES, STALL_S
from streamserver import wire
from streamserver.clock import ManualClock
from streamserver.ids import RoomId
from streamserver.positions import Position
from streamserver.wire import Line, PinnedLineFrame, PongFrame, TickFrame

PING = framing.ping(b"alive")


class Transport:
    """Holds what is written until `taken`."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.unsent = 0
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self.unsent += len(data)

    def take(self, size: int | None = None) -> None:
        self.unsent -= self.unsent if size is None else min(size, self.unsent)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def member(clock: ManualClock, transport: Transport) -> Connection:
    return Connection(RoomId("r"), transport, clock.monotonic)


def later(member: Connection, transport: Transport, clock: ManualClock, seconds: float) -> None:
    """Time passes; the peer reads everything."""
    clock.advance(seconds)
    transport.take()
    member.beat(clock.monotonic())


def test_a_peer_that_answers_is_pinged_every_25_seconds(
    member: Connection, transport: Transport, clock: ManualClock
) -> None:
    for _ in range(3):
        later(member, transport, clock, PING_S - 1)
        assert PING not in transport.written
        later(member, transport, clock, 1)
        assert transport.written == [PING]
        member.ponged()
        transport.written.clear()
    assert member.open


def test_a_peer_that_does_not_answer_is_closed_and_then_cut(
    member: Connection, transport: Transport, clock: ManualClock
) -> None:
    told: list[Connection] = []
    member.on_close = told.append
    later(member, transport, clock, PING_S)
    later(member, transport, clock, PONG_S - 0.1)
    assert member.open
    later(member, transport, clock, 0.1)
    assert (member.open, member.close_code, told) == (False, 4002, [member])
    assert transport.written == [PING, framing.close(4002, "no pong")]
    later(member, transport, clock, GOODBYE_S - 0.1)
    assert not transport.aborted
    later(member, transport, clock, 0.1)
    assert transport.aborted


def test_a_member_whose_frame_is_being_handled_is_not_blamed_for_an_unread_pong(
    member: Connection, transport: Transport, clock: ManualClock
) -> None:
    member.busy = True
    later(member, transport, clock, PING_S)
    later(member, transport, clock, PONG_S + 1)
    assert member.open
    member.busy = False
    member.ponged()
    later(member, transport, clock, 1)
    assert member.open


def test_goodbye_is_said_once_and_nothing_after_it(member: Connection, transport: Transport) -> None:
    told: list[Connection] = []
    member.on_close = told.append
    member.close(4403, "banned")
    member.close(4000, "slow")
    member.lost(1006)
    member.send(PongFrame(id="1", now_ms=0))
    member.offer([TickFrame(pos=Position("e", 1), likes=1)])
    member.pinged(b"x")
    assert transport.written == [framing.close(4403, "banned")]
    assert (member.close_code, told, member.quick) == (4403, [member], False)


def test_a_private_frame_to_a_reader_that_stopped_closes_it(member: Connection, transport: Transport) -> None:
    frame = PongFrame(id="x" * 64, now_ms=0)
    while member.open:
        member.send(frame)
    assert member.close_code == wire.CLOSE_SLOW
    assert HARD_BYTES < transport.unsent < HARD_BYTES + 300


def test_chat_is_dropped_and_the_state_follows_when_it_reads_again(
    member: Connection, transport: Transport, clock: ManualClock
) -> None:
    slow: list[Connection] = []
    member.on_slow = slow.append
    line = Line(id="l", viewer="v", name="n", role="viewer", text="t", at_ms=0)
    transport.write(b"x" * (SOFT_BYTES + 1))
    transport.written.clear()
    member.offer([TickFrame(pos=Position("e", 1), chat=[line], likes=5)])
    member.offer([TickFrame(pos=Position("e", 2), viewers=3)])
    assert (transport.written, member.quick, slow) == ([], False, [member, member])
    assert member.catch_up(clock.monotonic())
    transport.take()
    assert member.catch_up(clock.monotonic()) is False
    held = TickFrame(pos=Position("e", 2), likes=5, viewers=3)
    assert transport.written == [framing.text(wire.encode(held))]
    assert member.quick
    assert member.outbox.dropped == 1


def test_a_reader_that_takes_nothing_for_ten_seconds_is_closed(
    member: Connection, transport: Transport, clock: ManualClock
) -> None:
    member.offer([PinnedLineFrame(pos=Position("e", 1), line=None)])
    member.beat(clock.monotonic())
    clock.advance(STALL_S - 0.1)
    member.beat(clock.monotonic())
    assert member.open
    clock.advance(0.1)
    member.beat(clock.monotonic())
    assert member.close_code == wire.CLOSE_SLOW


def test_what_was_missed_comes_on_top_of_the_bounds(
    member: Connection, transport: Transport, clock: ManualClock
) -> None:
    member.begin(b"welcome", b"m" * (2 * HARD_BYTES))
    member.offer([TickFrame(pos=Position("e", 1), likes=1)])
    assert member.open
    transport.take()
    member.catch_up(clock.monotonic())
    assert member.outbox.allowance == 0


def test_a_close_frame_is_not_added_to_a_buffer_that_is_far_too_full(member: Connection, transport: Transport) -> None:
    transport.unsent = 2 * HARD_BYTES + 1
    member.close(4000, "slow")
    assert transport.aborted
    assert transport.written == []
