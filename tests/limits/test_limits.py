"""How often anybody may ask at the authorization server: by address, by client, by holder."""

import re

import pytest
import redis
import sqlalchemy as sa

from auth.addresses import counted_address
from auth.guard import Anyone
from auth.oauth.interactions import LoginRequestOver
from auth.oauth.limits import WINDOW_SECONDS
from auth.oauth.profiles import DEVICE
from cli.phone import GRANT
from core.ephemeral import ephemeral
from core.errors import Limited
from core.ids import new_id
from core.settings import Settings
from tests.limits.town import ELSEWHERE, HERE, look, open_town
from tests.oauth.clients_of_tests import Key, make_client, make_native, make_partner, make_relying_party
from web.plain_routes import _PART

BEFORE_ANYBODY_IS_PROVEN = [
    ("POST", "/oauth/token"),
    ("POST", "/oauth/par"),
    ("POST", "/oauth/introspect"),
    ("POST", "/oauth/revoke"),
    ("POST", "/oauth/authorize"),
    ("GET", "/oauth/authorize"),
]
PUBLISHED = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-protected-resource/v1",
    "/oauth/jwks",
]


def assert_limited(answer):
    assert (answer.status_code, answer.json()["error"]) == (429, "temporarily_unavailable"), answer.text
    assert answer.json()["error_description"].startswith("Slow down")
    assert answer.json()["code"] == "too_many_requests"
    assert answer.headers["Retry-After"] == str(WINDOW_SECONDS)
    assert answer.headers["Cache-Control"] == "no-store"


# ── By address ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("method", "path"), BEFORE_ANYBODY_IS_PROVEN)
def test_each_endpoint_for_anybody_counts_the_address(sqlite_url, tmp_path, memory, method, path):
    with open_town(sqlite_url, tmp_path, address_requests_per_minute=30, redis_url=memory) as town:
        ask = [town.at(HERE).request(method, path, data={"a": "b"} if method == "POST" else None) for _ in range(31)]
        assert 429 not in {answer.status_code for answer in ask[:-1]}
        assert_limited(ask[-1])
        assert town.at(ELSEWHERE).request(method, path).status_code != 429


def test_the_endpoints_for_anybody_have_one_limit_together(sqlite_url, tmp_path):
    with open_town(sqlite_url, tmp_path, address_requests_per_minute=30) as town, town.at(HERE) as http:
        answers = [http.request(*BEFORE_ANYBODY_IS_PROVEN[turn % 6]).status_code for turn in range(31)]
        assert answers.index(429) == 30
        town.service.clock.step(WINDOW_SECONDS)
        assert http.post("/oauth/token").status_code == 400


UNCOUNTED = {
    **dict.fromkeys(PUBLISHED, "the same for all, and kept by whoever asked"),
    **dict.fromkeys(("/.well-known/assetlinks.json", "/.well-known/apple-app-site-association"), "the same"),
    **dict.fromkeys(("/v1/verification-keys", "/v1/news-keys", "/v1/platform-certificates"), "the same"),
    "/openapi.json": "the same",
    **dict.fromkeys(("/docs/", "/docs/problems"), "the same"),
    **dict.fromkeys(("/docs/files/<name>", "/login/files/<name>"), "files"),
    **dict.fromkeys(("/livez", "/readyz"), "the health of a worker"),
    **dict.fromkeys(("/app/login/<code>", "/device/allowed", "/device/refused"), "sentences: nothing is looked up"),
    "/account/sign-out": "ends what the cookie names, if anything",
    "/login/<login>": "takes the id and its browser's cookie; looks one row up and writes none",
    "/login/<login>/state": "counted by the login: its page asks again and again",
}
"""What anybody may ask for without being counted by address, and why; beside redirects from one page to another."""


def requests_of_anybody(app):
    for route in app.url_map.iter_rules():
        if app.view_functions[route.endpoint].rule.caller is Anyone:
            for method in sorted(route.methods - {"HEAD", "OPTIONS"}):
                yield method, route.rule, _PART.sub(made_up, route.rule)


def made_up(part):
    return next(iter(re.findall(r"[\w-]+", part["choices"] or "")), f"lgn_{'0' * 26}")


def test_whoever_need_not_prove_anything_is_counted_by_address_but_for_what_is_named_here(sqlite_url, tmp_path):
    most, uncounted = 20, set()
    with open_town(sqlite_url, tmp_path, address_requests_per_minute=most) as town:
        for number, (method, rule, path) in enumerate(requests_of_anybody(town.service.app)):
            body = {"a": "b"} if method == "POST" else None
            with town.at(f"203.0.113.{number}") as http:
                last = [http.request(method, path, data=body) for _ in range(most + 1)][-1]
            if last.status_code != 429 and not last.is_redirect:
                uncounted.add(rule)
    assert uncounted == set(UNCOUNTED)


@pytest.mark.parametrize("path", PUBLISHED)
def test_what_is_published_is_the_same_for_all_writes_nothing_and_is_not_counted(sqlite_url, tmp_path, path):
    with open_town(sqlite_url, tmp_path, address_requests_per_minute=10) as town:
        with town.service.database.transaction() as connection:
            before = connection.execute(sa.select(sa.func.count()).select_from(ephemeral)).scalar_one()
        answers = [town.at(HERE).get(path) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}
        assert answers[0].headers["Cache-Control"].startswith("public, max-age=")
        with town.service.database.transaction() as connection:
            assert connection.execute(sa.select(sa.func.count()).select_from(ephemeral)).scalar_one() == before


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::6", "2001:db8:1:3::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("", ""),
        ("203.0.113.7, 10.0.0.1", "203.0.113.7, 10.0.0.1"),
        ("x" * 500, "x" * 45),
    ],
)
def test_of_an_ipv6_address_the_part_counts_that_a_line_has_to_itself(given, counted):
    assert counted_address(given) == counted


def test_whoever_changes_addresses_within_one_line_gains_nothing(sqlite_url, tmp_path):
    with open_town(sqlite_url, tmp_path, address_requests_per_minute=30) as town:
        answers = [town.at(f"2001:db8::{number:x}").post("/oauth/par").status_code for number in range(31)]
        assert answers == [400] * 30 + [429]
        assert town.at("2001:db8:0:1::1").post("/oauth/par").status_code == 400


def test_a_phone_that_asks_for_tokens_without_end_has_to_wait(sqlite_url, tmp_path):
    with open_town(sqlite_url, tmp_path, phone_requests_per_minute=20) as town:
        town.service.clock.step(WINDOW_SECONDS)
        phone = town.service.enroll(card=town.service.make_card(2))  # signs in once, with two requests before it
        answers = [phone.sign_in() for _ in range(20)]
        assert [answer.status_code for answer in answers].index(429) == 19
        assert_limited(answers[-1])
        assert GRANT in town.service.http.get("/.well-known/openid-configuration").text


# ── Clients that do not prove who they are ───────────────────────────────────────────────────────────────────────


def with_wrong_proof(client):
    """Make the same client with a key or secret that is not its own."""
    changes = {"key": Key()} if client.key else {"secret": "wrong"}
    return type(client)(**{**vars(client), **changes})


def ask(client):
    return client.post("/oauth/introspect", {"token": "x"})


@pytest.mark.parametrize("make", [make_partner, make_relying_party])
def test_whoever_fails_too_often_for_a_client_waits_and_the_client_itself_does_not(sqlite_url, tmp_path, memory, make):
    with open_town(sqlite_url, tmp_path, client_failures_per_minute=5, redis_url=memory) as town:
        client = make(town.service)
        thief, at_home = with_wrong_proof(town.moved(client, HERE)), town.moved(client, ELSEWHERE)
        assert [ask(thief).status_code for _ in range(5)] == [401] * 5
        assert_limited(ask(thief))
        assert_limited(ask(town.moved(client, HERE)))  # now not even the right proof is looked at
        assert ask(at_home).status_code == 200
        assert ask(town.moved(make(town.service), HERE)).status_code == 200


def test_after_a_minute_a_client_may_prove_itself_again(sqlite_url, tmp_path):
    with open_town(sqlite_url, tmp_path, client_failures_per_minute=2) as town:
        client = town.moved(make_partner(town.service), HERE)
        assert [ask(with_wrong_proof(client)).status_code for _ in range(3)] == [401, 401, 429]
        town.service.clock.step(WINDOW_SECONDS - 1)
        assert ask(client).status_code == 429
        town.service.clock.step(1)
        assert ask(client).status_code == 200


def test_failures_are_the_same_for_a_client_that_does_not_exist(sqlite_url, tmp_path):
    with open_town(sqlite_url, tmp_path, client_failures_per_minute=3) as town:
        known = with_wrong_proof(town.moved(make_partner(town.service), HERE))
        unknown = type(known)(**{**vars(known), "id": new_id("cli")})
        assert [look(ask(known)) for _ in range(5)] == [look(ask(unknown)) for _ in range(5)]


def test_a_success_is_no_failure(sqlite_url, tmp_path):
    with open_town(sqlite_url, tmp_path, client_failures_per_minute=2) as town:
        client = make_partner(town.service)
        assert [ask(client).status_code for _ in range(6)] == [200] * 6


def test_an_assertion_sent_again_and_a_wrong_name_beside_a_good_proof_are_failures(sqlite_url, tmp_path):
    with open_town(sqlite_url, tmp_path, client_failures_per_minute=2) as town:
        client = make_partner(town.service)
        form = {**client.identity(), "token": "x"}
        assert [town.service.http.post("/oauth/introspect", data=form).status_code for _ in range(2)] == [200, 401]
        other = {**client.identity(), "client_id": new_id("cli"), "token": "x"}
        assert town.service.http.post("/oauth/introspect", data=other).status_code == 401
        assert_limited(ask(client))


# ── Clients that do ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_client_has_a_limit_wherever_it_calls_from(sqlite_url, tmp_path, memory):
    with open_town(sqlite_url, tmp_path, client_requests_per_minute=4, redis_url=memory) as town:
        client, other = make_partner(town.service), make_partner(town.service)
        addresses = [HERE, ELSEWHERE, "192.0.2.1", "192.0.2.2", "192.0.2.3"]
        answers = [ask(town.moved(client, address)) for address in addresses]
        assert [answer.status_code for answer in answers] == [200] * 4 + [429]
        assert_limited(answers[-1])
        assert ask(other).status_code == 200


def test_all_endpoints_count_for_a_client_together(sqlite_url, tmp_path):
    with open_town(sqlite_url, tmp_path, client_requests_per_minute=3) as town:
        client = make_partner(town.service)
        assert client.push().status_code == 201
        assert ask(client).status_code == 200
        assert client.post("/oauth/revoke", {"token": "x"}).status_code == 200
        assert_limited(client.push())
        assert_limited(client.redeem("x"))


def test_nobody_uses_up_the_limit_of_an_app_by_its_name(sqlite_url, tmp_path):
    with open_town(sqlite_url, tmp_path, client_requests_per_minute=2) as town:
        native = make_native(town.service)
        assert [native.refresh("x").status_code for _ in range(5)] == [400] * 5


def test_there_is_room_for_a_bank():
    assert Settings.model_fields["client_requests_per_minute"].default == 6000


# ── By holder ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_holder_s_tokens_are_limited_over_all_clients(sqlite_url, tmp_path, memory):
    with open_town(sqlite_url, tmp_path, holder_tokens_per_minute=3, redis_url=memory) as town:
        first, second = make_partner(town.service), make_native(town.service)
        tokens = [town.holder.tokens_for(client)["refresh_token"] for client in (first, second)]
        assert first.refresh(tokens[0]).status_code == 200
        assert_limited(first.refresh(tokens[0]))
        assert_limited(second.refresh(tokens[1]))


def test_what_was_refused_for_its_number_is_not_used_up(sqlite_url, tmp_path):
    with open_town(sqlite_url, tmp_path, holder_tokens_per_minute=2) as town:
        native, partner = make_native(town.service, dpop=False), make_partner(town.service)
        token = town.holder.tokens_for(native)["refresh_token"]
        town.service.clock.step(WINDOW_SECONDS - 10)
        assert native.refresh(token).status_code == 200  # rotated: the old one would end the family
        successor = native.refresh(token)
        assert_limited(successor)
        code = town.holder.code_for(partner)
        assert_limited(partner.redeem(code))
        town.service.clock.step(10)
        assert partner.redeem(code).status_code == 200


def test_one_holder_s_limit_is_not_another_one_s(sqlite_url, tmp_path):
    with open_town(sqlite_url, tmp_path, holder_tokens_per_minute=1) as town:
        partner = make_partner(town.service)
        phone = town.service.enroll(card=town.service.make_card(2))
        token = town.holder.tokens_for(partner)["refresh_token"]
        other = type(town.holder)(town.service, phone.card, phone.device)
        assert other.tokens_for(partner)
        assert_limited(partner.refresh(token))


def test_two_cards_of_one_person_are_one_holder(town):
    desk = town.service.runtime.oauth.desk
    again = town.service.enroll(card=town.service.make_card(1))
    other = town.service.enroll(card=town.service.make_card(2))
    assert again.card != town.holder.card
    cards = (town.holder.card, again.card, other.card)
    holders = [desk.card_states(town.service.database, card).holder for card in cards]
    assert holders[0] == holders[1] != holders[2]
    assert desk.card_states(town.service.database, new_id("crd")) is None


def test_a_holder_allows_only_so_much_in_a_minute(sqlite_url, tmp_path):
    with open_town(sqlite_url, tmp_path, holder_grants_per_minute=2) as town:
        clients = [make_partner(town.service), make_native(town.service), make_relying_party(town.service)]
        begun = [clients[0].begin(), clients[0].begin(), clients[0].begin()]
        assert [town.holder.approve(interaction) for interaction in begun[:2]]
        with pytest.raises(Limited):
            town.holder.approve(begun[2])
        town.service.clock.step(WINDOW_SECONDS)
        assert "code=" in town.holder.approve(begun[2])  # it stayed open
        with pytest.raises(LoginRequestOver):
            town.holder.approve(begun[2])


def test_a_grant_without_a_holder_is_limited_by_its_client_alone(town):
    terminal = make_client(town.service, "terminal", "private_key_jwt", redirect_uris=[], scopes=["terminals.enrol"])
    form = {"grant_type": DEVICE, "device_code": "x"}
    assert terminal.post("/oauth/token", form, proven=True).json()["error"] == "invalid_grant"


# ── What is kept ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_counted_says_nothing_of_whom(sqlite_url, tmp_path, redis_url):
    with open_town(sqlite_url, tmp_path, redis_url=redis_url) as town:
        partner = town.moved(make_partner(town.service), HERE)
        town.holder.tokens_for(partner)
        ask(with_wrong_proof(partner))
        index = town.service.runtime.oauth.desk.card_states(town.service.database, town.holder.card).holder
        with redis.Redis.from_url(redis_url) as client:
            kept = [name.decode() for name in client.scan_iter()]
        counters = [name for name in kept if name.startswith("oauth:")]
        assert {name.split(":")[1] for name in counters} == {
            "address_requests_per_minute",
            "client_requests_per_minute",
            "client_failures_per_minute",
            "holder_tokens_per_minute",
            "holder_grants_per_minute",
        }
        said = " ".join(kept)
        for private in (index, HERE, partner.id, town.holder.card):
            assert private not in said
