"""The cards of a room: load, decide by `cards.py`, save in one transaction, tell the room.
Knows who may do what, and no product details beyond a price."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import sqlalchemy as sa

from streamserver.auth import Account, Role
from streamserver.bus import Lane
from streamserver.errors import BadRequest, Conflict, Forbidden, NotFound, StreamServerError
from streamserver.ids import RoomId
from streamserver.room_rows import RoomRow
from streamserver.store.tables.commerce import cards as cards_table
from streamserver.wire import CardsFrame
from streamserver.wire_shapes import Card, CardBag
from streamserver.wire_shapes import CardState as CardStateShape

from . import cards, store_cards, store_products
from .cards import CardAction, CardRefused
from .coalesced import Coalesced
from .money import Money, MoneyError, parse

if TYPE_CHECKING:
    from streamserver.server import Server

MAX_CARDS = 200
REFRESH_S = 1.0
"""How often a room is told at most that a stock or a price has moved by itself."""


class CardService:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._dirty: set[RoomId] = set()
        self._price_due_ms: dict[RoomId, int] = {}
        self._bags: Coalesced[RoomId, store_cards.Bag] = Coalesced(self._read_bag)

    # ---- reading ----

    async def bag(self, room_id: RoomId, *, hidden: bool) -> CardBag:
        found = await self._bags.get(room_id)
        return CardBag(ver=found.ver, cards=list(found.cards) if hidden else found.visible())

    async def state(self, room_id: RoomId) -> CardStateShape:
        """What a joiner starts from."""
        found = await self._bags.get(room_id)
        return CardStateShape(ver=found.ver, pinned=found.pinned(), cards=found.visible())

    async def _read_bag(self, room_id: RoomId) -> store_cards.Bag:
        now = self._server.clock.now_ms()
        found = await self._server.store.read(lambda conn: store_cards.bag(conn, room_id, now))
        if found.until_ms is None:
            self._price_due_ms.pop(room_id, None)
        else:
            self._price_due_ms[room_id] = found.until_ms
        return found

    # ---- changing ----

    async def add(self, account: Account, room: RoomRow, product_id: str, price: str | None) -> Card:
        """Raises NotFound for a product that is not the room's seller's, BadRequest for an unusable price."""
        room_price = _parse_price(account, price)
        card_id = self._server.new_id()
        now = self._server.clock.now_ms()

        def unit(conn: sa.Connection) -> None:
            ver = store_cards.bump(conn, room.id)
            product = store_products.find(conn, product_id, room.seller_id)
            if product is None:
                raise NotFound("no such product", code="unknown_product", where="product")
            if product.currency != room.currency:
                detail = f"this room sells in {room.currency}, the product's price is in {product.currency}"
                raise BadRequest(detail, code="currency_mismatch", where="product")
            _check_price(room_price, product)
            if product.sku in store_cards.selling(conn, room.id, [product.sku]):
                # Two cards of one product could name two prices for it.
                raise Conflict("the room has a card of this product", code="card_exists", where="product")
            known = store_cards.card_rows(conn, room.id)
            if len(known) >= MAX_CARDS:
                raise Conflict(f"a room has at most {MAX_CARDS} cards", code="too_many_cards")
            conn.execute(
                cards_table.insert().values(
                    id=card_id,
                    room_id=room.id,
                    product_id=product_id,
                    state=cards.CardState.LISTED.value,
                    position=max((card.position for card in known), default=-1) + 1,
                    price_minor=None if room_price is None else room_price.minor,
                    ver=ver,
                    created_ms=now,
                )
            )

        return await self._change(room, card_id, unit)

    async def set_price(self, account: Account, room: RoomRow, card_id: str, price: str | None) -> Card:
        """The room's own price, or none of its own for None."""
        if account.role is Role.INFLUENCER:
            raise Forbidden("the brand sets prices", code="wrong_role")
        room_price = _parse_price(account, price)

        def unit(conn: sa.Connection) -> None:
            ver = store_cards.bump(conn, room.id)
            row = store_cards.one(conn, room.id, card_id)
            if row is None:
                raise _no_card()
            _check_price(room_price, row)
            values = {"price_minor": None if room_price is None else room_price.minor, "ver": ver}
            conn.execute(cards_table.update().where(cards_table.c.id == card_id).values(**values))

        return await self._change(room, card_id, unit)

    async def act(self, account: Account, room: RoomRow, card_id: str, action: CardAction) -> Card:
        """Pin, explain, unpin, hide or list. Raises Conflict `bad_transition`, NotFound."""
        return await self._change(room, card_id, self._acting(account, room, card_id, action))

    async def remove(self, account: Account, room: RoomRow, card_id: str) -> None:
        await self._server.store.write(self._acting(account, room, card_id, CardAction.REMOVE))
        await self.publish(room.id)

    async def reorder(self, room: RoomRow, wanted: list[str]) -> CardBag:
        """Puts the named cards first. Raises NotFound, BadRequest."""

        def unit(conn: sa.Connection) -> None:
            ver = store_cards.bump(conn, room.id)
            try:
                after = cards.reorder(store_cards.card_rows(conn, room.id), wanted)
            except CardRefused as exc:
                raise _told(exc) from None
            for card in after:
                mine = (cards_table.c.id == card.id) & (cards_table.c.position != card.position)
                conn.execute(cards_table.update().where(mine).values(position=card.position, ver=ver))

        await self._server.store.write(unit)
        found = await self.publish(room.id)
        return CardBag(ver=found.ver, cards=list(found.cards))

    def _acting(
        self, account: Account, room: RoomRow, card_id: str, action: CardAction
    ) -> Callable[[sa.Connection], None]:
        now = self._server.clock.now_ms()
        showing = self._server.new_id()
        log_ids = [self._server.new_id() for _ in range(2)]

        def unit(conn: sa.Connection) -> None:
            ver = store_cards.bump(conn, room.id)
            try:
                after, changes = cards.act(store_cards.card_rows(conn, room.id), card_id, action, showing)
            except CardRefused as exc:
                raise _told(exc) from None
            store_cards.save(conn, room.id, room.show_id, after, changes, log_ids, account.id, ver, now)

        return unit

    async def _change(self, room: RoomRow, card_id: str, unit: Callable[[sa.Connection], None]) -> Card:
        await self._server.store.write(unit)
        found = await self.publish(room.id)
        card = next((card for card in found.cards if card.id == card_id), None)
        if card is None:
            raise _no_card()  # removed by somebody else in between
        return card

    # ---- telling ----

    async def publish(self, room_id: RoomId) -> store_cards.Bag:
        """Tells the room its cards as they are stored now; the version settles what is newer."""
        found = await self._bags.get(room_id)
        frame = CardsFrame(ver=found.ver, pinned=found.pinned(), cards=found.visible(), sync="now")
        await self._server.bus.publish(room_id, frame, Lane.NOW)
        return found

    def stock_moved(self, rooms: Iterable[str]) -> None:
        """Stock or product data of these rooms' cards changed; they are told within a second."""
        self._dirty.update(RoomId(room) for room in rooms)

    async def run(self) -> None:
        """Tells rooms whose stock moved or whose sale began or ended, each at most once a second, until
        cancelled."""
        while True:
            await asyncio.sleep(REFRESH_S)
            now = self._server.clock.now_ms()
            due = {room for room, at in self._price_due_ms.items() if at <= now}
            rooms, self._dirty = self._dirty | due, set()
            for room_id in rooms:
                self._price_due_ms.pop(room_id, None)
                try:
                    await self._server.store.write(lambda conn, room=room_id: store_cards.bump(conn, room))
                    await self.publish(room_id)
                except StreamServerError:
                    # The database or the bus is out for a moment: told in the next round.
                    self._dirty.add(room_id)


def _parse_price(account: Account, price: str | None) -> Money | None:
    if price is None:
        return None
    if account.role is Role.INFLUENCER:
        raise Forbidden("the brand sets prices", code="wrong_role")
    try:
        parsed = parse(price)
    except MoneyError as exc:
        raise BadRequest(str(exc), code=exc.code, where="price") from None
    if parsed.minor == 0:
        raise BadRequest("the price must be more than zero", code="bad_money", where="price")
    return parsed


def _check_price(price: Money | None, product: sa.Row[tuple[object, ...]]) -> None:
    if price is not None and price.currency != product.currency:
        raise BadRequest(f"the product's price is in {product.currency}", code="currency_mismatch", where="price")


def _no_card() -> NotFound:
    return NotFound("no such card", code="unknown_card", where="card")


def _told(exc: CardRefused) -> StreamServerError:
    match exc.code:
        case "no_card":
            return _no_card()
        case "bad_transition":
            return Conflict(str(exc), code=exc.code)
        case _:
            return BadRequest(str(exc), code=exc.code, where="cards")
