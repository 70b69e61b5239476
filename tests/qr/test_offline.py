import json
import os
import resource
import subprocess
import sys
import threading
from datetime import timedelta

import pytest

from qr.acceptance_journal import FileJournal, acceptance, upload_body
from qr.code import read_code
from qr.code_class import CodeClass
from qr.counter_code import mint_counter_code
from qr.errors import (
    BadSignature,
    CannotTell,
    CodeExpired,
    CodeMalformed,
    CodeNotYetValid,
    CodeSpent,
    CodeUnknown,
    WrongAudience,
    WrongClass,
)
from qr.offline import KEY_LIST_LIFE
from qr.signed_code import LEEWAY
from qr.verification_keys import KeyList
from sm.keyring import KeyRing, KeyState
from tests.qr.builders import ISSUER, NOW, body_of, code_of

SECOND = timedelta(seconds=1)


def test_a_terminal_takes_a_code_once(issuer):
    terminal, code = issuer.terminal(), issuer.mint()
    assert terminal.accept(code, NOW).code_class is CodeClass.MEDICAL
    with pytest.raises(CodeSpent) as refused:
        terminal.accept(code, NOW + SECOND)
    assert refused.value.extra == {"where": "here"}


def test_a_second_signature_over_a_used_code_is_no_new_code(issuer):
    terminal, code = issuer.terminal(), issuer.mint()
    terminal.accept(code, NOW)
    body = body_of(code)
    again = code_of(body[:27] + issuer.minting.signer.sign(body[:27]))
    with pytest.raises(CodeSpent):
        terminal.accept(again, NOW)


@pytest.mark.parametrize("shown", CodeClass)
@pytest.mark.parametrize("taken", CodeClass)
def test_only_the_diagonal_of_classes_passes(issuer, shown, taken):
    terminal, code = issuer.terminal(classes={taken}), issuer.mint(code_class=shown)
    if shown is taken:
        assert terminal.accept(code, NOW).code_class is taken
        return
    with pytest.raises(WrongClass):
        terminal.accept(code, NOW)


def test_a_refused_code_is_not_spent(issuer):
    terminal, code = issuer.terminal(), issuer.mint()
    with pytest.raises(CodeNotYetValid):
        terminal.accept(code, NOW - LEEWAY - SECOND)
    assert terminal.accept(code, NOW)


@pytest.mark.parametrize(
    ("seconds", "refusal"),
    [(-6, CodeNotYetValid), (-5, None), (59, None), (60, None), (64, None), (65, CodeExpired), (66, CodeExpired)],
)
def test_the_life_of_a_code_to_the_second(issuer, seconds, refusal):
    terminal, code = issuer.terminal(), issuer.mint()
    if refusal is None:
        assert terminal.accept(code, NOW + seconds * SECOND)
        return
    with pytest.raises(refusal):
        terminal.accept(code, NOW + seconds * SECOND)


def test_a_code_for_another_group_is_refused(issuer):
    assert issuer.terminal(audiences={12}).accept(issuer.mint(audience=12), NOW)
    for audiences in ((), {13}):
        with pytest.raises(WrongAudience):
            issuer.terminal(audiences=audiences).accept(issuer.mint(audience=12), NOW)


def test_the_checks_come_in_their_order(issuer):
    terminal = issuer.terminal()
    wrong = {"code_class": CodeClass.GATE, "audience": 9, "issued_at": NOW - timedelta(hours=1)}
    forged = bytearray(body_of(issuer.mint(**wrong)))
    forged[-1] ^= 1
    order = [
        (code_of(bytes(forged)), BadSignature),
        (issuer.mint(**wrong), WrongClass),
        (issuer.mint(**{**wrong, "code_class": CodeClass.MEDICAL}), WrongAudience),
        (issuer.mint(issued_at=wrong["issued_at"]), CodeExpired),
    ]
    for code, refusal in order:
        with pytest.raises(refusal):
            terminal.accept(code, NOW)


def test_a_counter_code_needs_the_service(issuer):
    code = mint_counter_code(CodeClass.MEDICAL, os.urandom)
    with pytest.raises(CannotTell):
        issuer.terminal().accept(code, NOW)


def test_what_is_no_code_is_told_even_with_an_old_key_list(issuer):
    with pytest.raises(CodeMalformed):
        issuer.terminal().accept("6901234567892", NOW + timedelta(days=365))


def test_a_withdrawn_key_and_an_unknown_one_are_refused(issuer):
    withdrawn = issuer.with_key(state=KeyState.WITHDRAWN)
    with pytest.raises(BadSignature):
        withdrawn.terminal().accept(issuer.mint(), NOW)
    with pytest.raises(CodeUnknown):
        issuer.terminal(key_list=KeyList(ISSUER, NOW, KeyRing())).accept(issuer.mint(), NOW)


def test_a_key_list_is_believed_for_its_life(issuer):
    issued_at = issuer.key_list.issued_at
    last = issued_at + KEY_LIST_LIFE - SECOND
    assert issuer.terminal().accept(issuer.mint(issued_at=last), last)
    for late in (0, 1):
        at = issued_at + KEY_LIST_LIFE + late * SECOND
        with pytest.raises(CannotTell):
            issuer.terminal().accept(issuer.mint(issued_at=at), at)


def test_a_clock_behind_the_key_list_judges_nothing(issuer):
    issued_at = issuer.key_list.issued_at
    early = issued_at - LEEWAY - SECOND
    with pytest.raises(CannotTell):
        issuer.terminal().accept(issuer.mint(issued_at=early), early)
    assert issuer.terminal().accept(issuer.mint(issued_at=issued_at), issued_at - LEEWAY)


# The journal


def test_a_journal_remembers_across_a_restart(issuer, tmp_path):
    path, code = tmp_path / "journal", issuer.mint()
    with FileJournal(path) as journal:
        issuer.terminal(journal=journal).accept(code, NOW)
    with FileJournal(path) as journal, pytest.raises(CodeSpent):
        issuer.terminal(journal=journal).accept(code, NOW)


def test_what_was_accepted_is_uploaded_once_and_stays_spent(issuer, tmp_path):
    path, codes = tmp_path / "journal", [issuer.mint() for _ in range(3)]
    with FileJournal(path) as journal:
        terminal = issuer.terminal(journal=journal)
        for place, code in enumerate(codes):
            terminal.accept(code, NOW + place * SECOND)
        assert json.loads(upload_body(journal.pending(2))) == {
            "items": [
                {"code": codes[0], "accepted_at": "2026-03-01T08:00:00.000Z"},
                {"code": codes[1], "accepted_at": "2026-03-01T08:00:01.000Z"},
            ]
        }
        journal.settle(2)
    with FileJournal(path) as journal:
        assert [taken.code for taken in journal.pending()] == codes[2:]
        for code in codes:
            with pytest.raises(CodeSpent):
                issuer.terminal(journal=journal).accept(code, NOW)
        with pytest.raises(ValueError, match="pending"):
            journal.settle(2)


def test_only_whole_lines_are_ever_added(issuer, tmp_path):
    path = tmp_path / "journal"
    sizes = [b""]
    with FileJournal(path) as journal:
        terminal = issuer.terminal(journal=journal)
        for _ in range(3):
            terminal.accept(issuer.mint(), NOW)
            assert path.read_bytes().startswith(sizes[-1])
            assert path.read_bytes().endswith(b"}\n")
            sizes.append(path.read_bytes())
    assert path.stat().st_mode & 0o777 == 0o600


def test_each_acceptance_reaches_the_disk_before_the_answer(issuer, tmp_path, monkeypatch):
    synced = []
    with FileJournal(tmp_path / "journal") as journal:
        monkeypatch.setattr(os, "fsync", lambda _descriptor: synced.append((tmp_path / "journal").stat().st_size))
        issuer.terminal(journal=journal).accept(issuer.mint(), NOW)
    assert synced == [(tmp_path / "journal").stat().st_size]


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_line_torn_by_a_power_cut_was_told_to_nobody(issuer, tmp_path, cut):
    path, first, second = tmp_path / "journal", issuer.mint(), issuer.mint()
    with FileJournal(path) as journal:
        issuer.terminal(journal=journal).accept(first, NOW)
        issuer.terminal(journal=journal).accept(second, NOW)
    path.write_bytes(path.read_bytes()[:-cut])
    with FileJournal(path) as journal:
        terminal = issuer.terminal(journal=journal)
        with pytest.raises(CodeSpent):
            terminal.accept(first, NOW)
        assert terminal.accept(second, NOW)
    with FileJournal(path) as journal:
        assert [taken.code for taken in journal.pending()] == [first, second]


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[]",
        b"{}",
        b'{"handle":1}',
        b'{"uploaded":"x"}',
        b'{"uploaded":-1}',
        b'{"uploaded":1}',
        b"",
        b"\xff",
        b'"uploaded"',
    ],
)
def test_a_damaged_journal_is_not_believed(tmp_path, line):
    path = tmp_path / "journal"
    path.write_bytes(line + b"\n")
    with pytest.raises(CannotTell):
        FileJournal(path)
    assert path.read_bytes() == line + b"\n"


def test_two_processes_do_not_share_a_journal(tmp_path):
    with FileJournal(tmp_path / "journal"), pytest.raises(CannotTell):
        FileJournal(tmp_path / "journal")
    with FileJournal(tmp_path / "journal"):
        pass


def test_a_disk_that_fails_gives_no_verdict(issuer, tmp_path, monkeypatch):
    path, code = tmp_path / "journal", issuer.mint()
    with FileJournal(path) as journal:
        terminal = issuer.terminal(journal=journal)
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fail)
            with pytest.raises(CannotTell):
                terminal.accept(code, NOW)
        with pytest.raises(CannotTell):  # nobody knows what the file holds now
            terminal.accept(issuer.mint(), NOW)


def fail(_descriptor):
    raise OSError(5, "input/output error")


def test_a_full_disk_gives_no_verdict_and_burns_no_code(issuer, tmp_path):
    path, code = tmp_path / "journal", issuer.mint()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with FileJournal(path) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            with pytest.raises(CannotTell):
                issuer.terminal(journal=journal).accept(code, NOW)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with FileJournal(path) as journal:
        assert issuer.terminal(journal=journal).accept(code, NOW)


def test_many_threads_one_code_one_acceptance(issuer, tmp_path):
    code, outcomes = issuer.mint(), []
    with FileJournal(tmp_path / "journal") as journal:
        terminal = issuer.terminal(journal=journal)

        def try_once():
            try:
                outcomes.append(terminal.accept(code, NOW))
            except CodeSpent:
                outcomes.append(None)

        threads = [threading.Thread(target=try_once) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(outcomes) == 16
    assert len([outcome for outcome in outcomes if outcome is not None]) == 1


def test_a_killed_terminal_forgets_nothing_it_told(issuer, tmp_path):
    path, codes = tmp_path / "journal", [issuer.mint() for _ in range(5)]
    program = (
        "import os, sys\n"
        "from datetime import datetime\n"
        "from pathlib import Path\n"
        "from qr.acceptance_journal import FileJournal, acceptance\n"
        "journal = FileJournal(Path(sys.argv[1]))\n"
        "for code in sys.argv[3:]:\n"
        "    body = int(code[2:]).to_bytes(91, 'big')\n"
        "    journal.record(acceptance(body[9:25], code, datetime.fromisoformat(sys.argv[2])))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path), NOW.isoformat(), *codes], check=False)
    assert killed.returncode == -9
    with FileJournal(path) as journal:
        assert [taken.code for taken in journal.pending()] == codes
        assert [taken.handle for taken in journal.pending()] == [read_code(code).handle for code in codes]


def test_the_code_does_not_show_in_a_log_line(issuer):
    code = issuer.mint()
    assert code not in repr(acceptance(read_code(code).handle, code, NOW))
