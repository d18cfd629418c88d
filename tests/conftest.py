"""What every test shares: the Chromium to drive, and the count of browser tests that did not run.

Knows nothing of the server; fixtures of one part live beside its tests or in tests/support.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# No deadline: two noisy cores make any time limit per example a coin toss. In CI the examples are always
# the same ones, so that a red run means the change and not the dice.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, print_blob=True
)
settings.load_profile("ci" if os.environ.get("CI") else "local")

_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_browser_skips: dict[str, str] = {}


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium. `./run test` names one in STREAMSERVER_CHROMIUM; plain pytest looks on the path."""
    named = os.environ.get("STREAMSERVER_CHROMIUM")
    for name in (named,) if named else _CHROMIUM_NAMES:
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium on this machine")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("browser"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _browser_skips[item.nodeid] = reason
        if os.environ.get("STREAMSERVER_REQUIRE_BROWSER") == "1":
            report.outcome = "failed"
            report.longrepr = f"a browser test was skipped, and STREAMSERVER_REQUIRE_BROWSER=1: {reason}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _browser_skips:
        terminalreporter.section(f"{len(_browser_skips)} BROWSER TESTS DID NOT RUN", sep="!", red=True)
        for nodeid, reason in _browser_skips.items():
            terminalreporter.write_line(f"{nodeid}: {reason}")
