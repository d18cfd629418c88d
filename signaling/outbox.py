"""What a slow reader gets: the bounded outbox of one member, as decisions.

Pure: the bytes still unsent and the time are arguments. Two stated invariants: the positions of what is written
ascend, and everything but chat and purchase lines arrives, conflated to its latest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET

from streamserver.positions import Position
from streamserver.wire import AnyRoomEvent, NumbersFrame, ServerFrame, TickFrame

SOFT_BYTES: Final = 64 * 1024
"""From here on chat is dropped and tick state conflated."""
HARD_BYTES: Final = 256 * 1024
"""From here on the connection is closed as slow."""
STALL_S: Final = 10.0
"""So long may bytes wait without a single one being taken."""
MAX_DELETED: Final = 1_000
"""Ids of deleted lines kept for a member that does not read; more closes it."""


class Outbox:
    """One member's. While `idle()` the caller may write a room's shared bytes directly and need not ask.

    `allowance` is what a resuming member was given at once on top of the bounds; it ends when that was read.
    """

    __slots__ = (
        "_deleted",
        "_handed",
        "_likes",
        "_moved_at",
        "_numbers",
        "_position",
        "_viewers",
        "allowance",
        "dropped",
    )

    def __init__(self, now: float) -> None:
        self.allowance = 0
        self.dropped = 0
        """Chat lines this member did not get."""
        self._position: Position | None = None
        self._deleted: list[str] = []
        self._likes: int | None = None
        self._viewers: int | None = None
        self._numbers: NumbersFrame | None = None
        self._handed = 0
        self._moved_at = now

    def idle(self) -> bool:
        """Nothing is held back."""
        return self._position is None and self._numbers is None

    def offer(self, frames: Sequence[AnyRoomEvent], unsent: int) -> list[ServerFrame]:
        """What of these room frames to write now; the rest is held back, conflated or dropped."""
        out: list[ServerFrame] = []
        behind = self._behind(unsent)
        for frame in frames:
            if isinstance(frame, TickFrame) and behind:
                self._hold(frame)
            else:
                # Held state is older than this frame: it goes first, so that positions ascend.
                self._release(out)
                out.append(frame)
        return out

    def offer_numbers(self, frame: NumbersFrame, unsent: int) -> list[ServerFrame]:
        """Staff figures: the latest is enough."""
        if self._behind(unsent):
            self._numbers = frame
            return []
        self._numbers = None
        return [frame]

    def drained(self, unsent: int) -> list[ServerFrame]:
        """What to write now that `unsent` bytes are left; asked again and again while something is held."""
        out: list[ServerFrame] = []
        if not self.idle() and not self._behind(unsent):
            self._release(out)
            if self._numbers is not None:
                out.append(self._numbers)
                self._numbers = None
        return out

    def overdue(self, unsent: int, handed: int, now: float) -> str | None:
        """Why the connection must be closed as slow, or None.

        `handed` counts the bytes the kernel has taken so far: it only ever grows.
        """
        if unsent == 0:
            self.allowance = 0
        if unsent == 0 or handed > self._handed:
            self._handed = handed
            self._moved_at = now
        if unsent > HARD_BYTES + self.allowance:
            return f"{unsent} bytes unsent"
        if unsent > 0 and now - self._moved_at >= STALL_S:
            return f"nothing taken for {STALL_S:.0f} s"
        if len(self._deleted) > MAX_DELETED:
            return "too far behind"
        return None

    def _behind(self, unsent: int) -> bool:
        return unsent > SOFT_BYTES + self.allowance

    def _hold(self, tick: TickFrame) -> None:
        assert tick.pos is not UNSET, "only delivered frames are held"
        self._position = tick.pos
        self.dropped += len(tick.chat or ())
        self._deleted += tick.deleted or ()
        if tick.likes is not UNSET:
            self._likes = tick.likes
        if tick.viewers is not UNSET:
            self._viewers = tick.viewers

    def _release(self, out: list[ServerFrame]) -> None:
        if self._position is None:
            return
        out.append(
            TickFrame(
                pos=self._position,
                deleted=self._deleted or UNSET,
                likes=UNSET if self._likes is None else self._likes,
                viewers=UNSET if self._viewers is None else self._viewers,
            )
        )
        self._position = None
        self._deleted = []
        self._likes = self._viewers = None
