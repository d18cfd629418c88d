"""A seller's CSV file read into products, with every problem named by row and column.
Pure: it takes text and returns values; what is already in the pool and what gets stored is the service's
matter.

Columns carry Google's product feed names. Columns of that feed which nothing here uses are passed over in
silence; any other unknown name is reported in row 0 (the header), because it is usually a typing error."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

import msgspec

from streamserver.wire_shapes import ImportProblem, ProductInput

from .catalog import Draft, check

MAX_ROWS = 10_000
MAX_BYTES = 5_000_000
MAX_PROBLEMS = 200
"""Problems that are told; the number of valid rows says how many there are beyond."""
NEEDED = ("id", "title", "price", "stock")
KNOWN = tuple(field.name for field in msgspec.structs.fields(ProductInput))
# Names of the feed's specification that many files carry and a livestream has no use for.
_PASSED_OVER = """
availability availability_date additional_image_link mobile_link google_product_category product_type
identifier_exists gender age_group material pattern size_type size_system shipping shipping_weight tax adult
multipack is_bundle cost_of_goods_sold expiration_date unit_pricing_measure unit_pricing_base_measure
custom_label_0 custom_label_1 custom_label_2 custom_label_3 custom_label_4
"""
PASSED_OVER = frozenset(_PASSED_OVER.split())
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Imported:
    """`rows` counts data rows that are not blank; `drafts` are the valid ones with their row numbers.

    `fields` are the product fields that the file has a column for."""

    rows: int
    drafts: tuple[tuple[int, Draft], ...]
    inputs: tuple[ProductInput, ...]
    problems: tuple[ImportProblem, ...]
    fields: frozenset[str] = frozenset()


def read_csv(text: str) -> Imported:
    """Reads a whole file (comma, semicolon or tab). Never raises: what is wrong is in `problems`."""
    problems: list[ImportProblem] = []
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    reader = csv.reader((line + "\n" for line in lines), delimiter=_delimiter(text), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader)]
    except (StopIteration, csv.Error):
        header = []
    if not any(header):
        message = "the file has no header row"
        return Imported(0, (), (), (ImportProblem(row=0, column="", code="empty_file", message=message),))
    problems += _header_problems(header)
    if any(problem.code in ("missing_column", "duplicate_column") for problem in problems):
        return Imported(0, (), (), tuple(problems))
    rows, number = 0, 0
    drafts: list[tuple[int, Draft]] = []
    inputs: list[ProductInput] = []
    first_row: dict[str, int] = {}
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as exc:
            # After a broken quote the reader cannot tell where the next row begins.
            rows += 1
            problems.append(ImportProblem(row=number, column="", code="bad_csv", message=f"not valid CSV: {exc}"))
            break
        if not any(cell.strip() for cell in cells):
            continue
        rows += 1
        if rows > MAX_ROWS:
            message = f"a file has at most {MAX_ROWS} rows"
            problems.append(ImportProblem(row=number, column="", code="too_many_rows", message=message))
            break
        found = _row(number, header, cells)
        if isinstance(found, list):
            problems += found
            continue
        given, draft = found
        if draft.sku in first_row:
            message = f"row {first_row[draft.sku]} has the same id"
            problems.append(ImportProblem(row=number, column="id", code="duplicate_id", message=message))
            continue
        first_row[draft.sku] = number
        drafts.append((number, draft))
        inputs.append(given)
    return Imported(rows, tuple(drafts), tuple(inputs), tuple(problems[:MAX_PROBLEMS]), frozenset(header) & set(KNOWN))


def _delimiter(text: str) -> str:
    line = text[:4096].partition("\n")[0]
    return max(",;\t", key=line.count)


def _header_problems(header: list[str]) -> list[ImportProblem]:
    out: list[ImportProblem] = []
    for name in NEEDED:
        if name not in header:
            out.append(
                ImportProblem(row=0, column=name, code="missing_column", message=f"the column {name} is missing")
            )
    for i, name in enumerate(header):
        if name and name in header[:i]:
            out.append(
                ImportProblem(row=0, column=name[:64], code="duplicate_column", message="the column appears twice")
            )
        elif name not in KNOWN and name not in PASSED_OVER:
            message = "no product field has this name; the column is not read"
            out.append(ImportProblem(row=0, column=name[:64], code="unknown_column", message=message))
    return out


def _row(number: int, header: list[str], cells: list[str]) -> tuple[ProductInput, Draft] | list[ImportProblem]:
    if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
        message = f"the row has {len(cells)} cells, the header {len(header)}"
        return [ImportProblem(row=number, column="", code="too_many_cells", message=message)]
    values = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name in KNOWN and cell.strip()}
    problems: list[ImportProblem] = []
    stock = values.pop("stock", "")
    if not _WHOLE.fullmatch(stock):
        code, message = (
            ("bad_stock", f"{stock[:16]!r} is not a whole number") if stock else ("missing", "stock is missing")
        )
        problems.append(ImportProblem(row=number, column="stock", code=code, message=message))
        stock = "0"
    for name in ("id", "title", "price"):
        if name not in values:
            problems.append(ImportProblem(row=number, column=name, code="missing", message=f"{name} is missing"))
    filled = {"id": "", "title": "", "price": "", **values}
    given = ProductInput(stock=int(stock), **filled)
    result = check(given)
    named = {problem.column for problem in problems}
    if isinstance(result, list):
        problems += [
            ImportProblem(row=number, column=each.column, code=each.code, message=each.message)
            for each in result
            if each.column not in named
        ]
    if problems or isinstance(result, list):
        return problems
    return given, result
