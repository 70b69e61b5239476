"""What the page for partners offers for pasting works when it is pasted, the login in a browser included."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, fenced
from tests.docs.pasting import city_up, paste, require_in_order
from tests.servers import free_port

pytestmark = pytest.mark.xdist_group("story")

PAGE = ROOT / "docs" / "partners.md"
BY_BROWSER = "back=$(python {browser} $(cat var/link) {phone} 2> var/browser)\n"
PHONES = ("ecard sandbox login", "ecard demo login --yes", "ecard demo login --yes")
"""Who answers the page's logins, one after the other: a made-up holder, then a holder of the town."""


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """The story with its worker."""
    (tmp_path / "clients").symlink_to(ROOT / "clients")
    shutil.copytree(ROOT / "docs" / "samples", tmp_path / "docs" / "samples")
    with city_up(tmp_path) as city:
        yield city


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
    return whole.replace("127.0.0.1:8470/", f"127.0.0.1:{port}/").replace("ecard listen", f"ecard listen --port {port}")


@pytest.mark.timeout(660)
def test_the_page_for_partners_leads_from_nothing_to_a_card_that_is_carried_and_ended(checkout):
    done = paste(pasted(), checkout, seconds=600)
    require_in_order(
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
    )
    assert not re.search(r"PRIVATE KEY|refresh_token", done.stdout)
