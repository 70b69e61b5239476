"""What the service asks before it believes a card: register, dates, keys, certificate, holder, HSM."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from auth.models import signed_requests
from ecard.holders import get_holder, number_index
from ecard.standing import cancel_card, lift_loss, report_loss
from physical.chip.files import read_ef05, read_ef06, write_ef05, write_ef06
from physical.chip.profiles import CONTACT_2_0, CONTACT_3_0
from physical.errors import ChipCardExpired, ChipCardNotYetValid
from physical.hsm import CardNotAuthentic, HsmRefused, HsmUnavailable, RemoteCardHsm
from physical.register import ChipCard, register_chip_card, require_usable
from physical.soft_hsm import SoftCardHsm
from physical.soft_hsm_server import FailMode, SoftHsmServer
from sm import city_keys
from sm.certificates import TERMINAL_PURPOSE, Revocation, issue_crl, read_certificate, read_crl
from sm.city_revocation import CITY_CRL
from tests.enrollment.attempt import Attempt
from tests.enrollment.certificates import (
    certificate,
    certificate_of_another_ministry,
    certificate_with_a_bent_signature,
    code_of_card,
)
from tests.persons import make_person
from tests.service import PROVIDER, Service


def refused_at_hello(attempt: Attempt, **changes) -> tuple[int, str]:
    """Say hello, expect a final refusal that releases nothing, and give status and code."""
    answer = attempt.hello(**changes)
    assert "external_authentication" not in answer.text
    assert (attempt.state, attempt.refusal) == ("refused", answer.json()["code"])
    return answer.status_code, answer.json()["code"]


def stand(attempt: Attempt, change) -> None:
    ground = attempt.service.runtime.ground
    with ground.database.transaction() as connection:
        change(ground, connection, attempt.chip.id, actor="hotline")


# ── The register ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_card_that_is_not_in_the_register_is_refused(city: Service):
    attempt = Attempt(city, card=city.make_card(register=False)).until("begin")
    assert refused_at_hello(attempt) == (422, "chip_card_unknown")


@pytest.mark.parametrize(("change", "code"), [(report_loss, "chip_card_lost"), (cancel_card, "chip_card_cancelled")])
def test_a_card_that_does_not_stand_well_is_refused_before_the_hsm_is_asked(attempt: Attempt, change, code):
    attempt.until("begin")
    stand(attempt, change)
    asked = attempt.service.runtime.enrollment.proofs.hsm.asked
    before = len(asked)
    assert refused_at_hello(attempt) == (409, code)
    assert len(asked) == before


@pytest.mark.parametrize(("change", "code"), [(report_loss, "chip_card_lost"), (cancel_card, "chip_card_cancelled")])
def test_a_card_that_falls_between_reading_and_confirming_is_not_issued(attempt: Attempt, change, code):
    attempt.until("complete")
    stand(attempt, change)
    refused = attempt.confirm()
    assert (refused.status_code, refused.json()["code"]) == (409, code)
    assert (attempt.state, attempt.refusal, attempt.electronic_card) == ("refused", code, None)
    assert attempt.confirm().json()["code"] == "enrollment_over"


def test_a_card_that_was_found_again_may_be_enrolled(attempt: Attempt):
    attempt.until("begin")
    stand(attempt, report_loss)
    attempt.hello()
    stand(attempt, lift_loss)
    assert Attempt(attempt.service, card=attempt.card).until("confirm").state == "issued"


def test_a_renewed_card_of_a_cancelled_chip_is_not_revived(attempt: Attempt):
    attempt.until("confirm")
    again = Attempt(attempt.service, card=attempt.card, phone=attempt.phone).until("complete")
    stand(again, cancel_card)
    assert again.confirm().json()["code"] == "chip_card_cancelled"
    assert again.electronic_card.standing == "revoked"


def test_an_ended_electronic_card_is_not_renewed(attempt: Attempt):
    attempt.until("confirm")
    again = Attempt(attempt.service, card=attempt.card).until("complete")
    with attempt.service.database.transaction() as connection:
        connection.execute(
            sa.text("UPDATE electronic_cards SET standing = 'revoked' WHERE chip_card = :chip"),
            {"chip": attempt.chip.id},
        )
    assert again.confirm().json()["code"] == "electronic_card_ended"
    assert (again.state, again.refusal) == ("refused", "electronic_card_ended")


def test_the_same_card_entered_twice_keeps_its_id(attempt: Attempt):
    chip = attempt.chip
    with attempt.service.database.transaction() as connection:
        again = register_chip_card(
            connection,
            card_identification_code=chip.card_identification_code,
            generation="2.0",
            region=chip.region,
            at=attempt.service.clock(),
        )
    assert (again, attempt.chip) == (chip.id, chip)


# ── Dates: the days of a card are Beijing's ──────────────────────────────────────────────────────────────────────

MIDNIGHT_IN_BEIJING = datetime(2026, 3, 2, 16, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CARD = ChipCard("chp_1", "9" * 32, "3.0", "990100", None, None, None, None, "active")


def test_a_card_is_good_until_its_last_day_has_ended():
    card = replace(CARD, expires_on=date(2026, 3, 2))
    require_usable(card, MIDNIGHT_IN_BEIJING - SECOND)
    for late in (MIDNIGHT_IN_BEIJING, MIDNIGHT_IN_BEIJING + SECOND):
        with pytest.raises(ChipCardExpired):
            require_usable(card, late)


def test_a_card_is_good_from_the_beginning_of_its_first_day():
    card = replace(CARD, issued_on=date(2026, 3, 3))
    with pytest.raises(ChipCardNotYetValid):
        require_usable(card, MIDNIGHT_IN_BEIJING - SECOND)
    for good in (MIDNIGHT_IN_BEIJING, MIDNIGHT_IN_BEIJING + SECOND):
        require_usable(card, good)


def test_a_card_without_dates_is_good():
    require_usable(CARD, MIDNIGHT_IN_BEIJING)


@pytest.mark.parametrize(
    ("days", "code"),
    [({"expires_on": -1}, "chip_card_expired"), ({"issued_on": 1}, "chip_card_not_yet_valid")],
)
def test_the_register_s_dates_count_not_those_on_the_chip(sqlite_city: Service, days, code):
    card = sqlite_city.make_card(register=False)
    today = (sqlite_city.clock() + timedelta(hours=8)).date()
    with sqlite_city.database.transaction() as connection:
        register_chip_card(
            connection,
            card_identification_code=code_of_card(card),
            generation="3.0",
            region="990100",
            at=sqlite_city.clock(),
            **{name: today + timedelta(days=away) for name, away in days.items()},
        )
    assert refused_at_hello(Attempt(sqlite_city, card=card).until("begin")) == (409, code)


@pytest.mark.parametrize("profile", [CONTACT_2_0, CONTACT_3_0])
def test_another_genuine_chip_under_a_copied_code_is_refused(sqlite_city: Service, profile):
    victim, other = (sqlite_city.make_card(number, profile) for number in (51, 52))
    other.contents.issuer_records = victim.contents.issuer_records
    other.contents.holder_records = victim.contents.holder_records
    refused = refused_at_hello(Attempt(sqlite_city, card=other).until("begin"))
    assert refused == (403, "chip_card_not_authentic")


def test_a_card_that_cannot_sign_enrolls_only_if_the_register_knows_its_chip(sqlite_city: Service):
    card = sqlite_city.make_card(53, CONTACT_2_0)
    with sqlite_city.database.transaction() as connection:
        connection.execute(sa.text("UPDATE chip_cards SET historical_bytes = NULL"))
    assert refused_at_hello(Attempt(sqlite_city, card=card).until("begin")) == (403, "chip_card_not_authentic")


# ── What the chip says and proves ────────────────────────────────────────────────────────────────────────────────


def test_a_card_that_poses_as_an_older_one_to_escape_signing_is_refused(light_attempt: Attempt):
    light_attempt.until("begin")
    issuer = read_ef05(light_attempt.card.contents.issuer_records)
    posed = write_ef05(replace(issuer, version="2.0")).hex()
    assert refused_at_hello(light_attempt, issuer_data=posed, certificate=None) == (422, "chip_data_wrong")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"algorithm": "DES"}, (422, "card_algorithm_not_supported")),
        ({"algorithm": "SSF33"}, (422, "card_algorithm_not_supported")),
        ({"atr": "3b6d0000"}, (422, "chip_data_wrong")),
        ({"atr": "3b6d0000" + "00" * 13}, (403, "chip_card_not_authentic")),
        ({"issuer_data": "0110"}, (422, "chip_data_wrong")),
        ({"issuer_data": "00"}, (422, "chip_data_wrong")),
        ({"internal_authentication": "00" * 8}, (403, "chip_card_not_authentic")),
    ],
    ids=str,
)
def test_what_no_card_says_ends_the_enrollment(light_attempt: Attempt, changes, expected):
    light_attempt.until("begin")
    assert refused_at_hello(light_attempt, **changes) == expected


def test_the_answer_of_another_genuine_card_is_refused(light_attempt: Attempt):
    light_attempt.until("begin")
    other = Attempt(light_attempt.service)
    other.id, other.service_nonce, other.till, other.phone = (
        light_attempt.id,
        light_attempt.service_nonce,
        light_attempt.till,
        light_attempt.phone,
    )
    answered = other.read_hello()["internal_authentication"]
    assert refused_at_hello(light_attempt, internal_authentication=answered) == (403, "chip_card_not_authentic")


# ── The certificate ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("made", "because"),
    [
        (lambda service, card: certificate(service, card, code="990100D15600000500000000FFFFFFFF"), "another card"),
        (lambda service, card: certificate(service, card, begins=-400, ends=-1), "certificate_expired"),
        (lambda service, card: certificate(service, card, begins=1), "certificate_not_yet_valid"),
        (lambda service, card: certificate(service, card, purpose=TERMINAL_PURPOSE), "certificate_purpose"),
        (certificate_of_another_ministry, "certificate_issuer_unknown"),
        (lambda _service, card: certificate_with_a_bent_signature(card), "certificate_signature"),
        (lambda service, _card: city_keys.read_hierarchy(service.runtime.store).city.der, "certificate_is_ca"),
        (lambda _service, card: card.contents.certificate_key.certificate[:-1], "malformed"),
    ],
    ids=["another card's", "expired", "not yet valid", "a terminal's", "chain broken", "bent", "the city's own", "cut"],
)
def test_a_certificate_that_is_not_good_for_this_card_is_refused(sqlite_city: Service, made, because):
    card = sqlite_city.make_card()
    attempt = Attempt(sqlite_city, card=card).until("begin")
    assert refused_at_hello(attempt, certificate=made(sqlite_city, card).hex()) == (403, "card_certificate_wrong")
    again = Attempt(sqlite_city, card=card).until("begin")
    detail = again.hello(certificate=made(sqlite_city, card).hex()).json()["detail"]
    assert because in detail


def test_a_third_generation_card_without_a_certificate_is_refused(light_attempt: Attempt):
    light_attempt.until("begin")
    assert refused_at_hello(light_attempt, certificate=None) == (403, "card_certificate_wrong")


@pytest.mark.parametrize(("seconds", "is_good"), [(-1, True), (0, False), (1, False)])
def test_a_certificate_is_good_strictly_before_its_end(sqlite_city: Service, seconds, is_good):
    card = sqlite_city.make_card()
    lasting = certificate(sqlite_city, card, ends=1)
    ends = read_certificate(lasting).not_after
    sqlite_city.clock.step((ends - sqlite_city.clock()).total_seconds() + seconds)
    attempt = Attempt(sqlite_city, card=card).until("begin")
    assert attempt.hello(certificate=lasting.hex()).is_success == is_good


def write_list(service: Service, *revoked: bytes, days: int = 7, signer=None) -> None:
    """Publish the city's revocation list."""
    store, now = service.runtime.store, service.clock()
    entries = [Revocation(read_certificate(der).serial, now) for der in revoked]
    written = issue_crl(
        issuer=city_keys.read_hierarchy(store).city,
        signer=PROVIDER.signer(store.private_key(city_keys.CITY_CA)),
        revoked=entries,
        number=len(entries) + 1,
        this_update=now - timedelta(days=1),
        next_update=now + timedelta(days=days),
    )
    store.write_document(CITY_CRL, "city", written)


def test_a_revoked_certificate_is_refused_from_the_next_hello_on(city_with):
    service = city_with()
    card = service.make_card()
    Attempt(service, card=card).until("confirm")
    write_list(service, card.contents.certificate_key.certificate)
    attempt = Attempt(service, card=card).until("begin")
    assert refused_at_hello(attempt) == (403, "card_certificate_wrong")
    assert Attempt(service).until("confirm").state == "issued"


def test_a_stale_or_broken_revocation_list_is_our_fault_and_leaves_the_enrollment_open(city_with):
    service = city_with()
    attempt = Attempt(service).until("begin")
    write_list(service, days=0)
    stale = attempt.hello()
    assert (stale.status_code, stale.json()["code"]) == (503, "revocation_list_unavailable")
    assert (stale.json()["detail"], stale.headers["Retry-After"]) == ("crl_stale", "60")
    good = read_crl(service.runtime.store.document(CITY_CRL))
    service.runtime.store.write_document(CITY_CRL, "city", good.tbs)
    assert attempt.hello().json()["code"] == "revocation_list_unavailable"
    assert attempt.state == "pending"
    write_list(service)
    assert attempt.hello().status_code == 200


# ── The holder ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_number_with_a_wrong_check_digit_is_refused(sqlite_city: Service):
    card = sqlite_city.make_card(profile=CONTACT_2_0)
    attempt = Attempt(sqlite_city, card=card).until("hello")
    holder = read_ef06(card.contents.holder_records)
    last = "0" if holder.social_security_number[-1] != "0" else "1"
    bent = write_ef06(replace(holder, social_security_number=holder.social_security_number[:-1] + last))
    refused = attempt.complete(holder_data=bent.hex())
    assert (refused.status_code, refused.json()["code"], attempt.state) == (422, "chip_data_wrong", "refused")


def test_a_holder_who_is_not_the_registered_one_is_refused(sqlite_city: Service):
    card = sqlite_city.make_card(number=31, profile=CONTACT_2_0)
    attempt = Attempt(sqlite_city, card=card).until("hello")
    other = write_ef06(make_person(32).holder_data())
    refused = attempt.complete(holder_data=other.hex())
    assert (refused.status_code, refused.json()["code"], attempt.state) == (403, "holder_mismatch", "refused")
    assert attempt.row.holder_data is None


@pytest.mark.parametrize("is_signed", [True, False])
def test_a_card_whose_holder_the_register_does_not_know_must_sign(sqlite_city: Service, is_signed):
    card = sqlite_city.make_card(register=False, **({} if is_signed else {"profile": CONTACT_2_0}))
    issuer = read_ef05(card.contents.issuer_records)
    with sqlite_city.database.transaction() as connection:
        register_chip_card(
            connection,
            card_identification_code=issuer.card_identification_code,
            generation=issuer.version,
            region=issuer.region,
            historical_bytes=card.contents.historical_bytes.hex(),
            at=sqlite_city.clock(),
        )
    answer = Attempt(sqlite_city, card=card).until("hello").complete()
    assert answer.json().get("code") == (None if is_signed else "holder_mismatch")


@pytest.mark.parametrize("is_signed", [True, False])
def test_only_a_signed_name_replaces_the_known_one(city: Service, is_signed):
    number = 4100 + is_signed
    first = Attempt(city, card=city.make_card(number)).until("confirm")
    ground, person = city.runtime.ground, make_person(number)
    second = city.make_card(number, **({} if is_signed else {"profile": CONTACT_2_0}))
    second.contents.holder_records = write_ef06(replace(person.holder_data(), name="虚拟改名"))
    renamed = Attempt(city, card=second).until("confirm")
    assert renamed.electronic_card.holder == first.electronic_card.holder
    with city.database.transaction() as connection:
        holder = get_holder(ground, connection, first.electronic_card.holder)
    assert holder.name == ("虚拟改名" if is_signed else person.name)
    assert number_index(ground, holder.social_security_number) == first.chip.holder_index


# ── The HSM ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", ["verify_internal_authentication", "external_authentication"])
def test_without_the_hsm_the_enrollment_stays_open_and_nothing_is_kept(attempt: Attempt, monkeypatch, command):
    attempt.until("begin")
    hsm = attempt.service.runtime.enrollment.proofs.hsm
    before = attempt.row
    spent = sa.select(sa.func.count()).select_from(signed_requests)
    with attempt.service.database.transaction() as connection:
        nonces = connection.execute(spent).scalar_one()
    monkeypatch.setitem(hsm.faults, command, HsmUnavailable("away"))
    away = attempt.hello()
    assert (away.status_code, away.json()["code"], away.headers["Retry-After"]) == (503, "card_hsm_unavailable", "3")
    assert attempt.row == before
    with attempt.service.database.transaction() as connection:
        assert connection.execute(spent).scalar_one() == nonces
    monkeypatch.delitem(hsm.faults, command)
    assert attempt.hello().status_code == 200
    assert attempt.complete().status_code == 200
    assert attempt.confirm().status_code == 201


@pytest.mark.parametrize("command", ["verify_internal_authentication", "external_authentication"])
@pytest.mark.parametrize(
    "fault", [HsmRefused("unknown_generation"), CardNotAuthentic("no")], ids=lambda fault: fault.code
)
def test_what_the_hsm_refuses_is_refused_for_good(attempt: Attempt, monkeypatch, command, fault):
    attempt.until("begin")
    monkeypatch.setitem(attempt.service.runtime.enrollment.proofs.hsm.faults, command, fault)
    assert refused_at_hello(attempt) == (403, "chip_card_not_authentic")


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (FailMode.NONE, (200, None, "hello")),
        (FailMode.DROP, (503, "card_hsm_unavailable", "pending")),
        (FailMode.GARBLE, (503, "card_hsm_unavailable", "pending")),
        (FailMode.REFUSE, (403, "chip_card_not_authentic", "refused")),
    ],
)
def test_over_the_hsm_s_wire_faults_leave_it_open_and_refusals_end_it(
    sqlite_city: Service, monkeypatch, mode, expected
):
    key = bytes(range(32))
    hsm = sqlite_city.runtime.enrollment.proofs.hsm
    server = SoftHsmServer(("127.0.0.1", 0), SoftCardHsm(sqlite_city.runtime.store, "development"), key, mode)
    with server.running() as port:
        remote = RemoteCardHsm(("127.0.0.1", port), key, retries=0)
        monkeypatch.setattr(hsm, "inner", remote)
        attempt = Attempt(sqlite_city).until("begin")
        answer = attempt.hello()
        remote.close()
    assert (answer.status_code, answer.json().get("code"), attempt.state) == expected
