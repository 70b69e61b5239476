"""`ecard statements` and `ecard reconcile`, as an operator and a partner use them."""

import contextlib
import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli.reconcile
import cli.statements
from cli import main
from core.clock import to_text
from qr.verification_keys import KEY_LIST_USER_ID
from sm import city_keys
from sm.canonical import canonical_json
from sm.der import write_pem
from tests.service import PROVIDER
from tests.statements.channels import make_showing, shown_in
from tests.statements.records import NEXT_NOON, a_day_of, enter

EQUAL, DIFFERENT, USAGE = 0, 1, 2
AT = ("--at", to_text(NEXT_NOON))


@pytest.fixture
def run(town, monkeypatch):
    """Run `ecard …` on the service of the tests; tell exit code and what was printed."""

    @contextlib.contextmanager
    def opened():
        yield town.runtime

    monkeypatch.setattr(cli.statements, "opened_runtime", opened)
    monkeypatch.setattr(cli.reconcile, "opened_runtime", opened)

    def run_command(*arguments: object) -> tuple[int, str]:
        done = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    return run_command


@pytest.fixture
def made(town, run, out) -> Path:
    enter(town, a_day_of(town.institution, 30))
    code, told = run("statements", "make", "--institution", town.institution, "--day", "2026-03-02", "--out", out)
    assert code == 0, told
    return out / f"{town.institution}-2026-03-02.csv"


@pytest.fixture
def root(town, tmp_path) -> Path:
    path = tmp_path / "ministry.pem"
    hierarchy = city_keys.read_hierarchy(town.runtime.store)
    path.write_text(write_pem("CERTIFICATE", hierarchy.ministry.der), encoding="ascii")
    return path


def credential_key(town) -> str:
    return PROVIDER.public_key_of(town.runtime.store.private_key(city_keys.CARD_CREDENTIAL)).hex()


def test_a_dry_run_writes_nothing(town, run, out):
    command = ("statements", "make", "--institution", town.institution, "--day", "2026-03-02", "--out", out)
    assert run(*command, "--dry-run") == (0, "0 rows, not signed yet; nothing was written (dry run)\n")
    assert list(out.iterdir()) == []


def test_an_open_day_is_refused(town, run, out):
    code, told = run("statements", "make", "--institution", town.institution, "--day", "2026-03-03", "--out", out)
    assert (code, "day_not_closed" in told) == (1, True)


@pytest.mark.parametrize("day", ["2026-02-30", "20260302", "today", "2026-3-2x"])
def test_a_day_has_one_spelling(town, run, out, day):
    assert run("statements", "make", "--institution", "ins_1", "--day", day, "--out", out)[0] == USAGE


def test_anybody_verifies_it_with_the_root_or_with_the_key(town, run, made, root):
    for option in (("--trust", root), ("--issuer-key", credential_key(town))):
        code, told = run("statements", "verify", made, *option, *AT)
        assert (code, told.startswith(f"good: {town.institution} 2026-03-02 30 rows, signed by ")) == (0, True), told
    assert run("statements", "verify", made, *AT)[0] == USAGE
    assert run("statements", "verify", made, "--trust", root, "--issuer-key", credential_key(town), *AT)[0] == USAGE


@pytest.mark.parametrize("place", [0, 60, 500, -70, -2])
def test_a_file_that_was_changed_is_refused(town, run, made, root, place):
    content = bytearray(made.read_bytes())
    content[place] ^= 1
    made.write_bytes(content)
    for option in (("--trust", root), ("--issuer-key", credential_key(town))):
        code, told = run("statements", "verify", made, *option, *AT)
        assert (code, "invalid_signature" in told) == (1, True), told


def test_another_signature_is_refused(town, run, made, root):
    beside = made.with_name(f"{made.name}.sig")
    envelope = json.loads(beside.read_text(encoding="ascii"))
    stranger = PROVIDER.signer(PROVIDER.generate(), b"ESSC-STATEMENT-1")
    ours = PROVIDER.signer(town.runtime.store.private_key(city_keys.CARD_CREDENTIAL), KEY_LIST_USER_ID)
    flipped = f"{int(envelope['signature'][0], 16) ^ 1:x}{envelope['signature'][1:]}"
    key_list_certificate = json.loads(town.runtime.codes.key_list())["certificates"]
    for change in (
        {"signature": stranger.sign(made.read_bytes()).hex()},
        {"signature": ours.sign(made.read_bytes()).hex()},
        {"signature": flipped},
        {"signature": ""},
        {"certificates": []},
        {"certificates": key_list_certificate},
        {"user_id": "ESSC-KEYLIST-1"},
        {"format": "another"},
    ):
        beside.write_bytes(canonical_json(envelope | change))
        code, told = run("statements", "verify", made, "--trust", root, *AT)
        assert code == 1, (change, told)
    for content in (b"", b"\xff", b"[" * 10_000, b"{}" * 100_000):
        beside.write_bytes(content)
        assert run("statements", "verify", made, "--trust", root, *AT)[0] in {1, 2}
    beside.unlink()
    assert run("statements", "verify", made, "--trust", root, *AT)[0] == USAGE


def test_equal_files_end_with_0_and_different_ones_with_1(town, run, made, tmp_path):
    theirs, report = tmp_path / "theirs.csv", tmp_path / "report.csv"
    lines = made.read_text(encoding="utf-8").splitlines(keepends=True)
    assert run("reconcile", made, made)[0] == EQUAL
    changed = [lines[0].replace(",30", ",29"), *lines[1:4], lines[4].replace("order-", "=order-"), *lines[6:-1]]
    theirs.write_text("".join([*changed, "ESSC-STATEMENT-END,29,\n"]), encoding="gb18030")
    for ours in ((made,), ("--institution", town.institution, "--day", "2026-03-02")):
        code, told = run("reconcile", *ours, theirs, "--report", report)
        assert (code, "1 only ours, 0 only theirs, 1 differing" in told) == (DIFFERENT, True), told
    with report.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["what", "ours_only", "differing"]
    assert rows[2][2] == "reference"
    assert rows[2][4].startswith("'=order-")


def test_an_unreadable_file_ends_with_2_names_its_place_and_leaves_no_report(run, made, tmp_path):
    theirs, report = tmp_path / "theirs.csv", tmp_path / "report.csv"
    lines = made.read_text(encoding="utf-8").splitlines(keepends=True)
    theirs.write_text("".join([*lines[:5], lines[4], *lines[6:-1], "ESSC-STATEMENT-END,30,\n"]), encoding="utf-8")
    code, told = run("reconcile", made, theirs, "--report", report)
    assert (code, "theirs: statement_row_twice: line 6:" in told) == (USAGE, True), told
    theirs.write_bytes(made.read_bytes().replace(b"trm_1", b"trm\0", 1))
    code, told = run("reconcile", made, theirs, "--report", report)
    assert (code, "column 4" in told, "theirs" in told) == (USAGE, True, True), told
    theirs.write_bytes(b"\0")
    assert run("reconcile", made, theirs, "--report", report)[0] == USAGE
    assert not report.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".report")] == []


def test_a_partner_s_own_file_is_compared_with_its_channel_s_day(town, run, out, tmp_path):
    app, theirs = make_showing(town), tmp_path / "theirs.csv"
    enter(town, shown_in(app, 30))
    of_channel = ("--channel", app.channel, "--day", "2026-03-02")
    code, told = run("statements", "make", *of_channel, "--out", out, "--dry-run")
    assert (code, told) == (0, "30 rows, not signed yet; nothing was written (dry run)\n")
    code, told = run("statements", "make", *of_channel, "--out", out)
    ours = out / f"{app.channel}-2026-03-02.csv"
    assert (code, f"{ours} 30 rows" in told) == (0, True), told
    theirs.write_bytes(ours.read_bytes())
    lines = ours.read_text(encoding="utf-8").splitlines(keepends=True)
    assert run("reconcile", *of_channel, theirs)[0] == EQUAL
    changed = [lines[0].replace(",30", ",29"), *lines[1:4], lines[4].replace("online", "offline"), *lines[6:-1]]
    theirs.write_text("".join([*changed, "ESSC-STATEMENT-END,29,\n"]), encoding="gb18030")
    for side in ((ours,), of_channel):
        code, told = run("reconcile", *side, theirs)
        assert (code, "1 only ours, 0 only theirs, 1 differing" in told) == (DIFFERENT, True), told
    another = make_showing(town)
    assert run("reconcile", "--channel", another.channel, "--day", "2026-03-02", theirs)[0] == USAGE


def test_wrong_usage_ends_with_2(run, made, out):
    one_day = ("--day", "2026-03-02")
    both = ("--institution", "ins_1", "--channel", "chn_1", *one_day)
    for arguments in ((), (made,), (made, made, made), ("--institution", "ins_1", made), (*one_day, made)):
        assert run("reconcile", *arguments)[0] == USAGE
    assert run("reconcile", *both, made)[0] == USAGE
    for arguments in ((*both, "--out", out), (*one_day, "--out", out)):
        assert run("statements", "make", *arguments)[0] == USAGE
