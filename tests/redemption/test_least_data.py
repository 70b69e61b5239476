"""A terminal is told what its purpose needs, and no more (qr-code.md, Redemption; feature rows 26 and 28)."""

import pytest
import sqlalchemy as sa

from core.audit import audit_entries
from core.outbox import outbox
from qr.models import redemptions
from tests.persons import make_person
from tests.redemption.counter import KINDS, USES, Counter, require_accepted, take

HOLDER = make_person(1)
NEEDED = {
    "identity": {"pseudonym", "level", "holder_name"},
    "medical": {"pseudonym", "insured_region", "holder_name"},
    "merchant": {"pseudonym", "eligible", "payment"},
    "gate": {"entitled"},
    "test": {"test"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use", USES)
def test_each_use_tells_its_own_members(counter: Counter, use: str, kind: str) -> None:
    answer = take(counter.till(), counter.show(use, kind), use)
    assert set(require_accepted(answer)["entitlement"]) == NEEDED[use]
    assert HOLDER.name not in answer.text
    assert HOLDER.social_security_number not in answer.text
    assert counter.phone.card not in answer.text


@pytest.mark.parametrize("use", ["identity", "medical"])
def test_a_name_is_masked_but_for_its_last_character(counter: Counter, use: str) -> None:
    told = require_accepted(take(counter.till(), counter.show(use), use))["entitlement"]["holder_name"]
    assert told == "*" * (len(HOLDER.name) - 1) + HOLDER.name[-1]


@pytest.mark.parametrize("institution_kind", ["hospital", "pharmacy"])
def test_a_medical_institution_with_the_scope_is_told_the_number(counter: Counter, institution_kind: str) -> None:
    till = counter.till(counter.service.add_institution(institution_kind, scopes=("redeem", "full_number")))
    told = require_accepted(take(till, counter.show()))["entitlement"]
    assert told["social_security_number"] == HOLDER.social_security_number
    assert told["insured_region"] == "990100"
    assert HOLDER.name not in told.values()


@pytest.mark.parametrize("use", ["identity", "merchant", "gate", "test"])
def test_the_scope_tells_the_number_for_no_other_use(counter: Counter, use: str) -> None:
    till = counter.till(counter.service.add_institution("hospital", scopes=("redeem", "full_number")))
    assert set(require_accepted(take(till, counter.show(use), use))["entitlement"]) == NEEDED[use]


@pytest.mark.parametrize("institution_kind", ["merchant", "bank", "public", "centre"])
def test_the_scope_tells_the_number_to_medical_institutions_only(counter: Counter, institution_kind: str) -> None:
    till = counter.till(counter.service.add_institution(institution_kind, scopes=("redeem", "full_number")))
    assert set(require_accepted(take(till, counter.show()))["entitlement"]) == NEEDED["medical"]


def test_a_pseudonym_is_the_same_within_an_institution_and_another_one_elsewhere(counter: Counter) -> None:
    first, second = counter.service.add_institution(), counter.service.add_institution("merchant")
    desk, other_desk, elsewhere = counter.till(first), counter.till(first), counter.till(second)
    assert pseudonym(counter, desk, "merchant") == pseudonym(counter, other_desk, "medical")
    assert pseudonym(counter, desk, "merchant", "counter") == pseudonym(counter, desk, "identity")
    assert pseudonym(counter, desk, "merchant") != pseudonym(counter, elsewhere, "merchant")


def test_two_cards_have_two_pseudonyms(counter: Counter) -> None:
    till, other = counter.till(), counter.another_phone()
    theirs = require_accepted(take(till, counter.show("merchant", phone=other), "merchant"))["entitlement"]["pseudonym"]
    assert theirs != pseudonym(counter, till, "merchant")
    assert len(bytes.fromhex(theirs)) == 32


def pseudonym(counter: Counter, till, use: str, kind: str = "signed") -> str:
    return require_accepted(take(till, counter.show(use, kind), use))["entitlement"]["pseudonym"]


def test_what_is_kept_of_a_redemption_names_nobody(counter: Counter) -> None:
    till = counter.till(counter.service.add_institution("hospital", scopes=("redeem", "full_number")))
    code = counter.show()
    require_accepted(take(till, code))
    with counter.service.database.transaction() as connection:
        kept = [connection.execute(sa.select(table)).all() for table in (redemptions, outbox, audit_entries)]
    for told in (HOLDER.name, HOLDER.social_security_number, code):
        assert told not in str(kept)
