"""Watch sessions: the stretches in which a viewer's playback ran, from what its members say.

Pure: the time, ids and who is asking are arguments; what has to be stored comes out as a batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from streamserver.wire_shapes import Via

M = TypeVar("M")


@dataclass(slots=True)
class Watch:
    """One row of `watch_sessions`; `ended_ms` is None while it runs."""

    id: str
    room_id: str
    show_id: str | None
    viewer_id: str
    via: Via
    started_ms: int
    ended_ms: int | None = None


@dataclass(slots=True)
class Batch:
    """What changed since the last batch: rows to insert, rows to end, ids that still run."""

    opened: list[Watch] = field(default_factory=list)
    closed: list[Watch] = field(default_factory=list)
    still: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.opened or self.closed or self.still)


class Watching(Generic[M]):
    """At most one open session per member `M`. A session that opened and closed within one batch is one row."""

    def __init__(self) -> None:
        self._open: dict[M, Watch] = {}
        self._opened: list[Watch] = []
        self._closed: list[Watch] = []

    def __len__(self) -> int:
        return len(self._open)

    def plays(self, member: M, watch: Watch) -> bool:
        """Playback runs. False, and nothing changed, when it ran already by the same path."""
        running = self._open.get(member)
        if running is not None and running.via == watch.via:
            return False
        self.stops(member, watch.started_ms)
        self._open[member] = watch
        self._opened.append(watch)
        return True

    def stops(self, member: M, now_ms: int) -> bool:
        """Playback stopped or the member is gone. False when none ran."""
        watch = self._open.pop(member, None)
        if watch is None:
            return False
        # A clock that stepped back must not end a session before it began.
        watch.ended_ms = max(now_ms, watch.started_ms)
        self._closed.append(watch)
        return True

    def members_in(self, room_id: str) -> list[tuple[M, Watch]]:
        return [(member, watch) for member, watch in self._open.items() if watch.room_id == room_id]

    def take(self, *, heartbeat: bool) -> Batch:
        """What to store now; with `heartbeat` also every session that goes on."""
        fresh = {watch.id for watch in self._opened}
        batch = Batch(
            opened=self._opened,
            closed=[watch for watch in self._closed if watch.id not in fresh],
            still=[watch.id for watch in self._open.values() if watch.id not in fresh] if heartbeat else [],
        )
        self._opened, self._closed = [], []
        return batch

    def give_back(self, batch: Batch) -> None:
        """A batch that could not be stored is part of the next one."""
        self._opened = batch.opened + self._opened
        self._closed = batch.closed + self._closed
