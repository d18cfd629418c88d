"""The publisher is killed and comes back, or falls silent and goes on (fault 18); the server itself stops for a while
(fault 9). The same viewers see the picture again without rejoining."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import aiohttp
import pytest

from tests.support.clip import ONE, ClipPublisher
from tests.support.engines import need
from tests.support.process import server_process
from tests.support.watching import Viewer, show

pytestmark = pytest.mark.browser


async def seen_again(viewer: Viewer, since: float) -> float:
    """Seconds from `since` (this machine's clock) to the first of ten frames in a row."""
    async with asyncio.timeout(30):
        while True:
            frames = await viewer.frames(since)
            if len(frames) >= 10:
                return frames[0].at - since
            await asyncio.sleep(0.05)


async def test_a_killed_publisher_comes_back_to_the_same_viewers(chromium: str) -> None:
    need("native")
    async with show("native") as room:
        page = await room.browse(chromium)
        viewers = [await room.watch(page) for _ in range(2)]
        for viewer in viewers:
            await viewer.watches(60)
        taken: list[float] = []
        for away_s in (1.0, 4.0, 11.0):
            # A closed socket is all that a killed process leaves behind.
            room.publisher.close()
            await asyncio.sleep(away_s)
            flowing = time.time()
            await room.publish()
            taken += [await seen_again(viewer, flowing) for viewer in viewers]
        print("publisher killed, back after 1, 4, 11 s: picture", [round(one, 2) for one in taken])
        for viewer in viewers:
            assert (await viewer.facts())["state"] == "connected"
        assert max(taken) <= 2


async def test_a_silent_publisher_goes_on_to_the_same_viewers(chromium: str) -> None:
    need("native")
    async with show("native") as room:
        page = await room.browse(chromium)
        viewer = await room.watch(page)
        await viewer.watches(60)
        room.publisher.pause()
        for _ in range(8):
            await asyncio.sleep(0.5)
            room.publisher.check()
        flowing = time.time()
        room.publisher.start()
        taken = await seen_again(viewer, flowing)
        print(f"publisher silent for 4 s: picture {taken:.2f} s after")
        assert taken <= 2


@pytest.mark.parametrize("seconds", [2, 11], ids=["2 s", "longer than silence is allowed"])
async def test_the_server_may_stop_for_a_while(chromium: str, tmp_path: Path, seconds: int) -> None:
    """SIGSTOP, then SIGCONT: nobody is dropped, and the picture comes back."""
    need("native")
    await asyncio.to_thread(ClipPublisher.prepare, ONE)
    async with server_process(tmp_path, "--media-engine", "native") as server, show("native") as room:
        page = await room.browse(chromium)
        publisher = ClipPublisher()
        room.publishers.append(publisher)
        async with aiohttp.ClientSession() as http:
            headers = {"Content-Type": "application/sdp"}
            key = headers | {"Authorization": f"Bearer {server.demo.stream_key}"}
            async with http.post(f"{server.url}/whip/{server.demo.room}", data=publisher.offer, headers=key) as answer:
                assert answer.status == 201, await answer.text()
                await publisher.connect(await answer.text())
            publisher.start()
            handle = await page.evaluate_handle("() => makeViewer()")
            offer = await handle.evaluate("viewer => viewer.offer()")
            async with http.post(f"{server.url}/whep/{server.demo.room}", data=offer, headers=headers) as answer:
                assert answer.status == 201, await answer.text()
                await handle.evaluate("(viewer, sdp) => viewer.answer(sdp)", await answer.text())
        viewer = Viewer(handle, None)
        await viewer.watches(60)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        taken = await seen_again(viewer, time.time())
        await viewer.watches(30)
        print(f"server stopped for {seconds} s: picture {taken:.2f} s after it went on")
        assert taken <= 2
        assert (await viewer.facts())["state"] == "connected"
