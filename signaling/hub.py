"""One room on this node: collects what the bus delivers, encodes it once, writes it to every member.

Knows no HTTP and no client frames. Invariant: what a member has been written is exactly the room's events after
the position it was welcomed with, up to `flushed`, unless its outbox says otherwise.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import msgspec

from streamserver import wire
from streamserver.bus import Bus, Entry, Lane
from streamserver.errors import Unavailable
from streamserver.ids import RoomId, ViewerId
from streamserver.positions import Position
from streamserver.wire import AnyRoomEvent, RoomState, ServerFrame, TickFrame

from . import fold, framing
from .connection import Connection
from .outbox import SOFT_BYTES

log = logging.getLogger(__name__)

CHUNK: Final = 500
"""Members written to before the loop gets a turn: about 4 ms."""
MAX_PENDING: Final = 5_000
"""Events waiting for one pass (policy: the oldest chat lines are dropped and counted)."""
COLLECT_S: Final = 10.0

Collect = Callable[[RoomId], Awaitable[dict[str, Any]]]
Welcome = Callable[[Position, bytes | None], bytes]


class Hub:
    """A sink of the bus. `tick_s` is the least time between two passes of the tick lane."""

    def __init__(self, room_id: RoomId, state: RoomState, bus: Bus, collect: Collect, *, tick_s: float) -> None:
        self.room_id = room_id
        self.state = state
        self.members: dict[Connection, None] = {}
        self.joining = 0
        """Members between `hello` and `welcome`; while there are some, the hub stays."""
        self.delivered = 0
        self.dropped = 0
        self.on_room: Callable[[RoomId, RoomState], None] = lambda _room_id, _state: None
        self.on_pass: Callable[[float], None] = lambda _seconds: None
        self._by_viewer: dict[ViewerId, list[Connection]] = {}
        self._staff: dict[Connection, None] = {}
        self._bus = bus
        self._collect = collect
        self._tick_s = tick_s
        self._loop = asyncio.get_running_loop()
        self._pending: list[Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._passed_at = self._loop.time() - tick_s
        self._began_pass = asyncio.Event()
        self._shared_state: tuple[Position, bytes] | None = None
        self._shared_lock = asyncio.Lock()
        self._shared_missed: tuple[Position, Position, bytes] | None = None
        self._subscription = bus.subscribe(room_id, self)
        self.flushed = bus.position(room_id)

    def close(self) -> None:
        """Hears nothing more. Call it when the last member is gone."""
        self._subscription.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def resting(self) -> bool:
        """Everything the bus delivered has been written."""
        return not self._pending and self._task is None

    # ---- from the bus ----

    def on_event(self, entry: Entry) -> None:
        self._pending.append(entry)
        if isinstance(entry.event, wire.RoomFrame):
            self.state = entry.event.room
            self.on_room(self.room_id, self.state)
        if len(self._pending) > MAX_PENDING:
            self._shed()
        self._schedule(entry.lane)

    def on_private(self, viewer_id: ViewerId, frame: ServerFrame) -> None:
        for member in self._by_viewer.get(viewer_id, ()):
            member.send(frame)

    def on_staff(self, frame: ServerFrame) -> None:
        for member in list(self._staff):
            member.send(frame)

    def _shed(self) -> None:
        """Drops the lines of the older half of what waits."""
        half = len(self._pending) // 2
        older, dropped = fold.shed(self._pending[:half])
        self._pending[:half] = older
        self.dropped += dropped

    # ---- to the members ----

    def _schedule(self, lane: Lane) -> None:
        if self._task is not None:
            return  # a pass is under way and looks again when it is through
        if lane is Lane.NOW:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._begin()
        elif self._timer is None:
            wait = self._passed_at + self._tick_s - self._loop.time()
            self._timer = self._loop.call_later(max(0.0, wait), self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._task = self._loop.create_task(self._pass())

    async def _pass(self) -> None:
        try:
            await self.flush()
        except Exception:
            log.exception("a pass over a room failed", extra={"room": self.room_id})
        self._task = None
        if self._pending:
            now = any(entry.lane is Lane.NOW for entry in self._pending)
            self._schedule(Lane.NOW if now else Lane.TICK)

    async def flush(self) -> None:
        """Writes everything pending to everybody here. Passes never overlap."""
        if not self._pending:
            return
        began = self._passed_at = self._loop.time()
        entries, self._pending = self._pending, []
        # From here on a joiner is told these events by its welcome; the list below is who gets them now.
        self.flushed = entries[-1].position
        self._began_pass.set()
        self._began_pass.clear()
        members = list(self.members)
        if not members:
            return
        frames = fold.frames(entries)
        data = b"".join(framing.text(wire.encode(frame)) for frame in frames)
        for start in range(0, len(members), CHUNK):
            if start:
                await asyncio.sleep(0)
            self._write(members[start : start + CHUNK], frames, data)
        self.delivered += len(frames) * len(members)
        self.on_pass(self._loop.time() - began)

    def _write(self, members: list[Connection], frames: list[AnyRoomEvent], data: bytes) -> None:
        size = len(data)
        for member in members:
            transport = member.transport
            if member.quick and transport.get_write_buffer_size() <= SOFT_BYTES:
                member.written += size
                transport.write(data)
            else:
                member.offer(frames)

    # ---- coming and going ----

    async def admit(self, member: Connection, asked: Position | None, welcome: Welcome) -> bool:
        """Welcomes a member and begins to tell it everything; True when it was given exactly what it missed.

        `welcome` makes the frame from the position that the following frames continue and the encoded state
        (None when recovered). Raises Unavailable when the state cannot be had.
        """
        if asked is not None:
            missed = await self._missed(asked)
            if missed is not None:
                self._let_in(member, welcome(asked, None), missed)
                return True
        for _ in range(3):
            position, state = await self._state()
            missed = await self._missed(position)
            if missed is not None:
                self._let_in(member, welcome(position, state), missed)
                return False
            self._shared_state = None
        raise Unavailable("the room's state changes faster than it can be told", code="busy", retry_after=2)

    def leave(self, member: Connection) -> None:
        if member not in self.members:
            return
        del self.members[member]
        self._staff.pop(member, None)
        left = [other for other in self._by_viewer[member.viewer_id] if other is not member]
        if left:
            self._by_viewer[member.viewer_id] = left
        else:
            del self._by_viewer[member.viewer_id]

    def of(self, viewer_id: ViewerId) -> list[Connection]:
        return list(self._by_viewer.get(viewer_id, ()))

    def _let_in(self, member: Connection, welcome: bytes, missed: bytes) -> None:
        if not member.open:
            return
        self.members[member] = None
        self._by_viewer.setdefault(member.viewer_id, []).append(member)
        if member.staff:
            self._staff[member] = None
        member.begin(framing.text(welcome), missed)

    async def _missed(self, position: Position) -> bytes | None:
        """The frames from `position` to `flushed`, or None; the caller goes on without suspending."""
        for _ in range(3):
            shared = self._shared_missed
            if shared is not None and shared[:2] == (position, self.flushed):
                return shared[2]
            entries = await self._bus.since(self.room_id, position)
            if entries is None or position.offset > self.flushed.offset:
                return None
            newest = entries[-1].position.offset if entries else position.offset
            if newest < self.flushed.offset:
                continue  # the room went on while a remote bus was asked
            entries = [entry for entry in entries if entry.position.offset <= self.flushed.offset]
            data = b"".join(framing.text(wire.encode(frame)) for frame in fold.frames(entries))
            self._shared_missed = (position, self.flushed, data)
            return data
        return None

    async def _state(self) -> tuple[Position, bytes]:
        """The whole state as of a position, encoded once for everybody who joins before anything happens."""
        if self._pending:
            # What was published before the member came shall be in its state: the next pass is near.
            await self._began_pass.wait()
        async with self._shared_lock:
            shared = self._shared_state
            if shared is not None and shared[0] == self.flushed:
                return shared
            position = self.flushed
            async with asyncio.timeout(COLLECT_S):
                fields = await self._collect(self.room_id)
            # Lines said after `position` follow as frames: a joiner shall not get them twice.
            newer = await self._bus.since(self.room_id, position) or []
            said = {line.id for entry in newer if isinstance(entry.event, TickFrame) for line in entry.event.chat or ()}
            fields["chat"] = [line for line in fields.get("chat", ()) if line.id not in said]
            state = wire.encode(state_of(fields))
            self._shared_state = (position, state)
            return self._shared_state


def state_of(fields: dict[str, Any]) -> wire.State:
    """What the features provide, with the empty value of whatever nobody provides."""
    return wire.State(
        chat=fields.get("chat", []),
        pinned_line=fields.get("pinned_line"),
        likes=fields.get("likes", 0),
        viewers=fields.get("viewers", 0),
        cards=fields.get("cards") or wire.CardState(ver=0, pinned=None, cards=[]),
    )


def raw_state(state: bytes | None) -> wire.State | None:
    """Encoded state as a field of a frame: it is not encoded again for each joiner."""
    return None if state is None else cast(wire.State, msgspec.Raw(state))
