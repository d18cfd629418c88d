"""Statements whose spelling differs between databases, each with one name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def _insert(conn: sa.Connection, table: sa.Table) -> Any:
    return (postgresql if conn.dialect.name == "postgresql" else sqlite).insert(table)


def insert_ignore(conn: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Inserts unless a unique key is taken. True when the row is new."""
    done = conn.execute(_insert(conn, table).values(**values).on_conflict_do_nothing())
    return done.rowcount == 1


def upsert(
    conn: sa.Connection,
    table: sa.Table,
    values: Mapping[str, Any],
    key_cols: Sequence[str],
    update_cols: Sequence[str],
) -> None:
    """Inserts, or updates `update_cols` of the row whose `key_cols` are equal."""
    statement = _insert(conn, table).values(**values)
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=list(key_cols), set_={name: statement.excluded[name] for name in update_cols}
        )
    )
