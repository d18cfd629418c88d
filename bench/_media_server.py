"""A media server for `bench media`: the engine in use behind WHIP and WHEP, everybody may, nothing else runs.

Started as its own process so that its CPU time is the engine's and nobody else's. Prints its port when it listens.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from types import SimpleNamespace

from aiohttp import web

from config.settings import Settings
from signaling.whip import setup_whip
from streamserver.clock import SystemClock
from streamserver.ids import RoomId
from streamserver.media.choose import choose_engine


class _OpenHouse:
    """Rooms without keys."""

    async def authorize_publisher(self, room: RoomId, bearer: str | None) -> None:
        del room, bearer

    async def authorize_viewer(self, room: RoomId, bearer: str | None) -> None:
        del room, bearer


async def serve(engine_name: str) -> None:
    settings = Settings(announce=("127.0.0.1",), udp_ports="0-0", media_engine=engine_name, media_threads=1)
    engine, _ = choose_engine(settings, SystemClock())
    await engine.start()
    app = web.Application()
    setup_whip(
        SimpleNamespace(
            app=app, engine=engine, settings=settings, rooms=_OpenHouse(), refuse_when_draining=lambda: None
        )
    )

    async def figures(request: web.Request) -> web.Response:
        del request
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return web.json_response(
            {
                "cpu_s": usage.ru_utime + usage.ru_stime,
                "user_s": usage.ru_utime,
                "rss_mib": usage.ru_maxrss / 1024,
                "engine": engine.name,
                "counters": engine.stats().counters,
            }
        )

    app.router.add_get("/figures", figures)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until the bench closes the pipe
    await engine.stop()
    await runner.cleanup()


def main() -> None:
    engine, core = sys.argv[1], int(sys.argv[2])
    if core >= 0:
        os.sched_setaffinity(0, {core})
    try:
        import uvloop
    except ModuleNotFoundError:
        asyncio.run(serve(engine))
    else:
        uvloop.run(serve(engine))


if __name__ == "__main__":
    main()
