"""Tables of commerce: the product pool, cards, clicks, orders, payments, the ledger and the sandbox provider.

Money is `_minor` with a `currency`, times end in `_ms` (UTC). Rows that say what happened (clicks,
impressions, ledger, webhook receipts, card changes) are only ever added; orders, payments and stock move
forward by guarded updates.
"""

from __future__ import annotations

import sqlalchemy as sa

from .base import Currency, Id, Millis, Minor, metadata

products = sa.Table(
    "products",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("seller_id", Id, sa.ForeignKey("sellers.id"), nullable=False),
    sa.Column("sku", sa.String(64), nullable=False),
    sa.Column("title", sa.String(150), nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("price_minor", Minor, nullable=False),
    sa.Column("currency", Currency, nullable=False),
    sa.Column("sale_minor", Minor),
    sa.Column("sale_from_ms", Millis),
    sa.Column("sale_to_ms", Millis),
    # What is in the warehouse and not yet sold; `reserved` of it is held by placed orders.
    sa.Column("on_hand", sa.Integer, nullable=False),
    sa.Column("reserved", sa.Integer, nullable=False, server_default="0"),
    sa.Column("sold", sa.Integer, nullable=False, server_default="0"),
    sa.Column("image", sa.String(255)),
    # A foreign address whose picture is still to be fetched; its failures push `image_due_ms` ahead.
    sa.Column("image_source", sa.String(2000)),
    sa.Column("image_tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("image_due_ms", Millis, index=True),
    sa.Column("link", sa.String(2000)),
    sa.Column("brand", sa.String(70)),
    sa.Column("gtin", sa.String(14)),
    sa.Column("mpn", sa.String(70)),
    sa.Column("condition", sa.String(16)),
    sa.Column("item_group_id", sa.String(50)),
    sa.Column("color", sa.String(100)),
    sa.Column("size", sa.String(100)),
    sa.Column("commission_bp", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_ms", Millis, nullable=False),
    sa.Column("updated_ms", Millis, nullable=False),
    sa.Column("deleted_ms", Millis),
    sa.UniqueConstraint("seller_id", "sku"),
    # The last line of defence against overselling; the guarded updates never reach it.
    sa.CheckConstraint("reserved >= 0 AND on_hand >= reserved", name="stock"),
)

images = sa.Table(
    "images",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("seller_id", Id, sa.ForeignKey("sellers.id"), nullable=False, index=True),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("webp", sa.LargeBinary, nullable=False),
    sa.Column("created_ms", Millis, nullable=False),
)

card_bags = sa.Table(
    "card_bags",
    metadata,
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), primary_key=True),
    # Grows with every change of the room's cards, stock and prices included: the latest wins.
    sa.Column("ver", sa.BigInteger, nullable=False),
)

cards = sa.Table(
    "cards",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("product_id", Id, sa.ForeignKey("products.id"), nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("showing_id", Id),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("price_minor", Minor),  # the room's own price, in the product's currency
    sa.Column("ver", sa.BigInteger, nullable=False),
    sa.Column("created_ms", Millis, nullable=False),
    sa.Index(None, "room_id", "product_id"),
)

showings = sa.Table(
    "showings",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), nullable=False, index=True),
    sa.Column("show_id", Id),
    sa.Column("card_id", Id, sa.ForeignKey("cards.id"), nullable=False),
    sa.Column("started_ms", Millis, nullable=False),
    sa.Column("ended_ms", Millis),
)

card_changes = sa.Table(
    "card_changes",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), nullable=False, index=True),
    sa.Column("show_id", Id),
    sa.Column("card_id", Id, sa.ForeignKey("cards.id"), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("before", sa.String(16), nullable=False),
    sa.Column("after", sa.String(16), nullable=False),
    sa.Column("account_id", Id),
    sa.Column("at_ms", Millis, nullable=False),
)

impressions = sa.Table(
    "impressions",
    metadata,
    sa.Column("showing_id", Id, primary_key=True),
    sa.Column("viewer_id", Id, primary_key=True),
    sa.Column("card_id", Id, nullable=False),
    sa.Column("product_id", Id, nullable=False),
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("show_id", Id),
    sa.Column("scene", sa.String(8), nullable=False),  # live | replay
    sa.Column("excluded", sa.String(16), nullable=False, server_default=""),
    sa.Column("at_ms", Millis, nullable=False),
    sa.Index(None, "room_id", "at_ms"),
)

clicks = sa.Table(
    "clicks",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("show_id", Id),
    sa.Column("seller_id", Id, nullable=False),
    sa.Column("viewer_id", Id, nullable=False),
    sa.Column("card_id", Id, sa.ForeignKey("cards.id"), nullable=False),
    sa.Column("showing_id", Id),
    sa.Column("product_id", Id, nullable=False),
    sa.Column("scene", sa.String(8), nullable=False),
    sa.Column("commission_bp", sa.Integer, nullable=False),  # fixed here, whatever the product says later
    sa.Column("excluded", sa.String(16), nullable=False, server_default=""),
    sa.Column("at_ms", Millis, nullable=False),
    sa.Column("opened_ms", Millis),
    sa.Index(None, "room_id", "at_ms"),
    sa.Index(None, "seller_id", "viewer_id"),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("seller_id", Id, sa.ForeignKey("sellers.id"), nullable=False),
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("show_id", Id),
    sa.Column("click_id", Id, sa.ForeignKey("clicks.id"), nullable=False),
    sa.Column("card_id", Id, nullable=False),
    sa.Column("viewer_id", Id, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("currency", Currency, nullable=False),
    sa.Column("subtotal_minor", Minor, nullable=False),
    sa.Column("discount_minor", Minor, nullable=False),
    sa.Column("shipping_minor", Minor, nullable=False),
    sa.Column("tax_minor", Minor, nullable=False),
    sa.Column("total_minor", Minor, nullable=False),
    sa.Column("refunded_minor", Minor, nullable=False, server_default="0"),
    sa.Column("commission_minor", Minor, nullable=False, server_default="0"),
    sa.Column("excluded", sa.String(16), nullable=False, server_default=""),
    # Personal data of the buyer stays in these three, so that it can be erased and the rest kept.
    sa.Column("buyer_name", sa.String(120), nullable=False),
    sa.Column("buyer_email", sa.String(254), nullable=False),
    sa.Column("buyer_address", sa.String(500)),
    sa.Column("placed_ms", Millis, nullable=False),
    sa.Column("expires_ms", Millis, nullable=False),
    sa.Column("paid_ms", Millis),
    sa.Column("cancelled_ms", Millis),
    sa.Column("fulfilled_ms", Millis),
    sa.Index(None, "seller_id", "id"),
    sa.Index(None, "room_id", "placed_ms"),
    sa.Index(None, "state", "expires_ms"),
    sa.CheckConstraint("refunded_minor >= 0 AND refunded_minor <= total_minor", name="refunded"),
)

order_lines = sa.Table(
    "order_lines",
    metadata,
    sa.Column("order_id", Id, sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True),
    sa.Column("product_id", Id, sa.ForeignKey("products.id"), nullable=False, index=True),
    sa.Column("sku", sa.String(64), nullable=False),
    sa.Column("title", sa.String(150), nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("unit_minor", Minor, nullable=False),
    sa.Column("discount_minor", Minor, nullable=False),
    sa.Column("total_minor", Minor, nullable=False),
    sa.Column("commission_bp", sa.Integer, nullable=False),
    sa.CheckConstraint("quantity >= 1", name="quantity"),
)

payments = sa.Table(
    "payments",
    metadata,
    sa.Column("id", Id, primary_key=True),  # the trade number
    sa.Column("order_id", Id, sa.ForeignKey("orders.id"), nullable=False, unique=True),
    sa.Column("provider", sa.String(32), nullable=False),
    sa.Column("provider_ref", sa.String(128)),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failure", sa.String(64)),
    sa.Column("amount_minor", Minor, nullable=False),
    sa.Column("currency", Currency, nullable=False),
    # Set when the order was given up: the provider still has to be told.
    sa.Column("cancel_ms", Millis, index=True),
    sa.Column("created_ms", Millis, nullable=False),
    sa.Column("updated_ms", Millis, nullable=False),
)

refunds = sa.Table(
    "refunds",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("order_id", Id, sa.ForeignKey("orders.id"), nullable=False, index=True),
    sa.Column("payment_id", Id, sa.ForeignKey("payments.id"), nullable=False),
    sa.Column("amount_minor", Minor, nullable=False),
    sa.Column("currency", Currency, nullable=False),
    sa.Column("reason", sa.String(200)),
    # requested -> succeeded | failed; `requested` is retried until the provider answers.
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("automatic", sa.Boolean, nullable=False),
    sa.Column("account_id", Id),
    sa.Column("requested_ms", Millis, nullable=False),
    sa.Column("at_ms", Millis),
)

webhook_receipts = sa.Table(
    "webhook_receipts",
    metadata,
    sa.Column("provider", sa.String(32), primary_key=True),
    sa.Column("webhook_id", sa.String(128), primary_key=True),
    sa.Column("result", sa.String(16), nullable=False),  # applied | parked | refused
    sa.Column("body", sa.LargeBinary),  # only while parked
    sa.Column("received_ms", Millis, nullable=False, index=True),
)

ledger_transactions = sa.Table(
    "ledger_transactions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", sa.String(24), nullable=False),
    sa.Column("order_id", Id, sa.ForeignKey("orders.id"), nullable=False),
    # What caused it, unique by kind: the same payment or refund can never be booked twice.
    sa.Column("cause", Id, nullable=False),
    sa.Column("at_ms", Millis, nullable=False),
    sa.UniqueConstraint("kind", "cause"),
    sa.Index(None, "order_id"),
)

ledger_entries = sa.Table(
    "ledger_entries",
    metadata,
    sa.Column("transaction_id", Id, sa.ForeignKey("ledger_transactions.id"), primary_key=True),
    sa.Column("entry", sa.Integer, primary_key=True),
    sa.Column("account", sa.String(120), nullable=False, index=True),
    sa.Column("amount_minor", Minor, nullable=False),
    sa.Column("currency", Currency, nullable=False),
)

sandbox_payments = sa.Table(
    "sandbox_payments",
    metadata,
    sa.Column("ref", sa.String(64), primary_key=True),
    sa.Column("trade_no", Id, nullable=False, unique=True),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("failure", sa.String(64)),
    sa.Column("card", sa.String(16)),  # the name of a test card, never a number
    sa.Column("amount_minor", Minor, nullable=False),
    sa.Column("currency", Currency, nullable=False),
    sa.Column("merchant", sa.String(120), nullable=False),
    sa.Column("description", sa.String(200), nullable=False),
    sa.Column("created_ms", Millis, nullable=False),
    sa.Column("updated_ms", Millis, nullable=False),
)

sandbox_refunds = sa.Table(
    "sandbox_refunds",
    metadata,
    sa.Column("key", Id, primary_key=True),
    sa.Column("ref", sa.String(64), sa.ForeignKey("sandbox_payments.ref"), nullable=False, index=True),
    sa.Column("amount_minor", Minor, nullable=False),
    sa.Column("created_ms", Millis, nullable=False),
)

sandbox_webhooks = sa.Table(
    "sandbox_webhooks",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", Id, nullable=False),  # the same for every delivery of one event
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_ms", Millis, nullable=False),
    sa.Column("created_ms", Millis, nullable=False),
    sa.Column("done_ms", Millis),
    sa.Index(None, "done_ms", "due_ms"),
)
