"""`bench realtime` runs and answers with its keys; how fast it is on this machine is not asked here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_small_room_is_measured() -> None:
    flags = ["--connections", "120", "--rounds", "2", "--frames", "3", "--most", "120"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "realtime", "--json", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["connections"] == 120
    assert figures["us_per_frame"] > 0
    assert figures["floor_us"] > 0
    assert len(figures["us_per_frame_runs"]) == len(figures["floor_us_runs"]) == 2
    assert [room["members"] for room in figures["rooms"]] == [120]
    assert figures["machine"]["cores"] >= 1
