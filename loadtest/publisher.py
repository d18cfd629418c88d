"""A real WHIP publisher: the moving test picture with its tone, encoded and sent like any encoder's.

A client from outside: it knows the server by HTTP and WebRTC only.
"""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction
from types import TracebackType
from typing import Any, Final

import aiohttp
import av
from aiortc import MediaStreamTrack, RTCPeerConnection

from loadtest.picture import SAMPLE_HZ, Scene, Tone
from loadtest.viewer import WhipClient

_VIDEO_HZ: Final = 90_000
_AUDIO_FRAME: Final = SAMPLE_HZ // 50
_LAST_STATES: Final = frozenset(("failed", "closed", "disconnected"))


class PictureTrack(MediaStreamTrack):
    """Frames at a steady rate; late ones are skipped rather than hurried."""

    kind = "video"

    def __init__(self, scene: Scene, rate: int) -> None:
        super().__init__()
        self._scene = scene
        self._rate = rate
        self._began: float | None = None
        self._number = -1

    async def recv(self) -> Any:
        now = time.monotonic()
        if self._began is None:
            self._began = now
        due = max(self._number + 1, int((now - self._began) * self._rate))
        await asyncio.sleep(max(0.0, self._began + due / self._rate - now))
        self._number = due
        frame = av.VideoFrame.from_ndarray(self._scene.frame(due, time.time()), format="yuv420p")
        frame.pts = due * _VIDEO_HZ // self._rate
        frame.time_base = Fraction(1, _VIDEO_HZ)
        return frame


class ToneTrack(MediaStreamTrack):
    """Audio in frames of 20 ms, in step with the wall clock's seconds."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._tone = Tone()
        self._began: float | None = None
        self._offset = 0
        self._sent = 0

    async def recv(self) -> Any:
        now = time.monotonic()
        if self._began is None:
            self._began = now
            self._offset = int(time.time() % 1 * SAMPLE_HZ)
        await asyncio.sleep(max(0.0, self._began + self._sent / SAMPLE_HZ - now))
        samples = self._tone.samples((self._offset + self._sent) % SAMPLE_HZ, _AUDIO_FRAME)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_HZ
        frame.pts = self._sent
        frame.time_base = Fraction(1, SAMPLE_HZ)
        self._sent += _AUDIO_FRAME
        return frame


class Publisher:
    """Publishes into a room: `async with Publisher(url, key) as publisher`; `ended` is set when it is cut off."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        width: int = 640,
        height: int = 360,
        rate: int = 24,
        codec: str | None = None,
    ) -> None:
        self._url = url
        self._key = key
        self._size = (width, height)
        self._rate = rate
        self._codec = codec
        self._http: aiohttp.ClientSession | None = None
        self.client: WhipClient | None = None
        self.ended = asyncio.Event()

    @property
    def connection(self) -> RTCPeerConnection:
        assert self.client is not None
        return self.client.connection

    async def __aenter__(self) -> Publisher:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        self.client = WhipClient(self._http, self._url, self._key)
        self.connection.addTransceiver(ToneTrack(), direction="sendonly")
        video = self.connection.addTransceiver(PictureTrack(Scene(*self._size), self._rate), direction="sendonly")
        if self._codec is not None:
            video.setCodecPreferences(_preferred(self._codec))
        self.connection.on("connectionstatechange", self._on_state)
        try:
            await self.client.open()
        except BaseException:
            await self.leave(delete=False)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def leave(self, *, delete: bool = True) -> None:
        """Stop; without `delete` the server is not told, as after a crash."""
        if self.client is not None:
            await self.client.close(delete=delete)
        if self._http is not None:
            await self._http.close()

    def _on_state(self) -> None:
        if self.connection.connectionState in _LAST_STATES:
            self.ended.set()


def _preferred(codec: str) -> list[Any]:
    from aiortc import RTCRtpSender

    offered = RTCRtpSender.getCapabilities("video").codecs
    wanted = [c for c in offered if c.mimeType.lower() == f"video/{codec.lower()}"]
    return wanted + [c for c in offered if c.mimeType.lower() == "video/rtx"]
