"""HTTP routes of a room's cards, of taps on them, and of live numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from streamserver.auth import Account, Role
from streamserver.errors import NotFound
from streamserver.http import json_body, respond
from streamserver.ids import RoomId
from streamserver.room_rows import RoomRow

from .bodies import CardInput, CardPatch, ClickInput, RunSheet
from .cards import CardAction

if TYPE_CHECKING:
    from streamserver.server import Server

    from .services import Commerce

ACTIONS = (CardAction.PIN, CardAction.EXPLAIN, CardAction.UNPIN, CardAction.HIDE, CardAction.LIST)


def runs_cards(account: Account | None, room: RoomRow) -> bool:
    """Whether somebody may run a room's cards: its brand, an operator, or the influencer who hosts it."""
    if account is None:
        return False
    if account.role is Role.OPERATOR:
        return True
    if account.seller_id != room.seller_id:
        return False
    return account.role is Role.BRAND or (account.role is Role.INFLUENCER and room.host_id == account.id)


def setup(commerce: Commerce) -> None:
    server, cards = commerce.server, commerce.cards

    async def bag(request: web.Request) -> web.Response:
        room = await server.rooms.get(room_of(request))
        hidden = runs_cards(await server.auth.account(request), room)
        return respond(await cards.bag(room.id, hidden=hidden))

    async def add(request: web.Request) -> web.Response:
        account, room = await server.auth.require_room(request, room_of(request))
        given = await json_body(request, CardInput)
        return respond(await cards.add(account, room, given.product, given.price), 201)

    async def change(request: web.Request) -> web.Response:
        account, room = await server.auth.require_room(request, room_of(request))
        given = await json_body(request, CardPatch)
        return respond(await cards.set_price(account, room, request.match_info["card"], given.price))

    async def remove(request: web.Request) -> web.Response:
        account, room = await server.auth.require_room(request, room_of(request))
        await cards.remove(account, room, request.match_info["card"])
        return web.Response(status=204)

    def acting(action: CardAction):
        async def act(request: web.Request) -> web.Response:
            account, room = await server.auth.require_room(request, room_of(request))
            return respond(await cards.act(account, room, request.match_info["card"], action))

        return act

    async def run_sheet(request: web.Request) -> web.Response:
        _, room = await server.auth.require_room(request, room_of(request))
        given = await json_body(request, RunSheet)
        return respond(await cards.reorder(room, given.cards))

    async def click(request: web.Request) -> web.Response:
        room = await server.rooms.get(room_of(request))
        given = await json_body(request, ClickInput) if request.can_read_body else ClickInput()
        viewer = server.viewers.viewer_id(server.viewers.token_of(request), room.id)
        account = await server.auth.account(request)
        made = await commerce.clicks.click(room, request.match_info["card"], viewer, account, given.showing)
        commerce.metrics.clicks.inc()
        commerce.numbers.moved(room.id)
        return respond(made, 201)

    async def numbers(request: web.Request) -> web.Response:
        _, room = await server.auth.require_room(request, room_of(request))
        return respond(await commerce.numbers.of(room))

    router = server.app.router
    router.add_get("/api/rooms/{room}/cards", bag)
    router.add_post("/api/rooms/{room}/cards", add)
    router.add_patch("/api/rooms/{room}/cards/{card}", change)
    router.add_delete("/api/rooms/{room}/cards/{card}", remove)
    for action in ACTIONS:
        router.add_post(f"/api/rooms/{{room}}/cards/{{card}}/{action.value}", acting(action))
    router.add_put("/api/rooms/{room}/run-sheet", run_sheet)
    router.add_post("/api/rooms/{room}/cards/{card}/click", click)
    router.add_get("/api/rooms/{room}/numbers", numbers)


def room_of(request: web.Request) -> RoomId:
    """The room in the path. Raises NotFound for what cannot be one."""
    room = request.match_info["room"]
    if not 1 <= len(room) <= 64:
        raise NotFound("no such room", code="unknown_room", where="room")
    return RoomId(room)


def viewer_in(server: Server, request: web.Request):
    """The asking viewer's pseudonym by room."""
    token = server.viewers.token_of(request)
    return lambda room_id: server.viewers.viewer_id(token, room_id)
