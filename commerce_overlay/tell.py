"""What people hear after a commit: the buyer's private order frame, the ticker, cards whose stock moved,
live numbers. It decides nothing; whatever is lost here (a crash after the commit) is found again by asking
the server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from streamserver.bus import Lane
from streamserver.errors import Unavailable
from streamserver.ids import RoomId, ViewerId
from streamserver.wire import OrderFrame, TickFrame
from streamserver.wire_shapes import Bought, Order

if TYPE_CHECKING:
    from streamserver.server import Server

    from .card_service import CardService
    from .numbers import LiveNumbers


class Teller:
    def __init__(self, server: Server, cards: CardService, numbers: LiveNumbers) -> None:
        self._server = server
        self._cards = cards
        self._numbers = numbers

    def stock_moved(self, rooms: Iterable[str]) -> None:
        """Told to these rooms within a second."""
        self._cards.stock_moved(rooms)

    def numbers_moved(self, room: str) -> None:
        """Told to the room's staff within a second or two."""
        self._numbers.moved(RoomId(room))

    def order_moved(self, room: str, viewer: str, order: Order) -> None:
        """Told to the buyer at once, in all their tabs."""
        frame = OrderFrame(order=order.id, state=order.state, trade_no=order.trade_no)
        self._server.bus.send_private(RoomId(room), ViewerId(viewer), frame)

    async def bought(self, room: str, buyer_name: str, lines: Sequence[Any], now_ms: int) -> None:
        """A line for the room's ticker, with a name that identifies nobody."""
        first = lines[0]
        item = Bought(
            name=short_name(buyer_name),
            title=first.title,
            quantity=sum(line.quantity for line in lines),
            at_ms=now_ms,
        )
        try:
            await self._server.bus.publish(RoomId(room), TickFrame(bought=[item]), Lane.TICK)
        except Unavailable:
            pass  # a ticker line is worth no retry


def short_name(name: str) -> str:
    """`Mei Lin` becomes `M***`: the first character says as much as a crowd may know."""
    return f"{name[:1]}***"
