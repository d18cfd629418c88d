"""A real Firefox without a window, driven over Marionette (its own remote protocol): no driver program is needed.

Knows how to open a page and to run a script in it; nothing of what the pages do.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

START_S = 60.0
CALL_S = 60.0
NAMES = ("firefox-esr", "firefox")
PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
    "media.gmp-manager.updateEnabled": False,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage": "about:blank",
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}


def find_firefox() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Firefox:
    """One window at a time: `open` makes a new one and `to` returns to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._last = 0

    async def call(self, command: str, **parameters: Any) -> Any:
        """One command; its result. Raises AssertionError with what Firefox says went wrong."""
        self._last += 1
        body = json.dumps([0, self._last, command, parameters]).encode()
        self._writer.write(b"%d:%b" % (len(body), body))
        async with asyncio.timeout(CALL_S):
            _, _, error, result = await self.read()
        assert error is None, error
        return result

    async def read(self) -> Any:
        length = await self._reader.readuntil(b":")
        return json.loads(await self._reader.readexactly(int(length[:-1])))

    async def open(self, url: str) -> str:
        """A new tab with that page; its handle."""
        made = await self.call("WebDriver:NewWindow", type="tab")
        await self.to(made["handle"])
        await self.call("WebDriver:Navigate", url=url)
        return made["handle"]

    async def to(self, handle: str) -> None:
        await self.call("WebDriver:SwitchToWindow", handle=handle, focus=True)

    async def run(self, script: str) -> None:
        """Run statements in the page."""
        await self.call("WebDriver:ExecuteScript", script=script, args=[], sandbox=None)

    async def evaluate(self, function: str, *arguments: Any) -> Any:
        """What a function of the page, asynchronous or not, returns."""
        script = f"return (async () => {{ return await ({function})(...arguments[0]); }})()"
        answer = await self.call("WebDriver:ExecuteScript", script=script, args=[list(arguments)], sandbox=None)
        return answer["value"]


@asynccontextmanager
async def firefox(program: str, folder: Path) -> AsyncIterator[Firefox]:
    """A Firefox with a new profile in `folder`, for the length of the block."""
    profile = folder / "firefox"
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    lines.append('user_pref("marionette.port", 0);')  # any; it is written down in the profile
    (profile / "user.js").write_text("\n".join(lines))
    process = await asyncio.create_subprocess_exec(
        program,
        "--headless",
        "--no-remote",
        "--marionette",
        "--profile",
        str(profile),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"},
        start_new_session=True,
    )
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(START_S):
            reader, writer = await _connect(process, profile / "MarionetteActivePort")
            browser = Firefox(reader, writer)
            await browser.read()  # it introduces itself
        await browser.call("WebDriver:NewSession", capabilities={})
        yield browser
    finally:
        if writer is not None:
            writer.close()
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _connect(
    process: asyncio.subprocess.Process, active: Path
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        assert process.returncode is None, "Firefox gave up"
        try:
            port = int(await asyncio.to_thread(active.read_text))
            return await asyncio.open_connection("127.0.0.1", port)
        except (OSError, ValueError):
            await asyncio.sleep(0.1)  # another process: there is nothing to await but its file
