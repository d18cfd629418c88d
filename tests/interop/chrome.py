"""Pages of a Chromium that publish and watch by peer.js; knows the page's functions, not what a test wants of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page

from tests.support.whip_server import KEY, WhipServer

SCRIPT = (Path(__file__).parent / "peer.js").read_text()
PAGE = "<!doctype html><video muted autoplay playsinline></video>"
LIMIT_S = 40.0
# Three encodings need at least 960 x 540: below that Chromium makes fewer.
PAINTED = {"width": 960, "height": 540, "fps": 20}


async def open_peer(context: BrowserContext, server: WhipServer) -> Page:
    page = await context.new_page()
    await page.goto(f"{server.url}/page")
    await page.evaluate(SCRIPT)
    return page


async def publish(page: Page, room: str = "demo", **options: Any) -> None:
    """Options as in peer.js: codec, encodings, painted, port."""
    status = await page.evaluate("([room, key, options]) => peer.publish(room, key, options)", [room, KEY, options])
    assert status == 201, status


async def watch(page: Page, room: str = "demo", port: int | None = None, only: str | None = None) -> None:
    status = await page.evaluate("([room, port, only]) => peer.watch(room, port, only)", [room, port, only])
    assert status == 201, status


async def inbound(page: Page) -> dict[str, Any]:
    return await page.evaluate("() => peer.inbound()")


async def outbound(page: Page) -> list[dict[str, Any]]:
    return await page.evaluate("() => peer.outbound()")


async def more_frames(page: Page, count: int = 20) -> dict[str, Any]:
    """Wait until so many more frames were decoded, and tell the receiver's statistics."""
    facts = await inbound(page)
    wanted = facts.get("framesDecoded", 0) + count
    async with asyncio.timeout(LIMIT_S):
        while facts.get("framesDecoded", 0) < wanted:
            await page.wait_for_timeout(50)  # the page's own clock: there is no event for a decoded frame
            facts = await inbound(page)
    return facts


async def look(page: Page) -> None:
    """From now on every picture of this page is looked at; `seen` tells what was seen. In front, or few are shown."""
    await page.bring_to_front()
    await page.evaluate("() => peer.look()")


async def seen(page: Page) -> dict[str, Any]:
    return await page.evaluate("() => peer.seen()")


def unharmed(facts: dict[str, Any]) -> None:
    """Nothing was seen that was not painted, and nothing twice."""
    assert facts["wrong"] == [], "a picture in other colours than were painted"
    assert facts["back"] == 0, "a picture older than the one before it"
