"""The story as a process of its own, played to its end or left running, and what is left of it afterwards."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.servers import free_port

COMMAND = [sys.executable, "-m", "cli"]


def play(home: Path, *more: str) -> subprocess.CompletedProcess[str]:
    arguments = [*COMMAND, "story", "--once", "--home", str(home), "--port", str(free_port()), *more]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False, env=environment())


def environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ECARD_")}
    return clean | {"COLUMNS": "200"}


def wait_for_line(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """Read what a process prints up to a line with what is wanted; fail with all that was printed instead."""
    assert process.stdout is not None
    told = []
    for line in process.stdout:
        told.append(line)
        if wanted in line:
            return told
    raise AssertionError("".join(told))


def children_of(home: Path) -> list[str]:
    """Find processes that still work for this city, by the home in their environment; they get a moment to end."""
    for _ in range(50):
        left = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and serves(entry, home)]
        if not left:
            return []
        time.sleep(0.1)
    return left


def serves(process: Path, home: Path) -> bool:
    try:
        return f"ECARD_HOME={home}".encode() in (process / "environ").read_bytes()
    except OSError:
        return False
