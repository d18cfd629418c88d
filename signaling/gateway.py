"""The realtime gateway: `GET /ws/{room}`, from the upgrade to the last close code.

A thin shell: `entry` says who comes in, `hub` tells a room its events, features handle the frames.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import socket as sockets
from collections.abc import Callable
from typing import Final, cast

from aiohttp import WSMsgType, web

from streamserver import errors, wire
from streamserver.buckets import Bucket, Rate
from streamserver.http import same_origin
from streamserver.ids import RoomId, ViewerId
from streamserver.members import Refusal, Turned
from streamserver.positions import Position
from streamserver.server import Server

from .connection import Connection, Wire
from .entry import Entry
from .gateway_metrics import GatewayMetrics
from .hub import Hub, raw_state
from .presence import Presence
from .socket import Socket, linger

log = logging.getLogger(__name__)

HELLO_S: Final = 10.0
HANDLE_S: Final = 10.0
"""Time a frame's handler has before the frame is refused."""
BEAT_S: Final = 1.0
CATCH_UP_S: Final = 0.1
ENTERING: Final = 2_000
"""Members between upgrade and welcome (policy: more are closed with 4004 and come back with jitter)."""
BAD_FRAMES: Final = Rate(burst=10, per_s=10 / 60)
INBOUND: Final = Rate(burst=100, per_s=30)
"""Frames of one member; a faster one is simply read more slowly."""
DRAIN_CHUNK: Final = 100


KERNEL_BYTES: Final = 64 * 1024
"""Send buffer asked of the kernel per connection: without it Linux lets one that does not read hold megabytes."""


class Gateway:
    """Implements `streamserver.members.Members` for the members of this node."""

    def __init__(self, server: Server, presence: Presence) -> None:
        self._server = server
        self._presence = presence
        self._entry = Entry(server)
        self._hubs: dict[RoomId, Hub] = {}
        self._connections: dict[Connection, None] = {}
        self._slow: dict[Connection, None] = {}
        self._entering = 0
        self._draining = False
        self.metrics = GatewayMetrics(server.metrics, lambda: len(self._connections), self._dropped)

    def connections(self) -> list[Connection]:
        """Every connection of this node, also those that have not said hello."""
        return list(self._connections)

    def hub(self, room_id: RoomId) -> Hub | None:
        """The room as this node tells it, while it has members here."""
        return self._hubs.get(room_id)

    # ---- Members ----

    def of(self, room_id: RoomId, viewer_id: ViewerId) -> list[Connection]:
        hub = self._hubs.get(room_id)
        return hub.of(viewer_id) if hub is not None else []

    def rename(self, room_id: RoomId, viewer_id: ViewerId, name: str) -> None:
        for member in self.of(room_id, viewer_id):
            member.name = name

    def close(self, room_id: RoomId, viewer_id: ViewerId, code: wire.CloseCode, reason: str) -> int:
        members = self.of(room_id, viewer_id)
        for member in members:
            member.close(code, reason)
        return len(members)

    # ---- one connection ----

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if not same_origin(request, self._server.base_url()):
            raise errors.Forbidden("this request came from another site", code="cross_site", where="Origin")
        if self._draining:
            raise errors.Unavailable("this server is being replaced", code="draining", retry_after=1)
        socket = Socket()
        if not socket.can_prepare(request).ok:
            raise errors.BadRequest("this address speaks WebSocket only", code="not_websocket", where="Upgrade")
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        _bound_kernel_buffer(transport)
        member = Connection(RoomId(request.match_info["room"]), cast(Wire, transport), self._server.clock.monotonic)
        member.on_close = self._closed
        member.on_slow = self._is_slow
        socket.connection = member
        self._connections[member] = None
        try:
            await self._serve(request, socket, member)
        except Exception:
            log.exception("member_failed", extra={"room": member.room_id})
            member.close(wire.CLOSE_SERVER_ERROR, "server error")
        finally:
            member.lost(1006)
            self._connections.pop(member, None)
            self._slow.pop(member, None)
        if member.close_code == wire.CLOSE_TOO_LARGE:
            await linger()
        self._cut_later(member)
        return socket

    async def _serve(self, request: web.Request, socket: Socket, member: Connection) -> None:
        if self._entering >= ENTERING:
            member.close(wire.CLOSE_BUSY, "too many are joining")
        else:
            self._entering += 1
            began = self._server.clock.monotonic()
            try:
                async with asyncio.timeout(HELLO_S):
                    hello = await self._hello(socket, member)
                if hello is not None and await self._enter(request, member, hello):
                    self.metrics.joined(self._server.clock.monotonic() - began)
            except TimeoutError:
                member.close(wire.CLOSE_NO_HELLO, "no hello in time")
            finally:
                self._entering -= 1
        await self._read(socket, member)

    async def _hello(self, socket: Socket, member: Connection) -> wire.HelloFrame | None:
        """The first frame; None when the connection was closed instead."""
        bad = Bucket(BAD_FRAMES, self._server.clock.monotonic())
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
            frame = self._decode(message, member, bad)
            if isinstance(frame, wire.HelloFrame):
                return frame
            if frame is not None:
                self._bad(member, bad, "hello must come first", where="t", id=getattr(frame, "id", None))
            if not member.open:
                break
        return None

    async def _enter(self, request: web.Request, member: Connection, hello: wire.HelloFrame) -> bool:
        hub: Hub | None = None
        try:
            async with asyncio.timeout(HANDLE_S):
                here = self._hubs.get(member.room_id)
                room = await self._entry.identify(request, member, hello, here.state if here else None)
                hub = self._hub(member.room_id, room)
                recovered = await hub.admit(member, hello.pos, functools.partial(self._welcome, hub, member))
        except Turned as exc:
            member.close(exc.code, exc.reason)
            return False
        except (errors.Unavailable, errors.TooMany, TimeoutError) as exc:
            log.warning("join_refused", extra={"room": member.room_id, "why": str(exc)})
            member.close(wire.CLOSE_BUSY, "try again")
            return False
        finally:
            if hub is not None:
                hub.joining -= 1
            self._prune(member.room_id)
        if member.open and hub is not None:
            self._presence.entered(member, hub.state)
            self.metrics.recovered(hello.pos is not None, recovered)
        return member.open

    def _welcome(self, hub: Hub, member: Connection, pos: Position, state: bytes | None) -> bytes:
        return wire.encode(
            wire.WelcomeFrame(
                v=wire.VERSION,
                room=hub.state,
                you=wire.You(viewer=member.viewer_id, name=member.name, role=member.role, staff=member.staff),
                token=member.token,
                pos=pos,
                recovered=state is None,
                now_ms=self._server.clock.now_ms(),
                state=raw_state(state),
            )
        )

    async def _read(self, socket: Socket, member: Connection) -> None:
        """Handles a member's frames one after the other until the peer is gone."""
        now = self._server.clock.monotonic
        bad = Bucket(BAD_FRAMES, now())
        pace = Bucket(INBOUND, now())
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break  # the protocol was broken, or the connection was
            if not member.open:
                continue  # said goodbye: whatever still comes is read and forgotten until the peer answers
            member.busy = True
            if (wait := pace.take(now())) > 0:
                await asyncio.sleep(wait)
                pace.take(now())
            frame = self._decode(message, member, bad)
            if frame is not None:
                await self._handle(member, frame, bad)
            member.busy = False

    def _decode(self, message: object, member: Connection, bad: Bucket) -> wire.AnyClientFrame | None:
        kind, data = message.type, message.data  # type: ignore[attr-defined]  # aiohttp's message is a named tuple
        if kind is WSMsgType.TEXT:
            try:
                return wire.decode_client(data)
            except wire.BadFrame as exc:
                self._bad(member, bad, exc.detail, where=exc.where, id=exc.id)
        elif kind is WSMsgType.BINARY:
            self._bad(member, bad, "a frame is a text message")
        elif kind is WSMsgType.PING:
            member.pinged(bytes(data))
        elif kind is WSMsgType.PONG:
            member.ponged()
        return None

    def _bad(self, member: Connection, bad: Bucket, detail: str, *, where: str = "", id: str | None = None) -> None:
        self.metrics.bad_frames.inc()
        member.send(wire.RefusedFrame(code="bad_frame", detail=detail[:200], where=where[:100], id=id or wire.UNSET))
        if bad.take(self._server.clock.monotonic()) > 0 or bad.empty():
            member.close(wire.CLOSE_BAD_FRAMES, "too many bad frames")

    async def _handle(self, member: Connection, frame: wire.AnyClientFrame, bad: Bucket) -> None:
        if isinstance(frame, wire.PingFrame):
            member.send(wire.PongFrame(id=frame.id, now_ms=self._server.clock.now_ms()))
            return
        if isinstance(frame, wire.HelloFrame):
            self._bad(member, bad, "hello was said already", where="t")
            return
        id = getattr(frame, "id", None) or wire.UNSET
        handler = self._server.frames.handler(type(frame))
        if handler is None:
            member.send(wire.RefusedFrame(code="not_here", detail="this server does not take that frame", id=id))
            return
        try:
            async with asyncio.timeout(HANDLE_S):
                await handler(member, frame)
        except Refusal as exc:
            retry = exc.retry_ms if exc.retry_ms is not None else wire.UNSET
            where = exc.where if exc.where is not None else wire.UNSET
            member.send(wire.RefusedFrame(code=exc.code, detail=exc.detail, id=id, where=where, retry_ms=retry))
        except errors.StreamServerError as exc:
            retry = exc.retry_after * 1000 if exc.retry_after is not None else wire.UNSET
            where = exc.where if exc.where is not None else wire.UNSET
            member.send(wire.RefusedFrame(code=exc.code, detail=exc.detail, id=id, where=where, retry_ms=retry))
        except TimeoutError:
            member.send(wire.RefusedFrame(code="busy", detail="this took too long", id=id, retry_ms=2000))
        except Exception:
            log.exception("frame_failed", extra={"room": member.room_id, "frame": type(frame).__name__})
            member.send(wire.RefusedFrame(code="internal", detail="something went wrong on the server", id=id))

    # ---- hubs ----

    def _hub(self, room_id: RoomId, state: wire.RoomState) -> Hub:
        hub = self._hubs.get(room_id)
        if hub is None:
            server = self._server
            hub = Hub(room_id, state, server.bus, server.state.collect, tick_s=server.settings.tick_ms / 1000)
            hub.on_room = self._presence.room_is
            hub.on_pass = self.metrics.passed
            self._hubs[room_id] = hub
        hub.joining += 1
        return hub

    def _prune(self, room_id: RoomId) -> None:
        """A join is over, or a member left: a room without either needs no hub."""
        hub = self._hubs.get(room_id)
        if hub is not None and not hub.members and not hub.joining:
            del self._hubs[room_id]
            self.metrics.retire(hub)
            hub.close()

    def _is_slow(self, member: Connection) -> None:
        self._slow[member] = None

    def _closed(self, member: Connection) -> None:
        self.metrics.closed(member)
        hub = self._hubs.get(member.room_id)
        if hub is not None and member in hub.members:
            hub.leave(member)
            self._presence.left(member)
            self._prune(member.room_id)

    def _dropped(self) -> tuple[int, int]:
        """(frames delivered, chat lines dropped) by the hubs that live."""
        return (
            sum(hub.delivered for hub in self._hubs.values()),
            sum(hub.dropped for hub in self._hubs.values()),
        )

    def _cut_later(self, member: Connection) -> None:
        """aiohttp closes the transport now, which first flushes it: a peer that does not read is cut."""
        transport = member.transport
        if transport.get_write_buffer_size() > 0:
            asyncio.get_running_loop().call_later(5.0, transport.abort)

    # ---- in the background ----

    async def beat(self) -> None:
        """Pings, deadlines and stalls of every connection, in chunks. Runs until cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            await self._each(list(self._connections), lambda member, now: member.beat(now))

    async def catch_up(self) -> None:
        """Looks after the members that are behind. Runs until cancelled."""
        while True:
            await asyncio.sleep(CATCH_UP_S)
            now = self._server.clock.monotonic()
            for member in list(self._slow):
                if not member.catch_up(now):
                    self._slow.pop(member, None)

    async def _each(self, members: list[Connection], act: Callable[[Connection, float], None]) -> None:
        for start in range(0, len(members), 500):
            now = self._server.clock.monotonic()
            for member in members[start : start + 500]:
                act(member, now)
            await asyncio.sleep(0)

    async def drain(self) -> None:
        """Sends every member away with 4001, in shuffled chunks, so that they come back one after the other."""
        self._draining = True
        members = list(self._connections)
        random.shuffle(members)
        for start in range(0, len(members), DRAIN_CHUNK):
            for member in members[start : start + DRAIN_CHUNK]:
                member.close(wire.CLOSE_DRAINING, "draining")
            await asyncio.sleep(0.02 + random.random() * 0.03)
        for _ in range(50):
            if not self._connections:
                return
            await asyncio.sleep(0.1)


def _bound_kernel_buffer(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, KERNEL_BYTES)
