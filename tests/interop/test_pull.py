"""A node that pulls a room from another one: its viewers see it, losses are answered here, and it outlives gaps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import BrowserContext

from loadtest.publisher import Publisher
from loadtest.viewer import Viewer
from streamserver.ids import RoomId
from tests.interop.chrome import LIMIT_S, PAGE, more_frames, open_peer, publish, watch
from tests.support.relay import relay_to
from tests.support.whip_server import KEY, WhipServer, whip_server

ROOM = RoomId("demo")


@pytest.fixture
async def origin(engine: str) -> AsyncIterator[WhipServer]:
    """Of either kind: what is pulled from may be anybody's WHEP server."""
    async with whip_server(PAGE, engine) as running:
        yield running


async def test_viewers_of_the_edge_see_what_the_origin_shows(origin: WhipServer, native_server: WhipServer) -> None:
    edge = native_server.engine
    async with Publisher(f"{origin.url}/whip/demo", KEY, width=320, height=180, rate=15):
        pull = await edge.pull(ROOM, f"{origin.url}/whep/demo")
        async with (
            Viewer(f"{native_server.url}/whep/demo") as first,
            Viewer(f"{native_server.url}/whep/demo") as second,
        ):
            for viewer in (first, second):
                await viewer.frames(15, LIMIT_S)
                assert (viewer.video.width, viewer.video.height) == (320, 180)
                assert viewer.audio.frames > 0
            assert origin.engine.viewers(ROOM) == 1, "two viewers here, one there"
        await pull.close()
        async with asyncio.timeout(LIMIT_S):
            while origin.engine.viewers(ROOM):
                await asyncio.sleep(0.05)  # another server in this process: its end is heard over HTTP
        assert not edge.live(ROOM)


async def test_viewers_of_the_edge_outlive_a_publisher_that_comes_back(
    origin: WhipServer, native_server: WhipServer
) -> None:
    url = f"{origin.url}/whip/demo"
    first = await Publisher(url, KEY, width=320, height=180, rate=15).__aenter__()
    pull = await native_server.engine.pull(ROOM, f"{origin.url}/whep/demo")
    async with Viewer(f"{native_server.url}/whep/demo") as viewer:
        await viewer.frames(10, LIMIT_S)
        await first.leave(delete=False)
        async with Publisher(url, KEY, width=320, height=180, rate=15):
            await viewer.frames(20, LIMIT_S)
    await pull.close()


@pytest.mark.browser
async def test_the_edge_answers_for_losses_and_merges_requests(
    native_server: WhipServer, context: BrowserContext
) -> None:
    """Two browsers watch the edge over a path that loses packets; the origin hears nothing of it."""
    edge = native_server
    async with whip_server(PAGE, "native") as origin:
        studio = await open_peer(context, origin)
        await publish(studio)
        pull = await edge.engine.pull(ROOM, f"{origin.url}/whep/demo")
        async with relay_to(edge.engine.candidates[0]) as relay:
            pages = [await open_peer(context, edge) for _ in range(2)]
            for page in pages:
                await watch(page, port=relay.port)
                await more_frames(page)
            before = origin.engine.stats().counters
            relay.loss = 0.05
            for page in pages:
                facts = await more_frames(page, 100)
                assert facts["nackCount"] > 0
            assert relay.lost > 5
        here, there = edge.engine.stats().counters, origin.engine.stats().counters
        assert here['media_retransmissions_total{result="hit"}'] >= relay.lost / 2
        nacked = "media_viewer_nacked_packets_total"
        assert there.get(nacked, 0) == before.get(nacked, 0)
        asked = "media_keyframes_asked_total"
        assert there[asked] <= here[asked] + 2, "requests of many are one to the origin"
        await pull.close()
