"""Where a bank is asked: two operators set it, one takes it away, and no address leads into a network of ours."""

import contextlib

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import cli.channel_changes
import cli.channels
from channels.bank_ports import find_port
from channels.errors import DestinationNotAllowed, SameOperator, TransitionNotAllowed
from channels.issuance.models import bank_ports
from core.audit import audit_entries
from core.errors import Malformed, Missing
from tests.channels.partners import LI, apply, approve, change, make_partner, move, propose
from tests.issuance.banks import URL, Bank, make_bank

OTHER = "https://core.bank.example/new"


def port_of(bank: Bank) -> str | None:
    with bank.service.database.transaction() as connection:
        found = find_port(connection, bank.app.channel)
    return found and found.url


def test_a_port_takes_two_operators_and_goes_by_one(bank):
    other = make_bank(bank.service)
    proposed = propose(bank.service, other.app.channel, "bank-port", {"url": OTHER})
    assert (proposed.state, port_of(other)) == ("proposed", URL)
    with pytest.raises(SameOperator):
        approve(bank.service, proposed.id, LI)
    assert approve(bank.service, proposed.id).outcome == {"url": OTHER}
    assert port_of(other) == OTHER
    assert propose(bank.service, other.app.channel, "bank-port-end", {"url": OTHER}).state == "applied"
    assert port_of(other) is None


def test_each_change_stands_in_the_audit_trail(bank):
    other = make_bank(bank.service)
    change(bank.service, other.app.channel, "bank-port-end", {"url": URL})
    with bank.service.database.transaction() as connection:
        query = sa.select(audit_entries).where(audit_entries.c.subject == other.app.channel)
        rows = [row for row in connection.execute(query).all() if "bank-port" in str(row.detail)]
    assert [row.act.rpartition("_")[2] for row in rows] == ["proposed", "applied", "proposed", "applied"]


def test_a_new_port_begins_without_the_failures_of_the_old_one(bank):
    other = make_bank(bank.service)
    with bank.service.database.transaction() as connection:
        mine = bank_ports.update().where(bank_ports.c.channel == other.app.channel)
        connection.execute(mine.values(failures=9, paused_until=2**52))
    other.set_port(OTHER)
    with bank.service.database.transaction() as connection:
        row = connection.execute(sa.select(bank_ports).where(bank_ports.c.channel == other.app.channel)).one()
    assert (row.url, row.failures, row.paused_until) == (OTHER, 0, 0)


@pytest.mark.parametrize(
    "url",
    [
        "http://core.bank.example/",
        "https://10.0.0.1/",
        "https://localhost/",
        "https://core.internal/",
        "https://user@core.bank.example/",
        "https://core.bank.example:8443/",
        "https://core.bank.example/#x",
        "https://xn--bnk-8na.example/",
        "ftp://core.bank.example/",
        "",
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_refused(bank, url):
    with pytest.raises(DestinationNotAllowed):
        propose(bank.service, bank.app.channel, "bank-port", {"url": url})


@pytest.mark.parametrize("detail", [{}, {"url": 1}, {"url": OTHER, "more": "x"}, {"endpoint": OTHER}])
def test_a_change_of_another_form_is_refused(bank, detail):
    for kind in ("bank-port", "bank-port-end"):
        with pytest.raises(Malformed):
            propose(bank.service, bank.app.channel, kind, detail)


def test_only_banks_have_one(bank):
    wallet = make_partner(bank.service, channel_class="social")
    with pytest.raises(Malformed, match="a bank's"):
        propose(bank.service, wallet.channel, "bank-port", {"url": OTHER})


def test_a_closed_bank_gets_none(bank):
    channel = apply(bank.service)
    move(bank.service, channel, "closed")
    with pytest.raises(TransitionNotAllowed):
        propose(bank.service, channel, "bank-port", {"url": OTHER})


def test_the_same_again_and_what_is_not_there_are_refused(bank):
    with pytest.raises(Malformed, match="already"):
        propose(bank.service, bank.app.channel, "bank-port", {"url": URL})
    with pytest.raises(Missing):
        propose(bank.service, bank.app.channel, "bank-port-end", {"url": OTHER})


def test_an_operator_does_it_at_the_command_line(bank, monkeypatch):
    @contextlib.contextmanager
    def opened():
        yield bank.service.runtime

    monkeypatch.setattr(cli.channels, "opened_runtime", opened)
    monkeypatch.setattr(cli.channel_changes, "opened_runtime", opened)

    def ecard(*arguments: str) -> str:
        done = CliRunner().invoke(cli.channels.channels, arguments)
        assert done.exception is None, (done.output, done.exception)
        return done.output

    other = make_bank(bank.service)
    assert "dry run" in ecard("set-bank-port", other.app.channel, OTHER, "--operator", "li", "--dry-run")
    waits = ecard("set-bank-port", other.app.channel, OTHER, "--operator", "li").split()[0]
    assert f"bank port    {URL}\n" in ecard("show", other.app.channel)
    assert "applied" in ecard("approve", waits, "--operator", "wang")
    other.core.silent = "timeout"
    assert f"bank port    {OTHER}\n" in ecard("show", other.app.channel)
    assert "applied" in ecard("end-bank-port", other.app.channel, OTHER, "--operator", "li")
    assert "bank port" not in ecard("show", other.app.channel)
