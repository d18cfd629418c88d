"""A room's life where things cross: a return during the sweep, a store that refuses for a moment, late media news."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from signaling import media_events
from streamserver import room_service
from streamserver.clock import ManualClock
from streamserver.errors import Unavailable
from streamserver.ids import RoomId, SessionId
from streamserver.media.engine import EngineEvent, MediaStarted, PublisherStopped
from tests.support.server import Running, running_server

DEMO = RoomId("demo")


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def running(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Running]:
    async with running_server(tmp_path, clock=clock) as srv:
        yield srv


def refuse(running: Running, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """The store refuses the next `times` writes, as a full disk does."""
    left = iter(range(times))
    write = running.server.store.write

    async def refusing(unit: Any) -> Any:
        if next(left, None) is not None:
            raise Unavailable("the disk is full", code="storage", retry_after=2)
        return await write(unit)

    monkeypatch.setattr(running.server.store, "write", refusing)


async def carry(running: Running, *events: EngineEvent) -> None:
    async def told() -> AsyncIterator[EngineEvent]:
        for event in events:
            yield event

    await media_events.pump(running.server, told())


async def test_a_publisher_that_returns_while_shows_are_ended_is_not_sent_away(
    running: Running, clock: ManualClock
) -> None:
    rooms = running.server.rooms
    second, _ = await rooms.create((await rooms.get(DEMO)).seller_id, None, title="Second")
    for room in (DEMO, second.id):
        await rooms.publisher_started(room, SessionId(room))
        await rooms.publisher_stopped(room, SessionId(room), "lost")
    ended: list[RoomId] = []

    async def told(room: RoomId) -> None:
        ended.append(room)
        await rooms.publisher_started(second.id, SessionId("back"))

    rooms.on_ended.append(told)
    clock.advance(121)
    await rooms.sweep()
    assert ended == [DEMO]
    assert (await rooms.get(second.id)).state == "live"


async def test_a_store_that_refuses_for_a_moment_does_not_stop_the_sweep(
    running: Running, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = running.server.rooms
    await rooms.publisher_started(DEMO, SessionId("a"))
    await rooms.publisher_stopped(DEMO, SessionId("a"), "lost")
    clock.advance(121)
    refuse(running, monkeypatch, 2)
    monkeypatch.setattr(room_service, "HEARTBEAT_S", 0.01)
    ended = asyncio.Event()

    async def told(_room: RoomId) -> None:
        ended.set()

    rooms.on_ended.append(told)
    task = running.server.spawn(rooms.run(), name="rooms-again")
    waiting = asyncio.ensure_future(ended.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
    assert ended.is_set()
    assert running.server.health.crashed == []
    waiting.cancel()
    task.cancel()


async def test_a_stop_that_could_not_be_written_is_written_later(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await running.server.rooms.publisher_started(DEMO, SessionId("a"))
    monkeypatch.setattr(media_events, "RETRY_S", 0.01)
    refuse(running, monkeypatch, 2)
    await carry(running, PublisherStopped(DEMO, SessionId("a"), "lost"))
    assert (await running.server.rooms.get(DEMO)).state == "interrupted"


async def test_an_event_that_can_never_be_written_is_named_and_the_next_one_taken(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await running.server.rooms.publisher_started(DEMO, SessionId("a"))
    monkeypatch.setattr(media_events, "RETRY_S", 0.001)
    refuse(running, monkeypatch, media_events.ATTEMPTS)
    stop = PublisherStopped(DEMO, SessionId("a"), "lost")
    await carry(running, stop, stop)
    assert [record.message for record in caplog.records].count("room_event_lost") == 1
    assert (await running.server.rooms.get(DEMO)).state == "interrupted"


async def test_media_of_a_session_that_has_ended_opens_no_show(running: Running) -> None:
    await running.server.rooms.end(DEMO)
    await carry(running, MediaStarted(DEMO, SessionId("gone")), PublisherStopped(DEMO, SessionId("gone"), "room_ended"))
    room = await running.server.rooms.get(DEMO)
    assert (room.state, room.show_id) == ("ended", None)
