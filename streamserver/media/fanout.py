"""The hot loop: one batch of packets to every viewer of a slot, encrypted per viewer, sent as datagram trains.

Knows keys, addresses and bytes; no rooms and no decisions. Viewers that share a payload type and a key size share
one plaintext, so a viewer costs one copy, one encryption per packet and one system call per train.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamserver.media import srtp
from streamserver.media.routing import plan_trains
from streamserver.media.rtp import rtp_header
from streamserver.media.udp import MAX_SEGMENTS, MAX_TRAIN_BYTES, UDP_SEGMENT, Address, UdpPort

MAX_PADDING: Final = 200  # RTP padding counts itself in one byte
MAX_JOBS: Final = 256  # trains waiting for their turn; more means that this core cannot carry the room
SLICE_TRAINS: Final = 96  # trains sent before the event loop gets its turn


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet on a slot's own time line, without the parts that differ between viewers."""

    seq: int
    timestamp: int
    marker: bool
    payload: bytes


Member = tuple[Any, Address, Any]
"""libsrtp's session, where to send, and the object that keeps that session alive while a job is waiting."""


@dataclass(frozen=True, slots=True)
class Group:
    """Viewers for whom a packet has the same plaintext and the same length."""

    port: UdpPort
    payload_type: int
    ssrc: int
    tag: int
    members: tuple[Member, ...]


@dataclass(slots=True)
class Counters:
    """What left; `refused` by libsrtp, `full` by the socket, `late` because the loop could not keep up."""

    packets: int = 0
    bytes: int = 0
    trains: int = 0
    refused: int = 0
    full: int = 0
    late: int = 0


@dataclass(slots=True)
class _Job:
    group: Group
    plain: bytes
    spots: list[tuple[Any, int]]
    segment: int
    total: int
    done: int = 0


class Fanout:
    """Sends batches in order. What does not fit into one turn of the loop goes on in the next (`call_soon`)."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], object], *, segments: bool = True) -> None:
        self._buffer, self._view = srtp.make_buffer(MAX_TRAIN_BYTES + 4096)
        self._call_soon = call_soon
        self._jobs: deque[_Job] = deque()
        self._scheduled = False
        self._segments = segments
        self.counters = Counters()

    @property
    def waiting(self) -> int:
        return len(self._jobs)

    def send(self, packets: Sequence[Packet], groups: Sequence[Group]) -> None:
        """Send a batch to all groups, or drop it whole when too much is waiting."""
        if len(self._jobs) >= MAX_JOBS:
            self.counters.late += len(packets) * sum(len(group.members) for group in groups)
            return
        for group in groups:
            limit = MAX_SEGMENTS if self._segments and group.port.segments else 1
            sizes = [12 + len(packet.payload) + group.tag for packet in packets]
            for train in plan_trains(sizes, limit, MAX_TRAIN_BYTES, MAX_PADDING):
                self._jobs.append(self._load(group, packets[train.first : train.last], train.segment))
        if not self._scheduled:
            self._run()

    def clear(self) -> None:
        self._jobs.clear()

    def _load(self, group: Group, packets: Sequence[Packet], segment: int) -> _Job:
        plain = bytearray()
        spots: list[tuple[Any, int]] = []
        last = len(packets) - 1
        for index, packet in enumerate(packets):
            padding = 0 if index == last else segment - group.tag - 12 - len(packet.payload)
            spots.append((self._buffer + len(plain), 12 + len(packet.payload) + padding))
            plain += rtp_header(
                group.payload_type, packet.marker, packet.seq, packet.timestamp, group.ssrc, padding > 0
            )
            plain += packet.payload
            if padding:
                plain += bytes(padding - 1) + bytes((padding,))
            plain += bytes(group.tag)
        return _Job(group, bytes(plain), spots, segment, len(plain))

    def _run(self) -> None:
        self._scheduled = False
        budget = SLICE_TRAINS
        while self._jobs and budget > 0:
            job = self._jobs[0]
            members = job.group.members[job.done : job.done + budget]
            self._send_job(job, members)
            budget -= len(members)
            job.done += len(members)
            if job.done >= len(job.group.members):
                self._jobs.popleft()
        if self._jobs:
            self._scheduled = True
            self._call_soon(self._run)

    def _send_job(self, job: _Job, members: Sequence[Member]) -> None:
        buffer, plain, total, spots = self._buffer, job.plain, job.total, job.spots
        memmove, protect, length = srtp.memmove, srtp.protect_rtp, srtp.length_cell
        out = [self._view[:total]]
        control: list[tuple[int, int, bytes]] = []
        if len(spots) > 1:
            control.append((socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", job.segment)))
        send = job.group.port.socket.sendmsg
        refused = full = 0
        for raw, address, _ in members:
            memmove(buffer, plain, total)
            bad = 0
            for spot, size in spots:
                length[0] = size
                bad |= protect(raw, spot, length)
            if bad:
                refused += 1
                continue
            try:
                send(out, control, 0, address)
            except OSError:
                full += 1
        sent = len(members) - refused - full
        counters = self.counters
        counters.packets += sent * len(spots)
        counters.bytes += sent * total
        counters.trains += sent
        counters.refused += refused * len(spots)
        counters.full += full * len(spots)
