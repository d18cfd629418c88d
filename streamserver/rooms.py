"""The life cycle of a room, as one table. Pure: knows no clock and no database.

    scheduled ──publisher started──► live ──publisher stopped──► interrupted
                                      ▲  ◄──publisher started──       │
        ended ──publisher started─────┘                               │
          ▲──────────── end requested (live, interrupted, scheduled) ─┤
          └──────────────────────── resume window passed ─────────────┘

A show opens when a room goes live out of `scheduled` or `ended`, survives `interrupted`, and closes with `ended`.
A live interval opens with every arrow into `live` and closes with every arrow out of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RoomLife(StrEnum):
    SCHEDULED = "scheduled"
    LIVE = "live"
    INTERRUPTED = "interrupted"
    ENDED = "ended"


class RoomEvent(StrEnum):
    PUBLISHER_STARTED = "publisher_started"
    PUBLISHER_STOPPED = "publisher_stopped"
    RESUME_WINDOW_PASSED = "resume_window_passed"
    END_REQUESTED = "end_requested"


TRANSITIONS: dict[tuple[RoomLife, RoomEvent], RoomLife] = {
    (RoomLife.SCHEDULED, RoomEvent.PUBLISHER_STARTED): RoomLife.LIVE,
    (RoomLife.SCHEDULED, RoomEvent.END_REQUESTED): RoomLife.ENDED,
    (RoomLife.LIVE, RoomEvent.PUBLISHER_STARTED): RoomLife.LIVE,
    (RoomLife.LIVE, RoomEvent.PUBLISHER_STOPPED): RoomLife.INTERRUPTED,
    (RoomLife.LIVE, RoomEvent.END_REQUESTED): RoomLife.ENDED,
    (RoomLife.INTERRUPTED, RoomEvent.PUBLISHER_STARTED): RoomLife.LIVE,
    (RoomLife.INTERRUPTED, RoomEvent.PUBLISHER_STOPPED): RoomLife.INTERRUPTED,
    (RoomLife.INTERRUPTED, RoomEvent.RESUME_WINDOW_PASSED): RoomLife.ENDED,
    (RoomLife.INTERRUPTED, RoomEvent.END_REQUESTED): RoomLife.ENDED,
    (RoomLife.ENDED, RoomEvent.PUBLISHER_STARTED): RoomLife.LIVE,
    (RoomLife.ENDED, RoomEvent.END_REQUESTED): RoomLife.ENDED,
}
"""A pair that is missing changes nothing: the event came too late (a stop after the end, a window of an old show)."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an event does to a room; the shell carries it out."""

    state: RoomLife
    opens_show: bool
    closes_show: bool
    opens_interval: bool
    closes_interval: bool

    @property
    def changes(self) -> bool:
        return self.opens_show or self.closes_show or self.opens_interval or self.closes_interval


def decide(state: RoomLife, event: RoomEvent) -> Change:
    after = TRANSITIONS.get((state, event), state)
    moved = after is not state
    return Change(
        state=after,
        opens_show=moved and after is RoomLife.LIVE and state is not RoomLife.INTERRUPTED,
        closes_show=moved and after is RoomLife.ENDED and state is not RoomLife.SCHEDULED,
        opens_interval=moved and after is RoomLife.LIVE,
        closes_interval=moved and state is RoomLife.LIVE,
    )
