"""How commands open settings and runtime: what must not start ends in one line."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from pydantic import ValidationError

from cli import Failed
from core.database import Database
from core.errors import UnsafeSettings
from core.settings import Settings, require_known_environment
from web.logs import configure_logs
from web.runtime import Runtime, open_runtime


def read_settings() -> Settings:
    """Read ``ECARD_…`` from the environment; raise Failed naming what is wrong, never its value."""
    try:
        require_known_environment()
        return Settings()
    except UnsafeSettings as unsafe:
        raise Failed(f"will not start: {unsafe}") from unsafe
    except ValidationError as invalid:
        faults = "; ".join(
            f"ECARD_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in invalid.errors()
        )
        raise Failed(f"will not start: {faults}") from None


def configure_quietly(given: dict[str, str]) -> Settings:
    """Make settings of given ``ECARD_…`` values, for a command that starts the service as other processes."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.getLogger().setLevel(logging.ERROR)
    return Settings(**{name.removeprefix("ECARD_").lower(): value for name, value in given.items()})  # type: ignore[arg-type]


@contextmanager
def opened_runtime() -> Iterator[Runtime]:
    """Wire the service for a command and close it again."""
    settings = read_settings()
    configure_logs(as_json=settings.log_json)
    try:
        runtime = open_runtime(settings)
    except UnsafeSettings as unsafe:
        raise Failed(f"will not start: {unsafe}") from unsafe
    try:
        yield runtime
    finally:
        runtime.close()


@contextmanager
def opened_database() -> Iterator[Database]:
    """Open the database alone, whatever its schema is."""
    database = Database(read_settings().database)
    try:
        yield database
    finally:
        database.close()
