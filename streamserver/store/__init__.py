"""The one way to the database: units of SQLAlchemy Core statements, durable once `write` returns."""

from __future__ import annotations

from .dialect import insert_ignore, upsert
from .sqlite import open_store
from .store import Store

__all__ = ["Store", "insert_ignore", "open_store", "upsert"]
