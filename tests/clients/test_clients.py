"""Both clients against the service as it runs: it takes what they sign, they take nothing that it has not signed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import ecard_client
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from ecard_client import sm2
from ecard_client.tokens import draw_verifier, read_id_token

from auth.oauth.client_register import list_client_keys
from channels.models import channels
from qr.statements.making import make_statement
from qr.statements.owner import Owner
from sm.city_keys import MINISTRY_CERTIFICATE
from sm.der import import_pkcs8, read_pem, write_pem
from sm.digest import sm3
from sm.keystore import FileKeyStore
from tests.channels.partners import add_certificate
from tests.channels.partners import make_partner as make_channel
from tests.clients.speakers import Between, Failed, InPython, InTypeScript, standing_between
from tests.oauth.clients_of_tests import REDIRECT, answer_of
from tests.oauth.clients_of_tests import make_partner as make_client
from tests.oauth.holder import Holder
from tests.redemption.processes import Town, make_city, run_town
from tests.servers import free_port
from tests.service import ISSUER, PROVIDER

pytestmark = pytest.mark.xdist_group("clients")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("clients")
    with run_town(make_city(folder), folder, f"sqlite:///{folder / 'ecard.sqlite3'}") as running:
        running.inside.clock.now = datetime.now(UTC)
        yield running


@pytest.fixture(scope="module")
def between(town: Town) -> Iterator[Between]:
    with standing_between(town.processes.address) as standing:
        yield standing


@pytest.fixture(scope="module", params=["python", "typescript"])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "python":
        yield InPython()
        return
    speaking = InTypeScript()
    yield speaking
    speaking.close()


def pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="module")
def registered(town: Town, between: Between) -> dict[str, Any]:
    """What a partner holds after it was registered, with the keys that it has drawn itself."""
    inside, key = town.inside, sm2.draw_key()
    inside.clock.now = datetime.now(UTC)
    app = make_channel(inside, requests_per_minute=60_000, scopes=("carriage", "news", "statements"))
    app.signer = PROVIDER.signer(private_key(key))
    oauth = make_client(inside)
    with inside.database.transaction() as connection:
        (row,) = list_client_keys(connection, oauth.id)
    return {
        "issuer": ISSUER,
        "address": between.address,
        "channel": app.channel,
        "serial": add_certificate(inside, app),
        "channelKey": key.write_pem().decode(),
        "client": oauth.id,
        "clientKey": pem_of(oauth.key.private),
        "kid": row.kid,
        "dpopKey": pem_of(ec.generate_private_key(ec.SECP256R1())),
        "pinned": write_pem("CERTIFICATE", inside.runtime.store.document(MINISTRY_CERTIFICATE)),
    }


def private_key(key: sm2.SigningKey):
    from_pem = read_pem("PRIVATE KEY", key.write_pem().decode())
    return import_pkcs8(from_pem)


# ── Signed by the channel ────────────────────────────────────────────────────────────────────────────────────────


def test_the_service_takes_what_the_client_signs_and_its_answer_holds(client, registered):
    assert client.ask("channel", **registered)["id"] == registered["channel"]
    assert client.ask("news", **registered) == {"items": [], "next": 0, "more": False}


def test_a_file_is_handed_on_as_it_came(client, registered, town, tmp_path):
    date = (datetime.now(UTC) - timedelta(days=3)).date()
    day, desk, owner = date.isoformat(), town.inside.runtime.statements, Owner("channel", registered["channel"])
    with town.inside.database.transaction() as connection:
        connection.execute(channels.update().where(channels.c.id == registered["channel"]).values(applied_at=0))
    make_statement(desk, owner, date, tmp_path, actor="operator:li", on_progress=lambda *_: None)
    text = client.ask("statement", day=day, **registered)
    head, names, end = text.splitlines(keepends=True)
    assert head == f"ESSC-STATEMENT-1,channel,{registered['channel']},{day},0\n"
    assert end == f"ESSC-STATEMENT-END,0,{sm3((head + names).encode()).hex()}\n"


def test_a_refusal_is_signed_and_told_by_its_code(client, registered, town):
    app = make_channel(town.inside, scopes=["carriage"])
    key = sm2.draw_key()
    app.signer = PROVIDER.signer(private_key(key))
    serial = add_certificate(town.inside, app)
    given = {**registered, "channel": app.channel, "serial": serial, "channelKey": key.write_pem().decode()}
    with pytest.raises(Failed) as refused:
        client.ask("news", **given)
    assert (refused.value.name, refused.value.code) == ("Refused", "scope_missing")


def test_a_key_that_is_not_registered_is_refused(client, registered):
    with pytest.raises(Failed) as refused:
        client.ask("channel", **{**registered, "channelKey": sm2.draw_key().write_pem().decode()})
    assert refused.value.name == "Refused"


def with_other_name(status, headers, body):
    return status, headers, body.replace("示范".encode(), "假的".encode())


def without_signature(status, headers, body):
    return status, {name: value for name, value in headers.items() if name.lower() != "essc-signature"}, body


def with_other_status(status, headers, body):
    return 201, headers, body


def with_other_serial(status, headers, body):
    changed = {name: value.replace('serial_no="', 'serial_no="f') for name, value in headers.items()}
    return status, changed, body


@pytest.mark.parametrize("change", [with_other_name, without_signature, with_other_status, with_other_serial])
def test_a_tampered_answer_is_not_believed(client, registered, between, change):
    between.change = change
    try:
        with pytest.raises(Failed) as refused:
            client.ask("channel", **registered)
    finally:
        between.change = None
    assert refused.value.name == "NotProven"


def test_the_answer_to_another_request_is_not_believed(client, registered, between):
    kept = []

    def replay(*answer):
        kept.append(answer)
        return kept[0]

    between.change = replay
    try:
        client.ask("channel", **registered)
        with pytest.raises(Failed) as refused:
            client.ask("channel", **registered)
    finally:
        between.change = None
    assert refused.value.name == "NotProven"


def test_certificates_below_another_ministry_are_not_believed(client, registered, tmp_path_factory):
    elsewhere = make_city(tmp_path_factory.mktemp("elsewhere"))
    store = FileKeyStore(elsewhere.folder / "keys", elsewhere.secret)
    pinned = write_pem("CERTIFICATE", store.document(MINISTRY_CERTIFICATE))
    with pytest.raises(Failed) as refused:
        client.ask("channel", **{**registered, "pinned": pinned})
    assert refused.value.name == "NotProven"


# ── Where the service is busy or away ────────────────────────────────────────────────────────────────────────────


def test_a_call_is_repeated_and_signed_anew(client, registered, between):
    def break_twice(*answer):
        return [(503, {}, b""), None, answer][len(between.seen) - 1]

    between.seen.clear()
    between.change = break_twice
    try:
        assert client.ask("channel", **registered)["id"] == registered["channel"]
    finally:
        between.change = None
    arrived = [{name.lower(): value for name, value in headers.items()} for headers in between.seen]
    sent = [headers for headers in arrived if "authorization" in headers]  # and one that asks for our certificates
    assert len({one["authorization"] for one in sent}) == len(sent) == 3


def test_an_act_is_repeated_under_one_idempotency_key_and_signed_anew(client, registered, between):
    def break_twice(*answer):
        return [(503, {}, b""), None, answer][len(between.seen) - 1]

    between.seen.clear()
    between.change = break_twice
    try:
        with pytest.raises(Failed) as refused:
            client.ask("pause", carriage="crg_0h3k2m5q8r1t4v7w9x2z5b8d1f", **registered)
    finally:
        between.change = None
    assert (refused.value.name, refused.value.code) == ("Refused", "not_found")
    arrived = [{name.lower(): value for name, value in headers.items()} for headers in between.seen]
    sent = [headers for headers in arrived if "authorization" in headers]  # and one that asks for our certificates
    assert len({one["idempotency-key"] for one in sent}) == 1
    assert len({one["authorization"] for one in sent}) == len(sent) == 3


def test_a_service_that_is_away_is_no_answer(client, registered):
    away = {**registered, "address": f"http://127.0.0.1:{free_port()}"}
    with pytest.raises(Failed) as refused:
        client.ask("channel", **away)
    assert refused.value.name == "NoAnswer"


# ── With a holder's token ────────────────────────────────────────────────────────────────────────────────────────


def link(client: Any, registered: dict[str, Any], town: Town) -> dict[str, Any]:
    verifier, challenge = draw_verifier()
    form = {
        "response_type": "code",
        "client_id": registered["client"],
        "redirect_uri": REDIRECT,
        "scope": "openid offline_access card.read",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "nonce": "n-1",
    }
    pushed = client.ask("push", form=form, **registered)
    query = {"client_id": registered["client"], "request_uri": pushed["request_uri"]}
    sent_to = httpx.get(f"{town.processes.address}/oauth/authorize", params=query, trust_env=False).headers["Location"]
    town.inside.clock.now = datetime.now(UTC)
    phone = town.phones[0]
    back = answer_of(Holder(town.inside, phone.card, phone.device).approve(sent_to.rpartition("/")[2]))
    redeemed = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": REDIRECT}
    tokens: dict[str, Any] = client.ask("token", form={**redeemed, "code_verifier": verifier}, **registered)
    return tokens


def test_a_link_is_made_used_and_returned_to(client, registered, town):
    tokens = link(client, registered, town)
    keys = httpx.get(f"{town.processes.address}/oauth/jwks", trust_env=False).json()
    holder = read_id_token(tokens["id_token"], keys, client=registered["client"], issuer=ISSUER, nonce="n-1")
    assert client.ask("userinfo", token=tokens["access_token"], **registered)["sub"] == holder["sub"]
    assert client.ask("returning", subject=holder["sub"], **registered) == "returned"


def test_an_unknown_customer_is_refused_in_oauth_s_form(client, registered):
    with pytest.raises(Failed) as refused:
        client.ask("returning", subject="nobody", **registered)
    assert refused.value.name == "OAuthRefused"


def test_a_token_shown_with_another_key_is_refused(client, registered, town):
    token = link(client, registered, town)["access_token"]
    other = {**registered, "dpopKey": pem_of(ec.generate_private_key(ec.SECP256R1()))}
    with pytest.raises(Failed) as refused:
        client.ask("userinfo", token=token, **other)
    assert refused.value.name == "Refused"


def test_an_id_token_of_another_login_proves_nothing(registered, town):
    tokens = link(InPython(), registered, town)
    keys = httpx.get(f"{town.processes.address}/oauth/jwks", trust_env=False).json()
    with pytest.raises(ecard_client.NotProven):
        read_id_token(tokens["id_token"], keys, client=registered["client"], issuer=ISSUER, nonce="n-2")


# ── News ─────────────────────────────────────────────────────────────────────────────────────────────────────────

MESSAGE = json.dumps({"id": "evt_1", "type": "card.loss_reported", "card": "sub", "sequence": 1, "data": {}})


@pytest.fixture(scope="module")
def posted(town: Town) -> dict[str, Any]:
    """A message as the service signs it now, with the keys that it publishes."""
    headers = town.inside.runtime.news.keys().sign("evt_1", datetime.now(UTC), MESSAGE.encode())
    keys = httpx.get(f"{town.processes.address}/v1/news-keys", trust_env=False).json()
    return {"keys": keys, "headers": headers, "body": MESSAGE}


def only(posted: dict[str, Any], version: str) -> dict[str, Any]:
    kept = " ".join(one for one in posted["headers"]["webhook-signature"].split(" ") if one.startswith(f"{version},"))
    return {**posted, "headers": {**posted["headers"], "webhook-signature": kept}}


@pytest.mark.parametrize("version", ["v1a", "v1sm2"])
def test_news_hold_under_each_of_the_two_signatures(client, posted, version):
    assert client.ask("webhook", **only(posted, version))["type"] == "card.loss_reported"


@pytest.mark.parametrize("version", ["v1a", "v1sm2"])
def test_changed_news_are_not_believed(client, posted, version):
    changed = {**only(posted, version), "body": MESSAGE.replace("loss_reported", "loss_lifted")}
    with pytest.raises(Failed) as refused:
        client.ask("webhook", **changed)
    assert refused.value.name == "NotProven"


@pytest.mark.parametrize("header", [{"webhook-id": "evt_2"}, {"webhook-timestamp": "1"}, {"webhook-signature": ""}])
def test_news_under_another_header_are_not_believed(client, posted, header):
    with pytest.raises(Failed) as refused:
        client.ask("webhook", **{**posted, "headers": {**posted["headers"], **header}})
    assert refused.value.name == "NotProven"
