"""WebSocket frames from server to client (RFC 6455 section 5), made once and shared by every member of a room.

Pure. Unmasked, unfragmented, uncompressed: what a server may always send.
"""

from __future__ import annotations

from typing import Final

_TEXT: Final = 0x81
_CLOSE: Final = 0x88
_PING: Final = 0x89
_PONG: Final = 0x8A
MAX_CONTROL: Final = 125
"""Bytes of payload a control frame may have."""


def text(payload: bytes) -> bytes:
    """A whole text message; the payload must be UTF-8."""
    return _header(_TEXT, len(payload)) + payload


def close(code: int, reason: str) -> bytes:
    """A close frame; a reason that is too long is cut at a character."""
    body = reason.encode()[: MAX_CONTROL - 2].decode(errors="ignore").encode()
    return _control(_CLOSE, code.to_bytes(2, "big") + body)


def ping(payload: bytes) -> bytes:
    return _control(_PING, payload)


def pong(payload: bytes) -> bytes:
    return _control(_PONG, payload)


def _control(first: int, payload: bytes) -> bytes:
    if len(payload) > MAX_CONTROL:
        raise ValueError(f"a control frame holds {MAX_CONTROL} bytes, not {len(payload)}")
    return bytes((first, len(payload))) + payload


def _header(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 1 << 16:
        return bytes((first, 126)) + length.to_bytes(2, "big")
    return bytes((first, 127)) + length.to_bytes(8, "big")
