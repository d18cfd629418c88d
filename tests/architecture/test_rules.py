"""Rules that only this project has, each as a test of its own files."""

from __future__ import annotations

import ast
import json
import re
from pathlib import PurePosixPath

import pytest

from tests.architecture.tree import ROOT, own_modules, texts

CODE = {".py", ".ts", ".css", ".html", ".rs", ".sh", ""}
GENERATED = {"web/package-lock.json", "requirements.lock", "requirements-dev.lock", "requirements-node.lock"}

# Put together from halves, so that this file does not hold what it forbids.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "HA" + "CK")) + r")\b")
HOSTS = re.compile(
    "|".join(
        re.escape(left + right)
        for left, right in [
            ("pypi", ".org"),
            ("pythonhosted", ".org"),
            ("npmjs", ".org"),
            ("npmjs", ".com/-/"),
            ("crates", ".io"),
            ("rustup", ".rs"),
            ("deb.debian", ".org"),
            ("proxy.golang", ".org"),
            ("maven", ".org"),
            ("jsdelivr", ".net"),
            ("unpkg", ".com"),
            ("/releases", "/download/"),
        ]
    )
)
# Cargo's word for the default registry, whatever mirror serves it: an identity, no download address.
CARGO_REGISTRY = 'source = "registry+https://github.com/rust-lang/crates' + '.io-index"'
FOLDERS = "|".join(("ro" + "ot", "wo" + "rk", "tm" + "p", "ho" + "me"))
MACHINE_PATHS = re.compile(rf"(?<![\w.~$}}*/-])/(?:{FOLDERS})/\w")


def test_no_file_is_longer_than_600_lines() -> None:
    long = {
        path: lines
        for path, text in texts()
        if PurePosixPath(path).suffix in CODE
        and path not in {"LICENSE"} | GENERATED
        and not path.startswith("web/src/generated/")
        and (lines := text.count("\n")) > 600
    }
    assert long == {}


def test_nothing_is_left_for_later() -> None:
    marked = [
        f"{path}:{number}"
        for path, text in texts()
        if path not in GENERATED
        for number, line in enumerate(text.splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert marked == []


def test_no_registry_and_no_path_of_one_machine_is_named() -> None:
    named = [
        f"{path}:{number}: {found[0]}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if not (path.endswith("Cargo.lock") and line == CARGO_REGISTRY)
        for pattern in (HOSTS, MACHINE_PATHS)
        if (found := pattern.search(line))
    ]
    assert named == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-node.lock"])
def test_a_python_lock_holds_pins_and_hashes_and_nothing_else(name: str) -> None:
    entries = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    assert entries
    pin = re.compile(r"[a-z0-9._-]+==[^\s;]+( ; [^@/]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    assert [entry[:80] for entry in entries if not pin.fullmatch(entry)] == []


def test_the_development_lock_holds_every_pin_of_the_runtime_lock() -> None:
    # `run` relies on it: a tree set up for the tests is set up to serve.
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))

    assert pins("requirements.lock") - pins("requirements-dev.lock") == set()


def test_the_npm_lock_holds_hashes_and_no_address() -> None:
    lock = json.loads((ROOT / "web/package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name and not entry.get("link")}
    assert packages
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path, tree in own_modules().items() if tree.body and not ast.get_docstring(tree)]
    assert silent == []


def calls(*names: str) -> list[tuple[str, ast.Call]]:
    """Every call of one of the dotted names, with its place."""
    found: list[tuple[str, ast.Call]] = []
    for path, tree in own_modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
                found.append((f"{path}:{node.lineno}", node))
    return found


def test_every_queue_has_a_bound() -> None:
    kinds = ("Queue", "LifoQueue", "PriorityQueue")
    names = [f"{prefix}{kind}" for kind in kinds for prefix in ("", "asyncio.", "queue.", "multiprocessing.")]
    unbounded: list[str] = []
    for where, call in calls(*names):
        sizes = [*call.args[:1], *(word.value for word in call.keywords if word.arg == "maxsize")]
        if not sizes or (isinstance(sizes[0], ast.Constant) and not sizes[0].value):
            unbounded.append(where)
    simple = [where for where, _ in calls("SimpleQueue", "queue.SimpleQueue", "multiprocessing.SimpleQueue")]
    assert unbounded + simple == []


def test_every_call_out_has_a_time_limit() -> None:
    names = ("subprocess.run", "subprocess.check_output", "subprocess.check_call", "urllib.request.urlopen")
    out = calls(*names, "urlopen", "ClientSession", "aiohttp.ClientSession")
    assert [where for where, call in out if "timeout" not in {word.arg for word in call.keywords}] == []


def test_ci_calls_exactly_the_command_that_a_person_runs() -> None:
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "./run" in line] == ["exec ./run test"]
    assert "export STREAMSERVER_REQUIRE_BROWSER=1" in lines


@pytest.mark.parametrize(
    ("pattern", "line", "caught"),
    [
        (UNFINISHED, "# TO" + "DO later", True),
        (UNFINISHED, "todo list of a person", False),
        (HOSTS, "get it from https://py" + "pi.org/simple", True),
        (HOSTS, "from PyPI by pip", False),
        (MACHINE_PATHS, 'open("/ro' + 'ot/key")', True),
        (MACHINE_PATHS, "cd /wo" + "rk/main", True),
        (MACHINE_PATHS, "https://shop.example/home/page", False),
        (MACHINE_PATHS, "$root/home/x", False),
    ],
)
def test_the_patterns_see_what_they_should(pattern: re.Pattern[str], line: str, caught: bool) -> None:
    assert bool(pattern.search(line)) is caught
