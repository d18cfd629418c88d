"""Server CPU per delivered realtime frame, beside a bare `send()` in the same run, and the largest healthy room.

The real gateway runs in a process of its own on one core, all clients on another. 200-byte chat lines, one frame
each, nothing coalesced; rounds of the gateway and of the bare loop alternate, and medians are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from bench._realtime_client import Clients
from bench._realtime_server import raise_file_limit
from bench.machine import read_machine

Poll = Callable[[float], None]

HEALTHY_MS = 200
"""The 99th percentile of a line's delay at which a room counts as healthy: the objective for chat."""
BUSY_LINES_PER_S = 25
STEP = 2_500


class Child:
    """One of the two servers, told what to do by JSON lines."""

    def __init__(self, role: str, core: int, files: int) -> None:
        command = [sys.executable, "-m", "bench._realtime_server", role, str(core), str(files)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue(maxsize=100)
        threading.Thread(target=self._read, daemon=True).start()
        self.port: int = self._answers.get(timeout=60)["port"]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            self._answers.put(json.loads(raw))

    def ask(self, poll: Poll, limit_s: float = 120, **order: Any) -> dict[str, Any]:
        """The answer; meanwhile all clients read. Raises TimeoutError."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            try:
                return self._answers.get_nowait()
            except queue.Empty:
                poll(0.02)
        raise TimeoutError(f"the server did not answer within {limit_s:.0f} s")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()


def round_us(child: Child, clients: Clients, poll: Poll, frames: int, gap_s: float) -> float:
    """CPU microseconds per delivered frame in one round. Raises AssertionError when a frame is missing."""
    before = clients.lines
    spent = child.ask(poll, frames=frames, gap_s=gap_s)["cpu_s"]
    expected = frames * len(clients)
    until = time.monotonic() + 30
    while clients.lines - before < expected and time.monotonic() < until:
        poll(0.05)
    assert clients.lines - before == expected, f"{clients.lines - before} of {expected} frames arrived"
    return spent / expected * 1e6


def busy_room(child: Child, clients: Clients, seconds: float) -> dict[str, float | int]:
    """A busy room for a while: lines on the tick lane, so that every tick carries some."""
    clients.delays_ms.clear()
    closed = clients.closed
    answer = child.ask(clients.poll, frames=int(BUSY_LINES_PER_S * seconds), gap_s=1 / BUSY_LINES_PER_S, tick=True)
    clients.poll(0.2)
    delays = sorted(clients.delays_ms) or [10**6]
    return {
        "members": answer["members"],
        "p50_ms": delays[len(delays) // 2],
        "p99_ms": delays[int(len(delays) * 0.99)],
        "server_core": round(answer["cpu_s"] / answer["wall_s"], 2),
        "closed": clients.closed - closed,
    }


def largest_room(child: Child, clients: Clients, most: int, note: Any) -> list[dict[str, float | int]]:
    """Rooms tried, growing until one is not healthy; the last healthy one is the answer."""
    rooms: list[dict[str, float | int]] = []
    while True:
        rooms.append(busy_room(child, clients, 6.0))
        note(f"busy room: {rooms[-1]}")
        if not healthy(rooms[-1]) or len(clients) + STEP > most:
            return rooms
        clients.join(len(clients) + STEP, 180)


def healthy(room: dict[str, float | int]) -> bool:
    return room["p99_ms"] <= HEALTHY_MS and room["closed"] == 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench realtime", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--connections", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=30, help="frames per round and member")
    parser.add_argument("--most", type=int, default=15_000, help="largest room tried; 0 tries none")
    args = parser.parse_args()

    def note(text: str) -> None:
        print(text, file=sys.stderr if args.json else sys.stdout, flush=True)

    machine = read_machine()
    note(machine.line())
    cores = sorted(os.sched_getaffinity(0))
    server_core, client_core = cores[0], cores[-1]
    if server_core == client_core:
        note("only one core: server and clients share it, so the delays say little")
    files = raise_file_limit(2 * args.connections + max(args.connections, args.most) + 1_000)
    most = min(args.most, files - 1_000)
    server = Child("gateway", server_core, files)
    floor = Child("floor", server_core, files)
    os.sched_setaffinity(0, {client_core})
    clients = Clients(server.port, plain=False)
    bare = Clients(floor.port, plain=True)

    def poll(wait_s: float) -> None:
        # Members that nobody reads for eight seconds would not answer a ping and be closed.
        clients.poll(wait_s / 2)
        bare.poll(wait_s / 2)

    try:
        empty = server.ask(clients.poll)
        began = time.monotonic()
        clients.join(args.connections, 300)
        note(f"{args.connections} members joined in {time.monotonic() - began:.1f} s")
        joined = server.ask(clients.poll)
        while len(bare) < args.connections:
            more = min(1_000, args.connections - len(bare))
            bare.connect(len(bare) + more)
            floor.ask(poll, accept=more)
        gap_s = args.connections * 20e-6  # about half of the core
        round_us(server, clients, poll, 5, gap_s)
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(args.rounds):
            theirs.append(round_us(floor, bare, poll, args.frames, gap_s))
            ours.append(round_us(server, clients, poll, args.frames, gap_s))
            note(f"gateway {ours[-1]:.2f} us per frame, bare send() {theirs[-1]:.2f} us")
        bare.close()
        rooms = largest_room(server, clients, most, note) if most else []
    finally:
        server.close()
        floor.close()
    well = [room for room in rooms if healthy(room)]
    figures: dict[str, Any] = {
        "bench": "realtime",
        "us_per_frame": round(statistics.median(ours), 2),
        "us_per_frame_runs": [round(one, 2) for one in ours],
        "floor_us": round(statistics.median(theirs), 2),
        "floor_us_runs": [round(one, 2) for one in theirs],
        "connections": args.connections,
        "cpu_ms_per_join": round((joined["total_cpu_s"] - empty["total_cpu_s"]) / args.connections * 1e3, 2),
        "kib_per_connection": round((joined["rss_kib"] - empty["rss_kib"]) / args.connections, 1),
        "largest_room": well[-1]["members"] if well else None,
        "largest_room_limited_by": None if not rooms else "not reached" if healthy(rooms[-1]) else "delay",
        "rooms": rooms,
        "machine": machine.to_json(),
    }
    if args.json:
        print(json.dumps(figures))
        return
    note(f"\n{figures['us_per_frame']} us of server CPU per delivered frame at {args.connections} connections")
    note(f"{figures['floor_us']} us for a bare send() of the same bytes")
    note(f"{figures['cpu_ms_per_join']} ms of CPU per join, {figures['kib_per_connection']} KiB per connection")
    if rooms:
        note(f"largest healthy room: {figures['largest_room']} members ({figures['largest_room_limited_by']})")


if __name__ == "__main__":
    main()
