"""What must never be believed: each row was accepted, or fatal, in some implementation."""

import ast
import base64
from pathlib import Path

import pytest

from sm.der import import_spki, read_base64, read_der_signature, signature_to_der
from sm.errors import InvalidKey, InvalidSignature, Malformed, SmError
from sm.providers import open_provider
from sm.sm2 import GX, GY, A, B, N, P, message_digest, read_public_key, read_signature

# GM/T 0003.5, annex A.2
PUBLIC_KEY = bytes.fromhex(
    "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
SIGNATURE = bytes.fromhex(
    "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
    "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
)
MESSAGE = b"message digest"
R, S = SIGNATURE[:32], SIGNATURE[32:]
R_NUMBER, S_NUMBER = int.from_bytes(R, "big"), int.from_bytes(S, "big")
TOP = 2**256 - 1


def pair(r, s):
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def flipped(position, bit):
    changed = bytearray(SIGNATURE)
    changed[position] ^= 1 << bit
    return bytes(changed)


@pytest.fixture(scope="module", params=["openssl", "gmssl"])
def provider(request):
    return open_provider(request.param)


@pytest.fixture(scope="module")
def verifier(provider):
    return provider.verifier(PUBLIC_KEY)


HOSTILE_SIGNATURES = {
    "empty": b"",
    "one byte": b"\1",
    "r alone": R,
    "63 bytes": SIGNATURE[:-1],
    "63 bytes, the first one cut": SIGNATURE[1:],
    "65 bytes: valid and a zero": SIGNATURE + b"\0",
    "65 bytes: valid and junk": SIGNATURE + b"\x2a",
    "65 bytes: a zero before": b"\0" + SIGNATURE,
    "66 bytes: a zero before r and before s": b"\0" + R + b"\0" + S,
    "128 bytes: twice": SIGNATURE * 2,
    "the hexadecimal text": SIGNATURE.hex().encode(),
    "DER where raw is due": signature_to_der(SIGNATURE),
    "r = 0": pair(0, S_NUMBER),
    "s = 0": pair(R_NUMBER, 0),
    "r = s = 0": pair(0, 0),
    "r = n": pair(N, S_NUMBER),
    "s = n": pair(R_NUMBER, N),
    "r = s = n": pair(N, N),
    "r = n + 1": pair(N + 1, S_NUMBER),
    "s = n + 1": pair(R_NUMBER, N + 1),
    "r = p": pair(P, S_NUMBER),
    "s = p": pair(R_NUMBER, P),
    "r = n + 2": pair(N + 2, S_NUMBER),
    "r all ones": pair(TOP, S_NUMBER),
    "s all ones": pair(R_NUMBER, TOP),
    "all ones": b"\xff" * 64,
    "r + s = n": pair(R_NUMBER, N - R_NUMBER),
    "r + s = n around s": pair(N - S_NUMBER, S_NUMBER),
    "r = 1, s = n - 1": pair(1, N - 1),
    "r = n - 1, s = 1": pair(N - 1, 1),
    "r = s = 1": pair(1, 1),
    "r = s = n - 1": pair(N - 1, N - 1),
    "r = 1": pair(1, S_NUMBER),
    "s = 1": pair(R_NUMBER, 1),
    "r = n - 1": pair(N - 1, S_NUMBER),
    "s = n - 1": pair(R_NUMBER, N - 1),
    "s negated, as ECDSA would take it": pair(R_NUMBER, N - S_NUMBER),
    "r negated": pair(N - R_NUMBER, S_NUMBER),
    "both negated": pair(N - R_NUMBER, N - S_NUMBER),
    "r and s swapped": S + R,
    "r twice": R + R,
    "s twice": S + S,
    "r backwards": R[::-1] + S,
    "s backwards": R + S[::-1],
    "r = x of the generator": pair(GX, S_NUMBER),
    "r one more": pair(R_NUMBER + 1, S_NUMBER),
    "s one more": pair(R_NUMBER, S_NUMBER + 1),
    "r one less, s one more": pair(R_NUMBER - 1, S_NUMBER + 1),
} | {f"bit {bit} of byte {byte} flipped": flipped(byte, bit) for byte in (0, 1, 15, 31, 32, 48, 63) for bit in (0, 7)}


@pytest.mark.parametrize("name", HOSTILE_SIGNATURES)
def test_a_hostile_signature_is_refused(verifier, name):
    with pytest.raises(InvalidSignature):
        verifier.verify(MESSAGE, HOSTILE_SIGNATURES[name])


@pytest.mark.parametrize("name", HOSTILE_SIGNATURES)
def test_a_hostile_signature_of_a_digest_is_refused(verifier, name):
    digest = message_digest(b"1234567812345678", PUBLIC_KEY, MESSAGE)
    with pytest.raises(InvalidSignature):
        verifier.verify_digest(digest, HOSTILE_SIGNATURES[name])


HOSTILE_MESSAGES = {
    "empty": b"",
    "cut": MESSAGE[:-1],
    "longer by a zero": MESSAGE + b"\0",
    "longer by a line end": MESSAGE + b"\n",
    "a zero before": b"\0" + MESSAGE,
    "another case": b"Message digest",
    "twice": MESSAGE * 2,
    "the digest in place of the message": message_digest(b"1234567812345678", PUBLIC_KEY, MESSAGE),
}


@pytest.mark.parametrize("name", HOSTILE_MESSAGES)
def test_the_signature_of_another_message_is_refused(verifier, name):
    with pytest.raises(InvalidSignature):
        verifier.verify(HOSTILE_MESSAGES[name], SIGNATURE)


OTHER_USER_IDS = (b"", b"1234567812345677", b"123456781234567", b"12345678123456780", b"ESSC-QR-B1", b"essc-qr-b1")


@pytest.mark.parametrize("user_id", OTHER_USER_IDS)
def test_the_signature_under_another_user_id_is_refused(provider, user_id):
    with pytest.raises(InvalidSignature):
        provider.verifier(PUBLIC_KEY, user_id).verify(MESSAGE, SIGNATURE)


def test_the_signature_by_another_key_is_refused(provider):
    for public_key in (pair(GX, GY), PUBLIC_KEY[:32] + _negated(PUBLIC_KEY[32:])):
        with pytest.raises(InvalidSignature):
            provider.verifier(public_key).verify(MESSAGE, SIGNATURE)


def _negated(y):
    return (P - int.from_bytes(y, "big")).to_bytes(32, "big")


def _small_x_on_the_curve():
    """Find a point whose x is so small that x + p fits into 32 bytes too: a second spelling of one key."""
    for x in range(1, 100):
        square = (x**3 + A * x + B) % P
        y = pow(square, (P + 1) // 4, P)  # p = 3 mod 4
        if y * y % P == square:
            return x, y
    raise AssertionError


SMALL_X, SMALL_Y = _small_x_on_the_curve()

HOSTILE_KEYS = {
    "empty": b"",
    "x alone": PUBLIC_KEY[:32],
    "63 bytes": PUBLIC_KEY[:-1],
    "65 bytes: valid and junk": PUBLIC_KEY + b"\0",
    "66 bytes: 04, valid and junk": b"\x04" + PUBLIC_KEY + b"\0",
    "66 bytes: 04 twice": b"\x04\x04" + PUBLIC_KEY,
    "infinity as one zero": b"\0",
    "infinity as (0, 0)": bytes(64),
    "infinity as 04 and (0, 0)": b"\x04" + bytes(64),
    "compressed, even": b"\x02" + PUBLIC_KEY[:32],
    "compressed, odd": b"\x03" + PUBLIC_KEY[:32],
    "hybrid, even": b"\x06" + PUBLIC_KEY,
    "hybrid, odd": b"\x07" + PUBLIC_KEY,
    "another prefix": b"\x05" + PUBLIC_KEY,
    "the hexadecimal text": PUBLIC_KEY.hex().encode(),
    "off the curve by one in y": PUBLIC_KEY[:-1] + b"\x14",
    "off the curve by one in x": PUBLIC_KEY[:31] + b"\x21" + PUBLIC_KEY[32:],
    "x and y swapped": PUBLIC_KEY[32:] + PUBLIC_KEY[:32],
    "(0, 1)": pair(0, 1),
    "(1, 1)": pair(1, 1),
    "(p, p), zero written twice over": pair(P, P),
    "all ones": b"\xff" * 64,
    "x + p, a second spelling": pair(SMALL_X + P, SMALL_Y),
    "y beyond p": pair(GX, P + 5),
    "the generator of NIST P-256": bytes.fromhex(
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    ),
}


@pytest.mark.parametrize("name", HOSTILE_KEYS)
def test_a_hostile_key_is_refused(provider, name):
    with pytest.raises(InvalidKey):
        provider.verifier(HOSTILE_KEYS[name])
    with pytest.raises(InvalidKey):
        read_public_key(HOSTILE_KEYS[name])


def test_the_point_with_a_second_spelling_is_accepted_in_its_first(provider):
    assert provider.verifier(pair(SMALL_X, SMALL_Y)).public_key == pair(SMALL_X, SMALL_Y)


DER = signature_to_der(SIGNATURE)  # 30 46, 02 21 00 r, 02 21 00 s
DER_R, DER_S = DER[2:37], DER[37:]


def sequence(body, length=None):
    return bytes((0x30, len(body) if length is None else length)) + body


HOSTILE_DER = {
    "empty": b"",
    "a tag alone": b"\x30",
    "an empty sequence": b"\x30\x00",
    "raw where DER is due": SIGNATURE,
    "cut by one": DER[:-1],
    "cut inside r": DER[:10],
    "a byte after the end": DER + b"\0",
    "a byte after the end, counted": sequence(DER_R + DER_S + b"\0"),
    "one integer": sequence(DER_R),
    "a third integer": sequence(DER_R + DER_S + b"\x02\x01\x01"),
    "a third integer, uncounted": DER + b"\x02\x01\x01",
    "a null at the end": sequence(DER_R + DER_S + b"\x05\x00"),
    "r padded": sequence(b"\x02\x22\x00\x00" + R + DER_S),
    "s padded": sequence(DER_R + b"\x02\x22\x00\x00" + S),
    "a small r padded": sequence(b"\x02\x02\x00\x01" + DER_S),
    "r negative": sequence(b"\x02\x20" + R + DER_S),
    "s negative": sequence(DER_R + b"\x02\x20" + S),
    "an integer of no bytes": sequence(b"\x02\x00" + DER_S),
    "an integer of 33 bytes": sequence(b"\x02\x21\x01" + R + DER_S),
    "an integer that reaches past the end": sequence(DER_R + b"\x02\x7f" + S),
    "the sequence's length in long form": b"\x30\x81\x46" + DER_R + DER_S,
    "the sequence's length in longer form": b"\x30\x82\x00\x46" + DER_R + DER_S,
    "r's length in long form": sequence(b"\x02\x81\x21\x00" + R + DER_S),
    "an indefinite length": b"\x30\x80" + DER_R + DER_S + b"\0\0",
    "a length that is too large": sequence(DER_R + DER_S, 0x47),
    "a length that is too small": sequence(DER_R + DER_S, 0x45),
    "a huge length": b"\x30\x84\xff\xff\xff\xff" + DER_R + DER_S,
    "a set": b"\x31" + DER[1:],
    "a constructed octet string": b"\x24" + DER[1:],
    "a bit string in place of r": sequence(b"\x03" + DER_R[1:] + DER_S),
    "an enumerated in place of s": sequence(DER_R + b"\x0a" + DER_S[1:]),
    "a high tag": b"\x3f\x30" + DER[1:],
    "a sequence in a sequence": sequence(DER),
    "r = 0": signature_to_der(pair(0, S_NUMBER)),
    "s = 0": signature_to_der(pair(R_NUMBER, 0)),
    "s = n": signature_to_der(pair(R_NUMBER, N)),
    "r + s = n": signature_to_der(pair(R_NUMBER, N - R_NUMBER)),
}


@pytest.mark.parametrize("name", HOSTILE_DER)
def test_hostile_der_is_refused(name):
    with pytest.raises((Malformed, InvalidSignature)):
        read_der_signature(HOSTILE_DER[name])


def test_a_second_spelling_of_base64_is_refused():
    text = base64.b64encode(DER[:-2]).decode()  # 70 bytes: the last character has four bits to spare
    assert text.endswith("==")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    alike = [text[:-3] + last + "==" for last in alphabet if base64.b64decode(text[:-3] + last + "==") == DER[:-2]]
    assert len(alike) == 16
    accepted = []
    for spelling in alike:
        try:
            read_base64(spelling)
        except Malformed:
            continue
        accepted.append(spelling)
    assert accepted == [text]


@pytest.mark.parametrize(
    "text", ["AA=", "AA", "A", "AA==\n", " AA==", "AA==AA==", "A-_A", "AA==A", "====", "ＡA==", "AAA\0"]
)
def test_other_texts_are_not_base64(text):
    with pytest.raises(Malformed):
        read_base64(text)


@pytest.mark.parametrize(
    "given", [b"", b"\x30", bytes(91), b"\x30\x59" + bytes(89), PUBLIC_KEY, b"\x04" + PUBLIC_KEY, b"\xff" * 200]
)
def test_other_bytes_are_no_public_key_info(given):
    with pytest.raises(Malformed):
        import_spki(given)


def test_the_front_door_gives_back_what_it_lets_through():
    assert read_signature(SIGNATURE) == SIGNATURE
    assert read_signature(pair(1, 1)) == pair(1, 1)


def test_there_are_at_least_sixty_vectors():
    assert len(set(HOSTILE_SIGNATURES.values()) - {SIGNATURE}) >= 60


def test_every_refusal_has_a_short_code():
    for refusal in (InvalidSignature, InvalidKey, Malformed):
        assert issubclass(refusal, SmError)
        assert refusal.code.isidentifier()


ROOT = Path(__file__).parents[2]
PACKAGES = ("auth", "channels", "cli", "core", "ecard", "physical", "qr", "sm", "web")


def _draws_of(path):
    """Name every use of the module `random` except `SystemRandom`, which draws from the operating system."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "random":
            yield from (alias.name for alias in node.names if alias.name != "SystemRandom")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random":
            yield from [node.attr] if node.attr != "SystemRandom" else []
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name == "random" and alias.asname)


def test_no_module_draws_from_the_guessable_generator():
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert files
    assert {str(path.relative_to(ROOT)): draws for path in files if (draws := list(_draws_of(path)))} == {}
