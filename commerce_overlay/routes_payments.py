"""HTTP routes of payments: the buyer's questions, providers' webhooks, and the sandbox provider's hosted
page. The sandbox's routes belong to the provider's side; they share a server with the shop and nothing
else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from streamserver.errors import StreamServerError
from streamserver.http import json_body, read_body, respond

from .bodies import ChallengeInput, ConfirmInput
from .routes_cards import viewer_in

if TYPE_CHECKING:
    from .services import Commerce

MAX_WEBHOOK = 256 * 1024


def setup(commerce: Commerce) -> None:
    server, payments, sandbox = commerce.server, commerce.payments, commerce.sandbox

    async def present(request: web.Request) -> web.Response:
        answer = await payments.present(request.match_info["trade_no"], viewer_in(server, request))
        return respond(answer)

    async def status(request: web.Request) -> web.Response:
        return respond(await payments.status(request.match_info["trade_no"], viewer_in(server, request)))

    async def webhook(request: web.Request) -> web.Response:
        body = await read_body(request, MAX_WEBHOOK)
        headers = {name.lower(): value for name, value in request.headers.items()}
        result = await payments.receive(request.match_info["provider"], headers, body)
        return respond({"result": result})

    async def pay_page(request: web.Request) -> web.Response:
        try:
            payment = await sandbox.page(request.match_info["ref"])
        except StreamServerError as exc:
            return server.pages.error(request, exc)
        return server.pages.respond(request, "pay.html", title=payment.merchant, sandbox=True)

    async def look(request: web.Request) -> web.Response:
        return respond(await sandbox.page(request.match_info["ref"]))

    async def confirm(request: web.Request) -> web.Response:
        given = await json_body(request, ConfirmInput)
        return respond(await sandbox.confirm(request.match_info["ref"], given.test_card))

    async def challenge(request: web.Request) -> web.Response:
        given = await json_body(request, ChallengeInput)
        return respond(await sandbox.challenge(request.match_info["ref"], given.approve))

    async def cancel(request: web.Request) -> web.Response:
        return respond(await sandbox.cancel_page(request.match_info["ref"]))

    router = server.app.router
    router.add_post("/api/payments/{trade_no}/present", present)
    router.add_get("/api/payments/{trade_no}", status)
    router.add_post("/webhooks/payments/{provider}", webhook)
    router.add_get("/pay/{ref}", pay_page)
    router.add_get("/api/sandbox-pay/{ref}", look)
    router.add_post("/api/sandbox-pay/{ref}/confirm", confirm)
    router.add_post("/api/sandbox-pay/{ref}/challenge", challenge)
    router.add_post("/api/sandbox-pay/{ref}/cancel", cancel)
