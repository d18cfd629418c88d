from __future__ import annotations

import pytest

from commerce_overlay.money import MAX_MINOR, Money, MoneyError, basis_points, decimals, parse, total


@pytest.mark.parametrize(
    ("text", "minor", "currency"),
    [
        ("12.00 USD", 1200, "USD"),
        ("12 USD", 1200, "USD"),
        ("12.5 USD", 1250, "USD"),
        ("0.01 EUR", 1, "EUR"),
        ("1200 JPY", 1200, "JPY"),
        ("1.234 KWD", 1234, "KWD"),
        ("  9.99 CNY ", 999, "CNY"),
        ("10000000000.00 USD", MAX_MINOR, "USD"),
    ],
)
def test_an_amount_is_read_in_minor_units(text: str, minor: int, currency: str) -> None:
    assert parse(text) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("12.001 USD", "bad_decimals"),
        ("12.0 JPY", "bad_decimals"),
        ("12.00 XXX", "bad_currency"),
        ("12.00 usd", "bad_money"),
        ("-1.00 USD", "bad_money"),
        ("+1.00 USD", "bad_money"),
        ("1,000.00 USD", "bad_money"),
        ("1e3 USD", "bad_money"),
        ("12.00USD", "bad_money"),
        ("USD 12.00", "bad_money"),
        (".50 USD", "bad_money"),
        ("12. USD", "bad_money"),
        ("NaN USD", "bad_money"),
        ("١٢ USD", "bad_money"),  # Arabic-Indic digits are digits to Python's int()
        ("", "bad_money"),
        ("10000000000.01 USD", "money_too_large"),
        ("9" * 5000 + " USD", "bad_money"),
    ],
)
def test_what_is_no_amount_is_refused_by_name(text: str, code: str) -> None:
    with pytest.raises(MoneyError) as caught:
        parse(text)
    assert caught.value.code == code


def test_currencies_never_mix() -> None:
    with pytest.raises(MoneyError, match="cannot be combined"):
        Money(1, "USD") + Money(1, "EUR")
    with pytest.raises(MoneyError):
        _ = Money(1, "USD") < Money(1, "EUR")
    with pytest.raises(MoneyError):
        total([Money(1, "EUR")], "USD")


def test_decimals_are_those_of_iso_4217() -> None:
    assert [decimals(code) for code in ("USD", "JPY", "KWD", "CNY", "ISK", "BHD")] == [2, 0, 3, 2, 0, 3]


@pytest.mark.parametrize(
    ("minor", "bp", "share"), [(1000, 1000, 100), (5, 1000, 1), (4, 1000, 0), (0, 500, 0), (999, 10_000, 999)]
)
def test_half_a_unit_of_commission_is_rounded_up(minor: int, bp: int, share: int) -> None:
    assert basis_points(minor, bp) == share
