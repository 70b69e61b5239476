"""Token keys turn while the service runs: nobody with a good token notices, and a withdrawn key ends at once."""

import contextlib
import secrets
import threading
import time
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import CliRunner

from cli import main
from cli.key_store_options import Surroundings
from cli.phone import Phone
from core.clock import Clock, system_clock
from physical.soft_hsm import create_root_keys
from sm.keystore import FileKeyStore
from sm.token_keys import (
    ES256,
    PHONE_ES256,
    PHONE_SM2,
    RETIRED_LIFE,
    rotate_token_keys,
    schedule_token_keys,
    token_ring,
    withdraw_token_key,
)
from tests.oauth.clients_of_tests import OAuthClient, make_partner
from tests.oauth.holder import Holder
from tests.redemption.processes import City, Town, run_town
from tests.service import PROVIDER, ROOM, Service, running_service

LEAD = timedelta(days=1)


def kid_of(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


def look_again(service: Service) -> None:
    """Let the worker look at its rings, as it does each second."""
    service.runtime.oauth.desk.token_keys._look_at = 0.0
    service.runtime.gate.tokens._keys._look_at = 0.0


def published(service: Service) -> list[str]:
    return [key["kid"] for key in service.http.get("/oauth/jwks").json()["keys"]]


@dataclass
class Signed:
    """A phone and a client with a token each."""

    service: Service
    phone: Phone
    partner: OAuthClient
    holder: Holder

    def __post_init__(self) -> None:
        self.token = self.holder.tokens_for(self.partner)["access_token"]
        assert self.phone.sign_in().status_code == 200

    def statuses(self) -> tuple[int, int]:
        """Use both tokens."""
        phone = self.phone.call("GET", f"/v1/cards/{self.phone.card}").status_code
        return phone, self.partner.call(self.token).status_code


@pytest.fixture
def signed(fresh: Service) -> Signed:
    fresh.clock.step(LEAD.total_seconds())
    phone = fresh.enroll()
    return Signed(fresh, phone, make_partner(fresh), Holder(fresh, phone.card, phone.device))


def rotate(service: Service) -> None:
    for ring in (ES256, PHONE_ES256):
        rotate_token_keys(service.runtime.store, PROVIDER, ring, service.clock(), LEAD)
    look_again(service)


def test_tokens_outlive_the_rotation_of_their_keys_and_new_ones_are_signed_by_the_next(signed):
    service = signed.service
    assert (kid_of(signed.phone.token), kid_of(signed.token)) == ("phone-es256-1", "es256-1")
    rotate(service)
    assert signed.statuses() == (200, 200)
    assert published(service) == ["es256-2", "es256-3", "es256-1"]
    fresh = Signed(service, service.enroll(card=service.make_card(2)), make_partner(service), signed.holder)
    assert (kid_of(fresh.phone.token), kid_of(fresh.token)) == ("phone-es256-2", "es256-2")
    assert fresh.statuses() == (200, 200)
    service.clock.step(299)
    assert signed.statuses() == (200, 200)


def test_a_retired_key_is_published_as_long_as_its_tokens_may_live(signed):
    service = signed.service
    rotate(service)
    service.clock.step(RETIRED_LIFE.total_seconds() - 1)
    assert "es256-1" in published(service)
    service.clock.step(1)
    assert published(service) == ["es256-2", "es256-3"]


@pytest.mark.parametrize("withdrawn", ["phone-es256-1", "es256-1"])
def test_tokens_of_a_withdrawn_key_are_refused_though_they_were_seen_before(signed, withdrawn):
    assert signed.statuses() == (200, 200)
    ring = PHONE_ES256 if withdrawn.startswith("phone") else ES256
    withdraw_token_key(signed.service.runtime.store, PROVIDER, ring, withdrawn, signed.service.clock(), LEAD)
    look_again(signed.service)
    assert signed.statuses() == ((401, 200) if ring is PHONE_ES256 else (200, 401))
    assert signed.phone.sign_in().status_code == 200
    assert signed.phone.call("GET", f"/v1/cards/{signed.phone.card}").status_code == 200


def test_a_ring_turns_at_its_date_while_nobody_writes_or_reads_anything(signed):
    service = signed.service
    turns_at = service.clock() + timedelta(seconds=200)
    for ring in (ES256, PHONE_ES256):
        schedule_token_keys(service.runtime.store, ring, service.clock(), turns_at)
    look_again(service)
    service.clock.step(199)
    signed.phone.sign_in()
    assert (kid_of(signed.phone.token), published(service)) == ("phone-es256-1", ["es256-1", "es256-2"])
    service.clock.step(1)
    assert published(service) == ["es256-2", "es256-1"]
    assert signed.statuses() == (200, 200)
    signed.phone.sign_in()
    assert kid_of(signed.phone.token) == "phone-es256-2"


def test_while_no_key_may_sign_nobody_gets_a_token_and_good_ones_are_taken(fresh):
    phone, partner = fresh.enroll(), make_partner(fresh)
    holder = Holder(fresh, phone.card, phone.device)
    code = holder.code_for(partner)
    for ring in (ES256, PHONE_ES256):
        withdraw_token_key(fresh.runtime.store, PROVIDER, ring, f"{ring.prefix}-1", fresh.clock(), LEAD)
    look_again(fresh)
    for answer in (phone.sign_in(), partner.redeem(code)):
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert "Retry-After" in answer.headers
    assert published(fresh) == ["es256-2"]


def test_a_deployment_of_sm_algorithms_signs_phones_tokens_with_sm2_as_well(sqlite_url, tmp_path):
    with running_service(sqlite_url, tmp_path, token_algorithm=PHONE_SM2.algorithm) as service:
        phone = service.enroll()
        assert jwt.get_unverified_header(phone.token) == {
            "typ": "at+jwt", "alg": "SGD_SM3_SM2", "kid": "phone-sm2-1",
        }  # fmt: skip
        text, _, signature = phone.token.rpartition(".")
        key = token_ring(service.runtime.store, PHONE_SM2).current().public_key
        raw = urlsafe_b64decode(signature + "==")
        PROVIDER.verifier(key, b"ESSC-OAUTH-1").verify(text.encode(), raw)
        assert phone.call("GET", f"/v1/cards/{phone.card}").status_code == 200
        assert [key["kid"] for key in service.http.get("/oauth/jwks").json()["keys"]] == ["sm2-1", "sm2-2"]


def test_the_keys_of_phones_tokens_are_published_nowhere(fresh):
    assert not any(kid.startswith("phone") for kid in published(fresh))


# ── Under load, in processes ─────────────────────────────────────────────────────────────────────────────────────

TURNS = 3
HEARD_WITHIN = 10  # seconds; a worker looks each second
ANNOUNCED = 2  # seconds for which the next key is published: workers look each second


def run_keys(city: City, *words: str, clock: Clock = system_clock) -> None:
    """Run an operator's command on a city's key store."""
    variables = {"ECARD_KEYSTORE_SECRET": city.secret, "ECARD_KEYSTORE_PATH": str(city.folder / "keys")}
    done = CliRunner(env=variables).invoke(main, ["keys", *words], obj=Surroundings(clock))
    assert done.exit_code == 0, done.output


def make_ready_city(folder: Path) -> City:
    """Make a key store two days ago: the keys that were announced then may sign by now."""
    city = City(folder, secrets.token_urlsafe(24))
    run_keys(city, "init", clock=lambda: datetime.now(UTC) - 2 * LEAD)
    create_root_keys(FileKeyStore(folder / "keys", city.secret))
    return city


@dataclass
class Load:
    """What callers were answered while the rings turned."""

    town: Town
    partner: OAuthClient
    refresh_token: str
    old_token: str
    city: City
    over: threading.Event = field(default_factory=threading.Event)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    signed_by: set[str] = field(default_factory=set)
    unheard_of: set[str] = field(default_factory=set)
    _heard: frozenset[str] = frozenset()

    def keys(self, *words: str) -> None:
        """Run an operator's command on the store that the processes have open."""
        run_keys(self.city, *words)

    def until_over(self, act: Callable[[], None]) -> None:
        while not self.over.is_set():
            act()

    def refresh(self) -> None:
        """Have a token issued, use it, and ask about it."""
        heard = self._heard
        answer = self.partner.refresh(self.refresh_token)
        self.statuses["token", answer.status_code] += 1
        token = answer.json()["access_token"]
        self.signed_by.add(kid_of(token))
        self.unheard_of |= {kid_of(token)} - heard  # clients know a key before it signs
        self.statuses["userinfo", self.partner.call(token).status_code] += 1
        asked = self.partner.post("/oauth/introspect", {"token": token})
        self.statuses["active" if asked.json()["active"] else "inactive", asked.status_code] += 1

    def use_the_old_one(self) -> None:
        self.statuses["old token", self.partner.call(self.old_token).status_code] += 1

    def fetch_keys(self) -> None:
        answer = self.town.http.get("/oauth/jwks")
        self.statuses["jwks", answer.status_code] += 1
        self._heard = frozenset(key["kid"] for key in answer.json()["keys"])
        self.over.wait(0.05)

    def sign_in(self) -> None:
        phone = self.town.phones[0]
        self.statuses["sign in", phone.sign_in().status_code] += 1
        self.signed_by.add(kid_of(phone.token))
        self.statuses["phone", phone.call("GET", f"/v1/cards/{phone.card}").status_code] += 1

    def use_the_old_phone(self) -> None:
        phone = self.town.phones[1]
        self.statuses["old phone", phone.call("GET", f"/v1/cards/{phone.card}").status_code] += 1


@pytest.fixture
def load(postgres_url: str, redis_server: Any, tmp_path: Any) -> Iterator[Load]:
    city = make_ready_city(tmp_path)
    limits = {**ROOM, "address_requests_per_minute": 1_000_000}
    with run_town(city, tmp_path, postgres_url, redis_server, **limits) as town, contextlib.ExitStack() as stack:
        town.inside.clock.now = datetime.now(UTC)
        partner = make_partner(town.inside)
        phone = town.phones[0]
        tokens = Holder(town.inside, phone.card, phone.device).tokens_for(partner)
        outside = replace(town.inside, http=town.http, clock=system_clock)
        assert all(phone.sign_in().status_code == 200 for phone in town.phones)
        loaded = Load(town, replace(partner, service=outside), tokens["refresh_token"], tokens["access_token"], city)
        loaded.fetch_keys()
        stack.callback(loaded.over.set)
        yield loaded


def test_no_token_is_refused_while_the_rings_turn_under_load(load):
    acts = [load.refresh, load.use_the_old_one, load.sign_in, load.use_the_old_phone, load.fetch_keys]
    with ThreadPoolExecutor(len(acts)) as threads:
        running = [threads.submit(load.until_over, act) for act in acts]
        try:
            for _ in range(TURNS):
                for ring in ("es256", "phone-es256"):
                    load.keys("rotate-tokens", ring, "--lead", str(ANNOUNCED))
                load.over.wait(ANNOUNCED + 1)
        finally:
            load.over.set()
    for act in running:
        act.result()
    wrong = {what: count for what, count in load.statuses.items() if what[1] != 200 or what[0] == "inactive"}
    assert wrong == {}
    assert load.unheard_of == set()
    turned = {f"{ring}-{number}" for ring in ("es256", "phone-es256") for number in range(2, TURNS + 2)}
    assert turned <= load.signed_by
    assert min(load.statuses.values()) > TURNS


def test_a_withdrawn_key_is_refused_by_every_process_within_a_second(load):
    phone = load.town.phones[0]
    ask = {
        "es256-1": lambda: load.partner.call(load.old_token).status_code,
        "phone-es256-1": lambda: phone.call("GET", f"/v1/cards/{phone.card}").status_code,
    }
    for kid, use in ask.items():
        assert use() == 200
        load.keys("withdraw-token", kid, "--lead", str(ANNOUNCED))
        refused_by_all(use)
    assert phone.sign_in().status_code == 200
    assert kid_of(phone.token) == "phone-es256-2"
    assert load.partner.refresh(load.refresh_token).status_code == 200


def refused_by_all(use: Callable[[], int]) -> None:
    """Ask until both processes refuse: twenty answers in a row that are no."""
    deadline, refused = time.monotonic() + HEARD_WITHIN, 0
    while refused < 20:
        refused = refused + 1 if use() == 401 else 0
        assert time.monotonic() < deadline
