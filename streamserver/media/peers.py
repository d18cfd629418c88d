"""One peer's state: its ICE credentials and paths, its DTLS association, its keys, and what it publishes or sees.

Decides nothing about rooms and touches no loop; the engine calls it with a datagram and the time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from streamserver.ids import RoomId, SessionId
from streamserver.media import rtp
from streamserver.media.codecs import CLOCK_HZ
from streamserver.media.dtls import Endpoint
from streamserver.media.negotiation import Offer, Role
from streamserver.media.routing import GapTracker, RateBudget, ReceptionStats
from streamserver.media.sessions import Credentials
from streamserver.media.srtp import Context
from streamserver.media.udp import Address, UdpPort

MAX_PATHS: Final = 8
MAX_SOURCES: Final = 8
MAX_SSRCS: Final = 64  # libsrtp keeps state for each SSRC it ever opened a packet of
PATH_SILENCE_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Path:
    """Where a peer is: one of our sockets and its address there."""

    port: UdpPort
    address: Address


@dataclass(eq=False, slots=True)
class Peer:
    """A WHIP or WHEP client. `credentials` may be two for a moment after an ICE restart; the last is current."""

    id: SessionId
    room: RoomId
    offer: Offer
    credentials: list[Credentials]
    endpoint: Endpoint
    created: float
    seen: float
    remote_ufrag: str
    ssrc: int
    """The sender of our own feedback to it."""
    path: Path | None = None
    paths: dict[Path, float] = field(default_factory=dict[Path, float])
    """Validated by a check; the value is when the last one came."""
    srtp: Context | None = None
    ssrcs: set[int] = field(default_factory=set[int])
    """Whose packets were authentic so far, in RTP and RTCP."""
    closed: bool = False

    @property
    def role(self) -> Role:
        return self.offer.role

    @property
    def connected(self) -> bool:
        return self.srtp is not None

    def admits(self, ssrc: int) -> bool:
        """Whether a packet of this SSRC may be opened at all: there is room for its state."""
        return ssrc in self.ssrcs or len(self.ssrcs) < MAX_SSRCS

    def validated(self, path: Path, nominated: bool, now: float) -> bool:
        """Note a passed check; True when media now goes to another address than before.

        The nominated path is used; without a nomination the first one, and another one only when the path in use
        has had no check for a while (a client behind a NAT that forgot its mapping).
        """
        if path not in self.paths and len(self.paths) >= MAX_PATHS:
            oldest = min((p for p in self.paths if p != self.path), key=self.paths.__getitem__)
            self.forget(oldest)
        self.paths[path] = now
        self.seen = now
        path.port.peers[path.address] = self
        current = self.path
        if current == path:
            return False
        if current is None or nominated or now - self.paths.get(current, 0.0) > PATH_SILENCE_S:
            self.path = path
            return True
        return False

    def forget(self, path: Path) -> None:
        self.paths.pop(path, None)
        if path.port.peers.get(path.address) is self:
            del path.port.peers[path.address]

    def send(self, datagrams: list[bytes]) -> None:
        """Send as they are (DTLS)."""
        if self.path is not None:
            for datagram in datagrams:
                self.path.port.send(datagram, self.path.address)

    def send_rtcp(self, packet: bytes) -> None:
        if self.srtp is not None and self.path is not None:
            sealed = self.srtp.protect_rtcp(packet)
            if sealed is not None:
                self.path.port.send(sealed, self.path.address)


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a publisher's payload type means."""

    kind: str
    codec: str
    retransmission: bool


@dataclass(eq=False, slots=True)
class Source:
    """One SSRC of a publisher."""

    incoming: Incoming
    stats: ReceptionStats
    gaps: GapTracker
    last: float = 0.0
    """When a packet last came."""


@dataclass(eq=False, slots=True)
class Publisher(Peer):
    """Sends into a room."""

    incoming: dict[int, Incoming] = field(default_factory=dict[int, Incoming])
    sources: dict[int, Source] = field(default_factory=dict[int, Source])
    primary: dict[str, int] = field(default_factory=dict[str, int])
    """The SSRC that feeds each kind now."""
    codecs: dict[str, str] = field(default_factory=dict[str, str])
    nacks: bool = False
    remb: bool = False
    last_media: float = 0.0
    flowing: bool = False
    """Media has been seen, and not missed since."""
    started: bool = False
    budget: RateBudget = field(default_factory=lambda: RateBudget(6000, 6000))

    def learn_offer(self) -> None:
        """Fill the tables from the offer."""
        for section in self.offer.sections:
            for codec in section.codecs[:1]:
                self.codecs[section.kind] = codec.name
                self.incoming[codec.payload_type] = Incoming(section.kind, codec.name, False)
                if codec.rtx is not None:
                    self.incoming[codec.rtx] = Incoming(section.kind, codec.name, True)
                if section.kind == "video":
                    self.nacks = "nack" in codec.feedback
                    self.remb = "goog-remb" in codec.feedback

    def source(self, ssrc: int, payload_type: int, seq: int) -> Source | None:
        """The source of an authentic packet, in place of the idlest one when there are too many; None when the
        payload type was not negotiated."""
        known = self.sources.get(ssrc)
        incoming = self.incoming.get(payload_type)
        if incoming is None:
            return None
        if known is not None:
            return known if known.incoming is incoming else None
        if len(self.sources) >= MAX_SOURCES:
            idle = min(self.sources.values(), key=lambda source: source.last)
            del self.sources[idle.stats.ssrc]
            self.primary = {kind: ssrc for kind, ssrc in self.primary.items() if ssrc != idle.stats.ssrc}
        source = Source(incoming, ReceptionStats(ssrc, CLOCK_HZ[incoming.codec], seq), GapTracker())
        self.sources[ssrc] = source
        return source

    def receiver_report(self, now: float, max_bps: int) -> bytes:
        """What we tell the publisher each second: reception, and the bitrate it may use."""
        packet = rtp.write_receiver_report(self.ssrc, [s.stats.report(now) for s in self.sources.values()])
        packet += rtp.write_cname(self.ssrc, "streamserver")
        video = self.primary.get("video")
        if self.remb:
            packet += rtp.write_remb(self.ssrc, max_bps, [video] if video is not None else [])
        return packet

    def missing(self, now: float) -> bytes:
        """A NACK for what is due, or nothing."""
        ssrc = self.primary.get("video")
        if not self.nacks or ssrc is None:
            return b""
        seqs = self.sources[ssrc].gaps.due(now)
        return rtp.write_nack(self.ssrc, ssrc, seqs) if seqs else b""


@dataclass(eq=False, slots=True)
class Viewer(Peer):
    """Sees a room."""

    payload_types: dict[tuple[str, str], tuple[int, int | None]] = field(
        default_factory=dict[tuple[str, str], tuple[int, "int | None"]]
    )
    """(kind, codec) to its payload type and that of its retransmissions."""
    rtx_seq: dict[str, int] = field(default_factory=dict[str, int])
    budget: RateBudget = field(default_factory=lambda: RateBudget(400, 400))
    lost_ratio: float = 0.0

    def learn_offer(self) -> None:
        for section in self.offer.sections:
            for codec in section.codecs:
                self.payload_types[section.kind, codec.name] = (codec.payload_type, codec.rtx)

    def payload_type(self, kind: str, codec: str) -> int | None:
        found = self.payload_types.get((kind, codec))
        return None if found is None else found[0]

    def rtx_type(self, kind: str, codec: str) -> int | None:
        found = self.payload_types.get((kind, codec))
        return None if found is None else found[1]
