"""The issued card: its credential, its phones, and what is written in which order."""

import json
import random
import subprocess
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from auth.devices import active_devices, find_device
from channels.notices import tell_events
from core.audit import audit_entries
from core.outbox import outbox
from ecard import issuance
from ecard.credential import USER_ID, verify_credential
from ecard.enrollment_records import get_enrollment
from ecard.holders import get_holder
from sm import city_keys
from sm.der import export_spki, signature_to_der, write_pem
from sm.digest import sm3
from sm.errors import InvalidSignature, Malformed
from sm.providers import open_provider
from tests.enrollment.attempt import Attempt
from tests.service import PROVIDER, Service


def public_key(service: Service) -> bytes:
    return PROVIDER.public_key_of(service.runtime.store.private_key(city_keys.CARD_CREDENTIAL))


def notices(service: Service, phone) -> list[tuple[str, dict]]:
    """What this phone is told once the worker has made its round, the oldest first."""
    with service.database.transaction() as connection:
        while tell_events(connection, at=service.clock()):
            pass
    items = phone.send("GET", "/v1/notices").json()["items"]
    return [(item["kind"], item["content"]) for item in reversed(items)]


def active(service: Service, card: str) -> list[str]:
    with service.database.transaction() as connection:
        return [device.id for device in active_devices(connection, card)]


ON_POSTGRES = "FOR EACH ROW WHEN (NEW.act = '{act}') EXECUTE FUNCTION refuse_entry()"
ON_SQLITE = "WHEN NEW.act = '{act}' BEGIN SELECT RAISE(FAIL, 'full'); END"
REFUSE_ON_POSTGRES = (
    [
        "CREATE FUNCTION refuse_entry() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full'; END $$",
        f"CREATE TRIGGER refuse_entry BEFORE INSERT ON audit_entries {ON_POSTGRES}",
    ],
    ["DROP TRIGGER refuse_entry ON audit_entries", "DROP FUNCTION refuse_entry"],
)
REFUSE_ON_SQLITE = (
    [f"CREATE TRIGGER refuse_entry BEFORE INSERT ON audit_entries {ON_SQLITE}"],
    ["DROP TRIGGER refuse_entry"],
)


@contextmanager
def audit_refusing(service: Service, act: str):
    """Let the database refuse one kind of audit entry."""
    make, drop = REFUSE_ON_POSTGRES if service.database.is_postgresql else REFUSE_ON_SQLITE
    run_all(service, [statement.format(act=act) for statement in make])
    try:
        yield
    finally:
        run_all(service, drop)


def run_all(service: Service, statements: list[str]) -> None:
    with service.database.transaction() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


# ── Record, sign, record ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_answer_shows_the_card_as_it_was_written(attempt: Attempt):
    issued = attempt.until("confirm").answers["confirm"]
    card = attempt.electronic_card
    assert (issued["id"], issued["level"], issued["state"]) == (card.id, "L3", "active")
    assert (issued["credential"], attempt.row.card, attempt.row.device) == (card.credential, card.id, issued["device"])
    assert active(attempt.service, card.id) == [issued["device"]]


def test_what_will_be_signed_is_recorded_before_the_card_is(attempt: Attempt):
    issued = attempt.until("confirm").answers["confirm"]
    entries = sa.select(audit_entries).where(audit_entries.c.subject == issued["id"]).order_by(audit_entries.c.number)
    with attempt.service.database.transaction() as connection:
        before, after = connection.execute(entries).all()
        told = connection.execute(sa.select(outbox.c.kind).where(outbox.c.card == issued["id"])).scalars().all()
    draft = issued["credential"].rpartition(".")[0]
    assert (before.act, after.act) == ("credential.to_be_signed", "card.issued")
    assert json.loads(before.detail) == {"enrollment": attempt.id, "draft_sm3": sm3(draft.encode()).hex()}
    assert json.loads(after.detail)["credential_sm3"] == sm3(issued["credential"].encode()).hex()
    assert told == ["card.issued"]


def test_a_crash_while_signing_leaves_the_trace_and_no_card(attempt: Attempt, monkeypatch):
    attempt.until("complete")

    def crash(*_given):
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(issuance, "sign_credential", crash)
        assert attempt.confirm().status_code == 500
    assert (attempt.state, attempt.electronic_card) == ("verified", None)
    traced = sa.select(audit_entries.c.detail).where(audit_entries.c.act == "credential.to_be_signed")
    with attempt.service.database.transaction() as connection:
        assert any(attempt.id in detail for detail in connection.execute(traced).scalars())
    assert attempt.confirm().status_code == 201


@pytest.mark.parametrize(
    "act", ["enrollment.started", "enrollment.refused", "credential.to_be_signed", "card.issued", "device.ended"]
)
def test_what_cannot_be_audited_does_not_happen(attempt: Attempt, act):
    step = {"enrollment.started": "begin", "enrollment.refused": "abandon"}.get(act, "confirm")
    first = Attempt(attempt.service, card=attempt.card).until("confirm")
    attempt.until("open" if step == "begin" else "complete")
    devices, before = active(attempt.service, first.electronic_card.id), attempt.row
    with audit_refusing(attempt.service, act):
        assert getattr(attempt, step)().status_code >= 500
    assert attempt.row == before
    assert active(attempt.service, first.electronic_card.id) == devices
    assert getattr(attempt, step)().is_success


def test_the_holder_must_say_yes_to_the_very_card_that_was_read(attempt: Attempt):
    attempt.until("complete")
    other = Attempt(attempt.service).until("complete")
    refused = attempt.confirm(other.chip.id)
    assert (refused.status_code, refused.json()["code"], attempt.state) == (409, "not_confirmed", "refused")
    refused = other.confirm(confirmed=False)
    assert (refused.status_code, refused.json()["code"], other.state) == (409, "not_confirmed", "refused")
    assert attempt.confirm().json()["code"] == other.confirm().json()["code"] == "enrollment_over"
    assert attempt.electronic_card is other.electronic_card is None


# ── The credential ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["openssl", "gmssl"])
def test_anybody_can_verify_a_credential_with_the_issuer_s_key(light_attempt: Attempt, name):
    issued = light_attempt.until("confirm").answers["confirm"]
    service = light_attempt.service
    claims = verify_credential(open_provider(name), public_key(service), issued["credential"], service.clock())
    chip = sm3(b"ESSC-CHIP-1", light_attempt.chip.card_identification_code.encode()).hex()
    assert (claims["sub"], claims["acr"], claims["chip"]) == (issued["id"], "L3", chip)
    assert claims["cnf"] == {"jkt": light_attempt.row.thumbprint}
    assert set(claims) == {"iss", "sub", "iat", "exp", "acr", "region", "card_class", "chip", "cnf"}


def test_the_openssl_command_verifies_a_credential(light_attempt: Attempt, tmp_path):
    credential = light_attempt.until("confirm").answers["confirm"]["credential"]
    draft, _, signature = credential.rpartition(".")
    raw = urlsafe_b64decode(signature + "==")
    (tmp_path / "issuer.pem").write_text(write_pem("PUBLIC KEY", export_spki(public_key(light_attempt.service))))
    (tmp_path / "signature").write_bytes(signature_to_der(raw))

    def is_verified(message: str, user_id: str) -> bool:
        (tmp_path / "message").write_text(message)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "issuer.pem", "-in", "message"]
        command += ["-sigfile", "signature", "-rawin", "-digest", "sm3", "-pkeyopt", f"distid:{user_id}"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0

    assert is_verified(draft, USER_ID.decode())
    assert not is_verified(draft, "1234567812345678")
    assert not is_verified(draft[:-1], USER_ID.decode())


@pytest.mark.parametrize("name", ["openssl", "gmssl"])
def test_no_edited_credential_verifies(light_attempt: Attempt, name):
    service = light_attempt.service
    good = light_attempt.until("confirm").answers["confirm"]["credential"]
    provider, key, now = open_provider(name), public_key(service), service.clock()
    draw = random.Random(1)
    for _ in range(60 if name == "openssl" else 8):
        place = draw.randrange(len(good))
        edited = good[:place] + draw.choice("ABCxyz019-_.=\n é") + good[place + 1 :]
        if edited != good:
            with pytest.raises((Malformed, InvalidSignature)):
                verify_credential(provider, key, edited, now)


@pytest.mark.parametrize("given", ["", "..", "a.b", "a.b.c.d", "e30.e30.e30", "{}.{}.{}", "." * 5000, "eyJ.eyJ.\ud800"])
def test_no_text_breaks_the_reader_of_credentials(light_attempt: Attempt, given):
    with pytest.raises(Malformed):
        verify_credential(PROVIDER, public_key(light_attempt.service), given, light_attempt.service.clock())


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "ES256"}, {"typ": "at+jwt"}, {"alg": None}])
def test_a_credential_under_another_algorithm_or_type_is_refused(light_attempt: Attempt, header):
    service = light_attempt.service
    good = light_attempt.until("confirm").answers["confirm"]["credential"]
    _, claims, _ = good.split(".")
    bent = {"alg": "SGD_SM3_SM2", "typ": "essc-card+jwt", "kid": "card-1"} | header
    draft = f"{urlsafe_b64encode(json.dumps(bent).encode()).rstrip(b'=').decode()}.{claims}"
    signer = PROVIDER.signer(service.runtime.store.private_key(city_keys.CARD_CREDENTIAL), USER_ID)
    signature = urlsafe_b64encode(signer.sign(draft.encode())).rstrip(b"=").decode()
    with pytest.raises(Malformed):
        verify_credential(PROVIDER, public_key(service), f"{draft}.{signature}", service.clock())


def test_a_credential_of_another_issuer_s_key_is_refused(light_attempt: Attempt):
    credential = light_attempt.until("confirm").answers["confirm"]["credential"]
    stranger = PROVIDER.public_key_of(PROVIDER.generate())
    with pytest.raises(InvalidSignature):
        verify_credential(PROVIDER, stranger, credential, light_attempt.service.clock())


def test_a_credential_dies_at_the_end_of_its_year(light_attempt: Attempt):
    credential = light_attempt.until("confirm").answers["confirm"]["credential"]
    service = light_attempt.service
    ends = service.clock().replace(microsecond=0) + timedelta(days=365)
    verify_credential(PROVIDER, public_key(service), credential, ends - timedelta(seconds=1))
    for late in (ends, ends + timedelta(seconds=1)):
        with pytest.raises(Malformed):
            verify_credential(PROVIDER, public_key(service), credential, late)


# ── Its phones (threats.md D1) ───────────────────────────────────────────────────────────────────────────────────


def test_d1_moving_to_a_new_phone_ends_the_old_one_and_tells_it(city: Service):
    card, till = city.make_card(), city.add_till()
    old, new = city.enroll(till, card), city.enroll(till, card)
    assert (old.card, active(city, old.card)) == (new.card, [new.device])
    assert old.code("medical").json()["code"] == "device_ended"
    assert old.sign_in().is_error
    assert new.code("medical").status_code == 201
    assert notices(city, old)[-1] == ("device.ended", {"device": old.device, "because": "moved_to_another_phone"})
    assert "device.ended" not in [kind for kind, _ in notices(city, new)]
    assert notices(city, new)[-1][0] == "card.issued"


def test_d1_a_move_that_fails_leaves_the_old_phone_bound(attempt: Attempt, monkeypatch):
    service = attempt.service
    old = service.enroll(attempt.till, attempt.card)
    attempt.until("complete")
    with monkeypatch.context() as patched:
        patched.setattr(issuance, "finish_enrollment", lambda *_given, **_more: False)
        assert attempt.confirm().json()["code"] == "enrollment_out_of_step"
    assert active(service, old.card) == [old.device]
    assert old.code("medical").status_code == 201
    assert attempt.confirm().status_code == 201
    assert old.code("medical").json()["code"] == "device_ended"


@pytest.mark.parametrize("max_devices", [1, 2, 3])
def test_d1_a_card_never_has_more_active_phones_than_the_policy_allows(city_with, max_devices):
    service = city_with(max_devices=max_devices, enrollments_per_card_day=100)
    card, till = service.make_card(), service.add_till()
    phones = [service.phone() for _ in range(4)]
    carrying: list[str] = []  # keys in the order in which they were bound
    draw = random.Random(max_devices)
    for _ in range(9):
        phone = draw.choice(phones)
        Attempt(service, till=till, card=card, phone=phone).until("confirm")
        if phone.device not in carrying:
            carrying = [*carrying, phone.device][-max_devices:]
        assert active(service, phone.card) == carrying
        assert len(carrying) <= max_devices


def test_the_same_phone_enrolling_again_keeps_its_binding_and_the_card_its_name(attempt: Attempt):
    first = attempt.until("confirm").answers["confirm"]
    attempt.service.clock.step(60)
    again = Attempt(attempt.service, card=attempt.card, phone=attempt.phone).until("confirm").answers["confirm"]
    assert {**again, "credential": ""} == {**first, "credential": ""}
    assert again["credential"] != first["credential"]
    assert active(attempt.service, first["id"]) == [first["device"]]


def test_a_stricter_policy_counts_from_the_next_enrollment_on(city_with):
    service = city_with(max_devices=2)
    card = service.make_card()
    first, second = (Attempt(service, card=card).until("confirm") for _ in range(2))
    desk = service.runtime.enrollment
    strict = replace(desk.ground, settings=desk.ground.settings.model_copy(update={"max_devices": 1}))
    again = Attempt(service, card=card, phone=first.phone).until("complete")
    service.app.extensions["ecard.desk"] = replace(desk, ground=strict)
    assert again.confirm().status_code == 201
    assert active(service, again.electronic_card.id) == [first.phone.device]
    assert second.phone.code("medical").is_error


def test_a_phone_that_has_lost_the_card_gets_no_second_answer(attempt: Attempt):
    attempt.until("confirm")
    Attempt(attempt.service, card=attempt.card).until("confirm")
    refused = attempt.confirm()
    assert (refused.status_code, refused.json()["code"]) == (403, "device_ended")


def test_one_phone_may_carry_the_cards_of_several_persons(city: Service):
    phone = city.phone()
    attempts = [Attempt(city, phone=phone, card=city.make_card(number)).until("confirm") for number in (5001, 5002)]
    cards = {attempt.electronic_card.id for attempt in attempts}
    devices = {attempt.answers["confirm"]["device"] for attempt in attempts}
    assert len(cards) == len(devices) == 2
    assert all(len(active(city, card)) == 1 for card in cards)


# ── What the enrollment forgets ──────────────────────────────────────────────────────────────────────────────────


def test_what_was_read_of_the_holder_goes_with_the_enrollment_into_the_sealed_record(attempt: Attempt):
    attempt.until("complete")
    assert attempt.row.holder_data is not None
    attempt.confirm()
    ground = attempt.service.runtime.ground
    with ground.database.transaction() as connection:
        assert get_enrollment(connection, attempt.id).holder_data is None
        holder = get_holder(ground, connection, attempt.electronic_card.holder)
        device = find_device(connection, attempt.phone.device)
    assert holder.social_security_number.encode() in attempt.card.contents.holder_records
    assert device is not None
    assert device.channel == "app"
    assert attempt.look().json()["holder_name"] is None
