"""Amounts of money as integer minor units with an ISO 4217 code.
Pure: it parses, formats, shares out and rounds. It knows no exchange rates, no taxes and no prices of
products. No float ever holds an amount: every rounding below says which way it goes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# ISO 4217 (amendment 177): how many decimals the minor unit has. A code that is not named here is unknown.
_TWO_DECIMALS = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC
CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR
JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD
NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN
SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG
"""
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_DECIMALS: dict[str, int] = {
    **dict.fromkeys(_TWO_DECIMALS.split(), 2),
    **dict.fromkeys(_NO_DECIMALS.split(), 0),
    **dict.fromkeys(_THREE_DECIMALS.split(), 3),
}

# One amount stays far below 2^53, so that a page can hold it in a number and a sum of a million fits 64 bits.
MAX_MINOR = 10**12

_AMOUNT = re.compile(r"(\d{1,13})(?:\.(\d{1,4}))? ([A-Z]{3})", re.ASCII)


class MoneyError(ValueError):
    """An amount that cannot be read, or two that cannot meet. `code` is stable, the text is for
    developers."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Money:
    """`minor` counts the currency's smallest unit; negative only in ledgers and differences."""

    minor: int
    currency: str

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __mul__(self, factor: int) -> Money:
        return Money(self.minor * factor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __str__(self) -> str:
        """Writes `12.00 USD`, the product feed's form; `parse` reads it back."""
        digits = decimals(self.currency)
        sign = "-" if self.minor < 0 else ""
        whole, part = divmod(abs(self.minor), 10**digits)
        return (
            f"{sign}{whole}.{part:0{digits}d} {self.currency}" if digits else f"{sign}{whole} {self.currency}"
        )

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise MoneyError("currency_mismatch", f"{self.currency} and {other.currency} cannot be combined")
        return other.minor


def decimals(currency: str) -> int:
    """The decimals of a currency's minor unit. Raises MoneyError `bad_currency` for an unknown code."""
    try:
        return _DECIMALS[currency]
    except KeyError:
        raise MoneyError(
            "bad_currency", f"{currency[:8]!r} is not a current ISO 4217 currency code"
        ) from None


def parse(text: str) -> Money:
    """Reads `12.00 USD` (decimals may be left out, never be more than the currency has).

    Raises MoneyError with code `bad_money`, `bad_currency`, `bad_decimals` or `money_too_large`."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise MoneyError("bad_money", f"{text[:32]!r} is not an amount such as '12.00 USD'")
    whole, part, currency = match.group(1), match.group(2) or "", match.group(3)
    digits = decimals(currency)
    if len(part) > digits:
        raise MoneyError("bad_decimals", f"{currency} has {digits} decimals, {text[:32]!r} has {len(part)}")
    minor = int(whole + part.ljust(digits, "0"))
    if minor > MAX_MINOR:
        raise MoneyError("money_too_large", f"{text[:32]!r} is more than an amount may be")
    return Money(minor, currency)


def total(amounts: Iterable[Money], currency: str) -> Money:
    """The sum, zero in `currency` when there is nothing to add. Raises MoneyError `currency_mismatch`."""
    result = Money(0, currency)
    for amount in amounts:
        result = result + amount
    return result


def allocate(minor: int, weights: Sequence[int]) -> list[int]:
    """Shares `minor` out by weight without losing a unit: the rest goes to the largest remainders, first
    wins a tie.

    The result sums to `minor` exactly. Raises ValueError for a negative amount or weight, or weights of
    zero."""
    whole = sum(weights)
    if minor < 0 or whole <= 0 or any(weight < 0 for weight in weights):
        raise ValueError(
            "allocation needs an amount and weights that are not negative, and one weight above zero"
        )
    shares = [minor * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(minor * weights[i] % whole), i))
    for i in by_remainder[: minor - sum(shares)]:
        shares[i] += 1
    return shares


def basis_points(minor: int, bp: int) -> int:
    """`bp` hundredths of a percent of an amount that is not negative, half a unit rounded up."""
    return (minor * bp * 2 + 10_000) // 20_000
