"""One member's socket: writes prepared bytes straight to its transport, keeps it alive, closes it once.

Knows no room and no frame handler. Decisions about a slow reader are the outbox's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from streamserver import wire
from streamserver.ids import RoomId, ViewerId
from streamserver.wire import AnyRoomEvent, CloseCode, NumbersFrame, Role, ServerFrame

from . import framing
from .outbox import HARD_BYTES, SOFT_BYTES, Outbox

if TYPE_CHECKING:
    from streamserver.auth import Account

PING_S: Final = 25.0
PONG_S: Final = 8.0
GOODBYE_S: Final = 5.0
"""How long a closed connection may take to answer before it is cut."""


class Wire(Protocol):
    """What a connection needs of an asyncio transport."""

    def write(self, data: bytes) -> None: ...

    def get_write_buffer_size(self) -> int: ...

    def is_closing(self) -> bool: ...

    def abort(self) -> None: ...


class Connection:
    """A `Member`. Nothing of it suspends: every write goes into the transport's buffer, whose size is the outbox.

    `quick` and `transport` are what a room's sender looks at for each member: while `quick`, it is open, nothing
    is held back, and shared bytes may go straight to the transport (count them in `written`).
    """

    __slots__ = (
        "_abort_at",
        "_clock",
        "_next_ping",
        "_pong_due",
        "account",
        "busy",
        "close_code",
        "excluded",
        "name",
        "on_close",
        "on_slow",
        "open",
        "outbox",
        "quick",
        "role",
        "room_id",
        "staff",
        "token",
        "transport",
        "viewer_id",
        "written",
    )

    def __init__(self, room_id: RoomId, transport: Wire, clock: Callable[[], float]) -> None:
        now = clock()
        self.room_id = room_id
        self.transport = transport
        self._clock = clock
        self.outbox = Outbox(now)
        self.quick = True
        self.written = 0
        self.open = True
        self.busy = False
        """A frame of this member is being handled, so its pong may be unread."""
        self.close_code: CloseCode | None = None
        self.on_close: Callable[[Connection], None] | None = None
        self.on_slow: Callable[[Connection], None] | None = None
        self._next_ping = now + PING_S
        self._pong_due: float | None = None
        self._abort_at: float | None = None
        # Who it is, known after `hello`.
        self.viewer_id = ViewerId("")
        self.token = ""
        self.account: Account | None = None
        self.name = ""
        self.role: Role = "viewer"
        self.staff = False
        self.excluded = ""

    # ---- frames ----

    def send(self, frame: ServerFrame) -> None:
        if not self.open:
            return
        if isinstance(frame, NumbersFrame):
            self._write_frames(self.outbox.offer_numbers(frame, self.transport.get_write_buffer_size()))
        else:
            self._write(framing.text(wire.encode(frame)))
        self._check(self._clock())

    def begin(self, data: bytes, missed: bytes) -> None:
        """Welcome and what was missed, in one piece. `missed` comes on top of the outbox's bounds."""
        if self.open:
            self.outbox.allowance = len(missed)
            self._write(data + missed)

    def offer(self, frames: Sequence[AnyRoomEvent]) -> None:
        """Room frames for a member that may be behind."""
        if self.open:
            self._write_frames(self.outbox.offer(frames, self.transport.get_write_buffer_size()))
            self._check(self._clock())

    def catch_up(self, now: float) -> bool:
        """Writes what was held back once there is room; True while this member still has to be looked after."""
        if not self.open:
            return False
        unsent = self.transport.get_write_buffer_size()
        self._write_frames(self.outbox.drained(unsent))
        self._check(now)
        return self.open and (not self.quick or unsent > 0)

    def _write_frames(self, frames: Sequence[ServerFrame]) -> None:
        for frame in frames:
            self._write(framing.text(wire.encode(frame)))
        self.quick = self.outbox.idle()

    def _write(self, data: bytes) -> None:
        self.written += len(data)
        self.transport.write(data)

    def _check(self, now: float) -> None:
        unsent = self.transport.get_write_buffer_size()
        reason = self.outbox.overdue(unsent, self.written - unsent, now)
        if reason is not None:
            self.close(wire.CLOSE_SLOW, reason)
        elif self.on_slow is not None and (unsent > SOFT_BYTES or not self.quick):
            self.on_slow(self)

    # ---- life ----

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Says goodbye; the first call counts. The transport is cut after 5 s if the peer does not close it."""
        if not self.open:
            return
        self.open = self.quick = False
        self.close_code = code
        self._abort_at = self._clock() + GOODBYE_S
        if not self.transport.is_closing():
            if self.transport.get_write_buffer_size() > 2 * HARD_BYTES:
                self.transport.abort()
            else:
                self.transport.write(framing.close(code, reason))
        if self.on_close is not None:
            self.on_close(self)

    def lost(self, code: CloseCode) -> None:
        """The peer is gone; nothing can be written any more."""
        if self.open:
            self.open = self.quick = False
            self.close_code = code
            if self.on_close is not None:
                self.on_close(self)

    def pinged(self, payload: bytes) -> None:
        if self.open:
            self._write(framing.pong(payload))

    def ponged(self) -> None:
        self._pong_due = None

    def beat(self, now: float) -> None:
        """Called about once a second: pings, and gives up on a peer that does not answer or does not leave."""
        if self._abort_at is not None:
            if now >= self._abort_at:
                self.transport.abort()
            return
        # Before anything is written: what waits from earlier is judged, not the ping.
        self._check(now)
        if not self.open:
            return
        if self._pong_due is not None and now >= self._pong_due and not self.busy:
            self.close(wire.CLOSE_NO_PONG, "no pong")
        elif now >= self._next_ping:
            self._next_ping = now + PING_S
            self._pong_due = now + PONG_S
            self._write(framing.ping(b"alive"))
