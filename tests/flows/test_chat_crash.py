"""`kill -9` in the middle of a conversation: what was acknowledged is there, and members come back by themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path

from websockets.exceptions import ConnectionClosed

from loadtest.member import Member, Refused
from tests.support.process import server_process

TALKERS = 4
LINES = 8
"""Lines of each: together fewer than the fifty that a joiner gets."""


class Journal:
    """What was acknowledged, by the client's own name of the line."""

    def __init__(self) -> None:
        self.lines: dict[str, str] = {}
        self._more = asyncio.Event()

    def acknowledged(self, name: str, line: str) -> None:
        self.lines[name] = line
        self._more.set()

    async def holds(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.lines) < count:
                self._more.clear()
                await self._more.wait()


async def talk(member: Member, journal: Journal) -> None:
    """Says one line after the other; one without an answer is said again under the same id."""
    number = 0
    while number < LINES:
        name = f"{member.welcome['you']['viewer']}-{number}"
        try:
            journal.acknowledged(name, await member.chat(name, id=name))
            number += 1
        except Refused as exc:
            await asyncio.sleep(exc.frame.get("retry_ms", 100) / 1000)
        except (ConnectionClosed, ConnectionError, TimeoutError):
            await member.stay(seed=1)


async def test_acknowledged_lines_survive_a_kill_and_members_return(tmp_path: Path) -> None:
    async with server_process(tmp_path) as process:
        address = f"ws://127.0.0.1:{process.port}/ws/demo"
        talkers = [Member(address) for _ in range(TALKERS)]
        for member in talkers:
            await member.connect()
        journal = Journal()
        async with asyncio.timeout(180), asyncio.TaskGroup() as tasks:
            for member in talkers:
                tasks.create_task(talk(member, journal))
            for said in (3, 21):
                await journal.holds(said)
                await process.kill()
                await process.start()
        async with Member(address) as late:
            texts = [line["text"] for line in late.lines.values()]
            assert len(set(texts)) == len(texts), "a line was stored twice"
            assert {late.lines[id]["text"]: id for id in journal.lines.values()} == journal.lines
            assert len(journal.lines) == TALKERS * LINES
        for member in talkers:
            await member.close()
