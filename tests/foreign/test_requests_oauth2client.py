"""requests-oauth2client: a partner. Of an ID token it checks signature, audience, nonce and time, but not `iss`."""

import pytest
from jwskate import InvalidSignature
from requests_oauth2client import InvalidIdToken, MismatchingIssuer, MismatchingState, MissingIssuer

from tests.foreign.examples.with_requests_oauth2client import connect
from tests.oauth.clients_of_tests import make_partner


@pytest.fixture
def play(town):
    """Play the partner's example."""
    client = make_partner(town.inside)
    private = town.private_jwk_of(client)

    def played(browse=town.browse):
        return connect(town.issuer, client.id, private, client.redirect_uri, client.scope, browse)

    return played


def test_a_partner_gets_tokens_uses_them_and_gives_them_back(play, town):
    token, holder, before, refreshed, after = play(town.log_in)
    assert token.token_type == refreshed.token_type == "DPoP"
    assert holder["sub"] == token.id_token.subject == before["sub"]
    assert after == {"active": False}


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"iss": "https://elsewhere.example"}, MismatchingIssuer),
        ({"iss": None}, MissingIssuer),
        ({"state": "another"}, MismatchingState),
    ],
)
def test_it_refuses_an_answer_of_another_server_or_to_another_question(play, town, change, refusal):
    with pytest.raises(refusal):
        play(town.browse_and_change(**change))


def test_it_takes_a_forged_id_token_as_long_as_the_key_is_believed_and_all_is_said(play, forger):
    with forger.claiming():
        play()


@pytest.mark.parametrize("claims", [{"aud": "another"}, {"nonce": "another"}, {"exp": 1}])
def test_it_refuses_an_id_token_that_says_something_else(play, forger, claims):
    with forger.claiming(**claims), pytest.raises(InvalidIdToken):
        play()


def test_it_refuses_an_id_token_whose_signature_is_broken(play, forger):
    with forger.breaking_signatures(), pytest.raises(InvalidSignature):
        play()
