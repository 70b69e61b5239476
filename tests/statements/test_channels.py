"""What was shown in a channel's app on one day: its rows and no one else's, the same bytes each time."""

import csv
import io
from dataclasses import replace

import pytest
import sqlalchemy as sa

from core.errors import Missing
from qr.models import redemptions, statements
from qr.statements.comparing import Difference, compare
from qr.statements.errors import StatementChanged, StatementOfAnother, StatementUnreadable
from qr.statements.form import COLUMNS, write_end, write_rows
from qr.statements.making import make_statement, plan_statement
from qr.statements.owner import Owner
from qr.statements.reading import StatementFile
from qr.statements.records import PAGE
from qr.statements.writing import write_statement
from sm.digest import sm3
from tests.channels.carriers import make_carrying
from tests.channels.partners import change
from tests.oauth.clients_of_tests import make_partner as make_client
from tests.oauth.holder import make_holder
from tests.servers import PostgresServer
from tests.service import START, running_service
from tests.statements.channels import carried_by, enter_carried, make_showing, owner_of, shown_in
from tests.statements.records import DAY, a_day_of, close_day, enter, institution_of, millis, nothing, row

NAMES = COLUMNS["channel"]


def make(app, out, day=DAY, *, again=False):
    desk, actor = app.service.runtime.statements, "operator:li"
    return make_statement(desk, owner_of(app), day, out, actor=actor, on_progress=nothing, again=again)


def lines_of(app, owner=None) -> list[list[str]]:
    file = io.BytesIO()
    write_statement(app.service.runtime.statements, owner or owner_of(app), DAY, file, nothing)
    return list(csv.reader(io.StringIO(file.getvalue().decode())))


def test_a_code_shown_in_the_app_stands_in_its_channel_s_day_under_the_name_that_the_channel_knows(city):
    city.clock.now = START
    app, holder, till = make_carrying(city), make_holder(city), city.add_till()
    linked = app.link(holder)
    linked.sign()
    done = till.redeem(linked.show().json()["code"], "medical").json()
    close_day(city)
    head, names, found, signed, end = lines_of(app)
    assert head == ["ESSC-STATEMENT-1", "channel", app.channel, "2026-03-02", "2"]
    assert names == ["id", "kind", "recorded_at", "happened_at", "result", "card"]
    at, subject = "2026-03-02T08:00:01.000Z", linked.link.subject
    assert found == [done["id"], "code.redeemed", at, at, "online", subject]
    assert signed[1:] == ["carriage.signed", at, at, "001", subject]
    assert end[:2] == ["ESSC-STATEMENT-END", "2"]


def test_neither_card_nor_place_nor_purpose_nor_pseudonym_of_an_institution_is_told(town, out):
    app = make_showing(town)
    given = {"terminal": "trm_canary", "purpose": "medical", "card": "crd_canary"}
    rows = shown_in(app, 3, **given, entitlement={"pseudonym": "ab" * 32})
    enter(town, [entry | {"idempotency_key": f"canary-{number}"} for number, entry in enumerate(rows)])
    text = make(app, out).path.read_text(encoding="utf-8")
    assert text.count("red_") == 3
    for secret in ("canary", "medical", town.institution, "ab" * 32):
        assert secret not in text


def test_of_other_channels_and_of_the_holders_own_phones_nothing_is_in_it(city):
    app, other = make_showing(city), make_showing(city)
    rows = shown_in(app, 60)
    for number, entry in enumerate(rows):
        entry["channel"] = (app.channel, other.channel, None)[number % 3]
    enter(city, rows)
    mine, theirs = ({line[0] for line in lines_of(one)[2:-1]} for one in (app, other))
    assert mine == {entry["id"] for entry in rows[0::3]}
    assert theirs == {entry["id"] for entry in rows[1::3]}
    assert len(lines_of(app, institution_of(city))) == 60 + 3


def test_the_same_card_has_another_name_in_each_channel(town):
    app, other = make_showing(town), make_showing(town)
    rows = shown_in(app, 2, card="crd_one")
    rows[1]["channel"] = other.channel
    enter(town, rows)
    assert lines_of(app)[2][-1] != lines_of(other)[2][-1]


@pytest.mark.parametrize(
    ("moment", "stands"),
    [
        ("2026-03-01T23:59:59.999+08:00", False),
        ("2026-03-02T00:00:00.000+08:00", True),
        ("2026-03-02T23:59:59.999+08:00", True),
        ("2026-03-03T00:00:00.000+08:00", False),
    ],
)
def test_its_day_goes_from_midnight_to_midnight_in_shanghai(town, moment, stands):
    app = make_showing(town)
    enter(town, [row(1, town.institution, millis(moment), channel=app.channel)])
    assert (len(lines_of(app)) == 4) is stands


def test_made_again_it_is_the_same_byte_for_byte_though_the_app_has_another_client_since(city, out):
    app = make_showing(city)
    enter(city, shown_in(app, 2 * PAGE + 1))
    assert not plan_statement(city.runtime.statements, owner_of(app), DAY).is_signed
    made = make(app, out)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(first) == [f"{app.channel}-2026-03-02.csv", f"{app.channel}-2026-03-02.csv.sig"]
    fresh = make_client(city, redirect_uris=["https://moved.example/cb"])
    change(city, app.channel, "terms", {"from": {"client": app.client.id}, "to": {"client": fresh.id}})
    for path in out.iterdir():
        path.unlink()
    assert make(app, out, again=True).sm3 == made.sm3
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    assert plan_statement(city.runtime.statements, owner_of(app), DAY).is_signed


def test_both_databases_give_a_channel_the_same_bytes(postgres_server: PostgresServer, tmp_path):
    written = []
    server = postgres_server.create_database()
    for url in (f"sqlite:///{tmp_path / 'ecard.sqlite3'}", postgres_server.url(server)):
        with running_service(url, tmp_path) as service:
            app = make_showing(service)
            desk = replace(service.runtime.statements, name=lambda _sector, card: f"name of {card}")  # keys differ
            at = millis("2026-03-02T09:00:00+08:00")
            same = shown_in(app, 40, recorded_at=at)
            enter(service, [one | {"id": f"red_{'aB_c.D'[number % 6]}{number}"} for number, one in enumerate(same)])
            file = io.BytesIO()
            write_statement(desk, owner_of(app), DAY, file, nothing)
            written.append(file.getvalue().replace(app.channel.encode(), b"chn").rpartition(b"ESSC")[0])
    postgres_server.drop_database(server)
    assert written[0] == written[1]
    assert written[0].count(b"red_") == 40


@pytest.mark.parametrize("act", ["added", "taken away", "given to another"])
def test_a_channel_s_closed_day_that_was_written_to_is_not_handed_out(city, out, act):
    app = make_showing(city)
    enter(city, shown_in(app, 3))
    make(app, out)
    with city.database.transaction() as connection:
        if act == "added":
            late = row(9, city.institution, millis("2026-03-02T09:00:00+08:00"), channel=app.channel)
            connection.execute(redemptions.insert(), [late])
        elif act == "taken away":
            connection.execute(redemptions.delete().where(redemptions.c.id == f"red_{1:026d}"))
        else:
            connection.execute(redemptions.update().values(card="crd_another"))
    with pytest.raises(StatementChanged):
        make(app, out, again=True)


def test_a_channel_without_a_client_has_a_day_without_names(town, out):
    app = make_showing(town)
    change(town, app.channel, "terms", {"from": {"client": app.client.id}, "to": {"client": None}})
    enter(town, shown_in(app, 1))
    assert lines_of(app)[2][-1] == ""
    made = make(app, out)
    change(town, app.channel, "terms", {"from": {"client": None}, "to": {"client": app.client.id}})
    assert make(app, out, again=True).sm3 == made.sm3


def test_nobody_has_a_statement_who_is_no_channel(town, out):
    for given in ("chn_nobody", town.institution, ""):
        with pytest.raises(Missing):
            plan_statement(town.runtime.statements, Owner("channel", given), DAY)


def test_a_channel_and_an_institution_are_signed_apart(town, out):
    app = make_showing(town)
    enter(town, a_day_of(town.institution, 2))
    make(app, out)
    make_statement(town.runtime.statements, institution_of(town), DAY, out, actor="operator:li", on_progress=nothing)
    with town.database.transaction() as connection:
        kept = connection.execute(sa.select(statements.c.owner, statements.c.row_count)).all()
    assert {tuple(one) for one in kept} == {(app.channel, 0), (town.institution, 2)}


# ── Compared with the partner's own file ─────────────────────────────────────────────────────────────────────────


def statement(rows, owner, names=NAMES) -> io.BytesIO:
    body = write_rows([("ESSC-STATEMENT-1", owner.kind, owner.id, DAY.isoformat(), len(rows)), names, *rows])
    return io.BytesIO(body + write_end(len(rows), sm3(body).hex()))


def differences(ours: io.BytesIO, theirs: io.BytesIO):
    found: list[Difference] = []
    totals = compare(StatementFile(ours), StatementFile(theirs), found.append, nothing)
    return totals, found


def changed(line, **values):
    return tuple(values.get(name, value) for name, value in zip(NAMES, line, strict=True))


def test_of_100000_rows_of_a_partner_all_100_planted_differences_are_found_and_none_else(city):
    app = make_showing(city)
    enter(city, shown_in(app, 60_000))
    enter_carried(city, carried_by(app, 40_000))
    ours = io.BytesIO()
    write_statement(city.runtime.statements, owner_of(app), DAY, ours, nothing)
    lines = list(csv.reader(io.StringIO(ours.getvalue().decode())))[2:-1]
    assert len(lines) == 100_000
    places = [500 + 1000 * (number * 37 % 100) for number in range(100)]  # of each sort in codes and carriages
    missing = {lines[place][0] for place in places[:34]}
    altered = {lines[place][0]: NAMES[1 + number % 5] for number, place in enumerate(places[34:67])}
    extra = [changed(lines[place], id=f"{lines[place][0][:3]}_x{place}") for place in places[67:]]
    values = {"recorded_at": "2026-03-02T01:02:03.004Z", "happened_at": "2026-03-02T01:02:03.005Z"}
    theirs = [
        changed(line, **{name: values.get(name, "other")}) if (name := altered.get(line[0])) else tuple(line)
        for line in reversed(lines)
        if line[0] not in missing
    ]
    ours.seek(0)
    totals, found = differences(ours, statement(theirs + extra, owner_of(app)))
    assert (totals.ours, totals.theirs) == (100_000, 100_000 - 34 + 33)
    assert {one.id for one in found if one.kind == "ours_only"} == missing
    assert {one.id for one in found if one.kind == "theirs_only"} == {line[0] for line in extra}
    assert {one.id: one.column for one in found if one.kind == "differing"} == altered
    for kind in ("ours_only", "theirs_only", "differing"):
        assert {one.id.partition("_")[0] for one in found if one.kind == kind} == {"red", "evt"}
    assert len(found) == totals.ours_only + totals.theirs_only + totals.differing == 100


def test_a_channel_s_file_is_not_compared_with_an_institution_s_of_the_same_id():
    with pytest.raises(StatementOfAnother):
        differences(statement([], Owner("channel", "one")), statement([], Owner("institution", "one"), ("id",)))


def test_columns_of_the_other_kind_are_passed_over():
    row = ("red_1", "trm_1", "name")
    file = StatementFile(statement([row], Owner("channel", "chn_1"), ("id", "terminal", "card")))
    assert [one.values for one in file.records()] == [("name",)]
    assert (file.columns, file.passed_over) == (("card",), ("terminal",))


def test_of_a_third_kind_there_is_no_statement():
    with pytest.raises(StatementUnreadable) as refused:
        StatementFile(io.BytesIO(b"ESSC-STATEMENT-1,terminal,trm_1,2026-03-02,0\nid\n"))
    assert refused.value.extra == {"line": 1, "column": 2}
