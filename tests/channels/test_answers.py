"""Answers to channels: signed for the very request, by a key whose certificate leads to our root."""

import base64
import re
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from flask import Response

from auth.channel_requests import Channel
from auth.guard import Anyone, allow
from sm import city_keys
from sm.answer_keys import ANSWER_RING, RETIRED_LIFE, answer_ring, rotate_answer_keys, withdraw_answer_key
from sm.certificates import PARTNER_PURPOSE, PLATFORM_PURPOSE, Trust, read_certificate
from sm.certificates.hierarchy import development_subjects
from sm.city_keys import answer_certifier, create_city_keys, missing_city_keys
from sm.der import read_der_signature
from sm.errors import InvalidCertificate, InvalidSignature
from sm.keystore import MemoryKeyStore
from sm.sm2 import random_private_key
from tests.channels.forms_of_partners import CONTENT, FORMS, PROBE
from tests.channels.partners import PartnerApp, make_partner
from tests.persons import REGION
from tests.service import ISSUER, PROVIDER, START, Service, running_service
from tests.service import test_store as make_store
from web.app import create_app
from web.runtime import wire

PATH = "/v1/channel"
LEAD = timedelta(hours=1)
HEADER = re.compile(r'serial_no="([0-9a-f]{1,40})",timestamp="(\d+)",nonce="([^"]+)",signature="([^"]+)"')


@dataclass
class Pinned:
    """What a partner's developer has: the ministry's certificate, and whatever the service publishes."""

    service: Service

    def keys(self) -> dict[str, bytes]:
        """Fetch the certificates and believe those that the pinned root leads to."""
        told = self.service.http.get("/v1/platform-certificates").json()
        *between, root = (read_certificate(pem) for pem in told["authorities"])
        assert root.der == city_keys.read_hierarchy(self.service.runtime.store).ministry.der
        trust, found = Trust((root,), PROVIDER), {}
        for entry in told["certificates"]:
            certificate = read_certificate(entry["certificate"])
            moment = max(self.service.clock(), certificate.not_before)
            trust.verify_chain(certificate, between, moment, purpose=PLATFORM_PURPOSE)
            assert entry["serial"] == f"{certificate.serial:x}"
            found[entry["serial"]] = certificate.public_key
        return found

    def verify(self, answer: httpx.Response, target: str, nonce: str | None = None) -> str:
        """Verify an answer as the API description says, sharing no code with the service; tell the serial."""
        found = HEADER.fullmatch(answer.headers["ESSC-Signature"])
        assert found is not None
        serial, stamp, answered, signature = found.groups()
        assert nonce in {None, answered}
        assert abs(int(stamp) - self.service.clock().timestamp()) <= 300
        base = f"{answer.status_code}\n{target}\n{stamp}\n{answered}\n".encode() + answer.content + b"\n"
        raw = read_der_signature(base64.b64decode(signature))
        PROVIDER.verifier(self.keys()[serial]).verify(base, raw)
        return serial


# ── What is signed ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_is_signed_for_its_request(city):
    partner = make_partner(city)
    answer = partner.send("GET", f"{PATH}?x=1", nonce="0123456789abcdef")
    Pinned(city).verify(answer, f"{PATH}?x=1", "0123456789abcdef")


@pytest.mark.parametrize("name", FORMS)
def test_answers_are_signed_alike_in_whatever_form_was_asked(partner, name):
    Pinned(partner.service).verify(FORMS[name](partner, "POST", PROBE, CONTENT).send(partner), PROBE)


def test_an_answer_does_not_pass_for_that_of_another_request(city):
    partner, pinned = make_partner(city), Pinned(city)
    answer = partner.send("GET", PATH)
    with pytest.raises(InvalidSignature):
        pinned.verify(answer, f"{PATH}?x=1")
    with pytest.raises(AssertionError):
        pinned.verify(answer, PATH, "another-nonce-01")


@pytest.mark.parametrize("change", ["status", "body", "nonce", "timestamp"])
def test_nothing_of_an_answer_can_be_changed(city, change):
    answer = make_partner(city).send("GET", PATH)
    header = answer.headers["ESSC-Signature"]
    changed = {
        "status": httpx.Response(201, headers=answer.headers, content=answer.content),
        "body": httpx.Response(200, headers=answer.headers, content=answer.content + b" "),
        "nonce": httpx.Response(
            200, headers={"ESSC-Signature": header.replace('nonce="', 'nonce="x')}, content=answer.content
        ),
        "timestamp": httpx.Response(
            200, headers={"ESSC-Signature": header.replace('timestamp="', 'timestamp="0')}, content=answer.content
        ),
    }[change]
    with pytest.raises(InvalidSignature):
        Pinned(city).verify(changed, PATH)


def test_a_refusal_to_a_proven_channel_is_signed_too(probe):
    pinned = Pinned(probe)
    early, bare = make_partner(probe, "sandbox"), make_partner(probe, scopes=["carriage"])
    good = make_partner(probe)
    for partner, code in ((early, "channel_not_live"), (bare, "scope_missing")):
        answer = partner.send("POST", PROBE, b"{}")
        assert answer.json()["code"] == code
        pinned.verify(answer, PROBE)
    answer = good.send("POST", PROBE, b"{")
    assert answer.status_code == 400
    pinned.verify(answer, PROBE)


def test_whoever_is_not_proven_gets_no_signature(city):
    partner = make_partner(city)
    unproven = partner.send("GET", PATH, signer=PROVIDER.signer(random_private_key()))
    assert "ESSC-Signature" not in unproven.headers
    assert "ESSC-Signature" not in city.http.get("/v1/platform-certificates").headers
    till = city.add_till(city.add_institution(scopes=("enroll",)))
    assert "ESSC-Signature" not in till.send("POST", "/v1/terminal-sessions", {"operator": "op-1"}).headers


def test_a_fault_is_signed_and_shows_nothing(sqlite_service):
    def stumble(_caller: Channel) -> Response:
        raise RuntimeError("secret")

    app = create_app(sqlite_service.runtime)
    app.add_url_rule("/v1/stumble", view_func=allow(Channel)(stumble))
    sqlite_service.http = httpx.Client(transport=httpx.WSGITransport(app=app), base_url=ISSUER)
    answer = make_partner(sqlite_service).send("GET", "/v1/stumble")
    assert (answer.status_code, "secret" in answer.text) == (500, False)
    Pinned(sqlite_service).verify(answer, "/v1/stumble")


def test_a_head_has_the_signature_of_an_empty_body(city):
    answer = make_partner(city).send("HEAD", PATH)
    assert (answer.status_code, answer.content) == (200, b"")
    Pinned(city).verify(answer, PATH)


def test_no_route_for_anyone_signs(city):
    rules = [city.app.view_functions[rule.endpoint].rule for rule in city.app.url_map.iter_rules()]
    assert any(rule.caller is Channel for rule in rules)
    assert any(rule.caller is Anyone for rule in rules)


# ── Our own keys ─────────────────────────────────────────────────────────────────────────────────────────────────


def published(service: Service) -> dict[str, str]:
    told = service.http.get("/v1/platform-certificates").json()["certificates"]
    return {entry["serial"]: entry["state"] for entry in told}


def hurry(service: Service) -> None:
    """Let the service look at its rings now, as it does each second."""
    service.runtime.gate.answer_keys._look_at = 0.0


@pytest.fixture
def fresh(sqlite_url, tmp_path):
    with running_service(sqlite_url, tmp_path) as running:
        yield running


def rotate(service: Service) -> None:
    store = service.runtime.store
    rotate_answer_keys(store, PROVIDER, service.clock(), LEAD, answer_certifier(store, PROVIDER))
    hurry(service)


def test_the_next_certificate_is_published_before_it_signs(fresh):
    partner, pinned = make_partner(fresh), Pinned(fresh)
    before = published(fresh)
    assert sorted(before.values()) == ["current", "next"]
    assert before[pinned.verify(partner.send("GET", PATH), PATH)] == "current"
    fresh.clock.step(86_400)
    rotate(fresh)
    after = pinned.verify(partner.send("GET", PATH), PATH)
    assert before[after] == "next"
    assert sorted(published(fresh).values()) == ["current", "next", "retired"]


def test_a_retired_certificate_is_published_for_a_week(fresh):
    (old,) = [serial for serial, state in published(fresh).items() if state == "current"]
    fresh.clock.step(86_400)
    rotate(fresh)
    fresh.clock.step(RETIRED_LIFE.total_seconds() - 1)
    hurry(fresh)
    assert published(fresh)[old] == "retired"
    fresh.clock.step(1)
    hurry(fresh)
    assert old not in published(fresh)


def test_a_ring_that_nobody_turns_turns_before_its_key_ends(fresh):
    partner, pinned = make_partner(fresh), Pinned(fresh)
    before = published(fresh)
    fresh.clock.step(391 * 86_400)
    hurry(fresh)
    partner = make_partner(fresh)
    assert before[pinned.verify(partner.send("GET", PATH), PATH)] == "next"


def test_a_withdrawn_key_signs_no_more_and_is_published_no_more(fresh):
    store, partner, pinned = fresh.runtime.store, make_partner(fresh), Pinned(fresh)
    old = pinned.verify(partner.send("GET", PATH), PATH)
    fresh.clock.step(86_400)
    kid = str(answer_ring(store, fresh.clock()).current().kid)
    withdraw_answer_key(store, PROVIDER, kid, fresh.clock(), LEAD, answer_certifier(store, PROVIDER))
    hurry(fresh)
    assert pinned.verify(partner.send("GET", PATH), PATH) != old
    assert old not in published(fresh)


def test_where_no_key_may_sign_nothing_is_done(fresh):
    store, partner = fresh.runtime.store, make_partner(fresh)
    kid = str(answer_ring(store, fresh.clock()).current().kid)
    withdraw_answer_key(store, PROVIDER, kid, fresh.clock(), LEAD, answer_certifier(store, PROVIDER))
    hurry(fresh)
    header = partner.sign("GET", PATH)
    answer = fresh.http.get(PATH, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (503, "keys_unavailable")
    assert set(published(fresh).values()) == {"next"}
    fresh.clock.step(86_400)
    rotate(fresh)
    assert partner.send("GET", PATH).status_code == 200


def test_an_answer_key_is_certified_for_answers_alone(fresh):
    told = fresh.http.get("/v1/platform-certificates").json()
    *between, root = (read_certificate(pem) for pem in told["authorities"])
    certificate = read_certificate(told["certificates"][0]["certificate"])
    with pytest.raises(InvalidCertificate):
        Trust((root,), PROVIDER).verify_chain(certificate, between, START, purpose=PARTNER_PURPOSE)


# ── Stores of before ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_store_of_before_gets_the_ring_by_completing_it():
    whole = make_store()
    older = MemoryKeyStore("development")
    for name in whole.names():
        if "answer" not in name:
            entry, content = whole.read(name)
            if entry.kind == "document":
                older.write_document(name, entry.level, content)
            else:
                older.put(name, entry.level, entry.kind, content)
    assert missing_city_keys(older) == [ANSWER_RING]
    made = create_city_keys(older, PROVIDER, START, development_subjects(REGION))
    assert all("answer" in name for name in made)
    assert missing_city_keys(older) == []


def test_without_the_ring_channels_wait_and_everybody_else_goes_on(sqlite_service):
    store = sqlite_service.runtime.store
    partner = make_partner(sqlite_service)
    del store._entries[ANSWER_RING]
    runtime = wire(sqlite_service.runtime.ground.settings, store, PROVIDER, clock=sqlite_service.clock)
    app = create_app(runtime)
    http = httpx.Client(transport=httpx.WSGITransport(app=app), base_url=ISSUER)
    answer = PartnerApp(sqlite_service, partner.channel, partner.serial, partner.signer)
    header = answer.sign("GET", PATH)
    assert http.get(PATH, headers={"Authorization": header}).json()["code"] == "keys_unavailable"
    assert http.get("/v1/platform-certificates").status_code == 503
    assert http.get("/v1/verification-keys").status_code == 200
    runtime.ground.database.close()
