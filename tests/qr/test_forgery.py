import random

import pytest

from qr.code import read_code
from qr.errors import BadSignature, CodeMalformed, CodeUnknown
from qr.signed_code import verify_signed_code
from sm.sm2 import USER_ID_DEFAULT, N, PrivateKey
from tests.qr.builders import NOW, body_of, code_of


def test_any_flipped_bit_is_refused(issuer):
    number, keys = int(issuer.mint()[2:]), issuer.keys
    for bit in range(728):
        with pytest.raises((BadSignature, CodeMalformed, CodeUnknown)):
            verify_signed_code(read_code(f"82{number ^ 1 << bit:0220d}"), keys, NOW)


def test_five_thousand_forgeries_are_refused(issuer):
    chance = random.Random(20260301)
    codes, keys, accepted = [issuer.mint() for _ in range(20)], issuer.keys, 0
    for number in range(5000):
        forged = list(chance.choice(codes))
        for place in chance.sample(range(222), chance.choice((1, 1, 2, 3, 50))):
            forged[place] = str((int(forged[place]) + chance.randint(1, 9)) % 10)
        if number % 5 == 0:  # the signed part of one code under the signature of another
            head, tail = body_of(codes[number % 20]), body_of(codes[(number // 20 + 1 + number) % 20])
            if head == tail:
                continue
            forged = code_of(head[:27] + tail[27:])
        try:
            verify_signed_code(read_code("".join(forged)), keys, NOW)
        except (BadSignature, CodeMalformed, CodeUnknown):
            continue
        accepted += 1
    assert accepted == 0


def test_numbers_out_of_range_in_the_signature_are_refused(issuer):
    body = body_of(issuer.mint())
    r, s = int.from_bytes(body[27:59], "big"), int.from_bytes(body[59:], "big")
    pairs = [(r, N - s), (N - r, s), (r, 0), (0, s), (0, 0), (r, N), (N, s), (r, N - r), (s, r), (2**256 - 1, s)]
    pairs += [(r, s + N)] if s + N < 2**256 else []
    for other_r, other_s in pairs:
        forged = body[:27] + other_r.to_bytes(32, "big") + other_s.to_bytes(32, "big")
        with pytest.raises(BadSignature):
            verify_signed_code(read_code(code_of(forged)), issuer.keys, NOW)


def test_a_code_signed_twice_is_the_same_code(issuer):
    # SM2 has no cheap twin (r, n − s), yet the issuer could sign the same 27 bytes again: the handle decides.
    body = body_of(issuer.mint())
    again = code_of(body[:27] + issuer.minting.signer.sign(body[:27]))
    assert again != code_of(body)
    handles = {verify_signed_code(read_code(code), issuer.keys, NOW).handle for code in (code_of(body), again)}
    assert len(handles) == 1


def test_a_signature_made_for_another_use_is_refused(issuer, provider):
    body = body_of(issuer.mint())
    signer = provider.signer(PrivateKey(bytes(31) + b"\x07"), USER_ID_DEFAULT)
    assert signer.public_key == issuer.minting.signer.public_key
    with pytest.raises(BadSignature):
        verify_signed_code(read_code(code_of(body[:27] + signer.sign(body[:27]))), issuer.keys, NOW)
