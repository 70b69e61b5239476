"""Which app opens which address: the register, and the two documents that phones read."""

import contextlib
import fnmatch
import json
import re
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import cli.clients
from auth.apps.associations import _SECONDS, SIZE_LIMIT, Claim, PublishedAssociations, write_associations
from auth.apps.register import MOST_APPS, MOST_FINGERPRINTS, App, AppTaken, add_app, list_apps, remove_app
from auth.oauth.client_register import set_client_standing
from core.audit import audit_entries
from core.errors import Malformed, Missing, Unavailable
from core.ids import new_id
from tests.oauth.clients_of_tests import LOOPBACK, make_native, make_partner
from tests.service import ISSUER, Service

ANDROID, APPLE = "/.well-known/assetlinks.json", "/.well-known/apple-app-site-association"
FINGERPRINT = ":".join(["14", "6D", "E9", "83"] * 8)
OTHER_FINGERPRINT = ":".join(["AB"] * 32)
CARD_APP = App("android", "cn.example.card", (FINGERPRINT,), opens_logins=True)
CARD_APP_APPLE = App("apple", "TEAM123456.cn.example.card", opens_logins=True)
RELATION = "delegate_permission/common.handle_all_urls"
HANDLED_HERE = f"{ISSUER}/app/bank/cb"


def add(service: Service, client: str, *apps: App) -> None:
    with service.database.transaction() as connection:
        for app in apps:
            add_app(connection, client, app, issuer=ISSUER, at=service.clock())


def published(service: Service, path: str) -> object:
    service.runtime.apps._look_at = float("-inf")  # as ten seconds later
    answer = service.http.get(path)
    assert answer.status_code == 200
    return answer.json()


def android_rules(service: Service) -> dict[str, list[dict[str, object]]]:
    return {
        statement["target"]["package_name"]: statement["relation_extensions"][RELATION]["dynamic_app_link_components"]
        for statement in published(service, ANDROID)
    }


def apple_rules(service: Service) -> dict[str, list[dict[str, object]]]:
    details = published(service, APPLE)["applinks"]["details"]
    return {app: detail["components"] for detail in details for app in detail["appIDs"]}


def opens(rules: list[dict[str, object]], address: str) -> bool:
    """Judge as both platforms do: the first rule that matches the path decides; ``*`` stands for anything."""
    for rule in rules:
        if fnmatch.fnmatchcase(urlsplit(address).path, str(rule["/"])):
            return not rule.get("exclude", False)
    return False


# ── The documents ────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_apps_both_documents_say_so(fresh):
    assert published(fresh, ANDROID) == []
    assert published(fresh, APPLE) == {"applinks": {"details": []}}


def test_android_reads_a_statement_in_google_s_form(both):
    add(both, make_native(both).id, CARD_APP)
    (statement,) = published(both, ANDROID)
    assert statement == {
        "relation": [RELATION],
        "target": {
            "namespace": "android_app",
            "package_name": "cn.example.card",
            "sha256_cert_fingerprints": [FINGERPRINT],
        },
        "relation_extensions": {
            RELATION: {"dynamic_app_link_components": [{"/": "/app/login/*"}, {"/": "*", "exclude": True}]}
        },
    }


def test_apple_s_systems_read_details_in_apple_s_form(both):
    add(both, make_native(both).id, CARD_APP_APPLE)
    assert published(both, APPLE) == {
        "applinks": {"details": [{"appIDs": ["TEAM123456.cn.example.card"], "components": [{"/": "/app/login/*"}]}]}
    }


@pytest.mark.parametrize("path", [ANDROID, APPLE])
def test_they_come_as_json_at_once_and_may_be_kept(fresh, path):
    answer = fresh.http.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    again = fresh.http.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert fresh.http.head(path).headers["ETag"] == answer.headers["ETag"]
    assert fresh.http.post(path).status_code == 405
    assert fresh.http.get(path + "/").status_code == 404


def test_a_code_of_the_login_page_opens_the_card_app_and_nothing_else_of_the_service_does(fresh):
    native = make_native(fresh, redirect_uris=[HANDLED_HERE, LOOPBACK], sector="card.example")
    add(fresh, native.id, CARD_APP, CARD_APP_APPLE)
    pages = {rule.rule.replace("<", "x").replace(">", "x") for rule in fresh.app.url_map.iter_rules()}
    for rules in (*android_rules(fresh).values(), *apple_rules(fresh).values()):
        assert opens(rules, f"{ISSUER}/app/login/BCDF-GHJK")
        assert opens(rules, HANDLED_HERE)
        assert not opens(rules, HANDLED_HERE + "/more")
        assert {page for page in pages if opens(rules, page)} == {"/app/login/xcodex"}


def test_an_app_that_carries_no_cards_opens_its_own_redirects_alone(fresh):
    bank = make_native(fresh, redirect_uris=[HANDLED_HERE])
    add(fresh, bank.id, App("android", "cn.bank", (FINGERPRINT,)), App("apple", "TEAM123456.cn.bank"))
    for rules in (*android_rules(fresh).values(), *apple_rules(fresh).values()):
        assert opens(rules, HANDLED_HERE)
        assert not opens(rules, f"{ISSUER}/app/login/BCDF-GHJK")


@pytest.mark.parametrize(
    "address",
    [
        LOOPBACK,
        "https://bank.example/app/cb",
        "https://card.example:8443/app/cb",
        "https://card.example.evil.example/app/cb",
        f"{ISSUER}/oauth/authorize",
        f"{ISSUER}/login/for/x",
        f"{ISSUER}/app",
        f"{ISSUER}/app/",
        f"{ISSUER}/app/login/x",
        f"{ISSUER}/app/login/",
        f"{ISSUER}/app/*",
        f"{ISSUER}/app/%2a",
        f"{ISSUER}/application/cb",
    ],
)
def test_an_address_that_is_not_below_app_on_this_host_is_claimed_by_nobody(fresh, address):
    client = make_native(fresh, redirect_uris=[address])
    add(fresh, client.id, App("android", "cn.bank", (FINGERPRINT,)), App("apple", "TEAM123456.cn.bank"))
    assert android_rules(fresh) == apple_rules(fresh) == {}


def test_the_query_of_a_redirect_is_no_part_of_the_claim(fresh):
    client = make_native(fresh, redirect_uris=[HANDLED_HERE + "?from=card"])
    add(fresh, client.id, App("apple", "TEAM123456.cn.bank"))
    assert apple_rules(fresh) == {"TEAM123456.cn.bank": [{"/": "/app/bank/cb"}]}


def test_each_app_has_its_own_statement_in_one_order(both):
    for number in (3, 1, 2):
        add(both, make_native(both).id, App("android", f"cn.example.n{number}", (FINGERPRINT,), opens_logins=True))
    assert list(android_rules(both)) == ["cn.example.n1", "cn.example.n2", "cn.example.n3"]


def test_a_suspended_client_s_apps_open_nothing(both):
    client = make_native(both)
    add(both, client.id, CARD_APP, CARD_APP_APPLE)
    assert android_rules(both)
    assert apple_rules(both)
    with both.database.transaction() as connection:
        set_client_standing(connection, client.id, "suspended")
    assert android_rules(both) == apple_rules(both) == {}


# ── Kept and asked for ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_register_is_asked_every_ten_seconds(fresh):
    ticks = [0.0]
    held = PublishedAssociations(fresh.runtime.ground, lambda: ticks[0])
    assert held().android == b"[]"
    add(fresh, make_native(fresh).id, CARD_APP)
    ticks[0] = _SECONDS - 0.1
    assert held().android == b"[]"
    ticks[0] = _SECONDS
    assert b"cn.example.card" in held().android


def test_while_the_database_is_away_a_worker_gives_what_it_had(fresh):
    ticks = [0.0]
    held, late = (PublishedAssociations(fresh.runtime.ground, lambda: ticks[0]) for _ in range(2))
    add(fresh, make_native(fresh).id, CARD_APP)
    before = held()
    with fresh.database.transaction() as connection:
        connection.execute(sa.text("DROP TABLE client_apps"))
    ticks[0] = 2 * _SECONDS
    assert held() == before
    with pytest.raises(Unavailable):
        late()


def test_the_documents_stay_within_what_phones_read(fresh):
    assert SIZE_LIMIT < 128 * 1024
    paths = tuple(f"/app/{number:04}/{'x' * 400}" for number in range(260))
    claims = [Claim("apple", "TEAM123456.cn.bank", (), paths)]
    assert len(write_associations(claims)[1]) > SIZE_LIMIT
    many = [HANDLED_HERE + f"/{number}/{'x' * 440}" for number in range(250)]
    client = make_native(fresh, redirect_uris=many)
    with pytest.raises(Malformed, match="longer"):
        add(fresh, client.id, App("apple", "TEAM123456.cn.bank"))
    assert apple_rules(fresh) == {}


# ── The register ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "app",
    [
        App("android", "card", (FINGERPRINT,)),
        App("android", "cn.1card", (FINGERPRINT,)),
        App("android", "cn..card", (FINGERPRINT,)),
        App("android", "cn.example.card\n", (FINGERPRINT,)),
        App("android", 'cn.example."card', (FINGERPRINT,)),
        App("android", "cn.例", (FINGERPRINT,)),
        App("android", "cn." + "x" * 260, (FINGERPRINT,)),
        App("android", "cn.example.card"),
        App("android", "cn.example.card", ("",)),
        App("android", "cn.example.card", (FINGERPRINT[:-3],)),
        App("android", "cn.example.card", (FINGERPRINT + ":AB",)),
        App("android", "cn.example.card", ("ZZ" * 32,)),
        App("android", "cn.example.card", tuple(f"{number:064x}" for number in range(MOST_FINGERPRINTS + 1))),
        App("apple", "cn.example.card"),
        App("apple", "TEAM12345.cn.example.card"),
        App("apple", "team123456.cn.example.card"),
        App("apple", "TEAM123456."),
        App("apple", "TEAM123456.*"),
        App("apple", "TEAM123456.cn.example.card\n"),
        App("apple", "TEAM123456.cn.example.card", (FINGERPRINT,)),
    ],
    ids=str,
)
def test_what_is_no_app_is_not_entered(fresh, app):
    client = make_native(fresh)
    with pytest.raises(Malformed):
        add(fresh, client.id, app)
    with fresh.database.transaction() as connection:
        assert list_apps(connection, client.id) == []


def test_fingerprints_are_kept_in_one_spelling(fresh):
    client = make_native(fresh)
    spellings = (FINGERPRINT, FINGERPRINT.lower(), FINGERPRINT.replace(":", ""), OTHER_FINGERPRINT)
    add(fresh, client.id, App("android", "cn.example.card", spellings, opens_logins=True))
    (statement,) = published(fresh, ANDROID)
    assert statement["target"]["sha256_cert_fingerprints"] == [FINGERPRINT, OTHER_FINGERPRINT]
    assert all(re.fullmatch(r"(?:[0-9A-F]{2}:){31}[0-9A-F]{2}", one) for one in (FINGERPRINT, OTHER_FINGERPRINT))


def test_only_native_clients_have_apps(fresh):
    with pytest.raises(Malformed):
        add(fresh, make_partner(fresh).id, CARD_APP)
    with pytest.raises(Missing):
        add(fresh, new_id("cli"), CARD_APP)


def test_an_app_is_one_client_s(both):
    first, second = make_native(both), make_native(both)
    add(both, first.id, CARD_APP)
    with pytest.raises(AppTaken):
        add(both, second.id, CARD_APP)
    with both.database.transaction() as connection:
        assert not remove_app(connection, second.id, "android", "cn.example.card")
        assert remove_app(connection, first.id, "android", "cn.example.card")
    add(both, second.id, CARD_APP)


def test_entered_again_an_app_is_changed(both):
    client = make_native(both, redirect_uris=[HANDLED_HERE])
    add(both, client.id, CARD_APP, App("android", "cn.example.card", (OTHER_FINGERPRINT,)))
    (statement,) = published(both, ANDROID)
    assert statement["target"]["sha256_cert_fingerprints"] == [OTHER_FINGERPRINT]
    assert not opens(android_rules(both)["cn.example.card"], f"{ISSUER}/app/login/BCDF-GHJK")


def test_a_client_has_only_so_many_apps(fresh):
    client = make_native(fresh)
    add(fresh, client.id, *(App("apple", f"TEAM123456.cn.n{number}") for number in range(MOST_APPS)))
    with pytest.raises(Malformed):
        add(fresh, client.id, App("apple", "TEAM123456.cn.more"))


# ── ecard clients ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(fresh, monkeypatch):
    @contextlib.contextmanager
    def opened():
        yield fresh.runtime

    monkeypatch.setattr(cli.clients, "opened_runtime", opened)

    def run(*arguments, code=0):
        done = CliRunner().invoke(cli.clients.clients, [*arguments])
        assert done.exit_code == code, done.output
        return done.output.strip()

    return run


def test_an_operator_adds_lists_and_removes_apps(fresh, run):
    client, who = make_native(fresh).id, ("--operator", "zhang")
    android, apple = ("--android", "cn.example.card"), ("--apple", "TEAM123456.cn.example.card")
    said = run("add-app", client, *android, "--fingerprint", FINGERPRINT, "--opens-logins", *who)
    assert said == "android cn.example.card"
    assert run("add-app", client, *apple, *who) == "apple TEAM123456.cn.example.card"
    listed = run("apps", client)
    assert "cn.example.card" in listed
    assert "yes" in listed
    assert json.dumps(published(fresh, ANDROID)).count("cn.example.card") == 1
    assert run("remove-app", client, *android, *who) == "removed"
    run("remove-app", client, *android, *who, code=1)
    assert published(fresh, ANDROID) == []
    with fresh.database.transaction() as connection:
        entries = connection.execute(sa.select(audit_entries.c.act).where(audit_entries.c.subject == client)).all()
    assert [act for (act,) in entries] == ["client.app_added", "client.app_added", "client.app_removed"]


def test_one_app_is_named_at_a_time(fresh, run):
    client, who = make_native(fresh).id, ("--operator", "zhang")
    run("add-app", client, *who, code=2)
    run("add-app", client, "--android", "cn.a", "--apple", "TEAM123456.cn.a", *who, code=2)
    run("remove-app", client, *who, code=2)
