"""`ecard news`, and the worker's threads, as an operator sees them."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from threading import Event

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import cli.channel_changes
import cli.news
from channels.models import news_deliveries, news_endpoints
from channels.webhooks import list_deliveries
from cli.channels import channels
from core.audit import audit_entries
from tests.channels.news_of_tests import (
    CARDS,
    Receiver,
    deliver_all,
    happen,
    make_told_partner,
    serving,
    tell,
    with_post,
)
from tests.channels.test_webhooks import URL, Answers
from tests.service import Service
from web.deliverers import delivering
from web.worker import Worker

CARD = CARDS[0]


@pytest.fixture
def town(city: Service) -> Iterator[Service]:
    """The service, with nothing waiting that other tests of this file left."""
    with city.database.transaction() as connection:
        connection.execute(news_deliveries.update().values(state="dead"))
        connection.execute(news_endpoints.update().values(state="ended"))
    return city


@pytest.fixture
def ecard(town, monkeypatch):
    """Run `ecard news …` and `ecard channels …` on the service of the tests."""
    network = Answers(204)
    runtime = replace(town.runtime, news=with_post(town, network))

    @contextlib.contextmanager
    def opened():
        yield runtime

    for module in (cli.news, cli.channel_changes):
        monkeypatch.setattr(module, "opened_runtime", opened)

    def run(*arguments: str, code: int = 0, of=cli.news.news) -> str:
        done = CliRunner().invoke(of, [*arguments], terminal_width=200, env={"COLUMNS": "250"})
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    run.network, run.desk = network, runtime.news
    return run


def test_an_address_is_registered_by_two_operators_tried_and_taken_away(town, ecard):
    partner = make_told_partner(town)
    told = ecard("add-endpoint", partner.channel, URL, "--operator", "li", of=channels)
    outcome = ecard("approve", told.split()[0], "--operator", "wang", of=channels)
    endpoint = re.search(r"^nep_\w+$", outcome, re.MULTILINE)[0]
    assert endpoint in ecard("endpoints", partner.channel)
    assert ecard("test", endpoint) == "accepted: http_204\n"
    assert b'"type":"ping"' in ecard.network.sent[-1][2]
    assert "applied" in ecard("end-endpoint", partner.channel, endpoint, "--operator", "li", of=channels)
    assert " ended " in ecard("endpoints", partner.channel)


def test_a_ping_that_is_not_accepted_ends_in_one_line_and_code_1(town, ecard):
    endpoint = make_told_partner(town).add_endpoint(URL)
    ecard.network.answers = [500]
    assert "not accepted: http_500" in ecard("test", endpoint, code=1)


def test_dead_letters_are_seen_and_sent_again(town, ecard):
    partner = make_told_partner(town)
    partner.link(CARD)
    endpoint = partner.add_endpoint(URL)
    events = [happen(town, "card.loss_reported", CARD, standing="suspended") for _ in range(3)]
    tell(town)
    assert ecard("dead", partner.channel).count("dead") == 0
    with town.database.transaction() as connection:
        connection.execute(news_deliveries.update().values(state="dead", reason="http_500"))
    assert "3 dead letters" in ecard("dead", partner.channel, code=1)
    assert events[0] in ecard("list", partner.channel, "--state", "dead")
    assert '"type":"card.loss_reported"' in ecard("show", partner.channel, events[0])
    foretold = ecard("replay", endpoint, "--dead", "--operator", "zhang", "--dry-run")
    assert foretold == f"positions 1 to 3 of {partner.channel} would be looked at (dry run)\n"
    assert "3 deliveries wait again" in ecard("replay", endpoint, "--dead", "--operator", "zhang")
    assert deliver_all(ecard.desk) == 3
    assert "1 deliveries wait again" in ecard("replay", endpoint, "--event", events[1], "--operator", "zhang")
    with town.database.transaction() as connection:
        acts = connection.execute(sa.select(audit_entries.c.act).where(audit_entries.c.subject == endpoint)).scalars()
        assert set(acts) == {"news.replayed"}


@pytest.mark.parametrize("given", [[], ["--event", "evt_1", "--dead"], ["--event", "evt_1", "--from", "1"]])
def test_a_replay_says_which(town, ecard, given):
    endpoint = make_told_partner(town).add_endpoint(URL)
    assert "name --event, or --from, or --dead" in ecard("replay", endpoint, *given, "--operator", "zhang", code=2)


def test_a_dry_run_shows_the_request_and_sends_nothing(town, ecard):
    partner = make_told_partner(town)
    partner.link(CARD)
    endpoint = partner.add_endpoint(URL)
    event = happen(town, "card.issued", CARD)
    tell(town)
    said = ecard("dry-run", endpoint, event)
    assert f"POST {URL}\n" in said
    assert f"webhook-id: {event}\n" in said
    assert "would be sent to 93.184.216.34 (dry run)" in said
    assert ecard.network.sent == []


def test_a_disabled_address_is_enabled_once(town, ecard):
    partner = make_told_partner(town)
    partner.link(CARD)
    endpoint = partner.add_endpoint(URL)
    happen(town, "card.issued", CARD)
    tell(town)
    ecard.network.answers = [410]
    deliver_all(ecard.desk)
    assert ecard("enable", endpoint, "--operator", "zhang") == "active\n"
    assert "the address is active" in ecard("enable", endpoint, "--operator", "zhang", code=1)


def test_the_worker_s_threads_deliver_beside_its_rounds_and_end_with_it(both):
    partner = make_told_partner(both)
    partner.link(CARD)
    keys = both.runtime.news.keys().published(both.clock())
    with serving(Receiver(keys)) as receiver:
        partner.add_endpoint(receiver.url)
        events = [happen(both, "card.loss_reported", CARD) for _ in range(20)]
        tell(both)
        stopping, worker = Event(), Worker(both.runtime)

        def deliver() -> int:
            done = worker.deliver()
            if not done:
                stopping.set()
            return done

        with delivering(deliver, stopping, 3):
            stopping.wait(60)
        receiver.settle()
    while worker.deliver():  # what a thread held while another one found nothing
        pass
    assert set(receiver.seen) == set(events)
    with both.database.transaction() as connection:
        assert {one.state for one in list_deliveries(connection, partner.channel)} == {"delivered"}
