"""The media engine with 1,000 viewers on one core: CPU per packet and join, memory, latency, beside floor and aiortc.

The server has a core for itself. On the other one, `media-load` (Rust) publishes 2.6 Mbit/s (30 frames of 9 packets
of 1,200 bytes a second, paced like a browser's) and watches with real ICE, DTLS and SRTP, feedback and consent
included; some viewers, chosen by chance, open every packet and compare every frame with what was published, and a
difference fails the run. Server CPU is read from the kernel's clocks, packets from the server's counters. Latency is
from the kernel taking the last packet of a frame from the publisher to the kernel's stamp on the last viewer's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from typing import Any

from bench._media_native import NotBuilt
from bench._media_run import BenchFailed, burst, floor, raise_file_limit, stream, two_cores
from bench.machine import read_machine
from streamserver.media.choose import native_problem

KEYS = (
    "us_per_packet",
    "floor_us",
    "us_per_packet_send_path",
    "packets_per_s_core",
    "ms_per_join",
    "joins_per_s",
    "kib_per_viewer",
    "added_latency_p99_ms",
    "ratio_vs_aiortc",
)


def one_run(arguments: argparse.Namespace, engine: str, cores: tuple[int, int]) -> dict[str, Any]:
    """Floor, stream, burst and the aiortc engine in turn, so that all see the same minute of the machine."""
    figures: dict[str, Any] = floor(cores, arguments.viewers, min(3.0, arguments.seconds))
    figures |= stream(engine, cores, arguments.viewers, arguments.seconds, saturate=not arguments.quick)
    figures["packets_per_s_core"] = 1e6 / figures["us_per_packet"]
    figures |= burst(engine, cores, arguments.burst, arguments.burst_rate)
    figures["ratio_vs_aiortc"] = None
    if engine != "aiortc":
        other = stream("aiortc", cores, arguments.aiortc_viewers, arguments.seconds, saturate=False)
        figures["aiortc_us_per_packet"] = other["us_per_packet"]
        figures["aiortc_ms_per_join"] = other["ms_per_join"]
        figures["aiortc_kib_per_viewer"] = other["kib_per_viewer"]
        figures["ratio_vs_aiortc"] = other["us_per_packet"] / figures["us_per_packet"]
    return figures


def medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """By key; a figure that a run has not is left out of it, and None where no run has it."""
    result: dict[str, Any] = {}
    for key in {key: None for run in runs for key in run}:
        values = [run[key] for run in runs if run.get(key) is not None]
        result[key] = round(statistics.median(values), 4) if values else None
    return result


def report(run: dict[str, Any]) -> str:
    def show(key: str, form: str = ".2f") -> str:
        return "-" if run.get(key) is None else format(run[key], form)

    return (
        f"{show('us_per_packet')} us per packet (media thread {show('us_per_packet_media_thread')}, "
        f"send path {show('us_per_packet_send_path')}, floor {show('floor_us')}), "
        f"{show('packets_per_s_core', ',.0f')} packets/s and core "
        f"(reached {show('saturated_packets_per_s', ',.0f')} at {show('saturated_core_share', '.0%')}), "
        f"{show('ms_per_join')} ms per join (Rust {show('ms_per_join_rust')}), "
        f"burst {show('joins_per_s', '.0f')} joins/s, {show('burst_refused', '.0f')} refused, "
        f"first media p99 {show('first_media_p99_ms', '.0f')} ms, {show('kib_per_viewer', '.1f')} KiB per viewer, "
        f"last viewer p50 {show('added_latency_p50_ms')} p99 {show('added_latency_p99_ms')} ms, "
        f"{show('ratio_vs_aiortc', '.1f')} x aiortc"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.add_argument("--quick", action="store_true", help="one short run with few viewers: does it work at all")
    parser.add_argument("--engine", choices=("auto", "aiortc", "native"), default="auto")
    parser.add_argument("--runs", type=int, help="the median of so many is reported (5)")
    parser.add_argument("--seconds", type=float, help="length of each measurement (5)")
    parser.add_argument("--viewers", type=int, help="of the stream (1000; aiortc 200)")
    parser.add_argument("--burst", type=int, help="viewers that join at once (2000; aiortc 200)")
    parser.add_argument("--burst-rate", type=float, default=30.0, help="frames/s published meanwhile (30)")
    parser.add_argument("--aiortc-viewers", type=int, help="of the aiortc engine, beside the native one (200)")
    arguments = parser.parse_args()
    arguments.engine = _engine(arguments.engine)
    small = arguments.engine == "aiortc"
    quick = {"runs": 1, "seconds": 1.0, "viewers": 30, "burst": 40, "aiortc_viewers": 10}
    full = {
        "runs": 5,
        "seconds": 5.0,
        "viewers": 200 if small else 1000,
        "burst": 200 if small else 2000,
        "aiortc_viewers": 200,
    }
    for name, value in (quick if arguments.quick else full).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    if not 1 <= arguments.runs <= 50 or not 0.5 <= arguments.seconds <= 600:
        parser.error("expected 1 to 50 runs of 0.5 to 600 seconds")
    if not 0.1 <= arguments.burst_rate <= 1000:
        parser.error("expected 0.1 to 1000 frames/s")
    if not all(2 <= count <= 10_000 for count in (arguments.viewers, arguments.burst, arguments.aiortc_viewers)):
        parser.error("expected 2 to 10000 viewers")
    return arguments


def _engine(asked: str) -> str:
    """The engine that is measured; says so when it is not the native one."""
    problem = native_problem()
    if asked == "aiortc" or problem is None:
        return "native" if asked == "auto" else asked
    if asked == "native":
        raise SystemExit(f"media: {problem}")
    print(f"the aiortc engine is measured: {problem}", file=sys.stderr)
    return "aiortc"


def main() -> None:
    arguments = _arguments()
    machine = read_machine()
    print(machine.line())
    raise_file_limit()
    cores = two_cores()
    if cores[1] >= 0:
        os.sched_setaffinity(0, {cores[1]})
    runs: list[dict[str, Any]] = []
    try:
        for number in range(arguments.runs):
            runs.append(one_run(arguments, arguments.engine, cores))
            print(f"run {number + 1}: {report(runs[-1])}", flush=True)
    except (BenchFailed, NotBuilt) as error:
        raise SystemExit(f"media: {error}") from None
    result = medians(runs)
    print(f"{arguments.engine}, median of {len(runs)}, {arguments.viewers} viewers: {report(result)}")
    if arguments.json:
        first = {key: result[key] for key in KEYS}
        facts = {
            "engine": arguments.engine,
            "viewers": arguments.viewers,
            "burst": arguments.burst,
            "burst_rate": arguments.burst_rate,
            "aiortc_viewers": arguments.aiortc_viewers,
            "runs": len(runs),
            "seconds": arguments.seconds,
            "us_per_packet_runs": [round(run["us_per_packet"], 4) for run in runs],
            "floor_us_runs": [round(run["floor_us"], 4) for run in runs],
            "machine": machine.to_json(),
        }
        print(json.dumps({**first, **{key: value for key, value in result.items() if key not in first}, **facts}))


if __name__ == "__main__":
    main()
