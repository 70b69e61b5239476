"""A model of the register: whatever operators do in whatever order, nothing is given by one of them alone."""

import itertools
from functools import partial

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from channels.certificates import list_certificates
from channels.changes import Change, approve_change, draft_change, propose_change, reject_change
from channels.registry import get_channel
from channels.standing import STANDINGS, TRANSITIONS
from core.errors import Refusal
from sm.sm2 import random_private_key
from tests.channels.partners import apply
from tests.service import PROVIDER, Service

OPERATORS = st.sampled_from(["li", "Li", "wang"])


class TwoPeople(RuleBasedStateMachine):
    """Keeps beside the register what two people have agreed on, and compares."""

    changes = Bundle("changes")

    def __init__(self, service: Service) -> None:
        super().__init__()
        self.service = service
        self.channel = apply(service)
        self.standing, self.certificates, self.limit = "applied", 0, 600
        self.limits = itertools.count(601)

    def _propose(self, kind: str, detail: dict, by: str):
        desk = self.service.runtime.channels
        try:
            with self.service.database.transaction() as connection:
                draft = draft_change(desk, channel=self.channel, kind=kind, detail=detail, operator=by)
                proposed = propose_change(desk, connection, draft)
        except Refusal:
            return multiple()
        if proposed.state == "applied":
            assert detail["to"] == "suspended"
            self.standing = "suspended"
        return proposed

    @rule(target=changes, to=st.sampled_from(STANDINGS), by=OPERATORS)
    def propose_standing(self, to: str, by: str):
        return self._propose("standing", {"from": self.standing, "to": to}, by)

    @rule(target=changes, by=OPERATORS)
    def propose_next_standing(self, by: str):
        """Go on along the way, which a random one would seldom find."""
        steps = TRANSITIONS[self.standing]
        return self._propose("standing", {"from": self.standing, "to": steps[0]}, by) if steps else multiple()

    @rule(target=changes, by=OPERATORS)
    def propose_certificate(self, by: str):
        key = PROVIDER.public_key_of(random_private_key())
        return self._propose("certificate", {"public_key": key.hex(), "days": 30}, by)

    @rule(target=changes, by=OPERATORS)
    def propose_limit(self, by: str):
        detail = {"from": {"requests_per_minute": self.limit}, "to": {"requests_per_minute": next(self.limits)}}
        return self._propose("terms", detail, by)

    @rule(change=changes, by=OPERATORS)
    def approve(self, change: Change, by: str) -> None:
        try:
            with self.service.database.transaction() as connection:
                applied = approve_change(self.service.runtime.channels, connection, change.id, by)
        except Refusal:
            return
        assert by.casefold() != change.proposed_by.casefold()
        self._note(applied)

    def _note(self, applied: Change) -> None:
        if applied.kind == "standing":
            assert applied.detail["to"] in TRANSITIONS[self.standing]
            self.standing = applied.detail["to"]
        elif applied.kind == "certificate":
            self.certificates += 1
        else:
            self.limit = applied.detail["to"]["requests_per_minute"]

    @rule(change=consumes(changes), by=OPERATORS)
    def reject(self, change: Change, by: str) -> None:
        try:
            with self.service.database.transaction() as connection:
                reject_change(self.service.runtime.channels, connection, change.id, by)
        except Refusal:
            return

    @rule(days=st.sampled_from([1, 3, 8]))
    def wait(self, days: int) -> None:
        self.service.clock.step(days * 86_400)

    @invariant()
    def nothing_was_given_by_one(self) -> None:
        with self.service.database.transaction() as connection:
            found = get_channel(connection, self.channel)
            given = list_certificates(connection, self.channel)
        assert (found.own_standing, found.requests_per_minute) == (self.standing, self.limit)
        assert len(given) == self.certificates
        assert sum(certificate.is_live(self.service.clock()) for certificate in given) <= 2


def test_nothing_is_given_by_one_operator_whatever_they_do_in_whatever_order(city):
    slow = settings(
        max_examples=60,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(partial(TwoPeople, city), settings=slow)
