"""A UDP relay on loopback between peers and a server: it loses packets by a seeded plan, is narrow, or moves.

It stands where a bad network would: each client gets its own socket towards the server, as behind a NAT.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast


def is_media(datagram: bytes) -> bool:
    """RTP with a payload of some size: no STUN, no DTLS, no RTCP."""
    return len(datagram) > 200 and 128 <= datagram[0] < 192 and not 192 <= datagram[1] <= 223


QUEUE_S = 0.4
"""What a narrow relay holds back before it drops."""


class Relay(asyncio.DatagramProtocol):
    """`loss` is the share of media datagrams from the server that vanish, `rate_bps` what passes of all of them per
    second (0: everything); change either at any time."""

    def __init__(self, server: tuple[str, int], seed: int) -> None:
        self.loss = 0.0
        self.rate_bps = 0
        self.lost = 0
        self.port = 0
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
        way = self._ways.get(addr)
        if way is not None:
            way.sendto(data)
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
            if self.rate_bps:
                self._later(data, client)
            else:
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
