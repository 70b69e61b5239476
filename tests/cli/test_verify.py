import json
import os
import pty
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.verify import verify
from core.clock import to_text
from qr.code_class import CodeClass
from qr.counter_code import mint_counter_code
from qr.image import Symbology, draw_png
from qr.signed_code import Flag
from qr.verification_keys import KEY_LIST_PURPOSE
from sm.certificates import Subject, issue, issue_hierarchy, leaf_profile
from sm.certificates.hierarchy import AuthorityKeys, development_subjects
from sm.der import write_pem
from sm.keyring import KeyState
from sm.providers import open_provider
from sm.sm2 import PrivateKey
from tests.qr.builders import ISSUER, NOW, make_issuer

ACCEPTED, REFUSED, USAGE, UNAVAILABLE = 0, 1, 2, 3
AT = ("--at", to_text(NOW))


@pytest.fixture(scope="session")
def issuer():
    return make_issuer(open_provider())


@pytest.fixture
def keys(issuer, tmp_path):
    """The options that name a key list on disk and the key that signed it."""
    path = tmp_path / "keys.json"
    path.write_bytes(issuer.signed_key_list())
    return "--keys", str(path), "--issuer-key", issuer.credential_public_key.hex()


def run(*arguments, scanned=None):
    return CliRunner().invoke(verify, arguments, input=scanned)


def answers(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_good_code_is_accepted_in_both_languages(issuer, keys):
    result = run(*keys, *AT, issuer.mint())
    assert result.exit_code == ACCEPTED
    assert "可以受理" in result.stdout
    assert "accepted" in result.stdout
    assert "medical" in result.stdout


def test_a_machine_reads_json(issuer, keys):
    code = issuer.mint(flags=Flag.SENIOR | Flag.MEDICAL_ELIGIBLE, audience=7)
    result = run(*keys, *AT, "--audience", "7", "--json", code)
    assert result.exit_code == ACCEPTED
    assert answers(result) == [
        {
            "result": "accepted",
            "class": "medical",
            "audience": 7,
            "flags": ["medical_eligible", "senior"],
            "issued_at": "2026-03-01T08:00:00.000Z",
            "expires_at": "2026-03-01T08:01:00.000Z",
        }
    ]


@pytest.mark.parametrize(
    ("changes", "options", "verdict"),
    [
        ({"issued_at": NOW - timedelta(minutes=5)}, (), "expired"),
        ({"issued_at": NOW + timedelta(minutes=5)}, (), "not_yet_valid"),
        ({}, ("--class", "gate", "--class", "merchant"), "wrong_class"),
        ({"code_class": CodeClass.TEST}, (), "wrong_class"),
        ({"audience": 7}, ("--audience", "8"), "wrong_audience"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(issuer, keys, changes, options, verdict):
    code = issuer.mint(**changes)
    result = run(*keys, *AT, *options, "--json", code)
    [answer] = answers(result)
    assert (result.exit_code, answer["result"]) == (REFUSED, verdict)
    shown = run(*keys, *AT, *options, code)
    assert shown.exit_code == REFUSED
    assert answer["title_zh"] in shown.stdout
    assert answer["next_en"].split()[0] in shown.stdout


def test_neither_the_digits_nor_the_handle_are_shown(issuer, keys):
    code = issuer.mint()
    for options in ((), ("--json",), ("--class", "gate")):
        output = run(*keys, *AT, *options, code).output
        assert code[:20] not in output
        assert code[-20:] not in output


def test_a_forged_code_and_no_code_at_all_are_refused(issuer, keys):
    code = issuer.mint()
    forged = code[:-1] + str((int(code[-1]) + 1) % 10)
    for scanned, verdict in ((forged, "bad_signature"), ("hello", "malformed"), (code[:-1], "malformed")):
        result = run(*keys, *AT, "--json", scanned)
        assert (result.exit_code, answers(result)[0]["result"]) == (REFUSED, verdict)


def test_a_withdrawn_key_is_refused_once_its_list_has_come(issuer, keys):
    withdrawn = issuer.with_key(state=KeyState.WITHDRAWN)
    Path(keys[1]).write_bytes(withdrawn.signed_key_list())
    result = run(*keys, *AT, "--json", issuer.mint())
    assert (result.exit_code, answers(result)[0]["result"]) == (REFUSED, "bad_signature")


def test_a_counter_code_gets_no_verdict_here(keys):
    result = run(*keys, *AT, "--json", mint_counter_code(CodeClass.MEDICAL, os.urandom))
    assert (result.exit_code, answers(result)[0]["result"]) == (UNAVAILABLE, "cannot_tell")


def test_without_keys_only_the_form_is_judged(issuer):
    assert run(issuer.mint()).exit_code == UNAVAILABLE
    assert run("12345").exit_code == REFUSED


def test_a_key_list_that_is_not_proved_gives_no_verdict(issuer, keys):
    stranger = issuer.provider.public_key_of(PrivateKey(bytes(31) + b"\x2a")).hex()
    assert run(*keys[:3], stranger, *AT, issuer.mint()).exit_code == UNAVAILABLE
    Path(keys[1]).write_bytes(b"{}")
    assert run(*keys, *AT, issuer.mint()).exit_code == UNAVAILABLE


def test_an_old_key_list_gives_no_verdict(issuer, keys):
    at = NOW + timedelta(days=8)
    code = issuer.mint(issued_at=at)
    assert run(*keys, "--at", to_text(at), code).exit_code == UNAVAILABLE
    assert run(*keys, "--at", to_text(at), "--max-list-age", "10", code).exit_code == ACCEPTED


def test_a_root_certificate_serves_instead_of_a_pinned_key(issuer, tmp_path):
    provider = issuer.provider
    authorities = AuthorityKeys(*(PrivateKey(bytes(31) + bytes([number])) for number in (21, 22, 23)))
    hierarchy = issue_hierarchy(authorities, provider, NOW - timedelta(days=30), development_subjects("990100"))
    leaf = issue(
        subject=Subject(ISSUER),
        public_key=issuer.credential_public_key,
        profile=leaf_profile(KEY_LIST_PURPOSE),
        serial=7,
        not_before=NOW - timedelta(days=20),
        not_after=NOW + timedelta(days=20),
        signer=provider.signer(authorities.city),
        issuer=hierarchy.city,
    )
    chain = leaf, hierarchy.city.der, hierarchy.province.der
    (tmp_path / "keys.json").write_bytes(issuer.signed_key_list(certificates=chain))
    (tmp_path / "root.pem").write_text(write_pem("CERTIFICATE", hierarchy.ministry.der))
    options = ("--keys", str(tmp_path / "keys.json"), *AT, issuer.mint())
    assert run("--trust", str(tmp_path / "root.pem"), *options).exit_code == ACCEPTED
    assert run("--trust", str(tmp_path / "keys.json"), *options).exit_code == UNAVAILABLE


def test_lines_come_from_standard_input_or_a_file(issuer, keys, tmp_path):
    good, late = issuer.mint(), issuer.mint(issued_at=NOW - timedelta(hours=1))
    typed = f"{good}\r\n\n{late}\n{good}"
    (tmp_path / "scanned.txt").write_text(typed, newline="")
    expected = ["accepted", "expired", "already_used"]
    for arguments, scanned in (((), typed), (("-",), typed), ((f"@{tmp_path / 'scanned.txt'}",), None)):
        result = run(*keys, *AT, "--json", *arguments, scanned=scanned)
        assert [answer["result"] for answer in answers(result)] == expected
        assert result.exit_code == REFUSED


def test_other_bytes_than_ascii_are_no_code(keys):
    result = run(*keys, *AT, "--json", scanned=b"\xff\xfe82\n")
    assert (result.exit_code, answers(result)[0]["result"]) == (REFUSED, "malformed")


def test_a_journal_remembers_from_one_call_to_the_next(issuer, keys, tmp_path):
    journal, code = ("--journal", str(tmp_path / "journal")), issuer.mint()
    assert run(*keys, *AT, *journal, code).exit_code == ACCEPTED
    again = run(*keys, *AT, *journal, "--json", code)
    assert again.exit_code == REFUSED
    assert answers(again)[0]["where"] == "here"


def test_a_journal_that_cannot_be_kept_gives_no_verdict(issuer, keys, tmp_path):
    code = issuer.mint()
    (tmp_path / "damaged").write_bytes(b"?\n")
    for path in ("damaged", "no such folder/journal"):
        assert run(*keys, *AT, "--journal", str(tmp_path / path), code).exit_code == UNAVAILABLE


@pytest.mark.parametrize("symbology", Symbology)
def test_a_code_is_read_from_a_picture(issuer, keys, tmp_path, symbology):
    counter = mint_counter_code(CodeClass.MEDICAL, os.urandom)
    code = issuer.mint() if symbology is Symbology.QR else counter
    (tmp_path / "code.png").write_bytes(draw_png(code, symbology))
    result = run(*keys, *AT, "--image", str(tmp_path / "code.png"))
    assert result.exit_code == (ACCEPTED if symbology is Symbology.QR else UNAVAILABLE)


def test_usage_that_makes_no_sense_is_told_apart_from_a_verdict(issuer, keys, tmp_path):
    code = issuer.mint()
    (tmp_path / "no.png").write_bytes(b"no picture")
    wrong = [
        (*keys[:2], code),
        (*keys, "--trust", keys[1], code),
        (*keys[:3], "00" * 64, code),
        (*keys[:3], "xyz", code),
        (*keys, "--image", str(tmp_path / "no.png")),
        (*keys, "--image", str(tmp_path / "no.png"), code),
        (*keys, "--keys", str(tmp_path / "missing"), code),
        (*keys, "--at", "yesterday", code),
        (*keys, "--at", "2026-03-01T08:00:00", code),
        (*keys, "--class", "bus", code),
        (*keys, "--audience", "0", code),
        (*keys, f"@{tmp_path / 'missing'}"),
        (*keys, code, code),
    ]
    for arguments in wrong:
        assert run(*arguments).exit_code == USAGE
    assert run(*keys, scanned="").exit_code == USAGE


def test_a_scanner_types_at_the_prompt_and_nothing_is_echoed(issuer, keys):
    code = issuer.mint()
    program = "from cli.verify import verify; verify()"
    terminal, device = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program, *keys, *AT, "--json"],
        stdin=device,
        stdout=subprocess.PIPE,
        stderr=device,
        start_new_session=True,
    ) as process:
        os.close(device)
        shown = read_prompt(terminal)
        os.write(terminal, f"{code}\n".encode())
        answer = json.loads(process.stdout.readline())
        shown += read_prompt(terminal)
        os.write(terminal, b"\n")
        assert process.wait() == ACCEPTED
    os.close(terminal)
    assert answer["result"] == "accepted"
    assert code[:10].encode() not in shown


def read_prompt(terminal):
    """Read what a terminal shows up to the blank after the prompt: from then on, keys are not echoed."""
    shown = b""
    while not shown.endswith(b"scan: "):
        shown += os.read(terminal, 1000)
    return shown
