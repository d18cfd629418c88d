"""Which media engine serves, and what is said about it."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType

import pytest

from config.settings import Settings, SettingsError
from streamserver.clock import SystemClock
from streamserver.media import choose
from streamserver.media.choose import ABI, NATIVE_MODULE, choose_engine, native_problem


def pretend(monkeypatch: pytest.MonkeyPatch, **facts: object) -> None:
    module = ModuleType(NATIVE_MODULE)
    vars(module).update(facts)
    monkeypatch.setitem(sys.modules, NATIVE_MODULE, module)


def test_native_serves_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, ABI=ABI)
    for asked in ("auto", "native"):
        engine, line = choose_engine(Settings(media_engine=asked), SystemClock())
        assert (engine.name, line) == ("native", "media engine: native")
    engine, line = choose_engine(Settings(media_engine="aiortc"), SystemClock())
    assert engine.name == "aiortc"
    assert "asks" in line


@pytest.mark.parametrize(("abi", "said"), [(ABI + 1, f"ABI {ABI + 1}, not {ABI}"), (None, "ABI 0")])
def test_a_module_of_another_tree_does_not_serve(monkeypatch: pytest.MonkeyPatch, abi: int | None, said: str) -> None:
    pretend(monkeypatch, **({} if abi is None else {"ABI": abi}))
    engine, line = choose_engine(Settings(), SystemClock())
    assert engine.name == "aiortc"
    assert said in line
    with pytest.raises(SettingsError, match="ABI"):
        choose_engine(Settings(media_engine="native"), SystemClock())


def test_a_missing_or_broken_module_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ModuleType:
        raise ModuleNotFoundError(name)

    def broken(name: str) -> ModuleType:
        raise ImportError("GLIBC_2.38 not found")

    monkeypatch.setattr(choose.importlib, "import_module", missing)
    assert choose_engine(Settings(), SystemClock())[1].endswith("(streamserver_native is not installed)")
    monkeypatch.setattr(choose.importlib, "import_module", broken)
    assert "GLIBC" in choose_engine(Settings(), SystemClock())[1]


def test_native_is_there_where_it_is_required() -> None:
    if os.environ.get("STREAMSERVER_REQUIRE_NATIVE") == "1":
        assert native_problem() is None


def test_the_stub_says_what_the_module_is() -> None:
    problem = native_problem()
    if problem is not None:
        pytest.skip(problem)
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", NATIVE_MODULE],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
