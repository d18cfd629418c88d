"""Engines to put under the contract suite, and peers that tell what they saw.

Time is the engine's injected clock, so nothing here waits for a timeout; packets cross real sockets on loopback.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from loadtest.light import LightPeer, SyntheticVideo
from streamserver.clock import ManualClock
from streamserver.ids import RoomId
from streamserver.media import rtp
from streamserver.media.aiortc_engine import AiortcEngine
from streamserver.media.choose import native_problem
from streamserver.media.engine import EngineConfig, EngineEvent, MediaEngine, Session, StatsSnapshot
from streamserver.media.native_engine import NativeEngine

LIMIT_S = 15.0
CONSENT_S = 4.0
ROOM = RoomId("demo")
Event = TypeVar("Event")


async def settle(true: Callable[[], bool]) -> None:
    """Give the loop its turn until `true()`: for what an engine counts but does not tell."""
    async with asyncio.timeout(LIMIT_S):
        while not true():
            await asyncio.sleep(0)


class Waiter:
    """Something that is told of changes and can be waited for."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self._changed.set()

    async def until(self, true: Callable[[], bool], what: str = "") -> None:
        """Wait until `true()`; a TimeoutError names what did not come."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while not true():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"never came: {what or true}") from None


@dataclass(frozen=True)
class Seen:
    """One RTP packet as a viewer got it."""

    view: rtp.RtpView
    payload: bytes


class Watcher(Waiter):
    """A light peer that keeps what it receives."""

    def __init__(self, direction: str, codecs: tuple[str, ...] = ("H264", "VP8")) -> None:
        super().__init__()
        self.peer = LightPeer(direction, codecs)
        self.peer.on_rtp = self._on_rtp
        self.peer.on_rtcp = self._on_rtcp
        self.packets: list[Seen] = []
        self.feedback: list[rtp.Feedback] = []
        self.rembs = 0
        self.session: Session | None = None

    def _on_rtp(self, packet: bytes) -> None:
        view = rtp.read_rtp(packet)
        assert view is not None, "the server sent something that is not RTP"
        self.packets.append(Seen(view, packet[view.start : view.end]))
        self.changed()

    def _on_rtcp(self, packet: bytes) -> None:
        self.feedback += list(rtp.read_rtcp(packet))
        self.rembs += b"REMB" in packet
        self.changed()

    def of(self, kind: type[Event]) -> list[Event]:
        return [item for item in self.feedback if isinstance(item, kind)]

    def video(self) -> list[Seen]:
        ssrc = self.peer.answered_ssrc("video")[0]
        return [seen for seen in self.packets if seen.view.ssrc == ssrc]

    def retransmitted(self) -> list[Seen]:
        ssrc = self.peer.answered_ssrc("video")[1]
        return [seen for seen in self.packets if seen.view.ssrc == ssrc]

    async def count(self, packets: int) -> None:
        await self.until(lambda: len(self.packets) >= packets, f"{packets} packets, {len(self.packets)} came")

    async def renew(self) -> None:
        """A connectivity check that was answered."""
        passed = self.peer.checks_passed
        self.peer.check()
        await settle(lambda: self.peer.checks_passed > passed)


@dataclass
class Harness:
    """One engine under test with its clock and its events so far."""

    engine: MediaEngine
    clock: ManualClock
    expire: Callable[[], None]
    """Make the engine look at its clock now."""
    events: list[EngineEvent] = field(default_factory=list[EngineEvent])
    waiter: Waiter = field(default_factory=Waiter)
    peers: list[Watcher] = field(default_factory=list[Watcher])

    def watcher(self, direction: str, codecs: tuple[str, ...] = ("H264", "VP8")) -> Watcher:
        watcher = Watcher(direction, codecs)
        self.peers.append(watcher)
        return watcher

    def offer(self, direction: str, codecs: tuple[str, ...] = ("H264", "VP8")) -> str:
        """An offer that nobody will follow up."""
        return self.watcher(direction, codecs).peer.offer

    async def publisher(self, codecs: tuple[str, ...] = ("H264",), **options: Any) -> tuple[Watcher, SyntheticVideo]:
        watcher = self.watcher("sendonly", codecs)
        watcher.session = await self.engine.publish(ROOM, watcher.peer.offer, **options)
        await watcher.peer.connect(watcher.session.answer_sdp)
        await self.until_live(watcher)
        return watcher, SyntheticVideo(watcher.peer.ssrcs["video"], size=200, packets=4)

    async def until_live(self, watcher: Watcher) -> None:
        session = watcher.session
        assert session is not None
        await self.waiter.until(
            lambda: any(getattr(e, "session", None) == session.id for e in self.events), "the publisher's start"
        )

    async def viewer(self, codecs: tuple[str, ...] = ("H264", "VP8")) -> Watcher:
        watcher = self.watcher("recvonly", codecs)
        watcher.session = await self.engine.subscribe(ROOM, watcher.peer.offer)
        await watcher.peer.connect(watcher.session.answer_sdp)
        await self.until_live(watcher)
        self.expire()  # an engine of several threads: each knows of it now
        return watcher

    async def advance(self, seconds: float, alive: Iterable[Watcher] = ()) -> None:
        """Let time pass; only `alive` peers renew their consent, every few seconds like real ones."""
        while seconds > 0:
            step = min(CONSENT_S, seconds)
            seconds -= step
            self.clock.advance(step)
            for watcher in alive:
                await watcher.renew()
        self.expire()

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def counter(self, name: str) -> float:
        return self.engine.stats().counters.get(name, 0)

    def gauge(self, name: str) -> float:
        return self.engine.stats().gauges[name]


class WatchedClock(ManualClock):
    """Tells at once that it was moved: an engine with threads of its own must not find out later."""

    def __init__(self) -> None:
        super().__init__()
        self.before_advance: Callable[[], None] = lambda: None
        self.on_advance: Callable[[], None] = lambda: None

    def advance(self, seconds: float) -> None:
        self.before_advance()  # what was asked for before happened before
        super().advance(seconds)
        self.on_advance()


def _make_aiortc(config: EngineConfig, clock: WatchedClock) -> tuple[MediaEngine, Callable[[], None]]:
    engine = AiortcEngine(config, clock)
    return engine, lambda: engine.expire(clock.monotonic())


def _make_native(config: EngineConfig, clock: WatchedClock, threads: int) -> tuple[MediaEngine, Callable[[], None]]:
    engine = NativeEngine(replace(config, threads=threads), clock)
    clock.before_advance, clock.on_advance = engine.expire, engine.push_time
    return engine, engine.expire


ENGINES = {"aiortc": _make_aiortc}
if native_problem() is None:
    ENGINES["native"] = partial(_make_native, threads=1)
    ENGINES["native-2"] = partial(_make_native, threads=2)


@asynccontextmanager
async def running_engine(name: str, **options: Any) -> AsyncIterator[Harness]:
    clock = WatchedClock()
    clock.advance(1000)
    engine, expire = ENGINES[name](EngineConfig(announce=("127.0.0.1",), **options), clock)
    await engine.start()
    harness = Harness(engine, clock, expire)
    events = engine.events()

    async def follow() -> None:
        async for event in events:
            if not isinstance(event, StatsSnapshot):
                harness.events.append(event)
                harness.waiter.changed()

    follower = asyncio.create_task(follow())
    try:
        yield harness
    finally:
        for watcher in harness.peers:
            watcher.peer.close()
        await engine.stop()
        await asyncio.wait_for(follower, LIMIT_S)
