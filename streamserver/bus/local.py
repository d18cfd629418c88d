"""The in-process bus: one node, history in memory and gone with the process."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from streamserver import wire
from streamserver.bus.interface import Entry, History, Lane, Sink
from streamserver.ids import RoomId, ViewerId
from streamserver.positions import Position, recoverable

log = logging.getLogger(__name__)

MANY_ROOMS = 1_000
"""From this number on idle rooms are looked for and forgotten."""


class _Room:
    __slots__ = ("bytes", "kept", "newest", "sinks")

    def __init__(self, start: Position) -> None:
        self.newest = start
        self.kept: deque[Entry] = deque()
        self.bytes = 0
        self.sinks: tuple[Sink, ...] = ()


class _Subscription:
    __slots__ = ("_room", "_sink")

    def __init__(self, room: _Room, sink: Sink) -> None:
        self._room = room
        self._sink = sink

    def close(self) -> None:
        self._room.sinks = tuple(sink for sink in self._room.sinks if sink is not self._sink)


class LocalBus:
    """See `Bus` for what holds. `new_epoch` answers something different at every call, also after a restart.

    `publish` does not suspend: what a caller does before and after it is one step for everybody else.
    A room without sinks and without history is forgotten when many are known; it then begins a new epoch.
    """

    def __init__(
        self, *, new_epoch: Callable[[], str], monotonic: Callable[[], float], history: History | None = None
    ) -> None:
        self._new_epoch = new_epoch
        self._monotonic = monotonic
        self._history = history or History()
        self._rooms: dict[RoomId, _Room] = {}
        self._sweep_at = MANY_ROOMS

    async def start(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        self._rooms.clear()

    async def publish(self, room_id: RoomId, event: wire.AnyRoomEvent, lane: Lane = Lane.TICK) -> Position:
        room = self._room(room_id)
        position = room.newest.next()
        entry = Entry(position, event, lane, len(wire.encode(event)), self._monotonic())
        room.newest = position
        room.kept.append(entry)
        room.bytes += entry.size
        self._trim(room)
        for sink in room.sinks:
            try:
                sink.on_event(entry)
            except Exception:
                # One sink's defect must not take the event from the others.
                log.exception("a sink failed", extra={"room": room_id})
        return position

    def send_private(self, room_id: RoomId, viewer_id: ViewerId, frame: wire.ServerFrame) -> None:
        if (room := self._rooms.get(room_id)) is not None:
            for sink in room.sinks:
                sink.on_private(viewer_id, frame)

    def send_staff(self, room_id: RoomId, frame: wire.ServerFrame) -> None:
        if (room := self._rooms.get(room_id)) is not None:
            for sink in room.sinks:
                sink.on_staff(frame)

    def subscribe(self, room_id: RoomId, sink: Sink) -> _Subscription:
        room = self._room(room_id)
        room.sinks = (*room.sinks, sink)
        return _Subscription(room, sink)

    def position(self, room_id: RoomId) -> Position:
        return self._room(room_id).newest

    async def since(self, room_id: RoomId, position: Position) -> list[Entry] | None:
        room = self._room(room_id)
        self._trim(room)
        first_kept = room.kept[0].position.offset if room.kept else room.newest.offset + 1
        if not recoverable(position, first_kept, room.newest):
            return None
        return [entry for entry in room.kept if entry.position.offset > position.offset]

    def _room(self, room_id: RoomId) -> _Room:
        room = self._rooms.get(room_id)
        if room is None:
            if len(self._rooms) >= self._sweep_at:
                self._forget_idle_rooms()
            room = self._rooms[room_id] = _Room(Position(self._new_epoch(), 0))
        return room

    def _forget_idle_rooms(self) -> None:
        for room_id, room in list(self._rooms.items()):
            self._trim(room)
            if not room.sinks and not room.kept:
                del self._rooms[room_id]
        self._sweep_at = max(MANY_ROOMS, 2 * len(self._rooms))

    def _trim(self, room: _Room) -> None:
        limit = self._history
        oldest = self._monotonic() - limit.seconds
        kept = room.kept
        while kept and (len(kept) > limit.events or room.bytes > limit.bytes or kept[0].at < oldest):
            room.bytes -= kept.popleft().size
