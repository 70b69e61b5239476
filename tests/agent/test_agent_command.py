"""`ecard agent` as a program: on a real reader stack, against a service behind a real socket."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from physical.chip.profiles import CONTACT_2_0, CONTACT_3_0, CONTACTLESS_3_0
from sm.der import export_pkcs8, write_pem
from tests.agent.fake_service import DISPLAY, SERIAL, TERMINAL, FakeService, problem
from tests.chip.builders import make_card
from tests.persons import ANNA
from tests.readers import Stack, running_stack

RUN = "from physical.chip.agent_command import agent; agent(prog_name='ecard agent')"


@pytest.fixture
def stack() -> Iterator[Stack]:
    with running_stack() as running:
        yield running


@pytest.fixture
def service() -> FakeService:
    return FakeService(now=lambda: datetime.now(UTC))


def key_file(service: FakeService, folder: Path, mode: int = 0o600) -> Path:
    file = folder / "terminal.pem"
    file.write_text(write_pem("PRIVATE KEY", export_pkcs8(service.terminal_key)), encoding="ascii")
    file.chmod(mode)
    return file


def run_agent(*options: str, pin: bytes = b"271828\n") -> subprocess.CompletedProcess[str]:
    reading, writing = os.pipe()
    os.write(writing, pin)
    os.close(writing)
    try:
        command = [sys.executable, "-c", RUN, *options, "--pin-from", f"fd:{reading}"]
        return subprocess.run(command, capture_output=True, text=True, pass_fds=[reading], timeout=60, check=False)
    finally:
        os.close(reading)


def at_slot(stack: Stack, url: str, key: Path, slot: int = 0) -> list[str]:
    identity = ["--terminal", TERMINAL, "--serial", SERIAL, "--key", str(key), "--operator", "op-1"]
    reader = ["--pcsc-socket", str(stack.daemon.socket), "--reader", stack.daemon.slots[slot].reader]
    return ["--service", url, *identity, *reader, "--json-events", "--language", "en", "--answer-within", "2"]


def events_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("profile", "proof", "level"),
    [(CONTACT_3_0, "signature", "L3"), (CONTACTLESS_3_0, "signature", "L3"), (CONTACT_2_0, "pin", "L2")],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_whole_enrollment_from_the_reader_to_the_service(stack, service, tmp_path, profile, proof, level):
    service.proof = proof
    stack.put(make_card(profile, pin=b"271828"))
    with service.listening() as url:
        done = run_agent(*at_slot(stack, url, key_file(service, tmp_path)), "--trace-apdus")
    assert done.returncode == 0, done.stderr
    events = events_of(done)
    assert [event["event"] for event in events] == [
        "session_opened",
        "show",
        "phone_begun",
        "waiting_for_card",
        "card_read",
        "hello_accepted",
        "holder_read",
        "pin_asked",
        "card_proved",
        "completed",
    ]
    assert events[1]["display"] == DISPLAY
    assert events[-1]["level"] == level
    said = done.stdout + done.stderr
    assert '"logger": "chip.apdu"' in said
    assert [secret for secret in ("271828", ANNA.name, ANNA.social_security_number) if secret in said] == []


def test_the_second_slot_is_used_when_it_is_named(stack, service, tmp_path):
    stack.put(make_card(pin=b"000000"))
    stack.put(make_card(CONTACTLESS_3_0, pin=b"271828"), slot=1)
    with service.listening() as url:
        done = run_agent(*at_slot(stack, url, key_file(service, tmp_path), slot=1))
    assert done.returncode == 0, done.stderr
    assert service.body_of("hello")["interface"] == "contactless"


def test_a_wrong_pin_is_told_to_holder_and_service_and_exits_with_1(stack, service, tmp_path):
    stack.put(make_card(pin=b"271828"))
    with service.listening() as url:
        done = run_agent(*at_slot(stack, url, key_file(service, tmp_path)), pin=b"111111\n")
    assert done.returncode == 1
    last = events_of(done)[-1]
    assert (last["event"], last["code"], last["next_step"]) == (
        "refused",
        "wrong_pin",
        "Check your PIN and enter it again.",
    )
    assert service.body_of("abandon") == {"reason": "wrong_pin", "pin_tries_left": 5}


@pytest.mark.parametrize(
    ("fault", "reason"), [("mute 12", "card_mute"), ("pull 12", "card_removed"), ("garble 12", "card_error")]
)
def test_a_card_that_fails_in_the_middle_is_told_and_exits_with_1(stack, service, tmp_path, fault, reason):
    slot = stack.put(make_card(pin=b"271828"))
    slot.tell(fault)
    with service.listening() as url:
        done = run_agent(*at_slot(stack, url, key_file(service, tmp_path)))
    assert done.returncode == 1, done.stderr
    assert service.body_of("abandon")["reason"] == reason


def test_a_refusal_of_the_service_exits_with_1(stack, service, tmp_path):
    stack.put(make_card())
    service.spoil["hello"] = problem(409, "card_lost")
    with service.listening() as url:
        done = run_agent(*at_slot(stack, url, key_file(service, tmp_path)))
    assert done.returncode == 1
    assert events_of(done)[-1]["code"] == "card_lost"


def test_no_service_exits_with_3(stack, service, tmp_path):
    with service.listening() as url:
        gone = url
    done = run_agent(*at_slot(stack, gone, key_file(service, tmp_path)))
    assert done.returncode == 3
    assert events_of(done)[-1]["event"] == "unavailable"


def test_no_daemon_exits_with_3(stack, service, tmp_path):
    stack.daemon.stop_daemon()
    done = run_agent(*at_slot(stack, "http://127.0.0.1:9", key_file(service, tmp_path)))
    assert done.returncode == 3
    assert events_of(done)[-1]["code"] == "reader_daemon_gone"


def test_a_reader_must_be_chosen_where_there_are_two(stack, service, tmp_path):
    options = at_slot(stack, "http://127.0.0.1:9", key_file(service, tmp_path))
    del options[options.index("--reader") : options.index("--reader") + 2]
    done = run_agent(*options)
    assert done.returncode == 2
    assert "Virtual PCD 00 00, Virtual PCD 00 01" in " ".join(done.stderr.split())


def test_holder_data_does_not_leave_the_machine_without_tls(stack, service, tmp_path):
    done = run_agent(*at_slot(stack, "http://card.example", key_file(service, tmp_path)))
    assert done.returncode == 2
    assert "https" in done.stderr


def test_a_key_that_others_may_read_is_not_used(stack, service, tmp_path):
    done = run_agent(*at_slot(stack, "http://127.0.0.1:9", key_file(service, tmp_path, mode=0o640)))
    assert done.returncode == 2
    assert "chmod 600" in done.stderr


def test_a_watching_agent_ends_in_order_when_it_is_told_to_stop(stack, service, tmp_path):
    service.phone_comes_at_look = 10**6
    stack.put(make_card(), absent=True)
    with service.listening() as url:
        options = at_slot(stack, url, key_file(service, tmp_path))
        command = [sys.executable, "-c", RUN, *options, "--watch"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as agent:
            first = [json.loads(agent.stdout.readline())["event"] for _ in range(2)]
            agent.terminate()
            rest, complaints = agent.communicate(timeout=30)
    assert first == ["session_opened", "show"]
    assert json.loads(rest.splitlines()[-1])["event"] == "stopped"
    assert (agent.returncode, complaints) == (0, "")
