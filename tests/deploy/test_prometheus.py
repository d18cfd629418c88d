"""Metric names, alert rules and the dashboard, checked by promtool and against a server that really exports them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.test_samples import DEPLOY, program
from tests.support.server import Running, running_server

PROMETHEUS = DEPLOY / "prometheus"
ALERTS = (PROMETHEUS / "alerts.yml").read_text(encoding="utf-8")
CASES = (PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "streamserver.json").read_text(encoding="utf-8"))

# Names by which Prometheus itself answers; every other name must be one of ours.
PROMETHEUS_OWN = {"up"}
WORDS = {
    *("sum", "by", "rate", "increase", "deriv", "histogram_quantile", "and", "or", "unless", "max", "min", "avg"),
    *("clamp_min", "on", "ignoring", "group_left"),
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_server(tmp_path, metrics_public=True) as running:
        yield running


def promtool(*arguments: str, folder: Path = PROMETHEUS, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("promtool"), *arguments],
        cwd=folder,
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def alert_names() -> list[str]:
    return re.findall(r"- alert: (\w+)", ALERTS)


def expressions() -> list[str]:
    """Every expression of the alerts and of the dashboard."""
    alerts = re.findall(r"expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)", ALERTS)
    assert len(alerts) == len(alert_names())
    panels = [panel for row in DASHBOARD["panels"] for panel in (row, *row.get("panels", []))]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert shown
    return [block or line for block, line in alerts] + shown


def names_in(expression: str) -> set[str]:
    """The metrics that an expression reads: its words less functions, labels, texts and durations."""
    bare = re.sub(r"\{[^}]*\}|\"[^\"]*\"|\[[^\]]*\]|\b[\d.]+(e\d+)?[a-z]?\b", " ", expression)
    bare = re.sub(r"\b(by|on|ignoring|without)\s*\([^)]*\)", " ", bare)
    return set(re.findall(r"[a-z_]{2,}", bare)) - WORDS


async def exported(running: Running) -> set[str]:
    """Every name that a query can find, those without a sample yet included."""
    names: set[str] = set()
    for family in running.server.metrics.registry.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {family.name + suffix for suffix in suffixes}
    return names


def test_promtool_takes_rules_and_configuration() -> None:
    for arguments in (("check", "rules", "alerts.yml"), ("check", "config", "prometheus.yml")):
        done = promtool(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_once_and_stays_silent_once() -> None:
    done = promtool("test", "rules", "alerts_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_both_cases() -> None:
    cases = re.findall(r"alertname: (\w+)\n +exp_alerts:( \[\])?", CASES)
    firing = sorted(name for name, empty in cases if not empty)
    silent = sorted(name for name, empty in cases if empty)
    assert firing == silent == sorted(alert_names())


def test_every_alert_with_its_comparison_turned_round_fails_its_cases(tmp_path: Path) -> None:
    opposite = {"==": " != ", ">=": " < ", ">": " < "}
    rules = [
        re.sub(r" (==|>=|>) (?=[\d.])", lambda found: opposite[found[1]], line)
        for line in ALERTS.splitlines(keepends=True)
    ]
    (tmp_path / "alerts.yml").write_text("".join(rules), encoding="utf-8")
    (tmp_path / "alerts_test.yml").write_text(CASES, encoding="utf-8")
    done = promtool("test", "rules", "alerts_test.yml", folder=tmp_path)
    assert done.returncode != 0
    failed = set(re.findall(r"alertname: ?(\w+)", done.stdout + done.stderr))
    assert failed == set(alert_names())


def test_promtool_can_read_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": text.replace("$__rate_interval", "5m").replace("$instance", ".*")}
        for number, text in enumerate(expressions())
    ]
    # JSON is YAML.
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    done = promtool("check", "rules", "rules.yml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_promtool_finds_nothing_wrong_with_the_metrics(server: Running) -> None:
    async with server.client.get("/metrics") as answer:
        text = await answer.text()
    done = promtool("check", "metrics", said=text)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout + done.stderr == ""


async def test_every_expression_names_an_exported_metric(server: Running) -> None:
    known = await exported(server) | PROMETHEUS_OWN
    read = {name for expression in expressions() for name in names_in(expression)}
    assert read - known == set()


def test_a_wrong_name_in_an_expression_would_be_seen() -> None:
    expression = 'sum by (instance) (rate(streamserver_ordres_total{event="paid"}[5m])) > 0.5'
    assert names_in(expression) == {"streamserver_ordres_total"}


def test_the_dashboard_is_whole() -> None:
    panels = DASHBOARD["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    for panel in panels:
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["targets"]
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
