"""What one client signs the other one and the service verify: keys, signatures and messages are spelled alike."""

import base64
from collections.abc import Iterator

import pytest
from ecard_client import sm2

from sm.der import import_pkcs8, read_der_signature, read_pem
from tests.clients.speakers import Failed, InTypeScript
from tests.service import PROVIDER


@pytest.fixture(scope="module")
def typescript() -> Iterator[InTypeScript]:
    speaking = InTypeScript()
    yield speaking
    speaking.close()


def test_a_key_drawn_in_typescript_is_read_by_all(typescript):
    drawn = typescript.ask("draw")
    assert sm2.read_key(drawn["pem"].encode()).public_key.hex() == drawn["publicKey"]
    ours = PROVIDER.signer(import_pkcs8(read_pem("PRIVATE KEY", drawn["pem"].rstrip("\n") + "\n")))
    assert ours.public_key.hex() == drawn["publicKey"]


@pytest.mark.parametrize("message", ["", "a", "一行\n又一行\n"])
def test_what_typescript_signs_python_and_the_service_verify(typescript, message):
    key = sm2.draw_key()
    signature = base64.b64decode(typescript.ask("sign", key=key.write_pem().decode(), message=message))
    sm2.verify(key.public_key, message.encode(), signature)
    PROVIDER.verifier(key.public_key).verify(message.encode(), read_der_signature(signature))


def test_what_python_signs_typescript_verifies(typescript):
    key = sm2.draw_key()
    signed = base64.b64encode(key.sign(b"message")).decode()
    given = {"publicKey": key.public_key.hex(), "signature": signed}
    assert typescript.ask("verify", message="message", **given) == "holds"
    with pytest.raises(Failed, match="NotProven"):
        typescript.ask("verify", message="another", **given)


def with_long_length(der: bytes) -> bytes:
    return der[:1] + b"\x81" + der[1:]


def with_leading_zero(der: bytes) -> bytes:
    return bytes((0x30, der[1] + 1, 0x02, der[3] + 1, 0)) + der[4:]


def with_more_behind(der: bytes) -> bytes:
    return der + b"\0"


@pytest.mark.parametrize("spell", [with_long_length, with_leading_zero, with_more_behind])
def test_a_signature_has_no_second_spelling(typescript, spell):
    key = sm2.draw_key()
    second = spell(key.sign(b"message"))
    with pytest.raises(sm2.NotProven):
        sm2.verify(key.public_key, b"message", second)
    with pytest.raises(Failed, match="NotProven"):
        given = {"publicKey": key.public_key.hex(), "signature": base64.b64encode(second).decode()}
        typescript.ask("verify", message="message", **given)


@pytest.mark.parametrize("number", [0, sm2._N])
def test_numbers_out_of_range_are_no_signature(typescript, number):
    key = sm2.draw_key()
    digits = number.to_bytes(33, "big").lstrip(b"\0") or b"\0"
    written = b"\x02" + bytes((len(digits) + (digits[0] >> 7),)) + b"\0" * (digits[0] >> 7) + digits
    der = bytes((0x30, 2 * len(written))) + written * 2
    with pytest.raises(sm2.NotProven):
        sm2.verify(key.public_key, b"message", der)
    with pytest.raises(Failed, match="NotProven"):
        given = {"publicKey": key.public_key.hex(), "signature": base64.b64encode(der).decode()}
        typescript.ask("verify", message="message", **given)
