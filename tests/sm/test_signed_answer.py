"""The header of a signed answer as its receiver reads it: one form, and good for one request alone."""

import pytest

from sm.errors import InvalidSignature, Malformed
from sm.providers import open_provider
from sm.signed_answer import answer_base_string, read_answer_header, sign_answer, verify_answer
from sm.sm2 import PrivateKey

ANSWER = {"status": 200, "target": "/essc?v=1", "body": b'{"phone_agrees":true}'}
NONCE = "0123456789abcdef"


@pytest.fixture(scope="module")
def signer():
    return open_provider().signer(PrivateKey(b"\7" * 32))


@pytest.fixture
def header(signer):
    return sign_answer(signer, serial_no="5f1c", timestamp=1_767_225_600, nonce=NONCE, **ANSWER)


def test_what_was_signed_is_read_and_verified(signer, header):
    read = read_answer_header(header)
    assert (read.serial_no, read.timestamp, read.nonce) == ("5f1c", 1_767_225_600, NONCE)
    verify_answer(open_provider().verifier(signer.public_key), read, **ANSWER)


@pytest.mark.parametrize("change", [{"status": 201}, {"target": "/essc?v=2"}, {"body": b'{"phone_agrees":false}'}])
def test_another_answer_is_not_proven(signer, header, change):
    with pytest.raises(InvalidSignature):
        verify_answer(open_provider().verifier(signer.public_key), read_answer_header(header), **ANSWER | change)


def test_what_is_signed_is_five_lines_and_begins_with_digits_as_no_request_does():
    assert answer_base_string(200, "/a?b", 1, NONCE, b"{}") == b"200\n/a?b\n1\n0123456789abcdef\n{}\n"


SPOILT = {
    "nothing": lambda _given: "",
    "a comma at the end": lambda given: given + ",",
    "a field more": lambda given: given + ',app_id="x"',
    "a field twice": lambda given: given + f',nonce="{NONCE}"',
    "a space between": lambda given: given.replace(",", ", "),
    "a field less": lambda given: given.replace('serial_no="5f1c",', ""),
    "a space in a serial": lambda given: given.replace("5f1c", "5f 1c"),
    "a time spelt otherwise": lambda given: given.replace("1767225600", "01767225600"),
    "a short nonce": lambda given: given.replace(NONCE, "short"),
    "a scheme before it": lambda given: "ESSC-SM2-SM3 " + given,
    "other quotes": lambda given: given.replace('="', "='").replace('"', "'"),
    "too long": lambda given: given + " " * 512,
}


@pytest.mark.parametrize("name", SPOILT)
def test_every_other_form_is_malformed(header, name):
    with pytest.raises(Malformed):
        read_answer_header(SPOILT[name](header))
