"""A viewer's realtime connection as a client sees it: hello, frames, positions, coming back with what it has.

Speaks docs/protocol.md with the `websockets` library; knows nothing of the server's code.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable
from types import TracebackType
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

Frame = dict[str, Any]
ANSWER_S = 15.0


class OutOfOrder(AssertionError):
    """The server broke the protocol: a position that does not ascend."""


class Refused(Exception):
    """The server answered `refused`."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(f"{frame.get('code')}: {frame.get('detail')}")
        self.frame = frame


def reconnect_wait(attempt: int, rand: float) -> float:
    """Seconds before the next try after `attempt` failed ones: full jitter, 0.5 s doubling to 20 s."""
    return 0.5 + rand * (min(20.0, 0.5 * 2**attempt) - 0.5)


class Member:
    """One viewer's connection. Use it as a context manager; `frames` is everything received, oldest first.

    `lines` are the chat lines by id in the order they came, from `state` and from ticks alike.
    """

    def __init__(self, url: str, *, headers: dict[str, str] | None = None, **hello: Any) -> None:
        self.url = url
        self._headers = headers or {}
        self.hello: Frame = {"t": "hello", "v": 1} | hello
        self.frames: list[Frame] = []
        self.lines: dict[str, Frame] = {}
        self.welcome: Frame = {}
        self.pos: tuple[str, int] | None = None
        self.token: str | None = hello.get("viewer")
        self.close_code: int | None = None
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._ids = itertools.count(1)

    async def __aenter__(self) -> Member:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ---- connecting ----

    async def connect(self, *, resume: bool = True) -> Frame:
        """Says hello and waits for the welcome. Raises ConnectionClosed with the server's close code."""
        async with asyncio.timeout(ANSWER_S):
            self._socket = await connect(
                self.url,
                additional_headers=self._headers,
                compression=None,
                max_size=4 << 20,
                ping_interval=None,
                close_timeout=2,
            )
            hello = dict(self.hello)
            if self.token:
                hello["viewer"] = self.token
            if resume and self.pos is not None:
                hello["pos"] = list(self.pos)
            await self._socket.send(json.dumps(hello))
            try:
                self.welcome = json.loads(await self._socket.recv())
            except ConnectionClosed as exc:
                self.close_code = exc.rcvd.code if exc.rcvd is not None else 1006
                raise
        self._welcomed(self.welcome)
        self._reader = asyncio.create_task(self._read(self._socket))
        return self.welcome

    async def stay(self, *, attempts: int = 20, seed: int | None = None) -> Frame:
        """Comes back after a lost connection as the close code's range says; answers the welcome."""
        rand = random.Random(seed)
        for attempt in range(attempts):
            if self.close_code is not None and 4400 <= self.close_code <= 4499:
                raise ConnectionError(f"the server said not to come back: {self.close_code}")
            lost = self.close_code is not None and 4100 <= self.close_code <= 4199
            if not lost:
                await asyncio.sleep(reconnect_wait(attempt, rand.random()))
            try:
                return await self.connect(resume=not lost)
            except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError):
                continue
        raise ConnectionError(f"no connection after {attempts} tries")

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await self._reader

    def cut(self) -> None:
        """Loses the connection without a word, as a phone in a tunnel does."""
        if self._socket is not None:
            self._socket.transport.abort()

    # ---- talking ----

    async def send(self, frame: Frame) -> None:
        assert self._socket is not None, "connect first"
        await self._socket.send(json.dumps(frame))

    async def send_raw(self, message: str | bytes) -> None:
        assert self._socket is not None, "connect first"
        await self._socket.send(message)

    async def ask(self, frame: Frame) -> Frame:
        """Sends a frame with an id of its own and waits for its answer. Raises Refused."""
        frame = {"id": f"m{next(self._ids)}"} | frame
        begun = len(self.frames)
        await self.send(frame)
        answer = await self.until(
            lambda got: got.get("id") == frame["id"] and got["t"] in ("ack", "refused", "pong"), begun
        )
        if answer["t"] == "refused":
            raise Refused(answer)
        return answer

    async def chat(self, text: str, **fields: Any) -> str:
        """The line's id, once it is acknowledged as durable."""
        return (await self.ask({"t": "chat", "text": text} | fields))["line"]

    # ---- listening ----

    async def until(self, wanted: Callable[[Frame], bool], begun: int = 0, *, within: float = ANSWER_S) -> Frame:
        """The first frame received from index `begun` on that is wanted."""
        async with asyncio.timeout(within):
            while True:
                for frame in self.frames[begun:]:
                    if wanted(frame):
                        return frame
                begun = len(self.frames)
                await self._wait()

    async def until_line(self, line_id: str, *, within: float = ANSWER_S) -> Frame:
        async with asyncio.timeout(within):
            while line_id not in self.lines:
                await self._wait()
        return self.lines[line_id]

    async def closed(self, *, within: float = ANSWER_S) -> int:
        """Waits for the end of the connection; answers its close code."""
        assert self._reader is not None, "connect first"
        async with asyncio.timeout(within):
            await asyncio.shield(self._reader)
        assert self.close_code is not None
        return self.close_code

    async def _wait(self) -> None:
        if self._reader is not None and self._reader.done():
            raise ConnectionError(f"closed with {self.close_code}")
        self._changed.clear()
        await self._changed.wait()

    async def _read(self, socket: ClientConnection) -> None:
        self.close_code = None
        try:
            async for message in socket:
                self._take(json.loads(message))
                self._changed.set()
        except ConnectionClosed:
            pass  # the code below says it all
        finally:
            self.close_code = socket.close_code if socket.close_code is not None else 1006
            self._changed.set()

    def _welcomed(self, welcome: Frame) -> None:
        self.frames.append(welcome)
        self.token = welcome["token"]
        self.pos = (welcome["pos"][0], welcome["pos"][1])
        for line in (welcome["state"] or {}).get("chat", ()):
            self.lines[line["id"]] = line

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        if "pos" in frame:
            epoch, offset = frame["pos"]
            if self.pos is None or epoch != self.pos[0] or offset <= self.pos[1]:
                raise OutOfOrder(f"{frame['pos']} after {self.pos}")
            self.pos = (epoch, offset)
        for line in frame.get("chat", ()):
            if line["id"] in self.lines:
                raise OutOfOrder(f"line {line['id']} came twice")
            self.lines[line["id"]] = line
        for line_id in frame.get("deleted", ()):
            self.lines.pop(line_id, None)
