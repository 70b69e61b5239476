"""The holder sees phones, links and consents, and ends them: at once, for all tokens."""

import pytest
import sqlalchemy as sa

from auth.login.finish import Step
from core.audit import audit_entries
from core.outbox import outbox
from tests.login.browser import Town
from tests.oauth.clients_of_tests import OAuthClient, answer_of, make_partner
from tests.oauth.conftest import MANY_A_MINUTE
from tests.service import running_service
from web.worker import Worker


@pytest.fixture
def two(sqlite_url, tmp_path):
    """A card that two phones carry."""
    with running_service(sqlite_url, tmp_path, max_devices=2, **MANY_A_MINUTE) as service:
        town = Town(service)
        yield town, service.enroll(card=town.card)


def link(town: Town, partner: OAuthClient) -> dict:
    town.phone.sign_in()
    browser = town.browser().begin_for(partner).log_in(town.phone)
    answer = partner.redeem(answer_of(browser.agree())["code"])
    assert answer.status_code == 200, answer.text
    return answer.json()


def make_lasting(town: Town) -> OAuthClient:
    return make_partner(town.service, scopes=("openid", "offline_access", "card.read"))


def told(town: Town, subject: str) -> list[str]:
    with town.service.database.transaction() as connection:
        acts = sa.select(audit_entries.c.act).where(audit_entries.c.subject == subject)
        return list(connection.execute(acts.order_by(audit_entries.c.number)).scalars())


def events(town: Town) -> list[str]:
    with town.service.database.transaction() as connection:
        return list(connection.execute(sa.select(outbox.c.kind).order_by(outbox.c.number)).scalars())


def lists(town: Town, name: str, query: str = "") -> dict:
    answer = town.phone.call("GET", f"/v1/cards/{town.phone.card}/{name}{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def end(town: Town, name: str, given: str):
    return town.phone.call("POST", f"/v1/cards/{town.phone.card}/{name}/{given}/end")


# ── Phones ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_holder_sees_the_phones_that_carry_the_card(two):
    town, second = two
    first, other = lists(town, "devices")["items"]
    assert (first["id"], first["is_caller"], first["channel"]) == (town.phone.device, True, "app")
    assert (other["id"], other["is_caller"]) == (second.device, False)
    assert first["bound_at"] == first["proven_at"]


def test_the_same_phone_at_the_reader_again_is_proven_anew_and_stays_the_same_device(both):
    town, device = both, both.phone.device
    town.clock.step(3600)
    town.service.enroll(card=town.card, phone=town.phone)
    assert town.phone.device == device
    [shown] = lists(town, "devices")["items"]
    assert shown["bound_at"] < shown["proven_at"]


def test_a_phone_ends_with_its_tokens_and_what_was_granted_by_way_of_it(two):
    town, second = two
    partner = make_lasting(town)
    browser = town.browser().begin_for(partner).log_in(second)
    tokens = partner.redeem(answer_of(browser.agree())["code"]).json()
    waiting = town.browser("waiting").begin()
    second.scan_login(waiting.code)
    answer = end(town, "devices", second.device)
    assert answer.json() == {"id": second.device, "state": "ended", "devices_left": 1}
    assert partner.call(tokens["access_token"]).status_code == 401
    assert partner.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert waiting.look().state == "denied"
    for path in ("", "/uses", "/credential", "/devices", "/links", "/consents"):
        refused = second.call("GET", f"/v1/cards/{second.card}{path}")
        assert (refused.status_code, refused.json()["code"]) == (403, "device_ended"), path
    assert second.code("medical").json()["code"] == "device_ended"
    assert second.sign_in().json()["error"] == "invalid_grant"
    assert lists(town, "links")["items"] == []
    assert told(town, second.device)[-1] == "device.ended"
    assert "device.ended" in events(town)


def test_the_last_phone_can_end_itself_and_the_answer_says_that_none_is_left(both):
    town = both
    answer = end(town, "devices", town.phone.device)
    assert answer.json() == {"id": town.phone.device, "state": "ended", "devices_left": 0}
    assert town.phone.call("GET", f"/v1/cards/{town.phone.card}").json()["code"] == "device_ended"
    again = town.service.enroll(card=town.card, phone=town.phone)
    assert lists(town, "devices")["items"][0]["id"] == again.device


def test_whoever_is_not_of_the_card_or_ended_already_is_not_found(two):
    town, second = two
    stranger = town.other_phone()
    assert end(town, "devices", second.device).status_code == 200
    for given in (second.device, stranger.device, "dev_" + "0" * 26, "x", "dev_"):
        refused = end(town, "devices", given)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found"), given


def test_nobody_sees_or_ends_what_rests_on_another_card(town):
    stranger, mine = town.other_phone(), town.phone
    for name, given in (("devices", mine.device), ("links", "grt_" + "0" * 26), ("consents", "cli_" + "0" * 26)):
        assert stranger.call("GET", f"/v1/cards/{mine.card}/{name}").json()["code"] == "not_found"
        assert stranger.call("POST", f"/v1/cards/{mine.card}/{name}/{given}/end").json()["code"] == "not_found"


def test_a_suspended_card_s_phones_can_still_be_ended(two):
    town, second = two
    town.phone.call("POST", f"/v1/cards/{town.phone.card}/loss-reports")
    assert end(town, "devices", second.device).status_code == 200


# ── Links ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_holder_sees_and_ends_the_lasting_access_of_a_partner(both):
    town, partner = both, make_lasting(both)
    tokens = link(town, partner)
    [shown] = lists(town, "links")["items"]
    assert shown["client"] == {"id": partner.id, "name_zh": "示范银行", "name_en": "Example Bank"}
    assert [scope["name"] for scope in shown["scopes"]] == ["openid", "offline_access", "card.read"]
    assert end(town, "links", shown["id"]).json() == {"id": shown["id"], "state": "ended"}
    assert partner.call(tokens["access_token"]).status_code == 401
    assert partner.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert lists(town, "links") == {"items": [], "next": None}
    assert told(town, shown["id"]) == ["oauth.granted", "oauth.grant_ended"]
    assert "link.ended" in events(town)
    assert end(town, "links", shown["id"]).status_code == 404


def test_links_come_in_pages_the_latest_first(both):
    town, partner = both, make_lasting(both)
    for _ in range(3):
        link(town, partner)
        town.clock.step(1)
    link(town, partner)
    whole = [item["id"] for item in lists(town, "links")["items"]]
    first = lists(town, "links", "?limit=2")
    second = lists(town, "links", f"?limit=2&after={first['next']}")
    assert [item["id"] for page in (first, second) for item in page["items"]] == whole
    assert second["next"] is None
    assert len(set(whole)) == 4


@pytest.mark.parametrize("after", ["grt_" + "0" * 26, "x", "", "数"])
def test_a_cursor_that_was_never_given_is_refused(town, after):
    answer = town.phone.call("GET", f"/v1/cards/{town.phone.card}/links?after={after}")
    assert answer.json()["code"] == "malformed_request"


def test_what_does_not_last_is_no_link(town):
    browser = town.browser().begin_for(town.relying_party()).log_in(town.phone)
    browser.agree()
    assert lists(town, "links")["items"] == []
    with town.service.database.transaction() as connection:
        grant = connection.execute(sa.text("SELECT id FROM oauth_grants")).scalar_one()
    assert end(town, "links", grant).status_code == 404


def test_a_link_of_somebody_else_is_not_found(town):
    partner, stranger = make_lasting(town), town.other_phone()
    link(town, partner)
    [shown] = lists(town, "links")["items"]
    refused = stranger.call("POST", f"/v1/cards/{stranger.card}/links/{shown['id']}/end")
    assert refused.status_code == 404
    assert stranger.call("GET", f"/v1/cards/{stranger.card}/links?after={shown['id']}").status_code == 400


# ── Consents ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_holder_sees_and_ends_a_consent(both):
    town, client = both, both.relying_party()
    browser = town.browser().begin_for(client).log_in(town.phone)
    token = client.redeem(answer_of(browser.agree())["code"]).json()["access_token"]
    assert client.call(token).status_code == 200
    [shown] = lists(town, "consents")["items"]
    assert (shown["client"]["id"], shown["scopes"][0]["name"]) == (client.id, "openid")
    assert end(town, "consents", client.id).json() == {"client": client.id, "state": "ended"}
    assert client.call(token).status_code == 401
    assert lists(town, "consents") == {"items": [], "next": None}
    assert told(town, client.id)[-1] == "consent.ended"
    assert end(town, "consents", client.id).status_code == 404
    assert town.browser().begin_for(client).log_in(town.phone).step() is Step.AGREE


def test_consents_come_in_pages(town):
    for _ in range(3):
        town.browser().begin_for(town.relying_party()).log_in(town.phone).agree()
    whole = [item["client"]["id"] for item in lists(town, "consents")["items"]]
    first = lists(town, "consents", "?limit=2")
    second = lists(town, "consents", f"?limit=2&after={first['next']}")
    assert [item["client"]["id"] for page in (first, second) for item in page["items"]] == whole
    assert (len(whole), second["next"]) == (3, None)


# ── What the other phones learn ──────────────────────────────────────────────────────────────────────────────────


def test_other_phones_are_told_of_logins_and_ends(two):
    town, second = two
    client, partner = town.relying_party(), make_lasting(town)
    login = town.browser().begin_for(client).log_in(town.phone)
    login.agree()
    link(town, partner)
    end(town, "links", lists(town, "links")["items"][0]["id"])
    end(town, "consents", client.id)
    Worker(town.service.runtime).tell()
    items = second.send("GET", "/v1/notices").json()["items"]
    told = [item["kind"] for item in items]
    assert told[:4] == ["consent.ended", "link.ended", "login.confirmed", "login.confirmed"]
    assert items[3]["content"] == {"login": login.id, "purpose": "oauth"}
