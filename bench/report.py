"""Seconds to build the report of a room with 100,000 viewers and 10,000 orders, intervals included, on one core.

The room is drawn from a seed. It knows the pure report alone: no database, no server.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time

import numpy as np

from bench.machine import read_machine
from commerce_overlay.baselines_file import read_baselines
from commerce_overlay.report import Report, build_report
from commerce_overlay.report_rows import (
    Click,
    HubImpression,
    Impression,
    LiveInterval,
    Order,
    OrderLine,
    Refund,
    ReportRows,
    WatchSession,
    Window,
)

START_MS = 1_700_000_000_000
LIVE_MS = 3 * 3_600_000
DAY_MS = 24 * 3_600_000


def draw_room(viewers: int, orders: int, seed: int) -> ReportRows:
    """A three-hour show: one session a viewer and a second for some, two impressions and 0.3 clicks a viewer."""
    rng = np.random.Generator(np.random.PCG64(seed))
    arrive = rng.integers(0, LIVE_MS - 60_000, viewers).tolist()
    stay = rng.exponential(240_000, viewers).astype(int).tolist()
    again = rng.random(viewers) < 0.2
    names = [f"v{at:07d}" for at in range(viewers)]
    sessions = [
        WatchSession(name, START_MS + begin, START_MS + begin + long)
        for name, begin, long in zip(names, arrive, stay, strict=True)
    ]
    sessions += [
        WatchSession(names[at], START_MS + DAY_MS // 2, START_MS + DAY_MS // 2 + stay[at], "replay")
        for at in np.flatnonzero(again).tolist()
    ]
    who = rng.integers(0, viewers, viewers * 2).tolist()
    impressions = [
        Impression(names[one], f"card{at % 20}", f"s{at % 60}", f"p{at % 20}", START_MS + arrive[one] + 1000)
        for at, one in enumerate(who)
    ]
    buyers = rng.choice(viewers, orders, replace=True).tolist()
    browsers = rng.integers(0, viewers, int(viewers * 0.2)).tolist()
    clicks = [
        Click(f"k{at:07d}", names[one], f"p{at % 20}", "s1", START_MS + arrive[one] + 5000, f"card{at % 20}")
        for at, one in enumerate(buyers + browsers)
    ]
    prices = np.exp(rng.normal(8.5, 1.0, orders)).astype(int).tolist()
    paid = (rng.random(orders) < 0.9).tolist()
    placed = [START_MS + arrive[one] + 60_000 for one in buyers]
    sold = [
        Order(
            f"o{at:07d}",
            names[one],
            "s1",
            f"k{at:07d}",
            "CNY",
            (OrderLine(f"p{at % 20}", 1, prices[at] + 1),),
            placed[at],
            placed[at] + 30_000 if paid[at] else None,
        )
        for at, one in enumerate(buyers)
    ]
    refunds = [
        Refund(f"r{at}", order.order, order.value_minor // 2 + 1, order.placed_ms + DAY_MS // 4)
        for at, order in enumerate(sold)
        if order.paid_ms is not None and at % 10 == 0
    ]
    hub = [HubImpression(name, START_MS) for name in names[::3]]
    return ReportRows(
        live=[LiveInterval(START_MS, START_MS + LIVE_MS)],
        sessions=sessions,
        impressions=impressions,
        hub_impressions=hub,
        clicks=clicks,
        orders=sold,
        refunds=refunds,
    )


def run_once(rows: ReportRows) -> tuple[float, Report]:
    """CPU seconds of this process for one report, and the report."""
    baselines = read_baselines()
    before = time.process_time()
    report = build_report(
        room="bench",
        window=Window(START_MS, START_MS + DAY_MS),
        currency="CNY",
        rows=rows,
        baselines=baselines,
        as_of_ms=START_MS + DAY_MS,
        seed=1,
        code_version="bench",
    )
    report.to_json()
    return time.process_time() - before, report


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench report", description=__doc__)
    parser.add_argument("--viewers", type=int, default=100_000)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object on the last line")
    args = parser.parse_args()
    machine = read_machine()
    print(machine.line())
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rows = draw_room(args.viewers, args.orders, seed=7)
    seconds: list[float] = []
    signatures: set[str] = set()
    for _ in range(args.runs):
        spent, report = run_once(rows)
        seconds.append(spent)
        signatures.add(report.trust.signature)
    if len(signatures) != 1:
        raise SystemExit("bench report: the same rows gave different signatures")
    figures = {
        "report_s": round(statistics.median(seconds), 3),
        "report_s_min": round(min(seconds), 3),
        "report_s_max": round(max(seconds), 3),
        "viewers": args.viewers,
        "orders": args.orders,
        "sessions": len(rows.sessions),
        "impressions": len(rows.impressions),
        "clicks": len(rows.clicks),
        "runs": args.runs,
        "machine": machine.to_json(),
    }
    print(
        f"{figures['report_s']} s of CPU for one report (median of {args.runs}, "
        f"{figures['report_s_min']}–{figures['report_s_max']}) with {args.viewers} viewers, "
        f"{args.orders} orders, {len(rows.impressions)} impressions, 2000 resamples"
    )
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
