"""What the README offers for pasting works when it is pasted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, fenced
from tests.docs.pasting import city_up, paste, require_in_order

pytestmark = pytest.mark.xdist_group("story")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    with city_up(tmp_path, "--in-process") as city:
        yield city


def test_the_readme_s_commands_do_what_it_says(checkout):
    done = paste("\n".join(fenced(ROOT / "README.md", "sh")), checkout, seconds=120)
    require_in_order(
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
