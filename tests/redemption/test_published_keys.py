"""The published key list: what a terminal without the service believes, and how soon a withdrawn key is refused."""

import json
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.verify import verify
from core.clock import to_text
from core.errors import Unavailable
from qr.errors import BadSignature
from sm import city_keys
from sm.city_keys import MINISTRY_CERTIFICATE, rotate_code_keys, withdraw_code_key
from sm.der import write_pem
from tests.redemption.counter import require_accepted, require_verdict, take
from tests.service import PROVIDER, Service

HEARD_WITHIN = 10  # seconds; a worker looks each second


class OfflineDesk:
    """A terminal that fetched the key list once and then lost its network."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service = service
        self.folder = folder
        self.root = folder / "root.pem"
        self.root.write_text(write_pem("CERTIFICATE", service.runtime.store.document(MINISTRY_CERTIFICATE)))
        self.fetch()

    def fetch(self) -> Any:
        answer = self.service.http.get("/v1/verification-keys")
        assert answer.status_code == 200
        (self.folder / "keys.json").write_bytes(answer.content)
        return json.loads(answer.json()["key_list"])

    def judge(self, code: str, *options: str) -> str:
        keys = ("--keys", str(self.folder / "keys.json"), "--trust", str(self.root))
        at = ("--at", to_text(self.service.clock()))
        told = CliRunner().invoke(verify, [*keys, *at, "--json", *options, code])
        return str(json.loads(told.stdout)["result"])


@pytest.fixture
def offline(sqlite_service: Service, tmp_path: Path) -> OfflineDesk:
    return OfflineDesk(sqlite_service, tmp_path)


def test_a_terminal_with_the_published_keys_judges_codes_alone(offline: OfflineDesk) -> None:
    phone, journal = offline.service.enroll(), ("--journal", str(offline.folder / "journal"))
    code = phone.code("medical").json()["code"]
    assert offline.judge(code, "--class", "merchant") == "wrong_class"
    assert offline.judge(code, *journal) == "accepted"
    assert offline.judge(code, *journal) == "already_used"
    assert offline.judge(phone.code("medical", audience=7).json()["code"]) == "wrong_audience"
    assert offline.judge(phone.code("medical", "counter").json()["code"]) == "cannot_tell"
    offline.service.clock.step(65)
    assert offline.judge(code) == "expired"


def test_what_a_terminal_took_alone_is_recorded_when_it_is_back(offline: OfflineDesk) -> None:
    phone, till, at = offline.service.enroll(), offline.service.add_till(), offline.service.clock()
    code = phone.code("medical").json()["code"]
    assert offline.judge(code) == "accepted"
    offline.service.clock.step(3600)
    answer = till.send("POST", "/v1/offline-acceptances", {"items": [{"code": code, "accepted_at": to_text(at)}]})
    assert answer.json()["outcomes"][0]["result"] == "recorded"


def test_a_withdrawn_key_is_refused_online_at_once_and_offline_with_the_next_list(offline: OfflineDesk) -> None:
    service, till = offline.service, offline.service.add_till()
    service.clock.step(2 * 86_400)  # the next key's time has come: it takes over
    phone = service.enroll()
    code = phone.code("medical").json()["code"]
    offline.fetch()
    assert offline.judge(code) == "accepted"
    withdraw(service)
    answered = wait_until(lambda: take(till, code), lambda answer: answer.json().get("code") == "bad_signature")
    require_verdict(answered, BadSignature)
    assert offline.judge(code) == "accepted"  # it does not know yet: a list is believed for a week
    listed = wait_until(offline.fetch, lambda keys: keys["keys"][0]["state"] == "withdrawn")
    assert [key["state"] for key in listed["keys"]] == ["withdrawn", "current", "next"]
    assert offline.judge(code) == "bad_signature"
    fresh = phone.code("medical").json()["code"]
    assert offline.judge(fresh) == "accepted"
    require_accepted(take(till, fresh))


def test_a_rotation_refuses_no_code_that_is_shown(offline: OfflineDesk) -> None:
    service, till = offline.service, offline.service.add_till()
    service.clock.step(2 * 86_400)
    phone = service.enroll()
    before = [phone.code("medical").json()["code"] for _ in range(2)]
    rotate_code_keys(service.runtime.store, PROVIDER, service.clock(), timedelta(days=1))
    require_accepted(take(till, before[0]))
    wait_until(offline.fetch, lambda keys: [key["state"] for key in keys["keys"]] == ["retired", "current", "next"])
    after = wait_until(lambda: phone.code("medical").json()["code"], lambda code: kid_of(code) == kid_of(before[0]) + 1)
    require_accepted(take(till, before[1]))
    assert offline.judge(after) == "accepted"
    require_accepted(take(till, after))


def test_the_list_names_its_city_and_may_be_kept_for_a_minute(offline: OfflineDesk) -> None:
    answer = offline.service.http.get("/v1/verification-keys")
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    listed = offline.fetch()
    assert listed["issuer"] == "ESSC code keys 990100"
    assert [key["state"] for key in listed["keys"]] == ["current", "next"]
    assert len(answer.content) < 8192


def test_while_no_key_may_sign_codes_are_still_taken(sqlite_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    phone, till = sqlite_service.enroll(), sqlite_service.add_till()
    code = phone.code("medical").json()["code"]
    desk = sqlite_service.runtime.codes
    signing_nothing = replace(desk, keys=lambda: replace(desk.keys(), minting=None))
    monkeypatch.setitem(sqlite_service.app.extensions, "qr.desk", signing_nothing)
    require_verdict(phone.code("medical"), Unavailable)
    require_accepted(take(till, code))


def withdraw(service: Service) -> None:
    kid = int(city_keys.code_ring(service.runtime.store).current().kid)
    withdraw_code_key(service.runtime.store, PROVIDER, kid, service.clock(), timedelta(days=1))


def wait_until(ask: Any, is_so: Any) -> Any:
    """Ask until it is so: each worker looks at the ring once a second."""
    deadline = time.monotonic() + HEARD_WITHIN
    while not is_so(answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    return answer


def kid_of(code: str) -> int:
    return int.from_bytes(int(code[2:]).to_bytes(91, "big")[1:3], "big")


def test_the_list_is_signed_anew_before_terminals_stop_believing_it(offline: OfflineDesk) -> None:
    offline.service.clock.step(8 * 86_400)
    phone = offline.service.enroll()
    code = phone.code("medical").json()["code"]
    assert offline.judge(code) == "cannot_tell"
    today = f"{offline.service.clock():%Y-%m-%d}"
    wait_until(offline.fetch, lambda keys: keys["issued_at"].startswith(today))
    assert offline.judge(code) == "accepted"


def test_a_withdrawn_key_keeps_its_verdict_while_no_other_may_sign(offline: OfflineDesk) -> None:
    service, till = offline.service, offline.service.add_till()
    code = service.enroll().code("medical").json()["code"]
    withdraw(service)  # the next key's time has not come: none signs
    wait_until(lambda: take(till, code), lambda answer: answer.json().get("code") == "bad_signature")
