"""What staff does to a room's chat: delete, mute, ban, pin. Load, decide, save, publish.

Every action is durable before it is acknowledged and before anybody sees it.
"""

from __future__ import annotations

from collections.abc import Callable

from streamserver.bus import Bus, Lane
from streamserver.clock import Clock
from streamserver.ids import AccountId, ViewerId
from streamserver.members import Member, Members, Refusal
from streamserver.store import Store
from streamserver.wire import CLOSE_BANNED, AckFrame, ModerateFrame, PinnedLineFrame

from . import store as sql
from .moderation import MUTE_S, Bar, Kind, may_be_barred, subjects
from .service import ChatService


class Moderator:
    def __init__(self, chat: ChatService, bus: Bus, store: Store, clock: Clock, members: Callable[[], Members]) -> None:
        self._chat = chat
        self._bus = bus
        self._store = store
        self._clock = clock
        self._members = members

    async def moderate(self, member: Member, frame: ModerateFrame) -> None:
        if not member.staff or member.account is None:
            raise Refusal("not_staff", "only staff of this room may do that")
        by = member.account.id
        match frame.action:
            case "delete":
                await self._delete(member, _needed(frame.line, "line"), by)
            case "pin":
                await self._pin(member, _needed(frame.line, "line"))
            case "unpin":
                await self._pin(member, None)
            case "mute":
                await self._bar(member, "mute", _needed(frame.viewer, "viewer"), frame.seconds or MUTE_S, by)
            case "ban":
                await self._bar(member, "ban", _needed(frame.viewer, "viewer"), frame.seconds, by)
            case "unmute":
                await self._lift(member, "mute", _needed(frame.viewer, "viewer"))
            case "unban":
                await self._lift(member, "ban", _needed(frame.viewer, "viewer"))
        member.send(AckFrame(id=frame.id))

    async def _delete(self, member: Member, line_id: str, by: AccountId) -> None:
        room = await self._chat.room(member.room_id)
        if not await self._store.write(sql.delete_line(member.room_id, line_id, by, self._clock.now_ms())):
            raise Refusal("unknown_line", "there is no such line", where="line")
        if room.pinned is not None and room.pinned.id == line_id:
            room.pinned = None
            await self._bus.publish(member.room_id, PinnedLineFrame(line=None), lane=Lane.NOW)
        await self._chat.tell_deleted(room, member.room_id, line_id)

    async def _pin(self, member: Member, line_id: str | None) -> None:
        room = await self._chat.room(member.room_id)
        line = None
        if line_id is not None:
            line = await self._store.read(sql.find_line(member.room_id, line_id))
            if line is None:
                raise Refusal("unknown_line", "there is no such line", where="line")
        await self._store.write(sql.set_room(member.room_id, pinned_line=line_id))
        room.pinned = line
        await self._bus.publish(member.room_id, PinnedLineFrame(line=line), lane=Lane.NOW)

    async def _bar(self, member: Member, kind: Kind, viewer_id: str, seconds: int | None, by: AccountId) -> None:
        known = await self._known(member, viewer_id)
        online = self._members().of(member.room_id, ViewerId(viewer_id))
        if not may_be_barred(known.role) or any(other.staff for other in online):
            raise Refusal("is_staff", "staff cannot be muted or banned", where="viewer")
        now = self._clock.now_ms()
        until = None if seconds is None else now + seconds * 1000
        bars = [Bar(kind, subject, until) for subject in subjects(viewer_id, known.account_id)]
        await self._store.write(sql.set_bars(member.room_id, bars, by, now))
        room = await self._chat.room(member.room_id)
        for bar in bars:
            room.bars.add(bar)
        if kind == "ban":
            self._members().close(member.room_id, ViewerId(viewer_id), CLOSE_BANNED, "banned from this room")

    async def _lift(self, member: Member, kind: Kind, viewer_id: str) -> None:
        known = await self._known(member, viewer_id)
        lifted = subjects(viewer_id, known.account_id)
        await self._store.write(sql.lift_bars(member.room_id, kind, lifted))
        room = await self._chat.room(member.room_id)
        for subject in lifted:
            room.bars.lift(kind, subject)

    async def _known(self, member: Member, viewer_id: str) -> sql.Known:
        known = await self._store.read(sql.viewer(member.room_id, viewer_id))
        if known is None:
            raise Refusal("unknown_viewer", "this viewer was never here", where="viewer")
        return known


def _needed(value: str | None, where: str) -> str:
    if value is None:
        raise Refusal("bad_frame", f"this action needs `{where}`", where=where)
    return value
