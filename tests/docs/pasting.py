"""A page's commands, pasted into a shell in a folder that looks like a checkout in which `make run` is up."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.docs.pages import ROOT
from tests.servers import free_port
from tests.story.playing import environment, wait_for_line

ENDS_ALL = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n"
"""What a page leaves in the background ends with the shell."""


@contextlib.contextmanager
def city_up(checkout: Path, *options: str) -> Iterator[Path]:
    """Give a folder the environment of a checkout and play the story in it, until the block ends."""
    (checkout / ".venv").symlink_to(sys.prefix)
    command = [checkout / ".venv" / "bin" / "ecard", "story", *options, "--port", str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=checkout, env=environment()) as story:
        try:
            wait_for_line(story, "Ctrl-C")
            yield checkout
        finally:
            story.send_signal(signal.SIGTERM)
            story.wait(30)


def paste(commands: str, checkout: Path, *, seconds: int) -> subprocess.CompletedProcess[str]:
    """Run a page's commands to their end; what they call of the tests' own finds the sources by ``ROOT``."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", ENDS_ALL + commands],
        cwd=checkout,
        env=environment() | {"ROOT": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def require_in_order(text: str, *wanted: str) -> None:
    at = 0
    for part in wanted:
        found = text.find(part, at)
        assert found >= 0, f"no {part!r} behind the {at}th character of:\n{text}"
        at = found + len(part)
