"""The partner programs' own page: a bank and a wallet are entered, started, used and lost by its commands."""

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
from tests.partners.wallets import require_wallet
from tests.servers import free_port

pytestmark = pytest.mark.xdist_group("story")

PAGE = ROOT / "deploy" / "partners" / "README.md"
PORTS = ("8471", "8472", "8473", "8474")
AT_THE_BANK = "xdg-open https://127.0.0.1:8471/sign-in\n"
AT_THE_WALLET = "xdg-open $(cat var/link)\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A folder that looks like a checkout in which `make run` is up."""
    require_wallet()
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for name in ("clients", "deploy"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = [tmp_path / ".venv" / "bin" / "ecard", "story", "--in-process", "--port", str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment()) as story:
        try:
            wait_until_it_stays(story)
            yield tmp_path
        finally:
            story.send_signal(signal.SIGTERM)
            story.wait(30)


def pasted() -> str:
    """The page's commands; what is done in a browser is done by one that the test drives."""
    text = "\n".join(fenced(PAGE, "sh"))
    assert text.count(AT_THE_BANK) == 2
    assert text.count(AT_THE_WALLET) == 1
    here = Path(__file__)
    customer, browser = here.with_name("customer_of_bank.py"), here.with_name("browser_of_partner.py")
    text = text.replace(AT_THE_BANK, f"python {customer} https://127.0.0.1:8471 var/bank/keys/tls-certificate.pem\n")
    came_back = f'"$(python {browser} "$(cat var/link)" ecard demo login --yes)"'
    text = text.replace(AT_THE_WALLET, f"curl -s --cacert var/wallet/wallet.pem {came_back}\n")
    text = text.replace("bank run var/bank", "bank run var/bank --front-port 8471 --back-port 8472")
    for port in PORTS:
        text = re.sub(rf"\b{port}\b", str(free_port()), text)
    return f"trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n{text}\nkill $BANK $WALLET\nwait $BANK\nwait $WALLET\n"


def test_the_page_leads_from_nothing_to_a_bank_and_a_wallet_that_carry_the_card(checkout):
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-euo", "pipefail", "-c", pasted()],
        cwd=checkout,
        env=environment() | {"ROOT": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert in_order(
        done.stdout,
        '"sm2_public_key"',
        '"to": "live"',
        "the bank's app says: 签发成功。",
        '"accepted"',
        '"webhooks":"ok"',
        '"port":"wrong_signature"',
        '"carriages":1',
        '"carriages":1',
        "the bank's app says: 签发成功。",
        '"accepted"',
        '"to": "live"',
        '"result":"002"',
        '"accepted"',
        '"purpose":"medical"',
    ), done.stdout
    assert not re.search(r"PRIVATE KEY|Traceback", done.stdout + done.stderr)
