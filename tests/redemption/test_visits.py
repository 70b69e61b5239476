"""The visit token: what an institution holds for half an hour after a code was taken (decision 0007)."""

from datetime import timedelta

import httpx
import pytest

from cli.till import Till
from core.clock import to_text
from qr.visits import VisitOver
from tests.redemption.counter import KINDS, Counter, require_accepted, require_verdict, take


def look(till: Till, token: str, language: str = "en") -> httpx.Response:
    headers = {"Accept-Language": {"en": "en", "zh": "zh-CN"}[language]}
    return till.send("POST", "/v1/visits", {"visit_token": token}, headers)


@pytest.mark.parametrize("kind", KINDS)
def test_another_desk_of_the_institution_checks_the_visit(counter: Counter, kind: str) -> None:
    institution = counter.service.add_institution("hospital")
    accepted = require_accepted(take(counter.till(institution), counter.show(kind=kind)))
    assert accepted["visit_expires_at"] == to_text(counter.clock() + timedelta(minutes=30))
    answer = look(counter.till(institution), accepted["visit_token"])
    assert answer.status_code == 200
    assert answer.json() == {
        "redemption": accepted["id"],
        "purpose": "medical",
        "expires_at": accepted["visit_expires_at"],
    }


@pytest.mark.parametrize("language", ["zh", "en"])
def test_another_institution_cannot_use_a_visit_token(counter: Counter, language: str) -> None:
    accepted = require_accepted(take(counter.till(), counter.show()))
    stranger = counter.till(counter.service.add_institution("hospital"))
    require_verdict(look(stranger, accepted["visit_token"], language), VisitOver, language)


@pytest.mark.parametrize(("second", "over"), [(1799, False), (1800, True), (1801, True)])
def test_a_visit_lasts_thirty_minutes(counter: Counter, second: int, over: bool) -> None:
    till = counter.till()
    token = require_accepted(take(till, counter.show()))["visit_token"]
    counter.clock.step(second)
    answer = look(till, token)
    if over:
        require_verdict(answer, VisitOver)
    else:
        assert answer.status_code == 200


def test_a_visit_token_cannot_be_edited(counter: Counter) -> None:
    till = counter.till()
    first, second = (require_accepted(take(till, counter.show())) for _ in range(2))
    name, _, mac = first["visit_token"].partition(".")
    edited = [
        f"{name}.{mac[:-1]}{'0' if mac[-1] != '0' else '1'}",
        f"{name}.{mac.upper()}",
        f"{second['visit_token'].partition('.')[0]}.{mac}",
        f"{first['id']}.{mac}",
        f"{name}.",
        f"{name}.{mac} ",
        f"{name}。{mac}",
        "vst_" + "0" * 26 + "." + mac,
        "x" * 200,
        "\ud800" * 30,
    ]
    for token in edited:
        answer = look(till, token)
        assert answer.status_code in {400, 410}, token
    assert look(till, first["visit_token"]).status_code == 200


def test_a_code_taken_offline_gives_no_visit(counter: Counter) -> None:
    till, code = counter.till(), counter.show()
    item = {"code": code, "accepted_at": to_text(counter.clock())}
    outcome = till.send("POST", "/v1/offline-acceptances", {"items": [item]}).json()["outcomes"][0]
    assert outcome["result"] == "recorded"
    assert "visit_token" not in outcome
