"""A room that is flooded between two passes stays bounded, and what matters still arrives."""

from __future__ import annotations

import asyncio

from signaling.hub import MAX_PENDING
from streamserver.bus import Lane
from streamserver.wire import PinnedLineFrame
from tests.property.test_resume import ROOM, Browser, Show
from tests.support.virtual_loop import run_virtual


def test_a_flood_loses_old_lines_only_and_counts_them() -> None:
    async def flood() -> None:
        show = Show(history=10)
        browser = Browser(0)
        show.enter(browser, None)
        await asyncio.sleep(1)
        browser.read()
        for _ in range(3 * MAX_PENDING):
            await show.say()
        assert len(show.hub._pending) <= MAX_PENDING
        show.pinned = show.said[-1]
        await show.bus.publish(ROOM, PinnedLineFrame(line=show.pinned), lane=Lane.NOW)
        await asyncio.sleep(1)
        browser.read()
        assert browser.pinned == show.said[-1].id
        assert browser.pos == show.bus.position(ROOM)
        assert browser.lines == [line.id for line in show.said[-len(browser.lines) :]]
        assert len(browser.lines) + show.hub.dropped == len(show.said)
        show.hub.close()

    run_virtual(flood())
