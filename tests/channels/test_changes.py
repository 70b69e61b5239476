"""Two people for whatever gives a channel something, one for what only takes away (threats.md A1)."""

import dataclasses
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from channels.changes import (
    approve_change,
    draft_change,
    foresee_approval,
    list_changes,
    propose_change,
    reject_change,
)
from channels.desk import ChannelDesk
from channels.errors import ChangeOutdated, ChangeOver, ChangeWaits, OperatorNotProven, SameOperator
from channels.models import channel_certificates, channel_changes
from channels.operators import OPERATOR_USER_ID
from channels.registry import get_channel
from core.audit import audit_entries
from core.errors import Malformed, Missing, Refusal
from core.settings import Environment
from sm.sm2 import random_private_key
from tests.channels.partners import (
    LI,
    WANG,
    PartnerApp,
    apply,
    approve,
    change,
    make_partner,
    move,
    propose,
    standing_of,
)
from tests.service import PROVIDER, Service

TO_SANDBOX = {"from": "applied", "to": "sandbox"}


def waiting(service: Service) -> list[str]:
    with service.database.transaction() as connection:
        return [found.id for found in list_changes(service.runtime.channels, connection, waiting=True)]


def reject(service: Service, change_id: str, by: str = WANG):
    with service.database.transaction() as connection:
        return reject_change(service.runtime.channels, connection, change_id, by)


def state_of(service: Service, change_id: str) -> str:
    with service.database.transaction() as connection:
        query = sa.select(channel_changes.c.state).where(channel_changes.c.id == change_id)
        return connection.execute(query).scalar_one()


# ── Two people ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_operator_alone_changes_nothing(both):
    channel = apply(both)
    proposed = propose(both, channel, "standing", TO_SANDBOX)
    assert standing_of(both, channel) == "applied"
    with pytest.raises(SameOperator):
        approve(both, proposed.id, LI)
    assert standing_of(both, channel) == "applied"
    approve(both, proposed.id, WANG)
    assert standing_of(both, channel) == "sandbox"


@pytest.mark.parametrize("name", ["li", "LI", "Li"])
def test_another_spelling_is_not_another_operator(city, name):
    proposed = propose(city, apply(city), "standing", TO_SANDBOX, by="Li")
    with pytest.raises(SameOperator):
        approve(city, proposed.id, name)


@pytest.mark.parametrize("name", ["", " li", "li ", "l\ni", "ｌｉ", "l" * 41])
def test_a_name_has_one_spelling(city, name):
    with pytest.raises(OperatorNotProven):
        propose(city, apply(city), "standing", TO_SANDBOX, by=name)


def test_a_change_is_approved_once(city):
    proposed = propose(city, apply(city), "standing", TO_SANDBOX)
    approve(city, proposed.id)
    for by in (WANG, "zhao"):
        with pytest.raises(ChangeOver):
            approve(city, proposed.id, by)


def test_a_rejected_change_comes_to_nothing(city):
    channel = apply(city)
    proposed = propose(city, channel, "standing", TO_SANDBOX)
    assert reject(city, proposed.id, LI).state == "rejected"
    with pytest.raises(ChangeOver):
        approve(city, proposed.id)
    assert standing_of(city, channel) == "applied"
    assert propose(city, channel, "standing", TO_SANDBOX).state == "proposed"


def test_a_change_lives_for_seven_days(city):
    channel = apply(city)
    proposed = propose(city, channel, "standing", TO_SANDBOX)
    city.clock.step(7 * 86_400 - 0.001)
    assert proposed.id in waiting(city)
    city.clock.step(0.001)
    assert proposed.id not in waiting(city)
    with pytest.raises(ChangeOver):
        approve(city, proposed.id)
    assert propose(city, channel, "standing", TO_SANDBOX).state == "proposed"
    assert state_of(city, proposed.id) == "expired"
    city.clock.step(-7 * 86_400)
    with pytest.raises(ChangeOver):
        approve(city, proposed.id)


def test_one_change_of_a_kind_waits_at_a_time(city):
    channel = apply(city)
    propose(city, channel, "standing", TO_SANDBOX)
    with pytest.raises(ChangeWaits):
        propose(city, channel, "standing", {"from": "applied", "to": "closed"}, by="zhao")
    signer = PartnerApp(city, channel).signer
    assert propose(city, channel, "certificate", {"public_key": signer.public_key.hex(), "days": 30})


def test_a_change_that_no_longer_fits_is_not_carried_out(city):
    partner = make_partner(city)
    proposed = propose(city, partner.channel, "standing", {"from": "live", "to": "closed"})
    move(city, partner.channel, "suspended")
    with pytest.raises(ChangeOutdated):
        approve(city, proposed.id)
    assert standing_of(city, partner.channel) == "suspended"
    assert state_of(city, proposed.id) == "proposed"


def test_terms_change_as_they_were_read(city):
    partner = make_partner(city)
    detail = {"from": {"requests_per_minute": 600}, "to": {"requests_per_minute": 5}}
    change(city, partner.channel, "terms", detail)
    with pytest.raises(ChangeOutdated):
        propose(city, partner.channel, "terms", detail)


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("standing", {}),
        ("standing", {"from": "applied"}),
        ("standing", {"from": "applied", "to": "sandbox", "now": True}),
        ("standing", {"from": "applied", "to": 1}),
        ("certificate", {}),
        ("certificate", {"certificate": 5}),
        ("withdrawal", {"serial": "0"}),
        ("withdrawal", {"serial": "0", "reason": ""}),
        ("terms", {"from": {}, "to": {}}),
        ("terms", {"from": {"id": "chn_"}, "to": {"id": "chn_"}}),
        ("terms", {"from": {"scopes": ["carriage", "news"]}, "to": {"client": None}}),
        ("terms", {"from": {"scopes": ["carriage", "news"]}, "to": {"scopes": ["everything"]}}),
        ("terms", {"from": {"requests_per_minute": 600}, "to": {"requests_per_minute": 0}}),
        ("removal", {}),
    ],
    ids=str,
)
def test_a_change_that_is_not_of_its_form_is_refused(city, kind, detail):
    with pytest.raises(Malformed):
        propose(city, apply(city), kind, detail)


@pytest.mark.parametrize("name", ["", "chg_" + "0" * 26, "chn_" + "0" * 26])
def test_what_is_no_change_is_not_found(city, name):
    with pytest.raises(Missing):
        approve(city, name)


def test_looking_ahead_changes_nothing(city):
    channel = apply(city)
    proposed = propose(city, channel, "standing", TO_SANDBOX)
    with city.database.transaction() as connection:
        assert foresee_approval(city.runtime.channels, connection, proposed.id, WANG).id == proposed.id
        with pytest.raises(SameOperator):
            foresee_approval(city.runtime.channels, connection, proposed.id, LI)
    assert standing_of(city, channel) == "applied"


# ── One person, where it only takes away ─────────────────────────────────────────────────────────────────────────


def test_one_operator_suspends_and_two_let_go_on(both):
    partner = make_partner(both)
    assert propose(both, partner.channel, "standing", {"from": "live", "to": "suspended"}).state == "applied"
    assert standing_of(both, partner.channel) == "suspended"
    back = propose(both, partner.channel, "standing", {"from": "suspended", "to": "live"})
    assert standing_of(both, partner.channel) == "suspended"
    approve(both, back.id)
    assert standing_of(both, partner.channel) == "live"


def test_one_operator_withdraws_a_certificate(city):
    partner = make_partner(city)
    detail = {"serial": partner.serial, "reason": "stolen"}
    assert propose(city, partner.channel, "withdrawal", detail).state == "applied"
    with pytest.raises(Missing):
        propose(city, partner.channel, "withdrawal", detail)
    with pytest.raises(Missing):
        propose(city, make_partner(city).channel, "withdrawal", detail)


def test_what_takes_away_does_not_wait_for_what_waits(city):
    partner = make_partner(city)
    propose(city, partner.channel, "standing", {"from": "live", "to": "closed"})
    assert propose(city, partner.channel, "standing", {"from": "live", "to": "suspended"}).state == "applied"


# ── What is left behind ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_audit_trail_tells_who_proposed_and_who_approved(city):
    channel = apply(city)
    change(city, channel, "standing", TO_SANDBOX)
    with city.database.transaction() as connection:
        query = sa.select(audit_entries).where(audit_entries.c.subject == channel).order_by(audit_entries.c.number)
        told = [(row.act, row.actor) for row in connection.execute(query)]
    assert told == [("channel.change_proposed", "operator:li"), ("channel.change_applied", "operator:wang")]


# ── Races ────────────────────────────────────────────────────────────────────────────────────────────────────────


def at_once(count: int, act) -> Counter:
    barrier = threading.Barrier(count)

    def once(number: int) -> str:
        barrier.wait(30)
        try:
            act(number)
        except Refusal as refusal:
            return refusal.code
        return "done"

    with ThreadPoolExecutor(count) as pool:
        return Counter(pool.map(once, range(count)))


def test_of_many_who_approve_at_once_one_does(both):
    channel = apply(both)
    proposed = propose(both, channel, "standing", TO_SANDBOX)
    outcomes = at_once(8, lambda number: approve(both, proposed.id, f"operator-{number}"))
    assert outcomes == {"done": 1, "change_over": 7}


def test_of_approval_and_rejection_at_once_one_counts(both):
    for _ in range(5):
        channel = apply(both)
        proposed = propose(both, channel, "standing", TO_SANDBOX)
        acts = [lambda: approve(both, proposed.id), lambda: reject(both, proposed.id, "zhao")]  # noqa: B023
        assert at_once(2, lambda number: acts[number]())["done"] == 1  # noqa: B023
        applied = state_of(both, proposed.id) == "applied"
        assert standing_of(both, channel) == ("sandbox" if applied else "applied")


def test_of_many_who_propose_at_once_one_waits(both):
    channel = apply(both)
    outcomes = at_once(8, lambda number: propose(both, channel, "standing", TO_SANDBOX, by=f"operator-{number}"))
    assert outcomes == {"done": 1, "change_waits": 7}


def test_two_channels_never_get_the_same_key_at_once(both):
    signer = PartnerApp(both, "").signer
    detail = {"public_key": signer.public_key.hex(), "days": 30}
    proposed = [propose(both, apply(both), "certificate", detail).id for _ in range(4)]
    assert at_once(4, lambda number: approve(both, proposed[number])) == {"done": 1, "key_in_use": 3}
    with both.database.transaction() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(channel_certificates)).scalar_one() == 1


def test_a_channel_is_withdrawn_from_by_many_and_once(both):
    partner = make_partner(both)
    detail = {"serial": partner.serial, "reason": "stolen"}
    outcomes = at_once(6, lambda number: propose(both, partner.channel, "withdrawal", detail, by=f"operator-{number}"))
    assert outcomes == {"done": 1, "not_found": 5}


def test_a_first_tier_channel_that_falls_takes_along_what_is_going_live_below(both):
    for _ in range(3):
        first = make_partner(both)
        second = make_partner(both, "reviewed", above=first.channel)
        proposed = propose(both, second.channel, "standing", {"from": "reviewed", "to": "live"})
        acts = [
            lambda: approve(both, proposed.id),  # noqa: B023
            lambda: propose(both, first.channel, "standing", {"from": "live", "to": "suspended"}),  # noqa: B023
        ]
        at_once(2, lambda number: acts[number]())  # noqa: B023
        assert standing_of(both, second.channel) == "suspended"


# ── Operators with keys ──────────────────────────────────────────────────────────────────────────────────────────


class Office:
    """A register whose operators sign."""

    def __init__(self, service: Service, names: tuple[str, ...] = (LI, WANG), **settings: object) -> None:
        self.service = service
        self.signers = {name: PROVIDER.signer(random_private_key(), OPERATOR_USER_ID) for name in names}
        keys = {name: signer.public_key for name, signer in self.signers.items()}
        ground = dataclasses.replace(
            service.runtime.ground, settings=service.runtime.ground.settings.model_copy(update=settings)
        )
        self.desk: ChannelDesk = dataclasses.replace(service.runtime.channels, ground=ground, operators=lambda: keys)

    def propose(self, channel: str, by: str = LI, signer: str = LI, **changed: object):
        with self.service.database.transaction() as connection:
            draft = draft_change(self.desk, channel=channel, kind="standing", detail=TO_SANDBOX, operator=by)
            signed = dataclasses.replace(draft, **changed).statement("propose", by)
            return propose_change(self.desk, connection, draft, self.signers[signer].sign(signed).hex())

    def approve(self, change, by: str = WANG, signer: str = WANG, act: str = "approve"):
        with self.service.database.transaction() as connection:
            signature = self.signers[signer].sign(change.statement(act, by)).hex()
            return approve_change(self.desk, connection, change.id, by, signature)


def test_registered_operators_sign_what_they_propose_and_approve(city):
    office, channel = Office(city), apply(city)
    office.approve(office.propose(channel))
    assert standing_of(city, channel) == "sandbox"


def test_a_signature_is_kept_with_what_it_signed(city):
    office, channel = Office(city), apply(city)
    change_ = office.propose(channel)
    office.approve(change_)
    with city.database.transaction() as connection:
        row = connection.execute(sa.select(channel_changes).where(channel_changes.c.id == change_.id)).one()
    for act, by, signature in (
        ("propose", LI, row.proposal_signature),
        ("approve", WANG, row.decision_signature),
    ):
        verifier = PROVIDER.verifier(office.signers[by].public_key, OPERATOR_USER_ID)
        verifier.verify(change_.statement(act, by), bytes.fromhex(signature))


def test_nobody_signs_in_another_operator_s_name_or_for_another_change(city):
    office, channel = Office(city), apply(city)
    for wrong in ({"by": WANG}, {"signer": WANG}, {"by": "zhao"}, {"id": "chg_" + "0" * 26}, {"kind": "terms"}):
        with pytest.raises(OperatorNotProven):
            office.propose(channel, **wrong)
    proposed = office.propose(channel)
    for wrong in ({"signer": LI}, {"act": "propose"}, {"act": "reject"}):
        with pytest.raises(OperatorNotProven):
            office.approve(proposed, **wrong)
    with pytest.raises(SameOperator):
        office.approve(proposed, by=LI, signer=LI)
    assert standing_of(city, channel) == "applied"


def test_an_approval_is_for_what_was_proposed_and_not_for_what_the_table_says_since(city):
    office, channel = Office(city), apply(city)
    proposed = office.propose(channel)
    with city.database.transaction() as connection:
        edited = channel_changes.update().where(channel_changes.c.id == proposed.id)
        connection.execute(edited.values(detail={"from": "applied", "to": "closed"}))
    with pytest.raises(OperatorNotProven):
        office.approve(proposed)


@pytest.mark.parametrize("signature", [None, "", "00" * 64, "zz", "0" * 127])
def test_where_operators_are_registered_a_name_is_not_enough(city, signature):
    office, channel = Office(city), apply(city)
    with city.database.transaction() as connection:
        draft = draft_change(office.desk, channel=channel, kind="standing", detail=TO_SANDBOX, operator=LI)
        with pytest.raises(OperatorNotProven):
            propose_change(office.desk, connection, draft, signature)


def test_in_production_a_name_is_never_enough(city):
    desk = Office(city, (), environment=Environment.PRODUCTION).desk
    channel = apply(city)
    with city.database.transaction() as connection:
        draft = draft_change(desk, channel=channel, kind="standing", detail=TO_SANDBOX, operator=LI)
        with pytest.raises(OperatorNotProven):
            propose_change(desk, connection, draft)


def test_one_key_under_two_names_is_nobody(city):
    office = Office(city)
    key = office.signers[LI].public_key
    desk = dataclasses.replace(office.desk, operators=lambda: {LI: key, WANG: key})
    with city.database.transaction() as connection:
        draft = draft_change(desk, channel=apply(city), kind="standing", detail=TO_SANDBOX, operator=LI)
        signature = office.signers[LI].sign(draft.statement("propose", LI)).hex()
        with pytest.raises(OperatorNotProven):
            propose_change(desk, connection, draft, signature)


def test_a_change_ends_seven_days_after_it_was_proposed(city):
    proposed = propose(city, apply(city), "standing", TO_SANDBOX)
    assert proposed.expires_at - proposed.proposed_at == timedelta(days=7)
    with city.database.transaction() as connection:
        assert get_channel(connection, proposed.channel).own_standing == "applied"
