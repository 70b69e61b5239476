"""Every operation that a partner can call, called by channel B with what channel A has (threats.md C1).

What is looked for and is A's gets the answer that an id gets which never was: status, headers and body, byte for byte
but for the request's own id, its time and its signature. What means something to its sender alone, as a number of its
own books, does for B what any other would.
"""

import itertools
import re
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from tests.channels.carriers import new_number
from tests.channels.partners import change
from tests.exchange.returning import claims_of
from tests.isolation.houses import (
    FILLED,
    House,
    furnish,
    ids_in,
    link,
    live_a_day,
    make_house,
    never_existed,
    sign,
    without_ids,
)
from tests.isolation.places import CURSORS, NAMED, Place, operations_of_partners, places_of
from tests.oauth.conftest import MANY_A_MINUTE
from tests.oauth.holder import Holder, make_holder
from tests.persons import make_person
from tests.service import Service, running_service

pytestmark = pytest.mark.xdist_group("isolation")  # what is costly to set up is set up once

OF_EACH_ANSWER = {"x-request-id", "date", "essc-signature", "content-length"}
_REQUEST_ID = re.compile(r'"request_id": ?"req_[0-9a-z]{26}"')
SOMEBODY = make_person(99).social_security_number
_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("isolation")
    url = f"sqlite:///{home / 'ecard.sqlite3'}"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        url = server.url(server.create_database())
    with running_service(url, home, codes_per_minute=600, **MANY_A_MINUTE) as running:
        yield running


@pytest.fixture(scope="module")
def description(service: Service) -> dict[str, Any]:
    read: dict[str, Any] = service.http.get("/openapi.json").json()
    return read


@pytest.fixture(scope="module")
def operations(description: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return operations_of_partners(description)


@pytest.fixture(scope="module")
def places(description: dict[str, Any], operations: dict[str, dict[str, Any]]) -> list[Place]:
    return [place for label, operation in operations.items() for place in places_of(description, label, operation)]


@pytest.fixture(scope="module")
def houses(service: Service) -> tuple[House, House]:
    """A and B, which carry the same holder's card, and each somebody else's; A has more of all."""
    holder, made = new_holder(service), [make_house(service) for _ in range(2)]
    live_a_day(service, *made)
    first, second = (sign(link(house, holder)) for house in made)
    furnish(second, new_holder(service))
    furnish(first, new_holder(service), new_holder(service))
    return first, second


def new_holder(service: Service) -> Holder:
    return make_holder(service, 100 + next(_numbers))


def plain(answer: httpx.Response, *sent: str) -> tuple[int, list[tuple[str, str]], str]:
    """Leave out what is each answer's own, and what the caller itself has sent."""
    headers = [item for item in answer.headers.multi_items() if item[0] not in OF_EACH_ANSWER]
    text = _REQUEST_ID.sub("", answer.text)
    for value in sent:
        text = text.replace(value, "<sent>")
    return answer.status_code, headers, text


def like(answer: httpx.Response, house: House) -> tuple[int, str]:
    """Leave out besides what is new each time: ids, the holder's name here, numbers."""
    text = without_ids(_REQUEST_ID.sub("", answer.text))
    for known in (*house.own["subject"], *house.own["number"]):
        text = text.replace(known, "<own>")
    return answer.status_code, text


def sent_at(place: Place, value: Any) -> dict[str, Any]:
    is_header = place.kind == "signed header"
    return {place.where: {place.name: {"Authorization": value} if is_header else value}}


# ── Nothing is forgotten ─────────────────────────────────────────────────────────────────────────────────────────


def test_every_place_where_an_id_may_stand_is_known(places):
    assert {(place.where, place.name) for place in places if place.kind} == {*NAMED, ("query", "after")}
    assert {place.label for place in places if place.name == "after"} == set(CURSORS)


def test_every_body_is_known(operations):
    assert {label for label, operation in operations.items() if "requestBody" in operation} == set(FILLED)


@pytest.mark.parametrize(
    "parameter",
    [
        {"in": "path", "name": "offer"},
        {"in": "query", "name": "after"},
        {"in": "query", "name": "carriage"},
        {"in": "header", "name": "X-Carriage"},
    ],
)
def test_an_operation_with_an_id_that_nobody_has_thought_of_is_not_let_through(parameter):
    operation = {"x-caller": "channel", "parameters": [parameter]}
    made = {"paths": {"/v1/offers": {"get": operation}}}
    assert operations_of_partners(made) == {"GET /v1/offers": operation}
    with pytest.raises(AssertionError, match="say in tests/isolation whose"):
        assert [place.kind for place in places_of(made, "GET /v1/offers", operation)]


# ── What is another's looks like what never was ──────────────────────────────────────────────────────────────────


def test_what_is_another_s_looks_like_what_never_was(houses, operations, places):
    first, second = houses
    looked_for = [place for place in places if place.is_looked_for]
    assert len(looked_for) >= 9
    for place in looked_for:
        assert place.kind
        for known in first.own[place.kind]:
            unknown = never_existed(place.kind, known)
            pair = [
                second.call(operations[place.label], place.label, **sent_at(place, one)) for one in (known, unknown)
            ]
            assert plain(pair[0], known) == plain(pair[1], unknown), place
            assert pair[0].status_code == (404 if place.name != "after" else 400), (place, pair[0].text)


def test_what_its_owner_asks_for_is_there(houses, operations, places):
    """Or the test before this one would prove nothing."""
    for place in places:
        if place.is_looked_for and place.label.startswith("GET"):
            for house in houses:
                for known in house.own[place.kind or ""] if place.name != "out_request_no" else house.own["asked"]:
                    answer = house.call(operations[place.label], place.label, **sent_at(place, known))
                    assert answer.status_code == 200, (place, answer.text)


def test_a_position_or_a_header_of_another_s_tells_no_more_than_any(houses, operations, places):
    first, second = houses
    found = [place for place in places if place.kind in {"position", "signed header"}]
    assert len(found) == 2
    for place in found:
        known = first.own[place.kind or ""][0]
        unknown = never_existed(place.kind or "", known)
        pair = [second.call(operations[place.label], place.label, **sent_at(place, one)) for one in (known, unknown)]
        assert pair[0].status_code == 200, (place, pair[0].text)
        assert plain(pair[0], *chosen(place, known)) == plain(pair[1], *chosen(place, unknown)), place


def chosen(place: Place, value: str) -> Sequence[str]:
    """Give what an answer may repeat of what was sent: the position, or app and serial of a header."""
    return [value] if place.kind == "position" else value.split('"')[1:4:2]


def test_what_was_tried_has_changed_nothing(houses, operations):
    first, second = houses
    for label, operation in operations.items():
        if "{carriage}" in label and label.startswith("POST"):
            before = seen_by(first, operations)
            assert second.call(operation, label, path={"carriage": first.own["carriage"][0]}).status_code == 404
            assert seen_by(first, operations) == before, label


def seen_by(house: House, operations: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Read all that a house can read, but for its log, which has just grown."""
    labels = [label for label in operations if label.startswith("GET /v1/") and "/requests" not in label]
    return {label: everything(house, operations, label) for label in labels}


def everything(house: House, operations: dict[str, dict[str, Any]], label: str) -> str:
    number = {"out_request_no": house.own["asked"][0]} if label == "GET /v1/bank-issuances" else {}
    answer = house.call(operations[label], label, query=number)
    assert answer.status_code == 200, (label, answer.text)
    return answer.text


# ── Lists show what is one's own ─────────────────────────────────────────────────────────────────────────────────


def test_nothing_that_can_be_read_shows_what_is_another_s(houses, operations):
    first, second = houses
    labels = [label for label in operations if label.startswith("GET /v1/")]
    for one, other in ((first, second), (second, first)):
        hers = ids_in("".join(everything(one, operations, label) for label in labels)) | set(one.own["subject"])
        assert {name.partition("_")[0] for name in hers if "_" in name} >= {"chn", "crg", "iss", "red", "req"}
        assert set(one.own["carriage"]) | set(one.own["use"]) <= hers
        for label in labels:
            shown = everything(other, operations, label)
            assert [name for name in {*hers, *one.own["number"]} if name in shown] == [], label


def test_a_day_s_statement_has_what_happened_in_one_s_own_app_and_nothing_else(houses, operations):
    label = "GET /v1/channel/statements/{day}"
    files = [everything(house, operations, label) for house in houses]
    for house, file in zip(houses, files, strict=True):
        kinds = sorted(line.split(",")[1] for line in file.splitlines()[2:-1])
        assert kinds == ["carriage.ended", "carriage.signed", "code.redeemed"]
        assert {name for name in ids_in(file) if name.startswith("red_")} == set(house.own["taken"])
        assert ids_in(file) & {house.app.channel for house in houses} == {house.app.channel}
    assert ids_in(files[0]) & ids_in(files[1]) == set()


# ── What means something to its sender alone ─────────────────────────────────────────────────────────────────────


def test_a_number_of_another_s_books_is_as_new_as_any(houses, operations, places, service):
    found = [place for place in places if place.kind == "number" and place.where == "body"]
    assert len(found) == 5
    for place in found:
        for known in houses[0].own["number"]:
            twins = [link(make_house(service), new_holder(service)) for _ in range(2)]
            if place.label != "POST /v1/carriages":
                _ = [sign(twin) for twin in twins]
            values = (known, never_existed("number", known))
            pair = [
                twin.call(operations[place.label], place.label, body={place.name: value})
                for twin, value in zip(twins, values, strict=True)
            ]
            assert pair[0].is_success, (place, pair[0].text)
            for twin, value in zip(twins, values, strict=True):
                twin.own.setdefault("number", []).append(value)
            told = [like(answer, twin) for answer, twin in zip(pair, twins, strict=True)]
            assert told[0] == told[1], place


def test_a_card_of_another_s_sandbox_is_as_new_as_any(houses, operations, service):
    label, made = "POST /v1/sandbox/news", make_house(service)
    told = [made.call(operations[label], label, body={"card": card}).json() for card in ("sandbox-a", "sandbox-b")]
    assert houses[0].own["card"] == ["sandbox-a"]
    assert [(one["card"], one["sequence"]) for one in told] == [("sandbox-a", 1), ("sandbox-b", 1)]


def test_an_answer_kept_for_another_is_not_given(operations, places, service):
    keyed = [place.label for place in places if place.kind == "key"]
    kept = [label for label in keyed if operations[label]["x-idempotency"] == "kept"]
    assert len(kept) >= 9
    twins = [sign(link(make_house(service), new_holder(service))) for _ in range(2)]
    replays = 0
    for label in sorted(kept, key=lambda label: (label.endswith("/end"), label.endswith("/loss-reports"))):
        header = {"Idempotency-Key": secrets.token_hex(8)}
        number = {"out_request_no": new_number()} if "out_request_no" in FILLED.get(label, {}) else {}
        person = {"social_security_number": SOMEBODY} if "social_security_number" in FILLED.get(label, {}) else {}
        answers = [
            twin.call(operations[label], label, header=header, body=number | person) for twin in twins for _ in "12"
        ]
        replayed = [answer.headers.get("Idempotent-Replay") for answer in answers]
        assert (replayed[0], replayed[2]) == (None, None), label
        assert answers[0].status_code == answers[2].status_code, label
        replays += replayed.count("true")
    assert replays >= 2 * (len(kept) - 2)  # an app that has ended its link asks nothing again


# ── Tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_is_of_use_to_the_app_that_it_was_given_to_alone(houses, operations):
    first, second = houses
    for label, operation in operations.items():
        if operation["x-caller"].startswith("partner"):
            method, _, path = label.partition(" ")
            answer = second.app.call(first.link.token, method, path, FILLED.get(label))
            assert answer.status_code == 401, label


def test_a_token_s_calls_are_about_its_own_carriage(houses):
    views = [house.link.call("GET", "/v1/carriage").json() for house in houses]
    assert [view["id"] for view in views] == [house.own["carriage"][0] for house in houses]
    assert len({view["subject"] for view in views}) == 2


def test_the_authorization_server_knows_no_other_s_tokens_either(houses):
    first, second = houses
    tokens = first.link.link.tokens
    for token in (tokens["access_token"], tokens["refresh_token"]):
        pair = [second.app.client.post("/oauth/introspect", {"token": one}) for one in (token, f"x{token}")]
        assert [answer.json() for answer in pair] == [{"active": False}] * 2
        second.app.client.post("/oauth/revoke", {"token": token})
        assert first.app.client.post("/oauth/introspect", {"token": token}).json()["active"] is True
    refused = [second.app.client.refresh(one) for one in (tokens["refresh_token"], f"x{tokens['refresh_token']}")]
    assert plain(refused[0], "-") == plain(refused[1], "-")
    assert first.app.client.post("/oauth/introspect", {"token": tokens["refresh_token"]}).json()["active"] is True
    subject = claims_of(tokens["access_token"])["sub"]
    asked = [second.link.link.exchange(second.link.link.statement(sub=one)) for one in (subject, "never-" + subject)]
    assert plain(asked[0], "-") == plain(asked[1], "-")
    assert asked[0].json()["error"] == "invalid_grant"


# ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_channel_has_a_limit_of_its_own(service):
    holder = new_holder(service)
    busy, idle = (link(make_house(service), holder) for _ in range(2))
    for house in (busy, idle):
        change(service, house.app.channel, "terms", LESS)
        sign(house)
    answers = [busy.app.partner.send("GET", "/v1/channel").status_code for _ in range(5)]
    assert answers == [200, 200, 200, 200, 429]  # and signing was the fifth
    assert busy.link.call("GET", "/v1/carriage").status_code == 429
    assert idle.link.call("GET", "/v1/carriage").status_code == 200
    assert [idle.app.partner.send("GET", "/v1/channel").status_code for _ in range(4)] == [200, 200, 200, 429]


LESS = {"from": {"requests_per_minute": 60_000}, "to": {"requests_per_minute": 5}}
