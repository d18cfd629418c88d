"""Orders: placing one in a single transaction, cancelling, fulfilling, expiring. Decides by `orders.py`.
Knows clicks and prices of the server's; collecting and returning money is the payment service's part.

Placing writes the idempotency key, the stock held, the order with its lines and payment, and the outbox row
together: either all of it is on disk before the buyer hears of it, or none is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from streamserver.auth import Account
from streamserver.buckets import Buckets, Rate
from streamserver.errors import BadRequest, Conflict, NotFound, StreamServerError, TooMany, Unprocessable
from streamserver.store import insert_ignore
from streamserver.store.tables.commerce import order_lines, orders, payments
from streamserver.store.tables.platform import idempotency_keys
from streamserver.wire_shapes import BrandOrder, Order, OrderLine, OrderPage, OrderPayment
from streamserver.wire_shapes import Money as MoneyShape

from . import store_cards, store_orders, store_products
from .bodies import OrderInput
from .click_service import ClickContext, excluded_of
from .commerce_metrics import CommerceMetrics
from .orders import BuiltOrder, OrderRefused, OrderState, OrderStep, Quote, Wanted, build, check_wanted, follow
from .payments.states import PaymentState
from .tell import Teller

if TYPE_CHECKING:
    from streamserver.server import Server

RATE = Rate(burst=20, per_s=0.2)
"""Orders of one viewer."""
MAX_EXPIRED = 200
"""Orders expired in one sweep; the rest wait for the next."""


# Built once: putting a statement together costs more than running it.
_INSERT_ORDER = orders.insert()
_INSERT_LINES = order_lines.insert()
_INSERT_PAYMENT = payments.insert()


@dataclass(frozen=True, slots=True)
class Placed:
    """The stored answer to a placement: `fresh` is False for a repeat of it."""

    body: bytes
    fresh: bool
    rooms: frozenset[str]


class OrderService:
    def __init__(self, server: Server, tell: Teller, metrics: CommerceMetrics) -> None:
        self._server = server
        self._tell = tell
        self._metrics = metrics
        self._rates: Buckets[tuple[str, str]] = Buckets(RATE, keys=20_000)

    # ---- placing ----

    async def place(self, click: ClickContext, key: str, wanted: OrderInput) -> bytes:
        """The JSON of the order, the same for every repeat of key and body.

        Raises BadRequest, Conflict `out_of_stock`, Unprocessable `idempotency_mismatch`, TooMany; nothing is
        placed then."""
        started = self._server.clock.monotonic()
        wait = self._rates.of((click.room, click.viewer), started).take(started)
        if wait > 0:
            raise TooMany("too many orders at once", retry_after=int(wait) + 1)
        buyer = wanted.buyer.checked()
        lines = [Wanted(line.sku, line.quantity) for line in wanted.lines]
        try:
            check_wanted(lines)
        except OrderRefused as exc:
            raise told(exc) from None
        body_hash = hashlib.sha256(msgspec.json.encode(wanted)).hexdigest()
        now = self._server.clock.now_ms()
        order_id, trade_no, event_id = (self._server.new_id() for _ in range(3))
        expires = now + self._server.settings.reservation_s * 1000
        provider = self._server.settings.payment_provider
        scope = f"order:{click.seller}:{click.viewer}"

        def unit(conn: sa.Connection) -> Placed:
            known = claim(conn, scope, key, body_hash, now)
            if known is not None:
                return Placed(known, False, frozenset())
            quotes = _quotes(conn, click, lines, now)
            try:
                built = build(lines, quotes, next(iter(quotes.values())).unit.currency)
            except OrderRefused as exc:
                raise told(exc) from None
            _reserve(conn, built)
            row = {
                "id": order_id,
                "seller_id": click.seller,
                "room_id": click.room,
                "show_id": click.show_id,
                "click_id": click.click,
                "card_id": click.card,
                "viewer_id": click.viewer,
                "state": OrderState.PLACED.value,
                "currency": built.total.currency,
                "subtotal_minor": built.subtotal.minor,
                "discount_minor": built.discount.minor,
                "shipping_minor": built.shipping.minor,
                "tax_minor": built.tax.minor,
                "total_minor": built.total.minor,
                "commission_minor": built.commission.minor,
                # A viewer may have been flagged after the click.
                "excluded": click.excluded or excluded_of(conn, click.room, click.viewer, False),
                "buyer_name": buyer.name,
                "buyer_email": buyer.email,
                "buyer_address": buyer.address,
                "placed_ms": now,
                "expires_ms": expires,
            }
            payment = {
                "id": trade_no,
                "order_id": order_id,
                "provider": provider,
                "state": PaymentState.REQUIRES_PAYMENT_METHOD.value,
                "amount_minor": built.total.minor,
                "currency": built.total.currency,
                "created_ms": now,
                "updated_ms": now,
            }
            conn.execute(_INSERT_ORDER, row)
            conn.execute(_INSERT_LINES, _line_rows(order_id, built))
            conn.execute(_INSERT_PAYMENT, payment)
            store_orders.tell_outbox(conn, event_id, "order.placed", order_id, now)
            answer = msgspec.json.encode(_just_placed(order_id, trade_no, built, now, expires))
            settle(conn, scope, key, 201, answer)
            rooms = store_products.rooms_showing(conn, [line.product_id for line in built.lines])
            return Placed(answer, True, frozenset(rooms))

        try:
            placed = await self._server.store.write(unit)
        except Conflict as exc:
            if exc.code == "out_of_stock":
                self._metrics.stock_refusals.inc()
            raise
        finally:
            self._metrics.order_seconds.observe(self._server.clock.monotonic() - started)
        if placed.fresh:
            self._metrics.orders.labels("placed").inc()
            self._tell.stock_moved(placed.rooms)
            self._tell.numbers_moved(click.room)
        return placed.body

    async def of_click(self, click: ClickContext, order_id: str) -> Order:
        """An order of the same viewer at the same seller. Raises NotFound for any other."""

        def unit(conn: sa.Connection) -> Order:
            row = store_orders.find(conn, order_id)
            if row is None or row.viewer_id != click.viewer or row.seller_id != click.seller:
                raise unknown()
            return store_orders.load_order(conn, order_id)

        return await self._server.store.read(unit)

    # ---- the brand's side ----

    async def page(
        self, account: Account, room: str | None, state: str | None, after: str | None, limit: int
    ) -> OrderPage:
        seller = account.seller_id
        rows, more = await self._server.store.read(
            lambda conn: store_orders.page(conn, seller, room, state, after, limit)
        )
        return OrderPage(orders=rows, next=more)

    async def for_brand(self, account: Account, order_id: str) -> BrandOrder:
        """One order with its refunds and what was booked for it. Raises NotFound."""

        def unit(conn: sa.Connection) -> BrandOrder:
            row = owned(conn, account, order_id)
            lines = store_orders.lines_of(conn, [order_id])[order_id]
            refunds, ledger = store_orders.refunds_of(conn, order_id), store_orders.ledger_of(conn, order_id)
            return store_orders.brand_order_of(row, lines, refunds=refunds, ledger=ledger)

        return await self._server.store.read(unit)

    async def fulfil(self, account: Account, order_id: str) -> Order:
        """The goods are on their way. Raises NotFound, Conflict `bad_transition`."""
        now = self._server.clock.now_ms()
        event_id = self._server.new_id()

        def unit(conn: sa.Connection) -> tuple[Any, Order]:
            row = owned(conn, account, order_id, lock=True)
            before = OrderState(row.state)
            if row.fulfilled_ms is not None:
                raise Conflict("this order is fulfilled already", code="bad_transition")
            after = _follow(before, OrderStep.FULFIL)
            store_orders.move(conn, order_id, before, after, fulfilled_ms=now)
            store_orders.tell_outbox(conn, event_id, "order.fulfilled", order_id, now)
            return row, store_orders.load_order(conn, order_id)

        row, order = await self._server.store.write(unit)
        self._tell.order_moved(row.room_id, row.viewer_id, order)
        return order

    async def cancel(self, account: Account, order_id: str) -> Order:
        """Gives an unpaid order up. Raises NotFound, Conflict `bad_transition`: a paid one is refunded
        instead."""
        now = self._server.clock.now_ms()
        event_id = self._server.new_id()

        def unit(conn: sa.Connection) -> tuple[Any, Order, set[str]]:
            row = owned(conn, account, order_id, lock=True)
            rooms = _give_up(conn, row, OrderStep.CANCEL, event_id, now)
            return row, store_orders.load_order(conn, order_id), rooms

        row, order, rooms = await self._server.store.write(unit)
        self._metrics.orders.labels("cancelled").inc()
        self._gave_up(row, order, rooms)
        return order

    # ---- time ----

    async def expired(self) -> Sequence[Any]:
        """The placed orders whose time is up, oldest first."""
        now = self._server.clock.now_ms()
        late = (orders.c.state == OrderState.PLACED.value) & (orders.c.expires_ms <= now)
        query = store_orders.select_orders().where(late).order_by(orders.c.expires_ms).limit(MAX_EXPIRED)
        return await self._server.store.read(lambda conn: conn.execute(query).all())

    async def expire(self, order_id: str) -> None:
        """Gives an order up whose time has passed; nothing happens to one that was paid meanwhile."""
        now = self._server.clock.now_ms()
        event_id = self._server.new_id()

        def unit(conn: sa.Connection) -> tuple[Any, Order, set[str]] | None:
            row = store_orders.find(conn, order_id, lock=True)
            if row is None or row.state != OrderState.PLACED.value or row.expires_ms > now:
                return None
            rooms = _give_up(conn, row, OrderStep.EXPIRE, event_id, now)
            return row, store_orders.load_order(conn, order_id), rooms

        found = await self._server.store.write(unit)
        if found is not None:
            row, order, rooms = found
            self._metrics.orders.labels("expired").inc()
            self._gave_up(row, order, rooms)

    def _gave_up(self, row: Any, order: Order, rooms: set[str]) -> None:
        self._tell.stock_moved(rooms)
        self._tell.order_moved(row.room_id, row.viewer_id, order)
        self._tell.numbers_moved(row.room_id)


# ---- idempotency keys: one row per scope and key, written with what it protects ----


def claim(conn: sa.Connection, scope: str, key: str, body_hash: str, now_ms: int) -> bytes | None:
    """None when the key is new (and now taken), else the stored answer, empty while there is none yet.

    Raises Unprocessable `idempotency_mismatch` for another body."""
    row = {"scope": scope, "key": key, "body_hash": body_hash, "status": 0, "response": b"", "created_ms": now_ms}
    if insert_ignore(conn, idempotency_keys, row):
        return None
    mine = (idempotency_keys.c.scope == scope) & (idempotency_keys.c.key == key)
    known = conn.execute(sa.select(idempotency_keys).where(mine)).one()
    if known.body_hash != body_hash:
        detail = "this Idempotency-Key was used with another body"
        raise Unprocessable(detail, code="idempotency_mismatch", where="Idempotency-Key")
    return bytes(known.response)


_SETTLE = idempotency_keys.update().where(
    idempotency_keys.c.scope == sa.bindparam("of"), idempotency_keys.c.key == sa.bindparam("named")
)


def settle(conn: sa.Connection, scope: str, key: str, status: int, answer: bytes) -> None:
    """Stores the answer that every repeat of the key gets."""
    conn.execute(_SETTLE, {"of": scope, "named": key, "status": status, "response": answer})


# ---- helpers ----


def owned(conn: sa.Connection, account: Account, order_id: str, *, lock: bool = False) -> Any:
    """An order of the account's seller (any for an operator). Raises NotFound."""
    row = store_orders.find(conn, order_id, lock=lock)
    if row is None or (account.seller_id is not None and row.seller_id != account.seller_id):
        raise unknown()
    return row


def _quotes(conn: sa.Connection, click: ClickContext, lines: Sequence[Wanted], now_ms: int) -> Mapping[str, Quote]:
    selling = store_cards.selling(conn, click.room, [line.sku for line in lines])
    quotes: dict[str, Quote] = {}
    for i, line in enumerate(lines):
        row = selling.get(line.sku)
        # A hidden card sells only to somebody who had it open already.
        if row is None or (row.state == "hidden" and row.product_id != click.product):
            raise BadRequest(f"this room does not sell {line.sku[:50]!r}", code="unknown_sku", where=f"lines[{i}].sku")
        commission = click.commission_bp if row.product_id == click.product else row.commission_bp
        price = store_products.price_of(row, now_ms, row.room_minor)
        quotes[line.sku] = Quote(row.product_id, row.sku, row.title, price.now, commission)
    return quotes


def _reserve(conn: sa.Connection, built: BuiltOrder) -> None:
    # In one order for everybody, so that two orders cannot wait for each other.
    for line in sorted(built.lines, key=lambda line: line.product_id):
        if not store_orders.reserve(conn, line.product_id, line.quantity):
            at = built.lines.index(line)
            raise Conflict(f"not enough of {line.sku} is left", code="out_of_stock", where=f"lines[{at}].quantity")


def _line_rows(order_id: str, built: BuiltOrder) -> list[dict[str, Any]]:
    return [
        {
            "order_id": order_id,
            "line": i,
            "product_id": line.product_id,
            "sku": line.sku,
            "title": line.title,
            "quantity": line.quantity,
            "unit_minor": line.unit.minor,
            "discount_minor": line.discount.minor,
            "total_minor": line.total.minor,
            "commission_bp": line.commission_bp,
        }
        for i, line in enumerate(built.lines)
    ]


def _just_placed(order_id: str, trade_no: str, built: BuiltOrder, now_ms: int, expires_ms: int) -> Order:
    """What `store_orders.order_of` reads back, without reading it back."""
    shape = store_products.shape
    return Order(
        id=order_id,
        state=OrderState.PLACED.value,
        lines=[
            OrderLine(
                sku=line.sku,
                title=line.title,
                quantity=line.quantity,
                unit_price=shape(line.unit),
                total=shape(line.total),
            )
            for line in built.lines
        ],
        subtotal=shape(built.subtotal),
        discount=shape(built.discount),
        shipping=shape(built.shipping),
        tax=shape(built.tax),
        total=shape(built.total),
        refunded=MoneyShape(0, built.total.currency),
        trade_no=trade_no,
        payment=OrderPayment(state=PaymentState.REQUIRES_PAYMENT_METHOD.value, failure=None),
        placed_ms=now_ms,
        paid_ms=None,
        expires_ms=expires_ms,
    )


def _follow(before: OrderState, step: OrderStep) -> OrderState:
    try:
        return follow(before, step)
    except OrderRefused as exc:
        raise told(exc) from None


def _give_up(conn: sa.Connection, row: Any, step: OrderStep, event_id: str, now_ms: int) -> set[str]:
    """Cancels a placed order: stock back, the provider to be told. Answers the rooms that show its
    products."""
    before = OrderState(row.state)
    after = _follow(before, step)
    store_orders.move(conn, row.id, before, after, cancelled_ms=now_ms)
    lines = store_orders.lines_of(conn, [row.id])[row.id]
    store_orders.release(conn, lines)
    if row.provider_ref is not None:
        conn.execute(payments.update().where(payments.c.order_id == row.id).values(cancel_ms=now_ms))
    else:
        # The provider never heard of it; nothing can be paid any more.
        state = {"state": PaymentState.CANCELED.value, "updated_ms": now_ms}
        conn.execute(payments.update().where(payments.c.order_id == row.id).values(**state))
    kind = "order.expired" if step is OrderStep.EXPIRE else "order.cancelled"
    store_orders.tell_outbox(conn, event_id, kind, row.id, now_ms)
    return store_products.rooms_showing(conn, [line.product_id for line in lines])


def told(exc: OrderRefused) -> StreamServerError:
    """The HTTP answer to a refusal of the pure core."""
    if exc.code in ("bad_transition", "refund_too_large"):
        return Conflict(str(exc), code=exc.code, where=exc.where)
    return BadRequest(str(exc), code=exc.code, where=exc.where)


def unknown() -> NotFound:
    return NotFound("no such order", code="unknown_order", where="order")
