"""Bounded readers of what the engine tells: its events, and a room's encoded frames.

Knows queues and frames, no sockets and no peers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, MutableSet
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from streamserver.ids import RoomId
from streamserver.media.codecs import CLOCK_HZ
from streamserver.media.engine import EngineEvent, StatsSnapshot, TappedFrame
from streamserver.media.frames import FrameAssembler, Piece, capture_ms

if TYPE_CHECKING:
    from streamserver.media.fanout import Packet

MAX_EVENTS: Final = 10_000
Item = TypeVar("Item")


class Reader(Generic[Item]):
    """An async iterator over a bounded queue; it hears everything from its making until `close`.

    Full, it loses the oldest and counts it in `lost`.
    """

    def __init__(self, registry: MutableSet[Any], limit: int) -> None:
        self._registry = registry
        self._limit = limit
        self._items: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self.lost = 0
        registry.add(self)

    def put(self, item: Item) -> None:
        if len(self._items) >= self._limit:
            self._items.popleft()
            self.lost += 1
        self._items.append(item)
        self._wake.set()

    def close(self) -> None:
        """What was put so far can still be read."""
        self._closed = True
        self._registry.discard(self)
        self._wake.set()

    def __aiter__(self) -> Reader[Item]:
        return self

    async def __anext__(self) -> Item:
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._items.popleft()


class EventReader(Reader[EngineEvent]):
    """Of several unread snapshots in a row only the newest is kept."""

    def __init__(self, registry: MutableSet[Any]) -> None:
        super().__init__(registry, MAX_EVENTS)

    def put(self, item: EngineEvent) -> None:
        if isinstance(item, StatsSnapshot) and self._items and isinstance(self._items[-1], StatsSnapshot):
            self._items.pop()
        super().put(item)


class Hub:
    """All readers of one engine."""

    def __init__(self, tap_frames: int) -> None:
        self._tap_frames = tap_frames
        self._events: set[EventReader] = set()
        self._taps: dict[RoomId, set[Reader[TappedFrame]]] = {}

    def events(self) -> EventReader:
        return EventReader(self._events)

    def tap(self, room: RoomId) -> Reader[TappedFrame]:
        return Reader(self.taps(room), self._tap_frames)

    def taps(self, room: RoomId) -> set[Reader[TappedFrame]]:
        """The readers of a room's frames, now and later."""
        return self._taps.setdefault(room, set())

    def tapped(self, room: RoomId) -> bool:
        return bool(self._taps.get(room))

    def emit(self, event: EngineEvent) -> None:
        for reader in self._events:
            reader.put(event)

    def close(self) -> None:
        for reader in [*self._events, *(tap for taps in self._taps.values() for tap in taps)]:
            reader.close()


def frame_listener(
    kind: str, clock: Callable[[], tuple[int, int] | None], readers: Iterable[Reader[TappedFrame]]
) -> Callable[[str, Packet], None]:
    """What a slot calls with each packet: frames are assembled once and given to every reader."""
    assembler = FrameAssembler(kind)

    def listen(codec: str, packet: Packet) -> None:
        piece = Piece(packet.seq, packet.timestamp, packet.marker, packet.payload, codec)
        for frame in assembler.push(piece):
            captured = capture_ms(clock(), frame.timestamp, CLOCK_HZ[codec])
            tapped = TappedFrame(kind, frame.codec, frame.data, frame.timestamp, frame.keyframe, captured)
            for reader in readers:
                reader.put(tapped)

    return listen
