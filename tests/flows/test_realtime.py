"""The realtime socket against a real server: welcome, resume, late joiners, slow readers, bad input, drain."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa
from websockets.exceptions import InvalidStatus

import chat.feature
import signaling.feature
from loadtest.member import Member
from signaling import connection
from streamserver.bus import Lane
from streamserver.ids import RoomId
from streamserver.store.tables.platform import room_viewers, watch_sessions
from streamserver.wire import Line, PinnedLineFrame, TickFrame
from tests.support.server import Running, running_server

# Commerce is left out: what is tested here stands without it.
FEATURES = (signaling.feature.setup, chat.feature.setup)
HELLO = json.dumps({"t": "hello", "v": 1})


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_server(tmp_path, features=FEATURES) as srv:
        yield srv


def address(srv: Running, room: str = "demo") -> str:
    return f"ws://127.0.0.1:{srv.server.port}/ws/{room}"


def staff_headers(srv: Running) -> dict[str, str]:
    cookies = srv.brand_client.cookie_jar.filter_cookies(srv.brand_client._base_url)  # type: ignore[arg-type]
    return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())}


async def test_the_welcome_says_who_and_where_one_is(running: Running) -> None:
    async with Member(address(running), name="Ada") as ada:
        you, room = ada.welcome["you"], ada.welcome["room"]
        assert (you["name"], you["role"], you["staff"]) == ("Ada", "viewer", False)
        assert (room["id"], ada.welcome["recovered"]) == ("demo", False)
        assert set(ada.welcome["state"]) == {"chat", "pinned_line", "likes", "viewers", "cards"}
        again = Member(address(running), viewer=ada.token)
        async with again:
            assert again.welcome["you"]["viewer"] == you["viewer"]
            assert again.welcome["you"]["name"] == "Ada"
            assert (await again.ask({"t": "ping"}))["now_ms"] > 0


async def test_a_cookie_and_a_token_are_the_same_viewer(running: Running) -> None:
    async with Member(address(running)) as scripted:
        cookie = {"Cookie": f"viewer={scripted.token}"}
        async with Member(address(running), headers=cookie) as browser:
            assert browser.welcome["you"]["viewer"] == scripted.welcome["you"]["viewer"]


async def test_chat_crosses_and_a_late_joiner_has_it(running: Running) -> None:
    async with Member(address(running)) as ada, Member(address(running)) as bob:
        line = await ada.chat("hello <b>everybody</b>")
        seen = await bob.until_line(line)
        assert seen["text"] == "hello <b>everybody</b>"
        assert (await ada.until_line(line)) == seen
        async with Member(address(running)) as late:
            assert late.lines[line] == seen


async def test_viewers_are_counted_once_whatever_their_tabs(running: Running) -> None:
    async with Member(address(running)) as ada:
        await ada.until(lambda frame: frame.get("viewers") == 1)
        async with Member(address(running), viewer=ada.token), Member(address(running)):
            await ada.until(lambda frame: frame.get("viewers") == 2)
            assert running.server.presence.viewers(RoomId("demo")) == 2
        begun = len(ada.frames)
        await ada.until(lambda frame: frame.get("viewers") == 1, begun - 1)
        assert running.server.presence.peak(RoomId("demo")) == 2


async def test_load_test_traffic_and_staff_are_not_counted(running: Running) -> None:
    host = Member(address(running), headers=staff_headers(running), purpose="studio")
    async with Member(address(running), purpose="loadtest"), host, Member(address(running)) as viewer:
        await viewer.until(lambda frame: frame.get("viewers") == 1)
        assert host.welcome["you"]["staff"] is True
        assert host.welcome["you"]["role"] == "brand"
        assert running.server.presence.viewers(RoomId("demo")) == 1


async def test_who_comes_back_gets_exactly_what_it_missed(running: Running) -> None:
    async with Member(address(running)) as ada:
        bob = Member(address(running))
        await bob.connect()
        before = await ada.chat("before")
        await bob.until_line(before)
        bob.cut()
        await bob.closed()
        missed = [await ada.chat(f"missed {number}") for number in range(4)]
        had = set(bob.lines)
        welcome = await bob.connect()
        assert welcome["recovered"] is True
        assert welcome["state"] is None
        for line in missed:
            await bob.until_line(line)
        # Member itself fails on a line that comes twice and on a position that does not ascend.
        assert set(bob.lines) - had == set(missed)
        await bob.close()


@pytest.mark.parametrize("pos", [["another", 3], ["same", 10_000]])
async def test_a_position_that_is_not_ours_gets_the_whole_state(running: Running, pos: list[Any]) -> None:
    async with Member(address(running)) as ada:
        await ada.until_line(await ada.chat("kept"))
        epoch, offset = pos
        async with Member(address(running), pos=[ada.pos[0] if epoch == "same" else epoch, offset]) as late:  # type: ignore[index]
            assert late.welcome["recovered"] is False
            assert [line["text"] for line in late.welcome["state"]["chat"]] == ["kept"]


async def test_an_event_of_the_immediate_lane_takes_along_what_waits(tmp_path: Path) -> None:
    async with running_server(tmp_path, features=FEATURES, tick_ms=1000) as srv, Member(address(srv)) as ada:
        await ada.until(lambda frame: frame.get("viewers") == 1)  # the tick that is due after joining is through
        bus, room = srv.server.bus, RoomId("demo")
        tick = await bus.publish(room, TickFrame(likes=1))
        pinned = await bus.publish(room, PinnedLineFrame(line=None), lane=Lane.NOW)
        await ada.until(lambda frame: frame["t"] == "pinned_line")
        assert [frame["pos"][1] for frame in ada.frames[-2:]] == [tick.offset, pinned.offset]


async def never_reads(port: int) -> socket.socket:
    """A socket with a small receive buffer that says hello and reads nothing but the upgrade."""
    loop = asyncio.get_running_loop()
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    await loop.sock_connect(slow, ("127.0.0.1", port))
    upgrade = (
        "GET /ws/demo HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    # A mask of zeros leaves the payload as it is.
    hello = bytes((0x81, 0x80 | len(HELLO), 0, 0, 0, 0)) + HELLO.encode()
    await loop.sock_sendall(slow, upgrade.encode())
    assert (await loop.sock_recv(slow, 12)).startswith(b"HTTP/1.1 101")
    await loop.sock_sendall(slow, hello)
    return slow


async def test_a_reader_that_stops_is_closed_and_the_others_go_on(running: Running) -> None:
    bus, room = running.server.bus, RoomId("demo")
    gateway: Any = running.server.members
    async with Member(address(running)) as ada:
        slow = await never_reads(running.server.port)
        await ada.until(lambda frame: frame.get("viewers") == 2)
        told = 0
        async with asyncio.timeout(60):
            while running.server.presence.viewers(room) > 1:
                told += 1
                line = Line(id=f"l{told}", viewer="v", name="n", role="viewer", text="a" * 500, at_ms=1)
                await bus.publish(room, TickFrame(chat=[line]))
                # Truth events are never dropped, so a reader that stopped must run into the hard bound.
                for _ in range(20):
                    await bus.publish(room, PinnedLineFrame(line=line), lane=Lane.NOW)
                await ada.until_line(line.id)
        slow.close()
        assert len(ada.lines) == told
        assert len(gateway.of(room, ada.welcome["you"]["viewer"])) == 1
    assert 'streamserver_realtime_closed_total{code="4000"} 1.0' in running.server.metrics.text().decode()


async def test_a_peer_without_pongs_is_closed(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PING_S", 0.0)
    monkeypatch.setattr(connection, "PONG_S", 0.0)
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as session,
        session.ws_connect(f"http://127.0.0.1:{running.server.port}/ws/demo", compress=0, autoping=False) as deaf,
    ):
        await deaf.send_str(HELLO)
        async with asyncio.timeout(15):
            while (message := await deaf.receive()).type is not aiohttp.WSMsgType.CLOSE:
                assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING)
        assert message.data == 4002


async def test_draining_sends_members_elsewhere_and_lets_nobody_in(running: Running) -> None:
    members = [Member(address(running)) for _ in range(5)]
    for member in members:
        await member.connect()
    await running.server.drain()
    assert [await member.closed() for member in members] == [4001] * 5
    with pytest.raises(InvalidStatus) as refused:
        await Member(address(running)).connect()
    assert refused.value.response.status_code == 503


async def test_watching_is_stored_with_its_show(running: Running) -> None:
    async with Member(address(running)) as ada:
        await ada.send({"t": "watch", "playing": True, "via": "webrtc"})
        await ada.send({"t": "watch", "playing": True, "via": "hls"})
        await ada.ask({"t": "ping"})
        viewer = ada.welcome["you"]["viewer"]
    async with asyncio.timeout(15):
        rows: list[Any] = []
        while len(rows) < 2:
            await asyncio.sleep(0.2)
            rows = await running.server.store.read(
                lambda conn: list(
                    conn.execute(
                        sa.select(watch_sessions)
                        .where(watch_sessions.c.ended_ms.is_not(None))
                        .order_by(watch_sessions.c.id)
                    )
                )
            )
    assert {(row.viewer_id, row.room_id, row.via) for row in rows} == {
        (viewer, "demo", "webrtc"),
        (viewer, "demo", "hls"),
    }
    assert all(row.started_ms <= row.last_ms == row.ended_ms for row in rows)
    excluded = await running.server.store.read(
        lambda conn: conn.scalar(sa.select(room_viewers.c.excluded).where(room_viewers.c.viewer_id == viewer))
    )
    assert excluded == ""
