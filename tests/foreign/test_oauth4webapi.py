"""oauth4webapi 3, of the maker of a certified server: a citizen's app, a public service, and a resource server."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.foreign.node import RefusedByClient
from tests.oauth.clients_of_tests import make_native, make_relying_party

ELSEWHERE = "https://elsewhere.example"


@pytest.fixture
def app(town, examples):
    """Play the app's example."""

    def played(**more):
        client = make_native(town.inside)
        given = {"clientId": client.id, "redirectUri": "http://127.0.0.1:49152/cb", "scope": client.scope}
        return examples.play("oauth4webapi", "app", **given, **more)

    return played


@pytest.fixture
def site(town, examples):
    """Play the site's example."""

    def played(acr="L2", max_age=60, **more):
        client = make_relying_party(town.inside)
        given = {"clientId": client.id, "clientSecret": client.secret, "redirectUri": client.redirect_uri}
        return examples.play("oauth4webapi", "site", **given, acr=acr, maxAge=max_age, **more)

    return played


def test_an_app_gets_tokens_for_its_key_and_refreshes_them(app, town):
    done = app(browse=town.log_in)
    assert done["type"] == "dpop"
    assert done["holder"]["sub"] == done["claims"]["sub"]
    assert done["kept"]


def test_a_resource_server_of_others_takes_its_token(app, town):
    done = app()
    assert done["resource"] == f"{town.issuer}/v1"
    assert done["judged"]["sub"] == done["claims"]["sub"]
    assert "card.read" in done["judged"]["scope"].split(" ")


def test_an_app_without_a_key_has_its_refresh_token_rotated_and_a_replay_ends_it(town, examples):
    client = make_native(town.inside, dpop=False)
    given = {"clientId": client.id, "redirectUri": client.redirect_uri, "scope": client.scope}
    done = examples.play("oauth4webapi", "appWithoutKey", **given)
    assert done == {"different": 3, "replayed": "invalid_grant", "ended": "invalid_grant"}


def test_a_site_learns_a_pseudonym_and_how_surely(site, town):
    done = site(browse=town.log_in)
    assert (done["holder"]["acr"], done["holder"]["amr"]) == ("L2", ["hwk"])
    assert town.robot.phone.card not in str(done)
    assert (done["type"], done["refreshable"]) == ("bearer", False)


def test_two_sites_learn_different_pseudonyms_of_one_holder(town, examples):
    subjects = set()
    for host in ("one.example", "two.example"):
        client = make_relying_party(town.inside, redirect_uris=[f"https://{host}/cb"])
        given = {"clientId": client.id, "clientSecret": client.secret, "redirectUri": client.redirect_uri}
        subjects.add(examples.play("oauth4webapi", "site", **given, acr="L1", maxAge=60)["holder"]["sub"])
    assert len(subjects) == 2


def test_it_understands_that_the_holder_did_not_reach_the_level(site, town):
    with pytest.raises(RefusedByClient) as refused:
        site(acr="L3", browse=lambda address: town.browse(address, acr="L2"))
    assert refused.value.code == "unmet_authentication_requirements"


def test_it_refuses_a_login_that_is_too_old(site, town):
    earlier = datetime.now(UTC) - timedelta(seconds=120)
    with pytest.raises(RefusedByClient, match="auth_time"):
        site(browse=lambda address: town.browse(address, authenticated_at=earlier))


@pytest.mark.parametrize("change", [{"iss": ELSEWHERE}, {"iss": None}, {"state": "another"}, {"state": None}])
def test_an_app_refuses_an_answer_of_another_server_or_to_another_question(app, town, change):
    with pytest.raises(RefusedByClient, match="response parameter"):
        app(browse=town.browse_and_change(**change))


def test_a_site_takes_a_forged_id_token_as_long_as_the_key_is_believed_and_all_is_said(site, forger):
    with forger.claiming():
        site()


@pytest.mark.parametrize("claim", ["iss", "aud", "nonce", "auth_time"])
def test_a_site_refuses_an_id_token_that_does_not_say_enough(site, forger, claim):
    with forger.claiming(**{claim: None}), pytest.raises(RefusedByClient, match=claim):
        site()


def test_a_site_refuses_an_id_token_whose_signature_is_broken(site, forger):
    with forger.breaking_signatures(), pytest.raises(RefusedByClient, match="signature"):
        site()


def test_an_app_refuses_a_token_of_another_kind_than_it_asked_for(app, forger):
    with forger.saying("token", token_type="mac"), pytest.raises(RefusedByClient, match="token_type"):
        app()
