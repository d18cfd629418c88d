"""The fan-out with real keys and real sockets: order, turns of the loop, and what is dropped when it cannot keep up."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from streamserver.media.dtls import PROFILES, SrtpKeys
from streamserver.media.fanout import MAX_JOBS, SLICE_TRAINS, Fanout, Group, Member, Packet
from streamserver.media.srtp import Context
from streamserver.media.udp import UdpPort, bind

VIEWERS = SLICE_TRAINS * 2 + 8


class Loop:
    """`call_soon`, to be turned by hand."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def turn(self) -> None:
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()


@pytest.fixture
def port() -> Iterator[UdpPort]:
    (bound,) = bind(["127.0.0.1"], 0, 0)
    yield bound
    bound.close()


def contexts() -> tuple[Context, Context]:
    """A sender and the receiver that opens what it sealed."""
    profile = PROFILES[0]
    size = profile.key_length + profile.salt_length
    one, other = os.urandom(size), os.urandom(size)
    return (
        Context(SrtpKeys(profile.libsrtp_profile, 16, one, other)),
        Context(SrtpKeys(profile.libsrtp_profile, 16, other, one)),
    )


def packets(first: int, count: int) -> list[Packet]:
    return [Packet(first + i, 9000, i == count - 1, bytes((first + i,)) * (100 + i)) for i in range(count)]


def group_of(port: UdpPort, members: tuple[Member, ...]) -> Group:
    return Group(port, 96, 77, 16, members)


def receive_all(sock: socket.socket) -> list[bytes]:
    sock.setblocking(False)
    got: list[bytes] = []
    while True:
        try:
            got.append(sock.recv(4096))
        except BlockingIOError:
            return got


@pytest.mark.parametrize("segments", [True, False])
def test_a_viewer_gets_a_batch_in_order_with_or_without_segmentation(port: UdpPort, segments: bool) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.bind(("127.0.0.1", 0))
        sender, opener = contexts()
        loop = Loop()
        fanout = Fanout(loop.call_soon, segments=segments)
        fanout.send(packets(5, 7), [group_of(port, ((sender.raw_send, receiver.getsockname(), sender),))])
        opened = [opener.unprotect(datagram) for datagram in receive_all(receiver)]
    assert None not in opened
    plain = [packet for packet in opened if packet is not None]
    assert [packet[2] << 8 | packet[3] for packet in plain] == list(range(5, 12))
    trains = 1 if segments and port.segments else 7
    assert (fanout.counters.packets, fanout.counters.trains) == (7, trains)


def test_many_viewers_are_served_over_several_turns(port: UdpPort) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receiver.bind(("127.0.0.1", 0))
        senders = [contexts()[0] for _ in range(VIEWERS)]
        group = group_of(port, tuple((s.raw_send, receiver.getsockname(), s) for s in senders))
        loop = Loop()
        fanout = Fanout(loop.call_soon)
        fanout.send(packets(0, 2), [group])
        assert fanout.counters.trains == SLICE_TRAINS
        fanout.send(packets(2, 1), [group])  # comes behind, not between
        turns = 0
        while loop.waiting:
            loop.turn()
            turns += 1
        got = Counter(datagram[3] for datagram in receive_all(receiver))
    assert turns == (2 * VIEWERS - 1) // SLICE_TRAINS
    assert got == {0: VIEWERS, 1: VIEWERS, 2: VIEWERS}
    assert fanout.waiting == 0


def test_what_cannot_be_sent_in_time_is_dropped_and_counted(port: UdpPort) -> None:
    senders = [contexts()[0] for _ in range(SLICE_TRAINS + 1)]
    group = group_of(port, tuple((s.raw_send, ("127.0.0.1", port.port), s) for s in senders))
    loop = Loop()  # never turned: a loop that is stuck
    fanout = Fanout(loop.call_soon)
    for number in range(MAX_JOBS + 3):
        fanout.send(packets(number % 200, 1), [group])
    assert fanout.waiting == MAX_JOBS
    assert fanout.counters.late == 3 * len(senders)


def test_a_number_that_was_sent_is_never_encrypted_again(port: UdpPort) -> None:
    sender, _ = contexts()
    fanout = Fanout(Loop().call_soon)
    group = group_of(port, ((sender.raw_send, ("127.0.0.1", port.port), sender),))
    fanout.send(packets(1, 1), [group])
    fanout.send([Packet(1, 9000, True, b"other bytes")], [group])
    assert (fanout.counters.packets, fanout.counters.refused) == (1, 1)


def test_a_datagram_too_long_is_no_packet() -> None:
    sender, opener = contexts()
    assert opener.unprotect(bytes(4000)) is None
    assert sender.protect(bytes(4000)) is None
