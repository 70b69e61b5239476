"""mod_auth_openidc of Debian 12 before an application: a public service that accepts the card as login."""

import re
from collections.abc import Iterator

import pytest

from tests.foreign.apache import Site, run_site
from tests.foreign.town import Town
from tests.oauth.clients_of_tests import answer_of, make_relying_party
from tests.servers import free_port

PSEUDONYM = re.compile(r"[A-Za-z0-9_-]{43}")


@pytest.fixture(scope="module")
def running(town: Town) -> Iterator[Site]:
    port = free_port()
    client = make_relying_party(town.inside, redirect_uris=[f"https://127.0.0.1:{port}/openid/cb"])
    with run_site(town, port, client) as site:
        yield site


@pytest.fixture
def site(running: Site) -> Site:
    """A site behind Apache whose log holds nothing of before."""
    running.why()
    return running


def require_refused(site, answer, because):
    """Require that the application was not reached, and that Apache says why."""
    assert "OIDC_CLAIM" not in answer.text
    assert because in site.why()


def test_the_application_is_told_the_pseudonym_and_how_surely(site, town):
    shown = site.visit(town.log_in).json()
    assert (shown["OIDC_CLAIM_acr"], shown["OIDC_CLAIM_iss"]) == ("L2", town.issuer)
    assert PSEUDONYM.fullmatch(shown["OIDC_CLAIM_sub"])
    assert shown["OIDC_CLAIM_sub"] == site.visit().json()["OIDC_CLAIM_sub"]


def test_it_asks_with_a_challenge_a_nonce_and_the_level(site, town):
    asked = []
    site.visit(lambda address: asked.append(answer_of(address)) or town.browse(address))
    assert (asked[0]["code_challenge_method"], asked[0]["acr_values"]) == ("S256", "L2")
    assert asked[0]["nonce"]


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"state": "another"}, "unable to restore state"),
        ({"iss": "https://elsewhere.example"}, "does not match the issuer"),
    ],
)
def test_it_refuses_an_answer_of_another_server_or_to_another_question(site, town, change, because):
    require_refused(site, site.visit(town.browse_and_change(**change)), because)


def test_it_takes_a_forged_id_token_as_long_as_the_key_is_believed_and_all_is_said(site, forger):
    with forger.claiming():
        assert site.visit().json()["OIDC_CLAIM_acr"] == "L3"


@pytest.mark.parametrize(
    ("claims", "because"),
    [
        ({"iss": "https://elsewhere.example"}, "does not match received"),
        ({"aud": "another"}, "did not match the"),
        ({"nonce": "another"}, "nonce"),
        ({"exp": 1}, '"exp" validation failure'),
        ({"iat": 1}, '"iat" validation failure'),
    ],
)
def test_it_refuses_an_id_token_that_says_something_else(site, forger, claims, because):
    with forger.claiming(**claims):
        require_refused(site, site.visit(), because)


def test_it_refuses_an_id_token_whose_signature_is_broken(site, forger):
    with forger.breaking_signatures():
        require_refused(site, site.visit(), "signature could not be validated")


def test_it_shows_nothing_to_a_holder_who_is_not_sure_enough(site, forger):
    with forger.claiming(acr="L1"), forger.saying("userinfo", acr="L1"):
        answer = site.visit()
    assert answer.status_code == 401
    assert "OIDC_CLAIM" not in answer.text


def test_the_key_of_this_version_is_refused_because_it_signs_with_rs256(town):
    port, said = free_port(), []
    client = make_relying_party(
        town.inside, "private_key_jwt", algorithm="PS256", redirect_uris=[f"https://127.0.0.1:{port}/openid/cb"]
    )
    with (
        run_site(town, port, client) as site,
        town.front.tampering(token=lambda passing: said.append(passing.said()["error"])),
    ):
        require_refused(site, site.visit(), "invalid_client")
    assert said == ["invalid_client"]
