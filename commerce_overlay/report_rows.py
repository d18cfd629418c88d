"""The rows a room's report is folded from, their checks, and the hash that lets anyone reproduce it.

Pure. It knows nothing of SQL or of the figures computed from the rows. Times are integer milliseconds since
1970 UTC; money is integer minor units of the row's ISO 4217 currency.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, TypeVar

import msgspec
from msgspec import Struct

Scene = Literal["live", "replay"]
"""Where a viewer was: in the show while it ran, or in its recording. A click link carries it as `scene`."""

Traffic = Literal["viewer", "staff", "bot", "loadtest"]
"""Set once, when somebody joins. Everything but `viewer` is left out of every figure."""

CURRENCY = re.compile(r"[A-Z]{3}\Z")
MAX_MINOR = 2**53 - 1
"""Greatest amount of one row: a JSON reader with doubles still sees every minor unit."""


class ReportError(ValueError):
    """What the report's pure core refuses. Nothing was computed.

    ReportError
    ├── BadRow        a row contradicts itself or another one
    └── BadBaselines  the baselines file cannot be read (in `commerce_overlay.baselines`)

    `what` says what is wrong, `where` names the row or the cell.
    """

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{where}: {what}")
        self.what = what
        self.where = where


class BadRow(ReportError):
    """A row contradicts itself or another one."""


class Window(Struct, frozen=True):
    """The time a report speaks of: `start_ms` belongs to it, `end_ms` does not."""

    start_ms: int
    end_ms: int

    def holds(self, at_ms: int) -> bool:
        return self.start_ms <= at_ms < self.end_ms


class LiveInterval(Struct, frozen=True, array_like=True, tag="live", gc=False):
    """A stretch of the show during which media was flowing, `end_ms` not included."""

    start_ms: int
    end_ms: int


class WatchSession(Struct, frozen=True, array_like=True, tag="watch", gc=False):
    """A stretch in which one viewer's playback ran. Rows nearer than the session gap are one view."""

    viewer: str
    start_ms: int
    end_ms: int
    scene: Scene = "live"
    traffic: Traffic = "viewer"


class Impression(Struct, frozen=True, array_like=True, tag="impression", gc=False):
    """A card at least half visible for at least 1 s. Repeats of (viewer, card, showing) count once."""

    viewer: str
    card: str
    showing: str
    product: str
    at_ms: int
    scene: Scene = "live"


class HubImpression(Struct, frozen=True, array_like=True, tag="hub", gc=False):
    """The room's tile at least half visible on the hub for at least 1 s. One row, one impression."""

    viewer: str
    at_ms: int


class Click(Struct, frozen=True, array_like=True, tag="click", gc=False):
    """One tap on a product. `card` is None when it came from a place without a card."""

    click: str
    viewer: str
    product: str
    seller: str
    at_ms: int
    card: str | None = None
    scene: Scene = "live"


class OrderLine(Struct, frozen=True, array_like=True, gc=False):
    """One product of an order: its value is quantity × unit price − discount, before tax and shipping."""

    product: str
    quantity: int
    unit_minor: int
    discount_minor: int = 0

    @property
    def value_minor(self) -> int:
        return self.quantity * self.unit_minor - self.discount_minor


class LockedRate(Struct, frozen=True, array_like=True, gc=False):
    """The exchange rate written on an order: one minor unit of its currency is `numer`/`denom` of `to`'s."""

    to: str
    numer: int
    denom: int


class Order(Struct, frozen=True, array_like=True, tag="order", gc=False):
    """An order. It reached *paid* when `paid_ms` is set; `cancelled_ms` is a cancellation or expiry unpaid.

    What is given back after the payment is a `Refund` row, never a change of this one. `viewer` is None when
    the order came from an external shop that knows only the click id.
    """

    order: str
    viewer: str | None
    seller: str
    click: str | None
    currency: str
    lines: tuple[OrderLine, ...]
    placed_ms: int
    paid_ms: int | None = None
    cancelled_ms: int | None = None
    rate: LockedRate | None = None

    @property
    def value_minor(self) -> int:
        return sum(line.value_minor for line in self.lines)


class Refund(Struct, frozen=True, array_like=True, tag="refund", gc=False):
    """Merchandise money given back, in the order's currency, without its tax and shipping parts."""

    refund: str
    order: str
    minor: int
    at_ms: int
    kind: Literal["refund", "cancellation"] = "refund"


class ReportRows(Struct, frozen=True, kw_only=True):
    """Everything one report is folded from. The order of the rows has no meaning.

    Clicks reach back before the window by the longest attribution window, so that an order placed early in the
    window finds its click. `excluded_viewers` are flagged viewers that never had a watch session.
    """

    live: Sequence[LiveInterval] = ()
    sessions: Sequence[WatchSession] = ()
    impressions: Sequence[Impression] = ()
    hub_impressions: Sequence[HubImpression] = ()
    clicks: Sequence[Click] = ()
    orders: Sequence[Order] = ()
    refunds: Sequence[Refund] = ()
    excluded_viewers: frozenset[str] = frozenset()


class _Timed(Protocol):
    @property
    def at_ms(self) -> int: ...


_T = TypeVar("_T", bound=_Timed)


def known_at(rows: Iterable[_T], as_of_ms: int) -> list[_T]:
    """The rows that had happened by `as_of_ms`."""
    return [row for row in rows if row.at_ms <= as_of_ms]


_S = TypeVar("_S", LiveInterval, WatchSession)


def stretches_at(rows: Iterable[_S], as_of_ms: int) -> list[_S]:
    """The stretches as they stood at `as_of_ms`: those that had begun, cut where they went on."""
    return [
        row if row.end_ms <= as_of_ms else msgspec.structs.replace(row, end_ms=as_of_ms)
        for row in rows
        if row.start_ms <= as_of_ms
    ]


def orders_at(orders: Iterable[Order], as_of_ms: int) -> list[Order]:
    """The orders as they stood at `as_of_ms`: later ones are absent, later payments not yet made."""
    known: list[Order] = []
    for order in orders:
        if order.placed_ms > as_of_ms:
            continue
        if order.paid_ms is not None and order.paid_ms > as_of_ms:
            order = msgspec.structs.replace(order, paid_ms=None)
        if order.cancelled_ms is not None and order.cancelled_ms > as_of_ms:
            order = msgspec.structs.replace(order, cancelled_ms=None)
        known.append(order)
    return known


def check_window(window: Window, as_of_ms: int) -> None:
    """Raise BadRow unless the window has a length and has begun."""
    if as_of_ms <= window.start_ms:
        raise BadRow(f"starts at {window.start_ms}, not before the as-of time {as_of_ms}", "window")
    if window.end_ms <= window.start_ms:
        raise BadRow(f"ends at {window.end_ms}, not after its start {window.start_ms}", "window")


def check_rows(rows: ReportRows) -> None:
    """Raise BadRow for the first row that contradicts itself or another one."""
    for live in rows.live:
        if live.end_ms < live.start_ms:
            raise BadRow(f"ends at {live.end_ms}, before its start {live.start_ms}", "live interval")
    for session in rows.sessions:
        if session.end_ms < session.start_ms:
            raise BadRow(
                f"ends at {session.end_ms}, before its start {session.start_ms}",
                f"watch session of viewer {session.viewer!r}",
            )
    _distinct((click.click for click in rows.clicks), "click")
    _distinct((order.order for order in rows.orders), "order")
    _distinct((refund.refund for refund in rows.refunds), "refund")
    for order in rows.orders:
        _check_order(order)
    _check_refunds(rows.orders, rows.refunds)


def _distinct(ids: Iterable[str], kind: str) -> None:
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            raise BadRow("appears twice", f"{kind} {one!r}")
        seen.add(one)


def _check_order(order: Order) -> None:
    where = f"order {order.order!r}"
    if not CURRENCY.match(order.currency):
        raise BadRow(f"currency {order.currency!r} is not an ISO 4217 code", where)
    if not order.lines:
        raise BadRow("has no lines", where)
    for at, line in enumerate(order.lines):
        if line.quantity < 1:
            raise BadRow(f"quantity {line.quantity} is below 1", f"{where} lines[{at}]")
        if line.unit_minor < 0 or line.discount_minor < 0 or line.value_minor < 0:
            raise BadRow("has a negative amount", f"{where} lines[{at}]")
    if order.value_minor > MAX_MINOR:
        raise BadRow(f"value {order.value_minor} is over {MAX_MINOR}", where)
    if order.cancelled_ms is not None and order.paid_ms is not None:
        raise BadRow("is both paid and cancelled unpaid: a cancellation after payment is a Refund row", where)
    if order.rate is not None and (order.rate.numer <= 0 or order.rate.denom <= 0):
        raise BadRow(f"locked rate {order.rate.numer}/{order.rate.denom} is not positive", where)


def _check_refunds(orders: Sequence[Order], refunds: Sequence[Refund]) -> None:
    left = {order.order: order.value_minor for order in orders if order.paid_ms is not None}
    for refund in refunds:
        where = f"refund {refund.refund!r}"
        if refund.minor <= 0:
            raise BadRow(f"amount {refund.minor} is not positive", where)
        if refund.order not in left:
            raise BadRow(f"order {refund.order!r} is not among the paid orders", where)
        left[refund.order] -= refund.minor
        if left[refund.order] < 0:
            raise BadRow(f"refunds of order {refund.order!r} exceed what was paid for it", where)


_ENCODER = msgspec.json.Encoder()


def rows_sha256(*kinds: Iterable[Struct]) -> str:
    """Hash of the rows whatever their order: SHA-256 over their sorted one-line JSON arrays, LF after each.

    A row is the array `[tag, field, …]` in the order of the fields above, UTF-8, without spaces.
    """
    # A line feed inside a JSON string is escaped, so it only ever ends a row.
    lines = _ENCODER.encode_lines([row for kind in kinds for row in kind]).splitlines(keepends=True)
    lines.sort()
    return hashlib.sha256(b"".join(lines)).hexdigest()
