"""Acts of the bank's that were not answered: sent again under their number, finished as the channel, or told."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from bank.acts import END, LOSS, SIGN, UNCONFIRMED, begin_act, latest_act
from bank.authorization import Begun, Token
from bank.calls import CardServiceRefused, CardServiceSilent
from bank.cards import find_card, keep_view
from bank.desk import Desk
from bank.links import Journey, Link, find_link, keep_link
from bank.unanswered import OLD_SECONDS, Sent
from ecard_client.tokens import draw_es256_key

CUSTOMER, SUBJECT, CARRIAGE = "62000001", "subject-1", "crg_0h3k2m5q8r1t4v7w9x2z5b8d1f"
NUMBER = "act-1"
VIEW = {
    "id": CARRIAGE,
    "subject": SUBJECT,
    "state": "active",
    "card_standing": "active",
    "level": "L3",
    "payment_opened": False,
    "sequence": 1,
}
KEY = draw_es256_key()


@dataclass
class Answers:
    """The card service, which answers as told: a refusal, silence, or what was asked for."""

    to_come: list[Exception | None]
    asked: list[tuple[str, str]] = field(default_factory=list)

    def sign_carriage(self, _token: Token, number: str) -> dict[str, Any]:
        return self._answer("sign", number, VIEW | {"result": "001"})

    def report_loss(self, _token: Token, number: str) -> dict[str, Any]:
        return self._answer("loss", number, {"state": "suspended"})

    def end(self, _token: Token, number: str) -> dict[str, Any]:
        return self._answer("end", number, {"result": "003"})

    def end_carriage(self, name: str, number: str) -> dict[str, Any]:
        return self._answer(f"end {name}", number, {"result": "003"})

    def _answer(self, act: str, number: str, answer: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((act, number))
        fault = self.to_come.pop(0)
        if fault is not None:
            raise fault
        return answer


def desk_with(bank: Any, *to_come: Exception | None) -> tuple[Desk, Answers]:
    answers = Answers([*to_come])
    with bank.desk.database.transaction() as connection:
        keep_link(connection, Link(CUSTOMER, SUBJECT, KEY), bank.desk.seconds)
        keep_view(connection, VIEW)
    service: Any = answers
    return replace(bank.desk, service=service), answers


def send(desk: Desk, act: str, *, lives: float = 300) -> None:
    """Let a customer come back from the login, and the card service be silent."""
    with desk.database.transaction() as connection:
        begin_act(connection, NUMBER, CUSTOMER, act, desk.seconds)
    token = Token("a token", KEY, desk.now() + lives)
    with pytest.raises(CardServiceSilent):
        desk._send(Sent(token, SUBJECT, Journey(CUSTOMER, act, NUMBER, Begun("s", "n", "v"), KEY)))


def act_of(desk: Desk) -> Any:
    with desk.database.transaction() as connection:
        return latest_act(connection, CUSTOMER)


def card_of(desk: Desk) -> Any:
    with desk.database.transaction() as connection:
        return find_card(connection, SUBJECT)


@pytest.mark.parametrize(("act", "result"), [(SIGN, "001"), (LOSS, None), (END, "003")])
def test_an_act_without_an_answer_is_sent_again_under_its_number_until_it_has_one(bank, act, result):
    desk, answers = desk_with(bank, CardServiceSilent("503"), CardServiceSilent("cut"), None)
    send(desk, act)
    desk.go_on()
    assert act_of(desk).state == "open"
    desk.go_on()
    assert (act_of(desk).state, act_of(desk).result) == ("done", result)
    assert answers.asked == [(act, NUMBER)] * 3
    desk.go_on()
    assert len(answers.asked) == 3


def test_a_refusal_on_the_second_try_is_written_down_and_asked_no_more(bank):
    desk, answers = desk_with(bank, CardServiceSilent("503"), CardServiceRefused(409, "carriage_out_of_step"))
    send(desk, SIGN)
    desk.go_on()
    desk.go_on()
    assert (act_of(desk).state, act_of(desk).because) == ("refused", "carriage_out_of_step")
    assert len(answers.asked) == 2


def test_nothing_is_sent_with_a_token_that_has_ended(bank):
    desk, answers = desk_with(bank, CardServiceSilent("503"))
    send(desk, SIGN, lives=60)
    bank.service.clock.step(60)
    desk.go_on()
    assert len(answers.asked) == 1
    assert act_of(desk).state == "open"  # the next look of the customer signs silently, under the same number


def test_an_unlinking_that_nobody_answered_is_ended_by_the_channel_under_the_same_number(bank):
    desk, answers = desk_with(bank, CardServiceSilent("503"), None)
    send(desk, END)
    bank.service.clock.step(OLD_SECONDS)
    desk.go_on()
    assert answers.asked == [("end", NUMBER), (f"end {CARRIAGE}", NUMBER)]
    assert (act_of(desk).state, act_of(desk).result) == ("done", "003")
    assert card_of(desk).is_over
    with desk.database.transaction() as connection:
        assert find_link(connection, CUSTOMER) is None


def test_an_unlinking_that_had_been_carried_out_is_done(bank):
    desk, _ = desk_with(bank, CardServiceSilent("503"), CardServiceRefused(409, "carriage_not_signed"))
    send(desk, END)
    bank.service.clock.step(OLD_SECONDS)
    desk.go_on()
    assert (act_of(desk).state, act_of(desk).result) == ("done", "003")


def test_a_channel_that_is_not_answered_either_goes_on_the_next_time(bank):
    desk, _ = desk_with(bank, CardServiceSilent("503"), CardServiceSilent("503"), None)
    send(desk, END)
    bank.service.clock.step(OLD_SECONDS)
    with pytest.raises(CardServiceSilent):
        desk.go_on()
    desk.go_on()
    assert act_of(desk).state == "done"


def test_of_a_loss_report_that_nobody_confirmed_the_customer_is_told(bank):
    desk, _ = desk_with(bank, CardServiceSilent("503"))
    send(desk, LOSS)
    bank.service.clock.step(OLD_SECONDS - 1)
    desk.go_on()
    assert act_of(desk).state == "open"
    bank.service.clock.step(1)
    desk.go_on()
    assert (act_of(desk).state, act_of(desk).because) == ("refused", UNCONFIRMED)


def test_a_loss_report_that_shows_in_the_card_s_standing_is_done(bank):
    desk, _ = desk_with(bank, CardServiceSilent("503"))
    send(desk, LOSS)
    with desk.database.transaction() as connection:
        keep_view(connection, VIEW | {"card_standing": "suspended", "state": "suspended", "sequence": 2})
    bank.service.clock.step(OLD_SECONDS)
    desk.go_on()
    assert act_of(desk).state == "done"


def test_tokens_of_holders_are_on_no_disk(bank):
    desk, _ = desk_with(bank, CardServiceSilent("503"))
    send(desk, LOSS)
    with desk.database.transaction() as connection:
        assert "a token" not in "\n".join(connection.iterdump())
    assert "a token" not in repr(desk.unanswered)
