"""Connections that never finish their request are closed, and do not stand in anybody's way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.server import running_server


@pytest.mark.parametrize("start", [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_request_that_does_not_arrive_is_closed(tmp_path: Path, start: bytes) -> None:
    async with running_server(tmp_path, idle_s=0.5) as srv:
        sockets = [await asyncio.open_connection("127.0.0.1", srv.server.port) for _ in range(200)]
        for _, writer in sockets:
            writer.write(start)
        async with srv.client.get("/livez") as answer:
            assert answer.status == 200
        async with asyncio.timeout(10):
            assert await asyncio.gather(*(reader.read() for reader, _ in sockets)) == [b""] * 200
        for _, writer in sockets:
            writer.close()
