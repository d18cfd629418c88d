"""Webhook signatures are the standard's: judged by its own library, and by every way of getting them
wrong."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
import standardwebhooks

from commerce_overlay.payments import webhooks
from commerce_overlay.payments.provider import BadWebhook

KEY, OLD = bytes(32), bytes(range(32))
BODY = b'{"type":"payment.succeeded"}'
NOW = int(datetime.now(UTC).timestamp())


def test_the_standard_s_library_accepts_what_we_sign() -> None:
    library = standardwebhooks.Webhook(base64.b64encode(KEY).decode())
    # The library reads the clock itself: a time taken at import is too old by the end of a long suite.
    headers = webhooks.headers([OLD, KEY], "msg_1", int(datetime.now(UTC).timestamp()), BODY)
    assert library.verify(BODY, headers) == {"type": "payment.succeeded"}


def test_we_accept_what_the_library_signs() -> None:
    library = standardwebhooks.Webhook(base64.b64encode(KEY).decode())
    signature = library.sign("msg_1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
    given = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW), "webhook-signature": signature}
    assert webhooks.verify(given, BODY, [KEY], NOW) == "msg_1"


def test_while_keys_rotate_either_fits() -> None:
    for signing in ([KEY], [OLD], [KEY, OLD]):
        given = webhooks.headers(signing, "m", NOW, BODY)
        assert webhooks.verify(given, BODY, [KEY, OLD], NOW) == "m"


@pytest.mark.parametrize(
    ("change", "body", "now", "code"),
    [
        ({}, BODY + b" ", NOW, "bad_signature"),
        ({"webhook-id": "m2"}, BODY, NOW, "bad_signature"),
        ({"webhook-timestamp": str(NOW + 1)}, BODY, NOW, "bad_signature"),
        ({"webhook-signature": ""}, BODY, NOW, "bad_signature"),
        ({"webhook-signature": "v1,AAAA"}, BODY, NOW, "bad_signature"),
        ({"webhook-signature": "v1,\u00e9\udcff"}, BODY, NOW, "bad_signature"),
        ({"webhook-id": ""}, BODY, NOW, "bad_signature"),
        ({"webhook-id": "x" * 200}, BODY, NOW, "bad_signature"),
        ({"webhook-timestamp": "now"}, BODY, NOW, "bad_signature"),
        ({"webhook-timestamp": "-1"}, BODY, NOW, "bad_signature"),
        ({"webhook-timestamp": "9" * 400}, BODY, NOW, "bad_signature"),
        ({}, BODY, NOW + 301, "stale"),
        ({}, BODY, NOW - 301, "stale"),
    ],
)
def test_what_is_not_authentic_is_refused(change: dict[str, str], body: bytes, now: int, code: str) -> None:
    given = webhooks.headers([KEY], "m", NOW, BODY) | change
    with pytest.raises(BadWebhook) as caught:
        webhooks.verify(given, body, [KEY], now)
    assert caught.value.code == code


def test_five_minutes_are_taken() -> None:
    given = webhooks.headers([KEY], "m", NOW, BODY)
    assert webhooks.verify(given, BODY, [KEY], NOW + 300) == webhooks.verify(given, BODY, [KEY], NOW - 300) == "m"


def test_a_key_that_is_not_ours_signs_nothing() -> None:
    given = webhooks.headers([OLD], "m", NOW, BODY)
    with pytest.raises(BadWebhook):
        webhooks.verify(given, BODY, [KEY], NOW)
