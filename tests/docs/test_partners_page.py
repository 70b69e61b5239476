"""What the page for partners offers for pasting works when it is pasted, the login in a browser included."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, fenced
from tests.docs.test_walk_through import environment, in_order, wait_until_it_stays
from tests.servers import free_port

pytestmark = pytest.mark.xdist_group("story")

PAGE = ROOT / "docs" / "partners.md"
BY_BROWSER = "back=$(python {browser} $(cat var/link) {phone} 2> var/browser)\n"
PHONES = ("ecard sandbox login", "ecard demo login --yes", "ecard demo login --yes")
"""Who answers the page's logins, one after the other: a made-up holder, then a holder of the town."""


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A folder that looks like a checkout in which `make run` is up, its worker too."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "clients").symlink_to(ROOT / "clients")
    shutil.copytree(ROOT / "docs" / "samples", tmp_path / "docs" / "samples")
    command = [tmp_path / ".venv" / "bin" / "ecard", "story", "--port", str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment()) as story:
        try:
            wait_until_it_stays(story)
            yield tmp_path
        finally:
            story.send_signal(signal.SIGTERM)
            story.wait(30)


def pasted() -> str:
    """The page's commands; what is copied out of the browser by hand comes from one that the test drives."""
    browser = Path(__file__).with_name("browser_of_partner.py")
    text = "\n".join(fenced(PAGE, "sh"))
    address = "'https://bank.example/ecard/back?code=…&state=…&iss=…'"
    assert address in text
    parts = text.split(f"carry back {address}")
    assert len(parts) == 1 + len(PHONES)
    come = [f'{BY_BROWSER.format(browser=browser, phone=phone)}carry back "$back"' for phone in PHONES]
    whole = "".join(part for pair in zip(parts, [*come, ""], strict=True) for part in pair)
    port = str(free_port())
    assert "127.0.0.1:8470/" in whole
    listening = whole.replace("127.0.0.1:8470/", f"127.0.0.1:{port}/").replace(
        "ecard listen", f"ecard listen --port {port}"
    )
    return f"trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n{listening}"


@pytest.mark.timeout(500)
def test_the_page_for_partners_leads_from_nothing_to_a_card_that_is_carried_and_ended(checkout):
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", pasted()],
        cwd=checkout,
        env=environment() | {"ROOT": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert in_order(
        done.stdout,
        '"standing":"sandbox"',
        "v1a:good v1sm2:good → 204",
        '"password": "271828"',
        '"result": "001"',
        '"result": "accepted"',
        "once",
        "沙箱收银台",
        '"standing": "suspended"',
        "carriage.ended",
        "(86400 seconds ahead)",
        "the sandbox is empty",
        '"result": "001"',
        '"result": "006"',
        '"accepted"',
        '"institution": "示范药房"',
        "carriage.signed",
        "code.redeemed",
        '"state":"suspended"',
        '"state":"active"',
        '"result":"003"',
        "carriage.resumed",
        "nothing is wrong",
        '{"url":',
        '"result": "001"',
        "query_missing",
    ), done.stdout
    assert not re.search(r"PRIVATE KEY|refresh_token", done.stdout)
