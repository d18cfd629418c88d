"""HTTP around every route: request ids, errors as problem+json, bodies as typed structs, headers, cross-site checks.

Knows the error classes and no feature.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from .errors import BadRequest, Forbidden, RequestTimeout, StreamServerError, TooLarge, UnsupportedType
from .ids import new_id
from .wire_shapes import Problem

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)

MAX_BODY = 10 * 1024 * 1024
"""Bytes of the largest request body any route takes."""
BODY_S = 30.0
"""Seconds a body may take to arrive."""
MAX_JSON = 1024 * 1024
"""Bytes of the largest JSON body."""

request_id_key: web.RequestKey[str] = web.RequestKey("request_id", str)
nonce_key: web.RequestKey[str] = web.RequestKey("nonce", str)

_encoder = msgspec.json.Encoder()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def respond(obj: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """JSON of a struct, dataclass, dict or list. Never cached unless the caller says so."""
    merged: CIMultiDict[str] = CIMultiDict({"Cache-Control": "no-store"})
    merged.update(headers or {})
    return web.Response(
        body=_encoder.encode(obj), status=status, content_type="application/json", headers=merged
    )


def decode_json(raw: bytes, kind: type[T]) -> T:
    """The struct in `raw`. Raises BadRequest with `where` naming the field."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as exc:
        detail, _, path = str(exc).partition(" - at `")
        where = path.rstrip("`").removeprefix("$").lstrip(".")
        unknown = "unknown field" in detail
        if unknown:
            where = ".".join(filter(None, [where, detail.rsplit("`", 2)[-2]]))
        raise BadRequest(
            detail, code="unknown_field" if unknown else "bad_field", where=where or "body"
        ) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise BadRequest(f"not valid JSON: {exc}", code="bad_json", where="body") from None


async def read_body(request: web.Request, limit: int) -> bytes:
    """The raw body. Raises TooLarge before more than `limit` bytes are held."""
    if (request.content_length or 0) > limit:
        raise TooLarge(f"the body may have at most {limit} bytes", where="body")
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.content.iter_chunked(65536):
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"the body may have at most {limit} bytes", where="body")
                chunks.append(chunk)
    except TimeoutError:
        raise RequestTimeout(f"the body did not arrive in {BODY_S:g} s", where="body") from None
    return b"".join(chunks)


async def json_body(request: web.Request, kind: type[T]) -> T:
    """The request's JSON as a struct; see `decode_json`."""
    if request.content_type != "application/json":
        raise UnsupportedType("the body must be application/json", where="Content-Type")
    return decode_json(await read_body(request, MAX_JSON), kind)


def page_args(request: web.Request, *, limit: int = 50, most: int = 200) -> tuple[str | None, int]:
    """(after, limit) of a paged list. Raises BadRequest naming the parameter."""
    text = request.query.get("limit", str(limit))
    if not (len(text) <= 9 and text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise BadRequest(f"limit must be 1 to {most}", code="bad_field", where="limit")
    return request.query.get("after") or None, int(text)


def idempotency_key(request: web.Request) -> str:
    """The header Idempotency-Key. Raises BadRequest when it is missing or unusable."""
    key = request.headers.get("Idempotency-Key", "")
    if not 8 <= len(key) <= 200 or not key.isascii() or not key.isprintable():
        raise BadRequest(
            "the header Idempotency-Key needs 8 to 200 printable ASCII characters",
            code="bad_field",
            where="Idempotency-Key",
        )
    return key


def problem(exc: StreamServerError, request_id: str) -> web.Response:
    body = Problem(
        type="about:blank",
        title=HTTPStatus(exc.status).phrase,
        status=exc.status,
        code=exc.code,
        detail=exc.detail,
        where=exc.where if exc.where is not None else msgspec.UNSET,
        request_id=request_id,
    )
    response = web.Response(
        body=_encoder.encode(body),
        status=exc.status,
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store"},
    )
    if exc.retry_after is not None:
        response.headers["Retry-After"] = str(exc.retry_after)
    return response


def is_loopback(request: web.Request) -> bool:
    """Whether the peer is on this machine and no proxy stands between."""
    if "X-Forwarded-For" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


def client_address(request: web.Request, trusted_proxies: tuple[str, ...]) -> str:
    """The address to limit by: the peer's, or what a trusted proxy says of it."""
    remote = request.remote or ""
    if remote in trusted_proxies:
        return request.headers.get("X-Forwarded-For", remote).split(",")[-1].strip() or remote
    return remote


def same_origin(request: web.Request, base_url: str) -> bool:
    """Whether a browser sent this from one of our own pages; scripts send no Origin and pass."""
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    try:
        host = urlsplit(origin).netloc
    except ValueError:  # an IPv6 address that is none
        return False
    return bool(host) and host in (request.host, urlsplit(base_url).netloc)


def constant_time_equal(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode("utf-8", "surrogatepass"), b.encode("utf-8", "surrogatepass"))


_CROSS_SITE_OK = ("/whip/", "/whep/", "/webhooks/", "/api/shop/", "/api/sandbox-pay/")
"""Routes that carry their own authorisation and take nothing from cookies."""


def base_middleware(now_ms: Callable[[], int], base_url: Callable[[], str]) -> Any:
    """The outermost middleware: request id, problem+json, cross-site refusal, security headers."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = new_id(now_ms(), os.urandom(10))
        request[request_id_key] = request_id
        try:
            if (
                request.method not in ("GET", "HEAD", "OPTIONS")
                and not request.path.startswith(_CROSS_SITE_OK)
                and not same_origin(request, base_url())
            ):
                raise Forbidden("this request came from another site", code="cross_site", where="Origin")
            response = await handler(request)
        except StreamServerError as exc:
            response = problem(exc, request_id)
        except web.HTTPException as exc:
            if exc.status < 400:
                raise
            response = problem(_from_web(exc), request_id)
            for name in ("Allow", "Location"):
                if name in exc.headers:
                    response.headers[name] = exc.headers[name]
        except Exception:
            log.exception("request_failed", extra={"request_id": request_id, "route": _route(request)})
            response = problem(StreamServerError("something went wrong on the server"), request_id)
        if not response.prepared:
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
            response.headers.setdefault("Referrer-Policy", "same-origin")
            response.headers.setdefault("X-Request-Id", request_id)
        return response

    return middleware


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "-"


def _from_web(exc: web.HTTPException) -> StreamServerError:
    class Told(StreamServerError):
        status = exc.status
        default_code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(exc.status, "http")

    return Told(exc.reason)
