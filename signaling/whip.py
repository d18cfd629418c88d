"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) over HTTP: who may, which session, which status.

Knows tokens, headers and status codes. What is in the SDP is the media engine's business; who may publish or watch
is `server.rooms`'.
"""

from __future__ import annotations

from typing import Any, Final

from aiohttp import hdrs, web

from streamserver.errors import BadRequest, Unauthorized, UnsupportedType
from streamserver.http import read_body
from streamserver.ids import RoomId, SessionId
from streamserver.media.engine import MediaEngine, Session
from streamserver.media.errors import UnknownSession
from streamserver.media.negotiation import Role

MAX_BODY: Final = 64 * 1024
SDP: Final = "application/sdp"
FRAGMENT: Final = "application/trickle-ice-sdpfrag"
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After",
}
_PREFLIGHT: Final = {
    **_CORS,
    "Access-Control-Allow-Methods": "POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": "86400",
}
_ROLES: Final = {Role.PUBLISHER: "whip", Role.VIEWER: "whep"}


def setup_whip(server: Any) -> None:
    """Add the routes to `server.app`. Every answer, errors included, carries the CORS headers."""
    endpoint = _Endpoint(server)
    router = server.app.router
    for name, role in (("whip", Role.PUBLISHER), ("whep", Role.VIEWER)):
        collection, member = f"/{name}/{{room}}", f"/{name}/{{room}}/{{session}}"
        router.add_post(collection, endpoint.handler(endpoint.open, role))
        router.add_options(collection, endpoint.options_collection)
        router.add_patch(member, endpoint.handler(endpoint.patch, role))
        router.add_delete(member, endpoint.handler(endpoint.end, role))
        router.add_options(member, endpoint.options_member)
    server.app.on_response_prepare.append(_add_cors)


async def _add_cors(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer below /whip and /whep, the error middleware's included."""
    if request.path.startswith(("/whip/", "/whep/")):
        for name, value in _CORS.items():
            response.headers.setdefault(name, value)
        if response.status == Unauthorized.status:
            response.headers.setdefault(hdrs.WWW_AUTHENTICATE, "Bearer")


class _Endpoint:
    def __init__(self, server: Any) -> None:
        self._server = server
        links = [f'<{url}>; rel="ice-server"' for url in server.settings.ice_servers]
        self._links = ", ".join(links)

    @property
    def _engine(self) -> MediaEngine:
        return self._server.engine

    def handler(self, method: Any, role: Role) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await method(request, role)

        return handle

    async def open(self, request: web.Request, role: Role) -> web.Response:
        """POST: authorised before the body is read, so that a stranger costs nothing."""
        self._server.refuse_when_draining()
        room = await self._authorize(request, role)
        offer = await _read_body(request, SDP)
        session = await (
            self._engine.publish(room, offer) if role is Role.PUBLISHER else self._engine.subscribe(room, offer)
        )
        return web.Response(status=201, text=session.answer_sdp, content_type=SDP, headers=self._headers(session))

    async def patch(self, request: web.Request, role: Role) -> web.Response:
        """PATCH: trickled candidates (204) or an ICE restart (200 with a new ETag)."""
        room = await self._authorize(request, role)
        session = self._session(request, room, role)
        fragment = await _read_body(request, FRAGMENT)
        done = await self._engine.patch(session, fragment, request.headers.get(hdrs.IF_MATCH))
        headers = {hdrs.ETAG: f'"{done.etag}"'}
        if not done.fragment:
            return web.Response(status=204, headers=headers)
        return web.Response(status=200, text=done.fragment, content_type=FRAGMENT, headers=headers)

    async def end(self, request: web.Request, role: Role) -> web.Response:
        room = await self._authorize(request, role)
        await self._engine.close(self._session(request, room, role))
        return web.Response(status=200)

    async def options_collection(self, request: web.Request) -> web.Response:
        headers = {**_PREFLIGHT, "Accept-Post": SDP, "Allow": "POST, OPTIONS"}
        if self._links:
            headers["Link"] = self._links  # clients of older drafts ask for their ICE servers here
        return web.Response(status=204, headers=headers)

    async def options_member(self, request: web.Request) -> web.Response:
        headers = {**_PREFLIGHT, "Accept-Patch": FRAGMENT, "Allow": "PATCH, DELETE, OPTIONS"}
        return web.Response(status=204, headers=headers)

    async def _authorize(self, request: web.Request, role: Role) -> RoomId:
        room = RoomId(request.match_info["room"])
        bearer = _bearer(request)
        if role is Role.VIEWER:
            await self._server.rooms.authorize_viewer(room, bearer)
        elif bearer is None:
            raise Unauthorized("a bearer token is required: the room's stream key", code="token_missing")
        else:
            await self._server.rooms.authorize_publisher(room, bearer)
        return room

    def _session(self, request: web.Request, room: RoomId, role: Role) -> SessionId:
        """The session of the URL; one of another room or kind does not exist here."""
        session = SessionId(request.match_info["session"])
        if self._engine.room_of(session) != (room, role):
            raise UnknownSession("there is no such media session")
        return session

    def _headers(self, session: Session) -> dict[str, str]:
        headers = {
            hdrs.LOCATION: f"/{_ROLES[session.role]}/{session.room}/{session.id}",
            hdrs.ETAG: f'"{session.etag}"',
            "Accept-Patch": FRAGMENT,
            hdrs.CACHE_CONTROL: "no-store",
        }
        if self._links:
            headers["Link"] = self._links
        return headers


def _bearer(request: web.Request) -> str | None:
    """The token of `Authorization: Bearer …`, or None without the header. Raises Unauthorized for another scheme."""
    header = request.headers.get(hdrs.AUTHORIZATION)
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("Authorization must read: Bearer TOKEN", code="token_missing")
    return token.strip()


async def _read_body(request: web.Request, content_type: str) -> str:
    if request.content_type != content_type:
        raise UnsupportedType(f"Content-Type must be {content_type}")
    body = await read_body(request, MAX_BODY)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest("the body is not UTF-8", code="bad_sdp", where=f"byte {error.start}") from None
