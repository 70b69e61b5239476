"""The password of the e-card from its first day to its reset, over HTTP and on both databases."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from auth.devices import end_device
from core.clock import to_text
from ecard.errors import CardEnded, ElectronicCardSuspended, PasswordLocked, PasswordNotSet, PasswordWrong
from ecard.standing import cancel_card, report_loss
from tests.oauth.clients_of_tests import make_partner
from tests.oauth.holder import Holder
from tests.password.conftest import GOOD, OTHER, WRONG, Owner, make_owner
from tests.service import START
from web.worker import Worker

DAY = 86_400


def refused(answer, status, code):
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    return answer.json()


def wrong_tries(owner: Owner, many: int) -> list[int]:
    """Try a wrong password so often; tell how many tries were left each time."""
    left = []
    for _ in range(many):
        with pytest.raises(PasswordWrong) as caught:
            owner.check(WRONG)
        left.append(caught.value.tries_left)
    return left


# ── Set ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_phone_sets_the_password_after_its_binding(owner):
    with pytest.raises(PasswordNotSet):
        owner.check(GOOD)
    assert owner.look() == {"set": False, "locked": False, "locked_until": None, "tries_left": 0, "changed_at": None}
    answer = owner.put(GOOD)
    assert answer.status_code == 200
    stands = {"set": True, "locked": False, "locked_until": None, "tries_left": 5, "changed_at": to_text(START)}
    assert answer.json() == owner.look() == stands
    owner.check(GOOD)
    assert [(act, json.loads(detail)["how"]) for act, detail in owner.entries()] == [("password.changed", "set")]
    assert owner.events() == [("card.password_changed", owner.phone.card, {"how": "set"})]


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (599, 200), (600, 403), (601, 403)])
def test_the_chip_must_have_been_shown_within_ten_minutes(town, seconds, status):
    owner = make_owner(town)
    town.clock.step(seconds)
    answer = owner.put(GOOD)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "chip_not_present"
        owner.show_chip()
        assert owner.put(GOOD).status_code == 200


@pytest.mark.parametrize(
    ("given", "rule"), [("12345", "six_digits"), ("112233", "repeat"), ("123456", "run"), ("number", "number")]
)
def test_a_weak_password_is_refused_with_the_rule_it_breaks(town, given, rule):
    owner = make_owner(town)
    given = owner.person.social_security_number[6:12] if given == "number" else given
    problem = refused(owner.put(given), 422, "password_weak")
    assert problem["rule"] == rule
    assert given not in json.dumps(problem)
    assert owner.look()["set"] is False


@pytest.mark.parametrize("given", [None, 274958, True, ["274958"], {"x": 1}, "2" * 65])
def test_a_password_is_a_text(town, given):
    owner = make_owner(town)
    body = {"password": given}
    answer = owner.signed_in(owner.phone).call("PUT", f"/v1/cards/{owner.phone.card}/password", body)
    refused(answer, 400, "malformed_request")


def test_the_answer_cannot_be_told_to_the_service(citizen):
    path = f"/v1/cards/{citizen.phone.card}/password"
    for name in ("set", "locked", "locked_until", "tries_left", "changed_at", "holder", "salt", "mac", "tries"):
        body = {"password": OTHER, "current": GOOD, name: 0}
        refused(citizen.phone.call("PUT", path, body), 400, "malformed_request")
    citizen.check(GOOD)


# ── Change ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_current_password_changes_it_long_after_the_chip_was_shown(owner):
    owner.put(GOOD)
    owner.service.clock.step(3 * DAY)
    assert owner.put(OTHER, GOOD).status_code == 200
    owner.check(OTHER)
    assert wrong_tries_with(owner, GOOD) == 4
    assert owner.look()["changed_at"] == to_text(START + timedelta(days=3))
    assert owner.events()[-1] == ("card.password_changed", owner.phone.card, {"how": "changed"})


def wrong_tries_with(owner, given):
    with pytest.raises(PasswordWrong) as caught:
        owner.check(given)
    return caught.value.tries_left


def test_a_wrong_current_password_counts_as_a_try_and_changes_nothing(citizen):
    for left in (4, 3, 2, 1, 0):
        assert refused(citizen.put(OTHER, WRONG), 403, "password_wrong")["tries_left"] == left
    refused(citizen.put(OTHER, GOOD), 403, "password_locked")
    town = citizen.service
    town.clock.step(DAY)
    citizen.check(GOOD)


def test_the_current_password_is_judged_before_the_new_one(citizen):
    """Whoever holds the phone alone must not learn from refusals which digits stand in the holder's number."""
    inside = citizen.person.social_security_number[6:12]
    refused(citizen.put(inside, WRONG), 403, "password_wrong")
    refused(citizen.put(inside, GOOD), 422, "password_weak")
    citizen.check(GOOD)


def test_there_is_nothing_to_change_before_it_is_set(town):
    refused(make_owner(town).put(GOOD, OTHER), 409, "password_not_set")


def test_passwords_offered_are_limited_by_the_hour_for_the_holder(town):
    owner = make_owner(town)
    for _ in range(20):
        refused(owner.put("123456"), 422, "password_weak")
    answer = owner.put(GOOD)
    refused(answer, 429, "too_many_requests")
    assert answer.headers["Retry-After"] == "3600"
    town.clock.step(3600)
    owner.show_chip()
    assert owner.put(GOOD).status_code == 200


# ── Wrong tries ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_five_wrong_tries_lock_for_a_day(owner):
    owner.put(GOOD)
    assert wrong_tries(owner, 5) == [4, 3, 2, 1, 0]
    tomorrow = START + timedelta(days=1)
    with pytest.raises(PasswordLocked) as caught:
        owner.check(GOOD)
    assert (caught.value.until, caught.value.retry_after) == (tomorrow, DAY)
    shown = {"set": True, "locked": True, "locked_until": to_text(tomorrow), "tries_left": 0}
    assert owner.look().items() >= shown.items()
    assert owner.events()[-1] == ("card.password_locked", owner.phone.card, {"locked_until": to_text(tomorrow)})
    assert owner.entries()[-1][0] == "password.locked"


@pytest.mark.parametrize(("seconds", "is_open"), [(DAY - 1, False), (DAY, True), (DAY + 1, True)])
def test_the_lock_ends_after_a_day(citizen, seconds, is_open):
    wrong_tries(citizen, 5)
    citizen.service.clock.step(seconds)
    assert citizen.look()["locked"] is not is_open
    if is_open:
        assert citizen.look()["tries_left"] == 5
        citizen.check(GOOD)
    else:
        with pytest.raises(PasswordLocked):
            citizen.check(GOOD)


def test_fifteen_wrong_tries_lock_until_a_reset(owner):
    owner.put(GOOD)
    for _ in range(3):
        assert wrong_tries(owner, 5) == [4, 3, 2, 1, 0]
        owner.service.clock.step(DAY)
    owner.service.clock.step(400 * DAY)
    with pytest.raises(PasswordLocked) as caught:
        owner.check(GOOD)
    assert (caught.value.until, caught.value.retry_after) == (None, None)
    assert owner.look().items() >= {"locked": True, "locked_until": None, "tries_left": 0}.items()
    assert owner.events()[-1][2] == {"locked_until": None}
    refused(owner.put(OTHER), 403, "chip_not_present")
    problem = owner.put(OTHER, GOOD)
    assert refused(problem, 403, "password_locked")["locked_until"] is None
    assert "Retry-After" not in problem.headers
    owner.show_chip()
    assert owner.put(OTHER).status_code == 200
    owner.check(OTHER)


def test_a_right_try_forgets_the_wrong_ones(citizen):
    for _ in range(4):
        assert wrong_tries(citizen, 4) == [4, 3, 2, 1]
        citizen.check(GOOD)
    assert citizen.look()["tries_left"] == 5


def test_wrong_tries_are_remembered_for_ever(citizen):
    wrong_tries(citizen, 4)
    citizen.service.clock.step(700 * DAY)
    assert citizen.look()["tries_left"] == 1
    assert wrong_tries(citizen, 1) == [0]


def test_the_tries_of_all_days_count_together(citizen):
    wrong_tries(citizen, 5)
    citizen.service.clock.step(DAY)
    assert wrong_tries(citizen, 4) == [4, 3, 2, 1]
    citizen.check(GOOD)
    assert wrong_tries(citizen, 5) == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("given", ["", "x" * 10_000, "27495", "274958 ", "２７４９５８", "\ud800", "\x00"])
def test_whatever_is_given_is_a_try(citizen, given):
    with pytest.raises(PasswordWrong):
        citizen.check(given)
    assert citizen.look()["tries_left"] == 4


# ── Forgotten ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_chip_resets_a_locked_password(owner):
    owner.put(GOOD)
    wrong_tries(owner, 5)
    owner.service.clock.step(3600)
    refused(owner.put(OTHER), 403, "chip_not_present")
    owner.show_chip()
    assert owner.put(OTHER).json()["tries_left"] == 5
    owner.check(OTHER)
    assert owner.events()[-1] == ("card.password_changed", owner.phone.card, {"how": "reset"})


# ── One for each holder ──────────────────────────────────────────────────────────────────────────────────────────


def test_all_cards_of_a_holder_share_it_and_a_reset_at_one_counts_at_all(owner):
    owner.put(GOOD)
    second = owner.second_card()
    assert owner.look(second)["set"] is True
    owner.check(GOOD, second.card)
    assert owner.put(OTHER, phone=second).status_code == 200
    owner.check(OTHER)
    assert wrong_tries_with(owner, GOOD) == 4
    assert owner.look(second)["tries_left"] == 4
    told = {(kind, card) for kind, card, _ in owner.events()[-2:]}
    assert told == {("card.password_changed", card) for card in (owner.phone.card, second.card)}


def test_the_phones_of_all_cards_are_told(alone):
    second = alone.second_card()
    alone.put(OTHER, GOOD)
    Worker(alone.service.runtime).tell()
    for phone in (alone.phone, second):
        kinds = [notice["kind"] for notice in phone.send("GET", "/v1/notices").json()["items"]]
        assert kinds[0] == "card.password_changed"


def test_holders_share_nothing(town):
    mine, other = make_owner(town, GOOD), make_owner(town, GOOD)
    wrong_tries(mine, 5)
    other.check(GOOD)
    with town.database.transaction() as connection:
        rows = connection.execute(sa.text("SELECT salt, mac FROM card_passwords")).all()
    assert len({row.salt for row in rows}) == len({row.mac for row in rows}) == len(rows)


# ── Who may ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_another_holder_s_card_looks_as_if_it_were_not_there(town, citizen):
    stranger = make_owner(town)
    path = f"/v1/cards/{citizen.phone.card}/password"
    refused(stranger.phone.call("GET", path), 404, "not_found")
    refused(stranger.phone.call("PUT", path, {"password": OTHER}), 404, "not_found")
    citizen.check(GOOD)


def test_a_phone_that_carries_the_card_no_more_sets_nothing(citizen):
    with citizen.service.database.transaction() as connection:
        end_device(connection, citizen.phone.device, because="test", at=citizen.service.clock())
    path = f"/v1/cards/{citizen.phone.card}/password"
    refused(citizen.phone.call("PUT", path, {"password": OTHER}), 403, "device_ended")


def test_a_lost_card_neither_sets_nor_tries(citizen):
    stand(citizen, report_loss)
    path = f"/v1/cards/{citizen.phone.card}/password"
    refused(citizen.phone.call("PUT", path, {"password": OTHER}), 409, "electronic_card_suspended")
    with pytest.raises(ElectronicCardSuspended):
        citizen.check(WRONG)
    assert citizen.look()["tries_left"] == 5


def test_a_revoked_card_neither_sets_nor_tries(citizen):
    stand(citizen, cancel_card)
    path = f"/v1/cards/{citizen.phone.card}/password"
    refused(citizen.phone.call("PUT", path, {"password": OTHER}), 410, "electronic_card_ended")
    with pytest.raises(CardEnded):
        citizen.check(WRONG)


def test_a_revoked_card_is_told_nothing_and_the_others_of_its_holder_are(alone):
    second = alone.second_card()
    stand(alone, cancel_card)
    assert alone.put(OTHER, phone=second).status_code == 200
    assert alone.events()[-1][:2] == ("card.password_changed", second.card)
    assert alone.events()[-2][2] == {"how": "set"}


def stand(owner: Owner, act) -> None:
    with owner.service.database.transaction() as connection:
        query = sa.text("SELECT chip_card FROM electronic_cards WHERE id = :card")
        chip = connection.execute(query, {"card": owner.phone.card}).scalar_one()
        act(owner.service.runtime.ground, connection, chip, actor="op-1")


def test_what_was_allowed_before_stays_allowed(alone):
    partner = make_partner(alone.service)
    tokens = Holder(alone.service, alone.phone.card, alone.phone.device).tokens_for(partner)
    alone.put(OTHER, GOOD)
    assert partner.call(tokens["access_token"]).status_code == 200
    assert partner.refresh(tokens["refresh_token"]).status_code == 200
