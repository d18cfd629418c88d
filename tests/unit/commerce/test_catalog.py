"""Products as sellers write them, and which price holds when."""

from __future__ import annotations

from typing import Any

import pytest

from commerce_overlay.catalog import Draft, check, clean_text, price_at
from commerce_overlay.money import Money
from streamserver.wire_shapes import ProductInput

GOOD: dict[str, Any] = {"id": "TEA-1", "title": "Tea", "price": "12.00 USD", "stock": 5}


def problems(**fields: Any) -> list[tuple[str, str]]:
    result = check(ProductInput(**(GOOD | fields)))
    return [] if isinstance(result, Draft) else [(each.column, each.code) for each in result]


def draft(**fields: Any) -> Draft:
    result = check(ProductInput(**(GOOD | fields)))
    assert isinstance(result, Draft), result
    return result


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"id": ""}, ("id", "missing")),
        ({"id": "   "}, ("id", "missing")),
        ({"id": "x" * 51}, ("id", "too_long")),
        ({"title": ""}, ("title", "missing")),
        ({"title": "\u202e\u200b"}, ("title", "missing")),
        ({"title": "x" * 151}, ("title", "too_long")),
        ({"description": "x" * 5001}, ("description", "too_long")),
        ({"price": "12"}, ("price", "bad_money")),
        ({"price": "0.00 USD"}, ("price", "bad_money")),
        ({"price": "-5.00 USD"}, ("price", "bad_money")),
        ({"price": "1.00 ZZZ"}, ("price", "bad_currency")),
        ({"stock": -1}, ("stock", "bad_stock")),
        ({"stock": 10_000_001}, ("stock", "bad_stock")),
        ({"sale_price": "0.00 USD"}, ("sale_price", "bad_money")),
        ({"sale_price": "13.00 USD"}, ("sale_price", "sale_not_lower")),
        ({"sale_price": "12.00 USD"}, ("sale_price", "sale_not_lower")),
        ({"sale_price": "9.00 EUR"}, ("sale_price", "currency_mismatch")),
        ({"sale_price_effective_date": "2026-01-01/2026-02-01"}, ("sale_price_effective_date", "needs_sale_price")),
        ({"sale_price": "9 USD", "sale_price_effective_date": "soon"}, ("sale_price_effective_date", "bad_date")),
        (
            {"sale_price": "9 USD", "sale_price_effective_date": "2026-02-01/2026-01-01"},
            ("sale_price_effective_date", "bad_date"),
        ),
        (
            {"sale_price": "9 USD", "sale_price_effective_date": "2026-02-01/9999-12-31T23:59-2300"},
            ("sale_price_effective_date", "bad_date"),
        ),
        (
            {"sale_price": "9 USD", "sale_price_effective_date": "0001-01-01T00:00+2300/2026-02-01"},
            ("sale_price_effective_date", "bad_date"),
        ),
        ({"image_link": "http://example.com/a.png"}, ("image_link", "bad_url")),
        ({"image_link": "javascript:alert(1)"}, ("image_link", "bad_url")),
        ({"image_link": "/images/../etc/passwd"}, ("image_link", "bad_url")),
        ({"link": "https://user:pw@example.com/"}, ("link", "bad_url")),
        ({"link": "ftp://example.com/"}, ("link", "bad_url")),
        ({"gtin": "4006381333932"}, ("gtin", "bad_gtin")),  # wrong check digit
        ({"gtin": "abc"}, ("gtin", "bad_gtin")),
        ({"condition": "mint"}, ("condition", "bad_condition")),
        ({"commission": "10"}, ("commission", "bad_commission")),
        ({"commission": "101%"}, ("commission", "bad_commission")),
        ({"commission": "-1%"}, ("commission", "bad_commission")),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in problems(**fields)


def test_every_problem_is_told_at_once() -> None:
    assert {column for column, _ in problems(title="", price="x", stock=-1)} == {"title", "price", "stock"}


def test_what_is_right_is_kept_as_written() -> None:
    made = draft(
        description="line one\r\nline\ttwo",
        gtin="4006381333931",
        commission="7.25%",
        image_link="https://cdn.example.com/a.png",
        sale_price="9.50 USD",
        sale_price_effective_date="2026-01-01T00:00+0800/2026-01-02T00:00+0800",
    )
    assert made.description == "line one\nline two"
    assert made.commission_bp == 725
    assert (made.image, made.image_source) == (None, "https://cdn.example.com/a.png")
    assert (made.sale_to_ms or 0) - (made.sale_from_ms or 0) == 24 * 3600 * 1000
    assert draft(image_link="/images/01abc.webp").image == "/images/01abc.webp"


def test_markup_stays_text() -> None:
    assert draft(title='<b>Tea</b> & "cups"').title == '<b>Tea</b> & "cups"'
    assert clean_text("a\x00b\x1b[31mc\u202ed") == "ab[31mcd"


PRICE, SALE, ROOM = Money(1000, "USD"), Money(800, "USD"), Money(500, "USD")


@pytest.mark.parametrize(
    ("now", "sale", "window", "room", "expected"),
    [
        (50, None, (None, None), None, (PRICE, None, None)),
        (50, SALE, (None, None), None, (SALE, PRICE, None)),
        (50, Money(1000, "USD"), (None, None), None, (PRICE, None, None)),
        (50, Money(1500, "USD"), (None, 200), None, (PRICE, None, None)),
        (50, SALE, (100, 200), None, (PRICE, None, 100)),
        (100, SALE, (100, 200), None, (SALE, PRICE, 200)),
        (199, SALE, (100, 200), None, (SALE, PRICE, 200)),
        (200, SALE, (100, 200), None, (PRICE, None, None)),
        (150, SALE, (100, 200), ROOM, (ROOM, PRICE, None)),
        (150, None, (None, None), Money(1200, "USD"), (Money(1200, "USD"), None, None)),
    ],
)
def test_room_price_before_sale_price_before_price(
    now: int, sale: Money | None, window: tuple[int | None, int | None], room: Money | None, expected: tuple[Any, ...]
) -> None:
    found = price_at(now, PRICE, sale, *window, room)
    assert (found.now, found.was, found.until_ms) == expected
