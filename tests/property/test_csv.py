"""A seller's file: the bad rows are named, the good ones are offered, and no bytes at all make it fall
over."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_overlay.catalog_csv import MAX_ROWS, read_csv
from commerce_overlay.money import Money

HEADER = "id,title,price,stock"


def problems(text: str) -> list[tuple[int, str, str]]:
    return [(each.row, each.column, each.code) for each in read_csv(text).problems]


def test_bad_rows_are_named_and_the_rest_is_offered() -> None:
    found = read_csv(
        "id,title,description,price,stock,commission\n"
        "A,Tea,nice,12.00 USD,5,10%\n"
        "B,,nice,12.00 USD,5,\n"
        "C,Cup,nice,12.001 USD,five,\n"
        "\n"
        "A,Again,nice,1.00 USD,1,\n"
        'D,Pot,"two\nlines, quoted",30.00 USD,2,5%\n'
    )
    assert [(row, draft.sku) for row, draft in found.drafts] == [(1, "A"), (6, "D")]
    assert found.rows == 5
    assert [(each.row, each.column, each.code) for each in found.problems] == [
        (2, "title", "missing"),
        (3, "stock", "bad_stock"),
        (3, "price", "bad_decimals"),
        (5, "id", "duplicate_id"),
    ]
    assert found.drafts[1][1].description == "two\nlines, quoted"
    assert found.inputs[0].price == "12.00 USD"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, "", "empty_file")),
        ("id,title,price\nA,Tea,1 USD\n", (0, "stock", "missing_column")),
        (f"{HEADER},id\nA,Tea,1 USD,1,B\n", (0, "id", "duplicate_column")),
        (f"{HEADER},prcie\nA,Tea,1 USD,1,2\n", (0, "prcie", "unknown_column")),
        (f"{HEADER}\nA,Tea,1 USD,1,extra\n", (1, "", "too_many_cells")),
        (f'{HEADER}\n"A,Tea,1 USD,1\n', (1, "", "bad_csv")),
        (f"{HEADER}\nA,Tea,1 USD,-1\n", (1, "stock", "bad_stock")),
        (f"{HEADER}\nA,Tea,1 USD,1.5\n", (1, "stock", "bad_stock")),
        (f"{HEADER}\nA,Tea,1 USD,1e3\n", (1, "stock", "bad_stock")),
        (f"{HEADER}\nA,Tea,1 USD,\n", (1, "stock", "missing")),
        (f"{HEADER}\nA,Tea\n", (1, "price", "missing")),
        (f"{HEADER}\nA,{'x' * 200_000},1 USD,1\n", (1, "", "bad_csv")),
    ],
)
def test_each_fault_of_a_file_is_named(text: str, expected: tuple[int, str, str]) -> None:
    assert expected in problems(text)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_what_spreadsheets_save_is_read(delimiter: str, newline: str) -> None:
    text = newline.join((delimiter.join(HEADER.split(",")), delimiter.join(("A", "Tea", "1.00 USD", "1")), ""))
    found = read_csv("\ufeff" + text)
    assert found.problems == () and found.drafts[0][1].price == Money(100, "USD")


def test_columns_of_the_feed_that_have_no_use_here_are_passed_over() -> None:
    assert problems(f"{HEADER},availability,google_product_category\nA,Tea,1 USD,1,in stock,99\n") == []


def test_a_file_has_a_greatest_number_of_rows() -> None:
    rows = "".join(f"S{i},Tea,1 USD,1\n" for i in range(MAX_ROWS + 1))
    found = read_csv(f"{HEADER}\n{rows}")
    assert len(found.drafts) == MAX_ROWS and found.problems[-1].code == "too_many_rows"


cells = st.text(st.characters(codec="utf-8"), max_size=12)


@given(st.lists(st.lists(cells, max_size=7), max_size=8), st.sampled_from((HEADER, f"{HEADER},brand,commission")))
def test_any_table_is_read_or_refused_by_row(table: list[list[str]], header: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([header.split(","), *table])
    found = read_csv(out.getvalue())
    bad_rows = {problem.row for problem in found.problems}
    assert not bad_rows & {row for row, _ in found.drafts}
    assert len(found.drafts) <= found.rows <= len(table) + 1


@given(st.text(max_size=400))
def test_no_text_makes_the_reader_raise(text: str) -> None:
    read_csv(text)
    read_csv(f"{HEADER}\n{text}")
