"""The Python half of the native engine against threads that only listen: what they are told, and what is made of
what they report."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from loadtest.light import LightPeer
from streamserver.clock import ManualClock
from streamserver.ids import RoomId
from streamserver.media.engine import (
    EngineConfig,
    EngineEvent,
    MediaStarted,
    PublisherResumed,
    PublisherStalled,
    PublisherStarted,
    PublisherStopped,
    Session,
    StatsSnapshot,
    ViewerConnected,
    ViewerLeft,
)
from streamserver.media.errors import Full, NoCommonCodec, NothingLive, PublisherExists, UnknownSession
from streamserver.media.native_engine import NativeEngine
from tests.support.fake_core import FakeCore

ROOM = RoomId("demo")


def offer(direction: str, codecs: tuple[str, ...]) -> str:
    peer = LightPeer(direction, codecs)
    peer.close()
    return peer.offer


@dataclass
class Bench:
    engine: NativeEngine
    core: FakeCore
    clock: ManualClock
    events: AsyncIterator[EngineEvent]

    async def publish(self, *codecs: str, room: RoomId = ROOM) -> Session:
        return await self.engine.publish(room, offer("sendonly", codecs or ("H264",)))

    async def subscribe(self, *codecs: str, room: RoomId = ROOM) -> Session:
        return await self.engine.subscribe(room, offer("recvonly", codecs or ("H264", "VP8")))

    def peer(self) -> dict[str, Any]:
        """What the threads were told of the newest peer."""
        return self.core.last("add_peer")[1]

    def connect(self) -> dict[str, Any]:
        facts = self.peer()
        role = "publisher" if facts["publisher"] else "viewer"
        self.core.report("connected", facts["room"], facts["id"], role, 0.25)
        self.engine.expire()
        return facts

    def end(self, facts: dict[str, Any], reason: str, connected: bool = True) -> None:
        role = "publisher" if facts["publisher"] else "viewer"
        self.core.report("ended", facts["room"], facts["id"], role, connected, reason)
        self.engine.expire()

    async def heard(self, *kinds: type[Any]) -> list[EngineEvent]:
        async with asyncio.timeout(5):
            found = [await anext(self.events) for _ in kinds]
        assert [type(event) for event in found] == list(kinds)
        return found


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    cores: list[FakeCore] = []

    def make(**options: Any) -> FakeCore:
        cores.append(FakeCore(**options))
        return cores[0]

    clock = ManualClock()
    config = EngineConfig(announce=("127.0.0.1", "192.0.2.1"), threads=2)
    engine = NativeEngine(config, clock, make_core=cast("Any", make))
    await engine.start()
    yield Bench(engine, cores[0], clock, engine.events())
    await engine.stop()
    assert cores[0].stopped


async def test_a_publisher_is_told_to_its_rooms_thread_and_answered(bench: Bench) -> None:
    session = await bench.publish()
    facts = bench.peer()
    shard, number, home, audio, video, _ = bench.core.last("add_room")
    assert (shard, number, home) == (None, facts["room"], 0)
    assert facts["publisher"] is True
    assert facts["ufrag"].startswith("0")
    assert f"a=ice-ufrag:{facts['ufrag']}" in session.answer_sdp
    assert "127.0.0.1 7000 typ host" in session.answer_sdp
    assert "tcptype passive" in session.answer_sdp
    assert [section[0] for section in facts["sections"]] == ["audio", "video"]
    assert audio[1] == audio[0] ^ 0x5A5A5A5A
    assert video[2] < 2**15
    assert not bench.engine.live(ROOM)
    assert bench.engine.stats().gauges["media_sessions_pending"] == 1
    bench.connect()
    await bench.heard(PublisherStarted)
    assert bench.engine.live(ROOM)
    assert bench.engine.stats().rooms == {ROOM: 0}
    for event, kind in (("media_started", MediaStarted), ("stalled", PublisherStalled), ("resumed", PublisherResumed)):
        bench.core.report(event, facts["room"], facts["id"])
        assert await bench.heard(kind) == [kind(ROOM, session.id)]


async def test_viewers_are_spread_over_the_threads_and_told_the_rooms_numbers(bench: Bench) -> None:
    await bench.publish()
    bench.connect()
    shards: list[int] = []
    for _ in range(3):
        session = await bench.subscribe()
        shard, facts = bench.core.last("add_peer")
        shards.append(shard)
        assert facts["ufrag"].startswith(str(shard))
        assert bench.core.last("add_room")[0] == shard
        assert f"a=ssrc-group:FID {bench.core.last('add_room')[4][0]} " in session.answer_sdp
    assert shards == [1, 0, 1]
    other = RoomId("other")
    await bench.publish(room=other)
    assert bench.core.last("add_room")[2] == 1


async def test_viewers_come_and_go(bench: Bench) -> None:
    await bench.publish()
    bench.connect()
    session = await bench.subscribe()
    assert bench.engine.viewers(ROOM) == 0
    facts = bench.connect()
    assert bench.engine.viewers(ROOM) == 1
    bench.end(facts, "lost")
    assert bench.engine.viewers(ROOM) == 0
    assert bench.engine.room_of(session.id) is None
    heard = await bench.heard(PublisherStarted, ViewerConnected, ViewerLeft)
    assert heard[1:] == [ViewerConnected(ROOM, session.id, 250.0), ViewerLeft(ROOM, session.id, "lost")]


async def test_a_handshake_that_fails_is_no_event(bench: Bench) -> None:
    await bench.publish()
    facts = bench.peer()
    bench.end(facts, "handshake", connected=False)
    bench.core.report("room_gone", facts["room"])
    bench.engine.expire()
    with pytest.raises(NothingLive):
        await bench.subscribe()
    assert not any(bench.engine.stats().gauges.values())


async def test_a_session_that_is_closed_is_gone_at_once_and_reported_when_it_ended(bench: Bench) -> None:
    session = await bench.publish()
    facts = bench.connect()
    await bench.engine.close(session.id)
    assert bench.core.last("close") == (0, facts["id"], "deleted")
    assert bench.engine.room_of(session.id) is None
    assert not bench.engine.live(ROOM)
    with pytest.raises(UnknownSession):
        await bench.engine.close(session.id)
    await bench.subscribe()  # viewers may come while it is away
    bench.end(facts, "deleted")
    heard = await bench.heard(PublisherStarted, PublisherStopped)
    assert heard[1] == PublisherStopped(ROOM, session.id, "deleted")


async def test_a_room_keeps_its_numbers_while_its_publisher_is_away(bench: Bench) -> None:
    await bench.publish()
    facts = bench.connect()
    before = bench.core.last("add_room")
    bench.end(facts, "lost")
    await bench.publish()
    assert bench.core.last("add_room") == before
    second = bench.peer()
    # The thread had given the room up in that very moment; the newcomer made it anew.
    bench.core.report("room_gone", facts["room"])
    bench.engine.expire()
    bench.core.report("connected", second["room"], second["id"], "publisher", 0.1)
    assert bench.engine.live(ROOM)


async def test_a_room_that_was_given_up_comes_back_as_another(bench: Bench) -> None:
    await bench.publish()
    facts = bench.connect()
    bench.end(facts, "lost")
    bench.core.report("room_gone", facts["room"])
    bench.engine.expire()
    with pytest.raises(NothingLive):
        await bench.subscribe()
    await bench.publish()
    assert bench.peer()["room"] != facts["room"]


async def test_a_takeover_is_decided_by_the_thread(bench: Bench) -> None:
    first = await bench.publish()
    old = bench.connect()
    with pytest.raises(PublisherExists):
        await bench.engine.publish(ROOM, offer("sendonly", ("H264",)), takeover=False)
    second = await bench.publish("VP8")
    new = bench.peer()
    assert bench.engine.live(ROOM)
    with pytest.raises(NoCommonCodec, match="H264"):
        await bench.subscribe("VP8")
    bench.core.report("ended", old["room"], old["id"], "publisher", True, "replaced")
    bench.core.report("connected", new["room"], new["id"], "publisher", 0.1)
    heard = await bench.heard(PublisherStarted, PublisherStopped, PublisherStarted)
    assert heard[1:] == [PublisherStopped(ROOM, first.id, "replaced"), PublisherStarted(ROOM, second.id)]
    await bench.subscribe("VP8")


async def test_a_room_that_ends_takes_everybody_with_it(bench: Bench) -> None:
    await bench.publish()
    publisher = bench.connect()
    await bench.subscribe()
    viewer = bench.connect()
    await bench.engine.end_room(ROOM)
    await bench.engine.end_room(ROOM)
    assert bench.core.last("end_room") == (0, publisher["room"], "room_ended")
    assert not any(bench.engine.stats().gauges.values())
    again = await bench.publish()  # at once, as another room
    assert bench.peer()["room"] != publisher["room"]
    bench.end(publisher, "room_ended")
    bench.end(viewer, "room_ended")
    bench.core.report("room_gone", publisher["room"])
    await bench.heard(PublisherStarted, ViewerConnected, PublisherStopped, ViewerLeft)
    assert bench.engine.room_of(again.id) is not None


async def test_an_ice_restart_keeps_to_the_thread(bench: Bench) -> None:
    session = await bench.publish()
    facts = bench.connect()
    body = "a=ice-ufrag:fresh1\r\na=ice-pwd:" + "p" * 24 + "\r\n"
    patched = await bench.engine.patch(session.id, body, "*")
    shard, number, ufrag, password, remote = bench.core.last("restart")
    assert (shard, number, remote) == (0, facts["id"], "fresh1")
    assert ufrag.startswith("0")
    assert ufrag != facts["ufrag"]
    assert f"a=ice-pwd:{password}" in patched.fragment


async def test_an_overloaded_engine_refuses_with_the_reason(bench: Bench) -> None:
    await bench.publish()
    bench.connect()
    lag = 'media_thread_lag_seconds{thread="0"}'
    busy = {f'media_thread_busy_seconds_total{{thread="{index}"}}': 1.0 for index in range(2)}
    bench.core.figures = {**busy, lag: 0.7}
    bench.engine.stats()  # a scrape must not hide it from the next report
    bench.core.figures[lag] = 0.0

    async def report() -> StatsSnapshot:
        bench.clock.advance(1)
        async with asyncio.timeout(5):
            async for event in bench.events:
                if isinstance(event, StatsSnapshot):
                    return event
        raise AssertionError

    assert (await report()).health[lag] == 0.7
    with pytest.raises(Full, match="media thread 0 was 700 ms late") as refused:
        await bench.subscribe()
    assert refused.value.retry_after
    await bench.publish(room=RoomId("other"))  # a publisher has a little more room
    await report()
    await bench.subscribe()


async def test_frames_of_a_tapped_room_come_with_their_capture_time(bench: Bench) -> None:
    tap = bench.engine.tap(ROOM)
    await bench.publish()
    facts = bench.connect()
    assert bench.core.last("tap") == (0, facts["room"], True)
    ntp = (2_208_988_800 + 1_700_000_000) << 32
    bench.core.frames.append((facts["room"], "video", "H264", b"\0\0\0\1", 90_000, True, ntp))
    bench.engine.expire()
    frame = await asyncio.wait_for(anext(tap), 5)
    assert (frame.kind, frame.data, frame.captured_ms) == ("video", b"\0\0\0\1", 1_700_000_000_000)


async def test_the_time_line_is_in_wall_clock_time(bench: Bench) -> None:
    assert bench.engine.timeline(ROOM) is None
    await bench.publish()
    facts = bench.connect()
    bench.clock.advance(5)
    arrived = bench.clock.now_ms()
    bench.core.timelines[facts["room"]] = (1234, int(bench.clock.monotonic() * 1e6), None)
    bench.clock.advance(0.25)
    timeline = bench.engine.timeline(ROOM)
    assert timeline is not None
    assert (timeline.timestamp, timeline.captured_ms) == (1234, None)
    assert timeline.arrived_ms == pytest.approx(arrived)


async def test_a_pulled_session_is_dialled_by_its_rooms_thread(bench: Bench) -> None:
    call = bench.engine.call(ROOM)
    assert "a=recvonly" in call.offer_sdp
    assert "a=setup:actpass" in call.offer_sdp
    answer = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE 1\r\n"
        "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=inactive\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=ice-ufrag:there\r\na=ice-pwd:" + "q" * 24 + "\r\n"
        "a=fingerprint:sha-256 " + ":".join(["CD"] * 32) + "\r\na=setup:passive\r\na=mid:1\r\na=sendonly\r\n"
        "a=rtcp-mux\r\na=rtpmap:96 H264/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
        "a=candidate:1 1 udp 2130706431 192.0.2.9 7880 typ host\r\n"
    )
    session = call.accept(answer)
    shard, facts = bench.core.last("add_peer")
    assert (shard, facts["publisher"], facts["dtls_client"]) == (0, True, True)
    assert facts["dial"] == ("q" * 24, [("192.0.2.9", 7880)])
    assert facts["remote_ufrag"] == "there"
    ended = bench.engine.ended(session)
    bench.connect()
    bench.end(facts, "lost")
    assert await asyncio.wait_for(ended, 5) == "lost"
