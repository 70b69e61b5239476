"""The database's schema: every package's tables in one place, and the migrations that make them."""

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

import auth.apps.models
import auth.login.models
import auth.models
import auth.oauth.models
import channels.issuance.models
import channels.models
import channels.request_log.models
import channels.sandbox.models
import core.audit
import core.ephemeral
import core.outbox
import ecard.models
import physical.models
import qr.models
from core.database import Database, metadata
from web.schema_version import MIGRATIONS

MODELS = (
    auth.apps.models,
    auth.login.models,
    auth.models,
    auth.oauth.models,
    channels.issuance.models,
    channels.models,
    channels.request_log.models,
    channels.sandbox.models,
    core.audit,
    core.ephemeral,
    core.outbox,
    ecard.models,
    physical.models,
    qr.models,
)
"""Imported so that ``metadata`` knows every table."""
_UPGRADE_LOCK = 0x4543415245  # one process migrates at a time
_UPGRADE_SECONDS = 60
"""How long to wait on SQLite for whoever migrates: longer than a request waits for the one writer."""


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the schema to ``revision``: one process at a time, the others wait and find it done."""
    with database.engine.connect() as connection:
        if database.is_postgresql:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
        else:
            _wait_for_the_writer(connection)
        command.upgrade(_config(connection), revision)
        connection.commit()


def _wait_for_the_writer(connection: sa.Connection) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(f"PRAGMA busy_timeout = {_UPGRADE_SECONDS * 1000}")  # before the transaction begins
    connection.begin()  # around all of it: in one for each migration, two processes would both begin with the first


def differences(database: Database) -> list[object]:
    """List how the migrated schema differs from the models; empty is right."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
