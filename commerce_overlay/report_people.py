"""Everybody of one report as row numbers, so that counting people is arithmetic on arrays.

Pure; numpy only. It knows who did something, not what it was worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from commerce_overlay.report_fold import Fold
from commerce_overlay.stats import Ints


class People:
    """Row numbers of everybody who viewed, saw, clicked or bought, in the order of their ids.

    Somebody who bought without a view has a row too: the money is the room's, and the formulae say so.
    """

    def __init__(self, fold: Fold, views: Mapping[str, int]) -> None:
        impressed = [one.viewer for one in fold.impressions]
        hub = [one.viewer for one in fold.hub_impressions]
        clicking = [one.viewer for one in fold.clicks]
        buying = [sale.buyer for sale in fold.sales]
        self.names: Sequence[str] = sorted({*views, *impressed, *hub, *clicking, *buying})
        row_of = {name: row for row, name in enumerate(self.names)}
        self.viewing = rows(views, row_of)
        self.impressed = rows(impressed, row_of)
        self.hub = rows(hub, row_of)
        self.clicking = rows(clicking, row_of)
        self.buying = rows(buying, row_of)


def rows(names: Iterable[str], row_of: Mapping[str, int]) -> Ints:
    """The row of each name."""
    return np.array([row_of[name] for name in names], dtype=np.int64)


def count_people(items: Sequence[str], people: Ints) -> dict[str, tuple[int, int]]:
    """For each item how often it occurs in `items`, and with how many different `people` beside it."""
    if not items:
        return {}
    names = sorted(set(items))
    at = rows(items, {name: row for row, name in enumerate(names)})
    times = np.bincount(at, minlength=len(names))
    distinct = np.unique(people * len(names) + at) % len(names)
    persons = np.bincount(distinct, minlength=len(names))
    return {name: (int(times[row]), int(persons[row])) for row, name in enumerate(names)}
