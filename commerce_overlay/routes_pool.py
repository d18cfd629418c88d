"""HTTP routes of the product pool and its pictures. They read requests and answer; the services decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import BodyPartReader, web

from streamserver.auth import Role
from streamserver.errors import BadRequest, TooLarge, UnsupportedType
from streamserver.http import decode_json, json_body, page_args, read_body, respond
from streamserver.wire_shapes import ProductInput

from .bodies import ImageByUrl, ProductPatch
from .catalog_csv import MAX_BYTES as MAX_CSV
from .images import MAX_BYTES as MAX_IMAGE

if TYPE_CHECKING:
    from .services import Commerce

MANAGE = (Role.OPERATOR, Role.BRAND)
LOOK = (Role.OPERATOR, Role.BRAND, Role.INFLUENCER)


def setup(commerce: Commerce) -> None:
    server, pool, images = commerce.server, commerce.pool, commerce.images

    async def page(request: web.Request) -> web.Response:
        account = await server.auth.require(request, *LOOK)
        after, limit = page_args(request)
        return respond(await pool.page(account, request.query.get("q", "")[:100].strip(), after, limit))

    async def create(request: web.Request) -> web.Response:
        account = await server.auth.require(request, *MANAGE)
        return respond(await pool.create(account, await json_body(request, ProductInput)), 201)

    async def change(request: web.Request) -> web.Response:
        account = await server.auth.require(request, *MANAGE)
        patch = await json_body(request, ProductPatch)
        return respond(await pool.change(account, request.match_info["id"], patch))

    async def delete(request: web.Request) -> web.Response:
        account = await server.auth.require(request, *MANAGE)
        await pool.delete(account, request.match_info["id"])
        return web.Response(status=204)

    async def import_csv(request: web.Request) -> web.Response:
        account = await server.auth.require(request, *MANAGE)
        mode = request.query.get("mode", "preview")
        if mode not in ("preview", "commit"):
            raise BadRequest("mode is preview or commit", code="bad_field", where="mode")
        if request.content_type != "text/csv":
            raise UnsupportedType("the body must be text/csv", where="Content-Type")
        raw = await read_body(request, MAX_CSV)
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            detail = f"the file is not UTF-8 (byte {exc.start}); save it as CSV UTF-8"
            raise BadRequest(detail, code="bad_encoding", where="body") from None
        return respond(await pool.import_csv(account, text, commit=mode == "commit"))

    async def add_image(request: web.Request) -> web.Response:
        account = await server.auth.require(request, *MANAGE)
        if account.seller_id is None:
            raise BadRequest("an operator has no pool; sign in as the brand", code="needs_seller")
        if request.content_type == "application/json":
            given = decode_json(await read_body(request, 8192), ImageByUrl)
            return respond(await images.add_by_url(account.seller_id, given.url), 201)
        raw = await _image_part(request)
        return respond(await images.add(account.seller_id, raw), 201)

    async def image(request: web.Request) -> web.Response:
        # Pictures never change under their id, and mini-apps of an opaque origin show them too.
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        webp = await images.get(request.match_info["id"])
        return web.Response(body=webp, content_type="image/webp", headers=headers)

    add = server.app.router
    add.add_get("/api/pool/products", page)
    add.add_post("/api/pool/products", create)
    add.add_patch("/api/pool/products/{id}", change)
    add.add_delete("/api/pool/products/{id}", delete)
    add.add_post("/api/pool/images", add_image)
    add.add_get("/images/{id}.webp", image)
    add.add_post("/api/pool/import", import_csv)


async def _image_part(request: web.Request) -> bytes:
    """The multipart field `image`. Raises UnsupportedType, BadRequest, TooLarge before holding more than
    allowed."""
    if request.content_type != "multipart/form-data":
        raise UnsupportedType("send multipart/form-data with a field image, or JSON", where="Content-Type")
    try:
        reader = await request.multipart()
        async for part in reader:
            if isinstance(part, BodyPartReader) and part.name == "image":
                body = bytearray()
                while chunk := await part.read_chunk(65536):
                    body += chunk
                    if len(body) > MAX_IMAGE:
                        raise TooLarge(f"a picture has at most {MAX_IMAGE} bytes", where="image")
                return bytes(body)
    except ValueError as exc:
        raise BadRequest(f"not a multipart body: {exc}", code="bad_field", where="body") from None
    raise BadRequest("the field image is missing", code="bad_field", where="image")
