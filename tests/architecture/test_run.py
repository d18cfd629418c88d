"""The script `run`: what a person reads, and what it says when a machine lacks something."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.__main__ import benches
from tests.architecture.tree import ROOT

RUN = (ROOT / "run").read_text(encoding="utf-8")


def run(tree: Path, *arguments: str, path: Path | None = None, cwd: Path | None = None) -> tuple[int, str, str]:
    env = {"PATH": str(path) if path else "/usr/bin:/bin", "HOME": str(tree)}
    bash = shutil.which("bash")
    assert bash
    done = subprocess.run(
        [bash, str(tree / "run"), *arguments],
        cwd=cwd or tree,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def tools(folder: Path, names: str) -> Path:
    """A path that holds these programs and no others."""
    folder.mkdir()
    for name in names.split():
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "a folder with spaces"
    folder.mkdir()
    shutil.copy(ROOT / "run", folder)
    return folder


def test_help_names_every_word_and_sets_nothing_up(tree: Path) -> None:
    code, said, _ = run(tree, "--help")
    words = re.findall(r"^  (\w+)\) shift", RUN, re.MULTILINE)
    assert {"test", "lint", "bench", "lock"} <= set(words)
    assert code == 0
    assert [word for word in [*words, "serve", "doctor"] if f"./run {word}" not in said] == []
    assert [path.name for path in tree.iterdir()] == ["run"]


def test_a_machine_without_python_is_told_what_to_install(tree: Path, tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "bash dirname mkdir cat")
    code, _, said = run(tree, "serve", path=path, cwd=tmp_path)
    assert code == 1
    assert "no Python 3.11 or newer" in said
    assert "STREAMSERVER_PYTHON" in said
    assert not (tree / ".venv").exists()


def test_an_old_python_is_not_taken(tree: Path, tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "bash dirname mkdir cat")
    old = path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")  # what any Python below 3.11 answers to the question
    old.chmod(0o755)
    code, _, said = run(tree, "serve", path=path)
    assert code == 1
    assert "no Python 3.11 or newer" in said


def test_a_failed_step_shows_its_output_and_what_to_do(tree: Path, tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "bash dirname mkdir cat wc tail head")
    broken = path / "python3"
    broken.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "  *version_info*|*ensurepip*) exit 0 ;;\n"
        "  -V) echo Python 3.99 ;;\n"
        "  *) echo the disk is full; exit 1 ;;\n"
        "esac\n",
        encoding="utf-8",
    )
    broken.chmod(0o755)
    code, _, said = run(tree, "serve", path=path)
    assert code == 1
    assert "Virtual environment with Python 3.99 ... failed" in said
    assert "the disk is full" in said
    assert "What to do:" in said


def test_every_bench_says_what_it_measures() -> None:
    assert benches()
    assert [name for name, line in benches().items() if not line] == []
