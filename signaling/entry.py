"""From `hello` to a member: who it is, whether it may enter, what it is called.

Asks the platform; writes no frame and knows no socket.
"""

from __future__ import annotations

from aiohttp import web

from streamserver import errors, wire
from streamserver.auth import Account, Role
from streamserver.members import Turned
from streamserver.plaintext import Words, guest_name, person_name
from streamserver.room_rows import RoomRow
from streamserver.server import Server

from . import store
from .connection import Connection

_STAFF = (Role.BRAND, Role.INFLUENCER, Role.MODERATOR)


def is_staff(account: Account | None, room: RoomRow) -> bool:
    """Whether an account may moderate a room: an operator, or staff of its seller (an influencer: only as host)."""
    if account is None:
        return False
    if account.role is Role.OPERATOR:
        return True
    if account.role not in _STAFF or account.seller_id != room.seller_id:
        return False
    return account.role is not Role.INFLUENCER or room.host_id == account.id


class Entry:
    """Asks as little as it can: a show's beginning brings thousands who have never been here."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._words = Words(server.settings.chat_words)

    async def identify(
        self, request: web.Request, member: Connection, hello: wire.HelloFrame, known: wire.RoomState | None
    ) -> wire.RoomState:
        """Fills in who the member is and remembers it durably. Raises Turned with the close code.

        `known` is the room as its members here know it, if it has any.
        """
        server = self._server
        if hello.v != wire.VERSION:
            raise Turned(wire.CLOSE_VERSION, f"this server speaks version {wire.VERSION}")
        account = member.account = await server.auth.account(request)
        if known is None or account is not None:
            try:
                room = await server.rooms.get(member.room_id)
            except errors.NotFound:
                raise Turned(wire.CLOSE_UNKNOWN_ROOM, "no such room") from None
            known = server.rooms.room_state(room)
            member.staff = is_staff(account, room)
        if account is not None and member.staff:
            member.role = account.role.value
        member.token, new = self._token(request, hello)
        member.viewer_id = server.viewers.viewer_id(member.token, member.room_id)
        member.excluded = "staff" if member.staff else "loadtest" if hello.purpose == "loadtest" else ""
        await server.frames.check_entry(member.room_id, member.viewer_id, account)
        await server.viewers.remember(
            member.room_id, member.viewer_id, account=account.id if account else None, excluded=member.excluded
        )
        member.name = await self._name(member, hello, new=new)
        return known

    async def _name(self, member: Connection, hello: wire.HelloFrame, *, new: bool) -> str:
        """What `hello` says, else what the viewer was called before, else the account's name, else a guest's."""
        read = self._server.store.read
        kept = None if new else await read(store.name_of(member.room_id, member.viewer_id))
        name = person_name(hello.name or "")
        if name is None or self._words.found_in(name):
            name = kept
        if name is None and member.staff and member.account is not None:
            name = person_name(member.account.name)
        if name is None:
            return guest_name(member.viewer_id)
        if name != kept:
            await self._server.store.write(store.set_name(member.room_id, member.viewer_id, name))
        return name

    def _token(self, request: web.Request, hello: wire.HelloFrame) -> tuple[str, bool]:
        """(token, whether it is new). A browser's cookie comes first, so that its clicks and its chat are one
        viewer's; then what `hello` says."""
        viewers = self._server.viewers
        try:
            said = viewers.check(hello.viewer) if hello.viewer else None
        except errors.Unauthorized as exc:
            raise Turned(wire.CLOSE_BAD_TOKEN, exc.detail) from None
        cookie = request.cookies.get(viewers.cookie)
        if cookie is not None and viewers.token_of(request) == cookie:
            return cookie, False
        return (said, False) if said is not None else (viewers.new_token(), True)
