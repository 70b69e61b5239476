"""Channels as callers: who is known, time and nonce, limits, tiers, keys, scopes (threats.md C2, C4)."""

import secrets
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import sqlalchemy as sa

from auth.channel_requests import ChannelRegister, SigningChannel
from auth.errors import SignatureWrong
from auth.models import signed_requests
from auth.signed_requests import SignedRequests
from channels.signing import find_signing_channel
from core.errors import Limited
from sm.digest import sm3
from sm.signed_request import base_string, read_header
from sm.sm2 import random_private_key
from tests.channels.forms_of_partners import code_of
from tests.channels.partners import PartnerApp, apply, change, make_partner, move, propose
from tests.service import PROVIDER, START, Service

NOW = int(START.timestamp())
PATH = "/v1/channel"


@pytest.fixture
def partner(city: Service) -> PartnerApp:
    return make_partner(city)


def ask(partner: PartnerApp, header: str | None, method: str = "GET", path: str = PATH) -> httpx.Response:
    headers = {} if header is None else {"Authorization": header}
    return partner.service.http.request(method, path, headers=headers)


# ── What a channel is told of itself ─────────────────────────────────────────────────────────────────────────────


def test_a_channel_sees_what_the_register_says_of_it(city):
    first = make_partner(city, scopes=["news"], requests_per_minute=1000)
    second = make_partner(
        city, above=first.channel, name_zh="示范市民生活", name_en="City Life", channel_class="social"
    )
    told = second.send("GET", PATH).json()
    certificates = told.pop("certificates")
    assert told == {
        "id": second.channel,
        "name_zh": "示范市民生活",
        "name_en": "City Life",
        "class": "social",
        "tier": 2,
        "above": first.channel,
        "standing": "live",
        "scopes": ["news"],
        "algorithms": ["ESSC-SM2-SM3"],
        "requests_per_minute": 600,
        "serial": second.serial,
    }
    assert certificates == [
        {
            "serial": second.serial,
            "not_before": "2026-03-02T08:00:00.000Z",
            "not_after": "2026-08-29T08:00:00.000Z",
            "ends_soon": False,
        }
    ]


@pytest.mark.parametrize(
    ("standing", "let_in"),
    [
        ("applied", False),
        ("sandbox", True),
        ("reviewed", True),
        ("live", True),
        ("suspended", False),
        ("closed", False),
    ],
)
def test_who_may_call_at_all_follows_from_the_standing(city, standing, let_in):
    answer = make_partner(city, standing).send("GET", PATH)
    assert answer.status_code == 200 if let_in else code_of(answer) == (401, "signature_wrong")


# ── One answer for whoever is not known ──────────────────────────────────────────────────────────────────────────


def test_nobody_learns_which_channels_and_certificates_exist(city, partner):
    stranger = PROVIDER.signer(random_private_key())
    withdrawn, other = make_partner(city), make_partner(city)
    change(city, withdrawn.channel, "withdrawal", {"serial": withdrawn.serial, "reason": "stolen"})
    below = make_partner(city, above=other.channel)
    move(city, other.channel, "suspended")
    unknown = {"app_id": "chn_" + "0" * 26, "signer": stranger}
    headers = {
        "unknown": partner.sign("GET", PATH, **unknown),
        "unknown serial": partner.sign("GET", PATH, serial_no="ab" * 16),
        "serial in capitals": partner.sign("GET", PATH, serial_no=partner.serial.upper() + "A"),
        "another's serial": partner.sign("GET", PATH, serial_no=other.serial),
        "wrong key": partner.sign("GET", PATH, signer=stranger),
        "a terminal's id": partner.sign("GET", PATH, app_id="trm_" + "0" * 26),
        "no id": partner.sign("GET", PATH, app_id="x"),
        "withdrawn": withdrawn.sign("GET", PATH),
        "suspended": other.sign("GET", PATH),
        "below a suspended one": below.sign("GET", PATH),
        "applied": make_partner(city, "applied").sign("GET", PATH),
        "closed": make_partner(city, "closed").sign("GET", PATH),
    }
    answers = {name: _seen(ask(partner, header)) for name, header in headers.items()}
    assert {name for name, answer in answers.items() if answer != answers["unknown"]} == set()
    assert answers["unknown"]["code"] == "signature_wrong"


def _seen(answer: httpx.Response) -> dict:
    return {name: value for name, value in answer.json().items() if name != "request_id"}


def test_a_stale_signature_tells_nothing_about_its_channel_either(partner):
    stale = {"timestamp": NOW - 301}
    known = ask(partner, partner.sign("GET", PATH, **stale))
    unknown = ask(partner, partner.sign("GET", PATH, app_id="chn_" + "0" * 26, **stale))
    assert _seen(known) == _seen(unknown)
    assert known.json()["code"] == "signature_stale"


# ── Time and nonce ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("off", "good"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_a_signature_is_good_for_300_seconds_both_ways(partner, off, good):
    answer = ask(partner, partner.sign("GET", PATH, timestamp=NOW + off))
    assert answer.status_code == 200 if good else code_of(answer) == (401, "signature_stale")


def test_a_signed_request_is_good_for_one_use(partner):
    header = partner.sign("GET", PATH)
    assert ask(partner, header).status_code == 200
    assert code_of(ask(partner, header)) == (409, "nonce_spent")


def test_a_nonce_is_spent_for_its_channel_alone_and_for_all_its_keys(partner):
    nonce = secrets.token_hex(16)
    assert partner.send("GET", PATH, nonce=nonce).status_code == 200
    assert make_partner(partner.service).send("GET", PATH, nonce=nonce).status_code == 200
    assert code_of(partner.with_new_key().send("GET", PATH, nonce=nonce)) == (409, "nonce_spent")


def test_a_wrong_signature_spends_no_nonce(partner):
    header = partner.sign("GET", PATH)
    assert ask(partner, header, path=f"{PATH}?x").status_code == 401
    assert ask(partner, header).status_code == 200


def test_of_many_who_send_the_same_request_at_once_one_is_let_in(both):
    partner = make_partner(both)
    header, barrier = partner.sign("GET", PATH), threading.Barrier(8)

    def once(_number: int) -> int:
        barrier.wait(30)
        return ask(partner, header).status_code

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(once, range(8))) == {200: 1, 409: 7}


# ── The order of the checks ──────────────────────────────────────────────────────────────────────────────────────


def test_a_nonce_that_was_seen_is_refused_before_the_signature_is_reckoned(partner):
    nonce = secrets.token_hex(16)
    assert partner.send("GET", PATH, nonce=nonce).status_code == 200
    forged = partner.send("GET", PATH, nonce=nonce, signer=PROVIDER.signer(random_private_key()))
    assert code_of(forged) == (409, "nonce_spent")


# ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_channel_has_its_own_limit(city):
    partner, other = make_partner(city, requests_per_minute=3), make_partner(city)
    answers = [partner.send("GET", PATH) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].headers["Retry-After"] == "60"
    assert other.send("GET", PATH).status_code == 200
    city.clock.step(60)
    city.runtime.gate.channels._register._full.clear()  # as a second later
    assert partner.send("GET", PATH).status_code == 200


def test_forged_requests_use_up_nobody_s_limit(city):
    partner = make_partner(city, requests_per_minute=2)
    for _ in range(5):
        forged = partner.send("GET", PATH, signer=PROVIDER.signer(random_private_key()))
        assert code_of(forged) == (401, "signature_wrong")
    assert [partner.send("GET", PATH).status_code for _ in range(3)] == [200, 200, 429]


def test_what_second_tier_channels_ask_counts_for_the_one_above_too(city):
    first = make_partner(city, requests_per_minute=3)
    below = [make_partner(city, above=first.channel) for _ in range(2)]
    statuses = [partner.send("GET", PATH).status_code for partner in (*below, first, *below, first)]
    assert statuses == [200, 200, 200, 429, 429, 429]


# ── Keys and standing ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def worker(city: Service) -> tuple[SignedRequests[SigningChannel], dict[str, float]]:
    """A worker's own look at the register, and the seconds that it counts."""
    ticks = {"now": 1000.0}
    ground = city.runtime.ground
    register = ChannelRegister(ground, lambda channel, serial: find_signing_channel(city.database, channel, serial))
    return SignedRequests(ground, PROVIDER, register, lambda: ticks["now"]), ticks


@pytest.mark.parametrize("end", ["withdrawn", "suspended", "closed", "the one above suspended"])
def test_what_was_stopped_elsewhere_is_refused_within_a_second(city, worker, end):
    requests, ticks = worker
    first = make_partner(city)
    partner = make_partner(city, above=first.channel) if end.startswith("the one above") else first

    def verify() -> object:
        return requests.verify_request(partner.sign("GET", PATH), "GET", PATH, b"")

    assert verify()
    if end == "withdrawn":
        change(city, partner.channel, "withdrawal", {"serial": partner.serial, "reason": "stolen"})
    else:
        move(city, first.channel, end.rpartition(" ")[2])
    ticks["now"] += 0.499
    assert verify()
    ticks["now"] += 0.001
    with pytest.raises(SignatureWrong):
        verify()


def test_a_certificate_ends_at_its_end_though_the_worker_knows_it(city, worker):
    requests, _ = worker
    partner = make_partner(city)
    city.clock.step(180 * 86_400 - 1)
    assert requests.verify_request(partner.sign("GET", PATH), "GET", PATH, b"")
    city.clock.step(0.999)
    assert requests.verify_request(partner.sign("GET", PATH), "GET", PATH, b"")
    city.clock.step(0.001)
    with pytest.raises(SignatureWrong):
        requests.verify_request(partner.sign("GET", PATH), "GET", PATH, b"")


def test_a_worker_that_knows_a_channel_to_be_over_its_limit_asks_again_after_a_second(city, worker):
    _, ticks = worker
    register = ChannelRegister(
        city.runtime.ground,
        lambda channel, serial: find_signing_channel(city.database, channel, serial),
        lambda: ticks["now"],
    )
    partner = make_partner(city, requests_per_minute=1)
    found = register.find(partner.channel, partner.serial)
    assert found is not None
    register.count_proven(found)
    with pytest.raises(Limited):
        register.count_proven(found)
    city.clock.step(60)
    ticks["now"] += 0.999
    with pytest.raises(Limited):
        register.require_worth_proving(found, "n" * 16)
    ticks["now"] += 0.001
    register.require_worth_proving(found, "n" * 16)
    register.count_proven(found)


def test_two_certificates_let_a_channel_change_over_without_a_gap(city, partner):
    new = partner.with_new_key()
    assert [one.send("GET", PATH).status_code for one in (partner, new)] == [200, 200]
    assert code_of(partner.send("GET", PATH, signer=new.signer)) == (401, "signature_wrong")
    change(city, partner.channel, "withdrawal", {"serial": partner.serial, "reason": "changed over"})
    city.runtime.gate.channels._known.clear()  # as half a second later
    assert [one.send("GET", PATH).status_code for one in (partner, new)] == [401, 200]


# ── Evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_kept_of_a_request_proves_it_years_later(city, partner):
    header = partner.sign("GET", PATH)
    assert ask(partner, header).status_code == 200
    with city.database.transaction() as connection:
        by_nonce = signed_requests.c.nonce == read_header(header).nonce
        row = connection.execute(sa.select(signed_requests).where(by_nonce)).one()
    base = base_string("GET", PATH, NOW, row.nonce, b"")
    assert (row.party, row.serial, row.algorithm) == (partner.channel, partner.serial, "ESSC-SM2-SM3")
    assert (row.signed_at, row.base_sm3) == (NOW * 1000, sm3(base).hex())
    PROVIDER.verifier(partner.signer.public_key).verify(base, bytes.fromhex(row.signature))


def test_terminals_leave_the_same_record(city):
    till = city.add_till(city.add_institution(scopes=("enroll",)))
    assert till.send("POST", "/v1/terminal-sessions", {"operator": "op-1"}).status_code == 201
    with city.database.transaction() as connection:
        row = connection.execute(sa.select(signed_requests).where(signed_requests.c.party == till.terminal)).one()
    assert row.algorithm == "ESSC-SM2-SM3"


# ── What a route asks for ────────────────────────────────────────────────────────────────────────────────────────


def test_a_view_is_told_both_tiers(probe):
    first = make_partner(probe)
    second = make_partner(probe, above=first.channel)
    answer, alone = second.send("POST", "/v1/probe", b"{}"), first.send("POST", "/v1/probe", b"{}")
    told = [(answer["id"], answer["above"], answer["serial"]) for answer in (answer.json(), alone.json())]
    assert told == [(second.channel, first.channel, second.serial), (first.channel, None, first.serial)]


@pytest.mark.parametrize("standing", ["sandbox", "reviewed"])
def test_who_is_not_live_does_nothing_that_is_about_holders(probe, standing):
    answer = make_partner(probe, standing).send("POST", "/v1/probe", b"{}")
    assert code_of(answer) == (403, "channel_not_live")


def test_a_scope_that_is_missing_here_or_above_is_missing(probe):
    bare = make_partner(probe, scopes=["carriage"])
    below = make_partner(probe, above=bare.channel, scopes=["carriage", "news"])
    for partner in (bare, below):
        assert code_of(partner.send("POST", "/v1/probe", b"{}")) == (403, "scope_missing")


def test_a_form_that_was_not_agreed_on_is_told_to_whoever_signed_rightly(probe):
    partner = make_partner(probe, algorithms=["RFC9421-SM2-SM3"])
    assert code_of(partner.send("POST", "/v1/probe", b"{}")) == (403, "signature_form_not_agreed")
    forged = partner.send("POST", "/v1/probe", b"{}", signer=PROVIDER.signer(random_private_key()))
    assert code_of(forged) == (401, "signature_wrong")


@pytest.mark.parametrize("body", [b"{", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"\xff", b'{"a": "\\u0000"}', b"[" * 40])
def test_a_body_that_two_readers_would_take_differently_is_refused(probe, body):
    answer = make_partner(probe).send("POST", "/v1/probe", body)
    assert code_of(answer) == (400, "malformed_request")


def test_a_body_of_another_kind_is_refused(probe):
    partner, body = make_partner(probe), b"a=1"
    headers = {"Authorization": partner.sign("POST", "/v1/probe", body), "Content-Type": "text/plain"}
    answer = probe.http.post("/v1/probe", content=body, headers=headers)
    assert code_of(answer) == (415, "unsupported_media_type")


def test_a_new_channel_calls_without_a_restart(city):
    unknown = PartnerApp(city, apply(city), "ab" * 16)
    assert unknown.send("GET", PATH).status_code == 401
    assert make_partner(city).send("GET", PATH).status_code == 200
    assert propose(city, unknown.channel, "standing", {"from": "applied", "to": "sandbox"}).state == "proposed"
