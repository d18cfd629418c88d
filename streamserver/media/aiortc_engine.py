"""The engine that is always there: ICE-lite on one UDP port, DTLS by OpenSSL, SRTP by libsrtp, packets forwarded.

This is the shell: sockets, the event loop, sessions and admission. Packets are `plane`'s business, SDP is
`negotiation`'s. It never decodes. The name says where its parts come from: aiortc's certificate and SRTP profiles,
pyOpenSSL and pylibsrtp.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

from streamserver.clock import Clock, SystemClock
from streamserver.ids import RoomId, SessionId
from streamserver.media.codecs import CLOCK_HZ, VP8
from streamserver.media.dtls import Endpoint, Identity
from streamserver.media.engine import (
    EngineConfig,
    EngineEvent,
    MediaStarted,
    Patched,
    PublisherResumed,
    PublisherStalled,
    PublisherStarted,
    PublisherStopped,
    Pull,
    Session,
    StatsSnapshot,
    TappedFrame,
    Timeline,
    ViewerConnected,
    ViewerLeft,
)
from streamserver.media.errors import PublisherExists, UnknownSession, Unsupported
from streamserver.media.fanout import Fanout
from streamserver.media.frames import capture_ms
from streamserver.media.negotiation import (
    BASE,
    Candidate,
    Local,
    Offer,
    Role,
    read_offer,
    write_answer,
    write_ice_fragment,
)
from streamserver.media.peers import Peer, Publisher, Viewer
from streamserver.media.plane import Plane
from streamserver.media.readers import Hub, frame_listener
from streamserver.media.rooms import Room, Slot
from streamserver.media.routing import RateBudget
from streamserver.media.sessions import (
    Credentials,
    announced,
    bind_hosts,
    check_bounds,
    check_decodable,
    make_credentials,
    make_session_id,
    nothing_live,
    read_patch,
)
from streamserver.media.udp import UdpPort, bind

log = logging.getLogger(__name__)

_READS = 64  # datagrams taken before the event loop gets its turn
_DATAGRAM = 2048
_TICK_S = 0.05
_EXPIRE_S = 0.25
_STANDSTILL_S = 1.0  # a tick later than this means that the whole process stood still
_MAX_SESSIONS = 2000
_HOLD_S = 0.008
_MAX_PENDING = 200  # each handshake costs about 10 ms of this loop


class AiortcEngine:
    """Implements MediaEngine; the guarantees are stated there."""

    name = "aiortc"

    def __init__(self, config: EngineConfig, clock: Clock | None = None) -> None:
        self.config = config
        self._clock = clock or SystemClock()
        self._abilities = replace(BASE, video_codecs=config.video_codecs)
        self._identity = Identity()
        self._sessions: dict[SessionId, Peer] = {}
        self._pending = 0  # sessions whose handshake is not done
        self._hub = Hub(config.tap_frames)
        self._ports: list[UdpPort] = []
        self._ticker: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.plane = Plane(config, Fanout(self._call_soon), self)
        self.plane.request_flush = self._schedule_flush

    # life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ports = bind(bind_hosts(self.config), *self.config.udp_ports)
        for port in self._ports:
            self._loop.add_reader(port.socket, self._readable, port)
        self._ticker = asyncio.create_task(self._tick(), name="media-ticks")

    async def stop(self) -> None:
        now = self._clock.monotonic()
        for peer in list(self._sessions.values()):
            self._end(peer, "shutdown", now, goodbye=True)
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        for port in self._ports:
            if self._loop is not None:
                self._loop.remove_reader(port.socket)
            port.close()
        self._ports.clear()
        self.plane.rooms.clear()
        self.plane.fanout.clear()
        self._hub.close()

    @property
    def candidates(self) -> list[tuple[str, int]]:
        """Address and port of each announced address."""
        ports = {4 if ":" not in port.socket.getsockname()[0] else 6: port.port for port in self._ports}
        return announced(self.config, ports)

    # sessions --------------------------------------------------------------------------------------------

    async def publish(self, room: RoomId, offer_sdp: str, *, takeover: bool = True) -> Session:
        begun = self._clock.monotonic()
        offer = read_offer(offer_sdp, Role.PUBLISHER, self._abilities)
        state = self.plane.rooms.get(room)
        if not takeover and state is not None and (state.publisher or state.pending):
            raise PublisherExists("this room has a publisher")
        self._admit()
        rate = self.config.publisher_packets_per_s
        publisher = Publisher(*self._peer_parts(room, offer, begun), budget=RateBudget(rate, rate))
        publisher.learn_offer()
        if state is None:
            state = self.plane.rooms[room] = self._make_room(room)
        # The new one first: a room that nobody publishes to or is about to is dropped.
        replaced, state.pending = state.pending, publisher
        if replaced is not None:
            self._end(replaced, "replaced", begun, goodbye=True)
        return self._open(publisher, {}, begun)

    async def subscribe(self, room: RoomId, offer_sdp: str) -> Session:
        begun = self._clock.monotonic()
        offer = read_offer(offer_sdp, Role.VIEWER, self._abilities)
        state = self.plane.rooms.get(room)
        if state is None or not (state.publisher or state.pending or state.away_since is not None):
            raise nothing_live()
        check_decodable(offer, state.codec())
        self._admit()
        rate = self.config.nack_packets_per_s
        viewer = Viewer(*self._peer_parts(room, offer, begun), budget=RateBudget(rate, rate))
        viewer.learn_offer()
        state.viewers.add(viewer)
        ssrcs = {kind: (slot.ssrc, slot.rtx_ssrc) for kind, slot in state.slots.items()}
        return self._open(viewer, ssrcs, begun)

    async def pull(self, room: RoomId, url: str, token: str | None = None) -> Pull:
        raise Unsupported("only the native media engine pulls from another server")

    async def patch(self, session: SessionId, fragment: str, if_match: str | None) -> Patched:
        peer = self._find(session)
        current = peer.credentials[-1]
        restart = read_patch(fragment, if_match, current.etag, peer.remote_ufrag)
        if restart is None:
            return Patched(current.etag, "")
        fresh = make_credentials()
        for old in peer.credentials[:-1]:
            self.plane.ufrags.pop(old.ufrag, None)
        peer.credentials = [current, fresh]
        peer.remote_ufrag = restart.ufrag
        self.plane.ufrags[fresh.ufrag] = peer
        return Patched(fresh.etag, write_ice_fragment(peer.offer, self._local(fresh, {}, 2)))

    async def close(self, session: SessionId, reason: str = "deleted") -> None:
        self._end(self._find(session), reason, self._clock.monotonic(), goodbye=True)

    async def end_room(self, room: RoomId) -> None:
        now = self._clock.monotonic()
        state = self.plane.rooms.get(room)
        if state is None:
            return
        for peer in (state.pending, state.publisher):
            if peer is not None:
                self._end(peer, "room_ended", now, goodbye=True)
        self._drop_room(state, now)

    def room_of(self, session: SessionId) -> tuple[RoomId, Role] | None:
        peer = self._sessions.get(session)
        return None if peer is None else (peer.room, peer.role)

    def live(self, room: RoomId) -> bool:
        state = self.plane.rooms.get(room)
        return state is not None and state.publisher is not None

    def viewers(self, room: RoomId) -> int:
        state = self.plane.rooms.get(room)
        return 0 if state is None else sum(viewer.connected for viewer in state.viewers)

    def timeline(self, room: RoomId) -> Timeline | None:
        state = self.plane.rooms.get(room)
        newest = None if state is None else state.slots["video"].newest
        if state is None or newest is None:
            return None
        timestamp, arrived = newest
        age_ms = (self._clock.monotonic() - arrived) * 1000
        captured = capture_ms(state.slots["video"].clock(), timestamp, CLOCK_HZ[VP8])
        return Timeline(timestamp, self._clock.now_ms() - age_ms, captured)

    # reading ---------------------------------------------------------------------------------------------

    def events(self) -> AsyncIterator[EngineEvent]:
        return self._hub.events()

    def tap(self, room: RoomId) -> AsyncIterator[TappedFrame]:
        reader = self._hub.tap(room)
        state = self.plane.rooms.get(room)
        if state is not None:
            self._listen(state)
        return reader

    def stats(self) -> StatsSnapshot:
        peers = self._sessions.values()
        rooms = self.plane.rooms
        return StatsSnapshot(
            counters=self.plane.counters.snapshot(self.plane.fanout.counters),
            gauges={
                'media_sessions{role="publisher"}': sum(p.connected and p.role is Role.PUBLISHER for p in peers),
                'media_sessions{role="viewer"}': sum(p.connected and p.role is Role.VIEWER for p in peers),
                "media_sessions_pending": self._pending,
                "media_live_rooms": sum(room.publisher is not None for room in rooms.values()),
                "media_fanout_waiting": self.plane.fanout.waiting,
            },
            rooms={room.id: self.viewers(room.id) for room in rooms.values() if room.publisher is not None},
        )

    # what the plane tells --------------------------------------------------------------------------------

    def on_connected(self, peer: Peer, now: float) -> None:
        counters = self.plane.counters
        self._pending -= 1
        counters.joins += 1
        counters.join_s["handshake"] += now - peer.created
        room = self.plane.rooms[peer.room]
        if isinstance(peer, Publisher):
            if room.publisher is not None:
                self._end(room.publisher, "replaced", now, goodbye=True)
            room.publisher, room.pending, room.away_since = peer, None, None
            peer.last_media = now
            for slot in room.slots.values():
                slot.detach(now)
            self._hub.emit(PublisherStarted(peer.room, peer.id))
        elif isinstance(peer, Viewer):
            for kind, slot in room.slots.items():
                if peer.offer.section(kind) is not None:
                    slot.join(peer)
                    report = slot.last_report()
                    if report is not None:
                        peer.send_rtcp(report)
            self.plane.want_keyframe(room, now)
            self._hub.emit(ViewerConnected(peer.room, peer.id, (now - peer.created) * 1000))

    def on_ended(self, peer: Peer, reason: str, now: float) -> None:
        self._end(peer, reason, now, goodbye=False)

    def on_media(self, publisher: Publisher, first: bool) -> None:
        if first:
            # Browsers take a bitrate cap of the first two seconds as leave to start at it.
            publisher.send_rtcp(publisher.receiver_report(self._clock.monotonic(), self.config.max_video_bps))
        event = MediaStarted if first else PublisherResumed
        self._hub.emit(event(publisher.room, publisher.id))

    def on_stalled(self, publisher: Publisher) -> None:
        self._hub.emit(PublisherStalled(publisher.room, publisher.id))

    # inside ----------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        config = self.config
        check_bounds(
            len(self._sessions), config.max_sessions or _MAX_SESSIONS, self._pending, config.max_pending or _MAX_PENDING
        )

    def _peer_parts(
        self, room: RoomId, offer: Offer, now: float
    ) -> tuple[SessionId, RoomId, Offer, list[Credentials], Endpoint, float, float, str, int]:
        endpoint = Endpoint(self._identity, client=not offer.dtls_client, fingerprints=offer.fingerprints)
        ssrc = secrets.randbits(32) or 1
        return make_session_id(), room, offer, [make_credentials()], endpoint, now, now, offer.ufrag, ssrc

    def _make_room(self, id: RoomId) -> Room:
        slots = {kind: Slot(kind, self.config, secrets.randbits, self.plane.fanout.send) for kind in ("audio", "video")}
        slots["video"].cname = slots["audio"].cname  # one clock: players keep lips and voice together by it
        room = Room(id, slots)
        if self._hub.tapped(id):
            self._listen(room)
        return room

    def _local(self, credentials: Credentials, ssrcs: dict[str, tuple[int, int]], version: int) -> Local:
        return Local(
            session=secrets.randbits(62),
            version=version,
            ufrag=credentials.ufrag,
            password=credentials.password,
            fingerprint=self._identity.fingerprint,
            candidates=[Candidate(host, port) for host, port in self.candidates],
            ssrcs=ssrcs,
            max_video_bps=self.config.max_video_bps,
        )

    def _open(self, peer: Peer, ssrcs: dict[str, tuple[int, int]], begun: float) -> Session:
        self._sessions[peer.id] = peer
        self._pending += 1
        self.plane.add(peer)
        credentials = peer.credentials[-1]
        answer = write_answer(peer.offer, self._local(credentials, ssrcs, 1))
        counters = self.plane.counters
        counters.sessions[peer.role.value] += 1
        counters.join_s["negotiate"] += self._clock.monotonic() - begun
        return Session(peer.id, peer.room, peer.role, answer, credentials.etag)

    def _find(self, session: SessionId) -> Peer:
        peer = self._sessions.get(session)
        if peer is None:
            raise UnknownSession("there is no such media session")
        return peer

    def _end(self, peer: Peer, reason: str, now: float, *, goodbye: bool) -> None:
        if peer.closed:
            return
        started = peer.connected
        self._pending -= not started
        self.plane.remove(peer, goodbye=goodbye)
        self._sessions.pop(peer.id, None)
        self.plane.counters.ended[reason] += 1
        room = self.plane.rooms.get(peer.room)
        if room is None:
            return
        if isinstance(peer, Viewer):
            room.viewers.discard(peer)
            if started:
                self._hub.emit(ViewerLeft(peer.room, peer.id, reason))
            return
        if room.pending is peer:
            room.pending = None
        elif room.publisher is peer:
            room.publisher, room.away_since = None, now
            for slot in room.slots.values():
                slot.detach(now)
            self._hub.emit(PublisherStopped(peer.room, peer.id, reason))
        if room.publisher is None and room.pending is None and room.away_since is None:
            self._drop_room(room, now)

    def _drop_room(self, room: Room, now: float) -> None:
        for viewer in list(room.viewers):
            self._end(viewer, "room_ended", now, goodbye=True)
        self.plane.rooms.pop(room.id, None)

    def _listen(self, room: Room) -> None:
        for kind, slot in room.slots.items():
            if slot.listener is None:
                slot.listener = frame_listener(kind, slot.clock, self._hub.taps(room.id))

    # the loop --------------------------------------------------------------------------------------------

    def _readable(self, port: UdpPort) -> None:
        now = self._clock.monotonic()
        receive, datagram = port.socket.recvfrom, self.plane.datagram
        for _ in range(_READS):
            try:
                data, address = receive(_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error of an earlier send
            try:
                datagram(port, data, address, now)
            except Exception:
                # One peer's datagram must not take the others' loop down; the count makes an alert of it.
                self.plane.counters.drops["failed"] += 1
                log.exception("a datagram could not be handled")

    def _call_soon(self, callback: object) -> None:
        if self._loop is not None and callable(callback):
            self._loop.call_soon(callback)

    def _schedule_flush(self) -> None:
        if self._loop is not None:
            self._loop.call_later(self.config.hold_s or _HOLD_S, self.plane.flush_held)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        expired = reported = self._clock.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            now = self._clock.monotonic()
            late, last = loop.time() - last, loop.time()
            try:
                if late > _STANDSTILL_S:
                    self.plane.forgive(late)
                self.plane.tick(now)
                if now - expired >= _EXPIRE_S:
                    expired = now
                    self.expire(now)
                if now - reported >= 1.0:
                    reported = now
                    self.plane.report(now)
                    self._hub.emit(self.stats())
            except Exception:
                self.plane.counters.drops["tick_failed"] += 1
                log.exception("a tick of the media plane failed")

    def expire(self, now: float) -> None:
        """End what is overdue at `now` (monotonic seconds): handshakes, silent peers, rooms nobody came back to."""
        self.plane.expire(now)
        for room in list(self.plane.rooms.values()):
            if room.away_since is not None and room.pending is None and now - room.away_since > self.config.resume_s:
                self._drop_room(room, now)
