"""Routes of the platform: pages, signing in, rooms. Shells around `Auth`, `RoomService` and `Pages`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import segno
from aiohttp import web

from . import http
from .auth import Account, Role
from .errors import BadRequest, NotFound, StreamServerError
from .ids import RoomId
from .room_input import RoomInput
from .room_rows import RoomRow
from .rooms import RoomLife
from .wire_shapes import (
    DemoHint,
    Hub,
    Me,
    PublishToken,
    Room,
    RoomCreated,
    SellerRef,
    ShowRef,
    SignedIn,
    SignIn,
    StreamKey,
    StudioRooms,
)

if TYPE_CHECKING:
    from .server import Server


def setup(server: Server) -> None:
    server.health.setup(server.app)
    server.pages.setup(server.app)
    routes = _Routes(server)
    server.app.add_routes(
        [
            web.get("/", routes.hub_page),
            web.get("/r/{room}", routes.room_page),
            web.get("/r/{room}/qr.svg", routes.room_qr),
            web.get("/signin", routes.sign_in_page),
            web.get("/studio", routes.studio_page),
            web.get("/studio/rooms/{room}/report", routes.report_page),
            web.get("/studio/{rest:.*}", routes.studio_page),
            web.get("/api/me", routes.me),
            web.post("/api/auth/sign-in", routes.sign_in),
            web.post("/api/auth/sign-out", routes.sign_out),
            web.get("/api/rooms", routes.hub),
            web.post("/api/rooms", routes.create_room),
            web.get("/api/studio/rooms", routes.studio_rooms),
            web.get("/api/rooms/{room}", routes.room),
            web.patch("/api/rooms/{room}", routes.change_room),
            web.post("/api/rooms/{room}/stream-key", routes.new_stream_key),
            web.post("/api/rooms/{room}/publish-token", routes.publish_token),
            web.post("/api/rooms/{room}/end", routes.end_room),
        ]
    )


class _Routes:
    def __init__(self, server: Server) -> None:
        self._server = server

    # ---- pages ------------------------------------------------------------------------------------------------------

    async def hub_page(self, request: web.Request) -> web.Response:
        self._server.viewers.token_of(request)
        return self._server.pages.respond(request, "index.html")

    async def room_page(self, request: web.Request) -> web.Response:
        try:
            row = await self._server.rooms.get(_room_id(request))
        except StreamServerError as exc:
            return self._server.pages.error(request, exc)
        self._server.viewers.token_of(request)
        return self._server.pages.respond(request, "room.html", title=row.title, data=self._broadcast(row))

    def _broadcast(self, row: RoomRow) -> dict[str, Any]:
        """schema.org BroadcastEvent of a room."""
        event: dict[str, Any] = {
            "@context": "https://schema.org",
            "@type": "BroadcastEvent",
            "name": row.title,
            "description": row.description,
            "isLiveBroadcast": row.state in (RoomLife.LIVE, RoomLife.INTERRUPTED),
            "url": f"{self._server.base_url()}/r/{row.id}",
            "organizer": {"@type": "Organization", "name": row.seller_name},
        }
        if (start := row.show_started_ms or row.starts_ms) is not None:
            event["startDate"] = _iso(start)
        if row.show_ended_ms is not None:
            event["endDate"] = _iso(row.show_ended_ms)
        return event

    async def room_qr(self, request: web.Request) -> web.Response:
        row = await self._server.rooms.get(_room_id(request))
        code = segno.make_qr(f"{self._server.base_url()}/r/{row.id}", error="m")
        return web.Response(
            body=code.svg_inline(scale=8, border=2, omitsize=True).replace(
                "<svg", '<svg xmlns="http://www.w3.org/2000/svg" style="background:#fff"', 1
            ),
            content_type="image/svg+xml",
            headers={
                "Cache-Control": "public, max-age=3600",
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            },
        )

    async def sign_in_page(self, request: web.Request) -> web.Response:
        return self._server.pages.respond(request, "signin.html")

    async def studio_page(self, request: web.Request) -> web.Response:
        if await self._server.auth.account(request) is None:
            raise web.HTTPFound("/signin?next=" + request.path)
        return self._server.pages.respond(request, "studio.html", camera=True)

    async def report_page(self, request: web.Request) -> web.Response:
        if await self._server.auth.account(request) is None:
            raise web.HTTPFound("/signin?next=" + request.path)
        return self._server.pages.respond(request, "report.html")

    # ---- identity ---------------------------------------------------------------------------------------------------

    async def me(self, request: web.Request) -> web.Response:
        account = await self._server.auth.account(request)
        # A server with a public address may stand behind a proxy that looks like loopback.
        local = http.is_loopback(request) and not self._server.settings.public_url
        demo = self._server.demo.hint if local else None
        return http.respond(
            Me(
                account=account.shape() if account else None,
                viewer_name=None,
                demo=DemoHint(email=demo.email, password=demo.password, room=demo.room) if demo else None,
            )
        )

    async def sign_in(self, request: web.Request) -> web.Response:
        body = await http.json_body(request, SignIn)
        address = http.client_address(request, self._server.settings.trusted_proxies)
        account, token = await self._server.auth.sign_in(body.email, body.password, address)
        response = http.respond(SignedIn(account=account.shape()))
        self._server.auth.set_cookie(response, token)
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        await self._server.auth.require(request)
        await self._server.auth.sign_out(request)
        response = web.Response(status=204)
        self._server.auth.clear_cookie(response)
        return response

    # ---- rooms ------------------------------------------------------------------------------------------------------

    def _shape(self, row: RoomRow) -> Room:
        show = None
        if row.show_id is not None and row.show_started_ms is not None:
            show = ShowRef(id=row.show_id, started_ms=row.show_started_ms, ended_ms=row.show_ended_ms)
        base = self._server.base_url()
        return Room(
            id=row.id,
            title=row.title,
            description=row.description,
            state=row.state.value,
            seller=SellerRef(id=row.seller_id, name=row.seller_name),
            poster=row.poster,
            starts_ms=row.starts_ms,
            show=show,
            viewers=self._server.presence.viewers(row.id),
            currency=row.currency,
            whep_url=f"{base}/whep/{row.id}",
            ws_url=f"ws{base.removeprefix('http')}/ws/{row.id}",
            listed=row.listed,
            test=row.test,
        )

    async def hub(self, _request: web.Request) -> web.Response:
        found = [self._shape(row) for row in await self._server.rooms.listed()]
        return http.respond(
            Hub(
                live=[room for room in found if room.state in ("live", "interrupted")],
                upcoming=[room for room in found if room.state == "scheduled"],
                past=[room for room in found if room.state == "ended"],
            )
        )

    async def room(self, request: web.Request) -> web.Response:
        return http.respond(self._shape(await self._server.rooms.get(_room_id(request))))

    async def studio_rooms(self, request: web.Request) -> web.Response:
        account = await self._server.auth.require(
            request, Role.OPERATOR, Role.BRAND, Role.INFLUENCER, Role.MODERATOR
        )
        rows = await self._server.rooms.of_seller(
            account.seller_id, host_id=account.id if account.role is Role.INFLUENCER else None
        )
        return http.respond(StudioRooms(rooms=[self._shape(row) for row in rows]))

    async def create_room(self, request: web.Request) -> web.Response:
        account = await self._server.auth.require(request, Role.OPERATOR, Role.BRAND, Role.INFLUENCER)
        values = (await http.json_body(request, RoomInput)).checked()
        if "title" not in values:
            raise BadRequest("a room needs a title", code="bad_field", where="title")
        if account.seller_id is None:
            raise BadRequest("this account belongs to no seller", code="no_seller")
        row, key = await self._server.rooms.create(account.seller_id, account.id, **values)  # type: ignore[arg-type]
        return http.respond(RoomCreated(room=self._shape(row), stream_key=key), status=201)

    async def _own(self, request: web.Request) -> tuple[Account, RoomRow]:
        return await self._server.auth.require_room(request, _room_id(request))

    async def change_room(self, request: web.Request) -> web.Response:
        _, row = await self._own(request)
        values = (await http.json_body(request, RoomInput)).checked()
        return http.respond(self._shape(await self._server.rooms.change(row.id, values)))

    async def new_stream_key(self, request: web.Request) -> web.Response:
        _, row = await self._own(request)
        return http.respond(StreamKey(stream_key=await self._server.rooms.set_stream_key(row.id)))

    async def publish_token(self, request: web.Request) -> web.Response:
        _, row = await self._own(request)
        token, expires_ms = self._server.rooms.make_publish_token(row.id)
        url = f"{self._server.base_url()}/whip/{row.id}"
        return http.respond(PublishToken(token=token, expires_ms=expires_ms, whip_url=url))

    async def end_room(self, request: web.Request) -> web.Response:
        _, row = await self._own(request)
        return http.respond(self._shape(await self._server.rooms.end(row.id)))


def _room_id(request: web.Request) -> RoomId:
    text = request.match_info["room"]
    if not 1 <= len(text) <= 64:
        raise NotFound("no such room", code="unknown_room", where="room")
    return RoomId(text)


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
