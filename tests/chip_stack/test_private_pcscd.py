"""The private daemon and the virtual reader as programs: nobody else sees them, nothing of them stays."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from physical.chip import private_pcscd as module
from physical.chip.private_pcscd import PrivatePcscdUnavailable, private_pcscd
from tests.chip.builders import make_card

RUN_UNTIL_KILLED = """
import sys, time
from physical.chip.private_pcscd import private_pcscd
with private_pcscd() as daemon:
    print(daemon.folder, flush=True)
    time.sleep(60)
"""


def processes_that_mention(text: str) -> list[str]:
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [command.parent.name] if text.encode() in command.read_bytes() else []
        except OSError:
            continue  # it ended meanwhile
    return found


def wait_until(condition) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_is_left_behind():
    with private_pcscd() as daemon:
        folder = daemon.folder
        assert processes_that_mention(str(folder))
    assert not folder.exists()
    assert processes_that_mention(str(folder)) == []


def test_nothing_is_left_behind_when_the_owner_is_killed():
    owner = subprocess.Popen([sys.executable, "-c", RUN_UNTIL_KILLED], stdout=subprocess.PIPE, text=True)
    folder = Path(owner.stdout.readline().strip())
    assert folder.is_dir()
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    wait_until(lambda: not folder.exists() and not processes_that_mention(str(folder)))


def test_two_daemons_run_side_by_side_on_the_same_ports(stack):
    with private_pcscd() as other:
        assert other.slots == stack.daemon.slots
        assert other.socket != stack.daemon.socket


def test_the_virtual_slots_cannot_be_reached_from_outside(stack):
    with socket.socket() as outsider:
        assert outsider.connect_ex(("127.0.0.1", stack.daemon.slots[0].port)) != 0


def test_a_missing_daemon_is_told_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(module, "PACKAGED_READER", Path("/nowhere/vpcd"))
    with pytest.raises(PrivatePcscdUnavailable, match="apt-get install pcscd vsmartcard-vpcd"):
        module.require_installed()


def test_a_folder_too_deep_for_a_socket_is_refused():
    with pytest.raises(PrivatePcscdUnavailable, match="TMPDIR"):
        module.require_short_path(Path("/" + "x" * 90))


def test_a_virtual_reader_does_not_start_in_production(stack):
    command = [sys.executable, "-m", "physical.chip.virtual_reader", "--port", "35963"]
    card = ["--card", str(stack.card_file(make_card(), "card"))]
    environment = {**os.environ, "ECARD_ENVIRONMENT": "production"}
    refused = subprocess.run([*command, *card], capture_output=True, text=True, env=environment, check=False)
    assert refused.returncode == 1
    assert "does not run in production" in refused.stderr
    assert refused.stdout == ""


def test_a_virtual_reader_obeys_its_standard_input_and_ends_with_it(stack):
    command = [sys.executable, "-m", "physical.chip.virtual_reader", "--port", str(stack.daemon.slots[0].port)]
    card = ["--card", str(stack.card_file(make_card(), "card")), "--absent"]
    lines = "state\ninsert\nmute x\ndance\n"
    done = subprocess.run(
        stack.daemon.beside([*command, *card]), input=lines, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [
        "ready",
        "out",
        "ok",
        "error mute takes the number of a command",
        "error no such command: dance",
    ]
    assert done.returncode == 0


def test_a_machine_without_namespaces_is_told_what_to_allow(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_start_holder", lambda *_: None)
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(module, "LONGEST_SOCKET_PATH", 1000)
    with pytest.raises(PrivatePcscdUnavailable, match="user namespaces"), private_pcscd():
        pass
    assert list(tmp_path.iterdir()) == []
