"""Revocation lists: issued, proved, and refused when they are stale."""

import subprocess

import pytest
from asn1crypto import core, crl

from sm.certificates import Revocation, Trust, issue_crl, read_crl
from sm.certificates.issuing import sign_der
from sm.errors import InvalidCertificate, InvalidKey
from sm.providers import open_provider
from tests.sm.certificate_builders import DAY, KEYS, LEAF_KEY, NOW, SECOND, issue_leaf, make_hierarchy

TODAY, TOMORROW = NOW, NOW + DAY


@pytest.fixture(scope="module")
def provider():
    return open_provider()


@pytest.fixture(scope="module")
def hierarchy(provider):
    return make_hierarchy(provider)


@pytest.fixture(scope="module")
def card(provider, hierarchy):
    return issue_leaf(provider, hierarchy.city, KEYS.city, serial=7)


@pytest.fixture
def trust(provider, hierarchy):
    return Trust([hierarchy.ministry], provider)


@pytest.fixture
def crl_of(provider, hierarchy):
    def build(*serials, issuer=None, key=KEYS.city, **changes):
        fields = {
            "issuer": issuer or hierarchy.city,
            "signer": provider.signer(key),
            "revoked": [Revocation(serial, TODAY - DAY) for serial in serials],
            "number": 1,
            "this_update": TODAY,
            "next_update": TOMORROW,
        }
        return read_crl(issue_crl(**fields | changes))

    return build


def refusal_of(trust, card, hierarchy, crls, at=NOW):
    with pytest.raises(InvalidCertificate) as refused:
        trust.verify_chain(card, hierarchy.intermediates, at, crls=crls)
    return refused.value.code


def test_a_revoked_card_is_refused_and_its_neighbour_is_not(trust, hierarchy, card, crl_of):
    assert refusal_of(trust, card, hierarchy, [crl_of(6, 7, 8)]) == "certificate_revoked"
    assert trust.verify_chain(card, hierarchy.intermediates, NOW, crls=[crl_of(6, 8)]) is card
    assert trust.verify_chain(card, hierarchy.intermediates, NOW, crls=[crl_of()]) is card


def test_a_revoked_city_takes_its_cards_along(trust, hierarchy, card, crl_of):
    of_province = crl_of(hierarchy.city.serial, issuer=hierarchy.province, key=KEYS.province)
    assert refusal_of(trust, card, hierarchy, [of_province]) == "certificate_revoked"


def test_a_revoked_province_takes_its_cities_along(trust, hierarchy, card, crl_of):
    of_ministry = crl_of(hierarchy.province.serial, issuer=hierarchy.ministry, key=KEYS.ministry)
    assert refusal_of(trust, card, hierarchy, [of_ministry]) == "certificate_revoked"


def test_a_list_is_good_from_its_day_until_strictly_before_the_next(trust, hierarchy, card, crl_of):
    crls = [crl_of()]
    assert refusal_of(trust, card, hierarchy, crls, TODAY - SECOND) == "crl_not_yet_valid"
    for moment in (TODAY, TOMORROW - SECOND):
        assert trust.verify_chain(card, hierarchy.intermediates, moment, crls=crls) is card
    assert refusal_of(trust, card, hierarchy, crls, TOMORROW) == "crl_stale"


def test_of_several_lists_the_newest_counts(trust, hierarchy, card, crl_of):
    old, new = crl_of(7, number=1), crl_of(number=2)
    assert trust.verify_chain(card, hierarchy.intermediates, NOW, crls=[old, new]) is card
    old, new = crl_of(number=1), crl_of(7, number=2)
    assert refusal_of(trust, card, hierarchy, [new, old]) == "certificate_revoked"


def test_a_list_that_the_issuer_has_not_signed_is_refused(provider, trust, hierarchy, card, crl_of):
    forged = read_crl(sign_der(crl_of().tbs, provider.signer(LEAF_KEY)))
    assert refusal_of(trust, card, hierarchy, [forged]) == "crl_signature"


def test_a_missing_list_is_refused_where_lists_are_required(provider, hierarchy, card, crl_of):
    strict = Trust([hierarchy.ministry], provider, revocation_required=True)
    of_province = crl_of(issuer=hierarchy.province, key=KEYS.province)
    of_ministry = crl_of(issuer=hierarchy.ministry, key=KEYS.ministry)
    assert refusal_of(strict, card, hierarchy, [of_province, of_ministry]) == "crl_missing"
    assert strict.verify_chain(card, hierarchy.intermediates, NOW, crls=[crl_of(), of_province, of_ministry]) is card


def test_a_critical_extension_of_a_list_that_is_not_understood_is_refused(provider, trust, hierarchy, card, crl_of):
    def make_partial(tbs):
        extension = {"extn_id": "delta_crl_indicator", "critical": True, "extn_value": core.Integer(1)}
        tbs["crl_extensions"].append(crl.TBSCertListExtension(extension))

    partial = changed(provider, crl_of(), make_partial)
    assert refusal_of(trust, card, hierarchy, [partial]) == "crl_critical_extension"


def test_a_critical_extension_of_an_entry_that_is_not_understood_is_refused(provider, trust, hierarchy, card, crl_of):
    """A certificate issuer in an entry would make the list speak for another authority."""

    def add_unknown(tbs):
        extension = {"extn_id": "certificate_issuer", "critical": True, "extn_value": []}
        tbs["revoked_certificates"][0]["crl_entry_extensions"] = [extension]

    indirect = changed(provider, crl_of(99), add_unknown)
    assert refusal_of(trust, card, hierarchy, [indirect]) == "crl_critical_extension"


def changed(provider, original, change):
    tbs = crl.TbsCertList.load(original.tbs)
    change(tbs)
    return read_crl(sign_der(tbs.dump(force=True), provider.signer(KEYS.city)))


def test_a_reason_in_an_entry_is_understood(provider, trust, hierarchy, card, crl_of):
    def add_reason(tbs):
        extension = {"extn_id": "crl_reason", "critical": False, "extn_value": "key_compromise"}
        tbs["revoked_certificates"][0]["crl_entry_extensions"] = [extension]

    assert refusal_of(trust, card, hierarchy, [changed(provider, crl_of(7), add_reason)]) == "certificate_revoked"


def test_who_may_not_sign_lists_issues_none(provider, hierarchy, card, crl_of):
    with pytest.raises(InvalidCertificate) as refused:
        crl_of(issuer=card, key=LEAF_KEY)
    assert refused.value.code == "crl_issuer"
    with pytest.raises(InvalidKey):
        crl_of(key=LEAF_KEY)


def test_a_list_says_what_it_was_issued_with(hierarchy, crl_of):
    found = crl_of(7, 1 << 150, number=5)
    assert found.revoked == {7: TODAY - DAY, 1 << 150: TODAY - DAY}
    assert (found.number, found.this_update, found.next_update) == (5, TODAY, TOMORROW)
    assert found.issuer == hierarchy.city.subject
    assert repr(found) == "RevocationList(number=5, 2 revoked)"


def test_openssl_reads_a_list_as_it_was_meant(provider, hierarchy):
    der = issue_crl(
        issuer=hierarchy.city,
        signer=provider.signer(KEYS.city),
        revoked=[Revocation(0xABCDEF, TODAY)],
        number=77,
        this_update=TODAY,
        next_update=TOMORROW,
    )
    command = ["openssl", "crl", "-inform", "DER", "-noout", "-text"]
    text = subprocess.run(command, input=der, capture_output=True, timeout=30, check=True).stdout.decode()
    assert "SM2-with-SM3" in text
    assert "Serial Number: ABCDEF" in text
    assert "Last Update: Jun  1 12:00:00 2026 GMT" in text
    assert "Next Update: Jun  2 12:00:00 2026 GMT" in text
    assert "77" in text


def test_ten_thousand_revocations_are_read(provider, trust, hierarchy, card, crl_of):
    long = crl_of(*range(8, 10_008))
    assert len(long.revoked) == 10_000
    assert trust.verify_chain(card, hierarchy.intermediates, NOW, crls=[long]) is card
