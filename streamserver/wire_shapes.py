"""The objects of docs/protocol.md that HTTP answers, realtime frames and pages share.

Pure data in the protocol's words, re-exported by `wire.py`. Knows not how they are stored, priced or sent.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

__all__ = [
    "Account",
    "AppIcon",
    "AppManifest",
    "Body",
    "Bought",
    "BrandOrder",
    "Buyer",
    "Card",
    "CardBag",
    "CardLife",
    "CardNumbers",
    "CardState",
    "Click",
    "DemoHint",
    "Hub",
    "Image",
    "ImportProblem",
    "ImportResult",
    "LedgerEntry",
    "Line",
    "Me",
    "Money",
    "Numbers",
    "Order",
    "OrderLife",
    "OrderLine",
    "OrderPage",
    "OrderPayment",
    "PaymentLife",
    "PaymentStatus",
    "Presentation",
    "Problem",
    "Product",
    "ProductInput",
    "ProductPage",
    "PublishToken",
    "Refund",
    "Role",
    "Room",
    "RoomCreated",
    "RoomLife",
    "RoomRef",
    "RoomState",
    "SandboxPayment",
    "SellerRef",
    "Shape",
    "ShopProduct",
    "ShowRef",
    "SignIn",
    "SignedIn",
    "State",
    "StreamKey",
    "StudioRooms",
    "Via",
]

Role: TypeAlias = Literal["operator", "brand", "influencer", "moderator", "viewer"]
RoomLife: TypeAlias = Literal["scheduled", "live", "interrupted", "ended"]
CardLife: TypeAlias = Literal["listed", "pinned", "explaining", "hidden"]
OrderLife: TypeAlias = Literal["placed", "paid", "partly_refunded", "refunded", "cancelled", "fulfilled"]
PaymentLife: TypeAlias = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "succeeded",
    "canceled",
]
Via: TypeAlias = Literal["webrtc", "hls"]


class Shape(Struct, frozen=True, kw_only=True):
    """Base of everything sent. Fields typed with `UnsetType` are left out of the JSON when unset."""


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything received over HTTP: an unknown field is refused, so who sends a price is told."""


class Problem(Shape, frozen=True, kw_only=True):
    """The body of every HTTP error (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    where: str | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


class Money(Struct, frozen=True):
    """An amount in integer minor units of an ISO 4217 currency."""

    minor: int
    currency: str


# ---- identity ----


class SellerRef(Shape, frozen=True, kw_only=True):
    id: str
    name: str


class Account(Shape, frozen=True, kw_only=True):
    id: str
    email: str
    name: str
    role: Role
    seller: SellerRef | None


class DemoHint(Shape, frozen=True, kw_only=True):
    email: str
    password: str
    room: str


class Me(Shape, frozen=True, kw_only=True):
    account: Account | None
    viewer_name: str | None
    demo: DemoHint | None


class SignIn(Body, frozen=True, kw_only=True):
    email: Annotated[str, Meta(min_length=3, max_length=254)]
    password: Annotated[str, Meta(min_length=1, max_length=1024)]


class SignedIn(Shape, frozen=True, kw_only=True):
    account: Account


# ---- rooms ----


class ShowRef(Shape, frozen=True, kw_only=True):
    id: str
    started_ms: int
    ended_ms: int | None


class Room(Shape, frozen=True, kw_only=True):
    id: str
    title: str
    description: str
    state: RoomLife
    seller: SellerRef
    poster: str | None
    starts_ms: int | None
    show: ShowRef | None
    viewers: int
    currency: str
    whep_url: str
    ws_url: str
    listed: bool
    test: bool


class Hub(Shape, frozen=True, kw_only=True):
    """`GET /api/rooms`."""

    live: list[Room]
    upcoming: list[Room]
    past: list[Room]


class StudioRooms(Shape, frozen=True, kw_only=True):
    rooms: list[Room]


class RoomCreated(Shape, frozen=True, kw_only=True):
    room: Room
    stream_key: str


class StreamKey(Shape, frozen=True, kw_only=True):
    stream_key: str


class PublishToken(Shape, frozen=True, kw_only=True):
    token: str
    expires_ms: int
    whip_url: str


class RoomState(Shape, frozen=True, kw_only=True):
    """What a member has to know of the room itself; `show` is the id of the current or last show."""

    id: str
    title: str
    state: RoomLife
    show: str | None
    started_ms: int | None


# ---- products and cards ----


class Product(Shape, frozen=True, kw_only=True):
    id: str
    sku: str
    title: str
    description: str
    price: Money
    sale_price: Money | None
    stock: int
    image: str | None
    brand: str | None
    condition: str | None
    color: str | None
    size: str | None
    commission_bp: int
    link: str | None
    updated_ms: int


class ProductPage(Shape, frozen=True, kw_only=True):
    products: list[Product]
    next: str | None


class Image(Shape, frozen=True, kw_only=True):
    image: str
    width: int
    height: int


class ImportProblem(Shape, frozen=True, kw_only=True):
    """One refused row of an import; `row` counts from 1 below the header."""

    row: int
    column: str
    code: str
    message: str


class ProductInput(Body, frozen=True, kw_only=True):
    """A product as sellers write it: Google product feed names, money as `12.00 USD`."""

    id: str
    title: str
    price: str
    stock: int
    description: str = ""
    sale_price: str | None = None
    sale_price_effective_date: str | None = None
    image_link: str | None = None
    link: str | None = None
    brand: str | None = None
    gtin: str | None = None
    mpn: str | None = None
    condition: str | None = None
    item_group_id: str | None = None
    color: str | None = None
    size: str | None = None
    commission: str | None = None


class ImportResult(Shape, frozen=True, kw_only=True):
    rows: int
    valid: int
    created: int
    updated: int
    errors: list[ImportProblem]
    sample: list[ProductInput]


class Card(Shape, frozen=True, kw_only=True):
    id: str
    product: str
    sku: str
    title: str
    image: str | None
    price: Money
    was: Money | None
    stock: int
    state: CardLife
    showing: str | None
    position: int
    ver: int


class CardBag(Shape, frozen=True, kw_only=True):
    """`GET /api/rooms/{room}/cards`."""

    ver: int
    cards: list[Card]


class CardState(Shape, frozen=True, kw_only=True):
    """The whole bag as a joiner gets it: latest `ver` wins."""

    ver: int
    pinned: str | None
    cards: list[Card]


class AppIcon(Shape, frozen=True, kw_only=True):
    src: str
    sizes: str


class AppManifest(Shape, frozen=True, kw_only=True):
    """Members of the W3C MiniApp Manifest that the host page needs."""

    app_id: str
    name: str
    short_name: str
    description: str
    version: str
    icons: list[AppIcon]
    pages: list[str]
    req_permissions: list[str]


class Click(Shape, frozen=True, kw_only=True):
    """`POST …/click`: `url` is the signed link."""

    click: str
    url: str
    app: AppManifest


# ---- shop, orders, payments ----


class RoomRef(Shape, frozen=True, kw_only=True):
    id: str
    title: str


class ShopProduct(Shape, frozen=True, kw_only=True):
    product: Product
    card: Card | None
    room: RoomRef
    seller: SellerRef
    price: Money
    stock: int


class OrderLine(Shape, frozen=True, kw_only=True):
    sku: str
    title: str
    quantity: int
    unit_price: Money
    total: Money


class OrderPayment(Shape, frozen=True, kw_only=True):
    state: PaymentLife
    failure: str | None


class Order(Shape, frozen=True, kw_only=True):
    id: str
    state: OrderLife
    lines: list[OrderLine]
    subtotal: Money
    discount: Money
    shipping: Money
    tax: Money
    total: Money
    refunded: Money
    trade_no: str
    payment: OrderPayment
    placed_ms: int
    paid_ms: int | None
    expires_ms: int


class Buyer(Shape, frozen=True, kw_only=True):
    name: str
    email: str
    address: str | None = None


class Refund(Shape, frozen=True, kw_only=True):
    id: str
    amount: Money
    reason: str | None
    at_ms: int


class LedgerEntry(Shape, frozen=True, kw_only=True):
    transaction: str
    ledger_account: str
    amount: Money
    at_ms: int


class BrandOrder(Order, frozen=True, kw_only=True):
    """An order as the brand sees it; `refunds` and `ledger` only in the single-order answer."""

    room: str
    viewer: str
    buyer: Buyer
    refunds: list[Refund] | UnsetType = UNSET
    ledger: list[LedgerEntry] | UnsetType = UNSET


class OrderPage(Shape, frozen=True, kw_only=True):
    orders: list[BrandOrder]
    next: str | None


class Presentation(Shape, frozen=True, kw_only=True):
    presentation: Literal["embed", "redirect"]
    url: str


class PaymentStatus(Shape, frozen=True, kw_only=True):
    """`result` is the number `my.tradePay` answers with."""

    trade_no: str
    state: PaymentLife
    result: Literal[9000, 8000, 4000, 6001, 6004]
    failure: str | None
    order: str


class SandboxPayment(Shape, frozen=True, kw_only=True):
    ref: str
    state: PaymentLife
    amount: Money
    merchant: str
    description: str
    failure: str | None


# ---- chat and counts ----


class Line(Shape, frozen=True, kw_only=True):
    """One chat line. Plain text: a page shows `name` and `text` with `textContent` only."""

    id: str
    viewer: str
    name: str
    role: Role
    text: str
    at_ms: int
    reply_to: str | UnsetType = UNSET


class Bought(Shape, frozen=True, kw_only=True):
    """Somebody's paid order for the ticker; `name` is shortened and says nothing that identifies."""

    name: str
    title: str
    quantity: int
    at_ms: int


class State(Shape, frozen=True, kw_only=True):
    """The whole state a joiner starts from: the last 50 chat lines, the pinned line, counts and cards."""

    chat: list[Line]
    pinned_line: Line | None
    likes: int
    viewers: int
    cards: CardState


class CardNumbers(Shape, frozen=True, kw_only=True):
    card: str
    title: str
    clicks: int
    orders: int
    gmv_paid: Money


class Numbers(Shape, frozen=True, kw_only=True):
    """Live figures for staff. `gmv_minutes` pairs the minute's start (ms) with minor units paid in it."""

    viewers: int
    peak: int
    likes: int
    clicks: int
    orders_placed: int
    orders_paid: int
    gmv_paid: Money
    gmv_minutes: list[tuple[int, int]]
    products: list[CardNumbers]
