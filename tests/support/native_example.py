"""Small programs of the native engine's crates that speak in hexadecimal lines, built when Rust is here.

Knows cargo and pipes, nothing of what the lines mean.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

NATIVE: Final = Path(os.environ.get("STREAMSERVER_NATIVE_SOURCE", Path(__file__).parents[2] / "native"))
BUILD_S: Final = 1800


def build(name: str) -> Path:
    """The program of that name from crates/sfu/examples. Skips the test where there is no cargo."""
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("no cargo on this machine")
    command = [cargo, "build", "--release", "--quiet", "-p", "sfu", "--example", name]
    subprocess.run(command, cwd=NATIVE, check=True, timeout=BUILD_S)
    target = Path(os.environ.get("CARGO_TARGET_DIR", NATIVE / "target"))
    return target / "release" / "examples" / name


class Pipe:
    """A running program: one line in, one or more lines out."""

    def __init__(self, program: Path, *arguments: str) -> None:
        self._process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def ask(self, line: str) -> str:
        self.write(line)
        return self.read()
