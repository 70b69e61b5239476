"""Apps in a browser, on an origin of their own, read what no cookie opens, and nothing else."""

import pytest

from tests.oauth.clients_of_tests import make_native

ELSEWHERE = {"Origin": "https://app.example"}
READABLE = [
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/.well-known/oauth-protected-resource/v1"),
    ("GET", "/oauth/jwks"),
    ("POST", "/oauth/token"),
    ("GET", "/oauth/userinfo"),
    ("POST", "/oauth/revoke"),
]
CLOSED = [
    ("GET", "/oauth/authorize"),
    ("POST", "/oauth/authorize"),
    ("GET", "/oauth/interactions/int_0"),
    ("POST", "/oauth/par"),
    ("POST", "/oauth/introspect"),
    ("GET", "/v1/cards/crd_0/uses"),
    ("GET", "/docs/"),
]


def allowed(answer):
    return {name for name in answer.headers if name.startswith("access-control-")}


@pytest.mark.parametrize(("method", "path"), READABLE)
def test_another_origin_may_read_it_and_send_a_proof(server, method, path):
    asked = ELSEWHERE | {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "dpop"}
    before = server.http.options(path, headers=asked)
    assert before.status_code == 200
    assert "DPoP" in before.headers["Access-Control-Allow-Headers"]
    answer = server.http.request(method, path, headers=ELSEWHERE)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in {**before.headers, **answer.headers}


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_no_other_origin_may_read_what_a_cookie_opens_or_only_servers_call(server, method, path):
    assert allowed(server.http.request(method, path, headers=ELSEWHERE)) == set()
    assert allowed(server.http.options(path, headers={**ELSEWHERE, "Access-Control-Request-Method": method})) == set()


def test_an_app_may_read_the_nonce_that_it_is_to_use(server, holder):
    app = make_native(server)
    form = {"grant_type": "authorization_code", "code": "ac_0", "redirect_uri": app.redirect_uri, "client_id": app.id}
    answer = server.http.post(
        "/oauth/token",
        data={**form, "code_verifier": "v" * 43},
        headers={**ELSEWHERE, "DPoP": app.proof("/oauth/token")},
    )
    assert "DPoP-Nonce" in answer.headers["Access-Control-Expose-Headers"]


def test_what_a_cache_keeps_is_readable_whoever_asked_first(server):
    assert server.http.get("/oauth/jwks").headers["Access-Control-Allow-Origin"] == "*"
