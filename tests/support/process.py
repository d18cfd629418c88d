"""A server in a process of its own, which a test may drain or kill -9 and start again on the same data and port."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from streamserver.demo import DemoSecrets

ROOT = Path(__file__).parents[2]
START_S = 90.0


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ServerProcess:
    """`start`, `kill` (SIGKILL), `stop` (SIGTERM) in any order; the data folder and the ports stay the same."""

    def __init__(self, data: Path, *flags: str) -> None:
        self.data = data
        self.port = free_port()
        self.udp = free_port(socket.SOCK_DGRAM)
        self._flags = flags
        self._process: asyncio.subprocess.Process | None = None
        self.log = data.parent / "server.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def demo(self) -> DemoSecrets:
        return DemoSecrets(**json.loads((self.data / "demo.json").read_text()))

    async def start(self) -> None:
        """Returns when /readyz says so. Raises AssertionError with the log's end when the process gave up."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "streamserver",
                "serve",
                "--port",
                str(self.port),
                "--udp-ports",
                f"{self.udp}-{self.udp}",
                "--announce",
                "127.0.0.1",
                "--data",
                str(self.data),
                *self._flags,
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        async with asyncio.timeout(START_S), aiohttp.ClientSession() as session:
            while True:
                assert self._process.returncode is None, self.log.read_text()[-3000:]
                try:
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass  # not listening yet
                await asyncio.sleep(0.05)  # another process: there is nothing to await but its port

    async def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), 30)

    async def close(self) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.kill()


@asynccontextmanager
async def server_process(tmp_path: Path, *flags: str) -> AsyncIterator[ServerProcess]:
    process = ServerProcess(tmp_path / "data", *flags)
    try:
        await process.start()
        yield process
    finally:
        await process.close()
