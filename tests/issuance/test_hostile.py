"""What a bank's app may send, and what of a person is found where it does not belong (threats.md A3)."""

import io
import json
import logging
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import sqlalchemy as sa
import structlog

from channels.issuance.models import bank_issuances
from core.database import metadata
from tests.channels.news_of_tests import tell
from tests.issuance.bank_server import BankServer, send, serving
from tests.issuance.banks import Bank, make_bank, make_customer
from tests.persons import Person, make_person
from tests.service import running_service
from web.logs import configure_logs
from web.worker import Worker

GOOD = {
    "out_request_no": "B-hostile",
    "social_security_number": make_person(1).social_security_number,
    "name": "测试甲",
    "phone": "19900000001",
}
BAD = {
    "out_request_no": [
        GOOD["social_security_number"],
        "",
        "a" * 65,
        "a b",
        "a/b",
        "ａ",
        "a\n",
        "a\u0000",
        1,
        None,
        [],
        {},
    ],
    "social_security_number": [
        "",
        GOOD["social_security_number"][:17],
        GOOD["social_security_number"] + "0",
        GOOD["social_security_number"][:17] + ("1" if GOOD["social_security_number"][17] != "1" else "2"),
        "９" * 18,
        GOOD["social_security_number"].replace("0", "０", 1),
        " " * 18,
        int(GOOD["social_security_number"][:17]),
        None,
        ["x"],
    ],
    "name": ["", "a" * 51, "a\nb", "\u0000", " 测试", "测试 ", "\u202e", 1, None, {}],
    "phone": [
        "",
        "1990000000",
        "199000000012",
        "29900000001",
        "1990000000x",
        "１９９００００００01",
        19900000001,
        None,
    ],
}


@pytest.mark.parametrize("member", BAD)
def test_a_member_of_another_form_is_refused_and_nothing_is_kept(bank, member):
    for value in BAD[member]:
        refused(bank, json.dumps(GOOD | {member: value}).encode())


@pytest.mark.parametrize("member", GOOD)
def test_no_member_may_be_missing(bank, member):
    refused(bank, json.dumps({name: value for name, value in GOOD.items() if name != member}).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b"[" * 10_000,
        json.dumps(GOOD | {"state": "issued"}).encode(),
        json.dumps(GOOD | {"level": "L3"}).encode(),
        json.dumps(GOOD)[:-1].encode() + b',"name":"x"}',
        json.dumps(GOOD).replace("B-hostile", "\\ud800").encode(),
    ],
)
def test_a_body_of_another_form_is_refused_and_nothing_is_kept(bank, body):
    refused(bank, body)


def refused(bank: Bank, body: bytes) -> None:
    answer = bank.app.send("POST", "/v1/bank-issuances", body)
    assert answer.status_code in {400, 415}, answer.text
    assert GOOD["name"] not in answer.text
    assert GOOD["social_security_number"] not in answer.text
    with bank.service.database.transaction() as connection:
        query = sa.select(bank_issuances).where(bank_issuances.c.out_request_no == GOOD["out_request_no"])
        assert connection.execute(query).first() is None


@pytest.mark.parametrize("issuance", ["x", "iss_", f"iss_{'u' * 26}", f"crg_{'0' * 26}", f"iss_{'0' * 27}", "iss_%00"])
def test_an_id_of_another_form_is_not_there(bank, issuance):
    assert bank.app.send("GET", f"/v1/bank-issuances/{issuance}").status_code in {400, 404}


# ── Canaries ─────────────────────────────────────────────────────────────────────────────────────────────────────

PHONES = [f"1990000{number:04}" for number in range(100, 108)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, set[str]]]:
    """Send persons through everything; give the logs, the database as rows, and what must not be found in them."""
    stream, before, home = io.StringIO(), structlog.get_config(), tmp_path_factory.mktemp("canaries")
    handler, root, level = logging.StreamHandler(stream), logging.getLogger(), logging.getLogger().level
    handler.addFilter(lambda line: not line.name.startswith("http"))  # httpx is the caller's, not the service's
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    configure_logs(as_json=True, stream=stream)
    try:
        with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home) as service:
            bank = make_bank(service)
            people = _fly(bank)
            with service.database.transaction() as connection:
                rows = "\n".join(
                    str(tuple(row)) for table in metadata.sorted_tables for row in connection.execute(sa.select(table))
                )
    finally:
        structlog.configure(**before)
        root.removeHandler(handler)
        root.setLevel(level)
    yield stream.getvalue(), rows, _needles(people)


def _fly(bank: Bank) -> list[Person]:
    """Have cards issued and refused, banks silent, slow and lying, and errors made with the persons in them."""
    service, people = bank.service, []
    worker = Worker(service.runtime)
    with serving(BankServer(bank.app)) as core:
        bank.set_port(core.url)
        for number, phone in enumerate(PHONES):
            person = make_customer(service) if number % 2 else make_person(5000 + number)
            people.append(person)
            core.said = {"phone_agrees": number % 4 != 3}
            if number == 5:
                core.answer = lambda handler, body, headers: send(handler, body, headers, status=500)
            if number == 6:
                core.answer = lambda handler, _body, headers: send(handler, core.asked[-1]["name"].encode(), headers)
            answer = bank.send(person, phone=phone)
            while worker._try(worker.issue):
                pass
            bank.look(answer.json()["id"])
            _err(bank, person, phone)
            core.answer = None
        service.clock.step(60)
        while worker.issue():
            pass
    tell(service)
    worker.seal()
    worker.clean()
    return people


def _err(bank: Bank, person: Person, phone: str) -> None:
    number = person.social_security_number
    for changes in ({"out_request_no": number + "."}, {"phone": phone + "1"}, {"name": person.name + "\n"}):
        assert bank.send(person, **{"phone": phone, **changes}).status_code == 400
    bank.app.send("GET", f"/v1/bank-issuances/{number}")
    bank.app.send("GET", f"/v1/bank-issuances?out_request_no={phone}")
    bank.app.send("POST", f"/v1/bank-issuances?name={quote(person.name)}", json.dumps({number: phone}).encode())


def _needles(people: list[Person]) -> set[str]:
    names = {person.name for person in people}
    numbers = {person.social_security_number for person in people}
    plain = names | numbers | set(PHONES) | {number[6:17] for number in numbers}
    escaped = {quote(name) for name in names} | {json.dumps(name)[1:-1] for name in names}
    return plain | escaped | {text.encode().hex() for text in plain} | {repr(text.encode())[2:-1] for text in names}


def test_no_log_line_holds_anything_of_a_person(told):
    logs, _, needles = told
    assert logs.count('"event": "request"') > 6 * len(PHONES)
    assert len(needles) > 6 * len(PHONES)
    assert [needle for needle in needles if needle in logs] == []


def test_nothing_in_the_database_holds_anything_of_a_person_in_clear(told):
    _, rows, needles = told
    for kind in ("issuance.finished", "card.issued", "issuance.refused"):
        assert rows.count(kind) >= 2
    assert [needle for needle in needles if needle in rows] == []
