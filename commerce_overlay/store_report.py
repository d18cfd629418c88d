"""SQL that loads the rows a report is folded from, and the ledger's word on the same orders.
Knows tables and row types; what the rows mean is the report's matter."""

from __future__ import annotations

import sqlalchemy as sa

from streamserver.room_rows import RoomRow
from streamserver.store.tables.commerce import (
    clicks,
    impressions,
    ledger_entries,
    ledger_transactions,
    order_lines,
    orders,
    refunds,
)
from streamserver.store.tables.platform import live_intervals, room_viewers, rooms, shows, watch_sessions

from .orders import REACHED_PAID
from .report import LedgerTotals
from .report_rows import (
    Click,
    Impression,
    LiveInterval,
    Order,
    OrderLine,
    Refund,
    ReportRows,
    Traffic,
    WatchSession,
    Window,
)

CLICKS_BACK_MS = 30 * 24 * 3600 * 1000
"""The longest attribution window that a report prints: clicks are loaded this far before its start."""

_TRAFFIC: dict[str, Traffic] = {"": "viewer", "staff": "staff", "loadtest": "loadtest", "bot": "bot"}


def window_of(conn: sa.Connection, room: RoomRow, show_id: str | None, as_of_ms: int) -> Window | None:
    """The whole of a room, or the time from a show's start until the next one's. None for a show of another
    room.

    The room's first show reaches back to the room's beginning, so that each order lies in exactly one
    show."""
    if show_id is None:
        return Window(room.created_ms, max(as_of_ms, room.created_ms) + 1)
    query = sa.select(shows.c.id, shows.c.started_ms).where(shows.c.room_id == room.id)
    rows = conn.execute(query.order_by(shows.c.started_ms, shows.c.id)).all()
    for i, row in enumerate(rows):
        if row.id == show_id:
            start = room.created_ms if i == 0 else row.started_ms
            after = rows[i + 1].started_ms if i + 1 < len(rows) else as_of_ms + 1
            return Window(start, max(after, start + 1))
    return None


def load(conn: sa.Connection, room: RoomRow, window: Window, as_of_ms: int) -> ReportRows:
    """Every row of a room that a report over this window needs."""
    sessions, flagged = _sessions(conn, room, window, as_of_ms)
    found, order_flagged = _orders(conn, room, window)
    taps, click_flagged = _clicks(conn, room, window)
    return ReportRows(
        live=_live(conn, room, window, as_of_ms),
        sessions=sessions,
        impressions=_impressions(conn, room, window),
        clicks=taps,
        orders=found,
        refunds=_refunds(conn, room, window),
        excluded_viewers=frozenset(flagged | order_flagged | click_flagged),
    )


def totals(conn: sa.Connection, room: RoomRow, window: Window) -> LedgerTotals:
    """What the ledger holds of the orders placed in the window, in the room's currency."""
    mine = _placed_in(room, window) & (orders.c.currency == room.currency)
    query = (
        sa.select(ledger_entries.c.account, sa.func.sum(ledger_entries.c.amount_minor))
        .join(ledger_transactions, ledger_transactions.c.id == ledger_entries.c.transaction_id)
        .join(orders, orders.c.id == ledger_transactions.c.order_id)
        .where(mine)
        .group_by(ledger_entries.c.account)
    )
    sales = given_back = 0
    for account, minor in conn.execute(query):
        kind = account.partition(":")[0]
        sales -= int(minor) if kind == "sales" else 0
        given_back += int(minor) if kind == "refunds" else 0
    booked = (
        sa.select(sa.func.count())
        .select_from(ledger_transactions.join(orders, orders.c.id == ledger_transactions.c.order_id))
        .where(mine, ledger_transactions.c.kind == "paid")
    )
    paid = conn.execute(booked).scalar_one()
    return LedgerTotals(currency=room.currency, paid_orders=paid, sales=sales, refunds=given_back)


def past_rooms(conn: sa.Connection, room: RoomRow, limit: int) -> list[tuple[str, int]]:
    """(room, end of its last show) of the seller's other finished rooms in the same currency, latest
    first."""
    ended = sa.func.max(shows.c.ended_ms)
    query = (
        sa.select(rooms.c.id, ended)
        .join(shows, shows.c.room_id == rooms.c.id)
        .where(
            rooms.c.seller_id == room.seller_id,
            rooms.c.id != room.id,
            rooms.c.currency == room.currency,
            rooms.c.state == "ended",
            sa.not_(rooms.c.test),
        )
        .group_by(rooms.c.id)
        .having(ended.is_not(None))
        .order_by(ended.desc())
        .limit(limit)
    )
    return [(row[0], int(row[1])) for row in conn.execute(query)]


def _live(conn: sa.Connection, room: RoomRow, window: Window, as_of_ms: int) -> list[LiveInterval]:
    query = sa.select(live_intervals).where(
        live_intervals.c.room_id == room.id,
        live_intervals.c.started_ms < window.end_ms,
        sa.func.coalesce(live_intervals.c.ended_ms, as_of_ms) >= window.start_ms,
    )
    return [LiveInterval(row.started_ms, _end(row.started_ms, row.ended_ms, as_of_ms)) for row in conn.execute(query)]


def _end(started_ms: int, ended_ms: int | None, otherwise_ms: int) -> int:
    """An end that is never before the start, whatever a clock that was set back has written."""
    return max(started_ms, otherwise_ms if ended_ms is None else ended_ms)


def _sessions(conn: sa.Connection, room: RoomRow, window: Window, as_of_ms: int) -> tuple[list[WatchSession], set[str]]:
    members = sa.select(room_viewers.c.viewer_id, room_viewers.c.excluded).where(
        room_viewers.c.room_id == room.id, room_viewers.c.excluded != ""
    )
    flags: dict[str, str] = {row.viewer_id: row.excluded for row in conn.execute(members)}
    columns = watch_sessions.c
    query = sa.select(columns.viewer_id, columns.kind, columns.started_ms, columns.ended_ms, columns.last_ms).where(
        columns.room_id == room.id, columns.started_ms < window.end_ms, columns.last_ms >= window.start_ms
    )
    sessions: list[WatchSession] = []
    for viewer, kind, started, ended, last in conn.execute(query):
        traffic = _TRAFFIC.get(flags.get(viewer, ""), "staff")
        scene = "replay" if kind == "replay" else "live"
        sessions.append(WatchSession(viewer, started, _end(started, ended, last), scene, traffic))
    if room.test:
        flags |= {session.viewer: "test" for session in sessions}
    return sessions, set(flags)


def _impressions(conn: sa.Connection, room: RoomRow, window: Window) -> list[Impression]:
    columns = impressions.c
    query = sa.select(
        columns.viewer_id, columns.card_id, columns.showing_id, columns.product_id, columns.at_ms, columns.scene
    ).where(columns.room_id == room.id, columns.at_ms >= window.start_ms, columns.at_ms < window.end_ms)
    return [Impression(*row) for row in conn.execute(query)]


def _clicks(conn: sa.Connection, room: RoomRow, window: Window) -> tuple[list[Click], set[str]]:
    columns = clicks.c
    query = sa.select(
        columns.id,
        columns.viewer_id,
        columns.product_id,
        columns.seller_id,
        columns.at_ms,
        columns.card_id,
        columns.scene,
        columns.excluded,
    ).where(
        columns.room_id == room.id,
        columns.at_ms >= window.start_ms - CLICKS_BACK_MS,
        columns.at_ms < window.end_ms,
    )
    taps: list[Click] = []
    flagged: set[str] = set()
    for *fields, excluded in conn.execute(query):
        taps.append(Click(*fields))
        if excluded:
            flagged.add(fields[1])
    return taps, flagged


def _placed_in(room: RoomRow, window: Window) -> sa.ColumnElement[bool]:
    return (
        (orders.c.room_id == room.id) & (orders.c.placed_ms >= window.start_ms) & (orders.c.placed_ms < window.end_ms)
    )


def _orders(conn: sa.Connection, room: RoomRow, window: Window) -> tuple[list[Order], set[str]]:
    mine = _placed_in(room, window)
    lines: dict[str, list[OrderLine]] = {}
    query = (
        sa.select(
            order_lines.c.order_id,
            order_lines.c.product_id,
            order_lines.c.quantity,
            order_lines.c.unit_minor,
            order_lines.c.discount_minor,
        )
        .join(orders, orders.c.id == order_lines.c.order_id)
        .where(mine)
        .order_by(order_lines.c.order_id, order_lines.c.line)
    )
    for order_id, *fields in conn.execute(query):
        lines.setdefault(order_id, []).append(OrderLine(*fields))
    found: list[Order] = []
    flagged: set[str] = set()
    for row in conn.execute(sa.select(orders).where(mine)):
        found.append(
            Order(
                order=row.id,
                viewer=row.viewer_id,
                seller=row.seller_id,
                click=row.click_id,
                currency=row.currency,
                lines=tuple(lines[row.id]),
                placed_ms=row.placed_ms,
                paid_ms=row.paid_ms,
                cancelled_ms=row.cancelled_ms,
            )
        )
        if row.excluded:
            flagged.add(row.viewer_id)
    return found, flagged


def _refunds(conn: sa.Connection, room: RoomRow, window: Window) -> list[Refund]:
    reached = orders.c.state.in_([state.value for state in REACHED_PAID])
    query = (
        sa.select(refunds.c.id, refunds.c.order_id, refunds.c.amount_minor, refunds.c.at_ms)
        .join(orders, orders.c.id == refunds.c.order_id)
        .where(_placed_in(room, window), reached, refunds.c.state == "succeeded")
    )
    return [Refund(*row) for row in conn.execute(query)]
