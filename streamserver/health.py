"""/livez, /readyz and /metrics: whether this process runs, and whether it should be sent work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from . import http, metrics
from .errors import NotFound

if TYPE_CHECKING:
    from .server import Server


class Health:
    def __init__(self, server: Server) -> None:
        self._server = server
        self.started = False
        self.crashed: list[str] = []
        self._checked: tuple[float, str | None] | None = None
        self._lock = asyncio.Lock()

    def setup(self, app: web.Application) -> None:
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)

    async def reasons(self) -> list[str]:
        """Why this server should get no new work; empty when it should."""
        out: list[str] = []
        if not self.started:
            out.append("starting")
        if self._server.draining:
            out.append("draining")
        if (refused := await self._database()) is not None:
            out.append(f"database: {refused}")
        out += [f"task crashed: {name}" for name in self.crashed]
        return out

    async def _database(self) -> str | None:
        """Asked at most once a second, however many probes there are."""
        async with self._lock:
            now = self._server.clock.monotonic()
            if self._checked is None or now - self._checked[0] >= 1.0:
                self._checked = (now, await self._server.store.writable())
            return self._checked[1]

    async def _livez(self, _request: web.Request) -> web.Response:
        return http.respond({"alive": True})

    async def _readyz(self, _request: web.Request) -> web.Response:
        reasons = await self.reasons()
        return http.respond({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)

    async def _metrics(self, request: web.Request) -> web.Response:
        if not (self._server.settings.metrics_public or http.is_loopback(request)):
            raise NotFound("no such page")
        return metrics.response(self._server.metrics)
