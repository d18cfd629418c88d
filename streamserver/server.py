"""One server: the platform's parts put together, features set up on it, started, drained and stopped.

It knows the order of these steps and no feature by name: they come as `setup` functions.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from config.settings import Settings

from . import http, platform_routes
from .auth import Auth
from .bus import History, LocalBus
from .clock import Clock, SystemClock
from .demo import Demo
from .errors import NotFound, Unavailable
from .health import Health
from .ids import encode_secret, new_id
from .keys import Keys
from .loop_lag import LoopLag
from .media.choose import choose_engine
from .media_metrics import media_metrics
from .members import FrameRegistry, Members, NoMembers, NoPresence, Presence, StateRegistry
from .metrics import Metrics
from .pages import Pages, find_dist
from .room_service import RoomService
from .store import Store, open_store
from .viewers import Viewers

log = logging.getLogger(__name__)

Setup = Callable[["Server"], None]
server_key: web.AppKey[Server] = web.AppKey("server", object)  # type: ignore[arg-type]


class Server:
    """Attributes are the platform's services; features add routes, frame handlers and tasks in their `setup`.

    Life cycle: `create` (database open, nothing listening) → `start` → `drain` → `stop`.
    """

    def __init__(self, settings: Settings, store: Store, clock: Clock, keys: Keys) -> None:
        self.settings = settings
        self.clock = clock
        self.store = store
        self.keys = keys
        self.data = Path(settings.data)
        self.metrics = Metrics()
        self.frames = FrameRegistry()
        self.state = StateRegistry()
        self.presence: Presence = NoPresence()
        self.members: Members = NoMembers()
        self.bus = LocalBus(
            new_epoch=lambda: encode_secret(os.urandom(6)),
            monotonic=clock.monotonic,
            history=History(events=settings.history_events, seconds=settings.history_s),
        )
        secure = settings.base_url().startswith("https://")
        self.auth = Auth(store, clock, secure=secure)
        self.viewers = Viewers(keys, store, clock, secure=secure)
        self.rooms = RoomService(store, clock, keys, self.bus, resume_window_s=settings.resume_window_s)
        self.engine, self.engine_choice = choose_engine(settings, clock)
        self.pages = Pages(find_dist())
        self.health = Health(self)
        self.demo = Demo(self)
        self.port = settings.port
        self.draining = False
        self.on_drain: list[Callable[[], Awaitable[None]]] = []
        """Called in order when the server begins to leave; each has the time that `drain_s` leaves it."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runner: web.AppRunner | None = None
        self._lag = LoopLag(self.metrics)
        self.metrics.collect(media_metrics(self.engine))
        self.metrics.gauge("tasks_crashed", "Background tasks that ended by an error.").set_function(
            lambda: len(self.health.crashed)
        )
        self.app = web.Application(
            middlewares=[http.base_middleware(clock.now_ms, self.base_url), self._lost_people(), self._viewer_cookie()],
            client_max_size=http.MAX_BODY,
        )
        self.app[server_key] = self

    # ---- for features -----------------------------------------------------------------------------------------------

    def new_id(self) -> str:
        """A ULID of now."""
        return new_id(self.clock.now_ms(), os.urandom(10))

    def new_secret(self) -> str:
        """192 random bits in base64url."""
        return encode_secret(os.urandom(24))

    def base_url(self) -> str:
        """The address people open, without a trailing slash; right once the server listens."""
        return self.settings.base_url(self.port)

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Runs background work until shutdown. If it crashes, that is logged and /readyz turns red."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_crashed", extra={"task": task.get_name()}, exc_info=error)
            self.health.crashed.append(task.get_name())

    # ---- life cycle -------------------------------------------------------------------------------------------------

    @classmethod
    async def create(
        cls,
        settings: Settings,
        features: Sequence[Setup],
        *,
        clock: Clock | None = None,
        progress: Callable[[str], None] = lambda _text: None,
    ) -> Server:
        """Opens the database and sets the features up. Raises OSError when the data folder cannot be used."""
        clock = clock or SystemClock()
        store = await open_store(Path(settings.data), progress=progress)
        try:
            keys = Keys()
            await keys.load(store, clock)
            server = cls(settings, store, clock, keys)
            platform_routes.setup(server)
            for setup in features:
                setup(server)
            await server.rooms.recover()
            await server.demo.seed(progress)
        except BaseException:
            await store.close()
            raise
        return server

    async def start(self) -> None:
        """Listens. Raises OSError naming the address or port that is taken."""
        await self.bus.start()
        await self.engine.start()
        self._runner = web.AppRunner(
            self.app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=2.0,
            keepalive_timeout=self.settings.idle_s,
            lingering_time=2.0,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.settings.host or None, self.settings.port, backlog=4096)
        try:
            await site.start()
        except OSError:
            await self.stop()
            raise
        sockets = site._server.sockets  # type: ignore[union-attr]  # the only way to learn a port that was 0
        self.port = sockets[0].getsockname()[1]
        for sock in sockets:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.spawn(self.rooms.run(), name="rooms")
        self.spawn(self._lag.run(), name="loop-lag")
        self.health.started = True

    async def drain(self) -> None:
        """Not ready from now on; members are sent elsewhere, requests in flight are finished. Bounded by `drain_s`."""
        if self.draining:
            return
        self.draining = True
        log.info("draining")
        try:
            async with asyncio.timeout(self.settings.drain_s):
                for step in self.on_drain:
                    await step()
        except TimeoutError:
            log.warning("drain_timed_out", extra={"after_s": self.settings.drain_s})

    async def stop(self) -> None:
        """Stops listening, finishes what was accepted, closes the database. May be called again."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.engine.stop()
        await self.bus.close()
        await self.store.close()

    def refuse_when_draining(self) -> None:
        """For routes that begin something long. Raises Unavailable."""
        if self.draining:
            raise Unavailable("this server is being replaced", code="draining", retry_after=1)

    def _lost_people(self) -> Any:
        """An address that is none: a browser that was sent there gets a page, everything else problem+json."""

        @web.middleware
        async def middleware(request: web.Request, handler: http.Handler) -> web.StreamResponse:
            try:
                return await handler(request)
            except web.HTTPNotFound:
                if request.path.startswith("/api/") or "text/html" not in request.headers.get("Accept", ""):
                    raise
                return self.pages.error(request, NotFound("no such page"))

        return middleware

    def _viewer_cookie(self) -> Any:
        @web.middleware
        async def middleware(request: web.Request, handler: http.Handler) -> web.StreamResponse:
            response = await handler(request)
            self.viewers.set_cookie(request, response)
            return response

        return middleware
