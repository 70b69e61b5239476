"""The sandbox's time: what comes to its end by it, and that nothing else does."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from channels.models import channel_certificates
from channels.webhooks import deliver_one
from core.audit import audit_entries
from core.clock import from_millis, to_text
from core.database import metadata
from tests.channels.carriers import make_carrying, new_number
from tests.channels.news_of_tests import with_post
from tests.channels.partners import change, move, refused
from tests.channels.test_webhooks import URL, Answers
from tests.channels.trials import CLOCK, SANDBOX, make_trial
from tests.oauth.conftest import both, fresh
from tests.oauth.holder import make_holder
from web.worker import Worker

__all__ = ["both", "fresh"]

DAY = 86_400
OF_EACH_REQUEST = {"signed_requests", "channel_requests", "ephemeral", "idempotent_answers"}


@pytest.fixture
def trial(fresh):
    return make_trial(fresh)


@pytest.fixture
def linked(trial):
    linked = trial.link()
    linked.sign()
    return linked


def put(trial, seconds):
    return trial.ask("PUT", CLOCK, offset_seconds=seconds)


def contents(service):
    """All rows of all tables, but those that each request writes."""
    tables = [table for table in metadata.sorted_tables if table.name not in OF_EACH_REQUEST]
    with service.database.transaction() as connection:
        return {table.name: {tuple(map(str, row)) for row in connection.execute(sa.select(table))} for table in tables}


# ── What follows it ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["signed", "counter"])
def test_a_code_comes_to_its_end_and_a_new_one_lives(trial, linked, kind):
    old = linked.show(kind)
    put(trial, 64)
    assert trial.take(linked.show(kind)).status_code == 201
    put(trial, 65)  # a minute, and the five seconds that clocks may be apart
    refused(trial.take(old), 410, "expired")
    shown = linked.show(kind)
    ends = trial.service.clock() + timedelta(seconds=65 + 60)
    assert shown.json()["expires_at"] == to_text(ends)
    assert trial.take(shown).status_code == 201


def test_a_link_comes_to_its_end_with_its_carriage(both):
    trial = make_trial(both)
    linked = trial.link()
    linked.sign()
    shown, carriage = linked.show(), linked.call("GET", "/v1/carriage").json()["id"]
    put(trial, 180 * DAY - 60)
    assert trial.ask("GET", f"/v1/carriages/{carriage}").json()["state"] == "active"
    assert linked.link.exchange().status_code == 200
    put(trial, 180 * DAY)
    assert trial.ask("GET", f"/v1/carriages/{carriage}").json()["state"] == "revoked"
    assert linked.link.exchange().json()["error"] == "invalid_grant"
    refused(trial.take(shown), 410, "expired")
    Worker(trial.service.runtime).clean()
    kind, told = trial.app.news()[-1]
    assert (kind, told["because"]) == ("carriage.ended", "expired")


def test_the_next_tries_of_news_come_nearer(trial):
    change(trial.service, trial.app.channel, "endpoint", {"url": URL})
    trial.ask("POST", "/v1/sandbox/news", kind="card.issued")
    network = Answers(500, 500, 204)
    desk = with_post(trial.service, network)
    ahead = 0
    for wait in (20, 20):
        assert deliver_one(desk)
        assert not deliver_one(desk)
        ahead += wait
        put(trial, ahead)
    assert deliver_one(desk)
    assert not deliver_one(desk)
    assert len(network.sent) == 3


def test_a_certificate_warns_of_its_end_and_goes_on_signing(trial):
    def ends_soon():
        return [one["ends_soon"] for one in trial.ask("GET", "/v1/channel").json()["certificates"]]

    assert ends_soon() == [False]
    put(trial, 150 * DAY - 1)
    assert ends_soon() == [False]
    put(trial, 150 * DAY)
    assert ends_soon() == [True]
    put(trial, 200 * DAY)
    assert ends_soon() == [True]


# ── What does not ────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_else_moves(fresh):
    trial, other, live = make_trial(fresh), make_trial(fresh), make_carrying(fresh)
    real = live.link(make_holder(fresh))
    real.sign()
    for one in (trial, other):
        one.link().sign()
    for channel in (trial.app.channel, other.app.channel, live.channel):
        change(fresh, channel, "endpoint", {"url": URL})
    Worker(fresh.runtime).tell()
    codes = other.link(), real
    codes[0].sign()
    shown = [app.show(use="test") for app in codes]
    before = contents(fresh)
    assert put(trial, 365 * DAY).status_code == 200
    after = contents(fresh)
    changed = {name: before[name] ^ after[name] for name in before if before[name] != after[name]}
    assert changed.keys() == {"sandbox_clocks", "oauth_grants", "news_deliveries"}
    with fresh.database.transaction() as connection:
        cards = sa.text("SELECT id FROM electronic_cards WHERE sandbox = :channel")
        own_cards = set(connection.execute(cards, {"channel": trial.app.channel}).scalars())
        places = sa.text("SELECT id FROM news_endpoints WHERE channel = :channel")
        own_places = set(connection.execute(places, {"channel": trial.app.channel}).scalars())
    assert all(own_cards & set(row) for row in changed["oauth_grants"])
    assert all(own_places & set(row) for row in changed["news_deliveries"])
    assert all(trial.app.channel in row for row in changed["sandbox_clocks"])
    assert other.take(shown[0]).status_code == 201
    assert fresh.add_till().redeem(shown[1].json()["code"], "test").json()["result"] == "accepted"


def test_signatures_tokens_news_and_the_audit_trail_stay_in_our_time(trial, linked):
    put(trial, 3600)
    ours = int(trial.service.clock().timestamp())
    refused(trial.app.partner.send("GET", CLOCK, timestamp=ours + 3600), 401, "signature_stale")
    assert linked.call("GET", "/v1/carriage").status_code == 200
    carriage = linked.call("GET", "/v1/carriage").json()["id"]
    trial.ask("POST", f"/v1/carriages/{carriage}/suspend", reason="risk")
    Worker(trial.service.runtime).tell()
    last = trial.ask("GET", "/v1/news").json()["items"][-1]
    assert (last["type"], last["timestamp"]) == ("carriage.suspended", to_text(trial.service.clock()))
    with trial.service.database.transaction() as connection:
        latest = connection.execute(sa.select(sa.func.max(audit_entries.c.happened_at))).scalar_one()
        ends = connection.execute(sa.select(channel_certificates.c.not_after)).scalars().all()
    assert from_millis(latest) <= trial.service.clock()
    assert {from_millis(end) for end in ends} == {trial.service.clock().replace(second=0) + timedelta(days=180)}


# ── Forward, and back by beginning anew ──────────────────────────────────────────────────────────────────────────


def test_it_goes_forward_only(trial):
    assert trial.ask("GET", CLOCK).json() == {"offset_seconds": 0, "now": to_text(trial.service.clock())}
    ahead = to_text(trial.service.clock() + timedelta(seconds=60))
    for _ in range(2):
        assert put(trial, 60).json() == {"offset_seconds": 60, "now": ahead}
    refused(put(trial, 59), 409, "clock_only_forward")
    assert trial.ask("GET", CLOCK).json()["offset_seconds"] == 60


@pytest.mark.parametrize("seconds", [-1, 400 * DAY + 1, 1.5, "60"])
def test_it_is_put_by_whole_seconds_and_not_too_far(trial, seconds):
    refused(put(trial, seconds), 400, "malformed_request")


def test_it_is_ours_again_when_the_sandbox_begins_anew_or_ends(trial):
    put(trial, 3600)
    trial.ask("DELETE", SANDBOX)
    assert trial.ask("GET", CLOCK).json()["offset_seconds"] == 0
    put(trial, 60)
    move(trial.service, trial.app.channel, "reviewed")
    refused(put(trial, 3600), 403, "sandbox_only")
    move(trial.service, trial.app.channel, "sandbox")
    assert trial.ask("GET", CLOCK).json()["offset_seconds"] == 0


def test_what_a_sandbox_does_after_all_that_time_is_done_as_ever(trial):
    put(trial, 365 * DAY)
    linked = trial.link()
    assert linked.sign(new_number()).json()["state"] == "active"
    assert trial.take(linked.show()).status_code == 201
