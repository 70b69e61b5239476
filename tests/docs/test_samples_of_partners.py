"""The programs that stand for a partner's own say in one line what they were not given or were refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ecard_client import Refused

from tests.docs.pages import ROOT

SAMPLES = ROOT / "docs" / "samples"


def run_sample(name: str, *given: str, kept: Path) -> subprocess.CompletedProcess[str]:
    surroundings = os.environ | {"PYTHONPATH": str(ROOT / "clients" / "python"), "CARRY_FILE": str(kept)}
    return subprocess.run(
        [sys.executable, str(SAMPLES / name), *given], env=surroundings, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("carry.py", [], "one of: keys link back sign see code uses carriages\n"),
        ("carry.py", ["kyes"], "one of: keys link back sign see code uses carriages\n"),
        ("h5_entry.py", [], "what the holder comes for: sign, show, report_loss or unlink\n"),
        ("h5_entry.py", ["sing"], "what the holder comes for: sign, show, report_loss or unlink\n"),
    ],
)
def test_an_act_that_there_is_not_is_answered_with_those_that_there_are(name, given, said, tmp_path):
    done = run_sample(name, *given, kept=tmp_path / "carry.json")
    assert (done.returncode, done.stderr) == (1, said)


def test_a_refusal_in_the_client_says_what_is_wrong_and_what_to_do():
    problem = {
        "code": "malformed_request",
        "title": "It cannot be read.",
        "detail": "No reason.",
        "next_step": "X.",
    }
    assert str(Refused(400, problem)) == "400 malformed_request: It cannot be read. No reason. X."
    assert str(Refused(404, {"code": "not_found", "title": "None."})) == "404 not_found: None."
