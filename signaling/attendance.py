"""Who is in a room, counted exactly: distinct viewers now, and the greatest number at once.

Pure. A viewer with several members counts once and leaves with the last of them.
"""

from __future__ import annotations

from collections import Counter

from streamserver.ids import ShowId, ViewerId


class Attendance:
    """One room's. Callers keep those out whose traffic is excluded."""

    __slots__ = ("_members", "peak", "show")

    def __init__(self) -> None:
        self._members: Counter[ViewerId] = Counter()
        self.peak = 0
        """Greatest number of viewers at once in the current show, as far as this process saw it."""
        self.show: ShowId | None = None

    @property
    def viewers(self) -> int:
        return len(self._members)

    def entered(self, viewer_id: ViewerId) -> bool:
        """True when the viewer was not there before."""
        self._members[viewer_id] += 1
        self.peak = max(self.peak, self.viewers)
        return self._members[viewer_id] == 1

    def left(self, viewer_id: ViewerId) -> bool:
        """True when this was the viewer's last member. One that never entered changes nothing."""
        if viewer_id not in self._members:
            return False
        self._members[viewer_id] -= 1
        if self._members[viewer_id] > 0:
            return False
        del self._members[viewer_id]
        return True

    def show_is(self, show: ShowId | None) -> bool:
        """Counts the peak anew when another show began; True then."""
        if show == self.show:
            return False
        self.show = show
        self.peak = self.viewers
        return True
