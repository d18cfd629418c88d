"""Chromium publishes with its fake camera and watches: the client that nearly everybody has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page

from loadtest.publisher import Publisher
from loadtest.viewer import Viewer
from tests.support.browser import browser
from tests.support.relay import relay_to
from tests.support.whip_server import KEY, WhipServer, whip_server

pytestmark = pytest.mark.browser
SCRIPT = (Path(__file__).parent / "peer.js").read_text()
LIMIT_S = 40.0


@pytest.fixture
async def server() -> AsyncIterator[WhipServer]:
    async with whip_server("<!doctype html><video muted autoplay playsinline></video>") as running:
        yield running


@pytest.fixture
async def context(chromium: str) -> AsyncIterator[BrowserContext]:
    async with browser(chromium) as launched:
        made = await launched.new_context(permissions=["camera", "microphone"], bypass_csp=True)
        made.set_default_timeout(LIMIT_S * 1000)
        yield made


async def open_peer(context: BrowserContext, server: WhipServer) -> Page:
    page = await context.new_page()
    await page.goto(f"{server.url}/page")
    await page.evaluate(SCRIPT)
    return page


async def more_frames(page: Page, count: int = 20) -> dict[str, Any]:
    """Wait until so many more frames were shown, and tell the receiver's statistics."""
    async with asyncio.timeout(LIMIT_S):
        await page.evaluate("count => peer.shown(count)", count)
        return await page.evaluate("() => peer.inbound()")


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_a_browser_publishes_and_two_browsers_watch(
    server: WhipServer, context: BrowserContext, codec: str
) -> None:
    studio = await open_peer(context, server)
    assert await studio.evaluate("([room, key, codec]) => peer.publish(room, key, codec)", ["demo", KEY, codec]) == 201
    pages = [await open_peer(context, server) for _ in range(2)]
    for page in pages:
        assert await page.evaluate("room => peer.watch(room)", "demo") == 201
    for page in pages:
        facts = await more_frames(page)
        assert facts["codec"] == f"video/{codec}"
        assert facts["frameWidth"] >= 320
        assert facts["audioPackets"] > 0
        assert facts["packetsLost"] == 0
        assert facts["srtpCipher"] == "SRTP_AEAD_AES_128_GCM"
    counters = server.engine.stats().counters
    assert counters['media_dropped_packets_total{reason="srtp_refused"}'] == 0
    assert counters["media_sent_trains_total"] < counters["media_sent_packets_total"]


async def test_viewers_see_a_browser_again_that_reloads(server: WhipServer, context: BrowserContext) -> None:
    studio, page = await open_peer(context, server), await open_peer(context, server)
    assert await studio.evaluate("([room, key]) => peer.publish(room, key)", ["demo", KEY]) == 201
    assert await page.evaluate("room => peer.watch(room)", "demo") == 201
    await more_frames(page)
    await studio.reload()
    await studio.evaluate(SCRIPT)
    assert await studio.evaluate("([room, key]) => peer.publish(room, key)", ["demo", KEY]) == 201
    facts = await more_frames(page)
    assert facts["state"] == "connected", "without rejoining"


async def test_ice_restarts_by_patch(server: WhipServer, context: BrowserContext) -> None:
    studio, page = await open_peer(context, server), await open_peer(context, server)
    assert await studio.evaluate("([room, key]) => peer.publish(room, key)", ["demo", KEY]) == 201
    assert await page.evaluate("room => peer.watch(room)", "demo") == 201
    await more_frames(page)
    before = await page.evaluate("() => peer.localUfrag()")
    assert await page.evaluate("() => peer.restart()") == 200
    assert await studio.evaluate("() => peer.restart()") == 200
    await more_frames(page, 60)
    assert await page.evaluate("() => peer.localUfrag()") != before


async def test_browser_and_aiortc_understand_each_other(server: WhipServer, context: BrowserContext) -> None:
    page = await open_peer(context, server)
    async with Publisher(f"{server.url}/whip/demo", KEY, width=320, height=180, rate=15):
        assert await page.evaluate("room => peer.watch(room)", "demo") == 201
        facts = await more_frames(page)
        assert (facts["frameWidth"], facts["frameHeight"]) == (320, 180)
    studio = await open_peer(context, server)
    assert await studio.evaluate("([room, key]) => peer.publish(room, key)", ["demo", KEY]) == 201
    async with Viewer(f"{server.url}/whep/demo") as viewer:
        await viewer.frames(20, LIMIT_S)
    await asyncio.gather(*(one.evaluate("() => peer.end()") for one in (page, studio)))
    assert server.engine.stats().gauges['media_sessions{role="viewer"}'] == 0


@pytest.mark.parametrize("loss", [0.05, 0.10])
async def test_lost_packets_are_sent_again(server: WhipServer, context: BrowserContext, loss: float) -> None:
    """The picture goes on although one packet in twenty, or in ten, never arrives the first time."""
    studio, page = await open_peer(context, server), await open_peer(context, server)
    assert await studio.evaluate("([room, key]) => peer.publish(room, key)", ["demo", KEY]) == 201
    async with relay_to(server.engine.candidates[0]) as relay:
        assert await page.evaluate("([room, port]) => peer.watch(room, port)", ["demo", relay.port]) == 201
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
