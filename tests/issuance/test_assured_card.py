"""The e-card on a bank's word, whoever carries the word: planned, signed, issued, or refused in one way."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from ecard import issuance as enrolled_issuance
from ecard.assured_issuance import (
    Assurance,
    AssuredCard,
    AssuredPerson,
    PlanOutdated,
    issue_assured_card,
    plan_assured_card,
    sign_plan,
)
from ecard.credential import verify_credential
from ecard.errors import NotEligible
from ecard.holders import get_holder
from ecard.models import electronic_cards, holders
from ecard.standing import report_loss
from physical.chip.files import read_ef05
from physical.register import get_chip_card
from sm import city_keys
from tests.enrollment.attempt import Attempt
from tests.persons import Person, make_person
from tests.service import PROVIDER, Service

PHONE = "19900000001"
ASSURANCE = Assurance(f"chn_{'0' * 26}", f"iss_{'0' * 26}")


def assured(person: Person, **changes: str) -> AssuredPerson:
    return replace(AssuredPerson(person.social_security_number, person.name, PHONE), **changes)


def plan(service: Service, person: AssuredPerson):
    with service.database.transaction() as connection:
        return plan_assured_card(service.runtime.enrollment, connection, person, ASSURANCE)


def issue(service: Service, person: AssuredPerson, planned=None) -> AssuredCard:
    desk, made = service.runtime.enrollment, planned or plan(service, person)
    credential = sign_plan(desk, made)
    with service.database.transaction() as connection:
        return issue_assured_card(desk, connection, person, ASSURANCE, made, credential)


def test_a_card_is_issued_at_l2_for_the_holder_with_the_phone_sealed(service):
    service.make_card(1)
    issued, fields = issue(service, assured(make_person(1))), service.runtime.ground.fields
    card = issued.card
    assert (issued.is_new, card.level, card.standing, card.default_pin) == (True, "L2", "active", True)
    with service.database.transaction() as connection:
        holder = get_holder(service.runtime.ground, connection, card.holder)
        row = connection.execute(sa.select(holders).where(holders.c.id == card.holder)).one()
    assert holder.name == make_person(1).name
    assert (row.phone_index, fields.open("holders", "phone", card.holder, row.phone)) == (
        fields.index("phone", PHONE),
        PHONE,
    )


def test_its_credential_names_no_phone(service):
    service.make_card(1)
    card = issue(service, assured(make_person(1))).card
    public_key = PROVIDER.public_key_of(service.runtime.store.private_key(city_keys.CARD_CREDENTIAL))
    claims = verify_credential(PROVIDER, public_key, card.credential, service.clock())
    assert (claims["sub"], claims["acr"], "cnf" in claims) == (card.id, "L2", False)


def test_a_reader_raises_it_to_l3_and_afterwards_it_is_used_as_it_stands(service):
    chip = service.make_card(1)
    first = issue(service, assured(make_person(1))).card
    phone = service.enroll(card=chip)
    again = issue(service, assured(make_person(1)))
    assert (phone.card, again.card.id, again.is_new, again.card.level) == (first.id, first.id, False, "L3")


def test_two_plans_issue_one_card(service):
    service.make_card(1)
    person = assured(make_person(1))
    late = plan(service, person)
    first, second = issue(service, person), issue(service, person, late)
    assert (first.is_new, second.is_new, second.card) == (True, False, first.card)


def test_a_plan_to_use_a_card_that_went_away_signs_nothing(service):
    service.make_card(1)
    person = assured(make_person(1))
    issue(service, person)
    made = plan(service, person)
    with service.database.transaction() as connection:
        connection.execute(electronic_cards.delete())
    with pytest.raises(PlanOutdated):
        issue(service, person, made)


@pytest.mark.parametrize("changes", [{}, {"name": "样例丁"}, {"social_security_number": "99010019850314012X"}])
def test_who_is_not_eligible_is_refused_in_one_way(service, changes):
    code = read_ef05(service.make_card(1).contents.issuer_records).card_identification_code
    issue(service, assured(make_person(1)))
    if not changes:
        with service.database.transaction() as connection:
            chip = get_chip_card(connection, code).id
            report_loss(service.runtime.ground, connection, chip, actor="hotline")
    with pytest.raises(NotEligible) as refused:
        plan(service, assured(make_person(1), **changes))
    assert refused.value.detail is None


def test_a_card_lost_between_plan_and_signature_is_not_issued(service):
    code = read_ef05(service.make_card(1).contents.issuer_records).card_identification_code
    made = plan(service, assured(make_person(1)))
    with service.database.transaction() as connection:
        report_loss(service.runtime.ground, connection, get_chip_card(connection, code).id, actor="hotline")
    with pytest.raises(NotEligible):
        issue(service, assured(make_person(1)), made)


def test_an_enrollment_that_meets_a_new_card_at_its_signature_plans_anew(service, monkeypatch):
    attempt, original = Attempt(service, card=service.make_card(1)).until("complete"), enrolled_issuance.sign_credential

    def sign(*given):
        monkeypatch.setattr(enrolled_issuance, "sign_credential", original)
        issue(service, assured(make_person(1)))
        return original(*given)

    monkeypatch.setattr(enrolled_issuance, "sign_credential", sign)
    confirmed = attempt.confirm(attempt.chip.id)
    assert (confirmed.status_code, confirmed.json()["level"]) == (201, "L3")
    with service.database.transaction() as connection:
        [row] = connection.execute(sa.select(electronic_cards)).all()
    assert (row.id, row.level) == (confirmed.json()["id"], "L3")


def test_nothing_printed_of_a_person_shows_anything():
    person = assured(make_person(1))
    assert not [secret for secret in (person.social_security_number, person.name, PHONE) if secret in repr(person)]
