"""The project's own files, for the tests that read them as text or syntax."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "streamserver", "signaling", "chat", "commerce_overlay", "loadtest", "bench")


@cache
def files() -> tuple[Path, ...]:
    """Every file that is committed or would be: ignored ones are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=30,
    ).stdout.decode()
    return tuple(sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file()))


def texts() -> list[tuple[str, str]]:
    """(path from the root, content) of every file that is text."""
    found: list[tuple[str, str]] = []
    for path in files():
        data = path.read_bytes()
        if b"\0" not in data:
            found.append((path.relative_to(ROOT).as_posix(), data.decode("utf-8")))
    return found


@cache
def modules() -> dict[str, ast.Module]:
    """The syntax of every Python file by its path from the root."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in files()
        if path.suffix == ".py"
    }


def own_modules() -> dict[str, ast.Module]:
    """The same without the tests."""
    return {name: tree for name, tree in modules().items() if name.split("/")[0] in PACKAGES}


def dotted(path: str) -> str:
    """`chat/rate.py` -> `chat.rate`."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
