"""Simulcast and scalable layers of Chromium: all arrive, each viewer is shown what its path carries, unharmed."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest
from playwright.async_api import BrowserContext, Page

from tests.interop.chrome import (
    PAINTED,
    inbound,
    look,
    more_frames,
    open_peer,
    outbound,
    publish,
    seen,
    unharmed,
    watch,
)
from tests.support.relay import relay_to
from tests.support.whip_server import WhipServer

pytestmark = pytest.mark.browser

ENCODINGS: Final = [
    {"rid": "l", "scaleResolutionDownBy": 4, "maxBitrate": 150_000},
    {"rid": "m", "scaleResolutionDownBy": 2, "maxBitrate": 500_000},
    {"rid": "h", "scaleResolutionDownBy": 1, "maxBitrate": 1_500_000},
]
NARROW_BPS: Final = 250_000
# The bars are 3 s and 15 s (tests/faults); here the machine also encodes three pictures and decodes two.
DOWN_S: Final = 8
UP_S: Final = 20


def simulcast(codec: str) -> list[dict[str, Any]]:
    # Without a mode Chromium takes three encodings of VP9 or AV1 for the layers of one, and sends the first.
    mode = {"scalabilityMode": "L1T1"} if codec in ("VP9", "AV1") else {}
    return [{**encoding, **mode} for encoding in ENCODINGS]


async def width_becomes(page: Page, narrow: bool, limit_s: float) -> float:
    """Seconds until the shown picture is smaller than was painted, or as large."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    facts: dict[str, Any] = {}
    while loop.time() < began + limit_s:
        facts = await seen(page)
        if facts["widths"] and (facts["widths"][-1][0] < PAINTED["width"]) is narrow:
            return loop.time() - began
        await page.wait_for_timeout(50)  # the page's own clock: there is no event for another size
    raise AssertionError(f"{narrow=} not within {limit_s} s: {facts['widths']}, {await inbound(page)}")


@pytest.mark.parametrize("codec", ["H264", "VP8", "VP9", "AV1"])
async def test_three_encodings_and_a_path_that_narrows(
    native_server: WhipServer, context: BrowserContext, codec: str
) -> None:
    """Whoever has little bandwidth is shown a smaller picture, and the large one when there is more."""
    studio, other = await open_peer(context, native_server), await open_peer(context, native_server)
    page = await open_peer(context, native_server)
    await publish(studio, codec=codec, encodings=simulcast(codec), painted=PAINTED)
    async with relay_to(native_server.engine.candidates[0]) as relay:
        await watch(page, port=relay.port)
        await watch(other)
        await look(page)
        await width_becomes(page, narrow=False, limit_s=UP_S)
        sent = {encoding["rid"]: encoding["width"] for encoding in await outbound(studio)}
        assert sent == {"l": 240, "m": 480, "h": 960}
        relay.rate_bps = NARROW_BPS
        down_s = await width_becomes(page, narrow=True, limit_s=DOWN_S)
        small = await more_frames(page, 60)
        assert small["frameWidth"] == 240
        relay.rate_bps = 0
        up_s = await width_becomes(page, narrow=False, limit_s=UP_S)
        await more_frames(page, 20)
    unharmed(await seen(page))
    async with asyncio.timeout(UP_S):  # the other's path was never narrow
        while (await inbound(other))["frameWidth"] != PAINTED["width"]:
            await other.wait_for_timeout(100)
    assert native_server.engine.stats().counters["media_layer_switches_total"] >= 2
    print(f"{codec}: smaller after {down_s:.1f} s, whole again after {up_s:.1f} s")


@pytest.mark.parametrize(
    ("codec", "mode"),
    [("VP8", "L1T3"), ("VP9", "L3T3"), ("VP9", "L3T3_KEY"), ("AV1", "L1T3"), ("AV1", "L3T3"), ("AV1", "L3T3_KEY")],
)
async def test_scalable_layers(native_server: WhipServer, context: BrowserContext, codec: str, mode: str) -> None:
    studio, plain = await open_peer(context, native_server), await open_peer(context, native_server)
    page = await open_peer(context, native_server)
    encoding = {"scalabilityMode": mode, "maxBitrate": 1_500_000}
    await publish(studio, codec=codec, encodings=[encoding], painted=PAINTED)
    # A viewer that does not offer the dependency descriptor gets the smallest picture of AV1 rather than none.
    await plain.evaluate("() => { peer.offerExtensions = () => {}; }")
    async with relay_to(native_server.engine.candidates[0]) as relay:
        await watch(page, port=relay.port)
        await watch(plain)
        await look(page)
        await width_becomes(page, narrow=False, limit_s=UP_S)
        assert [layer["mode"] for layer in await outbound(studio)] == [mode]
        facts = await more_frames(page, 60)
        assert facts["codec"] == f"video/{codec}"
        if mode.startswith("L3"):
            relay.rate_bps = NARROW_BPS
            await width_becomes(page, narrow=True, limit_s=DOWN_S)
            relay.rate_bps = 0
            await width_becomes(page, narrow=False, limit_s=UP_S)
        simple = await more_frames(plain, 10)
    unharmed(await seen(page))
    if (codec, mode[:2]) == ("AV1", "L3"):
        assert simple["frameWidth"] == 240
