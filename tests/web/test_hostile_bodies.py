"""Bodies and addresses that no client of ours would send: a 4xx each time, never a fault (P1, P3, P4)."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client, TestResponse

from auth.plain_json import read_plain_json
from tests.service import running_service
from tests.web.callers import HEADERS, Proven
from tests.web.test_openapi import GOOD

pytestmark = pytest.mark.xdist_group("test_hostile_bodies")  # what is costly to set up is set up once

HOSTILE_TEXTS = {
    "NUL": "\x00",
    "NUL in the middle": "op\x00-1",
    "half a pair": "\ud800",
    "the other half": "\udfff",
    "a pair turned round": "\udc00\ud800",
    "line end": "op-1\n",
    "right to left": "\u202eop-1",
    "no character": "\uffff",
    "statement": "'; DROP TABLE audit_entries; --",
    "format": "%s%n{0}{{}}",
    "markup": "<script>alert(1)</script>",
    "path": "../../etc/passwd",
    "beyond the plane": "\U0010ffff",
    "very long": "x" * 100_000,
}

HOSTILE_BODIES: dict[str, bytes] = {
    "broken": b"{",
    "two values": b"{} {}",
    "trailing comma": b'{"operator": "op-1",}',
    "comment": b'{"operator": "op-1"} // x',
    "single quotes": b"{'operator': 'op-1'}",
    "nan": b'{"operator": NaN}',
    "infinity": b'{"operator": -Infinity}',
    "null": b"null",
    "list": b"[]",
    "text": b'"op-1"',
    "number": b"1",
    "true": b"true",
    "empty object": b"{}",
    "doubled name": b'{"operator": "op-1", "operator": "op-2"}',
    "doubled name further in": b'{"operator": {"a": 1, "a": 2}}',
    "deep list": b"[" * 100_000,
    "deep list, closed": b"[" * 900 + b"]" * 900,
    "deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deep member": b'{"operator": ' + b"[" * 500 + b"]" * 500 + b"}",
    "huge integer": b'{"operator": ' + b"9" * 100_000 + b"}",
    "huge exponent": b'{"operator": 1e999999}',
    "utf-16": '{"operator": "op-1"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"operator": "op-1"}',
    "latin-1": b'{"operator": "\xe4"}',
    "overlong": b'{"operator": "\xc0\xaf"}',
    "encoded surrogate": b'{"operator": "\xed\xa0\x80"}',
    "raw control": b'{"operator": "\x01"}',
    "raw NUL": b'{"operator": "op-1"}\x00',
    "escaped NUL": b'{"operator": "op\\u0000"}',
    "escaped NUL as a name": b'{"operator": "op-1", "\\u0000": 1}',
    "escaped half": b'{"operator": "\\ud800"}',
    "escaped half as a name": b'{"\\udfff": "op-1"}',
    "many members": b"{" + b",".join(b'"%d":1' % number for number in range(20_000)) + b"}",
    "blanks": b" " * 50_000,
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def edge(request, tmp_path_factory) -> Iterator[Proven]:
    """A service on each engine: PostgreSQL refuses characters that SQLite takes."""
    home = tmp_path_factory.mktemp("service")
    url = f"sqlite:///{home / 'ecard.sqlite3'}"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        url = server.url(server.create_database())
    limits = {"phone_requests_per_minute": 6000, "codes_per_minute": 600}
    with running_service(url, home, **limits) as service:
        till = service.add_till(purposes=("identity", "medical", "merchant", "gate", "test"))
        yield Proven(service, service.enroll(), till)


def send(edge: Proven, label: str, body: bytes) -> TestResponse:
    method, path = label.split(" ")
    path = path.replace("{card}", edge.phone.card).replace("{enrollment}", "enr_" + "0" * 26)
    headers = HEADERS | {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(16)}
    edge.service.clock.step(0.01)
    return Client(edge).open(path, method=method, data=body, headers=headers)


def assert_refused(answer: TestResponse, *where: object) -> None:
    body = answer.get_json(force=True)
    assert 400 <= answer.status_code < 500, (where, body)
    assert answer.mimetype == "application/problem+json", where
    assert answer.status_code != 401, (where, body)  # it was proven: this is about the body


def texts_of(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Find every place of a body where a text stands."""
    if isinstance(body, str):
        yield path
    for name, inner in body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ():
        yield from texts_of(inner, (*path, name))


def with_text(body: Any, path: tuple[Any, ...], text: str) -> Any:
    changed = json.loads(json.dumps(body))
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = text
    return changed


TAKES_ANYTHING = ("/code-images", "/signature-examinations")
"""They draw and explain what they are given."""


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_no_text_in_any_field_is_a_fault(edge, text):
    for label, good in GOOD.items():
        for path in texts_of(good):
            body = json.dumps(with_text(good, path, HOSTILE_TEXTS[text])).encode()
            answer = send(edge, label, body)
            if label.endswith("/offline-acceptances") and answer.status_code == 200:
                assert answer.get_json()["outcomes"][0]["result"] == "refused"
            elif not (label.endswith(TAKES_ANYTHING) and answer.status_code == 200):
                assert_refused(answer, label, path, text)


@pytest.mark.parametrize("name", HOSTILE_BODIES)
@pytest.mark.parametrize("label", ["POST /v1/terminal-sessions", "POST /v1/enrollments", "POST /v1/cards/{card}/codes"])
def test_a_body_that_two_readers_could_read_differently_is_read_by_none(edge, label, name):
    answer = send(edge, label, HOSTILE_BODIES[name])
    assert_refused(answer, label, name)
    assert answer.get_json(force=True)["code"] == "malformed_request"


def test_a_large_body_with_a_good_beginning_is_refused_as_a_whole(edge):
    items = b",".join([b'{"code": "0", "accepted_at": "2026-03-02T08:00:00Z"}'] * 501)
    assert_refused(send(edge, "POST /v1/offline-acceptances", b'{"items": [' + items + b"]}"))


ADDRESSES = [
    "/v1/terminal-sessions/%00",
    "/v1/terminal-sessions/ts_%00",
    "/v1/terminal-sessions/%ED%A0%80",
    "/v1/terminal-sessions/%ff%fe",
    "/v1/terminal-sessions/" + "x" * 4000,
    "/v1/terminal-sessions/%27%20OR%201=1",
    "/v1/terminal-sessions/%E7%A4%BA",
    "/v1/enrollments/%00",
    "/v1/enrollments/enr_%F0%9F%98%80",
    "/v1/cards/%00",
    "/v1/cards/{card}%00",
    "/v1/cards/{card}%0a",
    "/v1/cards/{card}/uses?after=%00",
    "/v1/cards/{card}/uses?after=%ff",
    "/v1/cards/{card}/uses?after=red_" + "0" * 26,
    "/v1/cards/{card}/uses?after=" + "x" * 41,
    "/v1/cards/{card}/uses?limit=0",
    "/v1/cards/{card}/uses?limit=101",
    "/v1/cards/{card}/uses?limit=-1",
    "/v1/cards/{card}/uses?limit=1.5",
    "/v1/cards/{card}/uses?limit=1e1",
    "/v1/cards/{card}/uses?limit=" + "9" * 6000,
    "/v1/cards/{card}/uses?limit=NaN",
    "/v1/cards/{card}/uses?limit=",
    "/v1/cards/{card}/uses?limit=%00",
    "/v1/notices?after=%00",
    "/v1/notices?after=ntc_" + "0" * 26,
    "/v1/notices?limit=9223372036854775808",
]


@pytest.mark.parametrize("path", ADDRESSES, ids=range(len(ADDRESSES)))
def test_no_address_is_a_fault(edge, path):
    answer = Client(edge).get(path.replace("{card}", edge.phone.card), headers=HEADERS)
    body = answer.get_json(force=True)
    assert 400 <= answer.status_code < 500, body
    assert body["code"] in {"not_found", "malformed_request", "proof_wrong", "signature_wrong"}, body


@pytest.mark.parametrize(
    "key", ["", "short", "x" * 65, "with a blank", "key\x7f-12345", "ümlaut-12345", "' OR 1=1 --", "key-1234,key-5678"]
)
def test_an_idempotency_key_of_another_form_is_refused(edge, key):
    headers = HEADERS | {"Content-Type": "application/json", "Idempotency-Key": key}
    answer = Client(edge).post("/v1/redemptions", data=b'{"code": "0", "purpose": "test"}', headers=headers)
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (400, "idempotency_key_missing")


def test_the_service_is_well_after_all_of_it(edge):
    assert edge.service.http.get("/readyz").status_code == 200
    assert edge.phone.sign_in().status_code == 200
    assert edge.phone.code("test").status_code == 201


# ── The reader itself ────────────────────────────────────────────────────────────────────────────────────────────

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text(st.characters(exclude_characters="\x00", codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_what_is_plain_json_is_read_as_it_was_written(value, escaped):
    assert read_plain_json(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(given_bytes):
    try:
        read = read_plain_json(given_bytes)
    except ValueError:
        return
    assert read == json.loads(given_bytes)


def test_a_backslash_before_u0000_is_a_backslash():
    assert read_plain_json(rb'"\\u0000"') == "\\u0000"
    for written in (rb'"\u0000"', rb'"\\\u0000"', rb'["a", "\u0000"]', rb'{"\u0000": 1}', rb'"\u0000\\"'):
        with pytest.raises(ValueError, match="NUL"):
            read_plain_json(written)


@pytest.mark.parametrize(("levels", "good"), [(31, True), (32, True), (33, False), (1000, False), (200_000, False)])
def test_nesting_ends_at_32_levels(levels, good):
    written = b"[" * levels + b"]" * levels
    if good:
        assert read_plain_json(written) is not None
    else:
        with pytest.raises(ValueError, match="deep"):
            read_plain_json(written)


def test_many_flat_members_are_not_deep():
    assert len(read_plain_json(b"[" + b",".join([b"{}"] * 5000) + b"]")) == 5000
