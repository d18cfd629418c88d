"""Chromium to Chromium in every codec, simulcast and with scalable layers: each picture is looked at, not counted."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest
from playwright.async_api import BrowserContext, Page

from tests.interop.chrome import LIMIT_S, inbound, look, more_frames, open_peer, outbound, publish, seen, watch
from tests.support.relay import relay_to
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


@pytest.mark.parametrize("codec", ["H264", "VP8", "VP9", "AV1"])
async def test_three_encodings_and_a_path_that_narrows(
    native_server: WhipServer, context: BrowserContext, codec: str
) -> None:
    """All three arrive; whoever has little bandwidth is shown the small one, and the large one when there is more."""
    studio, page = await open_peer(context, native_server), await open_peer(context, native_server)
    other = await open_peer(context, native_server)
    await publish(studio, codec=codec, encodings=simulcast(codec), painted=PAINTED)
    async with relay_to(native_server.engine.candidates[0]) as relay:
        await watch(page, port=relay.port)
        await watch(other)
        await look(page)
        await width_becomes(page, 960, 20)
        sent = {layer["rid"]: layer for layer in await outbound(studio)}
        assert {rid: layer["width"] for rid, layer in sent.items()} == {"l": 240, "m": 480, "h": 960}
        relay.rate_bps = NARROW_BPS
        down_s = await width_becomes(page, 240, 12)
        await more_frames(page, 40)
        relay.rate_bps = 0
        up_s = await width_becomes(page, 960, 20)
        await more_frames(page, 20)
    unharmed(await seen(page))
    assert (await inbound(other))["frameWidth"] == 960, "the other viewer's path was never narrow"
    assert native_server.engine.stats().counters["media_layer_switches_total"] >= 2
    print(f"{codec}: down in {down_s:.1f} s, up in {up_s:.1f} s")


@pytest.mark.parametrize(
    ("codec", "mode"),
    [("VP8", "L1T3"), ("VP9", "L3T3"), ("VP9", "L3T3_KEY"), ("AV1", "L1T3"), ("AV1", "L3T3"), ("AV1", "L3T3_KEY")],
)
async def test_scalable_layers(native_server: WhipServer, context: BrowserContext, codec: str, mode: str) -> None:
    studio, page = await open_peer(context, native_server), await open_peer(context, native_server)
    plain = await open_peer(context, native_server)
    encoding = {"scalabilityMode": mode, "maxBitrate": 1_500_000}
    await publish(studio, codec=codec, encodings=[encoding], painted=PAINTED)
    # A viewer that does not offer the dependency descriptor gets the smallest picture of AV1 rather than none.
    await plain.evaluate("() => { peer.offerExtensions = () => {}; }")
    async with relay_to(native_server.engine.candidates[0]) as relay:
        await watch(page, port=relay.port)
        await watch(plain)
        await look(page)
        await width_becomes(page, 960, 15)
        assert [layer["mode"] for layer in await outbound(studio)] == [mode]
        facts = await more_frames(page, 60)
        assert facts["codec"] == f"video/{codec}"
        if mode.startswith("L3"):
            relay.rate_bps = NARROW_BPS
            await width_less(page, 960, 12)
            relay.rate_bps = 0
            await width_becomes(page, 960, 20)
        simple = await more_frames(plain, 10)
    unharmed(await seen(page))
    assert simple["frameWidth"] == (240 if (codec, mode[:2]) == ("AV1", "L3") else 960)


async def width_less(page: Page, width: int, limit_s: float) -> None:
    async with asyncio.timeout(min(limit_s, LIMIT_S)):
        while (await seen(page))["widths"][-1][0] >= width:
            await page.wait_for_timeout(50)
