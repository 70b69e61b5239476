"""The database's schema: every package's tables in one place, and the migrations that make them."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import auth.models
import channels.models
import core.audit
import core.ephemeral
import core.outbox
import ecard.models
import physical.models
import qr.models
from core.database import Database, metadata
from core.errors import UnsafeSettings

MODELS = (
    auth.models,
    channels.models,
    core.audit,
    core.ephemeral,
    core.outbox,
    ecard.models,
    physical.models,
    qr.models,
)
"""Imported so that ``metadata`` knows every table."""
_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_UPGRADE_LOCK = 0x4543415245  # one process migrates at a time


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the schema to ``revision``; on PostgreSQL one process at a time, the others wait and find it done."""
    with database.engine.connect() as connection:
        if database.is_postgresql:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
        command.upgrade(_config(connection), revision)
        connection.commit()


def current_revision(database: Database) -> str | None:
    """Tell at which revision the schema stands; None for an empty database."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head_revision() -> str | None:
    """Tell which revision this code needs."""
    return ScriptDirectory(str(_MIGRATIONS)).get_current_head()


def require_migrated(database: Database) -> None:
    """Refuse to start on a schema of another version than this code's."""
    found, needed = current_revision(database), head_revision()
    if found != needed:
        raise UnsafeSettings(
            f"the database stands at revision {found}, this code needs {needed}: run `ecard db upgrade`"
        )


def differences(database: Database) -> list[object]:
    """List how the migrated schema differs from the models; empty is right."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config
