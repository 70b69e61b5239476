"""News at the bank: signed, kept once, the highest sequence counts; the list makes up for what was lost."""

import itertools
import json

import pytest
from bank.cards import find_card

from tests.partners.bank_of_tests import NEWS, news_message
from tests.service import START


def card_of(bank):
    with bank.desk.database.transaction() as connection:
        return find_card(connection, "subject-1")


REPORTED = news_message(1, standing="suspended")
LIFTED = news_message(2, "card.loss_lifted", standing="active")
CANCELLED = news_message(3, "card.cancelled", standing="revoked")


@pytest.mark.parametrize("order", list(itertools.permutations((REPORTED, LIFTED, CANCELLED))))
def test_whatever_order_news_comes_in_the_latest_counts(bank, order):
    assert [bank.tell(message).status_code for message in order] == [204] * 3
    assert (card_of(bank).standing, card_of(bank).news_sequence) == ("revoked", 3)


def test_news_that_comes_twice_is_kept_once(bank):
    for _ in range(3):
        assert bank.tell(REPORTED).status_code == 204
    assert bank.rows("SELECT count(*) FROM news") == [(1,)]


def test_a_ping_is_answered_and_not_kept(bank):
    assert bank.tell({"id": "msg_1", "type": "ping"}).status_code == 204
    assert bank.rows("SELECT count(*) FROM news") == [(0,)]


@pytest.mark.parametrize("version", ["v1a", "v1sm2"])
def test_each_of_the_two_signatures_is_enough(bank, version):
    headers = bank.service.runtime.news.keys().sign(REPORTED["id"], START, json.dumps(REPORTED).encode())
    one = next(part for part in headers["webhook-signature"].split() if part.startswith(f"{version},"))
    assert bank.tell(REPORTED, **{"webhook-signature": one}).status_code == 204


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-id": "evt_other"},
        {"webhook-timestamp": str(int(START.timestamp()) + 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": "v1a,AAAA v1sm2,AAAA"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,x"},
    ],
)
def test_news_that_nobody_signed_is_refused_and_not_kept(bank, changes):
    assert bank.tell(REPORTED, **changes).status_code == 401
    assert bank.rows("SELECT count(*) FROM news") == [(0,)]


@pytest.mark.parametrize(("seconds", "status"), [(300, 204), (301, 401)])
def test_news_is_believed_for_five_minutes(bank, seconds, status):
    body = json.dumps(REPORTED).encode()
    headers = bank.service.runtime.news.keys().sign(REPORTED["id"], START, body)
    bank.service.clock.step(seconds)
    assert bank.back.post(NEWS, data=body, headers=headers).status_code == status


@pytest.mark.parametrize("missing", ["card", "sequence", "position", "data"])
def test_signed_news_of_another_form_is_refused(bank, missing):
    message = {name: value for name, value in REPORTED.items() if name != missing}
    assert bank.tell(message).status_code == 400


@pytest.mark.parametrize(("fault", "status"), [("broken", 503), ("gone", 410)])
def test_a_switch_lets_webhooks_fail(bank, fault, status):
    bank.control("POST", body={"name": "webhooks", "fault": fault})
    assert bank.tell(REPORTED).status_code == status
    assert bank.rows("SELECT count(*) FROM news") == [(0,)]
