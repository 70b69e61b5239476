"""One test for each rule by which a chain is refused, and one for what is remembered."""

from dataclasses import replace

import pytest
from asn1crypto import core, x509

from sm.certificates import (
    CARD_PURPOSE,
    TERMINAL_PURPOSE,
    AuthorityKeys,
    CertificateProfile,
    Subject,
    Trust,
    authority_profile,
    read_certificate,
)
from sm.certificates.trust import MAX_INTERMEDIATES
from sm.errors import InvalidCertificate, Malformed
from sm.providers import open_provider
from sm.sm2 import PrivateKey
from tests.sm.certificate_builders import (
    END,
    KEYS,
    LEAF_KEY,
    NOW,
    SECOND,
    START,
    bent,
    issue_leaf,
    make_hierarchy,
    openssl_verify,
    signed_anew,
)


@pytest.fixture(scope="module")
def provider():
    return open_provider()


@pytest.fixture(scope="module")
def hierarchy(provider):
    return make_hierarchy(provider)


@pytest.fixture(scope="module")
def card(provider, hierarchy):
    return issue_leaf(provider, hierarchy.city, KEYS.city)


@pytest.fixture
def trust(provider, hierarchy):
    return Trust([hierarchy.ministry], provider)


def refusal_of(trust, leaf, intermediates, at=NOW, **options):
    with pytest.raises(InvalidCertificate) as refused:
        trust.verify_chain(leaf, intermediates, at, **options)
    return refused.value.code


def test_a_card_is_believed_below_city_province_and_ministry(trust, hierarchy, card):
    assert trust.verify_chain(card, hierarchy.intermediates, NOW) is card
    assert trust.verify_chain(card, reversed(hierarchy.intermediates), NOW, purpose=CARD_PURPOSE) is card


def test_a_certificate_is_valid_from_its_first_second_until_strictly_before_its_last(trust, hierarchy, card):
    assert refusal_of(trust, card, hierarchy.intermediates, START - SECOND) == "certificate_not_yet_valid"
    trust.verify_chain(card, hierarchy.intermediates, START)
    trust.verify_chain(card, hierarchy.intermediates, END - SECOND)
    assert refusal_of(trust, card, hierarchy.intermediates, END) == "certificate_expired"


def test_an_authority_that_has_expired_takes_its_leaves_along(provider, trust, hierarchy):
    short = issue_leaf(provider, hierarchy.province, KEYS.province, profile=authority_profile(0), subject=CITY_SUBJECT)
    leaf = issue_leaf(provider, replace(short, not_after=END + 2 * SECOND), LEAF_KEY, not_after=END + SECOND)
    assert refusal_of(trust, leaf, [short, hierarchy.province], END) == "certificate_expired"


CITY_SUBJECT = Subject("Another city")


def test_a_link_is_missing(trust, hierarchy, card):
    assert refusal_of(trust, card, [hierarchy.province]) == "certificate_issuer_unknown"
    assert refusal_of(trust, card, [hierarchy.city]) == "certificate_issuer_unknown"
    assert refusal_of(trust, card, []) == "certificate_issuer_unknown"


def test_another_ministry_is_not_believed(provider, trust):
    strangers = AuthorityKeys(*(PrivateKey(bytes([number]) * 32) for number in (11, 12, 13)))
    theirs = make_hierarchy(provider, strangers)
    leaf = issue_leaf(provider, theirs.city, strangers.city)
    with_their_root = [*theirs.intermediates, theirs.ministry]
    assert refusal_of(trust, leaf, with_their_root) == "certificate_issuer_unknown"


def test_names_are_compared_byte_by_byte(provider, trust, hierarchy):
    def spell_in_another_type(tbs):
        name = x509.Name.build({"common_name": hierarchy_name(hierarchy.city)}, use_printable=True)
        tbs["issuer"] = name

    leaf = signed_anew(provider, issue_leaf(provider, hierarchy.city, KEYS.city), KEYS.city, spell_in_another_type)
    assert refusal_of(trust, leaf, hierarchy.intermediates) == "certificate_issuer_unknown"


def hierarchy_name(certificate):
    return certificate.subject_common_name


def test_a_leaf_is_no_authority(provider, tmp_path, trust, hierarchy, card):
    forged = issue_leaf(
        provider, bent(card, is_ca=True, key_usage=frozenset({"key_cert_sign"})), LEAF_KEY, subject=Subject("forged")
    )
    assert refusal_of(trust, forged, [card, *hierarchy.intermediates]) == "certificate_not_ca"
    assert not openssl_verify(tmp_path, forged, card).accepted


def test_the_path_length_of_a_city_allows_no_authority_below_it(provider, trust, hierarchy):
    below = issue_leaf(
        provider,
        bent(hierarchy.city, path_length=9),
        KEYS.city,
        profile=authority_profile(0),
        subject=Subject("Outlet CA"),
    )
    leaf = issue_leaf(provider, below, LEAF_KEY, subject=Subject("forged"))
    assert refusal_of(trust, leaf, [below, *hierarchy.intermediates]) == "certificate_path_length"


def test_an_authority_needs_the_usage_to_sign_certificates(provider, trust, hierarchy):
    def take_usage_away(tbs):
        for extension in tbs["extensions"]:
            if extension["extn_id"].native == "key_usage":
                extension["extn_value"] = x509.KeyUsage({"crl_sign"})

    powerless = signed_anew(provider, hierarchy.city, KEYS.province, take_usage_away)
    leaf = issue_leaf(provider, hierarchy.city, KEYS.city)
    assert refusal_of(trust, leaf, [powerless, hierarchy.province]) == "certificate_key_usage"


def test_a_leaf_needs_the_usage_to_sign(provider, trust, hierarchy):
    leaf = issue_leaf(provider, hierarchy.city, KEYS.city, profile=CertificateProfile(("key_agreement",)))
    assert refusal_of(trust, leaf, hierarchy.intermediates) == "certificate_key_usage"


def test_an_authority_is_no_leaf(trust, hierarchy):
    assert refusal_of(trust, hierarchy.city, [hierarchy.province]) == "certificate_is_ca"


def test_a_card_s_certificate_is_not_a_terminal_s(trust, hierarchy, card):
    assert refusal_of(trust, card, hierarchy.intermediates, purpose=TERMINAL_PURPOSE) == "certificate_purpose"


def test_a_critical_extension_that_is_not_understood_is_refused(provider, trust, hierarchy, card):
    leaf = signed_anew(provider, card, KEYS.city, lambda tbs: add_extension(tbs, critical=True))
    assert refusal_of(trust, leaf, hierarchy.intermediates) == "certificate_critical_extension"
    harmless = signed_anew(provider, card, KEYS.city, lambda tbs: add_extension(tbs, critical=False))
    assert trust.verify_chain(harmless, hierarchy.intermediates, NOW) is harmless


def test_a_critical_extension_of_an_authority_is_refused_too(provider, trust, hierarchy, card):
    city = signed_anew(provider, hierarchy.city, KEYS.province, lambda tbs: add_extension(tbs, critical=True))
    assert refusal_of(trust, card, [city, hierarchy.province]) == "certificate_critical_extension"


def test_an_extension_that_stands_twice_is_malformed(provider, card):
    def double(tbs):
        add_extension(tbs, critical=False)
        add_extension(tbs, critical=False)

    with pytest.raises(Malformed, match="twice"):
        signed_anew(provider, card, KEYS.city, double)


def add_extension(tbs, *, critical):
    extension = {"extn_id": "1.2.3.4", "critical": critical, "extn_value": core.ParsableOctetString(b"\5\0")}
    tbs["extensions"].append(x509.Extension(extension))


def test_a_leaf_signed_by_another_key_is_refused(provider, tmp_path, trust, hierarchy, card):
    forged = signed_anew(provider, card, LEAF_KEY, lambda _tbs: None)
    assert refusal_of(trust, forged, hierarchy.intermediates) == "certificate_signature"
    assert not openssl_verify(tmp_path, forged, hierarchy.city).accepted


def test_an_authority_signed_by_another_key_is_refused(provider, trust, hierarchy, card):
    forged = signed_anew(provider, hierarchy.city, LEAF_KEY, lambda _tbs: None)
    assert refusal_of(trust, card, [forged, hierarchy.province]) == "certificate_signature"


def test_a_signature_under_another_user_id_is_refused(provider, trust, hierarchy, card):
    signature = provider.signer(KEYS.city, b"ESSC-QR-B1").sign(card.tbs)
    moved = replace(card, signature=signature)
    assert refusal_of(trust, moved, hierarchy.intermediates) == "certificate_signature"


def test_a_city_does_not_speak_for_another_city(provider, trust, hierarchy):
    """Two cities below one province: a leaf that names the one and is signed by the other is refused."""
    other = issue_leaf(
        provider, hierarchy.province, KEYS.province, profile=authority_profile(0), subject=Subject("Another city")
    )
    claimed = replace(hierarchy.city, public_key=other.public_key)
    leaf = issue_leaf(provider, claimed, LEAF_KEY, subject=Subject("forged"))
    assert refusal_of(trust, leaf, [other, *hierarchy.intermediates]) == "certificate_issuer_unknown"


def test_of_two_authorities_with_one_name_the_one_that_signed_is_found(provider, hierarchy):
    """A city that changed its key keeps its name: leaves of the old and of the new key are believed."""
    new_city = issue_leaf(
        provider,
        hierarchy.province,
        KEYS.province,
        profile=authority_profile(0),
        subject=Subject("Development City CA", organization="Nobody", province="99", city="990100"),
    )
    assert new_city.subject == hierarchy.city.subject
    both = [new_city, *hierarchy.intermediates]
    old_leaf = without_key_id(provider, issue_leaf(provider, hierarchy.city, KEYS.city), KEYS.city)
    new_leaf = without_key_id(provider, issue_leaf(provider, new_city, LEAF_KEY), LEAF_KEY)
    trust = Trust([hierarchy.ministry], provider)
    for leaf in (old_leaf, new_leaf):
        assert trust.verify_chain(leaf, both, NOW) is leaf


def without_key_id(provider, certificate, key):
    def drop(tbs):
        kept = [one for one in tbs["extensions"] if one["extn_id"].native != "authority_key_identifier"]
        tbs["extensions"] = x509.Extensions(kept)

    return signed_anew(provider, certificate, key, drop)


def test_authorities_that_vouch_for_each_other_lead_nowhere(provider, trust, hierarchy):
    """Many certificates of one name, each the possible issuer of the next: the search ends."""
    loop = [
        issue_leaf(
            provider,
            bent(hierarchy.city, path_length=None),
            KEYS.city,
            serial=number + 1,
            profile=authority_profile(9),
            subject=Subject("Development City CA", organization="Nobody", province="99", city="990100"),
        )
        for number in range(MAX_INTERMEDIATES + 5)
    ]
    leaf = issue_leaf(provider, hierarchy.city, KEYS.city)
    stripped = [without_key_id(provider, certificate, KEYS.city) for certificate in loop]
    assert refusal_of(trust, without_key_id(provider, leaf, KEYS.city), stripped) == "certificate_issuer_unknown"


class CountingProvider:
    """Counts what is verified."""

    def __init__(self, provider):
        self._provider = provider
        self.count = 0

    def verifier(self, public_key):
        return CountingVerifier(self, self._provider.verifier(public_key))


class CountingVerifier:
    def __init__(self, counter, verifier):
        self._counter = counter
        self._verifier = verifier

    def verify(self, message, signature):
        self._counter.count += 1
        self._verifier.verify(message, signature)


def test_after_the_first_chain_only_the_leaf_costs_a_verification(provider, hierarchy, card):
    counting = CountingProvider(provider)
    trust = Trust([hierarchy.ministry], counting)
    trust.verify_chain(card, hierarchy.intermediates, NOW)
    assert counting.count == 3
    trust.verify_chain(card, hierarchy.intermediates, NOW)
    assert counting.count == 4


def test_what_is_remembered_of_an_authority_does_not_outlive_its_dates(provider, trust, hierarchy, card):
    trust.verify_chain(card, hierarchy.intermediates, NOW)
    assert refusal_of(trust, card, hierarchy.intermediates, hierarchy.city.not_after) == "certificate_expired"


def test_a_forged_authority_is_never_remembered(provider, trust, hierarchy, card):
    forged = signed_anew(provider, hierarchy.city, LEAF_KEY, lambda _tbs: None)
    for _ in range(2):
        assert refusal_of(trust, card, [forged, hierarchy.province]) == "certificate_signature"
    assert trust.verify_chain(card, [forged, *hierarchy.intermediates], NOW) is card


def test_what_one_authority_has_signed_is_not_remembered_for_another_of_its_name(provider, hierarchy):
    """Two provinces of one name and no key ids: the city of the one is not the other's."""
    named = Subject("Development Province CA", organization="Nobody", province="99")
    options = {"profile": authority_profile(1), "subject": named}
    other = issue_leaf(provider, hierarchy.ministry, KEYS.ministry, **options)
    city = without_key_id(provider, hierarchy.city, KEYS.province)
    leaf = issue_leaf(provider, city, KEYS.city)
    trust = Trust([hierarchy.ministry], provider)
    assert other.subject == hierarchy.province.subject
    trust.verify_chain(leaf, [city, hierarchy.province], NOW)
    assert refusal_of(trust, leaf, [city, other]) == "certificate_signature"


def test_a_certificate_read_again_is_believed_again(trust, hierarchy, card):
    again = [read_certificate(authority.der) for authority in hierarchy.intermediates]
    assert trust.verify_chain(read_certificate(card.der), again, NOW) == card
