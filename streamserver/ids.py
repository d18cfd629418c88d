"""Identifiers as types, and how a new one is made. Pure: time and randomness are arguments."""

from __future__ import annotations

import base64
from typing import NewType

RoomId = NewType("RoomId", str)
ShowId = NewType("ShowId", str)
SellerId = NewType("SellerId", str)
AccountId = NewType("AccountId", str)
ViewerId = NewType("ViewerId", str)
SessionId = NewType("SessionId", str)
ProductId = NewType("ProductId", str)
CardId = NewType("CardId", str)
ShowingId = NewType("ShowingId", str)
ClickId = NewType("ClickId", str)
OrderId = NewType("OrderId", str)
PaymentId = NewType("PaymentId", str)
LineId = NewType("LineId", str)

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
RANDOM_BYTES = 10
"""Random bytes a ULID takes (80 bits)."""


def new_id(now_ms: int, rand: bytes) -> str:
    """A 26-character ULID in lower case: 48 bits of milliseconds, then 80 random bits, so ids sort by time.

    Raises ValueError when `rand` is not 10 bytes. Source: the ULID specification.
    """
    if len(rand) != RANDOM_BYTES:
        raise ValueError(f"a ULID takes {RANDOM_BYTES} random bytes, not {len(rand)}")
    number = (now_ms & ((1 << 48) - 1)) << 80 | int.from_bytes(rand, "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def time_of(id: str) -> int:
    """Milliseconds since 1970 at which a ULID was made."""
    number = 0
    for char in id[:10]:
        number = number << 5 | _CROCKFORD.index(char)
    return number


def encode_secret(raw: bytes) -> str:
    """Unpadded base64url of random bytes: how tokens and keys are written."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_secret(text: str) -> bytes:
    """The bytes behind `encode_secret`. Raises ValueError on anything else."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except Exception as exc:
        raise ValueError("not base64url") from exc
