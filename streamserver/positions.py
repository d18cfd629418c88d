"""Places in a room's history: what a client sends back so that it gets exactly what it missed.

Pure. Knows nothing of rooms, frames or sockets.
"""

from __future__ import annotations

from typing import NamedTuple


class Position(NamedTuple):
    """The place of an event in its room's history. On the wire `[epoch, offset]`.

    `epoch` names one unbroken history; offsets of different epochs cannot be compared.
    `offset` counts the room's events from 1; 0 is the place before the first.
    """

    epoch: str
    offset: int

    def next(self) -> Position:
        """The place of the event that follows."""
        return Position(self.epoch, self.offset + 1)

    def follows(self, earlier: Position) -> bool:
        """Whether this place is later than `earlier` in the same history."""
        return self.epoch == earlier.epoch and self.offset > earlier.offset


def recoverable(asked: Position, first_kept: int, newest: Position) -> bool:
    """Whether everything after `asked` is still at hand.

    `first_kept` is the offset of the oldest event kept (newest.offset + 1 when none is).
    A position from the future is not recoverable: whoever holds it has seen another history.
    """
    return asked.epoch == newest.epoch and first_kept - 1 <= asked.offset <= newest.offset
