"""What the README offers for pasting works when it is pasted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, fenced
from tests.servers import free_port

pytestmark = pytest.mark.xdist_group("story")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A folder that looks like a checkout in which `make run` is up."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    command = [tmp_path / ".venv" / "bin" / "ecard", "story", "--in-process", "--port", str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment()) as story:
        try:
            wait_until_it_stays(story)
            yield tmp_path
        finally:
            story.send_signal(signal.SIGTERM)
            story.wait(30)


def wait_until_it_stays(story: subprocess.Popen[str]) -> None:
    assert story.stdout is not None
    told = []
    for line in story.stdout:
        told.append(line)
        if "Ctrl-C" in line:
            return
    raise AssertionError("".join(told))


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ECARD_")}


def test_the_readme_s_commands_do_what_it_says(checkout):
    pasted = "\n".join(fenced(ROOT / "README.md", "sh"))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", pasted],
        cwd=checkout,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert in_order(
        done.stdout,
        '"alive"',
        '"ready"',
        "请求缺少签名，或签名方式无法识别。",
        "The request carries no signature, or one in no form that is known here.",
        "可以受理 · accepted",
        '"result": "accepted"',
        '"code": "already_used"',
        "refused, as it should be",
        '"purpose":"medical"',
        '"kind":"counter"',
        '"state":"suspended"',
        "refused, as it should be",
    )
    assert (checkout / "var" / "openapi.json").read_text(encoding="utf-8").startswith("{")


def in_order(text: str, *wanted: str) -> bool:
    at = 0
    for part in wanted:
        at = text.index(part, at) + len(part)
    return True
