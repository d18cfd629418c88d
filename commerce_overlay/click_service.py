"""Clicks: a tap on a card becomes a row and a signed link; a link that comes back becomes the click it
stands for. Knows the viewer only by the pseudonym of the room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from streamserver.auth import Account, Role
from streamserver.buckets import Buckets, Rate
from streamserver.errors import Forbidden, Gone, NotFound, TooMany
from streamserver.ids import RoomId, ViewerId
from streamserver.room_rows import RoomRow
from streamserver.store.tables.commerce import clicks, products, showings
from streamserver.store.tables.platform import room_viewers, rooms, sellers
from streamserver.wire_shapes import Click

from . import links, store_cards
from .links import ClickLink, LinkRefused
from .miniapps.registry import APPS, SHOP, has_page

if TYPE_CHECKING:
    from streamserver.server import Server

RATE = Rate(burst=30, per_s=0.5)
"""Clicks of one viewer; nobody taps faster for long."""


@dataclass(frozen=True, slots=True)
class ClickContext:
    """An authentic click: who tapped what, where, and under which commission."""

    click: str
    app_id: str
    room: RoomId
    room_title: str
    show_id: str | None
    seller: str
    seller_name: str
    viewer: ViewerId
    card: str
    product: str
    sku: str
    commission_bp: int
    excluded: str


class ClickService:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._rates: Buckets[tuple[str, str]] = Buckets(RATE, keys=20_000)

    async def click(
        self, room: RoomRow, card_id: str, viewer: ViewerId, account: Account | None, showing: str | None
    ) -> Click:
        """Writes the click and answers the link. Raises NotFound for a card that is not shown, TooMany."""
        wait = self._rates.of((room.id, viewer), self._server.clock.monotonic()).take(self._server.clock.monotonic())
        if wait > 0:
            raise TooMany("this is faster than anybody taps", retry_after=int(wait) + 1)
        now = self._server.clock.now_ms()
        click_id = self._server.new_id()
        staff = account is not None and (
            account.role is Role.OPERATOR or (account.seller_id == room.seller_id and account.role is not Role.VIEWER)
        )

        def unit(conn: sa.Connection) -> Any:
            card = store_cards.one(conn, room.id, card_id)
            if card is None or card.state == "hidden":
                raise NotFound("no such card", code="unknown_card", where="card")
            known = (showings.c.id == showing) & (showings.c.card_id == card_id)
            valid = showing is not None and conn.scalar(sa.select(showings.c.id).where(known)) is not None
            conn.execute(
                clicks.insert().values(
                    id=click_id,
                    room_id=room.id,
                    show_id=room.show_id,
                    seller_id=room.seller_id,
                    viewer_id=viewer,
                    card_id=card_id,
                    showing_id=showing if valid else None,
                    product_id=card.product_id,
                    scene="live",
                    commission_bp=card.commission_bp,
                    excluded="staff" if staff else excluded_of(conn, room.id, viewer, room.test),
                    at_ms=now,
                )
            )
            return card

        card = await self._server.store.write(unit)
        kid, secret = self._server.keys.current("click")
        expires = now // 1000 + links.MAX_AHEAD_S
        link = ClickLink(SHOP.app_id, "product", card.sku, room.id, click_id, expires)
        return Click(click=click_id, url=links.build(link, kid, secret), app=SHOP)

    async def verify(self, link: str, *, app_id: str | None = None, opened: bool = False) -> ClickContext:
        """The click behind a link that came back unchanged; with `opened` its opening is noted, the first
        time.

        Raises Forbidden `bad_signature` or `bad_click`, Gone `click_expired`."""
        now = self._server.clock.now_ms()
        try:
            said = links.verify(link, now // 1000, lambda kid: self._server.keys.find("click", kid))
        except LinkRefused as exc:
            kind = Gone if exc.code == "click_expired" else Forbidden
            raise kind(str(exc), code=exc.code, where="X-Click") from None
        if said.app_id not in APPS or not has_page(said.app_id, said.page) or app_id not in (None, said.app_id):
            raise _bad_click()
        row = await self._server.store.read(lambda conn: _load(conn, said.click))
        if row is None or row.room_id != said.room or row.seller_id != row.room_seller:
            raise _bad_click()
        if opened and row.opened_ms is None:
            mine = (clicks.c.id == said.click) & clicks.c.opened_ms.is_(None)
            await self._server.store.write(lambda conn: conn.execute(clicks.update().where(mine).values(opened_ms=now)))
        return ClickContext(
            click=said.click,
            app_id=said.app_id,
            room=RoomId(row.room_id),
            room_title=row.room_title,
            show_id=row.show_id,
            seller=row.seller_id,
            seller_name=row.seller_name,
            viewer=ViewerId(row.viewer_id),
            card=row.card_id,
            product=row.product_id,
            sku=row.sku,
            commission_bp=row.commission_bp,
            excluded=row.excluded,
        )


_EXCLUDED = sa.select(room_viewers.c.excluded).where(
    room_viewers.c.room_id == sa.bindparam("room"), room_viewers.c.viewer_id == sa.bindparam("viewer")
)


def excluded_of(conn: sa.Connection, room_id: str, viewer: str, test: bool) -> str:
    """Why a viewer's doings are left out of the room's report, as flagged when it joined; empty when they
    count."""
    if test:
        return "test"
    return conn.scalar(_EXCLUDED, {"room": room_id, "viewer": viewer}) or ""


_LOAD = (
    sa.select(
        clicks,
        rooms.c.title.label("room_title"),
        rooms.c.seller_id.label("room_seller"),
        sellers.c.name.label("seller_name"),
        products.c.sku,
    )
    .join(rooms, rooms.c.id == clicks.c.room_id)
    .join(sellers, sellers.c.id == clicks.c.seller_id)
    .join(products, products.c.id == clicks.c.product_id)
    .where(clicks.c.id == sa.bindparam("click"))
)


def _load(conn: sa.Connection, click_id: str) -> Any:
    return conn.execute(_LOAD, {"click": click_id}).first()


def _bad_click() -> Forbidden:
    return Forbidden("this link is not for this room", code="bad_click", where="X-Click")
