"""Chromium publishes with its fake camera and watches: the client that nearly everybody has."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import BrowserContext

from loadtest.publisher import Publisher
from loadtest.viewer import Viewer
from tests.interop.chrome import LIMIT_S, SCRIPT, more_frames, open_peer, publish, watch
from tests.support.relay import relay_to
from tests.support.whip_server import KEY, WhipServer

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_a_browser_publishes_and_two_browsers_watch(
    server: WhipServer, context: BrowserContext, codec: str
) -> None:
    studio = await open_peer(context, server)
    await publish(studio, codec=codec)
    pages = [await open_peer(context, server) for _ in range(2)]
    for page in pages:
        await watch(page)
    for page in pages:
        facts = await more_frames(page)
        assert facts["codec"] == f"video/{codec}"
        assert facts["frameWidth"] >= 320
        assert facts["audioPackets"] > 0
        assert facts["packetsLost"] == 0
        assert facts["srtpCipher"] == "SRTP_AEAD_AES_128_GCM"
    counters = server.engine.stats().counters
    assert counters.get('media_dropped_packets_total{reason="srtp_refused"}', 0) == 0
    assert counters["media_sent_trains_total"] < counters["media_sent_packets_total"]


async def test_viewers_see_a_browser_again_that_reloads(server: WhipServer, context: BrowserContext) -> None:
    studio, page = await open_peer(context, server), await open_peer(context, server)
    await publish(studio)
    await watch(page)
    await more_frames(page)
    await studio.reload()
    await studio.evaluate(SCRIPT)
    await publish(studio)
    facts = await more_frames(page)
    assert facts["state"] == "connected", "without rejoining"


async def test_browser_and_aiortc_understand_each_other(server: WhipServer, context: BrowserContext) -> None:
    page = await open_peer(context, server)
    async with Publisher(f"{server.url}/whip/demo", KEY, width=320, height=180, rate=15):
        await watch(page)
        facts = await more_frames(page)
        assert (facts["frameWidth"], facts["frameHeight"]) == (320, 180)
    studio = await open_peer(context, server)
    await publish(studio)
    async with Viewer(f"{server.url}/whep/demo") as viewer:
        await viewer.frames(20, LIMIT_S)
    await asyncio.gather(*(one.evaluate("() => peer.end()") for one in (page, studio)))
    assert server.engine.stats().gauges['media_sessions{role="viewer"}'] == 0


@pytest.mark.parametrize("loss", [0.05, 0.10])
async def test_lost_packets_are_sent_again(server: WhipServer, context: BrowserContext, loss: float) -> None:
    """The picture goes on although one packet in twenty, or in ten, never arrives the first time."""
    studio, page = await open_peer(context, server), await open_peer(context, server)
    await publish(studio)
    async with relay_to(server.engine.candidates[0]) as relay:
        await watch(page, port=relay.port)
        await more_frames(page)
        relay.loss = loss
        facts = await more_frames(page, 150)
        assert relay.lost > 5, "nothing was lost: the test shows nothing"
        assert facts["nackCount"] > 0
        hits = server.engine.stats().counters['media_retransmissions_total{result="hit"}']
        assert hits >= relay.lost / 2
        relay.loss = 0
        facts = await more_frames(page, 30)
        assert facts["framesDropped"] <= facts["framesDecoded"] * 0.05
