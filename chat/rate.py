"""How much may be said: token buckets per viewer and per room.

Pure: the time (monotonic seconds) is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from streamserver.buckets import Bucket, Buckets, Rate

VIEWER_LINES: Final = Rate(burst=5, per_s=1.0)
STAFF_LINES: Final = Rate(burst=20, per_s=5.0)
ROOM_LINES: Final = Rate(burst=400, per_s=200.0)
VIEWER_LIKES: Final = Rate(burst=100, per_s=20.0)
VIEWER_NAMES: Final = Rate(burst=3, per_s=3 / 60)
_KEYS: Final = 20_000
"""Viewers remembered per room."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Too fast: `whose` limit it was, and the seconds until it can be tried again."""

    whose: Literal["viewer", "room"]
    seconds: float


class ChatRate:
    """One room's."""

    def __init__(self, now: float) -> None:
        self._viewers: Buckets[str] = Buckets(VIEWER_LINES, _KEYS)
        self._staff: Buckets[str] = Buckets(STAFF_LINES, _KEYS)
        self._likes: Buckets[str] = Buckets(VIEWER_LIKES, _KEYS)
        self._names: Buckets[str] = Buckets(VIEWER_NAMES, _KEYS)
        self._room = Bucket(ROOM_LINES, now)

    def line(self, viewer_id: str, now: float, *, staff: bool) -> Wait | None:
        """None when the line may be said. The room's limit never holds staff back."""
        own = (self._staff if staff else self._viewers).of(viewer_id, now)
        if (wait := own.take(now)) > 0:
            return Wait("viewer", wait)
        if not staff and (wait := self._room.take(now)) > 0:
            own.give_back()
            return Wait("room", wait)
        return None

    def likes(self, viewer_id: str, n: int, now: float) -> int:
        """How many of `n` likes count; the rest is dropped without a word."""
        bucket = self._likes.of(viewer_id, now)
        return n if bucket.take(now, n) == 0 else 0

    def name(self, viewer_id: str, now: float) -> Wait | None:
        wait = self._names.of(viewer_id, now).take(now)
        return Wait("viewer", wait) if wait > 0 else None
