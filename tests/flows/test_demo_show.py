"""The demo show as `./run` starts it: a publisher like any other, which gives way to people."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from loadtest.publisher import Publisher
from tests.support.process import ROOT
from tests.support.server import Running, running_server


@asynccontextmanager
async def demo_show(srv: Running) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.show", "--url", srv.url, "--size", "320x180", "--rate", "10"),
        cwd=ROOT,
        env={
            **os.environ,
            "STREAMSERVER_DEMO_KEY": srv.demo.stream_key,
            "STREAMSERVER_DEMO_EMAIL": srv.demo.email,
            "STREAMSERVER_DEMO_PASSWORD": srv.demo.password,
        },
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until(srv: Running, state: str, *, product: bool = False) -> None:
    async with asyncio.timeout(40):
        while True:
            async with srv.client.get("/api/rooms/demo") as answer:
                now = (await answer.json())["state"]
            async with srv.client.get("/api/rooms/demo/cards") as answer:
                shown = any(card["showing"] for card in (await answer.json())["cards"])
            if now == state and shown >= product:
                return
            await asyncio.sleep(0.1)  # another process publishes: the room can only be asked


async def test_the_show_goes_live_with_a_product_and_stops_when_told(tmp_path: Path) -> None:
    async with running_server(tmp_path) as srv, demo_show(srv) as process:
        await until(srv, "live", product=True)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 20) == 0
        await until(srv, "interrupted")


async def test_the_show_leaves_for_good_when_somebody_takes_the_stage(tmp_path: Path) -> None:
    async with running_server(tmp_path) as srv, demo_show(srv) as process:
        await until(srv, "live")
        async with Publisher(f"{srv.url}/whip/demo", srv.demo.stream_key, width=320, height=180, rate=10):
            assert await asyncio.wait_for(process.wait(), 40) == 0
            await until(srv, "live")


async def test_the_show_leaves_for_good_when_it_is_ended_in_the_studio(tmp_path: Path) -> None:
    async with running_server(tmp_path) as srv, demo_show(srv) as process:
        await until(srv, "live")
        async with srv.brand_client.post("/api/rooms/demo/end") as answer:
            assert (await answer.json())["state"] == "ended"
        assert await asyncio.wait_for(process.wait(), 40) == 0
        assert not srv.server.engine.live("demo")  # type: ignore[arg-type]
        await until(srv, "ended")
