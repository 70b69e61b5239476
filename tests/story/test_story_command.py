"""What `make run` shows, run as a stranger runs it: real processes, real PC/SC, real HTTP."""

import json
import re
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from cli.browser import Browser, Page
from tests.servers import free_port
from tests.story.playing import COMMAND, children_of, environment, play, wait_for_line

pytestmark = pytest.mark.xdist_group("story")


def test_the_story_plays_over_the_real_reader_stack(tmp_path):
    told = play(tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "pcscd, Virtual PCD" in told.stdout
    assert "already_used" in told.stdout
    assert '"code.redeemed", "card.issued"' in told.stdout
    assert '"acr": "L2"' in told.stdout
    assert (tmp_path / "code.png").read_bytes().startswith(b"\x89PNG")
    again = play(tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr


def test_the_story_plays_without_a_reader_stack(tmp_path):
    told = play(tmp_path, "--in-process")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "inside this process" in told.stdout
    assert "already_used" in told.stdout


def test_a_running_city_can_be_tried_by_hand_and_leaves_nothing_behind(tmp_path):
    port = free_port()
    arguments = [*COMMAND, "story", "--home", str(tmp_path), "--port", str(port), "--in-process"]
    city = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment(), start_new_session=True)
    try:
        wait_for_line(city, "Ctrl-C")
        beside = play(tmp_path, "--in-process")
        assert (beside.returncode, "choose another --home" in beside.stderr) == (1, True), beside.stderr
        code = demo(tmp_path, "code", "--class", "merchant").stdout.strip()
        assert re.fullmatch(r"82\d{220}", code)
        accepted = demo(tmp_path, "redeem", code, "--purpose", "merchant")
        assert json.loads(accepted.stdout)["result"] == "accepted"
        refused = demo(tmp_path, "redeem", code, "--purpose", "merchant")
        assert refused.returncode == 1
        assert json.loads(refused.stdout)["code"] == "already_used"
        log_in_by_hand(f"http://127.0.0.1:{port}", tmp_path)
        headers = demo(tmp_path, "headers", "till", "POST", "/v1/visits", "{}").stdout
        assert headers.count("Authorization: ESSC-SM2-SM3 ") == 1
    finally:
        city.send_signal(signal.SIGTERM)
        city.wait(30)
        assert city.stdout is not None
        city.stdout.close()
    assert children_of(tmp_path) == []


def log_in_by_hand(address: str, home: Path) -> None:
    """Open one's account in a browser, approve it as the phone, and type the number."""
    with httpx.Client(base_url=address, timeout=10, trust_env=False) as cookies:
        browser = Browser(cookies, address)
        answer = browser.open("/account")
        if not (page := Page(answer)).code:
            page = Page(browser.send(page.forms[0]))
        approved = demo(home, "login", page.code, "--yes").stdout
        form = Page(browser.open(page.address)).form("/number")
        assert form is not None
        account = browser.send(form, number=approved.split()[-1])
        assert account.status_code == 200
        assert account.url.path == "/account"


def demo(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "demo", *arguments, "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment())
