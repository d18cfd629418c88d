"""CPU of the media server per forwarded packet and per join, with real ICE, DTLS and SRTP viewers.

The server has a core for itself; a publisher of 2.6 Mbit/s (30 frames of 9 packets of 1,200 bytes a second, paced
like a browser's) and the viewers share another one. Viewers renew consent and report like real ones; what they got
is counted, and a sample of it decrypted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
from typing import Any, Final

import aiohttp

from bench.machine import read_machine
from loadtest.light import LightPeer, SyntheticVideo

FRAME_PACKETS: Final = 9
RATE: Final = 30
BURSTS: Final = 3  # a browser's pacer spreads a frame; 3 packets every 4 ms here
BURST_S: Final = 0.004
CONSENT_S: Final = 3.0
REPORT_S: Final = 1.0
JOINING: Final = 8
HTTP_S: Final = 20.0
SAMPLED: Final = 5


class Server:
    """The server process: started on its own core, asked for its figures, ended by closing its input."""

    def __init__(self, engine: str, core: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench._media_server", engine, str(core)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise SystemExit("fanout: the media server did not start")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()


async def _post(http: aiohttp.ClientSession, url: str, peer: LightPeer) -> None:
    headers = {"Content-Type": "application/sdp", "Authorization": "Bearer bench"}
    for _ in range(50):
        async with http.post(url, data=peer.offer, headers=headers) as response:
            answer = await response.text()
            if response.status == 503:
                await asyncio.sleep(0.2)
                continue
            if response.status != 201:
                raise SystemExit(f"fanout: {url} answered {response.status}: {answer[:200]}")
        await peer.connect(answer)
        return
    raise SystemExit("fanout: the server stayed full")


async def _figures(http: aiohttp.ClientSession, server: Server) -> dict[str, Any]:
    async with http.get(f"{server.url}/figures") as response:
        return await response.json()


async def _send_frames(publisher: LightPeer, video: SyntheticVideo, ended: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    per_burst = FRAME_PACKETS // BURSTS
    while not ended.is_set():
        packets = video.frame()
        for burst in range(BURSTS):
            await asyncio.sleep(max(0.0, due + burst * BURST_S - loop.time()))
            for packet in packets[burst * per_burst : (burst + 1) * per_burst]:
                publisher.send_rtp(packet)
        due += 1 / RATE


async def _keep_alive(peers: list[LightPeer], ended: asyncio.Event) -> None:
    """Consent and receiver reports, spread over time as those of strangers are."""
    step = 0
    slots = 20
    while not ended.is_set():
        for index, peer in enumerate(peers):
            if index % slots == step % slots:
                if peer.direction == "recvonly":
                    ssrc = peer.answered_ssrc("video")[0]
                    report = b"\x81\xc9\x00\x07" + (1).to_bytes(4, "big") + ssrc.to_bytes(4, "big") + bytes(20)
                    peer.send_rtcp(report)
                if (step // slots) % round(CONSENT_S / REPORT_S) == 0:
                    peer.check()
        step += 1
        await asyncio.sleep(REPORT_S / slots)


async def _run(arguments: argparse.Namespace, server_core: int) -> dict[str, Any]:
    server = Server(arguments.engine, server_core)
    ended = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []
    peers: list[LightPeer] = []
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HTTP_S)) as http:
            publisher = LightPeer("sendonly", ("H264",))
            peers.append(publisher)
            await _post(http, f"{server.url}/whip/bench", publisher)
            viewers = [LightPeer("recvonly", ("H264",)) for _ in range(arguments.viewers)]
            tasks.append(asyncio.create_task(_keep_alive(peers, ended)))
            gate = asyncio.Semaphore(JOINING)

            async def join(viewer: LightPeer) -> None:
                async with gate:
                    await _post(http, f"{server.url}/whep/bench", viewer)
                    peers.append(viewer)

            before = await _figures(http, server)
            await asyncio.gather(*(join(viewer) for viewer in viewers))
            joined = await _figures(http, server)

            video = SyntheticVideo(publisher.ssrcs["video"], rate=RATE, packets=FRAME_PACKETS)
            publisher.on_rtcp = _keyframes_when_asked(video)
            tasks.append(asyncio.create_task(_send_frames(publisher, video, ended)))
            await asyncio.sleep(1.0)  # the first keyframe lets all viewers in
            start = await _figures(http, server)
            got = sum(viewer.packets for viewer in viewers)
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(arguments.seconds)
            end = await _figures(http, server)
            took = asyncio.get_running_loop().time() - began
            got = sum(viewer.packets for viewer in viewers) - got
            checked = [viewer.sample() for viewer in viewers[:SAMPLED]]
    finally:
        ended.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        for peer in peers:
            peer.close()
        server.close()
    if any(sample is None or len(sample) < 1000 for sample in checked):
        raise SystemExit("fanout: a viewer could not decrypt what it got")
    sent = end["counters"]["media_sent_packets_total"] - start["counters"]["media_sent_packets_total"]
    cpu = end["cpu_s"] - start["cpu_s"]
    return {
        "engine": end["engine"],
        "us_per_packet": cpu / sent * 1e6,
        "ms_per_join": (joined["cpu_s"] - before["cpu_s"]) / len(viewers) * 1e3,
        "core_share": cpu / took,
        "user_share": (end["user_s"] - start["user_s"]) / cpu,
        "packets_per_s": sent / took,
        "received_ratio": got / sent,
        "packets_per_train": sent
        / (end["counters"]["media_sent_trains_total"] - start["counters"]["media_sent_trains_total"]),
        "rss_mib": end["rss_mib"],
    }


def _keyframes_when_asked(video: SyntheticVideo) -> Any:
    def on_rtcp(packet: bytes) -> None:
        if re.search(rb"[\x81]\xce", packet):  # a PLI somewhere in the compound
            video.keyframe_next = True

    return on_rtcp


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each run")
    parser.add_argument("--runs", type=int, default=3, help="the median of so many is reported")
    parser.add_argument("--engine", choices=("auto", "aiortc", "native"), default="auto")
    arguments = parser.parse_args()
    if not 1 <= arguments.viewers <= 2000 or not 1 <= arguments.runs <= 50 or not 0.5 <= arguments.seconds <= 600:
        parser.error("expected 1 to 2000 viewers, 1 to 50 runs, 0.5 to 600 seconds")
    return arguments


def main() -> None:
    arguments = _arguments()
    machine = read_machine()
    print(machine.line())
    cores = sorted(os.sched_getaffinity(0))
    server_core = cores[0] if len(cores) > 1 else -1
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[-1]})
    runs: list[dict[str, Any]] = []
    for number in range(arguments.runs):
        run = asyncio.run(_run(arguments, server_core))
        runs.append(run)
        print(
            f"run {number + 1}: {run['us_per_packet']:.2f} us per packet, {run['ms_per_join']:.2f} ms per join, "
            f"{run['packets_per_s']:.0f} packets/s on {run['core_share']:.0%} of a core, "
            f"{run['received_ratio']:.1%} received, {run['packets_per_train']:.1f} packets per send"
        )
    result = {
        key: statistics.median(run[key] for run in runs) if isinstance(value, int | float) else value
        for key, value in runs[0].items()
    }
    print(
        f"{result['engine']}: {result['us_per_packet']:.2f} us of server CPU per packet, "
        f"{result['ms_per_join']:.2f} ms per join ({arguments.viewers} viewers, median of {arguments.runs})"
    )
    if arguments.json:
        figures = {key: round(value, 3) if isinstance(value, float) else value for key, value in result.items()}
        print(
            json.dumps({**figures, "viewers": arguments.viewers, "runs": arguments.runs, "machine": machine.to_json()})
        )


if __name__ == "__main__":
    main()
