"""The one direction of imports, and the purity of the modules that claim it."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT, dotted, modules, own_modules, project

_LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
_OURS = {*PACKAGES, "tests", "streamserver_native", *sys.stdlib_module_names}
_DISTRIBUTIONS = importlib.metadata.packages_distributions()


def lint_imports(tree: Path, config: Path) -> subprocess.CompletedProcess[str]:
    """import-linter's own command, looking at the packages below `tree`."""
    return subprocess.run(
        [sys.executable, "-P", "-c", _LINT, "--config", str(config), "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "PATH": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def pure_list() -> list[str]:
    contracts = project()["tool"]["importlinter"]["contracts"]
    return next(contract for contract in contracts if contract["id"] == "purity")["source_modules"]


def calls_itself_pure(tree: ast.Module) -> bool:
    opening = (ast.get_docstring(tree) or "").split("\n")[:3]
    # "Pure." or "Pure: ..." claims it; "Pure but for ..." and "calls the pure modules" do not.
    return re.search(r"\bPure(?=[.:;]| data|$)", "\n".join(opening), re.MULTILINE) is not None


def test_the_contracts_hold() -> None:
    done = lint_imports(ROOT, ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("streamserver/server.py", "chat.service"),
        ("config/settings.py", "streamserver.errors"),
        ("chat/service.py", "commerce_overlay.service"),
        ("chat/service.py", "streamserver.__main__"),
        ("loadtest/viewer.py", "chat.service"),
        ("signaling/gateway.py", "loadtest.viewer"),
        ("commerce_overlay/money.py", "time"),
        ("commerce_overlay/money.py", "asyncio"),
        ("commerce_overlay/money.py", "aiohttp"),
    ],
)
def test_a_wrong_import_breaks_a_contract(tmp_path: Path, importer: str, imported: str) -> None:
    # A tree of empty modules under the real contracts: clean by itself, broken by this one import.
    names = {
        *pure_list(),
        *("streamserver.__main__", "streamserver.server", "streamserver.errors", "config.settings"),
        *("chat.service", "commerce_overlay.service", "signaling.gateway", "loadtest.viewer"),
    }
    for name in names:
        path = tmp_path / (name.replace(".", "/") + ".py")
        if (ROOT / name.replace(".", "/") / "__init__.py").exists():
            path = tmp_path / name.replace(".", "/") / "__init__.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for folder in {parent for path in tmp_path.rglob("*.py") for parent in path.parents}:
        if folder.is_relative_to(tmp_path) and folder != tmp_path:
            (folder / "__init__.py").touch()
    config = ROOT / "pyproject.toml"
    clean = lint_imports(tmp_path, config)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    (tmp_path / importer).write_text(f"import {imported}\n", encoding="utf-8")
    broken = lint_imports(tmp_path, config)
    assert broken.returncode == 1
    assert "BROKEN" in broken.stdout


def test_every_module_that_calls_itself_pure_is_held_to_it() -> None:
    claimed = {dotted(path) for path, tree in own_modules().items() if calls_itself_pure(tree)}
    listed = set(pure_list())
    assert claimed - listed == set(), "add these to the contract `purity` in pyproject.toml"
    assert listed - claimed == set(), "these are listed as pure; let their opening lines say so"


@pytest.mark.parametrize("name", pure_list())
def test_a_pure_module_reads_no_clock_and_no_file(name: str) -> None:
    path = name.replace(".", "/")
    tree = own_modules().get(f"{path}.py") or own_modules()[f"{path}/__init__.py"]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"now", "utcnow", "today"} or not _is_datetime(node.value), (
                f"{name}:{node.lineno} reads the clock: `now` is an argument"
            )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            does_io = node.func.id in {"open", "print", "input"}
            assert not does_io, f"{name}:{node.lineno} does input or output"


def _is_datetime(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"datetime", "date"}


def third_party(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Distribution -> the files that import it, leaving out the standard library and ourselves."""
    found: dict[str, set[str]] = {}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for top in {name.split(".")[0] for name in names}:
                if top not in _OURS:
                    for distribution in _DISTRIBUTIONS.get(top, [top]):
                        found.setdefault(distribution.lower().replace("_", "-"), set()).add(path)
    return found


def declared() -> set[str]:
    lines: list[str] = project()["project"]["dependencies"]
    return {re.split(r"[<>=!~;\[ ]", line)[0].lower().replace("_", "-") for line in lines}


def test_every_imported_package_is_declared() -> None:
    shipped = {path: tree for path, tree in own_modules().items() if not path.startswith("bench/")}
    missing = {name: where for name, where in third_party(shipped).items() if name not in declared()}
    assert missing == {}, "add these to [project] dependencies"


def test_every_declared_package_is_imported() -> None:
    assert declared() - set(third_party(own_modules())) == set(), "nothing imports these"


def test_every_package_that_tests_import_is_locked() -> None:
    lock = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9.-]+)==", lock, re.MULTILINE))
    tests = {path: tree for path, tree in modules().items() if path.startswith(("tests/", "bench/"))}
    # GStreamer's binding comes with the system; its tests are skipped where it is missing.
    assert set(third_party(tests)) - locked - {"gi", "pygobject"} == set()
