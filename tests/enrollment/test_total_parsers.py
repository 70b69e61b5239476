"""No bytes of a card, a reader or a certificate break the service (threats.md E4): only refusals come out."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Refusal
from physical.card_proofs import (
    Hello,
    card_keys,
    read_holder_data,
    read_issuer_data,
    verify_card_certificate,
    verify_card_signature,
)
from physical.chip.binding import Binding
from physical.chip.files import read_ef05
from tests.enrollment.certificates import code_of_card
from tests.service import PROVIDER, Service

EXAMPLES = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
HELLO = Hello(
    atr=bytes.fromhex("3b6d0000") + bytes(13),
    interface="contact",
    algorithm="SM4",
    issuer_data=b"",
    internal_authentication=bytes(8),
    certificate=None,
    challenge=bytes(8),
    pin_tries_left=6,
    round_trip_ms=1,
)
BINDING = Binding(
    enrollment="enr_1",
    service_nonce=bytes(16),
    terminal_nonce=bytes(16),
    terminal="trm_1",
    device_key_sm3=bytes(32),
    card_identification_code="99",
    holder_sm3=bytes(32),
)
TAGS = st.sampled_from([*range(1, 14), 0x4E, 0xFF, 0x00])


@st.composite
def almost_records(draw) -> bytes:
    """Records whose lengths may lie, in any order, some twice."""
    parts = draw(st.lists(st.tuples(TAGS, st.binary(max_size=40), st.integers(-2, 2)), max_size=9))
    return b"".join(bytes([tag, max(0, len(value) + lie)]) + value for tag, value, lie in parts)[:512]


@st.composite
def edited(draw, good: bytes) -> bytes:
    """Good bytes with a few of them changed, taken away or put in."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


def only_refusals(read, *given) -> None:
    try:
        read(*given)
    except Refusal:
        return


@EXAMPLES
@given(raw=st.binary(max_size=512) | almost_records())
def test_e4_any_bytes_as_records_are_read_or_refused(raw):
    only_refusals(read_holder_data, raw)
    only_refusals(read_issuer_data, replace(HELLO, issuer_data=raw))


@EXAMPLES
@given(data=st.data())
def test_e4_edited_records_are_read_or_refused(sqlite_city: Service, data):
    contents = CARD.setdefault("card", sqlite_city.make_card()).contents
    only_refusals(read_holder_data, data.draw(edited(contents.holder_records)))
    only_refusals(read_issuer_data, replace(HELLO, issuer_data=data.draw(edited(contents.issuer_records))))


@EXAMPLES
@given(atr=st.binary(min_size=2, max_size=33), prefix=st.sampled_from([b"", b"\x3b", b"\x3b\x6d", b"\x3b\x8d\x80"]))
def test_e4_any_atr_is_read_or_refused(sqlite_city: Service, atr, prefix):
    issuer = read_ef05(CARD.setdefault("card", sqlite_city.make_card()).contents.issuer_records)
    only_refusals(card_keys, replace(HELLO, atr=prefix + atr), issuer)


@EXAMPLES
@given(data=st.data())
def test_e4_no_edited_certificate_is_believed(sqlite_city: Service, data):
    card = CARD.setdefault("card", sqlite_city.make_card())
    good = card.contents.certificate_key.certificate
    bent = data.draw(edited(good) | st.binary(max_size=1020))
    proofs, at = sqlite_city.runtime.enrollment.proofs, sqlite_city.clock()
    if bent != good:
        with pytest.raises(Refusal):
            verify_card_certificate(proofs, bent, card=code_of_card(card), at=at)


@EXAMPLES
@given(signature=st.binary(min_size=64, max_size=64) | st.binary(max_size=80))
def test_e4_no_bytes_pass_for_a_signature(sqlite_city: Service, signature):
    key = PROVIDER.public_key_of(PROVIDER.generate())
    with pytest.raises(Refusal):
        verify_card_signature(sqlite_city.runtime.enrollment.proofs, key, BINDING, signature)


CARD: dict = {}
