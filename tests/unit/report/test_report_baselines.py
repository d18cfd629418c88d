"""Reading the baselines file: what is in the shipped one, and every way an edited one can be wrong."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from commerce_overlay.baselines import COLUMNS, BadBaselines, parse_baselines
from commerce_overlay.baselines_file import SHIPPED, read_baselines

HEADER = ",".join(COLUMNS)
GOOD = "b,aov,paid order,1,2,3,USD,US,all,2024,src,basis,C,note"


def test_the_shipped_file() -> None:
    found = read_baselines()
    with SHIPPED.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [one.id for one in found.rows] == [row["id"] for row in rows]
    default = found.find("cn_gmv_per_view")
    assert default is not None
    assert (default.low, default.value, default.high, default.currency) == (1.3, 2.0, 3.3, "CNY")
    thousand = found.find("cn_apparel_gpm_growth")
    assert thousand is not None
    assert (thousand.currency, thousand.unit) == ("CNY", "CNY per 1000")
    assert thousand.centre == pytest.approx((1500 * 3000) ** 0.5)
    assert found.find("nobody") is None


def test_the_version_changes_with_any_byte() -> None:
    one = parse_baselines(f"{HEADER}\n{GOOD}\n".encode())
    assert parse_baselines(f"{HEADER}\n{GOOD}\n".encode()).version == one.version
    assert parse_baselines(f"{HEADER}\n{GOOD}.\n".encode()).version != one.version


def test_quoted_cells_line_ends_and_a_byte_order_mark_are_read() -> None:
    text = f'\ufeff{HEADER}\r\n{GOOD[:-4]}"two\r\nlines, with \u2028 and comma"\r\n\r\n'
    found = parse_baselines(text.encode())
    assert found.rows[0].note == "two\r\nlines, with \u2028 and comma"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: header must be"),
        (b"a,b\n", "line 1: header must be"),
        (b"\xff\xfe", "is not UTF-8 at byte 0"),
        (f"{HEADER}\nb,aov\n".encode(), "line 2: has 2 cells, not 14"),
        (f"{HEADER}\n{GOOD}\n{GOOD}\n".encode(), "line 3: id 'b' appears twice"),
        (f"{HEADER}\n{GOOD.replace('aov', '')}\n".encode(), "line 2 column metric: is empty"),
        (f"{HEADER}\n{GOOD.replace('1,2,3', '1,two,3')}\n".encode(), "line 2 column value: 'two' is not a number"),
        (f"{HEADER}\n{GOOD.replace('1,2,3', '1,nan,3')}\n".encode(), "column value: 'nan' is not a finite number"),
        (f"{HEADER}\n{GOOD.replace('1,2,3', '-1,2,3')}\n".encode(), "column low: '-1' is not a finite number"),
        (f"{HEADER}\n{GOOD.replace('1,2,3', '3,2,1')}\n".encode(), "line 2: low, value and high do not ascend"),
        (f"{HEADER}\n{GOOD.replace('USD', 'dollars')}\n".encode(), "column unit: unit 'dollars' is neither"),
        (f"{HEADER}\n{GOOD.replace(',C,', ',E,')}\n".encode(), "column confidence: 'E' is not one of"),
        (f'{HEADER}\n{GOOD}"x"y"\n'.encode(), "line 2"),
        (b"x" * 1_000_001, "is larger than"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(content: bytes, message: str) -> None:
    if content.endswith(b'"x"y"\n'):
        content = content.replace(b'note"x"y"', b'"x"y"')
    with pytest.raises(BadBaselines) as caught:
        parse_baselines(content, "mine.csv")
    assert message in str(caught.value)
    assert caught.value.where.startswith("mine.csv")


def test_an_operator_s_own_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(f"{HEADER}\n{GOOD}\n", encoding="utf-8")
    assert [one.id for one in read_baselines(path).rows] == ["b"]
    with pytest.raises(FileNotFoundError):
        read_baselines(tmp_path / "none.csv")
