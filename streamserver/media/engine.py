"""The media engine's interface: what any implementation guarantees to the rest of the server.

SDP text goes in and comes out; after that every packet stays inside. No call here is made per packet. Knows no
HTTP, no authorisation and no commerce: whoever calls has already decided that the peer may.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from streamserver.ids import RoomId, SessionId
from streamserver.media.negotiation import Role


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Bounds and addresses of an engine. Seconds, packets and bits per second as the names say."""

    bind_hosts: tuple[str, ...] = ("0.0.0.0",)  # media is answered only to peers that proved themselves
    """One UDP socket each."""
    announce: tuple[str, ...] = ("127.0.0.1",)
    """Addresses in the answers' candidates, most preferred first; each family needs a bind host."""
    udp_ports: tuple[int, int] = (0, 0)
    """The first free port of this range is taken; (0, 0) lets the system choose."""
    tcp_port: int = 0
    """ICE over TCP (RFC 6544), native engine only: 0 takes the number of the UDP port where that is free, -1 is off."""
    threads: int = 0
    """Media threads of the native engine; 0: one less than there are cores, and at least one."""
    video_codecs: tuple[str, ...] = ("H264", "VP8")
    """What a publisher is given, most preferred first: H.264 first because HLS and recordings can carry it."""
    max_video_bps: int = 4_000_000
    max_sessions: int = 0
    """0: what the engine is made for."""
    max_pending: int = 0
    """Sessions that have not finished their DTLS handshake; 0: what the engine is made for."""
    handshake_s: float = 10.0
    silence_s: float = 9.0
    """A peer that sent nothing authentic for this long is gone (RFC 7675 asks for at most 30)."""
    stall_s: float = 2.0
    """A publisher without media packets for this long is reported as stalled."""
    resume_s: float = 30.0
    """How long viewers are kept while the publisher is away."""
    keyframe_interval_s: float = 0.5
    ring_packets: int = 1024
    hold_s: float = 0.0
    """Longest wait for the rest of a video frame before its packets are sent on. 0: what suits the engine."""
    nack_packets_per_s: float = 400.0
    """Retransmissions one viewer may cause, with a burst of the same size."""
    publisher_packets_per_s: float = 6000.0
    """Media packets taken from one publisher; what comes above is dropped and counted."""
    tap_frames: int = 256
    """Frames a slow reader of `tap` may fall behind before the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class Session:
    """A media session as its client is told of it."""

    id: SessionId
    room: RoomId
    role: Role
    answer_sdp: str
    etag: str
    """Names the current ICE session; without quotes."""


class Pull(Protocol):
    """A room's publisher that is another server: it is dialled again when it is lost, until `close`."""

    @property
    def room(self) -> RoomId: ...

    @property
    def session(self) -> SessionId | None:
        """The media session now; None between two."""
        ...

    async def close(self) -> None:
        """Let go: the session here ends as `deleted`, and the other server is told. Safe to repeat."""
        ...


@dataclass(frozen=True, slots=True)
class Patched:
    """Outcome of a PATCH: `fragment` is empty for trickled candidates (204) and set after an ICE restart (200)."""

    etag: str
    fragment: str


@dataclass(frozen=True, slots=True)
class PublisherStarted:
    """A publisher was admitted to a room; media may follow within a second or never."""

    room: RoomId
    session: SessionId


@dataclass(frozen=True, slots=True)
class MediaStarted:
    """The first packet of a publisher's session arrived."""

    room: RoomId
    session: SessionId


@dataclass(frozen=True, slots=True)
class PublisherStalled:
    """A connected publisher stopped sending media; its session goes on."""

    room: RoomId
    session: SessionId


@dataclass(frozen=True, slots=True)
class PublisherResumed:
    """Media of a stalled publisher flows again."""

    room: RoomId
    session: SessionId


@dataclass(frozen=True, slots=True)
class PublisherStopped:
    """A publisher's session ended. Viewers stay for `EngineConfig.resume_s`.

    `reason` is one of: deleted, left (it said goodbye), lost (silence), replaced, room_ended, shutdown, failed (a
    fault of the server's own while it handled this peer).
    """

    room: RoomId
    session: SessionId
    reason: str


@dataclass(frozen=True, slots=True)
class ViewerConnected:
    """A viewer's handshake is done; `join_ms` is the time since its offer."""

    room: RoomId
    session: SessionId
    join_ms: float


@dataclass(frozen=True, slots=True)
class ViewerLeft:
    """A viewer's session ended; reasons as in PublisherStopped, `room_ended` also when nobody came back to publish."""

    room: RoomId
    session: SessionId
    reason: str


@dataclass(frozen=True, slots=True)
class StatsSnapshot:
    """Counters since the engine started (`counters`, names without prefix) and values now (`gauges`).

    Keys with a label read `name{label="value"}`; of a histogram there are `name_bucket{le="…"}`, `name_sum` and
    `name_count`. `rooms` is viewers by live room.
    """

    counters: dict[str, float] = field(default_factory=dict[str, float])
    gauges: dict[str, float] = field(default_factory=dict[str, float])
    rooms: dict[RoomId, int] = field(default_factory=dict[RoomId, int])
    health: dict[str, float] = field(default_factory=dict[str, float])
    """Readings of the engine itself, gauges too, but not zero when nobody is there: how late its threads are."""


EngineEvent = (
    PublisherStarted
    | MediaStarted
    | PublisherStalled
    | PublisherResumed
    | PublisherStopped
    | ViewerConnected
    | ViewerLeft
    | StatsSnapshot
)


@dataclass(frozen=True, slots=True)
class TappedFrame:
    """One encoded frame of a room as it was published."""

    kind: str
    """`audio` or `video`."""
    codec: str
    """H264 (Annex B), VP8 or OPUS."""
    data: bytes
    timestamp: int
    """RTP time on the room's own unbroken time line (90 kHz video, 48 kHz audio)."""
    keyframe: bool
    captured_ms: float | None
    """Wall clock of the capture by the publisher's sender reports; None until the first one."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Ties a room's video to wall clocks. `timestamp` (90 kHz) is what every viewer's browser reports as
    `rtpTimestamp` of the frame it shows, so an event can be locked to the picture without any clock of the viewer's.
    """

    timestamp: int
    """RTP time of the newest packet."""
    arrived_ms: float
    """Server's wall clock when it arrived."""
    captured_ms: float | None
    """Publisher's wall clock when it was captured, by its sender reports; None until the first one."""


class MediaEngine(Protocol):
    """Carries media between one publisher and many viewers per room.

    Guarantees
    - A room has at most one publisher. Its viewers subscribe to the room, not to the publisher: they outlive it
      for `resume_s`, and see one unbroken sequence when it, or another one, comes back.
    - A refusal (any raised error) changes nothing and leaves nothing allocated.
    - Packets are dropped, never queued without bound; every drop is counted by reason in the stats.
    - Media is taken only from addresses that ICE has validated, over DTLS 1.2 or later with the fingerprint
      of the offer.
    - Events come in the order in which they happened. Of unread StatsSnapshots in a row only the newest is kept;
      a reader 10,000 events behind loses the oldest, counted.
    """

    name: str
    """`aiortc` or `native`."""

    async def start(self) -> None:
        """Bind the sockets. Raises OSError naming the range when no port of it is free."""
        ...

    async def stop(self) -> None:
        """Say goodbye to every peer (RTCP BYE, close_notify) and close the sockets. Events end."""
        ...

    async def publish(self, room: RoomId, offer_sdp: str, *, takeover: bool = True) -> Session:
        """Admit a publisher. With `takeover` the newest one wins and the one before is stopped as `replaced`.

        Raises BadOffer, NoCommonCodec, PublisherExists (without takeover) or Full.
        """
        ...

    async def subscribe(self, room: RoomId, offer_sdp: str) -> Session:
        """Admit a viewer of a room that has a publisher, or had one less than `resume_s` ago.

        It gets a keyframe first: one is asked of the publisher at once.
        Raises BadOffer, NoCommonCodec (also when it cannot decode what is published), NothingLive or Full.
        """
        ...

    async def pull(self, room: RoomId, url: str, token: str | None = None) -> Pull:
        """Subscribe to another server by WHEP and publish here what it sends; takes over like `publish`.

        Returns when the other server has answered once. From then on a lost session is dialled again, until `close`
        or until something ends it here (a newer publisher, `close` of its session, `end_room`, `stop`).
        Raises BadAnswer, Unreachable, Full, or Unsupported by an engine that cannot.
        """
        ...

    async def patch(self, session: SessionId, fragment: str, if_match: str | None) -> Patched:
        """Trickle ICE or, with `*`, an ICE restart (RFC 9725 section 4.3).

        After a restart both old and new credentials are taken until the new path is validated, so media does not
        pause. Raises UnknownSession, TagRequired, StaleTag or BadOffer.
        """
        ...

    async def close(self, session: SessionId, reason: str = "deleted") -> None:
        """End a session and free all it had. Raises UnknownSession."""
        ...

    async def end_room(self, room: RoomId) -> None:
        """The show is over: its publisher is stopped as `room_ended` and its viewers are let go at once.

        A room without sessions is no error.
        """
        ...

    def room_of(self, session: SessionId) -> tuple[RoomId, Role] | None:
        """Whose session this is, or None when there is no such session."""
        ...

    def live(self, room: RoomId) -> bool:
        """Whether the room has a publisher now."""
        ...

    def viewers(self, room: RoomId) -> int:
        """Viewers whose handshake is done."""
        ...

    def timeline(self, room: RoomId) -> Timeline | None:
        """Where the room's video is now; None before the first frame. The time line outlives publishers."""
        ...

    def events(self) -> AsyncIterator[EngineEvent]:
        """The events from now on; a StatsSnapshot each second. Ends with `stop`."""
        ...

    def tap(self, room: RoomId) -> AsyncIterator[TappedFrame]:
        """Whole encoded frames of a room from now on, across publishers; ends when the engine stops.

        Bounded: a reader that is `tap_frames` behind loses the oldest. Frames with a lost packet are left out.
        """
        ...

    def stats(self) -> StatsSnapshot:
        """The counters now."""
        ...
