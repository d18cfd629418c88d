"""What leaves the report: JSON keys as docs/metrics.md promises them, CSV that runs nothing, the signature."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from commerce_overlay.report import ReportSettings
from commerce_overlay.report_csv import HEADER, to_csv
from commerce_overlay.report_rows import (
    Click,
    Impression,
    LiveInterval,
    Order,
    OrderLine,
    ReportRows,
    WatchSession,
    rows_sha256,
)
from commerce_overlay.report_words import WORDS
from tests.support.report_rows import EMPTY, MINUTE, T0, baselines_of, report_of
from tests.unit.report.test_report_known import ROWS

DOC = Path(__file__).parents[3] / "docs" / "metrics.md"
SETTINGS = ReportSettings(min_buyers=1, resamples=100)
LINES = ("b,gmv_paid,view,1,2,3,CNY,C", "d,gmv_paid,view,1,2,3,CNY,D")


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(keys_of(one) for one in value.values()))
    if isinstance(value, list):
        return set().union(*(keys_of(one) for one in value))
    return set()


def test_every_key_of_the_json_is_in_the_document() -> None:
    built = report_of(ROWS, settings=SETTINGS, baselines=baselines_of(*LINES)).to_json()
    words = set(re.findall(r"\w+", DOC.read_text(encoding="utf-8")))
    assert keys_of(built) - words == set()
    assert list(orjson.loads(orjson.dumps(built))) == list(built)


def test_every_message_key_is_in_the_document() -> None:
    text = DOC.read_text(encoding="utf-8")
    for key in WORDS:
        head, _, tail = key.partition(".")
        assert re.search(rf"`{head}\.[a-z_|]*\b{tail}\b", text), key


def rows_of_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def test_csv_is_one_rectangular_table_with_the_report_s_figures() -> None:
    text = to_csv(report_of(ROWS, settings=SETTINGS, baselines=baselines_of(*LINES)))
    assert "\n" not in text.replace("\r\n", "")
    rows = rows_of_csv(text)
    assert tuple(rows[0]) == HEADER
    assert {len(row) for row in rows} == {len(HEADER)}
    figures = {(row[0], row[1], row[2]): row for row in rows}
    assert figures["money", "", "gmv_paid"][3] == "135.88"
    assert figures["money", "", "gmv_net"][7] == "CNY"
    assert figures["product", "cream", "gmv_net"][3] == "91.88"
    assert float(figures["ratio", "", "aov"][3]) == pytest.approx(135.88 / 3)
    assert figures["attribution", "24 h", "orders"][3] == "4"
    assert figures["minute_by_order_time", "2023-11-14T22:19:00.000Z", "gmv_paid"][3] == "19.00"
    assert figures["comparison", "d", "gmv_paid"][7] == "quoted"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_runs_as_a_formula(start: str) -> None:
    evil = start + "cmd|' /C calc'!A0, \"x\""
    rows = ReportRows(
        sessions=[WatchSession("v", T0, T0 + MINUTE)],
        impressions=[Impression("v", evil, "s", evil, T0)],
        clicks=[Click("k", "v", evil, "s", T0, evil)],
        orders=[Order("o", "v", "s", "k", "CNY", (OrderLine(evil, 1, 100),), T0, T0)],
    )
    table = rows_of_csv(to_csv(report_of(rows, settings=SETTINGS)))
    assert any(row[1] == "'" + evil for row in table)
    assert not [cell for row in table for cell in row if cell.startswith(start) and not re.fullmatch(r"-?[\d.]+", cell)]


def test_the_rows_hash_is_what_the_document_says() -> None:
    """Anyone can reckon it with a JSON writer and sha256sum."""
    rows = [
        Click("k1", "ann", "lip", "glow", 5, "c1"),
        LiveInterval(1, 2),
        Order("o1", None, "glow", "k1", "CNY", (OrderLine("lip", 2, 1000, 100),), 7, 8),
    ]
    by_hand = [
        '["click","k1","ann","lip","glow",5,"c1","live"]\n',
        '["live",1,2]\n',
        '["order","o1",null,"glow","k1","CNY",[["lip",2,1000,100]],7,8,null,null]\n',
    ]
    expected = hashlib.sha256("".join(sorted(by_hand)).encode()).hexdigest()
    assert rows_sha256(rows) == rows_sha256(rows[1:], rows[:1]) == expected


def test_the_signature_minds_everything_a_figure_depends_on() -> None:
    def signature(rows: ReportRows = ROWS, **changes: Any) -> str:
        return report_of(rows, **{"settings": SETTINGS, **changes}).trust.signature

    first = signature()
    assert signature() == first
    more_clicks = msgspec.structs.replace(ROWS, clicks=[*ROWS.clicks, Click("k9", "eve", "lip", "glow", T0)])
    dearer = msgspec.structs.replace(
        ROWS,
        orders=[*ROWS.orders[1:], msgspec.structs.replace(ROWS.orders[0], lines=(OrderLine("lip", 2, 1001, 100),))],
    )
    others = [
        signature(more_clicks),
        signature(dearer),
        signature(settings=ReportSettings(min_buyers=2, resamples=100)),
        signature(baselines=baselines_of(*LINES)),
        signature(as_of_ms=T0 + 99 * MINUTE),
    ]
    assert len({first, *others}) == len(others) + 1


def test_a_report_becomes_a_past_room() -> None:
    built = report_of(ROWS, settings=SETTINGS)
    past = built.to_history()
    assert past.values["uv_value"] == built.ratios["uv_value"].value
    assert "gpm_impression" in past.values
    few = report_of(ROWS, baselines=EMPTY).to_history()
    assert set(few.values) == {"ctr_pv", "ctr_uv"}
