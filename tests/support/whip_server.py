"""WHIP and WHEP of a real engine behind a real HTTP server, with rooms that know one key: no database, no pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace

from aiohttp import web

from signaling.whip import setup_whip
from streamserver import http
from streamserver.clock import SystemClock
from streamserver.errors import Forbidden, NotFound
from streamserver.media.engine import EngineConfig
from tests.support.engines import Engine, make_engine

KEY = "stream-key"
ICE_SERVERS = ("stun:stun.example.test:3478",)


class OneKey:
    """Room `demo` is public and published with KEY; `private` asks viewers for a token; no other room exists."""

    async def authorize_publisher(self, room: str, bearer: str | None) -> None:
        self._exists(room)
        if bearer != KEY:
            raise Forbidden("this is not the room's stream key")

    async def authorize_viewer(self, room: str, bearer: str | None) -> None:
        self._exists(room)
        if room == "private" and bearer != KEY:
            raise Forbidden("this room is private")

    def _exists(self, room: str) -> None:
        if room not in ("demo", "private"):
            raise NotFound("there is no such room")


@dataclass
class WhipServer:
    url: str
    engine: Engine
    app: web.Application


@asynccontextmanager
async def whip_server(page: str = "", engine_name: str = "aiortc", **options: object) -> AsyncIterator[WhipServer]:
    """`page`, when given, is served at /page, for a browser to run its script on."""
    config = EngineConfig(**{"announce": ("127.0.0.1",), **options})  # type: ignore[arg-type]
    engine = make_engine(engine_name, config)
    clock = SystemClock()
    url = ""
    app = web.Application(middlewares=[http.base_middleware(clock.now_ms, lambda: url)])
    settings = SimpleNamespace(ice_servers=ICE_SERVERS)
    setup_whip(
        SimpleNamespace(app=app, engine=engine, settings=settings, rooms=OneKey(), refuse_when_draining=lambda: None)
    )

    async def serve_page(request: web.Request) -> web.Response:
        del request
        return web.Response(text=page, content_type="text/html")

    app.router.add_get("/page", serve_page)
    await engine.start()
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    url = f"http://{host}:{port}"
    try:
        yield WhipServer(url, engine, app)
    finally:
        await runner.cleanup()
        await engine.stop()
