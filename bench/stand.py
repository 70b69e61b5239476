"""The stand on which services are measured: PostgreSQL, Redis, and services beside each other."""

import contextlib
import json
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.load import Load
from bench.processes import children_of, command_of, cpu_seconds
from tests.servers import PostgresServer, RedisServer, free_port, run_postgres, run_redis

_READY_WITHIN = 30.0  # seconds
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Stand:
    """The two stores, their processes, and a folder for keys, settings and logs."""

    postgres: PostgresServer
    redis: RedisServer
    stores: Sequence[int]
    folder: Path


@dataclass(frozen=True)
class Service:
    """One running service."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    stores: Sequence[int]


@dataclass(frozen=True)
class Sent:
    """What a load has cost, in CPU microseconds for each request: the service itself, and the stores besides."""

    service: float
    stores: float
    each_second: float


@contextlib.contextmanager
def open_stand() -> Iterator[Stand]:
    """Start PostgreSQL and Redis, with the settings with which the tests run."""
    with run_postgres() as postgres, run_redis() as redis, tempfile.TemporaryDirectory(prefix="ecard-bench-") as folder:
        words = ("postgres", "redis-server")
        stores = [child for child in children_of(os.getpid()) if any(word in command_of(child) for word in words)]
        yield Stand(postgres, redis, stores, Path(folder))


def run_service(
    stand: Stand, name: str, command: Sequence[str], environment: Mapping[str, str]
) -> contextlib.AbstractContextManager[Service]:
    """Run a Python module as a service."""
    return run_program(stand, name, [sys.executable, "-m", *command], environment)


@contextlib.contextmanager
def run_program(stand: Stand, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Service]:
    """Run a service; ``{port}`` in its command or environment becomes a free port. It is ended in the end."""
    port = free_port()
    log = stand.folder / f"{name.replace(' ', '-')}-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [word.replace("{port}", str(port)) for word in command],
            cwd=ROOT,
            env={**os.environ, **{key: value.replace("{port}", str(port)) for key, value in environment.items()}},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_until_it_listens(process, port, log)
        yield Service(name, process, port, stand.stores)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def send(service: Service, requests: list[bytes], *, status: int, connections: int = 4) -> Sent:
    """Send requests from a process of their own and tell what they cost; every answer must have this status."""
    loader = subprocess.Popen(
        [sys.executable, "-m", "bench.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert loader.stdin
    assert loader.stdout
    loader.stdin.write(pickle.dumps(Load(service.port, requests, connections)))
    loader.stdin.flush()
    if loader.stdout.readline() != b"ready\n":
        raise RuntimeError(f"the load for {service.name} did not start")
    before = cpu_seconds(service.process.pid), sum(map(cpu_seconds, service.stores))
    loader.stdin.write(b"go\n")
    loader.stdin.flush()
    answer = json.loads(loader.stdout.readline())
    after = cpu_seconds(service.process.pid), sum(map(cpu_seconds, service.stores))
    loader.wait()
    if answer["statuses"] != {str(status): len(requests)}:
        raise RuntimeError(f"{service.name} answered {answer['statuses']} instead of {status}")
    own, stores = (1e6 * (late - early) / len(requests) for early, late in zip(before, after, strict=True))
    return Sent(own, stores, len(requests) / answer["seconds"])


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(log.read_text(errors="replace")[-3000:])
