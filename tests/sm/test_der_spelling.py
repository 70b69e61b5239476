import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm.der import (
    export_pkcs8,
    export_spki,
    import_pkcs8,
    import_spki,
    read_base64,
    read_der_signature,
    read_pem,
    signature_to_der,
    write_pem,
)
from sm.errors import InvalidKey, InvalidSignature, Malformed
from sm.sm2 import N, PrivateKey

# GM/T 0003.5, annex A.2
PUBLIC_KEY = bytes.fromhex(
    "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
PRIVATE_KEY = PrivateKey(bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8"))

sizes = st.integers(1, 256)
numbers = sizes.flatmap(lambda bits: st.integers(1, min(2**bits, N) - 1))
signatures = (
    st.tuples(numbers, numbers)
    .filter(lambda rs: sum(rs) != N)
    .map(lambda rs: b"".join(number.to_bytes(32, "big") for number in rs))
)


@st.composite
def damaged(draw, spellings):
    """One valid spelling with one to three bytes changed, removed or put in."""
    spelling = bytearray(draw(spellings))
    for _ in range(draw(st.integers(1, 3))):
        position = draw(st.integers(0, len(spelling) - 1))
        spelling[position : position + draw(st.integers(0, 1))] = draw(st.binary(max_size=2))
    return bytes(spelling)


@given(signatures)
def test_a_signature_survives_der(signature):
    der = signature_to_der(signature)
    assert len(der) <= 72
    assert read_der_signature(der) == signature


@pytest.mark.parametrize(
    ("r", "s", "der"),
    [
        (1, 1, "3006020101020101"),
        (0x7F, 0x80, "300702017f02020080"),
        (0xFF, 0x100, "3008020200ff02020100"),
        (N - 1, 2, f"3026022100{N - 1:064x}020102"),
    ],
)
def test_small_and_large_numbers_have_the_minimal_spelling(r, s, der):
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert signature_to_der(raw).hex() == der
    assert read_der_signature(bytes.fromhex(der)) == raw


@given(st.one_of(st.binary(max_size=80), damaged(signatures.map(signature_to_der))))
def test_no_bytes_break_the_signature_reader_and_none_is_a_second_spelling(scanned):
    try:
        signature = read_der_signature(scanned)
    except (Malformed, InvalidSignature):
        return
    assert signature_to_der(signature) == scanned


def test_a_public_key_survives_spki():
    assert import_spki(export_spki(PUBLIC_KEY)) == PUBLIC_KEY
    assert export_spki(b"\x04" + PUBLIC_KEY) == export_spki(PUBLIC_KEY)


@given(st.one_of(st.binary(max_size=100), damaged(st.just(export_spki(PUBLIC_KEY)))))
def test_no_bytes_break_the_public_key_reader_and_none_is_a_second_spelling(scanned):
    try:
        public_key = import_spki(scanned)
    except (Malformed, InvalidKey):
        return
    assert export_spki(public_key) == scanned


@given(st.integers(1, N - 2))
def test_a_private_key_survives_pkcs8(scalar):
    private_key = PrivateKey(scalar.to_bytes(32, "big"))
    assert import_pkcs8(export_pkcs8(private_key)) == private_key


HEAD = bytes.fromhex("020100301306072a8648ce3d020106082a811ccf5501822d")
SCALAR = bytes.fromhex("0201010420") + PRIVATE_KEY.secret_bytes()
CURVE = bytes.fromhex("a00a06082a811ccf5501822d")
POINT = bytes.fromhex("a14403420004") + PUBLIC_KEY


def wrapped(tag, body):
    length = bytes((len(body),)) if len(body) < 128 else bytes((0x81, len(body)))
    return bytes((tag,)) + length + body


def pkcs8(inner, head=HEAD):
    return wrapped(0x30, head + wrapped(0x04, wrapped(0x30, inner)))


@pytest.mark.parametrize("options", [b"", CURVE, POINT, CURVE + POINT])
def test_the_optional_parts_of_a_private_key_may_be_there(options):
    assert import_pkcs8(pkcs8(SCALAR + options)) == PRIVATE_KEY


HOSTILE_PKCS8 = {
    "empty": b"",
    "the scalar alone": PRIVATE_KEY.secret_bytes(),
    "RFC 5915 without its wrapping": wrapped(0x30, SCALAR + CURVE),
    "a byte after the end": pkcs8(SCALAR) + b"\0",
    "cut by one": pkcs8(SCALAR)[:-1],
    "version 1 outside": pkcs8(SCALAR, b"\x02\x01\x01" + HEAD[3:]),
    "another curve": pkcs8(SCALAR, bytes.fromhex("020100301306072a8648ce3d020106082a8648ce3d030107")),
    "another curve inside": pkcs8(SCALAR + bytes.fromhex("a00a06082a8648ce3d030107")),
    "version 0 inside": pkcs8(b"\x02\x01\x00" + SCALAR[3:]),
    "a scalar of 31 bytes": pkcs8(bytes.fromhex("020101041f") + b"\1" * 31),
    "a scalar of 33 bytes": pkcs8(bytes.fromhex("0201010421") + b"\1" * 33),
    "scalar zero": pkcs8(bytes.fromhex("0201010420") + bytes(32)),
    "scalar n - 1": pkcs8(bytes.fromhex("0201010420") + (N - 1).to_bytes(32, "big")),
    "an unknown option": pkcs8(SCALAR + b"\xa2\x00"),
    "the options in the wrong order": pkcs8(SCALAR + POINT + CURVE),
    "a point that is compressed": pkcs8(SCALAR + bytes.fromhex("a12403220002") + PUBLIC_KEY[:32]),
    "a point off the curve": pkcs8(SCALAR + POINT[:-1] + b"\x14"),
    "a short length in long form": wrapped(0x30, b"")[:1] + b"\x81\x41" + pkcs8(SCALAR)[2:],
    "a length in two bytes": b"\x30\x82\x00\x41" + pkcs8(SCALAR)[2:],
    "an indefinite length": b"\x30\x80" + pkcs8(SCALAR)[2:] + b"\0\0",
}


@pytest.mark.parametrize("name", HOSTILE_PKCS8)
def test_hostile_private_keys_are_refused(name):
    with pytest.raises((Malformed, InvalidKey)):
        import_pkcs8(HOSTILE_PKCS8[name])


@given(st.one_of(st.binary(max_size=100), damaged(st.just(pkcs8(SCALAR + CURVE + POINT)))))
def test_no_bytes_break_the_private_key_reader(scanned):
    try:
        import_pkcs8(scanned)
    except (Malformed, InvalidKey):
        return


@given(st.binary(min_size=1, max_size=300))
def test_der_survives_pem(der):
    text = write_pem("PUBLIC KEY", der)
    assert all(len(line) <= 64 for line in text.splitlines())
    assert read_pem("PUBLIC KEY", text) == der
    assert read_pem("PUBLIC KEY", text.replace("\n", "\r\n")) == der


PEM = write_pem("PUBLIC KEY", export_spki(PUBLIC_KEY))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN PUBLIC KEY-----",
        PEM.replace("PUBLIC", "PRIVATE"),
        PEM + PEM,
        "words before\n" + PEM,
        PEM + "words after",
        PEM.replace("-----END PUBLIC KEY-----", ""),
        PEM.replace("MF", "M!"),
        PEM.replace("\n-----END", "\nAAAA=\n-----END"),
        PEM + " " * 70_000,
    ],
)
def test_other_texts_are_not_one_pem_block(text):
    with pytest.raises(Malformed):
        read_pem("PUBLIC KEY", text)


@given(st.text(max_size=400))
def test_no_text_breaks_the_pem_reader(text):
    with pytest.raises(Malformed):
        read_pem("PUBLIC KEY", text)


@given(st.one_of(st.text(max_size=30), st.text("AZaz09+/=", max_size=30)))
def test_no_text_breaks_the_base64_reader_and_none_is_a_second_spelling(text):
    try:
        decoded = read_base64(text)
    except Malformed:
        return
    assert base64.b64encode(decoded).decode() == text
