"""A room published by another server: our offer goes to its WHEP endpoint, its answer becomes a publisher here.

The HTTP side and the patience; what is in the SDP and what becomes of the media is the engine's business, which it
lends as a `Dialler`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp import hdrs

from streamserver.errors import StreamServerError
from streamserver.ids import RoomId, SessionId
from streamserver.media.errors import BadAnswer, UnknownSession, Unreachable

log = logging.getLogger(__name__)

LIMIT_S: Final = 10.0
GOODBYE_S: Final = 3.0
MAX_ANSWER: Final = 64 * 1024
MAX_REDIRECTS: Final = 3
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 20.0
STEADY_S: Final = 30.0
"""A session that lived this long was a good one: the next loss begins with the shortest wait again."""
FINAL: Final = frozenset(("deleted", "replaced", "room_ended", "shutdown"))
"""Ends that somebody here wanted; after any other the other server is dialled again."""


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt: what to offer, and what to do with the answer."""

    offer_sdp: str
    accept: Callable[[str], SessionId]
    """Adds the publisher. Raises BadAnswer."""


class Dialler(Protocol):
    """The engine's half of a pull."""

    def call(self, room: RoomId) -> Call:
        """Prepare an attempt; nothing is allocated before its `accept`. Raises Full."""
        ...

    def ended(self, session: SessionId) -> asyncio.Future[str]:
        """Resolves to the reason when the session ends."""
        ...

    async def close(self, session: SessionId, reason: str = "deleted") -> None: ...


@dataclass(frozen=True, slots=True)
class _Answer:
    session: SessionId
    location: str | None


class WhepPull:
    """Implements engine.Pull. Made by `start`."""

    def __init__(self, dialler: Dialler, room: RoomId, url: str, token: str | None, rand: Callable[[], float]) -> None:
        self._dialler = dialler
        self._room = room
        self._url = url
        self._headers = {hdrs.AUTHORIZATION: f"Bearer {token}"} if token else {}
        self._rand = rand
        self._session: SessionId | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_S))

    @property
    def room(self) -> RoomId:
        return self._room

    @property
    def session(self) -> SessionId | None:
        return self._session

    @property
    def closed(self) -> bool:
        return self._keeper is None or self._keeper.done()

    async def close(self) -> None:
        keeper = self._keeper
        if keeper is None:
            await self._http.close()
        elif not keeper.done():
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def start(self) -> None:
        """Dial once, then keep it. Raises what the first attempt meets, with nothing left behind."""
        try:
            first = await self._dial()
        except BaseException:
            await self._http.close()
            raise
        self._keeper = asyncio.create_task(self._keep(first), name=f"media-pull-{self._room}")
        try:
            # A task that is cancelled before it began cleans nothing up.
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            await self.close()
            raise

    async def _keep(self, answer: _Answer | None) -> None:
        loop = asyncio.get_running_loop()
        wait, began = FIRST_WAIT_S, loop.time()
        try:
            while True:
                if answer is not None:
                    reason = await self._follow(answer)
                    if reason in FINAL:
                        return
                    log.info("a pulled session ended; it is dialled again", extra={"reason": reason})
                    if loop.time() - began >= STEADY_S:
                        wait = FIRST_WAIT_S
                # Full jitter: the edges of a fallen origin must not come back in step.
                await asyncio.sleep(wait * self._rand())
                wait = min(wait * 2, LONGEST_WAIT_S)
                answer, began = None, loop.time()
                try:
                    answer = await self._dial()
                except StreamServerError as error:
                    log.warning("a pull could not be dialled", extra={"problem": error.detail})
                    wait = max(wait, min(float(error.retry_after or 0), LONGEST_WAIT_S))
        finally:
            await self._http.close()

    async def _follow(self, answer: _Answer) -> str:
        """Wait for the session's end and tell the other server of it."""
        self._session = answer.session
        try:
            return await asyncio.shield(self._dialler.ended(answer.session))
        except asyncio.CancelledError:
            try:
                await self._dialler.close(answer.session)
            except UnknownSession:
                pass  # it ended by itself in the same moment
            raise
        finally:
            self._session = None
            await self._delete(answer.location)

    async def _dial(self) -> _Answer:
        call = self._dialler.call(self._room)
        location, text = await self._post(call.offer_sdp)
        try:
            return _Answer(call.accept(text), location)
        except StreamServerError:
            await self._delete(location)
            raise

    async def _post(self, offer: str) -> tuple[str | None, str]:
        """The session's address, where it is one of the same server, and the answer."""
        url = self._url
        headers = {hdrs.CONTENT_TYPE: "application/sdp", hdrs.ACCEPT: "application/sdp", **self._headers}
        for _ in range(MAX_REDIRECTS + 1):
            try:
                async with self._http.post(
                    url, data=offer.encode(), headers=headers, allow_redirects=False
                ) as response:
                    status, received = response.status, response.headers
                    body = await _read(response.content)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise Unreachable(f"{_host(url)} does not answer: {error or type(error).__name__}") from None
            target = received.get(hdrs.LOCATION)
            there = urljoin(url, target) if target else None
            if status in (307, 308) and there is not None:
                if _origin(there) != _origin(url):
                    # The token is for the host that was named and for no other.
                    raise Unreachable(f"{_host(url)} redirects to another host")
                url = there
                continue
            if status != 201:
                after = received.get(hdrs.RETRY_AFTER, "")
                wait = int(after) if after.isascii() and after.isdigit() and len(after) < 6 else None
                raise Unreachable(f"{_host(url)} answers {status}", retry_after=wait)
            if len(body) > MAX_ANSWER:
                raise BadAnswer("an answer of more than 64 KiB", "the whole")
            try:
                return there if there and _origin(there) == _origin(url) else None, body.decode()
            except UnicodeDecodeError:
                raise BadAnswer("an answer that is not UTF-8", "the whole") from None
        raise Unreachable(f"{_host(url)} redirects too often")

    async def _delete(self, location: str | None) -> None:
        if location is None:
            return
        try:
            async with (
                asyncio.timeout(GOODBYE_S),
                self._http.delete(location, headers=self._headers, allow_redirects=False),
            ):
                pass
        except (aiohttp.ClientError, TimeoutError, ValueError):
            log.info("the other server of a pull did not take the goodbye")


async def start_pull(dialler: Dialler, room: RoomId, url: str, token: str | None) -> WhepPull:
    """Dial `url` (http or https). Raises Unreachable, BadAnswer or Full; afterwards the pull keeps itself."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise Unreachable("the address of a pull must be http:// or https://")
    pull = WhepPull(dialler, room, url, token, random.SystemRandom().random)
    await pull.start()
    return pull


async def _read(content: aiohttp.StreamReader) -> bytes:
    """The body, or a little more than MAX_ANSWER of it."""
    body = b""
    async for chunk in content.iter_chunked(MAX_ANSWER):
        body += chunk
        if len(body) > MAX_ANSWER:
            break
    return body


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _host(url: str) -> str:
    return urlsplit(url).hostname or "the other server"
