"""SIGTERM with members connected and shoppers ordering: told to leave, nothing acknowledged lost, no 5xx but 503."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

import aiohttp
import websockets

from tests.support.process import ServerProcess, server_process
from tests.support.server import client_session, sign_in
from tests.support.shop import Shopper

MEMBERS = 100
SHOPPERS = 4
LAMP = "MG-LAMP-01"


async def member(url: str, joined: asyncio.Semaphore) -> int:
    """Joins, reads until the server closes; the close code."""
    async with websockets.connect(f"{url.replace('http', 'ws')}/ws/demo", open_timeout=20) as socket:
        await socket.send(json.dumps({"t": "hello", "v": 1}))
        assert json.loads(await socket.recv())["t"] == "welcome"
        joined.release()
        with contextlib.suppress(websockets.ConnectionClosed):
            async for _ in socket:
                pass
        return socket.close_code or 0


async def shop(server: ServerProcess, acknowledged: set[str], statuses: list[int], joined: asyncio.Semaphore) -> None:
    """Orders until the server is gone."""
    async with client_session(server.url) as http:
        who = Shopper(http)
        await who.click(LAMP)
        joined.release()
        number = 0
        while True:
            number += 1
            body = {"lines": [{"sku": LAMP, "quantity": 1}], "buyer": {"name": "Mei", "email": "mei@example.test"}}
            headers = who.authorised | {"Idempotency-Key": f"drain-{id(who)}-{number}"}
            try:
                async with http.post("/api/shop/shop/orders", json=body, headers=headers) as answer:
                    statuses.append(answer.status)
                    if answer.status == 201:
                        acknowledged.add((await answer.json())["id"])
                    elif answer.status == 503:
                        assert (await answer.json())["code"] == "draining"
                        assert "Retry-After" in answer.headers
            except aiohttp.ClientError:
                return


async def test_sigterm_loses_nothing(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        joined = asyncio.Semaphore(0)
        acknowledged: set[str] = set()
        statuses: list[int] = []
        async with asyncio.TaskGroup() as tasks:
            members = [tasks.create_task(member(server.url, joined)) for _ in range(MEMBERS)]
            for _ in range(SHOPPERS):
                tasks.create_task(shop(server, acknowledged, statuses, joined))
            for _ in range(MEMBERS + SHOPPERS):
                await joined.acquire()
            while len(acknowledged) < 20:
                await asyncio.sleep(0.01)  # the shoppers above set the pace
            assert await server.stop() == 0
        # 4001 draining, or 1001 and 1012: codes after which a client comes back.
        assert {task.result() for task in members} <= {4001, 1001, 1012}
        assert set(statuses) <= {201, 409, 429, 503}, sorted(set(statuses))
        await server.start()
        async with await sign_in(server.url, server.demo.email, server.demo.password) as brand:
            kept: set[str] = set()
            after = ""
            while True:
                async with brand.get(f"/api/orders?limit=200&after={after}") as answer:
                    page = await answer.json()
                kept |= {order["id"] for order in page["orders"]}
                after = page["next"]
                if not after:
                    break
        assert acknowledged <= kept
