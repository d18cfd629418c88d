"""The native media engine's threads, as Python sees them. Made by PyO3; checked against the module by stubtest."""

from collections.abc import Sequence
from typing import Any, final

__all__ = ["ABI", "Core", "__version__"]

ABI: int
__version__: str

_Slot = tuple[int, int, int, int]
_Section = tuple[
    str, str, list[tuple[int, str, int | None]], list[int], list[int], list[str], bool, bool, bool, bool
]
_Frame = tuple[int, str, str, bytes, int, bool, int | None]

@final
class Core:
    """The media threads and their sockets, from the making of it until `stop`.

    Shards are the threads, numbered from 0; rooms and peers have numbers of the caller's choice, never used twice.
    No call waits for a thread, but for `barrier` and `stop`. Not to be shared between Python threads.
    """

    def __new__(
        cls,
        *,
        hosts: Sequence[str],
        ports: tuple[int, int],
        tcp_port: int | None,
        threads: int,
        manual_clock: bool,
        max_video_bps: int,
        handshake_s: float,
        silence_s: float,
        stall_s: float,
        resume_s: float,
        keyframe_interval_s: float,
        ring_packets: int,
        hold_s: float,
        nack_packets_per_s: float,
        publisher_packets_per_s: float,
        cpus: Sequence[int] | None = None,
    ) -> Core:
        """Bind the first free UDP port of `ports` on every host and start the threads.

        `tcp_port` 0 takes the UDP port's number where that is free. `cpus` pins thread i to the i-th core named.
        Raises OSError naming the range when no port of it is free, ValueError for what is no address.
        """
    @property
    def fingerprint(self) -> str:
        """Of the DTLS certificate, as in SDP: `sha-256 AB:CD:…`."""
    @property
    def ports(self) -> dict[int, int]:
        """The UDP port by IP version (4, 6)."""
    @property
    def tcp_port(self) -> int | None:
        """The port of ICE over TCP, None where there is none."""
    @property
    def shards(self) -> int: ...
    def add_room(
        self, shard: int | None, number: int, home: int, audio: _Slot, video: _Slot, cname: str
    ) -> None:
        """Make a room known to a shard, or to all of them; nothing happens where it is known."""
    def forget_room(self, number: int) -> None:
        """Call when a room is gone for good: its time line is kept until then."""
    def add_peer(
        self,
        shard: int,
        *,
        id: int,
        room: int,
        publisher: bool,
        ufrag: str,
        password: str,
        remote_ufrag: str,
        fingerprints: list[tuple[str, bytes]],
        dtls_client: bool,
        sections: list[_Section],
        dial: tuple[str, list[tuple[str, int]]] | None = None,
    ) -> None:
        """Expect a peer. `dial` is the other side's ICE password and candidates when the offer was ours."""
    def restart(self, shard: int, peer: int, ufrag: str, password: str, remote_ufrag: str) -> None:
        """New ICE credentials; the ones before are taken until a check with the new ones has passed."""
    def candidates(self, shard: int, peer: int, candidates: list[tuple[str, int]]) -> None:
        """More candidates of a dialled peer."""
    def close(self, shard: int, peer: int, reason: str) -> None:
        """End a session; its end is reported. Raises ValueError for an unknown reason."""
    def end_room(self, home: int, room: int, reason: str) -> None:
        """End a room and all its sessions, on every shard."""
    def tap(self, home: int, room: int, on: bool) -> None:
        """Whether the room's frames are wanted in `drain_frames`."""
    def event_fd(self) -> int:
        """Readable when there is something to drain."""
    def drain(self) -> list[tuple[Any, ...]]:
        """What happened since the last call: (kind, facts...)."""
    def drain_frames(self) -> list[_Frame]:
        """Frames of tapped rooms: room, kind, codec, data, timestamp, keyframe, NTP time of capture."""
    def timeline(self, room: int) -> tuple[int, int, int | None] | None:
        """Of the room's newest video: RTP time, when it arrived (µs of `now_us`), NTP time of capture."""
    def snapshot(self) -> dict[str, float]:
        """Counters and gauges by exported name without prefix; a label reads `name{label="value"}`."""
    def set_time(self, us: int) -> None:
        """Only with `manual_clock`: the time is now this."""
    def now_us(self) -> int:
        """The threads' clock, in microseconds."""
    def barrier(self) -> None:
        """Wait (5 s at most) until every shard has done what it was told and reported it. Raises TimeoutError."""
    def stop(self) -> None:
        """End the threads and close the sockets; nothing may be called afterwards, but this again."""
