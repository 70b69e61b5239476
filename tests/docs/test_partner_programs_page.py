"""The partner programs' own page: a bank and a wallet are entered, started, used and lost by its commands."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, fenced
from tests.docs.pasting import city_up, paste, require_in_order
from tests.partners.wallets import require_wallet
from tests.servers import free_port

pytestmark = pytest.mark.xdist_group("story")

PAGE = ROOT / "deploy" / "partners" / "README.md"
PORTS = ("8471", "8472", "8473", "8474")
AT_THE_BANK = "xdg-open https://127.0.0.1:8471/sign-in\n"
AT_THE_WALLET = "xdg-open $(cat var/link)\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    require_wallet()
    for name in ("clients", "deploy"):
        (tmp_path / name).symlink_to(ROOT / name)
    with city_up(tmp_path, "--in-process") as city:
        yield city


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
    return f"{text}\nkill $BANK $WALLET\nwait $BANK\nwait $WALLET\n"


@pytest.mark.timeout(960)
def test_the_page_leads_from_nothing_to_a_bank_and_a_wallet_that_carry_the_card(checkout):
    done = paste(pasted(), checkout, seconds=900)
    require_in_order(
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
    )
    assert not re.search(r"PRIVATE KEY|Traceback", done.stdout + done.stderr)
