"""Who is here and who watches: counts for the room, rows for the report.

Calls the pure counting of `attendance` and `watching`; holds the clock, the bus and the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from streamserver.bus import Bus
from streamserver.clock import Clock
from streamserver.errors import StreamServerError
from streamserver.ids import RoomId, ShowId
from streamserver.members import Member
from streamserver.store import Store
from streamserver.wire import RoomState, TickFrame, WatchFrame

from . import store as sql
from .attendance import Attendance
from .watching import Watch, Watching

log = logging.getLogger(__name__)

COUNT_S: Final = 0.3
"""At most this often a room is told that its number of viewers changed."""
STORE_S: Final = 1.0
HEARTBEAT_S: Final = 10.0
"""How often `last_ms` of running watch sessions moves: what a crash may cost a session."""


class Presence:
    """See `streamserver.members.Presence`."""

    def __init__(self, bus: Bus, store: Store, clock: Clock, new_id: Callable[[], str]) -> None:
        self._bus = bus
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._rooms: dict[RoomId, Attendance] = {}
        self._told: dict[RoomId, int] = {}
        self._changed: set[RoomId] = set()
        self._watching: Watching[Member] = Watching()

    def viewers(self, room_id: RoomId) -> int:
        room = self._rooms.get(room_id)
        return room.viewers if room is not None else 0

    def peak(self, room_id: RoomId) -> int:
        room = self._rooms.get(room_id)
        return room.peak if room is not None else 0

    def watching(self) -> int:
        """Playbacks that run now."""
        return len(self._watching)

    # ---- told by the gateway ----

    def entered(self, member: Member, state: RoomState) -> None:
        self.room_is(member.room_id, state)
        if not member.excluded and self._rooms[member.room_id].entered(member.viewer_id):
            self._changed.add(member.room_id)

    def left(self, member: Member) -> None:
        self._watching.stops(member, self._clock.now_ms())
        room = self._rooms.get(member.room_id)
        if room is not None and not member.excluded and room.left(member.viewer_id):
            self._changed.add(member.room_id)

    def room_is(self, room_id: RoomId, state: RoomState) -> None:
        """Another show begins: its peak is its own, and so are the watch sessions."""
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = Attendance()
        show = ShowId(state.show) if state.show else None
        if not room.show_is(show):
            return
        now = self._clock.now_ms()
        for member, watch in self._watching.members_in(room_id):
            self._watching.stops(member, now)
            self._watching.plays(member, self._watch(member, watch.via))

    async def watched(self, member: Member, frame: WatchFrame) -> None:
        if frame.playing:
            self._watching.plays(member, self._watch(member, frame.via))
        else:
            self._watching.stops(member, self._clock.now_ms())

    def _watch(self, member: Member, via: str) -> Watch:
        room = self._rooms.get(member.room_id)
        return Watch(
            id=self._new_id(),
            room_id=member.room_id,
            show_id=room.show if room is not None else None,
            viewer_id=member.viewer_id,
            via="hls" if via == "hls" else "webrtc",
            started_ms=self._clock.now_ms(),
        )

    # ---- in the background ----

    async def tell(self) -> None:
        """Tells the rooms whose number changed. Runs until cancelled."""
        while True:
            await asyncio.sleep(COUNT_S)
            changed, self._changed = self._changed, set()
            for room_id in changed:
                viewers = self.viewers(room_id)
                if self._told.get(room_id) != viewers:
                    self._told[room_id] = viewers
                    await self._bus.publish(room_id, TickFrame(viewers=viewers))

    async def record(self) -> None:
        """Stores watch sessions in batches. Runs until cancelled."""
        beaten = self._clock.monotonic()
        while True:
            await asyncio.sleep(STORE_S)
            beat = self._clock.monotonic() - beaten >= HEARTBEAT_S
            if beat:
                beaten = self._clock.monotonic()
            await self.store(heartbeat=beat)

    async def store(self, *, heartbeat: bool) -> None:
        """One batch now. What cannot be stored is kept for the next one."""
        batch = self._watching.take(heartbeat=heartbeat)
        if not batch:
            return
        try:
            await self._store.write(sql.write_watching(batch.opened, batch.closed, batch.still, self._clock.now_ms()))
        except StreamServerError as exc:
            log.warning("watch_sessions_not_stored", extra={"why": exc.detail})
            self._watching.give_back(batch)

    async def finish(self) -> None:
        """At shutdown: ends what still runs and stores it."""
        now = self._clock.now_ms()
        for room_id in self._rooms:
            for member, _ in self._watching.members_in(room_id):
                self._watching.stops(member, now)
        await self.store(heartbeat=False)
