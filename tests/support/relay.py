"""A UDP relay on loopback between peers and a server: it loses, delays, doubles and reorders packets by a seeded plan,
is narrow, or moves.

It stands where a bad network would: each client gets its own socket towards the server, as behind a NAT.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast


def is_media(datagram: bytes) -> bool:
    """RTP with a payload of some size: no STUN, no DTLS, no RTCP."""
    return len(datagram) > 200 and 128 <= datagram[0] < 192 and not 192 <= datagram[1] <= 223


QUEUE_S = 0.4
"""What a narrow relay holds back before it drops."""


class Relay(asyncio.DatagramProtocol):
    """`loss` is the share of media datagrams from the server that vanish, `rate_bps` what passes of all of them per
    second (0: everything); change either at any time.

    `jitter_s` delays each datagram, both ways, by up to so much and keeps their order; `overtaken` is the share that is
    held back by 3 to 30 ms while others pass, `doubled` the share that comes twice."""

    def __init__(self, server: tuple[str, int], seed: int) -> None:
        self.loss = 0.0
        self.rate_bps = 0
        self.jitter_s = 0.0
        self.overtaken = 0.0
        self.doubled = 0.0
        self.lost = 0
        self.reordered = 0
        self.copies = 0
        self.moved_at: float | None = None
        """When the first datagram came after `rebind`, on the loop's clock."""
        self.checked_at: float | None = None
        """When the first connectivity check came after it."""
        self.answered_at: float | None = None
        """When the first media came back on the new way."""
        self.port = 0
        self._moved = False
        self._due: dict[tuple[bool, tuple[str, int]], float] = {}
        self._free_at = 0.0
        self._server = server
        self._dice = random.Random(seed)
        self._ways: dict[tuple[str, int], asyncio.DatagramTransport] = {}
        self._waiting: dict[tuple[str, int], list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        now = asyncio.get_running_loop().time()
        if self._moved:
            self.moved_at = self.moved_at or now
            if data[0] < 4:
                self.checked_at = self.checked_at or now
        way = self._ways.get(addr)
        if way is not None:
            self._disturbed(data, addr, True, lambda: self._forward(addr, data))
        elif addr in self._waiting:
            self._waiting[addr].append(data)
        else:
            self._waiting[addr] = [data]
            task = asyncio.create_task(self._open(addr))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open(self, client: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        way, _ = await loop.create_datagram_endpoint(lambda: _Back(self, client), remote_addr=self._server)
        self._ways[client] = way
        for data in self._waiting.pop(client):
            way.sendto(data)

    def back(self, data: bytes, client: tuple[str, int]) -> None:
        if self.loss and is_media(data) and self._dice.random() < self.loss:
            self.lost += 1
        elif self._transport is not None:
            if self._moved and is_media(data):
                self.answered_at = self.answered_at or asyncio.get_running_loop().time()
            if self.rate_bps:
                self._later(data, client)
            else:
                self._disturbed(data, client, False, lambda: self._deliver(data, client))

    def _disturbed(self, data: bytes, client: tuple[str, int], forth: bool, go: Callable[[], None]) -> None:
        if not (self.jitter_s or self.overtaken or self.doubled):
            go()
            return
        loop = asyncio.get_running_loop()
        now, last = loop.time(), self._due.get((forth, client), 0.0)
        # Never the same instant twice: timers that are due together go off in any order.
        due = max(last + 1e-6, now + self._dice.random() * self.jitter_s)
        if is_media(data) and self._dice.random() < self.overtaken:
            self.reordered += 1
            due += self._dice.uniform(0.003, 0.030)
        else:
            self._due[forth, client] = due
        loop.call_at(due, go)
        if is_media(data) and self._dice.random() < self.doubled:
            self.copies += 1
            loop.call_at(due + self._dice.random() * 0.02, go)

    def _forward(self, client: tuple[str, int], data: bytes) -> None:
        way = self._ways.get(client)
        if way is not None and not way.is_closing():
            way.sendto(data)

    def _deliver(self, data: bytes, client: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, client)

    def _later(self, data: bytes, client: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        begin = max(now, self._free_at)
        if begin - now > QUEUE_S:
            self.lost += 1
            return
        self._free_at = begin + len(data) * 8 / self.rate_bps
        transport = self._transport
        loop.call_at(self._free_at, lambda: transport and not transport.is_closing() and transport.sendto(data, client))

    def rebind(self) -> None:
        """From now on every client comes from another port, as after a NAT forgot it."""
        self._moved = True
        self.moved_at = self.checked_at = self.answered_at = None
        for way in self._ways.values():
            way.close()
        self._ways.clear()

    def close(self) -> None:
        for way in self._ways.values():
            way.close()
        if self._transport is not None:
            self._transport.close()


class _Back(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay, client: tuple[str, int]) -> None:
        self._relay = relay
        self._client = client

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        del addr
        self._relay.back(data, self._client)


@asynccontextmanager
async def relay_to(server: tuple[str, int], seed: int = 1) -> AsyncIterator[Relay]:
    loop = asyncio.get_running_loop()
    transport, relay = await loop.create_datagram_endpoint(lambda: Relay(server, seed), local_addr=("127.0.0.1", 0))
    try:
        yield relay
    finally:
        relay.close()
        transport.close()
