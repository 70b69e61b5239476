"""The HSM interface: proofs of cards, and a link that fails closed."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from physical.chip import card_keys
from physical.hsm import (
    CardKeyReference,
    CardNotAuthentic,
    HostClient,
    HsmRefused,
    HsmUnavailable,
    RemoteCardHsm,
)
from physical.hsm_wire import (
    HostCommand,
    Link,
    LinkBroken,
    Message,
    accept_link,
    open_link,
    read_body,
    read_link_key,
    write_body,
)
from physical.soft_hsm import (
    ROOT_KEY_NAMES,
    DevelopmentOnly,
    SoftCardHsm,
    create_root_keys,
    development_root_keys,
    main,
)
from physical.soft_hsm_server import FailMode, SoftHsmServer, set_fail_mode
from sm.errors import KeyNotFound
from sm.keystore import MemoryKeyStore, create_file_store

PROJECT = Path(__file__).resolve().parents[2]
LINK_KEY = bytes(range(32))
CARD = CardKeyReference("3.0", "990100", bytes(range(13)))
CHALLENGE = bytes(range(16))
CARD_RANDOM = bytes(range(8))
PATIENT = 5.0
IMPATIENT = 0.2


@pytest.fixture
def store() -> MemoryKeyStore:
    store = MemoryKeyStore()
    create_root_keys(store)
    return store


@pytest.fixture
def hsm(store: MemoryKeyStore) -> SoftCardHsm:
    return SoftCardHsm(store, "development")


@contextmanager
def serving(hsm: SoftCardHsm, fail: FailMode = FailMode.NONE, delay: float = 1.0) -> Iterator[tuple[str, int]]:
    server = SoftHsmServer(("127.0.0.1", 0), hsm, LINK_KEY, fail, delay)
    with server.running() as port:
        yield "127.0.0.1", port


@contextmanager
def connected(
    address: tuple[str, int],
    *,
    link_key: bytes = LINK_KEY,
    timeout: float = PATIENT,
    retries: int = 0,
    rest: float = 0.0,
) -> Iterator[RemoteCardHsm]:
    remote = RemoteCardHsm(address, link_key, timeout=timeout, retries=retries, rest=rest)
    try:
        yield remote
    finally:
        remote.close()


class CountingRelay:
    """Passes bytes on between a host and the HSM, keeps them all, and can spoil the first answers."""

    def __init__(self, target: tuple[str, int], spoil_connections: int = 0) -> None:
        self.target = target
        self.spoil_connections = spoil_connections
        self.seen = bytearray()
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "CountingRelay":
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _start(self, work, *args) -> None:
        thread = threading.Thread(target=work, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                host, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            spoil = self.connections <= self.spoil_connections
            hsm = socket.create_connection(self.target)
            self._start(self._pump, host, hsm, False)
            self._start(self._pump, hsm, host, spoil)

    def _pump(self, source: socket.socket, sink: socket.socket, spoil: bool) -> None:
        with source, suppress(OSError):  # either end may be gone already
            while chunk := source.recv(4096):
                self.seen += chunk
                sink.sendall(chunk[:-1] + bytes((chunk[-1] ^ 1,)) if spoil else chunk)
            sink.shutdown(socket.SHUT_RDWR)


# --- the proofs ---------------------------------------------------------------------------------------------------


def test_the_answer_of_the_card_is_accepted(store, hsm):
    keys = development_root_keys(store).diversify(CARD.historical_bytes, CARD.region)
    hsm.verify_internal_authentication(CARD, CHALLENGE, card_keys.internal_authentication(keys.internal, CHALLENGE))


@pytest.mark.parametrize(
    "other",
    [
        CardKeyReference("3.0", "990200", CARD.historical_bytes),
        CardKeyReference("3.0", "980100", CARD.historical_bytes),
        CardKeyReference("3.0", CARD.region, bytes(range(1, 14))),
    ],
)
def test_the_answer_of_another_card_is_refused(store, hsm, other):
    keys = development_root_keys(store).diversify(CARD.historical_bytes, CARD.region)
    answer = card_keys.internal_authentication(keys.internal, CHALLENGE)
    with pytest.raises(CardNotAuthentic):
        hsm.verify_internal_authentication(other, CHALLENGE, answer)


@pytest.mark.parametrize("answer", [b"", bytes(8), bytes(7), bytes(9)])
def test_an_answer_that_is_no_proof_is_refused(hsm, answer):
    with pytest.raises(CardNotAuthentic):
        hsm.verify_internal_authentication(CARD, CHALLENGE, answer)


def test_an_answer_to_another_challenge_is_refused(store, hsm):
    keys = development_root_keys(store).diversify(CARD.historical_bytes, CARD.region)
    answer = card_keys.internal_authentication(keys.internal, CHALLENGE)
    with pytest.raises(CardNotAuthentic):
        hsm.verify_internal_authentication(CARD, CHALLENGE[::-1], answer)


def test_the_external_proof_is_made_with_the_read_key_over_the_cards_random_bytes(store, hsm):
    keys = development_root_keys(store).diversify(CARD.historical_bytes, CARD.region)
    proof, data = hsm.external_authentication(CARD, CARD_RANDOM)
    assert proof == card_keys.external_authentication(keys.read, CARD_RANDOM, data)


def test_two_external_proofs_differ(hsm):
    assert hsm.external_authentication(CARD, CARD_RANDOM) != hsm.external_authentication(CARD, CARD_RANDOM)


def test_an_unknown_generation_is_refused(hsm):
    with pytest.raises(HsmRefused, match="unknown_generation"):
        hsm.external_authentication(CardKeyReference("9.0", "990100", bytes(13)), CARD_RANDOM)


@pytest.mark.parametrize("length", [0, 7, 9, 16])
def test_a_random_number_of_another_length_is_refused(hsm, length):
    with pytest.raises(HsmRefused, match="random_length"):
        hsm.external_authentication(CARD, bytes(length))


@pytest.mark.parametrize("length", [0, 8, 15, 17])
def test_a_challenge_of_another_length_is_refused(hsm, length):
    with pytest.raises(HsmRefused, match="challenge_length"):
        hsm.verify_internal_authentication(CARD, bytes(length), bytes(8))


@pytest.mark.parametrize(
    ("generation", "region", "historical"),
    [("3", "990100", bytes(13)), ("3.0", "99010", bytes(13)), ("3.0", "９９0100", bytes(13)), ("3.0", "990100", b"")],
)
def test_a_reference_of_another_shape_is_no_reference(generation, region, historical):
    with pytest.raises(ValueError, match=r"needed|has 13"):
        CardKeyReference(generation, region, historical)


# --- never in production ------------------------------------------------------------------------------------------


def test_the_software_hsm_does_not_run_in_production(store):
    with pytest.raises(DevelopmentOnly):
        SoftCardHsm(store, "production")


def test_the_software_hsm_refuses_a_key_store_of_production():
    store = MemoryKeyStore("production")
    with pytest.raises(DevelopmentOnly):
        create_root_keys(store)
    with pytest.raises(DevelopmentOnly):
        development_root_keys(store)
    with pytest.raises(DevelopmentOnly):
        SoftCardHsm(store, "development")


def test_the_software_hsm_warns_when_it_starts(store, caplog):
    SoftCardHsm(store, "development")
    assert "not for production" in caplog.text


def test_a_key_store_without_root_keys_is_refused():
    with pytest.raises(KeyNotFound):
        SoftCardHsm(MemoryKeyStore(), "development")


def test_root_keys_are_drawn_once(store):
    before = development_root_keys(store)
    create_root_keys(store)
    assert development_root_keys(store) == before
    assert "internal" not in repr(before)


# --- over the wire ------------------------------------------------------------------------------------------------


def test_the_remote_hsm_gives_the_same_answers(store, hsm):
    keys = development_root_keys(store).diversify(CARD.historical_bytes, CARD.region)
    with serving(hsm) as address, connected(address) as remote:
        answer = card_keys.internal_authentication(keys.internal, CHALLENGE)
        remote.verify_internal_authentication(CARD, CHALLENGE, answer)
        proof, data = remote.external_authentication(CARD, CARD_RANDOM)
        assert proof == card_keys.external_authentication(keys.read, CARD_RANDOM, data)
        assert remote.health() == hsm.health()


def test_a_card_that_is_not_authentic_is_told_apart_from_an_hsm_that_is_away(hsm):
    with serving(hsm) as address, connected(address) as remote, pytest.raises(CardNotAuthentic):
        remote.verify_internal_authentication(CARD, CHALLENGE, bytes(8))


def test_a_refusal_carries_its_reason_and_is_not_tried_again(hsm):
    with (
        serving(hsm) as address,
        CountingRelay(address) as relay,
        connected(relay.address, retries=3) as remote,
        pytest.raises(HsmRefused, match="random_length"),
    ):
        remote.external_authentication(CARD, b"")
    assert relay.connections == 1


def test_one_link_carries_many_commands(hsm):
    with serving(hsm) as address, CountingRelay(address) as relay, connected(relay.address) as remote:
        for _ in range(20):
            remote.health()
        assert relay.connections == 1


def test_threads_share_one_client(hsm):
    answers = []
    with serving(hsm) as address, connected(address) as remote:
        threads = [threading.Thread(target=lambda: answers.append(remote.health())) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [hsm.health()] * 12


def test_nobody_listening_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = unused.getsockname()
    with connected(address, retries=1) as remote, pytest.raises(HsmUnavailable):
        remote.health()


@pytest.mark.parametrize("fail", [FailMode.HANG, FailMode.GARBLE, FailMode.DROP])
def test_an_hsm_that_does_not_answer_properly_is_unavailable(hsm, fail):
    with serving(hsm, fail) as address, connected(address, timeout=IMPATIENT, retries=1) as remote:
        with pytest.raises(HsmUnavailable):
            remote.verify_internal_authentication(CARD, CHALLENGE, bytes(8))
        with pytest.raises(HsmUnavailable):
            remote.external_authentication(CARD, CARD_RANDOM)
        with pytest.raises(HsmUnavailable):
            remote.health()


def test_an_hsm_that_is_too_slow_is_unavailable(hsm):
    with (
        serving(hsm, FailMode.SLOW, delay=PATIENT) as address,
        connected(address, timeout=IMPATIENT) as remote,
        pytest.raises(HsmUnavailable),
    ):
        remote.health()


def test_an_hsm_that_is_slow_within_the_time_limit_is_waited_for(hsm):
    with serving(hsm, FailMode.SLOW, delay=IMPATIENT) as address, connected(address) as remote:
        assert remote.health() == hsm.health()


def test_an_hsm_that_refuses_everything_is_told_apart(hsm):
    with serving(hsm, FailMode.REFUSE) as address, connected(address) as remote, pytest.raises(HsmRefused):
        remote.health()


@pytest.mark.parametrize(("retries", "connections"), [(0, 1), (1, 2), (4, 5)])
def test_the_number_of_tries_is_one_more_than_the_retries(hsm, retries, connections):
    with serving(hsm, FailMode.DROP) as address, CountingRelay(address) as relay:
        with connected(relay.address, retries=retries) as remote, pytest.raises(HsmUnavailable):
            remote.health()
        assert relay.connections == connections


def test_a_try_that_failed_is_repeated_over_a_new_link(hsm):
    with (
        serving(hsm) as address,
        CountingRelay(address, spoil_connections=2) as relay,
        connected(relay.address, retries=2) as remote,
    ):
        assert remote.health() == hsm.health()
        assert relay.connections == 3


def test_an_hsm_that_was_restarted_is_found_again(hsm):
    with serving(hsm) as address:
        remote = RemoteCardHsm(address, LINK_KEY, timeout=PATIENT, retries=1)
        remote.health()
    restarted = SoftHsmServer(address, hsm, LINK_KEY)
    with restarted.running():
        assert remote.health() == hsm.health()
        remote.close()


def test_one_new_try_is_enough_when_all_idle_links_broke(hsm):
    with serving(hsm) as address:
        client = HostClient(address, LINK_KEY, timeout=PATIENT, retries=1)
        for _ in range(3):
            client._idle.give_back(open_link(address, LINK_KEY, PATIENT))
    with SoftHsmServer(address, hsm, LINK_KEY).running():
        assert client.call(HostCommand.HEALTH)
        client.close()


def answer_one_command(listener: socket.socket, spoil: Callable[[Message], Message]) -> None:
    stream, _ = listener.accept()
    with stream:
        link = accept_link(stream, LINK_KEY, PATIENT)
        link.send(spoil(link.receive(PATIENT)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda message: Message(message.command | 0x80, bytes(8), (b"\0", b"name", b"development")),
        lambda message: Message(0x91, message.request_id, (b"\0", b"name", b"development")),
        lambda message: Message(message.command | 0x80, message.request_id, ()),
        lambda message: Message(message.command | 0x80, message.request_id, (b"\7",)),
        lambda message: Message(message.command | 0x80, message.request_id, (b"\0", b"name")),
    ],
    ids=["another request", "another command", "no outcome", "unknown outcome", "a field too few"],
)
def test_an_answer_that_does_not_fit_its_command_is_not_believed(spoil):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_one_command, args=(listener, spoil))
        thread.start()
        with connected(listener.getsockname()) as remote, pytest.raises(HsmUnavailable):
            remote.health()
        thread.join()


def test_a_running_hsm_can_be_told_to_fail_and_to_recover(hsm):
    with serving(hsm) as address, connected(address) as remote:
        set_fail_mode(address, LINK_KEY, FailMode.DROP)
        with pytest.raises(HsmUnavailable):
            remote.health()
        set_fail_mode(address, LINK_KEY, FailMode.NONE)
        assert remote.health() == hsm.health()


def test_a_silent_hsm_is_left_alone_for_a_moment(hsm):
    with serving(hsm) as address, connected(address, rest=60.0) as remote:
        set_fail_mode(address, LINK_KEY, FailMode.DROP)
        with pytest.raises(HsmUnavailable, match="did not answer:"):
            remote.health()
        set_fail_mode(address, LINK_KEY, FailMode.NONE)
        with pytest.raises(HsmUnavailable, match="a moment ago"):
            remote.health()


def test_a_host_with_the_wrong_link_key_gets_no_answer(hsm):
    with (
        serving(hsm) as address,
        connected(address, link_key=LINK_KEY[::-1]) as remote,
        pytest.raises(HsmUnavailable),
    ):
        remote.health()


def test_an_hsm_with_the_wrong_link_key_is_not_believed(hsm):
    impostor = SoftHsmServer(("127.0.0.1", 0), hsm, LINK_KEY[::-1])
    with (
        impostor.running() as port,
        connected(("127.0.0.1", port)) as remote,
        pytest.raises(HsmUnavailable, match=r"MAC|closed"),
    ):
        remote.health()


def test_a_recorded_session_cannot_be_played_to_the_hsm_again(hsm):
    with serving(hsm) as address, CountingRelay(address) as relay:
        recorded = bytearray()
        with connected(relay.address) as remote:
            remote.external_authentication(CARD, CARD_RANDOM)
            recorded += relay.seen
        with socket.create_connection(address) as replay:
            greeting_length = 2 + int.from_bytes(recorded[:2], "big")
            replay.sendall(recorded[:greeting_length])
            Link(replay, LINK_KEY, b"C", b"S")._exactly(greeting_length, None)
            replay.sendall(recorded[2 * greeting_length :])
            assert replay.recv(1) == b""


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (HostCommand.EXTERNAL_AUTHENTICATION, ()),
        (HostCommand.EXTERNAL_AUTHENTICATION, (b"3.0", b"990100", bytes(13))),
        (HostCommand.EXTERNAL_AUTHENTICATION, (b"3.0", b"\xff", bytes(13), bytes(8))),
        (HostCommand.VERIFY_INTERNAL_AUTHENTICATION, (b"3.0", b"990100", bytes(13), bytes(16))),
        (HostCommand.CONTROL, (b"explode",)),
    ],
)
def test_a_command_with_the_wrong_fields_is_refused(hsm, command, fields):
    with serving(hsm) as address:
        client = HostClient(address, LINK_KEY, timeout=PATIENT)
        with pytest.raises(HsmRefused, match="malformed_command"):
            client.call(command, *fields)
        client.close()


def test_keys_never_cross_the_wire(store, hsm):
    root = development_root_keys(store)
    region_keys = [card_keys.derive(root.internal, b"990000sh"), card_keys.derive(root.read, b"990000sh")]
    own = root.diversify(CARD.historical_bytes, CARD.region)
    right = card_keys.internal_authentication(own.internal, CHALLENGE)
    with serving(hsm) as address, CountingRelay(address) as relay, connected(relay.address) as remote:
        with pytest.raises(CardNotAuthentic):
            remote.verify_internal_authentication(CARD, CHALLENGE, bytes(8))
        remote.external_authentication(CARD, CARD_RANDOM)
        seen = bytes(relay.seen)
    assert CARD.historical_bytes in seen
    assert right not in seen
    for key in (root.internal, root.read, own.internal, own.read, *region_keys, LINK_KEY):
        assert key not in seen


# --- frames -------------------------------------------------------------------------------------------------------


@given(st.integers(0, 255), st.binary(min_size=8, max_size=8), st.lists(st.binary(max_size=60), max_size=8))
def test_every_message_reads_back(command, request_id, fields):
    message = Message(command, request_id, tuple(fields))
    assert read_body(write_body(message)) == message


@given(st.binary(max_size=120))
def test_no_body_breaks_the_reader(body):
    try:
        message = read_body(body)
    except LinkBroken:
        return
    assert write_body(message) == body


@given(st.data())
def test_any_flipped_bit_of_a_frame_is_refused(data):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Link(ours, LINK_KEY, b"C", b"S").send(Message(HostCommand.HEALTH, bytes(8), (b"field",)))
        frame = bytearray(theirs.recv(4096))
        bit = data.draw(st.integers(16, len(frame) * 8 - 1))  # the length itself may only make it wait
        frame[bit // 8] ^= 1 << bit % 8
        ours.sendall(frame)
        with pytest.raises(LinkBroken):
            Link(theirs, LINK_KEY, b"S", b"C").receive(PATIENT)


def test_a_frame_cannot_be_repeated():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Link(ours, LINK_KEY, b"C", b"S").send(Message(HostCommand.HEALTH, bytes(8), ()))
        frame = theirs.recv(4096)
        ours.sendall(frame + frame)
        receiver = Link(theirs, LINK_KEY, b"S", b"C")
        receiver.receive(PATIENT)
        with pytest.raises(LinkBroken):
            receiver.receive(PATIENT)


def test_a_frame_cannot_be_sent_back_to_its_sender():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = Link(ours, LINK_KEY, b"C", b"S")
        link.send(Message(HostCommand.HEALTH, bytes(8), ()))
        theirs.sendall(theirs.recv(4096))
        with pytest.raises(LinkBroken):
            link.receive(PATIENT)


@pytest.mark.parametrize("given_key", ["", "00" * 31, "00" * 33, "zz" * 32])
def test_a_link_key_is_32_bytes_in_hexadecimal(given_key):
    with pytest.raises(ValueError, match=r"link key|hexadecimal"):
        read_link_key(given_key)


# --- the process --------------------------------------------------------------------------------------------------


@pytest.fixture
def key_directory(tmp_path):
    directory = tmp_path / "keys"
    create_file_store(directory, "a secret of this test", "development")
    return directory


def process_environment(**changes: str) -> dict[str, str]:
    secret = {"ECARD_KEYSTORE_SECRET": "a secret of this test", "ECARD_CARD_HSM_LINK_KEY": LINK_KEY.hex()}
    return {name: value for name, value in os.environ.items() if not name.startswith("ECARD_")} | secret | changes


def test_the_process_tells_its_port_serves_and_ends_at_sigterm(key_directory):
    process = subprocess.Popen(
        [sys.executable, "-m", "physical.soft_hsm", "--keys", str(key_directory), "--create-keys"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=PROJECT,
        env=process_environment(),
        text=True,
    )
    with process:
        try:
            port = json.loads(process.stdout.readline())["port"]
            with connected(("127.0.0.1", port)) as remote:
                assert remote.health().environment == "development"
                assert len(remote.external_authentication(CARD, secrets.token_bytes(8)).authentication) == 8
                process.send_signal(signal.SIGTERM)
                assert process.wait(PATIENT) == 0
        finally:
            process.kill()


def test_the_process_refuses_to_start_in_production(key_directory):
    outcome = CliRunner().invoke(
        main, ["--keys", str(key_directory)], env=process_environment(ECARD_ENVIRONMENT="production")
    )
    assert outcome.exit_code == 1
    assert "production" in outcome.output


def test_the_process_refuses_keys_of_production(tmp_path):
    store = create_file_store(tmp_path / "keys", "a secret of this test", "production")
    for name in ROOT_KEY_NAMES.values():
        store.create(name, "ministry", "sm4")
    outcome = CliRunner().invoke(main, ["--keys", str(tmp_path / "keys")], env=process_environment())
    assert outcome.exit_code == 1
    assert "production" in outcome.output


@pytest.mark.parametrize(
    "changes",
    [{"ECARD_KEYSTORE_SECRET": "another secret"}, {"ECARD_CARD_HSM_LINK_KEY": "short"}],
)
def test_the_process_refuses_wrong_secrets_in_one_line(key_directory, changes):
    arguments = ["--keys", str(key_directory), "--create-keys"]
    outcome = CliRunner().invoke(main, arguments, env=process_environment(**changes))
    assert outcome.exit_code == 1
    assert len(outcome.output.strip().splitlines()) == 1
