"""Serves the built web pages: language, nonce, title and structured data put in; policy headers; hashed assets.

Knows file names and headers, and nothing of what a page shows.
"""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from .errors import StreamServerError, Unavailable
from .ids import encode_secret

LANGUAGES = ("en", "zh")

_CSP = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss:; frame-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
# In an opaque origin 'self' matches nothing in some browsers, so the server's own address is named.
_CSP_SANDBOX = (
    "sandbox allow-scripts allow-forms; default-src 'none'; script-src {origin} 'nonce-{nonce}'; "
    "style-src {origin} 'nonce-{nonce}'; img-src {origin} data: blob:; connect-src {origin}; font-src {origin}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors {origin}"
)

# The colours are those of web/src/ui/tokens.css, which a page that needs no build cannot load.
_ERROR_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;"
    "background:#f7f6f3;color:#16150f;text-align:center}main{padding:24px}a{color:#b32b0f}"
    "@media(prefers-color-scheme:dark){body{background:#0f0f0e;color:#f4f2ec}a{color:#ff8e70}}"
)

# By code or status; in each language what happened and what to do about it.
_ERROR_WORDS: dict[str | int, tuple[tuple[str, str], tuple[str, str]]] = {
    "unknown_room": (
        ("No such room", "The link may be wrong, or the room was removed."),
        ("直播间不存在", "链接可能有误，或该直播间已被移除。"),
    ),
    404: (
        ("This page does not exist", "The link may be wrong or out of date."),
        ("页面不存在", "链接可能有误或已失效。"),
    ),
    410: (
        ("This link has expired", "Open the product again from the room."),
        ("链接已过期", "请从直播间重新打开商品。"),
    ),
    403: (
        ("This link is not valid", "Open the product again from the room."),
        ("链接无效", "请从直播间重新打开商品。"),
    ),
    500: (
        ("Something went wrong", "Please try again in a moment."),
        ("出错了", "请稍后再试。"),
    ),
}


def language_of(request: web.Request) -> str:
    """The page language: the cookie `lang`, else the first of Accept-Language that we speak, else English."""
    cookie = request.cookies.get("lang", "")
    if cookie in LANGUAGES:
        return cookie
    wanted: list[tuple[float, int, str]] = []
    for order, part in enumerate(request.headers.get("Accept-Language", "").split(",")[:20]):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        wanted.append((-weight, order, tag.strip().lower()[:2]))
    return next((tag for _, _, tag in sorted(wanted) if tag in LANGUAGES), "en")


def find_dist() -> Path | None:
    """The web build: inside an installed wheel, else of the source tree."""
    here = Path(__file__).parent
    for folder in (here / "web_dist", here.parent / "web" / "dist"):
        if (folder / "index.html").is_file():
            return folder
    return None


class Pages:
    def __init__(self, dist: Path | None) -> None:
        self._dist = dist
        self._html: dict[str, tuple[float, str]] = {}

    def setup(self, app: web.Application) -> None:
        app.router.add_get("/assets/{path:.+}", self._asset)
        for name in ("favicon.svg", "favicon.ico", "robots.txt", "manifest.webmanifest"):
            app.router.add_get(f"/{name}", self._root_file)

    def _file(self, *parts: str) -> Path | None:
        if self._dist is None:
            return None
        path = self._dist.joinpath(*parts)
        try:
            inside = path.resolve().is_relative_to(self._dist.resolve())
            return path if inside and path.is_file() else None
        except (OSError, ValueError):  # a name that no file can have
            return None

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        path = self._file("assets", request.match_info["path"])
        if path is None:
            raise web.HTTPNotFound
        # Sandboxed pages have an opaque origin, and module scripts are fetched with CORS.
        return web.FileResponse(
            path,
            headers={
                "Cache-Control": "public, max-age=31536000, immutable",
                "Access-Control-Allow-Origin": "*",
                "Cross-Origin-Resource-Policy": "cross-origin",
            },
        )

    async def _root_file(self, request: web.Request) -> web.StreamResponse:
        path = self._file(request.path.lstrip("/"))
        if path is None:
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Cache-Control": "public, max-age=3600"})

    def _template(self, name: str) -> str:
        path = self._file(name)
        if path is None:
            raise Unavailable(
                f"the web build has no {name}: run `./run` once, or npm run build in web/", code="no_web"
            )
        modified = path.stat().st_mtime
        kept = self._html.get(name)
        if kept is None or kept[0] != modified:
            kept = self._html[name] = (modified, path.read_text("utf-8"))
        return kept[1]

    def respond(
        self,
        request: web.Request,
        name: str,
        *,
        title: str = "streamserver",
        head: str = "",
        data: Mapping[str, Any] | list[Any] | None = None,
        sandbox: bool = False,
        camera: bool = False,
        status: int = 200,
    ) -> web.Response:
        """A built page. `data` becomes JSON-LD in the head; `sandbox` gives it an opaque origin; `camera` allows
        camera, microphone and screen."""
        nonce = encode_secret(os.urandom(16))
        if data is not None:
            # "<" cannot end the script element when it is escaped.
            text = orjson.dumps(data).decode().replace("<", "\\u003c")
            head += f'<script type="application/ld+json" nonce="{nonce}">{text}</script>'
        body = (
            self._template(name)
            .replace("%LANG%", language_of(request))
            .replace("%NONCE%", nonce)
            .replace("%TITLE%", html.escape(title))
            .replace("<!--%HEAD%-->", head)
        )
        origin = f"{request.scheme}://{request.host}"
        policy = (_CSP_SANDBOX if sandbox else _CSP).format(nonce=nonce, origin=origin)
        devices = "(self)" if camera else "()"
        return web.Response(
            text=body,
            status=status,
            content_type="text/html",
            charset="utf-8",
            headers={
                "Content-Security-Policy": policy,
                "Permissions-Policy": ", ".join(
                    [f"{name}={devices}" for name in ("camera", "microphone", "display-capture")] + ["geolocation=()"]
                ),
                "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
                "Cache-Control": "no-store",
                "Vary": "Accept-Language, Cookie",
            },
        )

    def error(self, request: web.Request, exc: StreamServerError) -> web.Response:
        """A small page for an error that a person meets by following a link; needs no script and no build."""
        zh = language_of(request) == "zh"
        text, advice = _ERROR_WORDS.get(exc.code, _ERROR_WORDS.get(exc.status, _ERROR_WORDS[500]))[zh]
        back = "返回首页" if zh else "Back to the front page"
        body = (
            f'<!doctype html><html lang="{"zh" if zh else "en"}"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{text}</title><style>{_ERROR_STYLE}</style>"
            f'<main><h1>{text}</h1><p>{advice}</p><p><a href="/">{back}</a></p>'
            f"<p><small><code>{html.escape(exc.code)}</code></small></p></main>"
        )
        return web.Response(
            text=body,
            status=exc.status,
            content_type="text/html",
            charset="utf-8",
            headers={
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
                "Cache-Control": "no-store",
            },
        )
