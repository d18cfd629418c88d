"""One room on a real engine, a publisher that can be decoded, and Chromiums that watch, told what they saw.

Offers and answers are handed over directly, so a faulty network carries media and nothing else.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import JSHandle, Page

from streamserver.ids import RoomId
from streamserver.media.engine import EngineConfig, Session
from tests.support.browser import browser
from tests.support.clip import ONE, ClipPublisher, Size
from tests.support.engines import Engine, make_engine
from tests.support.netns import Host

ROOM = RoomId("demo")
LIMIT_S = 30.0
_SCRIPT = (Path(__file__).parent / "watch.js").read_text()


@dataclass(frozen=True)
class Frame:
    """One that was shown: the page's wall clock (s), the room's RTP time, its width."""

    at: float
    rtp: int
    width: int


class Viewer:
    """One connection of a page. `facts` is getStats of its video, and some more."""

    def __init__(self, handle: JSHandle, session: Session | None) -> None:
        self._handle = handle
        self.session = session

    async def facts(self) -> dict[str, Any]:
        return await self._handle.evaluate("viewer => viewer.facts()")

    async def frames(self, since: float = 0.0) -> list[Frame]:
        """Frames shown since a time of this machine's clock."""
        found = await self._handle.evaluate("(viewer, at) => viewer.since(at)", since * 1000)
        return [Frame(one["at"] / 1000, one["rtp"] or 0, one["width"]) for one in found]

    async def until(self, true: Callable[[dict[str, Any]], bool], limit_s: float = LIMIT_S) -> dict[str, Any]:
        """Wait until its facts are so; they are asked for every 50 ms. Raises TimeoutError with the last ones."""
        facts: dict[str, Any] = {}
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    facts = await self.facts()
                    if true(facts):
                        return facts
                    await asyncio.sleep(0.05)  # another process: there is no event for what it decoded
        except TimeoutError:
            raise TimeoutError(f"not within {limit_s} s; the last facts: {facts}") from None

    async def watches(self, frames: int = 30) -> dict[str, Any]:
        """Wait until so many more frames were shown."""
        target = (await self.facts())["shown"] + frames
        return await self.until(lambda facts: facts["shown"] >= target)

    async def watch(self, seconds: float) -> Watched:
        """Look on for so long; what came of it."""
        before, began = await self.facts(), time.time()
        await asyncio.sleep(seconds)
        after = await self.facts()
        return Watched(before, after, await self.frames(began))

    async def close(self) -> None:
        await self._handle.evaluate("viewer => viewer.close()")


@dataclass(frozen=True)
class Watched:
    """A stretch of watching."""

    before: dict[str, Any]
    after: dict[str, Any]
    frames: list[Frame]

    def grew(self, name: str) -> float:
        return (self.after.get(name) or 0) - (self.before.get(name) or 0)

    @property
    def seconds(self) -> float:
        return (self.after["at"] - self.before["at"]) / 1000

    @property
    def frozen_s(self) -> float:
        return self.grew("totalFreezesDuration")

    def ages(self, moment: tuple[int, float]) -> list[float]:
        """How old each frame was when it was shown, seconds since it reached the server; `moment` is the room's RTP
        time and wall clock of one and the same instant."""
        stamp, wall = moment
        return [frame.at - wall - _signed(frame.rtp - stamp) / 90_000 for frame in self.frames if frame.rtp]


def _signed(difference: int) -> int:
    return (difference + (1 << 31) & 0xFFFFFFFF) - (1 << 31)


@dataclass
class Show:
    """The room. Viewers come from `browse` and `watch`."""

    engine: Engine
    publisher: ClipPublisher
    sizes: tuple[Size, ...]
    stack: AsyncExitStack
    publishers: list[ClipPublisher] = field(default_factory=list[ClipPublisher])

    async def publish(self, host: str = "127.0.0.1", port: int | None = None) -> ClipPublisher:
        """A publisher takes the room over; media flows when this returns. `port`: through a relay."""
        await asyncio.to_thread(ClipPublisher.prepare, self.sizes)
        publisher = ClipPublisher(self.sizes, host)
        self.publishers.append(publisher)
        session = await self.engine.publish(ROOM, publisher.offer)
        await publisher.connect(session.answer_sdp if port is None else _routed(session.answer_sdp, "127.0.0.1", port))
        self.publisher.close()
        publisher.start()
        self.publisher = publisher
        return publisher

    async def browse(self, executable: str, host: Host | None = None) -> Page:
        """An empty page, of a Chromium on the far host when there is one."""
        if host is not None:
            folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
            executable = host.wrapper(executable, folder)
        launched = await self.stack.enter_async_context(browser(executable))
        page = await launched.new_page()
        await page.evaluate(_SCRIPT)
        return page

    async def watch(self, page: Page, server: str = "127.0.0.1", port: int | None = None) -> Viewer:
        """A viewer that reaches the server at one address only, and through a relay where a port is given."""
        handle = await page.evaluate_handle("() => makeViewer()")
        session = await self.engine.subscribe(ROOM, await handle.evaluate("viewer => viewer.offer()"))
        await handle.evaluate("(viewer, sdp) => viewer.answer(sdp)", _routed(session.answer_sdp, server, port))
        return Viewer(handle, session)

    def counter(self, name: str) -> float:
        return self.engine.stats().counters.get(name, 0)

    def dropped(self) -> dict[str, float]:
        """Dropped packets by reason."""
        counters = self.engine.stats().counters
        found = (re.fullmatch(r'media_dropped_packets_total\{reason="(.+)"\}', key) for key in counters)
        return {match[1]: self.counter(match[0]) for match in found if match is not None}

    def moment(self) -> tuple[int, float]:
        """RTP time and wall clock of the newest packet."""
        timeline = self.engine.timeline(ROOM)
        assert timeline is not None
        return timeline.timestamp, timeline.arrived_ms / 1000


def _routed(answer: str, server: str, port: int | None) -> str:
    """The answer with the UDP candidate of one address only, at another port when one is given."""
    lines: list[str] = []
    for line in answer.splitlines(keepends=True):
        if line.startswith("a=candidate:"):
            words = line.split(" ")
            if words[2] != "udp" or words[4] != server:
                continue
            if port is not None:
                line = " ".join([*words[:5], str(port), *words[6:]])
        lines.append(line)
    return "".join(lines)


@asynccontextmanager
async def show(engine: str, sizes: tuple[Size, ...] = ONE, **config: Any) -> AsyncIterator[Show]:
    """A live room. `config` goes to the engine."""
    options: dict[str, Any] = {"announce": ("127.0.0.1",)} | config
    running = make_engine(engine, EngineConfig(**options))
    await running.start()
    async with AsyncExitStack() as stack:
        made = Show(running, ClipPublisher(sizes), sizes, stack)
        made.publisher.close()
        try:
            await made.publish()
            yield made
            await stack.aclose()
        finally:
            for publisher in made.publishers:
                publisher.close()
            await running.stop()
