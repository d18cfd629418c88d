"""From `hello` to a member: who it is, whether it may enter, what it is called.

Asks the platform; writes no frame and knows no socket.
"""

from __future__ import annotations

from aiohttp import web

from streamserver import errors, wire
from streamserver.auth import Account, Role
from streamserver.ids import RoomId
from streamserver.members import Turned
from streamserver.plaintext import guest_name, person_name
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


async def identify(server: Server, request: web.Request, member: Connection, hello: wire.HelloFrame) -> RoomRow:
    """Fills in who the member is and remembers it durably. Raises Turned with the close code."""
    if hello.v != wire.VERSION:
        raise Turned(wire.CLOSE_VERSION, f"this server speaks version {wire.VERSION}")
    try:
        room = await server.rooms.get(RoomId(member.room_id))
    except errors.NotFound:
        raise Turned(wire.CLOSE_UNKNOWN_ROOM, "no such room") from None
    member.token = _token(server, request, hello)
    member.viewer_id = server.viewers.viewer_id(member.token, room.id)
    account = member.account = await server.auth.account(request)
    member.staff = is_staff(account, room)
    if account is not None and member.staff:
        member.role = account.role.value
    member.excluded = "staff" if member.staff else "loadtest" if hello.purpose == "loadtest" else ""
    await server.frames.check_entry(room.id, member.viewer_id, account)
    await server.viewers.remember(
        room.id, member.viewer_id, account=account.id if account else None, excluded=member.excluded
    )
    member.name = await _name(server, member, hello)
    return room


async def _name(server: Server, member: Connection, hello: wire.HelloFrame) -> str:
    kept = await server.store.read(store.name_of(member.room_id, member.viewer_id))
    name = person_name(hello.name or "") or kept
    if name is None and member.staff and member.account is not None:
        name = person_name(member.account.name)
    if name is None:
        return guest_name(member.viewer_id)
    if name != kept:
        await server.store.write(store.set_name(member.room_id, member.viewer_id, name))
    return name


def _token(server: Server, request: web.Request, hello: wire.HelloFrame) -> str:
    """A browser's cookie comes first, so that its clicks and its chat are one viewer's; then what `hello` says."""
    try:
        said = server.viewers.check(hello.viewer) if hello.viewer else None
    except errors.Unauthorized as exc:
        raise Turned(wire.CLOSE_BAD_TOKEN, exc.detail) from None
    if server.viewers.cookie in request.cookies:
        token = server.viewers.token_of(request)
        if token == request.cookies[server.viewers.cookie]:
            return token
    return said or server.viewers.new_token()
