"""Whatever can be guessed: unknown, somebody else's and over look alike in status, body and headers."""

import httpx
import pytest

from auth.devices import end_device
from auth.oauth.client_register import set_client_standing
from auth.oauth.clients import _CLIENT_SECONDS
from auth.oauth.grants import end_grants_of
from auth.oauth.interactions import LoginRequestOver, browser_handle, get_interaction
from auth.oauth.profiles import CODE_SECONDS, INTERACTION_SECONDS, REQUEST_SECONDS
from cli.phone import GRANT
from core.ids import new_id
from ecard.cards import get_card
from ecard.standing import report_loss
from tests.limits.town import Town, look
from tests.oauth.clients_of_tests import OAuthClient, make_native, make_partner, make_relying_party

CLIENT_PATHS = ["/oauth/token", "/oauth/par", "/oauth/introspect", "/oauth/revoke"]


def assert_alike(*answers: httpx.Response, status: int) -> None:
    seen = [look(answer) for answer in answers]
    assert seen[0][0] == status, seen[0]
    assert all(one == seen[0] for one in seen), seen


def named(client: OAuthClient, name: str) -> OAuthClient:
    return type(client)(**{**vars(client), "id": name})


def suspend(town: Town, client: OAuthClient) -> None:
    with town.service.database.transaction() as connection:
        set_client_standing(connection, client.id, "suspended")
    town.service.runtime.oauth.desk.clients._known.clear()  # as after _CLIENT_SECONDS
    assert _CLIENT_SECONDS < 1


# ── Clients ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", CLIENT_PATHS)
@pytest.mark.parametrize("make", [make_partner, make_relying_party], ids=["by key", "by secret"])
def test_a_client_that_is_unknown_suspended_or_of_another_kind(town, make, path):
    known, suspended = make(town.service), make(town.service)
    suspend(town, suspended)
    form = {"grant_type": "authorization_code", "code": "x", "token": "x"}
    of_another_kind = make_native(town.service).id
    names = (new_id("cli"), suspended.id, of_another_kind, "cli_", "nobody", "x" * 300)
    assert_alike(
        *(named(known, name).post(path, form) for name in names),
        type(known)(**{**vars(known), **_not_its_own(known)}).post(path, form),
        status=401,
    )


def _not_its_own(client: OAuthClient) -> dict[str, object]:
    return {"key": type(client.key)()} if client.key else {"secret": "x" * 43}


@pytest.mark.parametrize("path", CLIENT_PATHS)
def test_a_name_without_a_proof_tells_only_which_public_clients_there_are(town, path):
    partner, party = make_partner(town.service), make_relying_party(town.service)
    names = (new_id("cli"), partner.id, party.id)
    assert_alike(
        *(town.service.http.post(path, data={"client_id": name, "token": "x"}) for name in names),
        status=400 if path == "/oauth/token" else 401,  # no grant_type
    )
    if path == "/oauth/token":
        form = {"grant_type": "refresh_token", "refresh_token": "x"}
        answers = [town.service.http.post(path, data={**form, "client_id": name}) for name in names]
        assert_alike(*answers, status=401)


def test_a_client_at_the_authorization_endpoint(town):
    suspended = make_native(town.service)
    suspend(town, suspended)
    asked = suspended.parameters()
    answers = [suspended.authorize(**{**asked, "client_id": name}) for name in (suspended.id, new_id("cli"), "x")]
    assert_alike(*answers, status=400)


# ── Authorization ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_request_uri_that_is_unknown_another_client_s_used_or_over(town):
    partner, other = make_partner(town.service), make_partner(town.service)
    over, used, theirs = (client.push().json()["request_uri"] for client in (partner, partner, other))
    begun = partner.authorize(client_id=partner.id, request_uri=used).headers["Location"].rpartition("/")[2]
    town.holder.approve(begun)
    town.service.http.cookies.clear()
    town.service.clock.step(REQUEST_SECONDS)
    theirs_fresh, unknown = other.push().json()["request_uri"], over[:-4] + "AAAA"
    given = (unknown, theirs, theirs_fresh, used, over, over[:-1], over + "A")
    assert_alike(
        *(partner.authorize(client_id=partner.id, request_uri=request_uri) for request_uri in given), status=400
    )


def test_a_login_request_that_is_unknown_another_browser_s_answered_or_over(town):
    partner, http, desk = make_partner(town.service), town.service.http, town.service.runtime.oauth.desk
    theirs = partner.begin()
    http.cookies.clear()
    over = partner.begin()
    browser = browser_handle(desk, next(iter(http.cookies.values())))
    town.service.clock.step(INTERACTION_SECONDS)
    answered, denied, open_one = partner.begin(), partner.begin(), partner.begin()
    town.holder.approve(answered)
    town.holder.deny(denied)
    with town.service.database.transaction() as connection:
        assert get_interaction(desk, connection, open_one, browser=browser).id == open_one
        for given in (new_id("int"), theirs, over, answered, denied, "int_", "x"):
            with pytest.raises(LoginRequestOver) as refused:
                get_interaction(desk, connection, given, browser=browser)
            assert (refused.value.detail, refused.value.extra) == (None, {})


# ── Codes and tokens ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_code_that_is_unknown_another_client_s_used_or_over(town):
    partner, other = make_partner(town.service), make_partner(town.service)
    over = town.holder.code_for(partner)
    town.service.clock.step(CODE_SECONDS)
    theirs, used, taken_back = (town.holder.code_for(client) for client in (other, partner, partner))
    assert partner.redeem(used).status_code == 200
    end_all(town, partner)
    given = (over[:-4] + "AAAA", theirs, used, over, taken_back, "x")
    assert_alike(*(partner.redeem(code) for code in given), status=400)
    # not even whoever leaves everything else out learns more
    bare = {"redirect_uri": "https://elsewhere.example/", "code_verifier": None}
    assert_alike(*(partner.redeem(code, **bare) for code in given), status=400)


@pytest.mark.parametrize("dpop", [True, False], ids=["bound", "rotated"])
def test_a_refresh_token_that_is_unknown_another_client_s_used_or_over(town, dpop):
    native, other = make_native(town.service, dpop=dpop), make_native(town.service, dpop=dpop)
    theirs, taken_back = (town.holder.tokens_for(client)["refresh_token"] for client in (other, native))
    end_all(town, native)
    used = town.holder.tokens_for(native)["refresh_token"]
    if not dpop:
        assert native.refresh(native.refresh(used).json()["refresh_token"]).status_code == 200
    town.service.clock.step(90 * 86_400)
    if dpop:
        native.nonce = other.nonce = None
        native.post("/oauth/token", {"grant_type": "refresh_token", "refresh_token": "x"}, proven=True)
    fresh_of_other = town.holder.tokens_for(other)["refresh_token"]
    given = (used[:-4] + "AAAA", theirs, fresh_of_other, used, taken_back, "x")
    assert_alike(*(native.refresh(token) for token in given), status=400)
    # the proof of a key is not asked for before the token is known to be good
    form = [{"grant_type": "refresh_token", "refresh_token": token} for token in given]
    assert_alike(*(native.post("/oauth/token", one) for one in form), status=400)


def test_a_token_of_a_card_that_was_reported_lost_is_one_that_never_was(town):
    partner = make_partner(town.service)
    token, code = town.holder.tokens_for(partner)["refresh_token"], town.holder.code_for(partner)
    lose_the_card(town)
    assert_alike(partner.refresh(token), partner.refresh("x"), partner.redeem(code), partner.redeem("x"), status=400)


def test_an_introspected_token_that_is_unknown_another_client_s_or_over(town):
    partner, other = make_partner(town.service), make_partner(town.service)
    theirs, mine = town.holder.tokens_for(other), town.holder.tokens_for(partner)
    end_all(town, partner)
    over = town.holder.tokens_for(partner)
    town.service.clock.step(600)
    given = (theirs["refresh_token"], *mine.values(), over["access_token"], "x", "a.b.c", new_id("tok"))
    answers = [partner.post("/oauth/introspect", {"token": str(token)}) for token in given]
    assert answers[0].json() == {"active": False}
    assert_alike(*answers, status=200)


def test_a_revoked_token_that_is_unknown_another_client_s_or_over(town):
    partner, other = make_partner(town.service), make_partner(town.service)
    theirs, mine = town.holder.tokens_for(other), town.holder.tokens_for(partner)
    end_all(town, partner)
    given = (theirs["refresh_token"], theirs["access_token"], mine["refresh_token"], mine["access_token"], "x", "a.b.c")
    assert_alike(*(partner.post("/oauth/revoke", {"token": token}) for token in given), status=200)
    assert other.call(theirs["access_token"]).status_code == 200


def test_an_access_token_that_is_over_revoked_or_never_was(town):
    partner = make_partner(town.service)
    revoked, ended = town.holder.tokens_for(partner)["access_token"], town.holder.tokens_for(partner)["access_token"]
    partner.post("/oauth/revoke", {"token": revoked})
    seen = [partner.call(token) for token in (revoked, revoked[:-4] + "AAAA")]
    end_all(town, partner)
    seen.append(partner.call(ended))
    assert {answer.status_code for answer in seen} == {401}
    assert {answer.json()["error"] for answer in seen} == {"invalid_token"}
    assert len({answer.headers["WWW-Authenticate"] for answer in seen}) == 1


# ── Phones and cards ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_phone_that_is_unknown_or_somebody_else_s(town):
    other = town.service.enroll(card=town.service.make_card(2))
    ended = town.service.enroll(card=town.service.make_card(3))
    thief = town.service.phone()
    with town.service.database.transaction() as connection:
        end_device(connection, ended.device, because="test", at=town.service.clock())

    def proof() -> dict[str, str]:
        return {"DPoP": thief.proof("POST", "/oauth/token")}

    def sign_in(name: str, **claims: object) -> httpx.Response:
        thief.device = name
        form = {"grant_type": GRANT, "assertion": thief.assertion(**claims)}
        return thief.http.post("/oauth/token", data=form, headers=proof())

    names = (other.device, ended.device, town.holder.device, new_id("dev"), "dev_", "x")
    for claims in ({}, {"iss": "elsewhere"}, {"exp": 1}, {"aud": "elsewhere"}):
        assert_alike(*(sign_in(name, **claims) for name in names), status=400)
    key, thief.key = thief.key, other.key
    forms = []
    for name in names:  # the assertion by one key, the proof by another
        thief.device = name
        forms.append({"grant_type": GRANT, "assertion": thief.assertion()})
    thief.key = key
    assert_alike(*(town.service.http.post("/oauth/token", data=form, headers=proof()) for form in forms), status=400)


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("GET", "", None),
        ("GET", "/uses", None),
        ("GET", "/credential", None),
        ("POST", "/codes", {"class": "medical"}),
        ("POST", "/loss-reports", None),
    ],
)
def test_a_card_that_is_unknown_somebody_else_s_or_over(town, method, rest, body):
    mine = town.service.enroll(card=town.service.make_card(2))
    lost = town.service.enroll(card=town.service.make_card(3))
    assert lost.call("POST", f"/v1/cards/{lost.card}/loss-reports").is_success
    names = (town.holder.card, lost.card, new_id("crd"), "crd_", "x")
    answers = [mine.call(method, f"/v1/cards/{name}{rest}", body) for name in names]
    assert_alike(*answers, status=404)


def end_all(town: Town, client: OAuthClient) -> None:
    ground = town.service.runtime.ground
    with town.service.database.transaction() as connection:
        end_grants_of(ground, connection, town.holder.card, client.id, because="test", actor="test")


def lose_the_card(town: Town) -> None:
    with town.service.database.transaction() as connection:
        chip_card = get_card(connection, town.holder.card).chip_card
        report_loss(town.service.runtime.ground, connection, chip_card, actor="test")
