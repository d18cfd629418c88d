"""What a product may be, and which of its prices holds at a moment.
Pure: it judges what sellers write (form, JSON, one row of a file) and knows neither SQL nor where images
come from.

Price precedence, the one written rule (docs/commerce.md): the room's own price if the card has one; else the
sale price inside its window; else the price. Prices never stack. `was` is the price, shown only when it is
higher."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from streamserver.plaintext import one_line
from streamserver.wire_shapes import ProductInput

from .money import Money, MoneyError, parse

MAX_STOCK = 10_000_000
OWN_IMAGE = re.compile(r"/images/[a-z0-9]{1,64}\.webp", re.ASCII)
CONDITIONS = ("new", "refurbished", "used")
_GTIN_LENGTHS = (8, 12, 13, 14)
_COMMISSION = re.compile(r"(\d{1,3})(?:\.(\d{1,2}))?\s?%", re.ASCII)


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with one field. `column` is the feed's name; `code` is stable; `message` is for
    people."""

    column: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A product that may be stored. `image_source` is a foreign address still to be fetched, `image` one of
    ours."""

    sku: str
    title: str
    description: str
    price: Money
    sale: Money | None
    sale_from_ms: int | None
    sale_to_ms: int | None
    stock: int
    image: str | None
    image_source: str | None
    link: str | None
    brand: str | None
    gtin: str | None
    mpn: str | None
    condition: str | None
    item_group_id: str | None
    color: str | None
    size: str | None
    commission_bp: int


@dataclass(frozen=True, slots=True)
class Price:
    """The price at one moment. `until_ms` is when the clock alone may change it, None when nothing is
    ahead."""

    now: Money
    was: Money | None
    until_ms: int | None


def price_at(
    now_ms: int,
    price: Money,
    sale: Money | None = None,
    sale_from_ms: int | None = None,
    sale_to_ms: int | None = None,
    room_price: Money | None = None,
) -> Price:
    """Room price > sale price inside [from, to) > price. All three are in one currency.

    A sale price that is not lower than the price (the price was changed since) is none."""
    if room_price is not None:
        return Price(room_price, price if room_price < price else None, None)
    if sale is None or not sale < price or (sale_to_ms is not None and now_ms >= sale_to_ms):
        return Price(price, None, None)
    if sale_from_ms is not None and now_ms < sale_from_ms:
        return Price(price, None, sale_from_ms)
    return Price(sale, price, sale_to_ms)


def clean_text(text: str, *, lines: bool = False) -> str:
    """Plain text as people meant it (see `streamserver.plaintext`); with `lines`, line breaks stay.

    Markup stays the text it is; pages show it with `textContent`."""
    if not lines:
        return one_line(text)
    return "\n".join(one_line(line) for line in text.replace("\r\n", "\n").split("\n")).strip()


def check(product: ProductInput) -> Draft | list[FieldProblem]:
    """The product ready to store, or everything that is wrong with it."""
    return _Check(product).run()


def basis_points_of(text: str) -> int:
    """Reads `10%` or `7.25%` as basis points. Raises ValueError with the reason."""
    match = _COMMISSION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:16]!r} is not a percentage such as '10%'")
    bp = int(match.group(1)) * 100 + int((match.group(2) or "").ljust(2, "0"))
    if bp > 10_000:
        raise ValueError("a commission is at most 100%")
    return bp


def _sale_window(text: str) -> tuple[int, int]:
    """Start and end in ms of `2026-11-27T00:00+0800/2026-11-30T23:59+0800` (ISO 8601; UTC where no zone is
    said)."""
    first, slash, last = text.strip().partition("/")
    if not slash:
        raise ValueError("a sale window is two times with a slash between them")
    start, end = (_instant(part) for part in (first, last))
    if end <= start:
        raise ValueError("the sale window ends before it starts")
    return start, end


def _instant(text: str) -> int:
    try:
        time = datetime.fromisoformat(text.strip())
        # In UTC first: a time that leaves the calendar's years there could be stored and never be written again.
        return int((time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is not a time such as '2026-11-27T00:00+0800'") from None


def _gtin_ok(digits: str) -> bool:
    """GS1's check digit: from the right, weights 1 and 3 in turn, the sum divisible by ten."""
    if not (digits.isascii() and digits.isdigit() and len(digits) in _GTIN_LENGTHS):
        return False
    return sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(reversed(digits))) % 10 == 0


class _Check:
    def __init__(self, product: ProductInput) -> None:
        self._in = product
        self._problems: list[FieldProblem] = []

    def run(self) -> Draft | list[FieldProblem]:
        given = self._in
        price = self._money("price", given.price)
        sale = self._money("sale_price", given.sale_price) if given.sale_price else None
        for column, amount in (("price", price), ("sale_price", sale)):
            if amount is not None and amount.minor == 0:
                self._wrong(column, "bad_money", "the price must be more than zero")
        if price is not None and sale is not None:
            if price.currency != sale.currency:
                self._wrong("sale_price", "currency_mismatch", f"the price is in {price.currency}")
            elif not sale < price:
                self._wrong("sale_price", "sale_not_lower", "the sale price must be lower than the price")
        window: tuple[int | None, int | None] = (None, None)
        if given.sale_price_effective_date:
            try:
                window = _sale_window(given.sale_price_effective_date)
            except ValueError as exc:
                self._wrong("sale_price_effective_date", "bad_date", str(exc))
            if not given.sale_price:
                self._wrong("sale_price_effective_date", "needs_sale_price", "a sale window needs a sale price")
        if not 0 <= given.stock <= MAX_STOCK:
            self._wrong("stock", "bad_stock", f"stock must be between 0 and {MAX_STOCK}")
        image, source = self._image()
        commission = 0
        if given.commission:
            try:
                commission = basis_points_of(given.commission)
            except ValueError as exc:
                self._wrong("commission", "bad_commission", str(exc))
        gtin = self._text("gtin", given.gtin, 14)
        if gtin and not _gtin_ok(gtin):
            self._wrong("gtin", "bad_gtin", "a GTIN has 8, 12, 13 or 14 digits and a right check digit")
        condition = self._text("condition", given.condition, 16)
        if condition and condition not in CONDITIONS:
            self._wrong("condition", "bad_condition", "the condition is new, refurbished or used")
        sku = self._text("id", given.id, 50, needed=True)
        title = self._text("title", given.title, 150, needed=True)
        description = self._text("description", given.description, 5000, lines=True)
        draft_fields = {
            "brand": self._text("brand", given.brand, 70),
            "mpn": self._text("mpn", given.mpn, 70),
            "item_group_id": self._text("item_group_id", given.item_group_id, 50),
            "color": self._text("color", given.color, 100),
            "size": self._text("size", given.size, 100),
            "link": self._address("link", given.link, ("http", "https")),
        }
        if self._problems or price is None or sku is None or title is None:
            return self._problems
        return Draft(
            sku=sku,
            title=title,
            description=description or "",
            price=price,
            sale=sale,
            sale_from_ms=window[0],
            sale_to_ms=window[1],
            stock=given.stock,
            image=image,
            image_source=source,
            gtin=gtin,
            condition=condition,
            commission_bp=commission,
            **draft_fields,
        )

    def _wrong(self, column: str, code: str, message: str) -> None:
        self._problems.append(FieldProblem(column, code, message))

    def _money(self, column: str, text: str) -> Money | None:
        try:
            return parse(text)
        except MoneyError as exc:
            self._wrong(column, exc.code, str(exc))
            return None

    def _text(
        self, column: str, text: str | None, longest: int, *, needed: bool = False, lines: bool = False
    ) -> str | None:
        value = clean_text(text or "", lines=lines)
        if len(value) > longest:
            self._wrong(column, "too_long", f"{column} has {len(value)} characters, at most {longest} are kept")
            return None
        if not value and needed:
            self._wrong(column, "missing", f"{column} is missing")
        return value or None

    def _image(self) -> tuple[str | None, str | None]:
        link = self._in.image_link
        if link and OWN_IMAGE.fullmatch(link.strip()):
            return link.strip(), None
        return None, self._address("image_link", link, ("https",))

    def _address(self, column: str, text: str | None, schemes: tuple[str, ...]) -> str | None:
        value = self._text(column, text, 2000)
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            fine = parts.scheme in schemes and bool(parts.hostname) and " " not in value and parts.username is None
        except ValueError:
            fine = False
        if not fine:
            self._wrong(column, "bad_url", f"{column} must be a full {' or '.join(schemes)} address")
            return None
        return value
