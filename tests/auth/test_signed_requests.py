"""Requests signed with SM2 (ESSC-SM2-SM3): each part wrong in turn (S7, C2 and C4 of the threat model)."""

import base64
import json
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from auth.errors import SignatureWrong
from auth.models import signed_requests
from auth.parties import add_key, set_standing, withdraw_key
from auth.signed_requests import SignedRequests, TerminalRegister
from cli.till import Till
from sm.der import signature_to_der
from sm.digest import sm3
from sm.signed_request import base_string, read_header, sign_request
from sm.sm2 import random_private_key
from tests.service import PROVIDER, START, Service

NOW = int(START.timestamp())
PATH = "/v1/terminal-sessions"
BODY = b'{"operator": "op-1"}'


@pytest.fixture
def till(still_service: Service) -> Till:
    return still_service.add_till()


def sign(till: Till, **changes: Any) -> str:
    """Sign a request that opens a session; ``changes`` are what is signed instead."""
    signed = {
        "app_id": till.terminal,
        "serial_no": till.serial,
        "method": "POST",
        "target": PATH,
        "body": BODY,
        "timestamp": NOW,
        "nonce": secrets.token_hex(16),
    }
    return sign_request(changes.pop("signer", till.signer), **signed | changes)


def send(till: Till, header: str | None, path: str = PATH, body: bytes = BODY) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | (
        {} if header is None else {"Authorization": header.encode("latin-1")}
    )
    return till.http.post(path, content=body, headers=headers)


def seen(answer: httpx.Response) -> dict[str, Any]:
    """Give everything that a caller can see of an answer but the request's own id."""
    body = {name: value for name, value in answer.json().items() if name != "request_id"}
    headers = {name: value for name, value in answer.headers.items() if name not in {"x-request-id", "content-length"}}
    return {"status": answer.status_code, "body": body, "headers": headers}


def test_a_signed_request_is_let_in(till):
    assert send(till, sign(till)).status_code == 201


# ── Each part wrong in turn ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "PUT"},
        {"target": "/v1/terminal-session"},
        {"target": f"{PATH}?"},
        {"target": f"{PATH}?x=1"},
        {"target": f"/{PATH}"},
        {"target": PATH.upper()},
        {"body": b""},
        {"body": BODY + b"\n"},
        {"body": BODY.replace(b"1", b"2")},
        {"body": BODY.replace(b" ", b"")},
        {"signer": PROVIDER.signer(random_private_key())},
        {"signer": "another user id"},
    ],
    ids=range(12),
)
def test_a_signature_over_anything_else_is_wrong(till, changes):
    if changes.get("signer") == "another user id":
        changes = {"signer": PROVIDER.signer(random_private_key(), b"ESSC-QR-B1")}
    answer = send(till, sign(till, **changes))
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_wrong")


@pytest.mark.parametrize("field", ["timestamp", "nonce", "app_id", "serial_no", "signature"])
def test_each_field_of_the_header_is_covered_by_the_signature(still_service, till, field):
    other = still_service.add_till()
    fields = {
        "timestamp": str(NOW + 1),
        "nonce": secrets.token_hex(16),
        "app_id": other.terminal,
        "serial_no": other.serial,
    }
    fields["signature"] = _field(sign(till), "signature")
    header = sign(till)
    answer = send(till, header.replace(_field(header, field), fields[field]))
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_wrong")


def test_another_terminal_s_signature_opens_nothing_under_this_one_s_name(still_service, till):
    other = still_service.add_till()
    for app_id, serial_no in (
        (till.terminal, other.serial),
        (other.terminal, till.serial),
        (till.terminal, till.serial),
    ):
        answer = send(till, sign(till, signer=other.signer, app_id=app_id, serial_no=serial_no))
        assert answer.json()["code"] == "signature_wrong"


def test_a_signature_does_not_move_to_another_address(till):
    header = sign(till, body=b"")
    for path in ("/v1/visits", f"{PATH}/ts_{'0' * 26}"):
        assert send(till, header, path, b"").status_code in {401, 405}


MALFORMED: list[Callable[[str], str]] = [
    lambda _h: "",
    lambda _h: "ESSC-SM2-SM3",
    lambda _h: "ESSC-SM2-SM3 ",
    lambda h: h.replace("ESSC-SM2-SM3", "essc-sm2-sm3"),
    lambda h: h.replace("ESSC-SM2-SM3", "WECHATPAY2-SM2-WITH-SM3"),
    lambda h: h.replace("ESSC-SM2-SM3", "Bearer"),
    lambda h: h.replace("ESSC-SM2-SM3 ", "ESSC-SM2-SM3  "),
    lambda h: h.replace(",", ", "),
    lambda h: h + ",",
    lambda h: h + ',nonce="0123456789abcdef"',
    lambda h: h + ',extra="1"',
    lambda h: h.replace("app_id", "appid"),
    lambda h: h.replace('"', "'"),
    lambda h: h.replace('timestamp="', 'timestamp="0'),
    lambda h: h.replace('timestamp="', 'timestamp="-'),
    lambda h: h.replace(f'"{NOW}"', '"9999999999999"'),
    lambda h: h.replace(_field(h, "nonce"), "short"),
    lambda h: h.replace(_field(h, "nonce"), "x" * 65),
    lambda h: h.replace(_field(h, "signature"), ""),
    lambda h: h.replace(_field(h, "signature"), "!" * 96),
    lambda h: h.replace(_field(h, "signature"), base64.b64encode(b"\x30\x06\x02\x01\x01\x02\x01\x01" + b"x").decode()),
    lambda h: h.replace(_field(h, "signature"), base64.b64encode(bytes(72)).decode()),
    lambda h: h.replace(_field(h, "signature"), base64.b64encode(signature_to_der(b"\x01" * 64))[:-1].decode()),
    lambda h: h + " " * 512,
    lambda h: f"{h},{h}",
    lambda h: h + "\x00",
]


@pytest.mark.parametrize("number", range(len(MALFORMED)))
def test_a_header_that_is_not_of_the_form_is_no_signature(till, number):
    answer = send(till, MALFORMED[number](sign(till)))
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_missing")


def test_without_a_header_there_is_no_signature(till):
    assert send(till, None).json()["code"] == "signature_missing"


def test_a_header_of_any_bytes_is_no_signature(still_service, till):
    for header in (sign(till).replace("trm_", "trm_ü"), "\xff" * 100, "ESSC-SM2-SM3 \x80"):
        answer = still_service.app.test_client().post(PATH, data=BODY, headers={"Authorization": header})
        assert (answer.status_code, answer.get_json(force=True)["code"]) == (401, "signature_missing")


def _field(header: str, name: str) -> str:
    return header.partition(f'{name}="')[2].partition('"')[0]


# ── One answer for whoever is not known ──────────────────────────────────────────────────────────────────────────


def _strangers(service: Service) -> dict[str, str]:
    """Sign as everybody who may not come in, each with a signature that is right for the key in hand."""
    signer = PROVIDER.signer(random_private_key())
    tills = {name: service.add_till() for name in ("withdrawn", "suspended", "stolen", "not yet", "no longer", "wrong")}
    with service.database.transaction() as connection:
        withdraw_key(connection, tills["withdrawn"].terminal, tills["withdrawn"].serial, at=START)
        set_standing(connection, tills["suspended"].terminal, "suspended")
        set_standing(connection, tills["stolen"].terminal, "stolen")
        for name, values in (("not yet", {"not_before": NOW * 1000 + 1}), ("no longer", {"not_after": NOW * 1000})):
            serial = {"party": tills[name].terminal}
            connection.execute(sa.text(f"UPDATE party_keys SET {_set(values)} WHERE party = :party"), serial | values)
    known = service.add_till()
    return {name: sign(till) for name, till in tills.items() if name != "wrong"} | {
        "wrong": sign(tills["wrong"], signer=signer),
        "unknown terminal": sign(known, app_id="trm_" + "0" * 26, signer=signer),
        "unknown serial": sign(known, serial_no="key_" + "0" * 26),
        "no id at all": sign(known, app_id="x", serial_no="y"),
        "an id of another kind": sign(known, app_id=service.institution),
    }


def _set(values: dict[str, int]) -> str:
    return ", ".join(f"{name} = :{name}" for name in values)


def test_nobody_learns_which_terminals_and_keys_exist(still_service, till):
    answers = {name: seen(send(till, header)) for name, header in _strangers(still_service).items()}
    assert {name for name, answer in answers.items() if answer != answers["unknown terminal"]} == set()
    assert answers["unknown terminal"]["status"] == 401


def test_a_stale_signature_tells_nothing_about_its_terminal_either(still_service, till):
    stale = {"timestamp": NOW - 301}
    known = send(till, sign(till, **stale))
    unknown = send(till, sign(till, app_id="trm_" + "0" * 26, **stale))
    assert seen(known) == seen(unknown)
    assert known.json()["code"] == "signature_stale"


# ── Time and nonce ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("off", "good"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_a_signature_is_good_for_300_seconds_both_ways(till, off, good):
    answer = send(till, sign(till, timestamp=NOW + off))
    if good:
        assert answer.status_code == 201
    else:
        assert (answer.status_code, answer.json()["code"], answer.json()["server_time"]) == (
            401,
            "signature_stale",
            NOW,
        )


def test_the_window_ends_to_the_millisecond(still_service, till):
    header, late = sign(till), sign(till)
    still_service.clock.step(300)
    assert send(till, header).status_code == 201
    still_service.clock.step(0.001)
    assert send(till, late).json()["code"] == "signature_stale"


def test_a_signed_request_is_good_for_one_use(till):
    header = sign(till)
    assert send(till, header).status_code == 201
    again = send(till, header)
    assert (again.status_code, again.json()["code"]) == (409, "nonce_spent")


def test_a_nonce_is_spent_for_its_terminal_alone(still_service, till):
    nonce = secrets.token_hex(16)
    assert send(till, sign(till, nonce=nonce)).status_code == 201
    other = still_service.add_till()
    assert send(other, sign(other, nonce=nonce)).status_code == 201


def test_a_nonce_is_spent_also_for_another_key_and_another_request_of_its_terminal(still_service, till):
    nonce = secrets.token_hex(16)
    assert send(till, sign(till, nonce=nonce)).status_code == 201
    signer = PROVIDER.signer(random_private_key())
    with still_service.database.transaction() as connection:
        serial = add_key(connection, till.terminal, signer.public_key, at=START)
    again = sign(till, nonce=nonce, signer=signer, serial_no=serial, timestamp=NOW + 1)
    assert send(till, again).json()["code"] == "nonce_spent"


def test_a_request_that_was_refused_and_left_nothing_behind_may_be_sent_again(till):
    body = b'{"operator": 5}'
    header = sign(till, body=body)
    answers = [send(till, header, body=body) for _ in range(2)]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, "malformed_request")] * 2


def test_a_wrong_signature_spends_no_nonce(till):
    header = sign(till)
    assert send(till, header, body=BODY + b" ").status_code == 401
    assert send(till, header).status_code == 201


def test_of_many_who_send_the_same_request_at_once_one_is_let_in(service):
    till = service.add_till()
    header, begin = sign(till), threading.Barrier(8)

    def once(_number: int) -> int:
        begin.wait()
        return send(till, header).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(once, range(8)))
    assert statuses == [201] + [409] * 7


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def ticking(still_service: Service) -> tuple[SignedRequests, dict[str, float]]:
    """A worker's own look at signed requests, and the seconds that it counts."""
    ticks = {"now": 1000.0}
    ground = still_service.runtime.ground
    return SignedRequests(ground, PROVIDER, TerminalRegister(ground), lambda: ticks["now"]), ticks


@pytest.mark.parametrize("end", ["withdraw", "suspend"])
def test_a_key_withdrawn_elsewhere_is_refused_within_a_second(still_service, till, ticking, end):
    worker, ticks = ticking

    def verify() -> object:
        return worker.verify_request(sign(till), "POST", PATH, BODY)

    assert verify()
    with still_service.database.transaction() as connection:
        if end == "withdraw":
            assert withdraw_key(connection, till.terminal, till.serial, at=START)
        else:
            assert set_standing(connection, till.terminal, "suspended")
    ticks["now"] += 0.999
    with pytest.raises(SignatureWrong):
        verify()


def test_a_worker_trusts_what_it_read_for_half_a_second_and_asks_again_after_it(still_service, till, ticking):
    worker, ticks = ticking
    worker.verify_request(sign(till), "POST", PATH, BODY)
    with still_service.database.transaction() as connection:
        withdraw_key(connection, till.terminal, till.serial, at=START)
    ticks["now"] += 0.499
    assert worker.verify_request(sign(till), "POST", PATH, BODY)
    ticks["now"] += 0.001
    with pytest.raises(SignatureWrong):
        worker.verify_request(sign(till), "POST", PATH, BODY)


def test_what_is_not_known_is_asked_for_each_time(still_service, till, ticking):
    """A terminal that was just registered works at once, also where it was tried before."""
    worker, _ = ticking
    signer = PROVIDER.signer(random_private_key())
    serial = "key_" + "1" * 26
    header = {"signer": signer, "serial_no": serial}
    with pytest.raises(SignatureWrong):
        worker.verify_request(sign(till, **header), "POST", PATH, BODY)
    with still_service.database.transaction() as connection:
        added = add_key(connection, till.terminal, signer.public_key, at=START)
        connection.execute(
            sa.text("UPDATE party_keys SET serial = :new WHERE serial = :old"), {"new": serial, "old": added}
        )
    assert worker.verify_request(sign(till, **header), "POST", PATH, BODY)


def test_a_key_ends_at_its_end_though_the_worker_knows_it(still_service, till, ticking):
    worker, _ = ticking
    with still_service.database.transaction() as connection:
        end = {"end": NOW * 1000 + 1000, "party": till.terminal}
        connection.execute(sa.text("UPDATE party_keys SET not_after = :end WHERE party = :party"), end)
    assert worker.verify_request(sign(till), "POST", PATH, BODY)
    still_service.clock.step(0.999)
    assert worker.verify_request(sign(till), "POST", PATH, BODY)
    still_service.clock.step(0.001)
    with pytest.raises(SignatureWrong):
        worker.verify_request(sign(till), "POST", PATH, BODY)


def test_two_live_keys_let_a_terminal_change_over_without_a_gap(still_service, till):
    new = PROVIDER.signer(random_private_key())
    with still_service.database.transaction() as connection:
        serial = add_key(connection, till.terminal, new.public_key, at=START)
    with_new = {"signer": new, "serial_no": serial}
    assert send(till, sign(till)).status_code == 201
    assert send(till, sign(till, **with_new)).status_code == 201
    assert send(till, sign(till, signer=new)).status_code == 401
    with still_service.database.transaction() as connection:
        assert withdraw_key(connection, till.terminal, till.serial, at=START)
        assert not withdraw_key(connection, till.terminal, till.serial, at=START)
    still_service.runtime.gate.requests._known.clear()  # as half a second later
    assert send(till, sign(till)).status_code == 401
    assert send(till, sign(till, **with_new)).status_code == 201


# ── What it may ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_terminal_without_the_scope_is_known_but_may_not(still_service):
    till = still_service.add_till(still_service.add_institution(scopes=("redeem",)))
    answer = send(till, sign(till))
    assert (answer.status_code, answer.json()["code"]) == (403, "terminal_not_allowed")


def test_a_terminal_cannot_look_into_another_one_s_session(still_service, till):
    session = send(till, sign(till)).json()["id"]
    other = still_service.add_till()
    foreign, unknown = (other.send("GET", f"{PATH}/{name}") for name in (session, "ts_" + "0" * 26))
    assert seen(foreign) == seen(unknown)
    assert foreign.status_code == 404


# ── Evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_kept_of_a_request_proves_it_years_later(still_service, till):
    header = sign(till)
    assert send(till, header).status_code == 201
    with still_service.database.transaction() as connection:
        by_nonce = signed_requests.c.nonce == read_header(header).nonce
        row = connection.execute(sa.select(signed_requests).where(by_nonce)).one()
    base = base_string("POST", PATH, NOW, row.nonce, BODY)
    assert (row.party, row.serial, row.signed_at, row.base_sm3) == (
        till.terminal,
        till.serial,
        NOW * 1000,
        sm3(base).hex(),
    )
    PROVIDER.verifier(till.signer.public_key).verify(base, bytes.fromhex(row.signature))


# ── Addresses that no client should send ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("query", ["\xff", "\x00", " x", "*", "\u00e4", "\r\nx", "x=1"])
def test_a_query_that_was_not_signed_is_a_wrong_signature_and_no_fault(still_service, till, query):
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": PATH,
        "QUERY_STRING": query,
        "RAW_URI": PATH,  # whatever a server or an environment says of it counts for nothing
        "SERVER_NAME": "card.example",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "https",
        "wsgi.input": BytesIO(BODY),
        "CONTENT_LENGTH": str(len(BODY)),
        "CONTENT_TYPE": "application/json",
        "HTTP_AUTHORIZATION": sign(till),
    }
    answered: list[str] = []
    body = b"".join(still_service.app(environ, lambda status, _headers: answered.append(status)))
    assert answered == ["401 UNAUTHORIZED"]
    assert json.loads(body)["code"] == "signature_wrong"
