"""Tables of the platform: tenants, accounts, rooms, shows, viewers, watching. Times end in `_ms` (UTC)."""

from __future__ import annotations

import sqlalchemy as sa

from .base import Currency, Id, Millis, metadata

sellers = sa.Table(
    "sellers",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", sa.String(120), nullable=False),
    sa.Column("created_ms", Millis, nullable=False),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("seller_id", Id, sa.ForeignKey("sellers.id"), index=True),
    sa.Column("email", sa.String(254), nullable=False, unique=True),
    sa.Column("name", sa.String(120), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password_hash", sa.String(255), nullable=False),
    sa.Column("created_ms", Millis, nullable=False),
    sa.Column("disabled_ms", Millis),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id"), nullable=False, index=True),
    sa.Column("created_ms", Millis, nullable=False),
    sa.Column("expires_ms", Millis, nullable=False, index=True),
)

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("kid", Id, primary_key=True),
    sa.Column("purpose", sa.String(40), nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("created_ms", Millis, nullable=False),
)

rooms = sa.Table(
    "rooms",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("seller_id", Id, sa.ForeignKey("sellers.id"), nullable=False, index=True),
    sa.Column("host_id", Id, sa.ForeignKey("accounts.id")),
    sa.Column("title", sa.String(120), nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("poster", sa.String(255)),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("show_id", Id),
    sa.Column("starts_ms", Millis),
    sa.Column("created_ms", Millis, nullable=False),
    sa.Column("currency", Currency, nullable=False),
    sa.Column("listed", sa.Boolean, nullable=False),
    sa.Column("test", sa.Boolean, nullable=False),
    sa.Column("stream_key_hash", sa.String(64), nullable=False),
)

shows = sa.Table(
    "shows",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), nullable=False, index=True),
    sa.Column("started_ms", Millis, nullable=False),
    sa.Column("ended_ms", Millis),
)

live_intervals = sa.Table(
    "live_intervals",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("show_id", Id, sa.ForeignKey("shows.id"), nullable=False, index=True),
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), nullable=False, index=True),
    sa.Column("started_ms", Millis, nullable=False),
    # Moved forward while media flows, so that a crash closes the interval where it really ended.
    sa.Column("last_ms", Millis, nullable=False),
    sa.Column("ended_ms", Millis),
)

room_viewers = sa.Table(
    "room_viewers",
    metadata,
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), primary_key=True),
    sa.Column("viewer_id", Id, primary_key=True),
    sa.Column("name", sa.String(64)),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id")),
    # '' counts; 'staff', 'bot' and 'loadtest' are left out of every report. Set when joining, never guessed.
    sa.Column("excluded", sa.String(16), nullable=False, server_default=""),
    sa.Column("first_ms", Millis, nullable=False),
)

watch_sessions = sa.Table(
    "watch_sessions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), nullable=False, index=True),
    sa.Column("show_id", Id, index=True),
    sa.Column("viewer_id", Id, nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),  # live | replay
    sa.Column("via", sa.String(8), nullable=False),  # webrtc | hls
    sa.Column("started_ms", Millis, nullable=False),
    sa.Column("last_ms", Millis, nullable=False),
    sa.Column("ended_ms", Millis),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("scope", sa.String(160), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("response", sa.LargeBinary, nullable=False),
    sa.Column("created_ms", Millis, nullable=False, index=True),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("key", sa.String(120), nullable=False, index=True),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("created_ms", Millis, nullable=False),
    sa.Column("sent_ms", Millis),
)
