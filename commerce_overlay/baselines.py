"""Industry figures a room is compared with: reading the file an operator can edit, and the refusals.

Pure; `commerce_overlay.baselines_file` does the reading. It knows metric, denominator and currency as words; what
the room's own figures are worth it does not know.
"""

from __future__ import annotations

import csv
import hashlib
import math
import re
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from commerce_overlay.report_rows import ReportError

COLUMNS = (
    "id",
    "metric",
    "denominator",
    "low",
    "value",
    "high",
    "unit",
    "region",
    "channel",
    "year",
    "source",
    "basis",
    "confidence",
    "note",
)
Confidence = Literal["A", "B", "C", "D"]
TARGET_METRIC = "value_per_user_ratio"
"""The metric of the row that states the target band; it is quoted beside the verdict, never compared."""

_MONEY = re.compile(r"([A-Z]{3})(?: per 1000)?\Z")
_PLAIN_UNITS = ("share", "ratio")
MAX_BYTES = 1_000_000


class BadBaselines(ReportError):
    """The baselines file cannot be read; nothing of it is used."""


class Baseline(Struct, frozen=True):
    """One published figure. `currency` is None for shares and ratios; missing bounds are None."""

    id: str
    metric: str
    denominator: str
    low: float | None
    value: float | None
    high: float | None
    unit: str
    currency: str | None
    region: str
    channel: str
    year: str
    source: str
    basis: str
    confidence: Confidence
    note: str

    @property
    def centre(self) -> float | None:
        """The published value, else the geometric mean of its positive bounds, else None."""
        if self.value is not None:
            return self.value
        if self.low is not None and self.high is not None and self.low > 0:
            return math.sqrt(self.low * self.high)
        return None


class Baselines(Struct, frozen=True):
    """The rows of one file, in its order. `version` changes whenever the file does."""

    version: str
    rows: tuple[Baseline, ...]

    def find(self, baseline_id: str) -> Baseline | None:
        return next((row for row in self.rows if row.id == baseline_id), None)


def parse_baselines(content: bytes, name: str = "baselines.csv") -> Baselines:
    """Parse UTF-8 CSV with the header `COLUMNS`. Raises BadBaselines naming line and column.

    `version` is `sha256:` and the first 16 hex digits of the hash of the content.
    """
    if len(content) > MAX_BYTES:
        raise BadBaselines(f"is larger than {MAX_BYTES} bytes", name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadBaselines(f"is not UTF-8 at byte {error.start}", name) from error
    reader = csv.reader((line + "\n" for line in text.split("\n")), strict=True)
    rows: list[Baseline] = []
    seen: set[str] = set()
    try:
        header = next(reader, None)
        if header is None or tuple(header) != COLUMNS:
            raise BadBaselines(f"header must be {','.join(COLUMNS)}", f"{name} line 1")
        for cells in reader:
            if not cells:
                continue
            where = f"{name} line {reader.line_num}"
            row = _row(cells, where)
            if row.id in seen:
                raise BadBaselines(f"id {row.id!r} appears twice", where)
            seen.add(row.id)
            rows.append(row)
    except csv.Error as error:
        raise BadBaselines(str(error), f"{name} line {reader.line_num}") from error
    return Baselines("sha256:" + hashlib.sha256(content).hexdigest()[:16], tuple(rows))


def _row(cells: Sequence[str], where: str) -> Baseline:
    if len(cells) != len(COLUMNS):
        raise BadBaselines(f"has {len(cells)} cells, not {len(COLUMNS)}", where)
    cell = dict(zip(COLUMNS, (one.strip() for one in cells), strict=True))
    for column in ("id", "metric", "denominator", "unit"):
        if not cell[column]:
            raise BadBaselines("is empty", f"{where} column {column}")
    low, value, high = (_number(cell[column], f"{where} column {column}") for column in ("low", "value", "high"))
    known = [one for one in (low, value, high) if one is not None]
    if known != sorted(known):
        raise BadBaselines("low, value and high do not ascend", where)
    money = _MONEY.match(cell["unit"])
    if money is None and cell["unit"] not in _PLAIN_UNITS:
        raise BadBaselines(
            f"unit {cell['unit']!r} is neither share, ratio nor a currency (optionally 'per 1000')",
            f"{where} column unit",
        )
    return Baseline(
        id=cell["id"],
        metric=cell["metric"],
        denominator=cell["denominator"],
        low=low,
        value=value,
        high=high,
        unit=cell["unit"],
        currency=money.group(1) if money else None,
        region=cell["region"],
        channel=cell["channel"],
        year=cell["year"],
        source=cell["source"],
        basis=cell["basis"],
        confidence=_confidence(cell["confidence"], where),
        note=cell["note"],
    )


def _number(text: str, where: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError as error:
        raise BadBaselines(f"{text!r} is not a number", where) from error
    if not math.isfinite(number) or number < 0:
        raise BadBaselines(f"{text!r} is not a finite number of at least 0", where)
    return number


def _confidence(text: str, where: str) -> Confidence:
    if text == "A" or text == "B" or text == "C" or text == "D":
        return text
    raise BadBaselines(f"{text!r} is not one of A, B, C, D", f"{where} column confidence")
