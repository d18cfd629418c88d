"""What clients send to the commerce routes. An unknown field is refused, so nobody can believe they set a
price. Pure shapes, and the checks that need nothing but the value itself."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import UNSET, UnsetType

from streamserver.errors import BadRequest
from streamserver.plaintext import one_line
from streamserver.wire_shapes import Body

from .payments.sandbox_rules import TestCard

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_DIGITS = re.compile(r"(?:\d[ -]?){13,19}", re.ASCII)


class ProductPatch(Body, frozen=True):
    """Any field of ProductInput; null clears an optional one."""

    id: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    price: str | UnsetType = UNSET
    stock: int | UnsetType = UNSET
    description: str | UnsetType = UNSET
    sale_price: str | UnsetType | None = UNSET
    sale_price_effective_date: str | UnsetType | None = UNSET
    image_link: str | UnsetType | None = UNSET
    link: str | UnsetType | None = UNSET
    brand: str | UnsetType | None = UNSET
    gtin: str | UnsetType | None = UNSET
    mpn: str | UnsetType | None = UNSET
    condition: str | UnsetType | None = UNSET
    item_group_id: str | UnsetType | None = UNSET
    color: str | UnsetType | None = UNSET
    size: str | UnsetType | None = UNSET
    commission: str | UnsetType | None = UNSET


class ImageByUrl(Body, frozen=True):
    url: str


class CardInput(Body, frozen=True):
    product: str
    price: str | None = None


class CardPatch(Body, frozen=True):
    price: str | None


class RunSheet(Body, frozen=True):
    cards: list[str]


class ClickInput(Body, frozen=True):
    showing: str | None = None


class LineInput(Body, frozen=True):
    sku: str
    quantity: int


class BuyerInput(Body, frozen=True):
    name: str
    email: str
    address: str | None = None

    def checked(self) -> BuyerInput:
        """The same as plain text. Raises BadRequest naming the field."""
        name, email = one_line(self.name), one_line(self.email)
        address = one_line(self.address or "") or None
        if not 1 <= len(name) <= 120:
            raise BadRequest("a name has 1 to 120 characters", code="bad_field", where="buyer.name")
        if len(email) > 254 or not _EMAIL.fullmatch(email):
            raise BadRequest("this is not an e-mail address", code="bad_email", where="buyer.email")
        if address is not None and len(address) > 500:
            raise BadRequest("an address has at most 500 characters", code="bad_field", where="buyer.address")
        for field, text in (("name", name), ("email", email), ("address", address or "")):
            refuse_card_number(text, f"buyer.{field}")
        return BuyerInput(name=name, email=email, address=address)


class OrderInput(Body, frozen=True):
    lines: list[LineInput]
    buyer: BuyerInput


class RefundInput(Body, frozen=True):
    """Without an amount: all that is left."""

    amount: str | None = None
    reason: str | None = None


class ConfirmInput(Body, frozen=True):
    test_card: TestCard


class ChallengeInput(Body, frozen=True):
    approve: bool


Presentation = Literal["embed", "redirect"]


def refuse_card_number(text: str, where: str) -> None:
    """Raises BadRequest when a text holds what could be a card number (13-19 digits that pass Luhn's check),
    so that no column of ours can come to store one."""
    for match in _DIGITS.finditer(text):
        digits = [int(char) for char in match.group() if char.isdigit()]
        doubled = [digit * 2 - 9 * (digit > 4) if i % 2 else digit for i, digit in enumerate(reversed(digits))]
        if sum(doubled) % 10 == 0:
            raise BadRequest("never write a card number here", code="card_number", where=where)
