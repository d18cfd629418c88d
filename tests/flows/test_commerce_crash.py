"""kill -9 in the middle of ordering and paying: everything acknowledged is there afterwards, once, and the
books agree.

The journal of what was acknowledged is kept on this side of the wire."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.process import ROOT, ServerProcess, server_process
from tests.support.server import client_session, sign_in
from tests.support.shop import Shopper, until

LAMP = "MG-LAMP-01"
LOST = (aiohttp.ClientError, ConnectionError, TimeoutError, AssertionError)


async def shop(server: ServerProcess, journal: dict[str, Any], stop: asyncio.Event, number: int) -> None:
    """Orders and pays until told to stop, writing down what was acknowledged; errors are the server being
    dead."""
    async with client_session(server.url) as http:
        who = Shopper(http)
        i = 0
        while not stop.is_set():
            i += 1
            key = f"journal-{number}-{i}"
            try:
                if i % 5 == 1:
                    await who.click(LAMP)
                order = await who.order(LAMP, key=key)
                journal["placed"][key] = order
                journal["link"][key] = who.link
                await who.pay(order["trade_no"])
                if (await who.status(order["trade_no"]))["result"] == 9000:
                    journal["paid"].add(order["id"])
            except LOST:
                await asyncio.sleep(0.05)  # another process: there is nothing to await but its port


def ledger_check(server: ServerProcess) -> str:
    command = [sys.executable, "-m", "streamserver", "ledger", "check", "--data", str(server.data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_nothing_acknowledged_is_lost_and_nothing_happens_twice(tmp_path: Path) -> None:
    rng = random.Random(7)
    journal: dict[str, Any] = {"placed": {}, "paid": set(), "link": {}}
    async with server_process(tmp_path) as server:
        stop = asyncio.Event()
        shoppers = [asyncio.create_task(shop(server, journal, stop, n)) for n in range(4)]
        for _ in range(3):
            before = len(journal["placed"])
            await until(lambda before=before: len(journal["placed"]) >= before + 4, 60)
            await asyncio.sleep(rng.random() * 0.3)  # a random instant of a real process
            await server.kill()
            await server.start()
        stop.set()
        await asyncio.gather(*shoppers)

        async with await sign_in(server.url, server.demo.email, server.demo.password) as http:
            brand = Shopper(http)
            for key, placed in journal["placed"].items():
                found = await brand.call("GET", f"/api/orders/{placed['id']}")
                assert found["total"] == placed["total"]
                if placed["id"] in journal["paid"]:
                    assert found["state"] == "paid", found
                # Asked again with the same key after the crash: the same order.
                who = Shopper(http)
                who.link = journal["link"][key]
                assert (await who.order(LAMP, key=key))["id"] == placed["id"]

            async def settled() -> bool:
                """Webhooks of payments that were made but not heard of reach the order after the restart."""
                page = await brand.call("GET", "/api/orders?state=placed&limit=200")
                return all(order["payment"]["state"] not in ("processing", "succeeded") for order in page["orders"])

            await until(settled, 30)
        assert await server.stop() == 0
    assert "the ledger agrees" in ledger_check(server)
    with sqlite3.connect(server.data / "streamserver.db") as db:
        placed_here = db.execute("SELECT count(*) FROM orders").fetchone()[0]
        paid_here = db.execute("SELECT count(*) FROM orders WHERE state = 'paid'").fetchone()[0]
        paid_there = db.execute("SELECT count(*) FROM sandbox_payments WHERE state = 'succeeded'").fetchone()[0]
    assert placed_here >= len(journal["placed"]) and paid_here == paid_there >= len(journal["paid"]) > 0
