"""requests-oauthlib: it checks the state; ID tokens and `iss` are none of its business."""

import pytest
from oauthlib.oauth2 import InvalidGrantError, MismatchingStateError

from tests.foreign.examples.with_requests_oauthlib import connect_app, log_in
from tests.oauth.clients_of_tests import make_native, make_relying_party


@pytest.fixture
def site(town):
    """Log a holder in at a site."""
    client = make_relying_party(town.inside)
    return lambda browse: log_in(town.issuer, client.id, client.secret, client.redirect_uri, browse)


def test_a_site_learns_a_pseudonym(site, town):
    holder = site(town.log_in)
    assert holder["acr"] == "L2"
    assert holder["sub"] == site(town.browse)["sub"]


def test_an_app_without_a_key_keeps_its_tokens_fresh(town):
    client = make_native(town.inside, dpop=False, redirect_uris=["https://app.example/cb"])
    first, kept, holder = connect_app(town.issuer, client.id, client.redirect_uri, client.scope.split(), town.log_in)
    assert kept["access_token"] != first["access_token"]
    assert kept["refresh_token"] != first["refresh_token"]
    assert holder["acr"] == "L3"


@pytest.mark.parametrize("state", ["another", None])
def test_a_site_refuses_an_answer_to_another_question(site, town, state):
    with pytest.raises(MismatchingStateError):
        site(town.browse_and_change(state=state))


def test_a_site_learns_nothing_from_a_code_that_is_not_its_own(site, town):
    with pytest.raises(InvalidGrantError):
        site(town.browse_and_change(code="ac_somebody_else_s"))
