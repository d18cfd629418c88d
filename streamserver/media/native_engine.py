"""The engine whose media runs in Rust threads (package `streamserver_native`): Python does SDP, policy and events.

No call here is made per packet. What the threads decide comes back as events in batches; the tables in
`native_rooms` follow them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Final

from streamserver.clock import Clock, SystemClock
from streamserver.ids import RoomId, SessionId
from streamserver.media import native_sdp
from streamserver.media.abilities import Role
from streamserver.media.admission import PUBLISHERS, VIEWERS, Load, Meter, figures_of, refuse
from streamserver.media.engine import (
    EngineConfig,
    EngineEvent,
    MediaStarted,
    Patched,
    PublisherResumed,
    PublisherStalled,
    Pull,
    Session,
    StatsSnapshot,
    TappedFrame,
    Timeline,
)
from streamserver.media.errors import BadOffer, Full, PublisherExists, UnknownSession, Unreachable
from streamserver.media.frames import NTP_UNIX_S
from streamserver.media.native_rooms import SHARD_LETTERS, Peer, Room, Tables
from streamserver.media.negotiation import Local, Offer, Section, read_offer, write_answer, write_ice_fragment
from streamserver.media.pull import Call, WhepPull, start_pull
from streamserver.media.pull_sdp import PullAnswer, read_pull_answer, write_pull_offer
from streamserver.media.readers import Hub
from streamserver.media.sessions import (
    RETRY_S,
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

if TYPE_CHECKING:
    from streamserver_native import Core

log = logging.getLogger(__name__)

MAX_SESSIONS: Final = 20_000
MAX_PENDING: Final = 4000
# A browser's pacer spreads a frame over most of its interval; a frame sent in parts costs a send for each.
HOLD_S: Final = 0.02
MAX_JOBS: Final = 256
"""Batches that may wait in one thread (`max_jobs` of crate sfu)."""
_REPORT_S: Final = 1.0
_TICK_S: Final = 0.25
_MANUAL_TICK_S: Final = 0.02
_COUNTERS: Final = ("_total", "_bucket", "_sum", "_count")


class NativeEngine:
    """Implements MediaEngine; the guarantees are stated there."""

    name = "native"

    def __init__(
        self, config: EngineConfig, clock: Clock | None = None, *, make_core: Callable[..., Core] | None = None
    ) -> None:
        """`clock` other than the system's is pushed into the threads with every call; `make_core` is for tests."""
        self.config = config
        self._clock = clock or SystemClock()
        self._manual = not isinstance(self._clock, SystemClock)
        self._make_core = make_core
        self._core: Core | None = None
        self._abilities = native_sdp.abilities(config.video_codecs)
        self._hub = Hub(config.tap_frames)
        self._tables = Tables(self._hub.emit)
        self._admitted = {Role.PUBLISHER: 0, Role.VIEWER: 0}
        self._negotiate_s = 0.0
        self._tapped: set[int] = set()
        self._waiting: dict[SessionId, asyncio.Future[str]] = {}
        self._pulls: set[WhepPull] = set()
        self._meter = Meter()
        self._lag_s: dict[str, float] = {}
        self._refusals: dict[Role, str | None] = {Role.PUBLISHER: None, Role.VIEWER: None}
        self._ticker: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dispatch: dict[str, Callable[..., None]] = {
            "connected": self._on_connected,
            "media_started": self._on_media_started,
            "stalled": self._on_stalled,
            "resumed": self._on_resumed,
            "ended": self._on_ended,
            "room_gone": self._on_room_gone,
            "codec": self._on_codec,
            "layer": self._on_layer,
        }

    # life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        config = self.config
        make = self._make_core
        if make is None:
            from streamserver_native import Core as make
        self._loop = asyncio.get_running_loop()
        core = make(
            hosts=bind_hosts(config),
            ports=config.udp_ports,
            tcp_port=None if config.tcp_port < 0 else config.tcp_port,
            threads=config.threads or max(1, (os.cpu_count() or 1) - 1),
            manual_clock=self._manual,
            max_video_bps=config.max_video_bps,
            handshake_s=config.handshake_s,
            silence_s=config.silence_s,
            stall_s=config.stall_s,
            resume_s=config.resume_s,
            keyframe_interval_s=config.keyframe_interval_s,
            ring_packets=config.ring_packets,
            hold_s=0.0 if self._manual else config.hold_s or HOLD_S,
            nack_packets_per_s=config.nack_packets_per_s,
            publisher_packets_per_s=config.publisher_packets_per_s,
        )
        self._core = core
        self._tables.begin(core.shards)
        self.push_time()
        self._loop.add_reader(core.event_fd(), self._drain)
        self._ticker = asyncio.create_task(self._tick(), name="media-ticks")

    async def stop(self) -> None:
        core, self._core = self._core, None
        await asyncio.gather(*(pull.close() for pull in list(self._pulls)), return_exceptions=True)
        if core is None:
            self._hub.close()
            return
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        if self._loop is not None:
            self._loop.remove_reader(core.event_fd())
        for peer in self._tables.everyone():
            core.close(peer.shard, peer.number, "shutdown")
        await asyncio.to_thread(core.barrier)
        self._take(core)
        await asyncio.to_thread(core.stop)
        self._hub.close()

    @property
    def core(self) -> Core:
        """The Rust side. Raises RuntimeError before `start` and after `stop`."""
        if self._core is None:
            raise RuntimeError("the media engine is not running")
        return self._core

    @property
    def candidates(self) -> list[tuple[str, int]]:
        """UDP address and port of each announced address."""
        return announced(self.config, self.core.ports)

    # sessions --------------------------------------------------------------------------------------------

    async def publish(self, room: RoomId, offer_sdp: str, *, takeover: bool = True) -> Session:
        begun = self._clock.monotonic()
        offer = read_offer(offer_sdp, Role.PUBLISHER, self._abilities)
        self._sync()
        state = self._tables.rooms.get(room)
        if not takeover and state is not None and (state.publisher or state.pending):
            raise PublisherExists("this room has a publisher")
        self._admit(Role.PUBLISHER)
        return self._open(self._make_room(room), offer, begun)

    async def subscribe(self, room: RoomId, offer_sdp: str) -> Session:
        begun = self._clock.monotonic()
        offer = read_offer(offer_sdp, Role.VIEWER, self._abilities)
        self._sync()
        state = self._tables.rooms.get(room)
        if state is None or not state.alive:
            raise nothing_live()
        check_decodable(offer, state.published())
        self._admit(Role.VIEWER)
        return self._open(state, offer, begun)

    async def pull(self, room: RoomId, url: str, token: str | None = None) -> Pull:
        self._pulls = {pull for pull in self._pulls if not pull.closed}
        pull = await start_pull(self, room, url, token)
        self._pulls.add(pull)
        return pull

    async def patch(self, session: SessionId, fragment: str, if_match: str | None) -> Patched:
        self._sync()
        peer = self._find(session)
        if peer.offer is None:
            raise BadOffer("a pulled session has no client that could PATCH it", "the whole")
        restart = read_patch(fragment, if_match, peer.credentials.etag, peer.remote_ufrag)
        if restart is None:
            return Patched(peer.credentials.etag, "")
        fresh = make_credentials(SHARD_LETTERS[peer.shard])
        peer.credentials, peer.remote_ufrag = fresh, restart.ufrag
        self.core.restart(peer.shard, peer.number, fresh.ufrag, fresh.password, restart.ufrag)
        return Patched(fresh.etag, write_ice_fragment(peer.offer, self._local(fresh, {}, 2)))

    async def close(self, session: SessionId, reason: str = "deleted") -> None:
        self._sync()
        peer = self._find(session)
        self.core.close(peer.shard, peer.number, reason)
        self._tables.close(peer)

    async def end_room(self, room: RoomId) -> None:
        self._sync()
        state = self._tables.rooms.get(room)
        if state is not None:
            self.core.end_room(state.home, state.number, "room_ended")
            self._tables.close_room(state)

    def room_of(self, session: SessionId) -> tuple[RoomId, Role] | None:
        self._sync()
        peer = self._tables.sessions.get(session)
        return None if peer is None else (peer.room.id, peer.role)

    def live(self, room: RoomId) -> bool:
        self._sync()
        state = self._tables.rooms.get(room)
        return state is not None and state.publisher is not None

    def viewers(self, room: RoomId) -> int:
        self._sync()
        state = self._tables.rooms.get(room)
        return 0 if state is None else state.viewers

    def timeline(self, room: RoomId) -> Timeline | None:
        self._sync()
        state = self._tables.rooms.get(room)
        seen = None if state is None or self._core is None else self._core.timeline(state.number)
        if seen is None:
            return None
        timestamp, at_us, captured = seen
        age_ms = (self.core.now_us() - at_us) / 1000
        return Timeline(timestamp, self._clock.now_ms() - age_ms, _wall_ms(captured))

    # reading ---------------------------------------------------------------------------------------------

    def events(self) -> AsyncIterator[EngineEvent]:
        return self._hub.events()

    def tap(self, room: RoomId) -> AsyncIterator[TappedFrame]:
        reader = self._hub.tap(room)
        state = self._tables.rooms.get(room)
        if state is not None:
            self._listen(state)
        return reader

    def stats(self) -> StatsSnapshot:
        self._sync()
        return self._stats({} if self._core is None else self._snapshot(self._core))

    def _snapshot(self, core: Core) -> dict[str, float]:
        """The threads' counters. Their longest delay begins anew with each reading, here only with each report."""
        flat = core.snapshot()
        for thread in range(core.shards):
            key = f'media_thread_lag_seconds{{thread="{thread}"}}'
            flat[key] = self._lag_s[key] = max(self._lag_s.get(key, 0.0), flat.get(key, 0.0))
        return flat

    def _stats(self, flat: dict[str, float]) -> StatsSnapshot:
        counters: dict[str, float] = {}
        gauges: dict[str, float] = {}
        health: dict[str, float] = {}
        for key, value in flat.items():
            name = key.partition("{")[0]
            where = counters if name.endswith(_COUNTERS) else health if name.startswith("media_thread_") else gauges
            where[key] = value
        for role, count in self._admitted.items():
            if count:
                counters[f'media_sessions_total{{role="{role.value}"}}'] = count
        counters['media_join_seconds_total{phase="negotiate"}'] = self._negotiate_s
        rooms = {room.id: room.viewers for room in self._tables.live_rooms()}
        gauges.setdefault("media_fanout_waiting", 0)
        gauges |= {
            'media_sessions{role="publisher"}': len(rooms),
            'media_sessions{role="viewer"}': sum(room.viewers for room in self._tables.rooms.values()),
            "media_sessions_pending": self._tables.pending,
            "media_live_rooms": len(rooms),
        }
        return StatsSnapshot(counters, gauges, rooms, health)

    # what a pull needs of us -----------------------------------------------------------------------------

    def call(self, room: RoomId) -> Call:
        self._admit(Role.PUBLISHER)
        home = self._tables.home_of(room)
        credentials = make_credentials(SHARD_LETTERS[home])
        offer_sdp = write_pull_offer(self._local(credentials, {}, 1), self._abilities)

        def accept(answer_sdp: str) -> SessionId:
            begun = self._clock.monotonic()
            answer = read_pull_answer(answer_sdp, self._abilities)
            self._sync()
            self._admit(Role.PUBLISHER)
            state = self._make_room(room, home)
            if state.home != home:
                raise Unreachable("the room began elsewhere while the other server answered", retry_after=RETRY_S)
            return self._dialled(state, credentials, answer, begun)

        return Call(offer_sdp, accept)

    def ended(self, session: SessionId) -> asyncio.Future[str]:
        future = self._waiting.get(session)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            if session in self._tables.sessions:
                self._waiting[session] = future
            else:
                future.set_result("lost")
        return future

    # inside ----------------------------------------------------------------------------------------------

    def _admit(self, role: Role) -> None:
        check_bounds(
            len(self._tables.sessions),
            self.config.max_sessions or MAX_SESSIONS,
            self._tables.pending,
            self.config.max_pending or MAX_PENDING,
        )
        refusal = self._refusals[role]
        if refusal is not None:
            raise Full(refusal, retry_after=RETRY_S)

    def _make_room(self, id: RoomId, home: int | None = None) -> Room:
        room = self._tables.open_room(id, secrets.randbits, home)
        # Again with every publisher: the thread may have given the room up a moment ago.
        self.core.add_room(None, room.number, room.home, room.audio, room.video, room.cname)
        if self._hub.tapped(id):
            self._listen(room)
        return room

    def _local(self, credentials: Credentials, ssrcs: dict[str, tuple[int, int]], version: int) -> Local:
        return native_sdp.local(
            self.config,
            self.core.fingerprint,
            self.candidates,
            self.core.tcp_port,
            credentials,
            ssrcs,
            version,
        )

    def _open(self, room: Room, offer: Offer, begun: float) -> Session:
        tables, role = self._tables, offer.role
        shard = tables.shard_for(room, role)
        credentials = make_credentials(SHARD_LETTERS[shard])
        ssrcs = {} if role is Role.PUBLISHER else room.ssrcs()
        answer = write_answer(offer, self._local(credentials, ssrcs, 1))
        peer = Peer(
            id=make_session_id(),
            number=tables.new_number(),
            role=role,
            room=room,
            shard=shard,
            offer=offer,
            video_codec=native_sdp.video_codec(offer.sections),
            credentials=credentials,
            remote_ufrag=offer.ufrag,
        )
        if role is Role.VIEWER:
            self.core.add_room(shard, room.number, room.home, room.audio, room.video, room.cname)
        self._add(peer, offer.sections, offer.fingerprints, not offer.dtls_client, None, begun)
        return Session(peer.id, room.id, role, answer, credentials.etag)

    def _dialled(self, room: Room, credentials: Credentials, answer: PullAnswer, begun: float) -> SessionId:
        peer = Peer(
            id=make_session_id(),
            number=self._tables.new_number(),
            role=Role.PUBLISHER,
            room=room,
            shard=room.home,
            offer=None,
            video_codec=native_sdp.video_codec(answer.sections),
            credentials=credentials,
            remote_ufrag=answer.ufrag,
        )
        dial = (answer.password, list(answer.candidates))
        self._add(peer, answer.sections, answer.fingerprints, not answer.dtls_client, dial, begun)
        return peer.id

    def _add(
        self,
        peer: Peer,
        sections: Sequence[Section],
        fingerprints: Sequence[tuple[str, str]],
        dtls_client: bool,
        dial: tuple[str, list[tuple[str, int]]] | None,
        begun: float,
    ) -> None:
        self.core.add_peer(
            peer.shard,
            id=peer.number,
            room=peer.room.number,
            publisher=peer.role is Role.PUBLISHER,
            ufrag=peer.credentials.ufrag,
            password=peer.credentials.password,
            remote_ufrag=peer.remote_ufrag,
            fingerprints=native_sdp.fingerprints(fingerprints),
            dtls_client=dtls_client,
            sections=native_sdp.specs(sections),
            dial=dial,
        )
        self._tables.add(peer)
        self._admitted[peer.role] += 1
        self._negotiate_s += self._clock.monotonic() - begun

    def _find(self, session: SessionId) -> Peer:
        peer = self._tables.sessions.get(session)
        if peer is None:
            raise UnknownSession("there is no such media session")
        return peer

    def _listen(self, room: Room) -> None:
        if room.number not in self._tapped:
            self._tapped.add(room.number)
            self.core.tap(room.home, room.number, True)

    # the threads' reports --------------------------------------------------------------------------------

    def push_time(self) -> None:
        """Tell the threads what an injected clock says."""
        if self._manual and self._core is not None:
            self._core.set_time(int(self._clock.monotonic() * 1e6))

    def expire(self) -> None:
        """End what is overdue now; with an injected clock, where time does not pass by itself."""
        core = self._core
        if core is None:
            return
        self.push_time()
        core.barrier()
        self._take(core)

    def _sync(self) -> None:
        """Answer by what has happened so far."""
        if self._manual:
            self.expire()
        elif self._core is not None:
            self._take(self._core)

    def _drain(self) -> None:
        if self._core is not None:
            self._take(self._core)

    def _take(self, core: Core) -> None:
        for kind, *facts in core.drain():
            self._dispatch[kind](*facts)
        for room, kind, codec, data, timestamp, keyframe, captured in core.drain_frames():
            state = self._tables.room(room)
            if state is not None:
                frame = TappedFrame(kind, codec, data, timestamp, keyframe, _wall_ms(captured))
                for reader in self._hub.taps(state.id):
                    reader.put(frame)

    def _on_connected(self, room: int, peer: int, role: str, join_s: float) -> None:
        del room, role
        self._tables.connected(peer, join_s)

    def _on_media_started(self, room: int, peer: int) -> None:
        self._tell(MediaStarted, peer)

    def _on_stalled(self, room: int, peer: int) -> None:
        self._tell(PublisherStalled, peer)

    def _on_resumed(self, room: int, peer: int) -> None:
        self._tell(PublisherResumed, peer)

    def _tell(self, event: Callable[[RoomId, SessionId], EngineEvent], number: int) -> None:
        peer = self._tables.find(number)
        if peer is not None:
            self._hub.emit(event(peer.room.id, peer.id))

    def _on_ended(self, room: int, peer: int, role: str, connected: bool, reason: str) -> None:
        del room, role
        id = self._tables.ended(peer, connected, reason)
        future = None if id is None else self._waiting.pop(SessionId(id), None)
        if future is not None and not future.done():
            future.set_result(reason)

    def _on_room_gone(self, room: int) -> None:
        self._tables.room_gone(room)
        if self._tables.room(room) is None:
            self._tapped.discard(room)
            if self._core is not None:
                self._core.forget_room(room)

    def _on_codec(self, room: int, codec: str) -> None:
        state = self._tables.room(room)
        if state is not None:
            state.codec = codec

    def _on_layer(self, room: int, peer: int, was: Sequence[int], now: Sequence[int]) -> None:
        log.debug("a viewer is shown another layer", extra={"from_layer": was, "to_layer": now})

    async def _tick(self) -> None:
        reported = self._clock.monotonic()
        while self._core is not None:
            await asyncio.sleep(_MANUAL_TICK_S if self._manual else _TICK_S)
            self.push_time()
            now = self._clock.monotonic()
            if now - reported >= _REPORT_S:
                reported = now
                try:
                    self._report(now)
                except Exception:
                    log.exception("a report of the media engine failed")

    def _report(self, now: float) -> None:
        self._take(self.core)
        flat = self._snapshot(self.core)
        self._lag_s.clear()
        self._judge(self._meter.read(now, figures_of(flat, MAX_JOBS * self.core.shards)))
        self._untap()
        self._hub.emit(self._stats(flat))

    def _judge(self, load: Load) -> None:
        for role, limits in ((Role.PUBLISHER, PUBLISHERS), (Role.VIEWER, VIEWERS)):
            before = self._refusals[role]
            self._refusals[role] = after = refuse(load, limits, closed=before is not None)
            if (before is None) != (after is None):
                said = "refused" if after else "taken again"
                log.warning("media joins are %s", said, extra={"reason": after or before})

    def _untap(self) -> None:
        """Frames are put together only while somebody reads them."""
        for number in list(self._tapped):
            room = self._tables.room(number)
            if room is not None and not self._hub.tapped(room.id):
                self._tapped.discard(number)
                self.core.tap(room.home, number, False)


def _wall_ms(ntp: int | None) -> float | None:
    """Milliseconds since 1970 of a 64-bit NTP time."""
    return None if ntp is None else (ntp / (1 << 32) - NTP_UNIX_S) * 1000
