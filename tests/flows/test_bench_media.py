"""`bench media` runs on each engine and answers with its keys, and what its viewers got was right.

How fast the engines are on this machine is not asked here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench._media_native import NATIVE
from bench.media import KEYS
from streamserver.media.choose import native_problem

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    shutil.which("cargo") is None and not (NATIVE / "target" / "release" / "media-load").exists(),
    reason="its load client is a Rust program, and cargo is not here",
)


@pytest.mark.parametrize(
    "engine",
    [
        "aiortc",
        pytest.param("native", marks=pytest.mark.skipif(native_problem() is not None, reason=str(native_problem()))),
    ],
)
def test_a_few_viewers_are_measured(engine: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "media", "--quick", "--json", "--engine", engine],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert list(figures)[: len(KEYS)] == list(KEYS)
    assert figures["engine"] == engine
    assert figures["floor_us"] > 0
    assert figures["us_per_packet"] > figures["floor_us"] / 4
    assert figures["joins_per_s"] > 0
    assert figures["checked_packets"] > 0
    assert (figures["ratio_vs_aiortc"] is None) is (engine == "aiortc")
    assert figures["machine"]["cores"] >= 1
