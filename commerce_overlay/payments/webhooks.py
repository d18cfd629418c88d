"""Standard Webhooks signatures (standardwebhooks.com, symmetric `v1`): making one and judging what came in.
Pure: keys and the clock are arguments; what the body means is the provider's matter."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256

from .provider import BadWebhook

TOLERANCE_S = 300
ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"


def sign(secret: bytes, webhook_id: str, timestamp_s: int, body: bytes) -> str:
    """One signature: `v1,` and the base64 HMAC-SHA256 over `id.timestamp.body`."""
    signed = f"{webhook_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, sha256).digest()).decode()


def headers(secrets: Sequence[bytes], webhook_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers; while keys rotate there is one signature per key, divided by blanks."""
    signatures = " ".join(sign(secret, webhook_id, timestamp_s, body) for secret in secrets)
    return {ID: webhook_id, TIMESTAMP: str(timestamp_s), SIGNATURE: signatures}


def verify(given: Mapping[str, str], body: bytes, secrets: Sequence[bytes], now_s: int) -> str:
    """The webhook's id if any signature fits any key and the time is within five minutes.

    `given` maps lower-case header names. Raises BadWebhook `bad_signature` or `stale`."""
    webhook_id, timestamp = given.get(ID, ""), given.get(TIMESTAMP, "")
    if not 1 <= len(webhook_id) <= 128 or not (
        timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12
    ):
        raise BadWebhook("bad_signature", f"{ID} or {TIMESTAMP} is missing or malformed")
    # Every pair is compared, so that the time taken says nothing about which came near.
    fits = False
    offered = given.get(SIGNATURE, "").split(" ")[:8]
    for secret in secrets:
        expected = sign(secret, webhook_id, int(timestamp), body).encode()
        for signature in offered:
            fits |= hmac.compare_digest(expected, signature.encode("utf-8", "surrogateescape"))
    if not fits:
        raise BadWebhook("bad_signature", "no signature fits this body")
    if abs(now_s - int(timestamp)) > TOLERANCE_S:
        raise BadWebhook(
            "stale", f"signed {abs(now_s - int(timestamp))} s away from now, at most {TOLERANCE_S} are taken"
        )
    return webhook_id
