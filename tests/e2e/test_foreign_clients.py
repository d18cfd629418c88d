"""Browser clients not written here, from another origin: Eyevinn's WHIP client publishes, its player watches."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import Page

from tests.support.browser import browser, context, open_page
from tests.support.process import server_process

pytestmark = pytest.mark.browser

WEB = Path(__file__).parents[2] / "web"


@asynccontextmanager
async def foreign_page() -> AsyncIterator[str]:
    """The built page on a port, and so an origin, of its own."""
    app = web.Application()
    app.router.add_static("/", WEB / ".interop")
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"{site.name.replace('0.0.0.0', '127.0.0.1').rsplit(':', 1)[0]}:{runner.addresses[0][1]}/index.html"
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
def built() -> None:
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("no Node on this machine")
    subprocess.run(
        [npx, "vite", "build", "--config", "vite.interop.config.ts"],
        cwd=WEB,
        check=True,
        timeout=120,
        capture_output=True,
    )


FRAMES = "() => document.querySelector('#seen').getVideoPlaybackQuality().totalVideoFrames"


async def frames_reach(page: Page, count: int) -> None:
    await page.wait_for_function(f"({FRAMES})() >= {count}", timeout=20_000)


async def test_eyevinn_publishes_and_eyevinn_watches(tmp_path: Path, chromium: str, built: None) -> None:
    async with server_process(tmp_path) as server, foreign_page() as page_url, browser(chromium) as launched:
        made = await context(launched)
        publisher = await open_page(
            made, f"{page_url}?{urlencode({'whip': f'{server.url}/whip/demo', 'key': server.demo.stream_key})}"
        )
        await publisher.page.wait_for_function("document.title === 'publishing'")
        await _room_becomes(server.url, "live")  # this player takes 409 for an answer and does not ask again
        viewer = await open_page(made, f"{page_url}?{urlencode({'whep': f'{server.url}/whep/demo'})}")
        await frames_reach(viewer.page, 30)
        assert await viewer.page.evaluate("document.querySelector('#seen').videoWidth") == 640
        before = await viewer.page.evaluate(FRAMES)
        await frames_reach(viewer.page, before + 30)

        await publisher.page.evaluate("dispatchEvent(new Event('stop-publishing'))")
        await publisher.page.wait_for_function("document.title === 'stopped'")
        await _room_becomes(server.url, "interrupted")
        assert publisher.problems == viewer.problems == []


async def test_eyevinn_with_a_wrong_key_publishes_nothing(tmp_path: Path, chromium: str, built: None) -> None:
    async with server_process(tmp_path) as server, foreign_page() as page_url, browser(chromium) as launched:
        made = await context(launched)
        statuses: list[int] = []
        page = await made.new_page()
        page.on("response", lambda answer: statuses.append(answer.status) if "/whip/" in answer.url else None)
        await page.goto(f"{page_url}?{urlencode({'whip': f'{server.url}/whip/demo', 'key': 'sk_wrong'})}")
        async with asyncio.timeout(20):
            while 403 not in statuses:
                await asyncio.sleep(0.05)
        assert await _room_state(server.url) == "scheduled"


async def _room_becomes(url: str, state: str) -> None:
    async with asyncio.timeout(15):
        while await _room_state(url) != state:
            await asyncio.sleep(0.1)  # another process: it can only be asked


async def _room_state(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/api/rooms/demo") as answer:
        return (await answer.json())["state"]
