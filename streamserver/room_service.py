"""Rooms and shows: load, decide by the table in `rooms.py`, save, tell the room. Knows no media and no socket."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from collections.abc import Awaitable, Callable

import sqlalchemy as sa

from . import errors
from .bus import Bus, Lane
from .clock import Clock
from .ids import AccountId, RoomId, SellerId, SessionId, ShowId, encode_secret, new_id
from .keys import Keys
from .room_rows import RoomRow, load_room, room_of, select_rooms
from .rooms import RoomEvent, RoomLife, decide
from .store import Store
from .store.tables.platform import live_intervals, rooms, shows
from .tokens import check_publish_token, hash_secret, publish_token
from .wire import RoomFrame, RoomState

PUBLISH_TOKEN_MS = 12 * 3600 * 1000
HEARTBEAT_S = 5.0
"""How often the end of an open live interval is moved forward."""

_UNKNOWN = "no such room"

log = logging.getLogger(__name__)


class RoomService:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        keys: Keys,
        bus: Bus,
        *,
        resume_window_s: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._keys = keys
        self._bus = bus
        self._resume_window_ms = round(resume_window_s * 1000)
        self._publishing: dict[RoomId, SessionId] = {}
        self._interrupted_ms: dict[RoomId, int] = {}
        self.on_ended: list[Callable[[RoomId], Awaitable[None]]] = []
        """Called when a show has ended, by request or because nobody came back."""

    # ---- reading ----------------------------------------------------------------------------------------------------

    async def get(self, room_id: RoomId) -> RoomRow:
        """Raises NotFound."""
        row = await self._store.read(lambda conn: load_room(conn, room_id))
        if row is None:
            raise errors.NotFound(_UNKNOWN, code="unknown_room", where="room")
        return row

    async def listed(self) -> list[RoomRow]:
        """The hub's rooms: live ones, then upcoming by start, then past by end; at most 60 of each."""

        def unit(conn: sa.Connection) -> list[RoomRow]:
            base = select_rooms().where(rooms.c.listed, sa.not_(rooms.c.test))
            out: list[RoomRow] = []
            for states, order in (
                ((RoomLife.LIVE, RoomLife.INTERRUPTED), shows.c.started_ms.desc()),
                ((RoomLife.SCHEDULED,), sa.func.coalesce(rooms.c.starts_ms, rooms.c.created_ms)),
                ((RoomLife.ENDED,), sa.func.coalesce(shows.c.ended_ms, rooms.c.created_ms).desc()),
            ):
                found = conn.execute(base.where(rooms.c.state.in_(states)).order_by(order).limit(60))
                out.extend(room_of(row) for row in found)
            return out

        return await self._store.read(unit)

    async def of_seller(self, seller_id: SellerId | None, host_id: AccountId | None = None) -> list[RoomRow]:
        """Every room of a seller (of all sellers for None), newest first; only a host's own when one is named."""

        def unit(conn: sa.Connection) -> list[RoomRow]:
            query = select_rooms().order_by(rooms.c.created_ms.desc()).limit(500)
            if seller_id is not None:
                query = query.where(rooms.c.seller_id == seller_id)
            if host_id is not None:
                query = query.where(rooms.c.host_id == host_id)
            return [room_of(row) for row in conn.execute(query)]

        return await self._store.read(unit)

    def room_state(self, row: RoomRow) -> RoomState:
        return RoomState(
            id=row.id,
            title=row.title,
            state=row.state.value,
            show=row.show_id,
            started_ms=row.show_started_ms,
        )

    # ---- writing ----------------------------------------------------------------------------------------------------

    async def create(
        self,
        seller_id: SellerId,
        host_id: AccountId | None,
        *,
        title: str,
        description: str = "",
        poster: str | None = None,
        starts_ms: int | None = None,
        currency: str = "USD",
        listed: bool = True,
        test: bool = False,
        room_id: RoomId | None = None,
        stream_key: str | None = None,
    ) -> tuple[RoomRow, str]:
        """(room, stream key); the key is not kept and cannot be shown again."""
        now = self._clock.now_ms()
        room = room_id or RoomId(new_id(now, os.urandom(10)))
        key = stream_key or new_stream_key()

        def unit(conn: sa.Connection) -> RoomRow:
            conn.execute(
                rooms.insert().values(
                    id=room,
                    seller_id=seller_id,
                    host_id=host_id,
                    title=title,
                    description=description,
                    poster=poster,
                    state=RoomLife.SCHEDULED.value,
                    starts_ms=starts_ms,
                    created_ms=now,
                    currency=currency,
                    listed=listed,
                    test=test,
                    stream_key_hash=hash_secret(key),
                )
            )
            row = load_room(conn, room)
            assert row is not None
            return row

        return await self._store.write(unit), key

    async def change(self, room_id: RoomId, values: dict[str, object]) -> RoomRow:
        """Sets columns of a room that the caller has checked, and tells the room."""

        def unit(conn: sa.Connection) -> RoomRow | None:
            if values:
                conn.execute(rooms.update().where(rooms.c.id == room_id).values(**values))
            return load_room(conn, room_id)

        row = await self._store.write(unit)
        if row is None:
            raise errors.NotFound(_UNKNOWN, code="unknown_room", where="room")
        await self._bus.publish(room_id, RoomFrame(room=self.room_state(row)), lane=Lane.NOW)
        return row

    async def set_stream_key(self, room_id: RoomId, key: str | None = None) -> str:
        """A new stream key; the old one stops working at once for new sessions."""
        key = key or new_stream_key()

        def unit(conn: sa.Connection) -> None:
            conn.execute(rooms.update().where(rooms.c.id == room_id).values(stream_key_hash=hash_secret(key)))

        await self._store.write(unit)
        return key

    # ---- who may publish and watch ----------------------------------------------------------------------------------

    def make_publish_token(self, room_id: RoomId) -> tuple[str, int]:
        """(token, expires_ms)."""
        expires = self._clock.now_ms() + PUBLISH_TOKEN_MS
        return publish_token(self._keys.current("publish")[1], room_id, expires), expires

    async def authorize_publisher(self, room_id: RoomId, bearer: str | None) -> None:
        """Raises NotFound, Unauthorized without a bearer, Forbidden for a wrong one."""
        row = await self.get(room_id)
        if not bearer:
            raise errors.Unauthorized("a stream key or publish token is needed", where="Authorization")
        now = self._clock.now_ms()
        by_token = any(
            check_publish_token(secret, room_id, bearer, now) for secret in self._keys.all("publish")
        )
        by_key = hmac.compare_digest(hash_secret(bearer), row.stream_key_hash)
        if not (by_token or by_key):
            raise errors.Forbidden("wrong stream key or token", code="wrong_key", where="Authorization")

    async def authorize_viewer(self, room_id: RoomId, bearer: str | None) -> None:
        """Every room is public for whoever knows its id; raises NotFound."""
        await self.get(room_id)

    # ---- the life cycle ---------------------------------------------------------------------------------------------

    async def publisher_started(self, room_id: RoomId, session_id: SessionId) -> None:
        self._publishing[room_id] = session_id
        await self._apply(room_id, RoomEvent.PUBLISHER_STARTED)

    def publisher_replaced(self, room_id: RoomId, session_id: SessionId) -> None:
        """In a room that is being published another session takes over: no interruption, and its end counts now.

        Without this a host who was replaced would see the room interrupted and take it back.
        """
        if room_id in self._publishing:
            self._publishing[room_id] = session_id

    async def publisher_stopped(self, room_id: RoomId, session_id: SessionId, reason: str) -> None:
        """Ignored for a session that another one has taken over from.

        One that was `replaced` has its successor's `publisher_replaced` coming next: the room was never without one.
        """
        if reason != "replaced" and self._publishing.get(room_id) == session_id:
            await self._apply(room_id, RoomEvent.PUBLISHER_STOPPED)
            # Only now: what could not be written may be told again.
            if self._publishing.get(room_id) == session_id:
                del self._publishing[room_id]

    async def end(self, room_id: RoomId) -> RoomRow:
        self._publishing.pop(room_id, None)
        row = await self._apply(room_id, RoomEvent.END_REQUESTED)
        for told in self.on_ended:
            await told(room_id)
        return row

    async def _apply(self, room_id: RoomId, event: RoomEvent) -> RoomRow:
        now = self._clock.now_ms()
        rand = os.urandom(20)

        def unit(conn: sa.Connection) -> tuple[RoomRow, bool]:
            row = load_room(conn, room_id)
            if row is None:
                raise errors.NotFound(_UNKNOWN, code="unknown_room", where="room")
            change = decide(row.state, event)
            if change.state is row.state:
                return row, False
            show_id = row.show_id
            if change.opens_show:
                show_id = ShowId(new_id(now, rand[:10]))
                conn.execute(shows.insert().values(id=show_id, room_id=room_id, started_ms=now))
            if change.opens_interval:
                conn.execute(
                    live_intervals.insert().values(
                        id=new_id(now, rand[10:]),
                        show_id=show_id,
                        room_id=room_id,
                        started_ms=now,
                        last_ms=now,
                    )
                )
            if change.closes_interval:
                conn.execute(
                    live_intervals.update()
                    .where(live_intervals.c.room_id == room_id, live_intervals.c.ended_ms.is_(None))
                    .values(ended_ms=now, last_ms=now)
                )
            if change.closes_show:
                conn.execute(shows.update().where(shows.c.id == show_id).values(ended_ms=now))
            conn.execute(
                rooms.update().where(rooms.c.id == room_id).values(state=change.state.value, show_id=show_id)
            )
            after = load_room(conn, room_id)
            assert after is not None
            return after, True

        row, changed = await self._store.write(unit)
        if row.state is RoomLife.INTERRUPTED:
            self._interrupted_ms.setdefault(room_id, now)
        else:
            self._interrupted_ms.pop(room_id, None)
        if changed:
            await self._bus.publish(room_id, RoomFrame(room=self.room_state(row)), lane=Lane.NOW)
        return row

    async def recover(self) -> None:
        """At start: rooms that a crash left live lost their publisher when their interval was last moved forward."""

        def unit(conn: sa.Connection) -> list[tuple[RoomId, int]]:
            conn.execute(
                live_intervals.update()
                .where(live_intervals.c.ended_ms.is_(None))
                .values(ended_ms=live_intervals.c.last_ms)
            )
            conn.execute(
                rooms.update()
                .where(rooms.c.state == RoomLife.LIVE.value)
                .values(state=RoomLife.INTERRUPTED.value)
            )
            found = conn.execute(sa.select(rooms.c.id).where(rooms.c.state == RoomLife.INTERRUPTED.value))
            return [(RoomId(row.id), now) for row in found]

        now = self._clock.now_ms()
        self._interrupted_ms = dict(await self._store.write(unit))

    async def run(self) -> None:
        """Moves live intervals forward and ends shows whose publisher stayed away. Runs until cancelled."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                await self.sweep()
            except errors.Unavailable as exc:
                log.warning("rooms_not_swept", extra={"why": exc.detail})

    async def sweep(self) -> None:
        now = self._clock.now_ms()

        def unit(conn: sa.Connection) -> None:
            conn.execute(
                live_intervals.update().where(live_intervals.c.ended_ms.is_(None)).values(last_ms=now)
            )

        if self._publishing:
            await self._store.write(unit)
        for room_id, since in list(self._interrupted_ms.items()):
            if now - since >= self._resume_window_ms:
                row = await self._apply(room_id, RoomEvent.RESUME_WINDOW_PASSED)
                if row.state is not RoomLife.ENDED:
                    continue  # its publisher came back while this was on its way
                for told in self.on_ended:
                    await told(room_id)


def new_stream_key() -> str:
    return "sk_" + encode_secret(os.urandom(18))
