"""The SQL of the chat. Each function answers a unit for `Store.read` or `Store.write`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from msgspec import UNSET

from streamserver.ids import AccountId, LineId, RoomId, ViewerId
from streamserver.store import insert_ignore, upsert
from streamserver.store.tables.chat import chat_bars, chat_lines, chat_rooms
from streamserver.store.tables.platform import accounts, room_viewers, rooms
from streamserver.wire_shapes import Line, Role

from .moderation import Bar, Kind
from .timeline import KEPT

T = TypeVar("T")
Unit = Callable[[sa.Connection], T]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is stored of a room's chat."""

    lines: list[Line]
    pinned: Line | None
    likes: int
    bars: list[Bar]
    last_id: str


def load(room_id: RoomId, now_ms: int) -> Unit[Kept]:
    def unit(conn: sa.Connection) -> Kept:
        mine = chat_lines.c.room_id == room_id
        newest = conn.execute(
            sa.select(chat_lines)
            .where(mine, chat_lines.c.deleted_ms.is_(None))
            .order_by(chat_lines.c.id.desc())
            .limit(KEPT)
        ).all()
        room = conn.execute(sa.select(chat_rooms).where(chat_rooms.c.room_id == room_id)).first()
        bars = conn.execute(
            sa.select(chat_bars).where(
                chat_bars.c.room_id == room_id,
                sa.or_(chat_bars.c.until_ms.is_(None), chat_bars.c.until_ms > now_ms),
            )
        )
        return Kept(
            lines=[_line(row) for row in reversed(newest)],
            pinned=_find(conn, room_id, room.pinned_line) if room is not None and room.pinned_line else None,
            likes=room.likes if room is not None else 0,
            bars=[Bar(row.kind, row.subject, row.until_ms) for row in bars],
            last_id=conn.scalar(sa.select(sa.func.max(chat_lines.c.id)).where(mine)) or "",
        )

    return unit


def add_line(room_id: RoomId, line: Line, client_id: str) -> Unit[LineId]:
    """The id of the line with that client id: the given one, or of the line that was there before."""

    show = sa.select(rooms.c.show_id).where(rooms.c.id == room_id).scalar_subquery()

    def unit(conn: sa.Connection) -> LineId:
        new = insert_ignore(
            conn,
            chat_lines,
            {
                "id": line.id,
                "room_id": room_id,
                "show_id": show,
                "viewer_id": line.viewer,
                "client_id": client_id,
                "name": line.name,
                "role": line.role,
                "text": line.text,
                "reply_to": None if line.reply_to is UNSET else line.reply_to,
                "at_ms": line.at_ms,
            },
        )
        if new:
            return LineId(line.id)
        found = conn.scalar(
            sa.select(chat_lines.c.id).where(
                chat_lines.c.room_id == room_id,
                chat_lines.c.viewer_id == line.viewer,
                chat_lines.c.client_id == client_id,
            )
        )
        assert found is not None, "an insert is ignored only for a row that is there"
        return LineId(found)

    return unit


def find_line(room_id: RoomId, line_id: str) -> Unit[Line | None]:
    """None for an unknown or deleted line, or one of another room."""
    return lambda conn: _find(conn, room_id, line_id)


def delete_line(room_id: RoomId, line_id: str, by: AccountId, now_ms: int) -> Unit[bool]:
    """False when there is no such line, or it is deleted already."""

    def unit(conn: sa.Connection) -> bool:
        done = conn.execute(
            chat_lines.update()
            .where(
                chat_lines.c.room_id == room_id,
                chat_lines.c.id == line_id,
                chat_lines.c.deleted_ms.is_(None),
            )
            .values(deleted_ms=now_ms, deleted_by=by)
        )
        conn.execute(
            chat_rooms.update()
            .where(chat_rooms.c.room_id == room_id, chat_rooms.c.pinned_line == line_id)
            .values(pinned_line=None)
        )
        return done.rowcount == 1

    return unit


def set_bars(room_id: RoomId, bars: list[Bar], by: AccountId, now_ms: int) -> Unit[None]:
    def unit(conn: sa.Connection) -> None:
        for bar in bars:
            upsert(
                conn,
                chat_bars,
                {
                    "room_id": room_id,
                    "kind": bar.kind,
                    "subject": bar.subject,
                    "until_ms": bar.until_ms,
                    "by_account": by,
                    "at_ms": now_ms,
                },
                ["room_id", "kind", "subject"],
                ["until_ms", "by_account", "at_ms"],
            )

    return unit


def lift_bars(room_id: RoomId, kind: Kind, lifted: list[str]) -> Unit[None]:
    def unit(conn: sa.Connection) -> None:
        conn.execute(
            chat_bars.delete().where(
                chat_bars.c.room_id == room_id, chat_bars.c.kind == kind, chat_bars.c.subject.in_(lifted)
            )
        )

    return unit


def set_room(room_id: RoomId, **values: Any) -> Unit[None]:
    """Sets `likes` or `pinned_line` of a room; the other keeps its value."""

    def unit(conn: sa.Connection) -> None:
        upsert(
            conn,
            chat_rooms,
            {"room_id": room_id, "likes": 0, "pinned_line": None} | values,
            ["room_id"],
            list(values),
        )

    return unit


def add_likes(added: dict[RoomId, int]) -> Unit[None]:
    def unit(conn: sa.Connection) -> None:
        for room_id, likes in added.items():
            insert_ignore(conn, chat_rooms, {"room_id": room_id, "likes": 0, "pinned_line": None})
            conn.execute(
                chat_rooms.update().where(chat_rooms.c.room_id == room_id).values(likes=chat_rooms.c.likes + likes)
            )

    return unit


@dataclass(frozen=True, slots=True)
class Known:
    """A viewer that was in the room; `account_id` where it was signed in, `role` that account's."""

    account_id: AccountId | None
    role: Role


def viewer(room_id: RoomId, viewer_id: str) -> Unit[Known | None]:
    """None when the viewer was never in the room."""

    def unit(conn: sa.Connection) -> Known | None:
        row = conn.execute(
            sa.select(room_viewers.c.account_id, accounts.c.role)
            .outerjoin(accounts, accounts.c.id == room_viewers.c.account_id)
            .where(room_viewers.c.room_id == room_id, room_viewers.c.viewer_id == viewer_id)
        ).first()
        return None if row is None else Known(row.account_id, row.role or "viewer")

    return unit


def set_name(room_id: RoomId, viewer_id: ViewerId, name: str) -> Unit[None]:
    def unit(conn: sa.Connection) -> None:
        conn.execute(
            room_viewers.update()
            .where(room_viewers.c.room_id == room_id, room_viewers.c.viewer_id == viewer_id)
            .values(name=name)
        )

    return unit


def purge(before_ms: int, most: int) -> Unit[int]:
    """Removes up to `most` lines said before a time; answers how many."""

    def unit(conn: sa.Connection) -> int:
        old = sa.select(chat_lines.c.id).where(chat_lines.c.at_ms < before_ms).limit(most)
        return conn.execute(chat_lines.delete().where(chat_lines.c.id.in_(old))).rowcount

    return unit


def _find(conn: sa.Connection, room_id: RoomId, line_id: str) -> Line | None:
    row = conn.execute(
        sa.select(chat_lines).where(
            chat_lines.c.room_id == room_id, chat_lines.c.id == line_id, chat_lines.c.deleted_ms.is_(None)
        )
    ).first()
    return _line(row) if row is not None else None


def _line(row: sa.Row[Any]) -> Line:
    return Line(
        id=row.id,
        viewer=row.viewer_id,
        name=row.name,
        role=row.role,
        text=row.text,
        at_ms=row.at_ms,
        reply_to=row.reply_to or UNSET,
    )
