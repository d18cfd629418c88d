"""aiortc's own RTCPeerConnection, publishing and watching: it was not written here, and it really decodes."""

from __future__ import annotations

import asyncio
from typing import get_args

import pytest

from loadtest.publisher import Publisher
from loadtest.viewer import SignallingRefused, Viewer
from streamserver.media.engine import EngineEvent, PublisherStopped, StatsSnapshot
from tests.support.whip_server import KEY, whip_server

LIMIT_S = 40.0


@pytest.mark.parametrize("codec", ["h264", "vp8"])
async def test_published_frames_are_decoded_by_two_viewers(engine: str, codec: str) -> None:
    async with (
        whip_server(engine_name=engine) as server,
        Publisher(f"{server.url}/whip/demo", KEY, width=320, height=180, rate=15, codec=codec),
        Viewer(f"{server.url}/whep/demo") as first,
        Viewer(f"{server.url}/whep/demo") as second,
    ):
        for viewer in (first, second):
            await viewer.frames(15, LIMIT_S)
            assert (viewer.video.width, viewer.video.height) == (320, 180)
            assert viewer.audio.frames > 0
        counters = server.engine.stats().counters
        assert counters["media_sent_packets_total"] > 0
        assert counters.get('media_dropped_packets_total{reason="srtp_refused"}', 0) == 0


async def test_viewers_see_a_publisher_again_that_crashed_and_came_back(engine: str) -> None:
    async with whip_server(engine_name=engine) as server:
        url = f"{server.url}/whip/demo"
        events = server.engine.events()
        seen: list[EngineEvent] = []

        async def follow() -> None:
            async for event in events:
                seen.append(event)

        follower = asyncio.create_task(follow())
        first = await Publisher(url, KEY, width=320, height=180, rate=15).__aenter__()
        async with Viewer(f"{server.url}/whep/demo") as viewer:
            await viewer.frames(10, LIMIT_S)
            await first.leave(delete=False)
            async with Publisher(url, KEY, width=320, height=180, rate=15):
                await viewer.frames(10, LIMIT_S)
        follower.cancel()
        kinds = [type(event) for event in seen if not isinstance(event, StatsSnapshot)]
        assert PublisherStopped in kinds
        assert set(kinds) <= set(get_args(EngineEvent))


async def test_a_room_without_a_publisher_refuses_with_a_time_to_come_back(engine: str) -> None:
    async with whip_server(engine_name=engine) as server:
        with pytest.raises(SignallingRefused) as refused:
            async with Viewer(f"{server.url}/whep/demo"):
                pass
        assert refused.value.status == 409
        assert refused.value.retry_after is not None
