"""At which revision the database stands and which one this code needs; without loading what migrates."""

import re
from pathlib import Path

import sqlalchemy as sa

from core.database import Database
from core.errors import UnsafeSettings

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_NUMBERED = re.compile(r"(\d{4})_\w+\.py")
_VERSION = sa.text("SELECT version_num FROM alembic_version")


def current_revision(database: Database) -> str | None:
    """Tell at which revision the schema stands; None for an empty database."""
    with database.engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(_VERSION).scalar()
        return found


def head_revision() -> str:
    """Tell which revision this code needs: migrations are numbered, and their files are named by their number."""
    names = (_NUMBERED.fullmatch(path.name) for path in (MIGRATIONS / "versions").iterdir())
    return max(name[1] for name in names if name)


def require_migrated(database: Database) -> None:
    """Refuse to start on a schema of another version than this code's."""
    found, needed = current_revision(database), head_revision()
    if found != needed:
        raise UnsafeSettings(f"the database stands at {found}, this code needs {needed}: run `ecard db upgrade`")
