"""The parts of one run of `bench media`: the server process, the load client, the floor, and what each is asked.

The server's figures are read from outside, from the kernel's clocks; packets are the server's own counters. Knows
nothing of medians and flags.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from bench._media_native import media_load

OFFERS: Final = Path(__file__).parents[1] / "tests" / "unit" / "media" / "offers"
"""Recorded from Chromium: what the server reads per join is what a browser sends."""
FRAMES_PER_S: Final = 30
PACKETS_PER_FRAME: Final = 9
PACKET_BYTES: Final = 1200
SAMPLED: Final = 10
SETTLE_S: Final = 1.5
BUSY: Final = 0.95
"""Share of its core above which the media thread counts as saturated."""
_ANSWER_S: Final = 90.0
_MEDIA_THREAD: Final = "media-"


class BenchFailed(Exception):
    """Something was not measured, or what viewers got was not what was published."""


class Child:
    """A process that prints lines and ends when its input is closed."""

    def __init__(self, command: list[str], name: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, start_new_session=True
        )
        self.pid = self._process.pid
        self._lines: queue.Queue[str] = queue.Queue(maxsize=1000)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def line(self, limit_s: float = _ANSWER_S) -> str:
        """The next line. Raises BenchFailed when none comes."""
        try:
            line = self._lines.get(timeout=limit_s)
        except queue.Empty:
            raise BenchFailed(f"{self.name} said nothing for {limit_s:.0f} s") from None
        if not line:
            raise BenchFailed(f"{self.name} ended with status {self._process.wait(10)}")
        return line

    def tell(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it ended by itself, which `line` has told
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The server at one moment. Seconds of CPU, packets, KiB."""

    at: float
    process_s: float
    media_s: float | None
    """CPU of the threads named media-N; None where the engine has none."""
    rss_anon_kib: int
    counters: dict[str, float]

    def count(self, name: str) -> float:
        return self.counters.get(name, 0.0)


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two snapshots."""

    first: Snapshot
    last: Snapshot

    @property
    def seconds(self) -> float:
        return self.last.at - self.first.at

    @property
    def cpu_s(self) -> float:
        return self.last.process_s - self.first.process_s

    @property
    def media_s(self) -> float | None:
        if self.last.media_s is None or self.first.media_s is None:
            return None
        return self.last.media_s - self.first.media_s

    def counted(self, name: str) -> float:
        return self.last.count(name) - self.first.count(name)

    @property
    def packets(self) -> float:
        return self.counted("media_sent_packets_total")


class Server(Child):
    """bench._media_server on a core of its own."""

    def __init__(self, engine: str, core: int) -> None:
        super().__init__([sys.executable, "-m", "bench._media_server", engine, str(core)], "the media server")
        self.url = self.line().strip()
        # CLOCK_PROCESS_CPUTIME_ID of another process (clock_getcpuclockid(3)): nanoseconds, where /proc has 10 ms.
        self._cpu_clock = (~self.pid << 3) | 2

    def snapshot(self) -> Snapshot:
        with urllib.request.urlopen(f"{self.url}/figures", timeout=20) as response:
            figures = json.load(response)
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        rss = next(line for line in status.splitlines() if line.startswith("RssAnon:")).split()[1]
        return Snapshot(
            at=time.monotonic(),
            process_s=time.clock_gettime(self._cpu_clock),
            media_s=self._media_threads_s(),
            rss_anon_kib=int(rss),
            counters=figures["counters"],
        )

    def _media_threads_s(self) -> float | None:
        spent: list[int] = []
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                if (task / "comm").read_text(encoding="utf-8").startswith(_MEDIA_THREAD):
                    spent.append(int((task / "schedstat").read_text(encoding="ascii").split()[0]))
            except (OSError, IndexError):
                continue  # a thread that ended meanwhile, or a kernel without schedstat
        return sum(spent) / 1e9 if spent else None


class Load(Child):
    """media-load: the publisher and all viewers, on the other core."""

    def __init__(self, server: Server, core: int, *, remb: bool = False) -> None:
        command = [str(media_load()), "--server", server.url.removeprefix("http://")]
        command += ["--publisher-offer", str(OFFERS / "chromium_whip.sdp")]
        command += ["--viewer-offer", str(OFFERS / "chromium_whep.sdp")]
        command += ["--sample", str(SAMPLED), "--packets", str(PACKETS_PER_FRAME)]
        if core >= 0:
            command += ["--core", str(core)]
        if remb:
            command.append("--remb")
        super().__init__(command, "media-load")

    def ask(self, order: str) -> dict[str, Any]:
        """Give an order and wait for its result. Raises BenchFailed."""
        self.tell(order)
        result: dict[str, Any] = json.loads(self.line())
        if result["phase"] == "failed":
            raise BenchFailed(f"{order}: {result['failure']}")
        return result

    def join(self, count: int) -> dict[str, Any]:
        joined = self.ask(f"join {count}")
        if joined["failed"]:
            raise BenchFailed(f"{joined['failed']:.0f} of {count} viewers did not join: {joined['failure']}")
        return joined

    def rate(self, frames_per_s: float) -> None:
        self.tell(f"rate {frames_per_s:.3f}")


def check_media(measured: dict[str, Any], what: str, *, lossless: bool = True) -> None:
    """What the checked viewers opened and put together must be what was published. Raises BenchFailed."""
    if measured["wrong"]:
        raise BenchFailed(f"{what}: {measured['wrong']:.0f} packets or frames were not what was published: {measured}")
    if measured["viewers_lost"]:
        raise BenchFailed(f"{what}: {measured['viewers_lost']:.0f} viewers were lost: {measured}")
    if not measured["checked_frames"]:
        raise BenchFailed(f"{what}: no frame was checked: {measured}")
    if lossless and measured["lost"]:
        raise BenchFailed(f"{what}: {measured['lost']:.0f} packets of checked viewers were lost: {measured}")


def stream(engine: str, cores: tuple[int, int], viewers: int, seconds: float, saturate: bool) -> dict[str, Any]:
    """Joins while nothing is sent, then the stream, then as much of it as the media thread can carry."""
    with Server(engine, cores[0]) as server, Load(server, cores[1]) as load:
        load.ask("publish")
        load.join(1)  # the first one pays for imports and caches
        empty = server.snapshot()
        load.join(viewers - 1)
        joining = Window(empty, server.snapshot())
        load.rate(FRAMES_PER_S)
        time.sleep(SETTLE_S)
        started = server.snapshot()
        measured = load.ask(f"measure {seconds}")
        streaming = Window(started, server.snapshot())
        check_media(measured, f"{engine} at {FRAMES_PER_S} frames/s")
        if not streaming.packets:
            raise BenchFailed(f"{engine}: the server counted no packet")
        result = {
            "us_per_packet": streaming.cpu_s / streaming.packets * 1e6,
            "us_per_packet_media_thread": _per(streaming.media_s, streaming.packets, 1e6),
            "us_per_packet_send_path": _send_path(streaming),
            "core_share": streaming.cpu_s / streaming.seconds,
            "packets_per_s": streaming.packets / streaming.seconds,
            "packets_per_train": measured["packets"] / max(1.0, measured["trains"]),
            "received_ratio": measured["packets_per_s"] / (streaming.packets / streaming.seconds),
            "feedback_per_s": measured["feedback_sent"] / measured["seconds"],
            "ms_per_join": joining.cpu_s / (viewers - 1) * 1e3,
            "ms_per_join_rust": _per(joining.media_s, viewers - 1, 1e3),
            "kib_per_viewer": (streaming.last.rss_anon_kib - empty.rss_anon_kib) / (viewers - 1),
            "added_latency_p50_ms": measured["last_viewer_ms_p50"],
            "added_latency_p99_ms": measured["last_viewer_ms_p99"],
            "any_viewer_latency_p99_ms": measured["any_viewer_ms_p99"],
            "frames_measured": measured["frames"],
            "frames_incomplete": measured["frames_incomplete"],
            "client_core_share": measured["client_core_share"],
            "checked_packets": measured["checked_packets"],
        }
        if saturate:
            result |= _saturate(server, load, streaming)
        return result


def _saturate(server: Server, load: Load, calm: Window) -> dict[str, Any]:
    """Raise the frame rate until the media thread has hardly a moment left; then packets per second and core."""
    share = (calm.media_s if calm.media_s is not None else calm.cpu_s) / calm.seconds
    frames_per_s = float(FRAMES_PER_S)
    best: dict[str, Any] = {}
    for _ in range(4):
        frames_per_s *= min(8.0, max(1.05, 0.97 / share))
        load.rate(frames_per_s)
        time.sleep(0.7)
        first = server.snapshot()
        measured = load.ask("measure 1.5")
        window = Window(first, server.snapshot())
        check_media(measured, f"saturated at {frames_per_s:.0f} frames/s", lossless=False)
        share = (window.media_s if window.media_s is not None else window.cpu_s) / window.seconds
        best = {
            "saturated_packets_per_s": window.packets / window.seconds,
            "saturated_core_share": share,
            "saturated_packets_per_s_core": window.packets / max(1e-9, window.cpu_s),
            "saturated_received_ratio": measured["packets_per_s"] / max(1.0, window.packets / window.seconds),
            "saturated_client_core_share": measured["client_core_share"],
        }
        if share >= BUSY:
            break
    return best


def burst(engine: str, cores: tuple[int, int], viewers: int, frames_per_s: float) -> dict[str, Any]:
    """All viewers at once, into a stream that runs."""
    with Server(engine, cores[0]) as server, Load(server, cores[1]) as load:
        load.ask("publish")
        load.rate(frames_per_s)
        time.sleep(0.5)
        first = server.snapshot()
        joined = load.join(viewers)
        window = Window(first, server.snapshot())
        check_media(load.ask("measure 1"), "after the burst", lossless=False)
        return {
            "joins_per_s": joined["joins_per_s"],
            "burst_refused": joined["refused"],
            "first_media_p50_ms": joined["first_media_ms_p50"],
            "first_media_p99_ms": joined["first_media_ms_p99"],
            "burst_core_share": window.cpu_s / window.seconds,
            "burst_client_core_share": joined["client_core_share"],
        }


def floor(cores: tuple[int, int], viewers: int, seconds: float) -> dict[str, Any]:
    """The bare floor: AES-GCM and GSO trains to as many receivers, at the stream's pace. Microseconds per packet."""
    command = [str(media_load()), "floor", "--viewers", str(viewers), "--packets", str(PACKETS_PER_FRAME)]
    command += ["--size", str(PACKET_BYTES), "--rate", str(FRAMES_PER_S), "--seconds", str(seconds / 2)]
    if cores[0] >= 0:
        command += ["--cores", f"{cores[0]},{cores[1]}"]
    best: list[float] = []
    for trains_per_call in (1, 16):  # which is cheaper differs between machines, and the floor is the cheapest
        done = subprocess.run(
            [*command, "--batch", str(trains_per_call)], capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode != 0:
            raise BenchFailed(f"the floor: {done.stderr[-500:]}")
        best.append(json.loads(done.stdout)["floor_us"])
    return {"floor_us": min(best)}


def _per(part: float | None, whole: float, scale: float) -> float | None:
    return None if part is None or not whole else part / whole * scale


def _send_path(window: Window) -> float | None:
    spent = window.counted("media_send_path_seconds_total")
    return spent / window.packets * 1e6 if spent else None


def raise_file_limit() -> None:
    """2,000 viewers have 2,000 sockets; children inherit the limit."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def two_cores() -> tuple[int, int]:
    """The server's core and the load's; (-1, -1) on a machine with one."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[-1]) if len(cores) > 1 else (-1, -1)
