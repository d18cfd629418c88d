"""The last lines of a room, as a joiner gets them.

Pure. Knows nothing of who may speak or where lines are stored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from streamserver.ids import LineId
from streamserver.wire_shapes import Line

KEPT: Final = 50
"""Lines a joiner gets."""


class Timeline:
    """At most `kept` lines, oldest first; an id is there once."""

    def __init__(self, lines: Iterable[Line] = (), *, kept: int = KEPT) -> None:
        self._kept = kept
        self._lines: OrderedDict[str, Line] = OrderedDict()
        for line in lines:
            self.add(line)

    def add(self, line: Line) -> bool:
        """False, and nothing changed, when the line is there already."""
        if line.id in self._lines:
            return False
        self._lines[line.id] = line
        if len(self._lines) > self._kept:
            self._lines.popitem(last=False)
        return True

    def remove(self, line_id: str) -> Line | None:
        return self._lines.pop(line_id, None)

    def find(self, line_id: str) -> Line | None:
        return self._lines.get(line_id)

    def lines(self) -> list[Line]:
        return list(self._lines.values())


class LineIds:
    """Ids that ascend also within a millisecond and when the clock steps back, so that they order the lines.

    `made` is an id made from the present time; the answer is it, or the id after the last one.
    """

    def __init__(self, last: str = "") -> None:
        self._last = last

    def next(self, made: str) -> LineId:
        self._last = made if made > self._last else _after(self._last)
        return LineId(self._last)


_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def _after(id: str) -> str:
    """The next id of the same length in Crockford's base 32."""
    digits = list(id)
    for place in range(len(digits) - 1, -1, -1):
        value = _DIGITS.index(digits[place]) + 1
        if value < len(_DIGITS):
            digits[place] = _DIGITS[value]
            break
        digits[place] = _DIGITS[0]
    return "".join(digits)
