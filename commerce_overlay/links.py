"""The signed link by which a card opens a mini-app: building it and judging one that came back.
Pure: keys, ids and the clock are arguments; whether the click exists is the service's question.

The signature is HMAC-SHA256 over the path, a question mark and every raw `name=value` pair except `sig`,
sorted by name. Raw means as sent: nothing is decoded before it is authenticated, so there is one spelling
that verifies."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote, unquote

MAX_AHEAD_S = 24 * 3600
MAX_LENGTH = 2048
_PATH = re.compile(r"/m/([a-z0-9_-]{1,32})/([a-z0-9_-]{1,32})", re.ASCII)
_NEEDED = ("clk", "exp", "kid", "room", "sku")


class LinkRefused(ValueError):
    """`code` is `bad_signature` (forged or malformed) or `click_expired`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class ClickLink:
    """What an authentic link says. `expires_s` is in seconds since 1970."""

    app_id: str
    page: str
    sku: str
    room: str
    click: str
    expires_s: int


def build(link: ClickLink, kid: str, secret: bytes) -> str:
    """The link as the server sends it: path and query, signed. The caller sets an expiry at most 24 h
    ahead."""
    pairs = {
        "sku": link.sku,
        "scene": "live",
        "room": link.room,
        "clk": link.click,
        "exp": str(link.expires_s),
        "kid": kid,
    }
    path = f"/m/{link.app_id}/{link.page}"
    raw = {name: quote(value, safe="") for name, value in pairs.items()}
    return f"{path}?{_joined(raw)}&sig={_signature(path, raw, secret)}"


def verify(text: str, now_s: int, find_key: Callable[[str], bytes | None]) -> ClickLink:
    """Judges a link as it came back, unchanged. Raises LinkRefused; an expired link is only named so if it
    is authentic."""
    if len(text) > MAX_LENGTH or not text.isascii():
        raise LinkRefused("bad_signature", "the click link is not one of this server's")
    path, question, query = text.partition("?")
    match = _PATH.fullmatch(path)
    raw: dict[str, str] = {}
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if not equals or name in raw:
            raise LinkRefused("bad_signature", "the click link's query is malformed")
        raw[name] = value
    signature = raw.pop("sig", "")
    if match is None or not question or any(name not in raw for name in _NEEDED):
        raise LinkRefused("bad_signature", "the click link is incomplete")
    secret = find_key(unquote(raw["kid"]))
    # An unknown key takes the same path and the same time as a wrong signature.
    expected = _signature(path, raw, secret if secret is not None else b"\0" * 32)
    if not hmac.compare_digest(expected, signature) or secret is None:
        raise LinkRefused("bad_signature", "the click link's signature does not match")
    expires = raw["exp"]
    if not expires.isdigit() or int(expires) > now_s + MAX_AHEAD_S + 60:
        raise LinkRefused("bad_signature", "the click link's expiry is further ahead than this server grants")
    if int(expires) <= now_s:
        raise LinkRefused("click_expired", "this link has expired; tap the card again")
    return ClickLink(
        match.group(1),
        match.group(2),
        unquote(raw["sku"]),
        unquote(raw["room"]),
        unquote(raw["clk"]),
        int(expires),
    )


def _joined(raw: Mapping[str, str]) -> str:
    return "&".join(f"{name}={raw[name]}" for name in sorted(raw))


def _signature(path: str, raw: Mapping[str, str], secret: bytes) -> str:
    digest = hmac.new(secret, f"{path}?{_joined(raw)}".encode(), sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
