"""`ecard serve`: the web service on granian; each worker is a process that wires itself after it was started."""

from typing import Any

import click
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from cli.opening import opened_runtime, read_settings
from core.settings import Settings

_BACKLOG = 1024
_STOP_SECONDS = 30
_HEADER_SECONDS = 10
_HEADER_BYTES = 64 * 1024


@click.command()
def serve() -> None:
    """Run the web service until SIGTERM; requests under way are finished first. `ecard db upgrade` comes before it.

    Settings come from ECARD_... variables (docs/operations.md): ECARD_LISTEN_HOST, ECARD_LISTEN_PORT, ECARD_WORKERS,
    ECARD_THREADS, ECARD_DATABASE_URL, ECARD_REDIS_URL, ...
    """
    settings = read_settings()
    with opened_runtime() as runtime:  # what is wrong is said here, once and in one line, not by every worker
        runtime.ground.database.ping()
    Granian(**_server(settings)).serve()


def _server(settings: Settings) -> dict[str, Any]:
    return {
        "target": "wsgi:app",
        "address": settings.listen_host,
        "port": settings.listen_port,
        "interface": Interfaces.WSGI,
        "workers": settings.workers,
        "blocking_threads": settings.threads,
        "http": HTTPModes.http1,
        "http1_settings": HTTP1Settings(
            header_read_timeout=_HEADER_SECONDS * 1000, max_buffer_size=_HEADER_BYTES, pipeline_flush=True
        ),
        "backlog": _BACKLOG,
        "respawn_failed_workers": True,
        "respawn_interval": 1.0,
        "workers_kill_timeout": _STOP_SECONDS,
        "log_access": False,
        "log_level": LogLevels.warning,
    }
