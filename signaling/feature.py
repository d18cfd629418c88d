"""Sets up signaling on a server: the realtime gateway, presence, WHIP and WHEP."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from streamserver.ids import RoomId
from streamserver.server import Server
from streamserver.wire import WatchFrame

from .gateway import Gateway
from .media_events import pump
from .presence import Presence
from .store import close_abandoned
from .whip import setup_whip


def setup(server: Server) -> None:
    setup_whip(server)
    setup_realtime(server)
    # An encoder that goes on sending after its show was ended is sent away.
    server.rooms.on_ended.append(server.engine.end_room)

    async def media_events(_app: web.Application) -> None:
        # Subscribed before anything listens, so that no publisher's first event is missed.
        server.spawn(pump(server, server.engine.events()), name="media-events")

    server.app.on_startup.append(media_events)


def setup_realtime(server: Server) -> Gateway:
    presence = Presence(server.bus, server.store, server.clock, server.new_id)
    gateway = Gateway(server, presence)
    server.presence = presence
    server.members = gateway
    server.frames.on(WatchFrame, presence.watched)

    async def viewers(room_id: RoomId) -> int:
        return presence.viewers(room_id)

    server.state.provide("viewers", viewers)
    server.app.router.add_get("/ws/{room}", gateway.handle)
    server.on_drain.append(gateway.drain)

    async def running(_app: web.Application) -> AsyncIterator[None]:
        await server.store.write(close_abandoned())
        server.spawn(gateway.beat(), name="realtime-beat")
        server.spawn(gateway.catch_up(), name="realtime-catch-up")
        server.spawn(presence.tell(), name="presence-tell")
        server.spawn(presence.record(), name="presence-record")
        yield
        await presence.finish()

    server.app.cleanup_ctx.append(running)
    return gateway
