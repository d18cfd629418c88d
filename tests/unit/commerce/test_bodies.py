from __future__ import annotations

import pytest

from commerce_overlay.bodies import BuyerInput, refuse_card_number
from streamserver.errors import BadRequest


@pytest.mark.parametrize(
    "text", ["4242424242424242", "4242 4242 4242 4242", "my card: 5555-5555-5555-4444!", "378282246310005"]
)
def test_no_column_can_come_to_hold_a_card_number(text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        refuse_card_number(text, "buyer.name")
    assert (caught.value.code, caught.value.where) == ("card_number", "buyer.name")


@pytest.mark.parametrize("text", ["4242424242424241", "12 Long Street, 90210", "+86 138 0013 8000", ""])
def test_other_numbers_pass(text: str) -> None:
    refuse_card_number(text, "buyer.address")


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"name": ""}, "buyer.name"),
        ({"name": "\u200b\u202e"}, "buyer.name"),
        ({"name": "x" * 121}, "buyer.name"),
        ({"email": "nobody"}, "buyer.email"),
        ({"email": "a@b"}, "buyer.email"),
        ({"email": "a b@c.de"}, "buyer.email"),
        ({"email": "a@" + "b" * 250 + ".de"}, "buyer.email"),
        ({"address": "x" * 501}, "buyer.address"),
        ({"address": "card 4242424242424242"}, "buyer.address"),
    ],
)
def test_a_buyer_s_wrong_field_is_named(fields: dict[str, str], where: str) -> None:
    with pytest.raises(BadRequest) as caught:
        BuyerInput(**({"name": "Mei", "email": "mei@example.test"} | fields)).checked()
    assert caught.value.where == where


def test_markup_in_a_name_stays_text() -> None:
    assert BuyerInput(name="<img src=x onerror=alert(1)>", email="a@b.cd").checked().name.startswith("<img")
