"""Authlib's client side, in the Flask integration and alone; the server uses other parts of the same library."""

import pytest
from authlib.integrations.base_client import MismatchingStateError
from joserfc.errors import JoseError

from tests.foreign.examples.with_authlib_in_flask import make_site
from tests.foreign.examples.with_authlib_session import connect_by_key
from tests.foreign.town import private_key_of
from tests.oauth.clients_of_tests import make_relying_party

SITE = "https://site.example"


@pytest.fixture
def site(town):
    """Log a holder in at a Flask site and see what it shows."""
    client = make_relying_party(town.inside, redirect_uris=[f"{SITE}/cb"])
    app = make_site(town.issuer, client.id, client.secret)
    app.testing = True  # what the client raises comes out here
    visitor = app.test_client()

    def visited(browse=town.browse):
        asked = visitor.get("/login", base_url=SITE).headers["Location"]
        back = visitor.get(browse(asked).removeprefix(SITE), base_url=SITE)
        assert back.status_code == 302
        return visitor.get("/", base_url=SITE).json

    return visited


def test_a_flask_site_learns_a_pseudonym_and_how_surely(site, town):
    shown = site(town.log_in)
    assert shown["acr"] == "L2"
    assert shown["holder"] == site()["holder"]


def test_a_site_proves_itself_by_a_key(town):
    client = make_relying_party(town.inside, "private_key_jwt")
    pem = private_key_of(client)
    holder, before, after = connect_by_key(town.issuer, client.id, pem, client.redirect_uri, town.log_in)
    assert holder["sub"] == before["sub"]
    assert (before["active"], after) == (True, {"active": False})


@pytest.mark.parametrize("state", ["another", None])
def test_a_flask_site_refuses_an_answer_to_another_question(site, town, state):
    with pytest.raises(MismatchingStateError):
        site(town.browse_and_change(state=state))


def test_a_flask_site_takes_a_forged_id_token_as_long_as_the_key_is_believed_and_all_is_said(site, forger):
    with forger.claiming():
        assert site()["acr"] == "L3"


@pytest.mark.parametrize("claims", [{"iss": "https://elsewhere.example"}, {"nonce": "another"}, {"exp": 1}])
def test_a_flask_site_refuses_an_id_token_that_says_something_else(site, forger, claims):
    with forger.claiming(**claims), pytest.raises(JoseError):
        site()


def test_a_flask_site_refuses_an_id_token_whose_signature_is_broken(site, forger):
    with forger.breaking_signatures(), pytest.raises(JoseError):
        site()
