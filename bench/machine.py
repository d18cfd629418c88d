"""The facts of the machine that a figure was measured on.

It reads the operating system and nothing of the project. A fact that cannot be read is None, never a guess.
"""

from __future__ import annotations

import os
import platform
import re
import ssl
import sys
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """One machine at one moment."""

    cpu: str
    """The processor's own name, or its architecture where it tells none."""
    cores: int
    """Logical cores that this process may use (its affinity), not those of the machine."""
    cores_online: int
    memory_mib: int | None
    kernel: str
    python: str
    openssl: str
    load_1min: float | None
    """Runnable processes averaged over the last minute: above `cores` the figures are not to be trusted."""

    def to_json(self) -> dict[str, str | int | float | None]:
        return asdict(self)

    def line(self) -> str:
        """All of it on one line, for a person."""
        memory = "memory unknown" if self.memory_mib is None else f"{self.memory_mib / 1024:.0f} GiB"
        load = "load unknown" if self.load_1min is None else f"load {self.load_1min:.2f}"
        return (
            f"{self.cpu}, {self.cores} of {self.cores_online} cores, {memory}, {self.kernel}, "
            f"Python {self.python}, {self.openssl}, {load}"
        )


def read_machine(proc: Path = Path("/proc")) -> Machine:
    """The facts now. Works without /proc, with fewer of them."""
    return Machine(
        cpu=_cpu(proc) or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        cores_online=os.cpu_count() or 1,
        memory_mib=_memory_mib(proc),
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_version()} {sys.implementation.name}",
        openssl=ssl.OPENSSL_VERSION,
        load_1min=_load_1min(),
    )


def _cpu(proc: Path) -> str | None:
    found = re.search(r"^model name\s*:\s*(.+)$", _read(proc / "cpuinfo"), re.MULTILINE)
    return found[1].strip() if found else None


def _memory_mib(proc: Path) -> int | None:
    found = re.search(r"^MemTotal:\s*(\d+) kB$", _read(proc / "meminfo"), re.MULTILINE)
    return int(found[1]) // 1024 if found else None


def _load_1min() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    print(read_machine().line())
