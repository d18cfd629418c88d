"""A viewer's link drops from 3 to 0.3 Mbit/s and comes back (fault 14): which layer it is shown, and how late.

The link is `tbf` with a queue of one second at its narrowest, as routers have them; lateness is measured from the
frame's arrival at the server to its display in Chromium.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.clip import THREE
from tests.support.engines import need
from tests.support.netns import Host
from tests.support.watching import Frame, show

pytestmark = pytest.mark.browser
WIDE_KBPS, NARROW_KBPS = 3000, 300
QUEUE_BYTES = NARROW_KBPS * 1000 // 8
TOP, SMALL = THREE[2].width, THREE[0].width


async def watch_link(host: Host, seen: list[tuple[float, int]]) -> None:
    """The link's queue, every 100 ms: time and bytes."""
    while True:
        seen.append((time.time(), await asyncio.to_thread(host.backlog)))
        await asyncio.sleep(0.1)


def first(frames: list[Frame], width: int, since: float) -> float:
    """Seconds from `since` to the first frame so wide; infinite when none came."""
    return next((frame.at - since for frame in frames if frame.at > since and frame.width == width), float("inf"))


async def test_a_narrow_link_gets_a_smaller_picture_and_a_wide_one_the_full_picture_again(
    host: Host, chromium: str
) -> None:
    need("native")
    host.rate(WIDE_KBPS, QUEUE_BYTES)
    async with show("native", THREE, **host.addresses()) as room:
        page = await room.browse(chromium, host)
        began = time.time()
        viewer = await room.watch(page, host.address)
        await viewer.until(lambda facts: facts.get("frameWidth") == TOP)
        climbed = time.time() - began
        await viewer.watches(60)
        moment = room.moment()
        backlog: list[tuple[float, int]] = []
        link = asyncio.create_task(watch_link(host, backlog))
        narrowed = time.time()
        host.rate(NARROW_KBPS, QUEUE_BYTES)
        narrow = await viewer.watch(10)
        widened = time.time()
        host.rate(WIDE_KBPS, QUEUE_BYTES)
        await viewer.until(lambda facts: facts.get("frameWidth") == TOP, 20)
        wide = await viewer.watch(2)
        link.cancel()
        down, up = first(narrow.frames, SMALL, narrowed), first(await viewer.frames(widened), TOP, widened)
        queues = [(at - narrowed, waiting * 8 / (NARROW_KBPS * 1000)) for at, waiting in backlog if at < widened]
        full = next((at for at, wait in queues if wait > 0.5), 0.0)
        drained = next((at for at, wait in queues if at > full and wait < 0.2), float("inf"))
        standing = max((wait for at, wait in queues if at > drained), default=0)
        climbing = max((waiting * 8 / (WIDE_KBPS * 1000) for at, waiting in backlog if at > widened), default=0)
        oldest = max(narrow.ages(moment))
        print(
            f"step: top layer {climbed:.1f} s after joining; down in {down:.2f} s, up in {up:.2f} s; the link's queue "
            f"has drained after {drained:.1f} s, later at most {standing:.2f} s, while climbing {climbing:.2f} s; "
            f"oldest picture {oldest:.2f} s; frozen {narrow.frozen_s:.2f} + {wide.frozen_s:.2f} s; switches "
            f"{room.counter('media_layer_switches_total'):.0f}, probes {room.counter('media_probe_packets_total'):.0f}"
        )
        assert down <= 3
        assert up <= 15
        # What was in flight when the link shrank fills its queue; it drains, and nothing fills it again.
        assert drained <= 3
        assert standing <= 0.9
        assert climbing <= 1
        # On top of the queue comes the jitter buffer, which waits for the audio's.
        assert oldest <= 2
