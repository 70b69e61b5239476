"""The H5 entry: from the partner's parameters by our pages to the numbered results, and what it does not take."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from auth.models import signed_requests
from auth.oauth.client_register import set_client_standing
from auth.oauth.models import oauth_clients, pushed_requests
from channels.h5_entries.entering import ACTS
from cli.phone import Phone
from tests.channels.carriers import make_carrying, new_number
from tests.channels.entrants import ENTRIES, EnteringApp, make_entering, query_of
from tests.channels.forms_of_partners import FORMS, as_an_h5_entry, code_of, compact, in_the_header
from tests.channels.partners import move
from tests.channels.trials import make_trial
from tests.exchange.returning import claims_of
from tests.oauth.clients_of_tests import Key
from tests.oauth.conftest import MANY_A_MINUTE, both
from tests.service import ISSUER, START, Service, running_service

__all__ = ["both"]


@pytest.fixture(scope="module")
def shared_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Phone]]:
    home = tmp_path_factory.mktemp("entries")
    with running_service(
        f"sqlite:///{home / 'ecard.sqlite3'}", home, logins_per_holder_hour=1000, **MANY_A_MINUTE
    ) as running:
        yield running, running.enroll()


@pytest.fixture
def town(shared_town) -> Iterator[Service]:
    """A service on SQLite; the tests share it and one holder's card, which stays as it is."""
    running = shared_town[0]
    running.clock.now = START
    yield running
    running.clock.now = START


@pytest.fixture
def phone(town, shared_town) -> Phone:
    return shared_town[1]


@pytest.fixture
def app(town) -> EnteringApp:
    return make_entering(town)


def pushed_count(service: Service) -> int:
    with service.database.transaction() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(pushed_requests)).scalar_one()


# ── The whole way ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_partner_with_today_s_entry_signs_shows_reports_and_unlinks_the_card(both):
    """Parameters, page, login, code, token bound to a key, carriage: 001, then a code taken at a till, then 003."""
    app, phone = make_entering(both), both.enroll()
    linked = app.come_back(phone, "sign")
    signed = linked.sign()
    assert (signed.status_code, signed.json()["result"]) == (201, "001"), signed.text

    showing = app.come_back(phone, "show")
    assert "refresh_token" not in showing.link.tokens
    code = showing.show().json()["code"]
    assert both.add_till().redeem(code, "medical").json()["result"] == "accepted"
    assert len(showing.call("GET", "/v1/carriage/uses").json()["items"]) == 1

    ending = app.come_back(phone, "unlink")
    ended = ending.call("POST", "/v1/carriage/end", {"out_request_no": new_number()})
    assert (ended.status_code, ended.json()["result"]) == (200, "003"), ended.text
    assert linked.call("GET", "/v1/carriage").status_code == 401

    assert app.come_back(phone, "sign").sign().json()["result"] == "001"
    reporting = app.come_back(phone, "report_loss")
    lost = reporting.call("POST", "/v1/carriage/loss-reports", {"out_request_no": new_number()})
    assert (lost.status_code, lost.json()["state"]) == (201, "suspended"), lost.text


def test_a_card_that_is_carried_already_is_signed_again_under_another_link(app, phone):
    first, again = (app.come_back(phone, "sign").sign().json() for _ in range(2))
    assert (again["id"], again["result"]) == (first["id"], first["result"])


@pytest.mark.parametrize("act", ACTS)
def test_a_token_is_for_the_act_alone(app, phone, act):
    token = app.come_back(phone, act).link.tokens
    assert set(token["scope"].split(" ")) == set(ACTS[act])
    assert ("refresh_token" in token) is (act == "sign")
    assert token["token_type"] == "DPoP"


def test_what_an_act_does_not_need_its_token_does_not_open(app, phone):
    app.come_back(phone, "sign").sign()
    showing, reporting = app.come_back(phone, "show"), app.come_back(phone, "report_loss")
    for other in ("/v1/carriage/end", "/v1/carriage/loss-reports"):
        refused = showing.call("POST", other, {"out_request_no": new_number()})
        assert code_of(refused) == (403, "scope_missing")
    assert code_of(reporting.show()) == (403, "scope_missing")


def test_showing_needs_a_card_that_is_signed_and_leaves_the_link_as_it_is(app, phone):
    before = app.come_back(phone, "show")
    assert before.call("GET", "/v1/carriage").json()["state"] == "pending"
    assert code_of(before.show()) == (409, "carriage_not_signed")
    assert code_of(before.sign()) == (403, "link_needed")
    linked = app.come_back(phone, "sign")
    carriage = linked.sign().json()["id"]
    showing = app.come_back(phone, "show")
    assert showing.show().status_code == 201
    assert (linked.call("GET", "/v1/carriage").json()["id"], linked.show().status_code) == (carriage, 201)


def test_a_holder_who_says_no_comes_back_with_the_state_and_no_code(app, phone):
    came = app.open(phone, app.enter("sign"), allow=False)
    assert (came["error"], came["state"]) == ("access_denied", app.drawn["state"])
    assert "code" not in came


@pytest.mark.parametrize("state", ["x", "a b+c%20&d=e?f#g/", "~" * 1024])
def test_the_state_comes_back_as_it_was(app, phone, state):
    assert app.open(phone, app.enter("show", state=state))["state"] == state


# ── The address ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_address_names_the_client_and_a_reference_and_nothing_else(app):
    url = app.enter("sign")
    assert url.startswith(f"{ISSUER}/oauth/authorize?")
    assert query_of(url).keys() == {"client_id", "request_uri"}
    assert query_of(url)["client_id"] == app.carrying.client.id
    assert app.ask("sign").json()["expires_in"] == 90


def test_an_address_ends_with_the_login_it_began(app, phone):
    url = app.enter("sign")
    app.open(phone, url)
    assert app.carrying.service.http.get(url).status_code == 400


@pytest.mark.parametrize(("after", "status"), [(89, 303), (90, 400), (91, 400)])
def test_an_address_that_was_not_opened_in_time_opens_nothing(app, town, after, status):
    url = app.enter("sign")
    town.clock.step(after)
    assert town.http.get(url).status_code == status


def test_another_client_cannot_use_the_reference(app, town):
    other = make_carrying(town).client
    reference = query_of(app.enter("sign"))["request_uri"]
    assert other.authorize(client_id=other.id, request_uri=reference).status_code == 400


def test_whoever_sees_the_address_and_the_code_redeems_nothing(app, phone):
    """Neither another client, nor another verifier, nor another key than that of dpop_jkt."""
    client = app.carrying.client
    for changed in ({"code_verifier": secrets.token_urlsafe(48)}, {"code_verifier": None}):
        code = app.open(phone, app.enter("sign"))["code"]
        assert client.redeem(code, **changed).status_code == 400
    code = app.open(phone, app.enter("sign"))["code"]
    client.dpop, own = Key(), client.dpop
    refused = client.redeem(code)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")
    client.dpop = own
    other = make_carrying(app.carrying.service).client
    other.verifier = client.verifier
    assert other.redeem(code, redirect_uri=client.redirect_uri).status_code == 400


# ── What is taken ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", FORMS)
def test_an_entry_may_be_signed_in_any_form_that_was_agreed_on(town, name):
    app = make_entering(town, algorithms=[name])
    app.form = FORMS[name]
    assert app.ask("sign").status_code == 201
    app.form = FORMS["H5-SM2-SM3" if name != "H5-SM2-SM3" else "ESSC-SM2-SM3"]
    assert code_of(app.ask("sign")) == (403, "signature_form_not_agreed")


PERSONAL = ("name", "social_security_number", "phone", "aac002", "aac003", "aac067", "photo", "signNo", "cert_no")


@pytest.mark.parametrize("member", PERSONAL)
@pytest.mark.parametrize("form", [as_an_h5_entry, in_the_header])
def test_what_is_said_about_the_holder_is_refused_and_not_repeated(town, form, member):
    app = make_entering(town, algorithms=["H5-SM2-SM3", "ESSC-SM2-SM3"])
    app.form, before = form, pushed_count(town)
    answer = app.ask("sign", **{member: "99010019850314012X"})
    assert code_of(answer) == (400, "entry_takes_no_more")
    assert answer.json()["detail"] in {f"{member}: Unknown field.", "?: Unknown field."}
    assert "holder proves who they are" in answer.json()["next_step"]
    assert "99010019850314012X" not in answer.text
    assert pushed_count(town) == before


def test_a_member_named_like_a_number_or_a_name_is_not_repeated(app):
    answer = app.ask("sign", **{"99010019850314012X": "x", "测试甲": "x"})
    assert (code_of(answer), answer.json()["detail"]) == ((400, "entry_takes_no_more"), "?: Unknown field.")


@pytest.mark.parametrize("member", ["client_id", "scope", "request_uri", "resource", "acr_values", "prompt"])
def test_what_the_act_and_the_register_say_is_not_said_again(app, member):
    assert code_of(app.ask("show", **{member: "card.pay"})) == (400, "entry_takes_no_more")


@pytest.mark.parametrize(
    "change",
    [
        {"act": "pay"},
        {"act": ""},
        {"state": None},
        {"state": ""},
        {"state": "x" * 1025},
        {"state": "甲"},
        {"state": "a\n"},
        {"state": 7},
        {"code_challenge": None},
        {"code_challenge": ""},
        {"code_challenge": "x" * 42},
        {"code_challenge": "x" * 44},
        {"code_challenge": "x" * 42 + "="},
        {"dpop_jkt": None},
        {"dpop_jkt": "x" * 42},
        {"dpop_jkt": {}},
        {"nonce": ""},
        {"nonce": "x" * 257},
        {"redirect_uri": 1},
    ],
    ids=str,
)
def test_an_entry_of_another_shape_is_refused(town, change):
    app = make_entering(town, algorithms=["ESSC-SM2-SM3"])
    app.form, before = in_the_header, pushed_count(town)
    assert code_of(app.ask(**{"act": "sign", **change})) == (400, "malformed_request")
    assert pushed_count(town) == before


def test_the_nonce_comes_back_in_the_id_token(app, phone):
    assert claims_of(app.come_back(phone, "show", nonce="n-1").link.tokens["id_token"])["nonce"] == "n-1"
    assert "nonce" not in claims_of(app.come_back(phone, "show").link.tokens["id_token"])


# ── Whose client, and where the holder comes back ────────────────────────────────────────────────────────────────


def set_client(service: Service, client: str, **changes) -> None:
    with service.database.transaction() as connection:
        connection.execute(oauth_clients.update().where(oauth_clients.c.id == client).values(**changes))
    service.runtime.oauth.desk.clients._known.clear()


def test_of_several_redirect_addresses_one_is_named(app, phone, town):
    client = app.carrying.client
    other = client.redirect_uri.replace("/cb", "/other")
    set_client(town, client.id, redirect_uris=[client.redirect_uri, other])
    answer = app.ask("sign")
    assert (code_of(answer), answer.json()["detail"]) == (
        (422, "entry_not_allowed"),
        "invalid_request: redirect_uri is missing",
    )
    client.redirect_uri = other
    assert app.come_back(phone, "sign", redirect_uri=other).sign().status_code == 201


def test_another_s_redirect_address_is_refused(app, town):
    theirs, before = make_carrying(town).client.redirect_uri, pushed_count(town)
    mine = app.carrying.client.redirect_uri
    for given in (theirs, mine + "/", mine.upper(), f"{mine}?x=1", "https://evil.example/cb", "x", "x" * 501):
        answer = app.ask("sign", redirect_uri=given)
        assert code_of(answer) == (422, "entry_not_allowed"), given
        assert "redirect_uri" in answer.json()["detail"]
    assert pushed_count(town) == before


def test_a_client_without_a_redirect_address_has_no_entries(app, town):
    set_client(town, app.carrying.client.id, redirect_uris=[])
    assert code_of(app.ask("sign")) == (409, "entry_not_set_up")


def test_a_channel_without_a_client_or_with_a_stopped_one_has_no_entries(app, town):
    with town.database.transaction() as connection:
        set_client_standing(connection, app.carrying.client.id, "suspended")
    town.runtime.oauth.desk.clients._known.clear()
    assert code_of(app.ask("sign")) == (409, "entry_not_set_up")


def test_a_client_asks_for_nothing_that_it_may_not_have(app, town):
    set_client(town, app.carrying.client.id, scopes=["openid", "offline_access", "card.read", "card.present"])
    answer = app.ask("sign")
    assert code_of(answer) == (422, "entry_not_allowed")
    assert answer.json()["detail"].startswith("invalid_scope")


def test_a_client_whose_tokens_are_for_others_has_no_entries(app, town):
    set_client(town, app.carrying.client.id, audiences=["https://other.example"])
    answer = app.ask("sign")
    assert (code_of(answer), answer.json()["detail"][:14]) == ((422, "entry_not_allowed"), "invalid_target")


# ── Which channel ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stopped_channel_opens_no_entry_and_what_it_has_opened_leads_nowhere(app, phone, town):
    linked, waiting, half = app.come_back(phone, "sign"), app.enter("sign"), app.open(phone, app.enter("show"))
    move(town, app.carrying.channel, "suspended")
    town.runtime.gate.channels._known.clear()  # as half a second later
    town.runtime.oauth.desk.clients._known.clear()
    assert code_of(app.ask("sign")) == (401, "signature_wrong")
    assert town.http.get(waiting).status_code == 400
    assert app.carrying.client.redeem(half["code"]).status_code == 401
    assert code_of(linked.sign()) == (401, "token_wrong")


def test_a_channel_that_is_not_live_or_carries_no_cards_opens_no_entry(town):
    assert code_of(make_entering(town, standing="reviewed").ask("sign")) == (403, "channel_not_live")
    assert code_of(make_entering(town, scopes=("news",)).ask("sign")) == (403, "scope_missing")


def test_in_the_sandbox_an_entry_leads_to_a_made_up_card_and_to_no_real_one(town, phone, monkeypatch):
    trial = make_trial(town, algorithms=["ESSC-SM2-SM3", "H5-SM2-SM3"])
    app = EnteringApp(trial.app)
    monkeypatch.setattr(trial, "begin", lambda _scope: app.enter("sign"))
    linked = trial.link()
    assert (linked.sign().json()["result"], linked.show().status_code) == ("001", 201)
    assert app.open(phone, app.enter("sign"))["error"] == "access_denied"


def test_entries_count_for_the_limit_of_the_channel(town):
    app = make_entering(town, requests_per_minute=2)
    assert [app.ask("sign").status_code for _ in range(3)] == [201, 201, 429]


def test_entries_count_for_the_limit_of_the_client(sqlite_url: str, tmp_path: Path):
    with running_service(sqlite_url, tmp_path, client_requests_per_minute=2) as service:
        app = make_entering(service)
        assert [app.ask("sign").status_code for _ in range(2)] == [201, 201]
        assert app.carrying.client.push(scope="openid").status_code == 429
        assert code_of(app.ask("sign")) == (429, "too_many_requests")


def test_an_entry_leaves_the_evidence_that_the_channel_asked_for_it(app, town):
    app.enter("report_loss")
    with town.database.transaction() as connection:
        mine = sa.select(signed_requests).where(signed_requests.c.party == app.carrying.channel)
        [row] = connection.execute(mine).all()
    assert (row.algorithm, row.serial) == ("H5-SM2-SM3", app.carrying.partner.serial)


def test_an_entry_asked_for_again_under_its_key_is_the_same_address(app, town):
    content, partner, before = compact(app.said("sign")).encode(), app.carrying.partner, pushed_count(town)
    answers = []
    for _ in range(2):
        request = as_an_h5_entry(partner, "POST", ENTRIES, content)
        answers.append(request.but(headers={**request.headers, "Idempotency-Key": "k-1"}).send(partner))
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert (pushed_count(town), answers[1].headers["Idempotent-Replay"]) == (before + 1, "true")
    other = as_an_h5_entry(partner, "POST", ENTRIES, compact(app.said("unlink")).encode())
    other = other.but(headers={**other.headers, "Idempotency-Key": "k-1"})
    assert code_of(other.send(partner)) == (422, "idempotency_key_reused")


def test_neither_address_nor_database_holds_the_reference_in_clear(app, town):
    reference = query_of(app.enter("sign"))["request_uri"].rpartition(":")[2]
    with town.database.transaction() as connection:
        assert reference not in str(connection.execute(sa.select(pushed_requests)).all())
