"""The media plane of the aiortc engine: datagrams in, datagrams out, by the peers and rooms it is given.

A machine driven from outside: `now` (monotonic seconds) is an argument and nothing here waits. It knows STUN, DTLS,
RTP and RTCP; it knows no SDP text, no asyncio and no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from streamserver.ids import RoomId
from streamserver.media import rtp, stun
from streamserver.media.counters import MediaCounters
from streamserver.media.dtls import State
from streamserver.media.engine import EngineConfig
from streamserver.media.fanout import Fanout, Packet
from streamserver.media.peers import Path, Peer, Publisher, Viewer
from streamserver.media.rooms import Room, Slot
from streamserver.media.srtp import Context
from streamserver.media.udp import Address, UdpPort

AFTER_STALL_S: Final = 1.0


class Listener(Protocol):
    """What the plane tells its engine. Every call is made from inside a plane call, never later."""

    def on_connected(self, peer: Peer, now: float) -> None:
        """The handshake is done; the peer may send and be sent to."""
        ...

    def on_ended(self, peer: Peer, reason: str, now: float) -> None:
        """The peer is gone: `left`, `handshake` or `lost`."""
        ...

    def on_media(self, publisher: Publisher, first: bool) -> None:
        """Media began to flow, for the first time or again after a stall."""
        ...

    def on_stalled(self, publisher: Publisher) -> None:
        """No media for `stall_s`."""
        ...


class Plane:
    """Routes datagrams. Invariant: an address is in `UdpPort.peers` only while ICE has validated it."""

    def __init__(self, config: EngineConfig, fanout: Fanout, listener: Listener) -> None:
        self.config = config
        self.fanout = fanout
        self.listener = listener
        self.counters = MediaCounters()
        self.ufrags: dict[str, Peer] = {}
        self.rooms: dict[RoomId, Room] = {}
        self.peers: set[Peer] = set()
        self.held: set[Slot] = set()
        self.request_flush: Callable[[], None] = lambda: None
        """Called when the first slot starts to hold packets back; answer with `flush_held` within `hold_s`."""

    # datagrams -------------------------------------------------------------------------------------------

    def datagram(self, port: UdpPort, data: bytes, address: Address, now: float) -> None:
        """One received datagram, whatever it is."""
        first = data[0] if data else 255
        if 128 <= first < 192:
            peer = port.peers.get(address)
            if peer is None or peer.srtp is None:
                self.counters.drops["unvalidated"] += 1
            elif rtp.is_rtcp(data):
                self._rtcp(peer, data, now)
            elif isinstance(peer, Publisher):
                self._rtp(peer, data, now)
            else:
                self.counters.drops["unexpected"] += 1
        elif first < 4:
            self._stun(port, data, address, now)
        elif 20 <= first < 64:
            peer = port.peers.get(address)
            if peer is None:
                self.counters.drops["unvalidated"] += 1
            else:
                self._dtls(peer, peer.endpoint.receive(data), now)
        else:
            self.counters.drops["unknown"] += 1

    def _stun(self, port: UdpPort, data: bytes, address: Address, now: float) -> None:
        request = stun.read_binding_request(data)
        peer = None if request is None else self.ufrags.get(request.local_ufrag)
        if request is None or peer is None:
            self.counters.drops["stun"] += 1
            return
        credentials = next(c for c in peer.credentials if c.ufrag == request.local_ufrag)
        password = credentials.password.encode()
        if not stun.verify(request, password):
            self.counters.drops["stun"] += 1
            return
        if request.claims_controlled:
            port.send(stun.write_error(request, 487, "Role Conflict", password), address)
            return
        if request.unknown:
            port.send(stun.write_error(request, 420, "Unknown Attribute", password), address)
            return
        port.send(stun.write_success(request, str(address[0]), address[1], password), address)
        path = Path(port, address)
        before = port.peers.get(address)
        if before is not None and before is not peer:
            before.forget(path)  # a port of the client's, used again for another session
        first_path = peer.path is None
        if peer.validated(path, request.nominates, now) and isinstance(peer, Viewer):
            for slot in self._slots(peer):
                slot.moved()
        if credentials is peer.credentials[-1] and len(peer.credentials) > 1:
            self._retire_credentials(peer)
        if first_path:
            self._dtls(peer, peer.endpoint.start(), now)

    def _retire_credentials(self, peer: Peer) -> None:
        for old in peer.credentials[:-1]:
            self.ufrags.pop(old.ufrag, None)
        del peer.credentials[:-1]

    def _dtls(self, peer: Peer, datagrams: list[bytes], now: float) -> None:
        peer.send(datagrams)
        state = peer.endpoint.state
        if state is State.CONNECTED and peer.srtp is None:
            keys = peer.endpoint.keys
            assert keys is not None
            peer.srtp = Context(keys)
            peer.seen = now
            self.listener.on_connected(peer, now)
        elif state is State.FAILED:
            self.counters.drops[f"dtls_{peer.endpoint.failure.replace(' ', '_')[:40]}"] += 1
            self.listener.on_ended(peer, "handshake", now)
        elif state is State.CLOSED:
            self.listener.on_ended(peer, "left", now)

    # media in --------------------------------------------------------------------------------------------

    def _rtp(self, publisher: Publisher, data: bytes, now: float) -> None:
        drops = self.counters.drops
        if not publisher.budget.take(now):
            drops["policed"] += 1
            return
        claimed = int.from_bytes(data[8:12], "big")
        if not publisher.admits(claimed):
            drops["too_many_ssrcs"] += 1
            return
        context = publisher.srtp
        packet = context.unprotect(data) if context is not None else None
        if packet is None:
            drops["srtp"] += 1
            return
        publisher.ssrcs.add(claimed)
        view = rtp.read_rtp(packet)
        source = None if view is None else publisher.source(view.ssrc, view.payload_type, view.seq)
        if view is None or source is None:
            drops["not_negotiated"] += 1
            return
        publisher.seen = source.last = now
        kind = source.incoming.kind
        self.counters.received[kind] += 1
        self.counters.received_bytes[kind] += len(data)
        source.stats.packet(view.seq, view.timestamp, now)
        room = self.rooms.get(publisher.room)
        if room is None or room.publisher is not publisher:
            drops["fenced"] += 1
            return
        gap = now - publisher.last_media
        publisher.last_media = now
        if not publisher.flowing:
            publisher.flowing = True
            self.listener.on_media(publisher, not publisher.started)
            publisher.started = True
        slot = room.slots[kind]
        if gap > AFTER_STALL_S and kind == "video":
            self.want_keyframe(room, now)
        seq, start, ssrc = view.seq, view.start, view.ssrc
        if source.incoming.retransmission:
            primary = publisher.primary.get(kind)
            if view.end - start < 2 or primary is None:
                return  # padding that probes the bandwidth
            seq, start, ssrc = packet[start] << 8 | packet[start + 1], start + 2, primary
            source = publisher.sources[primary]
        else:
            publisher.primary[kind] = ssrc
        if kind == "video" and source.gaps.received(seq, now):
            self._ask_again(publisher, now)
        slot.use_codec(source.incoming.codec)
        if slot.push(packet, view, ssrc, seq, start, now):
            if not self.held:
                self.request_flush()
            self.held.add(slot)

    def flush_held(self) -> None:
        """Send what slots hold back for the rest of a frame."""
        for slot in self.held:
            slot.flush()
        self.held.clear()

    # control in ------------------------------------------------------------------------------------------

    def _rtcp(self, peer: Peer, data: bytes, now: float) -> None:
        claimed = int.from_bytes(data[4:8], "big")
        if not peer.admits(claimed):
            self.counters.drops["too_many_ssrcs"] += 1
            return
        context = peer.srtp
        packet = context.unprotect_rtcp(data) if context is not None else None
        if packet is None:
            self.counters.drops["srtcp"] += 1
            return
        peer.ssrcs.add(claimed)
        peer.seen = now
        room = self.rooms.get(peer.room)
        if room is None:
            return
        if isinstance(peer, Publisher):
            self._publisher_feedback(peer, room, packet, now)
        elif isinstance(peer, Viewer):
            self._viewer_feedback(peer, room, packet, now)

    def _publisher_feedback(self, publisher: Publisher, room: Room, packet: bytes, now: float) -> None:
        for item in rtp.read_rtcp(packet):
            if not isinstance(item, rtp.SenderReport):
                continue
            source = publisher.sources.get(item.ssrc)
            if source is None:
                continue
            source.stats.sender_report(item.ntp, now)
            if room.publisher is publisher and not source.incoming.retransmission:
                slot = room.slots[source.incoming.kind]
                report = slot.sender_report(item)
                if report is not None:
                    for viewer in slot.active:
                        viewer.send_rtcp(report)

    def _viewer_feedback(self, viewer: Viewer, room: Room, packet: bytes, now: float) -> None:
        for item in rtp.read_rtcp(packet):
            if isinstance(item, rtp.Nack):
                for kind, slot in room.slots.items():
                    if slot.ssrc == item.ssrc:
                        self._retransmit(viewer, kind, slot, item.seqs, now)
            elif isinstance(item, rtp.KeyframeRequest):
                if item.ssrc == room.slots["video"].ssrc:
                    self.counters.keyframes_wanted += 1
                    self.want_keyframe(room, now)
            elif isinstance(item, rtp.ReportBlock) and item.ssrc == room.slots["video"].ssrc:
                viewer.lost_ratio = item.lost_ratio / 256

    def _retransmit(self, viewer: Viewer, kind: str, slot: Slot, seqs: tuple[int, ...], now: float) -> None:
        """Always on the RTX SSRC (RFC 4588): a number of the media's own is encrypted only once."""
        results = self.counters.retransmitted
        self.counters.nacked += len(seqs)
        payload_type = viewer.rtx_type(kind, slot.codec)
        for seq in seqs:
            packet = slot.ring.get(seq)
            if packet is None:
                results["miss"] += 1
            elif payload_type is None:
                results["not_negotiated"] += 1
            elif not viewer.budget.take(now):
                results["limited"] += 1
            else:
                results["hit"] += 1
                self._send_rtx(viewer, kind, slot, payload_type, packet)

    def _send_rtx(self, viewer: Viewer, kind: str, slot: Slot, payload_type: int, packet: Packet) -> None:
        number = viewer.rtx_seq.get(kind, 0)
        viewer.rtx_seq[kind] = (number + 1) & 0xFFFF
        head = rtp.rtp_header(payload_type, packet.marker, number, packet.timestamp, slot.rtx_ssrc)
        if viewer.srtp is not None and viewer.path is not None:
            sealed = viewer.srtp.protect(head + packet.seq.to_bytes(2, "big") + packet.payload)
            if sealed is not None:
                viewer.path.port.send(sealed, viewer.path.address)

    # control out -----------------------------------------------------------------------------------------

    def want_keyframe(self, room: Room, now: float) -> None:
        """A viewer cannot go on without a keyframe; asked now, or when the interval since the last one is over."""
        room.slots["video"].keyframes.ask()
        self._ask_keyframe(room, now)

    def _ask_keyframe(self, room: Room, now: float) -> None:
        publisher = room.publisher
        ssrc = None if publisher is None else publisher.primary.get("video")
        if publisher is not None and ssrc is not None and room.slots["video"].keyframes.due(now):
            self.counters.keyframes_asked += 1
            publisher.send_rtcp(rtp.write_receiver_report(publisher.ssrc, ()) + rtp.write_pli(publisher.ssrc, ssrc))

    def _ask_again(self, publisher: Publisher, now: float) -> None:
        nack = publisher.missing(now)
        if nack:
            self.counters.nacks_sent += 1
            publisher.send_rtcp(rtp.write_receiver_report(publisher.ssrc, ()) + nack)

    def report(self, now: float) -> None:
        """Call once a second: reception reports and the bitrate cap to each publisher."""
        for room in self.rooms.values():
            publisher = room.publisher
            if publisher is not None:
                publisher.send_rtcp(publisher.receiver_report(now, self.config.max_video_bps))

    def tick(self, now: float) -> None:
        """Call every 50 ms or so: repeated requests, lost handshake flights, stalled publishers."""
        for room in self.rooms.values():
            publisher = room.publisher
            if publisher is None:
                continue
            video = room.slots["video"]
            if video.waiting or video.needs_keyframe:
                video.keyframes.ask()
            self._ask_keyframe(room, now)
            self._ask_again(publisher, now)
            if publisher.flowing and now - publisher.last_media > self.config.stall_s:
                publisher.flowing = False
                self.listener.on_stalled(publisher)

    def expire(self, now: float) -> None:
        """Call every 250 ms or so: handshakes that take too long, peers that fell silent."""
        for peer in list(self.peers):
            if peer.connected:
                if now - peer.seen > self.config.silence_s:
                    self.listener.on_ended(peer, "lost", now)
            elif now - peer.created > self.config.handshake_s:
                self.listener.on_ended(peer, "handshake", now)
            else:
                self._dtls(peer, peer.endpoint.timeout(), now)

    def forgive(self, seconds: float) -> None:
        """The process stood still for so long: nobody else is to blame for the silence."""
        for peer in self.peers:
            peer.seen += seconds
            peer.created += seconds
            if isinstance(peer, Publisher):
                peer.last_media += seconds

    # membership ------------------------------------------------------------------------------------------

    def add(self, peer: Peer) -> None:
        self.peers.add(peer)
        for credentials in peer.credentials:
            self.ufrags[credentials.ufrag] = peer

    def remove(self, peer: Peer, *, goodbye: bool) -> None:
        """Free all that a peer had; with `goodbye` it is told first."""
        if goodbye and peer.connected:
            peer.send_rtcp(rtp.write_receiver_report(peer.ssrc, ()) + rtp.write_bye([peer.ssrc]))
            peer.send(peer.endpoint.close())
        self.peers.discard(peer)
        for credentials in peer.credentials:
            self.ufrags.pop(credentials.ufrag, None)
        for path in list(peer.paths):
            peer.forget(path)
        if isinstance(peer, Viewer):
            for slot in self._slots(peer):
                slot.leave(peer)
        peer.path = None
        peer.closed = True

    def _slots(self, peer: Peer) -> list[Slot]:
        room = self.rooms.get(peer.room)
        return [] if room is None else list(room.slots.values())
