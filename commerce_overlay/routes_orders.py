"""HTTP routes of orders for the brand, and of a room's report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from streamserver.errors import BadRequest
from streamserver.http import idempotency_key, json_body, page_args, respond

from .bodies import RefundInput
from .orders import OrderState
from .routes_cards import room_of
from .routes_pool import MANAGE

if TYPE_CHECKING:
    from .services import Commerce

STATES = tuple(state.value for state in OrderState)


def setup(commerce: Commerce) -> None:
    server, orders = commerce.server, commerce.orders

    async def page(request: web.Request) -> web.Response:
        account = await server.auth.require(request, *MANAGE)
        after, limit = page_args(request)
        state = request.query.get("state") or None
        if state is not None and state not in STATES:
            raise BadRequest(f"state is one of {', '.join(STATES)}", code="bad_field", where="state")
        return respond(await orders.page(account, request.query.get("room") or None, state, after, limit))

    async def one(request: web.Request) -> web.Response:
        account = await server.auth.require(request, *MANAGE)
        return respond(await orders.for_brand(account, request.match_info["order"]))

    async def refund(request: web.Request) -> web.Response:
        account = await server.auth.require(request, *MANAGE)
        key = idempotency_key(request)
        given = await json_body(request, RefundInput)
        body = await commerce.refunds.refund(account, request.match_info["order"], key, given)
        headers = {"Cache-Control": "no-store"}
        return web.Response(body=body, status=201, content_type="application/json", headers=headers)

    async def fulfil(request: web.Request) -> web.Response:
        account = await server.auth.require(request, *MANAGE)
        return respond(await orders.fulfil(account, request.match_info["order"]))

    async def cancel(request: web.Request) -> web.Response:
        account = await server.auth.require(request, *MANAGE)
        return respond(await orders.cancel(account, request.match_info["order"]))

    async def report(request: web.Request) -> web.Response:
        _, room = await server.auth.require_room(request, room_of(request), *MANAGE)
        made = await commerce.reports.of(room, request.query.get("show") or None)
        return respond(made.to_json())

    async def report_csv(request: web.Request) -> web.Response:
        _, room = await server.auth.require_room(request, room_of(request), *MANAGE)
        text = commerce.reports.as_csv(await commerce.reports.of(room, request.query.get("show") or None))
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="report-{_safe(room.id)}.csv"',
        }
        return web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)

    router = server.app.router
    router.add_get("/api/orders", page)
    router.add_get("/api/orders/{order}", one)
    router.add_post("/api/orders/{order}/refunds", refund)
    router.add_post("/api/orders/{order}/fulfil", fulfil)
    router.add_post("/api/orders/{order}/cancel", cancel)
    router.add_get("/api/rooms/{room}/report", report)
    router.add_get("/api/rooms/{room}/report.csv", report_csv)


def _safe(text: str) -> str:
    """A room id as a file name."""
    return "".join(char if (char.isascii() and char.isalnum()) or char in "-_" else "_" for char in text)[:64]
