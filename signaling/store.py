"""The SQL of realtime presence: what a viewer is called, and how long it watched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import sqlalchemy as sa

from streamserver.ids import RoomId, ShowId, ViewerId
from streamserver.store.tables.platform import room_viewers, watch_sessions

from .watching import Watch

_CHUNK: Final = 500
"""Ids in one statement: SQLite takes at most 32,766 variables, PostgreSQL plans short lists better."""

Unit = Callable[[sa.Connection], None]


def name_of(room_id: RoomId, viewer_id: ViewerId) -> Callable[[sa.Connection], str | None]:
    return lambda conn: conn.scalar(
        sa.select(room_viewers.c.name).where(room_viewers.c.room_id == room_id, room_viewers.c.viewer_id == viewer_id)
    )


def set_name(room_id: RoomId, viewer_id: ViewerId, name: str) -> Unit:
    def unit(conn: sa.Connection) -> None:
        conn.execute(
            room_viewers.update()
            .where(room_viewers.c.room_id == room_id, room_viewers.c.viewer_id == viewer_id)
            .values(name=name)
        )

    return unit


def write_watching(opened: Sequence[Watch], closed: Sequence[Watch], still: Sequence[str], now_ms: int) -> Unit:
    """One batch: new sessions, finished ones, and `last_ms` of those that go on."""
    rows = [_row(watch) for watch in opened]
    by_end: dict[int, list[str]] = {}
    for watch in closed:
        if watch.ended_ms is not None:
            by_end.setdefault(watch.ended_ms, []).append(watch.id)

    def unit(conn: sa.Connection) -> None:
        if rows:
            conn.execute(watch_sessions.insert(), rows)
        for ended_ms, ids in by_end.items():
            _update(conn, ids, last_ms=ended_ms, ended_ms=ended_ms)
        _update(conn, still, last_ms=now_ms)

    return unit


def close_abandoned() -> Unit:
    """At start: sessions that a crash left open ended when they were last heard of."""

    def unit(conn: sa.Connection) -> None:
        conn.execute(
            watch_sessions.update().where(watch_sessions.c.ended_ms.is_(None)).values(ended_ms=watch_sessions.c.last_ms)
        )

    return unit


def _row(watch: Watch) -> dict[str, object]:
    return {
        "id": watch.id,
        "room_id": watch.room_id,
        "show_id": ShowId(watch.show_id) if watch.show_id else None,
        "viewer_id": watch.viewer_id,
        "kind": "live",
        "via": watch.via,
        "started_ms": watch.started_ms,
        "last_ms": watch.ended_ms or watch.started_ms,
        "ended_ms": watch.ended_ms,
    }


def _update(conn: sa.Connection, ids: Sequence[str], **values: int) -> None:
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        conn.execute(watch_sessions.update().where(watch_sessions.c.id.in_(chunk)).values(**values))
