"""Where the baselines file lies and reading it. Knows no report; the meaning of a row is `baselines`' part."""

from __future__ import annotations

from pathlib import Path

import config
from commerce_overlay.baselines import MAX_BYTES, Baselines, parse_baselines

SHIPPED = Path(config.__file__).with_name("baselines.csv")
"""The starting set that comes with the program."""


def read_baselines(path: Path = SHIPPED) -> Baselines:
    """Read the file. Raises BadBaselines naming line and column, OSError where it cannot be read."""
    with path.open("rb") as file:
        return parse_baselines(file.read(MAX_BYTES + 1), path.name)
