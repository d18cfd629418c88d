"""From the events of a room to the frames its members get: neighbours of the tick lane become one frame.

Pure. Knows nothing of time: who calls decides how many events wait for one frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from msgspec import UNSET
from msgspec.structs import replace

from streamserver.bus.interface import Entry
from streamserver.positions import Position
from streamserver.wire import AnyRoomEvent, Bought, Line, TickFrame, at, encode

MAX_TICK_BYTES: Final = 32 * 1024
"""A tick frame is closed when its events are this large together; a single larger event stays one frame."""


class Folded:
    """A tick frame being put together. Totals keep the latest, lists grow; a deleted line is not said any more."""

    __slots__ = ("bought", "chat", "deleted", "likes", "position", "size", "viewers")

    def __init__(self) -> None:
        self.position: Position | None = None
        self.size = 0
        self.chat: list[Line] = []
        self.deleted: list[str] = []
        self.bought: list[Bought] = []
        self.likes: int | None = None
        self.viewers: int | None = None

    def add(self, position: Position, tick: TickFrame, size: int) -> None:
        self.position = position
        self.size += size
        if tick.chat:
            self.chat += tick.chat
        if tick.deleted:
            self.deleted += tick.deleted
        if tick.bought:
            self.bought += tick.bought
        if tick.likes is not UNSET:
            self.likes = tick.likes
        if tick.viewers is not UNSET:
            self.viewers = tick.viewers

    def frame(self) -> TickFrame | None:
        """The frame of what was added, or None when nothing was."""
        if self.position is None:
            return None
        return TickFrame(
            pos=self.position,
            chat=self.chat or UNSET,
            deleted=self.deleted or UNSET,
            bought=self.bought or UNSET,
            likes=UNSET if self.likes is None else self.likes,
            viewers=UNSET if self.viewers is None else self.viewers,
        )


def frames(entries: Iterable[Entry]) -> list[AnyRoomEvent]:
    """The frames that tell these events in order; each carries the position of its newest event.

    A line that one of the same events deletes is left out: whoever missed it never sees it.
    """
    entries = list(entries)
    deleted = {line for entry in entries if isinstance(entry.event, TickFrame) for line in entry.event.deleted or ()}
    out: list[AnyRoomEvent] = []
    tick = Folded()
    for entry in entries:
        event = entry.event
        if not isinstance(event, TickFrame) or tick.size + entry.size > MAX_TICK_BYTES:
            _end(tick, out)
            tick = Folded()
        if isinstance(event, TickFrame):
            tick.add(entry.position, event, entry.size)
        else:
            out.append(at(event, entry.position))
    _end(tick, out)
    return [_without(frame, deleted) for frame in out] if deleted else out


def shed(entries: Iterable[Entry]) -> tuple[list[Entry], int]:
    """The same events without chat and purchase lines, neighbouring ticks made one; and how many lines went.

    Totals, deletions and everything outside the tick lane stay, and so does the newest position.
    """
    out: list[Entry] = []
    dropped = 0
    for entry in entries:
        if isinstance(entry.event, TickFrame):
            dropped += len(entry.event.chat or ())
            bare = Folded()
            if out and isinstance(out[-1].event, TickFrame):
                last = out.pop()
                bare.add(last.position, cast(TickFrame, last.event), last.size)
            bare.add(entry.position, entry.event, 0)
            bare.chat, bare.bought = [], []
            tick = bare.frame()
            assert tick is not None, "something was added"
            tick = replace(tick, pos=UNSET)
            out.append(entry._replace(event=tick, size=len(encode(tick))))
        else:
            out.append(entry)
    return out, dropped


def _end(tick: Folded, out: list[AnyRoomEvent]) -> None:
    frame = tick.frame()
    if frame is not None:
        out.append(frame)


def _without(frame: AnyRoomEvent, deleted: set[str]) -> AnyRoomEvent:
    if not isinstance(frame, TickFrame) or not frame.chat:
        return frame
    kept = [line for line in frame.chat if line.id not in deleted]
    return TickFrame(
        pos=frame.pos,
        chat=kept or UNSET,
        deleted=frame.deleted,
        bought=frame.bought,
        likes=frame.likes,
        viewers=frame.viewers,
    )
