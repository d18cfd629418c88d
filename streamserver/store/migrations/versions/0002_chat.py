"""Chat lines, sanctions and likes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "chat_bars",
        sa.Column("room_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("by_account", sa.String(length=64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_chat_bars_room_id")),
        sa.PrimaryKeyConstraint("room_id", "kind", "subject", name=op.f("pk_chat_bars")),
    )
    op.create_table(
        "chat_lines",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("room_id", sa.String(length=64), nullable=False),
        sa.Column("show_id", sa.String(length=64), nullable=True),
        sa.Column("viewer_id", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("text", sa.String(length=1000), nullable=False),
        sa.Column("reply_to", sa.String(length=64), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("deleted_ms", sa.BigInteger(), nullable=True),
        sa.Column("deleted_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_chat_lines_room_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_lines")),
        sa.UniqueConstraint(
            "room_id", "viewer_id", "client_id", name=op.f("uq_chat_lines_room_id_viewer_id_client_id")
        ),
    )
    op.create_index(op.f("ix_chat_lines_at_ms"), "chat_lines", ["at_ms"], unique=False)
    op.create_index(op.f("ix_chat_lines_room_id_id"), "chat_lines", ["room_id", "id"], unique=False)
    op.create_table(
        "chat_rooms",
        sa.Column("room_id", sa.String(length=64), nullable=False),
        sa.Column("likes", sa.BigInteger(), nullable=False),
        sa.Column("pinned_line", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_chat_rooms_room_id")),
        sa.PrimaryKeyConstraint("room_id", name=op.f("pk_chat_rooms")),
    )


def downgrade() -> None:

    op.drop_table("chat_rooms")
    op.drop_index(op.f("ix_chat_lines_room_id_id"), table_name="chat_lines")
    op.drop_index(op.f("ix_chat_lines_at_ms"), table_name="chat_lines")
    op.drop_table("chat_lines")
    op.drop_table("chat_bars")
