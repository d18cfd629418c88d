"""Whatever a client sends, it gets a clear answer and everybody else goes on. One server takes all of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import chat.feature
import signaling.feature
from loadtest.member import Member, Refused
from tests.support.server import Running, running_server

pytestmark = pytest.mark.asyncio(loop_scope="module")
HELLO = json.dumps({"t": "hello", "v": 1})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    folder = tmp_path_factory.mktemp("bad-input")
    async with running_server(folder, features=(signaling.feature.setup, chat.feature.setup)) as srv:
        yield srv


def address(srv: Running, room: str = "demo") -> str:
    return f"ws://127.0.0.1:{srv.server.port}/ws/{room}"


async def close_code(url: str, *messages: str | bytes, **options: Any) -> int:
    """Connects, sends, reads until the server closes."""
    async with connect(url, compression=None, max_size=None, ping_interval=None, **options) as socket:
        try:
            for message in messages:
                await socket.send(message)
            async with asyncio.timeout(15):
                while True:
                    await socket.recv()
        except ConnectionClosed as exc:
            assert exc.rcvd is not None, exc
            return exc.rcvd.code


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([json.dumps({"t": "hello", "v": 2})], 4426),
        ([json.dumps({"t": "hello", "v": 1, "viewer": "made up"})], 4401),
        ([HELLO, "x" * 65_537], 4413),
        ([HELLO, json.dumps({"t": "chat", "id": "1", "text": "y" * 10_000_000})], 4413),
        ([HELLO, *["not json"] * 10], 4400),
        ([HELLO, *[b"\x00\x01"] * 10], 4400),
        ([HELLO, *['{"t": "unheard of"}'] * 10], 4400),
        ([HELLO, *["[" * 60_000] * 10], 4400),
        ([*['{"t": "like", "n": 1}'] * 10], 4400),
        ([HELLO, *[HELLO] * 10], 4400),
    ],
    ids=[
        "version", "token", "large", "10 MB line", "not json", "binary", "unknown", "deep", "before hello",
        "hello again",
    ],
)  # fmt: skip
async def test_bad_input_closes_with_its_code(served: Running, messages: list[str | bytes], code: int) -> None:
    async with Member(address(served)) as canary:
        assert await close_code(address(served), *messages) == code
        await canary.ask({"t": "ping"})


async def test_an_unknown_room_is_4404_and_another_site_403(served: Running) -> None:
    assert await close_code(address(served, "nowhere"), HELLO) == 4404
    with pytest.raises(InvalidStatus) as refused:
        await close_code(address(served), HELLO, origin="https://elsewhere.example")
    assert refused.value.response.status_code == 403
    async with served.client.get("/ws/demo") as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, "not_websocket")


@pytest.mark.parametrize(
    ("frame", "where"),
    [
        ({"t": "chat", "id": "1"}, "text"),
        ({"t": "chat", "id": "1", "text": 7}, "text"),
        ({"t": "chat", "id": "1", "text": ""}, "text"),
        ({"t": "chat", "id": "1", "text": "z" * 501}, "text"),
        ({"t": "chat", "id": "", "text": "a"}, "id"),
        ({"t": "like", "n": 0}, "n"),
        ({"t": "like", "n": 51}, "n"),
        ({"t": "like", "n": -1}, "n"),
        ({"t": "like", "n": 1.5}, "n"),
        ({"t": "watch", "playing": "yes", "via": "webrtc"}, "playing"),
        ({"t": "watch", "playing": True, "via": "smoke signals"}, "via"),
        ({"t": "name", "id": "1", "name": "n" * 25}, "name"),
        ({"t": "moderate", "id": "1", "action": "obliterate"}, "action"),
        ({"t": "moderate", "id": "1", "action": "mute", "seconds": 0}, "seconds"),
        ({"t": "ping"}, "id"),
        ({"t": 5}, "t"),
        ({}, "t"),
        ([], ""),
        (None, ""),
    ],
    ids=str,
)
async def test_a_bad_frame_is_refused_with_its_place(served: Running, frame: object, where: str) -> None:
    async with Member(address(served)) as ada:
        await ada.send_raw(json.dumps(frame))
        refused = await ada.until(lambda got: got["t"] == "refused")
        assert (refused["code"], refused["where"]) == ("bad_frame", where)
        assert refused["detail"]
        await ada.ask({"t": "ping"})


async def test_a_refused_frame_carries_its_own_id(served: Running) -> None:
    async with Member(address(served)) as ada:
        with pytest.raises(Refused) as refused:
            await ada.ask({"t": "chat", "text": "a" * 501})
        assert refused.value.frame["where"] == "text"


def masked(first: int, payload: bytes, *, length: bytes | None = None) -> bytes:
    """A client's WebSocket frame; a mask of zeros leaves the payload as it is."""
    if length is None:
        length = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes((first,)) + length + bytes(4) + payload


async def closed_by(port: int, data: bytes, step: int) -> int:
    """Upgrades by hand, sends bytes `step` at a time, answers the close code that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    upgrade = (
        "GET /ws/demo HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    writer.write(upgrade.encode())
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
        await writer.drain()
    try:
        async with asyncio.timeout(15):
            while True:
                first, length = await reader.readexactly(2)
                if length == 126:
                    length = int.from_bytes(await reader.readexactly(2), "big")
                payload = await reader.readexactly(length)
                if first == 0x88:
                    return int.from_bytes(payload[:2], "big")
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (masked(0x81, b"\xff\xfe"), 1007),
        (masked(0x83, b"reserved opcode"), 1002),
        (masked(0xC1, b"reserved bit"), 1002),
        (masked(0x09, b"ping in fragments"), 1002),
        (masked(0x80, b"continues nothing"), 1002),
        (masked(0x89, b"x" * 126), 1002),
        (masked(0x88, b"\x00"), 1002),
        (masked(0x88, b"\x03\xed"), 1002),
        (masked(0x81, b"", length=b"\xff" + (2**63 - 1).to_bytes(8, "big")), 4413),
        (masked(0x81, b"", length=b"\xff" + (2**64 - 1).to_bytes(8, "big")), 4413),
        (masked(0x01, b"x" * 60_000) + masked(0x80, b"x" * 6_000), 4413),
        (b"".join(masked(0x01 if not at else 0x00, b"x" * 60_000) for at in range(5)), 4413),
        (masked(0x81, b'{"t":"hello","v":2}'), 4426),
        (masked(0x88, b"\x03\xe8"), 1000),
    ],
    ids=[
        "utf-8", "opcode", "reserved bit", "fragmented ping", "continuation", "long ping", "short close",
        "close code", "2^63", "2^64", "message in two", "message in many", "version", "goodbye",
    ],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 65_536], ids=["byte by byte", "at once"])
async def test_a_broken_websocket_is_closed_with_its_code(served: Running, data: bytes, code: int, step: int) -> None:
    if step == 1 and len(data) > 2_000:
        step = 1_000
    async with Member(address(served)) as canary:
        assert await closed_by(served.server.port, data, step) == code
        await canary.ask({"t": "ping"})
