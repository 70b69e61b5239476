"""The processes of the story: started with what they need, watched while it plays, ended with it."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from cli import Failed, NotAvailable

_STOP_SECONDS = 10.0
_PROJECT = Path(__file__).resolve().parents[2]


@dataclass
class Stage:
    """Everything that runs; ``home`` holds its data and its logs."""

    home: Path
    environment: Mapping[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self, *arguments: str) -> str:
        """Run one of our own commands to its end and give back what it printed."""
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "cli", *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=_PROJECT,
            check=False,
        )
        if done.returncode:
            raise NotAvailable(f"`ecard {' '.join(arguments[:2])}` failed: {done.stderr.strip()[-300:]}")
        return done.stdout

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        stdout: bool = False,
        extra: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a process whose log is ``log/<name>.log``; it ends with this one, whatever happens."""
        folder = self.home / "log"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                [_program("setpriv"), "--pdeathsig", "TERM", "--", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if stdout else log,
                stderr=log,
                env={**self.environment, **(extra or {})},
                cwd=_PROJECT,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        self.running[name] = process
        return process

    def stop(self) -> None:
        """End everything, the last one first."""
        for process in reversed(self.running.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for process in reversed(self.running.values()):
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def require_running(self) -> None:
        """Raise NotAvailable where something has ended by itself."""
        for name, process in self.running.items():
            if name != "agent" and process.poll() is not None:
                raise NotAvailable(f"{name} has ended; see {self.home / 'log' / name}.log")

    def wait_ready(self, address: str, seconds: float = 20.0) -> None:
        """Wait until the service says that it can do its work."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.require_running()
            try:
                if httpx.get(f"{address}/readyz", timeout=2, trust_env=False).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise NotAvailable(f"the service did not become ready in {seconds:.0f} s; see {self.home / 'log'}")


@contextmanager
def held_home(home: Path) -> Iterator[None]:
    """Keep a folder for one city at a time: two would share keys, database and demo phone. Raises ``Failed``."""
    with (home / "story.lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Failed(f"a city runs in {home}: end it, or choose another --home · 该目录已有城市在运行") from error
        yield


@contextmanager
def opened_stage(home: Path, environment: Mapping[str, str]) -> Iterator[Stage]:
    """Hold a stage and clear it whatever happens."""
    stage = Stage(home, {**os.environ, "PYTHONUNBUFFERED": "1", **environment})  # the processes' environment, not ours
    try:
        yield stage
    finally:
        stage.stop()


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NotAvailable(f"{name} is missing: apt-get install util-linux")
    return found


def read_line(process: subprocess.Popen[bytes]) -> dict[str, object]:
    """Read one line of JSON that a process tells on its standard output; empty at its end."""
    assert process.stdout is not None
    line = process.stdout.readline()
    return json.loads(line) if line.strip() else {}


def choose_port(wanted: int) -> int:
    """Take the wanted port if it is free, any free one otherwise."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise NotAvailable("no free port")
