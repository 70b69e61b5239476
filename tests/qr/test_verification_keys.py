import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qr.verification_keys import (
    KEY_LIST_PURPOSE,
    MAX_SIZE,
    PinnedKey,
    TrustedChain,
    build_key_list,
    open_key_list_signer,
    read_key_list,
    verify_key_list,
)
from sm.canonical import canonical_json
from sm.certificates import TERMINAL_PURPOSE, Subject, Trust, issue, issue_hierarchy, leaf_profile
from sm.certificates.hierarchy import AuthorityKeys, development_subjects
from sm.errors import InvalidCertificate, InvalidSignature, Malformed, SmError
from sm.keyring import KeyRing, KeyState
from sm.sm2 import USER_ID_DEFAULT, PrivateKey
from tests.qr.builders import ISSUER, KID, NOW

DAY = timedelta(days=1)


def pinned(issuer):
    return PinnedKey(issuer.provider, issuer.credential_public_key)


def read(issuer, given_bytes, authority=None):
    return verify_key_list(read_key_list(given_bytes), authority or pinned(issuer), NOW)


def changed(document, changes):
    """The same envelope, signature included, around another list."""
    envelope = json.loads(document)
    fields = {**json.loads(envelope["key_list"]), **changes}
    return canonical_json({**envelope, "key_list": canonical_json(fields).decode()})


def resigned(issuer, changes):
    """Another list, signed by the city after all."""
    envelope = json.loads(changed(issuer.signed_key_list(), changes))
    signature = open_key_list_signer(issuer.provider, issuer.credential).sign(envelope["key_list"].encode())
    return canonical_json({**envelope, "signature": signature.hex()})


@pytest.mark.parametrize("state", KeyState)
def test_a_list_is_read_as_it_was_written(issuer, state):
    published = issuer.with_key(state=state)
    key_list = read(issuer, published.signed_key_list())
    assert (key_list.issuer, key_list.issued_at) == (ISSUER, NOW - DAY)
    assert key_list.ring == published.ring


def test_where_the_private_key_lies_is_not_published(issuer):
    published = issuer.with_key(reference="file:qr-2026")
    assert b"qr-2026" not in published.signed_key_list()
    assert read(issuer, published.signed_key_list()).ring.find(KID).reference == ""


def test_a_line_end_after_the_list_is_forgiven_and_nothing_else(issuer):
    document = issuer.signed_key_list()
    assert read(issuer, document + b"\n") == read(issuer, document + b"\r\n") == read(issuer, document)
    pretty = json.dumps(json.loads(document), indent=1).encode()
    for other in (b" " + document, document + b" ", document + b"{}", pretty, b"", b"null", b"[" * 10_000):
        with pytest.raises(Malformed):
            read(issuer, other)


def test_a_list_signed_by_another_key_is_refused(issuer):
    stranger = PinnedKey(issuer.provider, issuer.provider.public_key_of(PrivateKey(bytes(31) + b"\x2a")))
    with pytest.raises(InvalidSignature):
        read(issuer, issuer.signed_key_list(), stranger)


def test_a_signature_for_another_use_does_not_make_a_list(issuer):
    for user_id in (USER_ID_DEFAULT, b"ESSC-QR-B1"):
        signer = issuer.provider.signer(issuer.credential, user_id)
        document = build_key_list(issuer.ring, signer, issuer=ISSUER, issued_at=NOW)
        with pytest.raises(InvalidSignature):
            read(issuer, document)


def test_no_member_of_a_signed_list_can_be_changed(issuer):
    document = issuer.signed_key_list()
    for change in ({"issuer": "other-city"}, {"issued_at": "2026-03-01T08:00:00Z"}, {"keys": []}, {"format": "X"}):
        with pytest.raises(InvalidSignature):
            read(issuer, changed(document, change))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_byte_of_a_signed_list_can_be_changed(issuer, data):
    document = bytearray(issuer.signed_key_list(issued_at=NOW))
    place = data.draw(st.integers(0, len(document) - 1))
    document[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SmError):
        read(issuer, bytes(document))


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_no_bytes_break_the_reader(given_bytes):
    with pytest.raises(Malformed):
        read_key_list(given_bytes)


def test_a_list_that_is_too_long_is_not_read():
    with pytest.raises(Malformed, match="too long"):
        read_key_list(b" " * (MAX_SIZE + 1))


KEY = {
    "kid": 1,
    "not_after": "2027-01-01T00:00:00Z",
    "not_before": "2026-01-01T00:00:00Z",
    "public_key": "",
    "state": "current",
}


@pytest.mark.parametrize(
    "change",
    [
        {"kid": -1},
        {"kid": 0x10000},
        {"kid": True},
        {"kid": "1"},
        {"kid": 1.0},
        {"state": "revoked"},
        {"state": "CURRENT"},
        {"not_after": "2027-1-1T0:0:0Z"},
        {"not_after": "2027-01-01T00:00:00+00:00"},
        {"not_after": "2027-02-30T00:00:00Z"},
        {"not_after": "2025-01-01T00:00:00Z"},
        {"public_key": "00" * 64},
        {"public_key": "zz"},
        {"public_key": None},
        {"comment": "x"},
    ],
)
def test_a_key_in_another_form_is_refused_even_when_signed(issuer, change):
    key = {**KEY, "public_key": issuer.ring.keys[0].public_key.hex()}
    assert read(issuer, resigned(issuer, {"keys": [key]})).ring.current().kid == 1
    with pytest.raises(SmError):
        read(issuer, resigned(issuer, {"keys": [{**key, **change}]}))


@pytest.mark.parametrize(
    "change",
    [{"format": "ESSC-KEY-LIST-2"}, {"issuer": 1}, {"issued_at": "now"}, {"keys": {}}, {"keys": [1]}, {"more": 1}],
)
def test_a_list_in_another_form_is_refused_even_when_signed(issuer, change):
    with pytest.raises(Malformed):
        read(issuer, resigned(issuer, change))


def test_a_kid_or_a_key_stands_once_in_a_list(issuer):
    key = {**KEY, "public_key": issuer.ring.keys[0].public_key.hex()}
    for other in ({"state": "retired"}, {"state": "retired", "kid": 2}):
        with pytest.raises(SmError):
            read(issuer, resigned(issuer, {"keys": [key, {**key, **other}]}))
    with pytest.raises(Malformed):
        read(issuer, resigned(issuer, {"keys": [key] * 257}))


@pytest.fixture(scope="module")
def authorities(provider):
    return AuthorityKeys(*(PrivateKey(bytes(31) + bytes([number])) for number in (21, 22, 23)))


@pytest.fixture(scope="module")
def hierarchy(provider, authorities):
    return issue_hierarchy(authorities, provider, NOW - 30 * DAY, development_subjects("990100"))


@pytest.fixture(scope="module")
def chain(provider, issuer, authorities, hierarchy):
    """Builds the chain that comes with a list: the credential key's certificate and what stands above it."""

    def build(common_name=ISSUER, purpose=KEY_LIST_PURPOSE, not_after=NOW + 30 * DAY):
        leaf = issue(
            subject=Subject(common_name),
            public_key=issuer.credential_public_key,
            profile=leaf_profile(purpose),
            serial=7,
            not_before=NOW - 20 * DAY,
            not_after=not_after,
            signer=provider.signer(authorities.city),
            issuer=hierarchy.city,
        )
        return leaf, hierarchy.city.der, hierarchy.province.der

    return build


@pytest.fixture(scope="module")
def trusted(provider, hierarchy):
    return TrustedChain(provider, Trust([hierarchy.ministry], provider))


def test_a_root_certificate_is_enough_to_believe_a_list(issuer, chain, trusted):
    assert read(issuer, issuer.signed_key_list(certificates=chain()), trusted).ring == issuer.ring


def test_a_city_speaks_for_itself_only(issuer, chain, trusted):
    for document in (
        issuer.signed_key_list(certificates=chain("another-city")),
        issuer.signed_key_list(certificates=chain(), issuer="another-city"),
    ):
        with pytest.raises(InvalidCertificate):
            read(issuer, document, trusted)


def test_the_certificate_of_a_terminal_signs_no_key_list(issuer, chain, trusted):
    with pytest.raises(InvalidCertificate):
        read(issuer, issuer.signed_key_list(certificates=chain(purpose=TERMINAL_PURPOSE)), trusted)


def test_an_expired_or_broken_chain_is_refused(issuer, chain, trusted, hierarchy):
    leaf, city, province = chain()
    chains = [chain(not_after=NOW), (), (leaf,), (leaf, city), (city, province), (leaf, province)]
    for certificates in chains:
        with pytest.raises(InvalidCertificate):
            read(issuer, issuer.signed_key_list(certificates=certificates), trusted)
    for certificates in ((leaf, b"\x30\x00"), (leaf, city, province, hierarchy.ministry.der, leaf)):
        with pytest.raises(Malformed):
            read(issuer, issuer.signed_key_list(certificates=certificates), trusted)


def test_a_chain_signed_over_by_a_stranger_is_refused(issuer, provider, chain, trusted):
    stranger = open_key_list_signer(provider, PrivateKey(bytes(31) + b"\x2a"))
    document = build_key_list(KeyRing(), stranger, issuer=ISSUER, issued_at=NOW, certificates=chain())
    with pytest.raises(InvalidSignature):
        read(issuer, document, trusted)
