"""openid-client 6 for Node, of the maker of a certified server: a partner, and the software of a terminal."""

from functools import partial

import pytest

from tests.foreign.node import RefusedByClient
from tests.foreign.town import private_key_of
from tests.oauth.clients_of_tests import make_partner

ELSEWHERE = "https://elsewhere.example"


@pytest.fixture
def play(town, examples):
    """Play the partner's example, with a key of its own."""

    def played(algorithm="ES256", **more):
        client = make_partner(town.inside, algorithm)
        given = {"clientId": client.id, "redirectUri": client.redirect_uri, "scope": client.scope}
        key = {"pem": private_key_of(client), "algorithm": algorithm}
        return examples.play("openid_client", "partner", **given, **key, **more)

    return played


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "EdDSA"])
def test_a_partner_gets_tokens_uses_them_and_gives_them_back(play, town, algorithm):
    done = play(algorithm, browse=town.log_in)
    assert done["type"] == "dpop"
    assert done["holder"]["sub"] == done["claims"]["sub"]
    assert done["before"]["active"] is True
    assert done["refreshed"]["expires_in"] == 300
    assert done["after"] == {"active": False}


@pytest.mark.parametrize("change", [{"iss": ELSEWHERE}, {"iss": None}, {"state": "another"}, {"state": None}])
def test_it_refuses_an_answer_of_another_server_or_to_another_question(play, town, change):
    with pytest.raises(RefusedByClient, match="response parameter"):
        play(browse=town.browse_and_change(**change))


def test_it_takes_a_forged_id_token_as_long_as_the_key_is_believed_and_all_is_said(play, forger):
    with forger.claiming():
        play()


@pytest.mark.parametrize("claim", ["iss", "aud", "nonce", "exp", "iat", "sub"])
def test_it_refuses_an_id_token_that_does_not_say_enough(play, forger, claim):
    with forger.claiming(**{claim: 1 if claim == "exp" else None}), pytest.raises(RefusedByClient, match=claim):
        play()


def test_it_refuses_an_id_token_whose_signature_is_broken(play, forger):
    with forger.breaking_signatures(), pytest.raises(RefusedByClient, match="signature"):
        play()


def test_it_refuses_userinfo_of_somebody_else(play, forger):
    with forger.saying("userinfo", sub="somebody-else"), pytest.raises(RefusedByClient, match="sub"):
        play()


def test_it_refuses_a_server_that_calls_itself_something_else(play, forger):
    with forger.saying("openid_configuration", issuer=ELSEWHERE), pytest.raises(RefusedByClient, match="issuer"):
        play()


def test_a_terminal_gets_its_token_when_an_operator_has_typed_its_code(town, examples):
    software = town.pharmacy.software().client
    done = examples.play("openid_client", "terminal", clientId=software.id, scope=software.scope)
    assert (done["type"], done["scope"]) == ("dpop", "terminals.enrol")
    assert done["grant"].startswith("grt_")


def test_a_terminal_understands_that_the_operator_refused(town, examples):
    software = town.pharmacy.software().client
    given = {"clientId": software.id, "scope": software.scope}
    with pytest.raises(RefusedByClient) as refused:
        examples.play("openid_client", "terminal", operate=partial(town.let_terminal_in, allow=False), **given)
    assert refused.value.code == "access_denied"
