"""Whatever is sent to an OAuth endpoint is answered with 400 or 401 in OAuth's form, never with a fault."""

from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auth.oauth.errors import InvalidRequestError
from auth.oauth.forms import FORM_TYPE, read_form, read_parameters

PATHS = ["/oauth/token", "/oauth/par", "/oauth/introspect", "/oauth/revoke", "/oauth/authorize"]
NAMES = [
    "grant_type", "code", "client_id", "client_secret", "client_assertion", "client_assertion_type", "redirect_uri",
    "code_verifier", "refresh_token", "scope", "resource", "token", "token_type_hint", "request_uri", "request",
    "response_type", "state", "nonce", "code_challenge", "code_challenge_method", "dpop_jkt", "acr_values", "max_age",
    "prompt",
]  # fmt: skip
VALUES = [
    "", "authorization_code", "refresh_token", "code", "S256", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "%00", "%ff", "%",
    "+",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "urn:ietf:params:oauth:request_uri:x", "cli_" + "0" * 26,
    "x" * 5000, "%22%5C", "%F0%9F%98%80", "..", "http://127.0.0.1:99999999999/cb", "[]", "{}",
]  # fmt: skip
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=12)
SLOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("path", PATHS)
@given(
    body=st.one_of(
        st.binary(max_size=200), PAIRS.map(lambda pairs: "&".join("=".join(pair) for pair in pairs).encode())
    )
)
@SLOW
def test_no_form_is_a_fault(server, native, path, body):
    answer = server.http.post(path, content=body, headers={"Content-Type": FORM_TYPE})
    assert answer.status_code in {400, 401}
    assert set(answer.json()) <= {"error", "error_description", "code"}
    assert answer.text.isascii()


@pytest.mark.parametrize("path", PATHS)
@given(pairs=PAIRS)
@SLOW
def test_no_form_of_a_client_that_is_known_is_a_fault(server, native, relying_party, path, pairs):
    for client in (native, relying_party):
        body = "&".join("=".join(pair) for pair in [("client_id", client.id), *pairs])
        headers = {"Content-Type": FORM_TYPE, **client.headers()}
        answer = server.http.post(path, content=body.encode(), headers=headers)
        assert answer.status_code in {200, 303, 400, 401}


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/json", "multipart/form-data; boundary=x"])
def test_a_form_names_its_type(kind):
    with pytest.raises(InvalidRequestError):
        read_form(kind, b"a=1")


def test_a_form_is_read_as_it_was_written():
    form = read_form(f"{FORM_TYPE}; charset=utf-8", b"a=1&b=%E7%A4%BE+x&resource=r&resource=s&empty=&flag")
    assert (form.get("a"), form.get("b"), form.get("empty"), form.get("flag")) == ("1", "社 x", None, None)
    assert form.all("resource") == ("r", "s")


@pytest.mark.parametrize(
    "body",
    [
        b"a=1&a=2",
        b"a=&a=",
        b"a=1&%61=2",
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"a=%ff",
        b"a=\xff",
        b"a=%00",
        b"%00=1",
        b"&" * 65,
        b"a" * 40_000,
    ],
)
def test_what_two_readers_could_take_differently_is_refused(body):
    with pytest.raises(InvalidRequestError):
        read_parameters(body)


_TEXT = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), min_size=1, max_size=20)


@given(st.dictionaries(_TEXT, _TEXT, max_size=10))
def test_every_form_comes_back(values):
    form = read_parameters(urlencode(values).encode())
    assert {name: form.get(name) for name in values} == values
