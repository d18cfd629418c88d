"""Signed bearers that need no database: the viewer token and the publish token. Pure.

A token is `<payload>.<mac>` with an HMAC-SHA256 over purpose and payload, so one kind never passes for another.
"""

from __future__ import annotations

import hashlib
import hmac

from .ids import RoomId, ViewerId, encode_secret

_MAC_BYTES = 16


def _mac(secret: bytes, *parts: str) -> str:
    return encode_secret(hmac.digest(secret, _bytes("\n".join(parts)), hashlib.sha256)[:_MAC_BYTES])


def _bytes(text: str) -> bytes:
    """Of whatever a client sent: bytes of a header that are not UTF-8 arrive as lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


def viewer_token(secret: bytes, rand: bytes) -> str:
    """A new viewer's bearer from at least 16 random bytes."""
    payload = encode_secret(rand)
    return f"{payload}.{_mac(secret, 'viewer', payload)}"


def check_viewer_token(secret: bytes, token: str) -> bool:
    payload, _, mac = token.partition(".")
    return len(token) <= 128 and hmac.compare_digest(_bytes(mac), _bytes(_mac(secret, "viewer", payload)))


def viewer_id(secret: bytes, token: str, room: RoomId) -> ViewerId:
    """The pseudonym a token has in one room; two rooms' pseudonyms cannot be linked without the secret."""
    return ViewerId("v" + _mac(secret, "viewer-id", token, room))


def publish_token(secret: bytes, room: RoomId, expires_ms: int) -> str:
    payload = f"p1.{expires_ms}"
    return f"{payload}.{_mac(secret, 'publish', room, payload)}"


def check_publish_token(secret: bytes, room: RoomId, token: str, now_ms: int) -> bool:
    payload, _, mac = token.rpartition(".")
    kind, _, expires = payload.partition(".")
    if kind != "p1" or len(token) > 128 or not (expires.isascii() and expires.isdigit()):
        return False
    good = hmac.compare_digest(_bytes(mac), _bytes(_mac(secret, "publish", room, payload)))
    return good and int(expires) > now_ms


def hash_secret(token: str) -> str:
    """How session tokens and stream keys are stored: they have at least 128 random bits, so a plain hash is enough."""
    return hashlib.sha256(_bytes(token)).hexdigest()
