"""Assurance levels, the PIN that everybody knows, wrong PINs and daily limits."""

from itertools import pairwise

import pytest

from ecard.enrollment_records import end_all_expired
from ecard.policy import POLICIES, may_pay
from physical.chip.agent import LastTryKept
from physical.chip.errors import WrongPin
from physical.chip.profiles import CONTACT_2_0, CONTACT_2_0_READ_KEY, CONTACT_3_0, CONTACTLESS_3_0
from tests.enrollment.attempt import PIN, Attempt
from tests.service import Service

DAY = 24 * 3600
DEFAULT_PIN = b"123456"


def attempt_with_wrong_pin(service: Service, **parts) -> Attempt:
    """An enrollment up to the PIN, which is wrong."""
    attempt = Attempt(service, **parts).until("hello")
    assert attempt.abandon("wrong_pin").status_code == 200
    return attempt


def code_of(answer) -> str:
    return answer.json()["code"]


# ── Levels ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("profile", "level", "may_pay"),
    [
        (CONTACT_3_0, "L3", True),
        (CONTACTLESS_3_0, "L3", True),
        (CONTACT_2_0, "L2", False),
        (CONTACT_2_0_READ_KEY, "L2", False),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_card_that_signs_reaches_l3_and_an_older_one_l2(sqlite_city: Service, profile, level, may_pay):
    phone = sqlite_city.enroll(card=sqlite_city.make_card(profile=profile))
    shown = phone.call("GET", f"/v1/cards/{phone.card}").json()
    assert (shown["level"], shown["payment"], shown["state"]) == (level, may_pay, "active")


def test_a_card_that_should_sign_does_not_pass_without_a_signature(light_attempt: Attempt):
    light_attempt.until("hello")
    assert light_attempt.answers["hello"]["proof"] == "signature"
    refused = light_attempt.complete(signature=None)
    assert (refused.status_code, code_of(refused), light_attempt.state) == (403, "pin_not_proven", "refused")


@pytest.mark.parametrize("profile", [CONTACT_3_0, CONTACT_2_0], ids=lambda profile: profile.name)
def test_no_card_passes_without_its_pin(sqlite_city: Service, profile):
    attempt = Attempt(sqlite_city, card=sqlite_city.make_card(profile=profile)).until("hello")
    refused = attempt.complete(pin_verified=False)
    assert (refused.status_code, code_of(refused), attempt.state) == (403, "pin_not_proven", "refused")


# ── The default PIN ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("level", sorted(POLICIES))
def test_with_the_default_pin_no_level_may_pay(level):
    assert not may_pay(level, default_pin=True)
    assert may_pay(level, default_pin=False) == (level == "L3")


def test_a_card_enrolled_with_the_default_pin_may_pay_only_after_the_pin_was_changed(sqlite_city: Service):
    card, till = sqlite_city.make_card(pin=DEFAULT_PIN), sqlite_city.add_till()
    phone = sqlite_city.phone()

    def payment_after_enrolling(pin: bytes) -> bool:
        begun = {}
        sqlite_city.agent(till, card, pin=pin, on_show=lambda shown: begun.update(phone.begin(shown).json())).enroll()
        assert phone.confirm(begun["id"], phone.look(begun["id"]).json()["chip_card"]).status_code == 201
        assert phone.sign_in().status_code == 200
        return phone.call("GET", f"/v1/cards/{phone.card}").json()["payment"]

    assert payment_after_enrolling(DEFAULT_PIN) is False
    card.contents.pki_pin.packed = card.contents.pin.packed = bytes.fromhex("271828")
    assert payment_after_enrolling(PIN) is True


# ── Wrong PINs ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("tries_left", "is_good"), [(0, False), (1, False), (2, True), (None, True)])
def test_the_service_goes_on_only_while_more_than_one_try_is_left(light_attempt: Attempt, tries_left, is_good):
    light_attempt.until("begin")
    answer = light_attempt.hello(pin_tries_left=tries_left)
    assert answer.is_success == is_good
    if not is_good:
        assert (answer.status_code, code_of(answer)) == (409, "pin_nearly_locked")
        assert (light_attempt.state, "external_authentication" in answer.json()) == ("refused", False)


def test_the_last_try_of_a_pin_is_never_used(sqlite_city: Service):
    card, phone = sqlite_city.make_card(), sqlite_city.phone()
    card.contents.pki_pin.tries_left = 1
    agent = sqlite_city.agent(sqlite_city.add_till(), card, on_show=lambda shown: phone.begin(shown).raise_for_status())
    with pytest.raises(Exception) as stopped:
        agent.enroll()
    assert isinstance(stopped.value, LastTryKept) or stopped.value.code == "pin_nearly_locked"
    assert card.contents.pki_pin.tries_left == 1


def test_a_wrong_pin_ends_the_enrollment_and_costs_one_try(sqlite_city: Service):
    card, phone, begun = sqlite_city.make_card(), sqlite_city.phone(), {}
    agent = sqlite_city.agent(
        sqlite_city.add_till(), card, pin=b"314159", on_show=lambda shown: begun.update(phone.begin(shown).json())
    )
    before = card.contents.pki_pin.tries_left
    with pytest.raises(WrongPin):
        agent.enroll()
    assert card.contents.pki_pin.tries_left == before - 1
    shown = phone.look(begun["id"]).json()
    assert (shown["state"], shown["refusal"]) == ("refused", {"code": "abandoned_wrong_pin"})


def test_wrong_pins_are_counted_for_the_card_at_all_terminals_together(city: Service):
    card = city.make_card()
    for _ in range(5):
        attempt_with_wrong_pin(city, card=card)
    sixth = Attempt(city, card=card).until("begin")
    refused = sixth.hello()
    assert (refused.status_code, code_of(refused), refused.json()["detail"]) == (429, "too_many_wrong_pins", "card")
    assert refused.headers["Retry-After"] == "3600"
    city.clock.step(DAY)
    assert Attempt(city, card=card).until("confirm").state == "issued"


def test_a_wrong_pin_that_is_told_after_the_end_still_counts(city: Service):
    card = city.make_card()
    for _ in range(5):
        attempt = Attempt(city, card=card).until("hello")
        city.clock.step(121)
        with city.database.transaction() as connection:
            end_all_expired(connection, city.clock())
        assert attempt.abandon("wrong_pin").status_code == 200
        assert attempt.state == "expired"
    refused = Attempt(city, card=card).until("begin").hello()
    assert code_of(refused) == "too_many_wrong_pins"


def test_wrong_pins_are_counted_for_the_terminal_over_all_cards(city_with):
    service = city_with(pin_failures_per_terminal_day=3)
    till = service.add_till()
    for _ in range(3):
        attempt_with_wrong_pin(service, till=till)
    fourth = Attempt(service, till=till).until("begin")
    refused = fourth.hello()
    assert (refused.status_code, code_of(refused), refused.json()["detail"]) == (429, "too_many_wrong_pins", "terminal")
    assert Attempt(service, card=fourth.card).until("confirm").state == "issued"  # at another terminal
    service.clock.step(DAY)
    assert Attempt(service, till=till).until("confirm").state == "issued"


def test_other_ends_are_not_wrong_pins(city_with):
    service = city_with(pin_failures_per_terminal_day=1)
    till = service.add_till()
    for reason in ("pin_locked", "card_removed", "card_mute", "card_error", "operator"):
        assert Attempt(service, till=till).until("hello").abandon(reason).status_code == 200
    assert Attempt(service, till=till).until("hello").abandon("wrong_pin").status_code == 200
    assert code_of(Attempt(service, till=till).until("begin").hello()) == "too_many_wrong_pins"


# ── Daily limits ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_card_enrolls_so_many_times_a_day_at_all_terminals_together(city_with):
    service = city_with(enrollments_per_card_day=2)
    card = service.make_card()
    for _ in range(2):
        Attempt(service, card=card).until("confirm")
    third = Attempt(service, card=card).until("begin")
    refused = third.hello()
    assert (refused.status_code, code_of(refused), refused.json()["detail"]) == (429, "enrollment_limit", "card")
    assert third.state == "refused"
    service.clock.step(DAY)
    assert Attempt(service, card=card).until("confirm").state == "issued"


def test_a_terminal_enrolls_so_many_times_a_day(city_with):
    service = city_with(enrollments_per_terminal_day=2)
    till = service.add_till()
    for _ in range(2):
        Attempt(service, till=till).until("confirm")
    refused = Attempt(service, till=till).until("begin").hello()
    assert (refused.status_code, code_of(refused), refused.json()["detail"]) == (429, "enrollment_limit", "terminal")
    assert Attempt(service).until("confirm").state == "issued"
    service.clock.step(DAY)
    assert Attempt(service, till=till).until("confirm").state == "issued"


@pytest.mark.parametrize(("seconds", "is_good"), [(DAY - 1, False), (DAY, True), (DAY + 1, True)])
def test_a_day_of_a_limit_is_24_hours_to_the_second(city_with, seconds, is_good):
    service = city_with(enrollments_per_card_day=1)
    card = service.make_card()
    Attempt(service, card=card).until("confirm")
    service.clock.step(seconds)
    assert Attempt(service, card=card).until("begin").hello().is_success == is_good


@pytest.mark.parametrize(("milliseconds", "is_good"), [(999, True), (1000, True), (1001, False)])
def test_a_card_that_answers_too_slowly_may_lie_elsewhere(light_attempt: Attempt, milliseconds, is_good):
    light_attempt.until("begin")
    answer = light_attempt.hello(round_trip_ms=milliseconds)
    assert answer.is_success == is_good
    if not is_good:
        assert (answer.status_code, code_of(answer), light_attempt.state) == (403, "reader_too_slow", "refused")


def test_the_levels_differ_in_what_they_may_do():
    ordered = [POLICIES[level] for level in ("L1", "L2", "L3")]
    assert all(lower.uses <= higher.uses for lower, higher in pairwise(ordered))
    assert [policy.payment for policy in ordered] == [False, False, True]
