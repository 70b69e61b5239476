"""oidc-client-ts 3 in Chromium: an app in a browser. It checks state and nonce; signature and `iss` it does not."""

from collections.abc import Iterator

import pytest

from tests.foreign.chromium import App, run_app
from tests.foreign.node import RefusedByClient
from tests.foreign.town import Town
from tests.oauth.clients_of_tests import make_native


@pytest.fixture(scope="module")
def app(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with run_app(town, tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def log_in(app, town):
    """Log a holder in at the app."""
    client = make_native(town.inside, redirect_uris=[f"{app.address}/cb"])
    return lambda browse=None: app.log_in(client.id, browse)


def test_an_app_gets_tokens_for_its_key_refreshes_them_and_gives_them_back(log_in, town):
    done = log_in(town.log_in)
    assert done["types"] == ["DPoP", "DPoP"]
    assert done["renewed"]
    assert done["userInfo"]["sub"] == done["profile"]["sub"]
    assert (done["later"], done["after"]) == (200, 401)


def test_it_refuses_an_answer_to_another_question(log_in, town):
    with pytest.raises(RefusedByClient, match="state"):
        log_in(town.browse_and_change(state="another"))


@pytest.mark.parametrize("claim", ["nonce", "sub"])
def test_it_refuses_an_id_token_that_does_not_say_enough(log_in, forger, claim):
    with forger.claiming(**{claim: None}), pytest.raises(RefusedByClient, match=claim):
        log_in()
