"""Firefox both ways, alone and with Chromium. Skipped where it is not installed (Debian: firefox-esr).

Its H.264 is a plugin that it fetches by itself after a while, so these tests do without.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext

from streamserver.media.udp import local_addresses
from tests.interop.chrome import PAGE, PAINTED, SCRIPT, more_frames, open_peer, publish, watch
from tests.support.firefox import Firefox, find_firefox, firefox
from tests.support.whip_server import KEY, WhipServer, whip_server

LIMIT_S = 30.0
ANNOUNCE = tuple(local_addresses())  # it gathers no loopback addresses
LAYERS = [{"rid": "l", "scaleResolutionDownBy": 4}, {"rid": "m", "scaleResolutionDownBy": 2}, {"rid": "h"}]


@pytest.fixture
async def fox(tmp_path: Path) -> AsyncIterator[Firefox]:
    program = find_firefox()
    if program is None or len(ANNOUNCE) < 2:
        pytest.skip("no Firefox on this machine, or no address that is not loopback")
    async with firefox(program, tmp_path) as running:
        yield running


async def open_page(fox: Firefox, server: WhipServer) -> str:
    handle = await fox.open(f"{server.url}/page")
    await fox.run(SCRIPT)
    return handle


async def fox_publishes(fox: Firefox, server: WhipServer, **options: Any) -> str:
    handle = await open_page(fox, server)
    assert await fox.evaluate("(...all) => peer.publish(...all)", "demo", KEY, options) == 201
    return handle


async def fox_watches(fox: Firefox, server: WhipServer, frames: int = 30) -> dict[str, Any]:
    """Its statistics once it has decoded so many frames."""
    await open_page(fox, server)
    assert await fox.evaluate("(room) => peer.watch(room)", "demo") == 201
    facts: dict[str, Any] = {}
    async with asyncio.timeout(LIMIT_S):
        while (facts.get("framesDecoded") or 0) < frames:
            await asyncio.sleep(0.1)  # another program, which has no event for a decoded frame
            facts = await fox.evaluate("() => peer.inbound()")
    return facts


async def test_both_ways(engine: str, fox: Firefox) -> None:
    async with whip_server(PAGE, engine, announce=ANNOUNCE) as server:
        await fox_publishes(fox, server, codec="VP8")
        facts = await fox_watches(fox, server)
        assert facts["codec"] == "video/VP8"
        assert facts["audioPackets"] > 0 and facts["packetsLost"] == 0


@pytest.mark.parametrize("codec", ["VP9", "AV1"])
async def test_both_ways_in_newer_codecs(native: str, fox: Firefox, codec: str) -> None:
    async with whip_server(PAGE, native, announce=ANNOUNCE) as server:
        await fox_publishes(fox, server, codec=codec)
        assert (await fox_watches(fox, server))["codec"] == f"video/{codec}"


async def test_it_publishes_three_encodings(native: str, fox: Firefox) -> None:
    async with whip_server(PAGE, native, announce=ANNOUNCE) as server:
        await fox_publishes(fox, server, codec="VP8", encodings=LAYERS, painted=PAINTED)
        sent: dict[str, int] = {}
        async with asyncio.timeout(LIMIT_S):
            while sum(frames > 5 for frames in sent.values()) < 3:
                await asyncio.sleep(0.1)
                sent = {one["rid"]: one["frames"] for one in await fox.evaluate("() => peer.outbound()")}
        assert set(sent) == {"l", "m", "h"}
        assert (await fox_watches(fox, server, frames=5))["frameWidth"] in (240, 480, 960)


@pytest.mark.browser
async def test_it_and_chromium_understand_each_other(engine: str, fox: Firefox, context: BrowserContext) -> None:
    async with whip_server(PAGE, engine, announce=ANNOUNCE) as server:
        page = await open_peer(context, server)
        await fox_publishes(fox, server, codec="VP8")
        await watch(page)
        assert (await more_frames(page))["codec"] == "video/VP8"
        await page.evaluate("() => peer.end()")
        studio = await open_peer(context, server)
        await publish(studio, codec="VP8")
        assert (await fox_watches(fox, server))["codec"] == "video/VP8"
