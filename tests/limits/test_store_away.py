"""No limit fails open: what cannot be counted is refused, not let through."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests.exchange.returning import make_link
from tests.limits.test_limits import BEFORE_ANYBODY_IS_PROVEN, PUBLISHED, assert_limited
from tests.limits.town import HERE, Town, open_town
from tests.oauth.clients_of_tests import OAuthClient, make_native, make_partner, make_relying_party
from tests.servers import free_port

pytestmark = pytest.mark.xdist_group("test_store_away")  # what is costly to set up is set up once


def assert_away(answer):
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable"), answer.text
    assert set(answer.json()) <= {"error", "error_description", "code"}
    assert int(answer.headers["Retry-After"]) >= 1


# ── Redis alone is away: the database counts ─────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def open_town_without_redis(*place: Any, **settings: Any) -> Iterator[Town]:
    """Run a service whose Redis has been away for so long that nothing it may have seen is still good."""
    with open_town(*place, redis_url=f"redis://127.0.0.1:{free_port()}/0", **settings) as town:
        town.service.clock.step(12)
        yield town


@pytest.fixture
def without_redis(sqlite_url, tmp_path) -> Iterator[Town]:
    limits = {
        "address_requests_per_minute": 60,
        "client_requests_per_minute": 12,
        "client_failures_per_minute": 3,
        "holder_tokens_per_minute": 2,
    }
    with open_town_without_redis(sqlite_url, tmp_path, **limits) as town:
        yield town


def test_without_redis_the_address_is_counted_on(without_redis):
    answers = [without_redis.at(HERE).post("/oauth/par") for _ in range(61)]
    assert [answer.status_code for answer in answers[:-1]] == [400] * 60
    assert_limited(answers[-1])


def test_without_redis_a_customer_s_statement_that_it_may_have_seen_is_refused(without_redis):
    link = make_link(without_redis.holder, make_partner(without_redis.service))
    now = link.client.now()
    assert_away(link.exchange(link.statement(iat=now - 12, exp=now + 48)))
    assert link.exchange().status_code == 200


def test_without_redis_clients_and_their_failures_are_counted_on(without_redis):
    partner, party = make_partner(without_redis.service), make_relying_party(without_redis.service)
    assert [partner.push().status_code for _ in range(12)] == [201] * 12
    assert_limited(partner.push())
    party.secret = "wrong"
    assert [party.push().status_code for _ in range(3)] == [401] * 3
    assert_limited(party.push())


def test_without_redis_holders_are_counted_on(without_redis):
    partner = make_partner(without_redis.service)
    token = without_redis.holder.tokens_for(partner)["refresh_token"]
    assert partner.refresh(token).status_code == 200
    assert_limited(partner.refresh(token))


# ── Redis and the database are away ──────────────────────────────────────────────────────────────────────────────


class Gone:
    """A town that was well, and whose database and Redis are gone; what its clients got while it was well."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.partner, self.native = make_partner(town.service), make_native(town.service)
        self.pushed = self.partner.push().json()["request_uri"]
        self.code = town.holder.code_for(self.native)
        self.tokens = town.holder.tokens_for(self.partner)
        self.phone = town.service.enroll(card=town.service.make_card(2))

    def guesses(self) -> dict[str, tuple[OAuthClient, str, dict[str, str]]]:
        """Name everything that can be guessed, with a form that would try it."""
        token = {"token": self.tokens["refresh_token"]}
        refresh = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
        return {
            "client ids and keys": (self.partner, "/oauth/par", self.partner.parameters()),
            "codes": (self.native, "/oauth/token", {"grant_type": "authorization_code", "code": self.code}),
            "refresh tokens": (self.partner, "/oauth/token", refresh),
            "introspected tokens": (self.partner, "/oauth/introspect", token),
            "revoked tokens": (self.partner, "/oauth/revoke", token),
        }


@pytest.fixture(scope="module")
def gone(postgres_server, tmp_path_factory) -> Iterator[Gone]:
    name = postgres_server.create_database()
    with open_town_without_redis(postgres_server.url(name), tmp_path_factory.mktemp("town")) as town:
        was_well = Gone(town)
        postgres_server.drop_database(name)
        yield was_well


@pytest.mark.parametrize(("method", "path"), BEFORE_ANYBODY_IS_PROVEN)
def test_without_any_store_nobody_unproven_is_heard(gone, method, path):
    assert_away(gone.town.service.http.request(method, path))


@pytest.mark.parametrize(
    "what", ["client ids and keys", "codes", "refresh tokens", "introspected tokens", "revoked tokens"]
)
def test_without_any_store_nothing_can_be_guessed(gone, what):
    client, path, form = gone.guesses()[what]
    assert_away(client.post(path, form, proven=path == "/oauth/token"))


def test_without_any_store_no_request_uri_can_be_guessed(gone):
    assert_away(gone.partner.authorize(client_id=gone.partner.id, request_uri=gone.pushed))


def test_without_any_store_no_phone_and_no_card_can_be_guessed(gone):
    assert_away(gone.phone.sign_in())
    assert_away(gone.partner.call(gone.tokens["access_token"]))
    answer = gone.phone.call("GET", f"/v1/cards/{gone.phone.card}")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


@pytest.mark.parametrize("path", PUBLISHED)
def test_without_any_store_what_is_published_is_there(gone, path):
    assert gone.town.service.http.get(path).status_code == 200


# ── Only what counts is away ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def uncounted(sqlite_url, tmp_path) -> Iterator[Gone]:
    """The register, codes and tokens are all there; nothing is left that could count."""
    with open_town_without_redis(sqlite_url, tmp_path) as town:
        was_well = Gone(town)
        with town.service.database.transaction() as connection:
            connection.execute(sa.text("DROP TABLE ephemeral"))
        yield was_well


def test_where_nothing_counts_nothing_can_be_guessed_though_all_the_rest_is_there(uncounted):
    for client, path, form in uncounted.guesses().values():
        assert_away(client.post(path, form, proven=path == "/oauth/token"))
    for method, path in BEFORE_ANYBODY_IS_PROVEN:
        assert_away(uncounted.town.service.http.request(method, path))
    assert_away(uncounted.phone.sign_in())
    assert_away(uncounted.partner.call(uncounted.tokens["access_token"]))
