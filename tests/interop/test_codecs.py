"""Chromium to Chromium in every codec: each picture is looked at, not counted."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext

from tests.interop.chrome import PAINTED, look, more_frames, open_peer, publish, seen, unharmed, watch
from tests.support.whip_server import WhipServer

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("codec", ["H264", "VP8", "VP9", "AV1"])
async def test_one_encoding(native_server: WhipServer, context: BrowserContext, codec: str) -> None:
    studio, page = await open_peer(context, native_server), await open_peer(context, native_server)
    await publish(studio, codec=codec, painted=PAINTED)
    await watch(page)
    await look(page)
    facts = await more_frames(page, 60)
    assert facts["codec"] == f"video/{codec}"
    assert (facts["frameWidth"], facts["frameHeight"]) == (960, 540)
    assert facts["audioPackets"] > 0 and facts["packetsLost"] == 0 and facts["totalFreezesDuration"] < 1
    assert await page.evaluate("() => peer.captureTime()") is not None
    picture = await seen(page)
    assert picture["pictures"] >= 30
    unharmed(picture)
    counters = native_server.engine.stats().counters
    assert counters["media_feedback_packets_total"] > 0, "transport-wide feedback of the viewer"
