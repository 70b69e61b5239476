"""Statements that nobody should believe, and each boundary of those that one may."""

import json
from typing import Any

import pytest

from cli.phone import encode_base64url
from tests.exchange.returning import Link, make_link
from tests.exchange.test_exchange import refused
from tests.oauth.clients_of_tests import Key, make_partner, reheaded
from tests.service import ISSUER


@pytest.fixture(scope="module")
def shared_link(shared_town) -> Link:
    service, holder = shared_town
    return make_link(holder, make_partner(service))


@pytest.fixture
def link(server, shared_link) -> Link:
    """A link of this file; nothing here ends it."""
    return shared_link


def unsigned(link: Link, **header: Any) -> str:
    parts = ({"typ": "essc-link+jwt", **header}, link.claims())
    return ".".join(encode_base64url(json.dumps(part).encode()) for part in parts)


def signed_text(link: Link, payload: bytes) -> str:
    """Sign any bytes as the claims."""
    good = link.statement().split(".")[0]
    draft = f"{good}.{encode_base64url(payload)}"
    key = link.client.key
    assert key is not None
    whole = key.sign({}, typ="essc-link+jwt")
    return draft + "." + whole.rpartition(".")[2]


def cut(link: Link) -> str:
    return link.statement()[:-4]


def swapped(link: Link) -> str:
    """Put the claims of one statement under the signature of another."""
    one, other = link.statement().split("."), link.statement(sub="A" * 43).split(".")
    return ".".join((one[0], one[1], other[2]))


def flipped(link: Link) -> str:
    head, _, signature = link.statement().rpartition(".")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def padded(link: Link) -> str:
    return link.statement() + "=="


def hs256(link: Link) -> str:
    """Sign with HMAC under the public key, as if that were a secret."""
    assert link.client.key is not None
    return reheaded(link.statement(), alg="HS256", jwk=link.client.key.jwk)


def with_own_key(link: Link) -> str:
    key = Key()
    return link.statement(key=key, header={"jwk": key.jwk, "jku": "https://evil.example/jwks", "x5u": "https://evil"})


def phone_s_key(link: Link) -> str:
    assert link.client.dpop is not None
    return link.statement(key=link.client.dpop)


def client_assertion(link: Link) -> str:
    return link.client.assertion()


def access_token(link: Link) -> str:
    return str(link.tokens["access_token"])


def refresh_token(link: Link) -> str:
    return str(link.tokens["refresh_token"])


TEXTS = {
    "nothing of a token": lambda _link: "x",
    "dots": lambda _link: "..",
    "one dot more": lambda link: link.statement() + ".x",
    "a blank in front": lambda link: " " + link.statement(),
    "a line end behind": lambda link: link.statement() + "\n",
    "padded": padded,
    "cut": cut,
    "flipped": flipped,
    "claims under another signature": swapped,
    "longer than 4096": lambda link: link.statement(more="x" * 4096),
    "no signature": lambda link: unsigned(link, alg="ES256") + ".",
    "alg none": lambda link: unsigned(link, alg="none") + ".",
    "alg none over a good signature": lambda link: reheaded(link.statement(), alg="none"),
    "alg None": lambda link: reheaded(link.statement(), alg=None),
    "alg a list": lambda link: reheaded(link.statement(), alg=["ES256"]),
    "alg RS256": lambda link: reheaded(link.statement(), alg="RS256"),
    "alg ES384": lambda link: reheaded(link.statement(), alg="ES384"),
    "alg SGD_SM3_SM2 of a P-256 key": lambda link: reheaded(link.statement(), alg="SGD_SM3_SM2"),
    "HMAC under the public key": hs256,
    "a key that it brings along": with_own_key,
    "a key of nobody": lambda link: link.statement(key=Key()),
    "the app's key": phone_s_key,
    "an unknown kid": lambda link: link.statement(header={"kid": "other"}),
    "a kid that is a path": lambda link: link.statement(header={"kid": "../../etc/passwd"}),
    "crit": lambda link: link.statement(header={"crit": ["x"], "x": 1}),
    "b64": lambda link: link.statement(header={"b64": False}),
    "typ JWT": lambda link: link.statement(header={"typ": "JWT"}),
    "typ of an access token": lambda link: link.statement(header={"typ": "at+jwt"}),
    "typ in capitals": lambda link: link.statement(header={"typ": "ESSC-LINK+JWT"}),
    "no typ": lambda link: link.statement(header={"typ": None}),
    "claims that are a list": lambda link: signed_text(link, b"[]"),
    "claims that are no JSON": lambda link: signed_text(link, b"{"),
    "a claim twice": lambda link: signed_text(link, b'{"iss":"a","iss":"b"}'),
    "the client's assertion": client_assertion,
    "our access token": access_token,
    "our refresh token": refresh_token,
}

CLAIMS: dict[str, dict[str, Any]] = {
    "no iss": {"iss": None},
    "iss of another client": {"iss": "cli_" + "0" * 26},
    "iss a list": {"iss": ["x"]},
    "no aud": {"aud": None},
    "aud a list": {"aud": [ISSUER]},
    "aud the endpoint": {"aud": f"{ISSUER}/oauth/token"},
    "aud with a slash": {"aud": f"{ISSUER}/"},
    "aud another city": {"aud": "https://card.elsewhere.example"},
    "no sub": {"sub": None},
    "sub a number": {"sub": 7},
    "sub an object": {"sub": {"id": "x"}},
    "sub with NUL": {"sub": "\x00"},
    "sub with half a character": {"sub": "\ud800"},
    "no acr": {"acr": None},
    "acr unknown": {"acr": "L4"},
    "acr in small letters": {"acr": "l2"},
    "acr a list": {"acr": ["L2"]},
    "acr true": {"acr": True},
    "no jti": {"jti": None},
    "jti empty": {"jti": ""},
    "jti a number": {"jti": 5},
    "jti too long": {"jti": "x" * 257},
    "no exp": {"exp": None},
    "exp a text": {"exp": "soon"},
    "exp true": {"exp": True},
    "exp beyond all": {"exp": 1e300},
    "no iat": {"iat": None},
    "iat a text": {"iat": "now"},
    "nbf a list": {"nbf": [1]},
    "no auth_time": {"auth_time": None},
    "auth_time a text": {"auth_time": "1970-01-01"},
    "auth_time false": {"auth_time": False},
    "auth_time negative": {"auth_time": -1},
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_no_statement_of_this_partner_is_refused(link, name):
    refused(link.exchange(TEXTS[name](link)), "invalid_request")


@pytest.mark.parametrize("name", CLAIMS)
def test_each_claim_has_to_be_right(link, name):
    refused(link.exchange(link.statement(**CLAIMS[name])), "invalid_request")


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        ({"exp": 60}, 200),
        ({"exp": 61}, 400),
        ({"exp": 3600}, 400),
        ({"exp": 1}, 200),
        ({"exp": 0}, 400),
        ({"exp": -1}, 400),
        ({"iat": -1, "exp": 59}, 200),
        ({"iat": -1, "exp": 60}, 400),
        ({"iat": -59, "exp": 1}, 200),
        ({"iat": -3600, "exp": 30}, 400),
        ({"iat": 10}, 200),
        ({"iat": 11}, 400),
        ({"nbf": 10}, 200),
        ({"nbf": 11}, 400),
        ({"nbf": -3600}, 200),
        ({"auth_time": -599}, 200),
        ({"auth_time": -600}, 400),
        ({"auth_time": -86_400}, 400),
        ({"auth_time": 10}, 200),
        ({"auth_time": 11}, 400),
    ],
)
def test_a_statement_lives_a_minute_and_tells_of_a_login_of_the_last_ten(link, seconds, status):
    times = {name: link.client.now() + offset for name, offset in seconds.items()}
    assert link.exchange(link.statement(**times)).status_code == status


def test_a_statement_is_good_once(link):
    statement = link.statement()
    assert link.exchange(statement).status_code == 200
    refused(link.exchange(statement), "invalid_request")
    refused(link.exchange(link.statement(jti="again" * 4), scope="openid"), "invalid_scope")
    refused(link.exchange(link.statement(jti="again" * 4)), "invalid_request")


def test_partners_draw_their_jti_independently(server, holder, link):
    other = make_link(holder, make_partner(server))
    for each in (link, other):
        assert each.exchange(each.statement(jti="the-same-for-both")).status_code == 200


def test_a_statement_of_one_partner_is_none_of_another(server, holder, link):
    other = make_link(holder, make_partner(server))
    refused(other.exchange(link.statement()), "invalid_request")
    refused(other.exchange(link.statement(key=other.client.key)), "invalid_request")


def test_a_statement_does_not_authenticate_the_client(link):
    link.client.assertion, made = link.statement, link.client.assertion
    try:
        refused(link.client.push(), "invalid_client", 401)
    finally:
        link.client.assertion = made


@pytest.mark.parametrize(
    "name", ["subject_token", "subject_token_type", "scope", "requested_token_type", "actor_token"]
)
def test_a_parameter_that_stands_twice_is_refused(link, name):
    form = {**link.client.identity(), "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"}
    body = "&".join([*(f"{key}={value}" for key, value in form.items()), f"{name}=x", f"{name}=x"])
    headers = {"Content-Type": "application/x-www-form-urlencoded", "DPoP": link.client.proof("/oauth/token")}
    refused(link.client.http.post("/oauth/token", content=body, headers=headers), "invalid_request")


def test_refusals_repeat_nothing_of_a_statement(link):
    for name in ("claims under another signature", "typ JWT", "an unknown kid"):
        statement = TEXTS[name](link)
        answer = link.exchange(statement).text
        assert not any(part in answer for part in (*statement.split("."), link.subject))
