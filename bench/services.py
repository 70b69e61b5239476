"""The services that are compared, each on one worker."""

from contextlib import AbstractContextManager

from bench.seed import Seeded
from bench.stand import Service, Stand, run_service

OURS = ["cli", "serve"]
GUNICORN = ["gunicorn", "--no-control-socket", "--bind", "127.0.0.1:{port}", "--workers", "1"]
GRANIAN = ["granian", "--interface", "wsgi", "--port", "{port}", "--workers", "1", "--http", "1", "--no-ws"]
UVICORN = ["uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1"]


def run_ours(stand: Stand, seeded: Seeded, *, name: str = "ours", threads: int = 2) -> AbstractContextManager[Service]:
    """Run this service by its own command: granian, one worker."""
    more = {"ECARD_LISTEN_PORT": "{port}", "ECARD_WORKERS": "1", "ECARD_THREADS": str(threads)}
    return run_service(stand, name, OURS, {**seeded.environment, **more})


def run_naive(stand: Stand, seeded: Seeded) -> AbstractContextManager[Service]:
    """Run the naive service under gunicorn's sync worker."""
    command = [*GUNICORN, "--worker-class", "sync", "bench.naive.app:create_app()"]
    return run_service(stand, "naive", command, seeded.naive_environment)


def run_fastapi(stand: Stand, seeded: Seeded) -> AbstractContextManager[Service]:
    """Run the FastAPI service under uvicorn, which logs each request as ours does."""
    return run_service(
        stand, "FastAPI", [*UVICORN, "--factory", "bench.fastapi_service.app:create_app"], seeded.environment
    )
