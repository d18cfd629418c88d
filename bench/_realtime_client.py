"""Thousands of WebSocket clients in one thread: raw sockets and epoll, frames counted by their headers alone.

Every hundredth client is read in earnest: its JSON is parsed, positions must ascend and the delay is taken.
"""

from __future__ import annotations

import json
import select
import socket
import time
from typing import Final

HELLO: Final = json.dumps({"t": "hello", "v": 1, "purpose": "loadtest"}).encode()
UPGRADE: Final = (
    b"GET /ws/bench HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
SAMPLE: Final = 100
AT_ONCE: Final = 100
"""Clients that join at the same time."""
PER_ADDRESS: Final = 20_000
"""Connections from one source address; the kernel has about 28,000 ports for each."""


def masked(first: int, payload: bytes) -> bytes:
    """A client's frame of less than 126 bytes; a mask of zeros leaves the payload as it is (RFC 6455 5.3)."""
    return bytes((first, 0x80 | len(payload), 0, 0, 0, 0)) + payload


class Client:
    __slots__ = ("buffer", "joined", "lines", "newest", "sampled", "sock", "upgraded")

    def __init__(self, sock: socket.socket, *, plain: bool, sampled: bool) -> None:
        self.sock = sock
        self.buffer = b""
        self.upgraded = plain
        self.joined = plain
        self.lines = 0
        self.newest = 0
        self.sampled = sampled


class Clients:
    """All clients of one server. `plain` ones get frames without an upgrade, as the floor's server sends them."""

    def __init__(self, port: int, *, plain: bool) -> None:
        self._port = port
        self._plain = plain
        self._epoll = select.epoll()
        self._by_fd: dict[int, Client] = {}
        self.lines = 0
        self.joined = 0
        self.closed = 0
        self.delays_ms: list[int] = []

    def __len__(self) -> int:
        return len(self._by_fd)

    def connect(self, wanted: int) -> None:
        """Adds clients until `wanted` are connected; on a plain server the caller has to make it accept."""
        while len(self._by_fd) < wanted and (self._plain or len(self._by_fd) - self.joined < AT_ONCE):
            number = len(self._by_fd)
            sock = socket.socket()
            sock.bind((f"127.0.0.{1 + number // PER_ADDRESS}", 0))
            sock.connect(("127.0.0.1", self._port))
            sock.setblocking(False)
            client = Client(sock, plain=self._plain, sampled=number % SAMPLE == 0)
            self._by_fd[sock.fileno()] = client
            self._epoll.register(sock.fileno(), select.EPOLLIN)
            if not self._plain:
                sock.send(UPGRADE)

    def join(self, wanted: int, limit_s: float) -> None:
        """Connects and says hello until `wanted` were welcomed. Raises TimeoutError."""
        until = time.monotonic() + limit_s
        while self.joined < wanted:
            self.connect(wanted)
            self.poll(0.05)
            if time.monotonic() > until:
                raise TimeoutError(f"{self.joined} of {wanted} clients joined in {limit_s:.0f} s")

    def poll(self, timeout_s: float) -> None:
        for fd, _ in self._epoll.poll(timeout_s, 4096):
            client = self._by_fd[fd]
            try:
                data = client.sock.recv(65536)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                self._gone(fd, client)
            elif client.joined and not client.sampled and not client.buffer:
                self._count(client, data)
            else:
                self._take(client, data)

    def close(self) -> None:
        for client in self._by_fd.values():
            client.sock.close()
        self._by_fd.clear()
        self._epoll.close()

    def _gone(self, fd: int, client: Client) -> None:
        self._epoll.unregister(fd)
        client.sock.close()
        del self._by_fd[fd]
        self.closed += 1
        self.joined -= client.joined

    def _take(self, client: Client, data: bytes) -> None:
        data = client.buffer + data
        client.buffer = b""
        if not client.upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                client.buffer = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                raise ConnectionError(f"no upgrade: {head[:80]!r}")
            client.upgraded = True
            client.sock.send(masked(0x81, HELLO))
        self._count(client, data)

    def _count(self, client: Client, data: bytes) -> None:
        """Walks the frames in `data`; what is left of an unfinished one stays in the buffer."""
        at, size = 0, len(data)
        while size - at >= 2:
            length, body = data[at + 1], at + 2
            if length == 126:
                if size - at < 4:
                    break
                length, body = data[at + 2] << 8 | data[at + 3], at + 4
            elif length == 127:
                if size - at < 10:
                    break
                length, body = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if size < body + length:
                break
            self._frame(client, data[at], data, body, length)
            at = body + length
        client.buffer = data[at:]

    def _frame(self, client: Client, first: int, data: bytes, body: int, length: int) -> None:
        if first == 0x89:
            client.sock.send(masked(0x8A, data[body : body + length]))
        elif first == 0x81 and not client.joined:
            client.joined = True
            self.joined += 1
        elif first == 0x81:
            # A tick with a line begins with its position; counts alone are a third as long.
            if length > 250:
                client.lines += 1
                self.lines += 1
            if client.sampled:
                self._check(client, data[body : body + length])

    def _check(self, client: Client, payload: bytes) -> None:
        frame = json.loads(payload)
        if "pos" in frame:
            offset = frame["pos"][1]
            if offset <= client.newest:
                raise AssertionError(f"position {offset} after {client.newest}")
            client.newest = offset
        now = time.time_ns() // 1_000_000
        self.delays_ms += [now - line["at_ms"] for line in frame.get("chat", ())]
