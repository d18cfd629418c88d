"""A room's slots: what the publisher sends goes in, batches for the viewers come out.

Holds the state between packets; the rules are in `routing` and `codecs`, the sending in `fanout`. Time is an
argument, so a test drives it without waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from streamserver.ids import RoomId
from streamserver.media.codecs import CLOCK_HZ, H264, OPUS, starts_keyframe
from streamserver.media.engine import EngineConfig
from streamserver.media.fanout import Group, Member, Packet
from streamserver.media.routing import KeyframeThrottle, PacketRing, SlotSequence
from streamserver.media.rtp import RtpView, SenderReport, write_cname, write_sender_report
from streamserver.media.udp import UdpPort

if TYPE_CHECKING:
    from streamserver.media.peers import Publisher, Viewer

BATCH_PACKETS: Final = 16
SEND = Callable[[list[Packet], list[Group]], None]


class Slot:
    """The audio or the video of a room, whoever publishes it. Viewers of a slot share its numbers and its SSRC."""

    def __init__(self, kind: str, config: EngineConfig, rand: Callable[[int], int], send: SEND) -> None:
        self.kind = kind
        self.codec = OPUS if kind == "audio" else H264
        self.ssrc = rand(32) or 1
        self.rtx_ssrc = (self.ssrc ^ 0x5A5A5A5A) or 1
        self.cname = f"{rand(64):016x}"
        self.ring: PacketRing[Packet] = PacketRing(config.ring_packets)
        self.keyframes = KeyframeThrottle(config.keyframe_interval_s)
        self.waiting: set[Viewer] = set()
        self.active: set[Viewer] = set()
        self.packets = 0
        self.octets = 0
        self.dropped_early = 0
        self.dropped_twice = 0
        self.listener: Callable[[str, Packet], None] | None = None
        self._send = send
        self._sequence = SlotSequence(CLOCK_HZ[self.codec], rand(15), rand(32))
        self._need_keyframe = kind == "video"
        self._keyframe_timestamp: int | None = None
        self._batch: list[Packet] = []
        self._groups: list[Group] | None = None
        self._report: tuple[int, int] | None = None

    # viewers ---------------------------------------------------------------------------------------------

    def join(self, viewer: Viewer) -> None:
        """A viewer sees audio at once and video from the next keyframe, which is asked for."""
        if self.kind == "audio":
            self.flush()
            self.active.add(viewer)
            self._groups = None
        else:
            self.waiting.add(viewer)
            self.keyframes.ask()

    def leave(self, viewer: Viewer) -> None:
        self.waiting.discard(viewer)
        if viewer in self.active:
            self.active.discard(viewer)
            self._groups = None

    def moved(self) -> None:
        """A viewer's address changed."""
        self._groups = None

    # publisher -------------------------------------------------------------------------------------------

    def detach(self, now: float) -> None:
        """The publisher is gone: what comes next starts with a keyframe."""
        self.flush()
        self._sequence.detach(now)
        self._need_keyframe = self.kind == "video"
        self._report = None

    def use_codec(self, codec: str) -> None:
        if codec != self.codec:
            self.flush()
            self.codec = codec
            self._groups = None

    def push(self, packet: bytes, view: RtpView, ssrc: int, seq: int, start: int, now: float) -> bool:
        """Take one packet of the publisher (`ssrc`, `seq` and `start` of the original when it was retransmitted).

        Returns True when a batch is waiting for the rest of its frame, to be flushed a little later.
        """
        video = self.kind == "video"
        begins = video and starts_keyframe(self.codec, packet, start, view.end)
        if self._need_keyframe:
            if not begins:
                self.dropped_early += 1
                return False
            self._need_keyframe = False
        mapped = self._sequence.map(ssrc, seq, view.timestamp, now)
        if mapped is None or self.ring.get(mapped[0]) is not None:
            self.dropped_twice += 1
            return False
        out_seq, out_timestamp = mapped
        if begins and out_timestamp != self._keyframe_timestamp:
            self._keyframe_timestamp = out_timestamp
            self.keyframes.arrived()
            if self.waiting:
                self.flush()
                self.active |= self.waiting
                self.waiting.clear()
                self._groups = None
        item = Packet(out_seq, out_timestamp, view.marker, packet[start : view.end])
        self.ring.put(out_seq, item)
        self.packets += 1
        self.octets += len(item.payload)
        if self.listener is not None:
            self.listener(self.codec, item)
        self._batch.append(item)
        if not video or view.marker or len(self._batch) >= BATCH_PACKETS:
            self.flush()
            return False
        return True

    @property
    def needs_keyframe(self) -> bool:
        """Nothing is passed on until one comes."""
        return self._need_keyframe

    def flush(self) -> None:
        """Send what is waiting."""
        if self._batch:
            batch, self._batch = self._batch, []
            if self.active:
                self._send(batch, self.groups())

    def groups(self) -> list[Group]:
        if self._groups is None:
            self._groups = self._make_groups(self.active)
        return self._groups

    def _make_groups(self, viewers: Iterable[Viewer]) -> list[Group]:
        members: dict[tuple[UdpPort, int, int], list[Member]] = {}
        for viewer in viewers:
            payload_type = viewer.payload_type(self.kind, self.codec)
            path = viewer.path
            if payload_type is not None and path is not None and viewer.srtp is not None:
                key = (path.port, payload_type, viewer.srtp.tag)
                members.setdefault(key, []).append((viewer.srtp.raw_send, path.address, viewer.srtp))
        return [
            Group(port, payload_type, self.ssrc, tag, tuple(group))
            for (port, payload_type, tag), group in members.items()
        ]

    # reports ---------------------------------------------------------------------------------------------

    def sender_report(self, report: SenderReport) -> bytes | None:
        """The publisher's report in the viewers' terms: its wall clock kept, the slot's time line."""
        timestamp = self._sequence.map_timestamp(report.ssrc, report.timestamp)
        if timestamp is None:
            return None
        self._report = (report.ntp, timestamp)
        return self.last_report()

    def last_report(self) -> bytes | None:
        """The newest report again, for a viewer that has just come."""
        if self._report is None:
            return None
        ntp, timestamp = self._report
        return write_sender_report(self.ssrc, ntp, timestamp, self.packets, self.octets) + write_cname(
            self.ssrc, self.cname
        )

    @property
    def newest(self) -> tuple[int, float] | None:
        """Slot timestamp of the newest packet, and when one last came (monotonic seconds)."""
        return self._sequence.newest

    def clock(self) -> tuple[int, int] | None:
        """(NTP, slot timestamp) of the newest sender report."""
        return self._report


@dataclass(slots=True)
class Room:
    """One room of the engine: at most one publisher, any number of viewers, two slots that outlive them."""

    id: RoomId
    slots: dict[str, Slot]
    publisher: Publisher | None = None
    pending: Publisher | None = None
    """Admitted, but its handshake is not done; it takes over when it is."""
    viewers: set[Viewer] = field(default_factory=set["Viewer"])
    away_since: float | None = None
    """When the last publisher left; None while there is one or there never was."""

    def codec(self) -> str | None:
        """What a viewer must be able to decode, if anything."""
        source = self.publisher or self.pending
        if source is not None:
            return source.codecs.get("video")
        return self.slots["video"].codec if self.away_since is not None else None
