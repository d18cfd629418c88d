"""Brings a database to this version's schema with Alembic. Knows the tables only through the migrations."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

FOLDER = Path(__file__).parent / "migrations"


# One line per migration is ours to say (`progress`); what alembic says of itself is of no use to an operator.
logging.getLogger("alembic").setLevel(logging.WARNING)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config


def migrate(engine: sa.Engine, progress: Callable[[str], None]) -> None:
    """Runs the missing migrations, each in a transaction of its own; raises OSError for a schema it does not know."""
    config = _config()
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    with engine.connect() as conn:
        current = MigrationContext.configure(conn).get_current_revision()
        conn.rollback()
        if current == head:
            return
        if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
            raise OSError(f"the database was made by another version (schema {current}, this one knows {head})")
        progress(f"database: {current or 'empty'} -> {head}")
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
        conn.commit()
