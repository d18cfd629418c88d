"""A room as it is stored, and the SQL that reads one."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from .ids import AccountId, RoomId, SellerId, ShowId
from .rooms import RoomLife
from .store.tables.platform import rooms, sellers, shows


@dataclass(frozen=True, slots=True)
class RoomRow:
    id: RoomId
    seller_id: SellerId
    seller_name: str
    host_id: AccountId | None
    title: str
    description: str
    poster: str | None
    state: RoomLife
    show_id: ShowId | None
    show_started_ms: int | None
    show_ended_ms: int | None
    starts_ms: int | None
    created_ms: int
    currency: str
    listed: bool
    test: bool
    stream_key_hash: str


def select_rooms() -> sa.Select[tuple[object, ...]]:
    return (
        sa.select(
            rooms,
            sellers.c.name.label("seller_name"),
            shows.c.started_ms.label("show_started_ms"),
            shows.c.ended_ms.label("show_ended_ms"),
        )
        .join(sellers, sellers.c.id == rooms.c.seller_id)
        .outerjoin(shows, shows.c.id == rooms.c.show_id)
    )


def room_of(row: sa.Row[tuple[object, ...]]) -> RoomRow:
    values = dict(row._mapping)
    values["state"] = RoomLife(values["state"])
    return RoomRow(**values)


def load_room(conn: sa.Connection, room_id: RoomId) -> RoomRow | None:
    row = conn.execute(select_rooms().where(rooms.c.id == room_id)).first()
    return None if row is None else room_of(row)
