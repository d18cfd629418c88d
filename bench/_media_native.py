"""Builds `media-load`, the Rust program of `bench media`: publisher, viewers and the bare floor.

Knows cargo and where sources lie; what the program does is its own.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Final

NATIVE: Final = Path(__file__).parents[1] / "native"
_BUILD_S: Final = 900


class NotBuilt(Exception):
    """There is no such program; the text says what to do."""


@functools.cache
def media_load() -> Path:
    """The path of the program, built when a source is newer. Raises NotBuilt."""
    crate = NATIVE / "crates" / "loadgen"
    path = NATIVE / "target" / "release" / "media-load"
    newest = max(source.stat().st_mtime for source in (crate / "Cargo.toml", *crate.rglob("*.rs")))
    if path.exists() and path.stat().st_mtime >= newest:
        return path
    if shutil.which("cargo") is None:
        raise NotBuilt("media-load is a Rust program and cargo is not here: install Rust, then retry")
    command = ["cargo", "build", "--release", "--quiet", "-p", "loadgen"]
    done = subprocess.run(command, cwd=NATIVE, capture_output=True, text=True, timeout=_BUILD_S, check=False)
    if done.returncode != 0 or not path.exists():
        raise NotBuilt(f"{' '.join(command)} failed in {NATIVE}:\n{done.stderr[-3000:]}")
    path.touch()  # cargo leaves it alone when sources were touched and not changed
    return path
