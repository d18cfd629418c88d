"""What happens in a room's chat: load, decide by the pure modules, save, publish.

A line is durable before anybody sees it and before its writer's `ack`. Knows no socket and no HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from streamserver.bus import Bus, Lane
from streamserver.clock import Clock
from streamserver.errors import StreamServerError
from streamserver.ids import LineId, RoomId, ViewerId
from streamserver.members import Member, Members, Refusal, Turned
from streamserver.plaintext import Words, person_name
from streamserver.store import Store
from streamserver.wire import CLOSE_BANNED, UNSET, AckFrame, ChatFrame, LikeFrame, Line, NameFrame, TickFrame

from . import store as sql
from .moderation import Bars, Unsaid, said
from .rate import ChatRate, Wait
from .timeline import LineIds, Timeline

log = logging.getLogger(__name__)

ROOMS: Final = 2_000
"""Rooms kept in memory (policy: the one least recently used is loaded again when it is needed)."""
REPEATS: Final = 500
"""Newest client ids of a room whose repeat is answered without asking the database."""
LIKES_TOLD_S: Final = 0.1
LIKES_STORED_S: Final = 3.0
"""How many seconds of likes a crash may cost."""
KEEP_LINES_MS: Final = 90 * 24 * 3600 * 1000
PURGE_S: Final = 3600.0
PURGE_CHUNK: Final = 2_000
PURGE_CHUNKS: Final = 500


@dataclass
class ChatRoom:
    """What is at hand of one room; the database has all of it but the newest likes."""

    timeline: Timeline
    bars: Bars
    pinned: Line | None
    likes: int
    rate: ChatRate
    ids: LineIds
    said: OrderedDict[tuple[str, str], LineId] = field(default_factory=OrderedDict)
    """(viewer, client id) of the newest lines."""
    told_likes: int = 0


class ChatService:
    def __init__(
        self,
        bus: Bus,
        store: Store,
        clock: Clock,
        new_id: Callable[[], str],
        members: Callable[[], Members],
        *,
        words: Words,
        links: bool,
    ) -> None:
        self._bus = bus
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._members = members
        self._words = words
        self._links = links
        self._rooms: OrderedDict[RoomId, ChatRoom] = OrderedDict()
        self._loading: dict[RoomId, asyncio.Task[ChatRoom]] = {}
        self._unstored_likes: dict[RoomId, int] = {}
        self._liked: set[RoomId] = set()
        self._saying: set[asyncio.Task[LineId]] = set()

    async def room(self, room_id: RoomId) -> ChatRoom:
        """The room, loaded once however many ask at the same time."""
        room = self._rooms.get(room_id)
        if room is not None:
            self._rooms.move_to_end(room_id)
            return room
        task = self._loading.get(room_id)
        if task is None:
            task = self._loading[room_id] = asyncio.create_task(self._load(room_id))
            task.add_done_callback(lambda _done: self._loading.pop(room_id, None))
        # One asker that gives up must not take the room from the others.
        return await asyncio.shield(task)

    async def _load(self, room_id: RoomId) -> ChatRoom:
        kept = await self._store.read(sql.load(room_id, self._clock.now_ms()))
        likes = kept.likes + self._unstored_likes.get(room_id, 0)
        room = ChatRoom(
            timeline=Timeline(kept.lines),
            bars=Bars(kept.bars),
            pinned=kept.pinned,
            likes=likes,
            told_likes=likes,
            rate=ChatRate(self._clock.monotonic()),
            ids=LineIds(kept.last_id),
        )
        self._rooms[room_id] = room
        if len(self._rooms) > ROOMS:
            self._rooms.popitem(last=False)
        return room

    # ---- for joiners ----

    async def check_entry(self, room_id: RoomId, viewer_id: ViewerId, account: Any) -> None:
        """Raises Turned for a banned viewer or account."""
        bars = (await self.room(room_id)).bars
        account_id = account.id if account is not None else None
        if bars.find("ban", viewer_id, account_id, self._clock.now_ms()) is not None:
            raise Turned(CLOSE_BANNED, "banned from this room")

    async def lines(self, room_id: RoomId) -> list[Line]:
        return (await self.room(room_id)).timeline.lines()

    async def pinned(self, room_id: RoomId) -> Line | None:
        return (await self.room(room_id)).pinned

    async def likes(self, room_id: RoomId) -> int:
        return (await self.room(room_id)).likes

    # ---- frames ----

    async def post(self, member: Member, frame: ChatFrame) -> None:
        """Acknowledges the line once it is durable. A repeat of a client id answers the first line's id."""
        room = await self.room(member.room_id)
        key = (str(member.viewer_id), frame.id)
        line_id = room.said.get(key)
        if line_id is None:
            self._refuse_barred(room, member)
            text = said(frame.text, staff=member.staff, words=self._words, links=self._links)
            if isinstance(text, Unsaid):
                raise Refusal(text.code, text.detail, where="text")
            wait = room.rate.line(member.viewer_id, self._clock.monotonic(), staff=member.staff)
            if wait is not None:
                raise _too_fast(wait)
            line = Line(
                id=room.ids.next(self._new_id()),
                viewer=member.viewer_id,
                name=member.name,
                role=member.role,
                text=text,
                at_ms=self._clock.now_ms(),
                reply_to=frame.reply_to or UNSET,
            )
            # Its own task: a caller that gives up waiting must not leave a stored line unsaid.
            task = asyncio.create_task(self._say(room, member.room_id, line, frame.id))
            self._saying.add(task)
            task.add_done_callback(self._saying.discard)
            line_id = await asyncio.shield(task)
        member.send(AckFrame(id=frame.id, line=line_id))

    async def _say(self, room: ChatRoom, room_id: RoomId, line: Line, client_id: str) -> LineId:
        stored = await self._store.write(sql.add_line(room_id, line, client_id))
        room.said[line.viewer, client_id] = stored
        if len(room.said) > REPEATS:
            room.said.popitem(last=False)
        if stored == line.id:
            room.timeline.add(line)
            await self._bus.publish(room_id, TickFrame(chat=[line]))
        return stored

    async def rename(self, member: Member, frame: NameFrame) -> None:
        room = await self.room(member.room_id)
        self._refuse_barred(room, member)
        name = person_name(frame.name)
        if name is None or self._words.found_in(name):
            raise Refusal("name_refused", "this name cannot be shown", where="name")
        wait = room.rate.name(member.viewer_id, self._clock.monotonic())
        if wait is not None:
            raise _too_fast(wait)
        await self._store.write(sql.set_name(member.room_id, member.viewer_id, name))
        self._members().rename(member.room_id, member.viewer_id, name)
        member.send(AckFrame(id=frame.id))

    async def like(self, member: Member, frame: LikeFrame) -> None:
        """Counted at once, told with the next tick, stored within seconds."""
        room = await self.room(member.room_id)
        counted = room.rate.likes(member.viewer_id, frame.n, self._clock.monotonic())
        if counted:
            room.likes += counted
            self._liked.add(member.room_id)
            self._unstored_likes[member.room_id] = self._unstored_likes.get(member.room_id, 0) + counted

    def _refuse_barred(self, room: ChatRoom, member: Member) -> None:
        now = self._clock.now_ms()
        account_id = member.account.id if member.account is not None else None
        for kind in ("ban", "mute"):
            bar = room.bars.find(kind, member.viewer_id, account_id, now)
            if bar is not None:
                retry = None if bar.until_ms is None else bar.until_ms - now
                raise Refusal("muted", "you may not write in this room", retry_ms=retry)

    # ---- in the background ----

    async def tell_likes(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(LIKES_TOLD_S)
            liked, self._liked = self._liked, set()
            for room_id in liked:
                room = self._rooms.get(room_id)
                if room is not None and room.likes != room.told_likes:
                    room.told_likes = room.likes
                    await self._bus.publish(room_id, TickFrame(likes=room.likes))

    async def keep(self) -> None:
        """Stores likes and removes lines older than 90 days. Runs until cancelled."""
        purged = self._clock.monotonic() - PURGE_S
        while True:
            await asyncio.sleep(LIKES_STORED_S)
            await self.store_likes()
            if self._clock.monotonic() - purged >= PURGE_S:
                purged = self._clock.monotonic()
                await self.purge()

    async def store_likes(self) -> None:
        """What cannot be stored now is stored later."""
        added, self._unstored_likes = self._unstored_likes, {}
        if not added:
            return
        try:
            await self._store.write(sql.add_likes(added))
        except StreamServerError as exc:
            log.warning("likes_not_stored", extra={"why": exc.detail})
            for room_id, likes in added.items():
                self._unstored_likes[room_id] = self._unstored_likes.get(room_id, 0) + likes

    async def purge(self) -> None:
        before = self._clock.now_ms() - KEEP_LINES_MS
        try:
            for _ in range(PURGE_CHUNKS):
                if await self._store.write(sql.purge(before, PURGE_CHUNK)) < PURGE_CHUNK:
                    break
                await asyncio.sleep(0.1)  # orders come first
        except StreamServerError as exc:
            log.warning("old_lines_not_purged", extra={"why": exc.detail})

    async def finish(self) -> None:
        """At shutdown: lines under way are said, likes are stored."""
        if self._saying:
            await asyncio.wait(self._saying, timeout=5)
        await self.store_likes()

    # ---- for the moderator's half ----

    async def tell_deleted(self, room: ChatRoom, room_id: RoomId, line_id: str) -> None:
        room.timeline.remove(line_id)
        await self._bus.publish(room_id, TickFrame(deleted=[line_id]), lane=Lane.NOW)


def _too_fast(wait: Wait) -> Refusal:
    detail = "slow down" if wait.whose == "viewer" else "too many are writing at once"
    code = "too_fast" if wait.whose == "viewer" else "room_busy"
    return Refusal(code, detail, retry_ms=round(wait.seconds * 1000) + 1)
