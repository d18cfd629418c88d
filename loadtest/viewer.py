"""A WHEP viewer that really decodes: it counts the frames it could show. For tests and for a look at a server.

A client from outside: it knows the server by HTTP and WebRTC only.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urljoin

import aiohttp
import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import VideoFrame

REQUEST_S = 10.0


def _with_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    """aioice leaves loopback out, so on a machine without a network, or with a server that announces only
    127.0.0.1, a client would have no address to be reached at."""
    return [*_host_addresses(use_ipv4, use_ipv6), *(["127.0.0.1"] if use_ipv4 else [])]


_host_addresses = aioice.ice.get_host_addresses
aioice.ice.get_host_addresses = _with_loopback


class SignallingRefused(Exception):
    """The server answered a POST with something else than 201. Attributes: status, body, retry_after."""

    def __init__(self, status: int, body: str, retry_after: str | None) -> None:
        super().__init__(f"{status}: {body[:200]}")
        self.status = status
        self.body = body
        self.retry_after = retry_after


@dataclass(slots=True)
class Seen:
    """What one track brought."""

    frames: int = 0
    width: int = 0
    height: int = 0


class WhipClient:
    """One WHIP or WHEP session: an aiortc connection and the resource that stands for it."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str | None = None) -> None:
        self._http = http
        self._url = url
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.resource: str | None = None
        self.etag: str | None = None

    async def open(self) -> None:
        """Offer, post, take the answer. Raises SignallingRefused."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        async with self._http.post(
            self._url,
            data=self.connection.localDescription.sdp,
            headers={**self._headers, "Content-Type": "application/sdp"},
            timeout=aiohttp.ClientTimeout(total=REQUEST_S),
        ) as response:
            body = await response.text()
            if response.status != 201:
                raise SignallingRefused(response.status, body, response.headers.get("Retry-After"))
            self.resource = urljoin(self._url, response.headers["Location"])
            self.etag = response.headers.get("ETag")
        await self.connection.setRemoteDescription(RTCSessionDescription(body, "answer"))

    async def close(self, *, delete: bool = True) -> None:
        """End the session; with `delete` off the peer just falls silent, as after a crash."""
        if delete and self.resource is not None:
            try:
                timeout = aiohttp.ClientTimeout(total=REQUEST_S)
                async with self._http.delete(self.resource, headers=self._headers, timeout=timeout):
                    pass
            except (aiohttp.ClientError, TimeoutError):
                pass  # the server is gone, and the session with it
        await self.connection.close()


class Viewer:
    """Watches a room: `async with Viewer(url) as viewer`, then look at `video` and `audio`."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url = url
        self._token = token
        self._http: aiohttp.ClientSession | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self.client: WhipClient | None = None
        self.video = Seen()
        self.audio = Seen()

    async def __aenter__(self) -> Viewer:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        self.client = WhipClient(self._http, self._url, self._token)
        connection = self.client.connection
        connection.addTransceiver("audio", direction="recvonly")
        connection.addTransceiver("video", direction="recvonly")
        connection.on("track", self._on_track)
        try:
            await self.client.open()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def frames(self, count: int, timeout: float) -> None:
        """Wait for `count` more video frames. Raises TimeoutError with the number that came."""
        target = self.video.frames + count
        try:
            async with asyncio.timeout(timeout):
                while self.video.frames < target:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            came = count - (target - self.video.frames)
            raise TimeoutError(f"{came} of {count} video frames in {timeout} s") from None

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._tasks.append(asyncio.create_task(self._consume(track)))

    async def _consume(self, track: MediaStreamTrack) -> None:
        seen = self.video if track.kind == "video" else self.audio
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            seen.frames += 1
            if isinstance(frame, VideoFrame):
                seen.width, seen.height = frame.width, frame.height
                self._changed.set()

    async def _leave(self) -> None:
        if self.client is not None:
            await self.client.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()
