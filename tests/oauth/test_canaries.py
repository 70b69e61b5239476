"""Codes, tokens and secrets go right and wrong ways through every endpoint; no log line and no refusal holds one."""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import structlog

from auth.oauth import access_tokens, routes
from tests.oauth.clients_of_tests import OAuthClient, make_native, make_partner, make_relying_party
from tests.oauth.conftest import MANY_A_MINUTE
from tests.oauth.holder import Holder, make_holder
from tests.service import Service, running_service
from web.logs import configure_logs

ENDPOINTS = ["par", "token", "introspect", "revoke", "device_authorization", "authorize", "userinfo"]
NAMES = ["code", "refresh_token", "token", "client_secret", "client_assertion", "subject_token", "assertion", "state"]


@dataclass
class Told:
    """What was logged, what was answered to requests that were wrong, and what must stand in neither."""

    logs: str = ""
    refusals: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    stream, before, home = io.StringIO(), structlog.get_config(), tmp_path_factory.mktemp("canaries")
    handler, root, level = logging.StreamHandler(stream), logging.getLogger(), logging.getLogger().level
    handler.addFilter(lambda line: not line.name.startswith("http"))  # httpx is the caller's, not the service's
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    configure_logs(as_json=True, stream=stream)
    try:
        with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **MANY_A_MINUTE) as service:
            found = go_everywhere(service)
    finally:
        structlog.configure(**before)
        root.removeHandler(handler)
        root.setLevel(level)
    found.logs = stream.getvalue()
    yield found


def go_everywhere(service: Service) -> Told:
    holder, found = make_holder(service), Told()
    found.secrets = gather_secrets(service, holder)
    for secret in found.secrets.values():
        for endpoint in ENDPOINTS:
            found.refusals += misplace(service.http, f"/oauth/{endpoint}", secret)
    break_down(service, found)
    return found


def gather_secrets(service: Service, holder: Holder) -> dict[str, str]:
    """Let three kinds of clients do what they are for, once right and once again."""
    partner, party, app = make_partner(service), make_relying_party(service), make_native(service, dpop=False)
    pushed = partner.push(state="state-of-the-partner-0123456789").json()["request_uri"]
    code, tokens = holder.code_for(partner), holder.tokens_for(partner)
    plain = holder.tokens_for(app)
    successor = app.refresh(plain["refresh_token"]).json()["refresh_token"]
    app.refresh(plain["refresh_token"])
    app.refresh(successor)
    assertion, proof = partner.identity()["client_assertion"], partner.proof("/oauth/token")
    assert partner.redeem(code).status_code == 200
    assert partner.redeem(code).status_code == 400
    assert party.secret is not None
    return {
        "request_uri": pushed.rpartition(":")[2], "code": code, "access token": tokens["access_token"],
        "refresh token": tokens["refresh_token"], "ID token": tokens["id_token"], "rotated": plain["refresh_token"],
        "successor": successor, "secret": party.secret, "assertion": assertion, "proof": proof,
        "verifier": partner.verifier, "bearer": plain["access_token"], "card": holder.card,
    }  # fmt: skip


def misplace(http: httpx.Client, path: str, secret: str) -> list[str]:
    """Send a secret where it does not belong and return what was answered."""
    basic = httpx.BasicAuth("cli_" + "0" * 26, secret)
    answers = [
        http.get(path, params={"code": secret, "state": secret}),
        http.post(path, data=dict.fromkeys(NAMES, secret) | {"grant_type": secret}),
        http.post(path, data={"grant_type": "authorization_code", "client_id": secret, secret: "x"}),
        http.post(path, data={"grant_type": "refresh_token", "refresh_token": secret}, auth=basic),
        http.post(path, content=secret.encode(), headers={"Content-Type": secret[:100]}),
        http.post(path, data={"a": "b"}, headers={"Authorization": f"DPoP {secret}", "DPoP": secret}),
        http.get(f"{path}/{secret}"),
    ]
    assert all(400 <= answer.status_code < 500 for answer in answers), [answer.status_code for answer in answers]
    return [f"{answer.headers} {answer.text}" for answer in answers]


def break_down(service: Service, found: Told) -> None:
    """Let the service fail while it holds a token: what it then logs is where, not what."""
    client: OAuthClient = make_partner(service)
    token = make_holder(service, 2).tokens_for(client)["access_token"]
    found.secrets["token of a fault"] = token

    def fail(*_: Any) -> Any:
        raise RuntimeError(f"something with {token}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(access_tokens, "find_live_subject", fail)
        patch.setattr(routes, "count_address", fail)
        broken = [client.call(token), client.post("/oauth/introspect", {"token": token})]
    assert [answer.status_code for answer in broken] == [500, 500]
    found.refusals += [answer.text for answer in broken]


def test_the_canaries_flew(told):
    assert all(len(secret) > 24 for secret in told.secrets.values())
    assert told.logs.count('"route": "/oauth/token"') > 50
    assert told.logs.count('"event": "fault"') == 2
    assert len(told.refusals) == (len(told.secrets) - 1) * len(ENDPOINTS) * 7 + 2


def test_no_line_of_the_log_says_a_token_or_whose_it_is(told):
    assert [name for name, secret in told.secrets.items() if secret in told.logs] == []
    assert [name for name, secret in told.secrets.items() if secret[:24] in told.logs] == []


def test_no_refusal_repeats_what_was_sent(told):
    said = "\n".join(told.refusals)
    assert [name for name, secret in told.secrets.items() if secret in said] == []
