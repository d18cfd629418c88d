"""The bus: how an event of a room reaches every node that has members of it.

States guarantees only. Knows nothing of sockets, of what events mean, or of how many machines there are.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol

from streamserver.ids import RoomId, ViewerId
from streamserver.positions import Position
from streamserver.wire import AnyRoomEvent, ServerFrame


class Lane(Enum):
    """How soon an event must leave: with the next tick, or at once (and with it all that waits before it)."""

    TICK = "tick"
    NOW = "now"


class Entry(NamedTuple):
    """An event with its place. `size` is its encoded length in bytes, `at` the bus's monotonic seconds."""

    position: Position
    event: AnyRoomEvent
    lane: Lane
    size: int
    at: float


class Sink(Protocol):
    """Where a node takes what the bus delivers. Called on the event loop; returns at once, never raises."""

    def on_event(self, entry: Entry) -> None: ...

    def on_private(self, viewer_id: ViewerId, frame: ServerFrame) -> None: ...

    def on_staff(self, frame: ServerFrame) -> None: ...


class Subscription(Protocol):
    """`close` may be called again; after it the sink hears nothing more."""

    def close(self) -> None: ...


class History(NamedTuple):
    """How much of a room is kept for resuming: whichever bound is reached first wins."""

    events: int = 2_000
    bytes: int = 1024 * 1024
    seconds: float = 300.0


class Bus(Protocol):
    """Guarantees, each held by the contract suite:

    - **Positions.** An event published to a room gets the next offset of that room; no offset is given
      twice or left out within an epoch. `publish` returns it.
    - **Order.** Every sink of a room hears its events in ascending offsets, each exactly once while
      subscribed, beginning with the first one published after `subscribe` returned. The publisher's node too.
    - **History.** `since` answers every event after a position, in order and without a hole, or None: never
      a part. Bounded per room by `History`. An event that a sink has heard is in it until out of bounds.
    - **Epoch.** Changes exactly when offsets may have been lost; positions of another are never recovered.
    - **Private and staff frames** have no position and no history: at most once, in the order sent, to the
      sinks subscribed now. Neither call waits.
    - One room's flood does not reorder or drop another room's events.
    """

    async def start(self) -> None:
        """Connects. Raises Unavailable within 5 s when that cannot be done."""
        ...

    async def close(self) -> None: ...

    async def publish(self, room_id: RoomId, event: AnyRoomEvent, lane: Lane = Lane.TICK) -> Position:
        """Gives the event its place and delivers it. Raises Unavailable, nothing published, if not."""
        ...

    def send_private(self, room_id: RoomId, viewer_id: ViewerId, frame: ServerFrame) -> None:
        """To every member of one viewer in the room."""
        ...

    def send_staff(self, room_id: RoomId, frame: ServerFrame) -> None:
        """To every staff member in the room."""
        ...

    def subscribe(self, room_id: RoomId, sink: Sink) -> Subscription: ...

    def position(self, room_id: RoomId) -> Position:
        """The newest place known on this node; offset 0 before the first event."""
        ...

    async def since(self, room_id: RoomId, position: Position) -> list[Entry] | None:
        """Everything after `position`, or None when that cannot be told without a hole."""
        ...
