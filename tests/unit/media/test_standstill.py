"""A process that stood still blames nobody for the silence."""

from __future__ import annotations

from streamserver.media.aiortc_engine import AiortcEngine
from tests.support.media import ROOM, running_engine


async def test_peers_survive_a_standstill_of_the_server() -> None:
    async with running_engine("aiortc") as harness:
        assert isinstance(harness.engine, AiortcEngine)
        await harness.publisher()
        await harness.viewer()
        harness.engine.plane.forgive(20)  # as the ticker does when it wakes up late; then time has passed
        harness.clock.advance(20)
        harness.expire()
        assert harness.engine.live(ROOM)
        assert harness.engine.viewers(ROOM) == 1
        harness.clock.advance(10)
        harness.expire()
        assert not harness.engine.live(ROOM)
