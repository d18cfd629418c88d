"""The two processes whose CPU `bench realtime` measures: the real gateway, and a bare loop of `send()`.

Orders come as JSON lines on standard input, answers leave on standard output. `floor` holds plain sockets and
does the least that any server has to do: one `send` of the same bytes per connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import socket
import sys
import tempfile
import time
from typing import Any

import sqlalchemy as sa
import uvloop

from config.settings import Settings
from signaling.feature import setup_realtime
from signaling.gateway import Gateway
from streamserver import wire
from streamserver.bus import Lane
from streamserver.ids import RoomId, SellerId
from streamserver.server import Server
from streamserver.store.tables.platform import sellers
from streamserver.wire import Line, TickFrame

ROOM = RoomId("bench")
TEXT_BYTES = 200


def raise_file_limit(wanted: int) -> int:
    """Open files this process may have now: as many as wanted, or as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        # Only root may go beyond the hard limit; anybody else stays below it.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def cpu_s() -> float:
    """User and system time of this process, softirq work done in its name included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rss_kib() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * (os.sysconf("SC_PAGE_SIZE") // 1024)


def line(number: int) -> Line:
    text = f"line {number} ".ljust(TEXT_BYTES, "x")
    return Line(
        id=f"{number:026d}",
        viewer="vBenchViewer",
        name="Guest-1234",
        role="viewer",
        text=text,
        at_ms=time.time_ns() // 1_000_000,
    )


def answer(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


class Orders:
    """JSON lines from standard input."""

    def __init__(self) -> None:
        self._reader = asyncio.StreamReader()

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self._reader), sys.stdin)

    async def next(self) -> dict[str, Any] | None:
        raw = await self._reader.readline()
        return json.loads(raw) if raw else None


async def written(gateway: Gateway) -> None:
    """Until the pass is through, at most 30 s: on a busy machine the next line would else share its frame."""
    hub = gateway.hub(ROOM)
    for _ in range(3_000):
        if hub is None or hub.resting():
            return
        await asyncio.sleep(0.01)


async def settled(gateway: Gateway) -> None:
    """Until every byte was taken by the kernel, at most 30 s."""
    for _ in range(3_000):
        if not any(member.transport.get_write_buffer_size() for member in gateway.connections()):
            return
        await asyncio.sleep(0.01)


async def serve_gateway() -> None:
    made: list[Gateway] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=folder, port=0, udp_ports="0-0", demo=False)
        server = await Server.create(settings, [lambda srv: made.append(setup_realtime(srv))])
        await server.start()
        await server.store.write(
            lambda conn: conn.execute(sa.insert(sellers).values(id="bench", name="Bench", created_ms=0))
        )
        await server.rooms.create(SellerId("bench"), None, title="Bench", room_id=ROOM)
        gateway = made[0]
        orders = Orders()
        await orders.open()
        answer(port=server.port)
        number = 0
        while (order := await orders.next()) is not None:
            began, begun = cpu_s(), time.perf_counter()
            for _ in range(order.get("frames", 0)):
                number += 1
                # The immediate lane coalesces nothing: one frame per line and member.
                lane = Lane.TICK if order.get("tick") else Lane.NOW
                await server.bus.publish(ROOM, TickFrame(chat=[line(number)]), lane=lane)
                await asyncio.sleep(order["gap_s"])
                if lane is Lane.NOW:
                    await written(gateway)
            await settled(gateway)
            answer(
                cpu_s=cpu_s() - began,
                total_cpu_s=cpu_s(),
                wall_s=time.perf_counter() - begun,
                rss_kib=rss_kib(),
                members=len(gateway.connections()),
            )
        await server.stop()


def serve_floor() -> None:
    """Blocking on purpose: nothing between the loop and the system call."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    answer(port=listener.getsockname()[1])
    peers: list[socket.socket] = []
    number = 0
    for raw in sys.stdin:
        order = json.loads(raw)
        for _ in range(order.get("accept", 0)):
            peer, _ = listener.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peers.append(peer)
        used = 0.0
        for _ in range(order.get("frames", 0)):
            number += 1
            payload = wire.encode(TickFrame(chat=[line(number)]))
            data = b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload
            began = cpu_s()
            for peer in peers:
                peer.send(data)
            used += cpu_s() - began
            time.sleep(order["gap_s"])
        answer(cpu_s=used, members=len(peers))


def main() -> None:
    role, core, files = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.sched_setaffinity(0, {core})
    raise_file_limit(files)
    if role == "floor":
        serve_floor()
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_gateway())


if __name__ == "__main__":
    main()
