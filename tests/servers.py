"""Real servers for the tests: PostgreSQL and Redis on free ports, in temporary folders, gone with the process.

conftest.py makes fixtures of them. `python -m tests.servers` starts both, prints their URLs as one line of JSON
and stays until it is told to end: for benchmarks and for trying things by hand.
"""

import contextlib
import itertools
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis
from psycopg import sql

STARTS = 3  # a port found free may be taken by the time the server asks for it
READY_WITHIN = 60.0  # seconds
ENDS_WITHIN = 20.0  # seconds
FOLDERS = "ecard-servers-"


class ServerMissingError(Exception):
    """A program that the tests need is not installed; the message is the command that installs what is missing."""


class ServerDiedError(Exception):
    """A server ended instead of becoming ready; the message is the end of its log."""


# ── Programs ─────────────────────────────────────────────────────────────────────────────────────────────────────

DEBIAN_PACKAGES = {
    "initdb": "postgresql",
    "postgres": "postgresql",
    "redis-server": "redis-server",
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
}


def find_program(name: str) -> Path:
    """Return where `name` is installed, raise ServerMissingError if it is not."""
    found = find_installed(name)
    if found is None:
        missing = {package for program, package in DEBIAN_PACKAGES.items() if find_installed(program) is None}
        raise ServerMissingError("sudo apt-get install -y " + " ".join(sorted(missing)))
    return found


def find_installed(name: str) -> Path | None:
    """Look where Debian puts PostgreSQL (newest version first, it is not on the PATH), then on the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*"), key=lambda folder: folder.name.zfill(4), reverse=True)
    found = shutil.which(name, path=os.pathsep.join(str(folder / "bin") for folder in versions)) or shutil.which(name)
    return Path(found) if found else None


# ── Processes ────────────────────────────────────────────────────────────────────────────────────────────────────


def account() -> str | None:
    """Return the account that servers run under when we are root: PostgreSQL refuses root, Redis need not be it."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def command_of(command: Sequence[str | Path], end_signal: str = "TERM") -> list[str]:
    """Wrap `command` so that the kernel sends it `end_signal` when this process is gone, even by kill -9.

    setpriv (util-linux) first changes the account and then asks for the signal, because a change of account forgets it.
    """
    wrapped = ["setpriv", "--pdeathsig", end_signal]
    if name := account():
        entry = pwd.getpwnam(name)
        wrapped += [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    return [*wrapped, "--", *map(str, command)]


def start(command: Sequence[str | Path], log: Path, end_signal: str = "TERM") -> subprocess.Popen[bytes]:
    """Start a server that writes to `log` and ends with this process at the latest.

    Call it from the main thread: what the kernel watches is the thread that starts the server.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            command_of(command, end_signal),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=log.parent,
            start_new_session=True,  # Ctrl-C is for the tests, which then end their servers
        )


def becomes_ready(
    process: subprocess.Popen[bytes], ask: Callable[[], None], not_yet: type[Exception], within: float = READY_WITHIN
) -> bool:
    """Call `ask` until it no longer raises `not_yet`; False if the process ended or, the time being up, was killed."""
    deadline = time.monotonic() + within
    while process.poll() is None and time.monotonic() < deadline:
        try:
            ask()
        except not_yet:
            time.sleep(0.02)
        else:
            return True
    process.kill()
    process.wait()
    return False


def end(process: subprocess.Popen[bytes], with_signal: signal.Signals = signal.SIGTERM) -> None:
    """Ask a server to end and wait for it; one that does not answer is killed."""
    process.send_signal(with_signal)
    try:
        process.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def server_folder(name: str) -> Iterator[Path]:
    """Make a folder that the server's account owns; remove it in the end, and those of dead test runs too."""
    remove_abandoned_folders()
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDERS}{os.getpid()}-{name}-"))
    if owner := account():
        shutil.chown(folder, owner)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned_folders() -> None:
    """Remove what test runs that were killed have left behind: their process number stands in the name."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*"):
        owner = folder.name.removeprefix(FOLDERS).split("-")[0]
        if not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class PostgresServer:
    """A running cluster with durable settings; its databases are made and dropped by the tests."""

    folder: Path
    port: int
    password: str
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def log(self) -> Path:
        """Where the server and initdb write."""
        return self.folder / "log"

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of one database."""
        return f"postgresql+psycopg://ecard:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template0") -> str:
        """Create a database, empty or as a copy of `template` (which nobody may be using), and return its name."""
        name = f"ecard_{next(self.numbers)}"
        self.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database together with the connections that are still open on it."""
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def execute(self, statement: sql.Composed | sql.SQL) -> None:
        """Run one statement as the superuser, outside a transaction."""
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="ecard", password=self.password, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement)


@contextlib.contextmanager
def run_postgres() -> Iterator[PostgresServer]:
    """Run a new PostgreSQL cluster."""
    binary = find_program("postgres")
    with server_folder("postgres") as folder:
        server = PostgresServer(folder, port=0, password=secrets.token_urlsafe(18))
        create_cluster(server)
        process = start_postgres(server, binary)
        try:
            yield server
        finally:
            end(process, signal.SIGINT)  # INT is the fast shutdown: it does not wait for clients


def create_cluster(server: PostgresServer) -> None:
    """Create the data folder. The superuser `ecard` has a password: other accounts of this machine see the port."""
    password_file = server.folder / "password"
    password_file.write_text(server.password)
    if owner := account():
        shutil.chown(password_file, owner)
    options = ["--username=ecard", f"--pwfile={password_file}", "--auth=scram-sha-256"]
    options += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    process = start([find_program("initdb"), "-D", server.folder / "data", *options], server.log)
    if process.wait(READY_WITHIN) != 0:
        raise ServerDiedError(tail(server.log))


def start_postgres(server: PostgresServer, binary: Path) -> subprocess.Popen[bytes]:
    """Start the cluster on a free port and return once it answers."""
    settings = ["listen_addresses=127.0.0.1", f"unix_socket_directories={server.folder}", "max_connections=200"]
    options = list(itertools.chain.from_iterable(("-c", setting) for setting in settings))
    command = [str(binary), "-D", str(server.folder / "data"), *options, "-p"]
    for _ in range(STARTS):
        server.port = free_port()
        process = start([*command, str(server.port)], server.log, "INT")
        if becomes_ready(process, lambda: server.execute(sql.SQL("SELECT 1")), psycopg.OperationalError):
            return process
    raise ServerDiedError(tail(server.log))


# ── Redis ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class RedisServer:
    """A running Redis that keeps nothing on disk."""

    folder: Path
    port: int
    password: str

    @property
    def log(self) -> Path:
        """Where the server writes."""
        return self.folder / "log"

    @property
    def url(self) -> str:
        """Return the URL of its first database."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        """Forget everything."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()


@contextlib.contextmanager
def run_redis() -> Iterator[RedisServer]:
    """Run a new Redis."""
    binary = find_program("redis-server")
    with server_folder("redis") as folder:
        server = RedisServer(folder, port=0, password=secrets.token_urlsafe(18))
        process = start_redis(server, binary)
        try:
            yield server
        finally:
            end(process)


def start_redis(server: RedisServer, binary: Path) -> subprocess.Popen[bytes]:
    """Start Redis on a free port and return once it answers. The password is in a file: arguments can be seen."""
    for _ in range(STARTS):
        server.port = free_port()
        settings = server.folder / "redis.conf"
        settings.write_text(
            f'bind 127.0.0.1\nport {server.port}\nrequirepass {server.password}\nsave ""\nappendonly no\n'
        )
        if owner := account():
            shutil.chown(settings, owner)
        process = start([binary, settings], server.log)
        if becomes_ready(process, server.flush, redis.ConnectionError):
            return process
    raise ServerDiedError(tail(server.log))


# ── By hand ──────────────────────────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    """Run both servers with one empty database until SIGINT or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), run_postgres() as postgres, run_redis() as redis_server:
        urls = {"database_url": postgres.url(postgres.create_database()), "redis_url": redis_server.url}
        sys.stdout.write(json.dumps(urls) + "\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    try:
        main()
    except ServerMissingError as missing:
        sys.exit(str(missing))
