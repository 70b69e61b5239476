"""The forms in which a channel may sign: each is read strictly, and all end in the same record."""

import itertools
import json
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from auth.errors import Unauthenticated
from auth.models import signed_requests
from auth.signed_forms.choice import read_signed
from auth.signed_forms.received import ALGORITHMS, Received
from tests.channels.forms_of_partners import (
    CONTENT,
    FORMS,
    MISSING,
    POST_ALONE,
    PROBE,
    WRONG,
    Request,
    as_message_signature,
    code_of,
    compact,
    in_an_envelope,
    in_the_header,
    secret_of,
)
from tests.channels.partners import PartnerApp, make_partner
from tests.service import ISSUER, Service

WITH_A_GET = {name: form for name, form in FORMS.items() if name not in POST_ALONE}


# ── All forms alike ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", FORMS)
def test_a_view_gets_the_same_content_in_every_form(partner, name):
    told = FORMS[name](partner, "POST", PROBE, CONTENT).send(partner).json()
    assert told["content"] == json.loads(CONTENT)
    assert (told["id"], told["serial"], told["algorithm"]) == (partner.channel, partner.serial, name)


@pytest.mark.parametrize("name", WITH_A_GET)
def test_a_get_is_signed_with_its_query(partner, name):
    told = FORMS[name](partner, "GET", f"{PROBE}?after=ntc_1&limit=5").send(partner).json()
    assert (told["query"]["after"], told["query"]["limit"], told["content"]) == ("ntc_1", "5", None)


@pytest.mark.parametrize("name", FORMS)
def test_all_forms_leave_the_same_record(partner, name):
    FORMS[name](partner, "POST", PROBE, CONTENT).send(partner)
    with partner.service.database.transaction() as connection:
        row = connection.execute(sa.select(signed_requests).where(signed_requests.c.party == partner.channel)).one()
    assert (row.party, row.serial, row.algorithm) == (partner.channel, partner.serial, name)
    assert row.signed_at == int(partner.service.clock().timestamp()) * 1000
    assert (len(row.base_sm3), len(row.signature)) == (64, 128)


@pytest.mark.parametrize(("off", "good"), [(-301, False), (-300, True), (300, True), (301, False)])
@pytest.mark.parametrize("name", FORMS)
def test_the_clock_may_be_off_by_300_seconds_in_every_form(partner, name, off, good):
    answer = FORMS[name](partner, "POST", PROBE, CONTENT, off=off).send(partner)
    assert answer.status_code == 200 if good else code_of(answer) == (401, "signature_stale")


@pytest.mark.parametrize("name", FORMS)
def test_a_request_is_good_for_one_use_in_every_form(partner, name):
    request = FORMS[name](partner, "POST", PROBE, CONTENT)
    assert request.send(partner).status_code == 200
    assert code_of(request.send(partner)) == (409, "nonce_spent")


@pytest.mark.parametrize("name", FORMS)
def test_a_request_does_not_move_to_another_address_or_method(partner, name):
    request = FORMS[name](partner, "POST", PROBE, CONTENT)
    assert code_of(request.but(target="/v1/terminal-sessions").send(partner))[0] == 401
    assert request.but(target=f"{PROBE}?x=1").send(partner).status_code == 401
    other = request.but(method="GET").send(partner)
    assert other.status_code == 401


@pytest.mark.parametrize("name", FORMS)
def test_another_s_key_opens_nothing_in_any_form(partner, name):
    other = make_partner(partner.service, algorithms=list(ALGORITHMS))
    for stranger in (
        PartnerApp(partner.service, partner.channel, partner.serial, other.signer),
        PartnerApp(partner.service, partner.channel, other.serial, other.signer),
        PartnerApp(partner.service, other.channel, partner.serial, other.signer),
        PartnerApp(partner.service, "trm_" + "0" * 26, partner.serial, partner.signer),
    ):
        assert code_of(FORMS[name](stranger, "POST", PROBE, CONTENT).send(partner)) == WRONG


@pytest.mark.parametrize("second", FORMS)
@pytest.mark.parametrize("first", FORMS)
def test_a_request_in_two_forms_is_signed_in_none(partner, first, second):
    """Whatever of two forms fits into one request: the reader takes neither, instead of the weaker one."""
    one, other = (FORMS[name](partner, "POST", PROBE, CONTENT) for name in (first, second))
    both = one.but(headers={**other.headers, **one.headers})
    if both.headers.keys() == one.headers.keys():  # they do not fit together: there is nothing of the second in it
        assert both.send(partner).status_code in {200, 401}
    else:
        assert code_of(both.send(partner)) == MISSING


@pytest.mark.parametrize("name", FORMS)
def test_a_channel_signs_in_the_forms_that_were_agreed_on(probe, name):
    agreed = [other for other in FORMS if other != name]
    partner = make_partner(probe, algorithms=agreed)
    assert code_of(FORMS[name](partner, "POST", PROBE, CONTENT).send(partner)) == (403, "signature_form_not_agreed")
    assert FORMS[agreed[0]](partner, "POST", PROBE, CONTENT).send(partner).status_code == 200


# ── Any flipped bit ──────────────────────────────────────────────────────────────────────────────────────────────

COVERED_HEADERS = ("Authorization", "Content-Digest", "Signature", "Signature-Input")


def pieces_of(request: Request) -> list[str]:
    """Name what of a request a signature covers, or is."""
    names = [name for name in COVERED_HEADERS if name in request.headers]
    return [*names, "target", *(["body"] if request.body else [])]


def whole_of(request: Request, piece: str) -> bytes:
    whole = {"target": request.target.encode(), "body": request.body}.get(piece)
    return request.headers[piece].encode() if whole is None else whole


def flipped(request: Request, piece: str, place: int, bit: int) -> Request:
    whole = whole_of(request, piece)
    changed = whole[:place] + bytes((whole[place] ^ 1 << bit,)) + whole[place + 1 :]
    if piece == "body":
        return request.but(body=changed)
    if piece == "target":
        return request.but(target=changed.decode("latin-1"))
    return request.but(headers={**request.headers, piece: changed.decode("latin-1")})


def received(request: Request) -> Received:
    path, _, query = request.target.partition("?")
    headers = {name.lower(): value for name, value in request.headers.items()}

    def values(name: str) -> list[str]:
        return [headers[name.lower()]] if name.lower() in headers else []

    return Received(request.method, path, query, values, request.body, ISSUER)


@pytest.fixture(scope="module")
def signed(shared_probe: Service) -> tuple[PartnerApp, dict[str, Request]]:
    """One request in each form, and the envelope sealed as well."""
    partner = make_partner(shared_probe, algorithms=list(ALGORITHMS))
    requests = {name: form(partner, "POST", PROBE, CONTENT) for name, form in FORMS.items()}
    requests["sealed"] = in_an_envelope(partner, "POST", PROBE, CONTENT, secret=secret_of(partner))
    requests["sm3 digest"] = as_message_signature(partner, "POST", PROBE, CONTENT, digest="sm3")
    for name, form in WITH_A_GET.items():
        requests[f"{name} GET"] = form(partner, "GET", f"{PROBE}?after=ntc_1")
    return partner, requests


CASES = [*FORMS, "sealed", "sm3 digest", *(f"{name} GET" for name in WITH_A_GET)]


def verify(partner: PartnerApp, request: Request) -> str:
    gate = partner.service.runtime.gate
    return gate.channels.verify(read_signed(received(request), gate.envelope_secret).unverified).id


@pytest.mark.parametrize("name", CASES)
def test_every_flipped_bit_is_refused(signed, name):
    partner, requests = signed
    request = requests[name]
    tried = 0
    for piece in pieces_of(request):
        for place, bit in itertools.product(range(len(whole_of(request, piece))), range(8)):
            with pytest.raises(Unauthenticated):
                verify(partner, flipped(request, piece, place, bit))
            tried += 1
    assert tried > 2000


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NAMES = st.text("abc&=%+ 甲", min_size=1, max_size=5)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=60, deadline=None)
@given(content=st.dictionaries(NAMES, JSON_VALUES, max_size=4), at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_any_content_is_carried_and_no_bit_of_it_can_be_changed(signed, name, content, at, bit):
    partner, content = signed[0], {**content, "act": "probe"}  # which the H5 entry carries as its name
    request = FORMS[name](partner, "POST", PROBE, compact(content).encode())
    gate = partner.service.runtime.gate
    read = read_signed(received(request), gate.envelope_secret)
    assert gate.channels.verify(read.unverified).id == partner.channel
    assert json.loads(request.body if read.content is None else read.content) == content
    pieces = pieces_of(request)
    piece = pieces[at % len(pieces)]
    with pytest.raises(Unauthenticated):
        verify(partner, flipped(request, piece, at % len(whole_of(request, piece)), bit))


@pytest.mark.parametrize("name", CASES)
def test_the_requests_whose_bits_are_flipped_are_themselves_good(signed, name):
    partner, requests = signed
    assert verify(partner, requests[name]) == partner.channel


H5_NAMES = [
    *(f"_api_{name}" for name in ("name", "access_id", "serial_no", "timestamp", "nonce", "signature")),
    "security",
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["GET", "POST", "PUT"]),
    st.text(max_size=60),
    st.text(max_size=200),
    st.dictionaries(
        st.sampled_from(["authorization", "content-type", "signature", "signature-input", "content-digest"]),
        st.one_of(
            st.text(max_size=100),
            st.sampled_from(
                ["application/x-www-form-urlencoded", "application/json", 'a=("@method");created=1', "a=:AA==:"]
            ),
        ),
    ),
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=100).map(lambda text: b'{"appId":' + text.encode() + b"}"),
        st.text(max_size=100).map(lambda text: b"_api_signature=AA&" + text.encode()),
        st.dictionaries(st.sampled_from(H5_NAMES), st.text(max_size=40)).map(lambda given: urlencode(given).encode()),
    ),
)
def test_no_request_breaks_the_readers(method, path, query, headers, body):
    whole = Received(
        method, f"/{path}", query, lambda name: [headers[n] for n in headers if n == name.lower()], body, ISSUER
    )
    with pytest.raises(Unauthenticated):
        read_signed(whole, lambda _app, _serial: "secret")


def test_a_header_signature_beside_an_envelope_s_beginning_is_two_forms(partner):
    body = compact({"appId": "x"}).encode()
    assert code_of(in_the_header(partner, "POST", PROBE, body).send(partner)) == MISSING
