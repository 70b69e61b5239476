import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm.der import signature_to_der
from sm.errors import InvalidSignature, Malformed
from sm.providers import open_provider
from sm.signed_request import SignedHeader, base_string, read_header, sign_request, verify_request
from sm.sm2 import N, PrivateKey

REQUEST = {"method": "POST", "target": "/v1/redemptions?dry=1", "body": b'{"code":"123"}'}
STAMP = {"timestamp": 1_767_225_600, "nonce": "0123456789abcdef0123456789abcdef"}
WHO = {"app_id": "trm_1", "serial_no": "5157F09EFDC096DE"}


@pytest.fixture(scope="module")
def provider():
    return open_provider()


@pytest.fixture(scope="module")
def signer(provider):
    return provider.signer(PrivateKey(b"\7" * 32))


@pytest.fixture(scope="module")
def verifier(provider, signer):
    return provider.verifier(signer.public_key)


def test_the_base_string_is_five_lines_as_received():
    assert base_string("POST", "/v1/a?b=%2f", 5, "n" * 16, b"{}") == b"POST\n/v1/a?b=%2f\n5\nnnnnnnnnnnnnnnnn\n{}\n"
    assert base_string("GET", "/", 0, "n" * 16, b"") == b"GET\n/\n0\nnnnnnnnnnnnnnnnn\n\n"
    assert base_string("PUT", "/", 0, "n" * 16, b"\n\xff").endswith(b"nnnn\n\n\xff\n")


@pytest.mark.parametrize(
    "change",
    [
        {"method": "post"},
        {"method": ""},
        {"method": "GET\nX"},
        {"target": ""},
        {"target": "v1"},
        {"target": "/a b"},
        {"target": "/a\nb"},
        {"target": "/a\r"},
        {"target": "/药"},
        {"timestamp": -1},
        {"timestamp": 10**12},
        {"nonce": "short"},
        {"nonce": "n" * 65},
        {"nonce": "n" * 15 + "\n"},
    ],
)
def test_a_base_string_holds_no_line_end_before_the_body(change):
    parts = {"method": "GET", "target": "/", "timestamp": 0, "nonce": "n" * 16, "body": b""} | change
    with pytest.raises(Malformed):
        base_string(**parts)


def test_a_signed_request_is_read_and_verified(signer, verifier):
    header = read_header(sign_request(signer, **WHO, **REQUEST, **STAMP))
    assert (header.app_id, header.serial_no) == (WHO["app_id"], WHO["serial_no"])
    assert (header.timestamp, header.nonce) == (STAMP["timestamp"], STAMP["nonce"])
    verify_request(verifier, header, **REQUEST)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"target": "/v1/redemptions"},
        {"target": "/v1/redemptions?dry=1&"},
        {"body": b'{"code":"124"}'},
        {"body": b'{"code":"123"}\n'},
        {"body": b""},
    ],
)
def test_another_request_is_not_proved(signer, verifier, change):
    header = read_header(sign_request(signer, **WHO, **REQUEST, **STAMP))
    with pytest.raises(InvalidSignature):
        verify_request(verifier, header, **REQUEST | change)


def test_another_time_or_nonce_is_not_proved(signer, verifier):
    header = sign_request(signer, **WHO, **REQUEST, **STAMP)
    for old, new in (("1767225600", "1767225601"), ("abcdef0", "abcdef1")):
        assert old in header
        with pytest.raises(InvalidSignature):
            verify_request(verifier, read_header(header.replace(old, new)), **REQUEST)


def test_the_parts_of_two_requests_cannot_be_shifted_into_one_another():
    assert base_string("GET", "/a", 1, "n" * 16, b"1\nx") != base_string("GET", "/a", 1, "n" * 16, b"1\n\nx")


def spelled(signature):
    return base64.b64encode(signature_to_der(signature)).decode()


FIELDS = {
    "app_id": "trm_1",
    "serial_no": "5157",
    "timestamp": "1767225600",
    "nonce": "0123456789abcdef",
    "signature": spelled(b"\1" * 64),
}


def header_of(fields, scheme="ESSC-SM2-SM3", comma=","):
    return f"{scheme} " + comma.join(f'{name}="{value}"' for name, value in fields.items())


def test_the_fields_may_come_in_any_order():
    backwards = dict(reversed(FIELDS.items()))
    assert read_header(header_of(backwards)) == read_header(header_of(FIELDS))
    assert read_header(header_of(FIELDS)) == SignedHeader("trm_1", "5157", 1767225600, "0123456789abcdef", b"\1" * 64)


SHORT = spelled(b"\0" * 3 + b"\1" * 61)  # 67 bytes of DER: the last character has four bits to spare

HOSTILE = {
    "empty": "",
    "the scheme alone": "ESSC-SM2-SM3",
    "the scheme and a space": "ESSC-SM2-SM3 ",
    "another scheme": header_of(FIELDS, "Bearer"),
    "the scheme in another case": header_of(FIELDS, "essc-sm2-sm3"),
    "two spaces": header_of(FIELDS, "ESSC-SM2-SM3 "),
    "a space after the comma": header_of(FIELDS, comma=", "),
    "two commas": header_of(FIELDS, comma=",,"),
    "a comma at the end": header_of(FIELDS) + ",",
    "a line end": header_of(FIELDS) + "\n",
    "a doubled field": header_of(FIELDS) + ',app_id="trm_2"',
    "a doubled field, alike": header_of(FIELDS) + ',app_id="trm_1"',
    "an unknown field": header_of(FIELDS | {"alg": "none"}),
    "a field in another case": header_of(FIELDS).replace("nonce", "Nonce"),
    "no quotes": header_of(FIELDS).replace('"', ""),
    "single quotes": header_of(FIELDS).replace('"', "'"),
    "an escaped quote": header_of(FIELDS | {"app_id": 'a\\"b'}),
    "spaces around =": header_of(FIELDS).replace("=", " = ", 1),
    "an empty app": header_of(FIELDS | {"app_id": ""}),
    "a long app": header_of(FIELDS | {"app_id": "a" * 65}),
    "an app with a slash": header_of(FIELDS | {"app_id": "../x"}),
    "an app in wide letters": header_of(FIELDS | {"app_id": "ａpp"}),
    "a serial with a line end": header_of(FIELDS | {"serial_no": "51\n57"}),
    "a time with a sign": header_of(FIELDS | {"timestamp": "+1767225600"}),
    "a negative time": header_of(FIELDS | {"timestamp": "-1"}),
    "a time with a zero before": header_of(FIELDS | {"timestamp": "01767225600"}),
    "a time with an underscore": header_of(FIELDS | {"timestamp": "1_767"}),
    "a time with a fraction": header_of(FIELDS | {"timestamp": "1767225600.0"}),
    "a time in other digits": header_of(FIELDS | {"timestamp": "١٧٦٧"}),
    "a huge time": header_of(FIELDS | {"timestamp": "9" * 13}),
    "a short nonce": header_of(FIELDS | {"nonce": "0123456789abcde"}),
    "a long nonce": header_of(FIELDS | {"nonce": "n" * 65}),
    "a signature that is not base64": header_of(FIELDS | {"signature": "!" * 20}),
    "a signature in base64url": header_of(FIELDS | {"signature": "-_" * 20}),
    "a signature without padding": header_of(FIELDS | {"signature": SHORT.rstrip("=")}),
    "a signature in another spelling": header_of(FIELDS | {"signature": SHORT[:-3] + chr(ord(SHORT[-3]) + 1) + "=="}),
    "a raw signature": header_of(FIELDS | {"signature": base64.b64encode(b"\1" * 64).decode()}),
    "a signature out of range": header_of(FIELDS | {"signature": spelled(N.to_bytes(32, "big") + b"\1" * 32)}),
    "a signature with s = 0": header_of(FIELDS | {"signature": spelled(b"\1" * 32 + bytes(32))}),
    "an empty signature": header_of(FIELDS | {"signature": ""}),
    "a huge header": header_of(FIELDS) + " " * 1000,
} | {f"without {name}": header_of({k: v for k, v in FIELDS.items() if k != name}) for name in FIELDS}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_refused(name):
    with pytest.raises(Malformed):
        read_header(HOSTILE[name])


def test_the_short_signature_of_the_hostile_rows_is_itself_accepted():
    assert SHORT.endswith("==")
    assert read_header(header_of(FIELDS | {"signature": SHORT}))


pieces = st.sampled_from([*FIELDS, *FIELDS.values(), '"', "=", ",", " ", "\n", "ESSC-SM2-SM3 ", "0", "é"])


@given(
    st.one_of(st.text(max_size=600), st.lists(pieces, max_size=40).map(lambda parts: "ESSC-SM2-SM3 " + "".join(parts)))
)
def test_no_text_breaks_the_header_reader(given_text):
    try:
        header = read_header(given_text)
    except Malformed:
        return
    assert len(header.signature) == 64


@given(st.integers(0, 300), st.characters())
def test_a_changed_character_is_refused_or_read_as_what_it_is(position, character):
    text = header_of(FIELDS)
    changed = text[:position] + character + text[position + 1 :]
    try:
        header = read_header(changed)
    except Malformed:
        return
    read = {"app_id": header.app_id, "serial_no": header.serial_no, "timestamp": str(header.timestamp)}
    assert header_of(read | {"nonce": header.nonce, "signature": spelled(header.signature)}) == changed


@pytest.mark.parametrize("change", [{"app_id": "a b"}, {"app_id": ""}, {"serial_no": 'x"'}, {"nonce": "short"}])
def test_no_header_is_made_that_would_not_be_read(signer, change):
    with pytest.raises(Malformed):
        sign_request(signer, **WHO | REQUEST | STAMP | change)
