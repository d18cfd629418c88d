"""Tables of the chat: lines, who may not speak or enter, and what a room shows. Times end in `_ms` (UTC)."""

from __future__ import annotations

import sqlalchemy as sa

from .base import Id, Millis, metadata

chat_lines = sa.Table(
    "chat_lines",
    metadata,
    sa.Column("id", Id, primary_key=True),  # ascends within a room, so it is also the order of the lines
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), nullable=False),
    sa.Column("show_id", Id),
    sa.Column("viewer_id", Id, nullable=False),
    # The client's own id: what makes a repeated line one line.
    sa.Column("client_id", sa.String(64), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("text", sa.String(1000), nullable=False),
    sa.Column("reply_to", Id),
    sa.Column("at_ms", Millis, nullable=False, index=True),
    sa.Column("deleted_ms", Millis),
    sa.Column("deleted_by", Id),
    sa.UniqueConstraint("room_id", "viewer_id", "client_id"),
    sa.Index(None, "room_id", "id"),
)

chat_bars = sa.Table(
    "chat_bars",
    metadata,
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), primary_key=True),
    sa.Column("kind", sa.String(8), primary_key=True),  # mute | ban
    # `viewer:<id>` and, where that viewer was signed in, `account:<id>` too: neither a new name nor a new
    # browser undoes it.
    sa.Column("subject", sa.String(80), primary_key=True),
    sa.Column("until_ms", Millis),  # null: until lifted
    sa.Column("by_account", Id, nullable=False),
    sa.Column("at_ms", Millis, nullable=False),
)

chat_rooms = sa.Table(
    "chat_rooms",
    metadata,
    sa.Column("room_id", Id, sa.ForeignKey("rooms.id"), primary_key=True),
    sa.Column("likes", sa.BigInteger, nullable=False),
    sa.Column("pinned_line", Id),
)
