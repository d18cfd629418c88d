"""How packets reach Chromium: how soon, by ICE over TCP, by IPv6, over a NAT that moves and through ICE restarts."""

from __future__ import annotations

import asyncio
import statistics

import pytest
from playwright.async_api import BrowserContext

from tests.interop.chrome import PAGE, inbound, look, more_frames, open_peer, outbound, publish, seen, watch
from tests.support.process import free_port
from tests.support.relay import relay_to
from tests.support.whip_server import WhipServer, whip_server

pytestmark = pytest.mark.browser
JOINS = 5
# The bar is 500 ms. Here two noisy cores encode, decode and serve at once.
JOIN_MS = {"native": 1000.0, "aiortc": 3000.0}
RESTART_MS = 2000.0
# Chromium's next check is at most 5 s away (RFC 7675), and only a check may move a path.
REBIND_S = 8.0


async def test_the_first_picture_comes_soon(server: WhipServer, context: BrowserContext) -> None:
    studio, page = await open_peer(context, server), await open_peer(context, server)
    await publish(studio)
    while not any(one["frames"] > 5 for one in await outbound(studio)):
        await studio.wait_for_timeout(50)
    took: list[float] = []
    for _ in range(JOINS):
        await watch(page)
        took.append(await page.evaluate("() => peer.firstFrame()"))
        await page.evaluate("() => peer.end()")
    print(f"{server.engine.name}: first picture after {[round(ms) for ms in took]} ms")
    assert statistics.median(took) < JOIN_MS[server.engine.name]


async def test_an_ice_restart_of_either_side_stops_no_picture(server: WhipServer, context: BrowserContext) -> None:
    studio, page = await open_peer(context, server), await open_peer(context, server)
    await publish(studio)
    await watch(page)
    await more_frames(page)
    await look(page)
    before = await page.evaluate("() => peer.localUfrag()")
    for one in (page, studio):
        assert await one.evaluate("() => peer.restart()") == 200
        await more_frames(page, 60)
    assert await page.evaluate("() => peer.localUfrag()") != before
    assert (await seen(page))["longestMs"] < RESTART_MS


@pytest.mark.parametrize("who", ["viewer", "publisher"])
async def test_a_nat_that_gives_another_port_is_followed(server: WhipServer, context: BrowserContext, who: str) -> None:
    studio, page = await open_peer(context, server), await open_peer(context, server)
    async with relay_to(server.engine.candidates[0]) as relay:
        await publish(studio, port=relay.port if who == "publisher" else None)
        await watch(page, port=relay.port if who == "viewer" else None)
        await more_frames(page)
        relay.rebind()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await more_frames(page, 30)  # among them a few that were on their way
        facts = await more_frames(page, 30)
        assert loop.time() - began < REBIND_S
        assert facts["state"] == "connected"


async def test_where_udp_is_closed_it_comes_over_tcp(native: str, context: BrowserContext) -> None:
    # A port of its own: by default it is the UDP port's number, which something else may have.
    async with whip_server(PAGE, native, tcp_port=free_port()) as server:
        studio, page = await open_peer(context, server), await open_peer(context, server)
        await publish(studio)
        await watch(page, only="tcp")
        facts = await more_frames(page, 60)
        assert facts["protocol"] == "tcp"
        assert facts["packetsLost"] == 0


async def test_over_ipv6(engine: str, context: BrowserContext) -> None:
    async with whip_server(PAGE, engine, announce=("::1",), bind_hosts=("::1",)) as server:
        studio, page = await open_peer(context, server), await open_peer(context, server)
        await publish(studio)
        await watch(page)
        facts = await more_frames(page, 30)
        assert facts["address"].strip("[]") == "::1"


async def test_sound_and_picture_are_tied_to_one_clock(server: WhipServer, context: BrowserContext) -> None:
    studio, page = await open_peer(context, server), await open_peer(context, server)
    await publish(studio)
    await watch(page)
    facts = await more_frames(page)
    async with asyncio.timeout(15):  # a browser believes the second sender report
        while not (facts.get("estimatedPlayoutTimestamp") and facts.get("audioPlayout")):
            await page.wait_for_timeout(200)
            facts = await inbound(page)
    assert abs(facts["estimatedPlayoutTimestamp"] - facts["audioPlayout"]) < 300
