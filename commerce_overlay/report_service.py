"""Reports: loads the rows, the baselines and the brand's own history, and lets the pure core do the rest.
One at a time and in a thread, so that a large room's report slows no order down."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from streamserver.errors import NotFound, Unavailable
from streamserver.ids import RoomId
from streamserver.room_rows import RoomRow, load_room

from . import report_csv, store_report
from .baselines import Baselines, parse_baselines
from .report import LedgerCheck, LedgerTotals, Report, build_report, check_against_ledger
from .report_rows import ReportRows, Window
from .report_settings import ReportSettings
from .report_verdict import PastRoom

if TYPE_CHECKING:
    from streamserver.server import Server

SHIPPED = Path(__file__).parent.parent / "config" / "baselines.csv"
WAITING = 8
"""Reports that may wait for the one being made; more are refused."""
HISTORY_TTL_MS = 600_000
HISTORY_KEPT = 500
HOUR_MS = 3_600_000


class Reports:
    def __init__(self, server: Server) -> None:
        self._server = server
        settings = server.settings
        self._settings = ReportSettings(
            attribution_window_ms=settings.attribution_window_h * HOUR_MS,
            target_low=settings.target_low,
            target_high=settings.target_high,
            history_rooms=settings.own_history_rooms,
        )
        # A past room's values need no intervals, so hardly any resamples.
        self._quick = ReportSettings(attribution_window_ms=self._settings.attribution_window_ms, resamples=100)
        self._baselines = load_baselines(settings.baselines)
        self._code = code_version()
        self._one = asyncio.Semaphore(1)
        self._waiting = 0
        self._history: OrderedDict[str, tuple[int, PastRoom]] = OrderedDict()

    async def of(self, room: RoomRow, show_id: str | None) -> Report:
        """The report of a room, or of one of its shows. Raises NotFound for an unknown show, Unavailable."""
        report, _ = await self.with_ledger(room, show_id)
        return report

    async def with_ledger(self, room: RoomRow, show_id: str | None) -> tuple[Report, LedgerCheck]:
        """A report and whether it equals the ledger, both of the same committed state."""
        if self._waiting >= WAITING:
            raise Unavailable("too many reports are being made", code="busy", retry_after=5)
        self._waiting += 1
        try:
            async with self._one:
                return await self._make(room, show_id)
        finally:
            self._waiting -= 1

    async def _make(self, room: RoomRow, show_id: str | None) -> tuple[Report, LedgerCheck]:
        as_of = self._server.clock.now_ms() + 1  # what happened in this very millisecond is known

        def unit(conn: sa.Connection) -> tuple[Window, ReportRows, LedgerTotals]:
            window = store_report.window_of(conn, room, show_id, as_of)
            if window is None:
                raise NotFound("this room has no such show", code="unknown_show", where="show")
            totals = store_report.totals(conn, room, window)
            return window, store_report.load(conn, room, window, as_of), totals

        window, rows, totals = await self._server.store.read(unit)
        history = await self._own_history(room, as_of)
        report = await asyncio.to_thread(
            build_report,
            room=room.id,
            window=window,
            currency=room.currency,
            rows=rows,
            baselines=self._baselines,
            as_of_ms=as_of,
            seed=seed_of(room.id, window),
            code_version=self._code,
            settings=self._settings,
            own_history=history,
        )
        return report, check_against_ledger(report, totals)

    async def _own_history(self, room: RoomRow, as_of_ms: int) -> list[PastRoom]:
        """The brand's last rooms with the ratios their own reports print, kept for ten minutes each."""
        limit = self._settings.history_rooms
        past = await self._server.store.read(lambda conn: store_report.past_rooms(conn, room, limit))
        found: list[PastRoom] = []
        for room_id, ended_ms in past:
            kept = self._history.get(room_id)
            if kept is None or kept[0] < as_of_ms - HISTORY_TTL_MS or kept[1].ended_ms != ended_ms:
                kept = (as_of_ms, await self._past(RoomId(room_id), ended_ms, as_of_ms))
                self._history[room_id] = kept
                if len(self._history) > HISTORY_KEPT:
                    self._history.popitem(last=False)
            found.append(kept[1])
        return found

    async def _past(self, room_id: RoomId, ended_ms: int, as_of_ms: int) -> PastRoom:
        def unit(conn: sa.Connection) -> tuple[RoomRow, Window, ReportRows]:
            room = load_room(conn, room_id)
            assert room is not None, "a room with a show is never deleted"
            window = store_report.window_of(conn, room, None, as_of_ms)
            assert window is not None, "a room's whole window always exists"
            return room, window, store_report.load(conn, room, window, as_of_ms)

        room, window, rows = await self._server.store.read(unit)
        report = await asyncio.to_thread(
            build_report,
            room=room_id,
            window=window,
            currency=room.currency,
            rows=rows,
            baselines=self._baselines,
            as_of_ms=as_of_ms,
            seed=seed_of(room_id, window),
            code_version=self._code,
            settings=self._quick,
        )
        values = {name: ratio.value for name, ratio in report.ratios.items() if ratio.value is not None}
        return PastRoom(room=room_id, ended_ms=ended_ms, currency=room.currency, values=values)

    def as_csv(self, report: Report) -> str:
        return report_csv.to_csv(report)


def seed_of(room_id: str, window: Window) -> int:
    """The bootstrap's seed: the same for the same room and beginning, so that a report does not flicker."""
    return int.from_bytes(hashlib.sha256(f"{room_id}\n{window.start_ms}".encode()).digest()[:6])


def load_baselines(path: str) -> Baselines:
    """The operator's file, or the shipped one. Raises OSError or BadBaselines at start rather than in a
    report."""
    file = Path(path) if path else SHIPPED
    return parse_baselines(file.read_bytes(), file.name)


def code_version() -> str:
    """The version of this program that a report names."""
    try:
        return version("streamserver")
    except PackageNotFoundError:
        return "source"
