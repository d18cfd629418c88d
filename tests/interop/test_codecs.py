"""Chromium to Chromium in every codec, simulcast and with scalable layers: each picture is looked at, not counted."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest
from playwright.async_api import BrowserContext, Page

from tests.interop.chrome import inbound, look, more_frames, open_peer, publish, seen, watch
from tests.support.whip_server import WhipServer

pytestmark = pytest.mark.browser

# Three encodings need at least 960 x 540: below that Chromium makes fewer.
PAINTED: Final = {"width": 960, "height": 540, "fps": 20}
LAYERS: Final = [
    {"rid": "l", "scaleResolutionDownBy": 4, "maxBitrate": 150_000},
    {"rid": "m", "scaleResolutionDownBy": 2, "maxBitrate": 500_000},
    {"rid": "h", "scaleResolutionDownBy": 1, "maxBitrate": 1_500_000},
]
NARROW_BPS: Final = 250_000


def simulcast(codec: str) -> list[dict[str, Any]]:
    # Without a mode Chromium takes three encodings of VP9 or AV1 for the layers of one, and sends the first.
    mode = {"scalabilityMode": "L1T1"} if codec in ("VP9", "AV1") else {}
    return [{**layer, **mode} for layer in LAYERS]


def unharmed(facts: dict[str, Any]) -> None:
    assert facts["wrong"] == [], "a picture in other colours than were painted"
    assert facts["back"] == 0, "a picture older than the one before it"


async def width_becomes(page: Page, width: int, limit_s: float) -> float:
    """Seconds until the shown picture is that wide."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    facts: dict[str, Any] = {}
    while loop.time() < began + limit_s:
        facts = await seen(page)
        if facts["widths"] and facts["widths"][-1][0] == width:
            return loop.time() - began
        await page.wait_for_timeout(50)
    raise AssertionError(f"not {width} wide within {limit_s} s: {facts['widths']}, {await inbound(page)}")


@pytest.mark.parametrize("codec", ["H264", "VP8", "VP9", "AV1"])
async def test_one_encoding(native_server: WhipServer, context: BrowserContext, codec: str) -> None:
    studio, page = await open_peer(context, native_server), await open_peer(context, native_server)
    await publish(studio, codec=codec, painted=PAINTED)
    await watch(page)
    await look(page)
    facts = await more_frames(page, 60)
    assert facts["codec"] == f"video/{codec}"
    assert (facts["frameWidth"], facts["frameHeight"]) == (960, 540)
    assert facts["audioPackets"] > 0 and facts["packetsLost"] == 0 and facts["freezeCount"] == 0
    assert await page.evaluate("() => peer.captureTime()") is not None
    picture = await seen(page)
    assert picture["pictures"] >= 50
    unharmed(picture)
    counters = native_server.engine.stats().counters
    assert counters["media_feedback_packets_total"] > 0, "transport-wide feedback of the viewer"
