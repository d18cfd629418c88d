"""The engines that the tests run on, by name, and what becomes of a test whose engine is not built here."""

from __future__ import annotations

import os
from typing import Final

import pytest

from streamserver.media.aiortc_engine import AiortcEngine
from streamserver.media.choose import native_problem
from streamserver.media.engine import EngineConfig
from streamserver.media.native_engine import NativeEngine

NAMES: Final = ("aiortc", "native")
Engine = AiortcEngine | NativeEngine


def need(name: str) -> str:
    """The name again. Skips the test where that engine is not built, which in CI is a failure."""
    problem = native_problem() if name == "native" else None
    if problem is not None:
        if os.environ.get("STREAMSERVER_REQUIRE_NATIVE") == "1":
            pytest.fail(f"STREAMSERVER_REQUIRE_NATIVE=1: {problem}")
        pytest.skip(problem)
    return name


def make_engine(name: str, config: EngineConfig) -> Engine:
    return NativeEngine(config) if name == "native" else AiortcEngine(config)
