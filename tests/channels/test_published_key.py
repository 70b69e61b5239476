"""The published test key: the first request without a ceremony, in the sandbox of a development environment alone."""

import dataclasses
import json

import pytest
import sqlalchemy as sa

from auth.channel_requests import ChannelRegister
from auth.models import signed_requests
from auth.oauth.client_register import add_client_key
from auth.oauth.jws import write_public_jwk
from auth.parties import register_institution, register_terminal
from auth.published_key import PUBLISHED_KEY, PUBLISHED_SERIAL, PublishedKeyRefused
from auth.signed_requests import SignedRequests
from channels.errors import CertificateNotAccepted, ChannelWithoutCertificate
from channels.signing import find_calling_channel, find_signing_channel
from core.settings import Environment
from sm import city_keys
from sm.certificates import PARTNER_PURPOSE
from sm.certificates.issuing import Subject
from sm.der import import_pkcs8, read_pem, write_pem
from sm.token_keys import SM2
from tests.channels.partners import PartnerApp, add_certificate, apply, make_partner, move, propose
from tests.docs.pages import ROOT
from tests.service import PROVIDER, START

PATH = "/v1/channel"
SIGNER = PROVIDER.signer(
    import_pkcs8(read_pem("PRIVATE KEY", (ROOT / "docs" / "samples" / "published-test-key.pem").read_text("ascii")))
)


def trying(city, standing="sandbox", **application):
    """A channel that stands as wanted, and signs with the published key; its own certificate stays unused."""
    partner = make_partner(city, standing, **application)
    return PartnerApp(city, partner.channel, PUBLISHED_SERIAL, SIGNER)


def refused(answer):
    return (answer.status_code, answer.json()["code"]) == (403, "published_key_refused")


def test_the_published_private_key_is_that_of_the_key_that_counts():
    assert SIGNER.public_key == PUBLISHED_KEY


def test_a_channel_in_the_sandbox_signs_its_first_request_without_a_certificate_of_its_own(city):
    channel = apply(city)
    move(city, channel, "sandbox")
    partner = PartnerApp(city, channel, PUBLISHED_SERIAL, SIGNER)
    answer = partner.send("GET", PATH)
    assert (answer.status_code, answer.json()["standing"]) == (200, "sandbox")
    assert "ESSC-Signature" in answer.headers


def test_its_signature_and_its_nonce_are_checked_as_every_other(city):
    partner = trying(city)
    assert partner.send("GET", PATH, nonce="n" * 20).status_code == 200
    assert partner.send("GET", PATH, nonce="n" * 20).json()["code"] == "nonce_spent"
    assert partner.send("GET", PATH, timestamp=int(START.timestamp()) - 301).json()["code"] == "signature_stale"
    forged = PartnerApp(city, partner.channel, PUBLISHED_SERIAL)
    assert forged.send("GET", PATH).json()["code"] == "signature_wrong"


@pytest.mark.parametrize("standing", ["applied", "reviewed", "live", "suspended", "closed"])
def test_it_counts_in_no_other_standing(city, standing):
    assert refused(trying(city, standing).send("GET", PATH))


def test_it_stops_counting_when_the_channel_is_reviewed(city):
    partner = trying(city)
    assert partner.send("GET", PATH).status_code == 200
    move(city, partner.channel, "reviewed")
    fresh = SignedRequests(city.runtime.ground, PROVIDER, _register(city.runtime.ground))
    with pytest.raises(PublishedKeyRefused):
        fresh.verify_request(partner.sign("GET", PATH), "GET", PATH, b"")


def test_channels_that_there_are_not_are_refused_in_the_same_words(city):
    nobody = PartnerApp(city, "chn_" + "0" * 26, PUBLISHED_SERIAL, SIGNER)
    answers = [nobody.send("GET", PATH).json(), trying(city, "live").send("GET", PATH).json()]
    first, second = ({name: told for name, told in answer.items() if name != "request_id"} for answer in answers)
    assert first == second


def test_what_is_about_holders_stays_closed(city):
    asked = trying(city, scopes=("carriage", "issue")).send("GET", f"/v1/bank-issuances/iss_{'0' * 26}")
    assert asked.json()["code"] == "channel_not_live"


def test_a_second_tier_channel_uses_up_nothing_of_the_one_above(city):
    above = make_partner(city, requests_per_minute=1)
    below = trying(city, above=above.channel)
    assert {below.send("GET", PATH).status_code for _ in range(3)} == {200}
    assert above.send("GET", PATH).status_code == 200


def test_a_second_tier_channel_below_one_that_is_not_there_yet_is_refused(city):
    above = apply(city)
    channel = apply(city, above=above)
    move(city, above, "sandbox")
    move(city, channel, "sandbox")
    assert PartnerApp(city, channel, PUBLISHED_SERIAL, SIGNER).send("GET", PATH).status_code == 200
    move(city, above, "closed")
    with pytest.raises(PublishedKeyRefused):
        find_calling_channel(city.runtime.ground, channel, PUBLISHED_SERIAL)


def test_in_production_it_counts_for_nobody(city):
    partner, ground = trying(city), city.runtime.ground
    production = dataclasses.replace(
        ground, settings=ground.settings.model_copy(update={"environment": Environment.PRODUCTION})
    )
    strict = SignedRequests(production, PROVIDER, _register(production))
    with pytest.raises(PublishedKeyRefused):
        strict.verify_request(partner.sign("GET", PATH), "GET", PATH, b"")


def test_a_bank_s_answer_under_it_is_no_bank_s_answer(city):
    partner = trying(city)
    assert find_signing_channel(city.database, partner.channel, PUBLISHED_SERIAL) is None


def test_its_requests_leave_evidence_under_its_serial_number(city):
    partner = trying(city)
    partner.send("GET", PATH)
    with city.database.transaction() as connection:
        mine = sa.select(signed_requests.c.serial).where(signed_requests.c.party == partner.channel)
        assert connection.execute(mine).scalars().all() == [PUBLISHED_SERIAL]


# ── Registered for nobody ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("spelt", ["{key}", "04{key}"])
def test_no_channel_has_it_certified(city, spelt):
    with pytest.raises(PublishedKeyRefused):
        propose(city, apply(city), "certificate", {"public_key": spelt.format(key=PUBLISHED_KEY.hex()), "days": 180})


def test_no_channel_brings_a_certificate_of_it(city):
    channel = apply(city)
    with pytest.raises(PublishedKeyRefused):
        propose(city, channel, "certificate", {"certificate": certificate(city, channel, PUBLISHED_KEY)})


def test_no_certificate_has_its_serial_number(city, monkeypatch):
    monkeypatch.setattr(city_keys, "new_serial", lambda: int(PUBLISHED_SERIAL, 16))
    channel, key = apply(city), PartnerApp(city, "").signer.public_key
    with pytest.raises(CertificateNotAccepted, match="published"):
        propose(city, channel, "certificate", {"certificate": certificate(city, channel, key)})


def test_a_channel_is_not_reviewed_on_the_published_key_alone(city):
    channel = apply(city)
    move(city, channel, "sandbox")
    with pytest.raises(ChannelWithoutCertificate):
        move(city, channel, "reviewed")
    add_certificate(city, PartnerApp(city, channel))
    move(city, channel, "reviewed")


def test_no_terminal_signs_with_it(city):
    with city.database.transaction() as connection, pytest.raises(PublishedKeyRefused):
        institution = register_institution(connection, name="示范药房二", kind="pharmacy", region="990100", at=START)
        register_terminal(
            connection,
            institution=institution,
            name="t",
            site="s",
            purposes=("medical",),
            public_key=PUBLISHED_KEY,
            at=START,
        )


def test_no_client_signs_with_it(city):
    with city.database.transaction() as connection, pytest.raises(PublishedKeyRefused):
        jwk = write_public_jwk(PUBLISHED_KEY, "k", SM2.algorithm)
        add_client_key(connection, PROVIDER, "cli_" + "0" * 26, jwk, at=START)


# ── The doctor knows it ──────────────────────────────────────────────────────────────────────────────────────────


def examined(city, partner, by="sandbox", **sent):
    header = partner.sign("GET", PATH, **sent)
    claim = {"method": "GET", "target": PATH, "header_fields": {"Authorization": header}}
    return city.http.post(f"/v1/{by}/signature-examinations", json=claim).json()


def test_the_doctor_says_that_the_published_key_signed(city):
    told = examined(city, trying(city))
    assert (told["key"]["published"], told["key"]["state"], told["signature"]) == (True, "valid", "right")
    assert told["diagnosis"] == []


def test_the_doctor_says_so_where_the_request_names_another_certificate(city):
    partner = make_partner(city, "sandbox")
    told = examined(city, partner, signer=SIGNER)
    assert [one["code"] for one in told["diagnosis"]] == ["key_of_other_certificate", "key_published"]
    assert told["key"]["published"] is False


def test_the_doctor_says_where_it_no_longer_counts(city):
    partner = make_partner(city)
    header = partner.sign("GET", PATH, serial_no=PUBLISHED_SERIAL, signer=SIGNER)
    body = json.dumps({"method": "GET", "target": PATH, "header_fields": {"Authorization": header}}).encode()
    told = partner.send("POST", "/v1/channel/signature-examinations", body).json()
    assert (told["key"]["state"], told["signature"]) == ("published", "right")
    assert [one["code"] for one in told["diagnosis"]] == ["key_published"]


def _register(ground):
    return ChannelRegister(ground, lambda channel, serial: find_calling_channel(ground, channel, serial))


def certificate(city, channel, public_key):
    """Let the city certify a key for a channel, as a partner would bring it."""
    issued = city_keys.issue_leaf(
        city.runtime.store,
        PROVIDER,
        subject=Subject(common_name=channel),
        public_key=public_key,
        purpose=PARTNER_PURPOSE,
        not_before=START,
        not_after=START.replace(month=6),
    )
    return write_pem("CERTIFICATE", issued.der)
