"""GStreamer's webrtcbin publishes and watches: the encoder of many boxes, and none of ours. Skipped where it is not
installed (Debian: gstreamer1.0-nice, gstreamer1.0-plugins-bad, -ugly, -good, python3-gst-1.0)."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from loadtest.publisher import Publisher
from loadtest.viewer import Viewer
from streamserver.media.udp import local_addresses
from tests.support.whip_server import KEY, whip_server

SCRIPT = Path(__file__).parent / "gst_peer.py"
SYSTEM_PYTHON = "/usr/bin/python3"
LIMIT_S = 30.0
ANNOUNCE = tuple(local_addresses())  # libnice never uses loopback
NEEDED = ("webrtcbin", "nicesrc", "x264enc", "opusenc", "dtlsenc", "srtpenc", "rtph264pay", "avdec_h264|openh264dec")


def _missing() -> str:
    inspect = shutil.which("gst-inspect-1.0")
    if inspect is None or not Path(SYSTEM_PYTHON).exists():
        return "gst-inspect-1.0 or the system's Python"
    for element in NEEDED:
        if not any(
            subprocess.run([inspect, one], timeout=30, check=False, capture_output=True).returncode == 0
            for one in element.split("|")
        ):
            return element
    binding = "import gi; gi.require_version('GstWebRTC', '1.0'); gi.require_version('GstSdp', '1.0')"
    done = subprocess.run([SYSTEM_PYTHON, "-c", binding], timeout=30, check=False, capture_output=True)
    return "" if done.returncode == 0 else "Python's GStreamer bindings"


@pytest.fixture(scope="module", autouse=True)
def gstreamer() -> None:
    missing = _missing() or ("" if len(ANNOUNCE) > 1 else "an address that is not loopback")
    if missing:
        pytest.skip(f"GStreamer is not complete here: {missing} is missing")


@asynccontextmanager
async def gst_peer(*arguments: str) -> AsyncIterator[asyncio.StreamReader]:
    process = await asyncio.create_subprocess_exec(
        SYSTEM_PYTHON, str(SCRIPT), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(output: asyncio.StreamReader, expected: str) -> None:
    got = await asyncio.wait_for(output.readline(), LIMIT_S)
    assert got.decode().strip() == expected


async def test_it_publishes_and_aiortc_watches(engine: str) -> None:
    async with (
        whip_server(engine_name=engine, announce=ANNOUNCE) as server,
        gst_peer("publish", f"{server.url}/whip/demo", KEY) as output,
    ):
        await line(output, "answered")
        async with Viewer(f"{server.url}/whep/demo") as viewer:
            await viewer.frames(20, LIMIT_S)
            assert (viewer.video.width, viewer.video.height) == (320, 180)


async def test_it_watches_what_aiortc_publishes(engine: str) -> None:
    async with (
        whip_server(engine_name=engine, announce=ANNOUNCE) as server,
        Publisher(f"{server.url}/whip/demo", KEY, width=320, height=180, rate=15, codec="h264"),
        gst_peer("watch", f"{server.url}/whep/demo") as output,
    ):
        await line(output, "answered")
        await line(output, "frames 10")
        await line(output, "frames 20")
