"""What the card's proofs are over: every field counts, and no two lists of fields share an encoding."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from physical.chip.binding import (
    CARD_USER_ID,
    Binding,
    device_key_digest,
    holder_digest,
    internal_challenge,
)
from sm.digest import sm3
from sm.errors import InvalidSignature
from sm.sm2 import USER_ID_DEFAULT
from tests.chip.builders import provider

BINDING = Binding(
    enrollment="enr_1",
    service_nonce=bytes(range(16)),
    terminal_nonce=bytes(range(16, 32)),
    terminal="trm_1",
    device_key_sm3=sm3(b"device"),
    card_identification_code="990100D1560000050000000112345678",
    holder_sm3=sm3(b"holder"),
)
OTHER = {
    "enrollment": "enr_2",
    "service_nonce": bytes(16),
    "terminal_nonce": bytes(16),
    "terminal": "trm_2",
    "device_key_sm3": sm3(b"another device"),
    "card_identification_code": "990100D1560000050000000212345678",
    "holder_sm3": sm3(b"another holder"),
    "version": 2,
}
CHALLENGE = ("enr_1", bytes(range(16)), "trm_1", sm3(b"device"))
JWK = {"kty": "EC", "crv": "P-256", "x": "eA", "y": "eQ", "use": "sig", "kid": "1"}


def test_the_canonical_bytes_are_pinned():
    """Made by this code (version 1); a change here breaks every agent in the field."""
    assert BINDING.encode()[:33] == b"\x00\x13ESSC-ENROLL binding\x00\x01\x01\x00\x05enr_1\x00\x10"
    assert sm3(BINDING.encode()).hex() == "2bb3361022ee839fb270b91574636ef971e3529f8ed521008d705c9007b20e8f"
    assert internal_challenge(*CHALLENGE).hex() == "416a524a31cbd178d009955fa34f5261"
    assert len(BINDING.encode()) == 21 + 3 + 7 + 18 + 18 + 7 + 34 + 34 + 34


def test_every_field_of_the_binding_has_another_value_here():
    assert OTHER.keys() == {field.name for field in fields(Binding)}


@pytest.mark.parametrize("name", OTHER)
def test_every_field_changes_what_is_signed(name):
    assert replace(BINDING, **{name: OTHER[name]}).encode() != BINDING.encode()


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_what_moves_from_one_field_to_the_next_changes_the_bytes(enrollment, terminal, other, another):
    first = replace(BINDING, enrollment=enrollment, terminal=terminal)
    second = replace(BINDING, enrollment=other, terminal=another)
    assert (first.encode() == second.encode()) == ((enrollment, terminal) == (other, another))


def test_nonces_and_digests_have_their_lengths():
    with pytest.raises(ValueError, match="nonce"):
        replace(BINDING, service_nonce=bytes(15))
    with pytest.raises(ValueError, match="nonce"):
        replace(BINDING, terminal_nonce=bytes(15))
    with pytest.raises(ValueError, match="digest"):
        replace(BINDING, device_key_sm3=bytes(31))
    with pytest.raises(ValueError, match="digest"):
        replace(BINDING, holder_sm3=b"")
    with pytest.raises(ValueError, match="nonce"):
        internal_challenge("enr_1", bytes(8), "trm_1", sm3(b"device"))
    with pytest.raises(ValueError, match="too long"):
        replace(BINDING, terminal="t" * 0x10000).encode()


@pytest.mark.parametrize("position", range(4))
def test_every_field_changes_the_challenge_of_the_card(position):
    other = list(CHALLENGE)
    other[position] = ("enr_2", bytes(16), "trm_2", sm3(b"another device"))[position]
    assert internal_challenge(*other) != internal_challenge(*CHALLENGE)
    assert len(internal_challenge(*CHALLENGE)) == 16


def test_the_card_signs_under_a_user_id_of_its_own():
    private_key = provider().generate()
    signer = provider().signer(private_key, CARD_USER_ID)
    signature = signer.sign_digest(BINDING.digest(signer.public_key))
    provider().verifier(signer.public_key, CARD_USER_ID).verify(BINDING.encode(), signature)
    with pytest.raises(InvalidSignature):
        provider().verifier(signer.public_key, USER_ID_DEFAULT).verify(BINDING.encode(), signature)


def test_the_device_key_is_hashed_in_its_canonical_form():
    assert device_key_digest(JWK) == sm3(b'{"crv":"P-256","kty":"EC","x":"eA","y":"eQ"}')
    assert device_key_digest(dict(reversed(JWK.items()))) == device_key_digest(JWK)


def test_a_device_key_without_its_point_is_refused():
    with pytest.raises(KeyError):
        device_key_digest({"kty": "EC", "crv": "P-256", "x": "eA"})


def test_the_holder_is_hashed_as_the_card_gave_the_records():
    assert holder_digest(b"\x0a\x01\x31") == sm3(b"\x0a\x01\x31")
